/* cmd_import.c - culprit import: what other collectors have kept.
 * SPDX-License-Identifier: ISC
 *
 * Files in the order of their names, folders with all that is in them. A bad one is named
 * and the others go on; at the end the exit code says that there was one. Beside a running
 * daemon it is safe: storage/archive/intake.c says why.
 */
#include "daemon/cli/cmd.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>

#include "daemon/base/mem.h"
#include "daemon/base/units.h"
#include "daemon/cli/cli.h"
#include "daemon/cli/progress.h"
#include "daemon/import/import.h"
#include "daemon/refill.h"

enum { DEPTH = 16 };

struct path {
	char *name;
	uint64_t octets;
};

struct run {
	struct cli *c;
	const char *exporter, *active, *inactive;
	bool packets, datagrams, verbose;
	struct import_opts opts;
	struct path *files;
	size_t n, cap;
	uint64_t octets, done; /* of all files; of those that are behind us */
	struct progress bar;
	struct table *table;
	uint64_t imported, known, bad, flows, bytes, no_exporter, no_time, bins;
	int64_t began_ms;
};

/* ---- which files ---- */

static void add_file(struct run *r, const char *name, uint64_t octets)
{
	if (r->n == r->cap) {
		r->cap = r->cap ? r->cap * 2 : 64;
		r->files = xrealloc(r->files, r->cap, sizeof(*r->files));
	}
	r->files[r->n++] = (struct path){ xstrdup(name), octets };
	r->octets += octets;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct path *)a)->name, ((const struct path *)b)->name);
}

static void add_folder(struct run *r, const char *name, int depth)
{
	DIR *d = opendir(name);
	size_t first = r->n;
	struct dirent *e;

	if (!d) {
		cli_say("%s: %m", name);
		r->bad++;
		return;
	}
	while ((e = readdir(d))) {
		char *sub;
		struct stat st;

		if (e->d_name[0] == '.')
			continue;
		sub = xasprintf("%s/%s", name, e->d_name);
		if (!lstat(sub, &st) && S_ISREG(st.st_mode))
			add_file(r, sub, (uint64_t)st.st_size);
		else if (S_ISDIR(st.st_mode) && depth)
			add_folder(r, sub, depth - 1);
		free(sub);
	}
	closedir(d);
	if (r->n > first)
		qsort(r->files + first, r->n - first, sizeof(*r->files), by_name);
}

static void add_path(struct run *r, const char *name)
{
	struct stat st;

	if (stat(name, &st)) {
		cli_say("%s: %m", name);
		r->bad++;
	} else if (S_ISDIR(st.st_mode)) {
		add_folder(r, name, DEPTH);
	} else {
		add_file(r, name, (uint64_t)st.st_size);
	}
}

/* ---- one file ---- */

static void progress(void *arg, uint64_t at)
{
	struct run *r = arg;

	progress_at(&r->bar, r->done + at, r->octets);
}

static void tell(struct run *r, const char *name, const struct import_told *t,
		 const char *what, enum paint p)
{
	char a[UNIT_TEXT], b[UNIT_TEXT], from[UNIT_TEXT], to[UNIT_TEXT];
	const struct intake_done *d = &t->done;

	table_row(r->table);
	table_text(r->table, name);
	table_text(r->table, t->kind);
	table_count(r->table, d->flows, text_count((double)d->flows, a));
	table_count(r->table, d->packets, NULL);
	table_count(r->table, d->bytes, text_bytes((double)d->bytes, b));
	table_time(r->table, d->rows ? d->start_ms : 0, text_time(d->start_ms, from));
	table_time(r->table, d->rows ? d->end_ms : 0, text_time(d->end_ms, to));
	table_text(r->table, what);
	table_paint(r->table, p);
}

