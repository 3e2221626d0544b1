/* fmt_mattermost.c - Mattermost's incoming webhooks: one attachment in Markdown.
 * SPDX-License-Identifier: ISC
 *
 * Text from outside is escaped as Markdown; the table of flows stands in a code
 * block, where nothing is Markdown. A message may have 16,383 characters. An
 * incoming webhook cannot answer a message, so a later one repeats the first
 * one's headline.
 */
#include "daemon/notify/channel.h"
#include "daemon/notify/format.h"
#include "daemon/notify/story.h"

enum { TEXT = 12000, TABLE = 3000, ROWS = 10, TITLE = 250 };

static void paragraph(struct strb *b, struct strb *plain)
{
	if (plain->len) {
		format_markdown(b, plain->s);
		strb_add(b, "\n\n");
	}
	strb_free(plain);
}

static json_t *alert_text(const struct channel *c, const struct alert *a)
{
	struct strb b = { 0 }, t = { 0 };

	story_why(a, &t);
	paragraph(&b, &t);
	format_code_table(a, ROWS, TABLE, &b);
	story_changes_line(a, &t);
	paragraph(&b, &t);
	story_quality(a, &t);
	paragraph(&b, &t);
	format_acts(a, c->base_url, &b);
	story_next(a, &t);
	paragraph(&b, &t);
	return format_text(&b, TEXT);
}

static json_t *digest_text(const struct digest *d)
{
	struct strb b = { 0 }, t = { 0 };

	story_digest(d, &t);
	strb_add(&b, "```\n");
	for (const char *p = t.s ? t.s : ""; *p; p++)
		strb_addc(&b, *p == '`' ? '\'' : *p);
	strb_add(&b, "```");
	strb_free(&t);
	return format_text(&b, TEXT);
}

static json_t *fields(const struct alert *a)
{
	struct fact f[STORY_FACTS];
	unsigned n = story_facts(a, f);
	json_t *list = json_array();

	for (unsigned i = 0; i < n; i++) {
		struct strb v = { 0 };

		format_markdown(&v, f[i].value);
		json_array_append_new(list, json_pack("{s:s, s:o, s:b}", "title",
						      f[i].name, "value",
						      format_text(&v, 1000), "short", 1));
	}
	return list;
}

static void make(const struct channel *c, const struct message *m, unsigned n,
		 struct request *r)
{
	struct strb title = { 0 }, copy = { 0 }, link = { 0 };
	json_t *part = json_object();

	(void)n;
	story_title(m, &title);
	for (const char *p = title.s; *p; p++) { /* plain, but it may mention */
		strb_addc(&copy, *p);
		strb_add(&copy, *p == '@' ? "\xe2\x80\x8b" : "");
	}
	json_object_set_new(part, "fallback", format_text(&copy, TITLE));
	json_object_set_new(part, "color", json_string(story_color(m)));
	format_markdown(&copy, title.s);
	json_object_set_new(part, "title", format_text(&copy, TITLE));
	json_object_set_new(part, "text",
			    m->alert ? alert_text(c, m->alert) : digest_text(m->digest));
	if (m->alert) {
		json_object_set_new(part, "fields", fields(m->alert));
		story_link(m->alert, c->base_url, &link);
	}
	if (link.len)
		json_object_set_new(part, "title_link", json_string(link.s));
	request_json(
	    r, json_pack("{s:s, s:[o]}", "username", "culprit", "attachments", part));
	strb_free(&title);
	strb_free(&link);
}

const struct format format_mattermost = {
	.name = "mattermost", .doc = "Mattermost incoming webhook",
	.make = make,
};
