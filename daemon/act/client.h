/* client.h - asks the daemon, over its local socket, who is acted on.
 * SPDX-License-Identifier: ISC
 *
 * For helpers, which are small and run with rights of their own: nothing here needs more
 * than the C library. The questions are in socket.h.
 */
#ifndef CUL_ACT_CLIENT_H
#define CUL_ACT_CLIENT_H

#include "daemon/base/err.h"

enum { ACT_LINE = 512 };
#define ACT_SOCKET "/run/culprit/act.sock" /* where packages put it */

/* Connected, with a time-out for each read and write; -1 + err. */
int act_connect(const char *path, int timeout_ms, struct err *err);
/* Sends a line (without its newline) and reads one into out, without its own. False: the
 * daemon did not answer; the descriptor is of no use any more. */
bool act_ask(int fd, const char *line, char out[static ACT_LINE]);
/* The next line of an answer. */
bool act_more(int fd, char out[static ACT_LINE]);

#endif
