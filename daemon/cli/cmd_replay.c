/* cmd_replay.c - culprit replay: what a capture holds, by the real decoders.
 * SPDX-License-Identifier: ISC
 *
 * Time is that of the capture, so skew, lateness and template expiry come out as they
 * would have then. In a file without times a datagram arrived when its header says that
 * it was sent: taking the clock's would shift every flow to today. At its own pace a
 * pause of the capture is a pause here.
 */
#include "daemon/cli/cmd.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <netinet/in.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "daemon/base/clock.h"
#include "daemon/base/mem.h"
#include "daemon/base/rd.h"
#include "daemon/base/units.h"
#include "daemon/cli/cli.h"
#include "daemon/cli/progress.h"
#include "daemon/collect/decoder.h"
#include "daemon/collect/pcap.h"
#include "daemon/model/flow_text.h"

enum { TICK_MS = 1000, PAUSE_MAX_MS = 60000, SENT_MIN_S = 631152000 /* 1990 */ };

struct replay {
	struct cli *c;
	bool fast, quiet;
	struct names *names;
	struct collector *collector;
	struct collect_out out;
	struct strb text;
	uint64_t packets, datagrams, flows, counters, bytes;
	int64_t first_ms, last_ms, tick_ms, began_ms;
	int code;
};

static void write_rows(struct replay *r, const struct block *b)
{
	for (uint32_t i = 0; i < b->n; i++) {
		r->bytes += b->bytes[i];
		if (r->quiet)
			continue;
		if (r->c->csv) {
			flow_text_csv(&r->text, b, i, UINT64_MAX);
			continue;
		}
		if (r->c->json)
			flow_text_json(&r->text, b, i);
		else
			flow_text_line(&r->text, b, i);
		strb_addc(&r->text, '\n');
	}
	r->flows += b->n;
	if (r->text.len)
		fwrite(r->text.s, 1, r->text.len, stdout);
	r->text.len = 0;
	if (ferror(stdout))
		r->code = EXIT_FAILURE;
}

static struct block *full(void *arg, struct block *b)
{
	struct replay *r = arg;

	write_rows(r, b);
	block_reset(b);
	return b;
}

static void counters(void *arg, const struct if_counters *c)
{
	struct replay *r = arg;

	(void)c;
	r->counters++;
}

static void pace(struct replay *r, int64_t at_ms)
{
	int64_t due = r->began_ms + (at_ms - r->first_ms), wait;
	struct timespec ts;

	if (r->fast || at_ms <= r->last_ms)
		return;
	r->out.block =
	    full(r, r->out.block); /* what is there is shown before the pause */
	fflush(stdout);
	wait = due - clock_mono_ms();
	if (wait <= 0)
		return;
	if (wait > PAUSE_MAX_MS) { /* a capture of two days has no use for its night */
		r->began_ms -= wait - PAUSE_MAX_MS;
		wait = PAUSE_MAX_MS;
	}
	ts = (struct timespec){ wait / 1000, wait % 1000 * 1000000 };
	nanosleep(&ts, NULL);
}

static void sender(const struct pcap_datagram *d, struct sockaddr_storage *ss)
{
	memset(ss, 0, sizeof(*ss));
	if (addr_is4(&d->src)) {
		struct sockaddr_in *in = (struct sockaddr_in *)ss;

		in->sin_family = AF_INET;
		in->sin_port = htons(d->src_port);
		memcpy(&in->sin_addr, d->src.b + 12, 4);
	} else {
		struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)ss;

		in6->sin6_family = AF_INET6;
		in6->sin6_port = htons(d->src_port);
		memcpy(&in6->sin6_addr, d->src.b, 16);
	}
}

/* When a NetFlow or IPFIX header says it was sent; 0: it does not (sFlow), or absurdly.
 */
static int64_t sent_ms(const uint8_t *data, size_t len)
{
	struct rd r = rd_over(data, len);
	uint16_t version = rd_u16(&r);
	int64_t s;

	rd_sub(&r, version == 10 ? 2 : 6);
	s = rd_u32(&r);
	return rd_ok(&r) && version <= 10 && s > SENT_MIN_S ? s * 1000 : 0;
}

