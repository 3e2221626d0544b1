/* decode.c - runs datagrams through the decoders and prints what came of them.
 * SPDX-License-Identifier: ISC
 *
 * For tests/conformance: commands on standard input, a line each; answers on standard
 * output, a line of JSON each, in the order in which things happen.
 *
 *   send FROM PORT AT_MS HEX   one datagram from that address, received then
 *   pcap FROM PORT PATH        every datagram of a capture, at the times it says
 *   stream FROM PORT AT_MS HEX octets of an IPFIX connection (RFC 7011 sec. 10.4)
 *   tick AT_MS                 what a collector does once a second
 *   set WORD NUMBER            only_known 1, max_sampling N, rate N (of exporter 0)
 *   known FROM                 an exporter that has a section
 *   app FROM ENGINE SELECTOR   the application's name, as options data told it
 *   end                        the ledgers, names, rates; and everything is forgotten
 *
 *   {"flow":{…}}  {"counters":{…}}  {"app":"…"}  {"exporter":{…}}  {"saved":"…"}
 */
#include <arpa/inet.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/base/err.h"
#include "daemon/base/log.h"
#include "daemon/base/mem.h"
#include "daemon/base/strb.h"
#include "daemon/collect/collector.h"
#include "daemon/collect/options.h"
#include "daemon/collect/pcap.h"
#include "daemon/model/flow_text.h"

enum { OCTETS_MAX = 65535, INTERFACES_SHOWN = 4096 };

struct bench {
	struct names *names;
	struct collector *c;
	struct collect_conf conf;
	struct sampling_override rate;
	struct collect_out out;
	uint8_t octets[OCTETS_MAX];
};

static struct block *full(void *arg, struct block *b)
{
	struct strb s = { 0 };

	(void)arg;
	for (uint32_t i = 0; i < b->n; i++) {
		strb_add(&s, "{\"flow\":");
		flow_text_json(&s, b, i);
		strb_add(&s, "}\n");
	}
	if (s.len)
		fwrite(s.s, 1, s.len, stdout);
	strb_free(&s);
	block_reset(b);
	return b;
}

static void counters(void *arg, const struct if_counters *c)
{
	(void)arg;
	printf("{\"counters\":{\"index\":%" PRIu32 ",\"speed\":%" PRIu64
	       ",\"in_octets\":%" PRIu64 ",\"out_octets\":%" PRIu64
	       ",\"in_packets\":%" PRIu64 ",\"out_packets\":%" PRIu64
	       ",\"in_discards\":%" PRIu64 ",\"out_discards\":%" PRIu64
	       ",\"in_errors\":%" PRIu64 ",\"out_errors\":%" PRIu64 "}}\n",
	       c->index, c->speed_bps, c->in_octets, c->out_octets, c->in_packets,
	       c->out_packets, c->in_discards, c->out_discards, c->in_errors,
	       c->out_errors);
}

static void start(struct bench *r)
{
	memset(&r->conf, 0, sizeof(r->conf));
	r->names = names_new(64);
	r->c = collector_new(r->names, &r->conf);
	r->out = (struct collect_out){ .block = block_new(r->names), .full = full,
				       .counters = counters, .arg = r };
}

static void forget(struct bench *r)
{
	block_unref(&r->out.block);
	collector_free(&r->c);
	names_free(&r->names);
}

static bool sender(const char *from, unsigned port, struct sockaddr_storage *ss)
{
	struct sockaddr_in *in = (struct sockaddr_in *)ss;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)ss;

	memset(ss, 0, sizeof(*ss));
	if (inet_pton(AF_INET, from, &in->sin_addr) == 1) {
		in->sin_family = AF_INET;
		in->sin_port = htons((uint16_t)port);
		return true;
	}
	in6->sin6_family = AF_INET6;
	in6->sin6_port = htons((uint16_t)port);
	return inet_pton(AF_INET6, from, &in6->sin6_addr) == 1;
}

