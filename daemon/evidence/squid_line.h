/* squid_line.h - one line of Squid's access log.
 * SPDX-License-Identifier: ISC */
#ifndef CUL_EVIDENCE_SQUID_LINE_H
#define CUL_EVIDENCE_SQUID_LINE_H

#include "daemon/evidence/request.h"

/* Native, combined or `culprit` logformat, told apart by the line itself, so a log may
 * change its format at any line. line has len octets without the newline and is
 * borrowed; *out is filled and its url points into url. False: no line of these formats,
 * or an impossible number in it; the caller counts. */
bool squid_line(const char *line, size_t len, enum request_urls keep, struct request *out,
		char url[static REQUEST_URL]);

#endif
