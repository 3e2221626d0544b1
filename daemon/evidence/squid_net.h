/* squid_net.h - log lines that Squid sends over the network (access_log udp://, tcp://).
 * SPDX-License-Identifier: ISC */
#ifndef CUL_EVIDENCE_SQUID_NET_H
#define CUL_EVIDENCE_SQUID_NET_H

#include <poll.h>

#include "daemon/base/addr.h"
#include "daemon/base/err.h"

enum { SQUID_NET_POLLS = 18 };

struct squid_net;

struct squid_net_opts {
	const char *url;             /* for squid_net_parse; it has been */
	const struct prefix *allow;  /* who may send; copied */
	size_t n_allow;
	/* One whole line without its newline; borrowed. `again` is always false. */
	void (*line)(void *arg, const char *line, size_t len, bool again);
	void *arg;
};

struct squid_net_stats {
	uint64_t lines, too_long;
	uint64_t refused;            /* datagrams and connections of others */
};

/* Is it meant for the network, rather than a path? */
bool squid_net_is(const char *log);
/* "udp://127.0.0.1:5140", "tcp://[::1]:5140": numeric. False + err. */
bool squid_net_parse(const char *url, bool *stream, struct addr *addr, uint16_t *port,
		     struct err *err);

/* The port may be taken now: it is tried again, and said. One thread for each. */
struct squid_net *squid_net_open(const struct squid_net_opts *o);
/* What to wait for; returns how many. */
unsigned squid_net_polls(const struct squid_net *n, struct pollfd out[static SQUID_NET_POLLS]);
/* Reads what has come, at most some thousand datagrams: true when there may be more. Never
 * waits. now_ms is monotonic. */
bool squid_net_step(struct squid_net *n, int64_t now_ms);
void squid_net_stats(const struct squid_net *n, struct squid_net_stats *out);
uint16_t squid_net_port(const struct squid_net *n); /* 0: not listening */
void squid_net_close(struct squid_net **n);

#endif
