/* test_http_metrics.c - /metrics, as promtool and Prometheus read it.
 * SPDX-License-Identifier: ISC */
#include "test.h"

#include "http_kit.h"

/* Names of DESIGN section 4, with the labels of each. */
static const char *const contract[] = {
	"culprit_datagrams_received_total{exporter=\"edge\",protocol=\"ipfix\"} 100\n",
	"culprit_flows_total{exporter=\"edge\",protocol=\"ipfix\"} 2400\n",
	"culprit_bytes_total{exporter=\"edge\"} 1000000\n",
	"culprit_packets_total{exporter=\"edge\"} 5000\n",
	"culprit_malformed_datagrams_total{exporter=\"edge\",reason=\"too_short\"} 3\n",
	"culprit_sets_total{exporter=\"edge\",outcome=\"decoded\"} 97\n",
	"culprit_sets_total{exporter=\"edge\",outcome=\"malformed\"} 0\n",
	"culprit_sets_total{exporter=\"edge\",outcome=\"held\"} 0\n",
	"culprit_sets_total{exporter=\"edge\",outcome=\"no_template\"} 0\n",
	"culprit_sequence_lost_total{exporter=\"edge\",unit=\"records\"} 24\n",
	"culprit_kernel_dropped_datagrams_total{socket=\"netflow 0.0.0.0:2055 worker 0\"} 5\n",
	"culprit_shed_datagrams_total{exporter=\"edge\",reason=\"only_known\"} 0\n",
	"culprit_templates{exporter=\"edge\"} 2\n",
	"culprit_exporter_clock_skew_seconds{exporter=\"edge\"} 0\n",
	"culprit_interface_bytes_total{exporter=\"edge\",interface=\"W\\\"A\\\\N\\n\","
	"direction=\"out\"} 123456\n",
	"culprit_rule_value{rule=\"wan-busy\",series=\"interface=192.0.2.1/WAN/in\"} 18700000\n",
	"culprit_rule_threshold{rule=\"wan-busy\",series=\"interface=192.0.2.1/WAN/in\"} 16000000\n",
	"culprit_alerts_firing{rule=\"wan-busy\",severity=\"critical\"} 2\n",
	"culprit_alerts_total{rule=\"wan-busy\",severity=\"critical\"} 2\n",
	"culprit_notifications_total{channel=\"noc\",result=\"sent\"} 3\n",
	"culprit_notifications_total{channel=\"noc\",result=\"failed\"} 2\n",
	"culprit_notifications_total{channel=\"noc\",result=\"given_up\"} 1\n",
	"culprit_notification_queue{channel=\"noc\"} 4\n",
	"culprit_detection_delay_seconds_bucket{le=\"+Inf\"} 1\n",
	"culprit_detection_delay_seconds_count 1\n",
	"culprit_history_spool_bins 12\n",
	"culprit_archive_bytes 4096\n",
	"culprit_memory_bytes{table=\"windows\"} 1048576\n",
	"culprit_build_info{version=\"1.2.3\",",
	"\nprocess_cpu_seconds_total ",
	"\nprocess_resident_memory_bytes ",
	"\nprocess_open_fds ",
	"\nprocess_start_time_seconds ",
};

static char *metrics(struct kit *k)
{
	char *answer, *body;

	if (!k->http)
		kit_serve(k);
	answer = kit_get(k, "/metrics");
	assert_int_equal(kit_status(answer), 200);
	assert_non_null(strstr(answer, "Content-Type: text/plain; version=0.0.4"));
	body = xstrdup(kit_body(answer));
	free(answer);
	return body;
}

/* What promtool says of the text; it must be there and have nothing to say. */
static void promtool_is_content(const char *text)
{
	char path[] = "/tmp/test_metrics_XXXXXX", *cmd, said[4096] = "";
	int fd = mkstemp(path), rc;
	FILE *f;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
	cmd = xasprintf("promtool check metrics <%s 2>&1", path);
	f = popen(cmd, "r");
	assert_non_null(f);
	said[fread(said, 1, sizeof(said) - 1, f)] = '\0';
	rc = pclose(f);
	unlink(path);
	free(cmd);
	if (rc || *said)
		fail_msg("promtool (package prometheus): %d %s", rc, said);
}

