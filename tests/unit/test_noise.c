/* test_noise.c - whether, when and to whom alerts are told, with given times.
 * SPDX-License-Identifier: ISC */
#include "test.h"

#include "daemon/base/mem.h"
#include "daemon/base/strb.h"
#include "rules/noise.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SENT = 40000, NOTES = 60000, S = 1000, MIN = 60 * S, HOUR = 60 * MIN };

static const int64_t t0 = INT64_C(1795430100000); /* 2026-11-23 10:35 UTC, a Monday */

struct sent {
	int64_t at_ms;
	struct alert *a;
};

struct kit {
	struct noise *n;
	struct names *names;
	struct calendar *calendar;
	struct sent *sent;
	unsigned n_sent;
	struct alert *changed; /* the last one */
	unsigned n_changed;
	struct alert *(*kept)(const char *id);
	char **key, **text; /* notes */
	unsigned n_notes;
	int64_t now;
};

static void keep(struct kit *k, const struct noise_note *note)
{
	unsigned i = 0;

	while (i < k->n_notes && strcmp(k->key[i], note->key))
		i++;
	if (i == k->n_notes && note->text) {
		assert_true(k->n_notes < NOTES);
		k->key[k->n_notes] = xstrdup(note->key);
		k->text[k->n_notes++] = xstrdup(note->text);
	} else if (i < k->n_notes && note->text) {
		free(k->text[i]);
		k->text[i] = xstrdup(note->text);
	} else if (i < k->n_notes) {
		free(k->key[i]);
		free(k->text[i]);
		k->key[i] = k->key[--k->n_notes];
		k->text[i] = k->text[k->n_notes];
	}
}

static bool forgetful; /* of notes, where there are too many to look through */

static void on_send(void *arg, struct alert *a, const struct noise_note *notes, unsigned n)
{
	struct kit *k = arg;

	for (unsigned i = 0; !forgetful && i < n; i++)
		keep(k, &notes[i]);
	if (!a)
		return;
	assert_null(a->quiet);
	assert_true(k->n_sent < SENT);
	k->sent[k->n_sent++] = (struct sent){ k->now, a };
}

static void on_changed(void *arg, struct alert *a)
{
	struct kit *k = arg;

	alert_unref(&k->changed);
	k->changed = a;
	k->n_changed++;
}

static struct alert *on_recall(void *arg, const char *id)
{
	struct kit *k = arg;

	return k->kept ? k->kept(id) : NULL;
}

static const struct noise_out outs = { on_send, on_changed, on_recall, NULL };

static struct noise_conf *conf(void)
{
	struct noise_conf *c = xcalloc(1, sizeof(*c));

	c->channels = xcalloc(4, sizeof(*c->channels));
	c->channels[0] = (struct noise_channel){ xstrdup("api"), false, false };
	c->channels[1] = (struct noise_channel){ xstrdup("noc"), true, false };
	c->channels[2] = (struct noise_channel){ xstrdup("boss"), true, false };
	c->channels[3] = (struct noise_channel){ xstrdup("day"), true, false };
	c->n_channels = 4;
	c->group = c->name_hosts = true;
	c->gather_ms = 400;
	c->update_ms = 5 * MIN;
	c->repeat_ms = 4 * HOUR;
	c->flap_window_ms = HOUR;
	c->flap_hold_ms = 10 * MIN;
	return c;
}

static struct noise_route *add_route(struct noise_conf *c, const char *match, const char *hours,
				     int64_t after_ms, const char *channel)
{
	struct noise_route *r;

	c->routes = xrealloc(c->routes, c->n_routes + 1, sizeof(*r));
	r = &c->routes[c->n_routes++];
	*r = (struct noise_route){ .name = xstrdup("r"), .match = match_compile(match, NULL),
				   .hours = hours ? hours_parse(hours, NULL) : NULL,
				   .after_ms = after_ms, .n_notify = 1 };
	r->notify = xcalloc(1, sizeof(*r->notify));
	r->notify[0] = xstrdup(channel);
	return r;
}

static void add_window(struct noise_conf *c, const char *name, const char *match,
		       const char *hours)
{
	c->windows = xrealloc(c->windows, c->n_windows + 1, sizeof(*c->windows));
	c->windows[c->n_windows++] = (struct noise_window){
		.name = xstrdup(name), .match = match_compile(match, NULL),
		.hours = hours_parse(hours, NULL) };
}

static void add_inhibit(struct noise_conf *c, const char *source, const char *target,
			unsigned equal)
{
	c->inhibits = xrealloc(c->inhibits, c->n_inhibits + 1, sizeof(*c->inhibits));
	c->inhibits[c->n_inhibits++] = (struct inhibit_rule){
		xstrdup("built-in"), match_compile(source, NULL), match_compile(target, NULL),
		equal };
}

static void begin(struct kit *k, struct noise_conf *c)
{
	struct noise_out o = outs;

	o.arg = k;
	k->n = noise_new(c, k->names, k->calendar, &o);
}

