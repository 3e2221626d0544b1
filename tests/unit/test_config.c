/* test_config.c - every mistake told in one run, every default filled in.
 * SPDX-License-Identifier: ISC */
#include "test.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/base/mem.h"
#include "daemon/config_impl.h"

/* A directory of our own for each test, gone afterwards. */
static char dir[64];

static int make_dir(void **unused)
{
	(void)unused;
	strcpy(dir, "/tmp/culprit-config-XXXXXX");
	return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **unused)
{
	char cmd[128];

	(void)unused;
	snprintf(cmd, sizeof(cmd), "rm -rf '%s'", dir);
	return system(cmd);
}

static const char *put(const char *name, const char *text)
{
	static char path[256];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
	return path;
}

static void mode(const char *name, mode_t m)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	assert_int_equal(chmod(path, m), 0);
}

/* What config_errors_print says, without the directory. */
static char *told(const struct config_errors *errs)
{
	struct strb b = { 0 };
	char *all = NULL, *line;
	size_t len, cut = strlen(dir);
	FILE *f = open_memstream(&all, &len);

	config_errors_print(errs, f);
	fclose(f);
	for (line = strtok(all, "\n"); line; line = strtok(NULL, "\n")) {
		if (!strncmp(line, dir, cut))
			line += cut + 1;
		if (!strncmp(line, "x.conf:", 7))
			line += 7;
		strb_fmt(&b, "%s\n", line);
	}
	free(all);
	return strb_take(&b);
}

static struct config *load(const char *text, struct config_errors *errs)
{
	return config_load(put("x.conf", text), "/s", errs);
}

/* The configuration, which must be right. */
static struct config *load_ok(const char *text)
{
	struct config_errors errs;
	struct config *c = load(text, &errs);

	if (!c) {
		char *what = told(&errs);

		print_error("%s%s", text, what);
		free(what);
		fail();
	}
	config_errors_free(&errs);
	return c;
}

struct row {
	const char *text;
	/* "line: part of the message", one for each that must be told, in order; a '*'
	 * stands for any text. NULL ends; none: the text is right. */
	const char *want[5];
};

/* Whether line is what want says: its beginning up to a '*', and then each part. */
static bool is_told(const char *line, const char *want)
{
	size_t n = strcspn(want, "*");

	if (strncmp(line, want, n))
		return false;
	for (want += n; *want; want += n) {
		char part[256];

		want++;
		n = strcspn(want, "*");
		snprintf(part, sizeof(part), "%.*s", (int)n, want);
		line = strstr(line, part);
		if (!line)
			return false;
	}
	return true;
}

static bool check_row(const struct row *row, char *what)
{
	size_t i = 0;

	for (char *line = strtok(what, "\n"); line; line = strtok(NULL, "\n"), i++)
		if (i >= ARRAY_LEN(row->want) || !row->want[i] ||
		    !is_told(line, row->want[i]))
			return false;
	return i == ARRAY_LEN(row->want) || !row->want[i];
}

static void check(const struct row *rows, size_t n)
{
	bool ok = true;

	for (size_t i = 0; i < n; i++) {
		struct config_errors errs;
		struct config *c = load(rows[i].text, &errs);
		char *what = told(&errs), *copy = xstrdup(what);

		if (!check_row(&rows[i], copy) || !c != (errs.n_errors > 0)) {
			print_error("row %zu:\n%s\ntold:\n%s\n", i, rows[i].text, what);
			ok = false;
		}
		free(copy);
		free(what);
		config_free(&c);
		config_errors_free(&errs);
	}
	assert_true(ok);
}

static void words_that_are_not_known_are_told_with_what_was_meant(void **unused)
{
	static const struct row rows[] = {
		{ "memry = 256M", { "1: *\"memry\"*did you mean \"memory\"?" } },
		{ "\n\nlisten netflow { prot = 1 }", { "3: *\"prot\"*mean \"port\"?" } },
		{ "http {\n\n tokenfile = x }",
		  { "3: http has no setting*\"token_file\"?" } },
		{ "exporter a { address = 192.0.2.1 interface 1 { sped = 1M } }",
		  { "1: interface has no*\"speed\"?" } },
		{ "exporter a { adress = 192.0.2.1 }", { "1: *mean \"address\"?" } },
		{ "exporter a { address = 192.0.2.1 intreface 1 { speed = 1M } }",
		  { "1: *mean \"interface\"?" } },
		{ "rule a { abov = 1M }", { "1: rule has no*mean \"above\"?" } },
		{ "rule a { detector = seasonal bugdet = 1/week }",
		  { "1: *mean \"budget\"?" } },
		{ "ruel a { above = 1M }\nmemory = 9",
		  { "1: *mean \"rule\"?", "2: memory" } },
		{ "above = 1M", { "1: *belongs into rule { }" } },
		{ "rule a { above = 1M memory = 1 }",
		  { "1: *outside of every section" } },
		{ "rule a { above = 1M speed = 1 }", { "1: *there are" } },
		{ "zyx = { 1, 2 }\nxyz a { b { c = 1 } }\nmemry = 1",
		  { "1: *\"zyx\"; `culpritd -T`", "2: *\"xyz\"", "3: *\"memry\"" } },
		{ "filter = src host 10.0.0.1\nlate = 10m", { "1: *belongs into rule" } },
		{ "Memory = 256M", { "1: *\"memory\"?" } },
		{ "qwertyuiop = 1", { "1: *culpritd -T*" } },
	};

	(void)unused;
	check(rows, ARRAY_LEN(rows));
}

