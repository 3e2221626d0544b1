/* archive_kit.h - what the tests of the archive share.
 * SPDX-License-Identifier: ISC */
#ifndef CUL_TESTS_ARCHIVE_KIT_H
#define CUL_TESTS_ARCHIVE_KIT_H

#include "daemon/base/mem.h"
#include "storage/archive/archive.h"
#include "storage/archive/dir.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const int64_t kit_t0 = INT64_C(1795430100000); /* a five-minute boundary */

/* A folder of the test's own, in memory where that can be, since closing a file waits for
 * the disk; kit_rm() takes it away. */
static inline char *kit_dir(void)
{
	char *dir = xasprintf("%s/test_archive_XXXXXX",
			      access("/dev/shm", W_OK) ? "/tmp" : "/dev/shm");

	assert_non_null(mkdtemp(dir));
	return dir;
}

static inline void kit_rm(char *dir)
{
	char *cmd = xasprintf("rm -rf '%s'", dir);

	assert_int_equal(system(cmd), 0);
	free(cmd);
	free(dir);
}

/* The same numbers every run. */
static inline uint64_t kit_rnd(uint64_t *state)
{
	uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

static inline struct names *kit_names(unsigned exporters)
{
	struct names *n = names_new(64);

	for (unsigned i = 0; i < exporters; i++) {
		struct addr a = addr_of4((uint8_t[]){ 192, 0, 2, (uint8_t)(i + 1) });
		char name[16];

		snprintf(name, sizeof(name), "edge%u", i);
		names_exporter_known(n, &a, 0, name);
		names_interface_set(n, i, 2, "WAN", 20000000, TOLD_EXPORTER);
	}
	return n;
}

static inline void kit_addr(struct addr *a, uint64_t v)
{
	*a = addr_of4(
	    (uint8_t[]){ 10, (uint8_t)(v >> 16), (uint8_t)(v >> 8), (uint8_t)v });
}

/* n rows as a router sends them, ended and received around at_ms. */
static inline struct block *kit_block(const struct names *names, uint32_t n,
				      int64_t at_ms, uint64_t *seed)
{
	static const uint16_t ports[] = { 443, 443, 80, 53, 22 };
	static const enum field used[] = {
		F_start_ms, F_end_ms, F_received_ms, F_bytes,	F_packets,
		F_exporter, F_via,    F_src,	     F_dst,	F_src_port,
		F_dst_port, F_proto,  F_tcp_flags,   F_in_if,	F_out_if,
		F_src_as,   F_dst_as, F_src_mask,    F_dst_mask
	};
	struct block *b = block_new(names);

	for (size_t i = 0; i < ARRAY_LEN(used); i++)
		block_use(b, used[i]);
	for (uint32_t r = 0; r < n; r++, b->n++) {
		uint64_t in = kit_rnd(seed) % 200, out = 65536 + kit_rnd(seed) % 3000;
		bool down = kit_rnd(seed) % 10 < 7;
		uint16_t service = ports[kit_rnd(seed) % 5];
		uint16_t eph = (uint16_t)(1024 + kit_rnd(seed) % 60000);

		kit_addr(&b->src[r], down ? out : in);
		kit_addr(&b->dst[r], down ? in : out);
		b->src_port[r] = down ? service : eph;
		b->dst_port[r] = down ? eph : service;
		b->proto[r] = service == 53 ? 17 : 6;
		b->tcp_flags[r] = service == 53 ? 0 : 0x1b;
		b->bytes[r] = 40 + kit_rnd(seed) % (kit_rnd(seed) % 100 ? 3000 : 3000000);
		b->packets[r] = b->bytes[r] / 900 + 1;
		b->received_ms[r] = at_ms + r / 30;
		b->end_ms[r] = at_ms - 1000;
		b->start_ms[r] = b->end_ms[r] - (int64_t)(kit_rnd(seed) % 30000);
		b->exporter[r] = (uint32_t)(kit_rnd(seed) % names_exporters(names));
		b->via[r] = VIA_NETFLOW9;
		b->in_if[r] = down ? 2 : 1;
		b->out_if[r] = down ? 1 : 2;
		b->src_as[r] = 64500 + b->src[r].b[15] % 50;
		b->dst_as[r] = 64500 + b->dst[r].b[15] % 50;
		b->src_mask[r] = 24;
		b->dst_mask[r] = 16;
	}
	return b;
}

/* Numbers that no exporter sends, in every column, or in those of `columns`. */
static inline struct block *kit_wild(const struct names *names, uint32_t n,
				     uint64_t columns, uint64_t *seed)
{
	static const char *const words[] = { "", "a", "http://example.org/x?y=z",
					     "\xff\x01", "edge of the world" };
	struct block *b = block_new(names);

	for (int f = 0; f < FIELD_COUNT; f++) {
		unsigned way = (unsigned)(kit_rnd(seed) % 6);

		if (!(columns >> f & 1))
			continue;
		block_use(b, (enum field)f);
		for (uint32_t r = 0; r < n; r++) {
			uint8_t *cell = block_cell(b, (enum field)f, r);
			uint64_t v = kit_rnd(seed);

			if (field_info[f].kind == KIND_TEXT) {
				const char *s = words[v % ARRAY_LEN(words)];
				*(uint32_t *)cell = block_text(b, s, strlen(s));
				continue;
			}
			v = way == 0   ? v
			    : way == 1 ? v % 7
			    : way == 2 ? v % 1000
			    : way == 3 ? (v % 3 ? 443 : v & 0xffff)
			    : way == 4 ? 5
				       : 0 - v % 3;
			if (field_info[f].kind == KIND_ADDR) {
				uint64_t w = way ? v : kit_rnd(seed);

				memcpy(cell, &w, 8);
				memcpy(cell + 8, &v, 8);
			} else {
				memcpy(cell, &v, field_info[f].width);
			}
		}
	}
	for (uint32_t r = 0; r < n; r++)
		b->exporter[r] = (uint32_t)(kit_rnd(seed) % names_exporters(names));
	block_use(b, F_exporter);
	b->n = n;
	return b;
}

static inline void kit_mark_done(void *arg, struct alert *a)
{
	struct archive_position *p = arg;

	if (p)
		*p = a->position;
	alert_unref(&a);
}

static inline struct archive *kit_start(const char *dir, const struct names *names,
					struct archive_position *marked)
{
	struct archive_opts o = { .directory = dir,
				  .names = names,
				  .queue_blocks = 100000,
				  .min_free = 1, /* others may fill the disk */
				  .mark_done = kit_mark_done,
				  .arg = marked };
	struct err err = { "" };
	struct archive *a = archive_start(&o, &err);

	assert_string_equal(err.msg, "");
	assert_non_null(a);
	return a;
}

/* Writes blocks[0..n) at at_ms, one file. */
static inline void kit_write(const char *dir, const struct names *names,
			     struct block *const *blocks, size_t n, int64_t at_ms)
{
	struct archive *a = kit_start(dir, names, NULL);

	for (size_t i = 0; i < n; i++)
		archive_block(a, block_ref(blocks[i]), at_ms);
	archive_stop(&a);
}

static inline char *kit_file(const char *dir, int64_t at_ms)
{
	char path[DIR_PATH];

	return xstrdup(dir_path(dir, file_s_of(at_ms), path));
}

static inline uint8_t *kit_load(const char *path, size_t *len)
{
	FILE *f = fopen(path, "rb");
	uint8_t *p;

	assert_non_null(f);
	fseek(f, 0, SEEK_END);
	*len = (size_t)ftell(f);
	rewind(f);
	p = xcalloc(1, *len + 1);
	assert_int_equal(fread(p, 1, *len, f), *len);
	fclose(f);
	return p;
}

static inline void kit_save(const char *path, const void *p, size_t len)
{
	FILE *f = fopen(path, "wb");

	assert_non_null(f);
	assert_int_equal(fwrite(p, 1, len, f), len);
	assert_int_equal(fclose(f), 0);
}

#endif