static bool one(struct run *r, struct intake *in, const struct path *p)
{
	struct import_told t;
	struct err err = { "" };

	if (!import_file(in, &r->opts, p->name, &t, &err)) {
		progress_end(&r->bar);
		cli_say("%s; nothing of it was imported", err.msg);
		t.done = (struct intake_done){ 0 };
		tell(r, p->name, &t, err.msg, PAINT_RED);
		r->bad++;
		return true;
	}
	if (t.known) {
		r->known++;
		tell(r, p->name, &t, "is there already", PAINT_DIM);
		return true;
	}
	r->imported++;
	r->flows += t.done.flows;
	r->bytes += t.done.bytes;
	r->no_exporter += t.no_exporter;
	r->no_time += t.no_time;
	tell(r, p->name, &t, "imported", PAINT_GREEN);
	if (t.differs)
		cli_say("%s: it says that it holds %llu flows, %llu bytes, %llu packets; "
			"%llu, %llu, %llu were found and imported", p->name,
			(unsigned long long)t.flows, (unsigned long long)t.bytes,
			(unsigned long long)t.packets, (unsigned long long)t.done.rows,
			(unsigned long long)t.done.bytes,
			(unsigned long long)t.done.packets);
	return true;
}

/* ---- history ---- */

static void refill_progress(void *arg, uint64_t done, uint64_t all)
{
	progress_at(arg, done, all);
}

/* Bins of what came in, by this import or one that was interrupted. What is older than
 * history keeps would be forgotten at once. */
static void tell_history(struct run *r, struct intake *in)
{
	const struct config *conf = cli_config(r->c);
	struct refill_opts o = { .config = conf, .calendar = cli_calendar(r->c),
				 .names = r->opts.names, .progress = refill_progress,
				 .arg = &r->bar };
	int64_t oldest = r->c->now_ms - conf->history.rollups_ms;
	struct err err = { "" };

	if (!intake_owed(in, &o.from_ms, &o.to_ms))
		return;
	if (o.from_ms < oldest)
		o.from_ms = oldest;
	progress_begin(&r->bar, "telling history");
	if (o.from_ms > o.to_ms || refill_history(&o, &r->bins, &err)) {
		intake_paid(in);
	} else {
		progress_end(&r->bar);
		cli_say("history was not told of these flows: %s; the next import will try "
			"again", err.msg);
	}
	progress_end(&r->bar);
}

static void all(struct run *r, struct intake *in)
{
	progress_begin(&r->bar, "importing");
	for (size_t i = 0; i < r->n; i++) {
		one(r, in, &r->files[i]);
		r->done += r->files[i].octets;
	}
	progress_end(&r->bar);
	progress_begin(&r->bar, "summing up");
	intake_summaries(in, progress_tell, &r->bar);
	progress_end(&r->bar);
	tell_history(r, in);
}

/* ---- what is said ---- */

static int print(struct run *r)
{
	char a[UNIT_TEXT], b[UNIT_TEXT];
	struct strb head = { 0 };
	json_t *wrap = NULL;
	int code;

	if (r->c->json) {
		wrap = json_pack("{s:I,s:I,s:I,s:I,s:I,s:I}", "imported", (json_int_t)r->imported,
				 "known", (json_int_t)r->known, "bad", (json_int_t)r->bad,
				 "flows", (json_int_t)r->flows, "bytes",
				 (json_int_t)r->bytes, "bins", (json_int_t)r->bins);
	} else {
		strb_fmt(&head, "%llu files imported: %s flows, %s", (unsigned long long)
			 r->imported, text_count((double)r->flows, a),
			 text_bytes((double)r->bytes, b));
		if (r->bins)
			strb_fmt(&head, ", %llu bins of history", (unsigned long long)r->bins);
		if (r->known)
			strb_fmt(&head, "; %llu are there already",
				 (unsigned long long)r->known);
		if (r->bad)
			strb_fmt(&head, "; %llu could not be imported",
				 (unsigned long long)r->bad);
		strb_add(&head, "\n");
	}
	if (r->c->json || r->c->csv || r->verbose) {
		code = cli_print(r->c, r->table, head.s, wrap, "files");
	} else {
		code = cli_print_text(&head);
		json_decref(wrap);
	}
	strb_free(&head);
	if (r->no_exporter)
		cli_say("%llu flows do not tell who exported them; they are filed under 0.0.0.0. "
			"--exporter NAME would have filed them under that exporter",
			(unsigned long long)r->no_exporter);
	if (r->no_time)
		cli_say("%llu flows tell no possible time; they have that of their file",
			(unsigned long long)r->no_time);
	return code ? code : r->bad ? EXIT_FAILURE : EX_OK;
}

/* ---- options ---- */

