/* config_lex.c - the configuration's text as tokens.
 * SPDX-License-Identifier: ISC
 *
 * The rules are those of libconfuse 3.3, which reads what is left in the end:
 * unquoted words, "strings" with escapes and ${ENVIRONMENT}, 'strings' without,
 * comments with #, // and C's. Where libconfuse is silent and a person would be
 * surprised, this is strict: a string must close on its line (else one missing quote
 * turns the rest of the file inside out), a variable that is not set is an error and
 * not empty, and a stray character is not skipped.
 */
#include "daemon/config_impl.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/base/mem.h"

struct lexer {
	const char *file, *src;
	size_t len, at;
	int line;
	struct tokens *out;
	struct config_errors *errs;
};

static int look(const struct lexer *l, size_t ahead)
{
	return l->at + ahead < l->len ? (unsigned char)l->src[l->at + ahead] : -1;
}

/* Over one character, counting lines. */
static void step(struct lexer *l)
{
	if (look(l, 0) == '\n')
		l->line++;
	l->at++;
}

static struct token *add(struct lexer *l, enum token_kind kind, size_t from, int line)
{
	struct tokens *t = l->out;

	if (!(t->n & (t->n - 1))) /* at 0, 1, 2, 4 …: room for as many again */
		t->list = xrealloc(t->list, t->n ? 2 * t->n : 1, sizeof(*t->list));
	t->list[t->n] =
	    (struct token){ .kind = kind, .line = line, .from = from, .plain = true };
	return &t->list[t->n++];
}

static char *slice_of(const struct lexer *l, size_t from, size_t to)
{
	char *s = xcalloc(1, to - from + 1);

	memcpy(s, l->src + from, to - from);
	return s;
}

/* ${NAME} or ${NAME:-else} at the place where we are, up to `}`; false: told. */
static bool variable(struct lexer *l)
{
	size_t from = l->at + 2, to = from;
	char *name, *other;
	bool ok = true;

	while (to < l->len && !strchr("}\"\n", l->src[to]))
		to++;
	if (to >= l->len || l->src[to] != '}') {
		config_errors_add(
		    l->errs, false, l->file, l->line,
		    "${ begins the name of an environment variable, but no } "
		    "ends it; write \\${ for the characters themselves");
		l->at = to;
		return false;
	}
	name = slice_of(l, from, to);
	other = strstr(name, ":-");
	if (other)
		*other = '\0';
	if (!other && !getenv(name)) {
		config_errors_add(l->errs, false, l->file, l->line,
				  "environment variable %s is not set; set it, or give a "
				  "value for that case: ${%s:-value}",
				  name, name);
		ok = false;
	}
	free(name);
	l->at = to + 1;
	return ok;
}

/* Behind a backslash in a "string": digits are an octal number of one octet. */
static bool escape(struct lexer *l)
{
	size_t n = 0;
	int v = 0;

	if (!isdigit(look(l, 0))) {
		step(l); /* a letter, a quote, or the end of a line that goes on */
		return true;
	}
	for (; isdigit(look(l, n)) && n < 9; n++)
		v = look(l, n) < '8' && v < 256 ? v * 8 + look(l, n) - '0' : 256;
	if (n > 3 || v == 0 || v > 255) {
		config_errors_add(l->errs, false, l->file, l->line,
				  "\\%.*s is not a character; write \\\\ for a backslash",
				  (int)n, l->src + l->at);
		l->at += n;
		return false;
	}
	l->at += n;
	return true;
}

