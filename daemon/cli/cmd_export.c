/* cmd_export.c - culprit export: flows of the archive for other programs.
 * SPDX-License-Identifier: ISC
 *
 * As text on standard output, every column of every flow, or as datagrams to another
 * collector. Flows are told whole, each that overlaps the range. In the archive's order:
 * by files of five minutes, not sorted inside them. Text is made by up to WORKERS threads,
 * since making it is most of the work, and written in that order all the same.
 */
#include "daemon/cli/cmd.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>

#include "daemon/base/cpus.h"
#include "daemon/base/digits.h"
#include "daemon/base/mem.h"
#include "daemon/base/units.h"
#include "daemon/cli/cli.h"
#include "daemon/cli/export_udp.h"
#include "daemon/cli/progress.h"
#include "daemon/cli/query.h"
#include "daemon/model/flow_text.h"

enum { RATE = 10000, CHUNK = 256 << 10, HOLD = 16 << 20, WORKERS = 8 };
enum format { CSV, JSON, NFDUMP, NETFLOW9, IPFIX, FORMATS };
static const char *const format_word[FORMATS] = { "csv", "json", "nfdump", "netflow9", "ipfix" };

struct export {
	struct cli *c;
	struct query q;
	const char *format_text, *send;
	uint64_t rate;
	enum format format;
	struct export_udp *udp;
	struct progress bar;
	uint64_t flows, bytes;
	struct err err;

	struct worker *workers; /* WORKERS */
	pthread_mutex_t lock;
	pthread_cond_t turns;
	uint64_t turn; /* the part that is written now */
	bool failed;
};

/* ---- nfdump's table ---- */

static const char nf_head[] =
	"ts,te,td,sa,da,sp,dp,pr,flg,fwd,stos,ipkt,ibyt,opkt,obyt,in,out,sas,das,smk,dmk,dtos,"
	"dir,nh,nhb,svln,dvln,ismc,odmc,idmc,osmc,mpls1,mpls2,mpls3,mpls4,mpls5,mpls6,mpls7,"
	"mpls8,mpls9,mpls10,cl,sl,al,ra,eng,exid,tr\n";

/* Flows of one block end within seconds of each other: what was told lately is kept. */
struct nf_times {
	time_t at[64];
	char text[64][20]; /* "2026-11-23 10:35:00" */
};

static void nf_time(struct strb *s, struct nf_times *known, int64_t ms, bool fraction)
{
	time_t t = (time_t)(ms / 1000);
	unsigned i = (unsigned)t % 64;
	char part[4] = ".";
	struct tm tm;

	if (known->at[i] != t) {
		localtime_r(&t, &tm); /* cli_calendar() has set its zone */
		strftime(known->text[i], sizeof(known->text[i]), "%Y-%m-%d %H:%M:%S", &tm);
		known->at[i] = t;
	}
	strb_add(s, known->text[i]);
	if (fraction)
		strb_addn(s, part, (size_t)(digits_pad(part + 1, (uint32_t)(ms % 1000), 3) - part));
}

static void nf_number(struct strb *s, uint64_t v)
{
	strb_addc(s, ',');
	strb_u64(s, v);
}

/* Thousandths as "1.234". */
static void nf_seconds(struct strb *s, int64_t ms)
{
	char part[4] = ".";

	nf_number(s, (uint64_t)(ms / 1000));
	strb_addn(s, part, (size_t)(digits_pad(part + 1, (uint32_t)(ms % 1000), 3) - part));
}

static void nf_flags(struct strb *s, uint16_t flags)
{
	static const char letter[] = "CEUAPRSF";
	char out[8];

	for (int i = 0; i < 8; i++)
		out[i] = flags >> (7 - i) & 1 ? letter[i] : '.';
	strb_addn(s, out, sizeof(out));
}

static void nf_proto(struct strb *s, uint8_t proto)
{
	switch (proto) {
	case 1: strb_add(s, "ICMP"); break;
	case 6: strb_add(s, "TCP"); break;
	case 17: strb_add(s, "UDP"); break;
	case 58: strb_add(s, "ICMP6"); break;
	default: strb_u64(s, proto); break;
	}
}

static void nf_addr(struct strb *s, const struct addr *a)
{
	char buf[ADDR_TEXT];

	strb_addc(s, ',');
	strb_add(s, addr_is_none(a) ? "0.0.0.0" : addr_text(a, buf));
}

static void nf_mac(struct strb *s, uint64_t mac)
{
	static const char digit[] = "0123456789abcdef";

	for (int i = 0; i < 6; i++) {
		unsigned octet = (unsigned)(mac >> (40 - 8 * i) & 255);

		strb_addn(s, (char[]){ i ? ':' : ',', digit[octet >> 4], digit[octet & 15] }, 3);
	}
}

static void nf_labels(struct strb *s, const struct block *b, uint32_t r)
{
	const uint32_t label[] = { b->mpls1[r], b->mpls2[r], b->mpls3[r] };

	for (size_t i = 0; i < ARRAY_LEN(label); i++) {
		nf_number(s, label[i]);
		strb_add(s, "-0-0");
	}
	strb_add(s, ",0-0-0,0-0-0,0-0-0,0-0-0,0-0-0,0-0-0,0-0-0");
}

