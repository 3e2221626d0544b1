/* test_newcomer.c - who is on a network for the first time, and who only passes by. */
#include "test.h"

#include "site.h"

#define T0 (INT64_C(1780000000000) / 86400000 * 86400000)
enum { HOUR = 360, DAY = 24 * HOUR, LAN = 0x0a140000, FAR = 0xc6336400 };

struct lan {
	struct site s;
	uint32_t as;
};

static void set_up(struct lan *l, bool network)
{
	struct prefix p;

	*l = (struct lan){ .as = 64500 };
	site_open(&l->s, "newcomer", 1, T0);
	block_use(l->s.b, F_dst_as);
	if (network) {
		assert_true(prefix_parse("10.20.0.0/16", &p));
		names_network_add(l->s.names, "lan", &p);
		names_networks_done(l->s.names);
	}
}

/* Both halves of a conversation of client and server. */
static void talk(struct lan *l, uint32_t client, uint32_t server, uint16_t port,
		 uint32_t octets)
{
	struct site_row f = { .src = client, .dst = server, .src_port = 50000,
			      .dst_port = port, .proto = TCP, .flags = F_ALL, .packets = 10,
			      .bytes = octets };
	struct site_row back = { .src = server, .dst = client, .src_port = port,
				 .dst_port = 50000, .proto = TCP, .flags = F_ALL,
				 .packets = 10, .bytes = octets };

	site_row(&l->s, f);
	l->s.b->dst_as[l->s.b->n - 1] = l->as;
	site_row(&l->s, back);
}

/* Half an hour: the office talks in the first three slices, then time goes on. */
static void run(struct lan *l, unsigned times)
{
	while (times--) {
		for (int k = 0; k < 3; k++) {
			for (uint32_t i = 0; i < 10; i++)
				talk(l, LAN + 10 + i, FAR + i, 443, 40000);
			talk(l, LAN + 10, LAN + 2, 25, 40000);
			site_slice(&l->s);
		}
		l->s.now_ms += (HOUR / 2 - 3) * SLICE_MS;
	}
}

enum act { NEW_HOST, NEW_SERVICE, NEW_AS, SMALL, ONCE, SCANNED, SCANNER, OLD, FOREIGN, VOICE,
	   SENDER };

static void act(struct lan *l, enum act a)
{
	switch (a) {
	case NEW_HOST: talk(l, LAN + 66, FAR, 443, 80000); break;
	case NEW_SERVICE: talk(l, LAN + 10, LAN + 11, 6667, 80000); break;
	case NEW_AS:
		l->as = 64666;
		talk(l, LAN + 10, FAR, 443, 80000);
		l->as = 64500;
		break;
	case SMALL: talk(l, LAN + 66, FAR, 443, 700); break;
	case ONCE:
		if (l->s.n_found == 0 && l->s.now_ms % (HOUR * SLICE_MS) == 0)
			talk(l, LAN + 66, FAR, 443, 800000);
		break;
	case SCANNED: /* somebody tries the whole network, and is refused */
		for (uint32_t i = 0; i < 200; i++) {
			site_row(&l->s, (struct site_row){ .src = FAR + 99, .dst = LAN + 256 + i,
				.src_port = 40000, .dst_port = 22, .proto = TCP, .flags = F_SYN,
				.packets = 3, .bytes = 180 });
			site_row(&l->s, (struct site_row){ .src = LAN + 256 + i, .dst = FAR + 99,
				.src_port = 22, .dst_port = 40000, .proto = TCP,
				.flags = F_RST | F_ACK, .packets = 3, .bytes = 120 });
		}
		break;
	case SCANNER: /* a new host that only asks */
		for (uint32_t i = 0; i < 200; i++)
			site_row(&l->s, (struct site_row){ .src = LAN + 66, .dst = FAR + i,
				.src_port = 40000, .dst_port = 22, .proto = TCP, .flags = F_SYN,
				.packets = 3, .bytes = 180 });
		break;
	case OLD: talk(l, LAN + 12, FAR + 3, 443, 80000); break;
	case VOICE: /* UDP, both ways */
		site_row(&l->s, (struct site_row){ .src = FAR + 7, .dst = LAN + 66,
			.src_port = 5060, .dst_port = 40000, .proto = UDP, .packets = 50,
			.bytes = 10000 });
		/* fall through */
	case SENDER: /* one way: nobody answers */
		site_row(&l->s, (struct site_row){ .src = LAN + 66, .dst = FAR + 7,
			.src_port = 40000, .dst_port = 5060, .proto = UDP, .packets = 50,
			.bytes = 10000 });
		break;
	case FOREIGN: talk(l, FAR + 66, FAR + 3, 443, 80000); break;
	}
}

static const struct row {
	const char *what;
	unsigned learn; /* days */
	enum act act;
	const char *kind; /* that is told; NULL: nothing */
} rows[] = {
	{ "textbook: a host", 8, NEW_HOST, "new host" },
	{ "textbook: a service", 8, NEW_SERVICE, "new service" },
	{ "textbook: an AS", 8, NEW_AS, "new AS" },
	{ "near miss: next to nothing", 8, SMALL, NULL },
	{ "near miss: once", 8, ONCE, NULL },
	{ "a scan passes", 8, SCANNED, NULL },
	{ "who only asks", 8, SCANNER, NULL },
	{ "an old acquaintance", 8, OLD, NULL },
	{ "nobody of ours", 8, FOREIGN, NULL },
	{ "textbook: a host that speaks UDP", 8, VOICE, "new host" },
	{ "who is not answered", 8, SENDER, NULL },
	{ "the first week", 3, NEW_HOST, NULL },
};

