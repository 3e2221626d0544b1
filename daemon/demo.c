/* demo.c - a small clinic, and one who downloads.
 * SPDX-License-Identifier: ISC
 *
 * Four exporters (127.0.0.1 to .4: NetFlow v5, v9, IPFIX, sFlow) tell of eight
 * people who browse through a 20 Mbit/s link. After CALM_S seconds 10.20.0.66
 * begins to fetch music at 17 Mbit/s. The demo adds what an administrator would
 * write for that link and shows the alert as it would be mailed, and every TELL_S
 * seconds how much has been counted.
 */
#include "daemon/demo.h"

#include <arpa/inet.h>
#include <errno.h>
#include <math.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/base/clock.h"
#include "daemon/base/log.h"
#include "daemon/base/mem.h"
#include "daemon/base/strb.h"
#include "daemon/demo_send.h"
#include "daemon/notify/mail.h"

enum { CALM_S = 12, TELL_S = 10, EXPORTERS = 4, PEOPLE = 8, TURN_MS = 1000 };
static const char rule_name[] = "demo-wan-busy";

const char demo_config[] =
	"exporter clinic {\n"
	"	address = \"127.0.0.1\"\n"
	"	interface 1 { name = \"LAN\"  speed = 100M }\n"
	"	interface 2 { name = \"WAN\"  speed = 20M }\n"
	"}\n"
	"network clinic-lan { prefixes = {\"10.20.0.0/24\"} }\n"
	"rule demo-wan-busy {\n"
	"	filter = \"in if WAN\"  by = \"exporter\"  window = 10s\n"
	"	above = 12M  clear = 8M  severity = critical\n"
	"}\n";

struct demo {
	pthread_t thread;
	bool running;
	atomic_bool stop;
	uint16_t port;
	bool colour, json;
	char *page;		   /* its address; NULL: there is none */
	struct engine *engine;	   /* borrowed until demo_stop */
	int fd[EXPORTERS];
	uint32_t seed;
	uint32_t sequence[EXPORTERS]; /* v5 and IPFIX count flows, the others datagrams */
};

static uint32_t draw(struct demo *d, uint32_t below)
{
	d->seed = d->seed * 1664525u + 1013904223u;
	return (uint32_t)(((uint64_t)d->seed * below) >> 32);
}

/* One person's second on the web: an answer from a server, and the request for it. */
static unsigned browse(struct demo *d, uint32_t person, int64_t now_ms, struct demo_flow *f)
{
	uint32_t server = 0xc6336400u + draw(d, 200), bytes = 20000 + draw(d, 70000);
	uint16_t port = (uint16_t)(20000 + draw(d, 40000));

	f[0] = (struct demo_flow){ server, 0x0a14000bu + person, 443, port, 6, 2, 1, bytes,
				   bytes / 1200 + 1, now_ms - TURN_MS, now_ms };
	f[1] = (struct demo_flow){ 0x0a14000bu + person, server, port, 443, 6, 1, 2,
				   bytes / 20 + 80, bytes / 2400 + 1, now_ms - TURN_MS, now_ms };
	return 2;
}

/* 10.20.0.66 fetches music from 198.51.100.10. */
static unsigned download(int64_t now_ms, struct demo_flow *f)
{
	f[0] = (struct demo_flow){ 0xc633640au, 0x0a140042u, 80, 51342, 6, 2, 1, 2125000, 1500,
				   now_ms - TURN_MS, now_ms };
	f[1] = (struct demo_flow){ 0x0a140042u, 0xc633640au, 51342, 80, 6, 1, 2, 40000, 750,
				   now_ms - TURN_MS, now_ms };
	return 2;
}

static void turn(struct demo *d, int64_t begun_ms, int64_t now_ms)
{
	struct demo_flow f[2 * PEOPLE + 2];
	unsigned n;

	for (int e = 0; e < EXPORTERS; e++) {
		n = 0;
		for (uint32_t p = 0; p < PEOPLE; p++)
			if (draw(d, 4))
				n += browse(d, p, now_ms, f + n);
		/* The music goes over the link that the first exporter tells of. */
		if (!e && now_ms - begun_ms > CALM_S * 1000)
			n += download(now_ms, f + n);
		demo_send(d->fd[e], (enum demo_protocol)e, f, n, now_ms, d->sequence[e]);
		d->sequence[e] += e == DEMO_V5 || e == DEMO_IPFIX ? n : 1;
	}
}

static void *run(void *arg)
{
	struct demo *d = arg;
	int64_t begun = clock_wall_ms();
	char status[160];

	fprintf(stderr, "\nDemo: a small clinic browses; in %d seconds somebody begins to "
		"download. Stop with ctrl-c.\n\n", CALM_S);
	for (unsigned n = 0; !d->stop; n++) {
		if (n && n % TELL_S == 0) {
			engine_status(d->engine, status, sizeof(status));
			log_info("%s", status);
		}
		turn(d, begun, clock_wall_ms());
		usleep(TURN_MS * 1000);
	}
	return NULL;
}

