/* mail.h - an alert as a mail that a person can act on.
 * SPDX-License-Identifier: ISC */
#ifndef CUL_NOTIFY_MAIL_H
#define CUL_NOTIFY_MAIL_H

#include "daemon/notify/channel.h"

/* Adds the whole message, headers and parts, ready for DATA: CRLF, ASCII, lines short. */
void mail_compose(const struct channel *c, const struct message *m, struct strb *b);

/* Its parts, each UTF-8 with LF line ends. */
void mail_text(const struct channel *c, const struct message *m, struct strb *b);
/* What mail_text says of an alert, without headline and signature; base_url may be NULL. */
void mail_alert_text(const char *base_url, const struct alert *a, struct strb *b);
/* chart: an image with Content-ID "chart" stands beside it. */
void mail_html(const struct channel *c, const struct message *m, bool chart,
	       struct strb *b);
void mail_csv(const struct alert *a,
	      struct strb *b); /* RFC 4180, a line for each top flow */

#endif
