/* test_notify.c - alerts through real servers on loopback.
 * SPDX-License-Identifier: ISC */
#include "test.h"

#include "daemon/notify/notify.h"

#include "certs.h"
#include "daemon/base/mem.h"
#include "daemon/notify/sample.h"
#include "sink.h"

static const char http_sink[] = "tests/e2e/lib/http_sink.py";
static const char smtp_sink[] = "tests/e2e/lib/smtp_sink.py";
static const char *certs; /* directory, made once */

static const char *text(json_t *j, const char *key)
{
	const char *s = json_string_value(json_object_get(j, key));

	return s ? s : "";
}

static struct alert *alert_for(enum alert_state state, const char *a, const char *b)
{
	struct alert *x = sample_alert(clock_wall_ms(), state);

	x->notify[0] = a ? xstrdup(a) : NULL;
	x->notify[1] = b ? xstrdup(b) : NULL;
	return x;
}

static char *url_of(const struct sink *s, const char *path)
{
	return xasprintf("http://127.0.0.1:%u%s", s->port, path);
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

static void one_alert_reaches_mail_and_webhook_with_its_top_flow(void **state)
{
	char *dir = own_dir(), *url;
	struct sink http, smtp;
	const char *to[] = { "noc@example.org" };
	struct notify *n;
	json_t *j, *body;

	(void)state;
	sink_start(&http, http_sink, NULL);
	sink_start(&smtp, smtp_sink, NULL);
	url = url_of(&http, "/ok");
	char *server = xasprintf("smtp://127.0.0.1:%u", smtp.port);
	struct channel_conf c[] = {
		{ .name = "chat", .kind = CHANNEL_WEBHOOK, .url = url, .format = "json" },
		{ .name = "noc", .kind = CHANNEL_EMAIL, .to = to, .n_to = 1,
		  .from = "culprit@example.org", .smtp = server },
	};
	n = start(dir, c, 2);
	notify_alert(n, alert_for(ALERT_FIRING, "chat", "noc"));
	j = sink_hear(&http, 5000);
	assert_non_null(j);
	body = json_loads(text(j, "body"), 0, NULL);
	assert_string_equal(text(body, "schema"), "culprit.alert/1");
	assert_string_equal(text(json_array_get(json_object_get(body, "top_flows"), 0), "src_name"),
			    "cdn-7.example.net");
	json_decref(body);
	json_decref(j);
	j = sink_hear(&smtp, 5000);
	assert_non_null(j);
	assert_non_null(strstr(text(j, "data"), "cdn-7.example.net"));
	json_decref(j);
	notify_stop(&n, 2000);
	sink_stop(&http);
	sink_stop(&smtp);
	free(url);
	free(server);
	remove_dir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_alert_reaches_mail_and_webhook_with_its_top_flow),
	};
	char *dir = own_dir();
	int rc;

	certs_make(dir);
	certs = dir;
	(void)certs;
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	remove_dir(dir);
	return rc;
}
