/* test_join.c - who is charged with which octets of a flow through the proxy.
 * SPDX-License-Identifier: ISC */
#include "test.h"

#include "daemon/base/clock.h"
#include "daemon/base/mem.h"
#include "daemon/evidence/join.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS = 8 };

#define T0 INT64_C(1795469000000)
#define INSIDE "10.20.0.1"
#define OUTSIDE "192.0.2.2"
#define CDN "198.51.100.10"

struct flow_row {
	const char *src, *dst;
	uint16_t src_port, dst_port;
	int from_s, to_s;
	uint64_t bytes;
	enum join_leg leg;
	int explained;
};

struct request_row {
	const char *client, *origin;
	uint16_t client_port, proxy_port, origin_port;
	int from_s, to_s;
	uint64_t received, sent;
	bool cached;
};

struct part_row {
	unsigned flow, request;
	int bytes;
};

struct joined {
	const char *what;
	struct flow_row flows[ROWS];
	struct request_row requests[ROWS];
	struct part_row parts[ROWS]; /* all that have octets, by flow and request */
};

static const struct joined rows[] = {
	{ "a connection carries two requests, one after another; the upload is ACKs",
	  { { CDN, OUTSIDE, 80, 40000, 0, 20, 2100, JOIN_ORIGIN, 2000 },
	    { OUTSIDE, CDN, 40000, 80, 0, 20, 100, JOIN_ORIGIN, 0 } },
	  { { "10.20.0.66", CDN, 0, 0, 0, 0, 10, 1000, 0, false },
	    { "10.20.0.66", CDN, 0, 0, 0, 10, 20, 1000, 0, false } },
	  { { 0, 0, 1000 }, { 0, 1, 1000 } } },
	{ "two clients share a pooled connection",
	  { { CDN, OUTSIDE, 80, 40000, 0, 20, 4000, JOIN_ORIGIN, 4000 } },
	  { { "10.20.0.66", CDN, 0, 0, 0, 0, 10, 3000, 0, false },
	    { "10.20.0.11", CDN, 0, 0, 0, 10, 20, 1000, 0, false } },
	  { { 0, 0, 3000 }, { 0, 1, 1000 } } },
	{ "both legs are explained, each by itself",
	  { { CDN, OUTSIDE, 80, 40000, 0, 10, 1000, JOIN_ORIGIN, 1000 },
	    { INSIDE, "10.20.0.66", 3128, 50000, 0, 10, 1000, JOIN_CLIENT, 1000 } },
	  { { "10.20.0.66", CDN, 0, 0, 0, 0, 10, 1000, 0, false } },
	  { { 0, 0, 1000 }, { 1, 0, 1000 } } },
	{ "a cached answer has the client's leg alone",
	  { { CDN, OUTSIDE, 80, 40000, 0, 10, 1000, JOIN_UNKNOWN, 0 },
	    { INSIDE, "10.20.0.66", 3128, 50000, 0, 10, 1000, JOIN_CLIENT, 900 } },
	  { { "10.20.0.66", CDN, 0, 0, 0, 0, 10, 900, 0, true } },
	  { { 1, 0, 900 } } },
	{ "with ports the right one of two connections, in the same time",
	  { { CDN, OUTSIDE, 80, 40000, 0, 10, 5000, JOIN_ORIGIN, 4800 },
	    { CDN, OUTSIDE, 80, 40001, 0, 10, 5000, JOIN_ORIGIN, 200 } },
	  { { "10.20.0.66", CDN, 50000, 40000, 80, 0, 10, 4800, 100, false },
	    { "10.20.0.11", CDN, 50001, 40001, 80, 0, 10, 200, 100, false } },
	  { { 0, 0, 4800 }, { 1, 1, 200 } } },
	{ "without ports in proportion to the connections' octets",
	  { { CDN, OUTSIDE, 80, 40000, 0, 10, 3000, JOIN_ORIGIN, 2400 },
	    { CDN, OUTSIDE, 80, 40001, 0, 10, 1000, JOIN_ORIGIN, 800 } },
	  { { "10.20.0.66", CDN, 0, 0, 0, 0, 10, 3200, 0, false } },
	  { { 0, 0, 2400 }, { 1, 0, 800 } } },
	{ "octets of a time whose flows have not come are nobody's",
	  { { CDN, OUTSIDE, 80, 40000, 0, 20, 5000, JOIN_ORIGIN, 2150 } },
	  { { "10.20.0.66", CDN, 0, 0, 0, 0, 100, 10000, 0, false } },
	  { { 0, 0, 2150 } } },
	{ "no flow is explained more than wholly",
	  { { CDN, OUTSIDE, 80, 40000, 0, 10, 1000, JOIN_ORIGIN, 1000 } },
	  { { "10.20.0.66", CDN, 0, 0, 0, 0, 10, 3000, 0, false },
	    { "10.20.0.11", CDN, 0, 0, 0, 0, 10, 1000, 0, false } },
	  { { 0, 0, 750 }, { 0, 1, 250 } } },
	{ "what does not fit into a neighbour goes where there is room: times a second off",
	  { { INSIDE, "10.20.0.66", 3128, 50000, 1, 2, 1050, JOIN_CLIENT, 1050 },
	    { INSIDE, "10.20.0.66", 3128, 50001, 2, 3, 1050, JOIN_CLIENT, 950 } },
	  { { "10.20.0.66", CDN, 0, 0, 0, 0, 1, 1000, 0, false },
	    { "10.20.0.66", CDN, 0, 0, 0, 1, 2, 1000, 0, false } },
	  { { 0, 0, 434 }, { 0, 1, 616 }, { 1, 0, 566 }, { 1, 1, 384 } } },
	{ "direct traffic and other origins are left alone",
	  { { "203.0.113.5", "10.20.0.66", 443, 50000, 0, 10, 1000, JOIN_NONE, 0 },
	    { "203.0.113.5", OUTSIDE, 443, 50000, 0, 10, 1000, JOIN_UNKNOWN, 0 },
	    { INSIDE, OUTSIDE, 1, 2, 0, 10, 1000, JOIN_UNKNOWN, 0 } },
	  { { "10.20.0.66", CDN, 0, 0, 0, 0, 10, 1000, 0, false } },
	  { { 0, 0, 0 } } },
	{ "another time is another request",
	  { { CDN, OUTSIDE, 80, 40000, 50, 60, 1000, JOIN_ORIGIN, 700 } },
	  { { "10.20.0.66", CDN, 0, 0, 0, 0, 40, 9000, 0, false },
	    { "10.20.0.11", CDN, 0, 0, 0, 51, 59, 700, 0, false } },
	  { { 0, 1, 700 } } },
	{ "an upload is charged with what was sent",
	  { { "10.20.0.66", INSIDE, 50000, 3128, 0, 10, 5000, JOIN_CLIENT, 4500 },
	    { OUTSIDE, CDN, 40000, 80, 0, 10, 5000, JOIN_ORIGIN, 4500 } },
	  { { "10.20.0.66", CDN, 50000, 40000, 80, 0, 10, 100, 4500, false } },
	  { { 0, 0, 4500 }, { 1, 0, 4500 } } },
};