static void kit_open(struct kit *k, struct noise_conf *c)
{
	struct prefix p;

	memset(k, 0, sizeof(*k));
	k->names = names_new(10);
	assert_true(prefix_parse("10.20.0.0/16", &p));
	names_network_add(k->names, "lan", &p);
	names_networks_done(k->names);
	k->calendar = calendar_new("UTC", NULL);
	k->sent = xcalloc(SENT, sizeof(*k->sent));
	k->key = xcalloc(NOTES, sizeof(*k->key));
	k->text = xcalloc(NOTES, sizeof(*k->text));
	k->now = t0;
	begin(k, c);
}

static void forget_sent(struct kit *k)
{
	for (unsigned i = 0; i < k->n_sent; i++)
		alert_unref(&k->sent[i].a);
	k->n_sent = 0;
}

static void kit_close(struct kit *k)
{
	forget_sent(k);
	alert_unref(&k->changed);
	for (unsigned i = 0; i < k->n_notes; i++) {
		free(k->key[i]);
		free(k->text[i]);
	}
	free(k->key);
	free(k->text);
	free(k->sent);
	noise_free(&k->n);
	names_free(&k->names);
	calendar_free(&k->calendar);
}

/* Ids are made of one letter and a number, 26 digits. */
static const char *id_of(char kind, unsigned n, char out[static ALERT_ID])
{
	snprintf(out, ALERT_ID, "%c%025u", kind, n);
	return out;
}

static struct alert *make(const char *rule, enum by by, const char *series_id,
			  const char *id, enum severity s)
{
	struct alert *a = alert_new();

	memcpy(a->id, id, sizeof(a->id));
	a->rule = xstrdup(rule);
	a->filter = xstrdup("");
	a->by = by;
	a->series_id = xstrdup(series_id);
	a->series = xstrdup(strchr(series_id, '=') ? strchr(series_id, '=') + 1 : "all");
	series_fingerprint(rule, series_id, a->fingerprint);
	a->severity = s;
	a->state = ALERT_FIRING;
	a->value = a->peak = 1e6;
	a->threshold = a->clear = 5e5;
	a->sampling = 1;
	a->notify[0] = xstrdup("noc");
	return a;
}

static struct alert *host(unsigned n, const char *id)
{
	char text[64];
	struct alert *a;

	snprintf(text, sizeof(text), "host=10.20.%u.%u", n / 256, n % 256);
	a = make("heavy", BY_HOST, text, id, SEVERITY_WARNING);
	a->value = a->peak = 1e6 * (n + 1);
	return a;
}

/* Hands it over and gives why it was quiet (to be freed), or NULL. */
static char *take(struct kit *k, struct alert *a)
{
	char *quiet;

	if (!a->started_ms)
		a->pending_ms = a->started_ms = k->now;
	a->judged_ms = k->now;
	noise_alert(k->n, a, k->now);
	quiet = a->quiet ? xstrdup(a->quiet) : NULL;
	return quiet;
}

static void fire(struct kit *k, struct alert *a)
{
	char *quiet = take(k, a);

	free(quiet);
	alert_unref(&a);
}

static void resolve(struct kit *k, struct alert *a)
{
	a->state = ALERT_RESOLVED;
	a->ended_ms = k->now;
	a->value = 1e5;
	fire(k, a);
}

static void pass(struct kit *k, int64_t ms)
{
	int64_t end = k->now + ms, step = ms > 100 * S ? 10 * S : 100;

	while (k->now < end) {
		k->now += step;
		noise_tick(k->n, k->now);
	}
}

/* "firing noc resolved api,noc " of what was sent since the last call. */
static char *story(struct kit *k)
{
	struct strb b = { 0 };
	char *s;

	strb_add(&b, "");
	for (unsigned i = 0; i < k->n_sent; i++) {
		const struct alert *a = k->sent[i].a;

		strb_fmt(&b, "%s%s", i ? " " : "", alert_state_word[a->state]);
		if (a->group)
			strb_fmt(&b, "(%u)", a->group);
		for (unsigned c = 0; a->notify[c]; c++)
			strb_fmt(&b, "%c%s", c ? ',' : ':', a->notify[c]);
	}
	forget_sent(k);
	s = strb_take(&b);
	return s;
}

#define expect_story(k, text)                                 \
	do {                                                  \
		char *seen_ = story(k);                       \
		if (strcmp(seen_, text))                      \
			fail_msg("\"%s\" instead of \"%s\"", seen_, text); \
		free(seen_);                                  \
	} while (0)

static void expect_quiet(struct kit *k, struct alert *a, const char *why)
{
	char *quiet = take(k, a);

	if (why ? !quiet || !strstr(quiet, why) : quiet != NULL)
		fail_msg("quiet: %s", quiet ? quiet : "(not)");
	free(quiet);
	alert_unref(&a);
}

