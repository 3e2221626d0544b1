/* parse_value.c - from text to a tree: what stands behind a word.
 * SPDX-License-Identifier: ISC
 *
 * Also the parser's own small tools: its look at the next token, and its one
 * way of saying what is wrong.
 */
#include "rules/filter/parse.h"

#include <stdarg.h>
#include <stdio.h>
#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "daemon/base/mem.h"

void parse_take(struct parse *p)
{
	lex_at(p->text, p->t.end, &p->t);
}

void parse_peek(const struct parse *p, struct token *out)
{
	lex_at(p->text, p->t.end, out);
}

struct node *parse_fail(struct parse *p, size_t at, const char *fmt, ...)
{
	char why[400];
	va_list ap;

	if (p->failed)
		return NULL;
	p->failed = true;
	va_start(ap, fmt);
	vsnprintf(why, sizeof(why), fmt, ap);
	va_end(ap);
	err_set(p->err, "character %zu: %s", at + 1, why);
	return NULL;
}

const char *parse_shown(const struct parse *p, const struct token *t, char buf[static 48])
{
	size_t len = t->end - t->at;

	if (t->kind == TOK_END)
		return strcpy(buf, "the end");
	snprintf(buf, 48, "'%.*s%s'", len > 32 ? 32 : (int)len, p->text + t->at,
		 len > 32 ? "..." : "");
	return buf;
}

bool parse_is(const struct token *t, const char *word)
{
	return t->kind == TOK_WORD && !strcasecmp(t->text, word);
}

/* ---- values ---- */

static enum op word_op(const struct token *t)
{
	static const struct {
		const char *text;
		enum op op;
	} ops[] = { { "eq", OP_EQ }, { "ne", OP_NE }, { "lt", OP_LT },
		    { "gt", OP_GT }, { "le", OP_LE }, { "ge", OP_GE } };

	if (t->kind == TOK_OP)
		return t->op;
	for (size_t i = 0; i < ARRAY_LEN(ops); i++)
		if (parse_is(t, ops[i].text))
			return ops[i].op;
	return OP_NONE;
}

static struct node *bad_value(struct parse *p, const struct word *w)
{
	char buf[48];
	const char *near =
	    p->t.kind == TOK_WORD ? suggest_value(w->value, p->t.text) : NULL;

	if (p->t.kind == TOK_BAD)
		return parse_fail(p, p->t.at, "%s", p->t.text);
	if (near)
		return parse_fail(
		    p, p->t.at, "after '%s' comes %s, not %s; did you mean '%s'?",
		    w->name, value_wanted(w->value), parse_shown(p, &p->t, buf), near);
	return parse_fail(p, p->t.at, "after '%s' comes %s, not %s", w->name,
			  value_wanted(w->value), parse_shown(p, &p->t, buf));
}

/* nfdump's `net 10.0.0.0 255.0.0.0` and tcpdump's `net 10.0.0.0 mask 255.0.0.0`. */
static void take_mask(struct parse *p, struct node *t)
{
	struct prefix *last = t->n_prefixes ? &t->prefixes[t->n_prefixes - 1] : NULL;
	struct token after;
	struct addr mask;
	unsigned bits = 0;
	bool said = parse_is(&p->t, "mask");

	if (!t->net || !last || !addr_is4(&last->addr))
		return;
	after = p->t;
	if (said)
		parse_peek(p, &after);
	if (after.kind != TOK_WORD || !addr_parse(after.text, &mask) ||
	    !addr_is4(&mask)) {
		if (said)
			parse_fail(p, after.at,
				   "after 'mask' comes a mask like 255.255.0.0");
		return;
	}
	while (bits < 32 && mask.b[12 + bits / 8] >> (7 - bits % 8) & 1)
		bits++;
	for (unsigned i = bits; i < 32; i++) {
		if (mask.b[12 + i / 8] >> (7 - i % 8) & 1) {
			parse_fail(p, after.at,
				   "'%s' is no mask: its ones must come first",
				   after.text);
			return;
		}
	}
	for (unsigned i = bits; i < 32; i++)
		last->addr.b[12 + i / 8] &= (uint8_t) ~(0x80 >> i % 8);
	last->bits = (uint8_t)(96 + bits);
	p->t = after;
	parse_take(p);
}

static bool one_value(struct parse *p, struct node *t)
{
	if ((p->t.kind != TOK_WORD && p->t.kind != TOK_QUOTED) ||
	    !value_add(t, p->t.text, p->t.kind == TOK_QUOTED))
		return false;
	parse_take(p);
	return true;
}

