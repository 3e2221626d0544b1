/* sample.c - an invented alert that looks like a real one.
 * SPDX-License-Identifier: ISC
 *
 * `culprit test-notify` sends it and the tests render it. It says in its first
 * sentence that it is a test, so nobody runs to the router at night. Addresses
 * and names are those kept for documentation (RFC 5737, RFC 2606).
 */
#include "daemon/notify/sample.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "daemon/base/mem.h"

static const struct {
	const char *src, *src_name, *dst, *dst_name, *client, *url;
	uint16_t port;
	double share;
} rows[] = {
	{ "203.0.113.7", "cdn-7.example.net", "192.0.2.2", "proxy.example.org",
	  "10.20.0.66 (reception-pc)", "cdn-7.example.net/music/track06.mp3", 80,
	  0.71 },
	{ "198.51.100.20", "updates.example.com", "10.20.0.31", "xray-2", NULL, NULL, 443,
	  0.12 },
	{ "203.0.113.90", "mail.example.net", "10.20.0.5", "mail", NULL, NULL, 993,
	  0.06 },
	{ "198.51.100.77", NULL, "10.20.0.44", NULL, NULL, NULL, 443, 0.031 },
	{ "2001:db8:7::15", "video.example.com", "2001:db8:20::41", "ward-3", NULL, NULL,
	  443, 0.004 },
};

static void add_urls(struct top_flow *f, size_t i, int64_t from_ms)
{
	f->n_urls = 12;
	f->urls = xcalloc(f->n_urls, sizeof(*f->urls));
	for (unsigned k = 0; k < f->n_urls; k++) {
		struct alert_url *u = &f->urls[k];

		u->url =
		    k ? xasprintf("cdn-7.example.net/music/track%02u.mp3", 6 + k)
		      : xstrdup(rows[i].url);
		u->client = xstrdup(rows[i].client);
		u->bytes = f->bytes * (12 - k) / 78; /* 12 + 11 + … is 78 */
		u->from_ms = from_ms + k * 9000;
		u->to_ms = u->from_ms + 8000;
	}
}

static void add_flows(struct alert *a)
{
	a->top = xcalloc(ARRAY_LEN(rows), sizeof(*a->top));
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct top_flow *f = &a->top[a->n_top++];

		addr_parse(rows[i].src, &f->src);
		addr_parse(rows[i].dst, &f->dst);
		f->src_port = rows[i].port;
		f->dst_port = (uint16_t)(50100 + 7 * i);
		f->proto = 6;
		f->share = rows[i].share;
		f->bytes = (uint64_t)((double)a->total_bytes * f->share);
		f->packets = f->bytes / 1400;
		f->flows = i ? 1 : 12;
		f->src_name = rows[i].src_name ? xstrdup(rows[i].src_name) : NULL;
		f->dst_name = rows[i].dst_name ? xstrdup(rows[i].dst_name) : NULL;
		f->client = rows[i].client ? xstrdup(rows[i].client) : NULL;
		if (rows[i].url)
			add_urls(f, i, a->window_start_ms);
	}
}

static void add_spark(struct alert *a)
{
	a->n_spark = ALERT_SPARK;
	a->spark_step_ms = 60000;
	for (unsigned i = 0; i < ALERT_SPARK; i++)
		a->spark[i] =
		    i < 57 ? 2.8e6 + 0.9e6 * sin(i * 0.7) : 18.7e6 - 1e6 * (59 - i);
	a->spark[20] = NAN;
}

struct alert *sample_alert(int64_t now_ms, enum alert_state state)
{
	bool over = state == ALERT_RESOLVED;
	struct alert *a = alert_new();

	alert_new_id(a->id, now_ms);
	a->state = state;
	a->severity = SEVERITY_CRITICAL;
	a->rule = xstrdup("wan-busy");
	a->filter = xstrdup("in if WAN");
	a->by = BY_INTERFACE;
	a->series = xstrdup("edge WAN in");
	a->series_id = xstrdup("interface=192.0.2.1/WAN/in");
	series_fingerprint(a->rule, a->series_id, a->fingerprint);
	a->measure = (struct measure){ .kind = MEASURE_BITS_S };
	a->value = over ? 3.2e6 : 18.7e6;
	a->peak = 19.1e6;
	a->threshold = 16e6;
	a->clear = 12e6;
	a->has_baseline = true;
	a->low = 2e6;
	a->median = 2.9e6;
	a->high = 4e6;
	a->window_end_ms = now_ms / SLICE_MS * SLICE_MS;
	a->window_start_ms = a->window_end_ms - 60000;
	a->pending_ms = a->window_end_ms - 120000;
	a->started_ms = a->pending_ms + 30000;
	a->ended_ms = over ? a->window_end_ms : 0;
	a->judged_ms = now_ms;
	a->sampling = 1;
	a->why = xstrdup(
	    "This is a test of this channel, nothing is wrong. A real message would "
	    "say here: 71 % of the rise is 10.20.0.66 (reception-pc) fetching "
	    "cdn-7.example.net/music/track06.mp3 and 11 more through the proxy.");
	a->total_bytes = 140250000;
	a->total_packets = 100200;
	a->total_flows = 412;
	add_flows(a);
	a->changed = xcalloc(2, sizeof(*a->changed));
	a->n_changed = 2;
	a->changed[0] =
	    (struct changed){ xstrdup("host 10.20.0.66"), 13.3e6, 0.1e6, 0.84 };
	a->changed[1] =
	    (struct changed){ xstrdup("service http (tcp 80)"), 13.9e6, 0.6e6, 0.79 };
	a->compared = xstrdup("at this hour in the last three weeks");
	add_spark(a);
	return a;
}