static struct addr address(const char *s)
{
	struct addr a;

	assert_true(addr_parse(s, &a));
	return a;
}

static struct request *request_of(const struct request_row *w)
{
	struct request r = { .start_ms = T0 + w->from_s * 1000, .end_ms = T0 + w->to_s * 1000,
			     .client = address(w->client), .origin = address(w->origin),
			     .client_port = w->client_port, .proxy_port = w->proxy_port,
			     .origin_port = w->origin_port, .received = w->received,
			     .sent = w->sent, .cached = w->cached, .url = "u" };

	return request_new(&r);
}

static void octets_go_where_they_belong(void **state)
{
	const struct addr proxies[] = { address(INSIDE), address(OUTSIDE) };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct joined *w = &rows[i];
		struct join_flow flows[ROWS];
		struct request *requests[ROWS];
		double seen[ROWS][ROWS] = { { 0 } };
		size_t n_flows = 0, n_requests = 0;
		struct join j;

		for (; n_flows < ROWS && w->flows[n_flows].src; n_flows++) {
			const struct flow_row *f = &w->flows[n_flows];

			flows[n_flows] = (struct join_flow){
				address(f->src), address(f->dst), f->src_port, f->dst_port,
				0, T0 + f->from_s * 1000, T0 + f->to_s * 1000,
				f->bytes, 0, 0 };
		}
		for (; n_requests < ROWS && w->requests[n_requests].client; n_requests++)
			requests[n_requests] = request_of(&w->requests[n_requests]);
		join_run(flows, n_flows, requests, n_requests, proxies, 2, T0, T0 + 3600000, NULL,
			 &j);
		for (size_t k = 0; k < j.n; k++)
			seen[j.parts[k].flow][j.parts[k].request] += j.parts[k].bytes;
		for (size_t k = 0; k < ROWS; k++)
			seen[w->parts[k].flow][w->parts[k].request] -= w->parts[k].bytes;
		for (size_t f = 0; f < n_flows; f++) {
			if (flows[f].leg != w->flows[f].leg ||
			    fabs(flows[f].explained - w->flows[f].explained) > 60)
				fail_msg("%s: flow %zu is leg %d, explained %f", w->what, f,
					 flows[f].leg, flows[f].explained);
			for (size_t r = 0; r < n_requests; r++)
				/* Slack lets neighbours in time share a little. */
				if (fabs(seen[f][r]) > 60)
					fail_msg("%s: flow %zu, request %zu: %f too much",
						 w->what, f, r, seen[f][r]);
		}
		join_free(&j);
		for (size_t r = 0; r < n_requests; r++)
			request_unref(&requests[r]);
	}
}

