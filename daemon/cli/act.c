/* act.c - what the verbs that change something have in common.
 * SPDX-License-Identifier: ISC
 */
#include "daemon/cli/act.h"

#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "daemon/base/mem.h"
#include "daemon/cli/ask.h"

const char *act_author(void)
{
	const char *name = getenv("SUDO_USER");
	const struct passwd *p;

	if (name && *name)
		return name;
	p = getpwuid(getuid());
	return p ? p->pw_name : "";
}

char *act_words(int argc, char **argv, int from)
{
	struct strb b = { 0 };

	strb_add(&b, "");
	for (int i = from; i < argc; i++)
		strb_fmt(&b, "%s%s", i > from ? " " : "", argv[i]);
	return strb_take(&b);
}

int act_post(struct cli *c, const char *path, json_t *asked, json_t **answer)
{
	char *body = json_dumps(asked, JSON_COMPACT);
	struct err err = { "" };
	enum ask_outcome rc;

	json_decref(asked);
	rc = ask(c, path, body, answer, &err);
	free(body);
	if (rc == ASK_OK)
		return EX_OK;
	json_decref(*answer);
	*answer = NULL;
	return ask_failed(rc, &err);
}
