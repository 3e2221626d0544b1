/* codec.h - puts as octets: how a batch waits in memory and on disk.
 * SPDX-License-Identifier: ISC */
#ifndef CUL_STORAGE_CODEC_H
#define CUL_STORAGE_CODEC_H

#include "daemon/base/strb.h"
#include "storage/store.h"

enum put_class { CLASS_BINS, CLASS_BLOBS, CLASS_ALERTS, CLASSES }; /* what goes first */

struct put_count {
	uint32_t n[CLASSES];
};

void put_encode(struct strb *out, struct put_count *count, const struct put *p);
/* The put at *at, which moves past it; it borrows buf. False: nothing whole is left. */
bool put_decode(const char *buf, size_t len, size_t *at, struct put *p);
/* Appends to out the puts of buf that are not of a class; count loses the others. */
void put_strip(const char *buf, size_t len, enum put_class without, struct strb *out,
	       struct put_count *count);

#endif
