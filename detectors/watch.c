/* watch.c - settings of the rules about missing data, and when it is lossy.
 * SPDX-License-Identifier: ISC
 *
 * Lossy is a share of flows lost over some minutes, in most of these minutes: one burst
 * that overran a buffer is no condition that somebody should mend tonight. It ends when
 * the share has fallen under half of the limit (hysteresis).
 */
#include "detectors/watch.h"

#include <math.h>

enum { LEAST = 100 }; /* flows lost; fewer spoil no figure */

static const struct opt silence_opts[] = {
	{ "patience", OPT_DURATION, NAN, 30, 86400, offsetof(struct silence_conf, patience_s),
	  "longer than this without a datagram is silence; learnt when not set" },
	{ .name = NULL },
};

static const struct opt loss_opts[] = {
	{ "share", OPT_QUANTITY, 0.02, 0.001, 1, offsetof(struct loss_conf, share),
	  "share of flows that must be lost" },
	{ "over", OPT_DURATION, 300, 60, 3600, offsetof(struct loss_conf, over_s),
	  "time over which it is looked at; most of it must be bad" },
	{ .name = NULL },
};

static double lost_share(const struct loss_part *p)
{
	double all = (double)p->lost + (double)p->seen;

	return all > 0 ? (double)p->lost / all : 0;
}

bool loss_judge(const struct loss_conf *c, const struct loss_part part[static LOSS_PARTS],
		bool stands, double *share)
{
	struct loss_part all = { 0, 0 };
	unsigned bad = 0;

	for (int i = 0; i < LOSS_PARTS; i++) {
		all.lost += part[i].lost;
		all.seen += part[i].seen;
		bad += lost_share(&part[i]) >= c->share;
	}
	*share = lost_share(&all);
	if (stands)
		return *share >= c->share / 2;
	return *share >= c->share && bad >= LOSS_BAD_PARTS && all.lost >= LEAST;
}

const struct pattern pattern_silence = {
	.name = "silence",
	.doc = "an exporter that sends nothing any more (rule exporter-silent)",
	.opts = silence_opts,
	.conf_size = sizeof(struct silence_conf),
};

const struct pattern pattern_loss = {
	.name = "loss",
	.doc = "flows of an exporter are lost on their way (rule lossy-export)",
	.opts = loss_opts,
	.conf_size = sizeof(struct loss_conf),
};