/* Of a storm, more than the board keeps; some fired before a restart. */
static void all_alerts_that_fire_are_counted(void **state)
{
	struct kit k;
	struct alert *a[BOARD_ALERTS + 500];
	char *text;

	(void)state;
	kit_open(&k);
	for (unsigned i = 0; i < ARRAY_LEN(a); i++) {
		a[i] = sample_alert(clock_wall_ms(), ALERT_FIRING);
		snprintf(a[i]->id, sizeof(a[i]->id), "id%u", i);
		free(a[i]->rule);
		a[i]->rule = xstrdup("storm");
		if (i % 2)
			a[i]->judged_ms = 0; /* history brought it back */
		board_pin(k.board, a[i]);
		board_pin(k.board, a[i]);
	}
	a[0]->severity = SEVERITY_WARNING; /* it fires on, but otherwise */
	board_pin(k.board, a[0]);
	text = metrics(&k);
	for (const char *const *row = (const char *const[]){
		     "culprit_alerts_firing{rule=\"storm\",severity=\"critical\"} 1499\n",
		     "culprit_alerts_firing{rule=\"storm\",severity=\"warning\"} 1\n", NULL };
	     *row; row++)
		if (!strstr(text, *row))
			fail_msg("%s is missing in:\n%s", *row, text);
	free(text);
	assert_int_equal(board_firing(k.board), 1501); /* with that of the kit */
	for (unsigned i = 0; i < ARRAY_LEN(a); i++) {
		a[i]->state = ALERT_RESOLVED;
		board_pin(k.board, a[i]);
		alert_unref(&a[i]);
	}
	assert_int_equal(board_firing(k.board), 1);
	kit_close(&k);
}

static void every_promised_name_is_there_and_promtool_is_content(void **state)
{
	struct kit k;
	struct alert *a = sample_alert(clock_wall_ms(), ALERT_FIRING);
	char *text;

	(void)state;
	kit_open(&k);
	snprintf(a->id, sizeof(a->id), "another");
	a->crossed_ms = a->judged_ms - 300;
	board_pin(k.board, a);
	text = metrics(&k);
	for (size_t i = 0; i < ARRAY_LEN(contract); i++)
		if (!strstr(text, contract[i]))
			fail_msg("%s is missing in:\n%s", contract[i], text);
	assert_null(strstr(text, "10.20.0.66")); /* hosts are never labels */
	promtool_is_content(text);
	free(text);
	alert_unref(&a);
	kit_close(&k);
}

static void hostile_names_stay_inside_their_quotes(void **state)
{
	static const char *const names[] = {
		"a\"} 1\nculprit_evil{x=\"", "back\\slash\\", "new\nline", "\xff\xfe",
		"<script>alert(1)</script>", "\x1b[31mred", "{}", "other", "a\tb\r",
		"\xe2\x80\xae" "right to left",
	};
	struct kit k;
	char *text;

	(void)state;
	kit_open(&k);
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		kit_exporter(k.names, names[i], (uint8_t)(10 + i));
	text = metrics(&k);
	assert_null(strstr(text, "\nculprit_evil"));
	for (const char *line = text; *line; line += strcspn(line, "\n") + 1)
		if (strncmp(line, "culprit_", 8) && strncmp(line, "process_", 8) && *line != '#')
			fail_msg("a line begins with %.40s", line);
	promtool_is_content(text);
	free(text);
	kit_close(&k);
}

static uint64_t sum(const char *text, const char *family)
{
	uint64_t total = 0;
	size_t n = strlen(family);

	for (const char *line = text; *line; line += strcspn(line, "\n") + 1) {
		const char *end = line + strcspn(line, "\n");

		if (strncmp(line, family, n) || line[n] != '{')
			continue;
		while (end > line && end[-1] != ' ')
			end--;
		total += strtoull(end, NULL, 10);
	}
	return total;
}

static void more_than_256_exporters_are_summed_as_other(void **state)
{
	struct kit k;
	struct addr a;
	char *text;
	unsigned rows = 0;

	(void)state;
	kit_open(&k);
	for (unsigned i = 1; i < 700; i++) {
		a = addr_of4((uint8_t[]){ 10, 0, (uint8_t)(i >> 8), (uint8_t)i });
		names_exporter(k.names, &a, 0)->ledger.flows[VIA_NETFLOW5] = 7;
	}
	text = metrics(&k);
	assert_int_equal(sum(text, "culprit_flows_total"), 2400 + 699 * 7);
	for (const char *at = text; (at = strstr(at, "\nculprit_flows_total{")); at++)
		rows++;
	assert_int_equal(rows, 257);
	assert_non_null(strstr(text, "culprit_flows_total{exporter=\"other\",protocol=\"netflow5\"}"
				     " 3108\n"));
	assert_null(strstr(text, "last_seen_timestamp_seconds{exporter=\"other\"}"));
	promtool_is_content(text);
	free(text);
	kit_close(&k);
}

static void equal_names_never_give_the_same_row_twice(void **state)
{
	struct kit k;
	struct addr a = addr_of4((uint8_t[]){ 192, 0, 2, 9 });
	struct sheet *s = kit_sheet();
	char *text;

	(void)state;
	kit_open(&k);
	names_exporter_known(k.names, &a, 1000, "twin");
	names_exporter_known(k.names, &a, 2000, "twin");
	free(s->interfaces);
	s->interfaces = xcalloc(2, sizeof(*s->interfaces));
	s->interfaces[0] = s->interfaces[1] = (struct board_interface){ "edge", "WAN", false, 1 };
	s->n_interfaces = 2;
	board_hang(k.board, s);
	text = metrics(&k);
	assert_non_null(strstr(text, "culprit_bytes_total{exporter=\"twin\"} 0\n"));
	assert_non_null(strstr(text, "culprit_bytes_total{exporter=\"twin (2000)\"} 0\n"));
	promtool_is_content(text);
	free(text);
	kit_close(&k);
}

