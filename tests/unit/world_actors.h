/* world_actors.h - who floods, who scans, and who is only busy, by the second.
 * SPDX-License-Identifier: ISC
 *
 * Offices are 10.20.0.0/16, a provider's servers and customers 203.0.112.0/20; everything
 * else is outside. `rate` is what an actor does in a second: packets of a flood, attempts of
 * a scan, conversations of the others.
 */
#ifndef CUL_TESTS_WORLD_ACTORS_H
#define CUL_TESTS_WORLD_ACTORS_H

#include "world.h"

struct actor {
	void (*act)(struct world *w, struct actor *a);
	const char *name;
	uint32_t host;	/* whom it is about: the victim, the scanner, the server */
	double rate, dead;
	uint32_t a, b;	/* its own */
	uint64_t done;
	int64_t from_s, to_s; /* since the beginning; to_s 0: always */
	unsigned on_s, off_s; /* pulses; 0: all the time */
};

enum { VICTIM = 0xcb007105, OFFICE = 0x0a140000, CUSTOMERS = 0xcb007200, SERVER = 0xcb007150,
       RESOLVER = 0x0a140002 };

static inline uint16_t high_port(struct world *w) { return (uint16_t)(32768 + below(w, 28000)); }
static inline uint32_t any(struct world *w) { return 0x0b000000u + below(w, 0xb0000000u); }
/* One of so many outside, some of them far more popular. */
static inline uint32_t outside(struct world *w, uint32_t many)
{
	double p = part(w);

	return 0x50000000u + ((uint32_t)(p * p * p * many) * 2654435761u >> 6);
}
static inline bool is_dead(uint32_t host, double share)
{
	return (host * 2246822519u >> 8) % 1000 < share * 1000;
}

static inline void tcp(struct world *w, uint32_t c, uint32_t s, uint16_t port, uint32_t up,
		       uint32_t down, int64_t lasts_ms)
{
	tell(w, (struct talk){ .c = c, .s = s, .c_port = high_port(w), .s_port = port, .proto = TCP,
			       .c_flags = WHOLE, .s_flags = WHOLE, .c_packets = 3 + up / 1400 + down / 2800,
			       .s_packets = 3 + down / 1400 + up / 2800,
			       .c_bytes = 200 + up + down / 70, .s_bytes = 200 + down + up / 70,
			       .lasts_ms = lasts_ms });
}
static inline void udp(struct world *w, uint32_t c, uint32_t s, uint16_t c_port, uint16_t s_port,
		       uint32_t up, uint32_t up_size, uint32_t down, uint32_t down_size, int64_t lasts_ms)
{
	tell(w, (struct talk){ .c = c, .s = s, .c_port = c_port, .s_port = s_port, .proto = UDP,
			       .c_packets = up, .s_packets = down, .c_bytes = up * up_size,
			       .s_bytes = down * down_size, .lasts_ms = lasts_ms });
}
/* Acknowledged at every fourth to tenth packet. */
static inline void quic(struct world *w, uint32_t c, uint32_t s, uint32_t down, int64_t lasts_ms)
{
	udp(w, c, s, high_port(w), 443, 5 + down / (4 + below(w, 7)), 90, down, 1200, lasts_ms);
}
static inline void syn_lost(struct world *w, uint32_t c, uint32_t s, uint16_t port, uint32_t tries)
{
	tell(w, (struct talk){ .c = c, .s = s, .c_port = high_port(w), .s_port = port, .proto = TCP,
			       .c_flags = SYN, .c_packets = tries, .lasts_ms = tries > 1 ? tries * 2000 : 0 });
}
static inline void ping(struct world *w, uint32_t c, uint32_t s, bool answered)
{
	tell(w, (struct talk){ .c = c, .s = s, .proto = ICMP, .c_icmp = 8 << 8, .c_packets = 1,
			       .s_packets = answered, .c_bytes = 84, .s_bytes = 84 });
}

/* ---- floods: a packet of each source, or many of a few ---- */

