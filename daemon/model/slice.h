/* slice.h - ten seconds of wall-clock time, and how rules look at them.
 * SPDX-License-Identifier: ISC
 *
 * A slice has a number: Unix time in milliseconds / SLICE_MS, rounded down. The
 * windows keep for each view (a filter with a group key) what each key did in
 * each slice; rules ask for it through struct slices and never see how it is
 * kept. All of this happens on the analysis thread.
 */
#ifndef CUL_MODEL_SLICE_H
#define CUL_MODEL_SLICE_H

#include "daemon/model/series.h"

enum { HOUR_SLICES = 3600000 / SLICE_MS, DAY_SLICES = 24 * HOUR_SLICES };

static inline int64_t slice_of(int64_t ms)
{
	return ms >= 0 ? ms / SLICE_MS : -((-ms + SLICE_MS - 1) / SLICE_MS);
}

/* Octets (packets) of a flow up to t, start <= t <= end (D1): whole at its end, so that
 * shares always add up. A flow without duration is whole from its start on. */
static inline uint64_t share_upto(uint64_t total, int64_t start, int64_t end, int64_t t)
{
	if (t >= end)
		return total;
	if (t <= start)
		return 0;
	return (uint64_t)((unsigned __int128)total * (uint64_t)(t - start) /
			  (uint64_t)(end - start));
}

struct slices {
	void *arg;
	/* Sums of key k in slices first .. first + n - 1; out has n members. Returns the
	 * summed error: the true figures are at most this much larger (sketches). */
	struct sums (*sums)(void *arg, unsigned view, const struct key *k, int64_t first,
			    unsigned n, struct sums *out);
	/* Peers, ports or entropy over those slices taken together. */
	double (*gauge)(void *arg, unsigned view, const struct key *k, int64_t first,
			unsigned n);
	/* Sums of k since the start of the view's local day, week or month. */
	struct sums (*total)(void *arg, unsigned view, const struct key *k,
			     int64_t *start_ms, int64_t *end_ms);
	/* Were we, and its exporter, there to see slice s? (D3) */
	bool (*covered)(void *arg, enum by by, const struct key *k, int64_t s);
	/* NULL, or the same of n slices at once, where that is cheaper: out[i], were we not? */
	void (*missing)(void *arg, enum by by, const struct key *k, int64_t first, unsigned n,
			bool *out);
	/* NULL, or where slices are made of bins: the largest sum of bytes that a window of
	 * BIN_SLICES had which ended in the bin of slice s; 0 when it is not known. */
	double (*peak)(void *arg, unsigned view, const struct key *k, int64_t s);
	/* NULL, or where that is known without looking at each: no slice of these n has more
	 * than this, no window of BIN_SLICES more than BIN_SLICES times this. */
	struct sums (*bound)(void *arg, unsigned view, const struct key *k, int64_t first,
			     unsigned n);
	/* Milliseconds after its end until a slice of this key has all its flows. */
	int64_t (*lateness)(void *arg, enum by by, const struct key *k);
};

#endif
