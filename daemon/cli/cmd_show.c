/* cmd_show.c - culprit show: everything that is known of one alert.
 * SPDX-License-Identifier: ISC
 */
#include "daemon/cli/cmd.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "daemon/base/mem.h"
#include "daemon/base/units.h"
#include "daemon/cli/alerts.h"
#include "daemon/cli/spark.h"
#include "daemon/evidence/named.h"

static void line(struct strb *s, const char *name, const char *value)
{
	strb_fmt(s, "  %-11s ", name);
	strb_tty(s, value);
	strb_add(s, "\n");
}

static void figures(const struct alert *a, struct strb *s)
{
	char v[UNIT_TEXT], w[UNIT_TEXT], x[UNIT_TEXT], text[3 * UNIT_TEXT];

	line(s, "now", measure_text(&a->measure, a->value, v));
	if (a->state == ALERT_RESOLVED || a->peak > a->value)
		line(s, a->below ? "lowest" : "peak",
		     measure_text(&a->measure, a->peak, v));
	if (a->has_baseline) {
		snprintf(text, sizeof(text), "%s to %s, mostly %s",
			 measure_text(&a->measure, a->low, v),
			 measure_text(&a->measure, a->high, w),
			 measure_text(&a->measure, a->median, x));
		line(s, "normal", text);
	}
	if (isfinite(a->threshold)) {
		snprintf(text, sizeof(text), "%s%s", a->below ? "under " : "over ",
			 measure_text(&a->measure, a->threshold, v));
		line(s, "limit", text);
	}
}

static void times(const struct alert *a, struct strb *s)
{
	char t[UNIT_TEXT], u[UNIT_TEXT], d[UNIT_TEXT], text[3 * UNIT_TEXT];

	line(s, "since", text_time(a->started_ms, t));
	if (a->ended_ms) {
		snprintf(text, sizeof(text), "%s, after %s", text_time(a->ended_ms, t),
			 text_duration(a->ended_ms - a->started_ms, d));
		line(s, "until", text);
	}
	snprintf(text, sizeof(text), "%s to %s (%s)", text_time(a->window_start_ms, t),
		 text_time(a->window_end_ms, u),
		 text_duration(a->window_end_ms - a->window_start_ms, d));
	line(s, "window", text);
}

static void told(const struct alert *a, struct strb *s)
{
	char t[UNIT_TEXT], *text;

	if (a->quiet)
		line(s, "quiet", a->quiet);
	if (!a->ack_ms)
		return;
	text = xasprintf("by %s at %s%s%s", a->ack_by && *a->ack_by ? a->ack_by : "somebody",
			 text_time(a->ack_ms, t), a->ack_comment && *a->ack_comment ? ": " : "",
			 a->ack_comment ? a->ack_comment : "");
	line(s, "known", text);
	free(text);
}

static void quality(const struct alert *a, struct strb *s)
{
	char t[UNIT_TEXT], text[160];

	if (a->lost_flows || a->dropped_datagrams) {
		snprintf(text, sizeof(text),
			 "%llu flows and %llu datagrams were lost in the "
			 "window, so figures are too small",
			 (unsigned long long)a->lost_flows,
			 (unsigned long long)a->dropped_datagrams);
		line(s, "careful", text);
	}
	if (a->sampling > 1) {
		snprintf(text, sizeof(text), "up to 1 in %u, scaled up", a->sampling);
		line(s, "sampling", text);
	}
	if (a->evidence_short) {
		snprintf(text, sizeof(text),
			 "the flows below do not cover the whole window%s%s",
			 a->evidence_from_ms ? ", only from " : "",
			 a->evidence_from_ms ? text_time(a->evidence_from_ms, t) : "");
		line(s, "careful", text);
	}
}

static void spark(const struct cli *c, const struct alert *a, struct strb *s)
{
	char d[UNIT_TEXT];

	if (!a->n_spark)
		return;
	strb_fmt(s, "  %-11s ", "course");
	spark_add(s, a->spark, a->n_spark, ALERT_SPARK, c->out.utf8);
	if (a->spark_step_ms)
		strb_fmt(s, "  (%s)", text_duration(a->spark_step_ms * a->n_spark, d));
	strb_add(s, "\n");
}

static void endpoint(struct table *t, const struct addr *a, uint16_t port,
		     const char *name)
{
	char text[ADDR_TEXT], *both;

	addr_text(a, text);
	if (asprintf(&both, strchr(text, ':') ? "[%s]:%u%s%s%s" : "%s:%u%s%s%s", text,
		     port, name ? " (" : "", name ? name : "", name ? ")" : "") < 0)
		abort();
	table_text(t, both);
	free(both);
}

