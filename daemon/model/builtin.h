/* builtin.h - the rules that are on without a configuration (D7).
 * SPDX-License-Identifier: ISC
 */
#ifndef CUL_MODEL_BUILTIN_H
#define CUL_MODEL_BUILTIN_H

#include <stddef.h>

#include "daemon/model/alert.h"
#include "daemon/model/point.h"
#include "daemon/model/series.h"

struct builtin {
	const char *name;
	enum by by;
	enum measure_kind measure;
	const char *detector;	/* or pattern */
	enum side side;		/* SIDE_NONE: both */
	enum severity severity;
	const char *learns;	/* its baselines' name in history; NULL: its own */
	const char *doc;
};

/* The i-th, NULL past the last. */
const struct builtin *builtin_at(size_t i);
/* NULL: none of that name. Knows BUILTIN_BOTH too, which is no rule any more. */
const struct builtin *builtin_find(const char *name);

/* What interface-spike and interface-drop were before they were two: a section of this
 * name stands for both. */
#define BUILTIN_BOTH "interface-traffic"

#endif