static inline void lone_tcp(struct world *w, uint32_t src, uint16_t src_port, uint32_t dst, uint16_t dst_port, uint16_t flags)
{
	tell(w, (struct talk){ .c = src, .s = dst, .c_port = src_port, .s_port = dst_port, .proto = TCP,
			       .c_flags = flags, .c_packets = 1, .c_bytes = 40 });
}
static inline void f_syn(struct world *w, struct actor *a)
{
	for (uint32_t n = times(w, a->rate); n--;)
		lone_tcp(w, any(w), high_port(w), a->host, 443, SYN);
}
static inline void f_syn_answered(struct world *w, struct actor *a) /* SYN cookies: it answers each */
{
	for (uint32_t n = times(w, a->rate); n--;)
		tell(w, (struct talk){ .c = any(w), .s = a->host, .c_port = high_port(w), .s_port = 443,
				       .proto = TCP, .c_flags = SYN, .s_flags = SYN | ACK,
				       .c_packets = 1, .s_packets = 1 });
}
static inline void f_flags(struct world *w, struct actor *a) /* a: flags */
{
	for (uint32_t n = times(w, a->rate); n--;)
		lone_tcp(w, any(w), high_port(w), a->host, 443, (uint16_t)a->a);
}
static inline void f_ack_reset(struct world *w, struct actor *a) /* and the victim refuses each */
{
	for (uint32_t n = times(w, a->rate); n--;)
		tell(w, (struct talk){ .c = any(w), .s = a->host, .c_port = high_port(w), .s_port = 443,
				       .proto = TCP, .c_flags = ACK, .s_flags = RST,
				       .c_packets = 1, .s_packets = 1 });
}
static inline void f_syn_ack(struct world *w, struct actor *a) /* servers answer what was forged */
{
	for (uint32_t n = times(w, a->rate); n--;)
		tell(w, (struct talk){ .c = 0x60000000u + below(w, 5000) * 131, .s = a->host,
				       .c_port = below(w, 2) ? 443 : 80, .s_port = high_port(w),
				       .proto = TCP, .c_flags = SYN | ACK, .c_packets = 1 });
}
static inline void f_udp(struct world *w, struct actor *a)
{
	for (uint32_t n = times(w, a->rate); n--;)
		udp(w, any(w), a->host, high_port(w), (uint16_t)below(w, 65536), 1, 500, 0, 0, 0);
}
static inline void f_botnet(struct world *w, struct actor *a) /* 300 of them, each at one port */
{
	uint32_t each = (uint32_t)(a->rate / 300 * 10) + 1;

	for (uint32_t i = 0; i < 300; i++)
		if ((w->now_ms / 1000 + i) % 10 == 0)
			udp(w, 0x60000000u + i * 7919, a->host, 40000, 80, each, 1400, 0, 0, 9000);
}
static inline void f_one(struct world *w, struct actor *a) /* a single source, at one port */
{
	if (w->now_ms / 1000 % 10 == 0)
		udp(w, 0x60000001u, a->host, 40000, 80, (uint32_t)a->rate * 10, 1400, 0, 0, 9999);
}
static inline void f_icmp(struct world *w, struct actor *a)
{
	for (uint32_t n = times(w, a->rate); n--;)
		ping(w, any(w), a->host, false);
}
static inline void f_icmp_answered(struct world *w, struct actor *a)
{
	for (uint32_t n = times(w, a->rate); n--;)
		ping(w, any(w), a->host, true);
}
/* a: port of the service, b: octets of an answer; two thousand servers of it */
static inline void f_reflect(struct world *w, struct actor *a)
{
	for (uint32_t n = times(w, a->rate / 4); n--;) {
		uint32_t from = 0x61000000u + below(w, 2000) * 257;

		udp(w, from, a->host, (uint16_t)a->a, high_port(w), 4, a->b, 0, 0, 300);
		if (a->b > 1400 && chance(w, 0.8)) /* the rest in fragments, without a port */
			udp(w, from, a->host, 0, 0, 4, 1400, 0, 0, 300);
	}
}
static inline void f_fragments(struct world *w, struct actor *a)
{
	for (uint32_t n = times(w, a->rate); n--;)
		udp(w, any(w), a->host, 0, 0, 1, 1400, 0, 0, 0);
}
static inline void f_carpet(struct world *w, struct actor *a) /* a: bits of the prefix */
{
	uint32_t hosts = 1u << (32 - a->a);

	for (uint32_t n = times(w, a->rate); n--;)
		udp(w, any(w), (a->host & ~(hosts - 1)) + below(w, hosts), high_port(w), 4444, 1, 400, 0, 0, 0);
}
static inline void f_carpet_dns(struct world *w, struct actor *a)
{
	uint32_t hosts = 1u << (32 - a->a);

	for (uint32_t n = times(w, a->rate / 2); n--;)
		udp(w, 0x61000000u + below(w, 3000) * 257, (a->host & ~(hosts - 1)) + below(w, hosts), 53,
		    high_port(w), 2, 1300, 0, 0, 100);
}
static inline void f_carpet_syn(struct world *w, struct actor *a)
{
	uint32_t hosts = 1u << (32 - a->a);

	for (uint32_t n = times(w, a->rate); n--;)
		lone_tcp(w, any(w), high_port(w), (a->host & ~(hosts - 1)) + below(w, hosts), 80, SYN);
}
static inline void f_http(struct world *w, struct actor *a) /* 400 bots, whole connections */
{
	for (uint32_t n = times(w, a->rate); n--;)
		tcp(w, 0x62000000u + below(w, 400) * 7919, a->host, 443, 600, 1200, 200);
}

