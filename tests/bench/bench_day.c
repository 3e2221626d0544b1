/* bench_day.c - days of an office and a provider, with floods and scans in them.
 * SPDX-License-Identifier: ISC
 *
 *   bench_day [-a] [-h HOURS] SEED...
 *
 * Each seed is a day of its own (tests/unit/world_actors.h), second by second, through an
 * exporter with timeouts of 60 and 15 s: people who browse, resolvers, servers of the web,
 * names, time, mail and games, peers, telephones, meetings, television, a backup at night,
 * monitoring, printers, a morning of updates, a crowd, a server that dies, the noise of the
 * internet. Most of it follows the hour. Into it go floods and scans of random kind, strength and
 * hour. scan, flood, talker and newcomer watch with their default settings, all at once.
 *
 * What is told of an attack's victim or scanner while it goes on is found; what else is told
 * is false. -a: without attacks, so that only false ones can be.
 */
#include <inttypes.h>
#include <unistd.h>

#include "tests/unit/world_actors.h"

enum { ATTACKS = 40, LIST_MAX = 64 + ATTACKS, DAY_S = 86400, EDGE_S = 1800 };

static const struct kind {
	struct actor actor;
	double low, high; /* rate */
	bool flood;
} kinds[] = {
#define FLOOD(act_, name_, low_, high_, a_, b_) \
	{ { .act = act_, .name = name_, .a = a_, .b = b_ }, low_, high_, true }
	FLOOD(f_syn, "SYN", 200, 3000, 0, 0),
	FLOOD(f_syn_answered, "SYN, answered", 200, 3000, 0, 0),
	FLOOD(f_flags, "ACK", 2000, 5000, ACK, 0),
	FLOOD(f_syn_ack, "SYN-ACK", 2000, 5000, 0, 0),
	FLOOD(f_udp, "UDP", 1000, 5000, 0, 0),
	FLOOD(f_botnet, "UDP of a botnet", 6000, 90000, 0, 0),
	FLOOD(f_icmp, "ping", 500, 3000, 0, 0),
	FLOOD(f_reflect, "DNS", 500, 5000, 53, 1300),
	FLOOD(f_reflect, "NTP", 1000, 5000, 123, 468),
	FLOOD(f_reflect, "CLDAP", 500, 5000, 389, 2800),
	FLOOD(f_carpet, "carpet", 5000, 9000, 24, 0),
	FLOOD(f_http, "connections", 1000, 3000, 0, 0),
#define SCAN(act_, name_, low_, high_, b_) \
	{ { .act = act_, .name = name_, .b = b_ }, low_, high_, false }
	SCAN(s_horizontal, "horizontal", 1 / 20.0, 50, 22),
	SCAN(s_vertical, "vertical", 1 / 20.0, 50, 0),
	SCAN(s_stealth, "FIN", 1 / 20.0, 50, FIN),
	SCAN(s_stealth, "ACK", 1 / 10.0, 50, ACK),
	SCAN(s_connect, "connect()", 1 / 10.0, 50, 80),
	SCAN(s_udp, "UDP horizontal", 1 / 10.0, 50, 161),
	SCAN(s_udp_ports, "UDP ports", 1 / 10.0, 50, 0),
	SCAN(s_ping, "ping sweep", 1 / 10.0, 50, 0),
};

struct score {
	unsigned made[2], found[2], wrong; /* scans, floods */
	uint64_t rows, seconds;
	int64_t feed_ns[PATTERNS_MAX], judge_ns;
};

#define ALL_DAY(act_, host_, rate_, dead_, a_) \
	{ .act = act_, .host = host_, .rate = rate_, .dead = dead_, .a = a_ }
#define FROM_TO(act_, host_, rate_, dead_, a_, from_h, to_h) \
	{ .act = act_, .host = host_, .rate = rate_, .dead = dead_, .a = a_, \
	  .from_s = (int64_t)((from_h) * 3600), .to_s = (int64_t)((to_h) * 3600) }

