/* mail.c - an alert as a mail that a person can act on.
 * SPDX-License-Identifier: ISC
 *
 *   multipart/mixed
 *     multipart/alternative
 *       text/plain                 what, why, figures, top flows, what next
 *       multipart/related          (only with a chart)
 *         text/html                the same, for a phone, light or dark
 *         image/png  cid:chart
 *     text/csv  flows.csv          (only with flows)
 *
 * The Message-ID is the idempotency key, so a retry is the same mail. The first
 * message about an alert is the root of its thread: later ones answer it and
 * keep its subject behind the tag, because some readers thread by that too.
 */
#include "daemon/notify/mail.h"

#include <stdio.h>
#include <string.h>

#include "daemon/base/units.h"
#include "daemon/notify/chart.h"
#include "daemon/notify/mime.h"
#include "daemon/notify/story.h"

enum { ROWS = 10, WRAP = 72, SUBJECT = 80 /* characters */ };

/* Adds text broken at blanks into lines of WRAP characters. */
static void wrapped(struct strb *b, const char *text)
{
	size_t col = 0;

	while (*text) {
		size_t len = strcspn(text, " "), chars = 0;

		for (size_t i = 0; i < len; i++)
			chars += ((unsigned char)text[i] & 0xc0) != 0x80;
		if (col && col + 1 + chars > WRAP) {
			strb_addc(b, '\n');
			col = 0;
		} else if (col) {
			strb_addc(b, ' ');
			col++;
		}
		strb_addn(b, text, len);
		col += chars;
		text += len;
		text += strspn(text, " ");
	}
	strb_addc(b, '\n');
}

static void paragraph(struct strb *b, struct strb *text)
{
	if (text->len) {
		wrapped(b, text->s);
		strb_addc(b, '\n');
	}
	strb_free(text);
}

static void urls(const struct alert *a, struct strb *b)
{
	char size[UNIT_TEXT];
	unsigned shown = 0;

	for (unsigned i = 0; i < a->n_top; i++) {
		const struct top_flow *f = &a->top[i];

		for (unsigned k = 0; k < f->n_urls && shown < ROWS; k++, shown++) {
			if (!shown)
				strb_add(b, "Fetched through the proxy:\n");
			strb_fmt(b, "  %8s  ",
				 text_bytes((double)f->urls[k].bytes, size));
			strb_tty(b, f->urls[k].client ? f->urls[k].client : "");
			strb_add(b, f->urls[k].client ? "  " : "");
			strb_tty(b, f->urls[k].url);
			strb_addc(b, '\n');
		}
	}
	strb_add(b, shown ? "\n" : "");
}

/* Commands stand on lines of their own, to be copied. */
static void next(const struct alert *a, struct strb *b)
{
	struct step steps[STORY_STEPS];
	unsigned n = story_steps(a, steps);
	struct strb t = { 0 };

	if (!n) {
		story_next(a, &t);
		paragraph(b, &t);
	}
	for (unsigned i = 0; i < n; i++)
		strb_fmt(b, "%s:\n  %s\n%s", steps[i].what, steps[i].command,
			 i + 1 < n ? "" : "\n");
}

/* Not wrapped, or no reader would make a link of it. Clears url. */
static void link_line(struct strb *url, const char *what, struct strb *b)
{
	if (url->len)
		strb_fmt(b, "%s:\n  %s\n", what, url->s);
	strb_free(url);
}

static void act_line(const char *base_url, const struct alert *a, bool silence,
		     const char *what, struct strb *b)
{
	struct strb t = { 0 };

	story_act(a, base_url, silence, &t);
	link_line(&t, what, b);
}

