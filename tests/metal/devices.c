/*
 * The devices of a PC: 8259 and 8254 interrupts, the serial port, the real-time clock, A20, fw_cfg, ACPI tables, the local and the I/O APIC. Chip
 * datasheets; ACPI 6, chapter 5; SDM vol. 3A 10.
 */
#include "tests/metal/metal.h"

static volatile unsigned count[256];

static void pic_eoi(struct frame *frame)
{
	count[frame->vector]++;
	if (frame->vector >= 0x28)
		outb(0xa0, 0x20);
	outb(0x20, 0x20);
}

/* Lets interrupts come until condition or a limit of tries. */
#define WAIT_FOR(condition)                                                                                                         \
	({                                                                                                                          \
		unsigned tries = 0;                                                                                                 \
		__asm__ volatile("sti" : : : "memory");                                                                             \
		while (!(condition) && ++tries < 100000000)                                                                         \
			__asm__ volatile("pause" : : : "memory");                                                                   \
		__asm__ volatile("cli" : : : "memory");                                                                             \
		(bool)(condition);                                                                                                  \
	})

/* -- 8259 and 8254 -- */

static void pic_init(void)
{
	static const uint8_t words[2][4] = {{0x11, 0x20, 4, 1}, {0x11, 0x28, 2, 1}};

	for (unsigned chip = 0; chip < 2; chip++) {
		unsigned port = chip ? 0xa0 : 0x20;

		outb(port, words[chip][0]);
		for (unsigned i = 1; i < 4; i++)
			outb(port + 1, words[chip][i]);
		outb(port + 1, 0xff);
	}
	for (unsigned vector = 0x20; vector < 0x30; vector++)
		set_handler(vector, pic_eoi);
}

static void pit_set(unsigned counter, unsigned mode, unsigned value)
{
	outb(0x43, counter << 6 | 0x30 | mode << 1);
	outb(0x40 + counter, value & 0xff);
	outb(0x40 + counter, value >> 8);
}

static unsigned pit_read(unsigned counter)
{
	outb(0x43, counter << 6);
	unsigned low = inb(0x40 + counter);
	return low | inb(0x40 + counter) << 8;
}

static void test_pic(void)
{
	pic_init();
	outb(0x21, 0xa5);
	check_equal("pic: mask reads back", inb(0x21), 0xa5);
	outb(0x21, 0xfe);
	pit_set(0, 2, 1193); /* 1 kHz */
	check("pit: interrupts come", WAIT_FOR(count[0x20] >= 5));
	outb(0x21, 0xff);
	unsigned before = count[0x20];
	for (unsigned i = 0; i < 3; i++) {
		uint16_t from = pit_read(0);

		while ((uint16_t)(from - pit_read(0)) < 100)
			;
	}
	check_equal("pic: masked", count[0x20], before);
	/* One-shot: mode 0 */
	count[0x20] = 0;
	pit_set(0, 0, 2000);
	outb(0x21, 0xfe);
	check("pit: mode 0 interrupts", WAIT_FOR(count[0x20] == 1));
	for (unsigned i = 0; i < 20000; i++)
		inb(0x80);
	WAIT_FOR(true);
	check_equal("pit: once", count[0x20], 1);
	/* HLT is left by the interrupt */
	pit_set(0, 0, 1000);
	__asm__ volatile("sti; hlt; cli" : : : "memory");
	check_equal("hlt: woken", count[0x20], 2);
	outb(0x21, 0xff);
	pit_set(0, 0, 1000);
	for (unsigned i = 0; i < 100000000 && !({ outb(0x20, 0x0a); inb(0x20) & 1; }); i++)
		;
	outb(0x20, 0x0a);
	check_equal("pic: IRR", inb(0x20) & 1, 1);
	outb(0x43, 0xe2); /* read back counter 0's status */
	check_equal("pit: status: OUT, mode 0, both bytes", inb(0x40) & 0xbf, 0xb0);
}

static void test_pit(void)
{
	uint16_t a, b;

	outb(0x61, (inb(0x61) & ~3) | 1); /* gate of counter 2 */
	pit_set(2, 0, 50000);
	a = pit_read(2);
	b = pit_read(2);
	check("pit: counter 2 counts down", a <= 50000 && b <= a);
	unsigned tries = 0;
	while (!(inb(0x61) & 0x20) && ++tries < 100000000)
		;
	check("pit: counter 2's output in port 61h", inb(0x61) & 0x20);
	a = pit_read(2);
	for (tries = 0; tries < 100000 && pit_read(2) == a; tries++)
		;
	outb(0x43, 0x80);
	b = inb(0x42);
	outb(0x43, 0x80); /* latched already: ignored */
	b |= inb(0x42) << 8;
	check("pit: goes on after the end", a != b);
}

