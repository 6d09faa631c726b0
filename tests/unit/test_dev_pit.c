/* The 8254 and port 61h. */
#include "dev_rig.h"
#include "emu/dev/pit.h"

struct test {
	struct dev_rig rig;
	struct pit pit;
};

static void init(struct test *test)
{
	dev_rig_init(&test->rig);
	pit_init(&test->pit, test->rig.clock, dev_rig_irq(&test->rig, 0));
}

static void out(struct test *test, uint16_t port, uint8_t value)
{
	(port == 0x61 ? &port61_port_ops : &pit_port_ops)->write(&test->pit, port, value, 1);
}

static uint8_t in(struct test *test, uint16_t port)
{
	return (port == 0x61 ? &port61_port_ops : &pit_port_ops)->read(&test->pit, port, 1);
}

static void at_tick(struct test *test, uint64_t tick)
{
	test->rig.now = clock_time(tick, PIT_HZ);
}

/* Runs events until the given tick, as the machine does. */
static void run_to(struct test *test, uint64_t tick)
{
	uint64_t end = clock_time(tick, PIT_HZ), next;

	while ((next = pit_next_event(&test->pit, test->rig.now)) <= end) {
		assert_true(next > test->rig.now);
		test->rig.now = next;
		pit_run(&test->pit, next);
	}
	test->rig.now = end;
}

static uint16_t read_latched(struct test *test, unsigned counter)
{
	uint8_t low;

	out(test, 0x43, counter << 6);
	low = in(test, 0x40 + counter);
	return low | in(test, 0x40 + counter) << 8;
}

static void program(struct test *test, unsigned counter, unsigned mode, uint16_t count)
{
	out(test, 0x43, counter << 6 | 0x30 | mode << 1);
	out(test, 0x40 + counter, count);
	out(test, 0x40 + counter, count >> 8);
}

static void mode0_interrupts_once(void **state)
{
	struct test test;

	(void)state;
	init(&test);
	program(&test, 0, 0, 100);
	assert_false(test.rig.level[0]);
	run_to(&test, 51);
	assert_int_equal(read_latched(&test, 0), 50);
	run_to(&test, 100);
	assert_false(test.rig.level[0]);
	run_to(&test, 101); /* N + 1 clocks after the count was written */
	assert_true(test.rig.level[0]);
	run_to(&test, 200000);
	assert_true(test.rig.level[0]);
	assert_int_equal(test.rig.rises[0], 1);
	assert_int_equal(read_latched(&test, 0), (uint16_t)(100 - (200000 - 1)));
}

static void mode2_is_periodic(void **state)
{
	struct test test;

	(void)state;
	init(&test);
	program(&test, 0, 2, 1000);
	test.rig.rises[0] = 0;
	run_to(&test, 1 + 10 * 1000);
	assert_int_equal(test.rig.rises[0], 10);
	run_to(&test, 1 + 10 * 1000 + 250);
	assert_int_equal(read_latched(&test, 0), 750);
	out(&test, 0x40, 100 & 0xff); /* a new count waits for the end of the period */
	out(&test, 0x40, 0);
	test.rig.rises[0] = 0;
	run_to(&test, 1 + 11 * 1000);
	assert_int_equal(test.rig.rises[0], 1);
	run_to(&test, 1 + 11 * 1000 + 500);
	assert_int_equal(test.rig.rises[0], 6);
}

static void mode3_is_square(void **state)
{
	struct test test;

	(void)state;
	init(&test);
	program(&test, 0, 3, 11);
	run_to(&test, 1 + 5);
	assert_true(test.rig.level[0]); /* high for 6 */
	run_to(&test, 1 + 6);
	assert_false(test.rig.level[0]); /* low for 5 */
	run_to(&test, 1 + 11);
	assert_true(test.rig.level[0]);
	program(&test, 0, 3, 0); /* 65536 */
	run_to(&test, 12 + 1 + 32768);
	assert_false(test.rig.level[0]);
}

static void mode1_and_5_are_triggered_by_the_gate(void **state)
{
	struct test test;

	(void)state;
	init(&test);
	program(&test, 2, 1, 50);
	assert_int_equal(in(&test, 0x61) & 0x20, 0x20);
	at_tick(&test, 10);
	out(&test, 0x61, 1);
	at_tick(&test, 12);
	assert_int_equal(in(&test, 0x61) & 0x21, 0x01);
	at_tick(&test, 61);
	assert_int_equal(in(&test, 0x61) & 0x21, 0x21);
	program(&test, 2, 5, 50);
	out(&test, 0x61, 0);
	out(&test, 0x61, 1);
	at_tick(&test, 61 + 1 + 50);
	assert_int_equal(in(&test, 0x61) & 0x20, 0);
	at_tick(&test, 61 + 1 + 51);
	assert_int_equal(in(&test, 0x61) & 0x20, 0x20);
}

static void gate_pauses_mode0(void **state)
{
	struct test test;

	(void)state;
	init(&test);
	out(&test, 0x61, 1);
	program(&test, 2, 0, 100);
	at_tick(&test, 41);
	out(&test, 0x61, 0);
	at_tick(&test, 1000);
	assert_int_equal(read_latched(&test, 2), 60);
	out(&test, 0x61, 1);
	at_tick(&test, 1059);
	assert_int_equal(in(&test, 0x61) & 0x20, 0);
	at_tick(&test, 1060);
	assert_int_equal(in(&test, 0x61) & 0x20, 0x20);
}

static void mode4_strobes(void **state)
{
	struct test test;

	(void)state;
	init(&test);
	program(&test, 0, 4, 10);
	assert_true(test.rig.level[0]);
	run_to(&test, 11);
	assert_false(test.rig.level[0]);
	run_to(&test, 12);
	assert_true(test.rig.level[0]);
	assert_int_equal(pit_next_event(&test.pit, test.rig.now), NO_EVENT);
}

static void read_back_and_bcd(void **state)
{
	struct test test;

	(void)state;
	init(&test);
	out(&test, 0x43, 0x35); /* counter 0, mode 2, BCD */
	out(&test, 0x40, 0x00);
	out(&test, 0x40, 0x10); /* 1000 */
	out(&test, 0x43, 0xc2);
	assert_int_equal(in(&test, 0x40), 0xf5); /* status: output, null count, both bytes, mode 2, BCD */
	in(&test, 0x40);
	in(&test, 0x40);
	at_tick(&test, 1 + 1);
	out(&test, 0x43, 0xc2);
	at_tick(&test, 500); /* latched values stay */
	assert_int_equal(in(&test, 0x40), 0xb5);
	assert_int_equal(in(&test, 0x40), 0x99);
	assert_int_equal(in(&test, 0x40), 0x09);
}

static void refresh_toggles(void **state)
{
	struct test test;
	unsigned changes = 0, last;

	(void)state;
	init(&test);
	last = in(&test, 0x61) & 0x10;
	for (test.rig.now = 0; test.rig.now < 1000000; test.rig.now += 100) {
		unsigned bit = in(&test, 0x61) & 0x10;

		changes += bit != last;
		last = bit;
	}
	assert_int_equal(changes, 1000000 / 15085);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(mode0_interrupts_once), cmocka_unit_test(mode2_is_periodic),
		cmocka_unit_test(mode3_is_square),       cmocka_unit_test(gate_pauses_mode0),
		cmocka_unit_test(mode4_strobes),         cmocka_unit_test(mode1_and_5_are_triggered_by_the_gate),
		cmocka_unit_test(read_back_and_bcd),     cmocka_unit_test(refresh_toggles),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
