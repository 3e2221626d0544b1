/* request_log.h - requests kept beside the archive, in five-minute files.
 * SPDX-License-Identifier: ISC
 *
 * Beside flows/2026/11/23/1035.cul lies 1035.req with the requests whose lines were read
 * in those five minutes: so a flow of last month still has its client and URLs, long after
 * the proxy's log was rotated away. They go when the flows of their time go.
 */
#ifndef CUL_EVIDENCE_REQUEST_LOG_H
#define CUL_EVIDENCE_REQUEST_LOG_H

#include "daemon/base/err.h"
#include "daemon/evidence/request_block.h"

struct request_log;

/* directory: of the archive. keep_ms 0: for ever. One thread. */
struct request_log *request_log_open(const char *directory, int64_t keep_ms,
				     int64_t now_ms);
/* A copy of r is kept. `maybe_again`: r may stand in the newest files already, since the
 * position in its log is older than they are after a crash; then it is left out. */
void request_log_add(struct request_log *l, const struct request *r, bool maybe_again,
		     int64_t now_ms);
/* Writes what has waited for five seconds, ends files whose time is over, takes away what
 * is too old. Cheap. */
void request_log_tick(struct request_log *l, int64_t now_ms);
/* Writes everything that waits. False: the disk would not; it goes on waiting. */
bool request_log_write(struct request_log *l, int64_t now_ms);
uint64_t request_log_dropped(const struct request_log *l); /* for want of disk space */
void request_log_close(struct request_log **l, int64_t now_ms);

struct request_read {
	uint64_t files, blocks, requests; /* that were read */
	uint64_t damaged;                 /* blocks, or ends of files, left out */
	int64_t oldest_ms;                /* of all files: start of the first; 0: none */
};

/* Requests that overlap [from, to), each once, files in order of time. Any process, any
 * time. False + err: the directory cannot be read; one without requests is no error. */
bool request_log_read(const char *directory, int64_t from_ms, int64_t to_ms, request_f *fn,
		      void *arg, struct request_read *out, struct err *err);

#endif
