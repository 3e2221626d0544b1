/* sampling.h - how many packets one sampled packet stands for.
 * SPDX-License-Identifier: ISC
 *
 * What is told nearer to the flow wins: configuration, then the record's own
 * field, its sampler's options record, the options of its interface, those of its whole
 * domain, the datagram's header. Rates by sampler id and by interface sit in one
 * table of the collector: at most RATES_MAX x 40 octets (2.6 MB), RATES_PER_DOMAIN
 * of them for one domain.
 */
#ifndef CUL_COLLECT_SAMPLING_H
#define CUL_COLLECT_SAMPLING_H

#include "daemon/collect/exporter.h"

enum { RATES_MAX = 65536, RATES_PER_DOMAIN = 4096 };

enum rate_kind { RATE_SAMPLER, RATE_INTERFACE };

/* A rate as believed: 0 for 0 and for one above the limit (then counted as clamped).
 * A rate that only makes sense with its octets turned round is turned. */
uint32_t sampling_believe(struct dgram *d, uint64_t rate);
/* The bits of a double that came in eight octets, or in four as a float; 0 for another
 * length. */
uint64_t sampling_float(uint64_t octets, size_t len);
/* From the elements of RFC 5477 and RFC 3954; those not told are 0. probability is the
 * bits of a double (IE 311). 0: none of them makes sense. */
struct sampling_words {
	uint64_t interval, space, size, population, probability;
	uint64_t plain; /* IE 34 or 50: one in so many */
};
uint32_t sampling_of_words(struct dgram *d, const struct sampling_words *w);

/* Remembers what options data said. */
void sampling_set(struct dgram *d, struct domain *dom, enum rate_kind kind, uint64_t id,
		  uint32_t rate);
void sampling_set_domain(struct dgram *d, struct domain *dom, uint32_t rate);
uint32_t sampling_get(const struct collector *c, const struct domain *dom,
		      enum rate_kind kind, uint64_t id); /* 0 unknown */
/* Every rate of dom, for saving and for forgetting it. */
void sampling_each(const struct collector *c, const struct domain *dom,
		   void (*fn)(void *arg, enum rate_kind kind, uint64_t id, uint32_t rate),
		   void *arg);
void sampling_forget(struct collector *c, struct domain *dom);

/* Multiplies bytes and packets of rows [from, to): the configured rate, else the cell
 * `sampling` of the row, else d->rate. Saturates. */
void sampling_apply(struct dgram *d, struct block *b, uint32_t from, uint32_t to);

#endif
