/* fmt_telegram.c - Telegram's bots: sendMessage, in HTML.
 * SPDX-License-Identifier: ISC
 *
 * token_file holds the bot's token, target the chat; the URL, when one is given,
 * is that of another Bot API server. HTML and not MarkdownV2, which needs
 * eighteen escapes. A message may have 4,096 characters after the tags are
 * taken out, so rows of the table go first. A resolved message answers the
 * firing one by the id that Telegram gave it.
 */
#include <stdio.h>
#include <stdlib.h>

#include "daemon/notify/channel.h"
#include "daemon/notify/format.h"
#include "daemon/notify/story.h"

enum { MESSAGE = 3900, PARAGRAPH = 900, TABLE = 1800, ROWS = 10 };

static void paragraph(struct strb *b, struct strb *plain)
{
	if (plain->len) {
		plain->s[utf8_cut(plain->s, PARAGRAPH, SIZE_MAX)] = '\0';
		strb_add(b, "\n\n");
		strb_html(b, plain->s);
	}
	strb_free(plain);
}

static void table(struct strb *b, const struct alert *a)
{
	unsigned rows = ROWS;
	struct strb t = { 0 };

	if (!a->n_top)
		return;
	do {
		strb_free(&t);
		story_table(a, rows, &t);
	} while (t.len > TABLE && --rows);
	strb_add(b, "\n\n<pre>");
	strb_html(b, t.s);
	strb_add(b, "</pre>");
	strb_free(&t);
}

static void facts(struct strb *b, const struct alert *a)
{
	struct fact f[STORY_FACTS];
	unsigned n = story_facts(a, f);

	strb_add(b, "\n");
	for (unsigned i = 0; i < n; i++) {
		strb_fmt(b, "\n%s: ", f[i].name);
		strb_html(b, f[i].value);
	}
}

/* Links in the text and no keyboard: Telegram refuses a message whose button leads to a
 * host that it does not take for public, while such a link is only shown as text. */
static void acts(struct strb *b, const struct alert *a, const char *base_url)
{
	for (int silence = 0; silence < 2; silence++) {
		struct strb url = { 0 };

		story_act(a, base_url, silence, &url);
		if (url.len) {
			strb_add(b, "\n\n<a href=\"");
			strb_html(b, url.s);
			strb_fmt(b, "\">%s</a>", silence ? "Silence" : "Acknowledge");
		}
		strb_free(&url);
	}
}

static void make(const struct channel *c, const struct message *m, unsigned n,
		 struct request *r)
{
	json_t *j = json_object();
	struct strb b = { 0 }, t = { 0 };

	(void)n;
	strb_add(&b, "<b>");
	story_title(m, &t);
	strb_html(&b, t.s);
	strb_free(&t);
	strb_add(&b, "</b>");
	if (m->alert) {
		story_why(m->alert, &t);
		paragraph(&b, &t);
		facts(&b, m->alert);
		table(&b, m->alert);
		story_changes_line(m->alert, &t);
		paragraph(&b, &t);
		story_quality(m->alert, &t);
		paragraph(&b, &t);
		story_link(m->alert, c->base_url, &t);
		paragraph(&b, &t);
		acts(&b, m->alert, c->base_url);
	} else {
		story_digest(m->digest, &t);
		t.s[utf8_cut(t.s, MESSAGE, SIZE_MAX)] = '\0';
		strb_add(&b, "\n\n");
		strb_html(&b, t.s);
		strb_free(&t);
	}
	json_object_set_new(j, "chat_id", json_string(c->target));
	json_object_set_new(j, "text", json_string(b.s));
	json_object_set_new(j, "parse_mode", json_string("HTML"));
	json_object_set_new(j, "link_preview_options",
			    json_pack("{s:b}", "is_disabled", 1));
	if (m->remote && !m->first)
		json_object_set_new(j, "reply_parameters",
				    json_pack("{s:I, s:b}", "message_id",
					      (json_int_t)atoll(m->remote),
					      "allow_sending_without_reply", 1));
	request_json(r, j);
	strb_fmt(&r->url, "%s/bot%s/sendMessage", r->base, c->token);
	r->auth = NULL;
	strb_free(&b);
}

static void read_answer(struct answer *a)
{
	json_t *j = json_loads(a->body, 0, NULL);
	json_int_t id = json_integer_value(
		json_object_get(json_object_get(j, "result"), "message_id"));
	json_int_t wait = json_integer_value(
		json_object_get(json_object_get(j, "parameters"), "retry_after"));

	if (id)
		snprintf(a->remote, sizeof(a->remote), "%lld", (long long)id);
	if (wait > 0)
		a->retry_ms = wait < 3600 ? wait * 1000 : 3600000;
	json_decref(j);
}

const struct format format_telegram = {
	.name = "telegram",
	.doc = "Telegram bot: token_file and target (the chat's id)",
	.needs_token = true,
	.needs_target = true,
	.default_url = "https://api.telegram.org",
	.make = make,
	.read = read_answer,
};