static void mistakes_of_writing_are_told_and_passed_over(void **unused)
{
	static const struct row rows[] = {
		{ "late 10m\nmemory = 3", { "1: *write late = \"10m\"", "2: memory" } },
		{ "late =\nmemory = 3", { "1: late has no value", "2: memory" } },
		{ "late = ,\nmemory = 3", { "1: late has no value", "2: memory" } },
		{ "late = {10m}", { "1: late takes one value" } },
		{ "late += 10m", { "1: late is not a list" } },
		{ "forward += 192.0.2.1:1 forward += {\"192.0.2.1:2\",}", { NULL } },
		{ "late = 10m 20m\nmemory = 3", { "1: *\"quotes\"", "2: memory" } },
		{ "late = 10m late = 11m",
		  { "1: late is given twice, first on line 1" } },
		{ "late = \"10m\nmemory = 3", { "1: *no end on its line", "2: memory" } },
		{ "late = '10m\nmemory = 3", { "1: *add a '", "2: memory" } },
		{ "rule a { above = \"1M }\nmemory = 3", { "1: *no end", "2: memory" } },
		{ "late = \"1\\0770m\"", { "1: \\0770 is not a character" } },
		{ "late = \"\\9\"", { "1: \\9 is not" } },
		{ "late = \"${CULPRIT_NOT_SET}\"", { "1: *CULPRIT_NOT_SET is not set" } },
		{ "late = ${CULPRIT_NOT_SET:-9m}", { NULL } },
		{ "late = \"${CULPRIT\"", { "1: ${ begins*" } },
		{ "late = 9m * 2", { "1: stray character", "1: late: more" } },
		{ "late = 9m \x01", { "1: character \\x01" } },
		{ "}\nmemory = 3", { "1: this } closes nothing", "2: memory" } },
		{ "{ a = 1 }\nmemory = 3", { "1: { does not belong", "2: memory" } },
		{ "rule a {\nabove = 1M\n\nrule b { abov = 1 }",
		  { "1: rule a is not closed; add a } before line 4",
		    "4: *\"above\"?" } },
		{ "rule a {\nabove = 1M\n", { "1: rule a is never closed" } },
		{ "exporter a { address = 192.0.2.1 interface 1 {\nrule b { above = 1M }",
		  { "1: interface 1 is not closed*2", "1: exporter a is not closed" } },
		{ "xyzzy { a {\nmemory = 1", { "1: *\"xyzzy\"", "1: *never closed" } },
		{ "rule { above = 1M }\nmemory = 3",
		  { "1: rule wants its name", "2: memory" } },
		{ "rule a above = 1M\nmemory = 3",
		  { "1: { is missing behind rule a", "2: mem" } },
		{ "http x { port = 1 }\nmemory = 3",
		  { "1: http has no name", "2: memory" } },
		{ "http { port = 1 }\nhttp { port = 2 }", { "2: http is given twice" } },
		{ "rule a { above = 1M }\n\nrule a { above = 1M }",
		  { "3: rule a is there already, in *x.conf line 1" } },
		{ "network a { prefixes = {\"10.0.0.0/8\" \"11.0.0.0/8\"} }",
		  { "1: *comma" } },
		{ "network a { prefixes = {10.0.0.0/8, {} } }",
		  { "1: *{*where a value" } },
		{ "rule \"a b\" { above = 1M }", { "1: rule \"a b\": a name has" } },
		{ "rule \"a\\tb\" { above = 1M }", { "1: *written without" } },
		{ "include \"x\"", { "1: write include(" } },
		{ "include(\"nowhere.conf\")\nmemory = 3",
		  { "1: *nowhere.conf: No such file", "2: memory" } },
		{ "include(\"x.conf\")", { "1: *include itself for ever" } },
		{ "rule a { include(\"y\") above = 1M }",
		  { "1: *outside of every section" } },
		{ "/* a\n b */ memry = 1 // c\n# d\nmemry = 2 /* e",
		  { "2: *memry", "4: *comment*no end", "4: *memry" } },
		{ "forward = { # c\n \"192.0.2.1:1\", // d\n /* e */ \"192.0.2.1:2\" "
		  "}\nmemory = 3",
		  { "4: memory" } },
		{ "\xef\xbb\xbfmemory = 256M\r\nlate = 10m\r\n", { NULL } },
	};

	(void)unused;
	check(rows, ARRAY_LEN(rows));
}

