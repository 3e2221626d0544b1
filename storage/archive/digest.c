/* digest.c - reads a closed file back and sums it up.
 * SPDX-License-Identifier: ISC
 *
 * Addresses are summed over the numbers of a part's dictionary and reach the table of
 * hosts once for each address of a part. Conversations are too many for a table, so the
 * file is read twice (tally.h). What does not fit its table (a flood of random
 * sources) has no list in the summary, and questions about it read the flows.
 *
 * A file with a damaged block gets no summary, nor one whose rows are not what its last
 * frame tells: a summary never says more than the file.
 */
#include "storage/archive/digest_impl.h"

#include "storage/archive/dir.h"

#include "daemon/base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

static const uint64_t columns_first =
    UINT64_C(1) << F_start_ms | UINT64_C(1) << F_end_ms | UINT64_C(1) << F_bytes |
    UINT64_C(1) << F_packets | UINT64_C(1) << F_flows | UINT64_C(1) << F_counts |
    UINT64_C(1) << F_exporter | UINT64_C(1) << F_in_if | UINT64_C(1) << F_out_if |
    UINT64_C(1) << F_src_port | UINT64_C(1) << F_dst_port | UINT64_C(1) << F_proto |
    UINT64_C(1) << F_src_as | UINT64_C(1) << F_dst_as;
static const uint64_t columns_again =
    UINT64_C(1) << F_bytes | UINT64_C(1) << F_packets | UINT64_C(1) << F_flows |
    UINT64_C(1) << F_counts | UINT64_C(1) << F_src_port | UINT64_C(1) << F_dst_port |
    UINT64_C(1) << F_proto;

/* ---- addresses by number ---- */

/* Room for n more than the dictionary's. */
static void make_room(struct codes *c, uint32_t n)
{
	if (n <= c->cap)
		return;
	c->list = xrealloc(c->list, n, sizeof(*c->list));
	c->hash = xrealloc(c->hash, n, sizeof(*c->hash));
	c->sums = xrealloc(c->sums, n, sizeof(*c->sums));
	memset(c->sums + c->cap, 0, (n - c->cap) * sizeof(*c->sums));
	for (int i = 0; i < 2; i++)
		c->as[i] = xrealloc(c->as[i], n, sizeof(*c->as[i]));
	c->cap = n;
}

/* Numbers of a column: those of the dictionary, or of what is put behind it. */
static const uint32_t *codes_of(struct digest *d, enum field f, uint32_t *own)
{
	struct codes *c = &d->codes;
	const struct addr *list, *column;
	uint32_t n, rows = part_rows(d->part);
	bool damaged;
	const uint32_t *codes = part_codes(d->part, f, &list, &n, &damaged);

	if (damaged || (!codes && !part_load(d->part, UINT64_C(1) << f))) {
		d->bad = true;
		return NULL;
	}
	if (codes) {
		if (!c->dictionary)
			memcpy(c->list, list, n * sizeof(*list));
		c->dictionary = n;
		return codes;
	}
	column = part_column(d->part, f);
	make_room(c, c->n + rows);
	c->one_list = false;
	for (uint32_t r = 0; r < rows; r++) {
		static const struct addr none;
		const struct addr *a = column ? &column[r] : &none;

		if (!r || !addr_eq(a, &c->list[c->n - 1]))
			c->list[c->n++] = *a;
		own[r] = c->n - 1;
	}
	return own;
}

static bool get_codes(struct digest *d)
{
	struct codes *c = &d->codes;
	const struct addr *list;
	bool damaged;
	uint32_t n = 0;

	c->dictionary = c->n = 0;
	/* What stands behind the dictionary must know how long that is. */
	if (part_codes(d->part, F_src, &list, &n, &damaged) ||
	    part_codes(d->part, F_dst, &list, &n, &damaged))
		c->n = n;
	make_room(c, c->n);
	c->one_list = true;
	c->src = codes_of(d, F_src, c->src_own);
	c->dst = d->bad ? NULL : codes_of(d, F_dst, c->dst_own);
	for (uint32_t i = 0; !d->bad && i < c->n; i++)
		c->hash[i] = map_hash(&c->list[i], sizeof(*c->list));
	c->src_as = !d->bad && part_follows(d->part, F_src_as, F_src);
	c->dst_as = !d->bad && part_follows(d->part, F_dst_as, F_dst);
	return !d->bad;
}

