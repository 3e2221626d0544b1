/* value.c - what stands behind a word, as a set.
 * SPDX-License-Identifier: ISC
 *
 * IPv4 addresses live inside the 128-bit form at ::ffff:0:0/96, and "not told"
 * is ::, but nobody who writes `net ::/0` means either: a prefix written in
 * IPv6 is about told IPv6 addresses (prepare.c cuts the others out).
 */
#include "rules/filter/node.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "daemon/base/mem.h"
#include "daemon/base/units.h"

/* Arrays here grow by doubling; n is a power of two when one is full. */
static void *more(void *p, unsigned n, size_t size)
{
	return n & (n - 1) || n == 1 ? p : xrealloc(p, n ? 2 * (size_t)n : 2, size);
}

void value_add_range(struct node *t, uint64_t lo, uint64_t hi)
{
	t->ranges = more(t->ranges, t->n_ranges, sizeof(*t->ranges));
	t->ranges[t->n_ranges++] = (struct range){ lo, hi };
}

void value_add_prefix(struct node *t, const struct prefix *p)
{
	t->prefixes = more(t->prefixes, t->n_prefixes, sizeof(*t->prefixes));
	t->prefixes[t->n_prefixes++] = *p;
}

void value_add_name(struct node *t, const char *name)
{
	t->names = more(t->names, t->n_names, sizeof(*t->names));
	t->names[t->n_names++] = xstrdup(name);
}

void value_add_op(struct node *t, enum op op, uint64_t v)
{
	uint64_t max = t->word->max;

	if (op == OP_LT && v)
		value_add_range(t, 0, v - 1);
	else if (op == OP_LE)
		value_add_range(t, 0, v);
	else if (op == OP_GT && v < max)
		value_add_range(t, v + 1, max);
	else if (op == OP_GE)
		value_add_range(t, v, max);
	else if (op == OP_EQ || op == OP_NE || op == OP_NONE)
		value_add_range(t, v, v);
}

/* ---- numbers of all kinds ---- */

static bool number(const char *s, uint64_t *out)
{
	char *end;

	if (s[0] != '0' || (s[1] | 0x20) != 'x')
		return parse_u64(s, UINT64_MAX, out);
	if (strlen(s) > 18 || !isxdigit((unsigned char)s[2]))
		return false;
	*out = strtoull(s + 2, &end, 16);
	return !*end;
}

/* "20M", "1.5Gbit/s": exact, which parse_rate() with its double is not. */
static bool rate(const char *s, uint64_t *out)
{
	static const char *const units[] = { "bits/s", "bit/s", "bps", "b/s", "bit" };
	size_t len = strlen(s);
	char buf[32];

	for (size_t i = 0; i < ARRAY_LEN(units); i++) {
		size_t u = strlen(units[i]);

		if (len > u && !strcasecmp(s + len - u, units[i])) {
			len -= u;
			break;
		}
	}
	snprintf(buf, sizeof(buf), "%.*s", (int)len, s);
	return len < sizeof(buf) && parse_size(buf, out);
}

static bool duration(const char *s, uint64_t *out)
{
	int64_t ms;

	if (parse_u64(s, INT64_MAX, out)) /* nfdump's milliseconds */
		return true;
	if (!parse_duration(s, &ms))
		return false;
	*out = (uint64_t)ms;
	return true;
}

/* 64500, AS64500, 1.10 (RFC 5396 asdot). */
static bool as_number(const char *s, uint64_t *out)
{
	const char *dot;
	uint64_t hi, lo;
	char buf[8];

	if (!strncasecmp(s, "as", 2))
		s += 2;
	dot = strchr(s, '.');
	if (!dot)
		return parse_u64(s, UINT32_MAX, out);
	snprintf(buf, sizeof(buf), "%.*s", (int)(dot - s), s);
	if (dot - s >= (long)sizeof(buf) || !parse_u64(buf, UINT16_MAX, &hi) ||
	    !parse_u64(dot + 1, UINT16_MAX, &lo))
		return false;
	*out = hi << 16 | lo;
	return true;
}

static bool flags(const char *s, uint64_t *out)
{
	static const char letters[] = "FSRPAUEC"; /* from bit 0 */

	*out = 0;
	if (isdigit((unsigned char)*s))
		return number(s, out) && *out <= UINT16_MAX;
	for (; *s; s++) {
		const char *at = strchr(letters, toupper((unsigned char)*s));

		if (toupper((unsigned char)*s) == 'X') /* nfdump: all six */
			*out |= 0x3f;
		else if (at)
			*out |= UINT64_C(1) << (at - letters);
		else
			return false;
	}
	return true;
}

