/* rows.h - a source of flows over a fuzzer's octets.
 * SPDX-License-Identifier: ISC */
#ifndef CUL_FUZZ_ROWS_H
#define CUL_FUZZ_ROWS_H

#include <assert.h>
#include <stddef.h>
#include <stdlib.h>

#include "daemon/import/capture.h"
#include "daemon/import/source.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static inline bool rows_full(void *arg, struct block *b, struct err *err)
{
	uint64_t *sum = arg;

	(void)err;
	assert(b->n && b->n <= BLOCK_ROWS);
	for (uint32_t i = 0; i < b->n; i++) {
		assert(b->start_ms[i] <= b->end_ms[i] && b->received_ms[i] > 0);
		assert(b->exporter[i] < names_exporters(b->names));
		for (int f = 0; f < FIELD_COUNT; f++)
			if (block_uses(b, (enum field)f))
				*sum += block_u64(b, (enum field)f, i);
		*sum += (uint64_t)*block_text_at(b, b->user[i]);
	}
	return true;
}

static inline struct rows rows_over(struct names *n, uint64_t *sum)
{
	static const uint8_t nobody[4];
	struct addr a = addr_of4(nobody);

	return (struct rows){ .names = n, .block = block_new(n), .now_ms = 1795430100000,
			      .file_ms = 1795430000000, .full = rows_full, .arg = sum,
			      .exporter = names_exporter(n, &a, 0)->id };
}

static inline void rows_fuzz(const struct source *s, const uint8_t *data, size_t size)
{
	struct names *n = names_new(64);
	uint64_t sum = 0;
	struct rows r = rows_over(n, &sum);
	struct err err = { "" };
	struct feed f;

	feed_over(&f, data, size);
	if (!s->read(&f, &r, &err))
		assert(err.msg[0]);
	(void)s->is(data, size);
	block_unref(&r.block);
	names_free(&n);
}

#endif
