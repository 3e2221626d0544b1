/* squid_live.h - requests that are not over yet, from Squid's cache manager.
 * SPDX-License-Identifier: ISC
 *
 * The log tells of a request when it ends; a download that fills the link for an hour
 * has no line yet. The cache manager lists it with client, URL and octets so far.
 */
#ifndef CUL_EVIDENCE_SQUID_LIVE_H
#define CUL_EVIDENCE_SQUID_LIVE_H

#include "daemon/base/err.h"
#include "daemon/evidence/request.h"

/* Called for each; r is borrowed, r->url already without what is private. */
typedef void squid_live_f(void *arg, const struct request *r);

/* Asks http://host:port; at most two seconds. Origins come from the manager's ipcache.
 * False + err: no answer, or it was refused. */
bool squid_live(const char *manager, enum request_urls keep, int64_t now_ms,
		squid_live_f *fn, void *arg, struct err *err);

/* The parser alone: the two pages as the manager gives them (ipcache may be ""). */
void squid_live_parse(const char *requests, const char *ipcache, enum request_urls keep,
		      int64_t now_ms, squid_live_f *fn, void *arg);

#endif
