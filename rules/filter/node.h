/* node.h - the tree that a filter's text becomes; for files of rules/filter/ only.
 * SPDX-License-Identifier: ISC
 *
 * Every test, whatever its word, is a set: ranges of numbers, prefixes, names.
 * `port > 1024`, `port in (80 443)` and `port 80` differ in their ranges alone,
 * so normal text, running and skipping know one form each. `!=` is `not` of the
 * set: `port != 80` is no port of the two being 80, as people mean it.
 */
#ifndef CUL_RULES_FILTER_NODE_H
#define CUL_RULES_FILTER_NODE_H

#include "rules/filter/filter.h"
#include "rules/filter/lex.h"

enum {
	FILTER_TEXT_MAX = 1 << 20, /* octets */
	FILTER_DEPTH = 32,         /* brackets in brackets */
	FILTER_NODES = 1024,       /* with 8 KiB each at worst: 8 MiB */
	FIELDS_MAX = 3,            /* columns that one word can mean */
	FEW = 4,                   /* a set this small is tried one by one */
};

enum how { HOW_CELL, HOW_FLAGS, HOW_ADDR, HOW_INET, HOW_INET6, HOW_DURATION, HOW_BPS,
	   HOW_PPS, HOW_BPP, HOW_EXPORTER, HOW_IF, HOW_NETWORK, HOW_COUNTRY, HOW_TEXT,
	   HOW_APP };

/* What stands behind a word. */
enum value { VALUE_NONE, VALUE_NUMBER, VALUE_COUNT, VALUE_RATE, VALUE_TIME, VALUE_PORT,
	     VALUE_PROTO, VALUE_AS, VALUE_FLAGS, VALUE_MAC, VALUE_VIA, VALUE_DIRECTION,
	     VALUE_COUNTRY, VALUE_ADDR, VALUE_IF, VALUE_NAME, VALUE_EXPORTER, VALUE_APP };

enum sides { SIDES_NONE, SIDES_SRC_DST, SIDES_IN_OUT };

struct word {
	const char *name;       /* in normal text */
	enum how how;
	enum value value;
	enum sides sides;       /* what may stand before it: src and dst, in and out */
	uint8_t n;              /* of field */
	enum field field[FIELDS_MAX];
	uint64_t max;           /* largest number */
	uint8_t shift;          /* number = (cell >> shift) & mask; mask 0: all of it */
	uint16_t mask;
	bool zero_is_one;       /* cells 0 and 1 mean the same */
	bool bare;              /* without a value: told at all */
};

struct range { /* both ends belong to it */
	uint64_t lo, hi;
};

struct range4 { /* of IPv4 addresses, host order */
	uint32_t lo, hi;
};

struct wide { /* an IPv6 address, host order */
	uint64_t hi, lo;
};

struct range6 {
	struct wide lo, hi;
};

struct masked { /* a prefix for comparing octets as they lie in memory */
	uint64_t v[2], mask[2];
};

enum node_kind { NODE_ANY, NODE_NOT, NODE_AND, NODE_OR, NODE_TEST };

struct node {
	enum node_kind kind;
	struct node *next;       /* all nodes of a filter, for freeing */
	struct node **kids;
	unsigned n_kids;
	/* NODE_TEST: */
	const struct word *word;
	uint8_t sides;           /* bit i: field[i] of the word */
	bool both;               /* all of those instead of one of them */
	bool net;                /* written as `net`: 192.168 is a prefix */
	bool all_bits;           /* flags: every bit of `bits` is set; no ranges then */
	uint16_t bits;
	struct range *ranges;    /* as meant, sorted and apart */
	struct prefix *prefixes; /* sorted, none in another */
	char **names;            /* sorted, all different */
	unsigned n_ranges, n_prefixes, n_names;
	/* made of those for running (prepare.c): */
	struct range *cells;     /* which cells pass, sorted and apart */
	unsigned n_cells;
	uint64_t *map;           /* the same as bits, for 8 and 16 bit columns; or NULL */
	struct masked *few;      /* n_few prefixes, or ... */
	unsigned n_few;
	struct range4 *four;     /* ... sorted ranges of both families */
	struct range6 *six;
	unsigned n_four, n_six;
	uint64_t *tops;          /* upper 16 bits that occur in a large `four`; or NULL */
	/* filled by norm.c: */
	unsigned cost;           /* about ns for ten rows */
	char *text;              /* normal form */
};

