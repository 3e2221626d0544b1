/* prom.c - Prometheus text format 0.0.4, one family after another.
 * SPDX-License-Identifier: ISC
 */
#include "daemon/http/prom.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

void prom_init(struct prom *p, struct strb *out)
{
	*p = (struct prom){ .out = out };
	map_init(&p->seen, sizeof(uint64_t), 0, PROM_ROWS);
}

void prom_fini(struct prom *p)
{
	map_fini(&p->seen);
}

void prom_family(struct prom *p, const char *name, const char *type, const char *help)
{
	p->name = name;
	map_clear(&p->seen);
	prom_suffix(p, "");
	strb_fmt(p->out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

void prom_suffix(struct prom *p, const char *suffix)
{
	p->suffix = suffix;
}

/* False: these labels have been, and nothing is left of them. */
static bool head(struct prom *p, const char *const *labels)
{
	size_t from = p->out->len;
	uint64_t hash;
	bool fresh = false;

	strb_fmt(p->out, "%s%s", p->name, p->suffix);
	for (const char *const *l = labels; *l; l += 2) {
		strb_fmt(p->out, "%c%s=\"", l == labels ? '{' : ',', l[0]);
		strb_label(p->out, l[1]);
		strb_addc(p->out, '"');
	}
	strb_add(p->out, *labels ? "} " : " ");
	hash = map_hash(p->out->s + from, p->out->len - from);
	map_put(&p->seen, &hash, &fresh);
	if (fresh)
		return true;
	p->out->len = from;
	p->out->s[from] = '\0';
	return false;
}

void prom_row(struct prom *p, double v, const char *const *labels)
{
	char text[40];

	if (!head(p, labels))
		return;
	if (isnan(v)) {
		strb_add(p->out, "NaN\n");
	} else if (isinf(v)) {
		strb_add(p->out, v > 0 ? "+Inf\n" : "-Inf\n");
	} else {
		/* The program never leaves the C locale; a comma would be a broken page. */
		snprintf(text, sizeof(text), "%.15g", v);
		text[strcspn(text, ",")] = strchr(text, ',') ? '.' : '\0';
		strb_fmt(p->out, "%s\n", text);
	}
}

void prom_count(struct prom *p, uint64_t v, const char *const *labels)
{
	if (head(p, labels))
		strb_fmt(p->out, "%" PRIu64 "\n", v);
}
