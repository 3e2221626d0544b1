/* codec.c - puts as octets: how a batch waits in memory and on disk.
 * SPDX-License-Identifier: ISC
 *
 * Read back by the same machine, so numbers are in its own order; a spool from
 * another kind of machine fails its checks and is said to be damaged.
 *
 *   uint32 octets of all that follows | uint8 kind | then, for a bin or amend:
 *   text series | struct bin's members, widest first
 *   for the others: text space | text key | text state | int64 at_ms | data
 *
 * A text is a uint32 length, its octets and a NUL, so that a decoded put can
 * point into the buffer; the length UINT32_MAX stands for NULL.
 */
#include "storage/codec.h"

#include <string.h>

static const uint32_t none = UINT32_MAX;

static enum put_class class_of(enum put_kind k)
{
	return k == PUT_ALERT ? CLASS_ALERTS : k == PUT_BLOB ? CLASS_BLOBS : CLASS_BINS;
}

static void add_data(struct strb *out, const void *p, size_t len)
{
	uint32_t n = p ? (uint32_t)len : none;

	strb_addn(out, &n, sizeof(n));
	if (p)
		strb_addn(out, p, len);
	strb_addc(out, '\0');
}

static void add_text(struct strb *out, const char *s)
{
	add_data(out, s, s ? strlen(s) : 0);
}

void put_encode(struct strb *out, struct put_count *count, const struct put *p)
{
	size_t at = out->len;
	uint8_t kind = (uint8_t)p->kind;
	uint32_t len = 0;

	strb_addn(out, &len, sizeof(len));
	strb_addn(out, &kind, 1);
	if (class_of(p->kind) == CLASS_BINS) {
		const struct bin *b = &p->bin;

		add_text(out, p->series);
		strb_addn(out, &b->start_s, sizeof(b->start_s));
		strb_addn(out, &b->bytes, sizeof(b->bytes));
		strb_addn(out, &b->packets, sizeof(b->packets));
		strb_addn(out, &b->flows, sizeof(b->flows));
		strb_addn(out, &b->peak, sizeof(b->peak));
		strb_addn(out, &b->gauge, sizeof(b->gauge));
		strb_addn(out, &b->step, sizeof(b->step));
		strb_addn(out, &b->covered, sizeof(b->covered));
	} else {
		add_text(out, p->space);
		add_text(out, p->key);
		add_text(out, p->state);
		strb_addn(out, &p->at_ms, sizeof(p->at_ms));
		add_data(out, p->data, p->len);
	}
	len = (uint32_t)(out->len - at - sizeof(len));
	memcpy(out->s + at, &len, sizeof(len));
	count->n[class_of(p->kind)]++;
}

/* What is left of one put. */
struct rest {
	const char *p, *end;
	bool bad;
};

static void get(struct rest *r, void *to, size_t len)
{
	if (r->bad || (size_t)(r->end - r->p) < len) {
		r->bad = true;
		memset(to, 0, len);
		return;
	}
	memcpy(to, r->p, len);
	r->p += len;
}

static const char *get_data(struct rest *r, size_t *len)
{
	const char *at;
	uint32_t n;

	get(r, &n, sizeof(n));
	at = r->p;
	*len = n == none ? 0 : n;
	if (r->bad || (size_t)(r->end - r->p) <= *len || r->p[*len]) {
		r->bad = true;
		return NULL;
	}
	r->p += *len + 1;
	return n == none ? NULL : at;
}

bool put_decode(const char *buf, size_t len, size_t *at, struct put *p)
{
	struct rest r = { .p = buf + *at, .end = buf + len };
	uint32_t size;
	uint8_t kind;
	size_t n;

	*p = (struct put){ 0 };
	get(&r, &size, sizeof(size));
	if (r.bad || (size_t)(r.end - r.p) < size)
		return false;
	r.end = r.p + size;
	*at = (size_t)(r.end - buf);
	get(&r, &kind, 1);
	p->kind = kind;
	if (class_of(p->kind) == CLASS_BINS) {
		struct bin *b = &p->bin;

		p->series = get_data(&r, &n);
		get(&r, &b->start_s, sizeof(b->start_s));
		get(&r, &b->bytes, sizeof(b->bytes));
		get(&r, &b->packets, sizeof(b->packets));
		get(&r, &b->flows, sizeof(b->flows));
		get(&r, &b->peak, sizeof(b->peak));
		get(&r, &b->gauge, sizeof(b->gauge));
		get(&r, &b->step, sizeof(b->step));
		get(&r, &b->covered, sizeof(b->covered));
	} else {
		p->space = get_data(&r, &n);
		p->key = get_data(&r, &n);
		p->state = get_data(&r, &n);
		get(&r, &p->at_ms, sizeof(p->at_ms));
		p->data = get_data(&r, &p->len);
	}
	return !r.bad && r.p == r.end;
}

void put_strip(const char *buf, size_t len, enum put_class without, struct strb *out,
	       struct put_count *count)
{
	size_t at = 0, from = 0;
	struct put p;

	while (put_decode(buf, len, &at, &p)) {
		if (class_of(p.kind) != without)
			strb_addn(out, buf + from, at - from);
		from = at;
	}
	count->n[without] = 0;
}
