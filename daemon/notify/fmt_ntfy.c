/* fmt_ntfy.c - ntfy: a push message on a phone.
 * SPDX-License-Identifier: ISC
 *
 * JSON goes to the server's root and names the topic, so of a URL like
 * https://ntfy.sh/mytopic the last part is the topic, unless target is set.
 * 4,096 octets; a longer message would arrive as an attachment. Plain text, so
 * nothing needs an escape but JSON's.
 */
#include <string.h>

#include "daemon/notify/channel.h"
#include "daemon/notify/format.h"
#include "daemon/notify/story.h"

enum { MESSAGE = 3900, ROWS = 5, TITLE = 200 };

/* The part of the URL behind the last slash of its path, or NULL. */
static const char *topic_in(const char *url)
{
	const char *path = strchr(strstr(url, "://") + 3, '/');
	const char *last = path ? strrchr(path, '/') : NULL;

	return last && last[1] ? last + 1 : NULL;
}

static void button(json_t *list, const char *label, struct strb *url)
{
	if (url->len)
		json_array_append_new(list, json_pack("{s:s, s:s, s:s}", "action", "view",
						      "label", label, "url", url->s));
	strb_free(url);
}

/* Three at most, which is what a phone shows. */
static json_t *buttons(const struct channel *c, const struct alert *a)
{
	json_t *list = json_array();
	struct strb url = { 0 };

	story_link(a, c->base_url, &url);
	button(list, "Open", &url);
	story_act(a, c->base_url, false, &url);
	button(list, "Acknowledge", &url);
	story_act(a, c->base_url, true, &url);
	button(list, "Silence", &url);
	return list;
}

static void make(const struct channel *c, const struct message *m, unsigned n,
		 struct request *r)
{
	static const int priority[] = { 3, 4, 5 };
	const char *last = topic_in(r->base), *topic = c->target ? c->target : last;
	bool over = m->alert && m->alert->state == ALERT_RESOLVED;
	struct strb title = { 0 }, b = { 0 }, link = { 0 };
	json_t *j = json_object();

	(void)n;
	story_title(m, &title);
	if (m->alert) {
		story_why(m->alert, &b);
		strb_add(&b, "\n\n");
		story_table(m->alert, ROWS, &b);
		story_changes_line(m->alert, &b);
		strb_add(&b, m->alert->n_changed ? "\n" : "");
		story_quality(m->alert, &b);
		story_link(m->alert, c->base_url, &link);
	} else {
		story_digest(m->digest, &b);
	}
	b.s[utf8_cut(b.s, SIZE_MAX, MESSAGE)] = '\0';
	json_object_set_new(j, "topic", json_string(topic));
	json_object_set_new(j, "title", format_text(&title, TITLE));
	json_object_set_new(j, "message", json_string(b.s));
	json_object_set_new(j, "tags",
			    json_pack("[s]", over ? "white_check_mark" : "warning"));
	json_object_set_new(
	    j, "priority",
	    json_integer(m->alert && !over ? priority[m->alert->severity] : 3));
	if (link.len) {
		json_object_set_new(j, "click", json_string(link.s));
		json_object_set_new(j, "actions", buttons(c, m->alert));
	}
	request_json(r, j);
	strb_addn(&r->url, r->base, last ? (size_t)(last - r->base) : strlen(r->base));
	strb_free(&b);
	strb_free(&link);
}

static bool check(const struct channel *c, struct err *err)
{
	return c->target || topic_in(c->url[0]) ||
	       err_set(err,
		       "there is no topic; write webhook = \"https://ntfy.sh/TOPIC\" or "
		       "target = \"TOPIC\"");
}

const struct format format_ntfy = {
	.name = "ntfy", .doc = "ntfy push message; token_file for a protected topic",
	.make = make, .check = check,
};