static void machines_are_told_at_once_and_people_after_a_moment(void **state)
{
	struct alert *a;
	struct kit k;
	char id[ALERT_ID];

	(void)state;
	kit_open(&k, conf());
	a = host(1, id_of('A', 1, id));
	a->notify[1] = xstrdup("api");
	expect_quiet(&k, a, NULL);
	expect_story(&k, "firing:api");
	pass(&k, 300);
	expect_story(&k, "");
	pass(&k, 200);
	expect_story(&k, "firing:noc");
	pass(&k, 30 * MIN);
	a = host(1, id);
	a->notify[1] = xstrdup("api");
	resolve(&k, a);
	expect_story(&k, "resolved:api resolved:noc");
	assert_int_equal(k.n_notes, 0);
	kit_close(&k);
}

static void many_hosts_of_one_network_are_one_message(void **state)
{
	struct kit k;
	char id[ALERT_ID];

	(void)state;
	kit_open(&k, conf());
	for (unsigned i = 0; i < 30; i++)
		fire(&k, host(i, id_of('A', i, id)));
	pass(&k, S);
	assert_int_equal(k.n_sent, 1);
	assert_int_equal(k.sent[0].a->group, 30);
	assert_string_equal(k.sent[0].a->series, "30 hosts of lan");
	assert_string_equal(k.sent[0].a->id, id_of('A', 0, id));
	assert_non_null(strstr(k.sent[0].a->why, "10.20.0.29 with 30.0 Mbit/s, 10.20.0.28"));
	assert_non_null(strstr(k.sent[0].a->why, " and 25 more."));
	assert_true(k.sent[0].a->value == 30e6);
	assert_non_null(strstr(k.changed->quiet, "Told together"));
	expect_story(&k, "firing(30):noc");
	for (unsigned i = 30; i < 40; i++) /* not yet notably more */
		fire(&k, host(i, id_of('A', i, id)));
	pass(&k, 4 * MIN);
	expect_story(&k, "");
	for (unsigned i = 40; i < 60; i++) /* twice as many */
		fire(&k, host(i, id_of('A', i, id)));
	pass(&k, S);
	expect_story(&k, "firing(60):noc");
	fire(&k, host(60, id_of('A', 60, id)));
	pass(&k, 4 * MIN);
	expect_story(&k, "");
	pass(&k, 2 * MIN); /* one more, but it is told within update_ms */
	expect_story(&k, "firing(61):noc");
	for (unsigned i = 0; i < 60; i++)
		resolve(&k, host(i, id_of('A', i, id)));
	pass(&k, MIN);
	expect_story(&k, "");
	resolve(&k, host(60, id_of('A', 60, id)));
	assert_int_equal(k.n_sent, 1);
	assert_string_equal(k.sent[0].a->id, id_of('A', 0, id));
	assert_non_null(strstr(k.sent[0].a->why, "All 61 are over"));
	expect_story(&k, "resolved(61):noc");
	assert_int_equal(k.n_notes, 0);
	kit_close(&k);
}

static void other_networks_rules_and_severities_are_other_groups(void **state)
{
	struct noise_conf *c = conf();
	struct kit k;
	char id[ALERT_ID];
	struct alert *a;

	(void)state;
	kit_open(&k, c);
	fire(&k, make("heavy", BY_HOST, "host=10.20.0.1", id_of('A', 1, id), SEVERITY_WARNING));
	fire(&k, make("heavy", BY_HOST, "host=10.20.0.2", id_of('A', 2, id), SEVERITY_CRITICAL));
	fire(&k, make("other", BY_HOST, "host=10.20.0.2", id_of('A', 3, id), SEVERITY_WARNING));
	fire(&k, make("heavy", BY_HOST, "host=192.0.2.2", id_of('A', 4, id), SEVERITY_WARNING));
	fire(&k, make("heavy", BY_HOST, "host=192.0.2.9", id_of('A', 5, id), SEVERITY_WARNING));
	a = make("heavy", BY_HOST, "host=10.20.0.9", id_of('A', 6, id), SEVERITY_WARNING);
	a->notify[1] = xstrdup("boss");
	fire(&k, a);
	pass(&k, S);
	expect_story(&k, "firing:noc firing:noc firing:noc firing(2):noc firing:noc,boss");
	kit_close(&k);
	c = conf();
	c->group = false;
	kit_open(&k, c);
	for (unsigned i = 0; i < 3; i++)
		fire(&k, host(i, id_of('A', i, id)));
	pass(&k, S);
	expect_story(&k, "firing:noc firing:noc firing:noc");
	kit_close(&k);
}

