/* opt.h - the settings that a pluggable module accepts, as data.
 * SPDX-License-Identifier: ISC
 *
 * Parsing, bounds, lists and the manual come from the same table. A setting is
 * a double in the module's own conf struct.
 */
#ifndef CUL_MODEL_OPT_H
#define CUL_MODEL_OPT_H

#include <stdbool.h>
#include <stddef.h>

#include "daemon/base/err.h"

enum opt_kind {
	OPT_NUMBER,   /* "4.5" */
	OPT_QUANTITY, /* in the measure's unit: "16M", "1.5Gi", "80%" is 0.8 */
	OPT_COUNT,    /* the same where a share makes no sense: "16M" */
	OPT_DURATION, /* "30s", "7d"; kept in seconds */
	OPT_BUDGET,   /* "0.1/week", "2/day"; kept per week */
};

struct opt {
	const char *name; /* config keyword; NULL ends a table */
	enum opt_kind kind;
	double def, min,
	    max; /* default and inclusive bounds; a NAN default is "not set" */
	size_t off;           /* of a double in the module's conf struct */
	const char *doc;      /* unit and meaning, one line */
};

/* Fills conf with the defaults. */
void opt_defaults(const struct opt *opts, void *conf);

/* Row with that name, or NULL. */
const struct opt *opt_find(const struct opt *opts, const char *name);

/* Parses text for o into conf. False: e says in one sentence what was expected. */
bool opt_set(const struct opt *o, void *conf, const char *text, struct err *e);

#endif
