/* fmt_teams.c - Microsoft Teams by a Workflow: an adaptive card.
 * SPDX-License-Identifier: ISC
 *
 * A Workflow takes 28 KB and answers 202 before it runs, so the card is kept
 * below 20 KB: what is too large would vanish without an error. TextBlocks read
 * a little Markdown, therefore text is escaped as such. Flows are lines, not a
 * code block, which cards of version 1.2 do not have.
 */
#include "daemon/base/units.h"
#include "daemon/notify/channel.h"
#include "daemon/notify/format.h"
#include "daemon/notify/story.h"

enum { ROWS = 10, LINE = 300, PARAGRAPH = 1500, TITLE = 250 };

/* Takes plain text; NULL size is the default one. */
static json_t *block(struct strb *plain, size_t max, const char *size, const char *color)
{
	struct strb b = { 0 };
	json_t *j = json_object();

	if (plain->s)
		plain->s[utf8_cut(plain->s, max, SIZE_MAX)] = '\0';
	format_markdown(&b, plain->s ? plain->s : "");
	strb_free(plain);
	json_object_set_new(j, "type", json_string("TextBlock"));
	json_object_set_new(j, "text", format_text(&b, 2 * max));
	json_object_set_new(j, "wrap", json_true());
	if (size) {
		json_object_set_new(j, "size", json_string(size));
		json_object_set_new(j, "weight", json_string("Bolder"));
		json_object_set_new(j, "style", json_string("heading"));
	}
	if (color)
		json_object_set_new(j, "color", json_string(color));
	return j;
}

static void add(json_t *body, struct strb *plain)
{
	if (plain->len)
		json_array_append_new(body, block(plain, PARAGRAPH, NULL, NULL));
	strb_free(plain);
}

static void flows(const struct alert *a, json_t *body)
{
	char size[UNIT_TEXT];

	for (unsigned i = 0; i < a->n_top && i < ROWS; i++) {
		const struct top_flow *f = &a->top[i];
		struct strb t = { 0 };
		json_t *j;

		story_share(f->share, &t);
		strb_fmt(&t, ", %s: ", text_bytes((double)f->bytes, size));
		story_end(&f->src, f->src_name, &t);
		strb_add(&t, " to ");
		story_end(&f->dst, f->dst_name, &t);
		strb_add(&t, ", ");
		story_service(f, &t);
		if (f->client && *f->client) {
			strb_add(&t, ", ");
			story_proxied(f, &t);
		}
		j = block(&t, LINE, NULL, NULL);
		json_object_set_new(j, "spacing", json_string(i ? "None" : "Medium"));
		json_array_append_new(body, j);
	}
	if (a->n_top > ROWS) {
		struct strb t = { 0 };

		strb_fmt(&t, "%u more", a->n_top - ROWS);
		add(body, &t);
	}
}

static json_t *facts(const struct alert *a)
{
	struct fact f[STORY_FACTS];
	unsigned n = story_facts(a, f);
	json_t *list = json_array();

	for (unsigned i = 0; i < n; i++) {
		struct strb v = { 0 };

		format_markdown(&v, f[i].value);
		json_array_append_new(list, json_pack("{s:s, s:o}", "title", f[i].name,
						      "value", format_text(&v, LINE)));
	}
	return json_pack("{s:s, s:o}", "type", "FactSet", "facts", list);
}

static const char *color(const struct message *m)
{
	if (m->alert && m->alert->state == ALERT_RESOLVED && !m->alert->was)
		return "Good";
	return m->alert && m->alert->severity == SEVERITY_CRITICAL ? "Attention"
								   : "Warning";
}

static void action(json_t *actions, const char *title, struct strb *url)
{
	if (url->len)
		json_array_append_new(actions, json_pack("{s:s, s:s, s:s}", "type",
							 "Action.OpenUrl", "title", title, "url",
							 url->s));
	strb_free(url);
}

static void make(const struct channel *c, const struct message *m, unsigned n,
		 struct request *r)
{
	json_t *body = json_array(), *actions = json_array(), *card;
	struct strb t = { 0 };

	(void)n;
	story_title(m, &t);
	json_array_append_new(body, block(&t, TITLE, "Medium", color(m)));
	if (m->alert) {
		story_why(m->alert, &t);
		add(body, &t);
		json_array_append_new(body, facts(m->alert));
		flows(m->alert, body);
		story_changes_line(m->alert, &t);
		add(body, &t);
		story_quality(m->alert, &t);
		add(body, &t);
		story_next(m->alert, &t);
		add(body, &t);
		story_link(m->alert, c->base_url, &t);
		action(actions, "Open this alert", &t);
		story_act(m->alert, c->base_url, false, &t);
		action(actions, "Acknowledge", &t);
		story_act(m->alert, c->base_url, true, &t);
		action(actions, "Silence", &t);
	} else {
		for (unsigned i = 0; i < m->digest->n_line; i++) {
			strb_fmt(&t, "[%s] ", m->digest->line[i].state == ALERT_RESOLVED
						      ? "RESOLVED" : "FIRING");
			strb_tty(&t, m->digest->line[i].headline);
			add(body, &t);
		}
	}
	card = json_pack("{s:s, s:s, s:s, s:{s:s}, s:o, s:o}", "$schema",
			 "http://adaptivecards.io/schemas/adaptive-card.json", "type",
			 "AdaptiveCard", "version", "1.2", "msteams", "width", "full",
			 "body", body, "actions", actions);
	request_json(r, json_pack("{s:s, s:[{s:s, s:n, s:o}]}", "type", "message",
				  "attachments", "contentType",
				  "application/vnd.microsoft.card.adaptive", "contentUrl",
				  "content", card));
}

const struct format format_teams = {
	.name = "teams",
	.doc = "Microsoft Teams, a Workflow that is started by a webhook",
	.make = make,
};
