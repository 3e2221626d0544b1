/* summary.c - what a closed file adds up to: writing it, finding it.
 * SPDX-License-Identifier: ISC
 *
 * One frame (frame.h) whose directory tells everything but the lists, which lie in the
 * body, each with a checksum of its own, so that a question about hosts reads two
 * kilobytes. Copies of the file's NAMES frames follow.
 *
 * Written under another name and put in place whole; not synced: one that a power
 * cut leaves in pieces fails its check and is made again.
 */
#include "storage/archive/summary.h"

#include "storage/archive/addrs.h"
#include "storage/archive/dir.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/uio.h>
#include <unistd.h>

const char *const list_parts[LIST_KINDS] = {
	[LIST_HOST] = "a",    [LIST_SRC] = "a",	   [LIST_DST] = "a",
	[LIST_PAIR] = "aa",   [LIST_FLOW] = "aannn", [LIST_PORT] = "n",
	[LIST_PROTO] = "n",   [LIST_AS] = "n",	   [LIST_SRC_AS] = "n",
	[LIST_DST_AS] = "n",  [LIST_EXPORTER] = "n", [LIST_INTERFACE] = "nnn",
};

size_t list_octets(enum list_kind kind)
{
	size_t n = 0;

	for (const char *p = list_parts[kind]; *p; p++)
		n += *p == 'a' ? sizeof(struct addr) : sizeof(uint32_t);
	return n;
}

struct writer {
	struct packer *packer;
	struct out head, body;
	struct addr *addrs;
	uint32_t *ints;
};

static void write_sums(struct writer *w, const struct list *l, size_t offset)
{
	uint64_t all = 0;

	for (uint32_t i = 0; i < l->n; i++) {
		uint64_t v;

		memcpy(&v, (const uint8_t *)&l->sums[i] + offset, sizeof(v));
		w->ints[i] = (uint32_t)v;
		all |= v;
	}
	out_u8(&w->body, all > UINT32_MAX);
	ints_write(w->packer, &w->body, w->ints, l->n);
	for (uint32_t i = 0; all > UINT32_MAX && i < l->n; i++) {
		uint64_t v;

		memcpy(&v, (const uint8_t *)&l->sums[i] + offset, sizeof(v));
		w->ints[i] = (uint32_t)(v >> 32);
	}
	if (all > UINT32_MAX)
		ints_write(w->packer, &w->body, w->ints, l->n);
}

static void write_keys(struct writer *w, enum list_kind kind, const struct list *l)
{
	size_t octets = list_octets(kind), at = 0;

	for (const char *p = list_parts[kind]; *p; p++) {
		size_t len = *p == 'a' ? sizeof(struct addr) : sizeof(uint32_t);

		for (uint32_t i = 0; i < l->n; i++)
			memcpy(*p == 'a' ? (void *)&w->addrs[i] : (void *)&w->ints[i],
			       l->keys + i * octets + at, len);
		if (*p == 'a')
			addrs_write(w->packer, &w->body, w->addrs, l->n);
		else
			ints_write(w->packer, &w->body, w->ints, l->n);
		at += len;
	}
}

static void write_list(struct writer *w, enum list_kind kind, const struct list *l,
		       struct list_info *info, int which)
{
	info->at[which] = (uint32_t)w->body.len;
	if (l->n) {
		write_keys(w, kind, l);
		write_sums(w, l, offsetof(struct sums, bytes));
		write_sums(w, l, offsetof(struct sums, packets));
		write_sums(w, l, offsetof(struct sums, flows));
	}
	info->len[which] = (uint32_t)w->body.len - info->at[which];
	info->sum[which] = body_sum(w->body.p + info->at[which], info->len[which]);
}

static void write_infos(struct out *o, const struct summary *s)
{
	unsigned n = 0;

	for (int k = 0; k < LIST_KINDS; k++)
		n += s->list[k].here;
	out_u8(o, (uint8_t)n);
	for (int k = 0; k < LIST_KINDS; k++) {
		const struct list_info *l = &s->list[k];

		if (!l->here)
			continue;
		out_u8(o, (uint8_t)k);
		out_varint(o, l->n);
		out_varint(o, l->rest);
		out_varint(o, l->bound.bytes);
		out_varint(o, l->bound.packets);
		out_varint(o, l->bound.flows);
		for (int i = 0; i < 2; i++) {
			out_u32(o, l->len[i]);
			out_u32(o, l->sum[i]);
		}
	}
}

