/* fmt_googlechat.c - Google Chat's incoming webhooks: text and a card, threaded.
 * SPDX-License-Identifier: ISC
 *
 * All messages about one alert share a thread by threadKey, which needs
 * messageReplyOption in the URL. `text` is what notifications show; there "<…>"
 * means mentions and links, so the brackets are replaced. Card text is a little
 * HTML. A message may have 32,000 octets.
 */
#include <stdlib.h>
#include <string.h>

#include "daemon/notify/channel.h"
#include "daemon/notify/format.h"
#include "daemon/notify/story.h"

enum { TITLE = 250, PARAGRAPH = 2000, ROWS = 10 };

/* Plain text for `text`: nothing that mentions or links. */
static json_t *spoken(struct strb *plain, size_t max)
{
	struct strb b = { 0 };

	for (const char *p = plain->s ? plain->s : ""; *p; p++) {
		if (*p == '<' || *p == '>')
			strb_add(&b, *p == '<' ? "\xe2\x80\xb9" : "\xe2\x80\xba");
		else
			strb_addc(&b, *p);
	}
	strb_free(plain);
	return format_text(&b, max);
}

static json_t *paragraph(struct strb *plain)
{
	struct strb b = { 0 };
	json_t *j;

	if (plain->s)
		plain->s[utf8_cut(plain->s, PARAGRAPH, SIZE_MAX)] = '\0';
	for (const char *p = plain->s; p && *p;) {
		size_t line = strcspn(p, "\n");
		char *s = strndup(p, line);

		strb_html(&b, s);
		strb_add(&b, p[line] ? "<br>" : "");
		free(s);
		p += line + (p[line] != '\0');
	}
	strb_free(plain);
	j = json_pack("{s:{s:s}}", "textParagraph", "text", b.s ? b.s : "");
	strb_free(&b);
	return j;
}

static void button(json_t *list, const char *text, struct strb *url)
{
	if (url->len)
		json_array_append_new(list, json_pack("{s:s, s:{s:{s:s}}}", "text", text,
						      "onClick", "openLink", "url", url->s));
	strb_free(url);
}

static void alert_widgets(const struct channel *c, const struct alert *a, json_t *list)
{
	json_t *buttons = json_array();
	struct fact f[STORY_FACTS];
	unsigned n = story_facts(a, f);
	struct strb t = { 0 };

	story_why(a, &t);
	json_array_append_new(list, paragraph(&t));
	for (unsigned i = 0; i < n; i++) {
		struct strb v = { 0 };

		strb_html(&v, f[i].value);
		json_array_append_new(list, json_pack("{s:{s:s, s:o}}", "decoratedText",
						      "topLabel", f[i].name, "text",
						      format_text(&v, 400)));
	}
	if (a->n_top) {
		story_table(a, ROWS, &t);
		json_array_append_new(list, paragraph(&t));
	}
	story_changes_line(a, &t);
	if (t.len)
		json_array_append_new(list, paragraph(&t));
	story_quality(a, &t);
	if (t.len)
		json_array_append_new(list, paragraph(&t));
	strb_free(&t);
	story_next(a, &t);
	json_array_append_new(list, paragraph(&t));
	story_link(a, c->base_url, &t);
	button(buttons, "Open this alert", &t);
	story_act(a, c->base_url, false, &t);
	button(buttons, "Acknowledge", &t);
	story_act(a, c->base_url, true, &t);
	button(buttons, "Silence", &t);
	if (json_array_size(buttons))
		json_array_append_new(list, json_pack("{s:{s:O}}", "buttonList", "buttons",
						      buttons));
	json_decref(buttons);
}

static void make(const struct channel *c, const struct message *m, unsigned n,
		 struct request *r)
{
	json_t *widgets = json_array(), *title, *subtitle;
	struct strb t = { 0 };
	json_t *text;

	(void)n;
	story_title(m, &t);
	text = spoken(&t, TITLE);
	strb_add(&t, story_tag(m));
	title = format_text(&t, TITLE);
	story_headline(m, &t);
	subtitle = spoken(&t, TITLE);
	if (m->alert) {
		alert_widgets(c, m->alert, widgets);
	} else {
		story_digest(m->digest, &t);
		json_array_append_new(widgets, paragraph(&t));
	}
	request_json(
	    r, json_pack("{s:o, s:{s:s}, s:[{s:s, s:{s:{s:o, s:o}, s:[{s:o}]}}]}", "text",
			 text, "thread", "threadKey", m->alert ? m->alert->id : m->key,
			 "cardsV2", "cardId", "alert", "card", "header", "title", title,
			 "subtitle", subtitle, "sections", "widgets", widgets));
	strb_add(&r->url, r->base);
	strb_add(&r->url, strchr(r->base, '?') ? "&" : "?");
	strb_add(&r->url, "messageReplyOption=REPLY_MESSAGE_FALLBACK_TO_NEW_THREAD");
}

const struct format format_googlechat = {
	.name = "googlechat", .doc = "Google Chat incoming webhook",
	.make = make,
};
