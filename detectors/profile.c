/* profile.c - what is normal at this hour: the learnt week of one series.
 * SPDX-License-Identifier: ISC
 *
 * normal = day + apart + odd + level, all in logarithms:
 *
 * day    288 slots of local wall-clock time, once for working days and once for
 *        days of rest. Days of a kind are pooled, since five Mondays are needed
 *        to learn what one working week shows. Beside the usual value it keeps
 *        the usual largest of four bins: a job that starts up to a quarter of an
 *        hour late leaves that figure alone, and a job that did not run does not.
 * apart  168 hours of the week: how far each weekday is from the days of its kind, the
 *        middle one of three weeks. An office that closes at noon on Fridays, a shop
 *        that has its best day on Saturdays, a weekend that falls on other days: two
 *        kinds of day would be wrong by factors, seven days learnt apart would take
 *        months. Small differences count less than large ones, since they are noise.
 * odd    2016 slots of the week: how far last week and the week before were from
 *        the day. What both weeks agree on (the smaller of the two, or nothing)
 *        is taken as habit: so a weekly job is known after its second time, and
 *        what happened once, an attack among it, excuses nothing.
 * level  today as a whole against other days. It starts the day at the mean of
 *        the days before, as uncertain as these differed, and follows by a
 *        Kalman filter: fast in the small hours, hardly at noon. A rise of some
 *        hours can then be told from a busy day. A job that stands out of its hour
 *        is as large on a quiet day as on a busy one, so the level leaves it alone.
 * scale  spread by the hour and kind of day, a running median of distances, so
 *        that neither a burst nor the edges of a late job widen it.
 *
 * fresh  what a level that will not go looks like, by the hour, while an alert stands: when
 *        it is adopted, the day is that. A level alone would leave nights wrong where
 *        something was added, and noons where something was multiplied.
 *
 * Whoever is not to be learnt from (an alert, a silence) is not given to
 * profile_learn. Innovations are clipped all the same.
 */
#include "detectors/profile.h"

#include <math.h>
#include <string.h>

enum { CODE = 1024, ODD_CODE = 16, APART_CODE = 16, NEAR = 3, SCALED_ENOUGH = 6,
       SLOTS_HOUR = SLOTS_DAY / PROFILE_HOURS };
/* An adopted day is known as well as one that was seen so often. */
enum { SEEN_AFTER = 4, SCALED_AFTER = 24 };

/* One day in twelve: ten working days replace half of what was known. */
static const float day_gain = 0.08f;
/* Twice and a bit above what is there so many slots before and after: a job. */
static const float stands_out = 0.8f;
enum { ASIDE = 14 };
/* Spreads beyond which a value does not pull harder. */
static const float clip = 4;
/* A running median moves by this share; about a week of an hour's bins halves it. */
static const float scale_gain = 0.015f;
/* Nothing is measured more finely than 4 %: it would alert on what nobody sees. */
static const float least_scale = 0.04f;
/* Neighbouring bins are not independent: traffic of an hour ago lingers, and twelve
 * bins tell the level as much as one independent one. */
static const float alike_bins = 12;
/* How long the level's filter remembers within a day, in (independent) bins. */
static const float level_bins = 150;
/* A day before the first was seen: levels of days differ by 20 %. */
static const float first_day_var = 0.04f;
/* The mean of days before: four of them. */
static const float usual_gain = 0.25f;
/* Deviations under this many spreads are not odd. */
static const float odd_spreads = 3;

static float clampf(float v, float lo, float hi)
{
	return v < lo ? lo : v > hi ? hi : v;
}

float profile_log(double v)
{
	return v < 0 ? -log1pf((float)-v) : log1pf((float)v);
}

double profile_unlog(float x)
{
	return x < 0 ? -expm1(-x) : expm1(x);
}

static int16_t code(float x)
{
	return (int16_t)lrintf(clampf(x, -31, 31) * CODE);
}

/* How far this hour of this weekday is from its kind of day: what two of three weeks
 * agree on, and of that the less the more it is like what one day differs by anyway. */
static float apart(const struct profile *f, unsigned class, unsigned slot)
{
	const int8_t *w = f->apart[slot / SLOTS_HOUR];
	int lo = w[0] < w[1] ? w[0] : w[1], hi = w[0] < w[1] ? w[1] : w[0];
	float m = (float)(w[2] < lo ? lo : w[2] > hi ? hi : w[2]) / APART_CODE;
	float s = f->scale[class][slot / SLOTS_HOUR % PROFILE_HOURS];

	return m * m * m / (m * m + 0.1f * s * s + 1e-6f);
}

static int8_t apart_code(float d)
{
	return (int8_t)lrintf(clampf(d, -7.9f, 7.9f) * APART_CODE);
}