static bool find_exporter(struct run *r, struct names *names, struct err *err)
{
	struct addr a;

	for (uint32_t i = 0; i < names_exporters(names); i++)
		if (!strcmp(names_exporter_at(names, i)->name, r->exporter))
			r->opts.exporter = names_exporter_at(names, i);
	if (!r->opts.exporter && addr_parse(r->exporter, &a))
		r->opts.exporter = names_exporter(names, &a, 0);
	return r->opts.exporter ||
	       err_set(err, "--exporter %s: neither an address nor an exporter of the "
			    "configuration", r->exporter);
}

static bool read_options(struct run *r, struct names *names, struct err *err)
{
	if (r->packets && r->datagrams)
		return err_set(err, "--packets and --datagrams exclude each other");
	r->opts.capture.kind = r->packets     ? CAPTURE_PACKETS
			       : r->datagrams ? CAPTURE_DATAGRAMS
					      : CAPTURE_GUESS;
	if (r->active && (!parse_duration(r->active, &r->opts.capture.active_ms) ||
			  r->opts.capture.active_ms <= 0))
		return err_set(err, "--active is a duration, as 60s, not \"%s\"", r->active);
	if (r->inactive && (!parse_duration(r->inactive, &r->opts.capture.inactive_ms) ||
			    r->opts.capture.inactive_ms <= 0))
		return err_set(err, "--inactive is a duration, as 15s, not \"%s\"",
			       r->inactive);
	return !r->exporter || find_exporter(r, names, err);
}

static int run(struct run *r, int argc, char **argv)
{
	const struct config *conf = cli_config(r->c);
	struct err err = { "" };
	struct intake *in;
	int code;

	if (!conf || !cli_calendar(r->c) || !cli_names(r->c))
		return EX_CONFIG;
	if (!conf->archive.enabled)
		return cli_fail(EX_UNAVAILABLE, "the configuration has the archive switched off, "
						"so there is nowhere to import to");
	r->opts.names = cli_names(r->c);
	r->opts.calendar = cli_calendar(r->c);
	r->opts.now_ms = r->c->now_ms;
	r->opts.capture.progress = progress;
	r->opts.capture.arg = r;
	if (!read_options(r, r->opts.names, &err))
		return cli_usage(r->c, "%s", err.msg);
	in = intake_open(conf->archive.directory, &err);
	if (!in)
		return cli_fail(EX_UNAVAILABLE, "%s", err.msg);
	for (int i = 1; i < argc; i++)
		add_path(r, argv[i]);
	all(r, in);
	intake_close(&in);
	code = print(r);
	return code;
}

int cmd_import(struct cli *c, int argc, char **argv)
{
	static const struct column cols[] = {
		{ "file", "file", COL_TEXT },	   { "kind", "kind", COL_TEXT },
		{ "flows", "flows", COL_VALUE },   { "packets", NULL, COL_DATA },
		{ "bytes", "bytes", COL_VALUE },   { "from", "from", COL_TEXT },
		{ "to", "to", COL_TEXT },	   { "result", "result", COL_LONG },
	};
	struct run r = { .c = c };
	const struct arg args[] = {
		{ "exporter", 'e', ARG_TEXT, "WHO", "address or name of who exported the "
		  "flows, whatever they tell", &r.exporter },
		{ "packets", 0, ARG_FLAG, NULL, "captures hold traffic: make flows of it",
		  &r.packets },
		{ "datagrams", 0, ARG_FLAG, NULL, "captures hold NetFlow, IPFIX or sFlow",
		  &r.datagrams },
		{ "active", 0, ARG_TEXT, "DURATION", "a flow of packets ends after (60s)",
		  &r.active },
		{ "inactive", 0, ARG_TEXT, "DURATION", "... or when nothing came for (15s)",
		  &r.inactive },
		{ "verbose", 'v', ARG_FLAG, NULL, "a line for each file", &r.verbose },
		{ 0 },
	};
	int code = cli_args(c, &argc, argv, args);

	if (code >= 0)
		return code;
	if (argc < 2)
		return cli_usage(c, "name files or folders of nfdump, flow-tools, CSV or pcap");
	if (c->url)
		return cli_usage(c, "flows are put into the archive itself, so --url has no "
				    "place here; name its state with --state or -c");
	r.table = table_new(cols, ARRAY_LEN(cols));
	code = run(&r, argc, argv);
	table_free(&r.table);
	for (size_t i = 0; i < r.n; i++)
		free(r.files[i].name);
	free(r.files);
	return code;
}
