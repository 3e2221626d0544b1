/* cmd_flows.c - culprit flows: single flows that pass a filter.
 * SPDX-License-Identifier: ISC
 *
 * The archive is read twice: once for the sort keys and the totals alone, with all
 * threads, which finds the limit that the wanted flows lie above; once to copy those. So
 * a list of a hundred out of a month needs no more memory than one out of a minute.
 */
#include "daemon/cli/cmd.h"

#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "daemon/base/mem.h"
#include "daemon/base/units.h"
#include "daemon/cli/progress.h"
#include "daemon/cli/query.h"
#include "daemon/cli/table.h"
#include "daemon/cli/through_top.h"
#include "daemon/evidence/veil.h"
#include "daemon/evidence/join.h"
#include "daemon/evidence/named.h"
#include "daemon/model/flow_text.h"
#include "daemon/model/rows.h"

enum { ROWS = 100, ROWS_MAX = 100000, WORKERS = 256, SLACK = 1000, NAMES_MS = 500 };

enum sort { SORT_NEWEST, SORT_OLDEST, SORT_BYTES, SORT_PACKETS, SORT_RATE };
static const char *const sort_word[] = { "newest", "oldest", "bytes", "packets", "rate" };

/* Larger is listed first. Equal ones differ by their addresses, so that the order does
 * not hang on which thread was faster. */
struct rank {
	uint64_t by, start, who;
};

struct heap { /* the n largest so far, the smallest of them first */
	struct rank *at;
	size_t n, cap;
};

struct chosen {
	struct rank rank;
	char *text; /* the flow in the form that is printed */
	struct join_flow flow; /* with --urls */
};

struct flows {
	struct cli *c;
	struct query q;
	const char *sort_text;
	enum sort sort;
	uint64_t n;
	bool urls, ask_names;
	struct flow_names *names; /* of the chosen; NULL: none are told */

	struct heap heap[WORKERS];
	struct sums total[WORKERS]; /* of all that pass, not only of those that are listed */
	struct sums all;
	struct rank limit; /* what is wanted is not below */
	bool limited;
	struct chosen *chosen;
	size_t n_chosen, cap_chosen;
	struct archive_result read;
	struct progress bar;
};

static int rank_cmp(const struct rank *a, const struct rank *b)
{
	if (a->by != b->by)
		return a->by < b->by ? -1 : 1;
	if (a->start != b->start)
		return a->start < b->start ? -1 : 1;
	return (a->who > b->who) - (a->who < b->who);
}

/* FNV-1a: unlike map_hash the same in every run. */
static uint64_t mix(uint64_t h, const void *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		h = (h ^ ((const uint8_t *)p)[i]) * UINT64_C(0x100000001b3);
	return h;
}

static uint64_t rate_of(const struct block *b, uint32_t r)
{
	int64_t ms = b->end_ms[r] - b->start_ms[r];

	return (uint64_t)((double)b->bytes[r] * 8000 / (double)(ms > 0 ? ms : 1));
}

/* What a flow is sorted by. */
static uint64_t value_of(const struct flows *f, const struct block *b, uint32_t r)
{
	switch (f->sort) {
	case SORT_NEWEST: return (uint64_t)b->start_ms[r];
	case SORT_OLDEST: return ~(uint64_t)b->start_ms[r];
	case SORT_BYTES: return b->bytes[r];
	case SORT_PACKETS: return b->packets[r];
	case SORT_RATE: break;
	}
	return rate_of(b, r);
}

static struct rank rank_of(const struct flows *f, const struct block *b, uint32_t r)
{
	uint64_t h = mix(UINT64_C(0xcbf29ce484222325), &b->src[r], sizeof(b->src[r]));

	h = mix(h, &b->dst[r], sizeof(b->dst[r]));
	h = mix(h, &b->src_port[r], sizeof(b->src_port[r]));
	h = mix(h, &b->dst_port[r], sizeof(b->dst_port[r]));
	h = mix(h, &b->bytes[r], sizeof(b->bytes[r]));
	return (struct rank){ value_of(f, b, r), (uint64_t)b->start_ms[r], h };
}

