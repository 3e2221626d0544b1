/* flow_row.h - flows as initialisers, put into blocks; for tests.
 * SPDX-License-Identifier: ISC
 *
 * struct flow_row has a member for each column of flow_fields.def; a TEXT
 * member is a pointer to the text here. Zero and NULL are not told.
 */
#ifndef CUL_TESTS_FLOW_ROW_H
#define CUL_TESTS_FLOW_ROW_H

#include <string.h>

#include "daemon/model/block.h"
#include "daemon/model/names.h"

struct flow_row {
	const char *app_text, *user_text, *url_text;
#define FIELD(name, type, kind, unit, doc) type name;
#include "daemon/model/flow_fields.def"
#undef FIELD
};

static const struct {
	size_t offset, width;
} flow_row_member[FIELD_COUNT] = {
#define FIELD(name, type, kind, unit, doc) { offsetof(struct flow_row, name), sizeof(type) },
#include "daemon/model/flow_fields.def"
#undef FIELD
};

static inline struct addr ip(const char *text)
{
	struct addr a;

	assert_true(addr_parse(text, &a));
	return a;
}

static inline uint32_t flow_row_text(struct block *b, const char *s)
{
	return s ? block_text(b, s, strlen(s)) : 0;
}

/* Appends r; a column is used once a row tells it. */
static inline void flow_row_add(struct block *b, const struct flow_row *r)
{
	static const uint8_t zero[16];
	struct flow_row copy = *r;

	copy.app_name = flow_row_text(b, r->app_text);
	copy.user = flow_row_text(b, r->user_text);
	copy.url = flow_row_text(b, r->url_text);
	for (int f = 0; f < FIELD_COUNT; f++) {
		const char *p = (const char *)&copy + flow_row_member[f].offset;

		if (!memcmp(p, zero, flow_row_member[f].width))
			continue;
		block_use(b, (enum field)f);
		memcpy(block_cell(b, (enum field)f, b->n), p, flow_row_member[f].width);
	}
	b->n++;
}

/* Exporters 0 "edge" (192.0.2.1), 1 without a name (192.0.2.2), 2 "core" (2001:db8::1);
 * WAN is interface 2 of edge and 7 of core. */
static inline struct names *flow_row_names(void)
{
	static const struct {
		const char *name, *prefix;
	} nets[] = { { "lan", "10.20.0.0/16" },	  { "servers", "10.20.9.0/24" },
		     { "lan", "2001:db8:20::/48" }, { "guests", "172.16.0.0/12" } };
	struct names *n = names_new(16);
	struct addr edge = ip("192.0.2.1"), other = ip("192.0.2.2"), core = ip("2001:db8::1");

	assert_int_equal(names_exporter_known(n, &edge, 0, "edge")->id, 0);
	assert_int_equal(names_exporter(n, &other, 2055)->id, 1);
	assert_int_equal(names_exporter_known(n, &core, 0, "core")->id, 2);
	names_interface_set(n, 0, 1, "LAN", 0, TOLD_CONFIG);
	names_interface_set(n, 0, 2, "WAN", 20000000, TOLD_CONFIG);
	names_interface_set(n, 2, 7, "WAN", 0, TOLD_EXPORTER);
	names_interface_set(n, 2, 2, "ge-0/0/2.100", 0, TOLD_EXPORTER);
	for (size_t i = 0; i < sizeof(nets) / sizeof(*nets); i++) {
		struct prefix p;

		assert_true(prefix_parse(nets[i].prefix, &p));
		assert_true(names_network_add(n, nets[i].name, &p));
	}
	return n;
}

#endif