static void nf_row(struct strb *s, struct nf_times *known, const struct block *b, uint32_t r)
{
	const struct exporter *e = names_exporter_at(b->names, b->exporter[r]);
	static const struct addr none;
	bool icmp = b->proto[r] == 1 || b->proto[r] == 58;
	const uint64_t counted[] = { b->tos[r],	     b->packets[r], b->bytes[r],    0,
				     0,		     b->in_if[r],   b->out_if[r],   b->src_as[r],
				     b->dst_as[r],   b->src_mask[r], b->dst_mask[r], 0,
				     b->direction[r] == DIR_EGRESS };

	nf_time(s, known, b->start_ms[r], false);
	strb_addc(s, ',');
	nf_time(s, known, b->end_ms[r], false);
	nf_seconds(s, b->end_ms[r] - b->start_ms[r]);
	nf_addr(s, &b->src[r]);
	nf_addr(s, &b->dst[r]);
	nf_number(s, b->src_port[r]);
	nf_number(s, icmp ? b->icmp[r] >> 8 : b->dst_port[r]);
	if (icmp) {
		strb_addc(s, '.');
		strb_u64(s, b->icmp[r] & 255);
	}
	strb_addc(s, ',');
	nf_proto(s, b->proto[r]);
	strb_addc(s, ',');
	nf_flags(s, b->tcp_flags[r]);
	strb_add(s, ",0");
	for (size_t i = 0; i < ARRAY_LEN(counted); i++)
		nf_number(s, counted[i]);
	nf_addr(s, &b->next_hop[r]);
	nf_addr(s, &b->bgp_next_hop[r]);
	nf_number(s, b->vlan[r]);
	nf_number(s, b->out_vlan[r]);
	nf_mac(s, b->src_mac[r]);
	nf_mac(s, b->dst_mac[r]);
	nf_mac(s, 0);
	nf_mac(s, 0);
	nf_labels(s, b, r);
	strb_add(s, ",0.000,0.000,0.000");
	nf_addr(s, e ? &e->addr : &none);
	nf_number(s, b->domain[r] >> 8 & 255);
	strb_addc(s, '/');
	strb_u64(s, b->domain[r] & 255);
	nf_number(s, b->exporter[r]);
	strb_addc(s, ',');
	nf_time(s, known, b->received_ms[r], true);
	strb_addc(s, '\n');
}

/* ---- flows on their way ---- */

/* Each worker makes the text of a part of the archive; then they write in the parts' order.
 * Who has made more than HOLD waits for its turn; who has its turn never waits. */
struct worker {
	uint64_t part;
	struct strb text;
	struct nf_times times;
	uint64_t flows, bytes;
};

static bool put_text(struct strb *text)
{
	if (text->len)
		fwrite(text->s, 1, text->len, stdout);
	text->len = 0;
	return !ferror(stdout);
}

/* False: all is over. */
static bool wait_for_turn(struct export *x, const struct worker *w)
{
	bool on;

	pthread_mutex_lock(&x->lock);
	while (x->turn != w->part && !x->failed)
		pthread_cond_wait(&x->turns, &x->lock);
	on = !x->failed;
	pthread_mutex_unlock(&x->lock);
	return on;
}

static void fail(struct export *x)
{
	pthread_mutex_lock(&x->lock);
	x->failed = true;
	pthread_cond_broadcast(&x->turns);
	pthread_mutex_unlock(&x->lock);
}

static bool is_turn(struct export *x, const struct worker *w)
{
	bool yes;

	pthread_mutex_lock(&x->lock);
	yes = x->turn == w->part;
	pthread_mutex_unlock(&x->lock);
	return yes;
}

static bool one(struct export *x, struct worker *w, const struct block *b, uint32_t row)
{
	switch (x->format) {
	case CSV: flow_text_csv(&w->text, b, row, UINT64_MAX); break;
	case JSON:
		flow_text_json(&w->text, b, row);
		strb_addc(&w->text, '\n');
		break;
	case NFDUMP: nf_row(&w->text, &w->times, b, row); break;
	case NETFLOW9:
	case IPFIX: return export_udp_flow(x->udp, b, row, &x->err);
	case FORMATS: break;
	}
	return true;
}

static bool rows(void *arg, unsigned worker, const struct block *b, const uint64_t *bits)
{
	struct export *x = arg;
	struct worker *w = &x->workers[worker];
	bool ok = true;

	for (uint32_t i = 0; i * 64 < b->n; i++)
		for (uint64_t left = bits[i]; ok && left; left &= left - 1) {
			uint32_t row = i * 64 + (uint32_t)__builtin_ctzll(left);

			ok = one(x, w, b, row);
			w->flows += ok;
			w->bytes += ok ? b->bytes[row] : 0;
		}
	if (ok && w->text.len >= CHUNK && is_turn(x, w))
		ok = put_text(&w->text);
	else if (ok && w->text.len >= HOLD)
		ok = wait_for_turn(x, w) && put_text(&w->text);
	if (!ok)
		fail(x);
	return ok;
}