/* Keyed, since the hashes of addresses are. */
static inline uint64_t mix(uint64_t a, uint64_t b)
{
	unsigned __int128 m = (unsigned __int128)(a ^ UINT64_C(0x9e3779b97f4a7c15)) *
			      (b ^ UINT64_C(0xbf58476d1ce4e5b9));

	return (uint64_t)m ^ (uint64_t)(m >> 64);
}

/* ---- the columns of a part ---- */

struct cols {
	const uint64_t *bytes, *packets;
	const int64_t *start, *end;
	const uint32_t *flows, *exporter, *in_if, *out_if, *src_as, *dst_as;
	const uint16_t *src_port, *dst_port;
	const uint8_t *proto, *counts;
};

/* What no row tells is zero in all. */
static struct cols cols_of(struct digest *d)
{
	const void *at[FIELD_COUNT];

	for (int f = 0; f < FIELD_COUNT; f++) {
		at[f] = part_column(d->part, (enum field)f);
		if (!at[f])
			at[f] = d->zeros;
	}
	return (struct cols){ .bytes = at[F_bytes],	    .packets = at[F_packets],
			      .start = at[F_start_ms],	    .end = at[F_end_ms],
			      .flows = at[F_flows],	    .exporter = at[F_exporter],
			      .in_if = at[F_in_if],	    .out_if = at[F_out_if],
			      .src_as = at[F_src_as],	    .dst_as = at[F_dst_as],
			      .src_port = at[F_src_port],   .dst_port = at[F_dst_port],
			      .proto = at[F_proto],	    .counts = at[F_counts] };
}

static inline struct sums sums_at(const struct cols *c, uint32_t r)
{
	return (struct sums){ c->bytes[r], c->packets[r], c->flows[r] ? c->flows[r] : 1 };
}

static inline bool counted(const struct cols *c, uint32_t r)
{
	return !c->counts[r] || c->counts[r] & COUNT_TOTAL;
}

/* ---- the first reading ---- */

/* What counts in all ways, as most rows do, is looked up once. */
static void add_route(struct digest *d, const struct cols *c, uint32_t r,
		      const struct sums *s)
{
	uint32_t exporter = c->exporter[r], in = c->in_if[r], out = c->out_if[r];

	if (!c->counts[r] && in < ROUTE_IF && out < ROUTE_IF &&
	    exporter < UINT16_MAX) {
		sums_add(tally_at(&d->routes,
				  (uint64_t)exporter << 48 | (uint64_t)in << 24 | out),
			 s);
		return;
	}
	if (counted(c, r))
		sums_add(tally_at(&d->tally[LIST_EXPORTER], exporter), s);
	if (!c->counts[r] || c->counts[r] & COUNT_IN)
		digest_interface(d, exporter, in, 0, s);
	if (!c->counts[r] || c->counts[r] & COUNT_OUT)
		digest_interface(d, exporter, out, 1, s);
}

/* The service, as model/rows.c has it. */
static inline uint64_t service(const struct cols *c, uint32_t r)
{
	uint32_t s = c->src_port[r], d = c->dst_port[r];
	uint32_t port = !s ? d : !d ? s : s < d ? s : d;

	return (uint64_t)c->proto[r] << 16 | port;
}

static void add_as(struct digest *d, const struct cols *c, uint32_t r,
		   const struct sums *s)
{
	struct codes *k = &d->codes;
	uint32_t from = c->src_as[r], to = c->dst_as[r];

	if (k->src_as) /* poured with the addresses */
		k->as[0][k->src[r]] = from;
	else
		sums_add(tally_at(&d->tally[LIST_SRC_AS], from), s);
	if (k->dst_as)
		k->as[1][k->dst[r]] = to;
	else
		sums_add(tally_at(&d->tally[LIST_DST_AS], to), s);
	if (from == to)
		sums_add(tally_at(&d->same_as, from), s);
}

