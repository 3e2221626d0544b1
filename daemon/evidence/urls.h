/* urls.h - how much of URLs is kept.
 * SPDX-License-Identifier: ISC */
#ifndef CUL_EVIDENCE_URLS_H
#define CUL_EVIDENCE_URLS_H

#include <stdbool.h>

/* Credentials and fragments never are. */
enum request_urls {
	URLS_FULL,    /* all but query strings */
	URLS_QUERIES, /* those as well */
	URLS_HOST,    /* host, and port where it is told */
	URLS_OFF      /* nothing: every URL is "-" */
};

/* "full", "host" or "off"; queries: with query strings. False: none of them. */
bool request_urls_parse(const char *word, bool queries, enum request_urls *out);

#endif
