/* test_filter_random.c - any filter over any flows, against a plain evaluator.
 * SPDX-License-Identifier: ISC
 *
 * Random trees are written as text and judged flow by flow by code that knows
 * nothing of blocks, sets or normal forms. The same flows say whether skipping
 * (filter_may_match over true minima and maxima) ever loses one.
 */
#include "test.h"

#include <stdlib.h>

#include "daemon/base/mem.h"
#include "daemon/base/strb.h"
#include "rules/filter/filter.h"
#include "flow_row.h"

#define T0 INT64_C(1795426500000)

enum { ROUNDS = 3000, MOST_ROWS = 700, TERMS = 64, LIST = 12 };

static uint64_t rnd(uint64_t *seed, uint64_t below)
{
	*seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (*seed >> 33) % below;
}

/* ---- flows out of small pools, so that tests hit ---- */

static const char *const pool[] = { "10.20.0.66",  "10.20.0.67",  "10.20.9.1",
				    "10.0.0.1",	   "203.0.113.7", "255.255.255.255",
				    "0.0.0.0",	   "::1",	  "2001:db8:20::5",
				    "2001:db8::1", "fe80::1" };
static const char *const nets[] = {
	"10.0.0.0/8", "10.20.0.0/16", "10.20.0.66/31",	"0.0.0.0/0", "2001:db8::/32",
	"::/0",	      "::/90",	      "203.0.113.7/32", "fe80::/10", "255.255.255.255/32"
};
static const uint16_t ports[] = { 0, 22, 53, 80, 443, 1024, 8000, 8050, 8100, 65535 };

static struct flow_row random_flow(uint64_t *seed)
{
	static const uint8_t protos[] = { 1, 6, 6, 6, 17, 17, 47, 58 };
	struct flow_row r = { .start_ms = T0 + (int64_t)rnd(seed, 1000) };

	r.end_ms = r.start_ms + (int64_t)(rnd(seed, 3) ? rnd(seed, 5000) : 0);
	if (rnd(seed, 20))
		r.src = ip(pool[rnd(seed, ARRAY_LEN(pool))]);
	if (rnd(seed, 20))
		r.dst = ip(pool[rnd(seed, ARRAY_LEN(pool))]);
	r.src_port = ports[rnd(seed, ARRAY_LEN(ports))];
	r.dst_port = ports[rnd(seed, ARRAY_LEN(ports))];
	r.proto = protos[rnd(seed, ARRAY_LEN(protos))];
	r.tcp_flags = r.proto == 6 ? (uint16_t)rnd(seed, 256) : 0;
	r.bytes = rnd(seed, 2) ? rnd(seed, 2000) : rnd(seed, 3000000);
	r.packets = rnd(seed, 50);
	r.flows = (uint32_t)rnd(seed, 4);
	r.exporter = (uint32_t)rnd(seed, 4);
	r.in_if = (uint32_t)rnd(seed, 8);
	r.out_if = (uint32_t)rnd(seed, 8);
	r.src_as = (uint32_t)(64500 + rnd(seed, 5));
	r.dst_as = (uint32_t)(64500 + rnd(seed, 5));
	r.tos = (uint8_t)rnd(seed, 256);
	r.icmp = (uint16_t)(rnd(seed, 12) << 8 | rnd(seed, 4));
	r.vlan = (uint16_t)rnd(seed, 4);
	r.src_mac = UINT64_C(0x02005e100000) + rnd(seed, 3);
	return r;
}

/* ---- terms: text, and what it means of one flow ---- */

struct range { /* of a column or a rate */
	uint64_t lo, hi;
};

enum term_kind {
	TERM_NUMBER,
	TERM_ADDR,
	TERM_FLAGS,
	TERM_EXPORTER,
	TERM_WAN,
	TERM_LAN,
	TERM_INET,
	TERM_INET6,
	TERM_BPS,
	TERM_DURATION,
	TERM_DSCP,
	TERM_ICMP
};

struct term {
	enum term_kind kind;
	uint8_t sides; /* 1 first column, 2 second, 3 either */
	bool both;
	enum field f[2];
	struct range r[LIST];
	struct prefix p[LIST];
	unsigned n, v;
};

static uint64_t number_of(const struct flow_row *r, enum field f)
{
	const void *p = (const char *)r + flow_row_member[f].offset;

	if (f == F_flows)
		return r->flows ? r->flows : 1;
	switch (flow_row_member[f].width) {
	case 1: return *(const uint8_t *)p;
	case 2: return *(const uint16_t *)p;
	case 4: return *(const uint32_t *)p;
	default: return *(const uint64_t *)p;
	}
}

