/* builtin.c - the list of built-in rules.
 * SPDX-License-Identifier: ISC
 *
 * One table for all who ask: what is run, what a configuration may name, what
 * `culprit status` says of them.
 */
#include "daemon/model/builtin.h"

#include <string.h>

#include "daemon/base/mem.h"

static const struct builtin all[] = {
#define BUILTIN(...) { __VA_ARGS__ },
#include "daemon/model/builtin.def"
#undef BUILTIN
};

static const struct builtin both = {
	BUILTIN_BOTH, BY_INTERFACE, MEASURE_BITS_S, "seasonal", SIDE_NONE, SEVERITY_WARNING,
	BUILTIN_BOTH, "interface-spike and interface-drop in one",
};

const struct builtin *builtin_at(size_t i)
{
	return i < ARRAY_LEN(all) ? &all[i] : NULL;
}

const struct builtin *builtin_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(all); i++)
		if (!strcmp(all[i].name, name))
			return &all[i];
	return strcmp(name, BUILTIN_BOTH) ? NULL : &both;
}
