/* ruleset.h - from the configuration to rules, the built-in ones included.
 * SPDX-License-Identifier: ISC
 */
#ifndef CUL_RULESET_H
#define CUL_RULESET_H

#include "daemon/config.h"
#include "rules/rule.h"

/* Gives all rules that are on: those of the configuration and, unless one of the same
 * name is there, the built-in ones (D7), which tell every channel. */
struct rules *ruleset_new(const struct config *c);
/* The same rules; country, borrowed as long as they live, answers their filters. NULL: none
 * is configured. */
struct geo;
struct rules *ruleset_geo(struct rules *rules, struct geo *country);

/* Fills the registry with what the configuration names: exporters, interfaces, networks. */
void ruleset_names(const struct config *c, struct names *n);

#endif
