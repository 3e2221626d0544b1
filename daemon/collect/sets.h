/* sets.h - what NetFlow v9 and IPFIX share above records: sets.
 * SPDX-License-Identifier: ISC */
#ifndef CUL_COLLECT_SETS_H
#define CUL_COLLECT_SETS_H

#include "daemon/collect/tmpl.h"

enum { SET_HEADER = 4, SET_DATA_MIN = 256 };

/* Set ids, and how a template record of them is read. Takes one template record out of
 * set; false: the set is spoilt from here on. */
struct set_kinds {
	uint16_t templates, options;
	bool (*template)(struct dgram *d, struct rd *set);
	bool (*options_template)(struct dgram *d, struct rd *set);
};

/* All that is left in r is sets: decodes them and counts each. Returns DGRAM_OK, or
 * BAD_LENGTH when not even the first one can be told apart. */
int sets_decode(struct dgram *d, struct rd *r, const struct set_kinds *kinds);

/* Takes the datagram's sequence number once its sets are done. */
void sets_sequence(struct dgram *d, uint32_t number, uint32_t units, uint32_t max_gap,
		   enum lost_unit unit);

#endif
