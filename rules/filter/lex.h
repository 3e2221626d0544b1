/* lex.h - a filter's text, word by word.
 * SPDX-License-Identifier: ISC */
#ifndef CUL_RULES_FILTER_LEX_H
#define CUL_RULES_FILTER_LEX_H

#include <stdbool.h>
#include <stddef.h>

enum token_kind { TOK_END, TOK_WORD, TOK_QUOTED, TOK_OPEN, TOK_CLOSE, TOK_COMMA, TOK_AND,
		  TOK_OR, TOK_NOT, TOK_OP, TOK_BAD };
enum op { OP_NONE, OP_EQ, OP_NE, OP_LT, OP_GT, OP_LE, OP_GE };

enum { LEX_WORD = 256 };

struct token {
	enum token_kind kind;
	enum op op;           /* TOK_OP */
	size_t at, end;       /* first octet, one past the last */
	char text[LEX_WORD];  /* WORD, QUOTED: unescaped; BAD: what is wrong */
};

/* Reads the token that begins at or after `at` of the NUL-terminated text s. Past the end
 * it is TOK_END for ever. A `#` comment lasts to the end of its line. */
void lex_at(const char *s, size_t at, struct token *out);

#endif
