/* guard.h - who may ask.
 * SPDX-License-Identifier: ISC
 *
 * Three doors. Host: a web page of somebody else's may have its own name resolve
 * to our address (DNS rebinding) and then read us as its own; it cannot do so
 * under an IP address, localhost or a name without a dot, which nobody outside
 * can own. Those, the machine's own name and the host of the `url` setting are
 * answered, every other name is not. Token: with a token_file everything but the
 * page's own files, /healthz and /readyz wants it, /metrics too: behind a proxy on
 * this machine everybody comes from loopback, so loopback proves nothing
 * (Prometheus has authorization.credentials_file for it). Without one reading is free,
 * and changing something wants a token that the daemon made itself in its state
 * directory: who may read that is root or culprit's group on this machine. Origin: what changes
 * something must not come from another site's page, token or not.
 */
#ifndef CUL_HTTP_GUARD_H
#define CUL_HTTP_GUARD_H

#include <stdbool.h>

#include "daemon/base/err.h"

struct guard {
	char *token;  /* NULL: none is asked for reading */
	char *write;  /* then this one is for changing things; NULL: nothing can be changed */
	char *host;   /* of the `url` setting; "" */
	char own[256]; /* the machine's name */
};

/* Reads the token; false + err when the file is not fit. url and token_file may be ""
 * or NULL. */
bool guard_init(struct guard *g, const char *token_file, const char *url, struct err *err);
void guard_fini(struct guard *g);

/* Is a Host header (with or without port) one of ours? */
bool guard_host(const struct guard *g, const char *host);
/* Reads the token for changing things, where there is none for everything. */
bool guard_init_write(struct guard *g, const char *path, struct err *err);
/* Does an Authorization header carry a token that may change things? NULL: none came. */
bool guard_may_write(const struct guard *g, const char *authorization);
/* Does an Authorization header carry the token? True when none is asked. NULL: none came. */
bool guard_token(const struct guard *g, const char *authorization);
/* May this change something, judged by where it comes from? Any may be NULL. */
bool guard_origin(const char *host, const char *origin, const char *sec_fetch_site);

#endif
