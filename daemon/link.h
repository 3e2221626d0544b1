/* link.h - addresses that do one thing to one alert, signed, without a login.
 * SPDX-License-Identifier: ISC
 *
 *	act/ack/01JDC…/1795516500/<32 hex digits>
 *
 * Who reads a message on a phone at night has no token at hand, but has the message. The
 * address says what it does, to which alert and until when, and carries an HMAC-SHA256
 * (128 bits of it) over just that, by a key that never leaves the state directory.
 * Opening it only shows a page with a button (mail scanners open everything); pressing
 * the button acts.
 */
#ifndef CUL_LINK_H
#define CUL_LINK_H

#include <stdbool.h>
#include <stdint.h>

#include "daemon/base/err.h"
#include "daemon/model/alert.h"

enum { LINK_KEY = 32, LINK_PATH = 128 };

enum link_what { LINK_ACK, LINK_SILENCE };
extern const char *const link_word[]; /* "ack" "silence" */

/* Octets as hex digits in a file that only we may read, made when it is missing. Gives the
 * text, NULL + err. */
char *link_secret(const char *path, struct err *err);

const char *link_path(const char *secret, enum link_what what, const char *alert, int64_t until_s,
		     char out[static LINK_PATH]);
/* Is "act/ack/ID/UNTIL/MAC" ours, and good at now_s? Fills what and alert. Else err is a
 * sentence for who holds it. */
bool link_verify(const char *secret, const char *path, int64_t now_s, enum link_what *what,
	       char alert[static ALERT_ID], struct err *err);

#endif
