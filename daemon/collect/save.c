/* save.c - templates, sampling rates and names over a restart.
 * SPDX-License-Identifier: ISC
 *
 * Without this a restarted collector is blind until each exporter repeats its
 * templates (v9: up to half an hour), and flows are without the names of their
 * applications and VRFs for as long. Lines of text, so that a person can look at it:
 *
 *   culprit-templates 1
 *   exporter 192.0.2.1 0                 address, port (0: any)
 *   domain netflow9 7 0 0 100 0          protocol, id, split, port, rate, boot time
 *   rate 0 3 1000                        kind, sampler or interface, rate
 *   template 256 0 0 0000000000080004…   id, scopes, options, fields of 8 octets:
 *                                        enterprise, element, length
 *   name 192.0.2.1 0 1 7 4355…           address, port, kind (0: application, 1: VRF),
 *                                        id, the octets of the name
 *   end 1234567890abcdef                 XXH3 of all before this line
 *
 * Read in two passes, so that a file with an error anywhere adds nothing.
 */
#include "daemon/base/err.h"
#include "daemon/base/strb.h"
#include "daemon/base/units.h"
#include "daemon/collect/collector.h"
#include "daemon/collect/options.h"
#include "daemon/collect/sampling.h"
#include "daemon/collect/tmpl.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

enum { WORDS = 8, LINE_MAX_OCTETS = 64 + FIELDS_MAX * 16 };
static const char magic[] = "culprit-templates 1\n";

static void save_rate(void *arg, enum rate_kind kind, uint64_t id, uint32_t rate)
{
	strb_fmt(arg, "rate %d %" PRIu64 " %" PRIu32 "\n", (int)kind, id, rate);
}

static void save_domain(const struct collector *c, const struct domain *dom,
			struct strb *out)
{
	strb_fmt(out, "domain %s %" PRIu32 " %d %u %" PRIu32 " %" PRId64 "\n",
		 via_label[dom->via], dom->id, dom->split, dom->key_port, dom->rate,
		 dom->sysinit_ms);
	sampling_each(c, dom, save_rate, out);
	for (const struct tmpl *t = dom->oldest; t; t = t->newer) {
		strb_fmt(out, "template %u %u %d ", t->id, t->n_scopes, t->options);
		for (unsigned i = 0; i < t->n_fields; i++)
			strb_fmt(out, "%08" PRIx32 "%04x%04x", t->fields[i].pen,
				 t->fields[i].id, t->fields[i].len);
		strb_addc(out, '\n');
	}
}

struct save {
	const struct collector *c;
	struct strb *out;
};

/* Names of an exporter that is gone go with it. */
static void save_word(void *arg, uint32_t exporter, enum word_kind kind, uint64_t id,
		      const char *name)
{
	const struct save *s = arg;
	const struct exporter_state *x =
		exporter < s->c->n_states ? s->c->states[exporter] : NULL;
	char text[ADDR_TEXT];

	if (!x || !x->domains || !*name)
		return;
	strb_fmt(s->out, "name %s %u %d %" PRIu64 " ",
		 addr_text(&x->exporter->addr, text), x->exporter->port, (int)kind, id);
	for (; *name; name++)
		strb_fmt(s->out, "%02x", (uint8_t)*name);
	strb_addc(s->out, '\n');
}

void collect_save(struct collector *c, struct strb *out)
{
	struct save save = { c, out };
	char text[ADDR_TEXT];
	size_t from = out->len;

	strb_add(out, magic);
	for (uint32_t i = 0; i < c->n_states; i++) {
		const struct exporter_state *x = c->states[i];
		const struct domain *dom = x ? x->domains : NULL;
		bool said = false;

		for (; dom; dom = dom->next) {
			if (!dom->n_templates && !dom->n_rates && !dom->rate)
				continue;
			if (dom->sub) /* of a connection: over with it */
				continue;
			if (!said)
				strb_fmt(out, "exporter %s %u\n",
					 addr_text(&x->exporter->addr, text),
					 x->exporter->port);
			said = true;
			save_domain(c, dom, out);
		}
	}
	options_each_word(c, save_word, &save);
	strb_fmt(out, "end %016" PRIx64 "\n",
		 (uint64_t)XXH3_64bits(out->s + from, out->len - from));
}

