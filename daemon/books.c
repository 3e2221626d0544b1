/* books.c - each exporter's ledger, five minutes at a time, in history.
 * SPDX-License-Identifier: ISC
 *
 * /metrics tells totals since the start; whoever asks next week whether Tuesday's figures
 * can be trusted needs them by time. So history has, beside the bins of traffic, for
 * each exporter that sent anything a series a word below, "ledger lost|exporter=192.0.2.1",
 * and "ledger dropped|" for what the kernel dropped of all of them. How many is in the
 * member `flows`; bytes and packets are 0.
 *
 * Only whole bins are put, and what there is when the daemon ends; after a restart the
 * rest is added to it. A bin's count ends with the slice that closes it, so what arrives
 * within the second after may be in the bin before.
 */
#include "daemon/analysis_impl.h"
#include "daemon/base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum book { RECEIVED, LOST, REFUSED, UNDECODED, BOOKS };
enum { SERIES_NAME = SERIES_TEXT + 32 };

static const char *const word[BOOKS] = {
	[RECEIVED] = "received",   /* datagrams */
	[LOST] = "lost",           /* flows, as sequence numbers say */
	[REFUSED] = "refused",     /* datagrams, malformed or shed */
	[UNDECODED] = "undecoded", /* sets, malformed or without a template */
};

struct books {
	int64_t bin_s;    /* the open one; 0: none yet */
	uint32_t covered; /* its slices that are over */
	uint64_t dropped; /* totals when it began */
	uint32_t n;
	uint64_t (*was)[BOOKS]; /* by exporter id */
};

static void count(const struct ledger *l, uint64_t n[BOOKS])
{
	memset(n, 0, BOOKS * sizeof(*n));
	for (int i = 0; i < VIA_COUNT; i++)
		n[RECEIVED] += ledger_get(&l->datagrams[i]);
	for (int i = 0; i < BAD_COUNT_OF_REASONS; i++)
		n[REFUSED] += ledger_get(&l->malformed[i]);
	for (int i = 0; i < SHED_REASONS; i++)
		n[REFUSED] += ledger_get(&l->shed[i]);
	n[LOST] = lossy_flows(l);
	n[UNDECODED] = ledger_get(&l->sets[SET_MALFORMED]) +
		       ledger_get(&l->sets[SET_NO_TEMPLATE]);
}

static void put(const struct analysis *a, const char *series, uint64_t n)
{
	const struct books *b = a->books;
	struct put p = { .kind = PUT_AMEND, .series = series,
			 .bin = { .start_s = b->bin_s, .step = STEP_BIN,
				  .covered = b->covered, .flows = n } };

	writer_put(a->opts.writer, &p);
	p.bin.step = STEP_HOUR;
	p.bin.start_s = b->bin_s / STEP_HOUR * STEP_HOUR;
	p.bin.covered = (uint32_t)__builtin_popcount(b->covered);
	writer_put(a->opts.writer, &p);
}

static void put_exporter(const struct analysis *a, uint32_t id)
{
	const struct ledger *l = &names_exporter_at(a->opts.names, id)->ledger;
	char series[SERIES_NAME], text[SERIES_TEXT];
	uint64_t now[BOOKS], *was = a->books->was[id];
	struct key k = { { 0 } };

	count(l, now);
	memcpy(k.b, &id, sizeof(id));
	for (int i = 0; i < BOOKS && now[RECEIVED] > was[RECEIVED]; i++) {
		/* Lost datagrams are worth what datagrams hold on average, which moves. */
		uint64_t n = now[i] > was[i] ? now[i] - was[i] : 0;

		snprintf(series, sizeof(series), "ledger %s|%s", word[i],
			 key_id(BY_EXPORTER, &k, a->opts.names, text));
		put(a, series, n);
	}
	memcpy(was, now, sizeof(now));
}

static void close_bin(struct analysis *a)
{
	struct books *b = a->books;
	uint32_t n = names_exporters(a->opts.names);
	uint64_t dropped = a->opts.dropped ? a->opts.dropped(a->opts.arg) : 0;

	if (n > b->n) {
		b->was = xrealloc(b->was, n, sizeof(*b->was));
		memset(b->was + b->n, 0, (n - b->n) * sizeof(*b->was));
		b->n = n;
	}
	for (uint32_t i = 0; i < n; i++)
		put_exporter(a, i);
	put(a, "ledger dropped|", dropped - b->dropped);
	b->dropped = dropped;
	b->covered = 0;
}

void books_slice(struct analysis *a, int64_t now_ms, bool last)
{
	int64_t over_s = slice_of(now_ms) * SLICE_MS / 1000 - 1; /* the slice that ended */
	struct books *b = a->books;

	if (!b) {
		b = a->books = xcalloc(1, sizeof(*b));
		b->bin_s = now_ms / 1000 / STEP_BIN * STEP_BIN;
	}
	if (over_s >= b->bin_s && over_s < b->bin_s + STEP_BIN)
		b->covered |= 1u << (over_s - b->bin_s) * 1000 / SLICE_MS;
	if (last || now_ms / 1000 / STEP_BIN * STEP_BIN != b->bin_s) {
		close_bin(a);
		b->bin_s = now_ms / 1000 / STEP_BIN * STEP_BIN;
	}
}

void books_free(struct analysis *a)
{
	if (a->books)
		free(a->books->was);
	free(a->books);
	a->books = NULL;
}
