/* message.h - a row of the outbox as what a format or a mail is made of.
 * SPDX-License-Identifier: ISC */
#ifndef CUL_NOTIFY_MESSAGE_H
#define CUL_NOTIFY_MESSAGE_H

#include "daemon/notify/format.h"
#include "daemon/notify/outbox.h"

struct letter {
	struct message m;  /* points into the rest and into the item */
	struct alert *alert;
	struct digest digest;
};

/* Borrows the item until letter_fini. False: its text is not what we wrote (err). */
bool letter_open(struct letter *l, const struct item *it, int64_t now_ms,
		 struct err *err);
void letter_fini(struct letter *l);

#endif