static inline uint64_t pair_hash(const struct codes *k, uint32_t r)
{
	return mix(k->hash[k->src[r]], k->hash[k->dst[r]]);
}

static inline uint64_t flow_hash(uint64_t pair, const struct cols *c, uint32_t r)
{
	return mix(pair, (uint64_t)c->src_port[r] << 32 | (uint64_t)c->dst_port[r] << 16 |
			     c->proto[r]);
}

static inline uint32_t cell_of(const struct cells *c, uint64_t hash)
{
	return (uint32_t)(hash >> 32) & (c->n - 1);
}

static void add_row(struct digest *d, const struct cols *c, uint32_t r,
		    struct cell *pair, struct cell *flow)
{
	struct codes *k = &d->codes;
	struct sums s = sums_at(c, r);

	add_route(d, c, r, &s);
	if (!counted(c, r))
		return;
	sums_add(&d->s.counted, &s);
	sums_add(tally_at(&d->tally[LIST_PORT], service(c, r)), &s);
	add_as(d, c, r, &s);
	sums_add(&k->sums[k->src[r]].src, &s);
	sums_add(&k->sums[k->dst[r]].dst, &s);
	if (k->src[r] == k->dst[r] ||
	    (!k->one_list && addr_eq(&k->list[k->src[r]], &k->list[k->dst[r]])))
		sums_add(&k->sums[k->src[r]].self, &s);
	cell_add(pair, &s);
	cell_add(flow, &s);
}

/* A few rows at once: cells lie anywhere, and so are fetched before they are needed. */
static void add_rows(struct digest *d, const struct cols *c, uint32_t from, uint32_t n)
{
	struct cell *pair[AHEAD], *flow[AHEAD];

	for (uint32_t i = 0; i < n; i++) {
		uint64_t hash = pair_hash(&d->codes, from + i);

		pair[i] = &d->pairs.at[cell_of(&d->pairs, hash)];
		flow[i] =
		    &d->flows.at[cell_of(&d->flows, flow_hash(hash, c, from + i))];
		__builtin_prefetch(pair[i], 1);
		__builtin_prefetch(flow[i], 1);
	}
	for (uint32_t i = 0; i < n; i++)
		add_row(d, c, from + i, pair[i], flow[i]);
}

static void pour_hosts(struct digest *d)
{
	struct codes *k = &d->codes;

	for (uint32_t i = 0; i < k->n; i++) {
		struct host *from = &k->sums[i], *to;

		if (!from->src.flows && !from->dst.flows)
			continue;
		if (k->src_as && from->src.flows)
			sums_add(tally_at(&d->tally[LIST_SRC_AS], k->as[0][i]),
				 &from->src);
		if (k->dst_as && from->dst.flows)
			sums_add(tally_at(&d->tally[LIST_DST_AS], k->as[1][i]),
				 &from->dst);
		to = d->hosts_full
			 ? NULL
			 : map_put_hashed(&d->hosts, &k->list[i], k->hash[i], NULL);
		if (to) {
			sums_add(&to->src, &from->src);
			sums_add(&to->dst, &from->dst);
			sums_add(&to->self, &from->self);
		} else {
			d->hosts_full = true;
		}
		*from = (struct host){ 0 };
	}
}

static void add_times(struct digest *d, const struct cols *c, uint32_t rows)
{
	for (uint32_t r = 0; r < rows; r++) {
		if (c->start[r] > d->s.latest_start_ms)
			d->s.latest_start_ms = c->start[r];
		if (c->end[r] < d->s.earliest_end_ms)
			d->s.earliest_end_ms = c->end[r];
	}
}

