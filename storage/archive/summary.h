/* summary.h - what a closed file adds up to, beside it.
 * SPDX-License-Identifier: ISC
 *
 * 1035.sum stands beside 1035.cul and tells exact totals and, for each usual key, the
 * entries that have most, with their exact sums, and a bound: no other key of the file
 * has more. So a question about many files reads a few kilobytes of each, and who asks
 * knows when that was enough (evidence/top_summary.c).
 *
 * A summary counts what the file's rows count wholly; it can stand for a file only
 * where all of them do. It names the file's size and the check of its last frame: one
 * that disagrees with its file, or is damaged, is as good as none. It is made by
 * reading the closed file back (digest.c), so one lost is made again.
 */
#ifndef CUL_ARCHIVE_SUMMARY_H
#define CUL_ARCHIVE_SUMMARY_H

#include "daemon/base/err.h"
#include "daemon/model/series.h"
#include "storage/archive/frame.h"
#include "storage/archive/naming.h"

enum list_kind {
	LIST_HOST, LIST_SRC, LIST_DST, LIST_PAIR, LIST_FLOW, LIST_PORT, LIST_PROTO,
	LIST_AS, LIST_SRC_AS, LIST_DST_AS, LIST_EXPORTER, LIST_INTERFACE, LIST_KINDS,
	LIST_NONE = LIST_KINDS, /* totals alone */
};

enum { LIST_KEY = 44, LIST_MAX = 65536 }; /* octets of a key, entries of a list */

/* A key's parts: 'a' an address, 16 octets, 'n' a number of 32 bits in the machine's
 * order. As row_keys() makes them; LIST_FLOW is source, destination, both ports,
 * protocol. Exporters are numbers of the file's own there, ids of the reader's names when
 * read. */
extern const char *const list_parts[LIST_KINDS];
size_t list_octets(enum list_kind kind);

struct list { /* in order of keys (memcmp) */
	uint32_t n;
	uint8_t *keys; /* n * list_octets */
	struct sums *sums;
};

struct list_info {
	bool here;
	uint32_t n, rest; /* entries; those of the second list, which has all others */
	struct sums bound; /* no key that is not among the n has more */
	uint32_t at[2], len[2], sum[2]; /* in the body: the list, the second list */
};

struct summary {
	int64_t file_s;
	uint64_t octets, check; /* of the file: size, check of its last frame */
	struct totals totals;   /* of all rows, as its last frame tells */
	int64_t latest_start_ms, earliest_end_ms;
	struct sums counted;    /* of rows with COUNT_TOTAL, as in all lists but of
				   interfaces */
	uint32_t sampling;      /* largest rate; 0 and 1: none */
	uint32_t names_len;     /* octets of NAMES frames behind it */
	struct list_info list[LIST_KINDS];
};

static inline bool list_whole(const struct list_info *l) /* nothing is left out */
{
	return l->here && !l->bound.bytes && !l->bound.packets && !l->bound.flows;
}

/* ---- writing ---- */
struct summary_lists { /* what there is of a kind */
	struct list first, rest;
};
/* Writes the summary of s->file_s (its list[] is filled here), atomically; names are
 * NAMES frames as they stand in the file. */
bool summary_write(const char *directory, struct summary *s,
		   const struct summary_lists lists[static LIST_KINDS],
		   const struct out *names, struct err *err);

/* ---- reading: one thread's; reused for file after file ---- */
struct summary_reader;

struct summary_reader *summary_reader_new(void);
void summary_reader_free(struct summary_reader **r);
/* Opens and checks the summary of a closed file of that size and check; NULL: there is
 * none that may be trusted. Valid until the next call. */
const struct summary *summary_open(struct summary_reader *r, const char *directory,
				   int64_t file_s, uint64_t octets, uint64_t check);
/* The list of a kind; false: not there, or damaged. Exporters get ids of sink's names.
 * Valid until the next summary_open. */
bool summary_list(struct summary_reader *r, enum list_kind kind, struct name_sink *sink,
		  struct list *out);
/* What a key has in the file. False: the summary does not tell. Not for kinds with
 * exporters. */
bool summary_find(struct summary_reader *r, enum list_kind kind, const uint8_t *key,
		  struct sums *out);
/* Whether all of it is whole. */
bool summary_check(struct summary_reader *r);

/* ---- making them ---- */
/* Reads the closed file and writes its summary. False + err: not closed, damaged (then it
 * gets none), no room, or *stop (may be NULL) has become true. */
bool summary_make(const char *directory, int64_t file_s, const _Atomic bool *stop,
		  struct err *err);
/* Whether the closed file has a summary that is whole and its own. */
bool summary_there(const char *directory, int64_t file_s);

#endif
