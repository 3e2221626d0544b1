/* change.h - what changed: the keys that explain a rise or a fall.
 * SPDX-License-Identifier: ISC
 *
 * Two stretches of the archive are held against each other: the one that is asked
 * about, and the same hour of earlier weeks; else of earlier days of the same kind;
 * else the hour before. Same archive, same position: same answer.
 */
#ifndef CUL_EVIDENCE_CHANGE_H
#define CUL_EVIDENCE_CHANGE_H

#include "daemon/model/alert.h"
#include "daemon/model/calendar.h"
#include "daemon/model/series.h"
#include "storage/archive/archive.h"

enum { CHANGE_ROWS = ALERT_CHANGED, CHANGE_BEFORE = 3, CHANGE_WORDS = 64 };

enum change_against {
	CHANGE_NOTHING, /* the archive holds nothing to compare with */
	CHANGE_WEEKS,   /* the same hour, a week or more earlier */
	CHANGE_DAYS,    /* the same hour, days earlier of the same kind */
	CHANGE_HOUR,    /* what came just before */
};

struct change_query {
	const char *directory;
	int64_t from_ms, to_ms;       /* [from, to), event time */
	int64_t begun_ms;             /* since when it is unusual; 0: from_ms */
	const struct filter *filter;  /* borrowed during the call */
	const struct names *names;
	const struct calendar *calendar; /* NULL: days of UTC, all alike */
	const struct key *only;       /* NULL, or: flows of this series alone */
	enum by by;                   /* of only */
	struct measure measure;       /* in which values are told */
	bool drop;                    /* who is missing, not who is new */
	struct archive_position as_of;
	uint64_t memory;              /* octets for all tables; 0: 32 MB */
};

struct change_row {
	enum by by;
	struct key key;        /* BY_PAIR: both directions, the smaller address first */
	char *text;            /* "host 10.20.0.66", "service https (tcp 443)" */
	double value, before;  /* in the unit of measure_compared() */
	double share;          /* of the whole change */
};

struct change {
	enum change_against against;
	unsigned n_before;     /* stretches compared with */
	unsigned nearest;      /* how many weeks or days ago the nearest of them was */
	bool in_a_row;         /* and they follow one another */
	bool rest;             /* CHANGE_DAYS: days of rest */
	int64_t before_ms;     /* CHANGE_HOUR: how long it is */
	double value, before;  /* of everything that passes */
	uint64_t counted, seen; /* flows; counted < seen: the figures are of a sample */
	struct change_row row[CHANGE_ROWS]; /* what explains most, first */
	unsigned n;
};

/* False + err: the archive could not be read. Free with change_fini in any case. */
bool change_find(const struct change_query *q, struct change *out, struct err *err);
void change_fini(struct change *c);

/* "at this hour in the last three weeks", "yesterday at this hour", "in the hour before";
 * returns buf. */
const char *change_when(const struct change *c, char buf[static CHANGE_WORDS]);

#endif