static struct node *list(struct parse *p, struct node *t)
{
	size_t open = p->t.at;

	parse_take(p);
	while (p->t.kind != TOK_CLOSE) {
		if (p->t.kind == TOK_END)
			return parse_fail(p, open,
					  "this list is opened and never closed");
		if (p->t.kind == TOK_COMMA || p->t.kind == TOK_OR) {
			parse_take(p);
			continue;
		}
		if (!one_value(p, t))
			return bad_value(p, t->word);
	}
	if (!t->n_ranges && !t->n_prefixes && !t->n_names)
		return parse_fail(p, open, "the list behind '%s' is empty",
				  t->word->name);
	parse_take(p);
	return t;
}

/* nfdump's `not flags AF` means neither of them, where `not (flags AF)` is for us that not
 * both are set. */
struct node *parse_neither(struct parse *p, struct node *t)
{
	struct node *any;

	if (!t || t->kind != NODE_TEST || !t->all_bits || !(t->bits & (t->bits - 1)))
		return t;
	any = node_new(p->f, NODE_OR);
	for (unsigned bits = t->bits; bits; bits &= bits - 1) {
		struct node *one = node_new(p->f, NODE_TEST);

		one->word = t->word;
		one->sides = t->sides;
		one->all_bits = true;
		one->bits = (uint16_t)(bits & -bits);
		node_add_kid(any, one);
	}
	return any;
}

struct node *parse_negated(struct parse *p, struct node *n)
{
	struct node *not = n ? node_new(p->f, NODE_NOT) : NULL;

	if (not )
		node_add_kid(not, n);
	return not ;
}

/* Letters without an operator mean "these are set", anything else the number itself. */
static struct node *flags_value(struct parse *p, struct node *t, enum op op)
{
	uint64_t v;

	if (p->t.kind != TOK_WORD || !value_number(t->word, p->t.text, &v))
		return bad_value(p, t->word);
	if (op == OP_NONE && v && !isdigit((unsigned char)*p->t.text)) {
		t->all_bits = true;
		t->bits = (uint16_t)v;
	} else {
		value_add_op(t, op, v);
	}
	parse_take(p);
	return t;
}

static struct node *compared(struct parse *p, struct node *t, enum op op, size_t op_at)
{
	uint64_t v;

	if (op > OP_NE && !value_is_ordered(t->word->value))
		return parse_fail(p, op_at, "'%s' has no order; use = or != or a list",
				  t->word->name);
	if (t->word->value == VALUE_FLAGS)
		return flags_value(p, t, op);
	if (op <= OP_NE) {
		if (!one_value(p, t))
			return bad_value(p, t->word);
		take_mask(p, t);
		return p->failed ? NULL : t;
	}
	if (p->t.kind != TOK_WORD || !value_number(t->word, p->t.text, &v))
		return bad_value(p, t->word);
	value_add_op(t, op, v);
	parse_take(p);
	return t;
}

bool parse_ends_test(const struct token *t)
{
	return t->kind == TOK_END || t->kind == TOK_CLOSE || t->kind == TOK_AND ||
	       t->kind == TOK_OR;
}

struct node *parse_new_test(struct parse *p, const struct head *h)
{
	struct node *t = node_new(p->f, NODE_TEST);

	t->word = h->word;
	t->sides = h->sides ? h->sides : (uint8_t)((1u << h->word->n) - 1);
	t->both = h->both;
	t->net = h->net;
	return t;
}

struct node *parse_value(struct parse *p, const struct head *h)
{
	struct node *t = parse_new_test(p, h);
	size_t op_at = p->t.at;
	enum op op = word_op(&p->t);
	bool in = parse_is(&p->t, "in");

	if (h->word->value == VALUE_NONE)
		return t;
	if (h->word->bare && parse_ends_test(&p->t)) {
		value_add_range(t, 1, h->word->max);
		return t;
	}
	if (op != OP_NONE || in)
		parse_take(p);
	p->last = (struct head){ 0 };
	if (p->t.kind == TOK_OPEN) {
		if (op > OP_NE)
			return parse_fail(p, op_at,
					  "a list is compared with = or != or in");
		t = list(p, t);
	} else if (in) {
		return parse_fail(p, p->t.at, "after 'in' comes a list in brackets");
	} else {
		t = compared(p, t, op, op_at);
	}
	if (op == OP_NONE)
		p->last = *h;
	return op == OP_NE ? parse_negated(p, t) : t;
}
