/* chart.c - an alert's last values against what is normal, as a picture.
 * SPDX-License-Identifier: ISC
 *
 * The ground is transparent and every colour is of middle brightness, so one
 * picture reads on a white and on a dark page. The band is what is normal now,
 * the dashed line the limit; a gap in the data is a gap in the line. Two pixels
 * a point for the displays of phones; about 20 KB.
 */
#include "daemon/notify/chart.h"

#include <cairo.h>
#include <math.h>
#include <string.h>

#include "daemon/base/units.h"

enum { WIDTH = 480, HEIGHT = 200, SCALE = 2, LEFT = 98, RIGHT = 12, TOP = 12, BOTTOM = 28,
       GRID = 4 };

struct plot {
	cairo_t *c;
	const struct alert *a;
	double top; /* value at the upper edge; the lower one is zero */
};

static double x_of(const struct plot *p, double i)
{
	return LEFT + (WIDTH - LEFT - RIGHT) * i / (p->a->n_spark - 1);
}

static double y_of(const struct plot *p, double v)
{
	if (v < 0)
		v = 0;
	if (v > p->top)
		v = p->top;
	return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * v / p->top;
}

/* The next 1, 2, 4, 6 or 8 times a power of ten above v: its quarters are short. */
static double round_up(double v)
{
	static const double steps[] = { 1, 2, 4, 6, 8, 10 };
	double ten = pow(10, floor(log10(v)));

	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++)
		if (steps[i] * ten >= v)
			return steps[i] * ten;
	return 10 * ten;
}

static double highest(const struct alert *a)
{
	double most = 0;

	for (unsigned i = 0; i < a->n_spark; i++)
		if (isfinite(a->spark[i]) && a->spark[i] > most)
			most = a->spark[i];
	if (a->has_baseline && isfinite(a->high) && a->high > most)
		most = a->high;
	/* A limit far above everything would press the line flat. */
	if (isfinite(a->threshold) && a->threshold > most && a->threshold < 3 * most)
		most = a->threshold;
	return most > 0 ? round_up(most * 1.02) : 1;
}

static void grey(struct plot *p, double alpha)
{
	cairo_set_source_rgba(p->c, 0.49, 0.53, 0.57, alpha);
}

static void label(struct plot *p, double x, double y, const char *text, double align)
{
	cairo_text_extents_t e;

	cairo_text_extents(p->c, text, &e);
	cairo_move_to(p->c, x - e.x_advance * align, y);
	cairo_show_text(p->c, text);
}

static void grid(struct plot *p)
{
	char buf[UNIT_TEXT];

	cairo_set_line_width(p->c, 1);
	for (int i = 0; i <= GRID; i++) {
		double v = p->top * i / GRID, y = floor(y_of(p, v)) + 0.5;

		grey(p, 0.35);
		cairo_move_to(p->c, LEFT, y);
		cairo_line_to(p->c, WIDTH - RIGHT, y);
		cairo_stroke(p->c);
		grey(p, 1);
		label(p, LEFT - 6, y + 4, i ? measure_text(&p->a->measure, v, buf) : "0",
		      1);
	}
}

static void times(struct plot *p)
{
	int64_t end = p->a->window_end_ms, step = p->a->spark_step_ms;
	char buf[UNIT_TEXT];

	grey(p, 1);
	for (int i = 0; i <= GRID; i++) {
		double at = (double)(p->a->n_spark - 1) * i / GRID;
		int64_t ms = end - (int64_t)((double)step * (p->a->n_spark - 1 - at));

		label(p, x_of(p, at), HEIGHT - 8, text_time_short(ms, buf),
		      i == 0	  ? 0
		      : i == GRID ? 1
				  : 0.5);
	}
}

static void band(struct plot *p)
{
	const struct alert *a = p->a;

	if (!a->has_baseline || !isfinite(a->low) || !isfinite(a->high))
		return;
	cairo_set_source_rgba(p->c, 0.18, 0.62, 0.36, 0.28);
	cairo_rectangle(p->c, LEFT, y_of(p, a->high), WIDTH - LEFT - RIGHT,
			y_of(p, a->low) - y_of(p, a->high));
	cairo_fill(p->c);
	cairo_set_source_rgba(p->c, 0.18, 0.62, 0.36, 1);
	label(p, LEFT + 4, y_of(p, a->high) - 4, "normal", 0);
}

static void limit(struct plot *p)
{
	static const double dashes[] = { 5, 4 };
	double y = y_of(p, p->a->threshold);

	if (!isfinite(p->a->threshold) || p->a->threshold <= 0 ||
	    p->a->threshold > p->top)
		return;
	cairo_set_source_rgba(p->c, 0.88, 0.30, 0.28, 1);
	cairo_set_line_width(p->c, 1.2);
	cairo_set_dash(p->c, dashes, 2, 0);
	cairo_move_to(p->c, LEFT, y);
	cairo_line_to(p->c, WIDTH - RIGHT, y);
	cairo_stroke(p->c);
	cairo_set_dash(p->c, NULL, 0, 0);
	label(p, LEFT + 4, y - 4, "limit", 0);
}

static void line(struct plot *p)
{
	bool drawing = false;
	int last = -1;

	cairo_set_source_rgba(p->c, 0.22, 0.53, 0.92, 1);
	cairo_set_line_width(p->c, 2);
	cairo_set_line_join(p->c, CAIRO_LINE_JOIN_ROUND);
	for (unsigned i = 0; i < p->a->n_spark; i++) {
		double v = p->a->spark[i];

		if (!isfinite(v)) {
			drawing = false;
			continue;
		}
		if (drawing)
			cairo_line_to(p->c, x_of(p, i), y_of(p, v));
		else
			cairo_move_to(p->c, x_of(p, i), y_of(p, v));
		drawing = true;
		last = (int)i;
	}
	cairo_stroke(p->c);
	if (last < 0)
		return;
	cairo_arc(p->c, x_of(p, last), y_of(p, p->a->spark[last]), 3.5, 0, 2 * M_PI);
	cairo_fill(p->c);
}

static cairo_status_t keep(void *arg, const unsigned char *data, unsigned len)
{
	strb_addn(arg, data, len);
	return CAIRO_STATUS_SUCCESS;
}

bool chart_png(const struct alert *a, struct strb *png)
{
	cairo_surface_t *s;
	size_t before = png->len;
	struct plot p = { .a = a };
	bool ok;

	if (a->n_spark < 2)
		return false;
	p.top = highest(a);
	s = cairo_image_surface_create(CAIRO_FORMAT_ARGB32, WIDTH * SCALE,
				       HEIGHT * SCALE);
	p.c = cairo_create(s);
	cairo_scale(p.c, SCALE, SCALE);
	cairo_select_font_face(p.c, "sans-serif", CAIRO_FONT_SLANT_NORMAL,
			       CAIRO_FONT_WEIGHT_NORMAL);
	cairo_set_font_size(p.c, 15); /* 10 pixels on a narrow phone */
	grid(&p);
	band(&p);
	line(&p);
	limit(&p);
	times(&p);
	ok = cairo_status(p.c) == CAIRO_STATUS_SUCCESS &&
	     cairo_surface_write_to_png_stream(s, keep, png) == CAIRO_STATUS_SUCCESS;
	cairo_destroy(p.c);
	cairo_surface_destroy(s);
	if (!ok && png->s)
		png->s[png->len = before] = '\0';
	return ok;
}
