/* exec.h - hands an alert to a program.
 * SPDX-License-Identifier: ISC */
#ifndef CUL_NOTIFY_EXEC_H
#define CUL_NOTIFY_EXEC_H

#include "daemon/notify/channel.h"
#include "daemon/notify/lane.h"

enum { EXEC_MS = 10000, EXEC_OUTPUT = 65536 };

/* Runs the channel's argv with the alert ("culprit.alert/1") on standard input, no shell,
 * an environment of PATH and LANG alone, and a process group that is killed after
 * EXEC_MS. Exit 0 is success; 64 to 78 but 75 (sysexits.h) is final; all else is tried
 * again. Output beyond EXEC_OUTPUT octets is read no more. Blocks; killed early when
 * `cancel` (-1: none) becomes readable or is hung up. */
void exec_send(const struct channel *c, const struct message *m, int cancel,
	       struct strb *transcript, struct outcome *out);

#endif
