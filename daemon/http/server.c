/* server.c - connections, requests and answers, by libmicrohttpd.
 * SPDX-License-Identifier: ISC
 *
 * One thread serves all connections and answers at once whatever is at hand: the page,
 * /metrics, what is on the board. What reads disk or network is done by the threads of
 * jobs.c while its connection is suspended. A request passes, in this order: the target
 * (400), the Host (421), the token (401), the route (404, 405), where it comes from (403),
 * its parameters (400), the size of its body (413).
 */
#include "daemon/http/http_impl.h"

#include "daemon/base/clock.h"
#include "daemon/base/log.h"
#include "daemon/base/mem.h"
#include "daemon/evidence/looked.h"

#include <errno.h>
#include <microhttpd.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

enum { HEADERS_MAX = 16384, IDLE_S = 15, BACKLOG = 128 };

static const char csp[] = "default-src 'none'; script-src 'self'; style-src 'self'; "
			  "img-src 'self'; connect-src 'self'; base-uri 'none'; "
			  "form-action 'none'; frame-ancestors 'none'";

/* A page with a form and no script. */
static const char csp_form[] = "default-src 'none'; style-src 'self'; img-src 'self'; "
			       "base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

static const char *header(struct MHD_Connection *c, const char *name)
{
	return MHD_lookup_connection_value(c, MHD_HEADER_KIND, name);
}

static enum MHD_Result send_answer(struct request *rq, struct MHD_Connection *c)
{
	struct answer *a = &rq->answer;
	bool same = a->cache && *a->etag && rq->if_none_match &&
		    strstr(rq->if_none_match, a->etag);
	struct MHD_Response *r;
	enum MHD_Result ok;
	size_t len = a->body.len;

	if (same)
		r = MHD_create_response_from_buffer(0, "", MHD_RESPMEM_PERSISTENT);
	else if (a->fixed)
		r = MHD_create_response_from_buffer(a->fixed_len, (void *)(uintptr_t)a->fixed,
						    MHD_RESPMEM_PERSISTENT);
	else
		r = MHD_create_response_from_buffer(len, strb_take(&a->body),
						    MHD_RESPMEM_MUST_FREE);
	if (!r)
		return MHD_NO;
	MHD_add_response_header(r, "Content-Type", a->type ? a->type : "text/plain");
	MHD_add_response_header(r, "Cache-Control", a->cache ? "no-cache" : "no-store");
	MHD_add_response_header(r, "Content-Security-Policy", a->form ? csp_form : csp);
	MHD_add_response_header(r, "X-Content-Type-Options", "nosniff");
	MHD_add_response_header(r, "X-Frame-Options", "DENY");
	MHD_add_response_header(r, "Referrer-Policy", "no-referrer");
	MHD_add_response_header(r, "Cross-Origin-Resource-Policy", "same-origin");
	if (*a->etag)
		MHD_add_response_header(r, "ETag", a->etag);
	if (a->allow)
		MHD_add_response_header(r, "Allow", a->allow);
	if (a->challenge)
		MHD_add_response_header(r, "WWW-Authenticate", "Bearer realm=\"culprit\"");
	if (a->status == MHD_HTTP_SERVICE_UNAVAILABLE)
		MHD_add_response_header(r, "Retry-After", "5");
	conns_state(&rq->http->conns, rq->conn, CONN_ANSWERS, clock_mono_ms());
	ok = MHD_queue_response(c, same ? MHD_HTTP_NOT_MODIFIED : a->status ? a->status : 200,
				r);
	MHD_destroy_response(r);
	return ok;
}

/* Asked once all of the body is here, and again when a job is done. */
static enum MHD_Result work(struct request *rq, struct MHD_Connection *c)
{
	struct http *h = rq->http;

