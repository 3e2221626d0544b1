/* strb.c - text that grows, and one escape for each sink.
 * SPDX-License-Identifier: ISC
 *
 * All sinks share one reader of UTF-8 (next_char) and one idea of which
 * characters are never just text: controls, which drive terminals and end
 * lines, and bidi marks, which make a reader see another order than is there.
 * Where a sink has no escape for them they become U+FFFD, so that something
 * is seen to have been there.
 */
#include "daemon/base/strb.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/base/digits.h"
#include "daemon/base/mem.h"

static const char replacement[] = "\xef\xbf\xbd"; /* U+FFFD */

void strb_free(struct strb *b)
{
	free(b->s);
	*b = (struct strb){ 0 };
}

char *strb_take(struct strb *b)
{
	char *s = b->s ? b->s : xstrdup("");

	*b = (struct strb){ 0 };
	return s;
}

/* Room for len more octets and the NUL. */
static char *room(struct strb *b, size_t len)
{
	if (!b->s || b->cap - b->len <= len) {
		b->cap = (b->cap + len + 32) * 2;
		b->s = xrealloc(b->s, b->cap, 1);
	}
	return b->s + b->len;
}

void strb_addn(struct strb *b, const void *p, size_t len)
{
	char *to = room(b, len);

	if (len)
		memcpy(to, p, len);
	to[len] = '\0';
	b->len += len;
}

void strb_add(struct strb *b, const char *s)
{
	strb_addn(b, s, strlen(s));
}

void strb_addc(struct strb *b, char c)
{
	strb_addn(b, &c, 1);
}

void strb_u64(struct strb *b, uint64_t v)
{
	char *to = room(b, DIGITS_MAX), *end = digits_put(to, v);

	*end = '\0';
	b->len += (size_t)(end - to);
}

void strb_fmt(struct strb *b, const char *fmt, ...)
{
	va_list ap, again;
	char *to = room(b, 128);
	size_t left = b->cap - b->len;
	int n;

	va_start(ap, fmt);
	va_copy(again, ap);
	n = vsnprintf(to, left, fmt, ap);
	if (n > 0 && (size_t)n >= left)
		n = vsnprintf(room(b, (size_t)n), (size_t)n + 1, fmt, again);
	va_end(again);
	va_end(ap);
	if (n > 0)
		b->len += (size_t)n;
	b->s[b->len] = '\0';
}

/* Octets of the well-formed character at s (Unicode table 3-7), 0 when it is
 * not one; *cp is its code point. The NUL stops it, so it never reads past. */
static size_t next_char(const char *s, uint32_t *cp)
{
	const unsigned char *p = (const unsigned char *)s;
	size_t len = p[0] < 0x80 ? 1 : p[0] < 0xc2 ? 0 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3
						      : p[0] < 0xf5 ? 4 : 0;
	uint32_t c;

	if (len < 2) {
		*cp = p[0];
		return len;
	}
	c = p[0] & (0x7fu >> len);
	for (size_t i = 1; i < len; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (p[i] & 0x3f);
	}
	if ((len == 3 && (c < 0x800 || (c >= 0xd800 && c < 0xe000))) ||
	    (len == 4 && (c < 0x10000 || c > 0x10ffff)))
		return 0;
	*cp = c;
	return len;
}

/* C0, DEL, C1, line separators, and what changes the order of reading. */
static bool is_control(uint32_t c)
{
	return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x61c || c == 0x200e ||
	       c == 0x200f || (c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069) ||
	       c == 0xfeff;
}

/* Adds the character at s, or U+FFFD for one that is not text; returns what
 * was read. Most sinks are this with a few characters taken out first. */
static size_t add_inert(struct strb *b, const char *s)
{
	uint32_t c;
	size_t len = next_char(s, &c);

	if (!len || is_control(c))
		strb_addn(b, replacement, 3);
	else
		strb_addn(b, s, len);
	return len ? len : 1;
}

/* Adds what no sink minds, as nearly all that comes is; returns what follows. */
static const char *add_plain(struct strb *b, const char *s)
{
	size_t n = 0;

	while (s[n] >= 0x20 && s[n] < 0x7f && s[n] != '"' && s[n] != '\\')
		n++;
	strb_addn(b, s, n);
	return s + n;
}

void strb_json(struct strb *b, const char *s)
{
	static const char plain[] = "\b\f\n\r\t\"\\", as[] = "bfnrt\"\\";

	strb_addc(b, '"');
	while (*(s = add_plain(b, s))) {
		const char *at = strchr(plain, *s);
		uint32_t c;
		size_t len = next_char(s, &c);

		if (at)
			strb_fmt(b, "\\%c", as[at - plain]);
		else if (!len)
			strb_addn(b, replacement, 3);
		else if (is_control(c))
			strb_fmt(b, "\\u%04x", (unsigned)c);
		else
			strb_addn(b, s, len);
		s += len ? len : 1;
	}
	strb_addc(b, '"');
}

