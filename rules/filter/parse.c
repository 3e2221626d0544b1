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
#include "rules/filter/parse.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

static struct node *parse_any(struct parse *p);

static bool is_one_of(const struct token *t, const char *const *list)
{
	for (; *list; list++)
		if (parse_is(t, *list))
			return true;
	return false;
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
	parse_take(p);
	if (p->t.kind != TOK_OR && p->t.kind != TOK_AND)
		return;
	joint = p->t;
	parse_peek(p, &other);
	second = side_of(&other, &s);
	if (!second || s != first)
		return;
	h->sides |= second;
	h->both = joint.kind == TOK_AND && h->sides == 3;
	p->t = other;
	parse_take(p);
}

static bool take_word(struct parse *p, const char *word)
{
	if (!parse_is(&p->t, word))
		return false;
	parse_take(p);
	return true;
}

/* Words made of several: next hop, bgp next hop, nat src ip, icmp type. */
static bool take_compound(struct parse *p, struct head *h, enum sides *pair)
{
	struct token after;

	parse_peek(p, &after);
	if (parse_is(&p->t, "bgp") && parse_is(&after, "next")) {
		parse_take(p);
		h->word = &words[W_BGP_NEXT_HOP];
	} else if (parse_is(&p->t, "next")) {
		h->word = &words[W_NEXT_HOP];
	} else if (parse_is(&p->t, "nat")) {
		parse_take(p);
		if (!h->sides)
			take_sides(p, h, pair);
		if (take_word(p, "event"))
			h->word = &words[W_NAT_EVENT];
		else if (take_word(p, "port"))
			h->word = &words[W_NAT_PORT];
		else if (take_word(p, "ip") || take_word(p, "host") ||
			 take_word(p, "addr") || take_word(p, "net"))
			h->word = &words[W_NAT_HOST];
		else
			parse_fail(p, p->t.at, "after 'nat' comes ip, port or event");
		return true;
	} else if ((parse_is(&p->t, "fw") || parse_is(&p->t, "asa")) &&
		   parse_is(&after, "event")) {
		parse_take(p);
		parse_take(p);
		h->word = &words[W_FW_EVENT];
		return true;
	} else {
		return false;
	}
	parse_take(p);
	take_word(p, "hop");
	take_word(p, "ip");
	return true;
}

static struct node *unknown(struct parse *p, const struct token *t)
{
	char buf[48];
	const char *near = t->kind == TOK_WORD ? suggest_word(t->text) : NULL;

	if (t->kind == TOK_BAD)
		return parse_fail(p, t->at, "%s", t->text);
	if (near && strcasecmp(near, t->text))
		return parse_fail(p, t->at,
				  "%s is no word of filters; did you mean '%s'?",
				  parse_shown(p, t, buf), near);
	if (t->kind == TOK_WORD)
		return parse_fail(
		    p, t->at,
		    "%s is no word of filters (words are host, net, port, proto, "
		    "if, exporter, network, as, bytes, ...)",
		    parse_shown(p, t, buf));
	return parse_fail(p, t->at, "here should be a test like 'host 10.0.0.1', not %s",
			  parse_shown(p, t, buf));
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
		bool ip = parse_is(&p->t, "ip");

