/* sources.c - what the page, the API and /metrics may ask of the engine.
 * SPDX-License-Identifier: ISC
 */
#include "daemon/engine_impl.h"

#include "daemon/base/clock.h"
#include "daemon/base/units.h"
#include "daemon/evidence/ifnames.h"
#include "daemon/model/json.h"
#include "daemon/notify/notify.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { STALE_MS = 10000, LETTERS = 200 };

struct channels {
	void (*fn)(void *fn_arg, const struct http_channel *c);
	void *fn_arg;
};

static void channel(const struct notify_stat *s, void *arg)
{
	struct channels *c = arg;
	struct http_channel h = { s->channel, s->sent, s->failed, s->dead, s->queued,
				  s->dead_now, s->last_error };

	c->fn(c->fn_arg, &h);
}

void sources_channels(void *arg, void (*fn)(void *fn_arg, const struct http_channel *c),
		      void *fn_arg)
{
	struct engine *e = arg;
	struct channels c = { fn, fn_arg };

	notify_stats(e->notify, channel, &c);
}

void sources_sockets(void *arg, void (*fn)(void *fn_arg, const struct http_socket *s),
		     void *fn_arg)
{
	struct engine *e = arg;

	for (size_t i = 0; i < udp_sockets(e->udp); i++) {
		const struct udp_socket *u = udp_socket(e->udp, i);
		char text[ADDR_TEXT];
		struct http_socket h = { .datagrams = udp_get(&u->datagrams),
					 .dropped = udp_get(&u->drops), .rcvbuf = u->rcvbuf };

		snprintf(h.name, sizeof(h.name), "%s%s %.24s:%u worker %u", u->listen.purpose,
			 u->listen.stream ? "/tcp" : "",
			 addr_is_none(&u->listen.addr) ? "[::]"
						       : addr_text(&u->listen.addr, text),
			 u->listen.port, u->worker);
		fn(fn_arg, &h);
	}
}

/* Each worker has a set of sockets of its own to the same targets. */
void sources_forwards(void *arg, void (*fn)(void *fn_arg, const struct http_forward *f),
		      void *fn_arg)
{
	struct engine *e = arg;

	for (size_t i = 0; i < forward_targets(e->forward[0]); i++) {
		struct http_forward h = { .keeps_source = true };
		struct forward_stats s;
		char text[ADDR_TEXT];

		for (unsigned w = 0; w < udp_workers(e->udp); w++) {
			forward_stats(e->forward[w], i, &s);
			h.sent += s.sent;
			h.dropped += s.dropped;
			h.keeps_source &= s.keeps_source;
		}
		snprintf(h.target, sizeof(h.target), addr_is4(&s.to.addr) ? "%s:%u" : "[%s]:%u",
			 addr_text(&s.to.addr, text), s.to.port);
		fn(fn_arg, &h);
	}
}

void sources_strays(void *arg, void (*fn)(void *fn_arg, const struct ledger *l),
		    void *fn_arg)
{
	struct engine *e = arg;

	for (unsigned i = 0; i < udp_workers(e->udp); i++)
		fn(fn_arg, collector_strays(e->collector[i]));
}

bool sources_snmp(void *arg, uint32_t exporter, struct err *why)
{
	struct engine *e = arg;
	struct ifnames_state s;

	if (!ifnames_state(e->ifnames, exporter, &s) || !*s.err.msg)
		return true;
	*why = s.err;
	return false;
}

bool sources_ready(void *arg, struct err *why)
{
	struct engine *e = arg;
	const struct sheet *s = board_take(e->board);
	int64_t age = s ? clock_wall_ms() - s->at_ms : INT64_MAX;
	char t[UNIT_TEXT];

	board_give(e->board, &s);
	if (age == INT64_MAX)
		return err_set(why, "starting: nothing has been analysed yet");
	if (age > STALE_MS)
		return err_set(why, "the analysis has not turned for %s", text_duration(age, t));
	return true;
}

bool sources_test(void *arg, const char *channel, struct strb *out, struct err *err)
{
	struct engine *e = arg;

	return notify_test(e->notify, channel, out, err);
}

json_t *sources_silences(void *arg)
{
	return tell_silences(((struct engine *)arg)->tell);
}

json_t *sources_silence(void *arg, const json_t *asked, struct err *err)
{
	return tell_silence(((struct engine *)arg)->tell, asked, err);
}

json_t *sources_unsilence(void *arg, const json_t *asked, struct err *err)
{
	return tell_unsilence(((struct engine *)arg)->tell, asked, err);
}

json_t *sources_ack(void *arg, const json_t *asked, struct err *err)
{
	return tell_ack(((struct engine *)arg)->tell, asked, err);
}

json_t *sources_act(void *arg, const char *path, const json_t *go, struct err *err)
{
	return tell_act(((struct engine *)arg)->tell, path, go, err);
}

