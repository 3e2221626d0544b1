/* fuzz_http.c - any octets as request target, Host, origin and token.
 * SPDX-License-Identifier: ISC
 *
 * The input is up to three texts with NUL between: target, host, authorization.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/base/mem.h"
#include "daemon/http/guard.h"
#include "daemon/http/target.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool quiet(const char *s)
{
	for (; *s; s++)
		if ((unsigned char)*s < 0x20 || *s == 0x7f)
			return false;
	return true;
}

static void values(const struct target *t)
{
	static const char *const known[] = { "a", "from", "n", NULL };
	struct err err;
	int64_t ms = -1;
	uint64_t n = 5;
	bool flag = false;

	for (unsigned i = 0; i < t->n; i++) {
		assert(quiet(t->param[i].key) && quiet(t->param[i].value));
		assert(target_get(t, t->param[i].key) == t->param[i].value);
		if (target_time(t, t->param[i].key, INT64_C(1795426500000), &ms, &err))
			assert(ms >= 0);
		if (target_number(t, t->param[i].key, 1, 100, &n, &err))
			assert(n >= 1 && n <= 100);
		target_flag(t, t->param[i].key, &flag, &err);
	}
	target_known(t, known, &err);
}

static void guards(const char *host, const char *authorization)
{
	char token[] = "correct-horse", name[] = "culprit.example.org";
	struct guard g = { .token = token, .host = name, .own = "box.example.org" };

	guard_host(&g, host);
	guard_origin(host, authorization, host);
	if (guard_token(&g, authorization))
		assert(strstr(authorization, token));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *s = xcalloc(1, size + 3), *host, *authorization;
	struct target t;
	struct err err;

	memcpy(s, data, size);
	host = s + strlen(s) + 1;
	host = host > s + size ? s + size : host;
	authorization = host + strlen(host) + 1;
	authorization = authorization > s + size ? s + size : authorization;
	if (target_parse(s, &t, &err)) {
		assert(*t.path == '/' && quiet(t.path) && t.n <= TARGET_PARAMS);
		values(&t);
	}
	target_fini(&t);
	guards(host, authorization);
	free(s);
	return 0;
}
