/* strb.h - text that grows, and one escape for each sink.
 * SPDX-License-Identifier: ISC
 *
 * D11: text from outside is data. Each sink has exactly one function here that
 * makes it inert; nothing else may write such text to that sink. (JSON is
 * written with jansson, which escapes; strb_json is for streamed bodies.)
 */
#ifndef CUL_BASE_STRB_H
#define CUL_BASE_STRB_H

#include <stddef.h>
#include <stdint.h>

struct strb {
	char *s;    /* always terminated once anything was added; may be NULL before */
	size_t len; /* octets without the NUL */
	size_t cap;
};

void strb_free(struct strb *b); /* and clears it, ready for use again */
char *strb_take(struct strb *b); /* gives the text ("" when empty); b is cleared */
void strb_add(struct strb *b, const char *s);
void strb_addn(struct strb *b, const void *p, size_t len);
void strb_addc(struct strb *b, char c);
void strb_u64(struct strb *b, uint64_t v); /* decimal */
void strb_fmt(struct strb *b, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

void strb_json(struct strb *b, const char *s);   /* with quotes; bad UTF-8 -> U+FFFD */
void strb_html(struct strb *b, const char *s);   /* & < > " ' and control characters */
void strb_csv(struct strb *b, const char *s);    /* RFC 4180; ' before = + - @ tab CR */
void strb_tty(struct strb *b, const char *s);    /* C0, C1, bidi, bad UTF-8 -> \xNN */
void strb_label(struct strb *b, const char *s);  /* Prometheus label value, no quotes */
void strb_header(struct strb *b, const char *s); /* mail header: CR LF NUL out, RFC 2047 */
void strb_slack(struct strb *b, const char *s);  /* & < > and control characters */

/* Octets of the longest prefix of s that has at most max_chars code points and
 * max_octets octets and cuts no character. Bad octets count as one character. */
size_t utf8_cut(const char *s, size_t max_chars, size_t max_octets);

#endif