static int64_t time_of(const struct replay *r, const struct pcap_datagram *d)
{
	int64_t sent = d->at_ms ? d->at_ms : sent_ms(d->data, d->len);

	return sent ? sent : r->last_ms ? r->last_ms : r->c->now_ms;
}

static void take(struct replay *r, const struct pcap_datagram *d)
{
	int64_t at = time_of(r, d);
	struct sockaddr_storage ss;

	if (!r->datagrams++) {
		r->first_ms = r->tick_ms = at;
		r->began_ms = clock_mono_ms();
	}
	pace(r, at);
	if (at > r->last_ms)
		r->last_ms = at;
	sender(d, &ss);
	collect_datagram(r->collector, &ss, d->data, d->len, at, &r->out);
	if (at - r->tick_ms >= TICK_MS) {
		collector_tick(r->collector, at);
		r->tick_ms = at;
	}
}

static void read_file(struct replay *r, struct pcap *p, const char *path, struct err *err)
{
	char *what = xasprintf("reading %s", path);
	struct progress bar;
	struct pcap_packet k;

	progress_begin(&bar, what);
	bar.on &= r->fast && !r->c->out.terminal; /* flows are shown on the same screen */
	while (!r->code && pcap_next(p, &k, err)) {
		struct pcap_datagram d;

		r->packets++;
		if (pcap_udp(p, &k, &d))
			take(r, &d);
		progress_at(&bar, pcap_at(p), pcap_size(p));
	}
	progress_end(&bar);
	/* What waits for its sequence gap or template has waited long enough. */
	collector_tick(r->collector, r->last_ms + 2 * TICK_MS);
	write_rows(r, r->out.block);
	block_reset(r->out.block);
	free(what);
}

/* ---- what could not be decoded ---- */

static const char *more(uint64_t n)
{
	return n == 1 ? "" : "s";
}

/* "  edge: 3 sets not decoded: malformed"; thing NULL: what is a phrase of its own. */
static void note(struct strb *why, const char *exporter, uint64_t n, const char *thing,
		 const char *what, const char *label)
{
	if (!n)
		return;
	strb_fmt(why, "  %s: %llu ", exporter, (unsigned long long)n);
	if (thing)
		strb_fmt(why, "%s%s ", thing, more(n));
	strb_add(why, what);
	strb_fmt(why, *label ? ": %s\n" : "%s\n", label);
}

static uint64_t received(const struct ledger *l)
{
	uint64_t n = 0;

	for (int i = 0; i < VIA_COUNT; i++)
		n += ledger_get(&l->datagrams[i]);
	return n;
}

/* Everything of one exporter's ledger that is not a decoded flow. */
static void tell_ledger(struct strb *why, const char *name, const struct ledger *l)
{
	for (int i = 0; i < BAD_COUNT_OF_REASONS; i++)
		note(why, name, ledger_get(&l->malformed[i]), "datagram", "not decoded",
		     bad_reason_label[i]);
	for (int i = 0; i < SHED_REASONS; i++)
		note(why, name, ledger_get(&l->shed[i]), "datagram", "refused",
		     shed_reason_label[i]);
	for (int i = 0; i < SET_OUTCOMES; i++)
		if (i != SET_DECODED)
			note(why, name, ledger_get(&l->sets[i]), "set", "not decoded",
			     i == SET_HELD ? "the file does not hold the template"
					   : set_outcome_label[i]);
	for (int i = 0; i < LOST_UNITS; i++)
		note(why, name, ledger_get(&l->lost[i]), NULL, "lost by sequence numbers",
		     lost_unit_label[i]);
	note(why, name, ledger_get(&l->times_clamped), "impossible time", "put right", "");
	note(why, name, ledger_get(&l->values_clamped), "absurd value", "not believed", "");
}

