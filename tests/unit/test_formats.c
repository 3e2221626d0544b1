/* test_formats.c - every webhook body: its schema, its limits, hostile text made inert.
 * SPDX-License-Identifier: ISC */
#include "test.h"

#include "daemon/notify/channel.h"

#include <dirent.h>
#include <math.h>

#include "daemon/base/mem.h"
#include "daemon/notify/hook.h"
#include "daemon/notify/sample.h"
#include "daemon/notify/story.h"
#include "sink.h"

static char *dir, *token, *template;

/* Those of tests/texts, which inert.sh sends through everything. */
enum { TEXTS = 40, TEXT_LEN = 1500 };
static char hostile[TEXTS][TEXT_LEN];
static size_t n_hostile;

static void read_texts(void)
{
	DIR *d = opendir("tests/texts");

	assert_non_null(d);
	for (struct dirent *e; (e = readdir(d)) && n_hostile < TEXTS;) {
		char path[300];
		FILE *f;

		snprintf(path, sizeof(path), "tests/texts/%s", e->d_name);
		f = *e->d_name == '.' ? NULL : fopen(path, "rb");
		if (!f)
			continue;
		assert_true(fread(hostile[n_hostile++], 1, TEXT_LEN - 1, f) > 0);
		fclose(f);
	}
	closedir(d);
	assert_true(n_hostile >= 18);
}

static struct channel *channel(const char *format)
{
	struct channel_conf c = {
		.name = "x", .kind = CHANNEL_WEBHOOK, .format = format,
		.url = "https://hooks.example.org/secret-part", .token_file = token,
		.target = "-1001", .template_file = template,
	};
	struct err err = { "" };
	struct channel *ch = channel_new(&c, "https://culprit.example.org", &err);

	if (!ch)
		fail_msg("%s", err.msg);
	return ch;
}

/* What came through the outbox: JSON and back, so bad UTF-8 is gone. */
static struct alert *stored(struct alert *a)
{
	json_t *j = alert_json(a, NULL);
	struct err err = { "" };
	struct alert *b = alert_from_json(j, &err);

	if (!b)
		fail_msg("%s", err.msg);
	json_decref(j);
	alert_unref(&a);
	return b;
}

static void replace(char **s, const char *with)
{
	free(*s);
	*s = xstrdup(with);
}

/* The same text at every place where the outside can put one. */
static struct alert *hostile_alert(const char *s, enum alert_state state)
{
	struct alert *a = sample_alert(1700000000000, state);

	replace(&a->series, s);
	replace(&a->why, s);
	for (unsigned i = 0; i < a->n_top; i++) {
		replace(&a->top[i].src_name, s);
		replace(&a->top[i].dst_name, s);
		replace(&a->top[i].client, s);
		for (unsigned k = 0; k < a->top[i].n_urls; k++)
			replace(&a->top[i].urls[k].url, s);
	}
	replace(&a->changed[0].key, s);
	return stored(a);
}

static struct alert *huge_alert(void)
{
	struct alert *a = sample_alert(1700000000000, ALERT_FIRING);
	struct strb s = { 0 };

	for (int i = 0; i < 3000; i++)
		strb_add(&s, i % 7 ? "<&\xc3\xa4*" : " ");
	free(a->top[0].urls[0].url);
	a->top[0].urls[0].url = xstrdup(s.s);
	replace(&a->why, s.s);
	replace(&a->series, s.s);
	replace(&a->rule, s.s);
	a->top = xrealloc(a->top, ALERT_TOP, sizeof(*a->top));
	for (; a->n_top < ALERT_TOP; a->n_top++) {
		struct top_flow *f = &a->top[a->n_top];

		*f = a->top[1];
		f->src_name = xstrdup(s.s);
		f->dst_name = xstrdup(s.s);
	}
	a->lost_flows = UINT64_MAX;
	a->value = NAN;
	strb_free(&s);
	return stored(a);
}

static struct digest sample_digest(const char *text)
{
	struct digest d = { .firing = 37, .resolved = 12, .from_ms = 1700000000000,
			    .to_ms = 1700000060000, .n_line = DIGEST_TOP };

	for (unsigned i = 0; i < DIGEST_TOP; i++)
		d.line[i] = (struct digest_line){ (char *)text,
						  i % 2 ? ALERT_RESOLVED : ALERT_FIRING,
						  SEVERITY_WARNING };
	return d;
}

