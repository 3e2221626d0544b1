/* fuzz_rdns.c - answers of name servers.
 * SPDX-License-Identifier: ISC
 *
 * The question is put where a resolver would have put it back, else nothing would get
 * any further than that.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/base/mem.h"
#include "daemon/evidence/rdns.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint8_t question[] = "\00266\0010\00220\00210\7In-Addr\4arpa\0\0\14\0\1";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t q = sizeof(question) - 1;
	uint8_t *answer = xcalloc(1, size + q + 12);
	char name[RDNS_NAME];
	uint32_t ttl_s;

	memcpy(answer, data, size);
	rdns_parse(answer, size, "66.0.20.10.In-Addr.arpa", name, &ttl_s);
	if (size >= 12) {
		memcpy(answer + 12, question, q);
		memcpy(answer + 12 + q, data + 12, size - 12);
		if (rdns_parse(answer, size + q, "66.0.20.10.In-Addr.arpa", name, &ttl_s) ==
		    RDNS_KNOWN)
			assert(*name && strlen(name) < RDNS_NAME && ttl_s <= 86400);
	}
	free(answer);
	return 0;
}
