/* summary_read.c - a summary, read and not believed.
 * SPDX-License-Identifier: ISC
 *
 * As with parts, every length is held against what is there and every list against its
 * checksum; lists must be in order, or looking a key up would miss it.
 */
#include "storage/archive/summary.h"

#include "storage/archive/addrs.h"
#include "storage/archive/dir.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SLACK = 8 };

/* A list that has been read; the first of a kind and the second. */
struct held {
	bool known, ok;
	struct list list;
	size_t cap_keys, cap;
};

struct summary_reader {
	int fd;
	uint64_t size, body_at, names_at;
	struct summary s;
	struct out head;
	uint8_t *raw;
	size_t raw_cap;
	struct unpacker *unpacker;
	struct addr *addrs;
	uint32_t *ints, *ints2;
	struct held held[LIST_KINDS][2];
};

struct summary_reader *summary_reader_new(void)
{
	struct summary_reader *r = xcalloc(1, sizeof(*r));

	r->fd = -1;
	r->unpacker = unpacker_new();
	r->addrs = xcalloc(LIST_MAX, sizeof(*r->addrs));
	r->ints = xcalloc(LIST_MAX, sizeof(*r->ints));
	r->ints2 = xcalloc(LIST_MAX, sizeof(*r->ints2));
	return r;
}

static void close_file(struct summary_reader *r)
{
	if (r->fd >= 0)
		close(r->fd);
	r->fd = -1;
}

void summary_reader_free(struct summary_reader **rp)
{
	struct summary_reader *r = *rp;

	if (!r)
		return;
	close_file(r);
	unpacker_free(&r->unpacker);
	for (int k = 0; k < LIST_KINDS; k++)
		for (int i = 0; i < 2; i++) {
			free(r->held[k][i].list.keys);
			free(r->held[k][i].list.sums);
		}
	free(r->head.p);
	free(r->raw);
	free(r->addrs);
	free(r->ints);
	free(r->ints2);
	free(r);
	*rp = NULL;
}

/* ---- the directory ---- */

static bool read_infos(struct summary *s, struct in *in, uint64_t body_len)
{
	uint64_t at = 0;

	for (unsigned n = in_u8(in); n && !in->bad; n--) {
		uint8_t k = in_u8(in);
		struct list_info *l = k < LIST_KINDS ? &s->list[k] : NULL;
		uint64_t entries, rest;

		if (!l || l->here)
			return false;
		entries = in_varint(in);
		rest = in_varint(in);
		l->here = true;
		l->bound.bytes = in_varint(in);
		l->bound.packets = in_varint(in);
		l->bound.flows = in_varint(in);
		for (int i = 0; i < 2; i++) {
			l->len[i] = in_u32(in);
			l->sum[i] = in_u32(in);
		}
		if (entries > LIST_MAX || rest > LIST_MAX)
			return false;
		l->n = (uint32_t)entries;
		l->rest = (uint32_t)rest;
	}
	for (int i = 0; i < 2; i++)
		for (int k = 0; k < LIST_KINDS; k++) {
			s->list[k].at[i] = (uint32_t)at;
			at += s->list[k].len[i];
		}
	return !in->bad && !in_left(in) && at == body_len;
}

static bool read_head(struct summary *s, const struct out *head, uint64_t body_len)
{
	struct in in = in_over(head->p, head->len);

	*s = (struct summary){ 0 };
	s->file_s = (int64_t)in_u64(&in);
	s->octets = in_u64(&in);
	s->check = in_u64(&in);
	totals_read(&in, &s->totals);
	s->latest_start_ms = (int64_t)in_u64(&in);
	s->earliest_end_ms = (int64_t)in_u64(&in);
	s->counted.bytes = in_u64(&in);
	s->counted.packets = in_u64(&in);
	s->counted.flows = in_u64(&in);
	s->sampling = in_u32(&in);
	s->names_len = in_u32(&in);
	return read_infos(s, &in, body_len);
}