/* Makes the body, keeps it for the schema, gives it parsed. */
static json_t *body(const struct format *f, const struct message *m, const char *name,
		    size_t *len)
{
	struct channel *c = channel(f->name);
	struct request r = { .base = c->url[0] };
	json_error_t why;
	char file[128];
	json_t *j;

	f->make(c, m, 1, &r);
	assert_false(r.failed);
	j = json_loads(r.body.s, 0, &why);
	if (!j)
		fail_msg("%s %s: %s: %s", f->name, name, why.text, r.body.s);
	snprintf(file, sizeof(file), "%s.%s.json", f->name, name);
	free(write_file(dir, file, r.body.s, 0600));
	*len = r.body.len;
	request_fini(&r);
	channel_unref(&c);
	return j;
}

static struct message message(const struct alert *a, const struct digest *d)
{
	return (struct message){ .alert = a,
				 .digest = d,
				 .key = "01TEST.firing.1",
				 .thread = "01TEST.firing.1",
				 .subject = "the first headline",
				 .remote = "4711",
				 .first = a && a->state == ALERT_FIRING,
				 .now_ms = 1700000000000 };
}

/* Calls fn for every string in j. */
static void each_string(json_t *j, void (*fn)(const char *s, void *arg), void *arg)
{
	const char *key;
	json_t *v;
	size_t i;

	if (json_is_string(j))
		fn(json_string_value(j), arg);
	json_object_foreach(j, key, v)
		each_string(v, fn, arg);
	json_array_foreach(j, i, v)
		each_string(v, fn, arg);
}

static void no_markup(const char *s, void *arg)
{
	static const struct {
		const char *format, *live;
	} rows[] = {
		{ "slack", "<script" },		 { "slack", "<!channel>" },
		{ "slack", "<@U123" },		 { "telegram", "<script" },
		{ "telegram", "<img" },		 { "telegram", "<!" },
		{ "googlechat", "<script" },	 { "googlechat", "<img" },
		{ "googlechat", "<!channel" },	 { "teams", "[click](" },
		{ "mattermost", "@everyone @" }, { "teams", "*bold*" },
	};
	const char *format = arg;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const char *at =
		    strcmp(rows[i].format, format) ? NULL : strstr(s, rows[i].live);

		/* inside a code block nothing is markup */
		if (at && !(!strcmp(format, "mattermost") && strstr(s, "```")))
			fail_msg("%s lets \"%s\" through: %s", format, rows[i].live, s);
	}
	/* no machine gets raw controls in what people read; our own format keeps the data
	 */
	if (strcmp(format, "json") && strcmp(format, "cloudevents") &&
	    strcmp(format, "template"))
		for (; *s; s++)
			if ((unsigned char)*s < 0x20 && *s != '\n')
				fail_msg("%s lets control %d through", format, *s);
}

static void hostile_text_is_inert_in_every_format(void **state)
{
	(void)state;
	for (size_t i = 0; formats[i]; i++) {
		for (size_t k = 0; k < n_hostile; k++) {
			for (int over = 0; over < 2; over++) {
				struct alert *a = hostile_alert(
				    hostile[k], over ? ALERT_RESOLVED : ALERT_FIRING);
				struct message m = message(a, NULL);
				char name[32];
				size_t len;
				json_t *j;

				snprintf(name, sizeof(name), "hostile%zu-%d", k, over);
				j = body(formats[i], &m, name, &len);
				each_string(j, no_markup, (void *)formats[i]->name);
				json_decref(j);
				alert_unref(&a);
			}
		}
	}
}

static void bodies_stay_within_their_target_s_limits(void **state)
{
	static const struct {
		const char *format;
		size_t most;
	} rows[] = {
		{ "teams", 20480 },	 { "googlechat", 32000 }, { "ntfy", 8192 },
		{ "pagerduty", 512000 }, { "slack", 40000 },	  { "discord", 16000 },
	};

	(void)state;
	for (size_t i = 0; formats[i]; i++) {
		struct alert *a = huge_alert();
		struct digest d = sample_digest("WAN in: 18.7 Mbit/s for 2 minutes <b>");
		struct message m = message(a, NULL), n = message(NULL, &d);
		size_t len, most = SIZE_MAX;

		for (size_t k = 0; k < ARRAY_LEN(rows); k++)
			if (!strcmp(rows[k].format, formats[i]->name))
				most = rows[k].most;
		json_decref(body(formats[i], &m, "huge", &len));
		if (len > most)
			fail_msg("%s: %zu octets", formats[i]->name, len);
		if (!formats[i]->machine)
			json_decref(body(formats[i], &n, "digest", &len));
		if (len > most)
			fail_msg("%s: digest of %zu octets", formats[i]->name, len);
		alert_unref(&a);
	}
}

