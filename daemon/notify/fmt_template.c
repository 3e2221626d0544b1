/* fmt_template.c - a body of the user's own, for a target nobody thought of.
 * SPDX-License-Identifier: ISC
 *
 * template_file holds JSON in which {words} inside strings are replaced:
 *
 *   {"channel": "net", "message": "{title} - {why} {link}"}
 *
 * What is put in is always escaped as the inside of a JSON string, so no text
 * from outside can end the string it stands in. The words are those of words[]
 * below; {json} is the whole alert as a JSON text within a string. The file is
 * tried at start: an unknown word or a result that is no JSON is an error.
 */
#include <stdlib.h>
#include <string.h>

#include "daemon/base/mem.h"
#include "daemon/base/units.h"
#include "daemon/notify/channel.h"
#include "daemon/notify/format.h"
#include "daemon/notify/sample.h"
#include "daemon/notify/story.h"

enum { ROWS = 10 };

struct place {
	const struct channel *c;
	const struct message *m;
};

typedef void word_f(const struct place *p, struct strb *b);

static void w_title(const struct place *p, struct strb *b) { story_title(p->m, b); }
static void w_headline(const struct place *p, struct strb *b) { story_headline(p->m, b); }
static void w_status(const struct place *p, struct strb *b)
{
	strb_add(b, p->m->alert ? alert_state_word[p->m->alert->state] : "digest");
}
static void w_severity(const struct place *p, struct strb *b)
{
	strb_add(b, p->m->alert ? severity_word[p->m->alert->severity] : "info");
}
static void w_rule(const struct place *p, struct strb *b)
{
	strb_tty(b, p->m->alert ? p->m->alert->rule : "");
}
static void w_series(const struct place *p, struct strb *b)
{
	strb_tty(b, p->m->alert ? p->m->alert->series : "");
}
static void w_id(const struct place *p, struct strb *b)
{
	strb_add(b, p->m->alert ? p->m->alert->id : p->m->key);
}
static void w_fingerprint(const struct place *p, struct strb *b)
{
	strb_add(b, p->m->alert ? p->m->alert->fingerprint : "");
}
static void w_value(const struct place *p, struct strb *b)
{
	char buf[UNIT_TEXT];

	if (p->m->alert)
		strb_add(b, measure_text(&p->m->alert->measure, p->m->alert->value, buf));
}
static void w_why(const struct place *p, struct strb *b)
{
	if (p->m->alert)
		story_why(p->m->alert, b);
}
static void w_next(const struct place *p, struct strb *b)
{
	if (p->m->alert)
		story_next(p->m->alert, b);
}
static void w_flows(const struct place *p, struct strb *b)
{
	if (p->m->alert)
		story_table(p->m->alert, ROWS, b);
	else
		story_digest(p->m->digest, b);
}
static void w_link(const struct place *p, struct strb *b)
{
	if (p->m->alert)
		story_link(p->m->alert, p->c->base_url, b);
}
static void w_started(const struct place *p, struct strb *b)
{
	char buf[48];

	strb_add(b, p->m->alert ? format_time(p->m->alert->started_ms, buf) : "");
}
static void w_ended(const struct place *p, struct strb *b)
{
	char buf[48];

	strb_add(b, p->m->alert ? format_time(p->m->alert->ended_ms, buf) : "");
}
static void w_json(const struct place *p, struct strb *b)
{
	json_t *j = p->m->alert ? alert_json(p->m->alert, p->c->base_url) : json_object();
	char *s = json_dumps(j, JSON_COMPACT);

	strb_add(b, s ? s : "");
	free(s);
	json_decref(j);
}

static const struct {
	const char *word;
	word_f *say;
} words[] = {
	{ "title", w_title },	 { "headline", w_headline },
	{ "status", w_status },	 { "severity", w_severity },
	{ "rule", w_rule },	 { "series", w_series },
	{ "id", w_id },		 { "fingerprint", w_fingerprint },
	{ "value", w_value },	 { "why", w_why },
	{ "next", w_next },	 { "top_flows", w_flows },
	{ "link", w_link },	 { "started_at", w_started },
	{ "ended_at", w_ended }, { "json", w_json },
};

/* Octets of the "{word}" at s, 0 when none is there; *which is -1 for an unknown one. */
static size_t word_at(const char *s, int *which)
{
	size_t n = strspn(s + 1, "abcdefghijklmnopqrstuvwxyz_");

	if (!n || s[n + 1] != '}')
		return 0;
	*which = -1;
	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		if (strlen(words[i].word) == n && !strncmp(words[i].word, s + 1, n))
			*which = (int)i;
	return n + 2;
}

static void insert(const struct place *p, int which, struct strb *b)
{
	struct strb plain = { 0 }, json = { 0 };

	words[which].say(p, &plain);
	strb_json(&json, plain.s ? plain.s : "");
	strb_addn(b, json.s + 1, json.len - 2); /* without its quotes */
	strb_free(&plain);
	strb_free(&json);
}

/* False: an unknown word is at *bad. */
static bool fill(const struct place *p, struct strb *b, const char **bad)
{
	for (const char *s = p->c->template; *s;) {
		int which = 0;
		size_t n = *s == '{' ? word_at(s, &which) : 0;

		if (n && which < 0) {
			*bad = s;
			return false;
		}
		if (n)
			insert(p, which, b);
		else
			strb_addc(b, *s);
		s += n ? n : 1;
	}
	return true;
}

static void make(const struct channel *c, const struct message *m, unsigned n,
		 struct request *r)
{
	struct place p = { c, m };
	const char *bad;

	(void)n;
	r->failed = !fill(&p, &r->body, &bad);
}

static bool check(const struct channel *c, struct err *err)
{
	struct alert *a = sample_alert(1700000000000, ALERT_FIRING);
	struct message m = { .alert = a, .key = "test", .first = true };
	struct place p = { c, &m };
	struct strb b = { 0 };
	json_error_t why;
	const char *bad;
	json_t *j = NULL;
	bool ok;

	if (!fill(&p, &b, &bad))
		ok = err_set(
		    err,
		    "template_file: %.*s is no word of it; see title, why, top_flows, "
		    "link, json … in the manual",
		    (int)strcspn(bad, "}") + 1, bad);
	else if (!(j = json_loads(b.s ? b.s : "", 0, &why)))
		ok =
		    err_set(err, "template_file: what it makes is no JSON: %s", why.text);
	else
		ok = true;
	json_decref(j);
	strb_free(&b);
	alert_unref(&a);
	return ok;
}

const struct format format_template = {
	.name = "template", .doc = "your own JSON body from template_file",
	.needs_template = true, .make = make, .check = check,
};
