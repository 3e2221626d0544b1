/* config_value.c - one value to its field.
 * SPDX-License-Identifier: ISC
 *
 * A value that is wrong is told, with an example of a right one, and its field keeps the
 * default, so that the rest is checked as if it were right.
 */
#include "daemon/config_impl.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/base/mem.h"
#include "daemon/base/units.h"

enum { HINT = 128 };

/* Where systemd puts LoadCredential=; only there while the unit runs. */
#define CREDENTIALS "/run/credentials/"

void config_set_text(char **field, char *text)
{
	free(*field);
	*field = text;
}

/* Relative names count from the file they are written in. */
static char *path_of(const struct value *v)
{
	const char *slash = v->file ? strrchr(v->file, '/') : NULL;

	if (!*v->text || *v->text == '/' || !slash)
		return xstrdup(v->text);
	return xasprintf("%.*s/%s", (int)(slash - v->file), v->file, v->text);
}

/* A file of a secret must be there, and nobody but its owner and group may read it. */
static void check_secret(struct config_reader *r, const struct value *v, const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0) {
		if (!strncmp(path, CREDENTIALS, strlen(CREDENTIALS)))
			return;
		config_bad(r, v, "%s: %s: %s; create it and chmod 640 it", v->name, path,
			   strerror(errno));
	} else if (!S_ISREG(st.st_mode)) {
		config_bad(r, v, "%s: %s is not a file", v->name, path);
	} else if (st.st_mode & (07777 & ~0640)) {
		config_bad(r, v,
			   "%s: %s has mode %04o, so others can read or change it; "
			   "chmod 640 %s",
			   v->name, path, (unsigned)st.st_mode & 07777, path);
	} else if (access(path, R_OK) < 0) {
		config_bad(r, v,
			   "%s: %s cannot be read by this user; chown it to the user "
			   "that culpritd runs as",
			   v->name, path);
	} else if (!st.st_size) {
		config_bad(r, v, "%s: %s is empty; write the secret into it", v->name,
			   path);
	}
}

void config_read_bool(struct config_reader *r, const struct value *v, bool *out)
{
	static const char *const words[] = { "yes", "no", "true", "false", "on",
					     "off", "1",  "0",	  NULL };
	char hint[HINT];

	for (size_t i = 0; words[i]; i++) {
		if (!strcmp(v->text, words[i])) {
			*out = !(i % 2);
			return;
		}
	}
	config_bad(r, v, "%s: \"%s\" is neither yes nor no%s", v->name, v->text,
		   config_hint(v->text, words, hint, sizeof(hint)));
}

static bool in_bounds(struct config_reader *r, const struct value *v, double x,
		      const char *low, const char *high)
{
	const struct setting *s = v->what;

	if (s->min == s->max || (x >= s->min && x <= s->max))
		return true;
	config_bad(r, v, "%s: %s is not within %s to %s", v->name, v->text, low, high);
	return false;
}

static void read_size(struct config_reader *r, const struct value *v, uint64_t *out)
{
	char low[UNIT_TEXT], high[UNIT_TEXT];
	uint64_t x;

	if (!parse_size(v->text, &x))
		config_bad(r, v,
			   "%s: \"%s\" is not a size; write it like 256M, 20G or 1.5Gi",
			   v->name, v->text);
	else if (in_bounds(r, v, (double)x, config_size_text((uint64_t)v->what->min, low),
			   config_size_text((uint64_t)v->what->max, high)))
		*out = x;
}

static void read_count(struct config_reader *r, const struct value *v, uint32_t *out)
{
	char low[UNIT_TEXT], high[UNIT_TEXT];
	uint64_t x;

	if (!parse_size(v->text, &x) || x > UINT32_MAX)
		config_bad(r, v, "%s: \"%s\" is not a whole number", v->name, v->text);
	else if (in_bounds(r, v, (double)x, config_number_text(v->what->min, low),
			   config_number_text(v->what->max, high)))
		*out = (uint32_t)x;
}

static void read_rate(struct config_reader *r, const struct value *v, uint64_t *out)
{
	char low[UNIT_TEXT], high[UNIT_TEXT];
	double x;

	if (!parse_rate(v->text, &x))
		config_bad(r, v,
			   "%s: \"%s\" is not a rate; write bits a second, like 20M or "
			   "1.5G",
			   v->name, v->text);
	else if (in_bounds(r, v, x, config_number_text(v->what->min, low),
			   config_number_text(v->what->max, high)))
		*out = (uint64_t)llround(x);
}

