/* digits.h - decimal numbers into a buffer, quickly.
 * SPDX-License-Identifier: ISC
 *
 * printf() reads its format each time; an archive is told in a hundred million numbers.
 */
#ifndef CUL_BASE_DIGITS_H
#define CUL_BASE_DIGITS_H

#include <stdint.h>
#include <string.h>

enum { DIGITS_MAX = 20 }; /* of a uint64_t */

/* Writes v without a NUL; returns the end. */
static inline char *digits_put(char *to, uint64_t v)
{
	char buf[DIGITS_MAX], *at = buf + sizeof(buf);
	size_t n;

	if (v < 10) {
		*to = (char)('0' + v);
		return to + 1;
	}
	do
		*--at = (char)('0' + v % 10);
	while (v /= 10);
	n = (size_t)(buf + sizeof(buf) - at);
	memcpy(to, at, n);
	return to + n;
}

/* The last `width` digits, zeros in front. */
static inline char *digits_pad(char *to, uint32_t v, unsigned width)
{
	for (unsigned i = width; i-- > 0; v /= 10)
		to[i] = (char)('0' + v % 10);
	return to + width;
}

#endif