/* -- the serial port -- */

static void test_uart(void)
{
	enum { PORT = 0x3f8 };
	uint8_t mcr = inb(PORT + 4), lcr = inb(PORT + 3);
	unsigned scratch, divisor, fifo, data, lines, deltas; /* nothing can be printed meanwhile */

	outb(PORT + 7, 0x5a);
	scratch = inb(PORT + 7);
	while (!(inb(PORT + 5) & 0x40))
		;
	outb(PORT + 3, 0x83);
	outb(PORT, 12), outb(PORT + 1, 0);
	divisor = inb(PORT);
	divisor |= inb(PORT + 1) << 8;
	outb(PORT, 1);
	outb(PORT + 3, 3);
	outb(PORT + 2, 0x07);
	fifo = inb(PORT + 2) >> 6;
	outb(PORT + 4, 0x10); /* loopback */
	inb(PORT + 6);
	outb(PORT, 'x');
	for (unsigned i = 0; i < 1000000 && !(inb(PORT + 5) & 1); i++)
		;
	data = inb(PORT);
	outb(PORT + 4, 0x1f);
	lines = inb(PORT + 6);
	outb(PORT + 4, 0x10);
	deltas = inb(PORT + 6);
	outb(PORT + 4, mcr);
	check_equal("uart: scratch register", scratch, 0x5a);
	check_equal("uart: divisor", divisor, 12);
	check_equal("uart: FIFOs are on", fifo, 3);
	check_equal("uart: loopback data", data, 'x');
	check_equal("uart: loopback modem lines", lines & 0xf0, 0xf0);
	check_strict("uart: modem lines' changes, going on", lines & 0xf, 0xb); /* RI counts when it ends */
	check_strict("uart: modem lines' changes, going off", deltas & 0xf, 0xf);
	/* The interrupt of an empty transmitter */
	outb(PORT + 4, 0x08);
	outb(0x21, 0xef);
	outb(PORT + 1, 2);
	check("uart: transmitter interrupt", WAIT_FOR(count[0x24] >= 1));
	outb(PORT + 1, 0);
	outb(0x21, 0xff);
	outb(PORT + 4, mcr), outb(PORT + 3, lcr);
}

/* -- clock and memory -- */

static unsigned cmos(unsigned index)
{
	outb(0x70, index);
	return inb(0x71);
}

static void test_rtc(void)
{
	unsigned status = cmos(11), month = cmos(8), year = cmos(9), century = cmos(0x32);

	check("rtc: 24 hours, BCD", (status & 6) == 2);
	check("rtc: month", (month >= 1 && month <= 9) || (month >= 0x10 && month <= 0x12));
	check("rtc: year", century == 0x20 && year >= 0x24 && (year & 15) <= 9);
	check_equal("rtc: battery", cmos(13) & 0x80, 0x80);
	check("rtc: memory below 16 MiB", (cmos(0x30) | cmos(0x31) << 8) >= 15 * 1024);
	/* Periodic interrupt, 1024 Hz; status C must be read for the next one */
	cmos(12);
	outb(0x70, 11), outb(0x71, status | 0x40);
	outb(0x21, 0xfb), outb(0xa1, 0xfe);
	check("rtc: periodic interrupt", WAIT_FOR(count[0x28] == 1));
	check_equal("rtc: its flags", cmos(12) & 0xc0, 0xc0);
	check("rtc: the next one", WAIT_FOR(count[0x28] == 2));
	outb(0x70, 11), outb(0x71, status);
	cmos(12);
	outb(0x21, 0xff), outb(0xa1, 0xff);
}

