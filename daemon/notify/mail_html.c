/* mail_html.c - the mail's HTML part.
 * SPDX-License-Identifier: ISC
 *
 * Mail programs know tables and inline styles and little else. Colours are
 * chosen to read on white and on black, since some programs honour the style
 * sheet's dark half, some invert, and some do neither. One column, 640 pixels
 * at most. A flow is what it is on the left, which wraps, and how much on the right,
 * which does not, with its share as a bar below: that needs no other layout on a phone.
 * All text from outside goes through strb_html().
 */
#include "daemon/notify/mail.h"

#include <stdio.h>
#include <string.h>

#include "daemon/base/units.h"
#include "daemon/notify/story.h"

enum { ROWS = 10, URLS = 4 };

static const char head[] =
    "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
    "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
    "<meta name=\"color-scheme\" content=\"light dark\">\n"
    "<meta name=\"supported-color-schemes\" content=\"light dark\">\n"
    "<style>\n:root { color-scheme: light dark; }\n"
    "@media (prefers-color-scheme: dark) {\n"
    " .page { background: #16181c !important; }\n"
    " .card { background: #1f2227 !important; color: #e8e8e8 !important; }\n"
    " .soft { color: #a5abb3 !important; }\n"
    " .line { border-color: #3a3f46 !important; }\n"
    " .over { color: #74c078 !important; }\n"
    " .bad { color: #ff7b72 !important; }\n"
    " .warn { color: #f0a04b !important; }\n"
    " .link { color: #7ab7ff !important; }\n}\n"
    "</style></head>\n"
    "<body class=\"page\" style=\"margin:0;padding:0;background:#eef0f2\">\n"
    "<table role=\"presentation\" width=\"100%\" cellpadding=\"0\" cellspacing=\"0\""
    " style=\"border-collapse:collapse\"><tr><td align=\"center\" style=\"padding:12px "
    "8px\">\n"
    "<table role=\"presentation\" class=\"card\" width=\"100%\" cellpadding=\"0\""
    " cellspacing=\"0\" "
    "style=\"max-width:640px;border-collapse:collapse;background:#ffffff;"
    "color:#1d2126;font-family:-apple-system,'Segoe "
    "UI',Roboto,Helvetica,Arial,sans-serif;"
    "font-size:15px;line-height:1.45\">\n";

static const char row_open[] = "<tr><td style=\"padding:12px 18px 0 18px\">";
static const char row_close[] = "</td></tr>\n";
static const char soft[] = "<span class=\"soft\" style=\"color:#5f6770\">";

static const char orange[] = "#e67700"; /* story_color() of a warning */

/* Escapes and clears t. */
static void escaped(struct strb *b, struct strb *t)
{
	strb_html(b, t->s ? t->s : "");
	strb_free(t);
}

static void block(struct strb *b, struct strb *t, bool quiet)
{
	if (!t->len) {
		strb_free(t); /* empty, but it may own memory */
		return;
	}
	strb_add(b, row_open);
	strb_add(b, quiet ? soft : "");
	escaped(b, t);
	strb_add(b, quiet ? "</span>" : "");
	strb_add(b, row_close);
}

static void title(const struct message *m, struct strb *b)
{
	const char *color = story_color(m);
	/* white on the orange of warnings is too weak to be read outside */
	const char *ink = strcmp(color, orange) ? "#ffffff" : "#1d2126";
	struct strb t = { 0 };

	strb_fmt(b, "<tr><td style=\"padding:0;background:%s;height:6px;line-height:6px;"
		    "font-size:0\">&nbsp;</td></tr>\n", color);
	strb_fmt(b,
		 "<tr><td style=\"padding:16px 18px 0 18px\"><span "
		 "style=\"display:inline-block;"
		 "padding:1px "
		 "8px;border-radius:3px;background:%s;color:%s;font-size:12px;"
		 "font-weight:bold;letter-spacing:.5px\">%s</span>",
		 color, ink, story_tag(m));
	strb_add(b, "<div style=\"font-size:20px;line-height:1.3;font-weight:bold;"
		    "padding-top:8px;word-wrap:break-word\">");
	story_headline(m, &t);
	escaped(b, &t);
	strb_add(b, "</div>");
	strb_add(b, row_close);
}

