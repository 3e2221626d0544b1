/* cmd_ack.c - culprit ack: somebody knows of an alert.
 * SPDX-License-Identifier: ISC
 */
#include "daemon/cli/cmd.h"

#include <stdlib.h>
#include <sysexits.h>

#include "daemon/cli/act.h"
#include "daemon/cli/alerts.h"

int cmd_ack(struct cli *c, int argc, char **argv)
{
	const char *author = act_author();
	const struct arg args[] = {
		{ "author", 0, ARG_TEXT, "NAME", "in whose name, if not yours", &author },
		{ 0 },
	};
	int code = cli_args(c, &argc, argv, args);
	json_t *asked, *answer;
	char *comment;

	if (code >= 0)
		return code;
	if (argc < 2)
		return cli_usage(c, "which alert? `culprit alerts` lists them");
	comment = act_words(argc, argv, 2);
	asked = json_object();
	json_object_set_new(asked, "alert", j_text(argv[1]));
	json_object_set_new(asked, "author", j_text(author));
	json_object_set_new(asked, "comment", j_text(comment));
	free(comment);
	code = act_post(c, "/api/v1/alerts/ack", asked, &answer);
	if (code)
		return code;
	if (c->json)
		return cli_print_json(answer);
	printf("%s is acknowledged%s; its end is told all the same.\n",
	       json_string_value(json_object_get(answer, "alert")),
	       json_integer_value(json_object_get(answer, "acknowledged")) > 1
		       ? ", and all that its message spoke of" : "");
	json_decref(answer);
	return EX_OK;
}
