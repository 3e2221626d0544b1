/* query.h - a question about archived flows: when, which, as of when.
 * SPDX-License-Identifier: ISC
 *
 * What `top` and `flows` have in common. The archive is read where it lies, so a
 * question works without a daemon, and as well while one writes.
 */
#ifndef CUL_CLI_QUERY_H
#define CUL_CLI_QUERY_H

#include "daemon/cli/cli.h"
#include "daemon/model/alert.h"
#include "rules/filter/filter.h"
#include "storage/archive/archive.h"

/* Rows of a verb's table of options that all questions share; q is a struct query *. */
#define QUERY_ARGS(q)                                                                        \
	{ "at", 0, ARG_TEXT, "TIME[/LEN]", "\"10:35\", \"yesterday 10:35\", \"-2h/10m\": "   \
	  "that bin, or so long", &(q)->at },                                                \
	{ "from", 0, ARG_TEXT, "TIME", "from then on (to now, or --to)", &(q)->from },       \
	{ "to", 0, ARG_TEXT, "TIME", "until then", &(q)->to },                               \
	{ "as-of", 0, ARG_TEXT, "ALERT", "what the alert saw: its time, its flows, nothing " \
	  "that came later", &(q)->as_of },                                                  \
	{ "whole", 0, ARG_FLAG, NULL, "count flows whole, not by their share in the time",   \
	  &(q)->whole }

struct query {
	const char *at, *from, *to, *as_of; /* options, as they were said */
	bool whole;

	const char *directory;        /* of the archive; borrowed from the configuration */
	int64_t from_ms, to_ms;
	struct filter *filter;
	struct names *names;          /* borrowed */
	struct alert *alert;          /* of as_of, or NULL */
	struct archive_position position;
	int64_t seen_ms;              /* as_of: when that was looked at; 0: now */
	bool only;                    /* flows of the alert's series alone */
	struct key key;
};

/* Makes the question of its options and of argv[1..argc), the words of the filter. -1: go
 * on; else the exit code. query_fini in any case. */
int query_read(struct cli *c, struct query *q, int argc, char **argv);
void query_fini(struct query *q);

/* "2026-11-23 10:35 to 10:40 CET (5 minutes), flows that pass: proto tcp" and a newline,
 * inert. */
void query_head(const struct query *q, struct strb *out);
/* Says on standard error what must not be taken for a whole answer: damaged blocks, time
 * that the archive does not go back to, an empty range. */
void query_caveats(const struct query *q, const struct archive_result *r, bool empty);

#endif