static void test_a20(void)
{
	volatile uint32_t *low = (volatile uint32_t *)0x00050000, *high = (volatile uint32_t *)0x00150000;
	uint8_t port = inb(0x92);
	uint32_t saved;

	__asm__("" : "+r"(low), "+r"(high));
	saved = *high;
	/* Nothing of ours lies between 1.25 and 1.5 MiB; code above 1 MiB is not reachable meanwhile, so the switch is done from below. */
	*low = 0x11111111, *high = 0x22222222;
	check_equal("a20: is on", *low, 0x11111111);
	extern char a20_probe[];
	struct state s = kernel_state(a20_probe);
	s.sp = 0x90000;
	check_equal("a20: switched from below 1 MiB", go(&s), VECTOR_DONE);
	check_equal("a20: off, addresses wrap", s.ax, 0x11111111);
	check_equal("a20: on again", *high, 0x22222222);
	*high = saved;
	outb(0x92, port | 2);
}
SNIPPET16(a20_probe, ".code32\nin $0x92, %al; mov %al, %bl; and $0xfc, %al; out %al, $0x92; mov 0x150000, %ecx; mov %bl, %al; or $2, %al; and $0xfe, %al\n"
		     "out %al, $0x92; mov %ecx, %eax; int $0x30");

static void test_fw_cfg(void)
{
	char signature[5] = "";

	outw(0x510, 0);
	for (unsigned i = 0; i < 4; i++)
		signature[i] = inb(0x511);
	check("fw_cfg: signature", *(uint32_t *)signature == ('Q' | 'E' << 8 | 'M' << 16 | 'U' << 24));
	outw(0x510, 5);
	check_equal("fw_cfg: CPUs", inb(0x511) | inb(0x511) << 8, 1);
}

/* -- ACPI -- */

struct acpi_table {
	char signature[4];
	uint32_t length;
	uint8_t revision, checksum;
	char oem[6], table[8];
	uint32_t oem_revision, creator, creator_revision;
	uint8_t data[];
} __attribute__((packed));

static bool sums_to_zero(const void *data, unsigned size)
{
	uint8_t sum = 0;

	for (unsigned i = 0; i < size; i++)
		sum += ((const volatile uint8_t *)data)[i];
	return sum == 0;
}

static const uint8_t *find_rsdp(void)
{
	const uint32_t *at = (const uint32_t *)0xe0000;

	__asm__("" : "+r"(at));
	for (; (uintptr_t)at < 0x100000; at += 4)
		if (at[0] == 0x20445352 && at[1] == 0x20525450) /* "RSD PTR " */
			return (const uint8_t *)at;
	return NULL;
}

static uint32_t madt_ioapic, madt_lapic;

static void check_madt(const struct acpi_table *madt)
{
	unsigned cpus = 0, ioapics = 0;

	madt_lapic = *(const uint32_t *)madt->data;
	for (const uint8_t *at = madt->data + 8; at < (const uint8_t *)madt + madt->length && at[1]; at += at[1]) {
		cpus += at[0] == 0;
		ioapics += at[0] == 1;
		if (at[0] == 1)
			memcpy(&madt_ioapic, at + 4, 4);
	}
	check_equal("acpi: one CPU, one I/O APIC", cpus << 4 | ioapics, 0x11);
}

static void test_acpi(void)
{
	const uint8_t *rsdp = find_rsdp();
	const struct acpi_table *rsdt;
	unsigned good = 0, tables = 0;
	uint32_t pm_timer = 0;

	check("acpi: RSDP", rsdp && sums_to_zero(rsdp, 20));
	if (!rsdp)
		return;
	rsdt = *(const struct acpi_table *const *)(rsdp + 16);
	check("acpi: RSDT", *(const uint32_t *)rsdt->signature == ('R' | 'S' << 8 | 'D' << 16 | 'T' << 24) && sums_to_zero(rsdt, rsdt->length));
	for (const uint8_t *at = rsdt->data; at < (const uint8_t *)rsdt + rsdt->length; at += 4) {
		const struct acpi_table *table = *(const struct acpi_table *const *)at;

		tables++;
		good += sums_to_zero(table, table->length);
		if (*(const uint32_t *)table->signature == ('A' | 'P' << 8 | 'I' << 16 | 'C' << 24))
			check_madt(table);
		if (*(const uint32_t *)table->signature == ('F' | 'A' << 8 | 'C' << 16 | 'P' << 24))
			pm_timer = *(const uint32_t *)((const uint8_t *)table + 76);
	}
	check("acpi: tables' checksums", tables >= 2 && good == tables);
	check("acpi: PM timer's port", pm_timer != 0);
	uint32_t before = inl(pm_timer);
	for (unsigned i = 0; i < 1000; i++)
		inb(0x80);
	check("acpi: PM timer runs", ((inl(pm_timer) - before) & 0xffffff) > 0);
}

