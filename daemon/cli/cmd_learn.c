/* cmd_learn.c - culprit learn: what is normal, from the past that there is.
 * SPDX-License-Identifier: ISC
 *
 *	culprit learn                     all rules with a detector, the last thirty days
 *	culprit learn --from -60d lan     one of them, from then on
 *
 * A running daemon does it itself, since the baselines are in its memory, and takes them at
 * once. Otherwise they are put where the daemon looks when it starts. Series whose
 * baseline is armed are left alone, so asking twice changes nothing.
 */
#include "daemon/cli/cmd.h"

#include <string.h>
#include <sysexits.h>

#include "daemon/base/mem.h"
#include "daemon/cli/act.h"
#include "daemon/cli/ask.h"
#include "daemon/cli/progress.h"
#include "daemon/cli/when.h"
#include "daemon/learn.h"
#include "storage/store.h"

enum { DAYS_MS = 30 * 86400 * 1000L };

struct learning {
	struct cli *c;
	struct store *store;
	uint64_t batch;
	struct progress bar;
	struct err err;
};

static void take(void *arg, const char *key, const void *data, size_t len)
{
	struct learning *l = arg;
	struct put p = { .kind = PUT_BLOB, .space = "baseline", .key = key, .data = data,
			 .len = len };

	if (!*l->err.msg)
		store_put(l->store, ++l->batch, &p, 1, &l->err);
}

static void progress(void *arg, uint64_t done, uint64_t all)
{
	progress_at(&((struct learning *)arg)->bar, done, all);
}

static int say(const struct cli *c, unsigned learnt, unsigned all, bool daemon)
{
	if (c->json)
		return cli_print_json(json_pack("{s:i, s:i}", "learnt", (int)learnt, "series",
						(int)all));
	if (!all)
		printf("History holds no series that a detector watches. `culprit import` "
		       "brings flows of other collectors, else wait a day.\n");
	else if (!learnt)
		printf("All %u series that detectors watch are armed already.\n", all);
	else
		printf("%u of %u series were learnt from history%s. `culprit baseline` shows "
		       "them.\n", learnt, all,
		       daemon ? "" : "; the daemon takes them when it starts");
	return EX_OK;
}

static int alone(struct learning *l, const char *rule, int64_t from_ms)
{
	const struct config *conf = cli_config(l->c);
	struct store_opts so = { .password_file = conf->history.password_file,
				 .keep_bins_s = conf->history.keep_ms / 1000,
				 .keep_rollups_s = conf->history.rollups_ms / 1000,
				 .writer = "learn", .timeout_ms = 30000 };
	struct learn_opts o = { .config = conf, .calendar = cli_calendar(l->c), .rule = rule,
				.from_ms = from_ms, .now_ms = l->c->now_ms, .take = take,
				.progress = progress, .arg = l };
	unsigned learnt, all;
	bool ok;

	l->store = store_open(conf->history.url, &so, &l->err);
	ok = l->store && store_applied(l->store, &l->batch, &l->err);
	if (ok) {
		struct err err = { "" };

		progress_begin(&l->bar, "learning");
		ok = learn_run(&o, &learnt, &all, &err);
		progress_end(&l->bar);
		if (!ok)
			l->err = err;
	}
	if (l->store)
		store_close(&l->store);
	if (!ok || *l->err.msg)
		return cli_fail(EXIT_FAILURE, "%s", l->err.msg);
	return say(l->c, learnt, all, false);
}

static bool away(struct cli *c)
{
	struct err err = { "" };
	json_t *status = NULL;
	enum ask_outcome rc = ask(c, "/api/v1/status", NULL, &status, &err);

	json_decref(status);
	return rc == ASK_AWAY;
}

static int by_daemon(struct cli *c, const char *rule, int64_t from_ms)
{
	json_t *answer = NULL, *asked = json_object();
	unsigned learnt, all;
	int code;

	json_object_set_new(asked, "from_s", json_integer(from_ms / 1000));
	json_object_set_new(asked, "rule", rule ? j_text(rule) : json_null());
	code = act_post(c, "/api/v1/learn", asked, &answer);
	if (code)
		return code;
	learnt = (unsigned)json_integer_value(json_object_get(answer, "learnt"));
	all = (unsigned)json_integer_value(json_object_get(answer, "series"));
	json_decref(answer);
	return say(c, learnt, all, true);
}

static int run(struct cli *c, const char *rule, const char *from)
{
	struct learning l = { .c = c };
	const struct calendar *cal = cli_calendar(c);
	int64_t from_ms, to_ms;

	if (!cal)
		return EX_CONFIG;
	if (!when_between(from, NULL, cal, c->now_ms, &from_ms, &to_ms, &l.err))
		return cli_usage(c, "%s", l.err.msg);
	if (!from)
		from_ms = c->now_ms - DAYS_MS;
	if (c->url || !away(c))
		return by_daemon(c, rule, from_ms);
	return alone(&l, rule, from_ms);
}

int cmd_learn(struct cli *c, int argc, char **argv)
{
	const char *from = NULL;
	const struct arg args[] = {
		{ "from", 0, ARG_TEXT, "TIME", "from then on (thirty days before now)", &from },
		{ 0 },
	};
	int code = cli_args(c, &argc, argv, args);

	if (code >= 0)
		return code;
	if (argc > 2)
		return cli_usage(c, "one rule, or none for all");
	return run(c, argc > 1 ? argv[1] : NULL, from);
}