static void a_silent_exporter_speaks_for_its_series(void **state)
{
	struct noise_conf *c = conf();
	struct addr addr = addr_of4((uint8_t[]){ 192, 0, 2, 1 });
	struct kit k;
	char id[ALERT_ID], src[ALERT_ID];

	(void)state;
	add_inhibit(c, "rule = exporter-silent", "any", EQUAL_EXPORTER);
	kit_open(&k, c);
	names_exporter_known(k.names, &addr, 0, "edge");
	fire(&k, make("exporter-silent", BY_EXPORTER, "exporter=192.0.2.1", id_of('S', 1, src),
		      SEVERITY_WARNING));
	pass(&k, S);
	expect_story(&k, "firing:noc");
	expect_quiet(&k, make("link", BY_EXPORTER, "exporter=192.0.2.1", id_of('A', 1, id),
			      SEVERITY_WARNING), src);
	pass(&k, HOUR);
	expect_story(&k, "");
	resolve(&k, make("exporter-silent", BY_EXPORTER, "exporter=192.0.2.1", src,
			 SEVERITY_WARNING));
	expect_story(&k, "resolved:noc");
	pass(&k, S); /* it fires still, and nothing speaks for it any more */
	expect_story(&k, "firing:noc");
	assert_null(k.changed->quiet);
	resolve(&k, make("link", BY_EXPORTER, "exporter=192.0.2.1", id, SEVERITY_WARNING));
	expect_story(&k, "resolved:noc");
	kit_close(&k);
}

static struct alert *link_of(const char *id, enum severity s)
{
	struct alert *a = make("wan", BY_NONE, "none", id, s);

	a->n_top = 1;
	a->top = xcalloc(1, sizeof(*a->top));
	a->top[0] = (struct top_flow){ .src = addr_of4((uint8_t[]){ 198, 51, 100, 9 }),
				       .dst = addr_of4((uint8_t[]){ 10, 20, 0, 5 }),
				       .share = 0.7, .bytes = 1000 };
	return a;
}

static void the_alert_of_a_link_names_that_of_the_host(void **state)
{
	static const struct {
		enum severity link, host;
		bool boss, host_first;
		const char *expect;
	} rows[] = {
		{ SEVERITY_CRITICAL, SEVERITY_WARNING, false, false, "firing:noc" },
		{ SEVERITY_CRITICAL, SEVERITY_WARNING, false, true, "firing:noc" },
		/* the host's is the graver one */
		{ SEVERITY_WARNING, SEVERITY_CRITICAL, false, false, "firing:noc firing:noc" },
		/* somebody would not hear of it */
		{ SEVERITY_CRITICAL, SEVERITY_WARNING, true, false, "firing:noc firing:noc,boss" },
	};
	char id[ALERT_ID], other[ALERT_ID];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct alert *a = make("heavy", BY_HOST, "host=10.20.0.5", id_of('A', 1, id),
				       rows[i].host);
		struct kit k;

		kit_open(&k, conf());
		if (rows[i].boss)
			a->notify[1] = xstrdup("boss");
		if (rows[i].host_first)
			fire(&k, a);
		fire(&k, link_of(id_of('L', 1, other), rows[i].link));
		if (!rows[i].host_first)
			fire(&k, a);
		pass(&k, S);
		if (!strcmp(rows[i].expect, "firing:noc"))
			assert_non_null(strstr(k.sent[0].a->why, "10.20.0.5 is over its limit of "
								 "rule heavy too"));
		expect_story(&k, rows[i].expect);
		kit_close(&k);
	}
}

static void what_flaps_is_told_once_more_and_then_when_it_is_calm(void **state)
{
	struct noise_conf *c = conf();
	struct kit k;
	char id[ALERT_ID];

	(void)state;
	c->flaps = 3;
	kit_open(&k, c);
	for (unsigned i = 0; i < 8; i++) {
		struct alert *a = host(1, id_of('A', i, id));

		if (i < 3)
			expect_quiet(&k, a, NULL);
		else
			expect_quiet(&k, a, "It flaps: this is the");
		pass(&k, 30 * S);
		resolve(&k, host(1, id));
		pass(&k, MIN);
	}
	/* twice as ever, the third with a remark and no end yet */
	assert_non_null(strstr(k.sent[4].a->why, "It flaps: this is the 3. time"));
	expect_story(&k, "firing:noc resolved:noc firing:noc resolved:noc firing:noc");
	pass(&k, 8 * MIN);
	expect_story(&k, "");
	pass(&k, 2 * MIN);
	assert_int_equal(k.n_sent, 1);
	assert_string_equal(k.sent[0].a->id, id_of('A', 2, id));
	assert_non_null(strstr(k.sent[0].a->why, "It came and went 8 times"));
	expect_story(&k, "resolved:noc");
	kit_close(&k);
}

static void people_are_reminded_until_somebody_acknowledges(void **state)
{
	struct noise_conf *c = conf();
	struct err err = { "" };
	struct kit k;
	char id[ALERT_ID], full[ALERT_ID];

	(void)state;
	add_route(c, "any", NULL, 30 * MIN, "boss");
	kit_open(&k, c);
	fire(&k, host(1, id_of('A', 1, id)));
	pass(&k, S);
	expect_story(&k, "firing:noc");
	pass(&k, 31 * MIN);
	assert_int_equal(k.n_sent, 1);
	assert_non_null(strstr(k.sent[0].a->why, "Nobody has acknowledged it for 30 min"));
	expect_story(&k, "firing:boss");
	pass(&k, 3 * HOUR + 40 * MIN);
	assert_int_equal(k.n_sent, 1);
	assert_non_null(strstr(k.sent[0].a->why, "A reminder: still so after"));
	expect_story(&k, "firing:noc");
	assert_int_equal(noise_ack(k.n, "A000", "ann", "on it", k.now, full, &err), 1);
	assert_string_equal(full, id);
	assert_string_equal(k.changed->ack_by, "ann");
	assert_string_equal(k.changed->ack_comment, "on it");
	pass(&k, 30 * HOUR);
	expect_story(&k, "");
	resolve(&k, host(1, id));
	expect_story(&k, "resolved:boss resolved:noc");
	assert_int_equal(noise_ack(k.n, "A000", "ann", "", k.now, full, &err), 0);
	assert_non_null(strstr(err.msg, "nothing to acknowledge"));
	kit_close(&k);
}

