/* opt.c - the settings that a pluggable module accepts, as data.
 * SPDX-License-Identifier: ISC
 */
#include "daemon/model/opt.h"

#include <math.h>
#include <string.h>

#include "daemon/base/units.h"

static double *place(const struct opt *o, void *conf)
{
	return (double *)((char *)conf + o->off);
}

void opt_defaults(const struct opt *opts, void *conf)
{
	for (; opts->name; opts++)
		*place(opts, conf) = opts->def;
}

const struct opt *opt_find(const struct opt *opts, const char *name)
{
	for (; opts->name; opts++)
		if (!strcmp(opts->name, name))
			return opts;
	return NULL;
}

/* A quantity may be said as a rate or a size; which of them it is depends on the measure,
 * which the number alone does not need to know. */
static bool quantity(const char *text, double *v)
{
	uint64_t size;

	if (parse_rate(text, v))
		return true;
	if (!parse_size(text, &size))
		return false;
	*v = (double)size;
	return true;
}

/* Plain numbers, with an exponent too ("1e-3") and no sign. */
static bool number(const char *text, double *v)
{
	size_t n = strspn(text, "0123456789.");
	double mantissa, power = 0;
	char buf[64];

	if (!n || n >= sizeof(buf))
		return false;
	memcpy(buf, text, n);
	buf[n] = '\0';
	if (!parse_rate(buf, &mantissa))
		return false;
	if (text[n] == 'e') {
		bool minus = text[n + 1] == '-';
		uint64_t e;

		if (!parse_u64(text + n + 1 + minus, 300, &e))
			return false;
		power = minus ? -(double)e : (double)e;
	} else if (text[n]) {
		return false;
	}
	*v = mantissa * pow(10, power);
	return true;
}

static bool parse(const struct opt *o, const char *text, double *v)
{
	int64_t ms;

	switch (o->kind) {
	case OPT_NUMBER:
		return number(text, v);
	case OPT_QUANTITY:
		return strchr(text, '%') ? parse_percent(text, v) : quantity(text, v);
	case OPT_COUNT:
		return quantity(text, v);
	case OPT_BUDGET: /* "0.3" alone is a week's, as the default is */
		return parse_budget(text, v) || number(text, v);
	case OPT_DURATION:
		if (!parse_duration(text, &ms))
			return false;
		*v = (double)ms / 1000;
		return true;
	}
	return false;
}

bool opt_set(const struct opt *o, void *conf, const char *text, struct err *e)
{
	static const char *const like[] = {
		[OPT_NUMBER] = "a number like 4.5",
		[OPT_QUANTITY] = "a quantity like 16M",
		[OPT_COUNT] = "a number like 16M",
		[OPT_DURATION] = "a time like 30s or 7d",
		[OPT_BUDGET] = "a rate of alarms like 0.1/week",
	};
	double v;

	if (!parse(o, text, &v))
		return err_set(e, "%s: \"%s\" is not %s", o->name, text, like[o->kind]);
	if (v < o->min || v > o->max)
		return err_set(e, "%s: %s is outside %g to %g (%s)", o->name, text,
			       o->min, o->max, o->doc);
	*place(o, conf) = v;
	return true;
}
