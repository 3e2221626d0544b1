/* bench_scan.c - scans found, missed and invented in days of ordinary traffic.
 * SPDX-License-Identifier: ISC
 *
 *   bench_scan [-d DAYS] [-p PEOPLE] [-n SCANS_A_DAY] SEED...
 *
 * Each seed is a site of its own (tests/unit/scan_actors.h) with that many people, a gateway,
 * resolver, crawler, peers, backup, monitoring ..., and scans of random kind, pace (50 a second
 * to one each half minute), port and hour, of 150 to 3000 attempts in at most six hours. A
 * scan is found when its source is told while it goes on; anything else that is told is false.
 * The last line says what the pattern took of a processor for a flow.
 */
#include <inttypes.h>
#include <math.h>
#include <unistd.h>

#include "tests/unit/scan_actors.h"

enum { HOURS = 24, SCANS_MAX = 500, PEOPLE_MAX = 50000, KINDS = 8 };

static const struct {
	void (*act)(struct site *s, struct actor *a);
	const char *name;
} kinds[KINDS] = {
	{ horizontal, "horizontal" }, { vertical, "vertical" },
	{ connect_scan, "connect" },  { at_random, "worm" },
	{ block_scan, "block" },      { udp_horizontal, "UDP horizontal" },
	{ udp_vertical, "UDP ports" }, { sweep, "ping sweep" },
};

struct score {
	unsigned made[KINDS], found[KINDS], wrong;
	uint64_t rows;
	int64_t busy_ns, judge_ns;
	uint64_t slices;
};

/* 0 or more, the small ones as often as the large ones. */
static double between(struct site *s, double low, double high)
{
	return low * pow(high / low, site_below(s, 1 << 20) / (double)(1 << 20));
}

static struct actor a_scan(struct site *s, unsigned i, unsigned kind, int64_t day_ms)
{
	static const uint16_t ports[] = { 22, 23, 80, 443, 445, 3389, 5900, 8080, 161, 5060 };
	struct actor a = ACTOR(kinds[kind].act,
			       i % 2 ? actor_host(65536 + i) : 0xcb007100u + i,
			       between(s, 1 / 30.0, 50), 0.6 + site_below(s, 40) / 100.0,
			       0x0a1e0000u + (i << 12), ports[site_below(s, 10)]);
	double attempts = between(s, 150, 3000), lasts_s = attempts / a.rate;

	if (kind == 1 || kind == 2 || kind == 6)
		a.b = 1;
	if (kind == 4) /* twenty ports to an address: it needs as many more */
		lasts_s *= 20, a.rate = fmax(a.rate, 1);
	if (kind == 5)
		a.dead = 0.95;
	if (kind == 7)
		a.dead = 0.9;
	lasts_s = fmin(lasts_s, 6 * 3600);
	a.from_ms = day_ms + (int64_t)site_below(s, 17 * 3600) * 1000;
	a.to_ms = a.from_ms + (int64_t)(lasts_s * 1000) + SLICE_MS;
	return a;
}

static void judge(const struct site *s, const struct actor *scan, const unsigned *kind,
		  unsigned n, struct score *score)
{
	for (unsigned i = 0; i < n; i++) {
		struct addr who = site_addr(s, scan[i].host);
		bool found = false;

		for (unsigned k = 0; k < s->n_found; k++)
			found |= addr_eq(&s->found[k].who, &who);
		score->made[kind[i]]++;
		score->found[kind[i]] += found;
		if (!found)
			printf("  missed: %s, %.3g a second for %.3g s\n", kinds[kind[i]].name,
			       scan[i].rate, (double)(scan[i].to_ms - scan[i].from_ms) / 1000);
	}
	for (unsigned k = 0; k < s->n_found; k++) {
		bool meant = false;

		for (unsigned i = 0; i < n; i++) {
			struct addr who = site_addr(s, scan[i].host);

			meant |= addr_eq(&s->found[k].who, &who);
		}
		if (meant)
			continue;
		score->wrong++;
		printf("  false: %s\n", s->found[k].why);
	}
}

static void run(uint64_t seed, unsigned days, unsigned people, unsigned scans,
		struct score *score)
{
	const int64_t t0 = 1795834800000, day = 86400000;
	struct actor *list = xcalloc(people + 32 + days * scans, sizeof(*list)), *scan;
	unsigned *kind = xcalloc(days * scans + 1, sizeof(*kind)), n = 0;
	size_t all = ordinary_day(list, people);
	struct site s;

	site_open(&s, "scan", seed, t0);
	for (int i = 0; i < 16; i++)
		site_draw(&s);
	scan = list + all;
	for (unsigned d = 0; d < days; d++)
		for (unsigned i = 0; i < scans; i++, n++) {
			kind[n] = site_below(&s, KINDS);
			scan[n] = a_scan(&s, n, kind[n], t0 + d * day);
		}
	all += n;
	while (s.now_ms < t0 + days * day)
		act_all(&s, list, all);
	judge(&s, list + all - n, kind, n, score);
	score->rows += s.rows;
	score->busy_ns += s.busy_ns;
	score->judge_ns += s.judge_ns;
	score->slices += (uint64_t)(s.now_ms - t0) / SLICE_MS;
	site_close(&s);
	free(list);
	free(kind);
}

int main(int argc, char **argv)
{
	unsigned days = 1, people = 100, scans = 40, made = 0, found = 0;
	struct score score = { .wrong = 0 };
	int c;

	while ((c = getopt(argc, argv, "d:p:n:")) != -1) {
		unsigned v = c == '?' ? 0 : (unsigned)strtoul(optarg, NULL, 10);

		if (c == 'd' && v)
			days = v;
		else if (c == 'p' && v && v <= PEOPLE_MAX)
			people = v;
		else if (c == 'n' && v <= SCANS_MAX)
			scans = v;
		else
			return fprintf(stderr, "usage: bench_scan [-d DAYS] [-p PEOPLE] "
					       "[-n SCANS_A_DAY] SEED...\n"), 64;
	}
	for (int i = optind; i < argc; i++)
		run(strtoull(argv[i], NULL, 10), days, people, scans, &score);
	for (unsigned k = 0; k < KINDS; k++) {
		printf("  %-16s found %u of %u\n", kinds[k].name, score.found[k], score.made[k]);
		made += score.made[k];
		found += score.found[k];
	}
	printf("scans found %u of %u, missed %u, false %u in %u days and %.1f M flows\n", found,
	       made, made - found, score.wrong, days * (unsigned)(argc - optind),
	       (double)score.rows / 1e6);
	if (score.rows)
		printf("scan took %.1f ns a flow and %.0f us a slice of %.0f flows\n",
		       (double)score.busy_ns / (double)score.rows,
		       (double)score.judge_ns / (double)score.slices / 1000,
		       (double)score.rows / (double)score.slices);
	return 0;
}
