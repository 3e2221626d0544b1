/* mime.h - mail as lines that every server lets through: CRLF, ASCII, short.
 * SPDX-License-Identifier: ISC */
#ifndef CUL_NOTIFY_MIME_H
#define CUL_NOTIFY_MIME_H

#include <stddef.h>
#include <stdint.h>

#include "daemon/base/strb.h"

/* UTF-8 text as quoted-printable (RFC 2045 sec. 6.7), line ends as CRLF, lines of 76. */
void mime_qp(struct strb *b, const char *text);
void mime_base64(struct strb *b, const void *p, size_t len); /* lines of 76, CRLF */
/* "Name: value" with its CRLF, the value made inert by strb_header and folded. */
void mime_header(struct strb *b, const char *name, const char *value);
/* The same for addresses: joined by commas, folded. */
void mime_addresses(struct strb *b, const char *name, char *const *list);
/* "Mon, 23 Nov 2026 10:35:00 +0100", whatever the locale. */
void mime_date(struct strb *b, int64_t unix_ms);

#endif