static void values_are_strict_and_told_with_an_example(void **unused)
{
	static const struct row rows[] = {
		{ "memory = 10X", { "1: memory: \"10X\" is not a size; write it like" } },
		{ "memory = 1M", { "1: memory: 1M is not within 16M to" } },
		{ "memory = 256MB", { NULL } },
		{ "memory = -1", { "1: memory: \"-1\" is not a size" } },
		{ "memory = 0x10000000", { "1: *is not a size" } },
		{ "late = 10", { "1: late: \"10\" is not a time" } },
		{ "late = 1s", { "1: late: 1s is not within 10s to 1h" } },
		{ "late = 2h", { "1: late: 2h is not within" } },
		{ "workers = 1.5", { "1: *not a whole number" } },
		{ "workers = 65", { "1: *not within 0 to 64" } },
		{ "workers = 010", { NULL } },
		{ "only_known = ture",
		  { "1: *neither yes nor no; did you mean \"true\"?" } },
		{ "only_known = on", { NULL } },
		{ "listen netflow { port = 65536 }", { "1: *not a port" } },
		{ "listen netflow { port = 0 }", { "1: *no exporter can know" } },
		{ "listen netflw { }", { "1: *netflow, ipfix or sflow; did you mean" } },
		{ "listen netflow { address = localhost }", { "1: *not an address" } },
		{ "http { address = example.org }", { "1: *not an address" } },
		{ "http { address = 0.0.0.0 }", { "1: warning: *no token" } },
		{ "names { country = \"/nowhere/c.mmdb\" }", { "1: warning: *No such file" } },
		{ "exporter a { address = 192.0.2.1 snmp = v3 snmp_user = x\nsnmp_priv = 3des }",
		  { "2: *\"3des\"; did you mean \"des\"?" } },
		{ "exporter a { address = 192.0.2.1 snmp = v3 snmp_user = x\nsnmp_auth = crc }",
		  { "2: *it is one of md5, sha, sha224" } },
		{ "rule flood { syn = 101% }", { "1: *\"101%\" is not a number like 16M" } },
		{ "http { url = page.example.org }", { "1: *beginning with http" } },
		{ "forward = 192.0.2.1", { "1: *is not address and port" } },
		{ "forward = \"2001:db8::1:9\"", { "1: *[2001:db8::9]:2055" } },
		{ "forward = \"127.0.0.1:2055\"", { "1: *round for ever" } },
		{ "forward = \"[::1]:6343\"", { "1: *round for ever" } },
		{ "forward = \"127.0.0.1:2056\"", { NULL } },
		{ "listen netflow { address = 127.0.0.1 }\nforward = \"127.0.0.2:2055\"", { NULL } },
		{ "exporter a { address = 10.1 }", { "1: *not the address of" } },
		{ "exporter a { }", { "1: exporter a has no address" } },
		{ "exporter a { address = 192.0.2.1 }\nexporter b { address = 192.0.2.1 "
		  "}",
		  { "2: exporter b has the address of exporter a" } },
		{ "exporter a { address = 192.0.2.1 port = 1 }\n"
		  "exporter b { address = 192.0.2.1 port = 2 }",
		  { NULL } },
		{ "exporter a { address = 192.0.2.1 interface 2 { }\n interface 02 { } }",
		  { "2: interface 02*twice" } },
		{ "exporter a { address = 192.0.2.1 interface 1 { name = W }\n"
		  "interface 2 { name = W } }",
		  { "2: *two interfaces*\"W\"" } },
		{ "exporter a { address = 192.0.2.1 interface W { name = V } }",
		  { "1: *has a name already" } },
		{ "exporter a { address = 192.0.2.1 interface 2 { speed = 10Q } }",
		  { "1: *not a rate" } },
		{ "network a { }", { "1: network a has no prefixes" } },
		{ "network a { prefixes = 10.1 }", { "1: *not a prefix" } },
		{ "network a { prefixes = 10.0.0.0/8 }\nnetwork b { prefixes = "
		  "10.0.0.1/8 }",
		  { "2: network b has 10.0.0.0/8, which network a" } },
		{ "squid { address = 10.0.0.1 }", { "1: *neither log nor manager" } },
		{ "squid { log = l }", { "1: squid has no address" } },
		{ "squid { address = 10.0.0.1 manager = x:1 }", { "1: *not a URL" } },
		{ "timezone = Europe/Amsterdm", { "1: timezone: *Amsterdm" } },
		{ "holidays = /nowhere", { "1: holidays: /nowhere" } },
		{ "user = no-such-user group = no-such-group",
		  { "1: *account \"no-such-user\"", "1: *group \"no-such-group\"" } },
		{ "history { url = \"rediss://h\" }", { "1: *not known*" } },
		{ "history { keep = 40d rollups = 39d }",
		  { "1: *rollups are kept for less" } },
	};

	(void)unused;
	check(rows, ARRAY_LEN(rows));
}

#define NOC "notify noc { exec = {\"/bin/true\"} }\n"

