/* priv.h - what needs privileges is done first, then they go.
 * SPDX-License-Identifier: ISC
 */
#ifndef CUL_PRIV_H
#define CUL_PRIV_H

#include "daemon/base/err.h"

/* Makes the state directory (and hands it to the user that priv_drop becomes) and locks
 * it; the descriptor keeps the lock. -1 + err: not writable, or another daemon has it. */
int priv_state(const char *dir, const char *user, const char *group, struct err *err);

/* Becomes user and group for good and gives up all capabilities; no core dumps (secrets).
 * Started as another than root: nothing to drop. user "": the account "culprit" when
 * there is one, else stays and says so. Before the first thread and datagram. */
bool priv_drop(const char *user, const char *group, struct err *err);

#endif