/* Packets of the capture that no whole datagram was made of. */
static void tell_rest(struct strb *why, const struct pcap_rest *rest)
{
	char link[24];

	note(why, "the capture", rest->cut, "datagram",
	     "cut short by the snap length: what is there of it was read", "");
	note(why, "the capture", rest->pieces, "IP fragment",
	     "of datagrams that it does not hold whole", "");
	snprintf(link, sizeof(link), "type %d", rest->link);
	note(why, "the capture", rest->unread, "packet",
	     "not looked into, for their link layer is not known here", link);
}

static void summary(const struct replay *r, const struct pcap_rest *rest,
		    const char *path, bool whole)
{
	struct strb s = { 0 }, why = { 0 };
	char b[UNIT_TEXT];

	for (uint32_t i = 0; i < names_exporters(r->names); i++) {
		const struct exporter *e = names_exporter_at(r->names, i);

		tell_ledger(&why, e->name, &e->ledger);
	}
	if (received(collector_strays(r->collector)))
		tell_ledger(&why, "unknown senders", collector_strays(r->collector));
	tell_rest(&why, rest);
	strb_tty(&s, path);
	strb_fmt(&s, ": %llu datagram%s of %u exporter%s, %llu flow%s, %s",
		 (unsigned long long)r->datagrams, more(r->datagrams),
		 names_exporters(r->names), more(names_exporters(r->names)),
		 (unsigned long long)r->flows, more(r->flows),
		 text_bytes((double)r->bytes, b));
	if (r->counters)
		strb_fmt(&s, ", counters of interfaces %llu time%s",
			 (unsigned long long)r->counters, more(r->counters));
	if (rest->no_udp)
		strb_fmt(&s, "; %llu packet%s without UDP",
			 (unsigned long long)rest->no_udp, more(rest->no_udp));
	strb_add(&s, why.len	     ? "\nnot decoded, or not as it came:\n"
		     : !whole	     ? "\n"
		     : !r->datagrams ? "; there is nothing of flows in it\n"
				     : "; all of it was decoded\n");
	if (why.len)
		strb_add(&s, why.s);
	fputs(s.s, stderr);
	strb_free(&why);
	strb_free(&s);
}

static int run(struct replay *r, const char *path)
{
	const struct collect_conf conf = { .only_known = false };
	struct err err = { "" };
	struct pcap *p = pcap_open(path, &err);

	if (!p)
		return cli_fail(EXIT_FAILURE, "%s", err.msg);
	r->names = names_new(EXPORTERS_MAX);
	r->collector = collector_new(r->names, &conf);
	r->out = (struct collect_out){ .block = block_new(r->names), .full = full,
				       .counters = counters, .arg = r };
	if (r->c->csv && !r->quiet) {
		flow_text_csv_head(&r->text, UINT64_MAX);
		fwrite(r->text.s, 1, r->text.len, stdout);
		r->text.len = 0;
	}
	read_file(r, p, path, &err);
	if (fflush(stdout) || r->code)
		r->code = cli_fail(EXIT_FAILURE, "standard output: %m");
	summary(r, pcap_rest(p), path, !*err.msg);
	if (*err.msg)
		r->code = cli_fail(EXIT_FAILURE, "%s", err.msg);
	block_unref(&r->out.block);
	collector_free(&r->collector);
	names_free(&r->names);
	strb_free(&r->text);
	pcap_close(&p);
	return r->code;
}

int cmd_replay(struct cli *c, int argc, char **argv)
{
	struct replay r = { .c = c };
	const struct arg args[] = {
		{ "fast", 0, ARG_FLAG, NULL, "do not keep the pace of the capture",
		  &r.fast },
		{ "quiet", 'q', ARG_FLAG, NULL, "only what could not be decoded",
		  &r.quiet },
		{ 0 },
	};
	int code = cli_args(c, &argc, argv, args);

	if (code >= 0)
		return code;
	if (argc != 2)
		return cli_usage(c, "one file, or - for standard input");
	return run(&r, argv[1]);
}
