/* addrs.h - the dictionary of a part's addresses.
 * SPDX-License-Identifier: ISC */
#ifndef CUL_ARCHIVE_ADDRS_H
#define CUL_ARCHIVE_ADDRS_H

#include "daemon/base/addr.h"
#include "storage/archive/ints.h"

struct addrs; /* for one writer */

struct addrs *addrs_new(void);
void addrs_free(struct addrs **a);
void addrs_clear(struct addrs *a);

/* Codes of n addresses, in order of appearance; false when there are too many different
 * ones for a dictionary to pay (then a is as it was before). */
bool addrs_add(struct addrs *a, const struct addr *v, size_t n, uint32_t *codes);
/* Sorts the dictionary by address: map[old code] = new code. Once, after the last add. */
void addrs_sort(struct addrs *a, uint32_t *map);
size_t addrs_count(const struct addrs *a);
const struct addr *addrs_list(const struct addrs *a);

/* n addresses as sixteen planes. */
void addrs_write(struct packer *p, struct out *o, const struct addr *v, size_t n);
bool addrs_read(struct unpacker *u, struct in *r, struct addr *out, size_t n);

#endif
