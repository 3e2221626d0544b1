/* test_notify.c - alerts through real servers on loopback.
 * SPDX-License-Identifier: ISC
 *
 * Servers say what they got by a pipe, so a test waits for an event and never
 * for a time. Clocks run as they are: the longest waits are the back-off of a
 * second and time-outs that a test is about.
 */
#include "test.h"

#include "daemon/notify/notify.h"

#include <arpa/inet.h>
#include <sys/socket.h>

#include "certs.h"
#include "daemon/base/mem.h"
#include "daemon/notify/sample.h"
#include "sink.h"

enum { SOON = 5000 };

static const char http_sink[] = "tests/e2e/lib/http_sink.py";
static const char smtp_sink[] = "tests/e2e/lib/smtp_sink.py";
static const char *const to[] = { "noc@example.org" };
static char *certs; /* directory, made once */

/* --- helpers -------------------------------------------------------------- */

static const char *text(json_t *j, const char *key)
{
	const char *s = json_string_value(json_object_get(j, key));

	return s ? s : "";
}

static const char *header_of(json_t *j, const char *name)
{
	return text(json_object_get(j, "headers"), name);
}

static json_t *must_hear(struct sink *s)
{
	json_t *j = sink_hear(s, SOON);

	if (!j)
		fail_msg("nothing arrived within %d ms", SOON);
	return j;
}

static char *cert(const char *name)
{
	return xasprintf("%s/%s", certs, name);
}

static struct alert *alert_for(enum alert_state state, const char *a, const char *b)
{
	struct alert *x = sample_alert(clock_wall_ms(), state);

	x->notify[0] = a ? xstrdup(a) : NULL;
	x->notify[1] = b ? xstrdup(b) : NULL;
	return x;
}

static struct notify *start(const char *dir, const struct channel_conf *c, size_t n)
{
	struct notify_opts o = { .state_dir = dir, .channels = c, .n_channels = n,
				 .base_url = "http://culprit.test:8055" };
	struct err err = { "" };
	struct notify *y = notify_start(&o, &err);

	if (!y)
		fail_msg("%s", err.msg);
	return y;
}

/* One webhook on a server of its own, and notify around it. */
struct hooked {
	char *dir, *url;
	struct sink sink;
	struct channel_conf conf;
	struct notify *n;
};

static void hooked(struct hooked *h, const char *path, const char *format)
{
	*h = (struct hooked){ .dir = own_dir() };
	sink_start(&h->sink, http_sink, NULL);
	h->url = xasprintf("http://127.0.0.1:%u%s", h->sink.port, path);
	h->conf = (struct channel_conf){
		.name = "chat", .kind = CHANNEL_WEBHOOK, .url = h->url, .format = format
	};
	h->n = start(h->dir, &h->conf, 1);
}

static void unhooked(struct hooked *h)
{
	notify_stop(&h->n, 2000);
	sink_stop(&h->sink);
	free(h->url);
	remove_dir(h->dir);
}

struct want {
	const char *name;
	struct notify_stat got;
	char error[512];
};

static void pick_stat(const struct notify_stat *s, void *arg)
{
	struct want *w = arg;

	if (strcmp(s->channel, w->name))
		return;
	w->got = *s;
	snprintf(w->error, sizeof(w->error), "%s", s->last_error);
}

/* Figures once `dead` messages were given up or `sent` were sent. */
static struct want stats(struct notify *n, const char *name, uint64_t sent, uint64_t dead)
{
	int64_t until = clock_mono_ms() + SOON;
	struct want w = { .name = name };

	do {
		notify_stats(n, pick_stat, &w);
		if (w.got.sent >= sent && w.got.dead >= dead && !w.got.queued)
			return w;
		usleep(2000); /* between two looks; the event has no other sign */
	} while (clock_mono_ms() < until);
	fail_msg("%s: %d sent, %d dead, %d queued: %s", name, (int)w.got.sent,
		 (int)w.got.dead, (int)w.got.queued, w.error);
	return w;
}

/* --- webhooks -------------------------------------------------------------- */

