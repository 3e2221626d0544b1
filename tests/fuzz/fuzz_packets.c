/* fuzz_packets.c - any octets as a capture that is imported: packets, or datagrams.
 * SPDX-License-Identifier: ISC
 *
 * The first octet says which of them, the rest is the file. */
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/fuzz/rows.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct capture_opts o = { .active_ms = 1000, .inactive_ms = 100 };
	struct names *n = names_new(64);
	uint64_t sum = 0;
	struct rows r = rows_over(n, &sum);
	struct err err = { "" };
	enum capture_kind kind;
	char path[40];
	int fd = memfd_create("fuzz", 0);

	if (size) {
		o.kind = data[0] % 3;
		if (fd < 0 || write(fd, data + 1, size - 1) != (ssize_t)size - 1)
			abort();
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		capture_read(path, &o, &r, &kind, &err);
	}
	close(fd);
	block_unref(&r.block);
	names_free(&n);
	return 0;
}
