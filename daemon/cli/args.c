/* args.c - options as a table, so that help cannot forget one.
 * SPDX-License-Identifier: ISC
 *
 * getopt_long would need every option twice, in its string and in its table, and
 * a third time in the help. Here a row is all there is.
 */
#include "daemon/cli/args.h"

#include <string.h>

#include "daemon/base/near.h"
#include "daemon/base/units.h"

enum { LEFT = 26 }; /* columns of options in a help */

struct scan {
	const struct arg *mine, *common;
	char **argv;
	int argc, at;
	struct err *err;
};

static void count_long(const struct arg *t, const char *name, size_t len,
		       const struct arg **found, unsigned *n)
{
	for (; t && t->name; t++) {
		if (strncmp(t->name, name, len))
			continue;
		if (strlen(t->name) == len) { /* the whole name beats beginnings */
			*found = t;
			*n = 1;
			return;
		}
		*found = t;
		(*n)++;
	}
}

static void unknown(const struct scan *s, const char *name, size_t len)
{
	char word[64];
	struct near near;

	snprintf(word, sizeof(word), "%.*s", (int)len, name);
	near = near_to(word);
	for (const struct arg *a = s->mine; a && a->name; a++)
		near_try(&near, a->name);
	for (const struct arg *a = s->common; a && a->name; a++)
		near_try(&near, a->name);
	err_set(s->err, near.best ? "there is no option --%s; did you mean --%s?"
				  : "there is no option --%s", word, near.best);
}

static const struct arg *find_long(const struct scan *s, const char *name, size_t len)
{
	const struct arg *found = NULL, *other = NULL;
	unsigned n = 0, m = 0;

	count_long(s->mine, name, len, &found, &n);
	if (n == 1 && strlen(found->name) == len)
		return found;
	count_long(s->common, name, len, &other, &m);
	if (m == 1 && strlen(other->name) == len)
		return other;
	if (n + m == 1)
		return n ? found : other;
	if (n + m)
		err_set(s->err, "--%.*s is short for more than one option", (int)len,
			name);
	else
		unknown(s, name, len);
	return NULL;
}

static const struct arg *find_letter(const struct scan *s, char letter)
{
	const struct arg *tables[] = { s->mine, s->common };

	for (int i = 0; i < 2; i++)
		for (const struct arg *a = tables[i]; a && a->name; a++)
			if (a->letter == letter)
				return a;
	err_set(s->err, "there is no option -%c", letter);
	return NULL;
}

/* value: what stood behind = or the letter; NULL: the next word. */
static bool set(struct scan *s, const struct arg *a, const char *value)
{
	if (a->kind == ARG_FLAG) {
		if (value)
			return err_set(s->err, "--%s takes no value", a->name);
		*(bool *)a->to = true;
		return true;
	}
	if (!value && s->at >= s->argc)
		return err_set(s->err, "--%s needs a value: --%s %s", a->name, a->name,
			       a->value);
	if (!value)
		value = s->argv[s->at++];
	if (a->kind == ARG_TEXT)
		*(const char **)a->to = value;
	else if (!parse_u64(value, INT64_MAX, a->to))
		return err_set(s->err, "--%s wants a whole number, not \"%s\"", a->name,
			       value);
	return true;
}

static bool take_long(struct scan *s, const char *word)
{
	size_t len = strcspn(word, "=");
	const struct arg *a = find_long(s, word, len);

	return a && set(s, a, word[len] ? word + len + 1 : NULL);
}

/* "-n10", "-n 10", "-vx" */
static bool take_letters(struct scan *s, const char *word)
{
	for (; *word; word++) {
		const struct arg *a = find_letter(s, *word);

		if (!a)
			return false;
		if (a->kind != ARG_FLAG)
			return set(s, a, word[1] ? word + 1 : NULL);
		if (!set(s, a, NULL))
			return false;
	}
	return true;
}

bool args_parse(int *argc, char **argv, const struct arg *mine, const struct arg *common,
		bool stop, int *used, struct err *err)
{
	struct scan s = { mine, common, argv, *argc, 1, err };
	int kept = 1;
	bool ended = false;

	while (s.at < s.argc) {
		char *word = argv[s.at++];

		if (ended || word[0] != '-' || !word[1]) { /* "-" is standard input */
			if (stop) {
				s.at--;
				break;
			}
			argv[kept++] = word;
		} else if (!strcmp(word, "--")) {
			ended = true;
		} else if (word[1] == '-' ? !take_long(&s, word + 2)
					  : !take_letters(&s, word + 1)) {
			return false;
		}
	}
	if (used)
		*used = s.at;
	if (!stop)
		*argc = kept;
	return true;
}

void args_help(const struct arg *t, FILE *to)
{
	for (; t && t->name; t++) {
		char left[64];

		if (t->letter)
			snprintf(left, sizeof(left), "-%c, --%s %s", t->letter, t->name,
				 t->value ? t->value : "");
		else
			snprintf(left, sizeof(left), "    --%s %s", t->name,
				 t->value ? t->value : "");
		if (strlen(left) > LEFT)
			fprintf(to, "  %s\n  %-*s %s\n", left, LEFT, "", t->help);
		else
			fprintf(to, "  %-*s %s\n", LEFT, left, t->help);
	}
}
