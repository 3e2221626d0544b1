/* match.c - which alerts: the language of silences, maintenance, routes.
 * SPDX-License-Identifier: ISC
 *
 * Compiled to a small tree in one array and walked for each alert: there are few
 * alerts where there are many flows, so nothing here is clever. Text is compared
 * as people would: * and ? in a value, any case behind ~. An alert that has no
 * such label (a quota of a host has no exporter) is not equal to any value, so
 * `not exporter edge` is true for it.
 */
#include "rules/match.h"

#include "daemon/base/mem.h"
#include "daemon/base/strb.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* --- labels --- */

static void fill(const struct key *k, const struct names *n, struct labels *l)
{
	struct interface i;
	uint32_t id[2];
	int net;

	memcpy(id, k->b, sizeof(id));
	switch (l->by) {
	case BY_EXPORTER:
	case BY_INTERFACE:
		l->exporter = n ? names_exporter_at(n, id[0]) : NULL;
		if (l->by == BY_EXPORTER || !l->exporter)
			break;
		names_interface(n, id[0], id[1], &i);
		if (*i.name)
			memcpy(l->interface, i.name, sizeof(l->interface));
		else
			snprintf(l->interface, sizeof(l->interface), "#%u", id[1]);
		break;
	case BY_NETWORK:
		l->network[0] = n ? names_network_name(n, (int)id[0]) : NULL;
		break;
	case BY_PAIR: l->n_host++; /* fall through */
	case BY_SRC:
	case BY_DST:
	case BY_HOST: l->n_host++; break;
	default: break;
	}
	for (unsigned h = 0; h < l->n_host; h++) {
		memcpy(l->host[h].b, k->b + 16 * h, 16);
		net = n ? names_network_of(n, &l->host[h]) : -1;
		l->network[h] = net >= 0 ? names_network_name(n, net) : NULL;
	}
}

void labels_of(const struct alert *a, const struct names *n, struct labels *l)
{
	struct key k;
	enum by by;

	*l = (struct labels){ .id = a->id, .rule = a->rule ? a->rule : "",
			      .series = a->series ? a->series : "",
			      .series_id = a->series_id ? a->series_id : "",
			      .severity = a->severity, .by = a->by };
	/* From its text, since an alert of history has no ids of this process. */
	if ((n || !by_is_small(a->by)) && key_parse(l->series_id, n, &by, &k) && by == a->by)
		fill(&k, n, l);
}

void labels_of_series(const char *rule, enum severity s, enum by by, const struct key *k,
		      const struct names *n, char id[static SERIES_TEXT],
		      char text[static SERIES_TEXT], struct labels *l)
{
	*l = (struct labels){ .rule = rule, .severity = s, .by = by };
	l->series_id = key_id(by, k, n, id);
	l->series = key_text(by, k, n, text);
	fill(k, n, l);
}

/* --- the tree --- */

enum what { W_RULE, W_SERIES, W_EXPORTER, W_INTERFACE, W_NETWORK, W_HOST, W_NET, W_SEVERITY,
	    W_BY, W_ALERT, WORDS };
static const char *const words[WORDS] = { "rule", "series", "exporter", "interface", "network",
					  "host", "net", "severity", "by", "alert" };

enum shape { TERM, NOT, AND, OR, ALL };
enum op { IS, IS_NOT, LIKE, UNLIKE, LESS, AT_MOST, MORE, AT_LEAST };

struct node {
	enum shape shape;
	enum what what;
	enum op op;
	char *text;
	struct prefix prefix;
	int number;      /* severity, by */
	int left, right;
};

struct match {
	char *text;
	struct node node[MATCH_TERMS];
	int n, root;
};

struct scan {
	const char *s;
	struct match *m;
	struct err *err;
	unsigned depth;
	char word[MATCH_TEXT + 1]; /* the token at hand */
	bool quoted, end, bad;
};

/* One token: a quoted text, a sign, or a word; one that ends only with `ends`. */
static void next_word(struct scan *p, const char *ends)
{
	size_t n = 0;

	p->s += strspn(p->s, " \t\r\n");
	p->quoted = *p->s == '"' || *p->s == '\'';
	p->end = !*p->s;
	if (p->quoted) {
		char q = *p->s++;

		for (; *p->s && *p->s != q; p->s++) {
			if (*p->s == '\\' && p->s[1])
				p->s++;
			p->word[n++] = *p->s;
		}
		if (!*p->s) {
			p->bad = true;
			err_set(p->err, "a quote %c is not closed", q);
		} else {
			p->s++;
		}
	} else if (strchr("()", *p->s) && *p->s) {
		p->word[n++] = *p->s++;
	} else if (strchr(ends, '=') && strchr("=~!<>", *p->s) && *p->s) {
		while (*p->s && strchr("=~!<>", *p->s))
			p->word[n++] = *p->s++;
	} else {
		while (*p->s && !strchr(ends, *p->s))
			p->word[n++] = *p->s++;
	}
	p->word[n] = '\0';
}