/* aa:bb:cc:dd:ee:ff, aa-bb-cc-dd-ee-ff, aabb.ccdd.eeff */
static bool mac(const char *s, uint64_t *out)
{
	unsigned n = 0, group = strchr(s, '.') ? 4 : 2;
	char sep = group == 4 ? '.' : strchr(s, '-') ? '-' : ':';

	for (*out = 0; *s; s++) {
		if (n && n % group == 0 && *s == sep) {
			s++;
		} else if (n && n % group == 0) {
			return false;
		}
		if (!isxdigit((unsigned char)*s) || n == 12)
			return false;
		*out = *out << 4 |
		       (uint64_t)(isdigit((unsigned char)*s) ? *s - '0'
							     : (*s | 0x20) - 'a' + 10);
		n++;
	}
	return n == 12;
}

/* "13:453": engine and selector of IE 95, or the number as it is. */
static bool app(const char *s, uint64_t *out)
{
	const char *colon = strchr(s, ':');
	uint64_t engine, selector;
	char buf[4];

	if (!colon)
		return number(s, out);
	snprintf(buf, sizeof(buf), "%.*s", (int)(colon - s), s);
	if (colon - s >= (long)sizeof(buf) || !parse_u64(buf, UINT8_MAX, &engine) ||
	    !parse_u64(colon + 1, (UINT64_C(1) << 56) - 1, &selector))
		return false;
	*out = engine << 56 | selector;
	return true;
}

static bool country(const char *s, uint64_t *out)
{
	if (!isalpha((unsigned char)s[0]) || !isalpha((unsigned char)s[1]) || s[2])
		return false;
	*out = (uint64_t)toupper((unsigned char)s[0]) << 8 |
	       (uint64_t)toupper((unsigned char)s[1]);
	return true;
}

static bool direction(const char *s, uint64_t *out)
{
	*out = !strcasecmp(s, "ingress") ? DIR_INGRESS : DIR_EGRESS;
	return *out == DIR_INGRESS || !strcasecmp(s, "egress");
}

static bool via(const char *s, uint64_t *out)
{
	for (*out = 0; *out < VIA_COUNT; ++*out)
		if (!strcasecmp(s, via_label[*out]))
			return true;
	return false;
}

bool value_number(const struct word *w, const char *s, uint64_t *out)
{
	bool ok = false;

	switch (w->value) {
	case VALUE_NUMBER:
	case VALUE_IF: ok = number(s, out); break;
	case VALUE_COUNT: ok = parse_size(s, out); break;
	case VALUE_RATE: ok = rate(s, out); break;
	case VALUE_TIME: ok = duration(s, out); break;
	case VALUE_PORT:
		ok = service_find(s, out) || parse_u64(s, UINT64_MAX, out);
		break;
	case VALUE_PROTO: ok = proto_find(s, out) || parse_u64(s, UINT64_MAX, out); break;
	case VALUE_AS: ok = as_number(s, out); break;
	case VALUE_FLAGS: ok = flags(s, out); break;
	case VALUE_MAC: ok = mac(s, out); break;
	case VALUE_VIA: ok = via(s, out); break;
	case VALUE_DIRECTION: ok = direction(s, out); break;
	case VALUE_COUNTRY: ok = country(s, out); break;
	case VALUE_APP: ok = app(s, out); break;
	default: break;
	}
	return ok && *out <= w->max;
}

/* ---- addresses ---- */

/* tcpdump's `net 192.168` and nfdump's `172.16/12`: octets left out are zero,
 * and without a length the octets written count. */
static bool short_prefix(const char *s, struct prefix *out)
{
	const char *slash = strchr(s, '/');
	size_t len = slash ? (size_t)(slash - s) : strlen(s);
	unsigned dots = 0;
	char buf[32];

	if (!len || len > 11 || strspn(s, "0123456789.") < len ||
	    (slash && strlen(slash) > 3))
		return false;
	for (size_t i = 0; i < len; i++)
		dots += s[i] == '.';
	if (dots > 2)
		return false;
	if (slash)
		snprintf(buf, sizeof(buf), "%.*s%s%.3s", (int)len, s, &".0.0.0"[2 * dots],
			 slash);
	else
		snprintf(buf, sizeof(buf), "%.*s%s/%u", (int)len, s, &".0.0.0"[2 * dots],
			 8 * (dots + 1));
	return prefix_parse(buf, out);
}

static bool add_addr(struct node *t, const char *s)
{
	struct prefix p;

	if (!prefix_parse(s, &p) &&
	    (t->word->value != VALUE_ADDR || (!t->net && !strchr(s, '/')) ||
	     !short_prefix(s, &p)))
		return false;
	value_add_prefix(t, &p);
	return true;
}

