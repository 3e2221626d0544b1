/* message.c - a row of the outbox as what a format or a mail is made of.
 * SPDX-License-Identifier: ISC
 *
 * Messages are written anew from the stored alert at each attempt, so one that
 * failed for its form goes out right after a reload or an upgrade.
 */
#include "daemon/notify/message.h"

#include <stdlib.h>

#include "daemon/base/mem.h"

static int64_t integer(const json_t *o, const char *key)
{
	return json_integer_value(json_object_get(o, key));
}

static void read_digest(struct digest *d, const json_t *j)
{
	const json_t *lines = json_object_get(j, "lines");

	d->firing = (unsigned)integer(j, "firing");
	d->resolved = (unsigned)integer(j, "resolved");
	d->from_ms = integer(j, "from_ms");
	d->to_ms = integer(j, "to_ms");
	for (size_t i = 0; i < json_array_size(lines) && i < DIGEST_TOP; i++) {
		const json_t *row = json_array_get(lines, i);
		const char *s = json_string_value(json_object_get(row, "headline"));
		struct digest_line *line = &d->line[d->n_line++];

		line->headline = xstrdup(s ? s : "");
		line->state = integer(row, "state") == ALERT_RESOLVED ? ALERT_RESOLVED
								       : ALERT_FIRING;
		line->severity = (enum severity)(integer(row, "severity") % 3);
	}
}

bool letter_open(struct letter *l, const struct item *it, int64_t now_ms, struct err *err)
{
	json_error_t why;
	json_t *j = json_loads(it->body, 0, &why);

	*l = (struct letter){ .m = {
		.key = it->key,
		.thread = *it->thread ? it->thread : it->key,
		.subject = it->subject,
		.remote = *it->remote ? it->remote : NULL,
		.first = it->first,
		.attempts = it->attempts,
		.now_ms = now_ms,
	} };
	if (!j)
		return err_set(err, "the outbox holds something that is no JSON: %s",
			       why.text);
	if (it->kind == ITEM_DIGEST) {
		read_digest(&l->digest, j);
		l->m.digest = &l->digest;
	} else {
		l->alert = alert_from_json(j, err);
		l->m.alert = l->alert;
	}
	json_decref(j);
	return l->m.alert || l->m.digest;
}

void letter_fini(struct letter *l)
{
	alert_unref(&l->alert);
	for (unsigned i = 0; i < l->digest.n_line; i++)
		free(l->digest.line[i].headline);
	l->digest.n_line = 0;
}
