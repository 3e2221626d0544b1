/* progress.c - how far, and how long still.
 * SPDX-License-Identifier: ISC
 */
#include "daemon/cli/progress.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/base/clock.h"
#include "daemon/base/strb.h"
#include "daemon/base/units.h"

enum { QUIET_MS = 1000, EVERY_MS = 100, BAR = 24 };

void progress_begin(struct progress *p, const char *what)
{
	const char *term = getenv("TERM");

	*p = (struct progress){ .what = what, .began_ms = clock_mono_ms() };
	p->round = 1;
	p->round_ms = p->began_ms;
	p->on = isatty(STDERR_FILENO) && term && strcmp(term, "dumb");
}

void progress_at(struct progress *p, uint64_t done, uint64_t all)
{
	int64_t now = clock_mono_ms(), spent;
	char left[UNIT_TEXT];
	struct strb s = { 0 };
	double share;

	if (done < p->round_done) {
		p->round++;
		p->round_ms = now;
	}
	p->round_done = done;
	spent = now - p->round_ms;
	if (!p->on || now - p->began_ms < QUIET_MS || now - p->last_ms < EVERY_MS)
		return;
	p->last_ms = now;
	p->shown = true;
	strb_add(&s, "\r");
	strb_tty(&s, p->what);
	if (p->round > 1)
		strb_fmt(&s, ", round %u", p->round);
	if (all) {
		share = done < all ? (double)done / (double)all : 1;
		strb_add(&s, " [");
		for (int i = 0; i < BAR; i++)
			strb_addc(&s, i < share * BAR ? '#' : '.');
		strb_fmt(&s, "] %3.0f %%", share * 100);
		if (share > 0.01)
			strb_fmt(
			    &s, ", %s left",
			    text_duration((int64_t)((double)spent * (1 - share) / share) /
					      1000 * 1000,
					  left));
	} else {
		strb_fmt(&s, " %s, %s", text_count((double)done, left), "still going");
	}
	strb_add(&s, "\x1b[K");
	fputs(s.s, stderr);
	strb_free(&s);
}

void progress_tell(void *arg, uint64_t done, uint64_t all)
{
	progress_at(arg, done, all);
}

void progress_end(struct progress *p)
{
	if (p->shown)
		fputs("\r\x1b[K", stderr);
	p->shown = false;
}