static void json_body_is_signed_and_carries_the_top_flows(void **state)
{
	char *dir = own_dir(), *secret, *url;
	struct channel_conf c = { .name = "chat", .kind = CHANNEL_WEBHOOK };
	struct sink sink;
	struct notify *n;
	json_t *j, *body;

	(void)state;
	sink_start(&sink, http_sink, NULL);
	secret =
	    write_file(dir, "secret", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n", 0600);
	url = xasprintf("http://127.0.0.1:%u/ok", sink.port);
	c.url = url;
	c.secret_file = secret;
	n = start(dir, &c, 1);
	notify_alert(n, alert_for(ALERT_FIRING, "chat", NULL));
	j = must_hear(&sink);
	body = json_loads(text(j, "body"), 0, NULL);
	assert_string_equal(text(body, "schema"), "culprit.alert/1");
	assert_string_equal(text(json_array_get(json_object_get(body, "top_flows"), 0),
				 "src_name"), "cdn-7.example.net");
	assert_memory_equal(header_of(j, "webhook-signature"), "v1,", 3);
	assert_memory_equal(header_of(j, "webhook-id"), text(body, "id"), 26);
	assert_int_equal(stats(n, "chat", 1, 0).got.failed, 0);
	json_decref(body);
	json_decref(j);
	notify_stop(&n, 2000);
	sink_stop(&sink);
	free(url);
	free(secret);
	remove_dir(dir);
}

static void a_500_is_tried_again_with_the_same_key(void **state)
{
	struct hooked h;
	json_t *a, *b;

	(void)state;
	hooked(&h, "/fail/1/500", "json");
	notify_alert(h.n, alert_for(ALERT_FIRING, "chat", NULL));
	a = must_hear(&h.sink);
	b = must_hear(&h.sink);
	assert_int_equal(json_integer_value(json_object_get(a, "code")), 500);
	assert_int_equal(json_integer_value(json_object_get(b, "code")), 200);
	assert_string_equal(header_of(a, "webhook-id"), header_of(b, "webhook-id"));
	assert_int_equal(stats(h.n, "chat", 1, 0).got.retried, 1);
	json_decref(a);
	json_decref(b);
	unhooked(&h);
}

static void retry_after_is_waited_for(void **state)
{
	struct hooked h;
	int64_t from;

	(void)state;
	hooked(&h, "/wait/2", "json");
	notify_alert(h.n, alert_for(ALERT_FIRING, "chat", NULL));
	json_decref(must_hear(&h.sink));
	from = clock_mono_ms();
	json_decref(must_hear(&h.sink));
	assert_in_range(clock_mono_ms() - from, 1900, 4000);
	unhooked(&h);
}

static void what_can_never_work_is_a_dead_letter_at_once_and_can_be_retried(void **state)
{
	static const struct {
		const char *path, *format, *says;
	} rows[] = {
		{ "/status/404", "json", "make a new one at the target" },
		{ "/status/400", "json", "no such thing" },
		{ "/redirect", "json", "redirects are not followed" },
		{ "/say/invalid_token", "slack", "invalid_token" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct hooked h;
		struct want w;

		hooked(&h, rows[i].path, rows[i].format);
		notify_alert(h.n, alert_for(ALERT_FIRING, "chat", NULL));
		json_decref(must_hear(&h.sink));
		w = stats(h.n, "chat", 0, 1);
		if (!strstr(w.error, rows[i].says))
			fail_msg("%s: %s", rows[i].path, w.error);
		assert_int_equal(w.got.dead_now, 1);
		assert_int_equal(notify_retry(h.n, "chat"), 1);
		json_decref(must_hear(&h.sink));
		unhooked(&h);
	}
}

static void an_endless_answer_is_cut_and_counts_by_its_status(void **state)
{
	struct hooked h;

	(void)state;
	hooked(&h, "/huge", "json");
	notify_alert(h.n, alert_for(ALERT_FIRING, "chat", NULL));
	stats(h.n, "chat", 1, 0);
	unhooked(&h);
}

static void nothing_is_asked_for_a_name_nobody_configured(void **state)
{
	struct hooked h;

	(void)state;
	hooked(&h, "/ok", "json");
	notify_alert(h.n, alert_for(ALERT_FIRING, "no-such", "chat"));
	json_decref(must_hear(&h.sink));
	assert_int_equal(notify_unknown(h.n), 1);
	unhooked(&h);
}

/* A socket that listens and accepts nobody; with `full` its queue is taken, so that whoever
 * comes now hangs in connect(), else in what he expects to be told. */
static int deaf(bool full, unsigned *port, int taken[2])
{
	struct sockaddr_in a = { .sin_family = AF_INET,
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&a, len), 0);
	assert_int_equal(listen(fd, full ? 0 : 16), 0);
	getsockname(fd, (struct sockaddr *)&a, &len);
	*port = ntohs(a.sin_port);
	for (int i = 0; full && i < 2; i++) { /* a queue of 0 holds one; the other waits */
		taken[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		connect(taken[i], (struct sockaddr *)&a, len);
	}
	return fd;
}

static void nine_hanging_channels_do_not_hold_the_tenth(void **state)
{
	static const char *const bad[] = { "/hang/headers", "/hang/body", "/drip" };
	struct channel_conf c[10];
	struct sink http, smtp, slow;
	char *dir = own_dir(), *urls[10] = { NULL }, names[10][16];
	int taken[2], silent, full;
	unsigned silent_port, full_port;
	struct alert *a = sample_alert(clock_wall_ms(), ALERT_FIRING);
	struct notify *n;
	int64_t from;
	json_t *j;

	(void)state;
	silent = deaf(false, &silent_port, NULL);
	full = deaf(true, &full_port, taken);
	sink_start(&http, http_sink, NULL);
	sink_start(&smtp, smtp_sink, (const char *[]){ "--hang", "greeting", NULL });
	sink_start(&slow, smtp_sink, (const char *[]){ "--drip", NULL });
	for (int i = 0; i < 10; i++) {
		snprintf(names[i], sizeof(names[i]), "c%d", i);
		urls[i] =
		    i >= 8
			? xasprintf("smtp://127.0.0.1:%u", i == 8 ? smtp.port : slow.port)
		    : i == 5 ? xasprintf("https://127.0.0.1:%u/tls", silent_port)
		    : i == 6 ? xasprintf("http://127.0.0.1:%u/connect", full_port)
		    : i == 7
			? xasprintf("http://127.0.0.1:%u/good", http.port)
			: xasprintf("http://127.0.0.1:%u%s?%d", http.port, bad[i % 3], i);
		c[i] = (struct channel_conf){
			.name = names[i],
			.kind = i >= 8 ? CHANNEL_EMAIL : CHANNEL_WEBHOOK,
			.url = urls[i],
			.smtp = urls[i],
			.to = to,
			.n_to = 1,
			.from = "culprit@example.org",
		};
		a->notify[i] = xstrdup(names[i]);
	}
	n = start(dir, c, 10);
	from = clock_mono_ms();
	notify_alert(n, a);
	for (;;) {
		bool good;

		j = must_hear(&http);
		good = !strcmp(text(j, "path"), "/good");
		json_decref(j);
		if (good)
			break;
	}
	assert_in_range(clock_mono_ms() - from, 0, 2000);
	notify_stop(&n, 0); /* leaves the two mail threads to their servers */
	sink_stop(&smtp);
	sink_stop(&slow);
	sink_stop(&http);
	close(silent);
	close(full);
	close(taken[0]);
	close(taken[1]);
	for (int i = 0; i < 10; i++)
		free(urls[i]);
	remove_dir(dir);
}

/* --- certificates ---------------------------------------------------------- */

static void bad_certificates_are_refused_with_their_reason(void **state)
{
	static const struct {
		const char *cert, *reason, *mail_reason, *remedy;
	} rows[] = {
		{ "good", NULL, NULL, NULL },
		{ "expired", "expired", "expired", "; renew it, and look" },
		{ "other", "matches target host name", "ostname mismatch",
		  "; write the name that the certificate is for" },
		{ "self", "self-signed", "self-signed", "; name the authority" },
	};

	(void)state;
	for (size_t i = 0; i < 2 * ARRAY_LEN(rows); i++) {
		size_t r = i / 2;
		bool mail = i & 1;
		char *pem = xasprintf("%s/%s.pem", certs, rows[r].cert);
		char *key = xasprintf("%s/%s.key", certs, rows[r].cert),
		     *ca = cert("ca.pem");
		const char *reason = mail ? rows[r].mail_reason : rows[r].reason;
		struct strb talk = { 0 };
		struct err err = { "" };
		struct sink s;
		char *url;
		bool ok;

		sink_start(&s, mail ? smtp_sink : http_sink,
			   (const char *[]){ "--cert", pem, "--key", key, NULL });
		url = xasprintf("%s://localhost:%u%s", mail ? "smtp" : "https", s.port,
				mail ? "" : "/ok");
		struct channel_conf c = {
			.name = "x",
			.kind = mail ? CHANNEL_EMAIL : CHANNEL_WEBHOOK,
			.url = url,
			.smtp = url,
			.to = to,
			.n_to = 1,
			.from = "culprit@example.org",
			.ca_file = ca,
			.starttls = true,
		};
		ok = notify_test_once(&c, NULL, &talk, &err);
		if (ok != !reason || (reason && (!strstr(err.msg, reason) ||
						 !strstr(err.msg, rows[r].remedy))))
			fail_msg("%s %s: %d %s\n%s", mail ? "mail" : "webhook",
				 rows[r].cert, ok, err.msg, talk.s);
		if (mail && ok) {
			json_t *j = must_hear(&s);

			assert_true(json_is_true(json_object_get(j, "tls")));
			assert_string_equal(text(j, "sni"), "localhost");
			json_decref(j);
		}
		c.insecure = true;
		assert_true(notify_test_once(&c, NULL, &talk, &err));
		sink_stop(&s);
		strb_free(&talk);
		free(url);
		free(pem);
		free(key);
		free(ca);
	}
}

/* --- mail ------------------------------------------------------------------ */

struct mailed {
	struct sink sink;
	char *url, *ca, *password;
	struct channel_conf conf;
	struct strb talk;
	struct err err;
};

static void mailed(struct mailed *m, const char *const *args)
{
	*m = (struct mailed){ .ca = cert("ca.pem") };
	sink_start(&m->sink, smtp_sink, args);
	m->url = xasprintf("smtp://localhost:%u", m->sink.port);
	m->conf = (struct channel_conf){
		.name = "noc", .kind = CHANNEL_EMAIL, .smtp = m->url, .to = to, .n_to = 1,
		.from = "culprit@example.org", .ca_file = m->ca,
	};
}

static void unmailed(struct mailed *m)
{
	sink_stop(&m->sink);
	strb_free(&m->talk);
	free(m->url);
	free(m->ca);
	free(m->password);
}

static bool mail_test(struct mailed *m)
{
	strb_free(&m->talk);
	return notify_test_once(&m->conf, NULL, &m->talk, &m->err);
}

static void a_password_travels_only_inside_tls_and_is_never_shown(void **state)
{
	char *pem = cert("good.pem"), *key = cert("good.key");
	struct mailed m;
	json_t *j;

	(void)state;
	mailed(&m, (const char *[]){ "--cert", pem, "--key", key, "--auth",
				     "culprit:s3cret-word", NULL });
	m.conf.user = "culprit";
	m.conf.password_file = m.password =
	    write_file(certs, "pw", "s3cret-word\n", 0640);
	if (!mail_test(&m))
		fail_msg("%s\n%s", m.err.msg, m.talk.s);
	j = must_hear(&m.sink);
	assert_string_equal(text(j, "user"), "culprit");
	assert_true(json_is_true(json_object_get(j, "tls")));
	json_decref(j);
	assert_null(strstr(m.talk.s, "s3cret-word"));
	assert_null(
	    strstr(m.talk.s, "AGN1bHByaXQAczNjcmV0LXdvcmQ")); /* base64 of AUTH PLAIN */
	assert_non_null(strstr(m.talk.s, "STARTTLS"));
	free(m.password);
	m.conf.password_file = m.password = write_file(certs, "pw", "wrong-word\n", 0600);
	assert_false(mail_test(&m));
	assert_null(strstr(m.talk.s, "wrong-word"));
	unmailed(&m);
	free(pem);
	free(key);
}

static void a_password_that_is_not_answered_is_told_as_that(void **state)
{
	char *pem = cert("good.pem"), *key = cert("good.key");
	struct mailed m;

	(void)state;
	mailed(&m, (const char *[]){ "--cert", pem, "--key", key, "--auth",
				     "culprit:s3cret-word", "--drop-auth", NULL });
	m.conf.user = "culprit";
	m.conf.password_file = m.password = write_file(certs, "pw3", "s3cret-word", 0600);
	assert_false(mail_test(&m));
	if (!strstr(m.err.msg, "does not answer to the password"))
		fail_msg("%s\n%s", m.err.msg, m.talk.s);
	unmailed(&m);
	free(pem);
	free(key);
}

static void a_server_without_starttls_gets_no_password(void **state)
{
	struct mailed m;

	(void)state;
	mailed(&m, (const char *[]){ "--auth", "culprit:s3cret-word", NULL });
	m.conf.user = "culprit";
	m.conf.password_file = m.password = write_file(certs, "pw2", "s3cret-word", 0600);
	assert_false(mail_test(&m));
	assert_non_null(strstr(m.err.msg, "STARTTLS"));
	assert_null(strstr(m.talk.s, "AUTH PLAIN "));
	unmailed(&m);
}

static void a_server_that_turns_everybody_away_is_quoted(void **state)
{
	struct mailed m;

	(void)state;
	mailed(&m, (const char *[]){ "--turn-away", NULL });
	assert_false(mail_test(&m));
	if (!strstr(m.err.msg, "takes no mail from here: 554 5.7.1 nothing from you"))
		fail_msg("%s\n%s", m.err.msg, m.talk.s);
	unmailed(&m);
}

static void refused_recipients_do_not_keep_mail_from_the_others(void **state)
{
	static const char *const both[] = { "nobody@example.org", "noc@example.org" };
	struct mailed m;
	json_t *j;

	(void)state;
	mailed(&m, NULL);
	m.conf.to = both;
	m.conf.n_to = 2;
	if (!mail_test(&m))
		fail_msg("%s\n%s", m.err.msg, m.talk.s);
	j = must_hear(&m.sink);
	assert_int_equal(json_array_size(json_object_get(j, "to")), 1);
	assert_non_null(strstr(text(j, "data"), "[TEST] edge WAN in: 18.7 Mbit/s"));
	assert_non_null(strstr(text(j, "data"), "10.20.0.66 (reception-pc)"));
	json_decref(j);
	m.conf.n_to = 1;
	assert_false(mail_test(&m));
	assert_non_null(strstr(m.err.msg, "refuses nobody@example.org: 550"));
	unmailed(&m);
}

static void the_sender_s_refusal_is_told(void **state)
{
	struct mailed m;

	(void)state;
	mailed(&m, (const char *[]){ "--refuse-mail", NULL });
	assert_false(mail_test(&m));
	assert_non_null(strstr(m.err.msg, "554"));
	unmailed(&m);
}

static void a_talkative_server_is_cut_off(void **state)
{
	struct mailed m;

	(void)state;
	mailed(&m, (const char *[]){ "--huge", NULL });
	assert_false(mail_test(&m));
	assert_in_range(m.talk.len, 0, 1 << 20);
	unmailed(&m);
}

/* The value of a header, unfolded; gives. */
static char *mail_header(const char *data, const char *name)
{
	char *want = xasprintf("\r\n%s:", name);
	const char *p = strstr(data, want);
	struct strb b = { 0 };

	strb_add(&b, "");
	for (p = p ? p + strlen(want) : ""; *p; p++) {
		if (p[0] == '\r' && p[1] == '\n' && p[2] != ' ')
			break;
		if (*p != '\r' && *p != '\n')
			strb_addc(&b, *p);
	}
	free(want);
	return strb_take(&b);
}

static void greylisted_mail_comes_again_and_resolved_answers_firing(void **state)
{
	static const char *const later[] = { "later@example.org" };
	struct mailed m;
	struct alert *a, *b;
	struct notify *n;
	char *dir = own_dir(), *id, *reply, *first, *second;
	json_t *j, *k;

	(void)state;
	mailed(&m, NULL);
	m.conf.to = later;
	n = start(dir, &m.conf, 1);
	a = alert_for(ALERT_FIRING, "noc", NULL);
	b = alert_for(ALERT_RESOLVED, "noc", NULL);
	strcpy(b->id, a->id);
	notify_alert(n, a);
	notify_alert(n, b);
	j = must_hear(&m.sink);
	k = must_hear(&m.sink);
	id = mail_header(text(j, "data"), "Message-ID");
	reply = mail_header(text(k, "data"), "In-Reply-To");
	assert_string_equal(id, reply);
	first = mail_header(text(j, "data"), "Subject");
	second = mail_header(text(k, "data"), "Subject");
	assert_string_equal(strchr(first, ']'), strchr(second, ']'));
	assert_non_null(strstr(second, "[RESOLVED]"));
	assert_int_equal(stats(n, "noc", 2, 0).got.retried, 1);
	notify_stop(&n, 2000);
	unmailed(&m);
	free(id);
	free(reply);
	free(first);
	free(second);
	json_decref(j);
	json_decref(k);
	remove_dir(dir);
}

static void smtps_takes_mail_and_checks_its_certificate(void **state)
{
	static const char *const names[] = { "good", "expired", "other", "self" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		char *pem = xasprintf("%s/%s.pem", certs, names[i]);
		char *key = xasprintf("%s/%s.key", certs, names[i]);
		struct mailed m;
		json_t *j;

		mailed(&m, (const char *[]){ "--cert", pem, "--key", key, "--smtps",
					     "--auth", "culprit:s3cret-word", NULL });
		free(m.url);
		m.conf.smtp = m.url = xasprintf("smtps://localhost:%u", m.sink.port);
		m.conf.user = "culprit";
		m.conf.password_file = m.password =
		    write_file(certs, "pw3", "s3cret-word", 0600);
		if (mail_test(&m) != !i)
			fail_msg("%s: %s\n%s", names[i], m.err.msg, m.talk.s);
		assert_null(strstr(m.talk.s, "s3cret-word"));
		if (!i) {
			j = must_hear(&m.sink);
			assert_string_equal(text(j, "user"), "culprit");
			assert_non_null(strstr(text(j, "data"), "\r\nSubject: [TEST]"));
			json_decref(j);
		}
		unmailed(&m);
		free(pem);
		free(key);
	}
}

/* By STARTTLS and by smtps://; a new token in the file is taken without a reload. */
static void xoauth2_sends_the_token_that_the_file_has_now(void **state)
{
	(void)state;
	for (int smtps = 0; smtps < 2; smtps++) {
		char *pem = cert("good.pem"), *key = cert("good.key");
		char *token = write_file(certs, "token", "ya29.first-token", 0600);
		char *pair = xasprintf("culprit:%s", token);
		struct channel_conf *c;
		struct notify *n;
		char *dir = own_dir();
		struct mailed m;
		json_t *j;

		mailed(&m, (const char *[]){ "--cert", pem, "--key", key, "--token", pair,
					     smtps ? "--smtps" : NULL, NULL });
		free(m.url);
		m.conf.smtp = m.url = xasprintf("smtp%s://localhost:%u", smtps ? "s" : "",
						m.sink.port);
		m.conf.user = "culprit";
		m.conf.token_file = token;
		if (!mail_test(&m))
			fail_msg("%s\n%s", m.err.msg, m.talk.s);
		assert_null(strstr(m.talk.s, "first-token"));
		assert_null(strstr(m.talk.s, "dXNlcj1jdWxwcml0")); /* base64: user=culprit */
		j = must_hear(&m.sink);
		assert_string_equal(text(j, "user"), "culprit");
		json_decref(j);
		c = &m.conf;
		n = start(dir, c, 1);
		free(write_file(certs, "token", "ya29.second-token", 0600));
		notify_alert(n, alert_for(ALERT_FIRING, "noc", NULL));
		j = must_hear(&m.sink);
		assert_string_equal(text(j, "user"), "culprit");
		json_decref(j);
		notify_stop(&n, 1000);
		remove_dir(dir);
		unmailed(&m);
		free(pair);
		free(token);
		free(pem);
		free(key);
	}
}

/* --- programs --------------------------------------------------------------- */

static void a_program_gets_the_alert_and_its_end_decides(void **state)
{
	static const struct {
		const char *script, *says;
		bool ok;
	} rows[] = {
		{ "#!/bin/sh\ngrep -q culprit.alert/1 && test \"$#\" = 1 && test -z "
		  "\"$HOME\"\n",
		  "", true },
		{ "#!/bin/sh\nexit 0\n", "", true }, /* reads nothing */
		{ "#!/bin/sh\necho no route >&2\nexit 3\n", "code 3: \"no route", false },
		{ "#!/bin/sh\nkill -9 $$\n", "signal 9", false },
		{ "#!/bin/sh\nyes | head -c 1000000\nexit 1\n", "", false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char *path = write_file(certs, "hook.sh", rows[i].script, 0700);
		const char *argv[] = { path, "$(reboot)" };
		struct channel_conf c = { .name = "x", .kind = CHANNEL_EXEC, .argv = argv,
					  .n_argv = 2 };
		struct strb talk = { 0 };
		struct err err = { "" };

		if (notify_test_once(&c, NULL, &talk, &err) != rows[i].ok ||
		    !strstr(err.msg, rows[i].says))
			fail_msg("row %zu: %s", i, err.msg);
		strb_free(&talk);
		free(path);
	}
}

/* Begins before all other tests and ends beside them: it takes the ten seconds that a program
 * has. What it started must end with it. */
static pid_t sleeper;

static void begin_a_program_that_does_not_end(void)
{
	char *path = write_file(certs, "sleep.sh",
				"#!/bin/sh\nsleep 99 &\necho $! >\"$1\"\nsleep 99\n", 0700);
	char *pid = xasprintf("%s/sleep.pid", certs);
	const char *argv[] = { path, pid };
	struct channel_conf c = { .name = "x", .kind = CHANNEL_EXEC, .argv = argv, .n_argv = 2 };
	struct strb talk = { 0 };
	struct err err = { "" };
	FILE *f;
	int child = 0;

	sleeper = fork();
	if (sleeper) {
		free(path);
		free(pid);
		return;
	}
	if (notify_test_once(&c, NULL, &talk, &err) ||
	    !strstr(err.msg, "did not end within 10 s and was killed"))
		_exit(1);
	f = fopen(pid, "r");
	if (!f || fscanf(f, "%d", &child) != 1)
		_exit(2);
	for (int i = 0; i < 500 && !kill(child, 0); i++)
		usleep(10000); /* until whoever inherits it has reaped it */
	_exit(kill(child, 0) ? 0 : 3);
}

static void a_program_that_does_not_end_is_killed_with_what_it_started(void **state)
{
	int status = -1;

	(void)state;
	assert_int_equal(waitpid(sleeper, &status, 0), sleeper);
	assert_int_equal(status, 0);
}

/* --- targets that remember, and ones that forget ------------------------------ */

static void telegram_s_resolved_message_answers_the_firing_one(void **state)
{
	char *dir = own_dir(), *url,
	     *token = write_file(certs, "bot", "123456:token-text", 0600);
	struct channel_conf c = { .name = "tg",
				  .kind = CHANNEL_WEBHOOK,
				  .format = "telegram",
				  .token_file = token,
				  .target = "-100" };
	struct alert *a = alert_for(ALERT_FIRING, "tg", NULL);
	struct alert *b = alert_for(ALERT_RESOLVED, "tg", NULL);
	json_t *j, *body, *reply;
	struct notify *n;
	struct sink s;

	(void)state;
	sink_start(&s, http_sink, NULL);
	/* its path says what the sink answers; the bot's own path is behind it */
	c.url = url =
	    xasprintf("http://127.0.0.1:%u/say/%%7B%%22ok%%22:true,%%22result%%22:"
		      "%%7B%%22message_id%%22:77%%7D%%7D",
		      s.port);
	strcpy(b->id, a->id);
	n = start(dir, &c, 1);
	notify_alert(n, a);
	j = must_hear(&s);
	assert_non_null(strstr(text(j, "path"), "/bot123456:token-text/sendMessage"));
	json_decref(j);
	stats(n, "tg", 1, 0);
	notify_alert(n, b);
	j = must_hear(&s);
	body = json_loads(text(j, "body"), 0, NULL);
	reply = json_object_get(body, "reply_parameters");
	assert_int_equal(json_integer_value(json_object_get(reply, "message_id")), 77);
	json_decref(body);
	json_decref(j);
	notify_stop(&n, 2000);
	sink_stop(&s);
	free(token);
	free(url);
	remove_dir(dir);
}

static void alertmanager_is_told_again_what_fires_on_every_replica(void **state)
{
	char *dir = own_dir(), *urls;
	struct channel_conf c = { .name = "am",
				  .kind = CHANNEL_WEBHOOK,
				  .format = "alertmanager" };
	struct sink s, t;
	struct notify *n;
	json_t *j, *body;

	(void)state;
	sink_start(&s, http_sink, NULL);
	sink_start(&t, http_sink, NULL);
	c.url = urls =
	    xasprintf("http://127.0.0.1:%u/ http://127.0.0.1:%u", s.port, t.port);
	n = start(dir, &c, 1);
	notify_alert(n, alert_for(ALERT_FIRING, "am", NULL));
	for (int i = 0; i < 2; i++) {
		j = must_hear(i ? &t : &s);
		assert_string_equal(text(j, "path"), "/api/v2/alerts");
		body = json_loads(text(j, "body"), 0, NULL);
		assert_int_equal(json_array_size(body), 1);
		json_decref(body);
		json_decref(j);
	}
	stats(n, "am", 2, 0);
	notify_stop(&n, 2000);
	n = start(dir, &c, 1); /* a new process begins with telling what fires */
	json_decref(must_hear(&s));
	json_decref(must_hear(&t));
	assert_int_equal(stats(n, "am", 0, 0).got.sent, 0);
	notify_stop(&n, 2000);
	sink_stop(&s);
	sink_stop(&t);
	free(urls);
	remove_dir(dir);
}

/* What the server says to a GET, parsed; NULL when there is none. */
static json_t *get(const char *url)
{
	char *cmd = xasprintf("curl -s -m 2 '%s'", url);
	FILE *f = popen(cmd, "r");
	json_t *j = json_loadf(f, 0, NULL);

	pclose(f);
	free(cmd);
	return j;
}

/* Asks until there are n alerts that `active` says are active. */
static json_t *must_list(const char *url, size_t n)
{
	int64_t until = clock_mono_ms() + 15000;
	json_t *j;

	for (;;) {
		j = get(url);
		if (json_is_array(j) && json_array_size(j) == n)
			return j;
		if (clock_mono_ms() > until)
			fail_msg("%s: %s", url, j ? json_dumps(j, 0) : "no answer");
		json_decref(j);
		usleep(20000); /* Alertmanager tells nobody that it has started */
	}
}

static unsigned free_port(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
				 .sin_addr = { htonl(INADDR_LOOPBACK) } };
	socklen_t len = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&a, len), 0);
	getsockname(fd, (struct sockaddr *)&a, &len);
	close(fd);
	return ntohs(a.sin_port);
}