/* --- channels and what they gave up --- */

static void channel_row(const struct notify_stat *s, void *arg)
{
	json_t *o = json_pack("{s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "name", s->channel,
			      "sent", (json_int_t)s->sent, "failed", (json_int_t)s->failed,
			      "retried", (json_int_t)s->retried, "digested",
			      (json_int_t)s->digested, "given_up", (json_int_t)s->dead, "queued",
			      (json_int_t)s->queued, "dead", (json_int_t)s->dead_now);

	json_object_set_new(o, "last_sent", j_time(s->last_sent_ms));
	json_object_set_new(o, "last_error", j_text(*s->last_error ? s->last_error : NULL));
	json_array_append_new(arg, o);
}

static void letter_row(void *arg, const struct notify_letter *l)
{
	json_t *o = json_pack("{s:s, s:s, s:s, s:s, s:i}", "channel", l->channel, "alert",
			      l->alert, "headline", l->headline, "why", l->why, "attempts",
			      (int)l->attempts);

	if (!o)
		return;
	json_object_set_new(o, "made_at", j_time(l->made_ms));
	json_object_set_new(o, "given_up_at", j_time(l->given_up_ms));
	json_array_append_new(arg, o);
}

json_t *sources_letters(void *arg)
{
	struct engine *e = arg;
	json_t *o = json_object(), *channels = json_array(), *dead = json_array();

	notify_stats(e->notify, channel_row, channels);
	notify_dead(e->notify, LETTERS, letter_row, dead);
	json_object_set_new(o, "channels", channels);
	json_object_set_new(o, "dead", dead);
	json_object_set_new(o, "alerts", tell_stats(e->tell));
	return o;
}

json_t *sources_retry(void *arg, const json_t *asked, struct err *err)
{
	struct engine *e = arg;
	const json_t *channel = json_object_get(asked, "channel");

	if (channel && !json_is_null(channel) && !json_is_string(channel)) {
		err_set(err, "channel must be the name of a notify section, or null for all");
		return NULL;
	}
	if (json_is_string(channel) && !notify_has(e->notify, json_string_value(channel))) {
		err_set(err, "there is no channel %.64s; culprit notify lists those there are",
			json_string_value(channel));
		return NULL;
	}
	return json_pack("{s:I}", "retried",
			 (json_int_t)notify_retry(e->notify, json_string_value(channel)));
}

void engine_status(struct engine *e, char *buf, size_t size)
{
	const struct sheet *s = board_take(e->board);
	unsigned n = board_firing(e->board);
	char flows[UNIT_TEXT];

	snprintf(buf, size, "%u exporter%s, %s flows so far, %u alert%s firing",
		 names_exporters(e->names), names_exporters(e->names) == 1 ? "" : "s",
		 text_count(s ? (double)s->flows : 0, flows), n, n == 1 ? "" : "s");
	board_give(e->board, &s);
}

/* A port on two addresses is one to be told. */
static bool is_told(const struct engine *e, size_t i)
{
	const struct udp_socket *u = udp_socket(e->udp, i), *v;

	for (size_t k = 0; k < i; k++) {
		v = udp_socket(e->udp, k);
		if (v->listen.port == u->listen.port && v->listen.stream == u->listen.stream &&
		    !strcmp(v->listen.purpose, u->listen.purpose))
			return true;
	}
	return u->worker;
}

/* Everything that listens, in one line: a start is five lines in the log. */
void engine_greeting(const struct engine *e, struct strb *out)
{
	int said = -1;

	strb_add(out, "culpritd is watching: point your exporters at");
	for (size_t i = 0; i < udp_sockets(e->udp); i++) {
		const struct udp_socket *u = udp_socket(e->udp, i);

		if (is_told(e, i))
			continue;
		strb_add(out, said >= 0 ? ", " : " ");
		if (u->listen.stream != said)
			strb_fmt(out, "%s port ", u->listen.stream ? "TCP" : "UDP");
		strb_fmt(out, "%u (%s)", u->listen.port, u->listen.purpose);
		said = u->listen.stream;
	}
	strb_add(out, "\n");
	if (e->http)
		strb_fmt(out, strchr(e->config->http.address, ':')
				      ? "  page, API and metrics at    http://[%s]:%u/\n"
				      : "  page, API and metrics at    http://%s:%u/\n",
			 e->config->http.address, http_port(e->http));
	strb_fmt(out, "  history and flows are in    %s\n", e->config->state_dir);
	for (size_t i = 0; i < udp_sockets(e->udp); i++) {
		const struct udp_listen *l = &udp_socket(e->udp, i)->listen;

		if (l->stream)
			continue;
		strb_fmt(out, "  try it                      softflowd -i eth0 -v 10 -n "
			      "127.0.0.1:%u -t maxlife=60\n", l->port);
		break;
	}
}
