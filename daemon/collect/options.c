/* options.c - what options data say: rates, names, boot times.
 * SPDX-License-Identifier: ISC
 *
 * An options record is taken element by element into one struct, scope or not: real
 * exporters put the interface index or the sampler id now among the scope fields,
 * now among the others. What it means follows from what is there:
 *
 *   a rate and a sampler or selector id   the rate of that sampler
 *   a rate and an interface               the rate of that interface (both, with both)
 *   a rate alone                          the rate of the whole domain
 *   an interface and a name               the name of the interface
 *   an application or VRF id and a name   that name
 *
 * Names by id are kept for the whole collector in one table of WORDS_MAX entries of
 * 96 octets (1.5 MB), WORDS_OF_ONE of them for one exporter; a full table takes no more
 * names.
 */
#include "daemon/collect/options.h"

#include "daemon/collect/collector.h"
#include "daemon/collect/sampling.h"
#include "daemon/collect/times.h"

#include <string.h>

enum { WORDS_OF_ONE = 4096 };

struct word_key {
	uint64_t id;
	uint32_t exporter, kind;
};

/* RFC 3954 sec. 6.1: what a v9 scope field can be. (Some name an element all the same,
 * such as the sampler's id.) */
enum { SCOPE_SYSTEM = 1, SCOPE_INTERFACE, SCOPE_LINE_CARD, SCOPE_CACHE, SCOPE_TEMPLATE };

struct text {
	const uint8_t *p;
	size_t len;
};

struct record {
	struct sampling_words rate;
	uint64_t random;     /* IE 50 */
	uint64_t sampler, interface, sysinit, app, vrf;
	bool has_sampler, has_interface, has_app, has_vrf;
	struct text if_name, if_desc, app_name, vrf_name;
};

void options_init(struct collector *c)
{
	map_init(&c->words, sizeof(struct word_key), WORD_LEN, WORDS_MAX);
}

static uint64_t uint_of(struct rd f)
{
	size_t len = rd_left(&f);

	return len && len <= 8 ? rd_uint(&f, len) : 0;
}

static void take(struct record *o, uint32_t pen, uint16_t id, struct rd f)
{
	struct text text = { f.p, rd_left(&f) };
	uint64_t v = uint_of(f);

	if (pen || !text.len)
		return;
	switch (id) {
	case 34: o->rate.plain = v; break;
	case 50: o->random = v; break;
	case 305: o->rate.interval = v; break;
	case 306: o->rate.space = v; break;
	case 309: o->rate.size = v; break;
	case 310: o->rate.population = v; break;
	case 311: o->rate.probability = sampling_float(v, text.len); break;
	case 48:
	case 302: o->sampler = v; o->has_sampler = true; break;
	case 10:
	case 14:
	case 252: o->interface = v; o->has_interface = true; break;
	case 82: o->if_name = text; break;
	case 83: o->if_desc = text; break;
	case 95:
		o->has_app = true;
		for (size_t i = text.len > 8 ? text.len - 7 : 1; i < text.len; i++)
			o->app = o->app << 8 | text.p[i];
		o->app = (o->app & ((UINT64_C(1) << 56) - 1)) | (uint64_t)*text.p << 56;
		break;
	case 96: o->app_name = text; break;
	case 160: o->sysinit = v; break;
	case 234:
	case 235: o->vrf = v; o->has_vrf = true; break;
	case 236: o->vrf_name = text; break;
	}
}

static void take_scope9(struct record *o, uint16_t type, struct rd f)
{
	uint64_t v = uint_of(f);

	/* A scope of an interface that is 0 is the whole box. */
	if (type == SCOPE_INTERFACE && v) {
		o->interface = v;
		o->has_interface = true;
	}
}

/* The octets up to the first NUL, without blanks at the ends. */
static void copy_text(char out[WORD_LEN], struct text t)
{
	size_t len = strnlen((const char *)t.p, t.len);

	while (len && t.p[len - 1] == ' ')
		len--;
	while (len && *t.p == ' ')
		t.p++, len--;
	if (len > WORD_LEN - 1)
		len = WORD_LEN - 1;
	memcpy(out, t.p, len);
	out[len] = '\0';
}

/* Where the name of that id of x stands or may stand; NULL: no room. */
static char *word_of(struct collector *c, struct exporter_state *x, enum word_kind kind,
		     uint64_t id)
{
	struct word_key k = { id, x->exporter->id, kind };
	char *v = map_get(&c->words, &k);

	if (v || x->n_words >= WORDS_OF_ONE)
		return v;
	v = map_put(&c->words, &k, NULL);
	x->n_words += v != NULL;
	return v;
}

