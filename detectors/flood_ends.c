/* flood_ends.c - counts the ends of connections that were looked at (flood_ends.h).
 * SPDX-License-Identifier: ISC
 */
#include "detectors/flood_ends.h"

enum { ROWS_ENOUGH = 4 }; /* of an end, to be sure */

void flood_ends_period(struct flood *f)
{
	f->open = f->open_both = 0;
	for (unsigned i = 0; i < FLOOD_ENDS; i++) {
		struct flood_end *e = &f->end[i];

		f->open += e->rows >= ROWS_ENOUGH;
		f->open_both += e->rows >= ROWS_ENOUGH && e->ways == 3;
		if (!e->rows || f->period - e->slice < FLOOD_RING)
			continue;
		if (e->rows >= ROWS_ENOUGH) {
			f->ends = f->ends * 0.995 + 1;
			f->both = f->both * 0.995 + (e->ways == 3);
		}
		e->rows = e->ways = 0;
	}
}