/* Those that follow the hour come first. */
enum { HOURLY = 11 };
static const struct actor ordinary[] = {
	ALL_DAY(o_browse, OFFICE + 256, 10, 0.03, 300),
	ALL_DAY(o_browse, 0x0a1e0001, 6, 0.05, 1), /* guests behind NAT */
	ALL_DAY(o_browse, CUSTOMERS, 8, 0.04, 400),
	ALL_DAY(o_resolver, RESOLVER, 8, 0.06, 0),
	ALL_DAY(o_web, SERVER, 15, 0.02, 0),
	ALL_DAY(o_mail, SERVER + 2, 1, 0.2, 0),
	ALL_DAY(o_names, SERVER + 3, 10, 0, 0),
	ALL_DAY(o_names, SERVER + 4, 10, 0, CUSTOMERS),
	ALL_DAY(o_calls, OFFICE + 256, 0.1, 0, 0),
	ALL_DAY(o_meeting, OFFICE + 256, 0.02, 0, 0),
	ALL_DAY(o_ldap, OFFICE + 12, 1, 0, 0),
	ALL_DAY(o_ntp, SERVER + 5, 10, 0, 0),
	ALL_DAY(o_idle, SERVER + 6, 5, 0, 0),
	ALL_DAY(o_peers, CUSTOMERS + 9, 2, 0.7, 0),
	ALL_DAY(o_peers, OFFICE + 300, 1, 0.85, 0),
	ALL_DAY(o_monitor, OFFICE + 10, 1, 0.08, OFFICE + 512),
	ALL_DAY(o_mdns, OFFICE + 20, 0.5, 0, 0),
	ALL_DAY(o_crawler, SERVER + 7, 1, 0.2, 0),
	ALL_DAY(o_health, SERVER + 8, 2, 0.06, 0),
	ALL_DAY(o_logs, OFFICE + 11, 2, 0, OFFICE + 256),
	ALL_DAY(o_game, SERVER + 9, 0.1, 0, 0),
	ALL_DAY(o_tv, CUSTOMERS, 0.02, 0, 0),
	ALL_DAY(o_noise, 0, 1.5, 0, 0),
	FROM_TO(o_backup, OFFICE + 9, 0.05, 0, OFFICE + 256, 1, 4),
	FROM_TO(o_backup_udp, OFFICE + 13, 0.005, 0, OFFICE + 256, 2, 3),
	FROM_TO(o_update, OFFICE + 256, 1, 0, 0, 8.5, 9.2),
	FROM_TO(o_web, SERVER + 10, 60, 0.03, 0, 20, 20.3), /* a crowd comes */
	FROM_TO(o_down, SERVER + 11, 5, 0, 0, 15, 15.5),
};

static double of_hour(int64_t s)
{
	double h = (double)(s % DAY_S) / 3600;

	return 0.1 + 0.9 * exp(-pow((h - 14) / 5, 2));
}

/* Each on a host of its own, so that what is told of it is about this attack. */
static struct actor attack(struct world *w, const struct kind *k, unsigned i, int64_t day_s)
{
	struct actor a = k->actor;
	double lasts_s;

	a.rate = sized(w, k->low, k->high);
	if (k->flood) {
		lasts_s = sized(w, 45, 180);
		a.host = a.act == f_carpet ? 0xcb007800u + (i << 8) % 0x700 : 0xcb007f00u + i;
	} else {
		lasts_s = fmin(fmax(60, sized(w, 200, 2000) / a.rate), 4 * 3600);
		a.host = 0x74000000u + i * 65537;
		a.a = 0xcb007000u + (i & 3) * 256;
		a.dead = 0.6 + 0.4 * part(w);
	}
	a.from_s = EDGE_S + (int64_t)(part(w) * ((double)day_s - 2 * EDGE_S - fmin(lasts_s, (double)day_s / 2)));
	a.to_s = a.from_s + (int64_t)lasts_s + 1;
	return a;
}

static bool is_about(const struct world *w, const struct sight *f, const struct actor *a, bool flood,
		     int64_t t0)
{
	struct addr who = world_addr(w, a->host);
	int64_t s = (f->at_ms - t0) / 1000;

	if (s < a->from_s || s > a->to_s + 3 * EDGE_S || strcmp(f->pattern, flood ? "flood" : "scan"))
		return false;
	if (flood && a->act == f_carpet)
		return !strncmp(f->kind, "carpet", 6);
	return addr_eq(&f->who, &who);
}