static void keep_word(struct dgram *d, enum word_kind kind, uint64_t id, struct text name)
{
	char *v = word_of(d->c, d->x, kind, id);

	if (v)
		copy_text(v, name);
}

void options_word_set(struct dgram *d, enum word_kind kind, uint64_t id, const char *name)
{
	keep_word(d, kind, id, (struct text){ (const uint8_t *)name, strlen(name) });
}

void options_each_word(const struct collector *c, options_word_f *fn, void *arg)
{
	const void *key;
	void *v;
	uint32_t at = 0;

	while (map_next(&c->words, &at, &key, &v)) {
		const struct word_key *k = key;

		fn(arg, k->exporter, (enum word_kind)k->kind, k->id, v);
	}
}

static void keep_rate(struct dgram *d, struct record *o)
{
	uint32_t rate;

	if (!o->rate.plain)
		o->rate.plain = o->random;
	rate = sampling_of_words(d, &o->rate);
	if (!rate)
		return;
	if (o->has_sampler)
		sampling_set(d, d->dom, RATE_SAMPLER, o->sampler, rate);
	if (o->has_interface && o->interface)
		sampling_set(d, d->dom, RATE_INTERFACE, o->interface, rate);
	else if (!o->has_sampler)
		sampling_set_domain(d, d->dom, rate);
}

/* Options are repeated for ever; only news take the lock for writing. */
static void keep_interface(struct dgram *d, uint32_t index, const char *name)
{
	uint32_t exporter = d->x->exporter->id;
	struct interface known;

	names_interface(d->c->names, exporter, index, &known);
	if (strcmp(known.name, name))
		names_interface_set(d->c->names, exporter, index, name, 0, TOLD_EXPORTER);
}

static void keep(struct dgram *d, struct record *o)
{
	char name[WORD_LEN];

	keep_rate(d, o);
	if (o->has_interface && (o->if_name.len || o->if_desc.len)) {
		copy_text(name, o->if_name.len ? o->if_name : o->if_desc);
		if (!*name && o->if_desc.len)
			copy_text(name, o->if_desc);
		if (*name && o->interface <= UINT32_MAX)
			keep_interface(d, (uint32_t)o->interface, name);
	}
	if (o->has_app && o->app_name.len)
		keep_word(d, WORD_APP, o->app, o->app_name);
	if (o->has_vrf && o->vrf_name.len)
		keep_word(d, WORD_VRF, o->vrf, o->vrf_name);
	if (o->sysinit && times_sysinit_ok(d, (int64_t)o->sysinit))
		d->dom->sysinit_ms = (int64_t)o->sysinit;
}

bool options_take(struct dgram *d, const struct tmpl *t, bool ipfix, struct rd *rec)
{
	struct record o = { 0 };

	for (unsigned i = 0; i < t->n_fields; i++) {
		const struct field_spec *s = &t->fields[i];
		size_t len = s->len;
		struct rd f;

		if (len == IE_VARLEN) {
			len = rd_uint(rec, 1);
			if (len == 255)
				len = rd_u16(rec);
		}
		f = rd_sub(rec, len);
		if (!rd_ok(rec))
			return false;
		if (!ipfix && i < t->n_scopes && s->id <= SCOPE_TEMPLATE)
			take_scope9(&o, s->id, f);
		else
			take(&o, s->pen, s->id, f);
	}
	keep(d, &o);
	return true;
}

void options_name_rows(struct dgram *d, struct block *b, uint32_t row, uint32_t n,
		       enum word_kind kind)
{
	uint32_t *to = kind == WORD_APP ? b->app_name : b->vrf_name;
	struct word_key k = { 0, d->x->exporter->id, kind };
	uint64_t last = 0;
	uint32_t at = 0;

	if (!d->c->words.n)
		return;
	for (uint32_t i = row; i < row + n; i++) {
		const char *name;

		if (kind == WORD_APP)
			k.id = b->app[i];
		else if (block_uses(b, F_vrf_in) && b->vrf_in[i])
			k.id = b->vrf_in[i];
		else
			k.id = block_uses(b, F_vrf_out) ? b->vrf_out[i] : 0;
		if (!k.id || to[i])
			continue;
		if (k.id != last) {
			name = map_get(&d->c->words, &k);
			at = name ? block_text(b, name, strlen(name)) : 0;
			last = k.id;
		}
		if (at) {
			block_use(b, kind == WORD_APP ? F_app_name : F_vrf_name);
			to[i] = at;
		}
	}
}
