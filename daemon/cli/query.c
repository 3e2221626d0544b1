/* query.c - a question about archived flows: when, which, as of when.
 * SPDX-License-Identifier: ISC
 *
 * With --as-of alone everything is the alert's own: its window, its filter, its
 * series and the position in the archive at which it was judged, which is what
 * evidence asked. A filter or a time beside it narrows or moves the question; the
 * position stays.
 */
#include "daemon/cli/query.h"

#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "daemon/base/units.h"
#include "daemon/cli/alerts.h"
#include "daemon/cli/when.h"

/* Exporters of an alert's series may be known to nobody but the archive: their address
 * stands in the id, "interface=192.0.2.1/WAN/in". */
static void learn_exporter(struct names *names, const struct alert *a)
{
	const char *s = strchr(a->series_id, '=');
	char text[ADDR_TEXT + 8];
	struct addr addr;
	uint64_t port = 0;
	char *end;

	if (!s || (a->by != BY_EXPORTER && a->by != BY_INTERFACE))
		return;
	snprintf(text, sizeof(text), "%.*s", (int)strcspn(s + 1, "/"), s + 1);
	end = strrchr(text, ':');
	if (*text == '[' && end && end[-1] == ']') {
		end[-1] = '\0';
		memmove(text, text + 1, strlen(text));
	} else if (end && strchr(text, ':') == end) {
		*end = '\0';
	} else {
		end = NULL;
	}
	if (end && !parse_u64(end + 1, UINT16_MAX, &port))
		return;
	if (addr_parse(text, &addr))
		names_exporter(names, &addr, (uint16_t)port);
}

struct look {
	const struct query *q;
	struct key key;
	bool found;
};

/* An interface's name is told by the archive itself. */
static bool look(void *arg, unsigned worker, const struct block *b,
		 const uint64_t *bitmap)
{
	struct look *l = arg;
	enum by by;

	(void)worker;
	(void)bitmap;
	l->found = b->names &&
		   key_parse(l->q->alert->series_id, b->names, &by, &l->key) &&
		   by == l->q->alert->by;
	return !l->found;
}

static bool find_series(struct query *q)
{
	struct archive_query aq = { .directory = q->directory,
				    .names = q->names,
				    .from_ms = q->alert->window_start_ms,
				    .to_ms = q->alert->window_end_ms,
				    .threads = 1 };
	struct look l = { .q = q };
	struct archive_result res;
	enum by by;

	learn_exporter(q->names, q->alert);
	q->only =
	    key_parse(q->alert->series_id, q->names, &by, &q->key) && by == q->alert->by;
	if (q->only || !archive_read(&aq, look, &l, &res, NULL) || !l.found)
		return q->only;
	q->key = l.key;
	q->only = true;
	return true;
}

static int read_alert(struct cli *c, struct query *q, bool own_time, const char *filter)
{
	char id[ALERT_ID];
	bool at_end = alert_id_at_end(q->as_of, id);
	struct alert_sight s;
	int code;

	q->alert = alerts_find(c, id, &code);
	if (!q->alert)
		return code;
	if (at_end && q->alert->state != ALERT_RESOLVED)
		return cli_fail(EXIT_FAILURE, "alert %s is not over yet: ask without /end",
				q->alert->id);
	s = alert_sight(q->alert, at_end);
	if (!s.position.file_s)
		return cli_fail(EXIT_FAILURE,
				"alert %s was made without an archive, so what it "
				"saw cannot be asked again",
				q->alert->id);
	q->position = s.position;
	q->seen_ms = s.at_ms;
	if (!own_time) {
		q->from_ms = s.from_ms;
		q->to_ms = s.to_ms;
	}
	if (*filter)
		return -1;
	q->filter = filter_compile(q->alert->filter, NULL);
	cli_geo(c, q->filter);
	if (!q->filter || !find_series(q))
		return cli_fail(EXIT_FAILURE,
				"the flows of \"%s\" cannot be told from others any "
				"more: name them with a filter",
				q->alert->series_id);
	return -1;
}