static int8_t odd_code(float d) /* 0: it was not odd */
{
	int8_t v = (int8_t)lrintf(clampf(d, -7.9f, 7.9f) * ODD_CODE);

	return v ? v : 1;
}

/* What last week and the week before agree on beyond that. */
static float habit(const struct profile *f, unsigned slot, float apart)
{
	float a = f->odd[0][slot] ? (float)f->odd[0][slot] / ODD_CODE - apart : 0;
	float b = f->odd[1][slot] ? (float)f->odd[1][slot] / ODD_CODE - apart : 0;

	if (a > 0 && b > 0)
		return fminf(a, b);
	if (a < 0 && b < 0)
		return fmaxf(a, b);
	return 0;
}

static void lean(const struct profile *f, unsigned class, unsigned slot, float *at, float *odd)
{
	*at = apart(f, class, slot);
	*odd = habit(f, slot, *at);
}

static float scale_of(const struct profile *f, const struct normal *n)
{
	float s = f->scale_all;

	if (f->scaled[n->class][n->hour] > SCALED_ENOUGH)
		s = f->scale[n->class][n->hour];
	else if (f->scaled[!n->class][n->hour] > SCALED_ENOUGH)
		s = f->scale[!n->class][n->hour];
	s = fmaxf(s, least_scale);
	return n->known ? s : 2 * s; /* borrowed: wider */
}

/* What the hour has without a job of less than an hour in it. */
static float background(const struct profile *f, unsigned class, unsigned slot, float day)
{
	unsigned a = (slot + SLOTS_DAY - ASIDE) % SLOTS_DAY, b = (slot + ASIDE) % SLOTS_DAY;
	int16_t before = f->day[class][a], after = f->day[class][b];

	if (!f->seen[class][a] || !f->seen[class][b])
		return day;
	return fminf(day, (float)(before > after ? before : after) / CODE);
}

/* How much of the level is in x. A busy day makes an hour's traffic more by a factor, but
 * its backup no larger, or not by as much: of what stands out, the level counts for the
 * background's share. */
static float weight(float x, float ground)
{
	float out = x - ground - stands_out;

	return out > 0 ? expf(-out) : 1;
}

/* Upper edges and lower ones of what may be: with the level, or with less of it. */
static float upper(const struct profile *f, float x, float ground)
{
	return x + (f->level > 0 ? 1 : weight(x, ground)) * f->level;
}

static float lower(const struct profile *f, float x, float ground)
{
	return x + (f->level < 0 ? 1 : weight(x, ground)) * f->level;
}

static void put_level(const struct profile *f, float ground, struct normal *n)
{
	n->vague = n->mid_low < n->mid;
	n->weight = weight(n->mid, ground);
	n->mid = upper(f, n->mid, ground);
	n->mid_low = lower(f, n->mid_low, ground);
	n->up = upper(f, n->up, ground);
	n->down = lower(f, n->down, ground);
	n->least_most = lower(f, n->least_most, ground);
	n->most += weight(n->most, ground) * f->level;
}

void profile_expect(const struct profile *f, const struct point *p, float x_before,
		    struct normal *n)
{
	unsigned slot = p->slot % SLOTS_DAY, from = p->rest;
	float quiet = -INFINITY;
	bool odd = false;

	n->slot = (uint16_t)slot;
	n->class = p->rest;
	n->hour = (uint8_t)(slot / (SLOTS_DAY / PROFILE_HOURS));
	n->known = f->seen[from][slot] > 0;
	n->scale = scale_of(f, n);
	n->lean = 0;
	n->vague = false;
	if (!n->known && f->seen[!from][slot])
		from = !from; /* borrow from the other kind of day */
	if (!f->seen[from][slot]) { /* or from the bin before */
		n->day = x_before - f->level;
		n->mid = n->mid_low = n->up = n->down = x_before;
		n->most = n->least_most = x_before;
		n->weight = 1;
		return;
	}
	n->day = (float)f->day[from][slot] / CODE;
	n->up = -INFINITY;
	n->down = INFINITY;
	for (int k = -NEAR; k <= NEAR; k++) {
		unsigned near = (slot + SLOTS_DAY + (unsigned)k) % SLOTS_DAY;
		float day = (float)f->day[from][near] / CODE, hi, lo;
		float apart[2], habit[2];

		if (!f->seen[from][near])
			continue;
		if (p->holiday) { /* like a Saturday, like a Sunday, or like neither */
			for (unsigned i = 0; i < 2; i++)
				lean(f, from, (5 + i) * SLOTS_DAY + near, &apart[i], &habit[i]);
			hi = fmaxf(0, fmaxf(apart[0] + habit[0], apart[1] + habit[1]));
			lo = fminf(0, fminf(apart[0] + habit[0], apart[1] + habit[1]));
			odd |= k <= 0 && lo < 0;
		} else {
			lean(f, from, (unsigned)(p->slot + k + SLOTS_WEEK) % SLOTS_WEEK,
			     &apart[0], &habit[0]);
			if (!n->known)
				apart[0] = 0;
			hi = lo = apart[0] + habit[0];
			odd |= k <= 0 && habit[0] < 0;
			if (!k)
				n->lean = apart[0];
		}
		n->up = fmaxf(n->up, day + hi);
		n->down = fminf(n->down, day + lo);
		if (k <= 0)
			quiet = fmaxf(quiet, day + lo);
		if (!k) {
			n->mid = day + hi;
			n->mid_low = day + lo;
		}
	}
	n->day += n->lean;
	n->most = (float)f->most[from][slot] / CODE + n->lean;
	/* Habitually less in one of the four bins: what the others let expect. */
	n->least_most = odd ? fminf(n->most, quiet) : n->most;
	put_level(f, background(f, from, slot, n->day), n);
}

