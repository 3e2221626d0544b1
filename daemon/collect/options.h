/* options.h - what options data say: rates, names, boot times.
 * SPDX-License-Identifier: ISC */
#ifndef CUL_COLLECT_OPTIONS_H
#define CUL_COLLECT_OPTIONS_H

#include "daemon/collect/tmpl.h"

enum word_kind { WORD_APP, WORD_VRF };

enum { WORD_LEN = 64 }; /* octets of a name that are kept, with its end */

void options_init(struct collector *c);

/* For save.c: a name that d->x told before, and all of them, in no order. */
void options_word_set(struct dgram *d, enum word_kind kind, uint64_t id,
		      const char *name);
typedef void options_word_f(void *arg, uint32_t exporter, enum word_kind kind,
			    uint64_t id, const char *name);
void options_each_word(const struct collector *c, options_word_f *fn, void *arg);

/* Takes one record of options template t out of rec. `ipfix`: its scope is made of
 * elements, else of the six types of RFC 3954. false: the record is cut. */
bool options_take(struct dgram *d, const struct tmpl *t, bool ipfix, struct rd *rec);

/* Fills app_name or vrf_name of rows [row, row + n) from app or vrf_in (vrf_out), where
 * the record did not tell it and options data did. */
void options_name_rows(struct dgram *d, struct block *b, uint32_t row, uint32_t n,
		       enum word_kind kind);

#endif
