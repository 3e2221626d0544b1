/* top_keys.c - what a top list can be about.
 * SPDX-License-Identifier: ISC
 *
 * A key is what rules group by, made by the very function that windows use, or
 * any column. Several stand one after another in octets, so that counting
 * needs to know nothing of them.
 */
#include "daemon/evidence/top_impl.h"

#include "daemon/base/mem.h"
#include "daemon/model/rows.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const top_order_word[TOP_ORDERS] = { "bytes", "packets", "flows" };

double top_share(enum top_order o, const struct sums *part, const struct sums *all)
{
	uint64_t total = top_measure(all, o);

	return total ? (double)top_measure(part, o) / (double)total : 0;
}

#define BIT(f) (UINT64_C(1) << F_##f)

static int find_field(const char *word)
{
	char name[64];
	size_t len = strlen(word);

	if (len >= sizeof(name))
		return -1;
	for (size_t i = 0; i <= len; i++)
		name[i] = word[i] == '-' ? '_' : word[i];
	return field_find(name);
}

static const char *const country_word[] = { NULL, "src-country", "dst-country", "country" };

const char *top_key_word(const struct top_key *k)
{
	if (k->country)
		return country_word[k->country];
	return k->is_field ? field_info[k->field].name : by_word(k->by);
}

static enum top_country country_find(const char *word)
{
	for (int c = TOP_SRC_COUNTRY; c <= TOP_COUNTRY; c++)
		if (!strcmp(word, country_word[c]))
			return (enum top_country)c;
	return TOP_NO_COUNTRY;
}

/* A flow has two of those. */
static bool has_two(const struct top_key *k)
{
	return k->country ? k->country == TOP_COUNTRY : !k->is_field && by_keys(k->by) > 1;
}

/* nfdump's and tcpdump's words, as fingers have them. */
static const char *ours(const char *word)
{
	static const struct {
		const char *theirs, *ours;
	} words[] = {
		{ "sip", "src" },	   { "srcip", "src" },
		{ "src-ip", "src" },	   { "dip", "dst" },
		{ "dstip", "dst" },	   { "dst-ip", "dst" },
		{ "ip", "host" },	   { "sport", "src-port" },
		{ "srcport", "src-port" }, { "dport", "dst-port" },
		{ "dstport", "dst-port" }, { "srcas", "src-as" },
		{ "dstas", "dst-as" },	   { "inif", "in-if" },
		{ "outif", "out-if" },	   { "if", "interface" },
		{ "record", "flow" },	   { "router", "exporter" },
		{ "nhip", "next_hop" },	   { "nhbip", "bgp_next_hop" },
		{ "srcmask", "src_mask" }, { "dstmask", "dst_mask" },
		{ "srctos", "tos" },	   { "dir", "direction" },
		{ "srcvlan", "vlan" },	   { "dstvlan", "out_vlan" },
		{ "insrcmac", "src_mac" }, { "outdstmac", "dst_mac" },
	};

	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		if (!strcmp(word, words[i].theirs))
			return words[i].ours;
	return word;
}

static bool add_key(const char *word, struct top_key *keys, unsigned *n, struct err *err)
{
	struct top_key k = { .by = BY_COUNT, .country = country_find(word) };
	int by = by_find(word), f = find_field(word);

	if (by < 0 && f < 0 && !k.country)
		return err_set(
		    err, "nothing is called \"%s\" that flows could be grouped by; there are "
			 "host, src, dst, flow, port, proto, as, interface, network, exporter, "
			 "country and every column of `culprit export --format csv`", word);
	if (*n == TOP_KEYS)
		return err_set(err, "more than %d keys", TOP_KEYS);
	if (k.country)
		; /* neither */
	else if (by >= 0)
		k.by = (enum by)by;
	else
		k = (struct top_key){ .is_field = true, .field = (enum field)f };
	for (unsigned i = 0; i < *n; i++)
		if (has_two(&k) && has_two(&keys[i]))
			return err_set(err,
				       "\"%s\" and \"%s\" cannot go together: a flow has "
				       "two of each",
				       top_key_word(&keys[i]), word);
	keys[(*n)++] = k;
	return true;
}

