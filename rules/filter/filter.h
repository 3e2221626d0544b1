/* filter.h - one question language for rules, the tool and the page.
 * SPDX-License-Identifier: ISC
 *
 * Text in nfdump's and tcpdump's manner is compiled once to a small tree of
 * column tests and then run over whole blocks: each test is one loop over one
 * column, and and/or/not are bit operations on 64 rows at a time.
 */
#ifndef CUL_RULES_FILTER_H
#define CUL_RULES_FILTER_H

#include <stdbool.h>
#include <stdint.h>

#include "daemon/base/err.h"
#include "daemon/model/block.h"
#include "daemon/model/names.h"

struct filter;

enum { FILTER_WORDS = BLOCK_ROWS / 64 };

/* "" and "any" are every flow. NULL + err with the place in the text and a suggestion for
 * a misspelt word. Names of exporters, interfaces and networks are looked up when run, in
 * the block's own names, so a filter outlives reloads and works on archives; unknown
 * names match nothing (the configuration checks them with filter_each_name). Names are
 * case-sensitive, keywords are not. Countries need filter_geo. Gives; free with filter_free. */
struct filter *filter_compile(const char *text, struct err *err);
void filter_free(struct filter **f);

/* Fills bits for rows 0..b->n-1 (rest zero); returns how many are set. f NULL: every row.
 * Thread-safe: f is not changed by running. */
uint32_t filter_run(const struct filter *f, const struct block *b,
		    uint64_t bits[static FILTER_WORDS]);
bool filter_is_all(const struct filter *f);
uint64_t filter_columns(const struct filter *f); /* bits (1 << F_x) it reads */
const char *filter_text(const struct filter *f); /* normalised: equal text, equal meaning */

/* Calls fn for each name used: kind is "exporter", "network" or "interface". */
void filter_each_name(const struct filter *f,
		      void (*fn)(void *arg, const char *kind, const char *name), void *arg);

/* What a store knows of a block that it has not read yet (archive, for skipping).
 * range: for every column but ADDR and TEXT kinds: *min <= cell <= *max for all rows, the
 *   cells as block_u64 gives them; a column that is not stored is 0..0. False: not known.
 * addr: for ADDR columns: may a cell lie inside p? True when not known; false only when no
 *   row has one (so also for a column that is not stored). NULL: never known. */
typedef bool filter_range_f(void *arg, enum field f, uint64_t *min, uint64_t *max);
typedef bool filter_addr_f(void *arg, enum field f, const struct prefix *p);
/* Can any row of such a block pass? Never false when a row could; f NULL: true. */
bool filter_may_match(const struct filter *f, filter_range_f *range, filter_addr_f *addr,
		      void *arg);

/* Country of an address as two letters packed ((c0 << 8) | c1), 0 unknown. */
typedef uint16_t filter_country_f(void *arg, const struct addr *a);
void filter_geo(struct filter *f, filter_country_f *fn, void *arg);
void filter_geo_of(struct filter *f, const struct filter *like); /* what that one has */

#endif