static void first_reading(struct digest *d)
{
	uint32_t rows = part_rows(d->part);
	uint64_t lo, hi;
	struct cols c;

	if (!part_load(d->part, columns_first) || !get_codes(d)) {
		d->bad = true;
		return;
	}
	c = cols_of(d);
	if (part_range(d->part, F_sampling, &lo, &hi) && hi > d->s.sampling)
		d->s.sampling = (uint32_t)hi;
	for (uint32_t r = 0; r < rows; r += AHEAD)
		add_rows(d, &c, r, rows - r < AHEAD ? rows - r : AHEAD);
	add_times(d, &c, rows);
	pour_hosts(d);
}

/* ---- the second reading ---- */

static void count_exactly(struct cells *c, const uint8_t *key, const struct sums *s)
{
	struct sums *to = c->full ? NULL : map_put(&c->exact, key, NULL);

	if (to)
		sums_add(to, s);
	else
		c->full = true;
}

static void count_row(struct digest *d, const struct cols *c, uint32_t r)
{
	const struct codes *k = &d->codes;
	uint64_t pair = pair_hash(k, r);
	bool pair_is = cells_heavy(&d->pairs, cell_of(&d->pairs, pair));
	bool flow_is =
	    cells_heavy(&d->flows, cell_of(&d->flows, flow_hash(pair, c, r)));
	uint8_t key[LIST_KEY];
	struct sums s;

	if ((!pair_is && !flow_is) || !counted(c, r))
		return;
	s = sums_at(c, r);
	memcpy(key, &k->list[k->src[r]], 16);
	memcpy(key + 16, &k->list[k->dst[r]], 16);
	memcpy(key + 32, (uint32_t[]){ c->src_port[r], c->dst_port[r], c->proto[r] }, 12);
	if (pair_is)
		count_exactly(&d->pairs, key, &s);
	if (flow_is)
		count_exactly(&d->flows, key, &s);
}

static void second_reading(struct digest *d)
{
	struct cols c;

	if (!part_load(d->part, columns_again) || !get_codes(d)) {
		d->bad = true;
		return;
	}
	c = cols_of(d);
	for (uint32_t r = 0; r < part_rows(d->part); r++)
		count_row(d, &c, r);
}

/* ---- the file ---- */

static void keep_names(struct digest *d, const struct frame *f)
{
	uint8_t header[FRAME_HEADER];
	struct frame copy = *f;

	frame_seal(&copy, &d->head, 0, header);
	out_bytes(&d->names, header, sizeof(header));
	out_bytes(&d->names, d->head.p, d->head.len);
}

static void on_names(struct digest *d, const struct frame *f, bool first)
{
	struct in r = in_over(d->head.p, d->head.len);

	d->bad |= !names_apply(&d->sink, &d->told, f->ordinal, &r);
	if (first)
		keep_names(d, f);
}

static void on_flows(struct digest *d, const struct frame *f, uint64_t at, bool first)
{
	struct file_names mine = { d->told.ordinal, d->same, d->told.n };

	if (!d->have_columns || !part_open(d->part, d->fd, at, f, d->head.p, &d->columns,
					   &mine, d->sink.names)) {
		d->bad = true;
		return;
	}
	d->rows += f->rows;
	if (first)
		first_reading(d);
	else
		second_reading(d);
}

static void read_file(struct digest *d, bool first)
{
	uint64_t at = 0;
	struct frame f;
	int found;

	d->rows = 0;
	while (!d->bad && (found = frame_next(d->fd, d->size, &at, &f, &d->head))) {
		struct in r = in_over(d->head.p, d->head.len);

		d->bad |= found < 0 || (d->stop && *d->stop);
		if (f.type == FRAME_HEAD) {
			in_u64(&r);
			d->have_columns = columns_read(&r, &d->columns);
		} else if (f.type == FRAME_NAMES) {
			on_names(d, &f, first);
		} else if (f.type == FRAME_FLOWS) {
			on_flows(d, &f, at, first);
		}
		at += frame_octets(&f);
	}
	file_names_clear(&d->sink, &d->told);
	d->bad |= d->rows != d->s.totals.rows;
}

