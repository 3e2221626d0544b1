/* proxy_flows.c - the archived flows that have a proxy at one end.
 * SPDX-License-Identifier: ISC
 *
 * Top flows are sums over records; a join needs the records with their own times, so
 * they are read once more, with the same filter, series and position: the same flows that
 * the sums are made of.
 */
#include "daemon/evidence/proxy_flows.h"

#include "daemon/base/mem.h"
#include "daemon/model/rows.h"

#include <stdlib.h>
#include <string.h>

enum { FLOWS_MAX = 200000 };

struct load {
	const struct proxy_flows_query *q;
	uint64_t filter_columns;
	struct join_flow *flows;
	size_t n, cap, max;
	bool cut;
};

bool is_one_of(const struct addr *a, const struct addr *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (addr_eq(a, &list[i]))
			return true;
	return false;
}

static void take_row(struct load *l, const struct block *b, uint32_t row)
{
	int64_t from = b->start_ms[row], to = b->end_ms[row], whole = to - from;
	uint64_t bytes = b->bytes[row];

	if (l->n == l->cap) {
		l->cap = l->cap ? 2 * l->cap : 1024;
		l->flows = xrealloc(l->flows, l->cap, sizeof(*l->flows));
	}
	if (from < l->q->from_ms)
		from = l->q->from_ms;
	if (to > l->q->to_ms)
		to = l->q->to_ms;
	if (whole > 0)
		bytes = (uint64_t)((double)bytes * (double)(to - from) / (double)whole);
	l->flows[l->n++] = (struct join_flow){
		.src = b->src[row], .dst = b->dst[row], .src_port = b->src_port[row],
		.dst_port = b->dst_port[row], .exporter = b->exporter[row],
		.from_ms = from, .to_ms = to, .bytes = bytes,
	};
}

static bool take_rows(void *arg, unsigned worker, const struct block *b, const uint64_t *bits)
{
	struct load *l = arg;
	const struct proxy_flows_query *q = l->q;
	uint64_t mine[ROW_WORDS];

	(void)worker;
	memcpy(mine, bits, sizeof(mine));
	rows_counted(q->only ? q->only_by : BY_NONE, l->filter_columns, b, mine);
	if (q->only)
		key_select(q->only_by, q->only, b, mine);
	for (uint32_t w = 0; w * 64 < b->n; w++)
		for (uint64_t left = mine[w]; left; left &= left - 1) {
			uint32_t row = w * 64 + (uint32_t)__builtin_ctzll(left);

			if (b->end_ms[row] < q->from_ms || b->start_ms[row] >= q->to_ms ||
			    (!is_one_of(&b->src[row], q->proxies, q->n_proxies) &&
			     !is_one_of(&b->dst[row], q->proxies, q->n_proxies)))
				continue;
			if (l->n == l->max) {
				l->cut = true;
				return false;
			}
			take_row(l, b, row);
		}
	return true;
}

struct join_flow *proxy_flows(const struct proxy_flows_query *q, size_t *n, bool *cut,
			      struct archive_result *read, struct err *err)
{
	struct load l = { .q = q, .max = q->max ? q->max : FLOWS_MAX };
	struct archive_query aq = {
		.directory = q->directory, .from_ms = q->from_ms, .to_ms = q->to_ms,
		.filter = q->filter, .columns = UINT64_MAX, .names = q->names,
		.as_of = q->as_of, .threads = 1,
	};

	*n = 0;
	*cut = false;
	l.filter_columns = q->filter ? filter_columns(q->filter) : 0;
	if (!archive_read(&aq, take_rows, &l, read, err)) {
		free(l.flows);
		return NULL;
	}
	*n = l.n;
	*cut = l.cut;
	return l.flows ? l.flows : xcalloc(1, sizeof(*l.flows));
}