static void sift(struct heap *h, size_t at)
{
	for (;;) {
		size_t least = at;
		struct rank tmp;

		for (size_t kid = 2 * at + 1; kid <= 2 * at + 2 && kid < h->n; kid++)
			if (rank_cmp(&h->at[kid], &h->at[least]) < 0)
				least = kid;
		if (least == at)
			return;
		tmp = h->at[at];
		h->at[at] = h->at[least];
		h->at[least] = tmp;
		at = least;
	}
}

static void offer(struct heap *h, size_t most, const struct rank *r)
{
	if (h->n < most) {
		if (h->n == h->cap) {
			h->cap = h->cap ? h->cap * 2 : 128;
			h->at = xrealloc(h->at, h->cap, sizeof(*h->at));
		}
		h->at[h->n++] = *r;
		if (h->n == most)
			for (size_t i = most / 2 + 1; i-- > 0;)
				sift(h, i);
		return;
	}
	if (rank_cmp(r, &h->at[0]) <= 0)
		return;
	h->at[0] = *r;
	sift(h, 0);
}

/* Rows of the alert's series alone. */
static const uint64_t *mine(const struct flows *f, const struct block *b,
			    const uint64_t *bits, uint64_t copy[static ROW_WORDS])
{
	if (!f->q.only)
		return bits;
	memcpy(copy, bits, ROW_WORDS * sizeof(*copy));
	key_select(f->q.alert->by, &f->q.key, b, copy);
	return copy;
}

/* As top lists count them, shares and all. */
static void add_up(const struct flows *f, const struct block *b, const uint64_t *bits,
		   struct sums *to)
{
	uint64_t counts[ROW_WORDS];

	memcpy(counts, bits, sizeof(counts));
	rows_counted(f->q.only ? f->q.alert->by : BY_NONE, filter_columns(f->q.filter), b,
		     counts);
	for (uint32_t w = 0; w * 64 < b->n; w++)
		for (uint64_t left = counts[w]; left; left &= left - 1) {
			uint32_t r = w * 64 + (uint32_t)__builtin_ctzll(left);
			struct sums s = f->q.whole ? row_sums(b, r)
						   : row_share(b, r, f->q.from_ms, f->q.to_ms);

			sums_add(to, &s);
		}
}

static bool rank_rows(void *arg, unsigned worker, const struct block *b,
		      const uint64_t *bitmap)
{
	struct flows *f = arg;
	uint64_t copy[ROW_WORDS];
	const uint64_t *bits = mine(f, b, bitmap, copy);
	struct heap *h = &f->heap[worker % WORKERS];

	add_up(f, b, bits, &f->total[worker % WORKERS]);
	for (uint32_t w = 0; w * 64 < b->n; w++)
		for (uint64_t left = bits[w]; left; left &= left - 1) {
			uint32_t row = w * 64 + (uint32_t)__builtin_ctzll(left);
			struct rank r;

			if (h->n == f->n && value_of(f, b, row) < h->at[0].by)
				continue; /* most rows of a large archive */
			r = rank_of(f, b, row);
			offer(h, f->n, &r);
		}
	return true;
}

/* As text at once: who a flow's exporter is, only its own block knows. */
static void keep(struct flows *f, const struct block *b, uint32_t row,
		 const struct rank *r)
{
	struct strb s = { 0 };

	if (f->n_chosen == f->cap_chosen) {
		f->cap_chosen = f->cap_chosen ? f->cap_chosen * 2 : 128;
		f->chosen = xrealloc(f->chosen, f->cap_chosen, sizeof(*f->chosen));
	}
	if (f->c->json)
		flow_text_json(&s, b, row);
	else if (f->c->csv)
		flow_text_csv(&s, b, row, UINT64_MAX);
	else
		flow_text_columns(&s, b, row);
	f->chosen[f->n_chosen++] = (struct chosen){
		.rank = *r, .text = strb_take(&s),
		.flow = { .src = b->src[row], .dst = b->dst[row],
			  .src_port = b->src_port[row], .dst_port = b->dst_port[row],
			  .from_ms = b->start_ms[row], .to_ms = b->end_ms[row],
			  .bytes = b->bytes[row] },
	};
}

