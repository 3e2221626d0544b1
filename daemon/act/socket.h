/* socket.h - the local socket at which helpers ask who is acted on.
 * SPDX-License-Identifier: ISC
 *
 * A line asks, one or several lines answer:
 *
 *   lookup 10.20.0.66                     slow 3540 | refuse 12 | none   (seconds left)
 *   list                                  ADDRESS ACT LEFT_S DRY SINCE_MS BY<TAB>WHY ... .
 *   begin 10.20.0.66 slow 3600 0 WHY      ok SENTENCE | no SENTENCE
 *   try 10.20.0.66 slow 3600 0 WHY        the same, and nothing is done
 *   end 10.20.0.66                        ok SENTENCE | no SENTENCE
 *
 * Whoever reaches the socket may look up; the list tells reasons, and begin and end do
 * something, so these are for root and for the daemon's own user only.
 */
#ifndef CUL_ACT_SOCKET_H
#define CUL_ACT_SOCKET_H

#include "daemon/act/acts.h"

struct act_socket;

/* Where it is when nothing is said: beside the state, or where packages put it. Gives. */
char *act_socket_path(const char *configured, const char *state_dir);
/* acts is borrowed. Also ticks them. NULL + err. */
struct act_socket *act_socket_start(const char *path, struct acts *acts, struct err *err);
void act_socket_stop(struct act_socket **s);

#endif