/* ---- scans ---- */

static inline void probe(struct world *w, const struct actor *a, uint32_t d, uint16_t port,
			 uint16_t flags)
{
	struct talk t = { .c = a->host, .s = d, .c_port = high_port(w), .s_port = port,
			  .proto = TCP, .c_flags = flags, .c_packets = 1, .c_bytes = 44 };
	double luck = part(w);

	if (flags == SYN && luck < 0.03) { /* open: SYN-ACK, and reset by the scanner */
		t.c_flags = SYN | RST;
		t.c_packets = 2;
		t.c_bytes = 84;
		t.s_flags = SYN | ACK;
		t.s_packets = 1;
	} else if (luck > a->dead) {
		t.s_flags = flags & ACK ? RST : RST | ACK;
		t.s_packets = 1;
	}
	tell(w, t);
}
static inline void s_horizontal(struct world *w, struct actor *a) /* a: first, b: port */
{
	for (uint32_t n = times(w, a->rate); n--;)
		probe(w, a, a->a + (uint32_t)(a->done++ % 4096), (uint16_t)a->b, SYN);
}
static inline void s_vertical(struct world *w, struct actor *a)
{
	for (uint32_t n = times(w, a->rate); n--;)
		probe(w, a, a->a, (uint16_t)(1 + a->done++ * 7919 % 64999), SYN);
}
static inline void s_stealth(struct world *w, struct actor *a) /* b: FIN, Xmas, nothing, ACK, Maimon */
{
	for (uint32_t n = times(w, a->rate); n--;)
		probe(w, a, a->a, (uint16_t)(1 + a->done++ * 7919 % 9973), (uint16_t)a->b);
}
static inline void s_connect(struct world *w, struct actor *a) /* b: port, one in ten is open */
{
	for (uint32_t n = times(w, a->rate); n--; a->done++)
		if (a->done % 10 == 0)
			tcp(w, a->host, a->a + (uint32_t)(a->done % 4096), (uint16_t)a->b, 0, 0, 20);
		else
			probe(w, a, a->a + (uint32_t)(a->done % 4096), (uint16_t)a->b, SYN);
}
static inline void s_udp(struct world *w, struct actor *a)
{
	for (uint32_t n = times(w, a->rate); n--; a->done++) {
		bool open = is_dead(a->a + (uint32_t)a->done, 0.05);

		udp(w, a->host, a->a + (uint32_t)(a->done % 4096), high_port(w), (uint16_t)a->b, 1, 60,
		    open, 90, 0);
	}
}
static inline void s_udp_ports(struct world *w, struct actor *a)
{
	for (uint32_t n = times(w, a->rate); n--; a->done++) {
		udp(w, a->host, a->a, high_port(w), (uint16_t)(1 + a->done * 7919 % 64999), 1, 28, 0, 0, 0);
		if (a->done % 20 == 0)
			tell(w, (struct talk){ .c = a->a, .s = a->host, .proto = ICMP, .c_packets = 1,
					       .c_icmp = 3 << 8 | 3, .c_bytes = 56 });
	}
}
static inline void s_ping(struct world *w, struct actor *a)
{
	for (uint32_t n = times(w, a->rate); n--; a->done++)
		ping(w, a->host, a->a + (uint32_t)(a->done % 4096), !is_dead(a->a + (uint32_t)a->done, a->dead));
}
static inline void s_shared(struct world *w, struct actor *a) /* by eight hosts of one /24 */
{
	for (uint32_t n = times(w, a->rate); n--;) {
		struct actor one = *a;

		one.host += (uint32_t)(a->done % 8) * 3;
		probe(w, &one, a->a + (uint32_t)(a->done++ % 4096), (uint16_t)a->b, SYN);
	}
}

