/* test_notify_kill.c - kill -9 at random moments loses no alert.
 * SPDX-License-Identifier: ISC
 *
 * A child fires alerts to a mail and a webhook sink and is killed; the next one
 * goes on with the same outbox. What a child says was committed must arrive on
 * both channels, and there may be one duplicate a channel and kill, with the
 * same key. KILLS=1000 in the environment is the long run. Clocks run 60 times
 * as fast, so that the rate cap of mail (ten a minute) does not make it slow; an
 * alert may also have gone out inside a digest that was sent.
 */
#include "test.h"

#include <poll.h>

#include "daemon/notify/notify.h"

#include <sqlite3.h>

#include "daemon/base/mem.h"
#include "daemon/base/strb.h"
#include "daemon/notify/sample.h"
#include "sink.h"

enum { SPEED = 60, KILLS = 20, START_MS = 20000, TOKEN = 8, TOKENS = 10000000 };

struct heard {        /* what a sink got */
	uint8_t *token; /* by the number in it: was it named? */
	char **key;     /* of each message */
	unsigned n;
};

struct bench {
	char *dir, *url, *server;
	struct sink http, smtp;
	int64_t wall_ms, mono_ms;
	struct heard heard[2]; /* webhook, mail */
	unsigned kills;
};

/* Time goes on for every child where it was for the one before. */
static void set_clock(const struct bench *b)
{
	clock_set(b->wall_ms + (clock_mono_ms() - b->mono_ms) * SPEED, SPEED);
}

static struct notify *start(const struct bench *b)
{
	static const char *const to[] = { "noc@example.org" };
	struct channel_conf c[] = {
		{ .name = "hook", .kind = CHANNEL_WEBHOOK, .url = b->url },
		{ .name = "mail",
		  .kind = CHANNEL_EMAIL,
		  .to = to,
		  .n_to = 1,
		  .smtp = b->server,
		  .from = "culprit@example.org" },
	};
	struct notify_opts o = { .state_dir = b->dir, .channels = c, .n_channels = 2 };
	struct err err = { "" };
	struct notify *n = notify_start(&o, &err);

	if (!n) {
		fprintf(stderr, "%s\n", err.msg);
		_exit(1);
	}
	return n;
}

/* Fires until it is killed; writes each token once its alert is on disk. */
static void child(const struct bench *b, unsigned round, int out)
{
	struct notify *n;

	set_clock(b);
	n = start(b);
	for (unsigned i = 0;; i++) {
		struct alert *a = sample_alert(clock_wall_ms(), ALERT_FIRING);
		char token[TOKEN + 1];

		snprintf(token, sizeof(token), "T%04u%03u", round % 10000, i % 1000);
		free(a->series);
		a->series = xstrdup(token);
		a->n_spark = 0; /* no chart: quicker */
		a->notify[0] = xstrdup("hook");
		a->notify[1] = xstrdup("mail");
		notify_alert(n, a);
		if (!notify_sync(n) || write(out, token, TOKEN) != TOKEN)
			_exit(1);
		usleep(2000);
	}
}

static void hear(struct heard *h, const char *key, size_t key_len, const char *text)
{
	h->key = xrealloc(h->key, h->n + 1, sizeof(*h->key));
	h->key[h->n++] = strndup(key, key_len);
	for (const char *t = text; (t = strchr(t, 'T')); t++)
		if (strspn(t + 1, "0123456789") >= TOKEN - 1) {
			char digits[TOKEN];

			snprintf(digits, sizeof(digits), "%s", t + 1);
			h->token[atoi(digits)] = 1;
		}
}

/* What the sinks said so far; waits wait_ms for the first. */
static void listen_to(struct bench *b, int wait_ms)
{
	json_t *j;

	while ((j = sink_hear(&b->http, wait_ms))) {
		const char *id = json_string_value(
		    json_object_get(json_object_get(j, "headers"), "webhook-id"));

		hear(&b->heard[0], id, strlen(id),
		     json_string_value(json_object_get(j, "body")));
		json_decref(j);
		wait_ms = 0;
	}
	while ((j = sink_hear(&b->smtp, 0))) {
		const char *s = json_string_value(json_object_get(j, "data"));
		const char *id = strstr(s, "Message-ID: ") + 12;
		struct strb text = { 0 };

		for (; *s && text.len < 4000; s++) { /* soft breaks out */
			if (!strncmp(s, "=\r\n", 3))
				s += 2;
			else
				strb_addc(&text, *s);
		}
		hear(&b->heard[1], id, strcspn(id, "\r"), text.s);
		strb_free(&text);
		json_decref(j);
	}
}

static void round_of(struct bench *b, unsigned round, struct strb *committed)
{
	char buf[4096];
	int p[2], status;
	ssize_t n;
	pid_t pid;

	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	pid = fork();
	if (!pid)
		child(b, round, p[1]);
	close(p[1]);
	/* The moment of the kill: mostly from the first alert on, sometimes while it starts. */
	if (round % 4)
		poll(&(struct pollfd){ .fd = p[0], .events = POLLIN }, 1, START_MS);
	usleep((useconds_t)(random() % 120000));
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	assert_true(WIFSIGNALED(status));
	while ((n = read(p[0], buf, sizeof(buf))) > 0)
		strb_addn(committed, buf, (size_t)n / TOKEN * TOKEN);
	close(p[0]);
	listen_to(b, 0);
}

static void add_queued(const struct notify_stat *s, void *arg)
{
	*(uint64_t *)arg += s->queued;
}