/* One reading of the file. */
struct load {
	struct dgram d;
	bool apply, skip; /* skip: this exporter is another collector's */
	bool (*mine)(void *arg, const struct addr *a);
	void *arg;
};

/* Splits a line at blanks; returns how many words there are, WORDS + 1 for too many. */
static unsigned split(char *line, char *word[WORDS])
{
	unsigned n = 0;

	for (char *s = strtok_r(line, " ", &line); s; s = strtok_r(NULL, " ", &line)) {
		if (n == WORDS)
			return WORDS + 1;
		word[n++] = s;
	}
	return n;
}

static bool number(const char *s, uint64_t max, uint64_t *out)
{
	return parse_u64(s, max, out);
}

static bool load_exporter(struct load *l, char *word[], unsigned n)
{
	struct addr a;
	uint64_t port;
	struct exporter *e;

	if (n < 3 || !addr_parse(word[1], &a) || !number(word[2], UINT16_MAX, &port))
		return false;
	l->skip = l->mine && !l->mine(l->arg, &a);
	l->d.dom = NULL;
	if (!l->apply || l->skip)
		return true;
	e = names_exporter(l->d.c->names, &a, (uint16_t)port);
	l->skip = !e;
	l->d.x = e ? exporter_state_of(l->d.c, e) : NULL;
	return true;
}

static bool load_domain(struct load *l, char *word[], unsigned n)
{
	uint64_t id, splits, port, rate, sysinit;

	if (n != 7 || !number(word[2], UINT32_MAX, &id) || !number(word[3], 1, &splits) ||
	    !number(word[4], UINT16_MAX, &port) || !number(word[5], UINT32_MAX, &rate) ||
	    !number(word[6], INT64_MAX, &sysinit))
		return false;
	l->d.via = !strcmp(word[1], via_label[VIA_NETFLOW9]) ? VIA_NETFLOW9
		 : !strcmp(word[1], via_label[VIA_IPFIX]) ? VIA_IPFIX : VIA_NONE;
	if (!l->apply || l->skip || l->d.via == VIA_NONE)
		return true;
	if (port) {
		struct domain *parent = domain_get(&l->d, (uint32_t)id, 0);

		if (parent && !parent->key_port)
			parent->split = true;
	}
	l->d.port = (uint16_t)port;
	l->d.dom = domain_get(&l->d, (uint32_t)id, 0);
	if (!l->d.dom)
		return true;
	l->d.dom->rate = (uint32_t)rate;
	l->d.dom->sysinit_ms = (int64_t)sysinit;
	return true;
}

static bool load_rate(struct load *l, char *word[], unsigned n)
{
	uint64_t kind, id, rate;

	if (n != 4 || !number(word[1], RATE_INTERFACE, &kind) ||
	    !number(word[2], UINT64_MAX, &id) || !number(word[3], UINT32_MAX, &rate))
		return false;
	if (l->d.dom)
		sampling_set(&l->d, l->d.dom, (enum rate_kind)kind, id, (uint32_t)rate);
	return true;
}