static bool keep_rows(void *arg, unsigned worker, const struct block *b,
		      const uint64_t *bitmap)
{
	struct flows *f = arg;
	uint64_t copy[ROW_WORDS];
	const uint64_t *bits = mine(f, b, bitmap, copy);

	(void)worker;
	for (uint32_t w = 0; w * 64 < b->n; w++)
		for (uint64_t left = bits[w]; left; left &= left - 1) {
			uint32_t row = w * 64 + (uint32_t)__builtin_ctzll(left);
			struct rank r = rank_of(f, b, row);

			/* More than wanted only when flows came in between the two
			 * readings. */
			if (f->n_chosen < f->n + SLACK &&
			    (!f->limited || rank_cmp(&r, &f->limit) >= 0))
				keep(f, b, row, &r);
		}
	return true;
}

static int by_rank(const void *x, const void *y)
{
	return rank_cmp(&((const struct chosen *)y)->rank,
			&((const struct chosen *)x)->rank);
}

/* The n-th largest of all workers, when there are so many. */
static void find_limit(struct flows *f)
{
	struct heap *all = &f->heap[0];

	for (size_t w = 1; w < WORKERS; w++) {
		for (size_t i = 0; i < f->heap[w].n; i++)
			offer(all, f->n, &f->heap[w].at[i]);
		free(f->heap[w].at);
	}
	for (size_t w = 0; w < WORKERS; w++)
		sums_add(&f->all, &f->total[w]);
	f->limited = all->n == f->n;
	if (f->limited)
		f->limit = all->at[0];
	free(all->at);
	memset(f->heap, 0, sizeof(f->heap));
}

/* The second reading needs only what lies above the limit, which lets the archive skip
 * whole blocks by their summaries. *own is a filter to be freed, or NULL. */
static void narrow(const struct flows *f, struct archive_query *q, struct filter **own)
{
	int64_t start = (int64_t)(f->sort == SORT_OLDEST ? ~f->limit.by : f->limit.by);
	char *text;

	if (!f->limited)
		return;
	if (f->sort == SORT_NEWEST && start > q->from_ms)
		q->from_ms = start;
	if (f->sort == SORT_OLDEST && start < q->to_ms - 1)
		q->to_ms = start + 1;
	if ((f->sort != SORT_BYTES && f->sort != SORT_PACKETS) || !f->limit.by)
		return;
	text = xasprintf("(%s) and %s > %llu", filter_text(q->filter), sort_word[f->sort],
			 (unsigned long long)f->limit.by - 1);
	*own = filter_compile(text, NULL);
	cli_geo(f->c, *own);
	if (*own)
		q->filter = *own;
	free(text);
}

static bool read_flows(struct flows *f, struct err *err)
{
	struct archive_query q = { .directory = f->q.directory,
				   .from_ms = f->q.from_ms,
				   .to_ms = f->q.to_ms,
				   .filter = f->q.filter,
				   .names = f->q.names,
				   .as_of = f->q.position,
				   .progress = progress_tell,
				   .progress_arg = &f->bar };
	struct archive_result again;
	struct filter *own = NULL;
	bool ok;

	q.columns = f->q.only
			? UINT64_MAX
			: UINT64_C(1) << F_start_ms | UINT64_C(1) << F_end_ms |
			      UINT64_C(1) << F_src | UINT64_C(1) << F_dst |
			      UINT64_C(1) << F_src_port | UINT64_C(1) << F_dst_port |
			      UINT64_C(1) << F_bytes | UINT64_C(1) << F_packets |
			      UINT64_C(1) << F_flows | UINT64_C(1) << F_counts;
	ok = archive_read(&q, rank_rows, f, &f->read, err);
	find_limit(f);
	narrow(f, &q, &own);
	q.columns = UINT64_MAX;
	q.threads = 1;
	ok = ok && archive_read(&q, keep_rows, f, &again, err);
	filter_free(&own);
	if (f->n_chosen)
		qsort(f->chosen, f->n_chosen, sizeof(*f->chosen), by_rank);
	for (; f->n_chosen > f->n; f->n_chosen--)
		free(f->chosen[f->n_chosen - 1].text);
	return ok;
}

/* ---- printing ---- */

static void head_json(const struct flows *f, struct strb *s)
{
	char from[UNIT_TEXT], to[UNIT_TEXT];

	strb_fmt(s, "{\"from\":\"%s\",\"to\":\"%s\",\"filter\":",
		 text_rfc3339(f->q.from_ms, from), text_rfc3339(f->q.to_ms, to));
	strb_json(s, filter_text(f->q.filter));
	strb_fmt(
	    s, ",\"total\":{\"bytes\":%llu,\"packets\":%llu,\"flows\":%llu},\"flows\":[",
	    (unsigned long long)f->all.bytes, (unsigned long long)f->all.packets,
	    (unsigned long long)f->all.flows);
}

