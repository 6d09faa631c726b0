/* The 8259A pair. */
#include "dev_rig.h"
#include "emu/dev/pic.h"

struct test {
	struct dev_rig rig;
	struct pic pic;
};

static void out(struct test *test, uint16_t port, uint8_t value)
{
	pic_port_ops.write(&test->pic, port, value, 1);
}

static uint8_t in(struct test *test, uint16_t port)
{
	return pic_port_ops.read(&test->pic, port, 1);
}

/* As every PC OS does: vectors 20h and 28h, all unmasked. */
static void init_with(struct test *test, uint8_t icw4)
{
	static const uint16_t base[2] = {0x20, 0xa0};

	dev_rig_init(&test->rig);
	pic_init(&test->pic, dev_rig_irq(&test->rig, 0));
	for (unsigned i = 0; i < 2; i++) {
		out(test, base[i], 0x11);
		out(test, base[i] + 1, 0x20 + 8 * i);
		out(test, base[i] + 1, i ? 2 : 4);
		out(test, base[i] + 1, icw4);
		out(test, base[i] + 1, 0);
	}
}

static void init(struct test *test)
{
	init_with(test, 1);
}

static void pulse(struct test *test, unsigned irq)
{
	pic_set_irq(&test->pic, irq, false);
	pic_set_irq(&test->pic, irq, true);
}

static void priorities(void **state)
{
	struct test test;

	(void)state;
	init(&test);
	assert_false(test.rig.level[0]);
	pulse(&test, 4);
	pulse(&test, 1);
	assert_true(test.rig.level[0]);
	assert_int_equal(pic_acknowledge(&test.pic), 0x21);
	assert_false(test.rig.level[0]); /* 4 is below 1 */
	pulse(&test, 0);
	assert_int_equal(pic_acknowledge(&test.pic), 0x20);
	out(&test, 0x20, 0x20);
	out(&test, 0x20, 0x20);
	assert_int_equal(pic_acknowledge(&test.pic), 0x24);
	out(&test, 0x20, 0x0b);
	assert_int_equal(in(&test, 0x20), 0x10); /* ISR */
	out(&test, 0x20, 0x64);                  /* specific EOI */
	assert_int_equal(in(&test, 0x20), 0);
}

static void masks(void **state)
{
	struct test test;

	(void)state;
	init(&test);
	out(&test, 0x21, 0x10);
	assert_int_equal(in(&test, 0x21), 0x10);
	pulse(&test, 4);
	assert_false(test.rig.level[0]);
	assert_int_equal(in(&test, 0x20), 0x10); /* IRR */
	out(&test, 0x21, 0);
	assert_true(test.rig.level[0]);
}

static void cascade(void **state)
{
	struct test test;

	(void)state;
	init(&test);
	pulse(&test, 8);
	pulse(&test, 14);
	assert_int_equal(pic_acknowledge(&test.pic), 0x28);
	assert_false(test.rig.level[0]);
	pulse(&test, 3); /* below the cascade */
	assert_false(test.rig.level[0]);
	out(&test, 0xa0, 0x20);
	assert_false(test.rig.level[0]); /* the master's IR2 is still in service */
	out(&test, 0x20, 0x20);
	assert_int_equal(pic_acknowledge(&test.pic), 0x2e);
	out(&test, 0xa0, 0x20);
	out(&test, 0x20, 0x20);
	assert_int_equal(pic_acknowledge(&test.pic), 0x23);
}

static void edge_and_level(void **state)
{
	struct test test;

	(void)state;
	init(&test);
	pic_set_irq(&test.pic, 5, true);
	assert_int_equal(pic_acknowledge(&test.pic), 0x25);
	out(&test, 0x20, 0x20);
	assert_false(test.rig.level[0]); /* one edge, one interrupt */
	out(&test, 0x4d0, 0xff);
	assert_int_equal(in(&test, 0x4d0), 0xf8);
	pic_set_irq(&test.pic, 5, true);
	assert_int_equal(pic_acknowledge(&test.pic), 0x25);
	out(&test, 0x20, 0x20);
	assert_true(test.rig.level[0]); /* as long as it is high */
	pic_set_irq(&test.pic, 5, false);
	assert_false(test.rig.level[0]);
}

static void spurious(void **state)
{
	struct test test;

	(void)state;
	init(&test);
	pic_set_irq(&test.pic, 4, true);
	pic_set_irq(&test.pic, 4, false);
	assert_false(test.rig.level[0]);
	assert_int_equal(pic_acknowledge(&test.pic), 0x27);
	out(&test, 0x20, 0x0b);
	assert_int_equal(in(&test, 0x20), 0);
}

static void automatic_eoi_and_rotation(void **state)
{
	struct test test;

	(void)state;
	init_with(&test, 3);
	out(&test, 0x20, 0x80); /* rotate in AEOI mode */
	pulse(&test, 0);
	assert_int_equal(pic_acknowledge(&test.pic), 0x20);
	pulse(&test, 0);
	pulse(&test, 7);
	assert_int_equal(pic_acknowledge(&test.pic), 0x27); /* 0 is lowest now */
	assert_int_equal(pic_acknowledge(&test.pic), 0x20);
	out(&test, 0x20, 0xc3); /* 3 lowest, so 4 highest */
	pulse(&test, 1);
	pulse(&test, 4);
	assert_int_equal(pic_acknowledge(&test.pic), 0x24);
}

static void special_mask_mode(void **state)
{
	struct test test;

	(void)state;
	init(&test);
	pulse(&test, 1);
	pic_acknowledge(&test.pic);
	pulse(&test, 6);
	assert_false(test.rig.level[0]);
	out(&test, 0x21, 0x02);
	out(&test, 0x20, 0x68);
	assert_int_equal(pic_acknowledge(&test.pic), 0x26);
}

static void poll(void **state)
{
	struct test test;

	(void)state;
	init(&test);
	out(&test, 0x20, 0x0c);
	assert_int_equal(in(&test, 0x20), 0);
	pulse(&test, 6);
	out(&test, 0x20, 0x0c);
	assert_int_equal(in(&test, 0x20), 0x86);
	assert_false(test.rig.level[0]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(priorities), cmocka_unit_test(masks),
		cmocka_unit_test(cascade),    cmocka_unit_test(edge_and_level),
		cmocka_unit_test(spurious),   cmocka_unit_test(automatic_eoi_and_rotation),
		cmocka_unit_test(poll),       cmocka_unit_test(special_mask_mode),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