struct filter {
	struct node *root, *nodes;
	unsigned n_nodes;
	uint64_t columns;
	filter_country_f *country;
	void *country_arg;
};

/* ---- words.c ---- */
enum word_id { W_HOST, W_PORT, W_PROTO, W_IF, W_EXPORTER, W_AS, W_COUNTRY, W_NETWORK,
	       W_BYTES, W_PACKETS, W_FLOWS, W_BPS, W_PPS, W_BPP, W_DURATION, W_FLAGS,
	       W_TOS, W_DSCP, W_ECN, W_VLAN, W_MPLS, W_MAC, W_NEXT_HOP, W_BGP_NEXT_HOP,
	       W_ICMP_TYPE, W_ICMP_CODE, W_VIA, W_DIRECTION, W_NAT_HOST, W_NAT_PORT, W_NAT_EVENT,
	       W_FW_EVENT, W_APP, W_USER, W_URL, W_VRF, W_MASK, W_SAMPLING, W_DOMAIN,
	       W_INET, W_INET6, WORD_COUNT };
extern const struct word words[WORD_COUNT];
/* The word of that spelling; NULL when there is none. A column's own name is a word too;
 * then *sides says which side it means, else 0. */
const struct word *word_find(const char *text, uint8_t *sides);
/* Numbers with names; false when there is none. name: NULL when none. */
bool proto_find(const char *text, uint64_t *out);
const char *proto_name(uint64_t v);
bool service_find(const char *text, uint64_t *out);
/* The nearest of the words that could stand here, or NULL when nothing is near. */
const char *suggest_word(const char *text);
const char *suggest_value(enum value v, const char *text);
/* "a port, a service like https, or a list like (80 443 8000-8100)" */
const char *value_wanted(enum value v);
bool value_is_ordered(enum value v); /* < and > make sense */

/* ---- value.c ---- */
/* Adds what text says to the set of t; false when it says nothing that fits. `name`: it
 * was quoted, so it is no number and no address. */
bool value_add(struct node *t, const char *text, bool name);
/* Adds all numbers that are op v. */
void value_add_op(struct node *t, enum op op, uint64_t v);
/* The one number that text says. */
bool value_number(const struct word *w, const char *text, uint64_t *out);
void value_add_range(struct node *t, uint64_t lo, uint64_t hi);
void value_add_prefix(struct node *t, const struct prefix *p);
void value_add_name(struct node *t, const char *name);
void value_settle(struct node *t); /* sorts and joins all three */

/* ---- parse.c, norm.c, prepare.c, text.c ---- */
struct node *node_new(struct filter *f, enum node_kind kind);
void node_add_kid(struct node *n, struct node *kid);
/* The tree of text; NULL + err. Nodes belong to f in any case. */
struct node *filter_parse(struct filter *f, const char *text, struct err *err);
/* The same meaning in normal form: cheap tests first, each with its text. */
struct node *filter_normalise(struct filter *f, struct node *n);
void filter_prepare(struct node *n); /* makes what running needs */
char *node_text(const struct node *n); /* of a node whose kids have theirs; gives */
uint64_t node_columns(const struct node *n);

/* ---- cells.c: 64 rows of a column at a time ---- */
/* Bits of the rows whose cell lies in one of the n ranges; width of a cell in octets. */
uint64_t cells_in(const void *col, unsigned width, const struct range *r, unsigned n);
uint64_t cells_mapped(const void *col, unsigned width, const uint64_t *map);
uint64_t cells_with_bits(const uint16_t *col, uint16_t bits);
uint64_t cells_masked(const struct addr *col, const struct masked *m, unsigned n);
uint64_t cells_inet(const struct addr *col);
uint64_t cells_inet6(const struct addr *col);
uint64_t cells_ratio(const double *over, const double *under, const struct range *r,
		     unsigned n);
/* One at a time, for large sets. */
bool range_has(const struct range *r, unsigned n, uint64_t v);
bool addr_set_has(const struct node *t, const struct addr *a);

#endif
