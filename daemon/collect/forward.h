/* forward.h - passes received datagrams on to other collectors.
 * SPDX-License-Identifier: ISC */
#ifndef CUL_COLLECT_FORWARD_H
#define CUL_COLLECT_FORWARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/base/addr.h"
#include "daemon/base/err.h"

struct sockaddr_storage;
struct forward;

struct forward_target {
	struct addr addr;
	uint16_t port;
};

struct forward_stats {
	struct forward_target to;
	uint64_t sent;     /* datagrams */
	uint64_t dropped;  /* that the kernel would not take at once */
	bool keeps_source; /* exporters of its address family keep their address */
};

/* "192.0.2.99:2055" or "[2001:db8::1]:2055"; false + err: a sentence. */
bool forward_parse(const char *text, struct forward_target *out, struct err *err);

/* Sockets to n targets, for one thread. Keeps the exporter's source address when the
 * process may (CAP_NET_RAW at this moment; privileges may go afterwards), and says when
 * it cannot. NULL + err when a target cannot be reached at all. */
struct forward *forward_new(const struct forward_target *targets, size_t n,
			    struct err *err);
void forward_free(struct forward **f);

/* Notes a datagram; data and from are borrowed until forward_flush(), which sends all
 * noted ones and never waits. At most UDP_BATCH between two flushes. */
void forward_add(struct forward *f, const struct sockaddr_storage *from,
		 const uint8_t *data, size_t len);
void forward_flush(struct forward *f);

size_t forward_targets(const struct forward *f);
/* Of target i, by any thread. */
void forward_stats(const struct forward *f, size_t i, struct forward_stats *out);

#endif
