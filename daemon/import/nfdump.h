/* nfdump.h - nfdump's records, inside blocks that are unpacked.
 * SPDX-License-Identifier: ISC */
#ifndef CUL_IMPORT_NFDUMP_H
#define CUL_IMPORT_NFDUMP_H

#include "daemon/import/source.h"

enum { NF_IDS = 65536 };

enum nf_record { NF_COMMON_OLD = 1, NF_MAP = 2, NF_EXPORTER = 7, NF_COMMON = 10, NF_V3 = 11,
		 NF_IDENT = 0x8001, NF_STAT = 0x8002 };

struct nf_map { /* of extensions, layout 1 */
	uint16_t n, octets;
	uint8_t id[64];
};

struct nfdump {
	struct feed *feed;
	struct rows *rows;
	bool big;
	struct nf_map *map[NF_IDS];       /* by their ids */
	uint32_t exporter[NF_IDS];        /* by nfdump's ids: number for the column */
	uint8_t *block;                   /* unpacked */
};

/* One record of len octets, its header of four included. False + err: broken, or the rows
 * have no place to go. */
bool nf_common(struct nfdump *d, const uint8_t *p, size_t len, struct err *err);
bool nf_v3(struct nfdump *d, const uint8_t *p, size_t len, struct err *err);
bool nf_map(struct nfdump *d, const uint8_t *p, size_t len, struct err *err);

#endif
