/* demo.h - traffic of our own, with a culprit in it.
 * SPDX-License-Identifier: ISC
 *
 * `culpritd --demo` sends NetFlow v5, v9, IPFIX and sFlow from a made-up site to
 * its own port on loopback, stages a culprit after some seconds, and prints what is
 * counted and the alert to the terminal. Nothing leaves the machine.
 */
#ifndef CUL_DEMO_H
#define CUL_DEMO_H

#include "daemon/engine.h"

struct demo;

/* What an administrator would write for that site, in the language of the file. */
extern const char demo_config[];

/* The rule of demo_config notifies all channels that c has. */
void demo_tell_everybody(struct config *c);

/* Adds itself as the one who sees alerts; json: as an object a line. NULL + err. */
struct demo *demo_prepare(struct engine_opts *o, bool json, struct err *err);
/* Begins to send. The engine stays until demo_stop. */
void demo_start(struct demo *d, struct engine *e);
void demo_stop(struct demo *d); /* NULL is fine, in both */
void demo_free(struct demo **d); /* after the engine, which still may tell of alerts */

#endif
