/* top_names.c - what the addresses of a top list are called.
 * SPDX-License-Identifier: ISC
 *
 * After the list is made, so that names cost nothing but for the rows that are shown.
 */
#include "daemon/evidence/top_names.h"

#include "daemon/base/mem.h"

#include <stdlib.h>

bool top_key_is_addr(const struct top_key *k)
{
	return k->is_field ? k->field == F_src || k->field == F_dst
			   : k->by == BY_SRC || k->by == BY_DST || k->by == BY_HOST;
}

void top_names(struct top_result *r, const struct top_key *keys, unsigned n_keys,
	       struct owners *o, int64_t at_ms, int wait_ms)
{
	struct owner *list = xcalloc((size_t)r->n * TOP_KEYS + 1, sizeof(*list));
	size_t n = 0;

	for (unsigned i = 0; i < r->n; i++)
		for (unsigned k = 0; k < n_keys; k++)
			if (top_key_is_addr(&keys[k]))
				list[n++].addr = r->rows[i].value[k].addr;
	owners_find(o, list, n, at_ms, wait_ms);
	n = 0;
	for (unsigned i = 0; i < r->n; i++)
		for (unsigned k = 0; k < n_keys; k++) {
			if (!top_key_is_addr(&keys[k]))
				continue;
			if (*list[n].name)
				r->rows[i].value[k].name = xstrdup(list[n].name);
			n++;
		}
	free(list);
}