float profile_spread(const struct profile *f, const struct normal *n)
{
	return sqrtf(n->scale * n->scale + n->weight * n->weight * f->level_var);
}

float profile_off(const struct normal *n, float x)
{
	return x > n->mid ? x - n->mid : fminf(0, x - n->mid_low);
}

/* Running median: a step up as often as one down. */
static void median(float *m, uint16_t *n, float v)
{
	float gain = fmaxf(2.0f / (float)(*n + 4), scale_gain);

	if (!*n)
		*m = fmaxf(v, 0.02f);
	else
		*m *= v > *m ? 1 + gain : 1 / (1 + gain);
	*m = clampf(*m, 0.001f, 20);
	if (*n < UINT16_MAX)
		++*n;
}

void profile_learn(struct profile *f, const struct normal *n, float x, float most)
{
	uint8_t *seen = &f->seen[n->class][n->slot];
	int16_t *day = &f->day[n->class][n->slot], *top = &f->most[n->class][n->slot];
	float limit = clip * profile_spread(f, n);

	if (!f->days && f->day_var <= 0) {
		f->day_var = first_day_var;
		f->scale_all = 0.3f;
	}
	if (!*seen) {
		*day = code(x - f->level);
		*top = code(most - f->level);
		*seen = 1;
		return;
	}
	/* The first days may be far off; they are corrected in larger steps. */
	float gain = fmaxf(1.0f / (float)(*seen + 1), day_gain);
	float step = *seen < 3 ? 3 * limit : limit;
	float off = clampf(profile_off(n, x), -limit, limit);
	float up = clampf(x - n->day - f->level * n->weight, -step, step);
	float most_up = clampf(most - n->most, -step, step);

	*day = code((float)*day / CODE + gain * up);
	*top = code((float)*top / CODE + gain * most_up);
	if (*seen < UINT8_MAX)
		++*seen;
	/* The level, and then the spread around where it was. */
	float s = fminf(n->scale, f->scale_all), r = alike_bins * s * s;
	float k = n->weight * f->level_var / (f->level_var + r);
	float v = 1.4826f * fabsf(off) * n->scale / profile_spread(f, n);
	f->level += k * off;
	f->level_var = (1 - k) * f->level_var + r / (level_bins * level_bins);
	if (n->vague)
		return; /* within what it may be nothing is off, and that is no spread */
	median(&f->scale[n->class][n->hour], &f->scaled[n->class][n->hour], v);
	median(&f->scale_all, &f->scaled_all, v);
}

/* What most of an hour's bins agree on: a job that takes half of it is not of the hour. */
static float agreed(float sum, float squares, float n)
{
	float mean = sum / n, dev = sqrtf(fmaxf(0, squares / n - mean * mean));

	return copysignf(fmaxf(0, fabsf(mean) - dev), mean);
}

/* d: from the day of its kind, whatever the weekday lets expect. */
static void note_hour(struct profile *f, const struct point *p, float d)
{
	unsigned hour = p->slot / SLOTS_HOUR;

	if (hour != f->hour_at) {
		int8_t *w = f->apart[f->hour_at];

		if (f->hour_bins >= SLOTS_HOUR / 2) {
			w[2] = w[1];
			w[1] = w[0];
			w[0] = apart_code(agreed(f->hour_sum, f->hour_squares,
						 f->hour_bins));
		}
		f->hour_at = (uint16_t)hour;
		f->hour_bins = 0;
		f->hour_sum = f->hour_squares = 0;
	}
	f->hour_sum += d;
	f->hour_squares += d * d;
	f->hour_bins++;
}

void profile_note(struct profile *f, const struct normal *n, const struct point *p,
		  float x)
{
	float d = x - n->day - f->level * n->weight;

	if (!n->known || p->holiday)
		return;
	f->odd[1][p->slot] = f->odd[0][p->slot];
	f->odd[0][p->slot] = 0;
	if (fabsf(d) > odd_spreads * n->scale)
		f->odd[0][p->slot] = odd_code(d + n->lean);
	note_hour(f, p, d + n->lean);
}

