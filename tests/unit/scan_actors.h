/* scan_actors.h - who scans, and who only looks like it.
 * SPDX-License-Identifier: ISC
 *
 * Each actor is a function that is called once a slice and puts what its host does in
 * these ten seconds into the site. Hosts of the site are 10.20.0.0/16, everything else is
 * outside. Rates are those of real ones, as far as they are known.
 */
#ifndef CUL_TESTS_SCAN_ACTORS_H
#define CUL_TESTS_SCAN_ACTORS_H

#include "site.h"

struct actor {
	void (*act)(struct site *s, struct actor *a);
	uint32_t host;
	double rate;      /* what it does, a second */
	double dead;      /* share of whom it asks that does not answer */
	uint32_t a, b;    /* its own */
	uint64_t done;
	int64_t from_ms, to_ms; /* 0: always */
};
#define ACTOR(act_, host_, rate_, dead_, a_, b_)                                       \
	{ .act = (act_), .host = (host_), .rate = (rate_), .dead = (dead_), .a = (a_), \
	  .b = (b_) }

static inline uint32_t actor_host(unsigned n) { return 0x0a140000u + n; }
/* A fixed one of many outside, popular ones first. */
static inline uint32_t actor_outside(struct site *s, uint32_t many)
{
	uint32_t r = site_below(s, many), q = site_below(s, many);

	r = r < q ? r : q;
	return 0xc6120000u + (r * 2654435761u >> 12);
}
static inline uint16_t actor_port(struct site *s) { return (uint16_t)(32768 + site_below(s, 28000)); }

static inline void talk(struct site *s, uint32_t c, uint32_t d, uint16_t port, uint8_t proto,
			uint32_t packets)
{
	uint16_t from = actor_port(s);
	struct site_row f = { c, d, from, port, F_ALL, 0, proto, packets, packets * 120 };
	struct site_row back = { d, c, port, from, F_ALL, 0, proto, packets + 1, packets * 700 };

	site_row(s, f);
	site_row(s, back);
}

/* Asked, and nobody is there: three SYN, or one datagram. */
static inline void ask(struct site *s, uint32_t c, uint32_t d, uint16_t port, uint8_t proto,
		       uint32_t packets)
{
	struct site_row f = { c, d, actor_port(s), port, F_SYN, 0, proto, packets, packets * 60 };

	site_row(s, f);
}

static inline void refuse(struct site *s, uint32_t c, uint32_t d, uint16_t port)
{
	uint16_t from = actor_port(s);
	struct site_row f = { c, d, from, port, F_SYN, 0, TCP, 1, 60 };
	struct site_row back = { d, c, port, from, F_RST | F_ACK, 0, TCP, 1, 40 };

	site_row(s, f);
	site_row(s, back);
}

static inline void echo(struct site *s, uint32_t c, uint32_t d, bool answered)
{
	struct site_row f = { c, d, 0, 0, 0, 2048, ICMP, 1, 84 };
	struct site_row back = { d, c, 0, 0, 0, s->v6 ? 129 << 8 : 0, ICMP, 1, 84 };

	site_row(s, f);
	if (answered)
		site_row(s, back);
}

static inline bool is_dead(uint32_t host, double share) { return (host * 2246822519u >> 8) % 1000 < share * 1000; }

/* ---- who scans ---- */

/* One probe of a TCP scan: open (SYN scan: RST behind it), closed, or nothing. */
static inline void probe(struct site *s, const struct actor *a, uint32_t d, uint16_t port)
{
	uint16_t from = actor_port(s);
	unsigned luck = site_below(s, 100);
	bool open = luck < 3, closed = luck >= 100 - (unsigned)(100 * (1 - a->dead));
	struct site_row f = { a->host, d, from, port, open ? F_SYN | F_RST : F_SYN, 0, TCP,
			      open ? 2 : 1, open ? 84 : 44 };
	struct site_row sa = { d, a->host, port, from, F_SYN | F_ACK, 0, TCP, 1, 44 };
	struct site_row ra = { d, a->host, port, from, F_RST | F_ACK, 0, TCP, 1, 40 };

	site_row(s, f);
	if (open)
		site_row(s, sa);
	else if (closed)
		site_row(s, ra);
}