/* ---- who is only busy ---- */

static inline void o_browse(struct world *w, struct actor *a) /* a: people from host on */
{
	for (uint32_t n = times(w, a->rate); n--;) {
		uint32_t me = a->host + below(w, a->a ? a->a : 1), d = outside(w, 30000);

		udp(w, me, RESOLVER, high_port(w), 53, 1, 70, 1, 160, 20);
		if (is_dead(d, a->dead))
			syn_lost(w, me, d, 443, 3);
		else if (chance(w, 0.3))
			quic(w, me, d, (uint32_t)sized(w, 8, 2000), (int64_t)sized(w, 300, 120000));
		else
			tcp(w, me, d, chance(w, 0.9) ? 443 : 80, (uint32_t)sized(w, 300, 20000),
			    (uint32_t)sized(w, 500, 3e6), (int64_t)sized(w, 100, 180000));
	}
}
static inline void o_resolver(struct world *w, struct actor *a)
{
	for (uint32_t n = times(w, a->rate); n--;) {
		uint32_t d = outside(w, 20000);

		if (is_dead(d, a->dead))
			udp(w, a->host, d, high_port(w), 53, 2, 75, 0, 0, 800);
		else
			udp(w, a->host, d, high_port(w), 53, 1, 75, 1, chance(w, 0.2) ? 1350 : 220, 40);
	}
}
static inline void o_web(struct world *w, struct actor *a) /* and bots whose SYNs come to nothing */
{
	for (uint32_t n = times(w, a->rate); n--;)
		if (chance(w, 0.35))
			quic(w, any(w), a->host, (uint32_t)sized(w, 6, 800), (int64_t)sized(w, 100, 60000));
		else
			tcp(w, any(w), a->host, 443, (uint32_t)sized(w, 300, 3000),
			    (uint32_t)sized(w, 500, 1e6), (int64_t)sized(w, 50, 90000));
	for (uint32_t n = times(w, a->rate * a->dead); n--;)
		syn_lost(w, any(w), a->host, 443, 1);
}
static inline void o_idle(struct world *w, struct actor *a) /* connections that only keep alive */
{
	for (uint32_t n = times(w, a->rate); n--;)
		tell(w, (struct talk){ .c = any(w), .s = a->host, .c_port = high_port(w), .s_port = 5223,
				       .proto = TCP, .c_flags = ACK | PSH, .s_flags = ACK, .c_packets = 1,
				       .s_packets = 1, .c_bytes = 93, .s_bytes = 52 });
}
static inline void o_names(struct world *w, struct actor *a) /* authoritative, or open to customers */
{
	for (uint32_t n = times(w, a->rate); n--;)
		udp(w, a->a ? a->a + below(w, 500) : any(w), a->host, high_port(w), 53, 1, 70, chance(w, 0.99), 300, 5);
}
static inline void o_ntp(struct world *w, struct actor *a)
{
	for (uint32_t n = times(w, a->rate); n--;)
		udp(w, any(w), a->host, chance(w, 0.5) ? 123 : high_port(w), 123, 1, 76, 1, 76, 5);
}
static inline void o_mail(struct world *w, struct actor *a)
{
	for (uint32_t n = times(w, a->rate); n--;) {
		uint32_t d = outside(w, 4000);

		if (chance(w, 0.5))
			tcp(w, any(w), a->host, 25, (uint32_t)sized(w, 2000, 2e6), 1500, 3000);
		else if (is_dead(d, a->dead))
			syn_lost(w, a->host, d, 25, 5);
		else
			tcp(w, a->host, d, 25, (uint32_t)sized(w, 2000, 2e6), 1500, 3000);
	}
}
static inline void o_backup(struct world *w, struct actor *a) /* every host to one, one after another */
{
	for (uint32_t n = times(w, a->rate); n--; a->done++)
		tcp(w, a->a + (uint32_t)(a->done % 300), a->host, 10080, (uint32_t)sized(w, 1e6, 2e9), 20000,
		    (int64_t)sized(w, 5000, 1800000));
}
static inline void o_backup_udp(struct world *w, struct actor *a) /* UDP, and hardly acknowledged */
{
	for (uint32_t n = times(w, a->rate); n--; a->done++)
		udp(w, a->a + (uint32_t)(a->done % 80), a->host, 9000, 9000, 400000, 1400, 400, 60, 600000);
}
static inline void o_monitor(struct world *w, struct actor *a) /* a /24 each minute, all at once */
{
	uint32_t s = (uint32_t)(w->now_ms / 1000 % 60);

	for (uint32_t i = 0; i < 254 && s < 2; i++)
		if (i % 2 == s)
			ping(w, a->host, a->a + i, !is_dead(a->a + i, a->dead));
	for (uint32_t i = 0; i < 254 && s == 30; i++)
		udp(w, a->host, a->a + i, high_port(w), 161, 2, 90, is_dead(a->a + i, a->dead) ? 0 : 2, 200, 100);
}
static inline void o_mdns(struct world *w, struct actor *a) /* printers */
{
	for (uint32_t n = times(w, a->rate); n--;) {
		uint32_t me = a->host + below(w, 40);

		udp(w, me, chance(w, 0.5) ? 0xe00000fbu : 0xeffffffau, chance(w, 0.5) ? 5353 : 1900,
		    chance(w, 0.5) ? 5353 : 1900, 2, 200, 0, 0, 300);
		udp(w, me, a->host + 200, 1900, high_port(w), 3, 330, 0, 0, 100); /* M-SEARCH answered */
	}
}
static inline void o_peers(struct world *w, struct actor *a)
{
	for (uint32_t n = times(w, a->rate); n--;) {
		uint32_t d = any(w);
		uint32_t n = (uint32_t)sized(w, 5, 3000);
		uint16_t port = (uint16_t)(chance(w, 0.15) ? 6881 : 1025 + below(w, 64000));
		bool asked = chance(w, 0.5), dead = chance(w, a->dead);

		if (!asked)
			udp(w, d, a->host, port, 51413, 1, 140, 1, 300, 50);
		else if (chance(w, 0.75))
			udp(w, a->host, d, 51413, port, 1, 140, !dead, 300, 50);
		else if (dead)
			syn_lost(w, a->host, d, port, 3);
		else if (chance(w, 0.3))
			udp(w, a->host, d, 51413, port, n, 400, n / 2 + below(w, n), 1300,
			    (int64_t)sized(w, 1000, 300000));
		else
			tcp(w, a->host, d, port, 2000, (uint32_t)sized(w, 500, 1e7), 30000);
	}
}
static inline void o_calls(struct world *w, struct actor *a) /* SIP and its voices */
{
	for (uint32_t n = times(w, a->rate); n--;) {
		uint32_t me = a->host + below(w, 60), lasts = (uint32_t)sized(w, 5, 900);

		udp(w, me, 0xcb007130, 5060, 5060, 8, 600, 8, 600, 3000);
		udp(w, me, 0xcb007131, (uint16_t)(10000 + below(w, 10000) * 2), (uint16_t)(10000 + below(w, 10000) * 2),
		    lasts * 50, 214, lasts * 50, 214, lasts * 1000);
	}
}
static inline void o_meeting(struct world *w, struct actor *a)
{
	for (uint32_t n = times(w, a->rate); n--;)
		udp(w, a->host + below(w, 200), 0x70000000u + below(w, 12), high_port(w), 3480,
		    90000, 900, 150000, 1000, (int64_t)sized(w, 600000, 3000000));
}
static inline void o_crawler(struct world *w, struct actor *a)
{
	for (uint32_t n = times(w, a->rate); n--;) {
		uint32_t d = 0xc0000000u + below(w, 1 << 22);

		if (is_dead(d, a->dead))
			syn_lost(w, a->host, d, chance(w, 0.8) ? 443 : 80, 3);
		else
			tcp(w, a->host, d, 443, 800, (uint32_t)sized(w, 1000, 300000), 900);
	}
}
static inline void o_health(struct world *w, struct actor *a) /* 200 backends, some are down */
{
	for (uint32_t n = times(w, a->rate); n--;) {
		uint32_t d = 0x0a150000u + (uint32_t)(a->done++ % 200);

		if (is_dead(d, a->dead))
			syn_lost(w, a->host, d, 8080, 2);
		else
			tcp(w, a->host, d, 8080, 120, 300, 5);
	}
}
static inline void o_update(struct world *w, struct actor *a) /* a morning: all fetch the same */
{
	for (uint32_t n = times(w, a->rate); n--;)
		tcp(w, a->host + below(w, 300), 0x71000000u + below(w, 6), 443, 3000, (uint32_t)sized(w, 1e6, 9e8),
		    (int64_t)sized(w, 5000, 600000));
}
static inline void o_logs(struct world *w, struct actor *a)
{
	for (uint32_t n = times(w, a->rate); n--;)
		udp(w, a->a + below(w, 400), a->host, 514, 514, 1 + below(w, 60), 220, 0, 0, 8000);
}
static inline void o_game(struct world *w, struct actor *a) /* a server of games */
{
	for (uint32_t n = times(w, a->rate); n--;) {
		uint32_t s = (uint32_t)sized(w, 20, 1500);

		udp(w, any(w), a->host, high_port(w), 27015, s * 30, 90, s * 40, 250, s * 1000);
		udp(w, any(w), a->host, high_port(w), 27015, 1, 60, 1, 400, 30); /* who plays here? */
	}
}
static inline void o_tv(struct world *w, struct actor *a) /* streams over UDP to customers */
{
	for (uint32_t n = times(w, a->rate); n--;)
		udp(w, 0x72000001u + below(w, 8), a->host + below(w, 500), 5004, high_port(w), 300000, 1316, 20, 80, 600000);
}
static inline void o_noise(struct world *w, struct actor *a) /* the sea that beats on every shore */
{
	for (uint32_t n = times(w, a->rate); n--;) {
		uint32_t d = 0xcb007000u + below(w, 4096);

		switch (below(w, 5)) {
		case 0: case 1: lone_tcp(w, any(w), high_port(w), d, (uint16_t)(below(w, 2) ? 23 : 445), SYN); break;
		case 2: lone_tcp(w, any(w), 443, d, high_port(w), SYN | ACK); break;
		case 3: udp(w, any(w), d, high_port(w), (uint16_t)(below(w, 2) ? 53 : 5060), 1, 70, 0, 0, 0); break;
		default: ping(w, any(w), d, chance(w, 0.3));
		}
	}
}
static inline void o_down(struct world *w, struct actor *a) /* a server that died, and its clients */
{
	for (uint32_t n = times(w, a->rate); n--;)
		syn_lost(w, any(w), a->host, 443, 4);
}
static inline void o_ldap(struct world *w, struct actor *a) /* a domain controller */
{
	for (uint32_t n = times(w, a->rate); n--;) {
		uint32_t me = OFFICE + 256 + below(w, 300);

		udp(w, me, a->host, high_port(w), 389, 1, 120, 1, 180, 3);
		udp(w, me, a->host, high_port(w), 88, 1, 250, 1, 1300, 3);
		tcp(w, me, a->host, 445, 5000, 30000, 4000);
	}
}

static inline void act_all(struct world *w, struct actor *list, size_t n, int64_t t0)
{
	int64_t s = (w->now_ms - t0) / 1000;

	for (size_t i = 0; i < n; i++) {
		struct actor *a = &list[i];

		if (s < a->from_s || (a->to_s && s >= a->to_s))
			continue;
		if (a->on_s && (s - a->from_s) % (a->on_s + a->off_s) >= a->on_s)
			continue;
		a->act(w, a);
	}
	world_second(w);
}

#endif
