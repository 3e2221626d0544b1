/* plan.h - from records to columns, field by field.
 * SPDX-License-Identifier: ISC
 *
 * A template is compiled once to steps: where a field is, how its octets become a
 * cell, in which column. Records of a fixed size are then decoded a column at a
 * time over the whole set, which is a tight loop of loads, swaps and stores with no
 * decision in it and one check of bounds for all; that is what makes v9 and IPFIX
 * as cheap as v5 (whose plan is a constant in nf5.c). Records with fields of
 * variable length are walked one by one.
 */
#ifndef CUL_COLLECT_PLAN_H
#define CUL_COLLECT_PLAN_H

#include "daemon/collect/decoder.h"
#include "daemon/collect/ie.h"

enum {
	CHUNK = 256,     /* records decoded in one go */
	STEPS_MAX = 128, /* elements of a template that are kept */
};

/* Octets on the wire and octets of the cell, or what else is done. */
enum op {
	OP_1_1, OP_1_2, OP_1_8, OP_2_2, OP_2_4, OP_2_8, OP_4_4, OP_4_8, OP_8_8,
	OP_UINT, /* any length to any width, saturating */
	OP_IP4, OP_HOP4, OP_IP6, OP_TEXT, OP_SECS, OP_NTP, OP_DELTA_US, OP_MS_OF_US,
	OP_MPLS, OP_APP, OP_DIR, OP_DSCP, OP_SECTION, OP_FLOAT,
};

struct step {
	uint8_t op, to; /* enum op, enum target */
	uint16_t len;   /* octets; IE_VARLEN: as the record says */
	uint16_t off;   /* in a record of fixed size; else place in plan.walk */
	uint8_t how;    /* enum ie_how, to find the op of a variable length */
	bool merge;     /* only where the cell is still zero */
	uint16_t min, max;
};

/* A step of a plan that is written by hand. */
#define STEP(op_, to_, len_, off_) { .op = op_, .to = to_, .len = len_, .off = off_ }

/* A record of variable length, piece by piece. */
struct walk {
	uint16_t len;  /* IE_VARLEN: its length stands before it */
	uint8_t step;  /* the step for it, STEPS_MAX: none */
};

struct plan {
	uint32_t size;       /* of a record; with variable fields: the least */
	bool fixed;
	bool outer_masks;    /* prefix lengths are those of an outer IPv6 header */
	uint8_t n_steps;
	uint16_t n_walk;
	uint64_t told[2];    /* bit sets of enum target */
	const struct step *steps;
	const struct walk *walk;
};

struct scratch {
	uint64_t col[SCRATCH_COLUMNS][CHUNK];
	struct addr merge[CHUNK];
};

/* A run of records on its way into rows [row, row + n) of b. */
struct run {
	struct dgram *d;
	struct block *b;
	struct scratch *s;
	const uint8_t *set; /* what sections are counted from */
	uint32_t row;
};

/* t: an enum target, that is also an enum field. */
static inline bool plan_tells(const struct plan *p, unsigned t)
{
	return p->told[t >> 6] >> (t & 63) & 1;
}
static inline uint64_t *scratch_col(struct scratch *s, enum target t)
{
	return s->col[t - S_FIRST];
}

/* The op for an element of len octets (legal for it). */
enum op plan_op(uint8_t how, size_t len, enum target to);

/* Decodes n <= CHUNK records of p->size octets each, one after the other from `at`.
 * The caller has checked that they are there and made the rows. */
void plan_run(const struct plan *p, const struct run *r, const uint8_t *at, uint32_t n);
/* Decodes one record of variable length; takes it from rec. false: it is cut, and
 * its row holds nothing. */
bool plan_run_one(const struct plan *p, const struct run *r, struct rd *rec);

struct scratch *plan_scratch_new(void);
void plan_scratch_free(struct scratch **s);

#endif
