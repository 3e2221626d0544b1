/* flow_text.c - one flow for people and for programs.
 * SPDX-License-Identifier: ISC
 *
 * Each cell is first made a `struct cell`: told or not, a number or text. The
 * forms then only differ in their punctuation, so JSON, CSV and jansson can
 * never tell the same flow differently.
 */
#include "daemon/model/flow_text.h"

#include <stdio.h>
#include <string.h>

#include "daemon/base/addr.h"
#include "daemon/base/mem.h"
#include "daemon/base/units.h"
#include "daemon/model/json.h"
#include "daemon/model/names.h"

enum { CELL_TEXT = 96, PROTO_ICMP = 1, PROTO_ICMP6 = 58 };

struct cell {
	bool told;
	const char *text; /* NULL: v is what it says */
	uint64_t v;
	char buf[CELL_TEXT];
};

const char *flow_flags_text(uint16_t flags, char buf[static 12])
{
	static const struct {
		char letter;
		uint8_t bit;
	} order[] = { { 'U', 32 }, { 'A', 16 }, { 'P', 8 },  { 'R', 4 },
		      { 'S', 2 },  { 'F', 1 },	{ 'E', 64 }, { 'C', 128 } };
	size_t n = 0;

	if (flags > 255) {
		snprintf(buf, 12, "0x%x", flags);
		return buf;
	}
	for (size_t i = 0; i < ARRAY_LEN(order); i++)
		if (flags & order[i].bit)
			buf[n++] = order[i].letter;
	buf[n] = '\0';
	return buf;
}

static void notes_text(unsigned notes, struct cell *c)
{
	static const char *const word[] = { "time_clamped", "time_received",
					    "sampling_guessed", "value_clamped",
					    "reverse" };

	c->buf[0] = '\0';
	for (size_t i = 0; i < ARRAY_LEN(word); i++) {
		size_t len = strlen(c->buf);

		if (notes >> i & 1)
			snprintf(c->buf + len, sizeof(c->buf) - len, "%s%s",
				 len ? " " : "", word[i]);
	}
	c->text = c->buf;
}

static void exporter_cell(const struct block *b, struct cell *c)
{
	const struct exporter *e =
	    b->names ? names_exporter_at(b->names, (uint32_t)c->v) : NULL;

	c->told = e || c->v;
	if (!e)
		return;
	c->text = e->name;
}

/* Columns whose number has a meaning of its own. */
static void special(const struct block *b, enum field f, uint32_t row, struct cell *c)
{
	uint8_t proto = b->proto[row];

	switch (f) {
	case F_exporter: exporter_cell(b, c); break;
	case F_flows:
	case F_sampling: c->told = c->v > 1; break;
	case F_via: c->text = c->v < VIA_COUNT ? via_label[c->v] : NULL; break;
	case F_direction:
		c->text = c->v == DIR_INGRESS  ? "ingress"
			  : c->v == DIR_EGRESS ? "egress"
					       : NULL;
		break;
	case F_tcp_flags: c->text = flow_flags_text((uint16_t)c->v, c->buf); break;
	case F_icmp: /* an echo reply is 0/0 */
		c->told |= proto == PROTO_ICMP || proto == PROTO_ICMP6;
		if (!c->told)
			break;
		snprintf(c->buf, sizeof(c->buf), "%u/%u", (unsigned)(c->v >> 8 & 255),
			 (unsigned)(c->v & 255));
		c->text = c->buf;
		break;
	case F_app: /* RFC 6759: engine and selector */
		if (!c->told)
			break;
		snprintf(c->buf, sizeof(c->buf), "%u:%llu", (unsigned)(c->v >> 56),
			 (unsigned long long)(c->v & ((UINT64_C(1) << 56) - 1)));
		c->text = c->buf;
		break;
	case F_reason: c->v -= c->told; break; /* kept one higher: 0 is a reason */
	case F_notes:
		if (c->told)
			notes_text((unsigned)c->v, c);
		break;
	default: break;
	}
}

