/* main_acl.c - culprit-acl: Squid asks whether a client is slowed or refused.
 * SPDX-License-Identifier: ISC
 *
 *   external_acl_type culprit_lookup concurrency=100 ttl=5 negative_ttl=5 %SRC
 *           /usr/lib/culprit/culprit-acl
 *
 * Squid's external-ACL helper: a line "[CHANNEL] ADDRESS [-]" in, a line out, "OK slow=yes",
 * "OK refuse=yes" or "ERR", behind the channel's number if there was one. Asks culpritd
 * over its socket. When culpritd is away, slow or says nothing sensible the answer is
 * ERR, which is "not slowed": a monitoring tool that is down must not take the web with
 * it. Then it is asked again only after a second, so that requests do not queue up
 * behind a time-out.
 */
#include "daemon/act/client.h"
#include "daemon/base/addr.h"
#include "daemon/base/clock.h"

#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

enum { LINE = 8192, WAIT_MS = 300, REST_MS = 1000 };

struct helper {
	const char *path;
	int fd; /* -1: not connected */
	int64_t failed_ms;
	bool said; /* that it is away; once, for Squid keeps what we say */
};

static void lost(struct helper *h)
{
	if (h->fd >= 0)
		close(h->fd);
	h->fd = -1;
	h->failed_ms = clock_mono_ms();
}

static bool connected(struct helper *h)
{
	struct err err = { "" };

	if (h->fd < 0 && (!h->failed_ms || clock_mono_ms() - h->failed_ms >= REST_MS)) {
		h->fd = act_connect(h->path, WAIT_MS, &err);
		if (h->fd < 0) {
			if (!h->said)
				fprintf(stderr, "culprit-acl: %s; nobody is slowed meanwhile\n",
					err.msg);
			h->said = true;
			lost(h);
		} else {
			h->said = false;
		}
	}
	return h->fd >= 0;
}

static const char *lookup(struct helper *h, const struct addr *a)
{
	char question[ACT_LINE], answer[ACT_LINE], text[ADDR_TEXT];

	snprintf(question, sizeof(question), "lookup %s", addr_text(a, text));
	for (int tries = 0; tries < 2 && connected(h); tries++) {
		if (act_ask(h->fd, question, answer)) {
			if (!strncmp(answer, "slow ", 5))
				return "OK slow=yes";
			return strncmp(answer, "refuse ", 7) ? "ERR" : "OK refuse=yes";
		}
		lost(h); /* of a daemon before this one, perhaps: once more */
		h->failed_ms = tries ? h->failed_ms : 0;
	}
	return "ERR";
}

/* The channel is the word before the address, when there is one. */
static void answer(struct helper *h, char *line)
{
	const char *words[3] = { NULL }, *channel = NULL;
	char *save = NULL;
	struct addr a;
	int n = 0;

	for (char *w = strtok_r(line, " \t\r\n", &save); w && n < 3;
	     w = strtok_r(NULL, " \t\r\n", &save))
		words[n++] = w;
	/* Squid's channels are numbers; anything else is not said again. */
	if (n && strspn(words[0], "0123456789") == strlen(words[0])) {
		channel = words[0];
		words[0] = words[1] ? words[1] : "";
	}
	if (channel)
		printf("%s ", channel);
	puts(n && addr_parse(words[0], &a) ? lookup(h, &a) : "ERR");
	fflush(stdout);
}

int main(int argc, char **argv)
{
	struct helper h = { .path = argc > 1 ? argv[1] : ACT_SOCKET, .fd = -1 };
	char line[LINE];

	if (argc > 2 || (argc > 1 && *argv[1] == '-')) {
		fprintf(stderr, "usage: culprit-acl [SOCKET]\n"
			"A helper for Squid's external_acl_type; see contrib/squid.\n");
		return EX_USAGE;
	}
	while (fgets(line, sizeof(line), stdin)) {
		size_t len = strlen(line);

		answer(&h, line);
		while (len == sizeof(line) - 1 && line[len - 1] != '\n' &&
		       fgets(line, sizeof(line), stdin)) /* of no length that Squid sends */
			len = strlen(line);
	}
	return EX_OK;
}
