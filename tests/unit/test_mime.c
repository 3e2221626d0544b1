/* test_mime.c - mails that every server takes and no text can break out of.
 * SPDX-License-Identifier: ISC */
#include "test.h"

#include "daemon/notify/mime.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "daemon/base/mem.h"
#include "daemon/notify/mail.h"
#include "daemon/notify/sample.h"

/* CRLF and nothing else, ASCII, at most 78 characters a line. */
static void must_be_lines(const char *s)
{
	size_t col = 0;

	for (const char *p = s; *p; p++) {
		if (*p == '\n' && (p == s || p[-1] != '\r'))
			fail_msg("a bare LF at %td", p - s);
		if (*p == '\r' && p[1] != '\n')
			fail_msg("a bare CR at %td", p - s);
		if ((unsigned char)*p > 0x7e ||
		    ((unsigned char)*p < ' ' && !strchr("\r\n\t", *p)))
			fail_msg("octet %02x at %td", (unsigned char)*p, p - s);
		col = *p == '\n' ? 0 : col + 1;
		if (col > 79)
			fail_msg("a line longer than 78: %.100s", p - 78);
	}
}

static void text_is_quoted_printable(void **state)
{
	static const struct {
		const char *text, *want;
	} rows[] = {
		{ "plain\n", "plain\r\n" },
		{ "no end", "no end\r\n" },
		{ "a=b\n", "a=3Db\r\n" },
		{ "\xc3\xa4\n", "=C3=A4\r\n" },
		{ "end blank \n", "end blank=20\r\n" },
		{ "From me\n.\n..x\n", "=46rom me\r\n=2E\r\n=2E.x\r\n" },
		{ "a\r\nb\n", "a\r\nb\r\n" },
		{ "lone\rCR\n", "lone=0DCR\r\n" },
		{ "", "" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct strb b = { 0 };

		strb_add(&b, "");
		mime_qp(&b, rows[i].text);
		assert_string_equal(b.s, rows[i].want);
		strb_free(&b);
	}
}

static void long_lines_are_broken_softly(void **state)
{
	struct strb text = { 0 }, b = { 0 };

	(void)state;
	for (int i = 0; i < 2000; i++)
		strb_add(&text, i % 5 ? "x" : "\xe2\x82\xac");
	mime_qp(&b, text.s);
	must_be_lines(b.s);
	strb_free(&b);
	strb_free(&text);
}

static void headers_are_inert_and_folded(void **state)
{
	static const char *const values[] = {
		"short",
		"a\r\nBcc: evil@example.org",
		"\xe2\x82\xac\xe2\x82\xac",
		"a long subject of many plain words that has to be folded somewhere in "
		"the middle, "
		"and then once more because it is really long",
		"\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4"
		"\xc3\xa4"
		"\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4"
		"\xc3\xa4"
		"\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4"
		"\xc3\xa4",
		"=?UTF-8?Q?fake?=",
		"\x01\x02\x7f",
		"",
		"   ",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(values); i++) {
		struct strb b = { 0 };

		mime_header(&b, "Subject", values[i]);
		must_be_lines(b.s);
		assert_memory_equal(b.s, "Subject:", 8);
		assert_null(strstr(b.s, "\nBcc"));
		/* every line but the first is a continuation, and none is empty */
		for (const char *p = b.s; (p = strchr(p, '\n')) && p[1]; p++)
			assert_true(p[1] == ' ' && p[2] != '\r');
		strb_free(&b);
	}
}

static void dates_do_not_depend_on_the_locale(void **state)
{
	struct strb b = { 0 };

	(void)state;
	setenv("TZ", "Europe/Berlin", 1);
	tzset();
	mime_date(&b, 1795426500000);
	assert_string_equal(b.s, "Mon, 23 Nov 2026 10:35:00 +0100");
	strb_free(&b);
	setenv("TZ", "America/St_Johns", 1);
	tzset();
	mime_date(&b, 1795426500000);
	assert_string_equal(b.s, "Mon, 23 Nov 2026 06:05:00 -0330");
	strb_free(&b);
	setenv("TZ", "UTC", 1);
	tzset();
}

static struct channel *mailer(void)
{
	static const char *const to[] = { "noc@example.org", "second@example.org" };
	struct channel_conf c = { .name = "noc",
				  .kind = CHANNEL_EMAIL,
				  .to = to,
				  .n_to = 2,
				  .from = "culprit@example.org",
				  .hostname = "culprit.example.org" };
	struct channel *ch = channel_new(&c, "https://culprit.example.org", NULL);

	assert_non_null(ch);
	return ch;
}

static unsigned count(const char *s, const char *what)
{
	unsigned n = 0;

	for (; (s = strstr(s, what)); s += strlen(what))
		n++;
	return n;
}

static void hostile_text_stays_inside_its_part(void **state)
{
	static const char *const texts[] = {
		"x\r\n\r\n--=_1_k--\r\nSubject: evil",
		"<script>alert(1)</script>",
		"\x1b[2J",
		"=cmd|'/C calc'!A0",
		"\xff\xfe",
		"a\nb,c\"d",
		"\xe2\x80\xae"
		"gnp",
	};
	struct channel *c = mailer();

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		struct alert *a = sample_alert(1700000000000, ALERT_FIRING);
		struct message m = { .alert = a, .key = "k", .thread = "k", .first = true,
				     .now_ms = 1700000000000 };
		struct strb mail = { 0 }, html = { 0 }, csv = { 0 };

		free(a->series);
		a->series = xstrdup(texts[i]);
		free(a->top[0].src_name);
		a->top[0].src_name = xstrdup(texts[i]);
		free(a->top[0].urls[0].url);
		a->top[0].urls[0].url = xstrdup(texts[i]);
		mail_compose(c, &m, &mail);
		must_be_lines(mail.s);
		assert_int_equal(count(mail.s, "\n--=_1_k--\r\n"), 1);
		*strstr(mail.s, "\r\n\r\n") = '\0'; /* the headers alone */
		assert_int_equal(count(mail.s, "\nSubject:"), 1);
		mail_html(c, &m, false, &html);
		assert_null(strstr(html.s, "<script"));
		assert_null(strchr(html.s, '\x1b'));
		assert_in_range(html.len, 1000, 100 * 1024);
		mail_csv(a, &csv);
		assert_null(strstr(csv.s, ",=cmd"));
		strb_free(&mail);
		strb_free(&html);
		strb_free(&csv);
		alert_unref(&a);
	}
	channel_unref(&c);
}