static void rules_that_cannot_be_judged_are_told(void **unused)
{
	static const struct row rows[] = {
		{ "rule a { }", { "1: *write above = \"16M\", below" } },
		{ "rule a { enabled = no }", { NULL } },
		{ "rule a { above = 16X }",
		  { "1: *limit for bits/s; write bits a second" } },
		{ "rule a { measure = bytes above = 1Mbit }", { "1: *amount of bytes" } },
		{ "rule a { measure = flows above = 1Mbit }", { "1: *a number, like" } },
		{ "rule a { measure = flows/s above = 0.5 }", { NULL } },
		{ "rule a { measure = \"entropy(src)\" below = 7.5 }", { NULL } },
		{ "rule a { measure = \"entropy(src)\" below = 99 }",
		  { "1: *bits of entropy" } },
		{ "rule a { measure = bit/s above = 1 }", { "1: *mean \"bits/s\"?" } },
		{ "rule a { measure = nonsense above = 1 }",
		  { "1: *one of bits/s, bytes" } },
		{ "rule a { by = hosts above = 1 }", { "1: *mean \"host\"?" } },
		{ "rule a { window = 5s above = 1 }", { "1: *10s is the shortest" } },
		{ "rule a { window = 15s above = 1 }", { "1: *write 20s" } },
		{ "rule a { window = 2h above = 1 }", { "1: *up to 1h, or day" } },
		{ "rule a { window = moth above = 1 }", { "1: *mean \"month\"?" } },
		{ "rule a { above = 1 for = 2d }", { "1: for: 2d is not within" } },
		{ "rule a { above = 1M clear = 2M }", { "1: *write less than above" } },
		{ "rule a { below = 1M clear = 500k }", { "1: *write more than below" } },
		{ "rule a { below = 1M above = 500k }", { "1: *always alert" } },
		{ "rule a { below = 1M above = 5M clear = 500k }", { "1: *between" } },
		{ "rule a { below = 0 }", { "1: *less than 0" } },
		{ "rule a { clear = 1 detector = seasonal }",
		  { "1: *no limit that it" } },
		{ "rule a { measure = utilisation above = 80 by = interface }",
		  { "1: *like 80%", "1: warning: *speed" } },
		{ "rule a { measure = utilisation above = 80% by = host }",
		  { "1: *by = \"interface\"" } },
		{ "rule a { measure = utilisation above = 80% by = interface }\n"
		  "exporter e { address = 192.0.2.1 interface 1 { speed = 1M } }",
		  { NULL } },
		{ "rule a { window = month above = 1M }",
		  { "1: *write measure = \"bytes\"" } },
		{ "rule a { measure = bits/s window = month above = 1M }",
		  { "1: *not counted over a month" } },
		{ "rule a { measure = bytes window = day below = 1M }",
		  { "1: *only fills up" } },
		{ "rule a { measure = bytes window = day above = 1 for = 1m }",
		  { "1: *remove for" } },
		{ "rule a { measure = bytes window = week above = 2 clear = 1 }",
		  { "1: *remove clear" } },
		{ "rule a { measure = bytes window = week above = 2 warn = 50% }",
		  { NULL } },
		{ "rule a { measure = bytes window = week above = 2 warn = 150% }",
		  { "1: *share of the limit" } },
		{ "rule a { above = 1 warn = 50% }", { "1: *only a quota" } },
		{ "rule a { detector = seasnal }", { "1: *mean \"seasonal\"?" } },
		{ "rule a { detector = scna }", { "1: *mean \"scan\"?" } },
		{ "rule a { detector = scan targets = 1 }", { "1: targets*outside 8 to" } },
		{ "rule a { detector = scan above = 3 window = 5m }",
		  { "1: window*remove window", "1: above*remove above" } },
		{ "rule a { above = 1 unanswered = 0.5 }", { "1: *detector scan" } },
		{ "rule a { detector = seasonal above = 1M }", { "1: *make two rules" } },
		{ "rule a { detector = seasonal window = 1m }", { "1: *write 5m" } },
		{ "rule a { detector = seasonal window = 5m }", { NULL } },
		{ "rule a { detector = seasonal budget = x }",
		  { "1: budget: \"x\" is not" } },
		{ "rule a { detector = seasonal budget = 5000/hour }",
		  { "1: budget*outside" } },
		{ "rule a { above = 1 budget = 1/week }", { "1: *detector seasonal" } },
		{ "rule a { above = 1 budget_total = 1/day }",
		  { "1: *only a detector" } },
		{ "rule a { detector = seasonal budget_total = 1 }",
		  { "1: *like 2/day" } },
		{ "rule a { detector = threshold above = 1M }", { NULL } },
		{ "rule a { above = 1 severity = critcal }",
		  { "1: *mean \"critical\"?" } },
		{ NOC "rule a { above = 1 notify = nco }", { "2: *mean \"noc\"?" } },
		{ NOC "rule a { above = 1 notify = {noc, noc} }",
		  { "2: *listed twice" } },
		{ "rule a { above = 1 notify = noc }", { "1: *add a section notify" } },
		{ "rule a { above = 1 filter = \"src hots 10.0.0.1\" }",
		  { "1: filter: *" } },
		{ "rule a { above = 1 filter = src host 10.0.0.1 }",
		  { "1: *\"quotes\"" } },
		{ "network lan { prefixes = 10.0.0.0/8 }\n"
		  "rule a { above = 1 filter = \"network lna\" }",
		  { "2: *mean \"lan\"?" } },
		{ "exporter edge { address = 192.0.2.1 interface 2 { name = WAN } }\n"
		  "rule a { above = 1 filter = \"exporter edg\" }\n"
		  "rule b { above = 1 filter = \"exporter edge and in if WAM\" }",
		  { "2: *mean \"edge\"?", "3: warning: *mean \"WAN\"?" } },
	};

	(void)unused;
	check(rows, ARRAY_LEN(rows));
}

