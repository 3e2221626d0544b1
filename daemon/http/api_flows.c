/* api_flows.c - /api/v1/flows: single flows, from the archive.
 * SPDX-License-Identifier: ISC
 *
 * Oldest file first; `more` says that there were more than `limit`. Written as it is
 * read, so an answer costs no more memory than its text.
 */
#include "daemon/http/http_impl.h"

#include "daemon/base/units.h"
#include "daemon/model/flow_text.h"
#include "storage/archive/archive.h"

enum { LIMIT_DEFAULT = 100, LIMIT_MAX = 10000 };

struct listing {
	struct strb *out;
	uint64_t n, limit;
	bool more;
};

static bool rows(void *arg, unsigned worker, const struct block *b, const uint64_t *bitmap)
{
	struct listing *l = arg;

	(void)worker;
	for (uint32_t r = 0; r < b->n; r++) {
		if (!(bitmap[r / 64] >> r % 64 & 1))
			continue;
		if (l->n == l->limit) {
			l->more = true;
			return false;
		}
		strb_add(l->out, l->n++ ? ",\n" : "\n");
		flow_text_json(l->out, b, r);
	}
	return true;
}

void api_flows(struct http *h, const struct request *rq, struct answer *out)
{
	struct ask a = { .n = LIMIT_DEFAULT };
	struct listing l = { .out = &out->body };
	struct archive_result res = { 0 };
	struct err err = { "" };
	char from[UNIT_TEXT], to[UNIT_TEXT];

	if (!ask_parse(h, rq, &a, LIMIT_MAX, out)) {
		ask_fini(&a);
		return;
	}
	struct archive_query q = { .directory = h->archive_dir, .from_ms = a.from_ms,
				   .to_ms = a.to_ms, .filter = a.filter, .columns = UINT64_MAX,
				   .names = h->src.names, .as_of = a.as_of, .threads = 1 };

	l.limit = a.n;
	strb_fmt(&out->body, "{\"from\":\"%s\",\"to\":\"%s\",\"filter\":",
		 text_rfc3339(a.from_ms, from), text_rfc3339(a.to_ms, to));
	strb_json(&out->body, filter_text(a.filter));
	strb_add(&out->body, ",\"flows\":[");
	if (!archive_read(&q, rows, &l, &res, &err)) {
		answer_error(out, 503, "%s", err.msg);
	} else {
		strb_fmt(&out->body, "],\"more\":%s}\n", l.more ? "true" : "false");
		out->type = "application/json";
	}
	ask_fini(&a);
}