static void next(struct scan *p)
{
	next_word(p, " \t\r\n()\"'=~!<>");
}

static bool at(const struct scan *p, const char *word)
{
	return !p->end && !p->quoted && !strcasecmp(p->word, word);
}

static int add(struct scan *p, struct node n)
{
	if (p->bad)
		return -1;
	if (p->m->n == MATCH_TERMS) {
		p->bad = true;
		err_set(p->err, "that is more than %d terms", MATCH_TERMS);
		return -1;
	}
	p->m->node[p->m->n] = n;
	return p->m->n++;
}

static int wrong(struct scan *p, const char *fmt, const char *word)
{
	if (!p->bad)
		err_set(p->err, fmt, word);
	p->bad = true;
	return -1;
}

static bool take_op(struct scan *p, enum op *op)
{
	static const char *const signs[] = { "=", "!=", "~", "!~", "<", "<=", ">", ">=" };

	*op = IS;
	if (p->quoted || !*p->word || !strchr("=~!<>", *p->word))
		return true;
	for (size_t i = 0; i < ARRAY_LEN(signs); i++) {
		if (strcmp(p->word, signs[i]) && !(!i && !strcmp(p->word, "==")))
			continue;
		*op = (enum op)i;
		next_word(p, " \t\r\n()"); /* "series = host=10.20.0.66" */
		return true;
	}
	wrong(p, "\"%.40s\" is no comparison; write = != ~ !~, or with severity < <= > >=",
	      p->word);
	return false;
}

static bool value(struct scan *p, struct node *n)
{
	if (n->op >= LESS && n->what != W_SEVERITY)
		return wrong(p, "%s is not more or less; write = or ~", words[n->what]) >= 0;
	switch (n->what) {
	case W_HOST:
	case W_NET:
		if (n->op == LIKE || n->op == UNLIKE)
			return wrong(p, "%s is an address; write = or !=",
				     words[n->what]) >= 0;
		if (!prefix_parse(p->word, &n->prefix))
			return wrong(p, "\"%.60s\" is no address; write host 10.20.0.66 or "
				     "host 10.20.0.0/24", p->word) >= 0;
		break;
	case W_SEVERITY:
		n->number = severity_find(p->word);
		if (n->number < 0 || n->op == LIKE || n->op == UNLIKE)
			return wrong(p, "severity \"%.40s\": it is info, warning or critical",
				     p->word) >= 0;
		break;
	case W_BY:
		n->number = by_find(p->word);
		if (n->number < 0 || n->op > IS_NOT)
			return wrong(p, "by \"%.40s\": write what a rule groups by, as by = host",
				     p->word) >= 0;
		break;
	default: break;
	}
	n->text = xstrdup(p->word);
	return true;
}

static int term(struct scan *p)
{
	struct node n = { .shape = TERM };
	unsigned w = 0;
	int i;

	if (at(p, "any")) {
		next(p);
		return add(p, (struct node){ .shape = ALL });
	}
	while (w < WORDS && !at(p, words[w]))
		w++;
	if (p->end)
		return wrong(p, "something is missing at its end%s", "");
	if (w == WORDS)
		return wrong(p, "there is no label \"%.40s\"; there are rule, series, exporter, "
			     "interface, network, host, severity, by, alert", p->word);
	n.what = (enum what)w;
	next(p);
	if (!take_op(p, &n.op))
		return -1;
	if (p->end)
		return wrong(p, "%s has no value", words[w]);
	if (!value(p, &n))
		return -1;
	next(p);
	i = add(p, n);
	if (i < 0)
		free(n.text);
	return i;
}

static int either(struct scan *p);

static int one(struct scan *p)
{
	int i;

	if (p->bad || ++p->depth > MATCH_TERMS)
		return wrong(p, "it is nested too deep%s", "");
	if (at(p, "not")) {
		next(p);
		i = one(p);
		i = add(p, (struct node){ .shape = NOT, .left = i });
	} else if (at(p, "(")) {
		next(p);
		i = either(p);
		if (!p->bad && !at(p, ")"))
			return wrong(p, "a ( is not closed%s", "");
		next(p);
	} else {
		i = term(p);
	}
	p->depth--;
	return i;
}

static int both(struct scan *p)
{
	int left = one(p);

	while (!p->bad && !p->end && !at(p, "or") && !at(p, ")")) {
		if (at(p, "and"))
			next(p);
		left = add(p, (struct node){ .shape = AND, .left = left, .right = one(p) });
	}
	return left;
}

static int either(struct scan *p)
{
	int left = both(p);

	while (!p->bad && at(p, "or")) {
		next(p);
		left = add(p, (struct node){ .shape = OR, .left = left, .right = both(p) });
	}
	return left;
}

struct match *match_compile(const char *text, struct err *err)
{
	struct err unread;
	struct scan p = { .s = text, .err = err ? err : &unread };