static void part(void *arg, unsigned worker, uint64_t number, bool ends)
{
	struct export *x = arg;
	struct worker *w = &x->workers[worker];

	w->part = number;
	if (!ends || !wait_for_turn(x, w))
		return;
	if (!put_text(&w->text)) {
		fail(x);
		return;
	}
	pthread_mutex_lock(&x->lock);
	x->turn++;
	pthread_cond_broadcast(&x->turns);
	pthread_mutex_unlock(&x->lock);
}

static void add_up(struct export *x)
{
	for (unsigned i = 0; i < WORKERS; i++) {
		x->flows += x->workers[i].flows;
		x->bytes += x->workers[i].bytes;
		strb_free(&x->workers[i].text);
	}
}

static void put_head(struct export *x)
{
	struct strb head = { 0 };

	if (x->format == CSV)
		flow_text_csv_head(&head, UINT64_MAX);
	else if (x->format == NFDUMP)
		strb_add(&head, nf_head);
	put_text(&head);
	strb_free(&head);
}

static int run(struct export *x)
{
	struct archive_query q = {
		.directory = x->q.directory, .from_ms = x->q.from_ms, .to_ms = x->q.to_ms,
		.filter = x->q.filter, .columns = ~UINT64_C(0), .names = x->q.names,
		.as_of = x->q.position, .threads = x->udp ? 1 : cpus(WORKERS),
		.progress = progress_tell, .progress_arg = &x->bar, .part = part,
		.part_arg = x,
	};
	char a[UNIT_TEXT], b[UNIT_TEXT];
	struct archive_result r = { 0 };
	bool ok;

	x->workers = xcalloc(WORKERS, sizeof(*x->workers));
	pthread_mutex_init(&x->lock, NULL);
	pthread_cond_init(&x->turns, NULL);
	put_head(x);
	progress_begin(&x->bar, x->udp ? "sending" : "reading the archive");
	x->bar.on &= x->udp || !x->c->out.terminal;
	ok = archive_read(&q, rows, x, &r, &x->err) && !x->failed;
	add_up(x);
	if (ok && x->udp)
		ok = export_udp_end(x->udp, &x->err);
	ok = fflush(stdout) == 0 && ok;
	progress_end(&x->bar);
	if (!ok)
		return cli_fail(x->err.msg[0] ? EX_UNAVAILABLE : EXIT_FAILURE, "%s",
				x->err.msg[0] ? x->err.msg : "standard output: nobody reads on");
	if (x->udp)
		cli_say("%s flows, %s sent to %s", text_count((double)x->flows, a),
			text_bytes((double)x->bytes, b), x->send);
	query_caveats(&x->q, &r, !x->flows);
	return EX_OK;
}

static bool options(struct export *x, struct err *err)
{
	bool datagrams;

	if (!x->format_text)
		x->format_text = x->send ? "ipfix" : x->c->json ? "json" : "csv";
	for (x->format = 0; x->format < FORMATS; x->format++)
		if (!strcmp(format_word[x->format], x->format_text))
			break;
	if (x->format == FORMATS)
		return err_set(err, "--format is csv, json, nfdump, netflow9 or ipfix, not "
				    "\"%s\"", x->format_text);
	datagrams = x->format == NETFLOW9 || x->format == IPFIX;
	if (datagrams != (x->send != NULL))
		return err_set(err, datagrams ? "--format %s needs an address: --send HOST:PORT"
					      : "--format %s is text; --send goes with netflow9 "
						"and ipfix", x->format_text);
	if (!datagrams)
		return true;
	x->udp = export_udp_new(x->format == NETFLOW9 ? 9 : 10, x->send, x->rate, err);
	return x->udp != NULL;
}

int cmd_export(struct cli *c, int argc, char **argv)
{
	struct export *x = xcalloc(1, sizeof(*x));
	const struct arg args[] = {
		QUERY_ARGS(&x->q),
		{ "format", 'f', ARG_TEXT, "FORMAT", "csv, json (a flow a line), nfdump (its "
		  "csv), netflow9, ipfix", &x->format_text },
		{ "send", 0, ARG_TEXT, "HOST:PORT", "datagrams go there", &x->send },
		{ "rate", 0, ARG_COUNT, "FLOWS", "flows a second to send (10000); 0: as fast as "
		  "it goes", &x->rate },
		{ 0 },
	};
	struct err err = { "" };
	int code;

	x->c = c;
	x->rate = RATE;
	code = cli_args(c, &argc, argv, args);
	if (code < 0)
		code = query_read(c, &x->q, argc, argv);
	if (code < 0 && !options(x, &err))
		code = cli_usage(c, "%s", err.msg);
	if (code < 0)
		code = run(x);
	export_udp_free(&x->udp);
	free(x->workers);
	query_fini(&x->q);
	free(x);
	return code;
}