static bool in_ranges(const struct term *t, uint64_t v)
{
	for (unsigned i = 0; i < t->n; i++)
		if (t->r[i].lo <= v && v <= t->r[i].hi)
			return true;
	return false;
}

/* A prefix in IPv6 writing is about told IPv6 addresses. */
static bool in_prefixes(const struct term *t, const struct addr *a)
{
	for (unsigned i = 0; i < t->n; i++)
		if (prefix_has(&t->p[i], a) && !addr_is_none(a) &&
		    addr_is4(a) == addr_is4(&t->p[i].addr))
			return true;
	return false;
}

static bool side_true(const struct term *t, const struct flow_row *r, unsigned side,
		      const struct names *names)
{
	const struct addr *a = side ? &r->dst : &r->src;
	uint32_t index = side ? r->out_if : r->in_if;

	switch (t->kind) {
	case TERM_NUMBER: return in_ranges(t, number_of(r, t->f[side]));
	case TERM_ADDR: return in_prefixes(t, a);
	case TERM_WAN:
		return (r->exporter == 0 && index == 2) ||
		       (r->exporter == 2 && index == 7);
	case TERM_LAN:
		return !addr_is_none(a) && names_network_of(names, a) >= 0 &&
		       names_network_of(names, a) == names_network_find(names, "lan");
	case TERM_INET: return addr_is4(a);
	case TERM_INET6: return !addr_is4(a) && !addr_is_none(a);
	case TERM_FLAGS: return (r->tcp_flags & t->v) == t->v;
	case TERM_EXPORTER: return r->exporter == t->v;
	case TERM_BPS:
		return in_ranges(t, r->end_ms == r->start_ms
					? 0
					: r->bytes * 8000 /
					      (uint64_t)(r->end_ms - r->start_ms));
	case TERM_DURATION: return in_ranges(t, (uint64_t)(r->end_ms - r->start_ms));
	case TERM_DSCP: return in_ranges(t, r->tos >> 2);
	case TERM_ICMP:
		return (r->proto == 1 || r->proto == 58) && in_ranges(t, r->icmp >> 8);
	}
	return false;
}

static bool term_true(const struct term *t, const struct flow_row *r,
		      const struct names *names)
{
	bool first = side_true(t, r, 0, names), second;

	if (t->sides == 1)
		return first;
	second = side_true(t, r, 1, names);
	if (t->sides == 2)
		return second;
	return t->both ? first && second : first || second;
}

static const char *const sides_src[] = { "", "src ", "dst ", "src or dst ",
					 "src and dst " };
static const char *const sides_in[] = { "", "in ", "out ", "in or out ", "in and out " };

static void random_sides(uint64_t *seed, struct term *t, struct strb *s,
			 const char *const *say)
{
	uint64_t k = rnd(seed, 5);

	strb_add(s, say[k]);
	t->sides = k == 1 ? 1 : k == 2 ? 2 : 3;
	t->both = k == 4;
}

/* An operator or a list of numbers around `about`. */
static void random_set(uint64_t *seed, struct term *t, struct strb *s, uint64_t about,
		       const char *unit, bool zero)
{
	static const char *const ops[] = { "", "=", "<", ">", "<=", ">=" };
	uint64_t op = rnd(seed, 8), v = rnd(seed, about) + !zero;

	t->n = 1;
	if (op < 6) {
		strb_fmt(s, " %s %llu%s", ops[op], (unsigned long long)v, unit);
		t->r[0].lo = op == 2 || op == 4 ? 0 : op == 3 ? v + 1 : v;
		t->r[0].hi = op == 3 || op == 5 ? UINT64_MAX : op == 2 ? v - 1 : v;
		if (op == 2 && !v)
			t->n = 0;
		return;
	}
	strb_add(s, " in (");
	t->n = 1 + (unsigned)rnd(seed, LIST);
	for (unsigned i = 0; i < t->n; i++) {
		t->r[i].lo = rnd(seed, about);
		t->r[i].hi =
		    rnd(seed, 3) ? t->r[i].lo : t->r[i].lo + rnd(seed, about / 4 + 1);
		strb_fmt(s, "%s%llu%s", i ? " " : "", (unsigned long long)t->r[i].lo,
			 unit);
		if (t->r[i].hi > t->r[i].lo)
			strb_fmt(s, "-%llu%s", (unsigned long long)t->r[i].hi, unit);
	}
	strb_add(s, ")");
}

