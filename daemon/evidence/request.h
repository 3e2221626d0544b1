/* request.h - what one client asked of the proxy, and when.
 * SPDX-License-Identifier: ISC
 *
 * Made by the parsers (a line of the log, a running request of the cache manager), kept
 * by squid.c, explained with by join.c. Immutable once kept, and counted.
 */
#ifndef CUL_EVIDENCE_REQUEST_H
#define CUL_EVIDENCE_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/base/addr.h"
#include "daemon/evidence/urls.h"

enum { REQUEST_URL = 1024 }; /* octets of a URL that are kept, with its NUL */

struct request {
	int64_t start_ms, end_ms;     /* Unix time; equal where no duration is told */
	struct addr client, proxy, origin; /* none: not told. proxy: towards the origin */
	struct addr person;           /* the client's own address where `client` is a
					 pseudonym; in memory alone, to act on, never told */
	uint16_t client_port, proxy_port, origin_port; /* 0: not told */
	uint64_t received;            /* octets to the client, headers too */
	uint64_t sent;                /* octets of the request; 0: not told */
	bool cached;                  /* answered by the proxy itself: no leg to an origin */
	bool running;                 /* not over yet: end_ms is when it was looked at */
	_Atomic uint32_t refs;
	char *url;                    /* without "http://" and whatever is not to be kept */
};

struct request *request_new(const struct request *r); /* a copy, url too; one reference */
struct request *request_ref(struct request *r);
void request_unref(struct request **r);
size_t request_octets(const struct request *r); /* memory that it holds */

/* Writes the URL of len octets as it is kept; out has REQUEST_URL octets. Text from
 * outside: any octet but NUL may be in it. */
void request_url(const char *url, size_t len, enum request_urls keep,
		 char out[static REQUEST_URL]);
/* Takes more away from what request_url wrote. */
void request_url_cut(char url[static REQUEST_URL], enum request_urls keep);

#endif