static void cell(const struct block *b, enum field f, uint32_t row, struct cell *c)
{
	const struct addr *a;

	c->text = NULL;
	c->v = block_u64(b, f, row);
	c->told = c->v != 0;
	switch (field_info[f].kind) {
	case KIND_TIME: c->text = text_rfc3339((int64_t)c->v, c->buf); break;
	case KIND_ADDR:
		a = (const struct addr *)block_col(b, f) + row;
		c->told = !addr_is_none(a);
		if (c->told)
			c->text = addr_text(a, c->buf);
		break;
	case KIND_MAC:
		if (!c->told)
			break;
		snprintf(c->buf, sizeof(c->buf), "%02x:%02x:%02x:%02x:%02x:%02x",
			 (unsigned)(c->v >> 40 & 255), (unsigned)(c->v >> 32 & 255),
			 (unsigned)(c->v >> 24 & 255), (unsigned)(c->v >> 16 & 255),
			 (unsigned)(c->v >> 8 & 255), (unsigned)(c->v & 255));
		c->text = c->buf;
		break;
	case KIND_TEXT: c->text = block_text_at(b, (uint32_t)c->v); break;
	default: special(b, f, row, c);
	}
}

/* "start" for start_ms: its cells are times here and no milliseconds. */
static const char *title(enum field f, char buf[static 32])
{
	size_t len = strlen(field_info[f].name);

	if (field_info[f].kind == KIND_TIME && len > 3)
		len -= 3;
	memcpy(buf, field_info[f].name, len);
	buf[len] = '\0';
	return buf;
}

/* "WAN" for in_if and out_if, when somebody named it. */
static const char *interface_name(const struct block *b, enum field f, uint32_t row,
				  struct interface *i)
{
	uint64_t index = block_u64(b, f, row);

	if (!b->names || !index)
		return NULL;
	names_interface(b->names, b->exporter[row], (uint32_t)index, i);
	return *i->name ? i->name : NULL;
}

static bool asked(const struct block *b, enum field f)
{
	return block_uses(b, f) || f == F_exporter || f == F_icmp;
}

void flow_text_json(struct strb *s, const struct block *b, uint32_t row)
{
	const char *gap = "{\"", *name;
	struct interface i;
	struct cell c;
	char key[32];

	for (int f = 0; f < FIELD_COUNT; f++) {
		if (!asked(b, f))
			continue;
		cell(b, f, row, &c);
		if (!c.told)
			continue;
		strb_add(s, gap);
		strb_add(s, title(f, key));
		strb_add(s, "\":");
		gap = ",\"";
		if (c.text)
			strb_json(s, c.text);
		else
			strb_u64(s, c.v);
		if ((f == F_in_if || f == F_out_if) &&
		    (name = interface_name(b, f, row, &i))) {
			strb_fmt(s, ",\"%s_name\":", key);
			strb_json(s, name);
		}
	}
	strb_add(s, *gap == '{' ? "{}" : "}");
}

json_t *flow_text_object(const struct block *b, uint32_t row)
{
	json_t *o = json_object();
	struct interface i;
	const char *name;
	struct cell c;
	char key[40];

	for (int f = 0; f < FIELD_COUNT; f++) {
		if (!asked(b, f))
			continue;
		cell(b, f, row, &c);
		if (!c.told)
			continue;
		title(f, key);
		if (c.text)
			json_object_set_new(o, key, j_text(c.text));
		else if (c.v > INT64_MAX)
			json_object_set_new(o, key, json_real((double)c.v));
		else
			json_object_set_new(o, key, json_integer((json_int_t)c.v));
		if ((f == F_in_if || f == F_out_if) &&
		    (name = interface_name(b, f, row, &i))) {
			strcat(key, "_name");
			json_object_set_new(o, key, j_text(name));
		}
	}
	return o;
}

void flow_text_csv_head(struct strb *s, uint64_t columns)
{
	const char *gap = "";
	char key[32];

	for (int f = 0; f < FIELD_COUNT; f++) {
		if (!(columns >> f & 1))
			continue;
		strb_fmt(s, "%s%s", gap, title(f, key));
		gap = ",";
	}
	strb_add(s, "\r\n");
}

/* Times and addresses are made here and need no escape. */
static void add_cell_csv(struct strb *s, enum field f, const struct cell *c)
{
	enum field_kind kind = field_info[f].kind;

	if (!c->text)
		strb_u64(s, c->v);
	else if (kind == KIND_TIME || kind == KIND_ADDR)
		strb_add(s, c->text);
	else
		strb_csv(s, c->text);
}

/* Most columns of most flows are empty, and cost an octet here and nothing else. */
void flow_text_csv(struct strb *s, const struct block *b, uint32_t row, uint64_t columns)
{
	static const char commas[] =
		",,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,";
	unsigned at = 0, done = 0; /* columns begun; commas written */
	struct cell c;

	for (int f = 0; f < FIELD_COUNT; f++) {
		if (!(columns >> f & 1))
			continue;
		at++;
		if (!asked(b, f))
			continue;
		cell(b, f, row, &c);
		if (!c.told)
			continue;
		strb_addn(s, commas, at - 1 - done);
		done = at - 1;
		add_cell_csv(s, f, &c);
	}
	if (at)
		strb_addn(s, commas, at - 1 - done);
	strb_add(s, "\r\n");
}