static void number_term(uint64_t *seed, struct term *t, struct strb *s)
{
	static const struct {
		const char *word;
		enum field f[2];
		uint64_t about;
		bool two, zero;
	} words[] = {
		{ "port", { F_src_port, F_dst_port }, 9000, true, true },
		{ "port", { F_src_port, F_dst_port }, 90, true, true },
		{ "as", { F_src_as, F_dst_as }, 65000, true, true },
		{ "bytes", { F_bytes, F_bytes }, 3000, false, true },
		{ "packets", { F_packets, F_packets }, 50, false, true },
		{ "flows", { F_flows, F_flows }, 5, false, false },
		{ "tos", { F_tos, F_tos }, 200, false, true },
		{ "vlan", { F_vlan, F_out_vlan }, 5, false, true },
	};
	size_t k = rnd(seed, ARRAY_LEN(words));

	t->kind = TERM_NUMBER;
	t->f[0] = words[k].f[0];
	t->f[1] = words[k].f[1];
	t->sides = words[k].f[1] == words[k].f[0] ? 1 : 3;
	if (words[k].two)
		random_sides(seed, t, s, sides_src);
	strb_add(s, words[k].word);
	random_set(seed, t, s, words[k].about, "", words[k].zero);
	if (t->f[0] == F_flows) /* "flows in (0)" is true of none */
		for (unsigned i = 0; i < t->n; i++)
			if (!t->r[i].lo && t->r[i].hi)
				t->r[i].lo = 1;
}

static void addr_term(uint64_t *seed, struct term *t, struct strb *s)
{
	t->kind = TERM_ADDR;
	random_sides(seed, t, s, sides_src);
	strb_add(s, "host in (");
	t->n = 1 + (unsigned)rnd(seed, LIST);
	for (unsigned i = 0; i < t->n; i++) {
		const char *p = rnd(seed, 2) ? pool[rnd(seed, ARRAY_LEN(pool))]
					     : nets[rnd(seed, ARRAY_LEN(nets))];

		assert_true(prefix_parse(p, &t->p[i]));
		strb_fmt(s, " %s", p);
	}
	strb_add(s, ")");
}

static void random_term(uint64_t *seed, struct term *t, struct strb *s)
{
	static const char *const exporters[] = { "edge", "192.0.2.2", "core" };
	static const char letters[] = "FSRPAUEC";

	*t = (struct term){ .sides = 1 };
	switch (rnd(seed, 14)) {
	case 0:
		t->kind = TERM_FLAGS;
		t->v = 1 + (unsigned)rnd(seed, 255);
		strb_add(s, "flags ");
		for (unsigned i = 0; i < 8; i++)
			if (t->v >> i & 1)
				strb_addc(s, letters[i]);
		break;
	case 1:
		t->kind = TERM_EXPORTER;
		t->v = (unsigned)rnd(seed, 3);
		strb_fmt(s, "exporter %s", exporters[t->v]);
		break;
	case 2:
		t->kind = TERM_WAN;
		random_sides(seed, t, s, sides_in);
		strb_add(s, "if WAN");
		break;
	case 3:
		t->kind = TERM_LAN;
		random_sides(seed, t, s, sides_src);
		strb_add(s, "network lan");
		break;
	case 4:
		t->kind = rnd(seed, 2) ? TERM_INET : TERM_INET6;
		t->sides = 3;
		strb_add(s, t->kind == TERM_INET ? "inet" : "inet6");
		break;
	case 5:
		t->kind = TERM_BPS;
		strb_add(s, "bps");
		random_set(seed, t, s, 100000, rnd(seed, 2) ? "" : "bit/s", true);
		break;
	case 6:
		t->kind = TERM_DURATION;
		strb_add(s, "duration");
		random_set(seed, t, s, 5000, "ms", true);
		break;
	case 7:
		t->kind = TERM_DSCP;
		strb_add(s, "dscp");
		random_set(seed, t, s, 50, "", true);
		break;
	case 8:
		t->kind = TERM_ICMP;
		strb_add(s, "icmp-type");
		random_set(seed, t, s, 12, "", true);
		break;
	case 9:
	case 10:
	case 11: addr_term(seed, t, s); break;
	default: number_term(seed, t, s);
	}
}

/* ---- trees ---- */

struct tree {
	struct term terms[TERMS];
	unsigned n;
	/* the tree in Polish order: '&' '|' '!' or 't' and the next term */
	char code[4 * TERMS];
	unsigned n_code;
};

static void random_tree(uint64_t *seed, struct tree *t, struct strb *s, unsigned depth)
{
	uint64_t k = depth ? rnd(seed, 5) : 4;

	if (t->n >= TERMS - 8)
		k = 4;
	if (k == 4) {
		t->code[t->n_code++] = 't';
		random_term(seed, &t->terms[t->n++], s);
		return;
	}
	t->code[t->n_code++] = k == 0 ? '!' : k < 3 ? '&' : '|';
	strb_add(s, k == 0 ? "not (" : "(");
	random_tree(seed, t, s, depth - 1);
	if (k) {
		strb_add(s, k < 3 ? ") and (" : ") or (");
		random_tree(seed, t, s, depth - 1);
	}
	strb_add(s, ")");
}