static void who_has_a_word_for_it_is_told_of_an_acknowledgement(void **state)
{
	struct noise_conf *c = conf();
	struct err err = { "" };
	struct kit k;
	char id[ALERT_ID], full[ALERT_ID];

	(void)state;
	add_route(c, "any", NULL, 0, "api");
	c->channels[0].acks = true;
	kit_open(&k, c);
	fire(&k, host(1, id_of('A', 1, id)));
	expect_story(&k, "firing:api");
	pass(&k, S);
	expect_story(&k, "firing:noc");
	assert_int_equal(noise_ack(k.n, id, "ann", "on it", k.now, full, &err), 1);
	assert_int_equal(k.n_sent, 1);
	assert_int_equal(k.sent[0].a->ack_ms, k.now);
	assert_string_equal(k.sent[0].a->ack_by, "ann");
	expect_story(&k, "firing:api");
	kit_close(&k);
}

static void an_acknowledged_alert_is_not_escalated(void **state)
{
	struct noise_conf *c = conf();
	struct err err = { "" };
	struct kit k;
	char id[ALERT_ID], full[ALERT_ID];

	(void)state;
	add_route(c, "severity >= warning", NULL, 30 * MIN, "boss");
	kit_open(&k, c);
	for (unsigned i = 0; i < 3; i++)
		fire(&k, host(i, id_of('A', i, id)));
	pass(&k, S);
	expect_story(&k, "firing(3):noc");
	/* the message's id stands for all of its alerts */
	assert_int_equal(noise_ack(k.n, id_of('A', 0, id), "ann", "", k.now, full, &err), 3);
	pass(&k, 5 * HOUR);
	expect_story(&k, "");
	kit_close(&k);
}

static void a_silence_holds_back_beginnings_but_never_ends(void **state)
{
	struct err err = { "" };
	struct kit k;
	const struct silence *s;
	char id[ALERT_ID], two[ALERT_ID];

	(void)state;
	kit_open(&k, conf());
	fire(&k, host(1, id_of('A', 1, id)));
	pass(&k, S);
	expect_story(&k, "firing:noc");
	s = noise_silence(k.n, "host 10.20.0.0/24", k.now, k.now + 6 * HOUR, "ann", "backup",
			  k.now, &err);
	assert_non_null(s);
	expect_quiet(&k, host(2, id_of('A', 2, two)), "Silenced by ann until ");
	pass(&k, 5 * HOUR); /* no reminder either */
	expect_story(&k, "");
	assert_non_null(strstr(k.changed->quiet, ": backup (silence "));
	resolve(&k, host(1, id)); /* it was told as firing */
	expect_story(&k, "resolved:noc");
	pass(&k, 2 * HOUR); /* the silence is over, and the other one fires still */
	expect_story(&k, "firing:noc");
	resolve(&k, host(2, two));
	expect_story(&k, "resolved:noc");
	kit_close(&k);
}

static void what_nobody_was_told_of_is_not_told_as_over(void **state)
{
	struct err err = { "" };
	struct alert *a;
	struct kit k;
	char id[ALERT_ID];

	(void)state;
	kit_open(&k, conf());
	noise_silence(k.n, "rule heavy", k.now, k.now + HOUR, "", "", k.now, &err);
	fire(&k, host(1, id_of('A', 1, id)));
	pass(&k, MIN);
	a = host(1, id);
	a->state = ALERT_RESOLVED;
	a->ended_ms = k.now;
	expect_quiet(&k, a, "Silenced by somebody");
	expect_story(&k, "");
	assert_int_equal(k.n_notes, 1); /* the silence */
	/* ended by hand while one fires: told */
	fire(&k, host(2, id_of('A', 2, id)));
	noise_unsilence(k.n, strchr(k.key[0], '/') + 1, k.now, &err);
	pass(&k, S);
	expect_story(&k, "firing:noc");
	kit_close(&k);
}