static void write_head(struct out *o, const struct summary *s)
{
	out_u64(o, (uint64_t)s->file_s);
	out_u64(o, s->octets);
	out_u64(o, s->check);
	totals_write(o, &s->totals);
	out_u64(o, (uint64_t)s->latest_start_ms);
	out_u64(o, (uint64_t)s->earliest_end_ms);
	out_u64(o, s->counted.bytes);
	out_u64(o, s->counted.packets);
	out_u64(o, s->counted.flows);
	out_u32(o, s->sampling);
	out_u32(o, s->names_len);
	write_infos(o, s);
}

/* All of it, or nothing. */
static bool put_file(const char *directory, int64_t file_s, const struct iovec *v, int n,
		     struct err *err)
{
	char path[DIR_PATH], tmp[DIR_PATH + 8];
	ssize_t len = 0;
	int fd;
	bool ok;

	for (int i = 0; i < n; i++)
		len += (ssize_t)v[i].iov_len;
	dir_summary_path(directory, file_s, path);
	snprintf(tmp, sizeof(tmp), "%s.new", path);
	fd = open(tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0640);
	ok = fd >= 0 && writev(fd, v, n) == len;
	if (!ok)
		err_set(err, "%s: %s", tmp, errno ? strerror(errno) : "no room");
	if (fd >= 0 && close(fd) && ok)
		ok = err_set(err, "%s: %s", tmp, strerror(errno));
	if (ok && rename(tmp, path))
		ok = err_set(err, "%s: %s", path, strerror(errno));
	if (!ok && fd >= 0)
		unlink(tmp);
	return ok;
}

bool summary_write(const char *directory, struct summary *s,
		   const struct summary_lists lists[static LIST_KINDS],
		   const struct out *names, struct err *err)
{
	struct writer w = { .packer = packer_new(),
			    .addrs = xcalloc(LIST_MAX, sizeof(struct addr)),
			    .ints = xcalloc(LIST_MAX, sizeof(uint32_t)) };
	struct frame f = { .type = FRAME_SUMMARY };
	uint8_t header[FRAME_HEADER];
	bool ok;

	for (int k = 0; k < LIST_KINDS; k++) {
		struct list_info *info = &s->list[k];

		if (!info->here)
			continue;
		info->n = lists[k].first.n;
		info->rest = lists[k].rest.n;
		write_list(&w, (enum list_kind)k, &lists[k].first, info, 0);
	}
	for (int k = 0; k < LIST_KINDS; k++)
		if (s->list[k].here)
			write_list(&w, (enum list_kind)k, &lists[k].rest, &s->list[k], 1);
	s->names_len = (uint32_t)names->len;
	write_head(&w.head, s);
	frame_seal(&f, &w.head, (uint32_t)w.body.len, header);
	errno = 0;
	ok = put_file(directory, s->file_s,
		      (struct iovec[]){ { header, sizeof(header) },
					{ w.head.p, w.head.len },
					{ w.body.p, w.body.len },
					{ names->p, names->len } },
		      4, err);
	packer_free(&w.packer);
	free(w.head.p);
	free(w.body.p);
	free(w.addrs);
	free(w.ints);
	return ok;
}

bool summary_there(const char *directory, int64_t file_s)
{
	struct summary_reader *r = summary_reader_new();
	char path[DIR_PATH];
	struct totals t;
	uint64_t check = 0;
	off_t size = 0;
	int fd = open(dir_path(directory, file_s, path),
		      O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	bool ok = fd >= 0 && (size = lseek(fd, 0, SEEK_END)) > 0 &&
		  file_closed(fd, (uint64_t)size, &t, &check) &&
		  summary_open(r, directory, file_s, (uint64_t)size, check) &&
		  summary_check(r);

	if (fd >= 0)
		close(fd);
	summary_reader_free(&r);
	return ok;
}
