/* digest_impl.h - between the files of digest: a file that is being summed up.
 * SPDX-License-Identifier: ISC */
#ifndef CUL_ARCHIVE_DIGEST_IMPL_H
#define CUL_ARCHIVE_DIGEST_IMPL_H

#include "daemon/base/map.h"
#include "storage/archive/part.h"
#include "storage/archive/summary.h"
#include "storage/archive/tally.h"

enum {
	HOSTS_MAX = 1 << 17, /* of 88 octets: 23 MB */
	ROUTE_IF = 1 << 24, /* interfaces below go into one number with the exporter */
	AHEAD = 32,
	FIRST_LEAST = 16,
	FIRST_MOST = 128,
	ROWS_A_FIRST = 64, /* lists grow with the file: to about a twentieth of it */
};

struct host { /* an address as source, as destination, and of flows to itself */
	struct sums src, dst, self;
};

/* A part's addresses by number: its dictionary, then what does not stand there. */
struct codes {
	struct addr *list;
	uint64_t *hash;
	struct host *sums;
	uint32_t *as[2]; /* of the source, of the destination with that number */
	uint32_t n, dictionary, cap;
	bool src_as, dst_as; /* AS numbers follow the addresses */
	bool one_list;       /* the same address has the same number */
	const uint32_t *src, *dst;
	uint32_t *src_own, *dst_own;
};

struct digest {
	const char *directory;
	const _Atomic bool *stop;
	int fd;
	uint64_t size;
	struct summary s;
	struct summary_lists lists[LIST_KINDS];
	struct out head, names;
	struct part *part;
	struct columns columns;
	bool have_columns, bad;
	struct name_sink sink; /* to check names; keys use the file's numbers */
	struct file_names told;
	uint32_t *same; /* 0, 1, 2 ... */
	uint64_t *zeros; /* PART_ROWS */
	struct codes codes;
	struct map hosts; /* struct addr -> struct host */
	bool hosts_full;
	struct tally tally[LIST_KINDS], same_as;
	struct tally routes; /* exporter, input and output: tells interfaces too */
	struct cells pairs, flows;
	uint64_t rows;
};

static inline void digest_interface(struct digest *d, uint32_t exporter, uint32_t index,
				    unsigned out, const struct sums *s)
{
	uint64_t key = (uint64_t)exporter << 33 | (uint64_t)index << 1 | out;

	sums_add(tally_at(&d->tally[LIST_INTERFACE], key), s);
}

void digest_lists(struct digest *d); /* what was summed, as lists of the summary */

#endif
