/* near.h - the word that was probably meant.
 * SPDX-License-Identifier: ISC
 *
 * One rule for configuration, filters, verbs and options:
 *
 *	struct near n = near_to("filtre");
 *	near_try(&n, "filter");
 *	near_try(&n, "measure");
 *	n.best -> "filter"; NULL where nothing is near
 */
#ifndef CUL_BASE_NEAR_H
#define CUL_BASE_NEAR_H

#include <stddef.h>

struct near {
	const char *text; /* borrowed */
	const char *best; /* as it was given to near_try */
	size_t distance, limit;
};

struct near near_to(const char *text);
void near_try(struct near *n, const char *word);
/* `; did you mean "x"?` or "" in buf, which is returned. */
const char *near_hint(const struct near *n, char *buf, size_t size);

#endif