static void facts(const struct alert *a, struct strb *b)
{
	struct fact f[STORY_FACTS];
	unsigned n = story_facts(a, f);

	strb_add(b, row_open);
	strb_add(b, "<table role=\"presentation\" cellpadding=\"0\" cellspacing=\"0\" "
		    "style=\"border-collapse:collapse\">\n");
	for (unsigned i = 0; i < n; i++) {
		strb_fmt(
		    b,
		    "<tr><td class=\"soft\" style=\"padding:1px 14px 1px 0;color:#5f6770;"
		    "vertical-align:top\">%s</td><td style=\"padding:1px 0;"
		    "word-break:break-word\">",
		    f[i].name);
		strb_html(b, f[i].value);
		strb_add(b, "</td></tr>\n");
	}
	strb_add(b, "</table>");
	strb_add(b, row_close);
}

static void chart_or_spark(const struct alert *a, bool chart, struct strb *b)
{
	struct strb t = { 0 };

	if (chart) {
		strb_add(b, row_open);
		strb_add(b, "<img src=\"cid:chart\" width=\"480\" alt=\"");
		story_spark(a, &t);
		escaped(b, &t);
		strb_add(
		    b, "\" style=\"display:block;width:100%;max-width:480px;height:auto;"
		       "border:0\">");
		strb_add(b, row_close);
	} else if (a->n_spark) {
		strb_add(b, row_open);
		strb_add(b, "<span style=\"font-family:monospace;font-size:16px\">");
		story_spark(a, &t);
		escaped(b, &t);
		strb_add(b, "</span>");
		strb_add(b, row_close);
	}
}

/* A figure and its unit stay on one line. */
static void figure(struct strb *b, const char *text)
{
	for (; *text; text++)
		strb_addn(b, *text == ' ' ? "\xc2\xa0" : text, *text == ' ' ? 2 : 1);
}

static void named(struct strb *b, const struct addr *a, const char *name)
{
	char buf[ADDR_TEXT];

	strb_html(b, name && *name ? name : addr_text(a, buf));
}

static void ends(struct strb *b, const struct top_flow *f)
{
	char src[ADDR_TEXT], dst[ADDR_TEXT];
	struct strb t = { 0 };

	named(b, &f->src, f->src_name);
	strb_add(b, " \xe2\x86\x92 ");
	named(b, &f->dst, f->dst_name);
	strb_fmt(b, "<br>%s", soft);
	if ((f->src_name && *f->src_name) || (f->dst_name && *f->dst_name))
		strb_fmt(b, "%s \xe2\x86\x92 %s, ", addr_text(&f->src, src),
			 addr_text(&f->dst, dst));
	story_service(f, &t);
	escaped(b, &t);
	strb_add(b, "</span>");
}

static void urls(struct strb *b, const struct top_flow *f)
{
	char size[UNIT_TEXT];

	for (unsigned i = 0; i < f->n_urls && i < URLS; i++) {
		strb_add(b, "<div style=\"padding-top:2px\">");
		strb_html(b, f->urls[i].url);
		strb_fmt(b, " %s", soft);
		figure(b, text_bytes((double)f->urls[i].bytes, size));
		strb_add(b, "</span></div>");
	}
	if (f->n_urls > URLS)
		strb_fmt(b, "<div style=\"padding-top:2px\">%sand %u more</span></div>", soft,
			 f->n_urls - URLS);
}