/* "8000-8100"; both ends in the word's own writing. */
static bool add_between(struct node *t, const char *s)
{
	uint64_t lo, hi;
	char left[64];

	if (!value_is_ordered(t->word->value) && t->word->value != VALUE_IF)
		return false;
	for (const char *dash = strchr(s, '-'); dash; dash = strchr(dash + 1, '-')) {
		if (dash - s >= (long)sizeof(left))
			return false;
		snprintf(left, sizeof(left), "%.*s", (int)(dash - s), s);
		if (value_number(t->word, left, &lo) &&
		    value_number(t->word, dash + 1, &hi) && lo <= hi) {
			value_add_range(t, lo, hi);
			return true;
		}
	}
	return false;
}

/* `via sflow` is every version of it. */
static bool add_via_family(struct node *t, const char *s)
{
	bool any = false;

	if (strcasecmp(s, "netflow") && strcasecmp(s, "sflow"))
		return false;
	for (unsigned v = 0; v < VIA_COUNT; v++) {
		if (!strncasecmp(via_label[v], s, strlen(s))) {
			value_add_range(t, v, v);
			any = true;
		}
	}
	return any;
}

bool value_add(struct node *t, const char *s, bool name)
{
	enum value v = t->word->value;
	bool named =
	    v == VALUE_NAME || v == VALUE_IF || v == VALUE_EXPORTER || v == VALUE_APP;
	uint64_t n;

	if (v == VALUE_NAME || (named && name)) {
		value_add_name(t, s);
		return *s;
	}
	if (name)
		return false;
	if ((v == VALUE_ADDR || v == VALUE_EXPORTER) && add_addr(t, s))
		return true;
	if (v == VALUE_VIA && add_via_family(t, s))
		return true;
	if (value_number(t->word, s, &n)) {
		value_add_range(t, n, n);
		return true;
	}
	if (add_between(t, s))
		return true;
	if (named)
		value_add_name(t, s);
	return named;
}

/* ---- order ---- */

static int by_lo(const void *a, const void *b)
{
	const struct range *x = a, *y = b;

	return x->lo < y->lo ? -1 : x->lo > y->lo;
}

static void settle_ranges(struct node *t)
{
	unsigned n = 0;

	if (!t->n_ranges)
		return;
	qsort(t->ranges, t->n_ranges, sizeof(*t->ranges), by_lo);
	for (unsigned i = 1; i < t->n_ranges; i++) {
		struct range *last = &t->ranges[n], r = t->ranges[i];

		if (last->hi == UINT64_MAX || r.lo <= last->hi + 1)
			last->hi = r.hi > last->hi ? r.hi : last->hi;
		else
			t->ranges[++n] = r;
	}
	t->n_ranges = n + 1;
}

/* What no prefix of another class holds: "not told", IPv4, IPv6. */
static int class_of(const struct prefix *p)
{
	if (addr_is_none(&p->addr) && p->bits == 128)
		return 0;
	return addr_is4(&p->addr) ? 1 : 2;
}

static int by_prefix(const void *a, const void *b)
{
	const struct prefix *x = a, *y = b;
	int d = class_of(x) - class_of(y);

	if (!d)
		d = memcmp(x->addr.b, y->addr.b, sizeof(x->addr.b));
	return d ? d : (int)x->bits - (int)y->bits;
}

static void settle_prefixes(struct node *t)
{
	unsigned n = 0;

	if (!t->n_prefixes)
		return;
	qsort(t->prefixes, t->n_prefixes, sizeof(*t->prefixes), by_prefix);
	for (unsigned i = 1; i < t->n_prefixes; i++) {
		const struct prefix *last = &t->prefixes[n], *p = &t->prefixes[i];

		if (class_of(last) != class_of(p) || !prefix_has(last, &p->addr))
			t->prefixes[++n] = *p;
	}
	t->n_prefixes = n + 1;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void settle_names(struct node *t)
{
	unsigned n = 0;

	if (!t->n_names)
		return;
	qsort(t->names, t->n_names, sizeof(*t->names), by_name);
	for (unsigned i = 0; i < t->n_names; i++) {
		if (n && !strcmp(t->names[n - 1], t->names[i]))
			free(t->names[i]);
		else
			t->names[n++] = t->names[i];
	}
	t->n_names = n;
}

void value_settle(struct node *t)
{
	bool zero = false, one = false;

	settle_ranges(t);
	if (t->word->zero_is_one && t->n_ranges) {
		for (unsigned i = 0; i < t->n_ranges; i++) {
			zero |= t->ranges[i].lo == 0;
			one |= t->ranges[i].lo <= 1 && t->ranges[i].hi >= 1;
		}
		/* "is 0" is true of no row: cell 0 stands for one. */
		if (zero && !one && t->ranges[0].hi == 0)
			memmove(t->ranges, t->ranges + 1,
				--t->n_ranges * sizeof(*t->ranges));
		else if (one && !zero)
			t->ranges[0].lo = 0;
	}
	settle_prefixes(t);
	settle_names(t);
}