	if (rq->body.len > BODY_MAX) {
		answer_error(&rq->answer, MHD_HTTP_CONTENT_TOO_LARGE,
			     "a body of at most %d octets is taken", BODY_MAX);
		rq->answered = true;
	}
	if (rq->answered)
		return send_answer(rq, c);
	conns_state(&h->conns, rq->conn, CONN_WORKS, clock_mono_ms());
	if (!rq->route->slow) {
		rq->route->answer(h, rq, &rq->answer);
		return send_answer(rq, c);
	}
	rq->if_none_match = NULL; /* lies in the connection's memory */
	MHD_suspend_connection(c);
	if (!jobs_put(h->jobs, rq)) {
		answer_error(&rq->answer, MHD_HTTP_SERVICE_UNAVAILABLE,
			     "too many questions are being answered; ask again in some seconds");
		rq->answered = true;
		MHD_resume_connection(c);
	}
	return MHD_YES;
}

/* False: it could not be written down, so it is not answered. */
static bool note_looked(const struct request *rq, struct err *err)
{
	struct looked l = { .at_ms = clock_wall_ms(), .via = "api", .from = rq->asker,
			    .user = rq->with_token ? "token" : "",
			    .question = rq->question };

	return !rq->route->persons || !rq->question || looked_note(rq->http->looked, &l, err);
}

static void run_job(void *job)
{
	struct request *rq = job;
	struct err err = { "" };

	if (note_looked(rq, &err))
		rq->route->answer(rq->http, rq, &rq->answer);
	else
		answer_error(&rq->answer, 503, "%s", err.msg);
	rq->answered = true;
	MHD_resume_connection(rq->mhd);
}

static enum MHD_Result count_header(void *arg, enum MHD_ValueKind kind, const char *key,
				    const char *value)
{
	unsigned *n = arg; /* Host, Content-Length, Transfer-Encoding */

	(void)kind;
	(void)value;
	n[0] += !strcasecmp(key, "Host");
	n[1] += !strcasecmp(key, "Content-Length");
	n[2] += !strcasecmp(key, "Transfer-Encoding");
	return MHD_YES;
}

static bool well_formed(struct request *rq, struct MHD_Connection *c, const char *version)
{
	unsigned n[3] = { 0 };
	const char *len = header(c, "Content-Length");
	struct answer *a = &rq->answer;

	MHD_get_connection_values(c, MHD_HEADER_KIND, count_header, n);
	if (rq->bad_target)
		answer_error(a, 400, "%s", rq->err.msg);
	else if (n[0] > 1 || (!n[0] && strcmp(version, "HTTP/1.0")))
		answer_error(a, 400, "a request must have one Host header");
	else if (n[1] + n[2] > 1)
		answer_error(a, 400, "a body must have one length");
	else if (n[0] && !guard_host(&rq->http->guard, header(c, "Host")))
		answer_error(a, MHD_HTTP_MISDIRECTED_REQUEST,
			     "culpritd does not answer under this host name; use its "
			     "address, or set url in http { } to how it is reached");
	else if (len && (strlen(len) > 7 || atoi(len) > BODY_MAX))
		answer_error(a, MHD_HTTP_CONTENT_TOO_LARGE,
			     "a body of at most %d octets is taken", BODY_MAX);
	else
		return true;
	return false;
}

static bool may_write(const struct route *r, const struct guard *g, struct MHD_Connection *c,
		      struct answer *a)
{
	const char *type = header(c, "Content-Type");
	const char *want = r->act ? "application/x-www-form-urlencoded" : "application/json";

	if (!r->act && !g->token && !g->write)
		answer_error(a, 403, "nothing can be changed over HTTP without a token; set "
			     "token_file in http { }");
	else if (!r->act && !guard_may_write(g, header(c, "Authorization")))
		answer_error(a, 403, "changing something wants a token: Authorization: Bearer …; "
			     "on this machine it is in the file write.token of the state "
			     "directory, which culprit reads by itself");
	else if (!guard_origin(header(c, "Host"), header(c, "Origin"),
			       header(c, "Sec-Fetch-Site")))
		answer_error(a, 403, "this came from another site's page");
	else if (!type || strncasecmp(type, want, strlen(want)))
		answer_error(a, MHD_HTTP_UNSUPPORTED_MEDIA_TYPE,
			     "a body of type %s is expected", want);
	else
		return true;
	return false;
}

