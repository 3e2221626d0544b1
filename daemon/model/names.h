/* names.h - who exports, what their interfaces and our networks are called.
 * SPDX-License-Identifier: ISC
 *
 * One registry for the process (or for one archive file). An exporter is what
 * an administrator calls one: an address (and a port where two share one); its
 * observation domains live in collect/. Exporters get small ids that are never
 * reused and pointers that stay valid, so the hot path indexes an array. The
 * ledger (D3) has one writer, the exporter's collector worker, and is read with
 * relaxed atomics by anybody. Names change rarely and sit behind one lock.
 */
#ifndef CUL_MODEL_NAMES_H
#define CUL_MODEL_NAMES_H

#include <stdbool.h>
#include <stdint.h>

#include "daemon/base/addr.h"
#include "daemon/model/block.h"

enum { NAME_LEN = 64, EXPORTERS_MAX = 65536 };

enum bad_reason {
#define REASON(e, label) e,
#include "daemon/model/ledger.def"
#undef REASON
	BAD_COUNT_OF_REASONS
};
enum set_outcome {
#define SET(e, label) e,
#include "daemon/model/ledger.def"
#undef SET
	SET_OUTCOMES
};
enum shed_reason {
#define SHED(e, label) e,
#include "daemon/model/ledger.def"
#undef SHED
	SHED_REASONS
};
extern const char *const bad_reason_label[BAD_COUNT_OF_REASONS];
extern const char *const set_outcome_label[SET_OUTCOMES];
extern const char *const shed_reason_label[SHED_REASONS];
extern const char *const via_label[VIA_COUNT], *const via_title[VIA_COUNT];

enum lost_unit { LOST_FLOWS, LOST_RECORDS, LOST_DATAGRAMS, LOST_UNITS };
extern const char *const lost_unit_label[LOST_UNITS]; /* "flows" (v5), "records" (IPFIX), "datagrams" */

/* One writer; read and written with __atomic relaxed (ledger_add, ledger_get). */
struct ledger {
	uint64_t datagrams[VIA_COUNT]; /* received, by protocol (VIA_NONE: unknown version) */
	uint64_t flows[VIA_COUNT];     /* decoded */
	uint64_t accepted;             /* of them; the others have a reason: */
	uint64_t malformed[BAD_COUNT_OF_REASONS];
	uint64_t shed[SHED_REASONS];
	uint64_t sets_seen;            /* in accepted datagrams */
	uint64_t sets[SET_OUTCOMES];   /* SET_HELD is how many wait now */
	uint64_t bytes, packets;       /* after sampling */
	uint64_t options;              /* records of options data (v9, IPFIX) */
	uint64_t lost[LOST_UNITS];     /* by sequence numbers */
	uint64_t restarts;             /* sequence or uptime resets recognised */
	uint64_t times_clamped, values_clamped;
	uint64_t templates;            /* now */
	uint64_t last_seen_ms;         /* receive time of the last datagram */
	int64_t skew_ms;       /* its clock minus ours, smoothed */
	int64_t lateness_ms;   /* learnt: 99.9th percentile of receive - first */
	uint32_t sampling;     /* last rate applied, 0 unknown */
	uint8_t sampling_source; /* enum sampling_source */
	uint64_t sampling_changes;    /* times a rate that was known became another */
	uint64_t sampling_changed_ms; /* receive time of the last; 0: never */
};

enum sampling_source { SAMPLING_NONE, SAMPLING_CONFIG, SAMPLING_FIELD, SAMPLING_SAMPLER,
		       SAMPLING_OPTIONS, SAMPLING_HEADER };

static inline void ledger_add(uint64_t *c, uint64_t n)
{
	__atomic_store_n(c, __atomic_load_n(c, __ATOMIC_RELAXED) + n, __ATOMIC_RELAXED);
}
static inline uint64_t ledger_get(const uint64_t *c)
{
	return __atomic_load_n(c, __ATOMIC_RELAXED);
}