static bool tree_true(const struct tree *t, unsigned *at, unsigned *term,
		      const struct flow_row *r, const struct names *names)
{
	char c = t->code[(*at)++];
	bool a, b;

	if (c == 't')
		return term_true(&t->terms[(*term)++], r, names);
	a = tree_true(t, at, term, r, names);
	if (c == '!')
		return !a;
	b = tree_true(t, at, term, r, names);
	return c == '&' ? a && b : a || b;
}

/* ---- what is known of a block ---- */

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
	return f != F_dst_port; /* something is never known */
}

static bool addr_in(void *arg, enum field f, const struct prefix *p)
{
	const struct block *b = arg;

	for (uint32_t i = 0; i < b->n; i++)
		if (prefix_has(p, (const struct addr *)block_col(b, f) + i))
			return true;
	return false;
}

/* Columns that no flow of a round has: zero for all, and not used. */
static void forget(struct flow_row *r, uint64_t columns)
{
	for (int f = 0; f < FIELD_COUNT; f++)
		if (columns >> f & 1)
			memset((char *)r + flow_row_member[f].offset, 0,
			       flow_row_member[f].width);
	if (r->end_ms < r->start_ms)
		r->end_ms = r->start_ms;
}

struct tally {
	unsigned skipped, mixed;
};

static void one_round(uint64_t *seed, struct names *names, struct flow_row *rows,
		      struct tally *tally)
{
	static const unsigned sizes[] = { 0, 1, 2, 63, 64, 65, 128, 200, MOST_ROWS };
	unsigned n = sizes[rnd(seed, ARRAY_LEN(sizes))], hits = 0;
	uint64_t bits[FILTER_WORDS];
	uint64_t gone = rnd(seed, 3)
			    ? 0
			    : (rnd(seed, UINT32_MAX) << 30 | rnd(seed, UINT32_MAX)) &
				  ~(UINT64_C(1) << F_start_ms | UINT64_C(1) << F_end_ms);
	struct block *b = block_new(names);
	struct tree t = { .n = 0 };
	struct strb s = { 0 };
	struct err err = { "" };
	struct filter *f, *again;
	uint32_t count;

	for (unsigned i = 0; i < n; i++) {
		rows[i] = random_flow(seed);
		forget(&rows[i], gone);
		flow_row_add(b, &rows[i]);
	}
	random_tree(seed, &t, &s, 5);
	f = filter_compile(s.s, &err);
	if (!f)
		fail_msg("%s: %s", s.s, err.msg);
	again = filter_compile(filter_text(f), &err);
	if (!again || strcmp(filter_text(again), filter_text(f)))
		fail_msg("%s\n%s\n%s", s.s, filter_text(f),
			 again ? filter_text(again) : err.msg);
	count = filter_run(f, b, bits);
	for (unsigned i = 0; i < n; i++) {
		unsigned at = 0, term = 0;
		bool want = tree_true(&t, &at, &term, &rows[i], names);

		if (want != (bits[i / 64] >> i % 64 & 1))
			fail_msg("flow %u of %u: %d by %s\nwhich is %s", i, n, !want, s.s,
				 filter_text(f));
		hits += want;
	}
	assert_int_equal(count, hits);
	if (filter_may_match(f, range_of, addr_in, b))
		tally->mixed += hits > 0 && hits < n;
	else if (hits)
		fail_msg("skipped %u flows: %s", hits, s.s);
	else
		tally->skipped++;
	assert_true(filter_may_match(f, range_of, NULL, b) || !hits);
	filter_free(&f);
	filter_free(&again);
	strb_free(&s);
	block_unref(&b);
}

static void a_block_is_judged_as_its_flows_are_one_by_one(void **state)
{
	const char *given = getenv("FILTER_ROUNDS");
	unsigned rounds = given ? (unsigned)atoi(given) : ROUNDS;
	struct flow_row *rows = xcalloc(MOST_ROWS, sizeof(*rows));
	struct names *names = flow_row_names();
	struct tally tally = { 0 };

	(void)state;
	for (unsigned i = 0; i < rounds; i++) {
		uint64_t seed = i * UINT64_C(2654435761) + 1;

		one_round(&seed, names, rows, &tally);
	}
	/* The rounds must be of some use. */
	assert_true(tally.skipped > rounds / 50);
	assert_true(tally.mixed > rounds / 4);
	names_free(&names);
	free(rows);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_block_is_judged_as_its_flows_are_one_by_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
