/* fmt_slack.c - Slack's incoming webhooks: blocks with a coloured bar.
 * SPDX-License-Identifier: ISC
 *
 * A colour exists only by `attachments`, so the blocks sit inside one, and
 * `text` beside it is what notifications show. Limits (Slack's Block Kit
 * reference): header 150 characters, section text 3,000, ten fields of 2,000.
 * Escaping is strb_slack() for everything, ours included; the table of flows
 * stands in a code block. An incoming webhook cannot thread, so a resolved
 * message repeats the headline of the first. Success is the body "ok": Slack
 * answers 200 also to what it then drops.
 */
#include <string.h>

#include "daemon/notify/channel.h"
#include "daemon/notify/format.h"
#include "daemon/notify/story.h"

enum { HEADER = 150, SECTION = 3000, ROWS = 10 };

/* Makes *text (plain) safe, at most `max` characters with its escapes, and clears it. */
static json_t *slack_text(struct strb *text, size_t max)
{
	struct strb b = { 0 };
	size_t keep = max;
	json_t *j;

	strb_add(text, "");
	do {
		strb_free(&b);
		text->s[utf8_cut(text->s, keep, SIZE_MAX)] = '\0';
		strb_slack(&b, text->s);
		keep = keep * 3 / 4;
	} while (b.s[utf8_cut(b.s, max, SIZE_MAX)]);
	j = json_string(b.s);
	strb_free(text);
	strb_free(&b);
	return j;
}

static json_t *section(json_t *text)
{
	return json_pack("{s:s, s:{s:s, s:o}}", "type", "section", "text", "type",
			 "mrkdwn", "text", text);
}

/* strb_slack turns line ends into blanks, as text from outside needs it; the
 * table's own are put back by escaping line by line. */
static json_t *code(const struct alert *a, unsigned rows)
{
	struct strb table = { 0 }, b = { 0 };
	json_t *j;

	story_table(a, rows, &table);
	strb_add(&b, "```");
	for (char *line = table.s, *end; line && *line; line = end + 1) {
		end = strchr(line, '\n');
		*end = '\0';
		strb_slack(&b, line);
		strb_addc(&b, '\n');
	}
	strb_add(&b, "```");
	j = json_string(b.s);
	strb_free(&table);
	if (b.len > SECTION && rows > 1) {
		strb_free(&b);
		json_decref(j);
		return code(a, rows - 1);
	}
	strb_free(&b);
	return j;
}

static void button(json_t *list, const char *text, struct strb *url)
{
	if (url->len)
		json_array_append_new(list, json_pack("{s:s, s:{s:s, s:s}, s:s}", "type", "button",
						      "text", "type", "plain_text", "text", text,
						      "url", url->s));
	strb_free(url);
}

static void buttons(const struct channel *c, const struct alert *a, json_t *blocks)
{
	json_t *list = json_array();
	struct strb b = { 0 };

	story_link(a, c->base_url, &b);
	button(list, "Open", &b);
	story_act(a, c->base_url, false, &b);
	button(list, "Acknowledge", &b);
	story_act(a, c->base_url, true, &b);
	button(list, "Silence", &b);
	if (json_array_size(list))
		json_array_append_new(blocks, json_pack("{s:s, s:O}", "type", "actions",
							"elements", list));
	json_decref(list);
}

static void alert_blocks(const struct channel *c, const struct alert *a, json_t *blocks)
{
	struct fact facts[STORY_FACTS];
	unsigned n = story_facts(a, facts);
	json_t *fields = json_array();
	struct strb b = { 0 };

	story_why(a, &b);
	json_array_append_new(blocks, section(slack_text(&b, SECTION)));
	for (unsigned i = 0; i < n; i++) {
		struct strb field = { 0 };

		strb_fmt(&field, "*%s*\n", facts[i].name);
		strb_slack(&field, facts[i].value);
		json_array_append_new(
		    fields, json_pack("{s:s, s:s}", "type", "mrkdwn", "text", field.s));
		strb_free(&field);
	}
	json_array_append_new(
	    blocks, json_pack("{s:s, s:o}", "type", "section", "fields", fields));
	if (a->n_top)
		json_array_append_new(blocks, section(code(a, ROWS)));
	story_changes_line(a, &b);
	if (b.len)
		json_array_append_new(blocks, section(slack_text(&b, SECTION)));
	strb_free(&b);
	story_quality(a, &b);
	if (b.len)
		json_array_append_new(blocks, section(slack_text(&b, SECTION)));
	strb_free(&b);
	story_next(a, &b);
	json_array_append_new(blocks, json_pack("{s:s, s:[{s:s, s:o}]}", "type",
						"context", "elements", "type", "mrkdwn",
						"text", slack_text(&b, SECTION)));
	buttons(c, a, blocks);
}

static void digest_blocks(const struct digest *d, json_t *blocks)
{
	struct strb b = { 0 }, text = { 0 };

	story_digest(d, &b);
	for (char *line = b.s, *end; line && *line; line = end + 1) {
		end = strchr(line, '\n');
		*end = '\0';
		strb_slack(&text, line);
		strb_addc(&text, '\n');
	}
	if (text.len)
		text.s[utf8_cut(text.s, SECTION, SIZE_MAX)] = '\0';
	json_array_append_new(blocks, section(json_string(text.s ? text.s : "-")));
	strb_free(&b);
	strb_free(&text);
}

static void make(const struct channel *c, const struct message *m, unsigned n,
		 struct request *r)
{
	json_t *blocks = json_array();
	struct strb title = { 0 }, copy = { 0 };

	(void)n;
	story_title(m, &title);
	strb_add(&copy, title.s);
	json_array_append_new(blocks, json_pack("{s:s, s:{s:s, s:o}}", "type", "header",
						"text", "type", "plain_text", "text",
						slack_text(&copy, HEADER)));
	if (m->alert)
		alert_blocks(c, m->alert, blocks);
	else
		digest_blocks(m->digest, blocks);
	request_json(r, json_pack("{s:o, s:[{s:s, s:o}]}", "text",
				  slack_text(&title, SECTION), "attachments", "color",
				  story_color(m), "blocks", blocks));
}

static void read_answer(struct answer *a)
{
	a->refused = strcmp(a->body, "ok") != 0;
}

const struct format format_slack = {
	.name = "slack", .doc = "Slack incoming webhook",
	.make = make, .read = read_answer,
};