/* Only a proxy on this machine is believed whom it asks for. */
static void take_asker(struct request *rq, struct MHD_Connection *c)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(c, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
	const char *whose = header(c, "X-Forwarded-For");
	struct sockaddr_storage ss = { 0 };
	char text[ADDR_TEXT] = "-";
	struct addr from;
	uint16_t port;

	if (info && info->client_addr) {
		bool six = info->client_addr->sa_family == AF_INET6;

		memcpy(&ss, info->client_addr,
		       six ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in));
		from = addr_of_sockaddr(&ss, &port);
		addr_text(&from, text);
	}
	if (strcmp(text, "::1") && strncmp(text, "127.", 4))
		whose = NULL;
	rq->asker = whose ? xasprintf("%s for %.200s", text, whose) : xstrdup(text);
	rq->with_token = header(c, "Authorization") != NULL; /* a wrong one came not so far */
}

/* False: the answer says why not. */
static bool admit(struct request *rq, struct MHD_Connection *c, const char *method,
		  const char *version)
{
	struct http *h = rq->http;
	struct answer *a = &rq->answer;
	struct answer lost = { 0 };
	const char *site = header(c, "Sec-Fetch-Site");
	struct err err;

	if (!well_formed(rq, c, version))
		return false;
	rq->route = route_find(rq->target.path, method, &lost);
	if ((!rq->route || !rq->route->open) &&
	    !guard_token(&h->guard, header(c, "Authorization"))) {
		answer_error(a, 401, "a token is needed: Authorization: Bearer …");
		a->challenge = true;
		answer_free(&lost);
		return false;
	}
	if (!rq->route) {
		*a = lost;
		return false;
	}
	if (!strcmp(rq->route->method, "POST") && !may_write(rq->route, &h->guard, c, a))
		return false;
	/* A signed address may be opened from a mail that a web page shows. */
	if (rq->route->slow && !(rq->route->open && !rq->route->act) && site &&
	    !strcasecmp(site, "cross-site")) {
		answer_error(a, 403, "this came from another site's page");
		return false;
	}
	if (!target_known(&rq->target, rq->route->params, &err)) {
		answer_error(a, 400, "%s", err.msg);
		return false;
	}
	rq->if_none_match = header(c, "If-None-Match");
	if (rq->route->persons && *h->looked)
		take_asker(rq, c);
	return true;
}

