/* relay.h - a connection with a deadline, for a library that has none.
 * SPDX-License-Identifier: ISC */
#ifndef CUL_NOTIFY_RELAY_H
#define CUL_NOTIFY_RELAY_H

#include <pthread.h>
#include <stdint.h>

#include "daemon/base/err.h"

struct relay {
	int server, listener;
	uint16_t port;       /* on 127.0.0.1, for the library to connect to */
	int64_t deadline_ms; /* monotonic */
	pthread_t thread;
	int end[2];          /* closing end[1] ends the thread */
	int cancel;          /* readable or hung up: cut; -1: none */
	const char *why; /* static, after relay_close: why it was cut; NULL: it was not */
};

/* Connects to host:port within connect_ms and carries octets both ways until both ends
 * are done, total_ms have passed, the server has sent 64 KiB or `cancel` (-1: none)
 * becomes readable or is hung up. */
bool relay_open(struct relay *r, const char *host, const char *port, int connect_ms,
		int total_ms, int cancel, struct err *err);
void relay_close(struct relay *r);

#endif
