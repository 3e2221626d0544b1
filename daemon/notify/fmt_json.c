/* fmt_json.c - our own body, "culprit.alert/1" of contrib/alert.schema.json.
 * SPDX-License-Identifier: ISC
 *
 * For programs: every firing and every resolve, one a request, signed in the
 * Standard Webhooks manner when a secret is set (hook.c signs, for all formats).
 */
#include "daemon/notify/channel.h"
#include "daemon/notify/format.h"

static void make(const struct channel *c, const struct message *m, unsigned n,
		 struct request *r)
{
	(void)n;
	request_json(r, alert_json(m->alert, c->base_url));
}

const struct format format_json = {
	.name = "json",
	.doc = "the whole alert, for programs; signed when secret_file is set",
	.machine = true,
	.make = make,
};