static void plain_samples_are_made_too(void **state)
{
	(void)state;
	for (size_t i = 0; formats[i]; i++) {
		for (int over = 0; over < 2; over++) {
			struct alert *a = stored(sample_alert(
			    1700000000000, over ? ALERT_RESOLVED : ALERT_FIRING));
			struct message m = message(a, NULL);
			size_t len;

			json_decref(
			    body(formats[i], &m, over ? "resolved" : "firing", &len));
			alert_unref(&a);
		}
	}
}

/* Who reads a message on whatever channel can do something about it from there. */
static void people_get_addresses_that_acknowledge_and_silence(void **state)
{
	static const char ack[] = "https://culprit.example.org/act/ack-signed";
	static const char silence[] = "https://culprit.example.org/act/silence-signed";

	(void)state;
	for (size_t i = 0; formats[i]; i++) {
		struct alert *a;
		struct message m;
		size_t len;
		json_t *j;
		char *text;

		if (formats[i]->machine || !strcmp(formats[i]->name, "template"))
			continue;
		a = sample_alert(1700000000000, ALERT_FIRING);
		a->act_ack = xstrdup("act/ack-signed");
		a->act_silence = xstrdup("act/silence-signed");
		a = stored(a);
		m = message(a, NULL);
		j = body(formats[i], &m, "acts", &len);
		text = json_dumps(j, JSON_COMPACT);
		if (!strstr(text, ack) || !strstr(text, silence))
			fail_msg("%s: %s", formats[i]->name, text);
		free(text);
		json_decref(j);
		alert_unref(&a);
	}
}

/* Many alerts that are told together: how many it are now, whatever the first title said. */
static void later_titles_of_a_group_count_what_there_is_now(void **state)
{
	(void)state;
	for (size_t i = 0; formats[i]; i++) {
		for (int over = 0; over < 2; over++) {
			struct alert *a = sample_alert(
			    1700000000000, over ? ALERT_RESOLVED : ALERT_FIRING);
			struct message m;
			char *text;
			json_t *j;
			size_t len;

			a->group = 60;
			replace(&a->series, "60 hosts of lan");
			a = stored(a);
			m = message(a, NULL);
			m.subject = "30 hosts of lan: up to 5.00 MB in 10 seconds";
			m.first = false;
			j = body(formats[i], &m, over ? "group-over" : "group", &len);
			text = json_dumps(j, JSON_COMPACT);
			if (!strstr(text, "60 hosts of lan") || strstr(text, "30 hosts"))
				fail_msg("%s: %s", formats[i]->name, text);
			free(text);
			json_decref(j);
			alert_unref(&a);
		}
	}
}

static void pagerduty_is_told_who_acknowledged(void **state)
{
	struct alert *a = sample_alert(1700000000000, ALERT_FIRING), *kept;
	struct message m;
	size_t len;
	json_t *j;

	(void)state;
	a->ack_ms = 1700000060000;
	a->ack_by = xstrdup("ann");
	kept = stored(a);
	m = message(kept, NULL);
	j = body(format_find("pagerduty"), &m, "acknowledged", &len);
	assert_string_equal(json_string_value(json_object_get(j, "event_action")),
			    "acknowledge");
	assert_string_equal(json_string_value(json_object_get(j, "dedup_key")),
			    kept->fingerprint);
	json_decref(j);
	alert_unref(&kept);
}

static void all_bodies_hold_against_their_schema(void **state)
{
	char cmd[256];

	(void)state;
	snprintf(cmd, sizeof(cmd), "/usr/bin/python3 tests/e2e/lib/validate.py %s", dir);
	assert_int_equal(system(cmd), 0);
}