static void the_mail_has_its_headers_and_parts(void **state)
{
	static const char *const wanted[] = {
		"From: culprit <culprit@example.org>\r\n",
		"To: noc@example.org, second@example.org\r\n",
		"Subject: [FIRING] edge WAN in: 18.7 Mbit/s for 2 minutes, normally 2-4",
		"Message-ID: <key.1@example.org>\r\n",
		"Auto-Submitted: auto-generated\r\n",
		"X-Auto-Response-Suppress: All\r\n",
		"X-Culprit-Alert: ",
		"Content-Type: text/plain; charset=utf-8\r\n",
		"Content-Type: text/html; charset=utf-8\r\n",
		"Content-ID: <chart>\r\n",
		"filename=\"flows.csv\"",
		"--=_1_key.1--\r\n",
	};
	struct alert *a = sample_alert(1700000000000, ALERT_FIRING);
	struct message m = { .alert = a, .key = "key.1", .thread = "key.1", .first = true,
			     .now_ms = 1700000000000 };
	struct channel *c = mailer();
	struct strb b = { 0 };

	(void)state;
	mail_compose(c, &m, &b);
	for (size_t i = 0; i < ARRAY_LEN(wanted); i++)
		if (!strstr(b.s, wanted[i]))
			fail_msg("no \"%s\"", wanted[i]);
	assert_null(strstr(b.s, "In-Reply-To"));
	strb_free(&b);
	m.first = false;
	m.thread = "key.0";
	m.subject = "the first headline";
	mail_compose(c, &m, &b);
	assert_non_null(strstr(b.s, "In-Reply-To: <key.0@example.org>\r\n"));
	assert_non_null(strstr(b.s, "Subject: [FIRING] the first headline\r\n"));
	strb_free(&b);
	a->group = 60; /* of many together: the same thread, counted anew */
	mail_compose(c, &m, &b);
	assert_non_null(strstr(b.s, "Subject: [FIRING, now 60] the first headline\r\n"));
	strb_free(&b);
	a->state = ALERT_RESOLVED;
	mail_compose(c, &m, &b);
	assert_non_null(strstr(b.s, "Subject: [RESOLVED, all 60] the first headline\r\n"));
	strb_free(&b);
	alert_unref(&a);
	channel_unref(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_is_quoted_printable),
		cmocka_unit_test(long_lines_are_broken_softly),
		cmocka_unit_test(headers_are_inert_and_folded),
		cmocka_unit_test(dates_do_not_depend_on_the_locale),
		cmocka_unit_test(hostile_text_stays_inside_its_part),
		cmocka_unit_test(the_mail_has_its_headers_and_parts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
