/* fuzz_summary.c - a summary made by somebody who wishes us ill.
 * SPDX-License-Identifier: ISC
 *
 * Read as it is, and with its checksums put right, as the summary of a file that fits to
 * it. Every list is read and its keys are looked up again.
 */
#include "daemon/base/mem.h"
#include "storage/archive/dir.h"
#include "storage/archive/summary.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

enum { LEN_MAX = 1 << 18, FILE_S = 1795430100, FIXED = 24 + END_HEAD + 16 + 24 + 8 };

static char dir[64], path[DIR_PATH]; /* of this process */

/* Puts the sums of the lists right, as far as the directory can be followed. */
static void mend_lists(uint8_t *head, size_t len, const uint8_t *body, size_t body_len)
{
	struct in r = in_over(head, len);
	size_t lens[LIST_KINDS][2] = { { 0 } }, at = 0;
	uint8_t *sums[LIST_KINDS][2] = { { NULL } };

	in_bytes(&r, FIXED);
	for (unsigned n = in_u8(&r); n && !r.bad; n--) {
		unsigned k = in_u8(&r) % LIST_KINDS;

		for (int i = 0; i < 5; i++)
			in_varint(&r);
		for (int i = 0; i < 2; i++) {
			lens[k][i] = in_u32(&r);
			sums[k][i] = r.bad || in_left(&r) < 4 ? NULL : head + (r.p - head);
			in_u32(&r);
		}
	}
	for (int i = 0; i < 2; i++)
		for (int k = 0; k < LIST_KINDS; k++) {
			if (lens[k][i] > body_len - at)
				return;
			if (sums[k][i])
				put_le(sums[k][i], body_sum(body + at, lens[k][i]), 4);
			at += lens[k][i];
		}
}

static void mend(uint8_t *p, size_t len)
{
	uint8_t *all = p;
	struct frame f;

	while (len >= FRAME_HEADER && frame_of(p, &f) && frame_octets(&f) <= len) {
		struct out head = { p + FRAME_HEADER, f.head_len, f.head_len };

		if (p == all && f.head_len > FIXED) {
			put_le(head.p, FILE_S, 8);
			mend_lists(head.p, head.len, head.p + head.len, f.body_len);
		}
		frame_seal(&f, &head, f.body_len, p);
		p += frame_octets(&f);
		len -= frame_octets(&f);
	}
}

static void read_it(const uint8_t *p, size_t len)
{
	struct summary_reader *r = summary_reader_new();
	uint64_t octets = 0, check = 0;
	struct name_sink sink;
	uint64_t seen = 0;

	if (len > FRAME_HEADER + 24) {
		octets = get_le(p + FRAME_HEADER + 8, 8);
		check = get_le(p + FRAME_HEADER + 16, 8);
	}
	name_sink_init(&sink, NULL);
	for (int k = 0;
	     k < LIST_KINDS && summary_open(r, dir, FILE_S, octets, check); k++) {
		enum list_kind kind = (enum list_kind)k;
		struct sums s;
		struct list l;

		if (!summary_list(r, kind, &sink, &l))
			continue;
		for (uint32_t i = 0; i < l.n; i++) {
			seen += l.sums[i].bytes + l.keys[i * list_octets(kind)];
			if (kind < LIST_EXPORTER)
				seen += summary_find(r, kind,
						     l.keys + i * list_octets(kind), &s);
		}
		summary_find(r, LIST_FLOW, (const uint8_t[LIST_KEY]){ 10 }, &s);
		summary_check(r);
	}
	name_sink_fini(&sink);
	summary_reader_free(&r);
	if (seen == UINT64_MAX) /* so that nothing of it may be left out */
		puts("");
}

static void save(const uint8_t *p, size_t len)
{
	FILE *f = fopen(path, "wb");

	if (!f || fwrite(p, 1, len, f) != len || fclose(f))
		abort();
}

static void clean_up(void)
{
	dir_remove(dir, FILE_S);
	rmdir(dir);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	uint8_t *copy;

	if (!*dir) {
		snprintf(dir, sizeof(dir), "%s/fuzz_summary.%d",
			 access("/dev/shm", W_OK) ? "/tmp" : "/dev/shm", getpid());
		if (!dir_make(dir, FILE_S))
			abort();
		dir_summary_path(dir, FILE_S, path);
		atexit(clean_up);
	}
	if (len > LEN_MAX)
		return 0;
	copy = xcalloc(len + 1, 1);
	if (len)
		memcpy(copy, data, len);
	save(copy, len);
	read_it(copy, len);
	mend(copy, len);
	save(copy, len);
	read_it(copy, len);
	free(copy);
	return 0;
}