static bool read_times(struct cli *c, struct query *q, struct err *err)
{
	const struct calendar *cal = cli_calendar(c);

	if (!cal)
		return err_set(err, "the time zone is not known");
	if (q->at)
		return when_at(q->at, cal, c->now_ms, &q->from_ms, &q->to_ms, err);
	return when_between(q->from, q->to, cal, c->now_ms, &q->from_ms, &q->to_ms, err);
}

static char *join(int argc, char **argv)
{
	struct strb s = { 0 };

	for (int i = 1; i < argc; i++)
		strb_fmt(&s, "%s%s", i > 1 ? " " : "", argv[i]);
	return strb_take(&s);
}

static int read_all(struct cli *c, struct query *q, const char *words)
{
	bool own_time = q->at || q->from || q->to;
	struct err err = { "" };
	int code;

	if (q->at && (q->from || q->to))
		return cli_usage(
		    c, "--at tells the whole range; --from and --to have no place "
		       "beside it");
	if ((own_time || !q->as_of) && !read_times(c, q, &err))
		return cli_usage(c, "%s", err.msg);
	if (q->as_of && (code = read_alert(c, q, own_time, words)) >= 0)
		return code;
	if (!q->filter)
		q->filter = filter_compile(words, &err);
	if (!q->filter)
		return cli_usage(c, "filter: %s", err.msg);
	cli_geo(c, q->filter);
	return -1;
}

int query_read(struct cli *c, struct query *q, int argc, char **argv)
{
	const struct config *conf;
	char *words;
	int code;

	if (c->url)
		return cli_usage(
		    c, "flows are read from the archive itself, so --url has no "
		       "place here; name its state with --state or -c");
	conf = cli_config(c);
	if (!conf)
		return EX_CONFIG;
	if (!conf->archive.enabled)
		return cli_fail(EX_UNAVAILABLE,
				"the configuration has the archive switched off, "
				"so no flows are kept");
	q->directory = conf->archive.directory;
	if (access(q->directory, R_OK | X_OK))
		return cli_fail(
		    EX_UNAVAILABLE,
		    "archive %s: %m; is the state of culpritd elsewhere "
		    "(--state DIR, -c FILE), or who may read it somebody else?",
		    q->directory);
	q->names = cli_names(c);
	words = join(argc, argv);
	code = read_all(c, q, words);
	free(words);
	return code;
}

void query_fini(struct query *q)
{
	filter_free(&q->filter);
	alert_unref(&q->alert);
}

void query_head(const struct query *q, struct strb *out)
{
	char from[UNIT_TEXT], to[UNIT_TEXT], len[UNIT_TEXT];

	text_time(q->from_ms, from);
	text_time(q->to_ms, to);
	if (!strncmp(from, to, 10)) { /* the same day and zone are said once */
		memmove(to, to + 11, strlen(to + 11) + 1);
		if (!strcmp(from + 19, to + 8))
			from[19] = '\0';
	}
	strb_fmt(out, "%s to %s (%s)", from, to,
		 text_duration(q->to_ms - q->from_ms, len));
	if (q->alert) {
		strb_add(out, ", as alert ");
		strb_tty(out, q->alert->id);
		strb_add(out, " saw it");
	}
	if (q->only) {
		strb_add(out, ", ");
		strb_tty(out, q->alert->series);
	}
	if (!filter_is_all(q->filter)) {
		strb_add(out, ", flows that pass: ");
		strb_tty(out, filter_text(q->filter));
	}
	strb_add(out, "\n");
}

void query_caveats(const struct query *q, const struct archive_result *r, bool empty)
{
	char t[UNIT_TEXT];

	if (r->blocks_damaged)
		cli_say(
		    "%llu blocks of the archive are damaged and were left out; `culprit "
		    "verify` names them",
		    (unsigned long long)r->blocks_damaged);
	if (!r->oldest_ms)
		cli_say("there are no flows in %s yet; what comes is written within ten seconds",
			q->directory);
	else if (r->oldest_ms > q->from_ms)
		cli_say("the archive begins only at %s", text_time(r->oldest_ms, t));
	else if (empty)
		cli_say("no flow of that time passes%s",
			filter_is_all(q->filter)
			    ? "; is the exporter sending? `culprit status`"
			    : " the filter");
}
