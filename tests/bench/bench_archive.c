/* bench_archive.c - how small, how fast: the archive's figures.
 * SPDX-License-Identifier: ISC
 *
 *   bench_archive [-n FLOWS] [-s HOURS] [-d DIRECTORY] [-k] [-u PORT]
 *
 * Writes FLOWS (default 3,000,000) distinct mixed flows as a router sends them:
 * inside and outside hosts by Zipf's law, sizes by Pareto's, services and
 * ephemeral ports, durations up to thirty seconds. They arrive at a million a
 * minute, or within HOURS. Prints octets and CPU for a flow, then the wall time
 * of questions, first of flows, then of summaries. -k asks only, when DIRECTORY is
 * there. -u only sends the same flows as NetFlow v5 to 127.0.0.1:PORT, so that
 * another collector can be fed with them.
 */
#include "daemon/base/clock.h"
#include "daemon/base/mem.h"
#include "daemon/evidence/top.h"
#include "storage/archive/archive.h"
#include "storage/archive/dir.h"
#include "storage/archive/summary.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <math.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static const uint64_t SLOW_NS = 2000000000;

enum { HOSTS = 5000, V5_ROWS = 30, BATCH = 64 };

static const int64_t t0 = INT64_C(1795430100000);

static uint64_t state = 1;
static double cdf[HOSTS];

static uint64_t rnd(void)
{
	uint64_t z = (state += UINT64_C(0x9e3779b97f4a7c15));

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

static double unit(void)
{
	return (double)(rnd() >> 11) * 0x1.0p-53;
}

static void zipf_init(void)
{
	double sum = 0;

	for (unsigned i = 0; i < HOSTS; i++)
		cdf[i] = sum += 1 / pow(i + 1, 1.1);
	for (unsigned i = 0; i < HOSTS; i++)
		cdf[i] /= sum;
}

static uint32_t zipf(void)
{
	double u = unit();
	uint32_t lo = 0, hi = HOSTS - 1;

	while (lo < hi) {
		uint32_t mid = (lo + hi) / 2;

		if (cdf[mid] < u)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static struct addr addr4(uint32_t host)
{
	uint32_t net = htonl(host);

	return addr_of4(&net);
}

static void make_row(struct block *b, uint32_t r, int64_t received_ms)
{
	static const uint16_t ports[] = { 443, 443, 443, 443, 80,   80,
					  53,  22,  25,	 993, 3128, 123 };
	uint32_t inside = 0x0a00000a + zipf(), outside = 0xc6120000 + zipf() * 7;
	uint16_t service = ports[rnd() % 12], eph = (uint16_t)(1024 + rnd() % 64000);
	bool down = unit() < 0.7;
	double size = 60 * pow(1 - unit(), -1 / 1.2);
	uint32_t src = down ? outside : inside, dst = down ? inside : outside;

	b->src[r] = addr4(src);
	b->dst[r] = addr4(dst);
	b->src_port[r] = down ? service : eph;
	b->dst_port[r] = down ? eph : service;
	b->proto[r] = service == 53 || service == 123 ? 17 : 6;
	b->tcp_flags[r] = b->proto[r] == 6 ? 0x1b : 0;
	b->bytes[r] = size > 5e7 ? 50000000 : (uint64_t)size;
	b->packets[r] = b->bytes[r] / 900 + 1;
	b->in_if[r] = down ? 1 : 2;
	b->out_if[r] = down ? 2 : 1;
	b->received_ms[r] = received_ms;
	b->end_ms[r] = received_ms / 1000 * 1000 - 1000;
	b->start_ms[r] = b->end_ms[r] - (int64_t)(rnd() % 30000);
	b->src_as[r] = 64500 + src % 50;
	b->dst_as[r] = 64500 + dst % 50;
	b->src_mask[r] = 24;
	b->dst_mask[r] = 16;
	b->via[r] = VIA_NETFLOW5;
}

static void use_columns(struct block *b)
{
	static const enum field used[] = {
		F_start_ms, F_end_ms, F_received_ms, F_bytes,	F_packets,
		F_exporter, F_via,    F_src,	     F_dst,	F_src_port,
		F_dst_port, F_proto,  F_tcp_flags,   F_in_if,	F_out_if,
		F_src_as,   F_dst_as, F_src_mask,    F_dst_mask
	};

	for (size_t i = 0; i < ARRAY_LEN(used); i++)
		block_use(b, used[i]);
}

static void put(uint8_t *p, uint64_t v, unsigned octets)
{
	while (octets--) {
		p[octets] = (uint8_t)v;
		v >>= 8;
	}
}

/* Rows r .. of b as one v5 datagram; its clock is the rows' receive time. */
static size_t make_v5(uint8_t *h, const struct block *b, uint32_t r, uint32_t *sequence)
{
	uint32_t n = b->n - r < V5_ROWS ? b->n - r : V5_ROWS;
	const uint32_t uptime = 86400000;
	int64_t now = b->received_ms[r];

	memset(h, 0, 24 + n * 48);
	put(h, 5, 2);
	put(h + 2, n, 2);
	put(h + 4, uptime, 4);
	put(h + 8, (uint64_t)(now / 1000), 4);
	put(h + 16, *sequence, 4);
	for (uint32_t i = 0; i < n; i++, r++) {
		uint8_t *p = h + 24 + i * 48;

		memcpy(p, b->src[r].b + 12, 4);
		memcpy(p + 4, b->dst[r].b + 12, 4);
		put(p + 12, b->in_if[r], 2);
		put(p + 14, b->out_if[r], 2);
		put(p + 16, b->packets[r], 4);
		put(p + 20, b->bytes[r], 4);
		put(p + 24, (uint64_t)(uptime + b->start_ms[r] - now / 1000 * 1000), 4);
		put(p + 28, (uint64_t)(uptime + b->end_ms[r] - now / 1000 * 1000), 4);
		put(p + 32, b->src_port[r], 2);
		put(p + 34, b->dst_port[r], 2);
		p[37] = (uint8_t)b->tcp_flags[r];
		p[38] = b->proto[r];
		put(p + 40, b->src_as[r], 2);
		put(p + 42, b->dst_as[r], 2);
		p[44] = b->src_mask[r];
		p[45] = b->dst_mask[r];
	}
	*sequence += n;
	return 24 + n * 48;
}

static void die(const char *what)
{
	fprintf(stderr, "bench_archive: %s\n", what);
	exit(1);
}

static void nap(long us)
{
	nanosleep(&(struct timespec){ .tv_nsec = us * 1000 }, NULL);
}

/* What arrives within one second, as the collector has it. */
static struct block *make_block(const struct names *names, uint64_t *made, uint64_t flows,
				int64_t span_ms)
{
	struct block *b = block_new(names);

	use_columns(b);
	for (; b->n < BLOCK_ROWS && *made < flows; b->n++, ++*made) {
		int64_t ms = t0 + (int64_t)((unsigned __int128)(*made / 30 * 30) *
					    (uint64_t)span_ms / flows);

		if (b->n && ms / 1000 != b->received_ms[0] / 1000)
			break;
		make_row(b, b->n, ms);
	}
	return b;
}

/* A quarter of a million flows a second: a collector that loses none is not hurried. */
static void feed(uint64_t flows, uint16_t port)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
				  .sin_port = htons(port),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	uint64_t made = 0, began = clock_mono_ns();
	uint32_t sequence = 0;
	uint8_t d[24 + V5_ROWS * 48];

	if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof(to)))
		die("no socket");
	while (made < flows) {
		struct block *b = make_block(NULL, &made, flows, (int64_t)flows * 60 / 1000);

		for (uint32_t r = 0; r < b->n; r += V5_ROWS) {
			size_t len = make_v5(d, b, r, &sequence);

			if (send(fd, d, len, 0) < 0)
				nap(100);
			while (clock_mono_ns() - began < (uint64_t)sequence * 4000)
				nap(50);
		}
		block_unref(&b);
	}
	close(fd);
}