static void top_flows(const struct cli *c, const struct alert *a, struct strb *s)
{
	static const struct column cols[] = {
		{ "src", "source", COL_TEXT },
		{ "dst", "destination", COL_TEXT },
		{ "proto", "protocol", COL_TEXT },
		{ "bytes", "bytes", COL_VALUE },
		{ "packets", "packets", COL_SPARE },
		{ "flows", "flows", COL_SPARE },
		{ "share", "share", COL_VALUE },
		{ NULL, "", COL_BAR },
		{ "client", "behind the proxy", COL_TEXT },
	};
	bool proxied = false;
	struct table *t;
	char buf[SERIES_TEXT];

	for (unsigned i = 0; i < a->n_top; i++)
		proxied |= a->top[i].client != NULL;
	t = table_new(cols, proxied ? 9 : 8);

	for (unsigned i = 0; i < a->n_top; i++) {
		const struct top_flow *f = &a->top[i];
		struct key k = { { f->proto } };

		table_row(t);
		endpoint(t, &f->src, f->src_port, f->src_name);
		endpoint(t, &f->dst, f->dst_port, f->dst_name);
		table_text(t, key_text(BY_PROTO, &k, NULL, buf));
		table_count(t, f->bytes, text_bytes((double)f->bytes, buf));
		table_count(t, f->packets, text_count((double)f->packets, buf));
		table_count(t, f->flows, text_count((double)f->flows, buf));
		snprintf(buf, sizeof(buf), "%.1f %%", 100 * f->share);
		table_real(t, f->share, buf);
		table_real(t, f->share, NULL);
		if (proxied)
			table_text(t, f->client ? f->client : "");
	}
	if (a->n_top) {
		strb_add(s, a->state == ALERT_RESOLVED ? "\nTop flows while it lasted\n"
							 : "\nTop flows of the window\n");
		table_show(t, &c->out, s);
	}
	table_free(&t);
}

static void urls(const struct alert *a, struct strb *s)
{
	char b[UNIT_TEXT];

	for (unsigned i = 0; i < a->n_top; i++)
		for (unsigned j = 0; j < a->top[i].n_urls; j++) {
			const struct alert_url *u = &a->top[i].urls[j];

			strb_fmt(s, "  %-10s ", text_bytes((double)u->bytes, b));
			strb_tty(s, u->url);
			if (u->client) {
				strb_add(s, "  for ");
				strb_tty(s, u->client);
			}
			strb_add(s, "\n");
		}
}

static void changes(const struct cli *c, const struct alert *a, struct strb *s)
{
	static const struct column cols[] = {
		{ "key", "what changed", COL_TEXT },
		{ "value", "now", COL_VALUE },
		{ "before", "before", COL_VALUE },
		{ "share_of_change", "of the change", COL_VALUE },
	};
	struct measure m = measure_compared(&a->measure);
	struct table *t = table_new(cols, 4);
	char buf[UNIT_TEXT];

	for (unsigned i = 0; i < a->n_changed; i++) {
		const struct changed *ch = &a->changed[i];

		table_row(t);
		table_text(t, ch->key);
		table_real(t, ch->value, measure_text(&m, ch->value, buf));
		table_real(t, ch->before, measure_text(&m, ch->before, buf));
		snprintf(buf, sizeof(buf), "%.0f %%", 100 * ch->share_of_change);
		table_real(t, ch->share_of_change, buf);
	}
	if (a->n_changed) {
		strb_add(s, "\nWhat changed against ");
		strb_add(s, a->compared ? "the traffic " : "what is usual");
		strb_tty(s, a->compared ? a->compared : "");
		strb_add(s, "\n");
		table_show(t, &c->out, s);
	}
	table_free(&t);
}

static int show(const struct cli *c, const struct alert *a)
{
	static const enum paint paint[] = { PAINT_BOLD, PAINT_YELLOW, PAINT_RED };
	struct strb s = { 0 }, inert = { 0 };
	char headline[160];
	int code;

	alert_headline(a, headline);
	strb_tty(&inert, headline);
	screen_paint(&c->out, &s,
		     a->state == ALERT_RESOLVED ? PAINT_BOLD : paint[a->severity],
		     inert.s);
	strb_add(&s, "\n");
	if (a->why) {
		strb_tty(&s, a->why);
		strb_add(&s, "\n");
	}
	strb_add(&s, "\n");
	line(&s, "alert", a->id);
	line(&s, "status", alert_state_word[a->state]);
	line(&s, "severity", severity_word[a->severity]);
	line(&s, "rule", a->rule);
	line(&s, "series", a->series);
	if (*a->filter && strcmp(a->filter, "any") != 0)
		line(&s, "filter", a->filter);
	told(a, &s);
	figures(a, &s);
	times(a, &s);
	quality(a, &s);
	spark(c, a, &s);
	top_flows(c, a, &s);
	urls(a, &s);
	changes(c, a, &s);
	if (a->position.file_s) {
		strb_add(&s, "\nEverything it saw: culprit top --as-of ");
		strb_tty(&s, a->id);
		strb_add(&s, a->end_position.file_s ? "/end\n" : "\n");
	}
	code = cli_print_text(&s);
	strb_free(&inert);
	strb_free(&s);
	return code;
}

int cmd_show(struct cli *c, int argc, char **argv)
{
	int code = cli_args(c, &argc, argv, NULL);
	struct alert *a;

	if (code >= 0)
		return code;
	if (argc != 2)
		return cli_usage(c, "which alert? `culprit alerts` lists them");
	if (c->csv)
		return cli_usage(
		    c,
		    "an alert is no table: --json, or `culprit top --as-of %s "
		    "--csv` for its flows",
		    argv[1]);
	a = alerts_find(c, argv[1], &code);
	if (!a)
		return code;
	if (!c->json)
		cli_config(c); /* for its time zone; its mistakes matter little here */
	alert_name_late(a, cli_owners(c, false)); /* the daemon has asked the DNS already */
	code = c->json ? cli_print_json(alert_json(a, NULL)) : show(c, a);
	alert_unref(&a);
	return code;
}
