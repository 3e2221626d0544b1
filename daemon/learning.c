/* learning.c - the daemon learns from its own history what it has no baseline of.
 * SPDX-License-Identifier: ISC
 *
 * At start, in a thread of its own, for it may take seconds and nobody shall wait for it;
 * and when somebody asks (culprit learn). What was learnt goes to the analysis thread one
 * by one. One runs at a time, and a reload or the end breaks it off: the configuration
 * that it reads goes then.
 */
#include "daemon/engine_impl.h"

#include <string.h>

#include "daemon/base/clock.h"
#include "daemon/base/log.h"
#include "daemon/base/mem.h"
#include "daemon/learn.h"

static void take(void *arg, const char *key, const void *data, size_t len)
{
	struct engine *e = arg;
	struct learnt *l = xcalloc(1, sizeof(*l) + len);

	l->key = xstrdup(key);
	l->len = len;
	memcpy(l->data, data, len);
	analysis_learnt(e->analysis, l);
}

static bool learn(struct engine *e, const char *rule, int64_t from_ms, unsigned *series,
		  unsigned *all, struct err *err)
{
	struct learn_opts o = { .config = e->config, .calendar = e->calendar, .rule = rule,
				.from_ms = from_ms, .now_ms = clock_wall_ms(), .take = take,
				.stop = &e->learn_stop, .arg = e };
	int64_t oldest = o.now_ms - e->config->history.keep_ms;
	bool ok;

	if (o.from_ms < oldest)
		o.from_ms = oldest;
	ok = learn_run(&o, series, all, err);
	if (ok && *series)
		log_info("learnt the baselines of %u series from history, of %u that are "
			 "watched", *series, *all);
	return ok;
}

static void *at_start(void *arg)
{
	struct engine *e = arg;
	struct err err = { "" };
	unsigned series, all;

	pthread_mutex_lock(&e->learn_lock);
	if (!learn(e, NULL, 0, &series, &all, &err) && !e->learn_stop)
		log_warn("learning from history: %s; `culprit learn` tries it again", err.msg);
	pthread_mutex_unlock(&e->learn_lock);
	return NULL;
}

void learning_start(struct engine *e)
{
	pthread_mutex_init(&e->learn_lock, NULL);
	e->learning = !pthread_create(&e->learner, NULL, at_start, e);
	if (e->learning)
		pthread_setname_np(e->learner, "learn");
}

void learning_pause(struct engine *e)
{
	e->learn_stop = true;
	if (e->learning)
		pthread_join(e->learner, NULL);
	e->learning = false;
	pthread_mutex_lock(&e->learn_lock);
}

void learning_go_on(struct engine *e)
{
	e->learn_stop = false;
	pthread_mutex_unlock(&e->learn_lock);
}

json_t *sources_learn(void *arg, const json_t *asked, struct err *err)
{
	const json_t *rule = json_object_get(asked, "rule"),
		     *from = json_object_get(asked, "from_s");
	struct engine *e = arg;
	unsigned series, all;
	bool ok;

	if (rule && !json_is_null(rule) && !json_is_string(rule)) {
		err_set(err, "rule must be the name of a rule, or null for all");
		return NULL;
	}
	if (from && !json_is_null(from) && !json_is_integer(from)) {
		err_set(err, "from_s must be a time in Unix seconds, or null for all there is");
		return NULL;
	}
	pthread_mutex_lock(&e->learn_lock);
	ok = learn(e, json_string_value(rule), json_integer_value(from) * 1000, &series, &all,
		   err);
	pthread_mutex_unlock(&e->learn_lock);
	return ok ? json_pack("{s:i, s:i}", "learnt", (int)series, "series", (int)all) : NULL;
}