	if (strlen(text) > MATCH_TEXT) {
		err_set(p.err, "it is longer than %d octets", MATCH_TEXT);
		return NULL;
	}
	p.m = xcalloc(1, sizeof(*p.m));
	p.m->text = xstrdup(text);
	next(&p);
	p.m->root = p.end ? add(&p, (struct node){ .shape = ALL }) : either(&p);
	if (!p.bad && !p.end)
		wrong(&p, "\"%.40s\" is too much; write and, or between two terms", p.word);
	if (p.bad)
		match_free(&p.m);
	return p.m;
}

void match_free(struct match **mp)
{
	struct match *m = *mp;

	*mp = NULL;
	if (!m)
		return;
	for (int i = 0; i < m->n; i++)
		free(m->node[i].text);
	free(m->text);
	free(m);
}

/* --- asking it --- */

static char lower(char c, bool fold)
{
	return fold ? (char)tolower((unsigned char)c) : c;
}

/* Whether s is as the pattern, with * and ? in it. */
static bool glob(const char *pat, const char *s)
{
	const char *star = NULL, *back = s;

	for (; *s;) {
		if (*pat == '*') {
			star = pat++;
			back = s;
		} else if (*pat == '?' || *pat == *s) {
			pat++;
			s++;
		} else if (star) {
			pat = star + 1;
			s = ++back;
		} else {
			return false;
		}
	}
	while (*pat == '*')
		pat++;
	return !*pat;
}

static bool contains(const char *s, const char *part)
{
	size_t n = strlen(part);

	for (;; s++) {
		size_t i = 0;

		while (i < n && lower(s[i], true) == lower(part[i], true))
			i++;
		if (i == n)
			return true;
		if (!*s)
			return false;
	}
}

static bool text_is(const struct node *n, const char *s)
{
	if (!s)
		return false;
	return n->op == LIKE || n->op == UNLIKE ? contains(s, n->text) : glob(n->text, s);
}

static bool exporter_is(const struct node *n, const struct exporter *e)
{
	char text[ADDR_TEXT];

	return e && (text_is(n, e->name) || text_is(n, addr_text(&e->addr, text)));
}

/* Whether the label has the value; what != and !~ make of it comes after. */
static bool has(const struct node *n, const struct labels *l)
{
	switch (n->what) {
	case W_RULE: return text_is(n, l->rule);
	case W_SERIES: return text_is(n, l->series) || text_is(n, l->series_id);
	case W_EXPORTER: return exporter_is(n, l->exporter);
	case W_INTERFACE: return *l->interface && text_is(n, l->interface);
	case W_NETWORK: return text_is(n, l->network[0]) || text_is(n, l->network[1]);
	case W_HOST:
	case W_NET:
		for (unsigned i = 0; i < l->n_host; i++)
			if (prefix_has(&n->prefix, &l->host[i]))
				return true;
		return false;
	case W_BY: return (int)l->by == n->number;
	case W_ALERT: return text_is(n, l->id);
	case W_SEVERITY:
	case WORDS: break;
	}
	return false;
}

static bool severity_is(const struct node *n, int s)
{
	switch (n->op) {
	case LESS: return s < n->number;
	case AT_MOST: return s <= n->number;
	case MORE: return s > n->number;
	case AT_LEAST: return s >= n->number;
	case IS_NOT: return s != n->number;
	default: return s == n->number;
	}
}

static bool holds(const struct match *m, int i, const struct labels *l)
{
	const struct node *n = &m->node[i];

	switch (n->shape) {
	case ALL: return true;
	case NOT: return !holds(m, n->left, l);
	case AND: return holds(m, n->left, l) && holds(m, n->right, l);
	case OR: return holds(m, n->left, l) || holds(m, n->right, l);
	case TERM: break;
	}
	if (n->what == W_SEVERITY)
		return severity_is(n, (int)l->severity);
	return has(n, l) == (n->op == IS || n->op == LIKE);
}

bool match_alert(const struct match *m, const struct labels *l)
{
	return !m || holds(m, m->root, l);
}

const char *match_text(const struct match *m)
{
	return m ? m->text : "";
}

void match_each_name(const struct match *m,
		     void (*fn)(void *arg, const char *kind, const char *name), void *arg)
{
	for (int i = 0; m && i < m->n; i++) {
		const struct node *n = &m->node[i];
		bool named = n->what == W_RULE || n->what == W_EXPORTER || n->what == W_NETWORK;

		if (n->shape == TERM && named && n->op <= IS_NOT && !strpbrk(n->text, "*?"))
			fn(arg, words[n->what], n->text);
	}
}

/* In quotes; * and ? of a name stand for themselves anyway. */
static void quote(struct strb *b, const char *s)
{
	strb_addc(b, '"');
	for (; *s; s++) {
		if (*s == '"' || *s == '\\')
			strb_addc(b, '\\');
		strb_addc(b, *s);
	}
	strb_addc(b, '"');
}

char *match_of_series(const char *rule, const char *series_id)
{
	struct strb b = { 0 };

	strb_add(&b, "rule = ");
	quote(&b, rule);
	strb_add(&b, " and series = ");
	quote(&b, series_id);
	return strb_take(&b);
}
