/* near.c - the word that was probably meant.
 * SPDX-License-Identifier: ISC
 *
 * Counted are letters to change, put in, take out or swap with their neighbour (optimal
 * string alignment), capitals aside. One slip in three letters, two in up to seven,
 * three in more: further away a suggestion would be a guess. Of words as near as each other
 * the first counts, but one that begins as what was written goes before: "prot" is
 * proto, not port.
 */
#include "daemon/base/near.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { LONGEST = 64 };

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

static size_t distance(const char *a, const char *b)
{
	size_t row[3][LONGEST + 1], la = strlen(a), lb = strlen(b);

	for (size_t j = 0; j <= lb; j++)
		row[0][j] = j;
	for (size_t i = 1; i <= la; i++) {
		size_t *now = row[i % 3], *up = row[(i + 2) % 3], *up2 = row[(i + 1) % 3];
		int ca = tolower((unsigned char)a[i - 1]);

		now[0] = i;
		for (size_t j = 1; j <= lb; j++) {
			int cb = tolower((unsigned char)b[j - 1]);

			now[j] =
			    least(up[j - 1] + (ca != cb), least(up[j], now[j - 1]) + 1);
			if (i > 1 && j > 1 && ca != cb &&
			    ca == tolower((unsigned char)b[j - 2]) &&
			    cb == tolower((unsigned char)a[i - 2]))
				now[j] = least(now[j], up2[j - 2] + 1);
		}
	}
	return row[la % 3][lb];
}

struct near near_to(const char *text)
{
	size_t len = strlen(text);

	return (struct near){ .text = text, .limit = len < 4 ? 1 : len < 8 ? 2 : 3 };
}

void near_try(struct near *n, const char *word)
{
	size_t len = strlen(n->text), d;
	bool begun;

	if (!len || len > LONGEST || strlen(word) > LONGEST)
		return;
	d = distance(n->text, word);
	begun = !strncasecmp(word, n->text, len);
	/* A word of which nothing is left was not meant. */
	if (d > n->limit || d >= len || d >= strlen(word))
		return;
	if (!n->best || d < n->distance || (begun && d == n->distance)) {
		n->best = word;
		n->distance = d;
	}
}

const char *near_hint(const struct near *n, char *buf, size_t size)
{
	*buf = '\0';
	if (n->best)
		snprintf(buf, size, "; did you mean \"%s\"?", n->best);
	return buf;
}