void profile_new_day(struct profile *f)
{
	float off = f->level - f->usual_level;

	if (f->days) {
		float gain = fmaxf(1.0f / (float)(f->days + 3), 0.06f);

		f->day_var += gain * (fminf(off * off, 9 * f->day_var) - f->day_var);
	}
	f->usual_level += fmaxf(1.0f / (float)(f->days + 1), usual_gain) * off;
	f->level = f->usual_level;
	f->level_var = 1.2f * f->day_var; /* the mean of few days is uncertain too */
	if (f->days < UINT16_MAX)
		f->days++;
}

void profile_forget_new(struct profile *f)
{
	memset(f->fresh, 0, sizeof(f->fresh));
	memset(f->freshened, 0, sizeof(f->freshened));
}

void profile_new(struct profile *f, const struct normal *n, float x)
{
	uint16_t *count = &f->freshened[n->class][n->hour];

	f->fresh[n->class][n->hour] += clampf(x - n->day - f->usual_level, -31, 31);
	if (*count < UINT16_MAX)
		++*count;
}

static float fresh_mean(const struct profile *f, int class)
{
	float sum = 0;
	unsigned n = 0;

	for (int h = 0; h < PROFILE_HOURS; h++) {
		sum += f->fresh[class][h];
		n += f->freshened[class][h];
	}
	return n ? sum / (float)n : 0;
}

static void adopt_class(struct profile *f, int class)
{
	float by[PROFILE_HOURS], mean;
	int from = class;

	if (fresh_mean(f, class) == 0)
		from = !class;
	mean = fresh_mean(f, from);
	for (int h = 0; h < PROFILE_HOURS; h++)
		by[h] = f->freshened[from][h] ? f->fresh[from][h] / f->freshened[from][h] : mean;
	for (int i = 0; i < SLOTS_DAY; i++) {
		int16_t *day = &f->day[class][i], *most = &f->most[class][i];
		float at = ((float)i + 0.5f) / SLOTS_HOUR + PROFILE_HOURS - 0.5f;
		int h = (int)at % PROFILE_HOURS;
		float part = at - (float)(int)at;
		float d = by[h] + part * (by[(h + 1) % PROFILE_HOURS] - by[h]);

		*day = code((float)*day / CODE + d);
		*most = code((float)*most / CODE + d);
		if (f->seen[class][i] > SEEN_AFTER)
			f->seen[class][i] = SEEN_AFTER;
	}
	for (int h = 0; h < PROFILE_HOURS; h++)
		if (f->scaled[class][h] > SCALED_AFTER)
			f->scaled[class][h] = SCALED_AFTER;
}

void profile_adopt(struct profile *f)
{
	for (int c = 0; c < PROFILE_CLASSES; c++)
		adopt_class(f, c);
	f->level = f->usual_level;
	profile_forget_new(f);
}

float profile_least(const struct profile *f, float floor)
{
	int least = INT16_MAX;

	for (int c = 0; c < PROFILE_CLASSES; c++)
		for (int i = 0; i < SLOTS_DAY; i++)
			if (f->seen[c][i] && f->day[c][i] < least)
				least = f->day[c][i];
	return (float)profile_unlog((float)least / CODE) * floor;
}

static float moved(float x, float by)
{
	return profile_log(profile_unlog(x) * (double)by);
}

void profile_rebase(struct profile *f, float was, float is)
{
	float by = was / is;

	for (int i = 0; i < SLOTS_WEEK; i++) {
		const int16_t *day = f->day[i >= 5 * SLOTS_DAY];
		float at = (float)day[i % SLOTS_DAY] / CODE;

		for (int k = 0; k < 2; k++)
			if (f->odd[k][i])
				f->odd[k][i] = odd_code(
				    moved(at + (float)f->odd[k][i] / ODD_CODE, by) -
				    moved(at, by));
		if (i % SLOTS_HOUR != SLOTS_HOUR / 2)
			continue;
		for (int k = 0; k < PROFILE_WEEKS; k++) {
			int8_t *a = &f->apart[i / SLOTS_HOUR][k];

			*a = apart_code(moved(at + (float)*a / APART_CODE, by) -
					moved(at, by));
		}
	}
	for (int c = 0; c < PROFILE_CLASSES; c++) {
		for (int i = 0; i < SLOTS_DAY; i++) {
			f->day[c][i] = code(moved((float)f->day[c][i] / CODE, by));
			f->most[c][i] = code(moved((float)f->most[c][i] / CODE, by));
		}
		memset(f->scaled[c], 0, sizeof(f->scaled[c]));
	}
	f->scaled_all = 0;
	f->hour_bins = 0;
	f->hour_sum = f->hour_squares = 0;
}
