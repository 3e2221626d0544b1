/* backtest_impl.h - between the files of backtest.
 * SPDX-License-Identifier: ISC */
#ifndef CUL_BACKTEST_IMPL_H
#define CUL_BACKTEST_IMPL_H

#include "daemon/backtest.h"
#include "daemon/base/map.h"
#include "rules/rule.h"

/* One engine's run over some of the rules. */
struct backtest_part {
	const struct backtest_opts *o;
	struct rules rules; /* shares the rules' contents with the caller's */
	unsigned *number;   /* of each in the caller's rules */
	struct backtest *out;
	struct map open; /* id of an alert that has not ended -> its number in out */
};

/* Takes an alert: a firing, its end, or both. arg is a struct backtest_part. */
void backtest_take(void *arg, struct alert *a);

bool backtest_bins(struct backtest_part *p, struct err *err);
bool backtest_flows(struct backtest_part *p, struct err *err);

/* Why bins cannot tell what this rule would have done; NULL: they can. */
const char *backtest_why_flows(const struct rule *r);

#endif
