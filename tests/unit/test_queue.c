/* test_queue.c - what is put is taken, in order, once.
 * SPDX-License-Identifier: ISC */
#include "test.h"

#include <pthread.h>

#include "daemon/base/clock.h"
#include "daemon/base/queue.h"

static void it_is_first_in_first_out_and_bounded(void **unused)
{
	struct queue *q = queue_new(3);
	int item[5];

	(void)unused;
	assert_null(queue_get(q, 0));
	for (int round = 0; round < 4; round++) {
		for (int i = 0; i < 3; i++)
			assert_true(queue_try_put(q, &item[i]));
		assert_false(queue_try_put(q, &item[3]));
		assert_int_equal(queue_len(q), 3);
		assert_ptr_equal(queue_get(q, 0), &item[0]);
		assert_true(queue_put(q, &item[4])); /* round the end of the ring */
		assert_ptr_equal(queue_get(q, -1), &item[1]);
		assert_ptr_equal(queue_get(q, 5), &item[2]);
		assert_ptr_equal(queue_get(q, 5), &item[4]);
	}
	queue_free(&q);
	assert_null(q);
	queue_free(&q);
}

static void a_closed_queue_gives_what_is_inside(void **unused)
{
	struct queue *q = queue_new(2);
	int item;

	(void)unused;
	assert_true(queue_put(q, &item));
	assert_false(queue_closed(q));
	queue_close(q);
	assert_true(queue_closed(q));
	assert_false(queue_try_put(q, &item));
	assert_false(queue_put(q, &item));
	assert_ptr_equal(queue_get(q, -1), &item);
	assert_null(queue_get(q, -1)); /* at once */
	queue_free(&q);
}

static void waiting_ends(void **unused)
{
	struct queue *q = queue_new(1);
	uint64_t began = clock_mono_ns();

	(void)unused;
	assert_null(queue_get(q, 20));
	assert_true(clock_mono_ns() - began >= 20 * 1000000u);
	queue_free(&q);
}

enum { ITEMS = 50000 };
static char items[ITEMS];

static void *put_three(void *q)
{
	for (intptr_t i = 1; i <= 3; i++)
		assert_true(queue_put(q, (void *)i));
	return NULL;
}

static void who_takes_many_is_woken_when_they_are_there(void **unused)
{
	struct queue *q = queue_new(3);
	pthread_t t;

	(void)unused;
	queue_wait(q, 2, 1); /* nobody puts: it ends all the same */
	assert_int_equal(queue_len(q), 0);
	pthread_create(&t, NULL, put_three, q);
	queue_wait(q, 9, 60000); /* more than fit: a full queue is enough */
	assert_int_equal(queue_len(q), 3);
	pthread_join(t, NULL);
	queue_get(q, 0);
	queue_wait(q, 2, 60000); /* they are there already */
	queue_close(q);
	queue_wait(q, 3, 60000); /* no more will come */
	while (queue_get(q, 0))
		;
	queue_free(&q);
}

static void *put_all(void *q)
{
	for (int i = 0; i < ITEMS; i++)
		if (!queue_put(q, &items[i]))
			return NULL;
	queue_close(q);
	return NULL;
}

static void nothing_is_lost_between_two_threads(void **unused)
{
	struct queue *q = queue_new(7);
	pthread_t putter;
	char *item;
	int n = 0;

	(void)unused;
	assert_int_equal(pthread_create(&putter, NULL, put_all, q), 0);
	while ((item = queue_get(q, -1)) != NULL)
		assert_ptr_equal(item, &items[n++]);
	assert_int_equal(n, ITEMS);
	pthread_join(putter, NULL);
	queue_free(&q);
}

static void *put_until_closed(void *q)
{
	while (queue_put(q, items))
		;
	return q;
}

static void closing_wakes_who_waits_for_room(void **unused)
{
	struct queue *q = queue_new(1);
	pthread_t putter;
	void *rc;

	(void)unused;
	assert_true(queue_put(q, items));
	assert_int_equal(pthread_create(&putter, NULL, put_until_closed, q), 0);
	assert_non_null(queue_get(q, -1));
	queue_close(q);
	pthread_join(putter, &rc);
	assert_ptr_equal(rc, q);
	while (queue_get(q, 0))
		;
	queue_free(&q);
}

int main(void)
{
	const struct CMUnitTest t[] = {
		cmocka_unit_test(it_is_first_in_first_out_and_bounded),
		cmocka_unit_test(a_closed_queue_gives_what_is_inside),
		cmocka_unit_test(waiting_ends),
		cmocka_unit_test(who_takes_many_is_woken_when_they_are_there),
		cmocka_unit_test(nothing_is_lost_between_two_threads),
		cmocka_unit_test(closing_wakes_who_waits_for_room),
	};
	return cmocka_run_group_tests(t, NULL, NULL);
}
