/* largest.h - the n-th largest of many numbers.
 * SPDX-License-Identifier: ISC
 *
 * A heap of the n largest so far, zeroed before the first; its first is the least of them,
 * and so the n-th largest in the end (0 where fewer were offered).
 */
#ifndef CUL_BASE_LARGEST_H
#define CUL_BASE_LARGEST_H

#include <stddef.h>
#include <stdint.h>

static inline void largest_offer(uint64_t *heap, size_t n, uint64_t v)
{
	size_t at = 0, kid;

	if (v <= heap[0])
		return;
	while ((kid = 2 * at + 1) < n) {
		kid += kid + 1 < n && heap[kid + 1] < heap[kid];
		if (heap[kid] >= v)
			break;
		heap[at] = heap[kid];
		at = kid;
	}
	heap[at] = v;
}

#endif
