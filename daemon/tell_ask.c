/* tell_ask.c - what people ask and do about alerts: acknowledge, silence.
 * SPDX-License-Identifier: ISC
 *
 * Requests come as JSON, so that the API, the tool and signed addresses share one reading
 * of them and one set of sentences. An answer comes when what was done is on disk.
 */
#include "daemon/tell_impl.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/base/clock.h"
#include "daemon/base/mem.h"
#include "daemon/base/units.h"

static const int64_t longest_ms = INT64_C(366) * 86400000, usual_ms = 2 * 3600000;

static const char *str(const json_t *j, const char *key)
{
	const char *s = json_string_value(json_object_get(j, key));

	return s ? s : "";
}

json_t *tell_silences(struct tell *t)
{
	json_t *j;

	pthread_mutex_lock(&t->lock);
	j = noise_json(t->noise, clock_wall_ms());
	pthread_mutex_unlock(&t->lock);
	return j;
}

json_t *tell_stats(struct tell *t)
{
	struct noise_stats s;

	pthread_mutex_lock(&t->lock);
	noise_stats(t->noise, clock_wall_ms(), &s);
	pthread_mutex_unlock(&t->lock);
	return json_pack("{s:i, s:i, s:i, s:i, s:I}", "followed", (int)s.alerts, "groups",
			 (int)s.groups, "silences", (int)s.silences, "quiet", (int)s.quiet,
			 "untracked", (json_int_t)s.untracked);
}

/* Until when, from now_ms on. */
static bool end_of(const json_t *asked, int64_t now_ms, int64_t *until_ms, struct err *err)
{
	const json_t *seconds = json_object_get(asked, "for_s");
	const char *text = str(asked, "until");

	if (*text && !(*until_ms = alert_time(text)))
		return err_set(err, "until must be a time like 2026-11-23T18:00:00Z");
	if (seconds && !json_is_number(seconds))
		return err_set(err, "for_s must be a number of seconds");
	if (!*text)
		*until_ms = now_ms + (seconds ? llround(fmin(json_number_value(seconds), 1e10) *
							1000)
					      : usual_ms);
	if (*until_ms - now_ms > longest_ms)
		return err_set(err, "a silence lasts a year at most; switch the rule off "
			       "(enabled = no), or write maintenance { } for what comes again");
	return true;
}

/* The text that means the series of an alert, which may be over. */
static char *match_of_alert(struct tell *t, const char *id, struct err *err)
{
	struct alert *a = board_alert(t->opts.board, id);
	char *text;

	if (!a) {
		err_set(err, "there is no alert %.40s, or more than one begins so", id);
		return NULL;
	}
	text = match_of_series(a->rule, a->series_id);
	alert_unref(&a);
	return text;
}

json_t *tell_silence(struct tell *t, const json_t *asked, struct err *err)
{
	const json_t *match = json_object_get(asked, "match");
	int64_t now = clock_wall_ms(), until = 0;
	const struct silence *s;
	json_t *answer = NULL;
	char *text;

	if (!json_is_object(asked) || json_is_string(match) == !!*str(asked, "alert")) {
		err_set(err, "either match (\"host 10.20.0.0/24\") or alert (its id) is expected, "
			"with for_s or until");
		return NULL;
	}
	if (!end_of(asked, now, &until, err))
		return NULL;
	text = match ? xstrdup(json_string_value(match))
		     : match_of_alert(t, str(asked, "alert"), err);
	if (!text)
		return NULL;
	pthread_mutex_lock(&t->lock);
	s = noise_silence(t->noise, text, now, until, str(asked, "author"),
			  str(asked, "comment"), now, err);
	if (s)
		answer = silence_json(s, now);
	pthread_mutex_unlock(&t->lock);
	free(text);
	if (answer)
		tell_sync(t);
	return answer;
}

json_t *tell_unsilence(struct tell *t, const json_t *asked, struct err *err)
{
	const struct silence *s;
	json_t *answer = NULL;
	int64_t now = clock_wall_ms();

	pthread_mutex_lock(&t->lock);
	s = noise_unsilence(t->noise, str(asked, "id"), now, err);
	if (s)
		answer = silence_json(s, now);
	pthread_mutex_unlock(&t->lock);
	if (answer)
		tell_sync(t);
	return answer;
}

json_t *tell_ack(struct tell *t, const json_t *asked, struct err *err)
{
	char full[ALERT_ID];
	unsigned n;

	pthread_mutex_lock(&t->lock);
	n = noise_ack(t->noise, str(asked, "alert"), str(asked, "author"), str(asked, "comment"),
		      clock_wall_ms(), full, err);
	pthread_mutex_unlock(&t->lock);
	if (!n)
		return NULL;
	tell_sync(t);
	return json_pack("{s:s, s:i}", "alert", full, "acknowledged", (int)n);
}

static json_t *describe(struct tell *t, enum link_what what, const char *id)
{
	struct alert *a = board_alert(t->opts.board, id);
	json_t *j = json_pack("{s:s, s:s}", "what", link_word[what], "alert", id);
	char line[160];

	if (a) {
		alert_headline(a, line);
		json_object_set_new(j, "headline", json_string(line));
		json_object_set_new(j, "rule", json_string(a->rule));
		json_object_set_new(j, "series", json_string(a->series));
		json_object_set_new(j, "status", json_string(alert_state_word[a->state]));
		if (a->ack_by)
			json_object_set_new(j, "ack_by", json_string(a->ack_by));
	}
	alert_unref(&a);
	return j;
}

json_t *tell_act(struct tell *t, const char *path, const json_t *go, struct err *err)
{
	char id[ALERT_ID];
	json_t *asked, *done;
	enum link_what what;

	if (!link_verify(t->secret, path, clock_wall_ms() / 1000, &what, id, err))
		return NULL;
	if (!go)
		return describe(t, what, id);
	asked = json_copy((json_t *)go);
	json_object_set_new(asked, "alert", json_string(id));
	done = what == LINK_ACK ? tell_ack(t, asked, err) : tell_silence(t, asked, err);
	json_decref(asked);
	if (done)
		json_object_set_new(done, "what", json_string(link_word[what]));
	return done;
}