/* A copy of exact size, so that a sanitizer sees every octet too far. */
static void datagram(struct bench *r, const struct sockaddr_storage *from,
		     const uint8_t *data, size_t len, int64_t at_ms)
{
	uint8_t *copy = xcalloc(1, len ? len : 1);

	if (len)
		memcpy(copy, data, len);
	collect_datagram(r->c, from, copy, len, at_ms, &r->out);
	free(copy);
	full(r, r->out.block);
}

static size_t unhex(const char *s, uint8_t *out)
{
	size_t n = 0;
	unsigned v;

	for (; n < OCTETS_MAX && sscanf(s, "%2x", &v) == 1; s += 2)
		out[n++] = (uint8_t)v;
	return n;
}

static bool capture(struct bench *r, const struct sockaddr_storage *from, const char *path)
{
	struct err err = { "" };
	struct pcap *p = pcap_open(path, &err);
	struct pcap_packet k;
	struct pcap_datagram d;

	while (p && pcap_next(p, &k, &err))
		if (pcap_udp(p, &k, &d))
			datagram(r, from, d.data, d.len, d.at_ms);
	if (p)
		pcap_close(&p);
	if (*err.msg)
		fprintf(stderr, "%s: %s\n", path, err.msg);
	return !*err.msg;
}

static void words(const char *title, const char *const *label, const uint64_t *v, int n)
{
	bool any = false;

	printf(",\"%s\":{", title);
	for (int i = 0; i < n; i++) {
		if (!v[i])
			continue;
		printf("%s\"%s\":%" PRIu64, any ? "," : "", label[i], v[i]);
		any = true;
	}
	printf("}");
}

static void interfaces(struct bench *r, uint32_t exporter)
{
	struct strb s = { 0 };
	const char *between = "";

	printf(",\"interfaces\":{");
	for (uint32_t i = 1; i < INTERFACES_SHOWN; i++) {
		struct interface f;

		names_interface(r->names, exporter, i, &f);
		if (!*f.name && !f.speed_bps)
			continue;
		s.len = 0;
		strb_json(&s, f.name);
		printf("%s\"%u\":[%.*s,%" PRIu64 "]", between, i, (int)s.len, s.s,
		       f.speed_bps);
		between = ",";
	}
	printf("}");
	strb_free(&s);
}

static void ledger(struct bench *r, const char *name, const struct ledger *l)
{
	printf("{\"exporter\":{\"name\":\"%s\"", name);
	words("datagrams", via_label, l->datagrams, VIA_COUNT);
	words("flows", via_label, l->flows, VIA_COUNT);
	words("malformed", bad_reason_label, l->malformed, BAD_COUNT_OF_REASONS);
	words("shed", shed_reason_label, l->shed, SHED_REASONS);
	words("sets", set_outcome_label, l->sets, SET_OUTCOMES);
	words("lost", lost_unit_label, l->lost, LOST_UNITS);
	printf(",\"accepted\":%" PRIu64, l->accepted);
	printf(",\"sets_seen\":%" PRIu64 ",\"options\":%" PRIu64 ",\"templates\":%" PRIu64
	       ",\"restarts\":%" PRIu64 ",\"times_clamped\":%" PRIu64
	       ",\"values_clamped\":%" PRIu64 ",\"sampling\":%u,\"sampling_source\":%u",
	       l->sets_seen, l->options, l->templates, l->restarts, l->times_clamped,
	       l->values_clamped, l->sampling, l->sampling_source);
	if (l != collector_strays(r->c))
		interfaces(r, (uint32_t)atoi(name));
	printf("}}\n");
}

