/* spark.c - a row of little bars.
 * SPDX-License-Identifier: ISC
 *
 * From zero, not from the smallest value: traffic that only wobbles shall not look
 * like a mountain range.
 */
#include "daemon/cli/spark.h"

#include <math.h>

#include "daemon/base/mem.h"

static double mean(const double *v, size_t from, size_t to)
{
	double sum = 0;
	size_t n = 0;

	for (size_t i = from; i < to; i++) {
		if (!isfinite(v[i]))
			continue;
		sum += v[i];
		n++;
	}
	return n ? sum / (double)n : NAN;
}

const char *spark_bar(double v, double top, bool utf8)
{
	static const char *const bars[] = { "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█" };
	static const char *const plain[] = { "_", ".", "-", "=", "+", "*", "%", "#" };
	size_t step = 0;

	if (isnan(v))
		return " ";
	if (top > 0 && v > 0)
		step = (size_t)(fmin(v / top, 1) * (ARRAY_LEN(bars) - 1) + 0.5);
	return utf8 ? bars[step] : plain[step];
}

void spark_add(struct strb *out, const double *values, size_t n, size_t width, bool utf8)
{
	size_t cells = n < width ? n : width;
	double top = 0, v;

	strb_add(out, "");
	for (size_t i = 0; i < cells; i++) {
		v = mean(values, i * n / cells, (i + 1) * n / cells);
		if (v > top)
			top = v;
	}
	for (size_t i = 0; i < cells; i++) {
		v = mean(values, i * n / cells, (i + 1) * n / cells);
		strb_add(out, spark_bar(v, top, utf8));
	}
}