static enum MHD_Result handle(void *cls, struct MHD_Connection *c, const char *url,
			      const char *method, const char *version, const char *upload,
			      size_t *upload_len, void **req)
{
	struct request *rq = *req;
	struct http *h = cls;

	(void)url;
	if (!rq->begun) {
		const union MHD_ConnectionInfo *info =
			MHD_get_connection_info(c, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

		rq->begun = true;
		rq->mhd = c;
		rq->conn = info ? info->socket_context : NULL;
		__atomic_add_fetch(&h->requests, 1, __ATOMIC_RELAXED);
		if (admit(rq, c, method, version))
			return MHD_YES;
		__atomic_add_fetch(&h->refused, 1, __ATOMIC_RELAXED);
		return send_answer(rq, c);
	}
	if (*upload_len) {
		/* What is beyond is thrown away, the length kept. */
		if (rq->body.len <= BODY_MAX)
			strb_addn(&rq->body, upload, *upload_len);
		*upload_len = 0;
		return MHD_YES;
	}
	return work(rq, c);
}

static void *uri_seen(void *cls, const char *uri, struct MHD_Connection *c)
{
	struct request *rq = xcalloc(1, sizeof(*rq));

	(void)c;
	rq->http = cls;
	rq->bad_target = !target_parse(uri, &rq->target, &rq->err);
	if (*rq->http->looked && !rq->bad_target)
		rq->question = xstrdup(uri);
	return rq;
}

static void completed(void *cls, struct MHD_Connection *c, void **req,
		      enum MHD_RequestTerminationCode why)
{
	struct http *h = cls;
	struct request *rq = *req;

	(void)c;
	(void)why;
	*req = NULL;
	if (!rq)
		return;
	conns_state(&h->conns, rq->conn, CONN_WAITS, clock_mono_ms());
	target_fini(&rq->target);
	free(rq->asker);
	free(rq->question);
	strb_free(&rq->body);
	answer_free(&rq->answer);
	free(rq);
}

static void connection(void *cls, struct MHD_Connection *c, void **ctx,
		       enum MHD_ConnectionNotificationCode what)
{
	struct http *h = cls;
	const union MHD_ConnectionInfo *fd;

	if (what == MHD_CONNECTION_NOTIFY_STARTED) {
		fd = MHD_get_connection_info(c, MHD_CONNECTION_INFO_CONNECTION_FD);
		*ctx = conns_opened(&h->conns, fd->connect_fd, clock_mono_ms());
	} else if (*ctx) {
		conns_closed(&h->conns, *ctx);
		*ctx = NULL;
	}
}

/* Escapes are target.c's; libmicrohttpd's own reading of them is not used. */
static size_t leave_escaped(void *cls, struct MHD_Connection *c, char *s)
{
	(void)cls;
	(void)c;
	return strlen(s);
}

static void say(void *cls, const char *fmt, va_list ap)
{
	char line[256];

	(void)cls;
	vsnprintf(line, sizeof(line), fmt, ap);
	line[strcspn(line, "\n")] = '\0';
	log_debug("http: %s", line);
}

static int bind_to(const struct http_opts *o, struct err *err)
{
	struct addrinfo hint = { .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE,
				 .ai_socktype = SOCK_STREAM }, *ai = NULL;
	char port[8];
	int fd, on = 1, off = 0;

	snprintf(port, sizeof(port), "%u", o->port);
	if (getaddrinfo(o->address, port, &hint, &ai)) {
		err_set(err, "http: '%s' is not an address; an IPv4 or IPv6 address is expected",
			o->address);
		return -1;
	}
	fd = socket(ai->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd >= 0) {
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
		if (ai->ai_family == AF_INET6)
			setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
	}
	if (fd < 0 || bind(fd, ai->ai_addr, ai->ai_addrlen) || listen(fd, BACKLOG)) {
		const char *hint_text =
			errno == EADDRINUSE ? "; is another culpritd running? Stop it, or set "
					      "another port in http { }"
			: errno == EADDRNOTAVAIL ? "; set address in http { } to one of this "
						   "machine's"
			: errno == EACCES ? "; set a port above 1023 in http { }" : "";

		err_set(err, "http: cannot listen on %s port %u: %s%s", o->address, o->port,
			strerror(errno), hint_text);
		if (fd >= 0)
			close(fd);
		fd = -1;
	}
	freeaddrinfo(ai);
	return fd;
}

static uint16_t port_of(int fd)
{
	struct sockaddr_storage ss = { 0 };
	socklen_t len = sizeof(ss);
	uint16_t port = 0;

	if (!getsockname(fd, (struct sockaddr *)&ss, &len))
		addr_of_sockaddr(&ss, &port);
	return port;
}

static void *watch(void *arg)
{
	struct http *h = arg;

	pthread_mutex_lock(&h->watch_lock);
	while (!h->stop) {
		struct timespec t;

		clock_gettime(CLOCK_MONOTONIC, &t);
		t.tv_sec++;
		pthread_mutex_unlock(&h->watch_lock);
		conns_sweep(&h->conns, clock_mono_ms());
		rates_turn(&h->now, h->src.names, clock_mono_ms());
		rates_turn(&h->lately, h->src.names, clock_mono_ms());
		pthread_mutex_lock(&h->watch_lock);
		if (!h->stop)
			pthread_cond_timedwait(&h->watch_cond, &h->watch_lock, &t);
	}
	pthread_mutex_unlock(&h->watch_lock);
	return NULL;
}

static struct http *new_http(const struct http_sources *s)
{
	struct http *h = xcalloc(1, sizeof(*h));
	pthread_condattr_t attr;

	h->src = *s;
	h->archive_dir = xstrdup(s->archive_dir ? s->archive_dir : "");
	h->looked = xstrdup(s->looked ? s->looked : "");
	h->history_url = xstrdup(s->history_url ? s->history_url : "");
	if (s->history)
		h->store_opts = *s->history;
	h->store_opts.read_only = true;
	conns_init(&h->conns);
	rates_init(&h->now, 10000);
	rates_init(&h->lately, 300000);
	pthread_mutex_init(&h->watch_lock, NULL);
	pthread_mutex_init(&h->store_lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&h->watch_cond, &attr);
	pthread_condattr_destroy(&attr);
	return h;
}

static bool serve(struct http *h, int fd)
{
	h->mhd = MHD_start_daemon(
		MHD_USE_EPOLL | MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_ERROR_LOG |
			MHD_ALLOW_SUSPEND_RESUME,
		0, NULL, NULL, handle, h, MHD_OPTION_EXTERNAL_LOGGER, say, (void *)NULL,
		MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT,
		(unsigned int)CONN_SLOTS, MHD_OPTION_CONNECTION_TIMEOUT, (unsigned int)IDLE_S,
		MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)HEADERS_MAX,
		MHD_OPTION_URI_LOG_CALLBACK, uri_seen, h, MHD_OPTION_UNESCAPE_CALLBACK,
		leave_escaped, (void *)NULL, MHD_OPTION_NOTIFY_CONNECTION, connection, h,
		MHD_OPTION_NOTIFY_COMPLETED, completed, h, MHD_OPTION_STRICT_FOR_CLIENT, (int)1,
		MHD_OPTION_END);
	return h->mhd != NULL;
}