/* -- APICs -- */

static volatile uint32_t *lapic(unsigned offset)
{
	return (volatile uint32_t *)(0xfee00000 + offset);
}

static void lapic_eoi(struct frame *frame)
{
	count[frame->vector]++;
	*lapic(0xb0) = 0;
}

static void spurious(struct frame *frame)
{
	count[frame->vector]++;
}

static uint64_t rdtsc(void)
{
	uint32_t low, high;

	__asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
	return (uint64_t)high << 32 | low;
}

static void test_lapic(void)
{
	check_equal("lapic: where ACPI says", madt_lapic, 0xfee00000);
	check_equal("lapic: enabled in IA32_APIC_BASE", rdmsr(0x1b) & 0xfffff900, 0xfee00900);
	check("lapic: version", (*lapic(0x30) & 0xff) >= 0x10);
	for (unsigned vector = 0x50; vector < 0x60; vector++)
		set_handler(vector, lapic_eoi);
	set_handler(0xff, spurious);
	*lapic(0xf0) = 0x1ff;
	*lapic(0x350) = 0x10000; /* the 8259s have no way in */
	*lapic(0x3e0) = 3;	 /* divide by 16 */

	*lapic(0x320) = 0x50;
	*lapic(0x380) = 1000;
	check("lapic: one-shot timer", WAIT_FOR(count[0x50] == 1));
	check_equal("lapic: its count is over", *lapic(0x390), 0);
	*lapic(0x320) = 0x20051;
	*lapic(0x380) = 1000;
	check("lapic: periodic timer", WAIT_FOR(count[0x51] >= 4));
	*lapic(0x380) = 0;
	check_equal("lapic: one-shot came once", count[0x50], 1);

	if (cpuid(1, 0).ecx & 1 << 24) {
		*lapic(0x320) = 0x40052;
		wrmsr(0x6e0, rdtsc() + 20000);
		check("lapic: TSC deadline", WAIT_FOR(count[0x52] == 1));
		check_equal("lapic: deadline is disarmed", rdmsr(0x6e0), 0);
	} else {
		skip("lapic: TSC deadline");
	}
	*lapic(0x320) = 0x10000;

	/* To itself; priorities */
	*lapic(0x300) = 0x40053;
	check("lapic: self-IPI", WAIT_FOR(count[0x53] == 1));
	*lapic(0x80) = 0x50;
	*lapic(0x300) = 0x40054;
	check_equal("lapic: pending below the TPR", *lapic(0x220) >> 20 & 1, 1);
	WAIT_FOR(true);
	check_equal("lapic: held back by the TPR", count[0x54], 0);
	*lapic(0x80) = 0;
	check("lapic: comes when the TPR allows", WAIT_FOR(count[0x54] == 1));
}

static void ioapic_write(unsigned index, uint32_t value)
{
	*(volatile uint32_t *)madt_ioapic = index;
	*(volatile uint32_t *)(madt_ioapic + 0x10) = value;
}

static uint32_t ioapic_read(unsigned index)
{
	*(volatile uint32_t *)madt_ioapic = index;
	return *(volatile uint32_t *)(madt_ioapic + 0x10);
}

static void test_ioapic(void)
{
	check_equal("ioapic: 24 inputs", ioapic_read(1) >> 16 & 0xff, 23);
	ioapic_write(0x10 + 2 * 2 + 1, 0);
	ioapic_write(0x10 + 2 * 2, 0x55); /* input 2: the 8254 */
	check_equal("ioapic: entry reads back", ioapic_read(0x10 + 2 * 2) & 0x1ffff, 0x55);
	pit_set(0, 2, 1193);
	check("ioapic: timer interrupts", WAIT_FOR(count[0x55] >= 3));
	ioapic_write(0x10 + 2 * 2, 0x10055);
	unsigned before = count[0x55];
	for (unsigned i = 0; i < 3000; i++)
		inb(0x80);
	WAIT_FOR(true);
	check_equal("ioapic: masked", count[0x55], before);
	/* The 8259s through LINT0, as ExtINT */
	*lapic(0x350) = 0x700;
	count[0x20] = 0;
	outb(0x21, 0xfe);
	check("ioapic: 8259 through LINT0", WAIT_FOR(count[0x20] >= 2));
	outb(0x21, 0xff);
}

