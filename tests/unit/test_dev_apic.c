/* The local APIC and the I/O APIC. */
#include "dev_rig.h"
#include "emu/dev/ioapic.h"
#include "emu/dev/lapic.h"

enum {
	ID = 0x20,
	VERSION = 0x30,
	TPR = 0x80,
	PPR = 0xa0,
	EOI = 0xb0,
	LDR = 0xd0,
	DFR = 0xe0,
	SVR = 0xf0,
	ISR = 0x100,
	IRR = 0x200,
	ESR = 0x280,
	ICR = 0x300,
	ICR_HIGH = 0x310,
	LVT_TIMER_AT = 0x320,
	LVT_ERROR_AT = 0x370,
	INITIAL = 0x380,
	CURRENT = 0x390,
	DIVIDE = 0x3e0
};
enum { MSR_BASE = 0x1b, MSR_DEADLINE = 0x6e0 };

struct test {
	struct dev_rig rig;
	struct lapic lapic;
	struct ioapic ioapic;
	unsigned nmis, moves;
	uint64_t base;
	bool mapped;
};

static void changed(void *opaque)
{
	(void)opaque;
}

static void nmi(void *opaque)
{
	((struct test *)opaque)->nmis++;
}

static void eoi(void *opaque, uint8_t vector)
{
	ioapic_eoi(&((struct test *)opaque)->ioapic, vector);
}

static void moved(void *opaque, uint64_t base, bool mapped)
{
	struct test *test = opaque;

	test->moves++;
	test->base = base;
	test->mapped = mapped;
}

static uint64_t tsc(void *opaque)
{
	return ((struct test *)opaque)->rig.now + 1000;
}

static void deliver(void *opaque, const struct apic_message *message)
{
	lapic_message(&((struct test *)opaque)->lapic, message);
}

static void write_reg(struct test *test, unsigned offset, uint32_t value)
{
	lapic_mmio_ops.write(&test->lapic, offset, value, 4);
}

static uint32_t read_reg(struct test *test, unsigned offset)
{
	return lapic_mmio_ops.read(&test->lapic, offset, 4);
}

static void init(struct test *test)
{
	const struct lapic_host host = {test, changed, nmi, eoi, moved, tsc};
	const struct ioapic_host ioapic_host = {test, deliver, changed};

	memset(test, 0, sizeof(*test));
	dev_rig_init(&test->rig);
	lapic_init(&test->lapic, test->rig.clock, &host, 40);
	ioapic_init(&test->ioapic, &ioapic_host);
	write_reg(test, SVR, 0x1ff);
}

static void self_ipi(struct test *test, uint8_t vector)
{
	write_reg(test, ICR, 0x40000 | vector);
}

static void registers_after_reset(void **state)
{
	struct test test;

	(void)state;
	init(&test);
	assert_int_equal(read_reg(&test, VERSION), 0x50014);
	assert_int_equal(read_reg(&test, DFR), 0xffffffff);
	assert_int_equal(read_reg(&test, LVT_TIMER_AT), 0x10000);
	assert_int_equal(lapic_mmio_ops.read(&test.lapic, VERSION + 2, 1), 5);
	assert_true(lapic_accepts_extint(&test.lapic));
	lapic_set_lint(&test.lapic, 1, true);
	assert_int_equal(test.nmis, 1);
}

static void priorities(void **state)
{
	struct test test;

	(void)state;
	init(&test);
	self_ipi(&test, 0x41);
	self_ipi(&test, 0x52);
	assert_int_equal(lapic_pending(&test.lapic), 0x52);
	assert_int_equal(read_reg(&test, IRR + 0x20), 0x40002 & 0xffff0003);
	assert_int_equal(lapic_acknowledge(&test.lapic), 0x52);
	assert_int_equal(read_reg(&test, ISR + 0x20), 1 << 0x12);
	assert_int_equal(read_reg(&test, PPR), 0x50);
	assert_int_equal(lapic_pending(&test.lapic), -1);
	self_ipi(&test, 0x5f); /* same class: waits */
	assert_int_equal(lapic_pending(&test.lapic), -1);
	write_reg(&test, EOI, 0);
	assert_int_equal(lapic_acknowledge(&test.lapic), 0x5f);
	write_reg(&test, EOI, 0);
	write_reg(&test, TPR, 0x40);
	assert_int_equal(lapic_pending(&test.lapic), -1);
	assert_int_equal(lapic_get_cr8(&test.lapic), 4);
	lapic_set_cr8(&test.lapic, 3);
	assert_int_equal(lapic_acknowledge(&test.lapic), 0x41);
	assert_int_equal(lapic_acknowledge(&test.lapic), 0xff); /* nothing left: spurious */
}

