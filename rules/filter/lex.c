/* lex.c - a filter's text, word by word.
 * SPDX-License-Identifier: ISC
 *
 * There is no table of tokens in memory: the parser asks for the token at a
 * place, and looks ahead by asking for the one behind it. What an address, a
 * range, a rate or an interface name may hold is all one kind of word; the
 * parser knows from the context what it must be.
 */
#include "rules/filter/lex.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* Octets of UTF-8 beyond ASCII are letters of names. */
static bool in_word(char c)
{
	return isalnum((unsigned char)c) || (unsigned char)c >= 0x80 ||
	       (c && strchr("_.-/:*+@%~?", c));
}

static size_t skip_blank(const char *s, size_t at)
{
	for (;;) {
		at += strspn(s + at, " \t\r\n\f\v");
		if (s[at] != '#')
			return at;
		at += strcspn(s + at, "\n");
	}
}

static void bad(struct token *t, const char *why)
{
	t->kind = TOK_BAD;
	snprintf(t->text, sizeof(t->text), "%s", why);
}

static void quoted(const char *s, struct token *t)
{
	char mark = s[t->at];
	size_t at = t->at + 1, n = 0;

	for (; s[at] && s[at] != mark; at++) {
		if (s[at] == '\\' && s[at + 1])
			at++;
		if (n + 1 == sizeof(t->text)) {
			bad(t, "a name is longer than 255 octets");
			return;
		}
		t->text[n++] = s[at];
	}
	t->text[n] = '\0';
	t->end = s[at] ? at + 1 : at;
	if (!s[at])
		bad(t, "a quotation mark is opened here and never closed");
}

static void word(const char *s, struct token *t)
{
	static const struct {
		const char *text;
		enum token_kind kind;
	} joints[] = { { "and", TOK_AND }, { "or", TOK_OR }, { "not", TOK_NOT } };
	size_t n = 0;

	while (in_word(s[t->at + n]))
		n++;
	t->end = t->at + n;
	if (n >= sizeof(t->text)) {
		bad(t, "a word is longer than 255 octets");
		return;
	}
	memcpy(t->text, s + t->at, n);
	t->text[n] = '\0';
	for (size_t i = 0; i < sizeof(joints) / sizeof(*joints); i++)
		if (!strcasecmp(t->text, joints[i].text))
			t->kind = joints[i].kind;
}

void lex_at(const char *s, size_t at, struct token *t)
{
	static const struct {
		char text[3];
		enum token_kind kind;
		enum op op;
	} marks[] = {
		/* longer ones first */
		{ "&&", TOK_AND, OP_NONE },  { "||", TOK_OR, OP_NONE },
		{ "==", TOK_OP, OP_EQ },     { "!=", TOK_OP, OP_NE },
		{ "<=", TOK_OP, OP_LE },     { ">=", TOK_OP, OP_GE },
		{ "=", TOK_OP, OP_EQ },	     { "<", TOK_OP, OP_LT },
		{ ">", TOK_OP, OP_GT },	     { "!", TOK_NOT, OP_NONE },
		{ "(", TOK_OPEN, OP_NONE },  { ")", TOK_CLOSE, OP_NONE },
		{ "[", TOK_OPEN, OP_NONE },  { "]", TOK_CLOSE, OP_NONE },
		{ ",", TOK_COMMA, OP_NONE },
	};

	t->at = t->end = at = skip_blank(s, at);
	t->op = OP_NONE;
	t->text[0] = '\0';
	if (!s[at]) {
		t->kind = TOK_END;
		return;
	}
	for (size_t i = 0; i < sizeof(marks) / sizeof(*marks); i++) {
		size_t len = strlen(marks[i].text);

		if (!strncmp(s + at, marks[i].text, len)) {
			t->kind = marks[i].kind;
			t->op = marks[i].op;
			t->end = at + len;
			return;
		}
	}
	t->kind = TOK_WORD;
	if (in_word(s[at])) {
		word(s, t);
	} else if (s[at] == '"' || s[at] == '\'') {
		t->kind = TOK_QUOTED;
		quoted(s, t);
	} else if (isprint((unsigned char)s[at])) {
		bad(t, "");
		snprintf(t->text, sizeof(t->text), "'%c' means nothing here%s", s[at],
			 s[at] == '&'	? "; 'and' is && or the word"
			 : s[at] == '|' ? "; 'or' is || or the word"
					: "");
	} else {
		bad(t, "");
		snprintf(t->text, sizeof(t->text), "octet 0x%02x means nothing here",
			 (unsigned char)s[at]);
	}
}