static void channels_are_one_thing_each(void **unused)
{
	static const struct row rows[] = {
		{ "notify a { }", { "1: notify a tells nobody" } },
		{ "notify a { webhook = \"https://x/\" exec = {\"/x\"} }",
		  { "1: notify a is more than one" } },
		{ "notify a { exec = {\"/nowhere/x\"} }",
		  { "1: notify a: exec: /nowhere/x" } },
		{ "notify a { email = noc\nfrom = x\nsmtp = mail }",
		  { "1: notify a: email: *mail address", "2: notify a: from: *",
		    "3: notify a: smtp *" } },
		{ "notify a { webhook = \"ftp://x/\"\nformat = slak\nsecret_file = none }",
		  { "1: *is no URL", "2: *slak", "3: secret_file: *none: No such file" } },
		{ "notify a { format = pagerduty }", { "1: *needs token_file" } },
		{ "notify a { webhook = \"https://x/\" format = slak }",
		  { "1: *slack" } },
		{ "notify a { webhok = \"https://x/\" }", { "1: *mean \"webhook\"?" } },
		{ "notify a { webhook_file = none }",
		  { "1: *none: No such file*chmod 640" } },
		{ "notify a { webhook = \"https://x/\" insecure = yes }",
		  { "1: warning: *does not check" } },
		{ "notify a { webhook = \"https://x/\" resolved = maybe }",
		  { "1: resolved: *" } },
	};

	(void)unused;
	check(rows, ARRAY_LEN(rows));
}

static void without_a_file_everything_has_a_default(void **unused)
{
	struct config *c = load_ok("");

	(void)unused;
	assert_int_equal(c->memory, 256000000);
	assert_int_equal(c->late_ms, 600000);
	assert_int_equal(c->workers, 0);
	assert_false(c->only_known);
	assert_string_equal(c->timezone, "local");
	assert_int_equal(c->n_listeners, 3);
	assert_string_equal(c->listeners[0].address, "::");
	assert_int_equal(c->listeners[0].port, 2055);
	assert_int_equal(c->listeners[1].port, 4739);
	assert_int_equal(c->listeners[2].port, 6343);
	assert_true(c->http.enabled);
	assert_string_equal(c->http.address, "127.0.0.1");
	assert_int_equal(c->http.port, 8055);
	assert_string_equal(c->history.url, "sqlite:/s/history.db");
	assert_int_equal(c->history.keep_ms, INT64_C(35) * 86400000);
	assert_string_equal(c->archive.directory, "/s/flows");
	assert_int_equal(c->archive.keep_ms, INT64_C(30) * 86400000);
	assert_int_equal(c->archive.size, 20000000000);
	assert_int_equal(c->n_rules + c->n_channels + c->n_exporters + c->n_networks, 0);
	config_free(&c);
	assert_null(c);
}

static void what_is_written_arrives_in_its_field(void **unused)
{
	struct config *c = load_ok(
	    "listen netflow { address = {192.0.2.1, \"2001:db8::1\"} port = {2055, "
	    "09995} }\n"
	    "memory = 1Gi forward = {\"192.0.2.9:2055\", \"[2001:db8::9]:1\"}\n"
	    "exporter edge { address = 192.0.2.1 sampling = 010\n"
	    " interface 2 { name = WAN speed = 20M } interface ge-0/0/1 { speed = 1.5G } "
	    "}\n"
	    "network lan { prefixes = {10.20.0.0/24, \"2001:db8::/32\"} }\n"
	    "squid { address = 10.20.0.1 log = access.log }\n" NOC
	    "rule busy { filter = \"in if 2\" above = 16M clear = 12M for = 30s\n"
	    " by = exporter severity = critical notify = noc window = 2m }\n"
	    "rule quota { measure = bytes window = month above = 20G by = host }\n"
	    "rule used { measure = utilisation by = interface above = 80% }\n"
	    "rule odd { detector = seasonal budget = 2/week budget_total = 2/day }\n");
	char path[256];

	(void)unused;
	assert_int_equal(c->n_listeners, 4);
	assert_int_equal(c->listeners[2].port, 9995);
	assert_string_equal(c->listeners[1].address, "2001:db8::1");
	assert_int_equal(c->memory, 1 << 30);
	assert_int_equal(c->n_forwards, 2);
	assert_int_equal(c->forwards[1].port, 1);
	assert_int_equal(c->exporters[0].sampling, 10);
	assert_int_equal(c->exporters[0].interfaces[0].speed_bps, 20000000);
	assert_int_equal(c->exporters[0].interfaces[1].index, -1);
	assert_string_equal(c->exporters[0].interfaces[1].name, "ge-0/0/1");
	assert_int_equal(c->networks[0].prefixes[0].bits, 120);
	snprintf(path, sizeof(path), "%s/access.log", dir);
	assert_string_equal(c->squids[0].log, path);
	assert_true(c->rules[0].above == 16e6 && c->rules[0].clear == 12e6);
	assert_int_equal(c->rules[0].for_ms, 30000);
	assert_int_equal(c->rules[0].slices, 12);
	assert_int_equal(c->rules[0].by, BY_EXPORTER);
	assert_int_equal(c->rules[0].severity, SEVERITY_CRITICAL);
	assert_string_equal(c->rules[0].notify[0], "noc");
	assert_int_equal(c->rules[0].line, 8);
	assert_int_equal(c->rules[1].window, WINDOW_MONTH);
	assert_true(c->rules[1].above == 20e9 && c->rules[1].warn == 0.8);
	assert_true(c->rules[2].above == 0.8 && isnan(c->rules[2].below));
	assert_string_equal(c->rules[3].detector->name, "seasonal");
	assert_int_equal(c->rules[3].slices, BIN_SLICES);
	assert_true(c->rules[3].budget_total == 14);
	assert_int_equal(c->channels[0].kind, CHANNEL_EXEC);
	config_free(&c);
}