static void timer_modes(void **state)
{
	struct test test;

	(void)state;
	init(&test);
	write_reg(&test, DIVIDE, 3); /* by 16 */
	write_reg(&test, LVT_TIMER_AT, 0x30);
	write_reg(&test, INITIAL, 100);
	assert_int_equal(lapic_next_event(&test.lapic, 0), 1600);
	test.rig.now = 800;
	assert_int_equal(read_reg(&test, CURRENT), 50);
	test.rig.now = 1600;
	lapic_run(&test.lapic, test.rig.now);
	assert_int_equal(lapic_pending(&test.lapic), 0x30);
	assert_int_equal(read_reg(&test, CURRENT), 0);
	assert_int_equal(lapic_next_event(&test.lapic, test.rig.now), NO_EVENT);
	write_reg(&test, LVT_TIMER_AT, 0x20031); /* periodic */
	write_reg(&test, DIVIDE, 0xb);           /* by 1 */
	write_reg(&test, INITIAL, 1000);
	assert_int_equal(lapic_next_event(&test.lapic, test.rig.now), 2600);
	test.rig.now = 2600;
	lapic_run(&test.lapic, test.rig.now);
	assert_int_equal(lapic_pending(&test.lapic), 0x31);
	assert_int_equal(lapic_next_event(&test.lapic, test.rig.now), 3600);
	write_reg(&test, LVT_TIMER_AT, 0x30031); /* masked: nothing to wake up for */
	assert_int_equal(lapic_next_event(&test.lapic, test.rig.now), NO_EVENT);
}

static void tsc_deadline(void **state)
{
	struct test test;
	uint64_t value;

	(void)state;
	init(&test);
	write_reg(&test, LVT_TIMER_AT, 0x40032);
	assert_true(lapic_msr_write(&test.lapic, MSR_DEADLINE, 1500));
	assert_int_equal(lapic_next_event(&test.lapic, 0), 500);
	test.rig.now = 500;
	lapic_run(&test.lapic, 500);
	assert_int_equal(lapic_pending(&test.lapic), 0x32);
	assert_true(lapic_msr_read(&test.lapic, MSR_DEADLINE, &value));
	assert_int_equal(value, 0);
}

static void errors(void **state)
{
	struct test test;

	(void)state;
	init(&test);
	write_reg(&test, LVT_ERROR_AT, 0x3e);
	self_ipi(&test, 5);
	assert_int_equal(lapic_pending(&test.lapic), 0x3e);
	assert_int_equal(read_reg(&test, ESR), 0);
	write_reg(&test, ESR, 0);
	assert_int_equal(read_reg(&test, ESR), 0x20);
	read_reg(&test, 0x3f0 - 0x10 - 0x40);
	write_reg(&test, ESR, 0);
	assert_int_equal(read_reg(&test, ESR), 0x80);
}

