/* forget.c - URLs go out of old alerts, in both stores that keep anything.
 * SPDX-License-Identifier: ISC
 */
#include "tests/unit/test.h"

#include "daemon/base/mem.h"
#include "daemon/forget.h"
#include "daemon/model/alert.h"
#include "tests/store/redis_server.h"

enum { PATIENCE_MS = 60000 };
#define DAY_MS INT64_C(86400000)
static const int64_t now_ms = INT64_C(1795430100000);

struct place {
	struct redis_server redis;
	char dir[64], url[128];
	struct writer *w;
};

static void set_up(struct place *p, bool redis)
{
	struct writer_opts o = { .state_dir = p->dir, .url = p->url, .flush_ms = 20 };
	struct err err;

	memset(&p->redis, 0, sizeof(p->redis));
	snprintf(p->dir, sizeof(p->dir), "/tmp/culprit-forget-XXXXXX");
	assert_non_null(mkdtemp(p->dir));
	if (redis)
		redis_server_init(&p->redis, NULL);
	snprintf(p->url, sizeof(p->url), "sqlite:%s/history.db", p->dir);
	if (redis)
		snprintf(p->url, sizeof(p->url), "%s", p->redis.url);
	p->w = writer_start(&o, &err);
	assert_non_null(p->w);
}

static void tear_down(struct place *p)
{
	char command[160];

	writer_stop(&p->w, 1000);
	if (p->redis.pid)
		redis_server_fini(&p->redis);
	snprintf(command, sizeof(command), "rm -r %s", p->dir);
	assert_int_equal(system(command), 0);
}

/* An alert that began and, unless it lasts, ended some days ago. */
static void put(struct place *p, const char *id, double began, double ended)
{
	struct alert *a = alert_new();
	struct put put;
	char *text;
	json_t *j;

	snprintf(a->id, sizeof(a->id), "%s", id);
	a->rule = xstrdup("wan-busy");
	a->filter = xstrdup("");
	a->series = xstrdup("edge WAN in");
	a->series_id = xstrdup("interface=192.0.2.1/WAN/in");
	a->state = ended < began ? ALERT_RESOLVED : ALERT_FIRING;
	a->started_ms = now_ms - (int64_t)(began * (double)DAY_MS);
	a->ended_ms = ended < began ? now_ms - (int64_t)(ended * (double)DAY_MS) : 0;
	a->why = xstrdup("edge WAN in: 8 Mbit/s over 1 minute since 13:35. 99 % of it is "
			 "10.20.0.66 fetching cdn-7.example.net/SECRET. 1 % of it and 3 more "
			 "through the proxy.");
	a->n_top = 1;
	a->top = xcalloc(1, sizeof(*a->top));
	a->top[0].bytes = 4711;
	a->top[0].client = xstrdup("10.20.0.66");
	a->top[0].urls = xcalloc(1, sizeof(*a->top[0].urls));
	a->top[0].n_urls = 1;
	a->top[0].urls[0] = (struct alert_url){ xstrdup("http://cdn-7.example.net/SECRET"),
						xstrdup("10.20.0.66"), 4700, a->started_ms,
						a->started_ms };
	j = alert_json(a, NULL);
	text = json_dumps(j, JSON_COMPACT);
	put = (struct put){ .kind = PUT_ALERT, .key = id, .data = text, .len = strlen(text),
			    .at_ms = a->started_ms, .state = alert_state_word[a->state] };
	writer_put(p->w, &put);
	free(text);
	json_decref(j);
	alert_unref(&a);
}

struct seen {
	char told[64]; /* ids of those that still tell */
	unsigned all, intact;
};

static bool see(void *arg, const char *key, const void *data, size_t len)
{
	json_t *j = json_loadb(data, len, 0, NULL);
	struct alert *a = alert_from_json(j, NULL);
	struct seen *s = arg;

	assert_non_null(a);
	s->all++;
	s->intact += a->n_top == 1 && a->top[0].bytes == 4711 &&
		     !strncmp(a->why, "edge WAN in: 8 Mbit/s over 1 minute since 13:35. ", 48);
	if (memmem(data, len, "SECRET", 6) || memmem(data, len, "10.20.0.66", 10)) {
		strcat(s->told, key);
		strcat(s->told, " ");
	} else {
		assert_non_null(strstr(a->why, "is not kept any more"));
	}
	alert_unref(&a);
	json_decref(j);
	return true;
}

static struct seen read_all(struct place *p)
{
	struct store *s = store_open(p->url, &(struct store_opts){ .read_only = true }, NULL);
	struct seen seen = { "", 0, 0 };

	assert_non_null(s);
	assert_true(store_each_alert(s, 0, INT64_MAX, SIZE_MAX, see, &seen, NULL));
	store_close(&s);
	return seen;
}

static void forgets(bool redis)
{
	struct forget_opts o = { .keep_ms = DAY_MS };
	struct place p;
	struct seen s;

	set_up(&p, redis);
	o.url = p.url;
	o.writer = p.w;
	put(&p, "A1", 9, 8);     /* long over */
	put(&p, "A2", 5, 0.5);   /* began long ago, over lately */
	put(&p, "A3", 3, 3);     /* lasts, was told three days ago */
	put(&p, "A4", 0.5, 0.1); /* young */
	assert_true(writer_sync(p.w, PATIENCE_MS));
	assert_string_equal(read_all(&p).told, "A4 A3 A2 A1 ");
	assert_int_equal(forget_run(&o, 0, now_ms, NULL), 2);
	assert_true(writer_sync(p.w, PATIENCE_MS));
	s = read_all(&p);
	assert_string_equal(s.told, "A4 A2 ");
	assert_int_equal(s.all, 4);
	assert_int_equal(s.intact, 4);
	assert_int_equal(forget_run(&o, 0, now_ms, NULL), 0); /* once */
	assert_int_equal(forget_run(&o, 0, now_ms + DAY_MS, NULL), 2);
	assert_true(writer_sync(p.w, PATIENCE_MS));
	assert_string_equal(read_all(&p).told, "");
	tear_down(&p);
}

static void sqlite_forgets_urls_of_old_alerts(void **state)
{
	(void)state;
	forgets(false);
}

static void redis_forgets_urls_of_old_alerts(void **state)
{
	(void)state;
	forgets(true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sqlite_forgets_urls_of_old_alerts),
		cmocka_unit_test(redis_forgets_urls_of_old_alerts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
