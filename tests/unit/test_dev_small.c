/* The small devices: keyboard controller, control and debug ports, fw_cfg, ACPI. */
#include "dev_rig.h"
#include "emu/dev/acpi.h"
#include "emu/dev/control_ports.h"
#include "emu/dev/debug_ports.h"
#include "emu/dev/firmware.h"
#include "emu/dev/fw_cfg.h"
#include "emu/dev/hypercall.h"
#include "emu/dev/i8042.h"
#include "emu/dev/testdev.h"

static void keyboard_controller(void **state)
{
	const struct port_ops *ops = &i8042_port_ops;
	struct dev_rig rig;
	struct i8042 kbc;

	(void)state;
	dev_rig_init(&rig);
	i8042_init(&kbc, dev_rig_irq(&rig, 1), dev_rig_irq(&rig, 12), &rig.system);
	ops->write(&kbc, 0x64, 0xaa, 1);
	assert_int_equal(ops->read(&kbc, 0x64, 1) & 1, 1);
	assert_int_equal(ops->read(&kbc, 0x60, 1), 0x55);
	assert_int_equal(ops->read(&kbc, 0x64, 1) & 1, 0);
	ops->write(&kbc, 0x64, 0x60, 1);
	ops->write(&kbc, 0x60, 0x45, 1);
	ops->write(&kbc, 0x64, 0x20, 1);
	assert_int_equal(ops->read(&kbc, 0x60, 1), 0x45);
	assert_int_equal(rig.rises[1], 0); /* answers of the controller itself do not interrupt */
	ops->write(&kbc, 0x60, 0xf2, 1);   /* there is no keyboard to identify itself */
	assert_true(rig.level[1]);
	assert_int_equal(ops->read(&kbc, 0x64, 1) & 0x41, 0x41);
	assert_int_equal(ops->read(&kbc, 0x60, 1), 0xfe);
	assert_false(rig.level[1]);
}

static void keyboard_controller_wires(void **state)
{
	const struct port_ops *ops = &i8042_port_ops;
	struct dev_rig rig;
	struct i8042 kbc;

	(void)state;
	dev_rig_init(&rig);
	i8042_init(&kbc, dev_rig_irq(&rig, 1), dev_rig_irq(&rig, 12), &rig.system);
	ops->write(&kbc, 0x64, 0xd1, 1);
	ops->write(&kbc, 0x60, 0xdd, 1);
	assert_false(rig.a20);
	ops->write(&kbc, 0x64, 0xd0, 1);
	assert_int_equal(ops->read(&kbc, 0x60, 1) & 3, 1);
	ops->write(&kbc, 0x64, 0xd1, 1);
	ops->write(&kbc, 0x60, 0xdf, 1);
	assert_true(rig.a20);
	ops->write(&kbc, 0x64, 0xff, 1); /* pulses nothing */
	assert_int_equal(rig.resets, 0);
	ops->write(&kbc, 0x64, 0xfe, 1);
	assert_int_equal(rig.resets, 1);
}

static void control_ports(void **state)
{
	struct dev_rig rig;
	struct control_ports control = {.system = &rig.system};

	(void)state;
	dev_rig_init(&rig);
	port92_port_ops.write(&control, 0x92, 0, 1);
	assert_false(rig.a20);
	port92_port_ops.write(&control, 0x92, 2, 1);
	assert_int_equal(port92_port_ops.read(&control, 0x92, 1), 2);
	port92_port_ops.write(&control, 0x92, 3, 1);
	assert_int_equal(rig.resets, 1);
	portcf9_port_ops.write(&control, 0xcf9, 2, 1);
	assert_int_equal(rig.resets, 1);
	portcf9_port_ops.write(&control, 0xcf9, 6, 1);
	assert_int_equal(rig.resets, 2);
}

static void debug_ports(void **state)
{
	struct dev_rig rig;
	struct debug_ports debug = {.console = &rig.console, .system = &rig.system};

	(void)state;
	dev_rig_init(&rig);
	debug_console_port_ops.write(&debug, 0xe9, 'a', 1);
	debug_console_port_ops.write(&debug, 0xf1, 'b', 1);
	debug_console_port_ops.write(&debug, 0x402, 'c', 1);
	assert_string_equal(rig.output, "abc");
	assert_int_equal(debug_console_port_ops.read(&debug, 0xe9, 1), 0xe9);
	assert_int_equal(debug_console_port_ops.read(&debug, 0x402, 1), 0xe9);
	assert_int_equal(debug_console_port_ops.read(&debug, 0xf1, 1), 0xff);
	assert_false(debug.posted);
	post_port_ops.write(&debug, 0x80, 0x42, 1);
	assert_true(debug.posted);
	assert_int_equal(post_port_ops.read(&debug, 0x80, 1), 0x42);
	debug_exit_port_ops.write(&debug, 0xf4, 0x1234, 4);
	assert_int_equal(rig.exits, 1);
	assert_int_equal(rig.exit_code, 0x1234);
}