static void maintenance_is_quiet_by_the_calendar(void **state)
{
	struct noise_conf *c = conf();
	struct labels l = { .rule = "heavy", .series = "", .series_id = "" };
	struct kit k;
	char id[ALERT_ID];
	json_t *j;

	(void)state;
	add_window(c, "backup", "rule heavy", "mon 11:00-12:00");
	kit_open(&k, c);
	pass(&k, 25 * MIN + S);
	expect_quiet(&k, host(1, id_of('A', 1, id)), "Maintenance \"backup\" is under way until");
	expect_quiet(&k, make("other", BY_HOST, "host=10.20.0.1", id_of('B', 1, id),
			      SEVERITY_WARNING), NULL);
	pass(&k, S);
	expect_story(&k, "firing:noc");
	j = noise_json(k.n, k.now);
	assert_true(json_is_true(json_object_get(json_array_get(json_object_get(j, "maintenance"),
								0), "active")));
	json_decref(j);
	assert_true(noise_untrained(k.n, &l, t0 + 30 * MIN, t0 + 35 * MIN));
	assert_false(noise_untrained(k.n, &l, t0 + 85 * MIN, t0 + 90 * MIN));
	assert_false(noise_untrained(k.n, &l, t0, t0 + 5 * MIN));
	pass(&k, 59 * MIN);
	expect_story(&k, "");
	pass(&k, 2 * MIN);
	expect_story(&k, "firing:noc");
	kit_close(&k);
}

static void routes_tell_by_severity_rule_and_hour(void **state)
{
	struct noise_conf *c = conf();
	struct alert *a;
	struct kit k;
	char id[ALERT_ID];

	(void)state;
	add_route(c, "severity = warning", "mon-fri 12:00-18:00", 0, "day");
	add_route(c, "severity = critical", NULL, 0, "boss");
	kit_open(&k, c);
	a = host(1, id_of('A', 1, id));
	free(a->notify[0]);
	a->notify[0] = NULL;
	expect_quiet(&k, a, "No channel is told of it");
	pass(&k, HOUR);
	expect_story(&k, "");
	pass(&k, HOUR); /* it is noon, and it fires still */
	expect_story(&k, "firing:day");
	a = make("wan", BY_NONE, "none", id_of('B', 1, id), SEVERITY_CRITICAL);
	fire(&k, a);
	pass(&k, S);
	expect_story(&k, "firing:noc,boss");
	pass(&k, 2 * HOUR);
	forget_sent(&k);
	pass(&k, 6 * HOUR); /* the hours are over, the end is told all the same */
	forget_sent(&k);
	resolve(&k, host(1, id_of('A', 1, id)));
	expect_story(&k, "resolved:day");
	kit_close(&k);
}

static bool all_fire(void *arg, const char *id)
{
	(void)arg;
	(void)id;
	return true;
}

static bool none_fires(void *arg, const char *id)
{
	(void)arg;
	(void)id;
	return false;
}

/* As after kill -9: all that is left are the notes. */
static void restart(struct kit *k, struct noise_conf *c,
		    bool (*firing)(void *arg, const char *id))
{
	static const char *const kinds[] = { "group/", "silence/", "flap/", "alert/" };

	noise_free(&k->n);
	begin(k, c);
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		for (unsigned j = 0; j < k->n_notes; j++)
			if (!strncmp(k->key[j], kinds[i], strlen(kinds[i])))
				noise_load(k->n, k->key[j], k->text[j]);
	noise_begin(k->n, firing, k, k->now);
}

static void everything_survives_a_restart(void **state)
{
	struct err err = { "" };
	struct kit k;
	char id[ALERT_ID], full[ALERT_ID];

	(void)state;
	kit_open(&k, conf());
	for (unsigned i = 0; i < 5; i++)
		fire(&k, host(i, id_of('A', i, id)));
	pass(&k, S);
	fire(&k, make("one", BY_NONE, "none", id_of('B', 1, id), SEVERITY_WARNING));
	pass(&k, S);
	noise_ack(k.n, id_of('B', 1, id), "ann", "", k.now, full, &err);
	noise_silence(k.n, "rule x", k.now, k.now + HOUR, "ann", "", k.now, &err);
	fire(&k, make("late", BY_NONE, "none", id_of('C', 1, id), SEVERITY_WARNING));
	expect_story(&k, "firing(5):noc firing:noc");
	restart(&k, conf(), all_fire); /* the last one was not told yet */
	assert_true(noise_knows(k.n, id_of('A', 4, id)));
	pass(&k, MIN);
	expect_story(&k, "firing:noc");
	expect_quiet(&k, make("x", BY_NONE, "none", id_of('D', 1, id), SEVERITY_WARNING),
		     "Silenced by ann");
	pass(&k, 4 * HOUR + MIN); /* reminded of the group, not of what is acknowledged */
	expect_story(&k, "firing:noc firing(5):noc firing:noc");
	for (unsigned i = 0; i < 5; i++)
		resolve(&k, host(i, id_of('A', i, id)));
	resolve(&k, make("one", BY_NONE, "none", id_of('B', 1, id), SEVERITY_WARNING));
	expect_story(&k, "resolved(5):noc resolved:noc");
	kit_close(&k);
}

