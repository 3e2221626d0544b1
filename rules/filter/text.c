/* text.c - a test's normal text.
 * SPDX-License-Identifier: ISC
 *
 * What is written here reads back as the same tree, so it can be shown,
 * stored, sent to another node and compared octet by octet.
 */
#include "rules/filter/node.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "daemon/base/strb.h"

static void add_u64(struct strb *s, uint64_t v)
{
	strb_fmt(s, "%llu", (unsigned long long)v);
}

/* With the largest decimal unit that divides it. */
static void add_count(struct strb *s, uint64_t v)
{
	static const char unit[] = "kMGT";
	int u = -1;

	while (v && v % 1000 == 0 && u < 3) {
		v /= 1000;
		u++;
	}
	add_u64(s, v);
	if (u >= 0)
		strb_addc(s, unit[u]);
}

static void add_number(struct strb *s, const struct word *w, uint64_t v)
{
	switch (w->value) {
	case VALUE_COUNT:
	case VALUE_RATE: add_count(s, v); break;
	case VALUE_TIME:
		add_u64(s, v % 1000 ? v : v / 1000);
		strb_add(s, v % 1000 ? "ms" : "s");
		break;
	case VALUE_PROTO:
		if (proto_name(v))
			strb_add(s, proto_name(v));
		else
			add_u64(s, v);
		break;
	case VALUE_MAC:
		for (int i = 40; i >= 0; i -= 8)
			strb_fmt(s, "%02x%s", (unsigned)(v >> i & 255), i ? ":" : "");
		break;
	case VALUE_VIA: strb_add(s, v < VIA_COUNT ? via_label[v] : "none"); break;
	case VALUE_DIRECTION: strb_add(s, v == DIR_INGRESS ? "ingress" : "egress"); break;
	case VALUE_COUNTRY: strb_fmt(s, "%c%c", (int)(v >> 8), (int)(v & 255)); break;
	default: add_u64(s, v);
	}
}

/* A word by itself that is no number, address or keyword where a name may stand. */
static bool plain(const char *name)
{
	static const char *const taken[] = { "in", "and", "or", "not", "eq",  "ne",
					     "lt", "gt",  "le", "ge",  "mask" };
	size_t len = strlen(name);

	for (size_t i = 0; i < sizeof(taken) / sizeof(*taken); i++)
		if (!strcasecmp(name, taken[i]))
			return false;
	return isalpha((unsigned char)*name) &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
			    "0123456789_.-") == len;
}

static void add_name(struct strb *s, const char *name)
{
	if (plain(name)) {
		strb_add(s, name);
		return;
	}
	strb_addc(s, '"');
	for (; *name; name++) {
		if (*name == '"' || *name == '\\')
			strb_addc(s, '\\');
		strb_addc(s, *name);
	}
	strb_addc(s, '"');
}

/* How round a number is: of "over 999" and "at least 1000" people write the latter. */
static unsigned zeros(uint64_t v)
{
	unsigned n = 0;

	for (; v && v % 10 == 0; v /= 10)
		n++;
	return n;
}

/* One range that is open at one end: "> 1024"; false when it is not. */
static bool add_open(struct strb *s, const struct word *w, const struct range *r)
{
	if (!value_is_ordered(w->value) || w->value == VALUE_FLAGS || r->lo == r->hi)
		return false;
	if (r->hi == w->max) {
		bool over = zeros(r->lo - 1) >= zeros(r->lo);

		strb_add(s, over ? "> " : ">= ");
		add_number(s, w, over ? r->lo - 1 : r->lo);
		return true;
	}
	if (r->lo == 0) {
		bool under = zeros(r->hi + 1) >= zeros(r->hi);

		strb_add(s, under ? "< " : "<= ");
		add_number(s, w, under ? r->hi + 1 : r->hi);
		return true;
	}
	return false;
}

static void add_prefix(struct strb *s, const struct prefix *p)
{
	char buf[ADDR_TEXT + 4];

	prefix_text(p, buf);
	if (p->bits == 128)
		*strchr(buf, '/') = '\0';
	strb_add(s, buf);
}