static void mark_done(void *arg, struct alert *a)
{
	sem_post(arg);
	alert_unref(&a);
}

static double cpu_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Flows are made in batches, so that what is measured is the archive alone. */
static void fill(const char *directory, uint64_t flows, int64_t span_ms)
{
	struct names *names = names_new(16);
	struct addr router = addr4(0xc0000201);
	sem_t ready;
	struct archive_opts o = { .directory = directory,
				  .names = names,
				  .arg = &ready,
				  .queue_blocks = BATCH,
				  .no_summaries = true,
				  .mark_done = mark_done };
	struct err err = { "" };
	struct archive *a;
	struct archive_stats st;
	double cpu = 0;
	uint64_t made = 0, wall = 0;

	sem_init(&ready, 0, 0);
	names_exporter_known(names, &router, 0, "router");
	a = archive_start(&o, &err);
	if (!a)
		die(err.msg);
	while (made < flows) {
		struct block *batch[BATCH];
		unsigned n = 0;
		double from;
		uint64_t began;

		while (n < BATCH && made < flows)
			batch[n++] = make_block(names, &made, flows, span_ms);
		from = cpu_s();
		began = clock_mono_ns();
		for (unsigned i = 0; i < n; i++) {
			archive_tick(a, batch[i]->received_ms[0]);
			archive_block(a, block_ref(batch[i]), batch[i]->received_ms[0]);
		}
		if (made == flows)
			archive_tick(a, t0 + span_ms + 600000); /* closes the last file */
		archive_mark(a, alert_new());
		sem_wait(&ready);
		wall += clock_mono_ns() - began;
		cpu += cpu_s() - from;
		while (n)
			block_unref(&batch[--n]);
	}
	archive_stats(a, &st);
	printf("write %" PRIu64 " flows: %.2f octets/flow, CPU %.1f ns/flow, wall %.1f "
	       "ns/flow, %" PRIu64 " dropped\n",
	       st.flows_written, (double)st.octets / (double)st.flows_written,
	       cpu * 1e9 / (double)made, (double)wall / (double)made, st.flows_dropped);
	archive_stop(&a);
	names_free(&names);
	sem_destroy(&ready);
}