/* ---- the line for people ---- */

static const char *proto_text(uint8_t proto, char buf[static 12])
{
	static const struct {
		uint8_t v;
		const char *name;
	} usual[] = { { 1, "icmp" },   { 2, "igmp" },	{ 4, "ipip" },	{ 6, "tcp" },
		      { 17, "udp" },   { 41, "6in4" },	{ 47, "gre" },	{ 50, "esp" },
		      { 51, "ah" },    { 58, "icmp6" }, { 89, "ospf" }, { 103, "pim" },
		      { 112, "vrrp" }, { 132, "sctp" } };

	for (size_t i = 0; i < ARRAY_LEN(usual); i++)
		if (usual[i].v == proto)
			return usual[i].name;
	snprintf(buf, 12, proto ? "proto %u" : "-", proto);
	return buf;
}

static void end_point(struct strb *s, const struct addr *a, uint16_t port)
{
	char buf[ADDR_TEXT];
	bool six = port && !addr_is4(a) && !addr_is_none(a);

	strb_fmt(s, "%s%s%s", six ? "[" : "", addr_text(a, buf), six ? "]" : "");
	if (port)
		strb_fmt(s, ":%u", port);
}

static void add_interface(struct strb *s, const struct block *b, enum field f,
			  uint32_t row, const char *word)
{
	struct interface i;
	const char *name = interface_name(b, f, row, &i);
	uint64_t index = block_u64(b, f, row);

	if (!index)
		return;
	strb_add(s, word);
	if (name)
		strb_tty(s, name);
	else
		strb_fmt(s, "%llu", (unsigned long long)index);
}

/* What only some flows tell, after what all do. */
static void add_rest(struct strb *s, const struct block *b, uint32_t row)
{
	static const enum field also[] = { F_icmp,     F_vlan, F_src_as, F_dst_as,
					   F_app_name, F_user, F_url,	 F_reason };
	struct cell c;

	for (size_t i = 0; i < ARRAY_LEN(also); i++) {
		cell(b, also[i], row, &c);
		if (!c.told)
			continue;
		strb_fmt(s, " %s ", field_info[also[i]].name);
		if (c.text)
			strb_tty(s, c.text);
		else
			strb_fmt(s, "%llu", (unsigned long long)c.v);
	}
}

static void line(struct strb *s, const struct block *b, uint32_t row, bool columns)
{
	const char *gap = columns ? "\t" : " ";
	char unit[UNIT_TEXT], buf[12];
	struct cell c;

	strb_add(s, text_time(b->start_ms[row], unit));
	strb_add(s, gap);
	strb_add(s, text_duration(b->end_ms[row] - b->start_ms[row], unit));
	strb_add(s, gap);
	strb_add(s, proto_text(b->proto[row], buf));
	strb_add(s, gap);
	end_point(s, &b->src[row], b->src_port[row]);
	strb_add(s, gap);
	strb_add(s, "-> ");
	end_point(s, &b->dst[row], b->dst_port[row]);
	strb_add(s, gap);
	strb_add(s, text_bytes((double)b->bytes[row], unit));
	strb_add(s, gap);
	strb_fmt(s, "%s packet%s", text_count((double)b->packets[row], unit),
		 b->packets[row] != 1 ? "s" : columns ? " " : "");
	if (columns)
		strb_add(s, "\t");
	if (b->flows[row] > 1)
		strb_fmt(s, " %s flows", text_count(b->flows[row], unit));
	if (b->tcp_flags[row])
		strb_fmt(s, " flags %s", flow_flags_text(b->tcp_flags[row], buf));
	add_interface(s, b, F_in_if, row, " in ");
	add_interface(s, b, F_out_if, row, " out ");
	add_rest(s, b, row);
	cell(b, F_exporter, row, &c);
	if (c.text) {
		strb_add(s, " exporter ");
		strb_tty(s, c.text);
	}
}

void flow_text_line(struct strb *s, const struct block *b, uint32_t row)
{
	line(s, b, row, false);
}

void flow_text_columns(struct strb *s, const struct block *b, uint32_t row)
{
	line(s, b, row, true);
}