static void add_flags(struct strb *s, unsigned bits)
{
	static const struct {
		char letter;
		uint8_t bit;
	} order[] = { { 'U', 32 }, { 'A', 16 }, { 'P', 8 },  { 'R', 4 },
		      { 'S', 2 },  { 'F', 1 },	{ 'E', 64 }, { 'C', 128 } };

	if (bits > 255) {
		add_u64(s, bits);
		return;
	}
	for (size_t i = 0; i < sizeof(order) / sizeof(*order); i++)
		if (bits & order[i].bit)
			strb_addc(s, order[i].letter);
}

/* "8000-8100"; where only single values are written, all of them. */
static void add_range(struct strb *s, const struct word *w, const struct range *r)
{
	add_number(s, w, r->lo);
	if (r->lo == r->hi)
		return;
	if (value_is_ordered(w->value) || w->value == VALUE_IF) {
		strb_addc(s, '-');
		add_number(s, w, r->hi);
		return;
	}
	for (uint64_t v = r->lo; v++ < r->hi;) {
		strb_addc(s, ' ');
		add_number(s, w, v);
	}
}

static void add_set(struct strb *s, const struct node *t)
{
	unsigned n = t->n_ranges + t->n_prefixes + t->n_names;
	bool list = n > 1 || (t->n_ranges && t->ranges[0].lo != t->ranges[0].hi);
	const char *gap = "";

	if (n == 1 && t->n_ranges && add_open(s, t->word, t->ranges))
		return;
	if (list)
		strb_add(s, "in (");
	else if (t->word->value == VALUE_FLAGS)
		strb_add(s, "= ");
	for (unsigned i = 0; i < t->n_ranges; i++, gap = " ") {
		strb_add(s, gap);
		add_range(s, t->word, &t->ranges[i]);
	}
	for (unsigned i = 0; i < t->n_prefixes; i++, gap = " ") {
		strb_add(s, gap);
		add_prefix(s, &t->prefixes[i]);
	}
	for (unsigned i = 0; i < t->n_names; i++, gap = " ") {
		strb_add(s, gap);
		add_name(s, t->names[i]);
	}
	if (list)
		strb_addc(s, ')');
}

static void add_sides(struct strb *s, const struct node *t)
{
	const struct word *w = t->word;
	bool io = w->sides == SIDES_IN_OUT;

	if (w->sides == SIDES_NONE)
		return;
	if (t->both)
		strb_add(s, io ? "in and out " : "src and dst ");
	else if (t->sides == 1)
		strb_add(s, io ? "in " : "src ");
	else if (t->sides == 2)
		strb_add(s, io ? "out " : "dst ");
}

static void add_test(struct strb *s, const struct node *t)
{
	const struct word *w = t->word;
	bool nets = false;

	if (w == &words[W_PROTO] && t->n_ranges == 1 &&
	    t->ranges[0].lo == t->ranges[0].hi && proto_name(t->ranges[0].lo)) {
		strb_add(s, proto_name(t->ranges[0].lo));
		return;
	}
	add_sides(s, t);
	for (unsigned i = 0; i < t->n_prefixes; i++)
		nets |= t->prefixes[i].bits != 128;
	strb_add(s, w == &words[W_HOST] && nets ? "net" : w->name);
	if (w->value == VALUE_NONE)
		return;
	strb_addc(s, ' ');
	if (t->all_bits)
		add_flags(s, t->bits);
	else
		add_set(s, t);
}

char *node_text(const struct node *n)
{
	struct strb s = { 0 };
	bool wrap;

	switch (n->kind) {
	case NODE_ANY: strb_add(&s, "any"); break;
	case NODE_TEST: add_test(&s, n); break;
	case NODE_NOT:
		wrap = n->kids[0]->kind == NODE_AND || n->kids[0]->kind == NODE_OR ||
		       (n->kids[0]->all_bits && n->kids[0]->bits & (n->kids[0]->bits - 1));
		strb_add(&s, wrap ? "not (" : "not ");
		strb_add(&s, n->kids[0]->text);
		strb_add(&s, wrap ? ")" : "");
		break;
	case NODE_AND:
	case NODE_OR:
		for (unsigned i = 0; i < n->n_kids; i++) {
			wrap = n->kind == NODE_AND && n->kids[i]->kind == NODE_OR;
			strb_add(&s, !i ? "" : n->kind == NODE_AND ? " and " : " or ");
			strb_add(&s, wrap ? "(" : "");
			strb_add(&s, n->kids[i]->text);
			strb_add(&s, wrap ? ")" : "");
		}
	}
	return strb_take(&s);
}
