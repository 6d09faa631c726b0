/* The 16550A UART. */
#include "dev_rig.h"
#include "emu/dev/uart.h"

enum { RBR = 0x3f8, THR = RBR, IER, IIR, FCR = IIR, LCR, MCR, LSR, MSR, SCR, IRQ = 4 };

struct test {
	struct dev_rig rig;
	struct uart uart;
};

static void init(struct test *test)
{
	dev_rig_init(&test->rig);
	uart_init(&test->uart, dev_rig_irq(&test->rig, IRQ), &test->rig.console);
}

static void out(struct test *test, uint16_t port, uint8_t value)
{
	uart_port_ops.write(&test->uart, port, value, 1);
}

static uint8_t in(struct test *test, uint16_t port)
{
	return uart_port_ops.read(&test->uart, port, 1);
}

static void transmits(void **state)
{
	struct test test;

	(void)state;
	init(&test);
	assert_int_equal(in(&test, LSR), 0x60);
	out(&test, THR, 'h');
	out(&test, THR, 'i');
	assert_string_equal(test.rig.output, "hi");
	assert_int_equal(in(&test, LSR), 0x60);
}

static void divisor_latch_and_scratch(void **state)
{
	struct test test;

	(void)state;
	init(&test);
	out(&test, LCR, 0x83);
	out(&test, THR, 0x01);
	out(&test, IER, 0x02);
	assert_int_equal(in(&test, RBR), 0x01);
	assert_int_equal(in(&test, IER), 0x02);
	out(&test, LCR, 0x03);
	assert_int_equal(in(&test, IER), 0);
	assert_int_equal(test.rig.output_size, 0);
	out(&test, SCR, 0xa5);
	assert_int_equal(in(&test, SCR), 0xa5);
}

static void transmitter_interrupt(void **state)
{
	struct test test;

	(void)state;
	init(&test);
	out(&test, MCR, 0x0b);
	out(&test, IER, 2);
	assert_true(test.rig.level[IRQ]); /* enabling it while empty raises it */
	assert_int_equal(in(&test, IIR), 0x02);
	assert_false(test.rig.level[IRQ]); /* reading IIR acknowledges */
	assert_int_equal(in(&test, IIR), 0x01);
	out(&test, THR, 'x');
	assert_true(test.rig.level[IRQ]);
	out(&test, MCR, 0x03); /* OUT2 gates the line */
	assert_false(test.rig.level[IRQ]);
}

static void receives_with_trigger_level(void **state)
{
	struct test test;

	(void)state;
	init(&test);
	out(&test, FCR, 0x41); /* FIFOs, trigger at 4 */
	out(&test, MCR, 0x0b);
	out(&test, IER, 1);
	uart_receive(&test.uart, 'a');
	assert_true(test.rig.level[IRQ]);
	assert_int_equal(in(&test, IIR), 0xcc);
	for (const char *c = "bcd"; *c; c++)
		uart_receive(&test.uart, *c);
	assert_int_equal(in(&test, IIR), 0xc4);
	for (const char *c = "abcd"; *c; c++) {
		assert_int_equal(in(&test, LSR) & 1, 1);
		assert_int_equal(in(&test, RBR), *c);
	}
	assert_int_equal(in(&test, LSR) & 1, 0);
	assert_false(test.rig.level[IRQ]);
	assert_int_equal(uart_room(&test.uart), 16);
}

static void overruns(void **state)
{
	struct test test;

	(void)state;
	init(&test);
	assert_int_equal(uart_room(&test.uart), 1);
	uart_receive(&test.uart, 'a');
	uart_receive(&test.uart, 'b');
	assert_int_equal(in(&test, LSR), 0x63);
	assert_int_equal(in(&test, LSR), 0x61); /* reading cleared OE */
	assert_int_equal(in(&test, RBR), 'b');
	out(&test, FCR, 1);
	for (int i = 0; i < 17; i++)
		uart_receive(&test.uart, i);
	assert_int_equal(in(&test, LSR) & 2, 2);
	assert_int_equal(in(&test, RBR), 0); /* with FIFOs the old ones stay */
	out(&test, FCR, 3);
	assert_int_equal(in(&test, LSR) & 1, 0);
}

static void loops_back(void **state)
{
	struct test test;

	(void)state;
	init(&test);
	assert_int_equal(in(&test, MSR), 0xb0);
	out(&test, MCR, 0x1a); /* LOOP, OUT2, RTS: the test that Linux' 8250 driver makes */
	assert_int_equal(in(&test, MSR) & 0xf0, 0x90);
	out(&test, THR, 0xae);
	assert_int_equal(in(&test, RBR), 0xae);
	assert_int_equal(test.rig.output_size, 0);
	assert_int_equal(uart_room(&test.uart), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(transmits), cmocka_unit_test(divisor_latch_and_scratch),   cmocka_unit_test(transmitter_interrupt),
		cmocka_unit_test(overruns),  cmocka_unit_test(receives_with_trigger_level), cmocka_unit_test(loops_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
