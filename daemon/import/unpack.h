/* unpack.h - the compressions that nfdump's blocks come in.
 * SPDX-License-Identifier: ISC */
#ifndef CUL_IMPORT_UNPACK_H
#define CUL_IMPORT_UNPACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum packing { PACK_NONE, PACK_LZO, PACK_BZ2, PACK_LZ4, PACK_ZSTD, PACK_KINDS };

extern const char *const packing_name[PACK_KINDS];

/* Unpacks into `to` of `room` octets; how many came out, 0: it is not that, or does not
 * fit. */
size_t unpack(enum packing how, const uint8_t *p, size_t len, uint8_t *to, size_t room);

#endif
