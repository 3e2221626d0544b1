/* api_history.c - /api/v1/history: bins of a series, or which series there are.
 * SPDX-License-Identifier: ISC
 *
 * A bin that was not stored is a gap and is left out; it is never zero (D3).
 */
#include "daemon/http/http_impl.h"

#include "daemon/base/clock.h"

#include <string.h>

enum { BINS_MAX = 20000, NAMES_MAX = 5000 };

struct query {
	const char *series, *prefix;
	uint32_t step;
	int64_t from_ms, to_ms;
	json_t *list;
	bool more;
};

static bool add_bin(void *arg, const struct bin *b)
{
	struct query *q = arg;
	json_t *o;
	unsigned slices = b->step == STEP_BIN ? (unsigned)__builtin_popcount(b->covered)
					      : b->covered;

	if (json_array_size(q->list) >= BINS_MAX) {
		q->more = true;
		return false;
	}
	o = json_object();
	j_put(o, "start_s", json_integer(b->start_s));
	j_put(o, "seen_s", json_integer((json_int_t)slices * 10));
	j_put(o, "bytes", j_count(b->bytes));
	j_put(o, "packets", j_count(b->packets));
	j_put(o, "flows", j_count(b->flows));
	j_put(o, "peak", j_real(b->peak));
	j_put(o, "gauge", j_real(b->gauge));
	json_array_append_new(q->list, o);
	return true;
}

static bool add_name(void *arg, const char *name)
{
	struct query *q = arg;

	if (json_array_size(q->list) >= NAMES_MAX) {
		q->more = true;
		return false;
	}
	json_array_append_new(q->list, j_text(name));
	return true;
}

static bool run(struct store *s, void *arg, struct err *err)
{
	struct query *q = arg;

	if (q->series)
		return store_each_bin(s, q->series, q->step, q->from_ms / 1000,
				      (q->to_ms + 999) / 1000, add_bin, q, err);
	return store_each_series(s, q->prefix, add_name, q, err);
}

static bool parse_step(const struct target *t, uint32_t *step, struct err *err)
{
	static const struct {
		const char *word;
		uint32_t step;
	} words[] = { { "5m", STEP_BIN }, { "300", STEP_BIN }, { "1h", STEP_HOUR },
		      { "3600", STEP_HOUR }, { "1d", STEP_DAY }, { "86400", STEP_DAY } };
	const char *w = target_get(t, "step");

	*step = STEP_BIN;
	for (size_t i = 0; w && i < sizeof(words) / sizeof(words[0]); i++)
		if (!strcmp(w, words[i].word)) {
			*step = words[i].step;
			return true;
		}
	return !w || err_set(err, "step must be 5m, 1h or 1d, not '%.40s'", w);
}

static bool parse(const struct target *t, struct query *q, struct err *err)
{
	int64_t now = clock_wall_ms();

	q->series = target_get(t, "series");
	q->prefix = target_get(t, "prefix");
	if (!parse_step(t, &q->step, err))
		return false;
	q->to_ms = now;
	if (!target_time(t, "to", now, &q->to_ms, err))
		return false;
	q->from_ms = q->to_ms > 86400000 ? q->to_ms - 86400000 : 0;
	if (!target_time(t, "from", now, &q->from_ms, err))
		return false;
	if (!q->series == !q->prefix)
		return err_set(err, "either series (the name of one) or prefix (which ones there "
				    "are; may be empty) is expected");
	if (q->series && strlen(q->series) >= STORE_NAME)
		return err_set(err, "the name of a series is at most %d octets long",
			       STORE_NAME - 1);
	if (q->from_ms >= q->to_ms)
		return err_set(err, "from must be before to");
	if ((q->to_ms - q->from_ms) / 1000 / q->step > BINS_MAX)
		return err_set(err, "at most %d bins at a time; take a larger step", BINS_MAX);
	return true;
}

void api_history(struct http *h, const struct request *rq, struct answer *out)
{
	struct query q = { .series = NULL };
	struct err err = { "" };
	json_t *o;

	if (!parse(&rq->target, &q, &err)) {
		answer_error(out, 400, "%s", err.msg);
		return;
	}
	q.list = json_array();
	if (!with_store(h, run, &q, &err)) {
		json_decref(q.list);
		answer_error(out, 503, "%s", err.msg);
		return;
	}
	o = json_object();
	if (q.series) {
		j_put(o, "series", j_text(q.series));
		j_put(o, "step_s", json_integer(q.step));
		j_put(o, "from", j_time(q.from_ms));
		j_put(o, "to", j_time(q.to_ms));
		j_put(o, "bins", q.list);
	} else {
		j_put(o, "names", q.list);
		j_put(o, "more", json_boolean(q.more));
	}
	answer_json(out, o);
}