static void what_is_gone_after_a_restart_is_told_as_over(void **state)
{
	struct kit k;
	char id[ALERT_ID];

	(void)state;
	kit_open(&k, conf());
	for (unsigned i = 0; i < 3; i++)
		fire(&k, host(i, id_of('A', i, id)));
	fire(&k, make("one", BY_NONE, "none", id_of('B', 1, id), SEVERITY_WARNING));
	pass(&k, S);
	expect_story(&k, "firing(3):noc firing:noc");
	restart(&k, conf(), none_fires);
	expect_story(&k, "resolved(3):noc resolved:noc");
	assert_int_equal(k.n_notes, 0);
	kit_close(&k);
}

static void ten_thousand_alerts_are_a_dozen_messages(void **state)
{
	struct noise_stats st;
	struct kit k;
	char id[ALERT_ID];

	(void)state;
	forgetful = true;
	kit_open(&k, conf());
	for (unsigned i = 0; i < 10000; i++) {
		fire(&k, host(i, id_of('A', i, id)));
		if (i % 100 == 99)
			pass(&k, 100);
	}
	pass(&k, 10 * S);
	noise_stats(k.n, k.now, &st);
	assert_int_equal(st.alerts, 10000);
	assert_int_equal(st.groups, 1);
	assert_in_range(k.n_sent, 1, 14);
	assert_int_equal(k.sent[k.n_sent - 1].a->group, 10000);
	forget_sent(&k);
	for (unsigned i = 0; i < 10000; i++)
		resolve(&k, host(i, id_of('A', i, id)));
	expect_story(&k, "resolved(10000):noc");
	noise_stats(k.n, k.now, &st);
	assert_int_equal(st.alerts + st.groups, 0);
	kit_close(&k);
	forgetful = false;
}

static void beyond_the_table_alerts_are_told_plainly(void **state)
{
	struct noise_stats st;
	struct kit k;
	char id[ALERT_ID];

	(void)state;
	forgetful = true;
	kit_open(&k, conf());
	for (unsigned i = 0; i < NOISE_ALERTS; i++)
		fire(&k, host(i, id_of('A', i, id)));
	pass(&k, S);
	forget_sent(&k);
	fire(&k, host(40000, id_of('B', 1, id)));
	expect_story(&k, "firing:noc");
	resolve(&k, host(40000, id));
	expect_story(&k, "resolved:noc");
	noise_stats(k.n, k.now, &st);
	assert_int_equal(st.untracked, 2);
	kit_close(&k);
	forgetful = false;
}

static void the_end_of_what_was_never_noted_is_told_and_no_sign_of_too_many(void **state)
{
	struct noise_stats st;
	struct kit k;
	char id[ALERT_ID];

	(void)state;
	kit_open(&k, conf());
	resolve(&k, host(1, id_of('A', 1, id)));
	expect_story(&k, "resolved:noc");
	noise_stats(k.n, k.now, &st);
	assert_int_equal(st.untracked, 0);
	kit_close(&k);
}

/* --- whatever happens --- */

enum { SERIES = 12, CHANNELS = 4, TURNS = 4000 };

static struct alert *sample(unsigned s, unsigned serial)
{
	static const char *const ids[] = { "host=10.20.0.5", "host=10.20.0.6", "host=10.20.0.7",
					   "host=192.0.2.7", "none", "host=10.20.0.5" };
	static const char *const rules[] = { "heavy", "heavy", "heavy", "heavy", "wan", "quota" };
	unsigned i = s % 6;
	char id[ALERT_ID];
	struct alert *a;

	id_of((char)('A' + s), serial, id);
	if (i == 4) {
		a = link_of(id, SEVERITY_CRITICAL);
		free(a->rule);
		a->rule = xasprintf("wan%u", s);
	} else {
		a = make(rules[i], BY_HOST, ids[i], id,
			 s & 1 ? SEVERITY_WARNING : SEVERITY_INFO);
	}
	snprintf(a->fingerprint, sizeof(a->fingerprint), "%016x", s); /* one fires at a time */
	if (s % 3 == 0) {
		free(a->notify[0]);
		a->notify[0] = xstrdup("api");
	}
	if (s % 4 == 0)
		a->notify[1] = xstrdup("boss");
	return a;
}

/* Of each id and channel: firing, then resolved, and never resolved without firing. */
static void check_ends(struct kit *k, bool all)
{
	for (unsigned i = 0; i < k->n_sent; i++) {
		const struct alert *a = k->sent[i].a;

		for (unsigned c = 0; a->notify[c]; c++) {
			unsigned fired = 0, ended = 0;
			bool last = false;

			for (unsigned j = 0; j < k->n_sent; j++) {
				const struct alert *b = k->sent[j].a;
				bool on = false;

				if (strcmp(a->id, b->id))
					continue;
				for (unsigned d = 0; b->notify[d]; d++)
					on |= !strcmp(b->notify[d], a->notify[c]);
				if (!on)
					continue;
				last = b->state == ALERT_RESOLVED;
				if (last && !fired)
					fail_msg("%s over on %s, which was never told of it", a->id,
						 a->notify[c]);
				fired += !last;
				ended += last;
			}
			if (all && !last)
				fail_msg("%s on %s: told %u times, over %u times", a->id,
					 a->notify[c], fired, ended);
		}
	}
}

