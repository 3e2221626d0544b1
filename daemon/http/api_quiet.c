/* api_quiet.c - silences, acknowledgements, dead letters; signed addresses.
 * SPDX-License-Identifier: ISC
 *
 * What is asked goes on as JSON to the engine, which has the sentences for mistakes. The
 * page behind a signed address is the only HTML that is made here: no script, one form.
 */
#include "daemon/http/http_impl.h"

#include "daemon/base/clock.h"
#include "daemon/base/mem.h"

#include <stdlib.h>
#include <string.h>

enum { FORM_FIELDS = 8 };

/* The body as a JSON object, or NULL: out says why. */
static json_t *body_of(const struct request *rq, struct answer *out)
{
	json_t *j = json_loadb(rq->body.s ? rq->body.s : "", rq->body.len, 0, NULL);

	if (json_is_object(j))
		return j;
	json_decref(j);
	answer_error(out, 400, "the body must be a JSON object");
	return NULL;
}

static void pass_on(struct http *h, const struct request *rq, struct answer *out,
		    json_t *(*fn)(void *arg, const json_t *asked, struct err *err))
{
	json_t *asked = body_of(rq, out), *done;
	struct err err = { "" };

	if (!asked)
		return;
	if (!fn) {
		answer_error(out, 503, "nothing can be changed");
	} else {
		done = fn(h->src.arg, asked, &err);
		if (done)
			answer_json(out, done);
		else
			answer_error(out, 400, "%s", err.msg);
	}
	json_decref(asked);
}

void api_silences(struct http *h, const struct request *rq, struct answer *out)
{
	(void)rq;
	if (h->src.silences)
		answer_json(out, h->src.silences(h->src.arg));
	else
		answer_error(out, 503, "there are no silences");
}

void api_silence(struct http *h, const struct request *rq, struct answer *out)
{
	pass_on(h, rq, out, h->src.silence);
}

void api_unsilence(struct http *h, const struct request *rq, struct answer *out)
{
	pass_on(h, rq, out, h->src.unsilence);
}

void api_learn(struct http *h, const struct request *rq, struct answer *out)
{
	pass_on(h, rq, out, h->src.learn);
}

void api_ack(struct http *h, const struct request *rq, struct answer *out)
{
	pass_on(h, rq, out, h->src.ack);
}

void api_notify(struct http *h, const struct request *rq, struct answer *out)
{
	(void)rq;
	if (h->src.letters)
		answer_json(out, h->src.letters(h->src.arg));
	else
		answer_error(out, 503, "there are no channels");
}

void api_notify_retry(struct http *h, const struct request *rq, struct answer *out)
{
	pass_on(h, rq, out, h->src.retry);
}

/* --- signed addresses --- */

static void begin(struct strb *b, const char *title)
{
	strb_add(b, "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n"
		    "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
		    "<meta name=\"color-scheme\" content=\"light dark\">\n"
		    "<meta name=\"robots\" content=\"noindex\">\n<title>");
	strb_html(b, title);
	strb_add(b, "</title>\n<link rel=\"icon\" href=\"/icon.svg\" type=\"image/svg+xml\">\n"
		    "<link rel=\"stylesheet\" href=\"/page.css\">\n"
		    "<main class=\"card act\">\n<h1>");
	strb_html(b, title);
	strb_add(b, "</h1>\n");
}

static void paragraph(struct strb *b, const char *text)
{
	strb_add(b, "<p>");
	strb_html(b, text);
	strb_add(b, "</p>\n");
}

static void finish(struct answer *out, unsigned status)
{
	strb_add(&out->body, "</main>\n</html>\n");
	out->type = "text/html; charset=utf-8";
	out->status = status;
	out->form = true;
}

static const char *str(const json_t *j, const char *key)
{
	const char *s = json_string_value(json_object_get(j, key));

	return s ? s : "";
}

static void confirm(const json_t *j, struct answer *out)
{
	bool ack = !strcmp(str(j, "what"), "ack");
	struct strb *b = &out->body;

	begin(b, ack ? "Acknowledge this alert?" : "Silence this series?");
	paragraph(b, *str(j, "headline") ? str(j, "headline")
					 : "The alert is not at hand any more; it may be over.");
	if (!strcmp(str(j, "status"), "resolved"))
		paragraph(b, "It is over by now.");
	if (*str(j, "ack_by")) {
		strb_add(b, "<p>Acknowledged already by ");
		strb_html(b, str(j, "ack_by"));
		strb_add(b, ".</p>\n");
	}
	paragraph(b, ack ? "It then fires on without reminders and escalation; you are told when "
			   "it is over."
			 : "Nobody is told of this rule for this series while the silence lasts; "
			   "what is not over after it is told then.");
	strb_add(b, "<form method=\"post\">\n<label>Your name <input name=\"author\" "
		    "maxlength=\"60\" autocomplete=\"name\"></label>\n"
		    "<label>Comment <input name=\"comment\" maxlength=\"300\"></label>\n");
	if (!ack)
		strb_add(b, "<label>For <select name=\"for_s\"><option value=\"3600\">1 hour"
			    "<option value=\"7200\" selected>2 hours<option value=\"28800\">8 hours"
			    "<option value=\"86400\">1 day<option value=\"604800\">1 week</select>"
			    "</label>\n");
	strb_add(b, ack ? "<button>Acknowledge</button>\n</form>\n"
			: "<button>Silence</button>\n</form>\n");
	finish(out, 200);
}

static void sorry(const struct err *err, struct answer *out)
{
	begin(&out->body, "That cannot be done");
	paragraph(&out->body, err->msg);
	strb_add(&out->body, "<p><a href=\"/\">To the page</a></p>\n");
	finish(out, 403);
}

/* "name=Ann+B%2E&for_s=3600" as an object of texts; numbers for for_s. */
static json_t *form_of(const struct request *rq)
{
	char *text = xasprintf("/?%.*s", (int)rq->body.len, rq->body.s ? rq->body.s : "");
	json_t *o = json_object();
	struct target t;
	struct err err;

	for (char *p = text; *p; p++)
		if (*p == '+')
			*p = ' ';
	if (target_parse(text, &t, &err))
		for (unsigned i = 0; i < t.n && i < FORM_FIELDS; i++)
			j_put(o, t.param[i].key,
			      strcmp(t.param[i].key, "for_s") ? j_text(t.param[i].value)
							      : json_real(atof(t.param[i].value)));
	target_fini(&t);
	free(text);
	return o;
}

void act_page(struct http *h, const struct request *rq, struct answer *out)
{
	bool go = !strcmp(rq->route->method, "POST");
	json_t *form = go ? form_of(rq) : NULL, *j;
	struct err err = { "" };

	if (!h->src.act)
		j = NULL;
	else
		j = h->src.act(h->src.arg, rq->target.path + 1, form, &err);
	if (!j) {
		sorry(&err, out);
	} else if (!go) {
		confirm(j, out);
	} else {
		begin(&out->body, strcmp(str(j, "what"), "ack") ? "Silenced" : "Acknowledged");
		if (*str(j, "until")) {
			strb_add(&out->body, "<p>Until ");
			strb_html(&out->body, str(j, "until"));
			strb_add(&out->body, " (UTC): ");
			strb_html(&out->body, str(j, "match"));
			strb_add(&out->body, "</p>\n");
		} else {
			paragraph(&out->body, "You are told when it is over.");
		}
		strb_add(&out->body, "<p><a href=\"/\">To the page</a></p>\n");
		finish(out, 200);
	}
	json_decref(form);
	json_decref(j);
}