static void note_call(void *opaque, uint32_t function)
{
	*(uint32_t *)opaque = function;
}

static bool is_seven(void *opaque)
{
	return *(uint32_t *)opaque == 7;
}

/* The xray86 port is not there for programs that it does not answer. */
static void hypercall_port(void **state)
{
	uint32_t last = 0;
	struct hypercall_port port = {.opaque = &last};

	(void)state;
	hypercall_port_ops.write(&port, PORT_HYPERCALL, 7, 4);
	assert_int_equal(last, 0);
	port.call = note_call;
	assert_int_equal(hypercall_port_ops.read(&port, PORT_HYPERCALL, 4), UINT32_MAX);
	hypercall_port_ops.write(&port, PORT_HYPERCALL, 7, 2);
	assert_int_equal(last, 0);
	hypercall_port_ops.write(&port, PORT_HYPERCALL, 7, 4);
	assert_int_equal(last, 7);
	port.answers = is_seven;
	hypercall_port_ops.write(&port, PORT_HYPERCALL, 8, 4);
	assert_int_equal(last, 8);
	hypercall_port_ops.write(&port, PORT_HYPERCALL, 7, 4);
	assert_int_equal(last, 8);
	assert_int_equal(hypercall_port_ops.read(&port, PORT_HYPERCALL, 4), UINT32_MAX);
}

static void set_line(void *opaque, unsigned line, bool level)
{
	uint32_t *lines = opaque;

	*lines = level ? *lines | 1u << line : *lines & ~(1u << line);
}

static void test_device(void **state)
{
	struct testdev testdev;
	uint32_t lines = 0;

	(void)state;
	testdev_init(&testdev, (struct irq_line){set_line, &lines, 0});
	for (unsigned i = 0; i < 8; i++)
		testdev_latch_ops.write(&testdev, 0xe0 + i, 0x11 * (i + 1), 1);
	for (unsigned i = 0; i < 8; i++)
		assert_int_equal(testdev_latch_ops.read(&testdev, 0xe0 + i, 1), i < 4 ? 0x11 * (i + 1) : 0);
	testdev_line_ops.write(&testdev, 0x2000, 1, 1);
	testdev_line_ops.write(&testdev, 0x2017, 1, 1);
	assert_int_equal(lines, 0x800001);
	testdev_line_ops.write(&testdev, 0x2000, 0, 1);
	assert_int_equal(lines, 0x800000);
}

/* -- what firmware leaves in memory -- */

static uint8_t sum(const uint8_t *bytes, size_t size)
{
	uint8_t total = 0;

	while (size--)
		total += *bytes++;
	return total;
}

static uint16_t word_at(const uint8_t *bytes)
{
	return bytes[0] | bytes[1] << 8;
}

static void firmware_memory(void **state)
{
	uint8_t vectors[BIOS_VECTORS_SIZE], data[BIOS_DATA_SIZE];

	(void)state;
	firmware_build_vectors(vectors);
	for (unsigned i = 0; i < 256; i++)
		assert_int_equal((word_at(vectors + 4 * i + 2) << 4) + word_at(vectors + 4 * i), BIOS_DUMMY_HANDLER);
	firmware_build_data_area(data);
	assert_int_equal(word_at(data), 0x3f8);
	assert_int_equal(word_at(data + 0x0e), 0); /* no EBDA */
	assert_int_equal(word_at(data + 0x13), 640);
	assert_int_equal(word_at(data + 0x63), 0x3d4);
}

static void mp_tables(void **state)
{
	static const uint8_t sizes[] = {20, 8, 8, 8, 8};
	uint8_t area[MP_TABLES_SIZE];
	const uint8_t *table = area + 16, *at = table + 44;
	unsigned inputs = 0, entries = 0;

	(void)state;
	firmware_build_mp_tables(area, 0xf0000);
	assert_memory_equal(area, "_MP_\x10\0\x0f\0", 8);
	assert_int_equal(sum(area, 16), 0);
	assert_memory_equal(table, "PCMP", 4);
	assert_int_equal(sum(table, word_at(table + 4)), 0);
	for (; at < table + word_at(table + 4); at += sizes[at[0]], entries++) {
		assert_in_range(at[0], 0, 4);
		if (at[0] == 3 && at[1] == 0) { /* vectored interrupts: each to an input of its own */
			assert_int_equal(inputs >> at[7] & 1, 0);
			inputs |= 1u << at[7];
		}
	}
	assert_ptr_equal(at, table + word_at(table + 4));
	assert_int_equal(entries, word_at(table + 34));
	assert_int_equal(inputs, 0xfffe);
}

