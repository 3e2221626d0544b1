/* cmd_export.c - culprit export: flows of the archive for other programs.
 * SPDX-License-Identifier: ISC
 *
 * As text on standard output, every column of every flow, or as datagrams to another
 * collector. Flows are told whole, each that overlaps the range. In the archive's order:
 * by files of five minutes, not sorted inside them.
 */
#include "daemon/cli/cmd.h"

#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>

#include "daemon/base/mem.h"
#include "daemon/base/units.h"
#include "daemon/cli/cli.h"
#include "daemon/cli/export_udp.h"
#include "daemon/cli/progress.h"
#include "daemon/cli/query.h"
#include "daemon/model/flow_text.h"

enum { RATE = 10000, CHUNK = 256 << 10 };
enum format { CSV, JSON, NFDUMP, NETFLOW9, IPFIX, FORMATS };
static const char *const format_word[FORMATS] = { "csv", "json", "nfdump", "netflow9", "ipfix" };

struct export {
	struct cli *c;
	struct query q;
	const char *format_text, *send;
	uint64_t rate;
	enum format format;
	struct strb text;
	struct export_udp *udp;
	struct progress bar;
	uint64_t flows, bytes, packets;
	bool failed;
	struct err err;
};

/* ---- nfdump's table ---- */

static const char nf_head[] =
	"ts,te,td,sa,da,sp,dp,pr,flg,fwd,stos,ipkt,ibyt,opkt,obyt,in,out,sas,das,smk,dmk,dtos,"
	"dir,nh,nhb,svln,dvln,ismc,odmc,idmc,osmc,mpls1,mpls2,mpls3,mpls4,mpls5,mpls6,mpls7,"
	"mpls8,mpls9,mpls10,cl,sl,al,ra,eng,exid,tr\n";

static void nf_time(struct strb *s, int64_t ms, bool fraction)
{
	time_t t = (time_t)(ms / 1000);
	char buf[32];
	struct tm tm;

	localtime_r(&t, &tm); /* cli_calendar() has set its zone */
	strftime(buf, sizeof(buf), "%Y-%m-%d %H:%M:%S", &tm);
	strb_add(s, buf);
	if (fraction)
		strb_fmt(s, ".%03d", (int)(ms % 1000));
}

static void nf_flags(struct strb *s, uint16_t flags)
{
	static const char letter[] = "CEUAPRSF";

	for (int i = 0; i < 8; i++)
		strb_addc(s, flags >> (7 - i) & 1 ? letter[i] : '.');
}

static void nf_proto(struct strb *s, uint8_t proto)
{
	switch (proto) {
	case 1: strb_add(s, "ICMP"); break;
	case 6: strb_add(s, "TCP"); break;
	case 17: strb_add(s, "UDP"); break;
	case 58: strb_add(s, "ICMP6"); break;
	default: strb_fmt(s, "%u", proto); break;
	}
}

static void nf_addr(struct strb *s, const struct addr *a)
{
	char buf[ADDR_TEXT];

	strb_fmt(s, ",%s", addr_is_none(a) ? "0.0.0.0" : addr_text(a, buf));
}

static void nf_mac(struct strb *s, uint64_t mac)
{
	for (int i = 0; i < 6; i++)
		strb_fmt(s, "%c%02x", i ? ':' : ',', (unsigned)(mac >> (40 - 8 * i) & 255));
}

