/* cmd_test_notify.c - culprit test-notify: does a message arrive?
 * SPDX-License-Identifier: ISC
 *
 * The running daemon is asked to send, since it has the rights and the network that
 * alerts will have. Without one the sample goes out from here, with the
 * configuration's settings.
 */
#include "daemon/cli/cmd.h"

#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "daemon/base/mem.h"
#include "daemon/cli/ask.h"
#include "daemon/notify/notify.h"

static void channels_text(const struct config *conf, struct strb *out)
{
	strb_add(out,
		 conf->n_channels ? "there are " : "there is none in the configuration");
	for (size_t i = 0; i < conf->n_channels; i++)
		strb_fmt(out, "%s%s", i ? ", " : "", conf->channels[i].name);
}

static const struct channel_conf *find(const struct config *conf, const char *name)
{
	for (size_t i = 0; i < conf->n_channels; i++)
		if (!strcmp(conf->channels[i].name, name))
			return &conf->channels[i];
	return NULL;
}

static int report(const struct cli *c, const char *name, bool verbose, bool ok,
		  const char *said, const char *error)
{
	struct strb s = { 0 };
	int code;

	if (c->json) {
		json_t *o = json_object();

		json_object_set_new(o, "channel", j_text(name));
		json_object_set_new(o, "ok", json_boolean(ok));
		json_object_set_new(o, "error", ok ? json_null() : j_text(error));
		json_object_set_new(o, "conversation", j_text(said));
		code = cli_print_json(o);
		return code ? code : ok ? EX_OK : EXIT_FAILURE;
	}
	for (const char *line = said; *line;) {
		size_t len = strcspn(line, "\n");
		char *one = xasprintf("%.*s", (int)len, line);

		strb_tty(&s, one);
		strb_addc(&s, '\n');
		free(one);
		line += len + (line[len] == '\n');
	}
	code = !ok || verbose ? cli_print_text(&s) : EX_OK;
	strb_free(&s);
	if (!ok)
		return cli_fail(EXIT_FAILURE, "%s", error);
	printf("%s took the sample.%s\n", name,
	       verbose ? "" : " (--verbose shows the conversation.)");
	return code;
}

static int send_from_here(struct cli *c, const char *name, bool verbose)
{
	const struct config *conf = cli_config(c);
	const struct channel_conf *channel = conf ? find(conf, name) : NULL;
	struct strb said = { 0 };
	struct err err = { "" };
	int code;
	bool ok;

	if (!conf)
		return EX_CONFIG;
	if (!channel) {
		channels_text(conf, &said);
		code = cli_fail(EXIT_FAILURE, "no notify section is called \"%s\"; %s",
				name, said.s);
		strb_free(&said);
		return code;
	}
	ok = notify_test_once(channel, *conf->http.url ? conf->http.url : NULL, &said,
			      &err);
	code = report(c, name, verbose, ok, said.s ? said.s : "", err.msg);
	strb_free(&said);
	return code;
}

int cmd_test_notify(struct cli *c, int argc, char **argv)
{
	bool verbose = false;
	const struct arg args[] = {
		{ "verbose", 'v', ARG_FLAG, NULL, "the conversation, also when it went well",
		  &verbose },
		{ 0 },
	};
	int code = cli_args(c, &argc, argv, args);
	struct err err = { "" };
	enum ask_outcome rc;
	json_t *o, *answer;
	char *body;

	if (code >= 0)
		return code;
	if (argc != 2)
		return cli_usage(c, "which channel?");
	o = json_object();
	json_object_set_new(o, "channel", j_text(argv[1]));
	body = json_dumps(o, JSON_COMPACT);
	json_decref(o);
	rc = ask(c, "/api/v1/test-notify", body, &answer, &err);
	free(body);
	if (rc == ASK_CONFIG)
		return EX_CONFIG;
	if (rc == ASK_AWAY && c->url)
		return cli_fail(EX_UNAVAILABLE, "%s", err.msg);
	if (rc != ASK_OK && !json_object_get(answer, "conversation")) {
		json_decref(answer); /* not there, or it lets nobody change a thing */
		if (c->url)
			return cli_fail(EXIT_FAILURE, "%s", err.msg);
		cli_say("%s; sending from here", err.msg);
		return send_from_here(c, argv[1], verbose);
	}
	code = report(c, argv[1], verbose, json_is_true(json_object_get(answer, "ok")),
		      json_string_value(json_object_get(answer, "conversation"))
			  ? json_string_value(json_object_get(answer, "conversation"))
			  : "",
		      *err.msg ? err.msg : "the channel did not take it");
	json_decref(answer);
	return code;
}
