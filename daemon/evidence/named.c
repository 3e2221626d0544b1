/* named.c - names put beside what is shown.
 * SPDX-License-Identifier: ISC
 *
 * A flow's ends are called what they were called when it ended, since leases move; the DNS
 * knows no past and is asked for all of them at once. An alert waits half a second for names
 * and goes without; the one that is kept stays as it was told, and what has become known
 * since is filled in whenever somebody looks.
 */
#include "daemon/evidence/named.h"

#include "daemon/base/mem.h"
#include "daemon/base/strb.h"
#include "daemon/evidence/join_flow.h"

#include <stdlib.h>
#include <string.h>

/* --- flows --- */

static void ask_all(struct owners *o, const struct join_flow *f, size_t n, int wait_ms)
{
	struct owner *all = xcalloc(2 * n, sizeof(*all));

	for (size_t i = 0; i < n; i++) {
		all[2 * i].addr = f[i].src;
		all[2 * i + 1].addr = f[i].dst;
	}
	owners_find(o, all, 2 * n, f[0].to_ms, wait_ms);
	free(all);
}

struct flow_names *flow_names_find(struct owners *o, const struct join_flow *f, size_t n,
				   int wait_ms)
{
	struct flow_names *names = xcalloc(n + 1, sizeof(*names));

	if (o && n && wait_ms)
		ask_all(o, f, n, wait_ms);
	for (size_t i = 0; o && i < n; i++) {
		struct owner both[2] = { { .addr = f[i].src }, { .addr = f[i].dst } };

		owners_find(o, both, 2, f[i].to_ms, 0);
		memcpy(names[i].src, both[0].name, sizeof(names[i].src));
		memcpy(names[i].dst, both[1].name, sizeof(names[i].dst));
	}
	return names;
}

void flow_names_withhold(struct flow_names *names, const struct join_flow *f,
			 const struct addr *withheld)
{
	if (addr_eq(&f->src, withheld))
		*names->src = '\0';
	if (addr_eq(&f->dst, withheld))
		*names->dst = '\0';
}

static void put_name(struct strb *out, const char *key, const char *name)
{
	strb_fmt(out, ",\"%s\":", key);
	if (*name)
		strb_json(out, name);
	else
		strb_add(out, "null");
}

void flow_names_json(const struct flow_names *names, struct strb *out)
{
	while (out->len && out->s[out->len - 1] != '}')
		out->len--;
	if (!out->len)
		return;
	out->len--;
	put_name(out, "src_name", names->src);
	put_name(out, "dst_name", names->dst);
	strb_add(out, "}");
}

void flow_names_text(const struct flow_names *names, struct strb *out)
{
	if (*names->src) {
		strb_add(out, " from ");
		strb_tty(out, names->src);
	}
	if (*names->dst) {
		strb_add(out, " to ");
		strb_tty(out, names->dst);
	}
}

/* --- alerts --- */

static bool name_of(struct owners *o, const struct addr *a, int64_t at_ms,
		    struct owner *out)
{
	out->addr = *a;
	if (addr_is_none(a) || addr_is_veiled(a))
		return false;
	owners_find(o, out, 1, at_ms, 0);
	return *out->name;
}

void alert_name_late(struct alert *a, struct owners *o)
{
	struct owner w;

	for (unsigned i = 0; o && i < a->n_top; i++) {
		struct top_flow *f = &a->top[i];

		if (!f->src_name && name_of(o, &f->src, a->window_end_ms, &w))
			f->src_name = xstrdup(w.name);
		if (!f->dst_name && name_of(o, &f->dst, a->window_end_ms, &w))
			f->dst_name = xstrdup(w.name);
	}
}

static void name_member(json_t *flow, const char *end, const char *name, int64_t at_ms,
			struct owners *o)
{
	const char *text = json_string_value(json_object_get(flow, end));
	struct owner w;
	struct addr a;

	if (text && json_is_null(json_object_get(flow, name)) && addr_parse(text, &a) &&
	    name_of(o, &a, at_ms, &w))
		json_object_set_new(flow, name, json_string(w.name));
}

void alert_json_name_late(json_t *alert, struct owners *o)
{
	json_t *list = json_object_get(alert, "top_flows"), *flow;
	const char *end = json_string_value(json_object_get(json_object_get(alert, "window"),
							    "end"));
	int64_t at_ms = end ? alert_time(end) : 0;
	size_t i;

	if (o)
		json_array_foreach(list, i, flow) {
			name_member(flow, "src", "src_name", at_ms, o);
			name_member(flow, "dst", "dst_name", at_ms, o);
		}
}
