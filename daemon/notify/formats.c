/* formats.c - the table of webhook formats.
 * SPDX-License-Identifier: ISC */
#include "daemon/notify/format.h"

#include <stdlib.h>
#include <string.h>

#include "daemon/base/mem.h"
#include "daemon/base/units.h"
#include "daemon/model/json.h"
#include "daemon/notify/story.h"

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

json_t *format_text(struct strb *b, size_t max_chars)
{
	const char *s = b->s ? b->s : "";
	size_t keep = utf8_cut(s, max_chars, SIZE_MAX);
	struct strb cut = { 0 };
	json_t *j;

	if (s[keep]) {
		strb_addn(&cut, s, utf8_cut(s, max_chars - 1, SIZE_MAX));
		strb_add(&cut, "\xe2\x80\xa6");
		s = cut.s;
	}
	j = j_text(s);
	strb_free(&cut);
	strb_free(b);
	return j;
}

void format_markdown(struct strb *b, const char *s)
{
	struct strb inert = { 0 };

	strb_tty(&inert, s);
	for (const char *p = inert.s; *p; p++) {
		if (strchr("\\`*_{}[]()<>#+!|~&", *p))
			strb_addc(b, '\\');
		strb_addc(b, *p);
		if (*p == '@')
			strb_add(b, "\xe2\x80\x8b");
	}
	strb_free(&inert);
}

void format_code_table(const struct alert *a, unsigned rows, size_t max_chars,
		       struct strb *b)
{
	struct strb t = { 0 };

	if (!a->n_top)
		return;
	do {
		strb_free(&t);
		story_table(a, rows, &t);
	} while (t.len + 8 > max_chars && rows-- > 1);
	if (t.len + 8 <= max_chars) {
		strb_add(b, "```\n");
		strb_add(b, t.s);
		strb_add(b, "```\n");
	}
	strb_free(&t);
}

void format_acts(const struct alert *a, const char *base_url, struct strb *b)
{
	size_t before = b->len;

	for (int silence = 0; silence < 2; silence++) {
		struct strb url = { 0 };

		story_act(a, base_url, silence, &url);
		if (url.len)
			strb_fmt(b, "%s[%s](%s)", b->len > before ? " \xc2\xb7 " : "",
				 silence ? "Silence" : "Acknowledge", url.s);
		strb_free(&url);
	}
	if (b->len > before)
		strb_add(b, "\n\n");
}

const char *format_time(int64_t ms, char buf[static 48])
{
	buf[0] = '\0';
	return ms ? text_rfc3339(ms, buf) : buf;
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