static void flow_row(struct strb *b, const struct top_flow *f)
{
	double share = f->share > 0 && f->share <= 1 ? f->share : 0;
	struct strb t = { 0 };
	char size[UNIT_TEXT];

	strb_add(b, "<tr><td style=\"padding:4px 12px 0 0;vertical-align:top;"
		    "word-break:break-word\">");
	if (f->client && *f->client) {
		strb_add(b, "<b>");
		strb_html(b, f->client);
		strb_fmt(b, "</b> %sthrough the proxy</span><br>", soft);
	}
	ends(b, f);
	urls(b, f);
	strb_add(b, "</td><td style=\"padding:4px 0 0 0;vertical-align:top;"
		    "white-space:nowrap;text-align:right\"><b>");
	story_share(f->share, &t);
	escaped(b, &t);
	strb_fmt(b, "</b><br>%s%s</span></td></tr>\n", soft,
		 text_bytes((double)f->bytes, size));
	/* the share once more, to be seen at a glance; it also parts the rows */
	strb_fmt(b, "<tr><td colspan=\"2\" style=\"padding:5px 0 8px 0\"><div style=\""
		    "height:3px;line-height:3px;font-size:0;background:rgba(128,138,150,.28)\">"
		    "<div style=\"width:%d%%;height:3px;background:#1976d2\"></div></div>"
		    "</td></tr>\n",
		 share > 0 && share < 0.01 ? 1 : (int)(share * 100 + 0.5));
}

static void flows(const struct alert *a, struct strb *b)
{
	if (!a->n_top)
		return;
	strb_add(b, row_open);
	strb_add(b, "<div style=\"font-weight:bold;padding:6px 0 4px 0\">Who it is</div>"
		    "<table width=\"100%\" cellpadding=\"0\" cellspacing=\"0\" "
		    "style=\"border-collapse:collapse;font-size:14px\">\n");
	for (unsigned i = 0; i < a->n_top && i < ROWS; i++)
		flow_row(b, &a->top[i]);
	strb_add(b, "</table>");
	if (a->n_top > ROWS)
		strb_fmt(b, "%s%u more in flows.csv</span>", soft, a->n_top - ROWS);
	strb_add(b, row_close);
}

static void changes(const struct alert *a, struct strb *b)
{
	struct measure m = measure_compared(&a->measure);
	char now[UNIT_TEXT], before[UNIT_TEXT];
	struct strb t = { 0 };

	if (!a->n_changed)
		return;
	strb_add(b, row_open);
	strb_add(b,
		 "<div style=\"font-weight:bold;padding:6px 0 4px 0\">What changed");
	if (a->compared) {
		strb_add(b, " against the traffic ");
		strb_html(b, a->compared);
	}
	strb_add(b, "</div>"
		 "<table width=\"100%\" cellpadding=\"0\" cellspacing=\"0\" "
		 "style=\"border-collapse:collapse;font-size:14px\">\n");
	for (unsigned i = 0; i < a->n_changed; i++) {
		const struct changed *c = &a->changed[i];

		strb_add(
		    b, "<tr><td style=\"padding:2px 10px 2px 0;white-space:nowrap\"><b>");
		story_share(c->share_of_change, &t);
		escaped(b, &t);
		strb_add(b,
			 "</b></td><td style=\"padding:2px 0;word-break:break-word\">");
		strb_html(b, c->key);
		strb_fmt(b, " %s", soft);
		figure(b, measure_text(&m, c->value, now));
		strb_add(b, ", before ");
		figure(b, measure_text(&m, c->before, before));
		strb_add(b, "</span></td></tr>\n");
	}
	strb_add(b, "</table>");
	strb_add(b, row_close);
}

/* Commands in full, where they can be marked and copied. */
static void next(const struct alert *a, struct strb *b)
{
	struct step steps[STORY_STEPS];
	unsigned n = story_steps(a, steps);
	struct strb t = { 0 };

	if (!n) {
		story_next(a, &t);
		block(b, &t, false);
		return;
	}
	strb_add(b, row_open);
	for (unsigned i = 0; i < n; i++) {
		strb_fmt(b, "<div style=\"padding-top:%dpx\">%s%s</span><br><code style=\""
			    "font-family:Menlo,Consolas,monospace;font-size:12px;"
			    "word-break:break-word\">",
			 i ? 6 : 0, soft, steps[i].what);
		strb_html(b, steps[i].command);
		strb_add(b, "</code></div>");
	}
	strb_add(b, row_close);
}