static void what_two_exporters_saw_is_explained_twice_and_never_shared(void **state)
{
	const struct addr proxy = address(OUTSIDE);
	const struct request_row w = { "10.20.0.66", CDN, 0, 0, 0, 0, 10, 1000, 0, false };
	struct request *r = request_of(&w);
	struct join_flow f[3];
	struct join j;

	(void)state;
	for (uint32_t i = 0; i < 3; i++) /* two records of the second one's */
		f[i] = (struct join_flow){ address(CDN), proxy, 80, 40000, 7 * (i > 0), T0,
					   T0 + 10000, i ? 525 : 1050, 0, 0 };
	join_run(f, 3, &r, 1, &proxy, 1, T0, T0 + 60000, NULL, &j);
	assert_int_equal(j.n, 3);
	assert_true(fabs(f[0].explained - 1000) < 1 && fabs(f[1].explained - 500) < 1 &&
		    fabs(f[2].explained - 500) < 1);
	join_free(&j);
	request_unref(&r);
}

/* Issue figures: a million requests and 100,000 flows. */
static void a_million_requests_are_joined_in_moments(void **state)
{
	enum { REQUESTS = 1000000, FLOWS = 100000 };
	struct request *r = xcalloc(REQUESTS, sizeof(*r)), **list;
	struct join_flow *f = xcalloc(FLOWS, sizeof(*f));
	const struct addr proxy = address(OUTSIDE);
	struct join j;
	int64_t began;
	double sum = 0;

	(void)state;
	list = xcalloc(REQUESTS, sizeof(*list));
	for (uint32_t i = 0; i < FLOWS; i++) {
		uint8_t net[4] = { 198, 18, (uint8_t)(i % 10000 / 256), (uint8_t)(i % 10000) };

		f[i] = (struct join_flow){ addr_of4(net), proxy, 80, (uint16_t)(i % 60000), 0,
					   T0 + i / 10000 * 30000,
					   T0 + i / 10000 * 30000 + 29000, 1000000, 0, 0 };
	}
	for (uint32_t i = 0; i < REQUESTS; i++) {
		uint32_t o = i % 10000;
		uint8_t net[4] = { 198, 18, (uint8_t)(o / 256), (uint8_t)o };
		uint8_t who[4] = { 10, 20, (uint8_t)(i >> 8), (uint8_t)i };

		r[i] = (struct request){ .client = addr_of4(who), .origin = addr_of4(net),
					 .start_ms = T0 + i * INT64_C(3) / 10, .received = 50000,
					 .url = "u" };
		r[i].end_ms = r[i].start_ms + 2000;
		list[i] = &r[i];
	}
	began = clock_mono_ms();
	join_run(f, FLOWS, list, REQUESTS, &proxy, 1, T0, T0 + 3600000, NULL, &j);
	began = clock_mono_ms() - began;
	for (uint32_t i = 0; i < FLOWS; i++)
		sum += f[i].explained;
	print_message("joined in %lld ms, %zu parts\n", (long long)began, j.n);
	assert_true(sum > 0.9 * REQUESTS * 50000. && sum <= REQUESTS * 50000. * 1.0001);
	assert_true(began < 30000); /* generous: sanitizers, a busy machine; 0.7 s without */
	join_free(&j);
	free(list);
	free(r);
	free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(octets_go_where_they_belong),
		cmocka_unit_test(what_two_exporters_saw_is_explained_twice_and_never_shared),
		cmocka_unit_test(a_million_requests_are_joined_in_moments),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