static void files_are_read_in_their_order_and_the_last_word_counts(void **unused)
{
	struct config_errors errs;
	struct config *c;
	char path[256], *what;

	(void)unused;
	snprintf(path, sizeof(path), "%s/conf.d", dir);
	assert_int_equal(mkdir(path, 0755), 0);
	put("more.conf", "memory = 100M late = 1m workers = 3\nhttp { port = 1 }\n");
	put("conf.d/20.conf", "workers = 20\n");
	put("conf.d/10.conf", "workers = 10 rule ten { above = 1M }\n");
	put("conf.d/99.txt", "memry = 1\n");
	c = load_ok("late = 2m http { address = 127.0.0.2 } include(\"more.conf\")\n"
		    "memory = 200M include(\"none*.conf\")\n");
	assert_int_equal(c->late_ms, 60000);
	assert_int_equal(c->memory, 200000000);
	assert_int_equal(c->workers, 20);
	assert_int_equal(c->n_rules, 1);
	assert_int_equal(c->http.port, 1);
	assert_string_equal(c->http.address, "127.0.0.2");
	config_free(&c);

	put("more.conf", "\nmemry = 1\n");
	put("conf.d/20.conf", "\n\n\nrule ten { above = 1M }\n");
	assert_null(load("\ninclude(\"more.conf\")\nlaet = 1\n", &errs));
	what = told(&errs);
	assert_non_null(
	    strstr(what, "more.conf:2: the top level has no setting \"memry\""));
	assert_non_null(strstr(what, "3: the top level has no setting \"laet\""));
	assert_non_null(strstr(what, "conf.d/20.conf:4: rule ten is there already"));
	assert_int_equal(errs.n, 3);
	free(what);
	config_errors_free(&errs);
}

static void a_file_that_is_not_there_is_told(void **unused)
{
	struct config_errors errs;

	(void)unused;
	assert_null(config_load("/nowhere/x.conf", NULL, &errs));
	assert_int_equal(errs.n_errors, 1);
	assert_string_equal(errs.list[0].msg,
			    "/nowhere/x.conf: No such file or directory");
	config_errors_free(&errs);
	assert_null(config_load(dir, NULL, &errs));
	assert_non_null(strstr(errs.list[0].msg, "is a directory"));
	config_errors_free(&errs);
}

static void secrets_that_others_can_read_are_refused(void **unused)
{
	static const struct {
		mode_t mode;
		bool ok;
	} rows[] = { { 0600, true },  { 0640, true },  { 0400, true },	{ 0440, true },
		     { 0644, false }, { 0660, false }, { 0604, false }, { 0700, false } };

	(void)unused;
	put("token", "secret\n");
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct config_errors errs;
		struct config *c;

		mode("token", rows[i].mode);
		c = load("http { token_file = token }", &errs);
		if (!c != !rows[i].ok)
			fail_msg("mode %o", (unsigned)rows[i].mode);
		if (!c)
			assert_non_null(strstr(errs.list[0].msg, "chmod 640 "));
		config_free(&c);
		config_errors_free(&errs);
	}
	put("token", "");
	mode("token", 0600);
	check(&(struct row){ "http { token_file = token }", { "1: *is empty" } }, 1);
}

static void errors_tell_no_secret(void **unused)
{
	static const char *const texts[] = {
		"notify a { webhook https://chat.example.org/MARK }",
		"notify a { webhook = https://u:MARK@chat.example.org/MARK?MARK "
		"}\nmemory = 1",
		"notify a {\nwebhook = https://x.example.org/\n "
		"https://chat.example.org/MARK }",
		"https://chat.example.org/MARK = 1",
		"notify a { webhook = \"https://chat.example.org/MARK }",
		"notify a { webhook = ftp://MARK }",
		"notify a { webhook = \"https://chat.example.org/x\" proxy = "
		"http://a:MARK@b/ x }",
		"notify a { webhok = https://chat.example.org/MARK }",
		"history { url = \"redis://user:MARK@10.0.0.1:6379/0\" }",
		"squid { address = 10.0.0.1 manager = \"https://u:MARK@10.0.0.1/MARK\" }",
		"http { url = \"x://u:MARK@10.0.0.1/MARK\" }",
	};

	(void)unused;
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		struct config_errors errs;
		struct config *c = load(texts[i], &errs);
		char *what = told(&errs);

		if (c || strstr(what, "MARK"))
			fail_msg("%s\ntold: %s", texts[i], what);
		free(what);
		config_free(&c);
		config_errors_free(&errs);
	}
}

static char *printed(const struct config *c)
{
	char *all = NULL;
	size_t len;
	FILE *f = open_memstream(&all, &len);

	config_print(c, f);
	fclose(f);
	return all;
}