static inline void horizontal(struct site *s, struct actor *a) /* a: first, b: port */
{
	for (unsigned n = site_times(s, a->rate); n--;)
		probe(s, a, a->a + (uint32_t)a->done++, (uint16_t)a->b);
}
static inline void at_random(struct site *s, struct actor *a) /* a worm; b: port */
{
	for (unsigned n = site_times(s, a->rate); n--; a->done++)
		probe(s, a, (uint32_t)site_draw(s) % 0xdf000000u + 0x01000000u, (uint16_t)a->b);
}
static inline void vertical(struct site *s, struct actor *a) /* a: target, b: first port */
{
	for (unsigned n = site_times(s, a->rate); n--;)
		probe(s, a, a->a, (uint16_t)(a->b + a->done++ * 7 % 30011));
}
static inline void connect_scan(struct site *s, struct actor *a)
{
	for (unsigned n = site_times(s, a->rate); n--;) {
		uint16_t port = (uint16_t)(a->b + a->done++ % 1024);

		if (a->done % 40 == 0)
			talk(s, a->host, a->a, port, TCP, 4);
		else
			refuse(s, a->host, a->a, port);
	}
}
static inline void block_scan(struct site *s, struct actor *a) /* 20 ports of each */
{
	for (unsigned n = site_times(s, a->rate); n--; a->done++)
		probe(s, a, a->a + (uint32_t)(a->done / 20),
		      (uint16_t)(20 + a->done % 20 * 37));
}
static inline void udp_horizontal(struct site *s, struct actor *a)
{
	for (unsigned n = site_times(s, a->rate); n--;) {
		uint32_t d = a->a + (uint32_t)a->done++;

		if (is_dead(d, a->dead))
			ask(s, a->host, d, (uint16_t)a->b, UDP, 1);
		else
			talk(s, a->host, d, (uint16_t)a->b, UDP, 1);
	}
}
static inline void udp_vertical(struct site *s, struct actor *a) /* unreachable, now and then */
{
	struct site_row un = { a->a, a->host, 0, 0, 0, 3 << 8 | 3, ICMP, 1, 56 };

	for (unsigned n = site_times(s, a->rate); n--;) {
		ask(s, a->host, a->a, (uint16_t)(a->b + a->done++ * 3), UDP, 1);
		if (a->done % 10 == 0)
			site_row(s, un);
	}
}
static inline void sweep(struct site *s, struct actor *a)
{
	for (unsigned n = site_times(s, a->rate); n--;) {
		uint32_t d = a->a + (uint32_t)a->done++;

		echo(s, a->host, d, !is_dead(d, a->dead));
	}
}
static inline void stealth(struct site *s, struct actor *a) /* FIN or Xmas; b: which */
{
	for (unsigned n = site_times(s, a->rate); n--;) {
		struct site_row f = { a->host, a->a, 51000, (uint16_t)(1 + a->done++),
				      (uint16_t)a->b, 0, TCP, 1, 40 };

		site_row(s, f);
	}
}

static inline void ack_scan(struct site *s, struct actor *a) /* b: ports of one, else hosts; refused */
{
	for (unsigned n = site_times(s, a->rate); n--; a->done++) {
		uint32_t d = a->b ? a->a : a->a + (uint32_t)a->done;
		uint16_t port = a->b ? (uint16_t)(1 + a->done * 7 % 9973) : 80;

		site_row(s, (struct site_row){ a->host, d, 51000, port, F_ACK, 0, TCP, 1, 40 });
		site_row(s, (struct site_row){ d, a->host, port, 51000, F_RST, 0, TCP, 1, 40 });
	}
}

