/* parse.c - from text to a tree.
 * SPDX-License-Identifier: ISC
 *
 *	any  := all { ("or" | "||") all }
 *	all  := one { ("and" | "&&") one }
 *	one  := { "not" | "!" } ( "(" any ")" | test )
 *	test := [sides] word [op] value | [sides] word ["in"] "(" value ... ")"
 *
 * with three habits of tcpdump: `tcp port 80` is both, `host a or b` repeats
 * the word, and an address by itself is a host. Only what cannot be a misspelt
 * word is taken as a repeated value, so `port 80 or prot tcp` is an error.
 * Brackets are the only recursion, and they are counted.
 */
#include "rules/filter/node.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "daemon/base/mem.h"
#include "daemon/base/units.h"
#include "rules/filter/lex.h"

struct head { /* what stands before a value */
	const struct word *word;
	uint8_t sides;
	bool both, net;
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

static struct node *parse_any(struct parse *p);

static void take(struct parse *p)
{
	lex_at(p->text, p->t.end, &p->t);
}

static void peek(const struct parse *p, struct token *out)
{
	lex_at(p->text, p->t.end, out);
}

/* The first error stands; at says where. Returns NULL, so callers can return it. */
static struct node *fail_at(struct parse *p, size_t at, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
static struct node *fail_at(struct parse *p, size_t at, const char *fmt, ...)
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

static const char *shown(const struct parse *p, const struct token *t, char buf[static 48])
{
	size_t len = t->end - t->at;

	if (t->kind == TOK_END)
		return strcpy(buf, "the end");
	snprintf(buf, 48, "'%.*s%s'", len > 32 ? 32 : (int)len, p->text + t->at,
		 len > 32 ? "..." : "");
	return buf;
}

static bool is(const struct token *t, const char *word)
{
	return t->kind == TOK_WORD && !strcasecmp(t->text, word);
}

static bool is_one_of(const struct token *t, const char *const *list)
{
	for (; *list; list++)
		if (is(t, *list))
			return true;
	return false;
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
		if (is(t, ops[i].text))
			return ops[i].op;
	return OP_NONE;
}

static struct node *bad_value(struct parse *p, const struct word *w)
{
	char buf[48];
	const char *near = p->t.kind == TOK_WORD ? suggest_value(w->value, p->t.text) : NULL;

	if (p->t.kind == TOK_BAD)
		return fail_at(p, p->t.at, "%s", p->t.text);
	if (near)
		return fail_at(p, p->t.at, "after '%s' comes %s, not %s; did you mean '%s'?",
			       w->name, value_wanted(w->value), shown(p, &p->t, buf), near);
	return fail_at(p, p->t.at, "after '%s' comes %s, not %s", w->name,
		       value_wanted(w->value), shown(p, &p->t, buf));
}

/* nfdump's `net 10.0.0.0 255.0.0.0` and tcpdump's `net 10.0.0.0 mask 255.0.0.0`. */
static void take_mask(struct parse *p, struct node *t)
{
	struct prefix *last = t->n_prefixes ? &t->prefixes[t->n_prefixes - 1] : NULL;
	struct token after;
	struct addr mask;
	unsigned bits = 0;
	bool said = is(&p->t, "mask");

	if (!t->net || !last || !addr_is4(&last->addr))
		return;
	after = p->t;
	if (said)
		peek(p, &after);
	if (after.kind != TOK_WORD || !addr_parse(after.text, &mask) || !addr_is4(&mask)) {
		if (said)
			fail_at(p, after.at, "after 'mask' comes a mask like 255.255.0.0");
		return;
	}
	while (bits < 32 && mask.b[12 + bits / 8] >> (7 - bits % 8) & 1)
		bits++;
	for (unsigned i = bits; i < 32; i++) {
		if (mask.b[12 + i / 8] >> (7 - i % 8) & 1) {
			fail_at(p, after.at, "'%s' is no mask: its ones must come first",
				after.text);
			return;
		}
	}
	for (unsigned i = bits; i < 32; i++)
		last->addr.b[12 + i / 8] &= (uint8_t) ~(0x80 >> i % 8);
	last->bits = (uint8_t)(96 + bits);
	p->t = after;
	take(p);
}

static bool one_value(struct parse *p, struct node *t)
{
	if ((p->t.kind != TOK_WORD && p->t.kind != TOK_QUOTED) ||
	    !value_add(t, p->t.text, p->t.kind == TOK_QUOTED))
		return false;
	take(p);
	return true;
}

static struct node *list(struct parse *p, struct node *t)
{
	size_t open = p->t.at;

	take(p);
	while (p->t.kind != TOK_CLOSE) {
		if (p->t.kind == TOK_END)
			return fail_at(p, open, "this list is opened and never closed");
		if (p->t.kind == TOK_COMMA || p->t.kind == TOK_OR) {
			take(p);
			continue;
		}
		if (!one_value(p, t))
			return bad_value(p, t->word);
	}
	if (!t->n_ranges && !t->n_prefixes && !t->n_names)
		return fail_at(p, open, "the list behind '%s' is empty", t->word->name);
	take(p);
	return t;
}

static struct node *negated(struct parse *p, struct node *n)
{
	struct node *not = n ? node_new(p->f, NODE_NOT) : NULL;

	if (not)
		node_add_kid(not, n);
	return not;
}

/* Without an operator flags mean "these are set", with one the number itself. */
static struct node *flags_value(struct parse *p, struct node *t, enum op op)
{
	uint64_t v;

	if (p->t.kind != TOK_WORD || !value_number(t->word, p->t.text, &v))
		return bad_value(p, t->word);
	if (op == OP_NONE && v) {
		t->all_bits = true;
		t->bits = (uint16_t)v;
	} else {
		value_add_op(t, op, v);
	}
	take(p);
	return t;
}

static struct node *compared(struct parse *p, struct node *t, enum op op, size_t op_at)
{
	uint64_t v;

	if (op > OP_NE && !value_is_ordered(t->word->value))
		return fail_at(p, op_at, "'%s' has no order; use = or != or a list",
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
	take(p);
	return t;
}

static bool ends_test(const struct token *t)
{
	return t->kind == TOK_END || t->kind == TOK_CLOSE || t->kind == TOK_AND ||
	       t->kind == TOK_OR;
}

static struct node *new_test(struct parse *p, const struct head *h)
{
	struct node *t = node_new(p->f, NODE_TEST);

	t->word = h->word;
	t->sides = h->sides ? h->sides : (uint8_t)((1u << h->word->n) - 1);
	t->both = h->both;
	t->net = h->net;
	return t;
}

/* [op] value or list, behind a head. */
static struct node *with_value(struct parse *p, const struct head *h)
{
	struct node *t = new_test(p, h);
	size_t op_at = p->t.at;
	enum op op = word_op(&p->t);
	bool in = is(&p->t, "in");

	if (h->word->value == VALUE_NONE)
		return t;
	if (h->word->bare && ends_test(&p->t)) {
		value_add_range(t, 1, h->word->max);
		return t;
	}
	if (op != OP_NONE || in)
		take(p);
	p->last = (struct head){ 0 };
	if (p->t.kind == TOK_OPEN) {
		if (op > OP_NE)
			return fail_at(p, op_at, "a list is compared with = or != or in");
		t = list(p, t);
	} else if (in) {
		return fail_at(p, p->t.at, "after 'in' comes a list in brackets");
	} else {
		t = compared(p, t, op, op_at);
	}
	if (op == OP_NONE)
		p->last = *h;
	return op == OP_NE ? negated(p, t) : t;
}

/* ---- heads ---- */

static const char *const src_words[] = { "src", "source", NULL };
static const char *const dst_words[] = { "dst", "dest", "destination", NULL };
static const char *const in_words[] = { "in", "input", "ingress", NULL };
static const char *const out_words[] = { "out", "output", "egress", NULL };

/* 1 for src and in, 2 for dst and out, else 0; *s is which pair. */
static uint8_t side_of(const struct token *t, enum sides *s)
{
	*s = SIDES_SRC_DST;
	if (is_one_of(t, src_words))
		return 1;
	if (is_one_of(t, dst_words))
		return 2;
	*s = SIDES_IN_OUT;
	if (is_one_of(t, in_words))
		return 1;
	return is_one_of(t, out_words) ? 2 : 0;
}

/* `src`, `dst`, `src or dst`, `src and dst`, `in`, `out`. */
static void take_sides(struct parse *p, struct head *h, enum sides *pair)
{
	struct token joint, other;
	enum sides first, s;
	uint8_t side = side_of(&p->t, &first), second;

	if (!side)
		return;
	*pair = first;
	h->sides = side;
	take(p);
	if (p->t.kind != TOK_OR && p->t.kind != TOK_AND)
		return;
	joint = p->t;
	peek(p, &other);
	second = side_of(&other, &s);
	if (!second || s != first)
		return;
	h->sides |= second;
	h->both = joint.kind == TOK_AND && h->sides == 3;
	p->t = other;
	take(p);
}

static bool take_word(struct parse *p, const char *word)
{
	if (!is(&p->t, word))
		return false;
	take(p);
	return true;
}

/* Words made of several: next hop, bgp next hop, nat src ip, icmp type. */
static bool take_compound(struct parse *p, struct head *h, enum sides *pair)
{
	struct token after;

	peek(p, &after);
	if (is(&p->t, "bgp") && is(&after, "next")) {
		take(p);
		h->word = &words[W_BGP_NEXT_HOP];
	} else if (is(&p->t, "next")) {
		h->word = &words[W_NEXT_HOP];
	} else if (is(&p->t, "nat")) {
		take(p);
		if (!h->sides)
			take_sides(p, h, pair);
		if (take_word(p, "event"))
			h->word = &words[W_NAT_EVENT];
		else if (take_word(p, "port"))
			h->word = &words[W_NAT_PORT];
		else if (take_word(p, "ip") || take_word(p, "host") || take_word(p, "addr") ||
			 take_word(p, "net"))
			h->word = &words[W_NAT_HOST];
		else
			fail_at(p, p->t.at, "after 'nat' comes ip, port or event");
		return true;
	} else if ((is(&p->t, "fw") || is(&p->t, "asa")) && is(&after, "event")) {
		take(p);
		take(p);
		h->word = &words[W_FW_EVENT];
		return true;
	} else {
		return false;
	}
	take(p);
	take_word(p, "hop");
	take_word(p, "ip");
	return true;
}

static struct node *unknown(struct parse *p, const struct token *t)
{
	char buf[48];
	const char *near = t->kind == TOK_WORD ? suggest_word(t->text) : NULL;

	if (t->kind == TOK_BAD)
		return fail_at(p, t->at, "%s", t->text);
	if (near && strcasecmp(near, t->text))
		return fail_at(p, t->at, "%s is no word of filters; did you mean '%s'?",
			       shown(p, t, buf), near);
	if (t->kind == TOK_WORD)
		return fail_at(p, t->at,
			       "%s is no word of filters (words are host, net, port, proto, "
			       "if, exporter, network, as, bytes, ...)",
			       shown(p, t, buf));
	return fail_at(p, t->at, "here should be a test like 'host 10.0.0.1', not %s",
		       shown(p, t, buf));
}

/* What stands before the value, all of it taken. */
static bool take_head(struct parse *p, struct head *h)
{
	enum sides pair = SIDES_NONE;
	struct token first = p->t, at;
	uint8_t own = 0;

	*h = (struct head){ 0 };
	take_sides(p, h, &pair);
	at = p->t;
	if (!take_compound(p, h, &pair)) {
		bool ip = is(&p->t, "ip");

		h->word = p->t.kind != TOK_WORD ? NULL
			  : ip			? &words[W_HOST]
						: word_find(p->t.text, &own);
		h->net = is(&p->t, "net");
		if (h->word)
			take(p);
		if (h->word == &words[W_NEXT_HOP] || h->word == &words[W_BGP_NEXT_HOP])
			take_word(p, "ip");
	}
	if (p->failed)
		return false;
	if (!h->word && h->sides && pair == SIDES_SRC_DST &&
	    (at.kind == TOK_WORD || at.kind == TOK_OPEN) &&
	    (at.kind == TOK_OPEN || isdigit((unsigned char)at.text[0]) ||
	     strchr(at.text, ':'))) {
		h->word = &words[W_HOST]; /* tcpdump's `src 10.0.0.1` */
	} else if (!h->word) {
		unknown(p, &at);
		return false;
	}
	if (h->sides && own) {
		fail_at(p, first.at, "'%s' already says which side", at.text);
		return false;
	}
	h->sides |= own;
	if (pair != SIDES_NONE && h->word->sides != pair) {
		/* src vlan is nfdump's word for the input's. */
		if (h->word->sides == SIDES_NONE || h->word == &words[W_IF] ||
		    pair == SIDES_IN_OUT) {
			fail_at(p, first.at, "'%s' does not go with '%s'%s", first.text,
				h->word->name,
				h->word->sides == SIDES_SRC_DST  ? "; use src or dst"
				: h->word->sides == SIDES_IN_OUT ? "; use in or out"
								 : "");
			return false;
		}
	}
	return true;
}

/* ---- one test ---- */

static struct node *both_of(struct parse *p, struct node *a, struct node *b)
{
	struct node *n;

	if (!a || !b)
		return NULL;
	n = node_new(p->f, NODE_AND);
	node_add_kid(n, a);
	node_add_kid(n, b);
	return n;
}

static struct node *proto_test(struct parse *p, uint64_t a, uint64_t b)
{
	struct node *t = new_test(p, &(struct head){ .word = &words[W_PROTO] });

	value_add_range(t, a, a);
	value_add_range(t, b, b);
	return t;
}

static bool is_bare(const struct head *h)
{
	return h->word == &words[W_INET] || h->word == &words[W_INET6];
}

static struct node *one_test(struct parse *p);

/* Where tcpdump's users write a protocol before a test; of anything else an
 * `and` was forgotten. */
static bool narrows(const struct token *t)
{
	enum sides s;
	uint8_t own;
	const struct word *w;

	if (t->kind != TOK_WORD)
		return false;
	w = word_find(t->text, &own);
	return side_of(t, &s) || w == &words[W_HOST] || w == &words[W_PORT] ||
	       w == &words[W_PROTO] || w == &words[W_NETWORK] || w == &words[W_FLAGS];
}

/* Behind `tcp` or `ip6`: nothing, or the test that it narrows (`tcp dst port 80`). */
static struct node *narrowed(struct parse *p, struct node *t)
{
	struct node *more;

	if (p->text[p->t.at] == '[')
		return fail_at(p, p->t.at, "a flow has no octets of its packets to ask for; "
					   "there are tests like 'flags S' and 'icmp type 8'");
	if (!narrows(&p->t))
		return t;
	if (p->depth == FILTER_DEPTH)
		return fail_at(p, p->t.at, "tests are nested more than %d deep", FILTER_DEPTH);
	p->depth++;
	more = one_test(p);
	p->depth--;
	return both_of(p, t, more);
}

/* `icmp type 8`, `icmp-type 8`: a zero type is not told apart from no type, so
 * the protocol always belongs to it. */
static struct node *icmp_test(struct parse *p, uint64_t a, uint64_t b, const struct word *w)
{
	struct head h = { .word = w };

	/* It is written with brackets in normal text. */
	if (p->depth == FILTER_DEPTH)
		return fail_at(p, p->t.at, "tests are nested more than %d deep", FILTER_DEPTH);
	return both_of(p, proto_test(p, a, b), with_value(p, &h));
}

static struct node *proto_word(struct parse *p, uint64_t v)
{
	struct token after;

	peek(p, &after);
	take(p);
	if ((v == 1 || v == 58) && (is(&after, "type") || is(&after, "code"))) {
		take(p);
		return icmp_test(p, v, v,
				 &words[is(&after, "type") ? W_ICMP_TYPE : W_ICMP_CODE]);
	}
	return narrowed(p, proto_test(p, v, v));
}

/* Could this be a value, and nothing that a person meant as a word? */
static bool like_value(const struct parse *p)
{
	const char *s = p->t.text;
	enum value v = p->last.word ? p->last.word->value : VALUE_NONE;
	uint64_t n;

	if (p->t.kind != TOK_WORD)
		return false;
	if (isdigit((unsigned char)*s) || strchr(s, ':'))
		return true;
	return (v == VALUE_PORT || v == VALUE_PROTO || v == VALUE_VIA || v == VALUE_AS) &&
	       value_number(p->last.word, s, &n);
}

static struct node *repeated(struct parse *p)
{
	struct head h = p->last;
	struct prefix x;

	if (!h.word && prefix_parse(p->t.text, &x))
		h = (struct head){ .word = &words[W_HOST] };
	if (!h.word)
		return unknown(p, &p->t);
	return with_value(p, &h);
}

static struct node *one_test(struct parse *p)
{
	struct token after;
	struct head h;
	uint64_t v;
	uint8_t own;

	peek(p, &after);
	if (p->t.kind == TOK_WORD && proto_find(p->t.text, &v))
		return proto_word(p, v);
	if (is(&p->t, "any") || is(&p->t, "all")) {
		take(p);
		return node_new(p->f, NODE_ANY);
	}
	if (like_value(p) && !word_find(p->t.text, &own))
		return repeated(p);
	if (is(&p->t, "ip") && !(after.kind == TOK_WORD && (isdigit((unsigned char)*after.text) ||
							   strchr(after.text, ':'))) &&
	    after.kind != TOK_OP && after.kind != TOK_OPEN && !is(&after, "in")) {
		h = (struct head){ .word = &words[W_INET] };
		take(p);
		return narrowed(p, with_value(p, &h));
	}
	if (!take_head(p, &h))
		return NULL;
	if (is_bare(&h))
		return narrowed(p, with_value(p, &h));
	if (h.word == &words[W_ICMP_TYPE] || h.word == &words[W_ICMP_CODE])
		return icmp_test(p, 1, 58, h.word);
	return with_value(p, &h);
}

/* ---- and, or, not ---- */

/* Something stands behind a whole test: mostly a joint was left out. */
static void trailing(struct parse *p)
{
	char buf[48];
	uint8_t own;
	uint64_t v;
	const char *near;

	shown(p, &p->t, buf);
	if (p->t.kind == TOK_BAD) {
		fail_at(p, p->t.at, "%s", p->t.text);
	} else if (p->t.kind == TOK_CLOSE) {
		fail_at(p, p->t.at, "%s closes nothing", buf);
	} else if (p->t.kind == TOK_WORD && !word_find(p->t.text, &own) &&
		   !proto_find(p->t.text, &v) && (near = suggest_word(p->t.text)) &&
		   strcasecmp(near, p->t.text)) {
		fail_at(p, p->t.at, "%s is no word of filters; did you mean '%s'?", buf, near);
	} else {
		fail_at(p, p->t.at, "'and' or 'or' is missing before %s", buf);
	}
}

static struct node *parse_one(struct parse *p)
{
	bool not = false;
	struct node *n;
	size_t open;

	while (p->t.kind == TOK_NOT) {
		not = !not;
		take(p);
	}
	if (p->t.kind == TOK_OPEN) {
		open = p->t.at;
		if (p->depth == FILTER_DEPTH)
			return fail_at(p, open, "brackets are nested more than %d deep",
				       FILTER_DEPTH);
		p->depth++;
		take(p);
		n = parse_any(p);
		p->depth--;
		if (!n)
			return NULL;
		if (p->t.kind == TOK_END)
			return fail_at(p, open, "this bracket is opened and never closed");
		if (p->t.kind != TOK_CLOSE) {
			trailing(p);
			return NULL;
		}
		take(p);
	} else {
		n = one_test(p);
	}
	return not ? negated(p, n) : n;
}

static struct node *parse_chain(struct parse *p, enum token_kind joint, enum node_kind kind,
				struct node *(*part)(struct parse *))
{
	struct node *n = NULL, *first = part(p);

	while (first && !p->failed && p->t.kind == joint) {
		struct node *next;

		take(p);
		next = part(p);
		if (!next)
			return NULL;
		if (!n) {
			n = node_new(p->f, kind);
			node_add_kid(n, first);
		}
		node_add_kid(n, next);
		if (p->f->n_nodes > FILTER_NODES)
			return fail_at(p, p->t.at,
				       "a filter has at most %d tests; use lists in brackets",
				       FILTER_NODES);
	}
	return p->failed ? NULL : n ? n : first;
}

static struct node *parse_all(struct parse *p)
{
	return parse_chain(p, TOK_AND, NODE_AND, parse_one);
}

static struct node *parse_any(struct parse *p)
{
	return parse_chain(p, TOK_OR, NODE_OR, parse_all);
}

struct node *filter_parse(struct filter *f, const char *text, struct err *err)
{
	struct parse p = { .f = f, .text = text, .err = err };
	struct node *n;

	if (strnlen(text, FILTER_TEXT_MAX + 1) > FILTER_TEXT_MAX) {
		err_set(err, "a filter is at most %d octets long", FILTER_TEXT_MAX);
		return NULL;
	}
	lex_at(text, 0, &p.t);
	if (p.t.kind == TOK_END)
		return node_new(f, NODE_ANY);
	n = parse_any(&p);
	if (n && p.t.kind != TOK_END)
		trailing(&p);
	return p.failed ? NULL : n;
}