static uint64_t read_item(struct fw_cfg *fw_cfg, uint16_t key, unsigned bytes)
{
	uint64_t value = 0;

	fw_cfg_port_ops.write(fw_cfg, 0x510, key, 2);
	for (unsigned i = 0; i < bytes; i++)
		value |= (uint64_t)fw_cfg_port_ops.read(fw_cfg, 0x511, 1) << 8 * i;
	return value;
}

static void firmware_configuration(void **state)
{
	struct fw_cfg fw_cfg;

	(void)state;
	fw_cfg_init(&fw_cfg, 512ull << 20);
	assert_int_equal(read_item(&fw_cfg, 0, 4), 0x554d4551); /* "QEMU" */
	assert_int_equal(read_item(&fw_cfg, 1, 4), 1);
	assert_int_equal(read_item(&fw_cfg, 3, 8), 512ull << 20);
	assert_int_equal(read_item(&fw_cfg, 5, 2), 1);
	assert_int_equal(read_item(&fw_cfg, 0x19, 4), 0);
}

static void power_management(void **state)
{
	struct dev_rig rig;
	struct acpi_pm pm;
	uint32_t timer = 0;

	(void)state;
	dev_rig_init(&rig);
	acpi_pm_init(&pm, rig.clock, dev_rig_irq(&rig, 9), &rig.system);
	rig.now = 1000000000;
	for (unsigned i = 0; i < 4; i++)
		timer |= acpi_port_ops.read(&pm, 0x608 + i, 1) << 8 * i;
	assert_int_equal(timer, PM_TIMER_HZ);
	assert_int_equal(acpi_port_ops.read(&pm, 0x604, 1), 1); /* SCI_EN */
	assert_int_equal(acpi_pm_next_event(&pm, rig.now), NO_EVENT);
	acpi_port_ops.write(&pm, 0x602, 1, 1);
	rig.now = acpi_pm_next_event(&pm, rig.now);
	assert_int_equal(clock_ticks(rig.now, PM_TIMER_HZ), 1u << 31);
	acpi_pm_run(&pm, rig.now);
	assert_true(rig.level[9]);
	acpi_port_ops.write(&pm, 0x600, 1, 1);
	assert_false(rig.level[9]);
	acpi_port_ops.write(&pm, 0x604, 0, 1);
	assert_int_equal(rig.power_offs, 0);
	acpi_port_ops.write(&pm, 0x605, 0x20, 1);
	assert_int_equal(rig.power_offs, 1);
}

static uint32_t get32(const uint8_t *at)
{
	uint32_t value;

	memcpy(&value, at, sizeof(value));
	return value;
}

static void acpi_tables(void **state)
{
	static const char *const signature[2] = {"FACP", "APIC"};
	const uint32_t base = 0xe0000;
	uint8_t area[ACPI_TABLES_SIZE];
	const uint8_t *rsdt;

	(void)state;
	acpi_build_tables(area, base);
	assert_memory_equal(area, "RSD PTR ", 8);
	assert_int_equal(sum(area, 20), 0);
	assert_int_equal(sum(area, 36), 0);
	rsdt = area + get32(area + 16) - base;
	assert_memory_equal(rsdt, "RSDT", 4);
	assert_int_equal(sum(rsdt, get32(rsdt + 4)), 0);
	for (unsigned i = 0; i < 2; i++) {
		const uint8_t *table = area + get32(rsdt + 36 + 4 * i) - base;

		assert_memory_equal(table, signature[i], 4);
		assert_int_equal(sum(table, get32(table + 4)), 0);
	}
	rsdt = area + get32(area + 24) - base;
	assert_memory_equal(rsdt, "XSDT", 4);
	assert_int_equal(sum(rsdt, get32(rsdt + 4)), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keyboard_controller),
		cmocka_unit_test(keyboard_controller_wires),
		cmocka_unit_test(control_ports),
		cmocka_unit_test(debug_ports),
		cmocka_unit_test(hypercall_port),
		cmocka_unit_test(firmware_memory),
		cmocka_unit_test(mp_tables),
		cmocka_unit_test(test_device),
		cmocka_unit_test(firmware_configuration),
		cmocka_unit_test(power_management),
		cmocka_unit_test(acpi_tables),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