static inline void nmap(struct site *s, struct actor *a) /* a network, then one of it */
{
	for (unsigned n = site_times(s, a->rate); n--; a->done++)
		if (a->done < 90)
			probe(s, a, a->a + (uint32_t)a->done, 22);
		else
			probe(s, a, a->a + 5, (uint16_t)(1 + a->done * 7 % 30011));
}

/* ---- who does not ---- */

static inline void browse(struct site *s, struct actor *a) /* and asks its resolver */
{
	for (unsigned n = site_times(s, a->rate); n--;) {
		uint32_t d = actor_outside(s, 20000);

		talk(s, a->host, actor_host(2), 53, UDP, 1);
		if (is_dead(d, a->dead))
			ask(s, a->host, d, 443, TCP, 3);
		else if (site_chance(s, 0.3))
			talk(s, a->host, d, 443, UDP, 10 + site_below(s, 500));
		else
			talk(s, a->host, d, site_chance(s, 0.9) ? 443 : 80, TCP,
			     5 + site_below(s, 200));
	}
}
static inline void gateway(struct site *s, struct actor *a) { browse(s, a); }
/* Whose servers had closed already, so that they refuse the last of it. */
static inline void late(struct site *s, struct actor *a)
{
	for (unsigned n = site_times(s, a->rate); n--;) {
		uint32_t d = actor_outside(s, 20000);

		talk(s, a->host, d, 443, TCP, 10);
		if (site_chance(s, a->dead))
			site_row(s, (struct site_row){ d, a->host, 443, actor_port(s), F_RST, 0,
						       TCP, 1, 40 });
	}
}
/* Connections that only keep alive, each packet a flow of its own; some servers are gone. */
static inline void idle(struct site *s, struct actor *a)
{
	static const uint16_t ports[] = { 443, 993, 5228, 22, 8883, 5222, 1883, 80, 3389, 6697 };

	for (unsigned n = site_times(s, a->rate); n--;) {
		uint32_t d = actor_outside(s, 5000);
		uint16_t port = ports[d % ARRAY_LEN(ports)], from = actor_port(s);

		site_row(s, (struct site_row){ a->host, d, from, port, F_ACK, 0, TCP, 1, 52 });
		if (!is_dead(d, 0.02))
			site_row(s, (struct site_row){ d, a->host, port, from, F_ACK, 0, TCP, 1, 52 });
	}
}
/* All alive, and asked once in an hour. */
static inline void hourly(struct site *s, struct actor *a)
{
	for (uint32_t i = 0; s->now_ms / SLICE_MS % 360 == 1 && i < 300; i++)
		echo(s, a->host, a->a + i, true);
}
static inline void resolver(struct site *s, struct actor *a)
{
	for (unsigned n = site_times(s, a->rate); n--;) {
		uint32_t d = actor_outside(s, 50000);

		if (is_dead(d, a->dead))
			ask(s, a->host, d, 53, UDP, 1);
		else
			talk(s, a->host, d, 53, UDP, 1);
	}
}
static inline void crawler(struct site *s, struct actor *a)
{
	for (unsigned n = site_times(s, a->rate); n--;) {
		uint32_t d = 0xc0000000u + site_below(s, 1 << 24);

		if (is_dead(d, a->dead))
			ask(s, a->host, d, site_chance(s, 0.8) ? 443 : 80, TCP, 3);
		else
			talk(s, a->host, d, 443, TCP, 20 + site_below(s, 100));
	}
}
static inline void backup(struct site *s, struct actor *a) /* all hosts, one after another */
{
	for (unsigned n = site_times(s, a->rate); n--;) {
		uint32_t d = actor_host(100 + (unsigned)(a->done++ % 400));

		if (is_dead(d, a->dead))
			ask(s, a->host, d, 873, TCP, 3);
		else
			talk(s, a->host, d, 873, TCP, 5000);
	}
}
static inline void monitoring(struct site *s, struct actor *a) /* ping, TCP, SNMP of 300 */
{
	for (unsigned n = site_times(s, a->rate); n--;) {
		uint32_t d = actor_host(100 + (unsigned)(a->done % 300));
		bool dead = is_dead(d, a->dead);

		switch (a->done++ / 300 % 3) {
		case 0: echo(s, a->host, d, !dead); break;
		case 1:
			if (dead)
				ask(s, a->host, d, 161, UDP, 2);
			else
				talk(s, a->host, d, 161, UDP, 2);
			break;
		default:
			if (dead)
				ask(s, a->host, d, 22, TCP, 2);
			else
				talk(s, a->host, d, 22, TCP, 4);
		}
	}
}
static inline void peers(struct site *s, struct actor *a) /* BitTorrent, DHT beside it */
{
	for (unsigned n = site_times(s, a->rate); n--;) {
		uint32_t d = 0x20000000u + site_below(s, 1 << 28);
		uint16_t port = site_chance(s, 0.12) ? 6881 : (uint16_t)(1025 + site_below(s, 64000));
		uint8_t proto = site_chance(s, 0.7) ? UDP : TCP;

		if (site_chance(s, a->dead))
			ask(s, a->host, d, port, proto, proto == UDP ? 1 : 3);
		else
			talk(s, a->host, d, port, proto, 1 + site_below(s, 4) * 40);
	}
}
static inline void health(struct site *s, struct actor *a) /* 200 backends, some are dead */
{
	for (unsigned n = site_times(s, a->rate); n--;) {
		uint32_t d = actor_host(1000 + (unsigned)(a->done++ % 200));
		struct site_row half = { a->host, d, actor_port(s), 8080, F_SYN | F_RST, 0, TCP,
					 2, 84 };

		if (is_dead(d, a->dead))
			ask(s, a->host, d, 8080, TCP, 2);
		else if (d & 1)
			talk(s, a->host, d, 8080, TCP, 5);
		else
			site_row(s, half);
	}
}
static inline void busy_server(struct site *s, struct actor *a)
{
	for (unsigned n = site_times(s, a->rate); n--;)
		talk(s, 0x50000000u + site_below(s, 1 << 20), a->host, 443, TCP,
		     4 + site_below(s, 40));
}
static inline void flooded(struct site *s, struct actor *a) /* sources are invented */
{
	for (unsigned n = site_times(s, a->rate); n--;) {
		uint32_t c = (uint32_t)site_draw(s) | 0x01000000u;
		uint16_t from = actor_port(s);
		struct site_row f = { c, a->host, from, 80, F_SYN, 0, TCP, 1, 40 };
		struct site_row back = { a->host, c, 80, from, F_SYN | F_ACK, 0, TCP, 3, 132 };

		site_row(s, f);
		site_row(s, back);
	}
}
static inline void spray(struct site *s, struct actor *a) /* to random ports of the host */
{
	for (unsigned n = site_times(s, a->rate); n--;)
		ask(s, (uint32_t)site_draw(s) | 0x01000000u, a->host, (uint16_t)site_draw(s), TCP, 1);
}
static inline void mailer(struct site *s, struct actor *a) /* every fifth MX is dead */
{
	for (unsigned n = site_times(s, a->rate); n--;) {
		uint32_t d = actor_outside(s, 3000);

		if (is_dead(d, a->dead))
			ask(s, a->host, d, 25, TCP, 5);
		else
			talk(s, a->host, d, 25, TCP, 30);
	}
}
static inline void tracing(struct site *s, struct actor *a) /* traceroute and mtr */
{
	for (unsigned n = site_times(s, a->rate); n--; a->done++) {
		ask(s, a->host, 0xc6336401u, (uint16_t)(33434 + a->done % 90), UDP, 1);
		echo(s, a->host, 0xc6336402u + (uint32_t)(a->done % 12), a->done % 3);
	}
}
static inline void names_server(struct site *s, struct actor *a) /* is asked by the world */
{
	for (unsigned n = site_times(s, a->rate); n--;)
		talk(s, 0x50000000u + site_below(s, 1 << 20), a->host, 53, UDP, 1);
}
static inline void dead_sites(struct site *s, struct actor *a) /* a page of dead trackers */
{
	for (unsigned n = site_times(s, a->rate); n--; a->done++) {
		ask(s, a->host, 0xc7000000u + (uint32_t)(a->done % 30), 443, TCP, 3);
		talk(s, a->host, actor_outside(s, 2000), 443, TCP, 30);
	}
}
static inline void phones(struct site *s, struct actor *a) /* calls: few far ends, many ports */
{
	for (unsigned n = site_times(s, a->rate); n--;) {
		uint32_t d = 0xc8000000u + site_below(s, 6);
		uint16_t port = (uint16_t)(10000 + site_below(s, 20000));

		if (site_chance(s, 0.3))
			ask(s, a->host, d, port, UDP, 2); /* candidates that are not taken */
		else
			talk(s, a->host, d, port, UDP, 500);
	}
}
static inline void groups(struct site *s, struct actor *a) /* mDNS, SSDP, IGMP's neighbours */
{
	for (unsigned n = site_times(s, a->rate); n--; a->done++)
		ask(s, a->host, 0xe0000001u + (uint32_t)(a->done % 100), 5353, UDP, 2);
}
static inline void passive_ftp(struct site *s, struct actor *a) /* a port for each file */
{
	for (unsigned n = site_times(s, a->rate); n--;)
		talk(s, a->host, 0xc9000001u, (uint16_t)(40000 + site_below(s, 20000)), TCP, 40);
}