/* text, its first line after the table's head in bold: that is the culprit. */
static void paint(const struct demo *d, const char *text, struct strb *b)
{
	bool next = false;

	while (*text) {
		size_t len = strcspn(text, "\n");

		strb_add(b, d->colour && next ? "\x1b[1m" : "");
		strb_addn(b, text, len);
		strb_add(b, d->colour && next ? "\x1b[0m\n" : "\n");
		next = !strncmp(text, "share ", 6);
		text += len + (text[len] == '\n');
	}
}

static bool over(const struct alert *a)
{
	return a->state == ALERT_RESOLVED;
}

static void show(void *arg, const struct alert *a)
{
	static const char bar[] = "──────────────────────────────";
	const struct demo *d = arg;
	struct strb b = { 0 }, text = { 0 };
	char headline[160];

	if (d->json) {
		json_t *j = alert_json(a, d->page);

		json_dumpf(j, stdout, JSON_COMPACT);
		puts("");
		fflush(stdout);
		json_decref(j);
		return;
	}
	alert_headline(a, headline);
	mail_alert_text(d->page, a, &text);
	strb_fmt(&b, "\n%s%s %s %s\n", d->colour ? over(a) ? "\x1b[1;32m" : "\x1b[1;31m" : "",
		 bar, over(a) ? "RESOLVED" : "FIRING", bar);
	strb_fmt(&b, "%s%s\n\n", headline, d->colour ? "\x1b[0m" : "");
	paint(d, text.s, &b);
	strb_fmt(&b, "%s\n\n", bar);
	fputs(b.s, stdout);
	fflush(stdout);
	strb_free(&text);
	strb_free(&b);
}

static bool colours(void)
{
	const char *term = getenv("TERM"), *no = getenv("NO_COLOR");

	return isatty(STDOUT_FILENO) && !(no && *no) && term && strcmp(term, "dumb");
}

static char *page_of(const struct config *c)
{
	bool v6 = strchr(c->http.address, ':');

	return c->http.enabled ? xasprintf("http://%s%s%s:%u", v6 ? "[" : "",
					   c->http.address, v6 ? "]" : "", c->http.port)
			       : NULL;
}

static int open_one(int i, uint16_t port, struct err *err)
{
	struct sockaddr_in from = { .sin_family = AF_INET,
				    .sin_addr.s_addr = htonl(0x7f000001u + (uint32_t)i) };
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(port),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd >= 0 && !bind(fd, (struct sockaddr *)&from, sizeof(from)) &&
	    !connect(fd, (struct sockaddr *)&to, sizeof(to)))
		return fd;
	err_set(err, "demo: no socket on loopback: %s", strerror(errno));
	if (fd >= 0)
		close(fd);
	return -1;
}

void demo_tell_everybody(struct config *c)
{
	for (size_t i = 0; i < c->n_rules; i++) {
		struct rule_conf *r = &c->rules[i];

		if (strcmp(r->name, rule_name) || r->n_notify)
			continue;
		free(r->notify);
		r->notify = xcalloc(c->n_channels + 1, sizeof(*r->notify));
		while (r->n_notify < c->n_channels) {
			r->notify[r->n_notify] = xstrdup(c->channels[r->n_notify].name);
			r->n_notify++;
		}
	}
}

struct demo *demo_prepare(struct engine_opts *o, bool json, struct err *err)
{
	struct demo *d = xcalloc(1, sizeof(*d));
	int i = 0;

	d->seed = 7;
	d->json = json;
	d->port = o->config->n_listeners ? o->config->listeners[0].port : 2055;
	while (i < EXPORTERS && (d->fd[i] = open_one(i, d->port, err)) >= 0)
		i++;
	if (i < EXPORTERS) {
		while (i--)
			close(d->fd[i]);
		free(d);
		return NULL;
	}
	d->colour = colours();
	d->page = page_of(o->config);
	o->on_alert = show;
	o->arg = d;
	return d;
}

void demo_start(struct demo *d, struct engine *e)
{
	d->engine = e;
	d->running = !pthread_create(&d->thread, NULL, run, d);
}

void demo_stop(struct demo *d)
{
	if (!d)
		return;
	d->stop = true;
	if (d->running)
		pthread_join(d->thread, NULL);
	for (int i = 0; i < EXPORTERS; i++)
		close(d->fd[i]);
	d->engine = NULL;
}

void demo_free(struct demo **dp)
{
	if (*dp)
		free((*dp)->page);
	free(*dp);
	*dp = NULL;
}
