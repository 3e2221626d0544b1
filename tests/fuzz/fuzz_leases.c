/* fuzz_leases.c - files of DHCP servers and hosts files.
 * SPDX-License-Identifier: ISC
 *
 * What is told has an address, a name of bounded length and a time that is one.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/base/mem.h"
#include "daemon/evidence/leases.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void seen(void *arg, const struct lease *l)
{
	(void)arg;
	assert(!addr_is_none(&l->addr));
	assert(strlen(l->name) < LEASE_NAME);
	assert(l->from_ms >= 0 && l->until_ms >= 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = xmemdup(data, size ? size : 1);

	leases_parse(text, size, INT64_C(1795469032000), seen, NULL);
	free(text);
	return 0;
}
