/* patterns.c - the list of detectors of flow patterns.
 * SPDX-License-Identifier: ISC */
#include "detectors/pattern.h"

#include <string.h>

#define PATTERN(x) extern const struct pattern pattern_##x;
#include "detectors/patterns.def"
#undef PATTERN

static const struct pattern *const all[] = {
#define PATTERN(x) &pattern_##x,
#include "detectors/patterns.def"
#undef PATTERN
};

const struct pattern *pattern_at(size_t i)
{
	return i < sizeof(all) / sizeof(all[0]) ? all[i] : NULL;
}

const struct pattern *pattern_find(const char *name)
{
	for (size_t i = 0; pattern_at(i); i++)
		if (!strcmp(all[i]->name, name))
			return all[i];
	return NULL;
}