/* The interrupt lines that QEMU's pc-testdev gives out, edge- and level-triggered. */

static void set_line(unsigned line, unsigned level)
{
	outb(0x2000 + line, level);
}

static volatile unsigned level_repeats;

/* The line stays up for some rounds: each EOI brings it again. */
static void level_eoi(struct frame *frame)
{
	count[frame->vector]++;
	if (!level_repeats--)
		set_line(14, 0);
	*lapic(0xb0) = 0;
}

static void test_lines(void)
{
	outb(0xe0, 0x5a);
	if (inb(0xe0) != 0x5a) {
		skip("interrupt lines of the test device");
		return;
	}
	ioapic_write(0x10 + 2 * 14 + 1, 0);
	ioapic_write(0x10 + 2 * 14, 0x57); /* edge */
	set_line(14, 1);
	set_line(14, 1);
	set_line(14, 0);
	WAIT_FOR(count[0x57]);
	check_equal("ioapic: an edge", count[0x57], 1);
	check_equal("lapic: TMR of an edge", *lapic(0x1a0) >> 23 & 1, 0);
	set_handler(0x58, level_eoi);
	level_repeats = 2;
	ioapic_write(0x10 + 2 * 14, 0x8058); /* level */
	set_line(14, 1);
	check_equal("ioapic: remote IRR", ioapic_read(0x10 + 2 * 14) >> 14 & 1, 1);
	check_equal("lapic: TMR of a level", *lapic(0x1a0) >> 24 & 1, 1);
	WAIT_FOR(count[0x58] == 3);
	check_equal("ioapic: a level comes until it falls", count[0x58], 3);
	check_equal("ioapic: remote IRR is gone", ioapic_read(0x10 + 2 * 14) >> 14 & 1, 0);
	ioapic_write(0x10 + 2 * 14, 0x18058);
	set_line(14, 1);
	set_line(14, 0);
	WAIT_FOR(true);
	check_equal("ioapic: a level that was masked is forgotten", count[0x58], 3);
	ioapic_write(0x10 + 2 * 14, 0x10000);
	if (on_tcg()) { /* ends with an assertion */
		skip("lines above the ISA ones");
		return;
	}
	ioapic_write(0x10 + 2 * 22 + 1, 0);
	ioapic_write(0x10 + 2 * 22, 0x59);
	set_line(22, 1);
	check("ioapic: line 22", WAIT_FOR(count[0x59] == 1));
	set_line(22, 0);
	ioapic_write(0x10 + 2 * 22, 0x10000);
}

static void test_x2apic(void)
{
	if (!(cpuid(1, 0).ecx & 1 << 21) || on_tcg()) {
		skip("x2apic");
		return;
	}
	wrmsr(0x1b, rdmsr(0x1b) | 1 << 10);
	check_equal("x2apic: version", rdmsr(0x803) & 0xff, 0x14);
	wrmsr(0x838, 0);
	wrmsr(0x83f, 0x56);
	check("x2apic: self-IPI register", ({
		      set_handler(0x56, NULL);
		      struct state s = kernel_state(NULL);
		      extern char idle[];
		      s.ip = (word)idle, s.flags = F_IF | 2;
		      go(&s) == 0x56;
	      }));
	wrmsr(0x80b, 0);
	check_equal("x2apic: LINT0's read-only bits", ATTEMPT("wrmsr", : : "c"(0x835), "a"(0x15700), "d"(0) : "memory"), VECTOR_NONE);
	check_equal("x2apic: LINT0", rdmsr(0x835), 0x10700);
	check_equal("x2apic: EOI with a value", ATTEMPT("wrmsr", : : "c"(0x80b), "a"(1), "d"(0) : "memory"), VEC_GP);
	check_equal("x2apic: not back to xAPIC", ATTEMPT("wrmsr", : : "c"(0x1b), "a"(0xfee00900), "d"(0) : "memory"), VEC_GP);
}
SNIPPET(idle, "1: jmp 1b");

void run(void)
{
	check_equal("multiboot: magic", boot_magic, 0x2badb002);
	test_pic();
	test_pit();
	test_uart();
	test_rtc();
	test_a20();
	test_fw_cfg();
	test_acpi();
	test_lapic();
	test_ioapic();
	test_lines();
	test_x2apic();
}
