/* templates.c - templates and sampling tables over a restart.
 * SPDX-License-Identifier: ISC
 *
 * A router repeats its v9 and IPFIX templates every few minutes; a restart must
 * not be blind until then. One file for each worker, written beside and renamed,
 * when a template is new, once a minute and at the end. Exporters may land on another worker after the
 * number of workers was changed, so every file is offered to every collector.
 */
#include "daemon/engine_impl.h"

#include "daemon/base/clock.h"
#include "daemon/base/log.h"
#include "daemon/base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FILE_MAX = 64 << 20 };

/* The ifIndex of a configured interface, 0 when nobody has told its name yet; then its
 * speed is set too. */
static uint32_t index_of(struct engine *e, const struct exporter *x,
			 const struct interface_conf *i)
{
	int64_t index = i->index >= 0 ? i->index : names_interface_find(e->names, x->id, i->name);

	if (index <= 0)
		return 0;
	if (i->index < 0 && i->speed_bps)
		names_interface_set(e->names, x->id, (uint32_t)index, NULL, i->speed_bps, TOLD_CONFIG);
	return (uint32_t)index;
}

bool engine_interfaces_named(struct engine *e)
{
	const struct config *c = e->config;

	if (e->names_version == names_version(e->names))
		return false;
	for (size_t i = 0; i < c->n_exporters; i++)
		for (size_t j = 0; j < c->exporters[i].n_interfaces; j++)
			if (c->exporters[i].interfaces[j].index < 0)
				return true;
	return false;
}

void engine_collect_conf(struct engine *e)
{
	const struct config *c = e->config;
	struct sampling_override *o = NULL;
	size_t n = 0;

	e->names_version = names_version(e->names);
	for (size_t i = 0; i < c->n_exporters; i++) {
		const struct exporter_conf *x = &c->exporters[i];
		const struct exporter *known = names_exporter_find(e->names, &x->addr, x->port);

		if (!known)
			continue;
		o = xrealloc(o, n + x->n_interfaces + 1, sizeof(*o));
		if (x->sampling)
			o[n++] = (struct sampling_override){ known->id, 0, x->sampling };
		for (size_t j = 0; j < x->n_interfaces; j++) {
			uint32_t index = index_of(e, known, &x->interfaces[j]);

			if (x->interfaces[j].sampling && index)
				o[n++] = (struct sampling_override){
					known->id, index, x->interfaces[j].sampling };
		}
	}
	free(e->overrides);
	e->overrides = o;
	e->collect = (struct collect_conf){ .only_known = c->only_known, .overrides = o,
					    .n_overrides = n };
}

static void file_name(const struct engine *e, unsigned worker, const char *end, char *out,
		      size_t len)
{
	snprintf(out, len, "%s/templates-%u%s", e->config->state_dir, worker, end);
}

static bool write_file(const char *path, const char *tmp, const struct strb *b)
{
	int fd = open(tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
	bool ok = fd >= 0 && write(fd, b->s ? b->s : "", b->len) == (ssize_t)b->len;

	if (fd >= 0)
		ok = !close(fd) && ok;
	return ok && !rename(tmp, path);
}

static void save(void *arg, struct collector *c)
{
	collect_save(c, arg);
}

void templates_save(struct engine *e)
{
	char path[4200], tmp[4200];

	for (unsigned i = 0; i < WORKERS_MAX && e->worker[i]; i++) {
		struct strb b = { 0 };

		worker_call(e->worker[i], save, &b);
		file_name(e, i, "", path, sizeof(path));
		file_name(e, i, ".new", tmp, sizeof(tmp));
		if (!write_file(path, tmp, &b))
			log_seldom("templates", 3600, "%s: %s; after a restart flows wait for "
				   "their exporters to repeat templates", path,
				   strerror(errno));
		strb_free(&b);
	}
}

uint64_t templates_known(const struct engine *e)
{
	uint64_t n = 0;

	for (uint32_t i = 0; i < names_exporters(e->names); i++)
		n += ledger_get(&names_exporter_at(e->names, i)->ledger.templates);
	return n;
}

struct mine {
	unsigned worker, workers;
};

static bool lands_here(void *arg, const struct addr *a)
{
	const struct mine *m = arg;

	return udp_worker_of(a, m->workers) == m->worker;
}

static void load(struct engine *e, const char *path, const char *data, size_t len)
{
	struct mine m = { .workers = udp_workers(e->udp) };
	struct err err = { "" };

	for (; m.worker < m.workers; m.worker++)
		if (!collect_load(e->collector[m.worker], data, len, clock_wall_ms(),
				  lands_here, &m, &err))
			log_warn("%s: %s; it is left out", path, err.msg);
}

void templates_load(struct engine *e)
{
	char path[4200];
	struct stat st;

	for (unsigned i = 0; i < WORKERS_MAX; i++) {
		char *data;
		ssize_t n;
		int fd;

		file_name(e, i, "", path, sizeof(path));
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			continue;
		if (!fstat(fd, &st) && st.st_size > 0 && st.st_size <= FILE_MAX) {
			data = xcalloc(1, (size_t)st.st_size);
			n = read(fd, data, (size_t)st.st_size);
			if (n == st.st_size)
				load(e, path, data, (size_t)n);
			free(data);
		}
		close(fd);
		if (i >= udp_workers(e->udp))
			unlink(path); /* its exporters live in other files from now on */
	}
}