unsigned top_keys_parse(const char *words, struct top_key keys[static TOP_KEYS],
			struct err *err)
{
	char *copy = xstrdup(words), *save = NULL;
	unsigned n = 0;
	bool ok = true;

	for (char *w = strtok_r(copy, ", ", &save); w && ok;
	     w = strtok_r(NULL, ", ", &save)) {
		static const char *const flow[] = { "src", "dst", "src-port", "dst-port",
						    "proto" };

		char *colon = strrchr(w, ':');
		bool proto = colon && !strcmp(colon, ":p"); /* nfdump: and its protocol */

		if (proto)
			*colon = '\0';
		if (strcmp(ours(w), "flow")) {
			ok = add_key(ours(w), keys, &n, err) &&
			     (!proto || add_key("proto", keys, &n, err));
			continue;
		}
		for (size_t i = 0; ok && i < ARRAY_LEN(flow); i++)
			ok = add_key(flow[i], keys, &n, err);
	}
	free(copy);
	if (ok && !n)
		err_set(err, "no key is given");
	return ok ? n : 0;
}

uint64_t top_by_columns(enum by by)
{
	switch (by) {
	case BY_NONE: return 0;
	case BY_EXPORTER: return BIT(exporter);
	case BY_INTERFACE: return BIT(exporter) | BIT(in_if) | BIT(out_if) | BIT(counts);
	case BY_SRC: return BIT(src);
	case BY_DST: return BIT(dst);
	case BY_HOST:
	case BY_NETWORK:
	case BY_PAIR: return BIT(src) | BIT(dst);
	case BY_SRC_AS: return BIT(src_as);
	case BY_DST_AS: return BIT(dst_as);
	case BY_AS: return BIT(src_as) | BIT(dst_as);
	case BY_SRC_PORT: return BIT(src_port);
	case BY_DST_PORT: return BIT(dst_port);
	case BY_PORT: return BIT(src_port) | BIT(dst_port) | BIT(proto);
	case BY_PROTO: return BIT(proto);
	case BY_VLAN: return BIT(vlan);
	case BY_APP: return BIT(app);
	case BY_COUNT: break;
	}
	return ~UINT64_C(0);
}

void top_shape_init(struct top_shape *s, const struct top_key *keys, unsigned n,
		    struct top_texts *texts)
{
	*s = (struct top_shape){ .n = n, .texts = texts };
	for (unsigned i = 0; i < n; i++) {
		const struct top_key *k = &keys[i];

		s->key[i] = *k;
		s->at[i] = (uint8_t)s->size;
		s->octets[i] = k->country ? 2 :
		    k->is_field ? field_info[k->field].width : (uint8_t)by_octets(k->by);
		s->size += s->octets[i];
		s->columns |= k->country ? BIT(src) | BIT(dst) :
		    k->is_field ? UINT64_C(1) << k->field : top_by_columns(k->by);
	}
	s->size += !s->size;
}

/* ---- both directions as one ---- */

/* The same of the other end; false: it has none. */
static bool other_end(struct top_key *k)
{
	static const struct {
		enum by a, b;
		enum field fa, fb;
	} ends[] = {
		{ BY_SRC, BY_DST, F_src, F_dst },
		{ BY_SRC_PORT, BY_DST_PORT, F_src_port, F_dst_port },
		{ BY_SRC_AS, BY_DST_AS, F_src_as, F_dst_as },
	};

	if (k->country) {
		if (k->country == TOP_COUNTRY)
			return false;
		k->country = k->country == TOP_SRC_COUNTRY ? TOP_DST_COUNTRY : TOP_SRC_COUNTRY;
		return true;
	}
	for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
		bool a = k->is_field ? k->field == ends[i].fa : k->by == ends[i].a;
		bool b = k->is_field ? k->field == ends[i].fb : k->by == ends[i].b;

		if (!a && !b)
			continue;
		if (k->is_field)
			k->field = a ? ends[i].fb : ends[i].fa;
		else
			k->by = a ? ends[i].b : ends[i].a;
		return true;
	}
	return false;
}