static void before_the_first_sheet_there_are_metrics_too(void **state)
{
	struct kit k;
	char *text;

	(void)state;
	kit_open(&k);
	board_free(&k.board);
	k.src.board = k.board = board_new();
	text = metrics(&k);
	assert_non_null(strstr(text, "culprit_flows_total{"));
	promtool_is_content(text);
	free(text);
	kit_close(&k);
}

/* The hints read what happened lately: nothing yet, so nothing is told of old losses. */
static void hints_tell_what_is_wrong_and_what_to_do(void **state)
{
	static const struct {
		const char *exporter, *state, *expect;
	} rows[] = {
		{ "0", "ok", NULL },
		{ "1", "never seen", "is it told to send to this machine" },
		{ "2", "silent", "Nothing has come for 2" },
		{ "3", "waiting", "40 sets wait for their template" },
		{ "4", "ok", "1 hour ahead of ours" },
		{ "5", "ok", "sampling = N" },
		{ "6", "ok", "active timeout to 60 seconds" },
	};
	struct kit k;
	struct exporter *e[7];
	json_t *j;

	(void)state;
	kit_open(&k);
	for (uint8_t i = 0; i < 7; i++) {
		char name[16];

		snprintf(name, sizeof(name), "e%u", i);
		e[i] = kit_exporter(k.names, name, (uint8_t)(100 + i));
		e[i]->ledger.sampling = 1;
	}
	e[1]->ledger.last_seen_ms = 0;
	e[2]->ledger.last_seen_ms -= 7200000;
	e[3]->ledger.flows[VIA_IPFIX] = 0;
	e[3]->ledger.sets[SET_HELD] = 40;
	e[4]->ledger.skew_ms = 3600000;
	e[5]->ledger.sampling = 0;
	e[6]->ledger.lateness_ms = 1800000;
	kit_serve(&k);
	j = kit_json(&k, "/api/v1/exporters");
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char path[64];
		const char *hint, *word;

		snprintf(path, sizeof(path), "exporters.%zu.state", i + 1);
		word = kit_text(j, path);
		snprintf(path, sizeof(path), "exporters.%zu.hints.0.text", i + 1);
		hint = kit_text(j, path);
		if (strcmp(word, rows[i].state) ||
		    (rows[i].expect ? !strstr(hint, rows[i].expect) : *hint))
			fail_msg("e%s: %s, %s", rows[i].exporter, word, hint);
	}
	json_decref(j);
	kit_close(&k);
}

/* The hint of an exporter that has just lost in one way, whose counter is *count. Counts
 * on until the first copy of the figures is taken, which is when "lately" begins. */
static void is_told(struct kit *k, uint64_t *count, const char *want)
{
	char hint[512] = "";

	for (int i = 0; i < 2000 && !*hint; i++) {
		json_t *j;

		ledger_add(count, 1);
		j = kit_json(k, "/api/v1/exporters");
		snprintf(hint, sizeof(hint), "%s", kit_text(j, "exporters.1.hints.0.text"));
		json_decref(j);
	}
	if (!strstr(hint, want))
		fail_msg("expected \"%s\", got \"%s\"", want, hint);
}

static void what_was_refused_or_made_no_sense_is_told_by_its_reason(void **state)
{
	for (int i = 0; i < 4; i++) {
		struct ledger *l;
		struct kit k;

		(void)state;
		kit_open(&k);
		l = &kit_exporter(k.names, "e", 100)->ledger;
		l->sampling = 1;
		kit_serve(&k);
		switch (i) {
		case 0: is_told(&k, &l->shed[SHED_QUOTA], "more source ids"); break;
		case 1: is_told(&k, &l->shed[SHED_ONLY_KNOWN], "only_known = true it"); break;
		case 2: is_told(&k, &l->sets[SET_MALFORMED], "its template says"); break;
		case 3: is_told(&k, &l->sets[SET_NO_TEMPLATE], "thrown away"); break;
		}
		kit_close(&k);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_promised_name_is_there_and_promtool_is_content),
		cmocka_unit_test(all_alerts_that_fire_are_counted),
		cmocka_unit_test(hostile_names_stay_inside_their_quotes),
		cmocka_unit_test(more_than_256_exporters_are_summed_as_other),
		cmocka_unit_test(equal_names_never_give_the_same_row_twice),
		cmocka_unit_test(before_the_first_sheet_there_are_metrics_too),
		cmocka_unit_test(hints_tell_what_is_wrong_and_what_to_do),
		cmocka_unit_test(what_was_refused_or_made_no_sense_is_told_by_its_reason),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
