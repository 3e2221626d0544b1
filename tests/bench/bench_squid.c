/* bench_squid.c - what the proxy's log costs: lines, joins, requests kept.
 * SPDX-License-Identifier: ISC
 *
 * Prints "NAME VALUE" lines for run.sh, seconds of CPU. One thread; a line of the native and one of the
 * `culprit` format take turns. The join is the issue's: a million requests and a
 * hundred thousand flows. Requests that are kept are written and read back.
 *
 *   bench_squid DIRECTORY [LINES]
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "daemon/base/mem.h"
#include "daemon/evidence/join.h"
#include "daemon/evidence/request_log.h"
#include "daemon/evidence/squid_line.h"
#include "storage/archive/beside.h"

enum { REQUESTS = 1000000, FLOWS = 100000, SITES = 5000 };
static const int64_t t0 = INT64_C(1795430100000);

static uint64_t rnd(uint64_t *s)
{
	*s ^= *s << 13;
	*s ^= *s >> 7;
	*s ^= *s << 17;
	return *s;
}

/* CPU time: the machine may be shared. */
static uint64_t cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static double seconds_since(uint64_t began_ns)
{
	return (double)(cpu_ns() - began_ns) / 1e9;
}

/* As a proxy of an office sees them: sites by their rank, long paths, queries. */
static char *line_of(unsigned i, uint64_t *seed)
{
	uint64_t site = rnd(seed) % SITES * (rnd(seed) % SITES) / SITES;
	int64_t end_ms = t0 + (int64_t)i * 300000 / REQUESTS;
	unsigned client = (unsigned)(rnd(seed) % 250);
	unsigned long long bytes = 300 + rnd(seed) % 60000, path = rnd(seed);

	if (i % 2)
		return xasprintf("%lld.%03d %6u 10.20.0.%u TCP_MISS/200 %llu GET "
				 "http://www.site-%llu.example/static/assets/%llx/app.js?v=%u - "
				 "HIER_DIRECT/198.51.100.%llu text/javascript",
				 (long long)end_ms / 1000, (int)(end_ms % 1000),
				 (unsigned)(path % 900), client, bytes,
				 (unsigned long long)site, path % 4096, i,
				 (unsigned long long)site % 250);
	return xasprintf("%lld.%03d %6u 10.20.0.%u %u 192.0.2.2 %u 198.51.100.%llu 443 "
			 "TCP_TUNNEL/200 517 %llu %llu CONNECT \"www.site-%llu.example:443\" - - "
			 "%lld.%03d", (long long)end_ms / 1000, (int)(end_ms % 1000),
			 (unsigned)(path % 9000), client, 1024 + i % 60000, 30000 + i % 30000,
			 (unsigned long long)site % 250, bytes, bytes,
			 (unsigned long long)site, (long long)end_ms / 1000 - 1, 0);
}

static void parse(unsigned lines, const char *directory)
{
	enum { DIFFERENT = 20000 };
	char **text = xcalloc(DIFFERENT, sizeof(*text));
	size_t *len = xcalloc(DIFFERENT, sizeof(*len)), bad = 0;
	struct request_log *log = request_log_open(directory, 0, t0);
	uint64_t seed = 42, began, octets = 0;
	char url[REQUEST_URL];
	struct request r;
	double s;

	for (unsigned i = 0; i < DIFFERENT; i++) {
		text[i] = line_of(i * (REQUESTS / DIFFERENT), &seed);
		len[i] = strlen(text[i]);
	}
	began = cpu_ns();
	for (unsigned i = 0; i < lines; i++) {
		bad += !squid_line(text[i % DIFFERENT], len[i % DIFFERENT], URLS_FULL, &r, url);
		octets += len[i % DIFFERENT];
	}
	s = seconds_since(began);
	printf("parsed_lines_per_s %.0f\n", (double)(lines - bad) / s);
	printf("parsed_megabytes_per_s %.0f\n", (double)octets / s / 1e6);
	began = cpu_ns();
	for (unsigned i = 0; i < lines; i++)
		if (squid_line(text[i % DIFFERENT], len[i % DIFFERENT], URLS_FULL, &r, url))
			request_log_add(log, &r, false, t0);
	request_log_close(&log, t0 + 1000);
	printf("parsed_and_kept_lines_per_s %.0f\n", (double)(lines - bad) / seconds_since(began));
	for (unsigned i = 0; i < DIFFERENT; i++)
		free(text[i]);
	free(text);
	free(len);
}

static bool count(void *arg, const struct request *r)
{
	(void)r;
	++*(uint64_t *)arg;
	return true;
}

static void kept(const char *directory)
{
	struct request_read read;
	struct err err = { "" };
	char path[DIR_PATH];
	uint64_t n = 0, began = cpu_ns();
	struct stat st = { 0 };

	request_log_read(directory, 0, INT64_MAX, count, &n, &read, &err);
	printf("read_requests_per_s %.0f\n", (double)n / seconds_since(began));
	stat(beside_path(directory, t0 / 1000, BESIDE_REQUESTS, path), &st);
	printf("octets_a_request %.1f\n", n ? (double)st.st_size / (double)n : 0);
}

static struct addr address(unsigned a, unsigned b, unsigned c, unsigned d)
{
	return addr_of4((uint8_t[]){ (uint8_t)a, (uint8_t)b, (uint8_t)c, (uint8_t)d });
}

static void join(void)
{
	struct request *r = xcalloc(REQUESTS, sizeof(*r)), **list;
	struct join_flow *f = xcalloc(FLOWS, sizeof(*f));
	const struct addr proxy = address(192, 0, 2, 2);
	struct join j;
	uint64_t began;
	double sum = 0;

	list = xcalloc(REQUESTS, sizeof(*list));
	for (unsigned i = 0; i < FLOWS; i++) {
		unsigned o = i % 10000;
		int64_t from = t0 + i / 10000 * 30000;

		f[i] = (struct join_flow){ .src = address(198, 18, o / 256, o), .dst = proxy,
					   .src_port = 80, .dst_port = (uint16_t)(i % 60000),
					   .from_ms = from, .to_ms = from + 29000,
					   .bytes = 1000000 };
	}
	for (unsigned i = 0; i < REQUESTS; i++) {
		unsigned o = i % 10000;

		r[i] = (struct request){ .client = address(10, 20, i >> 8, i),
					 .origin = address(198, 18, o / 256, o),
					 .start_ms = t0 + i * INT64_C(3) / 10,
					 .received = 50000, .url = (char *)"u" };
		r[i].end_ms = r[i].start_ms + 2000;
		list[i] = &r[i];
	}
	began = cpu_ns();
	join_run(f, FLOWS, list, REQUESTS, &proxy, 1, t0, t0 + 3600000, NULL, &j);
	printf("join_seconds %.3f\n", seconds_since(began));
	for (unsigned i = 0; i < FLOWS; i++)
		sum += f[i].explained;
	printf("join_explained %.3f\n", sum / (REQUESTS * 50000.0));
	join_free(&j);
	free(list);
	free(r);
	free(f);
}

int main(int argc, char **argv)
{
	unsigned lines = argc > 2 ? (unsigned)atoi(argv[2]) : 1000000;

	if (argc < 2 || argc > 3 || !lines) {
		fprintf(stderr, "usage: bench_squid DIRECTORY [LINES]\n");
		return 64;
	}
	parse(lines, argv[1]);
	kept(argv[1]);
	join();
	return 0;
}