static void what_is_printed_can_be_loaded_and_tells_no_secret(void **unused)
{
	static const char *const texts[] = {
		"",
		"notify chat { webhook = "
		"\"https://u:MARK@chat.example.org/hooks/MARK?x=MARK "
		"https://two.example.org/MARK\" proxy = \"http://me:MARK@10.0.0.1:3128\" "
		"}\n"
		"rule \"q-1\" { measure = bytes window = week above = 1.5Gi notify = "
		"chat }",
		"listen sflow { address = {192.0.2.1, \"::1\"} port = {1, 2} }\n"
		"exporter e { address = \"2001:db8::1\" interface ge-0/0/1 { speed = "
		"1.5G }\n"
		" interface 3 { name = \"a \\\"b\\\" \\\\ \\${c} \\t\" } }\n"
		"rule s { detector = seasonal budget = 0.35/week adopt = 36h }\n"
		"rule n { detector = scan targets = 20 remember = 1h filter = 'not proto tcp' }\n"
		"rule t { measure = packets/s above = 0.123456789 below = 0.001 for = "
		"1m30s }\n"
		"rule u { measure = utilisation by = interface below = 12.5% }\n"
		"squid { address = {192.0.2.7} manager = \"http://192.0.2.7:3128\" }",
	};

	(void)unused;
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		struct config *c = load_ok(texts[i]);
		char *once = printed(c), *twice;

		config_free(&c);
		assert_null(strstr(once, "MARK"));
		c = load_ok(once);
		twice = printed(c);
		config_free(&c);
		assert_string_equal(once, twice);
		free(once);
		free(twice);
	}
}

/* Reload is all or nothing: whatever is in the file, either errors or a configuration,
 * and one that loads is printed so that it loads again. */
static void a_damaged_file_gives_errors_or_a_configuration(void **unused)
{
	static const char good[] =
	    "# a comment\nlisten netflow { address = \"::\" port = {2055, 9995} }\n"
	    "memory = 256M late = \"10m\" forward = {\"192.0.2.9:2055\"}\n"
	    "exporter edge { address = 192.0.2.1 interface 2 { name = WAN speed = 20M } "
	    "}\n"
	    "network lan { prefixes = {10.20.0.0/24, \"2001:db8::/32\"} }\n"
	    "rule busy { filter = \"in if 2 and network lan\" above = 16M clear = 12M }\n"
	    "rule odd { detector = seasonal budget = 0.2/week by = 'interface' }\n"
	    "notify chat { webhook = \"https://chat.example.org/x\" }\n";
	static const char alphabet[] = "{}()=,+\"'#/*\\$ \n\t\0019zA.-:%";
	unsigned seed = 20261123, loaded = 0;

	(void)unused;
	for (int round = 0; round < 500; round++) {
		char text[sizeof(good)];
		struct config_errors errs;
		struct config *c;

		memcpy(text, good, sizeof(good));
		for (int i = rand_r(&seed) % 2; i >= 0; i--)
			text[(size_t)rand_r(&seed) % (sizeof(good) - 1)] =
			    alphabet[(size_t)rand_r(&seed) % (sizeof(alphabet) - 1)];
		c = load(text, &errs);
		if (!c != (errs.n_errors > 0))
			fail_msg("round %d: %zu errors\n%s", round, errs.n_errors, text);
		if (c) {
			char *once = printed(c);
			struct config *again = load_ok(once);

			loaded++;
			config_free(&again);
			free(once);
		}
		config_free(&c);
		config_errors_free(&errs);
	}
	assert_in_range(loaded, 25, 475);
}

/* contrib/culprit.conf with its settings put into force: "#word" and "#\tword" are
 * settings, "# word" is prose. */
static char *example(void)
{
	struct strb b = { 0 };
	FILE *f = fopen("contrib/culprit.conf", "r");
	char line[256];

	if (!f) /* not started from the root of the tree */
		fail_msg("start it from the root of the tree");
	while (fgets(line, sizeof(line), f))
		strb_add(&b, line[0] == '#' && line[1] != ' ' ? line + 1 : line);
	fclose(f);
	return strb_take(&b);
}

/* Says what is missing of s, which is defined in text as one or several sections. */
static bool shows_all(const struct node *n, const struct section *s, bool *seen)
{
	for (size_t i = 0; i < n->n_values; i++)
		for (size_t j = 0; n->what == s && s->settings[j].name; j++)
			if (&s->settings[j] == n->values[i].what)
				seen[j] = true;
	for (size_t i = 0; i < n->n_kids; i++)
		shows_all(&n->kids[i], s, seen);
	for (size_t j = 0; s->settings[j].name; j++)
		if (!seen[j])
			return false;
	return true;
}

static void check_shown(const struct node *root, const struct section *s)
{
	bool seen[CONFIG_WORDS] = { false };

	if (!shows_all(root, s, seen))
		for (size_t j = 0; s->settings[j].name; j++)
			if (!seen[j])
				print_error("contrib/culprit.conf lacks %s of \"%s\"\n",
					    s->settings[j].name, s->name);
	assert_true(shows_all(root, s, seen));
	for (size_t i = 0; s->kids && s->kids[i]; i++)
		check_shown(root, s->kids[i]);
}

/* A setting in a section that stands once is shown with the value it has anyway. */
static void check_defaults(const struct node *n)
{
	for (size_t i = 0; i < n->n_values; i++) {
		const struct value *v = &n->values[i];

		if (!n->what->many && v->what->def && strcmp(v->what->def, v->text))
			fail_msg(
			    "contrib/culprit.conf:%d: %s is \"%s\", its default \"%s\"",
			    v->line, v->name, v->text, v->what->def);
	}
	for (size_t i = 0; i < n->n_kids; i++)
		check_defaults(&n->kids[i]);
}

