/* fuzz_archive.c - an archive file made by somebody who wishes us ill.
 * SPDX-License-Identifier: ISC
 *
 * Read twice: as it is, when nearly everything fails at a checksum, and with the
 * checksums put right, so that what lies behind them is reached as well. Rows are
 * read to the last octet, texts too.
 */
#include "daemon/base/mem.h"
#include "daemon/evidence/top.h"
#include "storage/archive/archive.h"
#include "storage/archive/dir.h"
#include "storage/archive/frame.h"
#include "storage/archive/part.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

enum { LEN_MAX = 1 << 20 };

static char dir[64], path[DIR_PATH]; /* of this process */

/* Puts the sums of a directory's sections right, as far as it can be followed. */
static void mend_sections(uint8_t *head, size_t len, const uint8_t *body, size_t body_len,
			  const struct columns *c)
{
	struct in r = in_over(head, len);
	unsigned n;

	in_bytes(&r, 68);
	for (n = in_u8(&r); n && !r.bad; n--) {
		uint8_t id = in_u8(&r), form = in_u8(&r);
		uint32_t octets;

		if (id == SECTION_ADDRS)
			in_varint(&r);
		else if (id < 64 && c->is_addr[id])
			in_bytes(&r, 32);
		else {
			in_varint(&r);
			in_varint(&r);
		}
		if (form == FORM_CONST)
			continue;
		octets = in_u32(&r);
		if (r.bad || octets > body_len || in_left(&r) < 4)
			return;
		put_le(head + (r.p - head), body_sum(body, octets), 4);
		in_u32(&r);
		body += octets;
		body_len -= octets;
	}
}

static void mend(uint8_t *p, size_t len)
{
	struct columns c = { 0 };
	struct frame f;

	while (len >= FRAME_HEADER && frame_of(p, &f) && frame_octets(&f) <= len) {
		struct out head = { p + FRAME_HEADER, f.head_len, f.head_len };
		struct in r = in_over(head.p, head.len);

		if (f.type == FRAME_HEAD) {
			in_u64(&r);
			columns_read(&r, &c);
		}
		if (f.type == FRAME_FLOWS)
			mend_sections(head.p, head.len, head.p + head.len, f.body_len,
				      &c);
		frame_seal(&f, &head, f.body_len, p);
		p += frame_octets(&f);
		len -= frame_octets(&f);
	}
}

static bool touch(void *arg, unsigned worker, const struct block *b, const uint64_t *bits)
{
	uint64_t *sum = arg;

	(void)worker;
	for (uint32_t r = 0; r < b->n; r++) {
		if (!(bits[r / 64] >> (r % 64) & 1))
			continue;
		for (int f = 0; f < FIELD_COUNT; f++) {
			const uint8_t *cell = block_cell(b, (enum field)f, r);

			if (field_info[f].kind == KIND_TEXT)
				*sum += strlen(block_text_at(b, *(const uint32_t *)cell));
			else
				*sum += cell[0] + cell[field_info[f].width - 1];
		}
		*sum += names_exporter_at(b->names, b->exporter[r]) != NULL;
	}
	return true;
}

static void save(const uint8_t *p, size_t len)
{
	FILE *f = fopen(path, "wb");

	if (!f || fwrite(p, 1, len, f) != len || fclose(f))
		abort();
}

static void read_it(void)
{
	struct archive_query q = { .directory = dir,
				   .from_ms = INT64_MIN,
				   .to_ms = INT64_MAX,
				   .columns = ~UINT64_C(0),
				   .threads = 1 };
	struct top_query t = { .directory = dir,
			       .from_ms = INT64_C(1795430000000),
			       .to_ms = INT64_C(1795430110000),
			       .threads = 1,
			       .n = 3 };
	struct archive_result res;
	struct top_result top;
	struct err err;
	uint64_t sum = 0;

	archive_read(&q, touch, &sum, &res, &err);
	archive_verify(dir, NULL, NULL, &res, &err);
	t.n_keys = top_keys_parse("host", t.keys, &err);
	top_run(&t, &top, &err);
	top_free(&top);
}

static void clean_up(void)
{
	dir_remove(dir, 1795430100);
	rmdir(dir);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	uint8_t *copy;

	if (!*dir) {
		snprintf(dir, sizeof(dir), "%s/fuzz_archive.%d",
			 access("/dev/shm", W_OK) ? "/tmp" : "/dev/shm", getpid());
		if (!dir_make(dir, 1795430100))
			abort();
		dir_path(dir, 1795430100, path);
		atexit(clean_up);
	}
	if (len > LEN_MAX)
		return 0;
	copy = xcalloc(len + 1, 1);
	if (len)
		memcpy(copy, data, len);
	save(copy, len);
	read_it();
	mend(copy, len);
	save(copy, len);
	read_it();
	dir_remove(dir, 1795430100);
	dir_make(dir, 1795430100);
	free(copy);
	return 0;
}