/* ---- beginning and end ---- */

static void set_up(struct digest *d)
{
	struct codes *c = &d->codes;

	d->part = part_new();
	name_sink_init(&d->sink, NULL);
	d->told.ordinal = NO_NAMES;
	d->same = xcalloc(EXPORTERS_MAX, sizeof(*d->same));
	for (uint32_t i = 0; i < EXPORTERS_MAX; i++)
		d->same[i] = i;
	d->zeros = xcalloc(PART_ROWS, sizeof(*d->zeros));
	c->src_own = xcalloc(PART_ROWS, sizeof(*c->src_own));
	c->dst_own = xcalloc(PART_ROWS, sizeof(*c->dst_own));
	map_init(&d->hosts, sizeof(struct addr), sizeof(struct host), HOSTS_MAX);
	for (int k = LIST_PORT; k < LIST_KINDS; k++)
		tally_init(&d->tally[k]);
	tally_init(&d->same_as);
	tally_init(&d->routes);
	cells_init(&d->pairs, list_octets(LIST_PAIR), d->s.totals.rows);
	cells_init(&d->flows, list_octets(LIST_FLOW), d->s.totals.rows);
}

static void tear_down(struct digest *d)
{
	for (int k = 0; k < LIST_KINDS; k++) {
		tally_fini(&d->tally[k]);
		free(d->lists[k].first.keys);
		free(d->lists[k].first.sums);
		free(d->lists[k].rest.keys);
		free(d->lists[k].rest.sums);
	}
	tally_fini(&d->same_as);
	tally_fini(&d->routes);
	cells_fini(&d->pairs);
	cells_fini(&d->flows);
	map_fini(&d->hosts);
	free(d->codes.list);
	free(d->codes.hash);
	free(d->codes.sums);
	free(d->codes.as[0]);
	free(d->codes.as[1]);
	free(d->codes.src_own);
	free(d->codes.dst_own);
	free(d->same);
	free(d->zeros);
	free(d->head.p);
	free(d->names.p);
	name_sink_fini(&d->sink);
	part_free(&d->part);
}

/* Sums that stop at 2^64 - 1 are none. */
static bool summable(const struct totals *t)
{
	return t->bytes != UINT64_MAX && t->packets != UINT64_MAX && t->rows;
}

static bool digest(struct digest *d, struct err *err)
{
	bool ok;

	set_up(d);
	d->s.latest_start_ms = INT64_MIN;
	d->s.earliest_end_ms = INT64_MAX;
	read_file(d, true);
	if (!d->bad) {
		cells_choose(&d->pairs, 2 * FIRST_MOST);
		cells_choose(&d->flows, 2 * FIRST_MOST);
		read_file(d, false);
	}
	ok = !d->bad || err_set(err, "not summed up: it is damaged");
	if (ok) {
		digest_lists(d);
		ok = summary_write(d->directory, &d->s, d->lists, &d->names, err);
	}
	tear_down(d);
	return ok;
}

bool summary_make(const char *directory, int64_t file_s, const _Atomic bool *stop,
		  struct err *err)
{
	struct digest d = { .directory = directory, .stop = stop,
			    .s = { .file_s = file_s } };
	char path[DIR_PATH];
	off_t size;
	bool ok;

	d.fd = open(dir_path(directory, file_s, path), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (d.fd < 0)
		return err_set(err, "%s: %s", path, strerror(errno));
	size = lseek(d.fd, 0, SEEK_END);
	d.size = d.s.octets = size > 0 ? (uint64_t)size : 0;
	ok = file_closed(d.fd, d.size, &d.s.totals, &d.s.check) ||
	     err_set(err, "%s: not closed", path);
	ok = ok && (summable(&d.s.totals) || err_set(err, "%s: nothing to sum up", path));
	ok = ok && digest(&d, err);
	close(d.fd);
	return ok;
}