static void head_people(const struct flows *f, struct strb *s)
{
	char b[UNIT_TEXT], n[UNIT_TEXT];

	query_head(&f->q, s);
	strb_fmt(s, "%s in %s flows", text_bytes((double)f->all.bytes, b),
		 text_count((double)f->all.flows, n));
	if (f->limited)
		strb_fmt(s, "; %zu of them, %s first", f->n_chosen,
			 f->sort <= SORT_OLDEST ? sort_word[f->sort] : "largest");
	strb_add(s, f->n_chosen ? "\n\n" : "\n");
}

/* ---- lines below each other ---- */

/* The next part of a line; its width in columns, its octets. */
static unsigned part_width(const char *s, size_t *len)
{
	char part[256];

	*len = strcspn(s, "\t");
	snprintf(part, sizeof(part), "%.*s", (int)*len, s);
	return text_width(part);
}

static void find_widths(const struct flows *f, unsigned width[static FLOW_TEXT_COLUMNS])
{
	memset(width, 0, FLOW_TEXT_COLUMNS * sizeof(*width));
	for (size_t i = 0; i < f->n_chosen; i++) {
		const char *s = f->chosen[i].text;

		for (unsigned k = 0; k + 1 < FLOW_TEXT_COLUMNS; k++) {
			size_t len;
			unsigned w = part_width(s, &len);

			width[k] = w > width[k] ? w : width[k];
			s += len + (s[len] == '\t');
		}
	}
}

/* Durations, bytes and packets to the right, as numbers are. */
static void add_aligned(struct strb *out, const char *s,
			const unsigned width[static FLOW_TEXT_COLUMNS])
{
	static const bool right[FLOW_TEXT_COLUMNS] = { [1] = true, [5] = true, [6] = true };

	for (unsigned k = 0; k + 1 < FLOW_TEXT_COLUMNS; k++) {
		size_t len;
		unsigned w = part_width(s, &len), fill = width[k] - w;

		strb_fmt(out, "%s%*s", k ? " " : "", right[k] ? (int)fill : 0, "");
		strb_addn(out, s, len);
		strb_fmt(out, "%*s", right[k] ? 0 : (int)fill, "");
		s += len + (s[len] == '\t');
	}
	strb_add(out, s);
}

static int print(const struct flows *f, const struct through_urls *urls)
{
	unsigned width[FLOW_TEXT_COLUMNS];
	bool people = !f->c->json && !f->c->csv;

	struct strb s = { 0 };
	int code;

	if (f->c->json)
		head_json(f, &s);
	else if (f->c->csv)
		flow_text_csv_head(&s, UINT64_MAX);
	else
		head_people(f, &s);
	if (people)
		find_widths(f, width);
	for (size_t i = 0; i < f->n_chosen; i++) {
		strb_add(&s, f->c->json ? i ? ",\n" : "\n" : "");
		if (people)
			add_aligned(&s, f->chosen[i].text, width);
		else
			strb_add(&s, f->chosen[i].text);
		if (f->names && f->c->json)
			flow_names_json(&f->names[i], &s);
		else if (f->names)
			flow_names_text(&f->names[i], &s);
		if (urls && f->c->json)
			through_urls_json(&urls[i], &s);
		strb_add(&s, f->c->json || f->c->csv ? "" : "\n");
		if (urls && !f->c->json)
			through_urls_text(&urls[i], f->chosen[i].flow.bytes, &s);
	}
	if (f->c->json)
		strb_fmt(&s, "],\"more\":%s}\n", f->limited ? "true" : "false");
	code = cli_print_text(&s);
	strb_free(&s);
	return code;
}

static void withhold(struct flows *f, size_t i, const struct addr *who, const struct veil *veil)
{
	if (addr_is_none(who))
		return;
	through_withhold(&f->chosen[i].text, who, veil);
	if (f->names)
		flow_names_withhold(&f->names[i], &f->chosen[i].flow, who);
}

/* What an alert saw is told the same for ever; a name may be another tomorrow. CSV has no
 * column for what flows do not tell themselves. */
