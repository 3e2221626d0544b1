/* crowd.h - which of many hosts have a baseline of their own.
 * SPDX-License-Identifier: ISC
 *
 * A baseline takes 8 kB and a week to learn, and a network may have more hosts than there
 * is memory for. So a rule over hosts has a number of seats. Who comes is seated as long
 * as there are any; after that all others are weighed by what they send (Space-Saving,
 * Metwally et al. 2005, with weights that fade by half in a day), and once a bin the
 * heaviest of them takes the seat of the lightest that has one, if it is surely twice as
 * heavy: what sits has learnt something, and two that are alike must not take turns. A
 * flood of random sources fills the seats or the scales for a while, and moves nobody who
 * is heavier than its drops.
 */
#ifndef CUL_RULES_CROWD_H
#define CUL_RULES_CROWD_H

#include <stdbool.h>
#include <stdint.h>

#include "daemon/model/series.h"

struct crowd;

/* Memory: about 200 octets for each seat. */
struct crowd *crowd_new(enum by by, unsigned seats);
void crowd_free(struct crowd **c);

/* Is what k had in this slice still to be told? */
bool crowd_due(const struct crowd *c, const struct key *k, int64_t slice);
void crowd_add(struct crowd *c, const struct key *k, int64_t slice, double amount);

bool crowd_seated(const struct crowd *c, const struct key *k);
/* Seats one whose baseline was brought back; nobody takes its place for a day, in which it
 * shows its weight. False: there is no seat. */
bool crowd_seat(struct crowd *c, const struct key *k);
void crowd_leave(struct crowd *c, const struct key *k);

/* A bin of time is over. */
void crowd_turn(struct crowd *c);
/* The next that takes another's seat: *out has lost it, unless stays() says that it must
 * not. False: everybody sits where he should. */
bool crowd_swap(struct crowd *c, bool (*stays)(void *arg, const struct key *k), void *arg,
		struct key *out);

#endif