static void judge(struct world *w, const struct actor *list, const struct kind **kind, unsigned n,
		  int64_t t0, struct score *score)
{
	for (unsigned i = 0; i < n; i++) {
		bool found = false;

		for (unsigned k = 0; k < w->n_found; k++)
			if (is_about(w, &w->found[k], &list[i], kind[i]->flood, t0))
				found = w->found[k].meant = true;
		score->made[kind[i]->flood]++;
		score->found[kind[i]->flood] += found;
		if (!found)
			printf("  missed: %s, %.3g a second for %" PRId64 " s\n", list[i].name,
			       list[i].rate, list[i].to_s - list[i].from_s);
	}
	for (unsigned k = 0; k < w->n_found; k++) {
		if (w->found[k].meant)
			continue;
		score->wrong++;
		printf("  false, at %.2f h: %s: %s\n", (double)(w->found[k].at_ms - t0) / 3.6e6,
		       w->found[k].kind, w->found[k].why);
	}
}

static void day(uint64_t seed, unsigned attacks, int64_t day_s, struct score *score)
{
	static const char *const watch[] = { "scan", "flood", "talker", "newcomer" };
	static const struct sender edge = { .name = "edge" };
	const int64_t t0 = 1795834800000;
	struct world *w = world_new(&edge, seed, t0);
	const struct kind *kind[ATTACKS];
	struct actor list[LIST_MAX];
	size_t n = sizeof(ordinary) / sizeof(*ordinary);

	for (unsigned i = 0; i < sizeof(watch) / sizeof(*watch); i++)
		world_watch(w, watch[i]);
	memcpy(list, ordinary, sizeof(ordinary));
	for (unsigned i = 0; i < attacks; i++) {
		kind[i] = &kinds[(i + seed) % (sizeof(kinds) / sizeof(*kinds))];
		list[n + i] = attack(w, kind[i], i, day_s);
	}
	for (int64_t s = 0; s < day_s; s++) {
		for (unsigned i = 0; s % 60 == 0 && i < HOURLY; i++)
			list[i].rate = ordinary[i].rate * of_hour(s);
		act_all(w, list, n + attacks, t0);
	}
	judge(w, list + n, kind, attacks, t0, score);
	score->rows += w->rows;
	score->seconds += w->seconds;
	for (unsigned i = 0; i < w->n_patterns; i++) {
		score->feed_ns[i] += w->pattern[i].feed_ns;
		score->judge_ns += w->pattern[i].judge_ns;
	}
	world_free(w);
}

int main(int argc, char **argv)
{
	struct score s = { .wrong = 0 };
	unsigned attacks = ATTACKS;
	int64_t day_s = DAY_S;
	int c;

	while ((c = getopt(argc, argv, "ah:")) != -1) {
		if (c == 'a')
			attacks = 0;
		else if (c == 'h' && atoi(optarg) >= 2)
			day_s = atoi(optarg) * INT64_C(3600);
		else
			return fprintf(stderr, "usage: bench_day [-a] [-h HOURS] SEED...\n"), 64;
	}
	for (int i = optind; i < argc; i++)
		day(strtoull(argv[i], NULL, 10), attacks, day_s, &s);
	printf("in %.3g days of an office and a provider (%.1f M flows): floods found %u of %u, "
	       "scans %u of %u, false %u (at most one a day is allowed)\n",
	       (double)s.seconds / DAY_S, (double)s.rows / 1e6, s.found[1], s.made[1], s.found[0],
	       s.made[0], s.wrong);
	if (s.rows)
		printf("at %.0f flows a second, with caches cold each time, a flow took scan %.0f, "
		       "flood %.0f, talker %.0f, newcomer %.0f ns; judging all of them %.0f us a "
		       "second\n", (double)s.rows / (double)s.seconds,
		       (double)s.feed_ns[0] / (double)s.rows, (double)s.feed_ns[1] / (double)s.rows,
		       (double)s.feed_ns[2] / (double)s.rows, (double)s.feed_ns[3] / (double)s.rows,
		       (double)s.judge_ns / (double)s.seconds / 1000);
	return 0;
}