struct exporter {
	uint32_t id;
	struct addr addr;
	uint16_t port;       /* 0: any */
	char name[NAME_LEN]; /* configured name, else its address as text (written once) */
	bool known;          /* has an exporter section */
	uint32_t interfaces; /* of it in the registry; under its lock */
	struct ledger ledger;
};

struct interface {
	uint32_t exporter, index;
	char name[NAME_LEN]; /* "" when nobody told */
	char alias[NAME_LEN]; /* what people wrote beside it (ifAlias); mostly "" */
	uint64_t speed_bps;  /* 0 when nobody told */
};

/* Where index is, or would stand, in a list that ascends by index. */
size_t interface_place(const struct interface *list, size_t n, uint32_t index);
/* The one with that index in such a list, or NULL. */
const struct interface *interface_find(const struct interface *list, size_t n, uint32_t index);

/* Whose word it is about an interface; the later of these wins. */
enum told_by { TOLD_SNMP, TOLD_EXPORTER, TOLD_CONFIG };

enum { EXPORTER_KEY = ADDR_TEXT + 8 };

struct names;

struct names *names_new(uint32_t max_exporters);
void names_free(struct names **n);

/* The exporter with that address (and port, when one is registered for it), made when
 * new; NULL when the table is full. Any thread. */
struct exporter *names_exporter(struct names *n, const struct addr *a, uint16_t port);
struct exporter *names_exporter_find(const struct names *n, const struct addr *a, uint16_t port);
/* A configured exporter, before the first datagram or at reload. port 0: any. */
struct exporter *names_exporter_known(struct names *n, const struct addr *a, uint16_t port,
				      const char *name);
struct exporter *names_exporter_at(const struct names *n, uint32_t id); /* NULL: no such id */
/* As history keeps it, "ADDRESS PORT"; series are found again by the exporters they belong
 * to. One with a port of its own is made by the configuration, so it is not made here. */
const char *exporter_key(const struct exporter *e, char buf[EXPORTER_KEY]);
void names_exporter_recall(struct names *n, const char *key);
uint32_t names_exporters(const struct names *n); /* how many; ids are 0 .. n-1 */

/* A name or speed that somebody told; NULL or 0 leaves as is. What the same or a lesser
 * source said before gives way. At most 4,096 interfaces an exporter. */
void names_interface_set(struct names *n, uint32_t exporter, uint32_t index, const char *name,
			 uint64_t speed_bps, enum told_by by);
/* All that SNMP tells of an exporter, ascending by index: what it told before and is not in
 * the list any more is forgotten, so that an index that is gone keeps no old name. */
void names_interfaces_snmp(struct names *n, uint32_t exporter, const struct interface *list,
			   size_t count);
/* Fills *out (name "" and speed 0 when unknown). */
void names_interface(const struct names *n, uint32_t exporter, uint32_t index,
		     struct interface *out);
/* ifIndex of the interface of that name, else of that alias, or -1. */
int64_t names_interface_find(const struct names *n, uint32_t exporter, const char *name);
/* Counts up whenever a name changed, so that compiled filters can look again. */
uint64_t names_version(const struct names *n);

/* Networks: a name and its prefixes. The longest prefix wins. Clearing takes the
 * prefixes away; a name keeps its number for good. */
bool names_network_add(struct names *n, const char *name, const struct prefix *p);
void names_networks_clear(struct names *n);
/* dst, which has none, gets the networks of src under the same numbers. */
void names_networks_copy(struct names *dst, const struct names *src);
/* All are added: from now on looking an address up takes no lock, until they change
 * again. */
void names_networks_done(struct names *n);
int names_network_of(const struct names *n, const struct addr *a); /* number, or -1 */
int names_network_find(const struct names *n, const char *name);   /* number, or -1 */
const char *names_network_name(const struct names *n, int number);

#endif
