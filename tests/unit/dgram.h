/* dgram.h - for tests: datagrams written by hand, and a collector to send them to.
 * SPDX-License-Identifier: ISC */
#ifndef CUL_TEST_DGRAM_H
#define CUL_TEST_DGRAM_H

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "daemon/base/mem.h"
#include "daemon/collect/decoder.h"

/* A datagram that grows; numbers go in network order. */
struct dg {
	uint8_t b[65535];
	size_t n;
};

static inline void put(struct dg *g, const void *p, size_t len)
{
	memcpy(g->b + g->n, p, len);
	g->n += len;
}
static inline void put_uint(struct dg *g, uint64_t v, size_t len)
{
	while (len--)
		g->b[g->n++] = (uint8_t)(v >> len * 8);
}
static inline void p8(struct dg *g, uint64_t v) { put_uint(g, v, 1); }
static inline void p16(struct dg *g, uint64_t v) { put_uint(g, v, 2); }
static inline void p32(struct dg *g, uint64_t v) { put_uint(g, v, 4); }
static inline void p64(struct dg *g, uint64_t v) { put_uint(g, v, 8); }
static inline void zeros(struct dg *g, size_t len)
{
	memset(g->b + g->n, 0, len);
	g->n += len;
}
static inline void set16(struct dg *g, size_t at, uint16_t v)
{
	g->b[at] = (uint8_t)(v >> 8);
	g->b[at + 1] = (uint8_t)v;
}

/* A set: begin gives its place, end writes its length. */
static inline size_t set_begin(struct dg *g, uint16_t id)
{
	p16(g, id);
	p16(g, 0);
	return g->n - 4;
}
static inline void set_end(struct dg *g, size_t at)
{
	set16(g, at + 2, (uint16_t)(g->n - at));
}

enum { NOW_S = 1700000000, UP_MS = 3600000, PORT = 20000 };
#define NOW_MS (INT64_C(1000) * NOW_S)

static inline void head9(struct dg *g, uint32_t seq, uint32_t source)
{
	g->n = 0;
	p16(g, 9);
	p16(g, 1);
	p32(g, UP_MS);
	p32(g, NOW_S);
	p32(g, seq);
	p32(g, source);
}
static inline void head10(struct dg *g, uint32_t seq, uint32_t domain)
{
	g->n = 0;
	p16(g, 10);
	p16(g, 0);
	p32(g, NOW_S);
	p32(g, seq);
	p32(g, domain);
}

/* What a template is made of; pen 0 is IANA, len 65535 variable. */
struct el {
	uint16_t id, len;
	uint32_t pen;
};

static inline void put_els(struct dg *g, const struct el *e, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		p16(g, e[i].id | (e[i].pen ? 0x8000 : 0));
		p16(g, e[i].len);
		if (e[i].pen)
			p32(g, e[i].pen);
	}
}
static inline void put_template(struct dg *g, uint16_t set, uint16_t id,
				const struct el *e, unsigned n)
{
	size_t at = set_begin(g, set);

	p16(g, id);
	p16(g, n);
	put_els(g, e, n);
	set_end(g, at);
}
#define TEMPLATE9(g, id, els) put_template(g, 0, id, els, ARRAY_LEN(els))
#define TEMPLATE10(g, id, els) put_template(g, 2, id, els, ARRAY_LEN(els))

/* A collector and everything that came out of it. */
struct rig {
	struct names *names;
	struct collector *c;
	struct collect_out out;
	struct block *kept[64];
	unsigned n_kept;
	int64_t now_ms;
	uint16_t port;
	const char *from;
};

static struct block *rig_full(void *arg, struct block *b)
{
	struct rig *r = arg;

	assert_true(r->n_kept < ARRAY_LEN(r->kept));
	r->kept[r->n_kept++] = b;
	return block_new(r->names);
}

static inline void rig_conf(struct rig *r, const struct collect_conf *conf)
{
	*r = (struct rig){ .now_ms = NOW_MS + 400, .port = PORT, .from = "192.0.2.1" };
	r->names = names_new(100);
	r->c = collector_new(r->names, conf);
	r->out = (struct collect_out){ .block = block_new(r->names), .full = rig_full,
				       .arg = r };
}
static inline void rig_init(struct rig *r)
{
	struct collect_conf conf = { 0 };

	rig_conf(r, &conf);
}
static inline void rig_fini(struct rig *r)
{
	for (unsigned i = 0; i < r->n_kept; i++)
		block_unref(&r->kept[i]);
	block_unref(&r->out.block);
	collector_free(&r->c);
	names_free(&r->names);
}

/* Sends a copy of exact size, so that a sanitizer sees every octet too far. */
static inline void rig_send(struct rig *r, const void *data, size_t len)
{
	struct sockaddr_storage ss = { 0 };
	struct sockaddr_in *in = (struct sockaddr_in *)&ss;
	uint8_t *copy = xcalloc(1, len ? len : 1);

	in->sin_family = AF_INET;
	in->sin_port = htons(r->port);
	assert_int_equal(inet_pton(AF_INET, r->from, &in->sin_addr), 1);
	if (len)
		memcpy(copy, data, len);
	collect_datagram(r->c, &ss, copy, len, r->now_ms, &r->out);
	free(copy);
}
static inline void send9(struct rig *r, struct dg *g) { rig_send(r, g->b, g->n); }
static inline void send10(struct rig *r, struct dg *g)
{
	set16(g, 2, (uint16_t)g->n);
	rig_send(r, g->b, g->n);
}

static inline struct ledger *rig_ledger(struct rig *r)
{
	struct exporter *e = names_exporter_at(r->names, 0);

	assert_non_null(e);
	return &e->ledger;
}
/* Holds the identities of D3 against the ledger. */
static inline void rig_books(struct rig *r)
{
	struct ledger *l = rig_ledger(r);
	uint64_t sets = 0, datagrams = 0, accounted = l->accepted;

	for (int i = 0; i < SET_OUTCOMES; i++)
		sets += l->sets[i];
	assert_int_equal(l->sets_seen, sets);
	for (int i = 0; i < VIA_COUNT; i++)
		datagrams += l->datagrams[i];
	for (int i = 0; i < BAD_COUNT_OF_REASONS; i++)
		accounted += l->malformed[i];
	for (int i = 0; i < SHED_REASONS; i++)
		accounted += l->shed[i];
	assert_int_equal(datagrams, accounted);
}

static inline struct addr ip(const char *text)
{
	struct addr a;

	assert_true(addr_parse(text, &a));
	return a;
}
static inline void assert_addr(const struct addr *a, const char *text)
{
	char buf[ADDR_TEXT];

	assert_string_equal(addr_text(a, buf), text);
}
static inline void put_ip(struct dg *g, const char *text)
{
	struct addr a = ip(text);

	if (addr_is4(&a))
		put(g, a.b + 12, 4);
	else
		put(g, a.b, 16);
}

#endif
