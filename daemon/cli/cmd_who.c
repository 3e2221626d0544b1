/* cmd_who.c - `culprit who`: whose pseudonym it is.
 * SPDX-License-Identifier: ISC
 *
 * A keyed hash has no way back, so addresses are tried: those of the configuration's
 * IPv4 networks, a million of them at most, then whoever has flows in the archive in the
 * time asked about. Who may not read the key is told so, and who looked is written down
 * like any other question (privacy { looked }).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "daemon/cli/cli.h"
#include "daemon/cli/cmd.h"
#include "daemon/cli/query.h"
#include "daemon/evidence/veil.h"
#include "daemon/model/flow_text.h"
#include "daemon/model/rows.h"

enum { TRIES = 1 << 20 };

struct who {
	struct query q;
	const struct veil *veil;
	struct addr wanted, found;
	struct addr last; /* that was tried: flows of one host often follow one another */
};

static bool is(struct who *w, const struct addr *a)
{
	struct addr veiled;

	if (addr_eq(a, &w->last))
		return false;
	w->last = *a;
	veiled = veil_addr(w->veil, a);
	if (!addr_eq(&veiled, &w->wanted))
		return false;
	w->found = *a;
	return true;
}

static bool try_networks(struct who *w, const struct config *c)
{
	uint32_t left = TRIES;

	for (size_t i = 0; i < c->n_networks; i++)
		for (size_t k = 0; k < c->networks[i].n_prefixes; k++) {
			const struct prefix *p = &c->networks[i].prefixes[k];
			struct addr a = p->addr;
			uint64_t n = p->bits < 96 ? 0 : UINT64_C(1) << (128 - p->bits);
			uint32_t host;

			if (!addr_is4(&p->addr))
				continue;
			memcpy(&host, a.b + 12, 4);
			host = __builtin_bswap32(host);
			for (; n && left; n--, left--, host++) {
				uint32_t net = __builtin_bswap32(host);

				memcpy(a.b + 12, &net, 4);
				if (is(w, &a))
					return true;
			}
		}
	return false;
}

static bool try_rows(void *arg, unsigned worker, const struct block *b, const uint64_t *bits)
{
	struct who *w = arg;

	(void)worker;
	for (uint32_t i = 0; i < ROW_WORDS && i * 64 < b->n; i++)
		for (uint64_t left = bits[i]; left; left &= left - 1) {
			uint32_t row = i * 64 + (uint32_t)__builtin_ctzll(left);

			if (is(w, &b->src[row]) || is(w, &b->dst[row]))
				return false;
		}
	return true;
}

static int find(struct cli *c, struct who *w)
{
	struct archive_query q = {
		.directory = w->q.directory, .from_ms = w->q.from_ms, .to_ms = w->q.to_ms,
		.filter = w->q.filter, .names = w->q.names, .threads = 1,
		.columns = UINT64_C(1) << F_src | UINT64_C(1) << F_dst,
	};
	struct archive_result read = { 0 };
	struct err err = { "" };
	char text[ADDR_TEXT];

	if (!try_networks(w, cli_config(c)) && !archive_read(&q, try_rows, w, &read, &err))
		return cli_fail(EX_UNAVAILABLE, "%s", err.msg);
	if (addr_is_none(&w->found))
		return cli_fail(EXIT_FAILURE, "nobody in the configured networks, and nobody "
				"with flows in that time, has this pseudonym under today's key; "
				"--from says how far to look back");
	addr_text(&w->found, text);
	if (c->json)
		return cli_print_json(json_pack("{s:s}", "address", text));
	puts(text);
	return EX_OK;
}

int cmd_who(struct cli *c, int argc, char **argv)
{
	struct who w = { .veil = NULL };
	const struct arg args[] = { QUERY_ARGS(&w.q), { 0 } };
	struct err err = { "" };
	struct veil *veil;
	char *key;
	int code = cli_args(c, &argc, argv, args);

	if (code < 0 && argc != 2)
		code = cli_usage(c, "one pseudonym is expected, like client-0123456789ab");
	if (code < 0 && (!addr_parse(argv[1], &w.wanted) || !addr_is_veiled(&w.wanted)))
		code = cli_usage(c, "\"%s\" is no pseudonym; they read like client-0123456789ab",
				 argv[1]);
	if (code < 0)
		code = query_read(c, &w.q, 1, argv);
	if (code < 0) {
		key = privacy_key(cli_config(c));
		veil = veil_open(key, false, &err);
		free(key);
		w.veil = veil;
		code = veil ? find(c, &w) : cli_fail(EX_NOPERM, "%s", err.msg);
		veil_free(&veil);
	}
	query_fini(&w.q);
	return code;
}
