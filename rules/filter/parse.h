/* parse.h - what the two halves of the parser share; for files of rules/filter/ only.
 * SPDX-License-Identifier: ISC */
#ifndef CUL_RULES_FILTER_PARSE_H
#define CUL_RULES_FILTER_PARSE_H

#include "rules/filter/node.h"

struct head { /* what stands before a value */
	const struct word *word;
	uint8_t sides;
	bool both, net;
	uint8_t icmp[2];      /* the protocols that an ICMP type or code narrows; 0: none */
};

struct parse {
	struct filter *f;
	const char *text;
	struct token t;     /* the next one, not yet taken */
	struct head last;   /* of `host a or b`; word NULL: nothing to repeat */
	unsigned depth;
	struct err *err;
	bool failed;
};

void parse_take(struct parse *p); /* the next token becomes p->t */
void parse_peek(const struct parse *p, struct token *out); /* the one behind p->t */
bool parse_is(const struct token *t, const char *word);
/* The next token is such that a test may end before it. */
bool parse_ends_test(const struct token *t);
/* A token for a message: 'tcp', or the end. Returns buf. */
const char *parse_shown(const struct parse *p, const struct token *t,
			char buf[static 48]);
/* The first error stands; at says where. Returns NULL, so callers can return it. */
struct node *parse_fail(struct parse *p, size_t at, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

struct node *parse_new_test(struct parse *p, const struct head *h);
struct node *parse_neither(struct parse *p, struct node *t); /* to be negated */
struct node *parse_negated(struct parse *p, struct node *n); /* NULL stays NULL */
/* [op] value or list, behind a head; NULL + err. */
struct node *parse_value(struct parse *p, const struct head *h);

#endif
