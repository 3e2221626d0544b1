/* engine.h - the daemon put together: what comes after what.
 * SPDX-License-Identifier: ISC
 */
#ifndef CUL_ENGINE_H
#define CUL_ENGINE_H

#include "daemon/config.h"

struct engine;

struct engine_opts {
	struct config *config; /* taken, also on failure */
	/* Sees every alert that is told, on the evidence thread; NULL: nobody does. */
	void (*on_alert)(void *arg, const struct alert *a);
	void *arg;
};

/* Binds sockets, locks the state directory, drops privileges, starts every thread. NULL +
 * one sentence that says what to do. */
struct engine *engine_start(const struct engine_opts *o, struct err *err);
/* Puts a new configuration into force, all or nothing; takes it. False + err: the old one
 * goes on as if nothing had happened. No flow is lost. */
bool engine_reload(struct engine *e, struct config *c, struct err *err);
/* About once a second: saves templates now and then. False: a thread has stopped turning. */
bool engine_tick(struct engine *e);
/* Lets what has arrived be counted, kept and told; at most some seconds. */
void engine_stop(struct engine **e);

/* For the first lines a person reads: where to point an exporter, where the page is. */
void engine_greeting(const struct engine *e, struct strb *out);
/* "3 exporters, 412 flows/s, 1 alert firing" for systemctl status. */
void engine_status(struct engine *e, char *buf, size_t size);

#endif
