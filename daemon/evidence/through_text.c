/* through_text.c - flows and their URLs as text.
 * SPDX-License-Identifier: ISC
 *
 * What `culprit flows --urls` and /api/v1/flows have in common.
 */
#include "daemon/evidence/through.h"

#include "daemon/base/mem.h"
#include "daemon/base/strb.h"
#include "daemon/base/units.h"
#include "daemon/evidence/veil.h"

#include <stdlib.h>
#include <string.h>

void through_withhold(char **text, const struct addr *a, const struct veil *veil)
{
	struct addr veiled = veil_addr(veil, a);
	char old[ADDR_TEXT], new[ADDR_TEXT], *at = *text, *hit;
	struct strb s = { 0 };
	size_t len = strlen(addr_text(a, old));

	addr_text(&veiled, new);
	while ((hit = strstr(at, old))) {
		bool inside = (hit > *text && strchr("0123456789abcdef.:", hit[-1])) ||
			      (hit[len] && strchr("0123456789abcdef.", hit[len]));

		strb_addn(&s, at, (size_t)(hit - at));
		strb_add(&s, inside ? old : new);
		at = hit + len;
	}
	strb_add(&s, at);
	free(*text);
	*text = strb_take(&s);
}

void through_urls_json(const struct through_urls *u, struct strb *out)
{
	char from[UNIT_TEXT], to[UNIT_TEXT];

	while (out->len && out->s[out->len - 1] != '}')
		out->len--;
	if (!out->len)
		return;
	out->len--;
	strb_add(out, ",\"urls\":[");
	for (size_t i = 0; i < u->n; i++) {
		const struct through_url *url = &u->list[i];

		strb_add(out, i ? ",{\"url\":" : "{\"url\":");
		strb_json(out, url->url);
		strb_add(out, ",\"client\":");
		strb_json(out, url->client);
		strb_fmt(out, ",\"bytes\":%llu,\"from\":\"%s\",\"to\":\"%s\"}",
			 (unsigned long long)url->bytes, text_rfc3339(url->from_ms, from),
			 text_rfc3339(url->to_ms, to));
	}
	strb_add(out, "]}");
}
