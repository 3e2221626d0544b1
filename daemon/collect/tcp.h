/* tcp.h - IPFIX over connections (RFC 7011 sec. 10.4).
 * SPDX-License-Identifier: ISC
 *
 * One of a worker, on its thread. Memory: TCP_CONNS connections with 64 KiB each, 4 MiB.
 */
#ifndef CUL_COLLECT_TCP_H
#define CUL_COLLECT_TCP_H

#include <stdbool.h>
#include <stdint.h>

struct collect_out;
struct collector;
struct tcp;
struct udp_socket;

enum { TCP_CONNS = 64, TCP_CONNS_OF_ONE = 8 /* of one address */ };

/* epoll: where connections are watched, borrowed. */
struct tcp *tcp_new(struct collector *c, int epoll);
/* Closes all connections and forgets their templates. */
void tcp_free(struct tcp **t);

/* Takes in who waits at s, which has listen.stream; counts them in s->datagrams. */
void tcp_accept(struct tcp *t, struct udp_socket *s, int64_t now_ms);
/* Decodes what has arrived, a fair share of each connection. True when there was
 * anything. */
bool tcp_look(struct tcp *t, int64_t now_ms, struct collect_out *out);
/* Once a second: closes connections that say nothing. */
void tcp_tick(struct tcp *t, int64_t now_ms);

#endif
