/* snmp.h - the interfaces of a machine, asked of its SNMP agent.
 * SPDX-License-Identifier: ISC */
#ifndef CUL_EVIDENCE_SNMP_H
#define CUL_EVIDENCE_SNMP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/base/addr.h"
#include "daemon/base/err.h"
#include "daemon/model/names.h"

enum { SNMP_INTERFACES = 4096, SNMP_PORT = 161 };

/* Whom to ask and how: with a community (v2c), or as a user (v3). Secrets are read from
 * their files each time, so that a new one needs no reload. */
struct snmp_agent {
	struct addr addr;
	uint16_t port;
	const char *community_file; /* "": v3 */
	const char *user, *auth, *auth_file, *priv, *priv_file; /* "": without */
};

/* Was SNMP there when this program was built? */
bool snmp_built(void);
/* The words that auth and priv may be; NULL ends. */
extern const char *const snmp_auth_words[], *const snmp_priv_words[];

/* Fills list, which has room for SNMP_INTERFACES, ascending by index; returns how many, or
 * -1 + one sentence that says what to do. Waits for at most some seconds. One thread. */
int snmp_interfaces(const struct snmp_agent *a, struct interface *list, struct err *err);

#endif
