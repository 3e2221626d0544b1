/* sequence.h - sequences of datagrams to one collector, as the network would.
 * SPDX-License-Identifier: ISC
 *
 * The input is datagrams, each after three octets: two of length, and one that picks
 * the sender's address and port and how much time passed. Templates, sequence numbers
 * and rates live from one to the next, which is where decoders of this kind
 * have broken. Afterwards the ledger's identities hold to the unit, every time is
 * within the clamps, and what is saved can be loaded.
 *
 * fuzz_flows takes datagrams as they are; the targets of one protocol write its version
 * over the first octets, so that none of their time goes into finding it.
 */
#ifndef CUL_FUZZ_SEQUENCE_H
#define CUL_FUZZ_SEQUENCE_H

#include <arpa/inet.h>
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "daemon/base/err.h"
#include "daemon/base/log.h"
#include "daemon/base/mem.h"
#include "daemon/base/strb.h"
#include "daemon/collect/decoder.h"
#include "daemon/collect/times.h"

static inline void check_rows(struct block *b)
{
	for (uint32_t i = 0; i < b->n; i++) {
		int64_t now = b->received_ms[i];

		assert(b->start_ms[i] <= b->end_ms[i]);
		assert(b->start_ms[i] >= b->end_ms[i] - TIMES_PAST_MS);
		assert(b->end_ms[i] >= now - TIMES_PAST_MS);
		assert(b->end_ms[i] <= now + TIMES_FUTURE_MS);
		for (int f = 0; f < FIELD_COUNT; f++)
			if (block_uses(b, f) && field_info[f].kind == KIND_TEXT)
				assert(block_u64(b, f, i) < b->text_len ||
				       !block_u64(b, f, i));
	}
}

static inline struct block *full(void *arg, struct block *b)
{
	(void)arg;
	check_rows(b);
	block_reset(b);
	return b;
}

static inline void check_ledger(const struct ledger *l, uint64_t sent)
{
	uint64_t received = 0, refused = 0, sets = 0;

	for (int i = 0; i < VIA_COUNT; i++)
		received += l->datagrams[i];
	for (int i = 0; i < BAD_COUNT_OF_REASONS; i++)
		refused += l->malformed[i];
	for (int i = 0; i < SHED_REASONS; i++)
		refused += l->shed[i];
	for (int i = 0; i < SET_OUTCOMES; i++)
		sets += l->sets[i];
	assert(received == sent && received == l->accepted + refused);
	assert(sets == l->sets_seen);
	assert(l->sets[SET_HELD] <= 256);
}

static inline void check_saved(struct collector *c, int64_t now_ms)
{
	const struct collect_conf conf = { 0 };
	struct names *names = names_new(8);
	struct collector *again = collector_new(names, &conf);
	struct strb s = { 0 };
	struct err err;

	collect_save(c, &s);
	assert(collect_load(again, s.s, s.len, now_ms, NULL, NULL, &err));
	strb_free(&s);
	collector_free(&again);
	names_free(&names);
}

/* Makes the len octets at p a datagram of the target's protocol; NULL: any. */
typedef void fuzz_version_f(uint8_t *p, size_t len, unsigned how);

static inline int fuzz_sequence(const uint8_t *data, size_t size, fuzz_version_f *version,
				bool connections)
{
	const struct collect_conf conf = { 0 };
	struct names *names = names_new(8);
	struct collector *c = collector_new(names, &conf);
	struct collect_out out = { .block = block_new(names), .full = full };
	int64_t now_ms = INT64_C(1700000000000);
	uint64_t sent[4] = { 0 };

	log_init(LOG_LEVEL_ERR);
	for (struct rd r = rd_over(data, size); rd_left(&r) >= 3;) {
		size_t len = rd_u16(&r);
		unsigned how = (unsigned)rd_uint(&r, 1);
		struct rd g = rd_sub(&r, len < rd_left(&r) ? len : rd_left(&r));
		struct sockaddr_storage from = { 0 };
		struct sockaddr_in *in = (struct sockaddr_in *)&from;
		uint8_t *copy = xcalloc(1, rd_left(&g) + 1);
		struct addr a;
		uint16_t port;

		in->sin_family = AF_INET;
		in->sin_addr.s_addr = htonl(0xc0000200 + (how & 3));
		in->sin_port = htons((uint16_t)(2000 + (how >> 2 & 3)));
		now_ms += (int64_t)(how >> 4) * (how >> 4) * (how >> 4) * 1000;
		memcpy(copy, g.p, rd_left(&g));
		if (version)
			version(copy, rd_left(&g), how);
		if (connections && how & 1)
			collect_message(c, &from, 1 + (how >> 1 & 1), copy, rd_left(&g),
					now_ms, &out);
		else
			collect_datagram(c, &from, copy, rd_left(&g), now_ms, &out);
		if (connections && (how & 0xe1) == 0xe1)
			collect_session_end(c, &from, 1 + (how >> 1 & 1));
		free(copy);
		if (how >> 4)
			collector_tick(c, now_ms);
		a = addr_of_sockaddr(&from, &port);
		sent[names_exporter(names, &a, port)->id]++;
	}
	full(NULL, out.block);
	for (uint32_t i = 0; i < names_exporters(names); i++)
		check_ledger(&names_exporter_at(names, i)->ledger, sent[i]);
	check_saved(c, now_ms);
	collector_free(&c);
	block_unref(&out.block);
	names_free(&names);
	return 0;
}

#endif