static void the_example_is_right_and_shows_every_setting(void **unused)
{
	char *text = example();
	struct config_errors errs = { 0 };
	struct config_scan scan = { .errs = &errs };
	struct config *c = load_ok(text);
	struct node *root;

	(void)unused;
	assert_int_equal(c->n_rules, 8);
	assert_int_equal(c->n_channels, 3);
	config_free(&c);
	config_scan_text(&scan, "contrib/culprit.conf", text, strlen(text));
	root = config_parse(&scan, &errs);
	check_shown(root, &config_root);
	check_defaults(root);
	config_node_free(&root);
	config_scan_free(&scan);
	config_errors_free(&errs);
	free(text);
	c = config_load("contrib/culprit.conf", "/s", &errs);
	assert_non_null(c); /* as installed: defaults only */
	assert_int_equal(errs.n, 0);
	assert_int_equal(c->n_rules + c->n_channels + c->n_exporters, 0);
	config_free(&c);
	config_errors_free(&errs);
}

static void check_manual(const char *page, const struct section *s)
{
	for (const struct setting *set = s->settings; set->name; set++) {
		char want[64];

		snprintf(want, sizeof(want), "\n.It Ic %s = ", set->name);
		if (!strstr(page, want))
			fail_msg("contrib/man/culprit.conf.5 lacks %s of \"%s\"",
				 set->name, s->name);
	}
	for (size_t i = 0; s->kids && s->kids[i]; i++)
		check_manual(page, s->kids[i]);
}

/* One table says which rules are built in; the manual and the example name them all. */
static void check_builtins(const char *page)
{
	char *text = example();

	for (size_t i = 0; builtin_at(i); i++) {
		char want[64];

		snprintf(want, sizeof(want), "\n.It Ic %s\n", builtin_at(i)->name);
		if (!strstr(page, want))
			fail_msg("contrib/man/culprit.conf.5 lacks the built-in rule %s",
				 builtin_at(i)->name);
		if (!strstr(text, builtin_at(i)->name))
			fail_msg("contrib/culprit.conf lacks the built-in rule %s",
				 builtin_at(i)->name);
	}
	free(text);
}

static void the_manual_knows_every_setting(void **unused)
{
	struct strb b = { 0 };
	FILE *f = fopen("contrib/man/culprit.conf.5", "r");
	char line[256];

	(void)unused;
	if (!f)
		fail_msg("start it from the root of the tree");
	while (fgets(line, sizeof(line), f))
		strb_add(&b, line);
	fclose(f);
	check_manual(b.s, &config_root);
	check_builtins(b.s);
	strb_free(&b);
}

/* The README's first rule, its secrets looked for in a directory that has them. */
static void the_first_rule_of_the_readme_is_right(void **unused)
{
	FILE *f = fopen("README.md", "r");
	struct strb b = { 0 };
	struct config *c;
	char line[256], *etc;
	bool in = false;

	(void)unused;
	if (!f)
		fail_msg("start it from the root of the tree");
	while (fgets(line, sizeof(line), f)) {
		if (!strcmp(line, "exporter edge {\n"))
			in = true;
		else if (*line == '`')
			in = false;
		etc = strstr(line, "/etc/culprit/");
		if (in && etc)
			strb_fmt(&b, "%.*s%s", (int)(etc - line), line, etc + 13);
		else if (in)
			strb_add(&b, line);
	}
	fclose(f);
	put("smtp-password", "x\n");
	mode("smtp-password", 0640);
	put("chat-url", "https://chat.example.org/x\n");
	mode("chat-url", 0600);
	c = load_ok(b.s);
	assert_int_equal(c->n_rules, 1);
	assert_int_equal(c->n_channels, 2);
	config_free(&c);
	strb_free(&b);
}

static void a_reload_knows_what_needs_a_restart(void **unused)
{
	struct config *a = load_ok(""), *b = load_ok("late = 5m rule x { above = 1M }"),
		      *c = load_ok("memory = 1G workers = 2 http { port = 1 }");
	char buf[128];

	(void)unused;
	assert_string_equal(config_needs_restart(a, b, buf, sizeof(buf)), "");
	assert_string_equal(config_needs_restart(a, c, buf, sizeof(buf)),
			    "http, memory, workers");
	config_free(&a);
	config_free(&b);
	config_free(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, make_dir, remove_dir)
		T(words_that_are_not_known_are_told_with_what_was_meant),
		T(mistakes_of_writing_are_told_and_passed_over),
		T(values_are_strict_and_told_with_an_example),
		T(rules_that_cannot_be_judged_are_told),
		T(channels_are_one_thing_each),
		T(without_a_file_everything_has_a_default),
		T(what_is_written_arrives_in_its_field),
		T(files_are_read_in_their_order_and_the_last_word_counts),
		T(a_file_that_is_not_there_is_told),
		T(secrets_that_others_can_read_are_refused),
		T(errors_tell_no_secret),
		T(what_is_printed_can_be_loaded_and_tells_no_secret),
		T(a_damaged_file_gives_errors_or_a_configuration),
		T(the_example_is_right_and_shows_every_setting),
		T(the_manual_knows_every_setting),
		T(the_first_rule_of_the_readme_is_right),
		T(a_reload_knows_what_needs_a_restart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
