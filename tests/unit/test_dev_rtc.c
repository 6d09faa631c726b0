/* The MC146818A. */
#include "dev_rig.h"
#include "emu/dev/rtc.h"

#define SECOND 1000000000ull
enum { IRQ = 8 };

struct test {
	struct dev_rig rig;
	struct rtc rtc;
};

static void init(struct test *test)
{
	dev_rig_init(&test->rig);
	rtc_init(&test->rtc, test->rig.clock, dev_rig_irq(&test->rig, IRQ), RTC_DEFAULT_EPOCH, 256ull << 20, 1ull << 30);
}

static void out(struct test *test, uint8_t index, uint8_t value)
{
	rtc_port_ops.write(&test->rtc, 0x70, index, 1);
	rtc_port_ops.write(&test->rtc, 0x71, value, 1);
}

static uint8_t in(struct test *test, uint8_t index)
{
	rtc_port_ops.write(&test->rtc, 0x70, index, 1);
	return rtc_port_ops.read(&test->rtc, 0x71, 1);
}

static void run_to(struct test *test, uint64_t end)
{
	uint64_t next;

	while ((next = rtc_next_event(&test->rtc, test->rig.now)) <= end) {
		assert_true(next > test->rig.now);
		test->rig.now = next;
		rtc_run(&test->rtc, next);
	}
	test->rig.now = end;
}

static void assert_time(struct test *test, const uint8_t expected[8])
{
	static const uint8_t index[8] = {0x32, 9, 8, 7, 6, 4, 2, 0}; /* century, year, month, day, weekday, hour, minute, second */

	for (unsigned i = 0; i < 8; i++)
		assert_int_equal(in(test, index[i]), expected[i]);
}

static void tells_the_time(void **state)
{
	struct test test;

	(void)state;
	init(&test);
	assert_time(&test, (uint8_t[]){0x20, 0x26, 0x01, 0x01, 0x05, 0x00, 0x00, 0x00});
	test.rig.now = (58 * 86400ull + 13 * 3600 + 62) * SECOND; /* 31 + 27 days later: February's last */
	assert_time(&test, (uint8_t[]){0x20, 0x26, 0x02, 0x28, 0x07, 0x13, 0x01, 0x02});
	out(&test, 0x0b, 0x04); /* binary, 12 hours */
	assert_time(&test, (uint8_t[]){20, 26, 2, 28, 7, 0x81, 1, 2});
	test.rig.now += 86400 * SECOND;
	assert_time(&test, (uint8_t[]){20, 26, 3, 1, 1, 0x81, 1, 2});
}

static void can_be_set(void **state)
{
	static const uint8_t set[][2] = {{0x32, 0x20}, {9, 0x28}, {8, 0x02}, {7, 0x29}, {4, 0x23}, {2, 0x59}, {0, 0x58}};
	struct test test;

	(void)state;
	init(&test);
	out(&test, 0x0b, 0x82);
	for (unsigned i = 0; i < 7; i++)
		out(&test, set[i][0], set[i][1]);
	test.rig.now += 100 * SECOND;
	assert_int_equal(in(&test, 0), 0x58); /* it stands while SET is on */
	out(&test, 0x0b, 0x02);
	test.rig.now += 2 * SECOND;
	assert_time(&test, (uint8_t[]){0x20, 0x28, 0x03, 0x01, 0x04, 0x00, 0x00, 0x00}); /* 2028 has a February 29th */
}

static void update_in_progress(void **state)
{
	struct test test;

	(void)state;
	init(&test);
	assert_int_equal(in(&test, 0x0a), 0x26);
	test.rig.now = SECOND - 100000;
	assert_int_equal(in(&test, 0x0a), 0xa6);
	test.rig.now = SECOND;
	assert_int_equal(in(&test, 0x0a), 0x26);
}

static void periodic_interrupt(void **state)
{
	struct test test;

	(void)state;
	init(&test);
	assert_int_equal(rtc_next_event(&test.rtc, 0), NO_EVENT);
	out(&test, 0x0b, 0x42);
	for (unsigned i = 1; i <= 5; i++) {
		run_to(&test, i * SECOND / 1024 + 1000);
		assert_int_equal(test.rig.rises[IRQ], i);
		assert_int_equal(in(&test, 0x0c), 0xc0);
		assert_int_equal(in(&test, 0x0c), 0);
		assert_false(test.rig.level[IRQ]);
	}
}

static void alarm_and_update(void **state)
{
	struct test test;

	(void)state;
	init(&test);
	out(&test, 1, 0x05);
	out(&test, 3, 0xff); /* any minute */
	out(&test, 5, 0xff);
	out(&test, 0x0b, 0x22);
	run_to(&test, 5 * SECOND - 1);
	assert_int_equal(test.rig.rises[IRQ], 0);
	run_to(&test, 5 * SECOND);
	assert_int_equal(test.rig.rises[IRQ], 1);
	assert_int_equal(in(&test, 0x0c) & 0xb0, 0xb0);
	out(&test, 0x0b, 0x12);
	run_to(&test, 6 * SECOND);
	assert_int_equal(test.rig.rises[IRQ], 2);
	assert_int_equal(in(&test, 0x0c) & 0xb0, 0x90);
}

static void memory_size(void **state)
{
	struct test test;

	(void)state;
	init(&test);
	assert_int_equal(in(&test, 0x15) | in(&test, 0x16) << 8, 640);
	assert_int_equal(in(&test, 0x17) | in(&test, 0x18) << 8, 0xffff);
	assert_int_equal(in(&test, 0x34) | in(&test, 0x35) << 8, (256 - 16) * 16);
	assert_int_equal(in(&test, 0x5b) | in(&test, 0x5c) << 8 | in(&test, 0x5d) << 16, 1 << 14);
	assert_int_equal(in(&test, 0x0d), 0x80);
	out(&test, 0x0f, 0x5a);
	assert_int_equal(in(&test, 0x0f), 0x5a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tells_the_time),     cmocka_unit_test(can_be_set),       cmocka_unit_test(update_in_progress),
		cmocka_unit_test(periodic_interrupt), cmocka_unit_test(alarm_and_update), cmocka_unit_test(memory_size),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