static void a_real_alertmanager_shows_the_alert_and_its_end(void **state)
{
	char *dir = own_dir(), *url, *api, *conf, *listen, *storage;
	unsigned port = free_port();
	struct channel_conf c = { .name = "am",
				  .kind = CHANNEL_WEBHOOK,
				  .format = "alertmanager" };
	struct alert *a = alert_for(ALERT_FIRING, "am", NULL);
	struct alert *b = alert_for(ALERT_RESOLVED, "am", NULL);
	struct notify *n;
	json_t *j;
	pid_t pid;

	(void)state;
	conf = write_file(dir, "am.yml",
			  "route: { receiver: none }\nreceivers: [ { name: none } ]\n",
			  0600);
	listen = xasprintf("--web.listen-address=127.0.0.1:%u", port);
	storage = xasprintf("--storage.path=%s", dir);
	pid = fork();
	if (!pid) {
		char *file = xasprintf("--config.file=%s", conf);

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (!freopen("/dev/null", "w", stderr))
			_exit(1);
		execlp("prometheus-alertmanager", "alertmanager", file, storage, listen,
		       "--cluster.listen-address=", (char *)NULL);
		execlp("alertmanager", "alertmanager", file, storage, listen,
		       "--cluster.listen-address=", (char *)NULL);
		_exit(127);
	}
	c.url = url = xasprintf("http://127.0.0.1:%u", port);
	api = xasprintf("%s/api/v2/alerts", url);
	json_decref(must_list(api, 0));
	strcpy(b->id, a->id);
	n = start(dir, &c, 1);
	notify_alert(n, a);
	stats(n, "am", 1, 0);
	j = must_list(api, 1);
	assert_string_equal(
	    text(json_object_get(json_array_get(j, 0), "labels"), "alertname"),
	    "wan-busy");
	json_decref(j);
	notify_alert(n, b);
	stats(n, "am", 2, 0);
	json_decref(must_list(api, 0));
	notify_stop(&n, 2000);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	free(conf);
	free(listen);
	free(storage);
	free(url);
	free(api);
	remove_dir(dir);
}

