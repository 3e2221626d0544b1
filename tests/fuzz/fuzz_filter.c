/* fuzz_filter.c - any text as a filter, run over a fixed block.
 * SPDX-License-Identifier: ISC
 *
 * What compiles must say itself again in normal form, must pass the same flows
 * through it, and must not be skipped where a flow passes.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/base/mem.h"
#include "rules/filter/filter.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ROWS = 130 };

static struct names *made_names(void)
{
	struct names *n = names_new(4);
	struct addr edge = addr_of4("\300\0\2\1"), core = addr_of4("\300\0\2\2");
	struct prefix lan;

	names_exporter_known(n, &edge, 0, "edge");
	names_exporter_known(n, &core, 0, "core");
	names_interface_set(n, 0, 2, "WAN", 0, TOLD_CONFIG);
	prefix_parse("10.20.0.0/16", &lan);
	names_network_add(n, "lan", &lan);
	return n;
}

/* Every column of every row holds something that its row and column decide. */
static void fill(struct block *b)
{
	for (b->n = 0; b->n < ROWS; b->n++) {
		for (int f = 0; f < FIELD_COUNT; f++) {
			uint64_t v =
			    (b->n * 2654435761u + (unsigned)f * 40503u) >> b->n % 24;
			uint8_t *cell = block_cell(b, (enum field)f, b->n);

			block_use(b, (enum field)f);
			if (field_info[f].kind == KIND_TEXT)
				*(uint32_t *)cell = block_text(b, "HTTP 7", b->n % 7);
			else if (field_info[f].kind == KIND_ADDR && b->n % 3)
				*(struct addr *)cell = addr_of4(&v);
			else
				memcpy(cell, &v,
				       field_info[f].width < 8 ? field_info[f].width : 8);
		}
		b->exporter[b->n] %= 3;
	}
}

static uint16_t country(void *arg, const struct addr *a)
{
	(void)arg;
	return a->b[15] & 1 ? 'N' << 8 | 'L' : 'U' << 8 | 'S';
}

static bool range_of(void *arg, enum field f, uint64_t *min, uint64_t *max)
{
	const struct block *b = arg;

	*min = UINT64_MAX;
	*max = 0;
	for (uint32_t i = 0; i < b->n; i++) {
		uint64_t v = block_u64(b, f, i);

		*min = v < *min ? v : *min;
		*max = v > *max ? v : *max;
	}
	return true;
}

static bool addr_in(void *arg, enum field f, const struct prefix *p)
{
	const struct block *b = arg;

	for (uint32_t i = 0; i < b->n; i++)
		if (prefix_has(p, (const struct addr *)block_col(b, f) + i))
			return true;
	return false;
}

static void judge(struct filter *f, const struct block *b)
{
	uint64_t bits[FILTER_WORDS], same[FILTER_WORDS];
	struct err err = { "" };
	struct filter *again = filter_compile(filter_text(f), &err);
	uint32_t n;

	filter_geo(f, country, NULL);
	n = filter_run(f, b, bits);
	assert(n <= b->n);
	assert(!n || filter_may_match(f, range_of, addr_in, (void *)b));
	/* Normal text may be longer than what was written. */
	if (!again && strstr(err.msg, "at most"))
		return;
	assert(again);
	filter_geo(again, country, NULL);
	assert(!strcmp(filter_text(again), filter_text(f)));
	assert(filter_run(again, b, same) == n);
	assert(!memcmp(bits, same, sizeof(bits)));
	filter_free(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct block *b;
	static struct names *names;
	char *text = xcalloc(1, size + 1);
	struct err err = { "" };
	struct filter *f;

	if (!b) {
		names = made_names();
		b = block_new(names);
		fill(b);
	}
	memcpy(text, data, size);
	f = filter_compile(text, &err);
	assert(!f == (*err.msg != '\0'));
	if (f)
		judge(f, b);
	filter_free(&f);
	free(text);
	return 0;
}