static void sum_up(const char *directory, uint64_t flows)
{
	struct dir_list files;
	uint64_t octets = 0;
	struct err err;
	double from = cpu_s();

	if (!dir_scan(directory, 0, INT64_MAX - 86400, &files))
		die("no archive");
	for (size_t i = 0; i < files.n; i++)
		if (!summary_make(directory, files.at[i].file_s, NULL, &err))
			die(err.msg);
	from = cpu_s() - from;
	dir_list_free(&files);
	dir_scan(directory, 0, INT64_MAX - 86400, &files);
	for (size_t i = 0; i < files.n; i++)
		octets += files.at[i].summary;
	printf("sum up %zu files: %.2f octets/flow, CPU %.1f ns/flow\n", files.n,
	       (double)octets / (double)flows, from * 1e9 / (double)flows);
	dir_list_free(&files);
}

static void ask(const char *directory, bool summaries, const char *what, const char *keys,
		const char *filter)
{
	struct top_query q = { .directory = directory,
			       .no_summaries = !summaries,
			       .from_ms = 0,
			       .to_ms = INT64_MAX,
			       .n = 10,
			       .memory = 256 << 20 };
	struct top_result r;
	struct err err = { "" };
	uint64_t best = UINT64_MAX;
	double cpu = 1e9;
	struct filter *f = filter_compile(filter, &err);

	q.filter = f;
	q.n_keys = top_keys_parse(keys, q.keys, &err);
	for (int i = 0; i < 3; i++) { /* what takes long is asked once */
		uint64_t t = clock_mono_ns();
		double from = cpu_s();

		if (!top_run(&q, &r, &err))
			die(err.msg);
		t = clock_mono_ns() - t;
		best = t < best ? t : best;
		from = cpu_s() - from;
		cpu = from < cpu ? from : cpu;
		if (i == 2 || t > SLOW_NS)
			break;
		top_free(&r);
	}
	printf("%s%-28s wall %8.1f ms  CPU %8.1f ms  %9" PRIu64
	       " flows  first %s: %" PRIu64 " B; %" PRIu64 " summaries, %u readings\n",
	       summaries ? "summed: " : "", what, (double)best / 1e6, cpu * 1e3, r.total.flows,
	       r.n ? r.rows[0].value[0].text : "-", r.n ? r.rows[0].sums.bytes : 0,
	       r.read.summaries, r.passes);
	top_free(&r);
	filter_free(&f);
}

int main(int argc, char **argv)
{
	char tmp[] = "/tmp/bench_archive_XXXXXX";
	const char *directory = NULL;
	uint64_t flows = 3000000;
	int64_t span_ms = 0;
	uint16_t port = 0;
	bool keep = false;
	int c;

	while ((c = getopt(argc, argv, "n:d:ku:s:")) != -1)
		switch (c) {
		case 'n': flows = strtoull(optarg, NULL, 10); break;
		case 'd': directory = optarg; break;
		case 's': span_ms = (int64_t)(atof(optarg) * 3600000); break;
		case 'k': keep = true; break;
		case 'u': port = (uint16_t)atoi(optarg); break;
		default: return 64;
		}
	if (!span_ms)
		span_ms = (int64_t)flows * 60 / 1000;
	zipf_init();
	if (port) {
		feed(flows, port);
		return 0;
	}
	if (!directory && !(directory = mkdtemp(tmp)))
		die("no temporary directory");
	if (!keep || access(directory, R_OK))
		fill(directory, flows, span_ms);
	ask(directory, false, "top 10 hosts by bytes", "host", "");
	ask(directory, false, "top 10 sources", "src", "");
	ask(directory, false, "top 10 services", "port", "");
	ask(directory, false, "top 10 destination ports", "dst-port", "");
	ask(directory, false, "top 10 conversations", "src,dst", "");
	ask(directory, false, "src host 10.0.0.10", "flow", "src host 10.0.0.10");
	ask(directory, false, "src host 10.0.3.10", "flow", "src host 10.0.3.10");
	ask(directory, false, "src host 192.0.2.77 (absent)", "flow", "src host 192.0.2.77");
	sum_up(directory, flows);
	ask(directory, true, "top 10 hosts by bytes", "host", "");
	ask(directory, true, "top 10 sources", "src", "");
	ask(directory, true, "top 10 services", "port", "");
	ask(directory, true, "top 10 conversations", "src,dst", "");
	ask(directory, true, "top 10 flows", "flow", "");
	if (directory == tmp) {
		char *rm = xasprintf("rm -rf '%s'", tmp);

		if (system(rm))
			die("cannot clean up");
		free(rm);
	}
	return 0;
}
