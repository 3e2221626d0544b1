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

void spark_add(struct strb *out, const double *values, size_t n, size_t width, bool utf8)
{
	static const char *const bars[] = { "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█" };
	static const char *const plain[] = { "_", ".", "-", "=", "+", "*", "%", "#" };
	size_t cells = n < width ? n : width;
	double top = 0, v;

	strb_add(out, "");
	for (size_t i = 0; i < cells; i++) {
		v = mean(values, i * n / cells, (i + 1) * n / cells);
		if (v > top)
			top = v;
	}
	for (size_t i = 0; i < cells; i++) {
		size_t step = 0;

		v = mean(values, i * n / cells, (i + 1) * n / cells);
		if (isnan(v)) {
			strb_addc(out, ' ');
			continue;
		}
		if (top > 0 && v > 0)
			step = (size_t)(v / top * (ARRAY_LEN(bars) - 1) + 0.5);
		strb_add(out, utf8 ? bars[step] : plain[step]);
	}
}
