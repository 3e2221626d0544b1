/* mime.c - mail as lines that every server lets through: CRLF, ASCII, short.
 * SPDX-License-Identifier: ISC
 *
 * Everything a mail is made of passes through here, so no bare LF can leave
 * (libesmtp then sends an empty body, and the server says 250) and no line is
 * longer than 76 characters. A line that begins "From " or is a single dot is
 * no special case: quoted-printable writes the first letter as =46 or =2E.
 */
#include "daemon/notify/mime.h"

#include <openssl/evp.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "daemon/base/mem.h"

enum { LINE = 76, FOLD = 72 };

void mime_qp(struct strb *b, const char *text)
{
	size_t col = 0;

	for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
		bool blank = (*p == ' ' || *p == '\t');
		bool at_end = !p[1] || p[1] == '\n' || (p[1] == '\r' && p[2] == '\n');
		bool plain = (*p > ' ' && *p < 0x7f && *p != '=') || (blank && !at_end);

		if (*p == '\r' && p[1] == '\n')
			continue;
		if (*p == '\n') {
			strb_add(b, "\r\n");
			col = 0;
			continue;
		}
		if (!col && (*p == '.' || *p == 'F'))
			plain = false;
		if (col + (plain ? 1 : 3) > LINE - 1) {
			strb_add(b, "=\r\n");
			col = 0;
			if (*p == '.' || *p == 'F')
				plain = false;
		}
		if (plain)
			strb_addc(b, (char)*p);
		else
			strb_fmt(b, "=%02X", *p);
		col += plain ? 1 : 3;
	}
	if (col)
		strb_add(b, "\r\n");
}

void mime_base64(struct strb *b, const void *p, size_t len)
{
	enum { OCTETS = LINE / 4 * 3 };
	unsigned char line[LINE + 1];

	for (size_t i = 0; i < len; i += OCTETS) {
		int n = (int)(len - i < OCTETS ? len - i : OCTETS);

		n = EVP_EncodeBlock(line, (const unsigned char *)p + i, n);
		strb_addn(b, line, (size_t)n);
		strb_add(b, "\r\n");
	}
}

/* Breaks at blanks where a line would get longer than FOLD; encoded words, up
 * to 75 characters, get lines of their own. */
static void folded(struct strb *b, size_t col, const char *text)
{
	while (*text) {
		size_t word = strcspn(text + 1, " ") + 1; /* with the blank before it */

		if (*text != ' ') {
			word = strcspn(text, " ");
			strb_add(b, col + word + 1 > FOLD ? "\r\n " : " ");
			col = col + word + 1 > FOLD ? word + 1 : col + word + 1;
		} else {
			strb_add(b, col + word > FOLD ? "\r\n" : "");
			col = col + word > FOLD ? word : col + word;
		}
		strb_addn(b, text, word);
		text += word;
	}
	strb_add(b, "\r\n");
}

void mime_header(struct strb *b, const char *name, const char *value)
{
	struct strb inert = { 0 };
	const char *s;

	strb_header(&inert, value);
	for (s = inert.s; *s == ' '; s++)
		;
	strb_fmt(b, "%s:", name);
	folded(b, strlen(name) + 1, s);
	strb_free(&inert);
}

void mime_addresses(struct strb *b, const char *name, char *const *list)
{
	struct strb all = { 0 };

	for (; *list; list++)
		strb_fmt(&all, "%s%s", all.len ? ", " : "", *list);
	strb_fmt(b, "%s:", name);
	folded(b, strlen(name) + 1, all.s ? all.s : "");
	strb_free(&all);
}

void mime_date(struct strb *b, int64_t unix_ms)
{
	static const char day[] = "SunMonTueWedThuFriSat";
	static const char month[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	time_t t = (time_t)(unix_ms / 1000);
	struct tm tm = { 0 };
	long zone;

	localtime_r(&t, &tm);
	zone = labs(tm.tm_gmtoff) / 60;
	strb_fmt(b, "%.3s, %d %.3s %d %02d:%02d:%02d %c%02ld%02ld", day + 3 * tm.tm_wday,
		 tm.tm_mday, month + 3 * tm.tm_mon, tm.tm_year + 1900, tm.tm_hour,
		 tm.tm_min, tm.tm_sec, tm.tm_gmtoff < 0 ? '-' : '+', zone / 60,
		 zone % 60);
}
