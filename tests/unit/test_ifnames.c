/* test_ifnames.c - names of interfaces from SNMP: whose word counts, what becomes of old
 * ones.
 * SPDX-License-Identifier: ISC
 */
#include "tests/unit/test.h"

#include "daemon/base/clock.h"
#include "daemon/evidence/ifnames.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/* An agent that answers what is put into `now`, and counts who asks. */
static struct {
	pthread_mutex_t lock;
	struct interface now[4];
	int n; /* -1: it does not answer */
	unsigned asked;
} agent = { .lock = PTHREAD_MUTEX_INITIALIZER };

static void agent_tells(int n, const struct interface *list)
{
	pthread_mutex_lock(&agent.lock);
	agent.n = n;
	for (int i = 0; i < n; i++)
		agent.now[i] = list[i];
	pthread_mutex_unlock(&agent.lock);
}

static int answer(const struct snmp_agent *a, struct interface *list, struct err *err)
{
	int n;

	assert_string_equal(a->community_file, "/secret");
	pthread_mutex_lock(&agent.lock);
	n = agent.n;
	agent.asked++;
	for (int i = 0; i < n; i++)
		list[i] = agent.now[i];
	pthread_mutex_unlock(&agent.lock);
	if (n < 0)
		err_set(err, "no answer");
	return n;
}

struct kit {
	struct names *names;
	const struct exporter *edge;
	struct ifnames *in;
	struct ifnames_target t;
};

static void setup(struct kit *k)
{
	struct addr a;

	addr_parse("192.0.2.1", &a);
	k->names = names_new(8);
	k->edge = names_exporter_known(k->names, &a, 0, "edge");
	k->in = ifnames_start(k->names, answer);
	k->t = (struct ifnames_target){ k->edge->id, { .addr = a, .port = 161,
						       .community_file = "/secret" }, 1 };
}

static void teardown(struct kit *k)
{
	ifnames_stop(&k->in);
	names_free(&k->names);
}

static const char *name_of(const struct kit *k, uint32_t index, struct interface *i)
{
	names_interface(k->names, k->edge->id, index, i);
	return i->name;
}

/* Until the agent was asked anew, and what it said is settled. */
static void asked_again(struct kit *k)
{
	unsigned before, now;

	pthread_mutex_lock(&agent.lock);
	before = now = agent.asked;
	pthread_mutex_unlock(&agent.lock);
	while (now < before + 2) {
		nanosleep(&(struct timespec){ 0, 1000000 }, NULL);
		pthread_mutex_lock(&agent.lock);
		now = agent.asked;
		pthread_mutex_unlock(&agent.lock);
	}
	(void)k;
}

static void an_agent_names_what_nobody_else_did(void **state)
{
	static const struct interface told[] = {
		{ .index = 1, .name = "Gi0/1", .speed_bps = 1000000000 },
		{ .index = 2, .name = "Gi0/2", .alias = "to the ISP", .speed_bps = 20000000 },
		{ .index = 3, .name = "Gi0/3" },
	};
	struct interface i;
	struct kit k;

	(void)state;
	setup(&k);
	names_interface_set(k.names, k.edge->id, 1, "LAN", 0, TOLD_CONFIG);
	names_interface_set(k.names, k.edge->id, 3, "GigabitEthernet0/3", 0, TOLD_EXPORTER);
	agent_tells(3, told);
	ifnames_configure(k.in, &k.t, 1);
	asked_again(&k);
	assert_string_equal(name_of(&k, 1, &i), "LAN");
	assert_int_equal(i.speed_bps, 1000000000);
	assert_string_equal(name_of(&k, 2, &i), "Gi0/2");
	assert_string_equal(i.alias, "to the ISP");
	assert_int_equal(i.speed_bps, 20000000);
	assert_string_equal(name_of(&k, 3, &i), "GigabitEthernet0/3");
	assert_int_equal(names_interface_find(k.names, k.edge->id, "to the ISP"), 2);
	names_interface_set(k.names, k.edge->id, 2, "WAN", 10000000, TOLD_EXPORTER);
	asked_again(&k);
	assert_string_equal(name_of(&k, 2, &i), "WAN");
	assert_int_equal(i.speed_bps, 10000000);
	teardown(&k);
}