		h->word = p->t.kind != TOK_WORD ? NULL
			  : ip			? &words[W_HOST]
						: word_find(p->t.text, &own);
		h->net = parse_is(&p->t, "net");
		if (h->word)
			parse_take(p);
		if (h->word == &words[W_NEXT_HOP] || h->word == &words[W_BGP_NEXT_HOP] ||
		    (h->word == &words[W_EXPORTER] && parse_is(&at, "router")))
			take_word(p, "ip");
		if (h->word == &words[W_TOS] && pair == SIDES_SRC_DST && parse_is(&first, "src")) {
			h->sides = 0; /* nfdump's word for the only one */
			pair = SIDES_NONE;
		}
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
		parse_fail(p, first.at, "'%s' already says which side", at.text);
		return false;
	}
	h->sides |= own;
	if (pair != SIDES_NONE && h->word->sides != pair) {
		/* src vlan is nfdump's word for the input's. */
		if (h->word->sides == SIDES_NONE || h->word == &words[W_IF] ||
		    pair == SIDES_IN_OUT) {
			parse_fail(p, first.at, "'%s' does not go with '%s'%s",
				   first.text, h->word->name,
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
	struct node *t = parse_new_test(p, &(struct head){ .word = &words[W_PROTO] });

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
		return parse_fail(p, p->t.at,
				  "a flow has no octets of its packets to ask for; "
				  "there are tests like 'flags S' and 'icmp type 8'");
	if (!narrows(&p->t))
		return t;
	if (p->depth == FILTER_DEPTH)
		return parse_fail(p, p->t.at, "tests are nested more than %d deep",
				  FILTER_DEPTH);
	p->depth++;
	more = one_test(p);
	p->depth--;
	return both_of(p, t, more);
}

/* `icmp type 8`, `icmp-type 8`: a zero type is not told apart from no type, so
 * the protocol always belongs to it. */
static struct node *icmp_test(struct parse *p, struct head h)
{
	/* It is written with brackets in normal text. */
	if (p->depth == FILTER_DEPTH)
		return parse_fail(p, p->t.at, "tests are nested more than %d deep",
				  FILTER_DEPTH);
	return both_of(p, proto_test(p, h.icmp[0], h.icmp[1]), parse_value(p, &h));
}

static struct node *proto_word(struct parse *p, uint64_t v)
{
	struct token after;

	parse_peek(p, &after);
	parse_take(p);
	if ((v == 1 || v == 58) &&
	    (parse_is(&after, "type") || parse_is(&after, "code"))) {
		parse_take(p);
		return icmp_test(p, (struct head){ .word = &words[parse_is(&after, "type")
							      ? W_ICMP_TYPE
							      : W_ICMP_CODE],
					       .icmp = { (uint8_t)v, (uint8_t)v } });
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
	return *h.icmp ? icmp_test(p, h) : parse_value(p, &h);
}

static struct node *one_test(struct parse *p)
{
	struct token after;
	struct head h;
	uint64_t v;
	uint8_t own;

	parse_peek(p, &after);
	if (p->t.kind == TOK_WORD && proto_find(p->t.text, &v))
		return proto_word(p, v);
	if (parse_is(&p->t, "any") || parse_is(&p->t, "all")) {
		parse_take(p);
		return node_new(p->f, NODE_ANY);
	}
	if (like_value(p) && !word_find(p->t.text, &own))
		return repeated(p);
	if (parse_is(&p->t, "ip") &&
	    !(after.kind == TOK_WORD &&
	      (isdigit((unsigned char)*after.text) || strchr(after.text, ':'))) &&
	    after.kind != TOK_OP && after.kind != TOK_OPEN && !parse_is(&after, "in")) {
		h = (struct head){ .word = &words[W_INET] };
		parse_take(p);
		return narrowed(p, parse_value(p, &h));
	}
	if (!take_head(p, &h))
		return NULL;
	if (is_bare(&h))
		return narrowed(p, parse_value(p, &h));
	if (h.word == &words[W_ICMP_TYPE] || h.word == &words[W_ICMP_CODE]) {
		h.icmp[0] = 1;
		h.icmp[1] = 58;
		return icmp_test(p, h);
	}
	return parse_value(p, &h);
}

/* ---- and, or, not ---- */

/* Something stands behind a whole test: mostly a joint was left out. */
static void trailing(struct parse *p)
{
	char buf[48];
	uint8_t own;
	uint64_t v;
	const char *near;

	parse_shown(p, &p->t, buf);
	if (p->t.kind == TOK_BAD) {
		parse_fail(p, p->t.at, "%s", p->t.text);
	} else if (p->t.kind == TOK_CLOSE) {
		parse_fail(p, p->t.at, "%s closes nothing", buf);
	} else if (p->t.kind == TOK_WORD && !word_find(p->t.text, &own) &&
		   !proto_find(p->t.text, &v) && (near = suggest_word(p->t.text)) &&
		   strcasecmp(near, p->t.text)) {
		parse_fail(p, p->t.at, "%s is no word of filters; did you mean '%s'?",
			   buf, near);
	} else {
		parse_fail(p, p->t.at, "'and' or 'or' is missing before %s", buf);
	}
}

static struct node *parse_one(struct parse *p)
{
	bool not = false;
	struct node *n;
	size_t open;

	while (p->t.kind == TOK_NOT) {
		not = !not ;
		parse_take(p);
	}
	if (p->t.kind == TOK_OPEN) {
		open = p->t.at;
		if (p->depth == FILTER_DEPTH)
			return parse_fail(p, open,
					  "brackets are nested more than %d deep",
					  FILTER_DEPTH);
		p->depth++;
		parse_take(p);
		n = parse_any(p);
		p->depth--;
		if (!n)
			return NULL;
		if (p->t.kind == TOK_END)
			return parse_fail(p, open,
					  "this bracket is opened and never closed");
		if (p->t.kind != TOK_CLOSE) {
			trailing(p);
			return NULL;
		}
		parse_take(p);
	} else {
		n = one_test(p);
		if (not)
			n = parse_neither(p, n);
	}
	return not ? parse_negated(p, n) : n;
}

static struct node *parse_chain(struct parse *p, enum token_kind joint,
				enum node_kind kind, struct node *(*part)(struct parse *))
{
	struct node *n = NULL, *first = part(p);

	while (first && !p->failed && p->t.kind == joint) {
		struct node *next;

		parse_take(p);
		next = part(p);
		if (!next)
			return NULL;
		if (!n) {
			n = node_new(p->f, kind);
			node_add_kid(n, first);
		}
		node_add_kid(n, next);
		if (p->f->n_nodes > FILTER_NODES)
			return parse_fail(
			    p, p->t.at,
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