static struct noise_conf *rich_conf(void)
{
	struct noise_conf *c = conf();

	c->flaps = 3;
	c->repeat_ms = 20 * MIN;
	c->flap_hold_ms = 2 * MIN;
	add_route(c, "severity >= warning", "mon 11:00-12:00 13:00-14:00", 0, "day");
	add_route(c, "any", NULL, 5 * MIN, "boss");
	add_window(c, "w", "host 10.20.0.6", "mon 11:30-12:30");
	add_inhibit(c, "rule = quota", "rule = heavy", EQUAL_HOST);
	return c;
}

static struct kit *live; /* for the question after a restart */
static bool is_on[SERIES];
static unsigned serial_of[SERIES];

static bool fires_now(void *arg, const char *id)
{
	char mine[ALERT_ID];

	(void)arg;
	for (unsigned s = 0; s < SERIES; s++)
		if (is_on[s] && !strcmp(id, id_of((char)('A' + s), serial_of[s], mine)))
			return true;
	return false;
}

static void a_turn(struct kit *k, unsigned *seed)
{
	unsigned s = (unsigned)rand_r(seed) % SERIES, what = (unsigned)rand_r(seed) % 100;
	char id[ALERT_ID], full[ALERT_ID];
	struct err err;

	if (what < 70 && !is_on[s]) {
		is_on[s] = true;
		fire(k, sample(s, ++serial_of[s]));
	} else if (what < 70) {
		is_on[s] = false;
		resolve(k, sample(s, serial_of[s]));
	} else if (what < 75) {
		noise_ack(k->n, id_of((char)('A' + s), serial_of[s], id), "x", "", k->now, full,
			  &err);
	} else if (what < 80) {
		noise_silence(k->n, s & 1 ? "host 10.20.0.5" : "rule = heavy", k->now,
			      k->now + 3 * MIN, "x", "", k->now, &err);
	} else if (what < 83) {
		restart(k, rich_conf(), fires_now);
		for (unsigned i = 0; i < SERIES; i++)
			if (is_on[i] && !noise_knows(k->n, id_of((char)('A' + i), serial_of[i], id)))
				fail_msg("%s was forgotten", id);
	} else if (what < 85) {
		noise_reload(k->n, rich_conf(), k->now);
	} else {
		pass(k, 1 + rand_r(seed) % (2 * MIN));
	}
}

static void whatever_happens_each_beginning_has_its_end(void **state)
{
	(void)state;
	for (unsigned seed0 = 1; seed0 <= 5; seed0++) {
		unsigned seed = seed0;
		struct kit k;

		memset(is_on, 0, sizeof(is_on));
		memset(serial_of, 0, sizeof(serial_of));
		kit_open(&k, rich_conf());
		live = &k;
		for (int i = 0; i < TURNS / 10; i++)
			a_turn(&k, &seed);
		check_ends(&k, false);
		for (unsigned s = 0; s < SERIES; s++)
			if (is_on[s])
				resolve(&k, sample(s, serial_of[s]));
		pass(&k, 30 * MIN); /* what flapped is over too */
		check_ends(&k, true);
		for (unsigned i = 0; i < k.n_notes; i++)
			if (!strncmp(k.key[i], "alert/", 6) || !strncmp(k.key[i], "group/", 6))
				fail_msg("seed %u: %s is still kept", seed0, k.key[i]);
		kit_close(&k);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(machines_are_told_at_once_and_people_after_a_moment),
		cmocka_unit_test(many_hosts_of_one_network_are_one_message),
		cmocka_unit_test(other_networks_rules_and_severities_are_other_groups),
		cmocka_unit_test(a_silent_exporter_speaks_for_its_series),
		cmocka_unit_test(the_alert_of_a_link_names_that_of_the_host),
		cmocka_unit_test(what_flaps_is_told_once_more_and_then_when_it_is_calm),
		cmocka_unit_test(people_are_reminded_until_somebody_acknowledges),
		cmocka_unit_test(who_has_a_word_for_it_is_told_of_an_acknowledgement),
		cmocka_unit_test(an_acknowledged_alert_is_not_escalated),
		cmocka_unit_test(a_silence_holds_back_beginnings_but_never_ends),
		cmocka_unit_test(what_nobody_was_told_of_is_not_told_as_over),
		cmocka_unit_test(maintenance_is_quiet_by_the_calendar),
		cmocka_unit_test(routes_tell_by_severity_rule_and_hour),
		cmocka_unit_test(everything_survives_a_restart),
		cmocka_unit_test(what_is_gone_after_a_restart_is_told_as_over),
		cmocka_unit_test(ten_thousand_alerts_are_a_dozen_messages),
		cmocka_unit_test(beyond_the_table_alerts_are_told_plainly),
		cmocka_unit_test(the_end_of_what_was_never_noted_is_told_and_no_sign_of_too_many),
		cmocka_unit_test(whatever_happens_each_beginning_has_its_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
