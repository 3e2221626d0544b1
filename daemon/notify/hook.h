/* hook.h - one HTTP request to a webhook, from message to outcome.
 * SPDX-License-Identifier: ISC */
#ifndef CUL_NOTIFY_HOOK_H
#define CUL_NOTIFY_HOOK_H

#include "daemon/notify/channel.h"
#include "daemon/notify/lane.h"

enum { ANSWER_MAX = 65536, CONNECT_MS = 5000, ATTEMPT_MS = 10000 };

struct hook;

/* The request for n messages to the channel's URL number `index`, ready for curl (the
 * handle is hook_curl, a CURL *). The channel is borrowed until hook_free. With a
 * transcript the conversation is added to it, without secrets. NULL + out: the message
 * cannot be said in this format. */
struct hook *hook_new(const struct channel *c, unsigned index, const struct message *m,
		      unsigned n, struct strb *transcript, struct outcome *out);
void hook_free(struct hook **h);
void *hook_curl(struct hook *h);
/* What it came to; code is the CURLcode of the transfer. */
void hook_outcome(struct hook *h, int code, struct outcome *out);

/* "v1,<base64>": HMAC-SHA256 over "id.timestamp.body" (Standard Webhooks). */
void hook_sign(const unsigned char *key, size_t n_key, const char *id, int64_t at_s,
	       const void *body, size_t len, char out[static 64]);

#endif
