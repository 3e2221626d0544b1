/* fuzz_geo.c - MMDB files.
 * SPDX-License-Identifier: ISC
 *
 * Whatever is in the file, it is refused or answers.
 */
#include <assert.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "daemon/evidence/geo.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const addrs[] = { "192.0.2.1", "255.255.255.255", "2001:db8::1" };
	int fd = memfd_create("fuzz", MFD_CLOEXEC);
	char path[64];
	struct geo *g;
	struct addr a;

	assert(fd >= 0 && write(fd, data, size) == (ssize_t)size);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	g = geo_open(path);
	geo_look(g, 1);
	for (int i = 0; i < 3; i++) {
		addr_parse(addrs[i], &a);
		geo_country(g, &a);
		geo_as(g, &a);
	}
	geo_close(&g);
	close(fd);
	return 0;
}