static void end(struct bench *r, int64_t now_ms)
{
	struct strb s = { 0 }, quoted = { 0 };
	char name[16];

	collector_tick(r->c, now_ms); /* counts the templates */
	for (uint32_t i = 0; i < names_exporters(r->names); i++) {
		snprintf(name, sizeof(name), "%u", i);
		ledger(r, name, &names_exporter_at(r->names, i)->ledger);
	}
	ledger(r, "strays", collector_strays(r->c));
	collect_save(r->c, &s);
	strb_json(&quoted, s.s);
	printf("{\"saved\":%.*s}\n", (int)quoted.len, quoted.s);
	strb_free(&quoted);
	strb_free(&s);
	forget(r);
	start(r);
	fflush(stdout);
}

static bool setting(struct bench *r, const char *word, uint32_t v)
{
	if (!strcmp(word, "only_known"))
		r->conf.only_known = v;
	else if (!strcmp(word, "max_sampling"))
		r->conf.max_sampling = v;
	else if (!strcmp(word, "rate"))
		r->rate = (struct sampling_override){ 0, 0, v };
	else
		return false;
	r->conf.overrides = &r->rate;
	r->conf.n_overrides = r->rate.rate ? 1 : 0;
	collector_configure(r->c, &r->conf);
	return true;
}

static void app(struct bench *r, const struct sockaddr_storage *from, uint64_t id)
{
	uint16_t port;
	struct addr a = addr_of_sockaddr(from, &port);
	struct exporter *e = names_exporter_find(r->names, &a, port);
	struct block *b = r->out.block;
	struct dgram d = { .c = r->c, .x = e ? exporter_state_of(r->c, e) : NULL };
	struct strb s = { 0 };

	b->n = 1;
	block_use(b, F_app);
	b->app[0] = id;
	if (e)
		options_name_rows(&d, b, 0, 1, WORD_APP);
	strb_json(&s, block_text_at(b, b->app_name[0]));
	printf("{\"app\":%.*s}\n", (int)s.len, s.s);
	strb_free(&s);
	block_reset(b);
}

static bool command(struct bench *r, char *line, int64_t *now_ms)
{
	struct sockaddr_storage from;
	char *word[5] = { NULL }, *rest = line;
	unsigned n = 0;

	for (char *s; n < 5 && (s = strtok_r(rest, " \n", &rest)); n++)
		word[n] = s;
	if (!n)
		return true;
	if (!strcmp(*word, "end"))
		return end(r, *now_ms), true;
	if (n == 2 && !strcmp(*word, "tick"))
		return collector_tick(r->c, *now_ms = atoll(word[1])), true;
	if (n == 3 && !strcmp(*word, "set"))
		return setting(r, word[1], (uint32_t)atoll(word[2]));
	if (n < 2 || !sender(word[1], n > 2 ? (unsigned)atoi(word[2]) : 0, &from))
		return false;
	if (!strcmp(*word, "known")) {
		uint16_t port;
		struct addr a = addr_of_sockaddr(&from, &port);

		return names_exporter_known(r->names, &a, 0, "") != NULL;
	}
	if (n == 4 && !strcmp(*word, "app")) {
		app(r, &from, (uint64_t)atoll(word[2]) << 56 | (uint64_t)atoll(word[3]));
		return true;
	}
	if (n == 4 && !strcmp(*word, "pcap"))
		return capture(r, &from, word[3]);
	if (n < 4 || strcmp(*word, "send"))
		return false;
	*now_ms = atoll(word[3]);
	datagram(r, &from, r->octets, word[4] ? unhex(word[4], r->octets) : 0, *now_ms);
	return true;
}

int main(void)
{
	struct bench *r = xcalloc(1, sizeof(*r));
	char *line = NULL;
	size_t size = 0;
	int64_t now_ms = 0;
	bool ok = true;

	log_init(LOG_LEVEL_ERR);
	start(r);
	while (ok && getline(&line, &size, stdin) > 0) {
		ok = command(r, line, &now_ms);
		if (!ok)
			fprintf(stderr, "decode: cannot do \"%.60s\"\n", line);
	}
	forget(r);
	free(line);
	free(r);
	return !ok;
}
