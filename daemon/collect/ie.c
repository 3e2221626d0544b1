/* ie.c - from a template's element to a column.
 * SPDX-License-Identifier: ISC
 *
 * Looked up when a template is compiled, never for a record, so a walk through
 * the table is good enough; it is in order of (enterprise, id) only by habit.
 */
#include "daemon/collect/ie.h"

#include "daemon/base/mem.h"

#include <stddef.h>

static const struct ie table[] = {
#define IE(pen, id, min, max, how, target, rank) { pen, id, min, max, how, target, rank },
#include "daemon/collect/ies.def"
#undef IE
};

const struct ie *ie_find(uint32_t pen, uint16_t id)
{
	for (size_t i = 0; i < ARRAY_LEN(table); i++)
		if (table[i].id == id && table[i].pen == pen)
			return &table[i];
	return NULL;
}

unsigned target_width(enum target t)
{
	return (unsigned)t < FIELD_COUNT ? field_info[t].width : 8;
}