static void answers_tell_to_wait_or_that_nothing_was_taken(void **state)
{
	static const struct {
		const char *format;
		long status;
		const char *body;
		int64_t wait;
		bool refused;
		const char *remote;
	} rows[] = {
		{ "slack", 200, "ok", 0, false, "" },
		{ "slack", 200, "invalid_blocks", 0, true, "" },
		{ "discord", 429, "{\"retry_after\": 0.65}", 651, false, "" },
		{ "discord", 429, "{\"retry_after\": 64000}", 64001, false, "" },
		{ "discord", 204, "", 0, false, "" },
		{ "telegram", 200, "{\"ok\":true,\"result\":{\"message_id\":77}}", 0,
		  false, "77" },
		{ "telegram", 429, "{\"parameters\":{\"retry_after\":34}}", 34000, false,
		  "" },
		{ "telegram", 500, "<html>", 0, false, "" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct answer a = { .status = rows[i].status, .body = rows[i].body };

		format_find(rows[i].format)->read(&a);
		assert_int_equal(a.retry_ms, rows[i].wait);
		assert_int_equal(a.refused, rows[i].refused);
		assert_string_equal(a.remote, rows[i].remote);
	}
}

static void urls_are_made_as_each_target_wants_them(void **state)
{
	static const struct {
		const char *format, *base, *want;
	} rows[] = {
		{ "telegram", "https://api.telegram.org",
		  "https://api.telegram.org/botR0123456789abcdef0123456789abcdef/"
		  "sendMessage" },
		{ "ntfy", "https://ntfy.example/alerts", "https://ntfy.example/" },
		{ "googlechat", "https://chat.example/v1/x?key=k&token=t",
		  "https://chat.example/v1/x?key=k&token=t&messageReplyOption="
		  "REPLY_MESSAGE_FALLBACK_TO_NEW_THREAD" },
	};
	struct alert *a = sample_alert(1700000000000, ALERT_FIRING);
	struct message m = message(a, NULL);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct channel *c = channel(rows[i].format);
		struct request r = { .base = rows[i].base };

		c->format->make(c, &m, 1, &r);
		if (i == 0)
			assert_memory_equal(r.url.s, "https://api.telegram.org/bot", 28);
		else
			assert_string_equal(r.url.s, rows[i].want);
		request_fini(&r);
		channel_unref(&c);
	}
	alert_unref(&a);
}

static void the_signature_is_that_of_standard_webhooks(void **state)
{
	/* The example of the specification's own libraries. */
	static const unsigned char key[] = { 0x31, 0xf2, 0x90, 0xf6, 0xbf, 0x06,
					     0x29, 0x8a, 0xab, 0x4f, 0x08, 0xd4,
					     0x3c, 0x3f, 0x08, 0x2c, 0xf6, 0x48,
					     0xa3, 0x62, 0xda, 0x2d, 0xa4, 0xb0 };
	char out[64];

	(void)state;
	hook_sign(key, sizeof(key), "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330,
		  "{\"test\": 2432232314}", 20, out);
	assert_string_equal(out, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
}

static void an_alert_without_flows_says_why(void **state)
{
	struct alert *a = sample_alert(1700000000000, ALERT_FIRING);
	unsigned n = a->n_top;
	struct strb b = { 0 };

	(void)state;
	story_quality(a, &b);
	assert_null(strstr(b.s, "None of its flows"));
	a->n_top = 0;
	story_quality(a, &b);
	assert_non_null(strstr(b.s, "None of its flows are in the archive"));
	a->n_top = n;
	alert_unref(&a);
	strb_free(&b);
}

/* Keeps the first sentence. */
static void note_fault(void *arg, const char *word, const char *sentence)
{
	struct err *err = arg;

	(void)word;
	if (!*err->msg)
		err_set(err, "%s", sentence);
}

static void a_bad_template_is_refused_with_its_word(void **state)
{
	static const struct {
		const char *text, *says;
	} rows[] = {
		{ "{\"m\": \"{titel}\"}", "{titel} is no word" },
		{ "{\"m\": {title}}", "is no JSON" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char *path = write_file(dir, "bad.tmpl", rows[i].text, 0644);
		struct channel_conf c = { .name = "x",
					  .kind = CHANNEL_WEBHOOK,
					  .url = "http://h/",
					  .format = "template",
					  .template_file = path };
		struct err err = { "" };

		assert_false(notify_check(&c, note_fault, &err));
		if (!strstr(err.msg, rows[i].says))
			fail_msg("%s", err.msg);
		free(path);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plain_samples_are_made_too),
		cmocka_unit_test(an_alert_without_flows_says_why),
		cmocka_unit_test(people_get_addresses_that_acknowledge_and_silence),
		cmocka_unit_test(later_titles_of_a_group_count_what_there_is_now),
		cmocka_unit_test(pagerduty_is_told_who_acknowledged),
		cmocka_unit_test(hostile_text_is_inert_in_every_format),
		cmocka_unit_test(bodies_stay_within_their_target_s_limits),
		cmocka_unit_test(all_bodies_hold_against_their_schema),
		cmocka_unit_test(answers_tell_to_wait_or_that_nothing_was_taken),
		cmocka_unit_test(urls_are_made_as_each_target_wants_them),
		cmocka_unit_test(the_signature_is_that_of_standard_webhooks),
		cmocka_unit_test(a_bad_template_is_refused_with_its_word),
	};
	int rc;

	read_texts();
	dir = own_dir();
	token = write_file(dir, "token", "R0123456789abcdef0123456789abcde", 0600);
	template = write_file(
	    dir, "body.tmpl",
	    "{\"m\": \"{title} - {why} {link}\\n{top_flows}\", \"all\": \"{json}\"}\n",
	    0644);
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	free(token);
	free(template);
	remove_dir(dir);
	return rc;
}