static void nf_row(struct strb *s, const struct block *b, uint32_t r)
{
	const struct exporter *e = names_exporter_at(b->names, b->exporter[r]);
	static const struct addr none;

	nf_time(s, b->start_ms[r], false);
	strb_addc(s, ',');
	nf_time(s, b->end_ms[r], false);
	strb_fmt(s, ",%.3f", (double)(b->end_ms[r] - b->start_ms[r]) / 1000);
	nf_addr(s, &b->src[r]);
	nf_addr(s, &b->dst[r]);
	strb_fmt(s, ",%u,", b->src_port[r]);
	if (b->proto[r] == 1 || b->proto[r] == 58)
		strb_fmt(s, "%u.%u,", b->icmp[r] >> 8, b->icmp[r] & 255);
	else
		strb_fmt(s, "%u,", b->dst_port[r]);
	nf_proto(s, b->proto[r]);
	strb_addc(s, ',');
	nf_flags(s, b->tcp_flags[r]);
	strb_fmt(s, ",0,%u,%llu,%llu,0,0,%u,%u,%u,%u,%u,%u,0,%u", b->tos[r],
		 (unsigned long long)b->packets[r], (unsigned long long)b->bytes[r],
		 b->in_if[r], b->out_if[r], b->src_as[r], b->dst_as[r], b->src_mask[r],
		 b->dst_mask[r], b->direction[r] == DIR_EGRESS);
	nf_addr(s, &b->next_hop[r]);
	nf_addr(s, &b->bgp_next_hop[r]);
	strb_fmt(s, ",%u,%u", b->vlan[r], b->out_vlan[r]);
	nf_mac(s, b->src_mac[r]);
	nf_mac(s, b->dst_mac[r]);
	nf_mac(s, 0);
	nf_mac(s, 0);
	strb_fmt(s, ",%u-0-0,%u-0-0,%u-0-0", b->mpls1[r], b->mpls2[r], b->mpls3[r]);
	strb_add(s, ",0-0-0,0-0-0,0-0-0,0-0-0,0-0-0,0-0-0,0-0-0,0.000,0.000,0.000");
	nf_addr(s, e ? &e->addr : &none);
	strb_fmt(s, ",%u/%u,%u,", b->domain[r] >> 8 & 255, b->domain[r] & 255,
		 b->exporter[r]);
	nf_time(s, b->received_ms[r], true);
	strb_addc(s, '\n');
}

/* ---- flows on their way ---- */

static bool put_text(struct export *x)
{
	if (x->text.len)
		fwrite(x->text.s, 1, x->text.len, stdout);
	x->text.len = 0;
	return !ferror(stdout);
}

static bool one(struct export *x, const struct block *b, uint32_t row)
{
	switch (x->format) {
	case CSV: flow_text_csv(&x->text, b, row, UINT64_MAX); break;
	case JSON:
		flow_text_json(&x->text, b, row);
		strb_addc(&x->text, '\n');
		break;
	case NFDUMP: nf_row(&x->text, b, row); break;
	case NETFLOW9:
	case IPFIX: return export_udp_flow(x->udp, b, row, &x->err);
	case FORMATS: break;
	}
	return x->text.len < CHUNK || put_text(x);
}

static bool rows(void *arg, unsigned worker, const struct block *b, const uint64_t *bits)
{
	struct export *x = arg;

	(void)worker;
	for (uint32_t w = 0; w * 64 < b->n; w++)
		for (uint64_t left = bits[w]; left; left &= left - 1) {
			uint32_t row = w * 64 + (uint32_t)__builtin_ctzll(left);

			if (!one(x, b, row)) {
				x->failed = true;
				return false;
			}
			x->flows++;
			x->bytes += b->bytes[row];
			x->packets += b->packets[row];
		}
	return true;
}

static int run(struct export *x)
{
	struct archive_query q = {
		.directory = x->q.directory, .from_ms = x->q.from_ms, .to_ms = x->q.to_ms,
		.filter = x->q.filter, .columns = ~UINT64_C(0), .names = x->q.names,
		.as_of = x->q.position, .threads = 1, .progress = progress_tell,
		.progress_arg = &x->bar,
	};
	char a[UNIT_TEXT], b[UNIT_TEXT];
	struct archive_result r = { 0 };
	bool ok;

	if (x->format == CSV)
		flow_text_csv_head(&x->text, UINT64_MAX);
	else if (x->format == NFDUMP)
		strb_add(&x->text, nf_head);
	progress_begin(&x->bar, x->udp ? "sending" : "reading the archive");
	x->bar.on &= x->udp || !x->c->out.terminal;
	ok = archive_read(&q, rows, x, &r, &x->err) && !x->failed;
	if (ok)
		ok = x->udp ? export_udp_end(x->udp, &x->err) : put_text(x);
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
	strb_free(&x->text);
	query_fini(&x->q);
	free(x);
	return code;
}