static void one_button(struct strb *url, const char *text, struct strb *b)
{
	if (!url->len)
		return;
	strb_add(b, "<a class=\"link\" style=\"display:inline-block;padding:8px 16px;"
		    "margin:0 8px 8px 0;border:1px solid currentColor;border-radius:4px;"
		    "color:#0b5cad;text-decoration:none;font-weight:bold\" href=\"");
	escaped(b, url);
	strb_fmt(b, "\">%s</a>", text);
}

static void buttons(const struct alert *a, const char *base_url, struct strb *b)
{
	struct strb t = { 0 };

	story_link(a, base_url, &t);
	if (!t.len)
		return;
	strb_add(b, row_open);
	one_button(&t, "Open this alert", b);
	story_act(a, base_url, false, &t);
	one_button(&t, "Acknowledge", b);
	story_act(a, base_url, true, &t);
	one_button(&t, "Silence", b);
	strb_add(b, row_close);
}

static void alert_body(const struct channel *c, const struct alert *a, bool chart,
		       struct strb *b)
{
	struct strb t = { 0 };

	story_why(a, &t);
	block(b, &t, false);
	facts(a, b);
	chart_or_spark(a, chart, b);
	flows(a, b);
	changes(a, b);
	story_quality(a, &t);
	block(b, &t, true);
	next(a, b);
	buttons(a, c->base_url, b);
}

static void digest_row(const struct digest_line *l, struct strb *b)
{
	/* colours and words as one such alert would have them */
	const struct alert a = { .state = l->state, .severity = l->severity };
	const struct message one = { .alert = &a };
	const char *color = story_color(&one);

	const char *kind = l->state == ALERT_RESOLVED	    ? "over"
			   : l->severity == SEVERITY_CRITICAL ? "bad"
							      : l->severity == SEVERITY_WARNING ? "warn"
							      : "link";

	strb_fmt(b, "<tr><td class=\"line\" style=\"border-top:1px solid #dfe3e7;"
		    "padding:6px 12px 6px 0;vertical-align:top;white-space:nowrap\"><b "
		    "class=\"%s\" style=\"color:%s;font-size:12px\">%s</b></td><td class=\"line\" style=\""
		    "border-top:1px solid #dfe3e7;padding:6px 0;word-break:break-word\">",
		 kind, strcmp(color, orange) ? color : "#a85500", story_tag(&one));
	strb_html(b, l->headline);
	strb_add(b, "</td></tr>\n");
}

static void digest_body(const struct digest *d, struct strb *b)
{
	struct strb t = { 0 };

	strb_add(&t,
		 "So much came at once that it is told in one mail, the most severe first.");
	block(b, &t, false);
	strb_add(b, row_open);
	strb_add(b, "<table role=\"presentation\" width=\"100%\" cellpadding=\"0\" "
		    "cellspacing=\"0\" style=\"border-collapse:collapse\">\n");
	for (unsigned i = 0; i < d->n_line; i++)
		digest_row(&d->line[i], b);
	strb_add(b, "</table>");
	if (d->firing + d->resolved > d->n_line)
		strb_fmt(b, "%sand %u more; all of them: culprit alerts --all</span>", soft,
			 d->firing + d->resolved - d->n_line);
	strb_add(b, row_close);
}

void mail_html(const struct channel *c, const struct message *m, bool chart,
	       struct strb *b)
{
	strb_add(b, head);
	title(m, b);
	if (m->alert)
		alert_body(c, m->alert, chart, b);
	else
		digest_body(m->digest, b);
	strb_fmt(b, "<tr><td class=\"soft\" style=\"padding:16px 18px;color:#5f6770;"
		    "font-size:12px\">culprit on ");
	strb_html(b, c->ehlo);
	if (m->alert)
		strb_fmt(b, ", alert %s", m->alert->id);
	strb_add(b, "</td></tr>\n</table></td></tr></table></body></html>\n");
}