/* --- reload and configuration ---------------------------------------------- */

static void a_bad_reload_changes_nothing_and_a_good_one_does(void **state)
{
	struct hooked h;
	struct err err = { "" };
	char *other;
	json_t *j;

	(void)state;
	hooked(&h, "/ok", "json");
	struct channel_conf bad[] = { h.conf, { .name = "x", .kind = CHANNEL_WEBHOOK,
						.url = "gopher://x/" } };
	struct notify_opts o = { .state_dir = h.dir, .channels = bad, .n_channels = 2 };
	assert_false(notify_reload(h.n, &o, &err));
	assert_string_equal(err.msg,
			    "notify x: the webhook is no URL; write https://host/path");
	notify_alert(h.n, alert_for(ALERT_FIRING, "chat", NULL));
	json_decref(must_hear(&h.sink));
	other = xasprintf("http://127.0.0.1:%u/other", h.sink.port);
	bad[0].url = other;
	o.n_channels = 1;
	assert_true(notify_reload(h.n, &o, &err));
	notify_alert(h.n, alert_for(ALERT_FIRING, "chat", NULL));
	j = must_hear(&h.sink);
	assert_string_equal(text(j, "path"), "/other");
	json_decref(j);
	assert_int_equal(stats(h.n, "chat", 2, 0).got.sent, 2); /* figures survive */
	free(other);
	unhooked(&h);
}

