/* fuzz_pcap.c - any octets as a capture file.
 * SPDX-License-Identifier: ISC */
#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "daemon/collect/pcap.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_all(struct pcap *p, size_t size)
{
	struct pcap_packet k;
	struct pcap_datagram d;
	struct err err;
	unsigned sum = 0;
	size_t n = 0;

	while (pcap_next(p, &k, &err)) {
		const uint8_t *f;
		unsigned proto;
		size_t len;

		if (pcap_udp(p, &k, &d))
			for (size_t i = 0; i < d.len; i++)
				sum += d.data[i];
		if (pcap_frame(&k, &proto, &f, &len) && len)
			sum += f[len - 1];
		assert(++n <= size);
	}
	assert(pcap_at(p) <= size && sum < UINT32_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char path[40];
	struct pcap *p;
	int fd = memfd_create("fuzz", 0);

	if (fd < 0 || write(fd, data, size) != (ssize_t)size)
		abort();
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	p = pcap_open(path, NULL);
	if (p)
		read_all(p, size);
	pcap_close(&p);
	close(fd);
	return 0;
}
