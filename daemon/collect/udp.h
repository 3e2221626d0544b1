/* udp.h - the sockets that datagrams arrive on.
 * SPDX-License-Identifier: ISC */
#ifndef CUL_COLLECT_UDP_H
#define CUL_COLLECT_UDP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/base/addr.h"
#include "daemon/base/err.h"

struct sockaddr_storage;

enum { UDP_BATCH = 32, UDP_PURPOSE = 16, UDP_RCVBUF = 16 << 20 /* asked by default */ };

struct udp_listen {
	struct addr addr;  /* 0.0.0.0: all IPv4; :: (all zero): IPv6, and IPv4 as well
			      where no other of the list has that port */
	uint16_t port;     /* 0: any free one (tests) */
	bool stream;       /* TCP: what comes are connections (tcp.h) */
	char purpose[UDP_PURPOSE]; /* "netflow", "ipfix", "sflow": a word for people */
};

/* One socket; read by one worker alone. Its numbers are read with relaxed atomics by
 * anybody (udp_get). */
struct udp_socket {
	int fd;
	struct udp_listen listen; /* the port it really has */
	unsigned worker;          /* who reads it */
	bool activated;           /* came from systemd */
	uint32_t rcvbuf; /* octets granted, as asked for (the kernel doubles them) */
	uint64_t datagrams, octets;
	uint64_t drops;           /* that the kernel had no room for */
	uint32_t drops_seen;      /* the kernel's counter, which wraps */
};

static inline uint64_t udp_get(const uint64_t *n)
{
	return __atomic_load_n(n, __ATOMIC_RELAXED);
}

struct udp;

/* Opens a socket for each of the n addresses and each worker, so that an exporter (a
 * source address) always reaches the same worker, udp_worker_of(). rcvbuf: octets to
 * ask for, 0: UDP_RCVBUF. Sockets that systemd passed (LISTEN_FDS) are taken first, and
 * an address whose port is among them is not opened; there is one worker then. An
 * address with `stream` that cannot be had is left out, and said. NULL + err: a sentence
 * that names the address and says what to do. Once, before threads. */
struct udp *udp_open(const struct udp_listen *list, size_t n, unsigned workers,
		     uint32_t rcvbuf, struct err *err);
void udp_close(struct udp **u);

unsigned udp_workers(const struct udp *u); /* how many there are to be */
size_t udp_sockets(const struct udp *u);
struct udp_socket *udp_socket(struct udp *u, size_t i);

/* The worker that gets the datagrams of this source address. Stable over restarts. */
unsigned udp_worker_of(const struct addr *a, unsigned workers);

/* --- receiving --- */

/* Room for UDP_BATCH datagrams of any legal size. */
struct udp_batch;
struct udp_batch *udp_batch_new(void);
void udp_batch_free(struct udp_batch **b);

/* Takes what has arrived, at most UDP_BATCH datagrams; never waits. Returns how many. */
unsigned udp_receive(struct udp_socket *s, struct udp_batch *b);
/* Datagram i of the last udp_receive(); valid until the next. */
const uint8_t *udp_datagram(const struct udp_batch *b, unsigned i, size_t *len,
			    const struct sockaddr_storage **from);
/* Asks the kernel for its drops though no datagram follows them. */
void udp_poll_drops(struct udp_socket *s);
/* Adds what the kernel's 32-bit counter went on by. */
void udp_count_drops(struct udp_socket *s, uint32_t kernel);

#endif