/* Keeps the first sentence. */
static void note_fault(void *arg, const char *word, const char *sentence)
{
	struct err *err = arg;

	(void)word;
	if (!*err->msg)
		err_set(err, "%s", sentence);
}

static void every_mistake_in_a_section_has_its_sentence(void **state)
{
	char *open = write_file(certs, "open", "secret-text", 0644);
	char *empty = write_file(certs, "empty", "\n", 0600);
	const char *const nobody[] = { "nobody" };
	const struct {
		struct channel_conf c;
		const char *says;
	} rows[] = {
		{ { .kind = CHANNEL_EMAIL }, "email names nobody" },
		{ { .kind = CHANNEL_EMAIL, .to = nobody, .n_to = 1 },
		  "\"nobody\" is no mail address" },
		{ { .kind = CHANNEL_EMAIL, .to = to, .n_to = 1 },
		  "from: \"\" is no mail address" },
		{ { .kind = CHANNEL_EMAIL,
		    .to = to,
		    .n_to = 1,
		    .from = "a@b\r\nBcc: c@d" },
		  "is no mail address" },
		{ { .kind = CHANNEL_EMAIL,
		    .to = to,
		    .n_to = 1,
		    .from = "a@b",
		    .smtp = "http://x" },
		  "smtp is not a mail server" },
		{ { .kind = CHANNEL_EMAIL,
		    .to = to,
		    .n_to = 1,
		    .from = "a@b",
		    .smtp = "smtp://u:p@x" },
		  "use user = and password_file" },
		{ { .kind = CHANNEL_EMAIL,
		    .to = to,
		    .n_to = 1,
		    .from = "a@b",
		    .user = "u" },
		  "belong together" },
		{ { .kind = CHANNEL_EMAIL,
		    .to = to,
		    .n_to = 1,
		    .from = "a@b",
		    .user = "u",
		    .password_file = open },
		  "mode 0644" },
		{ { .kind = CHANNEL_EMAIL,
		    .to = to,
		    .n_to = 1,
		    .from = "a@b",
		    .user = "u",
		    .password_file = empty },
		  "is empty" },
		{ { .kind = CHANNEL_EMAIL,
		    .to = to,
		    .n_to = 1,
		    .from = "a@b",
		    .ca_file = "/no/such" },
		  "ca_file" },
		{ { .kind = CHANNEL_WEBHOOK }, "no target" },
		{ { .kind = CHANNEL_WEBHOOK, .url = "file:///etc/passwd" }, "is no URL" },
		{ { .kind = CHANNEL_WEBHOOK, .url = "http:/host/x" }, "is no URL" },
		{ { .kind = CHANNEL_WEBHOOK, .url = "http://h/", .url_file = empty },
		  "both given" },
		{ { .kind = CHANNEL_WEBHOOK, .url = "http://h/", .format = "slak" },
		  "format \"slak\" is unknown; there are json, slack, mattermost" },
		{ { .kind = CHANNEL_WEBHOOK,
		    .url = "http://h/",
		    .secret_file = "/no/such" },
		  "cannot open /no/such" },
		{ { .kind = CHANNEL_EXEC }, "full path" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct channel_conf c = rows[i].c;
		struct err err = { "" };

		c.name = "x";
		if (notify_check(&c, note_fault, &err) || !strstr(err.msg, rows[i].says))
			fail_msg("row %zu: \"%s\" has no \"%s\"", i, err.msg,
				 rows[i].says);
	}
	free(open);
	free(empty);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(json_body_is_signed_and_carries_the_top_flows),
		cmocka_unit_test(a_500_is_tried_again_with_the_same_key),
		cmocka_unit_test(retry_after_is_waited_for),
		cmocka_unit_test(
		    what_can_never_work_is_a_dead_letter_at_once_and_can_be_retried),
		cmocka_unit_test(an_endless_answer_is_cut_and_counts_by_its_status),
		cmocka_unit_test(nothing_is_asked_for_a_name_nobody_configured),
		cmocka_unit_test(bad_certificates_are_refused_with_their_reason),
		cmocka_unit_test(a_password_travels_only_inside_tls_and_is_never_shown),
		cmocka_unit_test(a_password_that_is_not_answered_is_told_as_that),
		cmocka_unit_test(a_server_without_starttls_gets_no_password),
		cmocka_unit_test(a_server_that_turns_everybody_away_is_quoted),
		cmocka_unit_test(refused_recipients_do_not_keep_mail_from_the_others),
		cmocka_unit_test(the_sender_s_refusal_is_told),
		cmocka_unit_test(a_talkative_server_is_cut_off),
		cmocka_unit_test(greylisted_mail_comes_again_and_resolved_answers_firing),
		cmocka_unit_test(smtps_takes_mail_and_checks_its_certificate),
		cmocka_unit_test(xoauth2_sends_the_token_that_the_file_has_now),
		cmocka_unit_test(a_program_gets_the_alert_and_its_end_decides),
		cmocka_unit_test(telegram_s_resolved_message_answers_the_firing_one),
		cmocka_unit_test(alertmanager_is_told_again_what_fires_on_every_replica),
		cmocka_unit_test(a_real_alertmanager_shows_the_alert_and_its_end),
		cmocka_unit_test(a_bad_reload_changes_nothing_and_a_good_one_does),
		cmocka_unit_test(every_mistake_in_a_section_has_its_sentence),
		cmocka_unit_test(nine_hanging_channels_do_not_hold_the_tenth),
		cmocka_unit_test(a_program_that_does_not_end_is_killed_with_what_it_started),
	};
	int rc;

	certs = own_dir();
	certs_make(certs);
	begin_a_program_that_does_not_end();
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	remove_dir(certs);
	return rc;
}
