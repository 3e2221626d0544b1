/* acts.c - who is slowed or refused now, until when, and why.
 * SPDX-License-Identifier: ISC
 *
 * Acting on people is the one thing here that can do harm, so it is made of brakes: it
 * is off unless switched on, every act has an end and none may be longer than `max`,
 * some addresses are never acted on whatever a rule says, each beginning and each end is
 * logged with who wanted it, and an automatic act never replaces a stricter one of a
 * person by a milder one.
 *
 * The list is a file of its own, written anew and renamed at each change: after a crash
 * nobody is slowed for ever, and nobody gets away by it either. Ends are wall clock; when
 * the clock is set back, what would last longer than `max` from now is cut to that.
 */
#include "daemon/act/acts.h"

#include "daemon/base/log.h"
#include "daemon/base/mem.h"
#include "daemon/base/strb.h"
#include "daemon/base/units.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LOG_OCTETS = 1 << 20 };

const char *const act_word[ACT_KINDS] = { "none", "slow", "refuse" };

struct acts {
	pthread_mutex_t lock; /* of all that follows */
	bool dry_run;
	int64_t max_ms;
	struct prefix *never;
	size_t n_never;
	char *state_dir;
	struct act *list;
	size_t n;
};

bool act_parse(const char *word, enum act_kind *out)
{
	for (int k = 0; k < ACT_KINDS; k++)
		if (!strcmp(word, act_word[k])) {
			*out = (enum act_kind)k;
			return true;
		}
	return false;
}

/* --- the log; lock held, as everywhere below --- */

static void rotate(const char *path)
{
	struct stat st;
	char *old;

	if (stat(path, &st) || st.st_size < LOG_OCTETS)
		return;
	old = xasprintf("%s.1", path);
	if (rename(path, old))
		log_debug("%s: %m", path);
	free(old);
}

/* what: "begun" "ended" "over". */
static void tell(const struct acts *s, const struct act *a, const char *what, const char *who,
		 int64_t now_ms)
{
	char addr[ADDR_TEXT], at[UNIT_TEXT], until[UNIT_TEXT];
	char *path = s->state_dir ? xasprintf("%s/acts.log", s->state_dir) : NULL;
	struct strb line = { 0 }, safe = { 0 };
	int fd;

	addr_text(&a->addr, addr);
	strb_tty(&safe, a->why);
	log_warn("%s%s %s: %s, until %s, wanted by %s: %s", a->dry ? "(dry run) " : "",
		 act_word[a->kind], addr, what, text_time(a->until_ms, until), who,
		 safe.len ? safe.s : "no reason given");
	strb_fmt(&line, "{\"at\":\"%s\",\"what\":\"%s\",\"act\":\"%s\",\"address\":\"%s\","
		 "\"until\":\"%s\",\"dry_run\":%s,\"by\":", text_rfc3339(now_ms, at), what,
		 act_word[a->kind], addr, text_rfc3339(a->until_ms, until),
		 a->dry ? "true" : "false");
	strb_json(&line, who);
	strb_add(&line, ",\"why\":");
	strb_json(&line, a->why);
	strb_add(&line, "}\n");
	if (path) {
		rotate(path);
		fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0640);
		if (fd < 0 || write(fd, line.s, line.len) != (ssize_t)line.len)
			log_seldom("acts-log", 600, "%s: %s", path, strerror(errno));
		if (fd >= 0)
			close(fd);
	}
	free(path);
	strb_free(&line);
	strb_free(&safe);
}

/* --- the file --- */

static json_t *json_of(const struct act *a)
{
	char addr[ADDR_TEXT];

	return json_pack("{s:s, s:s, s:I, s:I, s:b, s:s, s:s}", "address",
			 addr_text(&a->addr, addr), "act", act_word[a->kind], "since_ms",
			 (json_int_t)a->since_ms, "until_ms", (json_int_t)a->until_ms, "dry_run",
			 a->dry, "by", a->by, "why", a->why);
}