static void first_sights_are_told_once(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct row *r = &rows[i];
		struct lan l;

		set_up(&l, i % 2);
		run(&l, r->learn * 48);
		assert_int_equal(l.s.n_found, 0);
		for (int k = 0; k < 20; k++) {
			act(&l, r->act);
			site_slice(&l.s);
		}
		if (l.s.n_found != !!r->kind)
			fail_msg("%s: %u told: %s", r->what, l.s.n_found, l.s.found[0].why);
		if (r->kind)
			assert_string_equal(l.s.found[0].kind, r->kind);
		site_close(&l.s);
	}
}

static void who_comes_in_maintenance_is_new_when_it_stays(void **unused)
{
	struct lan l;

	(void)unused;
	set_up(&l, true);
	run(&l, 8 * 48);
	for (int k = 0; k < 40; k++) {
		if (k < 20 || k == 30)
			l.s.pattern->hold(l.s.state, k < 20);
		act(&l, k < 20 ? NEW_SERVICE : OLD);
		act(&l, NEW_HOST);
		site_slice(&l.s);
		assert_int_equal(l.s.n_found, k > 30);
	}
	assert_string_equal(l.s.found[0].kind, "new host");
	site_close(&l.s);
}

static uint16_t country_of(void *arg, const struct addr *a)
{
	++*(unsigned *)arg;
	return a->b[13] == 0x33 ? 'N' << 8 | 'L' : 'D' << 8 | 'E';
}

/* Looked up for each new /24, and told once its network has been learnt. */
static void a_new_country_is_told_and_hardly_looked_up(void **unused)
{
	struct lan l;
	unsigned asked = 0;

	(void)unused;
	set_up(&l, true);
	l.s.pattern->geo(l.s.state, country_of, &asked);
	run(&l, 8 * 48);
	assert_int_equal(l.s.n_found, 0);
	assert_int_equal(asked, 1);
	for (int k = 0; k < 20; k++) {
		talk(&l, LAN + 10, FAR + 0x500, 443, 80000); /* another /24 of the same */
		talk(&l, LAN + 10, FAR - 0x10000, 443, 80000);
		talk(&l, LAN + 10, FAR - 0x10000 + 0x700, 443, 80000);
		site_slice(&l.s);
	}
	assert_int_equal(l.s.n_found, 1);
	assert_string_equal(l.s.found[0].kind, "new country DE");
	assert_string_equal(l.s.found[0].filter, "country DE");
	assert_int_equal(asked, 4);
	site_close(&l.s);
}

static void a_day_tells_a_few_and_a_gap_makes_nobody_new(void **unused)
{
	struct lan l;

	(void)unused;
	set_up(&l, true);
	run(&l, 8 * 48);
	l.s.now_ms += INT64_C(14) * 86400000; /* two weeks without a flow */
	run(&l, 48);
	assert_int_equal(l.s.n_found, 0);
	for (int k = 0; k < 20; k++) { /* a lease of other addresses for all */
		for (uint32_t i = 0; i < 60; i++)
			talk(&l, LAN + 1000 + i, FAR, 443, 80000);
		site_slice(&l.s);
	}
	assert_int_equal(l.s.n_found, 5);
	assert_non_null(strstr(l.s.found[4].why, "No more are told today"));
	run(&l, 2 * 48);
	assert_int_equal(l.s.n_found, 5); /* the others are known by now */
	site_close(&l.s);
}

static void who_is_known_outlives_a_restart(void **unused)
{
	struct lan l;
	size_t len;
	void *data;

	(void)unused;
	set_up(&l, true);
	run(&l, 8 * 48);
	data = l.s.pattern->save(l.s.state, &len);
	l.s.pattern->free(l.s.state);
	l.s.state = l.s.pattern->open(l.s.conf, 4 << 20);
	assert_true(l.s.pattern->load(l.s.state, data, len));
	assert_false(l.s.pattern->load(l.s.state, data, len - 1));
	free(data);
	run(&l, 4);
	assert_int_equal(l.s.n_found, 0);
	for (int k = 0; k < 3; k++) {
		act(&l, NEW_HOST);
		site_slice(&l.s);
	}
	assert_int_equal(l.s.n_found, 1);
	site_close(&l.s);
}

static void a_flood_of_sources_takes_no_memory_and_forgets_nobody(void **unused)
{
	struct lan l;

	(void)unused;
	set_up(&l, true);
	run(&l, 8 * 48);
	for (int k = 0; k < 100; k++) { /* spoofed addresses of our own, answered by nobody */
		for (uint32_t i = 0; i < 500; i++)
			site_row(&l.s, (struct site_row){ .src = LAN + site_below(&l.s, 60000),
				.dst = FAR, .src_port = 1, .dst_port = 53, .proto = UDP,
				.packets = 3, .bytes = 300 });
		site_slice(&l.s);
	}
	run(&l, 4);
	assert_int_equal(l.s.n_found, 0);
	site_close(&l.s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(first_sights_are_told_once),
		cmocka_unit_test(who_comes_in_maintenance_is_new_when_it_stays),
		cmocka_unit_test(a_new_country_is_told_and_hardly_looked_up),
		cmocka_unit_test(a_day_tells_a_few_and_a_gap_makes_nobody_new),
		cmocka_unit_test(who_is_known_outlives_a_restart),
		cmocka_unit_test(a_flood_of_sources_takes_no_memory_and_forgets_nobody),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