static void indexes_that_moved_get_their_new_names(void **state)
{
	static const struct interface before[] = { { .index = 1, .name = "a", .alias = "A" },
						   { .index = 2, .name = "b" },
						   { .index = 9, .name = "gone", .speed_bps = 9 } };
	static const struct interface after[] = { { .index = 1, .name = "new" },
						  { .index = 2, .name = "a", .alias = "A" },
						  { .index = 3, .name = "b" } };
	struct ifnames_state s;
	struct interface i;
	uint64_t version;
	struct kit k;

	(void)state;
	setup(&k);
	agent_tells(3, before);
	ifnames_configure(k.in, &k.t, 1);
	asked_again(&k);
	version = names_version(k.names);
	agent_tells(3, after);
	asked_again(&k);
	assert_true(names_version(k.names) > version);
	assert_string_equal(name_of(&k, 1, &i), "new");
	assert_string_equal(i.alias, "");
	assert_string_equal(name_of(&k, 2, &i), "a");
	assert_string_equal(name_of(&k, 3, &i), "b");
	assert_string_equal(name_of(&k, 9, &i), "");
	assert_int_equal(i.speed_bps, 0);
	assert_int_equal(names_interface_find(k.names, k.edge->id, "a"), 2);
	assert_true(ifnames_state(k.in, k.edge->id, &s));
	assert_int_equal(s.moved, 2);
	assert_int_equal(s.known, 3);
	teardown(&k);
}

static void what_it_told_outlives_its_silence_but_not_its_section(void **state)
{
	static const struct interface told[] = { { .index = 2, .name = "wan0" } };
	struct ifnames_state s;
	struct interface i;
	struct kit k;

	(void)state;
	setup(&k);
	assert_false(ifnames_state(k.in, k.edge->id, &s));
	agent_tells(1, told);
	ifnames_configure(k.in, &k.t, 1);
	asked_again(&k);
	assert_true(ifnames_state(k.in, k.edge->id, &s));
	assert_string_equal(s.err.msg, "");
	agent_tells(-1, NULL);
	asked_again(&k);
	assert_true(ifnames_state(k.in, k.edge->id, &s));
	assert_string_equal(s.err.msg, "no answer");
	assert_string_equal(name_of(&k, 2, &i), "wan0");
	k.t.every_ms = 86400000;
	ifnames_configure(k.in, &k.t, 1); /* the same agent: nothing is lost */
	assert_string_equal(name_of(&k, 2, &i), "wan0");
	ifnames_configure(k.in, NULL, 0);
	assert_string_equal(name_of(&k, 2, &i), "");
	assert_false(ifnames_state(k.in, k.edge->id, &s));
	teardown(&k);
}

static void a_secret_that_cannot_be_read_is_said(void **state)
{
	struct addr a;
	struct snmp_agent nobody = { .port = 9, .community_file = "", .user = "", .auth = "",
				     .auth_file = "", .priv = "", .priv_file = "" };
	struct interface list[1];
	struct err err = { "" };

	(void)state;
	addr_parse("127.0.0.1", &a);
	nobody.addr = a;
	nobody.community_file = "/nonexistent/community";
	assert_int_equal(snmp_interfaces(&nobody, list, &err), -1);
	assert_non_null(strstr(err.msg, snmp_built() ? "/nonexistent/community" : "built without"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_agent_names_what_nobody_else_did),
		cmocka_unit_test(indexes_that_moved_get_their_new_names),
		cmocka_unit_test(what_it_told_outlives_its_silence_but_not_its_section),
		cmocka_unit_test(a_secret_that_cannot_be_read_is_said),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
