/* formats.c - the table of webhook formats.
 * SPDX-License-Identifier: ISC */
#include "daemon/notify/format.h"

#include <stdlib.h>
#include <string.h>

#include "daemon/base/mem.h"

#define FORMAT(name) extern const struct format format_##name;
#include "daemon/notify/formats.def"
#undef FORMAT

const struct format *const formats[] = {
#define FORMAT(name) &format_##name,
#include "daemon/notify/formats.def"
#undef FORMAT
	NULL
};

const struct format *format_find(const char *name)
{
	for (size_t i = 0; formats[i]; i++)
		if (!strcmp(formats[i]->name, name))
			return formats[i];
	return NULL;
}

void request_fini(struct request *r)
{
	strb_free(&r->body);
	strb_free(&r->url);
}

void request_json(struct request *r, json_t *j)
{
	char *s = json_dumps(j, JSON_COMPACT | JSON_REAL_PRECISION(12));

	if (s)
		strb_add(&r->body, s);
	else
		r->failed = true;
	free(s);
	json_decref(j);
}