static bool of_json(const json_t *j, struct act *a)
{
	const char *addr, *act, *by, *why;
	json_int_t since, until;
	int dry;

	*a = (struct act){ .kind = ACT_NONE };
	if (json_unpack((json_t *)j, "{s:s, s:s, s:I, s:I, s:b, s:s, s:s}", "address", &addr,
			"act", &act, "since_ms", &since, "until_ms", &until, "dry_run", &dry,
			"by", &by, "why", &why) ||
	    !addr_parse(addr, &a->addr) || !act_parse(act, &a->kind) || a->kind == ACT_NONE)
		return false;
	a->since_ms = since;
	a->until_ms = until;
	a->dry = dry;
	snprintf(a->by, sizeof(a->by), "%s", by);
	snprintf(a->why, sizeof(a->why), "%s", why);
	return true;
}

static void save(const struct acts *s)
{
	char *path, *new;
	json_t *all = json_array();

	if (!s->state_dir) {
		json_decref(all);
		return;
	}
	path = xasprintf("%s/acts.json", s->state_dir);
	new = xasprintf("%s.new", path);
	for (size_t i = 0; i < s->n; i++)
		json_array_append_new(all, json_of(&s->list[i]));
	if (json_dump_file(all, new, JSON_INDENT(1)) || rename(new, path))
		log_seldom("acts", 600, "%s: %s; who is slowed is forgotten at a restart", path,
			   strerror(errno));
	json_decref(all);
	free(new);
	free(path);
}

static void cap(const struct acts *s, struct act *a, int64_t now_ms)
{
	if (a->until_ms > now_ms + s->max_ms)
		a->until_ms = now_ms + s->max_ms;
}

static bool is_never(const struct acts *s, const struct addr *a)
{
	for (size_t i = 0; i < s->n_never; i++)
		if (prefix_has(&s->never[i], a))
			return true;
	return false;
}

static void load(struct acts *s, int64_t now_ms)
{
	char *path = s->state_dir ? xasprintf("%s/acts.json", s->state_dir) : NULL;
	json_t *all = path ? json_load_file(path, 0, NULL) : NULL, *j;
	size_t i;

	json_array_foreach(all, i, j) {
		struct act a;

		if (s->n == ACTS_MAX || !of_json(j, &a) || a.until_ms <= now_ms)
			continue;
		cap(s, &a, now_ms);
		s->list = xrealloc(s->list, s->n + 1, sizeof(*s->list));
		s->list[s->n++] = a;
	}
	json_decref(all);
	free(path);
}

static void take_out(struct acts *s, size_t i)
{
	memmove(&s->list[i], &s->list[i + 1], (--s->n - i) * sizeof(*s->list));
}

/* --- outside --- */

static void take_opts(struct acts *s, const struct acts_opts *o)
{
	s->dry_run = o->dry_run;
	s->max_ms = o->max_ms;
	free(s->never);
	s->never = xcalloc(o->n_never + 1, sizeof(*s->never));
	if (o->n_never)
		memcpy(s->never, o->never, o->n_never * sizeof(*s->never));
	s->n_never = o->n_never;
}

struct acts *acts_open(const struct acts_opts *o, int64_t now_ms)
{
	struct acts *s = xcalloc(1, sizeof(*s));

	pthread_mutex_init(&s->lock, NULL);
	s->state_dir = o->state_dir ? xstrdup(o->state_dir) : NULL;
	take_opts(s, o);
	load(s, now_ms);
	acts_configure(s, o, now_ms); /* who is never acted on may have changed meanwhile */
	return s;
}

void acts_configure(struct acts *s, const struct acts_opts *o, int64_t now_ms)
{
	bool changed = false;

	pthread_mutex_lock(&s->lock);
	take_opts(s, o);
	for (size_t i = s->n; i-- > 0;) {
		if (!is_never(s, &s->list[i].addr))
			continue;
		tell(s, &s->list[i], "ended", "configuration: never", now_ms);
		take_out(s, i);
		changed = true;
	}
	if (changed)
		save(s);
	pthread_mutex_unlock(&s->lock);
}

void acts_close(struct acts **sp)
{
	struct acts *s = *sp;

	*sp = NULL;
	if (!s)
		return;
	pthread_mutex_destroy(&s->lock);
	free(s->never);
	free(s->state_dir);
	free(s->list);
	free(s);
}

static struct act *find(struct acts *s, const struct addr *addr)
{
	for (size_t i = 0; i < s->n; i++)
		if (addr_eq(&s->list[i].addr, addr))
			return &s->list[i];
	return NULL;
}