static void read_duration(struct config_reader *r, const struct value *v, int64_t *out)
{
	char low[UNIT_TEXT], high[UNIT_TEXT];
	int64_t x;

	if (!parse_duration(v->text, &x))
		config_bad(
		    r, v, "%s: \"%s\" is not a time; write it like 30s, 5m, 1h30m or 35d",
		    v->name, v->text);
	else if (in_bounds(r, v, (double)x,
			   config_duration_text((int64_t)v->what->min, low),
			   config_duration_text((int64_t)v->what->max, high)))
		*out = x;
}

bool config_read_port(struct config_reader *r, const struct value *v, uint16_t *out)
{
	uint64_t x;

	if (!parse_u64(v->text, 65535, &x)) {
		config_bad(r, v, "%s: \"%s\" is not a port; write a number up to 65535",
			   v->name, v->text);
		return false;
	}
	*out = (uint16_t)x;
	return true;
}

bool config_is_address(const char *text)
{
	unsigned char b[16];

	return inet_pton(AF_INET, text, b) == 1 || inet_pton(AF_INET6, text, b) == 1;
}

static void read_address(struct config_reader *r, const struct value *v, char **out)
{
	if (config_is_address(v->text))
		config_set_text(out, xstrdup(v->text));
	else
		config_bad(r, v,
			   "%s: \"%s\" is not an address; write it in numbers, like "
			   "192.0.2.1, 2001:db8::1 or ::",
			   v->name, v->text);
}

static void read_value(struct config_reader *r, const struct value *v, void *into)
{
	void *field = (char *)into + v->what->off;

	switch (v->what->kind) {
	case SET_TEXT: config_set_text(field, xstrdup(v->text)); break;
	case SET_SECRET:
	case SET_PATH:
		config_set_text(field, path_of(v));
		if (v->what->kind == SET_SECRET && *v->text)
			check_secret(r, v, *(char **)field);
		break;
	case SET_BOOL: config_read_bool(r, v, field); break;
	case SET_SIZE: read_size(r, v, field); break;
	case SET_COUNT: read_count(r, v, field); break;
	case SET_PORT: config_read_port(r, v, field); break;
	case SET_RATE: read_rate(r, v, field); break;
	case SET_DURATION: read_duration(r, v, field); break;
	case SET_ADDRESS: read_address(r, v, field); break;
	case SET_OWN: break;
	}
}

void config_fill(struct config_reader *r, const struct section *s, const struct node *n,
		 void *into)
{
	for (const struct setting *set = s->settings; set->name; set++) {
		struct value def = { .what = set, .name = set->name };
		const struct value *v = config_value(n, set->name);

		if (set->def && set->kind != SET_OWN) {
			def.text = (char *)set->def;
			read_value(r, &def, into);
		}
		if (v)
			read_value(r, v, into);
	}
}

bool config_name_ok(struct config_reader *r, const struct node *n)
{
	static const char ok[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				 "0123456789-_.";
	size_t len = strlen(n->title);

	if (len && len < NAME_LEN && strspn(n->title, ok) == len)
		return true;
	config_bad_node(r, n,
			"%s \"%s\": a name has 1 to %d letters, digits, - _ and dots",
			n->what->name, n->title, NAME_LEN - 1);
	return false;
}

bool config_endpoint(const char *text, struct addr *addr, uint16_t *port)
{
	const char *colon = strrchr(text, ':');
	char host[ADDR_TEXT + 2];
	size_t len;
	uint64_t p;

	if (!colon || (size_t)(colon - text) >= sizeof(host))
		return false;
	len = (size_t)(colon - text);
	if (len > 2 && text[0] == '[' && colon[-1] == ']') {
		memcpy(host, text + 1, len - 2);
		host[len - 2] = '\0';
	} else {
		memcpy(host, text, len);
		host[len] = '\0';
		if (strchr(host, ':'))
			return false;
	}
	if (!addr_parse(host, addr) || !parse_u64(colon + 1, 65535, &p) || !p)
		return false;
	*port = (uint16_t)p;
	return true;
}

const char *const *config_texts(const struct node *n, const char *name, size_t *count)
{
	const struct value **list = config_list(n, name, count);
	char **out = xcalloc(*count, sizeof(*out));

	for (size_t i = 0; i < *count; i++)
		out[i] = xstrdup(list[i]->text);
	free(list);
	return (const char *const *)out;
}

bool config_prefixes(struct config_reader *r, const struct node *n, const char *name,
		     const char *wanted, struct prefix **out, size_t *count)
{
	size_t all = 0;
	const struct value **list = n ? config_list(n, name, &all) : NULL;
	bool given = all;

	*out = xcalloc(all + 1, sizeof(**out));
	*count = 0;
	for (size_t i = 0; i < all; i++) {
		if (prefix_parse(list[i]->text, &(*out)[*count]))
			(*count)++;
		else
			config_bad(r, list[i], "%s: \"%s\" is %s", name, list[i]->text,
				   wanted);
	}
	free(list);
	return given;
}