static void find_names(struct flows *f)
{
	struct join_flow *list;

	if (f->q.as_of || f->c->csv || !cli_owners(f->c, f->ask_names))
		return;
	list = xcalloc(f->n_chosen + 1, sizeof(*list));
	for (size_t i = 0; i < f->n_chosen; i++)
		list[i] = f->chosen[i].flow;
	f->names = flow_names_find(cli_owners(f->c, f->ask_names), list, f->n_chosen,
				   f->ask_names ? NAMES_MS : 0);
	free(list);
}

/* Of the chosen flows, in their order; NULL + exit code. */
static struct through_urls *find_urls(struct flows *f, int *code)
{
	struct join_flow *list = xcalloc(f->n_chosen + 1, sizeof(*list));
	struct through_conf conf;
	struct through_urls *urls = NULL;
	struct through_query tq;
	struct err err = { "" };

	*code = EX_CONFIG;
	for (size_t i = 0; i < f->n_chosen; i++)
		list[i] = f->chosen[i].flow;
	if (through_query_of(f->c, &f->q, &tq, &conf)) {
		urls = through_flows(&tq, list, f->n_chosen, &err);
		for (size_t i = 0; urls && i < f->n_chosen; i++)
			withhold(f, i, &urls[i].withheld, conf.veil);
		if (!urls)
			*code = cli_fail(EX_UNAVAILABLE, "%s", err.msg);
	}
	through_conf_free(&conf);
	free(list);
	return urls;
}

static int print_all(struct flows *f)
{
	struct through_urls *urls = NULL;
	int code;

	find_names(f);
	if (f->urls && !(urls = find_urls(f, &code)))
		return code;
	code = print(f, urls);
	through_urls_free(&urls, f->n_chosen);
	return code;
}

static int run(struct flows *f)
{
	struct err err = { "" };
	int code;
	bool ok;

	progress_begin(&f->bar, "reading the archive");
	ok = read_flows(f, &err);
	progress_end(&f->bar);
	if (!ok) {
		code = cli_fail(EX_UNAVAILABLE, "%s", err.msg);
	} else {
		code = print_all(f);
		query_caveats(&f->q, &f->read, !f->n_chosen);
	}
	for (size_t i = 0; i < f->n_chosen; i++)
		free(f->chosen[i].text);
	free(f->chosen);
	free(f->names);
	return code;
}

static bool parse_sort(struct flows *f)
{
	for (size_t i = 0; i < ARRAY_LEN(sort_word); i++)
		if (!strcmp(sort_word[i], f->sort_text)) {
			f->sort = (enum sort)i;
			return true;
		}
	return false;
}

int cmd_flows(struct cli *c, int argc, char **argv)
{
	struct flows *f = xcalloc(1, sizeof(*f));
	const struct arg args[] = {
		QUERY_ARGS(&f->q),
		{ "rows", 'n', ARG_COUNT, "ROWS", "how many (100)", &f->n },
		{ "sort", 0, ARG_TEXT, "ORDER",
		  "newest (as it is), oldest, bytes, packets, rate", &f->sort_text },
		{ "names", 0, ARG_FLAG, NULL, "ask the DNS for names, too", &f->ask_names },
		{ "urls", 0, ARG_FLAG, NULL,
		  "what was asked of the proxy in each of them, and by whom", &f->urls },
		{ 0 },
	};
	int code;

	f->c = c;
	f->n = ROWS;
	f->sort_text = sort_word[SORT_NEWEST];
	code = cli_args(c, &argc, argv, args);
	if (code < 0 && (!f->n || f->n > ROWS_MAX))
		code = cli_usage(c, "-n goes from 1 to %d", ROWS_MAX);
	if (code < 0 && !parse_sort(f))
		code = cli_usage(c,
				 "--sort is newest, oldest, bytes, packets or rate, not "
				 "\"%s\"",
				 f->sort_text);
	if (code < 0 && f->urls && c->csv)
		code = cli_usage(c, "--urls makes lists, which CSV has no place for; use "
				    "--json, or top --by url --csv");
	if (code < 0)
		code = query_read(c, &f->q, argc, argv);
	if (code < 0)
		code = run(f);
	query_fini(&f->q);
	free(f);
	return code;
}
