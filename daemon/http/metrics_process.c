/* metrics_process.c - process_*: what the kernel says about us.
 * SPDX-License-Identifier: ISC
 */
#include "daemon/http/metrics.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static void add(struct prom *p, const char *name, const char *type, const char *help, double v)
{
	prom_family(p, name, type, help);
	prom_row(p, v, NO_LABELS);
}

static int open_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	int n = 0;

	if (!d)
		return -1;
	while (readdir(d))
		n++;
	closedir(d);
	return n - 3; /* ".", ".." and the one that reads them */
}

/* When the kernel started: the unit of start times is ticks since then. */
static double boot_time(void)
{
	FILE *f = fopen("/proc/stat", "re");
	char line[512];
	double t = 0;

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "btime %lf", &t) == 1)
			break;
	if (f)
		fclose(f);
	return t;
}

/* Fields 14, 15, 20, 22, 23, 24 of /proc/self/stat; the name, field 2, may have spaces
 * and brackets in it. */
static bool read_stat(uint64_t out[static 6])
{
	FILE *f = fopen("/proc/self/stat", "re");
	char line[1024];
	const char *at;
	bool ok = false;

	if (!f)
		return false;
	if (fgets(line, sizeof(line), f) && (at = strrchr(line, ')')))
		ok = sscanf(at + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %" SCNu64
			    " %" SCNu64 " %*d %*d %*d %*d %" SCNu64 " %*d %" SCNu64 " %" SCNu64
			    " %" SCNu64, &out[0], &out[1], &out[2], &out[3], &out[4],
			    &out[5]) == 6;
	fclose(f);
	return ok;
}

void metrics_process(struct prom *p)
{
	double tick = (double)sysconf(_SC_CLK_TCK), page = (double)sysconf(_SC_PAGESIZE);
	uint64_t v[6];
	struct rlimit lim;
	int fds = open_fds();

	if (read_stat(v)) {
		add(p, "process_cpu_seconds_total", "counter", "CPU time, user and system.",
		    (double)(v[0] + v[1]) / tick);
		add(p, "process_threads", "gauge", "Threads.", (double)v[2]);
		add(p, "process_start_time_seconds", "gauge", "When the process started.",
		    boot_time() + (double)v[3] / tick);
		add(p, "process_virtual_memory_bytes", "gauge", "Address space.", (double)v[4]);
		add(p, "process_resident_memory_bytes", "gauge", "Memory in use.",
		    (double)v[5] * page);
	}
	if (fds >= 0)
		add(p, "process_open_fds", "gauge", "Descriptors open.", fds);
	if (!getrlimit(RLIMIT_NOFILE, &lim))
		add(p, "process_max_fds", "gauge", "Descriptors that may be open.",
		    (double)lim.rlim_cur);
}