void mail_alert_text(const char *base_url, const struct alert *a, struct strb *b)
{
	struct fact facts[STORY_FACTS];
	unsigned n = story_facts(a, facts);
	struct strb t = { 0 };
	char step[UNIT_TEXT];

	story_why(a, &t);
	paragraph(b, &t);
	for (unsigned i = 0; i < n; i++)
		strb_fmt(b, "  %-9s %s\n", facts[i].name, facts[i].value);
	strb_addc(b, '\n');
	if (a->n_spark) {
		story_spark(a, b);
		strb_fmt(b, "  one sign is %s\n\n",
			 text_duration(a->spark_step_ms, step));
	}
	if (a->n_top) {
		story_table(a, ROWS, b);
		strb_addc(b, '\n');
	}
	urls(a, b);
	story_changes(a, ALERT_CHANGED, b);
	strb_add(b, a->n_changed ? "\n" : "");
	story_quality(a, &t);
	paragraph(b, &t);
	next(a, b);
	story_link(a, base_url, &t);
	link_line(&t, "Open it", b);
	act_line(base_url, a, false, "Acknowledge it", b);
	act_line(base_url, a, true, "Silence it", b);
	strb_addc(b, '\n');
}

void mail_text(const struct channel *c, const struct message *m, struct strb *b)
{
	struct strb t = { 0 };

	story_headline(m, &t);
	paragraph(b, &t);
	if (m->alert) {
		mail_alert_text(c->base_url, m->alert, b);
	} else {
		strb_add(
		    &t, "So much came at once that it is told in one mail, the most "
			"severe first.");
		paragraph(b, &t);
		story_digest(m->digest, b);
		strb_addc(b, '\n');
	}
	strb_fmt(b, "-- \nculprit on %s", c->ehlo);
	if (m->alert)
		strb_fmt(b, ", alert %s", m->alert->id);
	strb_addc(b, '\n');
}

static void csv_end(struct strb *b, const struct addr *a, const char *name, uint16_t port)
{
	char buf[ADDR_TEXT];

	strb_csv(b, addr_text(a, buf));
	strb_addc(b, ',');
	strb_csv(b, name ? name : "");
	strb_fmt(b, ",%u,", port);
}

void mail_csv(const struct alert *a, struct strb *b)
{
	strb_add(
	    b,
	    "src,src_name,src_port,dst,dst_name,dst_port,proto,bytes,packets,flows,share,"
	    "client,urls\r\n");
	for (unsigned i = 0; i < a->n_top; i++) {
		const struct top_flow *f = &a->top[i];
		struct strb list = { 0 };

		csv_end(b, &f->src, f->src_name, f->src_port);
		csv_end(b, &f->dst, f->dst_name, f->dst_port);
		strb_fmt(b, "%u,%llu,%llu,%llu,%.6f,", f->proto,
			 (unsigned long long)f->bytes, (unsigned long long)f->packets,
			 (unsigned long long)f->flows, f->share);
		strb_csv(b, f->client ? f->client : "");
		strb_addc(b, ',');
		for (unsigned k = 0; k < f->n_urls; k++) {
			strb_add(&list, k ? " " : "");
			strb_add(&list, f->urls[k].url);
		}
		strb_csv(b, list.s ? list.s : "");
		strb_add(b, "\r\n");
		strb_free(&list);
	}
}

static void ids(const struct channel *c, const struct message *m, struct strb *b)
{
	strb_fmt(b, "Message-ID: <%s@%s>\r\n", m->key, c->domain);
	if (!m->first && m->thread && strcmp(m->thread, m->key)) {
		strb_fmt(b, "In-Reply-To: <%s@%s>\r\n", m->thread, c->domain);
		strb_fmt(b, "References: <%s@%s>\r\n", m->thread, c->domain);
	}
}

/* Gmail makes a thread of mails with the same subject, whatever stands in brackets before it.
 * So the subject of many alerts together stays that of the first mail, and the tag counts. */
static void subject(const struct message *m, struct strb *b)
{
	if (!m->alert || m->alert->group < 2 || m->first || !m->subject) {
		story_title(m, b);
		return;
	}
	strb_fmt(b, "[%s, %s%u] ", story_tag(m),
		 m->alert->state == ALERT_RESOLVED ? "all " : "now ", m->alert->group);
	strb_tty(b, m->subject);
	b->s[utf8_cut(b->s, SUBJECT, SIZE_MAX)] = '\0';
}

