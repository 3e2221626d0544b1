/* cmd_verify.c - culprit verify: is every block of an archive whole?
 * SPDX-License-Identifier: ISC
 */
#include "daemon/cli/cmd.h"

#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "daemon/base/units.h"
#include "daemon/cli/cli.h"
#include "daemon/cli/progress.h"
#include "daemon/evidence/request_log.h"
#include "storage/archive/archive.h"

struct verify {
	struct table *table;
	struct progress progress;
	bool verbose;
	uint64_t flows, blocks;
};

static void tell(void *arg, const char *path, uint64_t offset, uint64_t flows,
		 const char *what)
{
	struct verify *v = arg;

	v->flows += what ? 0 : flows;
	progress_at(&v->progress, ++v->blocks, 0);
	if (!what && !v->verbose)
		return;
	table_row(v->table);
	table_text(v->table, path);
	table_count(v->table, offset, NULL);
	table_count(v->table, flows, NULL);
	table_text(v->table, what ? what : "whole");
	table_paint(v->table, what ? PAINT_RED : PAINT_GREEN);
}

static int print(const struct cli *c, const struct verify *v,
		 const struct archive_result *r, bool whole)
{
	struct strb head = { 0 };
	json_t *wrap = NULL;
	char t[UNIT_TEXT];
	int code;

	if (c->json) {
		wrap = json_object();
		json_object_set_new(wrap, "whole", json_boolean(whole));
		json_object_set_new(wrap, "files", json_integer((json_int_t)r->files));
		json_object_set_new(wrap, "blocks", json_integer((json_int_t)r->blocks));
		json_object_set_new(wrap, "damaged",
				    json_integer((json_int_t)r->blocks_damaged));
		json_object_set_new(wrap, "flows", json_integer((json_int_t)v->flows));
	} else {
		strb_fmt(&head, "%s: %llu file%s, %llu block%s, %s flows%s\n",
			 whole ? "whole" : "damaged", (unsigned long long)r->files,
			 r->files == 1 ? "" : "s", (unsigned long long)r->blocks,
			 r->blocks == 1 ? "" : "s", text_count((double)v->flows, t),
			 whole ? ""
			       : "; what is named below is left out of answers, all else "
				 "is good");
		if (table_rows(v->table))
			strb_add(&head, "\n");
	}
	code = cli_print(c, v->table, head.s, wrap, "list");
	strb_free(&head);
	return code;
}

static bool pass_over(void *arg, const struct request *r)
{
	(void)r;
	++*(uint64_t *)arg;
	return true;
}

/* What is kept of a proxy's requests beside the flows. */
static bool verify_requests(const char *directory)
{
	struct request_read r;
	struct err err = { "" };
	uint64_t n = 0;

	if (!request_log_read(directory, 0, INT64_MAX, pass_over, &n, &r, &err) ||
	    !r.damaged)
		return !*err.msg;
	cli_say("%llu blocks of requests are damaged and left out of answers; %llu requests "
		"are good", (unsigned long long)r.damaged, (unsigned long long)n);
	return false;
}

int cmd_verify(struct cli *c, int argc, char **argv)
{
	static const struct column cols[] = {
		{ "file", "file", COL_TEXT },
		{ "offset", "offset", COL_VALUE },
		{ "flows", "flows", COL_VALUE },
		{ "what", "what", COL_TEXT },
	};
	struct verify v = { 0 };
	const struct arg args[] = {
		{ "verbose", 'v', ARG_FLAG, NULL, "name whole blocks too", &v.verbose },
		{ 0 },
	};
	struct archive_result r = { 0 };
	struct err err = { "" };
	const char *directory;
	int code = cli_args(c, &argc, argv, args);
	bool whole;

	if (code >= 0)
		return code;
	if (argc > 2)
		return cli_usage(c, "one directory at a time");
	if (argc < 2 && !cli_config(c))
		return EX_CONFIG;
	directory = argc > 1 ? argv[1] : cli_config(c)->archive.directory;
	if (access(directory, R_OK | X_OK))
		return cli_fail(EX_UNAVAILABLE, "%s: %m", directory);
	v.table = table_new(cols, 4);
	progress_begin(&v.progress, "blocks read:");
	whole = archive_verify(directory, tell, &v, &r, &err);
	whole &= verify_requests(directory);
	progress_end(&v.progress);
	if (*err.msg && !r.blocks_damaged) /* nothing could be read at all */
		code = cli_fail(EX_UNAVAILABLE, "%s", err.msg);
	else
		code = print(c, &v, &r, whole);
	table_free(&v.table);
	return code ? code : whole ? EX_OK : EXIT_FAILURE;
}