static void base_register_and_x2apic(void **state)
{
	struct test test;
	uint64_t value;

	(void)state;
	init(&test);
	assert_true(lapic_msr_read(&test.lapic, MSR_BASE, &value));
	assert_int_equal(value, 0xfee00900);
	assert_false(lapic_msr_read(&test.lapic, 0x802, &value));
	assert_false(lapic_msr_write(&test.lapic, MSR_BASE, 1ull << 40 | 0x900)); /* beyond MAXPHYADDR */
	assert_false(lapic_msr_write(&test.lapic, MSR_BASE, 0xfee00500));         /* EXTD without EN */
	assert_true(lapic_msr_write(&test.lapic, MSR_BASE, 0xfed00900));
	assert_int_equal(test.base, 0xfed00000);
	assert_true(test.mapped);
	assert_true(lapic_msr_write(&test.lapic, MSR_BASE, 0xfee00d00));
	assert_false(test.mapped);
	assert_false(lapic_msr_write(&test.lapic, MSR_BASE, 0xfee00900)); /* back only through disabling */
	assert_true(lapic_msr_read(&test.lapic, 0x80d, &value));
	assert_int_equal(value, 1);
	assert_false(lapic_msr_write(&test.lapic, 0x80d, 1));
	assert_false(lapic_msr_write(&test.lapic, 0x80b, 1));
	assert_false(lapic_msr_read(&test.lapic, 0x80e, &value));
	assert_true(lapic_msr_write(&test.lapic, 0x83f, 0x77));
	assert_int_equal(lapic_pending(&test.lapic), 0x77);
	assert_true(lapic_msr_write(&test.lapic, 0x830, 0x78)); /* physical destination 0: us */
	assert_int_equal(lapic_pending(&test.lapic), 0x78);
	assert_true(lapic_msr_write(&test.lapic, 0x835, 0x5700)); /* LINT0: bits that are only for reading, and ExtINT */
	assert_true(lapic_msr_read(&test.lapic, 0x835, &value));
	assert_int_equal(value, 0x700);
	assert_false(lapic_msr_write(&test.lapic, 0x835, 1 << 11));
	assert_false(lapic_msr_write(&test.lapic, 0x832, 0x4000)); /* the timer has no remote IRR */
	assert_true(lapic_msr_write(&test.lapic, MSR_BASE, 0xfee00100));
	assert_int_equal(lapic_pending(&test.lapic), -1);
	assert_true(lapic_accepts_extint(&test.lapic)); /* off: the 8259s go straight in */
}

static void set_entry(struct test *test, unsigned input, uint64_t entry)
{
	ioapic_mmio_ops.write(&test->ioapic, 0, 0x11 + 2 * input, 4);
	ioapic_mmio_ops.write(&test->ioapic, 0x10, entry >> 32, 4);
	ioapic_mmio_ops.write(&test->ioapic, 0, 0x10 + 2 * input, 4);
	ioapic_mmio_ops.write(&test->ioapic, 0x10, entry & 0xffffffff, 4);
}

static void ioapic_edges(void **state)
{
	struct test test;

	(void)state;
	init(&test);
	ioapic_mmio_ops.write(&test.ioapic, 0, 1, 4);
	assert_int_equal(ioapic_mmio_ops.read(&test.ioapic, 0x10, 4), 0x170020);
	ioapic_set_irq(&test.ioapic, 2, true); /* masked: lost */
	ioapic_set_irq(&test.ioapic, 2, false);
	set_entry(&test, 2, 0x30);
	assert_int_equal(lapic_pending(&test.lapic), -1);
	ioapic_set_irq(&test.ioapic, 2, true);
	assert_int_equal(lapic_acknowledge(&test.lapic), 0x30);
	write_reg(&test, EOI, 0);
	assert_int_equal(lapic_pending(&test.lapic), -1);
	set_entry(&test, 3, 0x31 | 5ull << 56); /* to an APIC that does not exist */
	ioapic_set_irq(&test.ioapic, 3, true);
	assert_int_equal(lapic_pending(&test.lapic), -1);
}

static void ioapic_levels(void **state)
{
	struct test test;

	(void)state;
	init(&test);
	write_reg(&test, LDR, 0x01000000);
	set_entry(&test, 9, 0x8900 | 0x39 | 1ull << 56); /* level, logical, lowest priority */
	ioapic_set_irq(&test.ioapic, 9, true);
	assert_int_equal(lapic_acknowledge(&test.lapic), 0x39);
	assert_int_equal(ioapic_mmio_ops.read(&test.ioapic, 0x10, 4), 0xc939);
	write_reg(&test, EOI, 0); /* still asserted: again */
	assert_int_equal(lapic_acknowledge(&test.lapic), 0x39);
	ioapic_set_irq(&test.ioapic, 9, false);
	write_reg(&test, EOI, 0);
	assert_int_equal(lapic_pending(&test.lapic), -1);
	assert_int_equal(ioapic_mmio_ops.read(&test.ioapic, 0x10, 4), 0x8939);
	set_entry(&test, 0, 0x700);
	assert_true(ioapic_accepts_extint(&test.ioapic));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(registers_after_reset), cmocka_unit_test(priorities),    cmocka_unit_test(timer_modes),
		cmocka_unit_test(tsc_deadline),          cmocka_unit_test(errors),        cmocka_unit_test(base_register_and_x2apic),
		cmocka_unit_test(ioapic_edges),          cmocka_unit_test(ioapic_levels),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