static void headers(const struct channel *c, const struct message *m, struct strb *b)
{
	struct strb t = { 0 };

	strb_add(b, "Date: ");
	mime_date(b, m->now_ms);
	strb_add(b, "\r\n");
	strb_fmt(b, "From: culprit <%s>\r\n", c->from);
	mime_addresses(b, "To", c->to);
	subject(m, &t);
	mime_header(b, "Subject", t.s);
	strb_free(&t);
	ids(c, m, b);
	strb_add(b, "Auto-Submitted: auto-generated\r\nX-Auto-Response-Suppress: All\r\n"
		    "Precedence: bulk\r\n");
	strb_fmt(b, "List-Id: culprit alerts <culprit.%s>\r\n", c->domain);
	if (m->alert) {
		strb_fmt(&t, "%s; state=%s", m->alert->fingerprint,
			 alert_state_word[m->alert->state]);
		mime_header(b, "X-Culprit-Alert", t.s);
		strb_free(&t);
	}
	if (m->alert && m->alert->state == ALERT_FIRING &&
	    m->alert->severity == SEVERITY_CRITICAL)
		strb_add(b, "Importance: high\r\n");
	strb_add(b, "MIME-Version: 1.0\r\n");
}

static void multipart(struct strb *b, const char *kind, const char *key, int n)
{
	strb_fmt(b, "Content-Type: multipart/%s;\r\n boundary=\"=_%d_%s\"\r\n\r\n", kind,
		 n, key);
}

/* A boundary has "=_", which no encoded part can contain. */
static void boundary(struct strb *b, const char *key, int n, const char *end)
{
	strb_fmt(b, "--=_%d_%s%s\r\n", n, key, end);
}

static void text_part(struct strb *b, const char *type, struct strb *text)
{
	strb_fmt(b, "Content-Type: %s; charset=utf-8\r\n"
		    "Content-Transfer-Encoding: quoted-printable\r\n\r\n", type);
	mime_qp(b, text->s ? text->s : "");
	strb_free(text);
}

static void csv_part(struct strb *b, const struct alert *a)
{
	struct strb csv = { 0 };

	strb_add(b, "Content-Type: text/csv; charset=utf-8; header=present\r\n"
		    "Content-Disposition: attachment; filename=\"flows.csv\"\r\n"
		    "Content-Transfer-Encoding: base64\r\n\r\n");
	mail_csv(a, &csv);
	mime_base64(b, csv.s, csv.len);
	strb_free(&csv);
}

/* The HTML part, with its chart beside it when there is one. */
static void html_part(const struct channel *c, const struct message *m, struct strb *b)
{
	struct strb text = { 0 }, png = { 0 };
	bool chart = m->alert && chart_png(m->alert, &png);

	boundary(b, m->key, 2, "");
	if (chart) {
		multipart(b, "related", m->key, 3);
		boundary(b, m->key, 3, "");
	}
	mail_html(c, m, chart, &text);
	text_part(b, "text/html", &text);
	if (chart) {
		boundary(b, m->key, 3, "");
		strb_add(b, "Content-Type: image/png\r\nContent-ID: <chart>\r\n"
			    "Content-Disposition: inline; filename=\"chart.png\"\r\n"
			    "Content-Transfer-Encoding: base64\r\n\r\n");
		mime_base64(b, png.s, png.len);
		boundary(b, m->key, 3, "--");
	}
	strb_free(&png);
}

void mail_compose(const struct channel *c, const struct message *m, struct strb *b)
{
	struct strb text = { 0 };

	headers(c, m, b);
	multipart(b, "mixed", m->key, 1);
	boundary(b, m->key, 1, "");
	multipart(b, "alternative", m->key, 2);
	boundary(b, m->key, 2, "");
	mail_text(c, m, &text);
	text_part(b, "text/plain", &text);
	html_part(c, m, b);
	boundary(b, m->key, 2, "--");
	if (m->alert && m->alert->n_top) {
		boundary(b, m->key, 1, "");
		csv_part(b, m->alert);
	}
	boundary(b, m->key, 1, "--");
}
