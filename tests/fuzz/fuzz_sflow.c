/* fuzz_sflow.c - sequences of datagrams, each after its length in two octets, to the
 * real collector; the books must balance after each.
 * SPDX-License-Identifier: ISC */
#include <assert.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "daemon/collect/decoder.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct block *full(void *arg, struct block *b)
{
	(void)arg;
	block_reset(b);
	return b;
}

static void balanced(const struct names *n, uint64_t fed)
{
	const struct exporter *x = names_exporter_at(n, 0);
	uint64_t received = 0, bad = 0;

	if (!fed)
		return;
	for (int i = 0; i < VIA_COUNT; i++)
		received += x->ledger.datagrams[i];
	for (int i = 0; i < BAD_COUNT_OF_REASONS; i++)
		bad += x->ledger.malformed[i];
	for (int i = 0; i < SHED_REASONS; i++)
		bad += x->ledger.shed[i];
	assert(received == fed && bad <= fed);
	assert(x->ledger.sets_seen ==
	       x->ledger.sets[SET_DECODED] + x->ledger.sets[SET_MALFORMED] +
		       x->ledger.sets[SET_HELD] + x->ledger.sets[SET_NO_TEMPLATE]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct collect_conf conf;
	struct sockaddr_storage ss = { .ss_family = AF_INET };
	struct names *n = names_new(4);
	struct collector *c = collector_new(n, &conf);
	struct collect_out out = { .block = block_new(n), .full = full };
	int64_t now_ms = INT64_C(1700000000000);
	uint64_t fed = 0;

	while (size >= 2) {
		size_t len = (size_t)data[0] << 8 | data[1];
		uint8_t *exact;

		data += 2;
		size -= 2;
		if (len > size)
			len = size;
		exact = malloc(len ? len : 1);
		memcpy(exact, data, len);
		collect_datagram(c, &ss, exact, len, now_ms += 10, &out);
		balanced(n, ++fed);
		free(exact);
		data += len;
		size -= len;
	}
	collector_tick(c, now_ms + 60000);
	block_unref(&out.block);
	collector_free(&c);
	names_free(&n);
	return 0;
}
