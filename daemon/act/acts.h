/* acts.h - who is slowed or refused now, until when, and why.
 * SPDX-License-Identifier: ISC
 *
 * The daemon acts on nobody itself: it keeps a list, and helpers with the rights for it
 * (Squid's, the one for nftables) ask whether an address is on it (socket.h).
 */
#ifndef CUL_ACT_ACTS_H
#define CUL_ACT_ACTS_H

#include "daemon/base/addr.h"
#include "daemon/base/err.h"

#include <stddef.h>

enum act_kind { ACT_NONE, ACT_SLOW, ACT_REFUSE, ACT_KINDS };
extern const char *const act_word[ACT_KINDS]; /* "none" "slow" "refuse" */
bool act_parse(const char *word, enum act_kind *out);

enum { ACT_BY = 64, ACT_WHY = 240, ACTS_MAX = 4096 };

struct act {
	struct addr addr;
	enum act_kind kind;
	int64_t since_ms, until_ms; /* Unix time */
	bool dry;                   /* only said: nobody is told that it holds */
	char by[ACT_BY];            /* "rule wan-busy", "root" */
	char why[ACT_WHY];          /* a sentence; text from outside may be in it */
};

struct acts_opts {
	bool dry_run;               /* every act is only said */
	int64_t max_ms;             /* none lasts longer */
	const struct prefix *never; /* borrowed during the call; copied */
	size_t n_never;
	const char *state_dir;      /* acts.json and acts.log; NULL: neither */
};

struct acts;

/* What was in force before a restart is in force again, but for what is over. Any thread
 * may call all of these. */
struct acts *acts_open(const struct acts_opts *o, int64_t now_ms);
void acts_configure(struct acts *s, const struct acts_opts *o, int64_t now_ms);
void acts_close(struct acts **s);

/* From a->until_ms, since_ms is filled. One that holds already for the address is replaced,
 * but an automatic one (`extend`) never shortens it or makes it milder. False + err: the
 * address is never acted on, or the end is too far or past. `try`: only the answer. */
bool acts_begin(struct acts *s, const struct act *a, bool extend, bool try, int64_t now_ms,
		struct err *err);
bool acts_end(struct acts *s, const struct addr *addr, const char *by, int64_t now_ms,
	      struct err *err);
/* What holds for the address now; *left_ms how long yet. */
enum act_kind acts_lookup(struct acts *s, const struct addr *addr, int64_t now_ms,
			  int64_t *left_ms);
/* Gives all that hold, to be freed; *n of them, the one that ends first first. */
struct act *acts_list(struct acts *s, int64_t now_ms, size_t *n);
/* Takes out what is over, and says so. About once a second. */
void acts_tick(struct acts *s, int64_t now_ms);

#endif