static bool allowed(const struct acts *s, const struct act *a, int64_t now_ms,
		    struct err *err)
{
	char addr[ADDR_TEXT], max[UNIT_TEXT];

	if (is_never(s, &a->addr))
		return err_set(err, "%s is never acted on: it is in act { never }, or it is the "
			       "proxy's or an exporter's", addr_text(&a->addr, addr));
	if (a->until_ms <= now_ms)
		return err_set(err, "it would be over already");
	if (a->until_ms - now_ms > s->max_ms)
		return err_set(err, "at most %s, says act { max }",
			       text_duration(s->max_ms, max));
	return true;
}

static bool begin(struct acts *s, const struct act *what, bool extend, int64_t now_ms,
		  struct err *err)
{
	struct act a = *what, *have = find(s, &a.addr);

	a.since_ms = now_ms;
	a.dry |= s->dry_run;
	if (have && extend && have->dry <= a.dry) {
		if (have->kind >= a.kind && have->until_ms >= a.until_ms)
			return true;
		a.kind = have->kind > a.kind ? have->kind : a.kind;
		a.until_ms = have->until_ms > a.until_ms ? have->until_ms : a.until_ms;
	}
	if (!have) {
		if (s->n == ACTS_MAX)
			return err_set(err, "%d are acted on already, which is the most",
				       ACTS_MAX);
		s->list = xrealloc(s->list, s->n + 1, sizeof(*s->list));
		have = &s->list[s->n++];
	}
	*have = a;
	tell(s, &a, "begun", a.by, now_ms);
	save(s);
	return true;
}

bool acts_begin(struct acts *s, const struct act *a, bool extend, bool try, int64_t now_ms,
		struct err *err)
{
	bool ok;

	pthread_mutex_lock(&s->lock);
	ok = allowed(s, a, now_ms, err) && (try || begin(s, a, extend, now_ms, err));
	pthread_mutex_unlock(&s->lock);
	return ok;
}

bool acts_end(struct acts *s, const struct addr *addr, const char *by, int64_t now_ms,
	      struct err *err)
{
	char text[ADDR_TEXT];
	struct act *a;

	pthread_mutex_lock(&s->lock);
	a = find(s, addr);
	if (a) {
		tell(s, a, "ended", by, now_ms);
		take_out(s, (size_t)(a - s->list));
		save(s);
	}
	pthread_mutex_unlock(&s->lock);
	return a || err_set(err, "nothing holds for %s; `culprit slow --list` shows what does",
			    addr_text(addr, text));
}

enum act_kind acts_lookup(struct acts *s, const struct addr *addr, int64_t now_ms,
			  int64_t *left_ms)
{
	enum act_kind kind = ACT_NONE;
	const struct act *a;

	*left_ms = 0;
	pthread_mutex_lock(&s->lock);
	a = find(s, addr);
	if (a && !a->dry && a->until_ms > now_ms) {
		kind = a->kind;
		*left_ms = a->until_ms - now_ms;
	}
	pthread_mutex_unlock(&s->lock);
	return kind;
}

static int by_end(const void *x, const void *y)
{
	const struct act *a = x, *b = y;

	if (a->until_ms != b->until_ms)
		return a->until_ms < b->until_ms ? -1 : 1;
	return memcmp(a->addr.b, b->addr.b, sizeof(a->addr.b));
}

struct act *acts_list(struct acts *s, int64_t now_ms, size_t *n)
{
	struct act *out;

	*n = 0;
	pthread_mutex_lock(&s->lock);
	out = xcalloc(s->n + 1, sizeof(*out));
	for (size_t i = 0; i < s->n; i++)
		if (s->list[i].until_ms > now_ms)
			out[(*n)++] = s->list[i];
	pthread_mutex_unlock(&s->lock);
	if (*n)
		qsort(out, *n, sizeof(*out), by_end);
	return out;
}

void acts_tick(struct acts *s, int64_t now_ms)
{
	bool changed = false;

	pthread_mutex_lock(&s->lock);
	for (size_t i = s->n; i-- > 0;) {
		cap(s, &s->list[i], now_ms);
		if (s->list[i].until_ms > now_ms)
			continue;
		tell(s, &s->list[i], "over", s->list[i].by, now_ms);
		take_out(s, i);
		changed = true;
	}
	if (changed)
		save(s);
	pthread_mutex_unlock(&s->lock);
}