void strb_html(struct strb *b, const char *s)
{
	for (strb_add(b, ""); *s;) {
		switch (*s) {
		case '&': strb_add(b, "&amp;"); break;
		case '<': strb_add(b, "&lt;"); break;
		case '>': strb_add(b, "&gt;"); break;
		case '"': strb_add(b, "&quot;"); break;
		case '\'': strb_add(b, "&#39;"); break;
		case '\t':
		case '\n': strb_addc(b, *s); break;
		default: s += add_inert(b, s); continue;
		}
		s++;
	}
}

/* Spreadsheets run cells that begin with these (also behind a tab or a line
 * end); a quote before them makes the cell text again. */
void strb_csv(struct strb *b, const char *s)
{
	bool formula = *s && strchr("=+-@\t\r\n", *s);
	bool quote = formula || strpbrk(s, ",\"\r\n\t ;'");

	strb_add(b, quote ? "\"" : "");
	strb_add(b, formula ? "'" : "");
	while (*(s = add_plain(b, s))) {
		if (*s == '"')
			strb_addc(b, '"');
		if (*s == '\t' || *s == '\r' || *s == '\n')
			strb_addc(b, *s++);
		else
			s += add_inert(b, s);
	}
	strb_add(b, quote ? "\"" : "");
}

void strb_tty(struct strb *b, const char *s)
{
	while (*(s = add_plain(b, s))) {
		uint32_t c;
		size_t len = next_char(s, &c), n = len ? len : 1;

		if (len && !is_control(c))
			strb_addn(b, s, len);
		else
			for (size_t i = 0; i < n; i++)
				strb_fmt(b, "\\x%02x", (unsigned char)s[i]);
		s += n;
	}
}

void strb_label(struct strb *b, const char *s)
{
	for (strb_add(b, ""); *s;) {
		switch (*s) {
		case '\\': strb_add(b, "\\\\"); break;
		case '"': strb_add(b, "\\\""); break;
		case '\n': strb_add(b, "\\n"); break;
		default: s += add_inert(b, s); continue;
		}
		s++;
	}
}

static void base64(struct strb *b, const unsigned char *p, size_t len)
{
	static const char digit[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

	for (size_t i = 0; i < len; i += 3) {
		uint32_t v = (uint32_t)p[i] << 16;

		if (i + 1 < len)
			v |= (uint32_t)p[i + 1] << 8;
		if (i + 2 < len)
			v |= p[i + 2];
		strb_addc(b, digit[v >> 18]);
		strb_addc(b, digit[v >> 12 & 63]);
		strb_addc(b, i + 1 < len ? digit[v >> 6 & 63] : '=');
		strb_addc(b, i + 2 < len ? digit[v & 63] : '=');
	}
}

/* Encoded words of at most 75 characters each, no character cut in two (RFC
 * 2047 sec. 2 and 5); white space between them is not part of the text. */
static void encoded_words(struct strb *b, const char *s)
{
	enum { ROOM = (75 - 12) / 4 * 3 }; /* 12 for "=?UTF-8?B?" and "?=" */

	while (*s) {
		size_t n = utf8_cut(s, ROOM, ROOM);

		strb_add(b, "=?UTF-8?B?");
		base64(b, (const unsigned char *)s, n);
		strb_add(b, "?=");
		s += n;
		if (*s)
			strb_addc(b, ' ');
	}
}

void strb_header(struct strb *b, const char *s)
{
	struct strb text = { 0 };
	bool ascii = !strstr(s, "=?"); /* looks encoded already: encode it again */

	for (strb_add(&text, ""); *s;) {
		if (*s == '\r' || *s == '\n' || *s == '\t') {
			strb_addc(&text, ' ');
			s += *s == '\r' && s[1] == '\n' ? 2 : 1;
		} else {
			s += add_inert(&text, s);
		}
	}
	for (size_t i = 0; i < text.len; i++)
		ascii = ascii && !((unsigned char)text.s[i] & 0x80);
	strb_add(b, "");
	if (ascii)
		strb_addn(b, text.s, text.len);
	else
		encoded_words(b, text.s);
	strb_free(&text);
}

void strb_slack(struct strb *b, const char *s)
{
	for (strb_add(b, ""); *s;) {
		switch (*s) {
		case '&': strb_add(b, "&amp;"); break;
		case '<': strb_add(b, "&lt;"); break;
		case '>': strb_add(b, "&gt;"); break;
		case '\t':
		case '\r':
		case '\n': strb_addc(b, ' '); break; /* a message is ours to lay out */
		default: s += add_inert(b, s); continue;
		}
		s++;
	}
}

size_t utf8_cut(const char *s, size_t max_chars, size_t max_octets)
{
	size_t at = 0;

	for (size_t n = 0; n < max_chars && s[at]; n++) {
		uint32_t c;
		size_t len = next_char(s + at, &c);

		if (!len)
			len = 1;
		if (at + len > max_octets)
			break;
		at += len;
	}
	return at;
}