static bool load_template(struct load *l, char *word[], unsigned n)
{
	struct field_spec f[FIELDS_MAX];
	uint64_t id, scopes, options;
	size_t digits;

	if (n != 5 || !number(word[1], UINT16_MAX, &id) || id < 256 ||
	    !number(word[2], FIELDS_MAX, &scopes) || !number(word[3], 1, &options))
		return false;
	digits = strlen(word[4]);
	if (digits % 16 || digits / 16 > FIELDS_MAX || scopes > digits / 16 ||
	    strspn(word[4], "0123456789abcdef") != digits)
		return false;
	for (size_t i = 0; i < digits / 16; i++) {
		unsigned pen, element, len;

		if (sscanf(word[4] + i * 16, "%8x%4x%4x", &pen, &element, &len) != 3)
			return false;
		f[i] = (struct field_spec){ pen, (uint16_t)element, (uint16_t)len };
	}
	if (l->d.dom)
		tmpl_define(&l->d, (uint16_t)id, f, (uint16_t)(digits / 16),
			    (uint16_t)scopes, options);
	return true;
}

static bool load_name(struct load *l, char *word[], unsigned n)
{
	uint64_t kind, id;
	char name[WORD_LEN];
	size_t digits;

	if (n != 6 || !load_exporter(l, word, n) || !number(word[3], WORD_VRF, &kind) ||
	    !number(word[4], UINT64_MAX, &id))
		return false;
	digits = strlen(word[5]);
	if (digits % 2 || digits / 2 >= sizeof(name) ||
	    strspn(word[5], "0123456789abcdef") != digits)
		return false;
	for (size_t i = 0; i < digits / 2; i++) {
		unsigned octet = 0;

		sscanf(word[5] + i * 2, "%2x", &octet);
		name[i] = (char)octet;
	}
	name[digits / 2] = '\0';
	if (l->apply && !l->skip)
		options_word_set(&l->d, (enum word_kind)kind, id, name);
	return true;
}

static bool load_line(struct load *l, char *line)
{
	char *word[WORDS] = { NULL };
	unsigned n = split(line, word);

	if (!n || n > WORDS)
		return false;
	if (!strcmp(word[0], "exporter"))
		return n == 3 && load_exporter(l, word, n);
	if (!strcmp(word[0], "name"))
		return load_name(l, word, n);
	if (!strcmp(word[0], "domain"))
		return load_domain(l, word, n);
	if (!strcmp(word[0], "rate"))
		return load_rate(l, word, n);
	return !strcmp(word[0], "template") && load_template(l, word, n);
}

static bool load_all(struct load *l, const char *s, size_t len, struct err *err)
{
	char line[LINE_MAX_OCTETS];
	unsigned number = 1;

	for (const char *end = s + len, *nl; s < end; s = nl + 1) {
		number++;
		nl = memchr(s, '\n', (size_t)(end - s));
		if (!nl || (size_t)(nl - s) >= sizeof(line))
			return err_set(err, "templates: line %u does not end", number);
		memcpy(line, s, (size_t)(nl - s));
		line[nl - s] = '\0';
		if (!load_line(l, line))
			return err_set(err, "templates: line %u cannot be read", number);
	}
	return true;
}

bool collect_load(struct collector *c, const void *data, size_t len, int64_t now_ms,
		  bool (*mine)(void *arg, const struct addr *a), void *arg,
		  struct err *err)
{
	const size_t head = sizeof(magic) - 1, tail = 4 + 16 + 1;
	const char *s = data;
	struct load l = { .d = { .c = c, .received_ms = now_ms, .export_ms = now_ms },
			  .mine = mine, .arg = arg };
	char want[32];

	if (len < head || memcmp(s, magic, head))
		return err_set(err, "templates: this is no file of templates, or of "
				    "another version");
	if (len < head + tail)
		return err_set(err, "templates: the end is missing");
	snprintf(want, sizeof(want), "end %016" PRIx64 "\n",
		 (uint64_t)XXH3_64bits(s, len - tail));
	if (memcmp(s + len - tail, want, tail))
		return err_set(err, "templates: the checksum is wrong");
	if (!load_all(&l, s + head, len - head - tail, err))
		return false;
	l.apply = true;
	l.d.dom = NULL;
	l.skip = false;
	return load_all(&l, s + head, len - head - tail, err);
}