/* Everything that is ordinary, at the pace of an office with so many people. */
static inline size_t ordinary_day(struct actor *list, unsigned people)
{
	const struct actor rest[] = {
		ACTOR(gateway, 0x0a140001, people / 20.0, 0.06, 0, 0),
		ACTOR(resolver, 0x0a140002, people / 20.0, 0.08, 0, 0),
		ACTOR(busy_server, 0x0a140003, people / 20.0, 0, 0, 0),
		ACTOR(names_server, 0x0a140004, 1, 0, 0, 0),
		ACTOR(crawler, 0x0a140007, 1, 0.2, 0, 0),
		ACTOR(backup, 0x0a140008, 0.05, 0.1, 0, 0),
		ACTOR(monitoring, 0x0a140009, 3, 0.05, 0, 0),
		ACTOR(peers, 0x0a14000a, 1, 0.7, 0, 0),
		ACTOR(health, 0x0a14000b, 4, 0.05, 0, 0),
		ACTOR(mailer, 0x0a14000c, 0.2, 0.15, 0, 0),
		ACTOR(tracing, 0x0a14000d, 0.3, 0, 0, 0),
		ACTOR(dead_sites, 0x0a14000e, 0.05, 0, 0, 0),
		ACTOR(phones, 0x0a14000f, 0.1, 0, 0, 0),
		ACTOR(groups, 0x0a140010, 0.5, 0, 0, 0),
		ACTOR(passive_ftp, 0x0a140011, 0.2, 0, 0, 0),
	};
	size_t n = 0;

	for (unsigned i = 0; i < people; i++)
		list[n++] = (struct actor)ACTOR(browse, actor_host(100 + i), 0.02, 0.03, 0, 0);
	memcpy(list + n, rest, sizeof(rest));
	return n + sizeof(rest) / sizeof(*rest);
}

static inline void act_all(struct site *s, struct actor *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if ((!list[i].from_ms || s->now_ms >= list[i].from_ms) &&
		    (!list[i].to_ms || s->now_ms < list[i].to_ms))
			list[i].act(s, &list[i]);
	site_slice(s);
}

#endif