/* A last process delivers what is left, in peace. */
static void drain(struct bench *b)
{
	pid_t pid = fork();
	int status;

	if (!pid) {
		int64_t until = clock_mono_ms() + 60000 + 1000 * (int64_t)b->kills;
		struct notify *n;
		uint64_t queued = 1;

		set_clock(b);
		for (n = start(b); queued && clock_mono_ms() < until; usleep(10000)) {
			queued = 0;
			notify_stats(n, add_queued, &queued);
		}
		notify_stop(&n, 2000);
		_exit(queued != 0);
	}
	while (waitpid(pid, &status, WNOHANG) == 0)
		listen_to(b, 20);
	assert_int_equal(status, 0);
	listen_to(b, 500);
}

static int by_key(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Messages that came more than once, as often as they did. */
static unsigned duplicates(struct heard *h)
{
	unsigned extra = 0;

	qsort(h->key, h->n, sizeof(*h->key), by_key);
	for (unsigned i = 1; i < h->n; i++)
		extra += !strcmp(h->key[i], h->key[i - 1]);
	return extra;
}

static void heard_free(struct heard *h)
{
	for (unsigned i = 0; i < h->n; i++)
		free(h->key[i]);
	free(h->key);
	free(h->token);
}

/* A digest names its first twenty; the outbox knows who was in it. */
static bool in_a_sent_digest(sqlite3 *db, const char *token)
{
	static const char sql[] =
	    "SELECT 1 FROM message m JOIN delivery d ON d.message = m.id AND d.state = 3"
	    " JOIN delivery g ON g.state = 1 AND d.note = 'in digest ' || g.message"
	    " WHERE m.headline LIKE ?1 || '%' AND d.queue = 'mail'";
	sqlite3_stmt *st;
	bool found;

	assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &st, NULL), SQLITE_OK);
	sqlite3_bind_text(st, 1, token, -1, SQLITE_STATIC);
	found = sqlite3_step(st) == SQLITE_ROW;
	sqlite3_finalize(st);
	return found;
}

/* What the outbox has to say of it. */
static void explain(sqlite3 *db, const char *token)
{
	static const char sql[] = "SELECT d.queue, d.state, d.attempts, d.note FROM message m"
				  " JOIN delivery d ON d.message = m.id"
				  " WHERE m.headline LIKE ?1 || '%'";
	sqlite3_stmt *st;

	assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &st, NULL), SQLITE_OK);
	sqlite3_bind_text(st, 1, token, -1, SQLITE_STATIC);
	while (sqlite3_step(st) == SQLITE_ROW)
		printf("%s: %s, state %d, %d attempts, %s\n", token,
		       sqlite3_column_text(st, 0), sqlite3_column_int(st, 1),
		       sqlite3_column_int(st, 2), sqlite3_column_text(st, 3));
	sqlite3_finalize(st);
}

static void no_committed_alert_is_lost_to_kill_9(void **state)
{
	const char *kills = getenv("KILLS");
	struct bench b = { .dir = own_dir(),
			   .wall_ms = clock_wall_ms(),
			   .mono_ms = clock_mono_ms(),
			   .kills = kills ? (unsigned)atoi(kills) : KILLS };
	struct strb committed = { 0 };
	unsigned n = 0, digested = 0, lost = 0, twice[2];
	sqlite3 *db;
	char *path;

	(void)state;
	srandom((unsigned)getpid());
	signal(SIGPIPE, SIG_IGN);
	for (int k = 0; k < 2; k++)
		b.heard[k].token = xcalloc(TOKENS, 1);
	sink_start(&b.http, "tests/e2e/lib/http_sink.py", NULL);
	sink_start(&b.smtp, "tests/e2e/lib/smtp_sink.py", NULL);
	b.url = xasprintf("http://127.0.0.1:%u/ok", b.http.port);
	b.server = xasprintf("smtp://127.0.0.1:%u", b.smtp.port);
	for (unsigned i = 0; i < b.kills; i++)
		round_of(&b, i, &committed);
	drain(&b);
	path = xasprintf("%s/outbox.db", b.dir);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	for (size_t at = 0; at + TOKEN <= committed.len; at += TOKEN, n++) {
		char token[TOKEN + 1];

		snprintf(token, sizeof(token), "%s", committed.s + at);
		for (int k = 0; k < 2; k++) {
			if (b.heard[k].token[atoi(token + 1)])
				continue;
			if (k && in_a_sent_digest(db, token)) {
				digested++;
				continue;
			}
			explain(db, token);
			lost++;
		}
	}
	sqlite3_close(db);
	free(path);
	for (int k = 0; k < 2; k++)
		twice[k] = duplicates(&b.heard[k]);
	printf("%u kills, %u alerts, %u in digests unnamed; webhook %u messages, %u "
	       "duplicates; mail %u, %u\n",
	       b.kills, n, digested, b.heard[0].n, twice[0], b.heard[1].n, twice[1]);
	assert_int_equal(lost, 0);
	for (int k = 0; k < 2; k++) {
		assert_in_range(twice[k], 0, b.kills);
		heard_free(&b.heard[k]);
	}
	assert_in_range(n, b.kills / 2, UINT32_MAX);
	sink_stop(&b.http);
	sink_stop(&b.smtp);
	strb_free(&committed);
	free(b.url);
	free(b.server);
	remove_dir(b.dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_committed_alert_is_lost_to_kill_9),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
