/* api_status.c - /api/v1/status: everything a person asks first.
 * SPDX-License-Identifier: ISC
 */
#include "daemon/http/http_impl.h"

#include "daemon/base/clock.h"
#include "daemon/base/units.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static void add_socket(void *arg, const struct http_socket *s)
{
	json_t *o = json_object();
	char hint[320] = "";

	if (s->dropped)
		snprintf(hint, sizeof(hint), "The kernel dropped %" PRIu64 " datagrams here since "
			 "start, as the buffer was full. Allow bigger ones: sysctl -w "
			 "net.core.rmem_max=33554432 (and in /etc/sysctl.d), then restart culpritd.",
			 s->dropped);
	j_put(o, "name", j_text(s->name));
	j_put(o, "datagrams", j_count(s->datagrams));
	j_put(o, "dropped", j_count(s->dropped));
	j_put(o, "receive_buffer", json_integer(s->rcvbuf));
	j_put(o, "hint", *hint ? json_string(hint) : json_null());
	json_array_append_new(arg, o);
}

static void add_forward(void *arg, const struct http_forward *f)
{
	json_t *o = json_object();

	j_put(o, "target", j_text(f->target));
	j_put(o, "sent", j_count(f->sent));
	j_put(o, "dropped", j_count(f->dropped));
	j_put(o, "keeps_source", json_boolean(f->keeps_source));
	json_array_append_new(arg, o);
}

static void add_channel(void *arg, const struct http_channel *c)
{
	json_t *o = json_object();
	bool said = c->last_error && *c->last_error;

	j_put(o, "name", j_text(c->name));
	j_put(o, "sent", j_count(c->sent));
	j_put(o, "failed", j_count(c->failed));
	j_put(o, "given_up", j_count(c->dead));
	j_put(o, "queued", j_count(c->queued));
	j_put(o, "dead", j_count(c->dead_now));
	j_put(o, "last_error", said ? j_text(c->last_error) : json_null());
	json_array_append_new(arg, o);
}

static json_t *archive(const struct sheet *s)
{
	json_t *o = json_object();

	j_put(o, "on", json_boolean(s->archive_on));
	j_put(o, "paused", json_boolean(s->archive_paused));
	j_put(o, "why", *s->archive_why ? j_text(s->archive_why) : json_null());
	j_put(o, "bytes", j_count(s->archive_octets));
	j_put(o, "files", j_count(s->archive_files));
	j_put(o, "flows", j_count(s->archive_flows));
	j_put(o, "dropped_flows", j_count(s->archive_dropped));
	return o;
}

static json_t *history(const struct sheet *s)
{
	json_t *o = json_object();

	j_put(o, "up", json_boolean(s->history_up));
	j_put(o, "why", *s->history_why ? j_text(s->history_why) : json_null());
	j_put(o, "spool_bins", j_count(s->spool_bins));
	j_put(o, "dropped_bins", j_count(s->spool_dropped));
	return o;
}

static json_t *windows(const struct sheet *s)
{
	json_t *o = json_object();

	j_put(o, "flows", j_count(s->flows));
	j_put(o, "late_flows", j_count(s->late_flows));
	j_put(o, "cut_shares", j_count(s->cut_shares));
	j_put(o, "thinned_keys", j_count(s->thinned_keys));
	return o;
}

static void put_sheet(json_t *o, const struct sheet *s, int64_t now_ms)
{
	json_t *memory = json_array();

	for (size_t i = 0; i < s->n_tables; i++) {
		json_t *t = json_object();

		j_put(t, "table", j_text(s->tables[i].name));
		j_put(t, "bytes", j_count(s->tables[i].octets));
		json_array_append_new(memory, t);
	}
	j_put(o, "started_at", j_time(s->started_ms));
	j_put(o, "uptime_s", j_real((double)((now_ms - s->started_ms) / 1000)));
	j_put(o, "analysed_at", j_time(s->at_ms));
	j_put(o, "archive", archive(s));
	j_put(o, "history", history(s));
	j_put(o, "windows", windows(s));
	j_put(o, "memory", memory);
	j_put(o, "series", j_count(s->n_series));
}

void api_status(struct http *h, const struct request *rq, struct answer *out)
{
	int64_t now = clock_wall_ms();
	const struct sheet *s = board_take(h->src.board);
	json_t *o = json_object(), *sockets = json_array(), *channels = json_array();
	json_t *forwards = json_array();
	struct err why = { "" };
	bool ready = !h->src.ready || h->src.ready(h->src.arg, &why);

	(void)rq;
	j_put(o, "version", json_string(h->src.version));
	j_put(o, "now", j_time(now));
	j_put(o, "ready", json_boolean(ready));
	j_put(o, "why", ready ? json_null() : j_text(why.msg));
	j_put(o, "alerts_firing", json_integer(board_firing(h->src.board)));
	j_put(o, "exporters_total", json_integer(names_exporters(h->src.names)));
	j_put(o, "exporters", exporters_json(h, now));
	if (h->src.sockets)
		h->src.sockets(h->src.arg, add_socket, sockets);
	if (h->src.forwards)
		h->src.forwards(h->src.arg, add_forward, forwards);
	if (h->src.channels)
		h->src.channels(h->src.arg, add_channel, channels);
	j_put(o, "sockets", sockets);
	j_put(o, "forwards", forwards);
	j_put(o, "channels", channels);
	if (s)
		put_sheet(o, s, now);
	board_give(h->src.board, &s);
	answer_json(out, o);
}

void page_healthz(struct http *h, const struct request *rq, struct answer *out)
{
	(void)h;
	(void)rq;
	out->type = "text/plain; charset=utf-8";
	strb_add(&out->body, "ok\n");
}

void page_readyz(struct http *h, const struct request *rq, struct answer *out)
{
	struct err why = { "" };
	bool ready = !h->src.ready || h->src.ready(h->src.arg, &why);

	(void)rq;
	out->type = "text/plain; charset=utf-8";
	out->status = ready ? 200 : 503;
	strb_fmt(&out->body, "%s\n", ready ? "ready" : why.msg);
}