static void string(struct lexer *l)
{
	char quote = l->src[l->at];
	size_t from = l->at, text = from + 1;
	struct token *t = add(l, TOKEN_WORD, from, l->line);

	t->quoted = true;
	l->at++;
	while (look(l, 0) != quote) {
		int c = look(l, 0);

		if (c < 0 || c == '\n') {
			config_errors_add(
			    l->errs, false, l->file, t->line,
			    "the string that begins here with %c has no end on "
			    "its line; add a %c",
			    quote, quote);
			/* A } at the end of the line was hardly meant to be in it. */
			while (l->at > text && strchr(" \t\r}", l->src[l->at - 1]))
				l->at--;
			t->bad = true;
			t->text = slice_of(l, text, l->at);
			t->to = l->at;
			return;
		}
		if (c == '\\' && l->at + 1 < l->len) {
			t->plain = false;
			l->at++;
			if (quote == '\'')
				step(l);
			else
				t->bad |= !escape(l);
		} else if (c == '$' && look(l, 1) == '{' && quote == '"') {
			t->plain = false;
			t->bad |= !variable(l);
		} else {
			l->at++;
		}
	}
	t->text = slice_of(l, text, l->at);
	t->to = ++l->at;
}

static bool is_word(int c)
{
	return c > ' ' && c != 0x7f && !strchr("#\"'={}()+,*", c);
}

static void word(struct lexer *l)
{
	struct token *t = add(l, TOKEN_WORD, l->at, l->line);

	if (look(l, 0) == '$' && look(l, 1) == '{') {
		t->plain = false;
		t->bad = !variable(l);
	} else {
		while (is_word(look(l, 0)))
			l->at++;
	}
	t->to = l->at;
	t->text = slice_of(l, t->from, t->to);
}

static void c_comment(struct lexer *l)
{
	int line = l->line;

	for (l->at += 2; l->at < l->len; step(l)) {
		if (look(l, 0) == '*' && look(l, 1) == '/') {
			l->at += 2;
			return;
		}
	}
	config_errors_add(l->errs, false, l->file, line,
			  "the comment that begins here has no end; add */");
}

static void mark(struct lexer *l)
{
	static const struct {
		char c;
		enum token_kind kind;
	} marks[] = {
		{ '{', TOKEN_OPEN },  { '}', TOKEN_CLOSE }, { '(', TOKEN_LEFT },
		{ ')', TOKEN_RIGHT }, { '=', TOKEN_IS },    { ',', TOKEN_COMMA },
	};
	int c = look(l, 0);

	for (size_t i = 0; i < ARRAY_LEN(marks); i++) {
		if (marks[i].c == c) {
			struct token *t = add(l, marks[i].kind, l->at++, l->line);

			t->to = l->at;
			t->text = slice_of(l, t->from, t->to);
			return;
		}
	}
	if (c == '+' && look(l, 1) == '=') {
		struct token *t = add(l, TOKEN_ADD, l->at, l->line);

		t->to = l->at += 2;
		t->text = xstrdup("+=");
		return;
	}
	if (c > ' ' && c < 0x7f)
		config_errors_add(l->errs, false, l->file, l->line,
				  "stray character %c; put the value in \"quotes\"", c);
	else
		config_errors_add(l->errs, false, l->file, l->line,
				  "character \\x%02X does not belong here", (unsigned)c);
	l->at++;
}

void config_lex(const char *file, const char *src, size_t len, struct tokens *out,
		struct config_errors *errs)
{
	struct lexer l = { file, src, len, 0, 1, out, errs };

	if (len >= 3 && !memcmp(src, "\xef\xbb\xbf", 3))
		l.at = 3; /* some editors begin a file so */
	while (l.at < len) {
		int c = look(&l, 0), d = look(&l, 1);

		if (c == ' ' || c == '\t' || c == '\r' || c == '\n')
			step(&l);
		else if (c == '#' || (c == '/' && d == '/'))
			while (l.at < len && look(&l, 0) != '\n')
				l.at++;
		else if (c == '/' && d == '*')
			c_comment(&l);
		else if (c == '"' || c == '\'')
			string(&l);
		else if (is_word(c))
			word(&l);
		else
			mark(&l);
	}
	add(&l, TOKEN_END, len, l.line)->text = xstrdup("the end of the file");
}

void config_tokens_free(struct tokens *t)
{
	for (size_t i = 0; i < t->n; i++)
		free(t->list[i].text);
	free(t->list);
	*t = (struct tokens){ 0 };
}