struct http *http_start(const struct http_opts *o, const struct http_sources *s,
			struct err *err)
{
	struct http *h = new_http(s);
	bool v6 = strchr(o->address, ':') != NULL;
	int fd = -1;

	if (!guard_init(&h->guard, o->token_file, o->url, err) ||
	    !guard_init_write(&h->guard, o->write_token_file, err) || (fd = bind_to(o, err)) < 0)
		goto fail;
	h->port = port_of(fd);
	h->base_url = o->url && *o->url
			      ? xstrdup(o->url)
			      : xasprintf(v6 ? "http://[%s]:%u" : "http://%s:%u", o->address,
					  h->port);
	h->jobs = jobs_start(run_job);
	if (!serve(h, fd)) {
		close(fd);
		err_set(err, "http: libmicrohttpd could not be started; are there descriptors "
			"left (ulimit -n)?");
		goto fail;
	}
	h->watching = !pthread_create(&h->watch, NULL, watch, h);
	if (!h->watching) {
		err_set(err, "http: no more threads can be started");
		goto fail;
	}
	pthread_setname_np(h->watch, "http-watch");
	return h;
fail:
	http_stop(&h);
	return NULL;
}

uint16_t http_port(const struct http *h)
{
	return h->port;
}

void http_stop(struct http **hp)
{
	struct http *h = *hp;

	*hp = NULL;
	if (!h)
		return;
	if (h->watching) {
		pthread_mutex_lock(&h->watch_lock);
		h->stop = true;
		pthread_cond_signal(&h->watch_cond);
		pthread_mutex_unlock(&h->watch_lock);
		pthread_join(h->watch, NULL);
	}
	if (h->jobs)
		jobs_stop(h->jobs); /* resumes every suspended connection */
	if (h->mhd)
		MHD_stop_daemon(h->mhd);
	jobs_free(&h->jobs);
	store_close(&h->store);
	guard_fini(&h->guard);
	conns_fini(&h->conns);
	rates_fini(&h->now);
	rates_fini(&h->lately);
	pthread_mutex_destroy(&h->watch_lock);
	pthread_mutex_destroy(&h->store_lock);
	pthread_cond_destroy(&h->watch_cond);
	free(h->archive_dir);
	free(h->looked);
	free(h->history_url);
	free(h->base_url);
	free(h);
}
