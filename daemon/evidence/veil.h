/* veil.h - pseudonyms for the proxy's clients.
 * SPDX-License-Identifier: ISC */
#ifndef CUL_EVIDENCE_VEIL_H
#define CUL_EVIDENCE_VEIL_H

#include "daemon/base/addr.h"
#include "daemon/base/err.h"

struct veil;

/* The key in that file; `make`: if there is none, a new one is made (mode 0600). NULL +
 * err. */
struct veil *veil_open(const char *key_file, bool make, struct err *err);
void veil_free(struct veil **v);

/* The pseudonym, an address of the kind that addr_is_veiled() knows and that reads
 * "client-0123456789ab". v NULL, or a pseudonym already: the address itself. Any thread. */
struct addr veil_addr(const struct veil *v, const struct addr *a);

#endif