const struct summary *summary_open(struct summary_reader *r, const char *directory,
				   int64_t file_s, uint64_t octets, uint64_t check)
{
	char path[DIR_PATH];
	uint64_t at = 0;
	struct frame f;
	struct stat st;

	close_file(r);
	for (int k = 0; k < LIST_KINDS; k++)
		r->held[k][0].known = r->held[k][1].known = false;
	r->fd = open(dir_summary_path(directory, file_s, path),
		     O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (r->fd < 0 || fstat(r->fd, &st) ||
	    frame_next(r->fd, (uint64_t)st.st_size, &at, &f, &r->head) != 1 ||
	    f.type != FRAME_SUMMARY || !read_head(&r->s, &r->head, f.body_len) ||
	    frame_octets(&f) + r->s.names_len != (uint64_t)st.st_size ||
	    r->s.file_s != file_s || r->s.octets != octets || r->s.check != check) {
		close_file(r);
		return NULL;
	}
	r->size = (uint64_t)st.st_size;
	r->body_at = FRAME_HEADER + f.head_len;
	r->names_at = frame_octets(&f);
	return &r->s;
}

/* ---- lists ---- */

static bool read_keys(struct summary_reader *r, struct in *in, enum list_kind kind,
		      struct list *l)
{
	size_t octets = list_octets(kind), at = 0;

	for (const char *p = list_parts[kind]; *p; p++) {
		size_t len = *p == 'a' ? sizeof(struct addr) : sizeof(uint32_t);

		if (!(*p == 'a' ? addrs_read(r->unpacker, in, r->addrs, l->n)
				: ints_read(r->unpacker, in, r->ints, l->n)))
			return false;
		for (uint32_t i = 0; i < l->n; i++)
			memcpy(l->keys + i * octets + at,
			       *p == 'a' ? (void *)&r->addrs[i] : (void *)&r->ints[i],
			       len);
		at += len;
	}
	for (uint32_t i = 1; i < l->n; i++)
		if (memcmp(l->keys + (i - 1) * octets, l->keys + i * octets, octets) >= 0)
			return false;
	return true;
}

static bool read_sums(struct summary_reader *r, struct in *in, struct list *l,
		      size_t offset)
{
	uint8_t wide = in_u8(in);

	if (wide > 1 || !ints_read(r->unpacker, in, r->ints, l->n) ||
	    (wide && !ints_read(r->unpacker, in, r->ints2, l->n)))
		return false;
	for (uint32_t i = 0; i < l->n; i++) {
		uint64_t v = r->ints[i] | (wide ? (uint64_t)r->ints2[i] << 32 : 0);

		memcpy((uint8_t *)&l->sums[i] + offset, &v, sizeof(v));
	}
	return true;
}

static void make_room(struct held *h, uint32_t n, size_t octets)
{
	if (n * octets > h->cap_keys) {
		h->cap_keys = n * octets;
		h->list.keys = xrealloc(h->list.keys, h->cap_keys, 1);
	}
	if (n > h->cap) {
		h->cap = n;
		h->list.sums = xrealloc(h->list.sums, n, sizeof(*h->list.sums));
	}
}

static bool read_list(struct summary_reader *r, enum list_kind kind, int which,
		      struct held *h)
{
	const struct list_info *info = &r->s.list[kind];
	uint32_t len = info->len[which];
	struct in in;

	h->list.n = which ? info->rest : info->n;
	make_room(h, h->list.n, list_octets(kind));
	if (!h->list.n)
		return !len;
	if (len + SLACK > r->raw_cap) {
		r->raw_cap = len + len / 4 + SLACK;
		free(r->raw);
		r->raw = xcalloc(1, r->raw_cap);
	}
	in = in_over(r->raw, len);
	return read_at(r->fd, r->raw, len, r->body_at + info->at[which]) &&
	       body_sum(r->raw, len) == info->sum[which] &&
	       read_keys(r, &in, kind, &h->list) &&
	       read_sums(r, &in, &h->list, offsetof(struct sums, bytes)) &&
	       read_sums(r, &in, &h->list, offsetof(struct sums, packets)) &&
	       read_sums(r, &in, &h->list, offsetof(struct sums, flows)) && !in.bad &&
	       !in_left(&in);
}

/* NULL: not there, or damaged. */
static const struct list *held(struct summary_reader *r, enum list_kind kind, int which)
{
	struct held *h = &r->held[kind][which];

	if (r->fd < 0 || !r->s.list[kind].here)
		return NULL;
	if (!h->known)
		h->ok = read_list(r, kind, which, h);
	h->known = true;
	return h->ok ? &h->list : NULL;
}

/* ---- exporters ---- */

static bool read_names(struct summary_reader *r, struct name_sink *sink,
		       struct file_names *fn)
{
	uint64_t at = r->names_at;
	struct out head = { 0 };
	struct frame f;
	bool ok = true;

	while (ok && at < r->size) {
		struct in in = { 0 };

		ok = frame_next(r->fd, r->size, &at, &f, &head) == 1 &&
		     f.type == FRAME_NAMES;
		if (ok)
			in = in_over(head.p, head.len);
		ok = ok && names_apply(sink, fn, f.ordinal, &in);
		at += ok ? frame_octets(&f) : 0;
	}
	free(head.p);
	return ok;
}

/* The file's numbers of exporters, the first four octets of keys, become the sink's. */
static bool rename_exporters(struct summary_reader *r, enum list_kind kind,
			     struct name_sink *sink, const struct list *l)
{
	struct file_names fn = { .ordinal = NO_NAMES };
	size_t octets = list_octets(kind);
	bool ok = read_names(r, sink, &fn);

	for (uint32_t i = 0; ok && i < l->n; i++) {
		uint32_t number;

		memcpy(&number, l->keys + i * octets, sizeof(number));
		ok = number < fn.n;
		if (ok)
			memcpy(l->keys + i * octets, &fn.ids[number], sizeof(number));
	}
	file_names_clear(sink, &fn);
	return ok;
}

bool summary_list(struct summary_reader *r, enum list_kind kind, struct name_sink *sink,
		  struct list *out)
{
	bool named = kind == LIST_EXPORTER || kind == LIST_INTERFACE;
	const struct list *l;

	if (named)
		r->held[kind][0].known = false; /* keys are changed below */
	l = held(r, kind, 0);
	if (!l || (named && !rename_exporters(r, kind, sink, l)))
		return false;
	*out = *l;
	return true;
}

/* ---- one key ---- */

static const struct sums *look_up(const struct list *l, size_t octets, const void *key)
{
	uint32_t lo = 0, hi = l->n;

	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;
		int c = memcmp(l->keys + mid * octets, key, octets);

		if (!c)
			return &l->sums[mid];
		if (c < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return NULL;
}

/* Whether the file has no flow of that address at all. */
static bool no_such_host(struct summary_reader *r, const uint8_t *addr)
{
	const struct list_info *info = &r->s.list[LIST_HOST];
	const struct list *first = held(r, LIST_HOST, 0), *rest = NULL;

	if (!first || look_up(first, sizeof(struct addr), addr))
		return false;
	if (list_whole(info))
		return true;
	if (info->rest)
		rest = held(r, LIST_HOST, 1);
	return rest && !look_up(rest, sizeof(struct addr), addr);
}

bool summary_find(struct summary_reader *r, enum list_kind kind, const uint8_t *key,
		  struct sums *out)
{
	const struct list *l = held(r, kind, 0);
	size_t octets = list_octets(kind);
	const struct sums *s = l ? look_up(l, octets, key) : NULL;
	const char *p = list_parts[kind];

	*out = (struct sums){ 0 };
	if (!l)
		return false;
	if (!s && r->s.list[kind].rest) {
		l = held(r, kind, 1);
		if (!l)
			return false;
		s = look_up(l, octets, key);
		if (!s)
			return true;
	}
	if (s) {
		*out = *s;
		return true;
	}
	return list_whole(&r->s.list[kind]) || (p[0] == 'a' && no_such_host(r, key)) ||
	       (p[0] == 'a' && p[1] == 'a' && no_such_host(r, key + sizeof(struct addr)));
}

bool summary_check(struct summary_reader *r)
{
	struct name_sink sink;
	struct file_names fn = { .ordinal = NO_NAMES };
	bool ok = true;

	for (int k = 0; k < LIST_KINDS; k++)
		for (int i = 0; i < 2; i++)
			ok = ok && (!r->s.list[k].here || held(r, k, i));
	name_sink_init(&sink, NULL);
	ok = ok && read_names(r, &sink, &fn);
	file_names_clear(&sink, &fn);
	name_sink_fini(&sink);
	return ok;
}
