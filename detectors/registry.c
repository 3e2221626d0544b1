/* registry.c - the list of detectors.
 * SPDX-License-Identifier: ISC */
#include "detectors/detector.h"

#include <string.h>

#define DETECTOR(x) extern const struct detector detector_##x;
#include "detectors/detectors.def"
#undef DETECTOR

static const struct detector *const all[] = {
#define DETECTOR(x) &detector_##x,
#include "detectors/detectors.def"
#undef DETECTOR
};

const struct detector *detector_at(size_t i)
{
	return i < sizeof(all) / sizeof(all[0]) ? all[i] : NULL;
}

const struct detector *detector_find(const char *name)
{
	for (size_t i = 0; detector_at(i); i++)
		if (!strcmp(all[i]->name, name))
			return all[i];
	return NULL;
}
