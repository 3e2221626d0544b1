/* cap.c - how many alerts of a rule are told within a while, and which.
 * SPDX-License-Identifier: ISC */
#include "rules/cap.h"

#include <math.h>
#include <string.h>

static const double days = 7, day_ms = 86400 * 1000.0, grown = 1.5;

/* So many in *while_ms, both such that they give the rate. */
static unsigned count_of(double total, double *while_ms)
{
	double n = fmax(1, floor(total / days));

	*while_ms = n / total * days * day_ms;
	return n < CAP_TOLD ? (unsigned)n : CAP_TOLD;
}

bool cap_allows(const struct cap *c, double total, double score, int64_t now_ms)
{
	double while_ms, most = 0;
	unsigned may, told = 0;

	if (!(total > 0))
		return true;
	may = count_of(total, &while_ms);
	for (unsigned i = 0; i < c->n; i++) {
		if ((double)(now_ms - c->told[i].at_ms) >= while_ms)
			continue;
		told++;
		most = fmax(most, c->told[i].score);
	}
	return told < may || score > grown * most;
}

void cap_tell(struct cap *c, double total, double score, int64_t now_ms)
{
	c->held = 0;
	if (!(total > 0))
		return;
	if (c->n == CAP_TOLD) {
		memmove(c->told, c->told + 1, (CAP_TOLD - 1) * sizeof(*c->told));
		c->n--;
	}
	c->told[c->n++] = (struct cap_told){ now_ms, score };
}