static bool has_key(const struct top_shape *s, const struct top_key *k)
{
	for (unsigned i = 0; i < s->n; i++)
		if (s->key[i].country == k->country && s->key[i].is_field == k->is_field &&
		    (k->is_field ? s->key[i].field == k->field : s->key[i].by == k->by))
			return true;
	return false;
}

bool top_shape_both_ways(struct top_shape *s, struct err *err)
{
	bool ends = false;

	for (unsigned i = 0; i < s->n; i++) {
		struct top_key k = s->key[i];

		ends |= !k.is_field && k.by == BY_PAIR;
		s->ports |= k.is_field ? k.field == F_src_port : k.by == BY_SRC_PORT;
		if (!other_end(&k))
			continue;
		ends = true;
		if (!has_key(s, &k))
			return err_set(err, "both directions are one row only where both ends are "
				       "keys, as in \"src,dst\" or \"flow\"");
	}
	if (!ends)
		return err_set(err, "keys without a source and a destination have no directions");
	s->both_ways = true;
	s->columns |= BIT(src) | BIT(dst) | (s->ports ? BIT(src_port) | BIT(dst_port) : 0);
	return true;
}

/* Without ports among the keys they must not decide, or one pair would be two rows. */
static bool turned(const struct top_shape *s, const struct block *b, uint32_t row)
{
	if (s->ports && b->src_port[row] != b->dst_port[row])
		return b->src_port[row] < b->dst_port[row];
	return memcmp(&b->src[row], &b->dst[row], sizeof(b->src[row])) < 0;
}

static void turn_pair(uint8_t *key)
{
	uint8_t first[16];

	memcpy(first, key, 16);
	memcpy(key, key + 16, 16);
	memcpy(key + 16, first, 16);
}

/* ---- texts ---- */

void top_texts_init(struct top_texts *t)
{
	*t = (struct top_texts){ 0 };
	pthread_mutex_init(&t->lock, NULL);
	map_init(&t->by_hash, sizeof(uint64_t), sizeof(uint32_t), TOP_TEXTS_MAX);
}

void top_texts_fini(struct top_texts *t)
{
	for (uint32_t i = 0; i < t->n; i++)
		free(t->text[i]);
	free(t->text);
	map_fini(&t->by_hash);
	pthread_mutex_destroy(&t->lock);
}

static const char over[] = "(more texts than fit)";

static uint32_t number_of(struct top_texts *t, const char *s)
{
	uint64_t hash = map_hash(s, strlen(s));
	uint32_t number, *known;
	bool fresh;

	pthread_mutex_lock(&t->lock);
	known = map_put(&t->by_hash, &hash, &fresh);
	if (known && fresh) {
		if (t->n == t->cap) {
			t->cap = t->cap ? t->cap * 2 : 64;
			t->text = xrealloc(t->text, t->cap, sizeof(*t->text));
		}
		t->text[t->n] = xstrdup(s);
		*known = t->n++;
	}
	number = known ? *known : UINT32_MAX;
	pthread_mutex_unlock(&t->lock);
	return number;
}

/* ---- keys of a row ---- */

static unsigned countries_of(struct geo *geo, enum top_country which, const struct block *b,
			     uint32_t row, struct key keys[static ROW_KEYS])
{
	uint16_t c[2] = { 0, 0 };
	unsigned n = 0;

	if (geo && which != TOP_DST_COUNTRY)
		c[n] = geo_country(geo, &b->src[row]);
	n += which != TOP_DST_COUNTRY;
	if (geo && which != TOP_SRC_COUNTRY)
		c[n] = geo_country(geo, &b->dst[row]);
	n += which != TOP_SRC_COUNTRY;
	n -= n == 2 && c[0] == c[1]; /* at home: it counts once */
	for (unsigned i = 0; i < n; i++)
		memcpy(keys[i].b, &c[i], sizeof(c[i]));
	return n;
}

