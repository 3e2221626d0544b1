/* smtp.h - hands one finished mail to a server.
 * SPDX-License-Identifier: ISC */
#ifndef CUL_NOTIFY_SMTP_H
#define CUL_NOTIFY_SMTP_H

#include "daemon/notify/channel.h"
#include "daemon/notify/lane.h"

enum { SMTP_CONNECT_MS = 5000, SMTP_REPLY_MS = 10000, SMTP_TAKEN_MS = 30000,
       SMTP_TOTAL_MS = 60000 };

/* Blocks, SMTP_TOTAL_MS at most (and the resolver's own time). `text` is a mail as
 * mail_compose writes it. Recipients that a server refuses for good are left out when
 * others remain; ones refused for now as well, from the third attempt on. The
 * conversation is added to transcript (may be NULL) without secrets. Ends early when
 * `cancel` (-1: none) becomes readable or is hung up. */
void smtp_send(const struct channel *c, const char *text, unsigned attempts, int cancel,
	       struct strb *transcript, struct outcome *out);
/* The same by libcurl, for what libesmtp lacks: TLS from the first octet (smtps://) and
 * XOAUTH2. All recipients or none. */
void smtps_send(const struct channel *c, const char *text, int cancel,
		struct strb *transcript, struct outcome *out);

#endif
