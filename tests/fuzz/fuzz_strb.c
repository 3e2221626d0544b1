/* fuzz_strb.c - any text into every sink, and what each must never let out.
 * SPDX-License-Identifier: ISC */
#include <assert.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/base/mem.h"
#include "daemon/base/strb.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* No control character but those in `but`. */
static bool quiet(const char *s, const char *but)
{
	for (; *s; s++)
		if (((unsigned char)*s < 0x20 || *s == 0x7f) && !strchr(but, *s))
			return false;
	return true;
}

static char *through(void (*escape)(struct strb *, const char *), const char *s)
{
	struct strb b = { 0 };

	escape(&b, s);
	assert(strlen(b.s) == b.len);
	return strb_take(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct {
		void (*escape)(struct strb *, const char *);
		const char *controls, *never;
	} sinks[] = {
		{ strb_json, "", "" },       { strb_html, "\t\n", "<>\"'" },
		{ strb_csv, "\t\r\n", "" },  { strb_tty, "", "" },
		{ strb_label, "", "" },      { strb_header, "", "" },
		{ strb_slack, "", "<>" },
	};
	char *s = xcalloc(1, size + 1);

	memcpy(s, data, size);
	for (size_t i = 0; i < ARRAY_LEN(sinks); i++) {
		char *out = through(sinks[i].escape, s);

		assert(quiet(out, sinks[i].controls));
		assert(!*sinks[i].never || !strpbrk(out, sinks[i].never));
		free(out);
	}
	for (size_t n = 0; n < 8; n++)
		assert(utf8_cut(s, n, 5) <= 5);
	assert(utf8_cut(s, size, size) == strlen(s));
	free(s);
	return 0;
}