unsigned top_keys_of(const struct top_shape *s, const struct block *b, uint32_t row,
		     uint8_t out[][TOP_KEY_OCTETS])
{
	bool turn = s->both_ways && turned(s, b, row);
	unsigned n = 1;

	memset(out[0], 0, s->size);
	for (unsigned i = 0; i < s->n; i++) {
		struct top_key key = s->key[i];
		const struct top_key *k = &key;
		struct key keys[ROW_KEYS];
		unsigned got;

		if (turn)
			other_end(&key);

		if (k->is_field && field_info[k->field].kind == KIND_TEXT) {
			uint32_t at = (uint32_t)block_u64(b, k->field, row);
			uint32_t number = number_of(s->texts, block_text_at(b, at));

			for (unsigned j = 0; j < n; j++)
				memcpy(out[j] + s->at[i], &number, sizeof(number));
			continue;
		}
		if (k->is_field) {
			for (unsigned j = 0; j < n; j++)
				memcpy(out[j] + s->at[i], block_cell(b, k->field, row),
				       s->octets[i]);
			continue;
		}
		got = k->country ? countries_of(s->geo, k->country, b, row, keys)
				 : row_keys(k->by, b, row, keys);
		if (!got)
			return 0;
		if (turn && k->by == BY_PAIR)
			turn_pair(keys[0].b);
		if (got > n) {
			memcpy(out[1], out[0], s->size);
			n = got;
		}
		for (unsigned j = 0; j < n; j++)
			memcpy(out[j] + s->at[i], keys[got > 1 ? j : 0].b, s->octets[i]);
	}
	return n;
}

/* ---- for a person ---- */

static char *field_text(const struct top_shape *s, enum field f, uint64_t v,
			const struct addr *a, const struct names *names)
{
	char buf[SERIES_TEXT];
	struct key k = { 0 };

	switch (field_info[f].kind) {
	case KIND_ADDR: return xstrdup(addr_text(a, buf));
	case KIND_TEXT: return xstrdup(v < s->texts->n ? s->texts->text[v] : over);
	case KIND_MAC:
		return xasprintf("%02x:%02x:%02x:%02x:%02x:%02x",
				 (unsigned)(v >> 40 & 255), (unsigned)(v >> 32 & 255),
				 (unsigned)(v >> 24 & 255), (unsigned)(v >> 16 & 255),
				 (unsigned)(v >> 8 & 255), (unsigned)(v & 255));
	default:
		if (f != F_exporter)
			return xasprintf("%" PRIu64, v);
		memcpy(k.b, &(uint32_t){ (uint32_t)v }, 4);
		return xstrdup(key_text(BY_EXPORTER, &k, names, buf));
	}
}

static uint64_t number_at(const uint8_t *p, size_t octets)
{
	uint8_t v1 = 0;
	uint16_t v2 = 0;
	uint32_t v4 = 0;
	uint64_t v8 = 0;

	switch (octets) {
	case 1: memcpy(&v1, p, 1); return v1;
	case 2: memcpy(&v2, p, 2); return v2;
	case 4: memcpy(&v4, p, 4); return v4;
	default: memcpy(&v8, p, 8); return v8;
	}
}

void top_row_fill(const struct top_shape *s, const uint8_t *key,
		  const struct names *names, struct top_row *r)
{
	for (unsigned i = 0; i < s->n; i++) {
		const struct top_key *k = &s->key[i];
		struct top_value *v = &r->value[i];
		const uint8_t *p = key + s->at[i];
		char buf[SERIES_TEXT];

		if (s->octets[i] >= sizeof(v->addr))
			memcpy(v->addr.b, p, sizeof(v->addr));
		else if (k->is_field || s->octets[i] <= 4 || k->by == BY_APP)
			v->number = number_at(p, s->octets[i]);
		else if (k->by == BY_INTERFACE)
			v->number = number_at(p + 4, 4);
		else
			v->number = number_at(p, 4);
		if (k->country) {
			v->text = v->number ? xasprintf("%c%c", (int)(v->number >> 8),
							(int)(v->number & 255))
					    : xstrdup("-");
			continue;
		}
		if (k->is_field) {
			v->text = field_text(s, k->field, v->number, &v->addr, names);
			continue;
		}
		memcpy(r->key[i].b, p, s->octets[i]);
		v->text = xstrdup(key_text(k->by, &r->key[i], names, buf));
	}
}
