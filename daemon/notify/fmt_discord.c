/* fmt_discord.c - Discord's webhooks: one embed.
 * SPDX-License-Identifier: ISC
 *
 * Limits: title 256, description 4,096, 25 fields of 256 and 1,024, and 6,000
 * characters over all of the embed, so the parts below are given less.
 * allowed_mentions is empty, whatever a host name says. A 429 tells in its body
 * how long to wait, in seconds with a fraction; some have sent milliseconds, so
 * what is absurd as seconds is taken for those.
 */
#include <string.h>

#include "daemon/notify/channel.h"
#include "daemon/notify/format.h"
#include "daemon/notify/story.h"

enum { TITLE = 256, DESCRIPTION = 3400, TABLE = 1600, FIELD = 200, ROWS = 10 };

static long color(const char *hash)
{
	long v = 0;

	for (const char *p = hash + 1; *p; p++)
		v = v * 16 + (*p <= '9' ? *p - '0' : *p - 'a' + 10);
	return v;
}

static json_t *description(const struct channel *c, const struct message *m)
{
	struct strb b = { 0 }, t = { 0 };

	if (m->digest) {
		story_digest(m->digest, &t);
		format_markdown(&b, t.s ? t.s : "");
	} else {
		story_why(m->alert, &t);
		t.s[utf8_cut(t.s, 600, SIZE_MAX)] = '\0';
		format_markdown(&b, t.s);
		strb_add(&b, "\n");
		format_acts(m->alert, c->base_url, &b); /* first: what is last may be cut */
		format_code_table(m->alert, ROWS, TABLE, &b);
		strb_free(&t);
		story_changes_line(m->alert, &t);
		format_markdown(&b, t.s ? t.s : "");
		strb_free(&t);
		story_quality(m->alert, &t);
		format_markdown(&b, t.s);
	}
	strb_free(&t);
	return format_text(&b, DESCRIPTION);
}

static json_t *fields(const struct alert *a)
{
	struct fact f[STORY_FACTS];
	unsigned n = story_facts(a, f);
	json_t *list = json_array();

	for (unsigned i = 0; i < n; i++) {
		struct strb v = { 0 };

		format_markdown(&v, f[i].value);
		json_array_append_new(
		    list, json_pack("{s:s, s:o, s:b}", "name", f[i].name, "value",
				    format_text(&v, FIELD), "inline", 1));
	}
	return list;
}

static void make(const struct channel *c, const struct message *m, unsigned n,
		 struct request *r)
{
	json_t *embed = json_object();
	struct strb t = { 0 }, title = { 0 };
	char when[48];

	(void)n;
	story_title(m, &t);
	format_markdown(&title, t.s); /* also Markdown, but for links */
	strb_free(&t);
	json_object_set_new(embed, "title", format_text(&title, TITLE));
	json_object_set_new(embed, "description", description(c, m));
	json_object_set_new(embed, "color", json_integer(color(story_color(m))));
	if (m->alert) {
		json_object_set_new(embed, "fields", fields(m->alert));
		json_object_set_new(embed, "timestamp",
				    json_string(format_time(m->alert->judged_ms, when)));
		story_link(m->alert, c->base_url, &t);
		if (t.len)
			json_object_set_new(embed, "url", json_string(t.s));
		strb_free(&t);
		strb_fmt(&t, "culprit show %s", m->alert->id);
		json_object_set_new(embed, "footer", json_pack("{s:o}", "text",
							       format_text(&t, 100)));
	}
	request_json(r, json_pack("{s:s, s:[o], s:{s:[]}}", "username", "culprit",
				  "embeds", embed, "allowed_mentions", "parse"));
}

static void read_answer(struct answer *a)
{
	json_t *j = a->status == 429 ? json_loads(a->body, 0, NULL) : NULL;
	double wait = json_number_value(json_object_get(j, "retry_after"));

	if (wait > 0)
		a->retry_ms = (int64_t)(wait > 3600 ? wait : wait * 1000) + 1;
	json_decref(j);
}

const struct format format_discord = {
	.name = "discord", .doc = "Discord webhook",
	.make = make, .read = read_answer,
};
