/* The machine as a whole: how runs end, that events come on their instruction, and that slicing a run does not change it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "emu/machine.h"

enum { CODE = 0x8000, HANDLER = 0x9000, IDT = 0xa000, GDT = 0xb000 };

/* A console whose input is a string that arrives when somebody waits for it, after so many nanoseconds of waiting altogether. */
struct typist {
	struct console console;
	const char *input;
	bool typed;
	unsigned waits;
	uint64_t pause, waited;
	char output[64];
	size_t output_size;
};

static void typist_write(void *opaque, uint8_t byte)
{
	struct typist *typist = opaque;

	if (typist->output_size < sizeof(typist->output) - 1)
		typist->output[typist->output_size++] = byte;
}

static int typist_read(void *opaque, uint8_t *to, size_t size)
{
	struct typist *typist = opaque;

	if (!typist->typed || !size)
		return 0;
	if (!*typist->input)
		return CONSOLE_EOF;
	*to = *typist->input++;
	return 1;
}

static uint64_t typist_wait(void *opaque, uint64_t ns)
{
	struct typist *typist = opaque;
	uint64_t left = typist->pause - typist->waited, waited = ns < left ? ns : left;

	typist->waited += waited;
	typist->typed = typist->waited == typist->pause;
	typist->waits++;
	return waited;
}

static void typist_init(struct typist *typist, const char *input)
{
	*typist = (struct typist){.input = input};
	typist->console = (struct console){.opaque = typist, .write = typist_write, .read = typist_read, .wait = typist_wait};
}

static struct machine *create(const struct console *console)
{
	const struct machine_config config = {.memory = 4 << 20, .console = console, .acpi = true, .epoch = RTC_DEFAULT_EPOCH};
	struct machine *machine;
	struct error *err = machine_create(&config, &machine);

	if (err)
		fail_msg("%s", err->message);
	machine_enter_protected(machine, CODE, 0, 0);
	return machine;
}

static uint64_t put(struct machine *machine, uint64_t paddr, const char *bytes, size_t size)
{
	assert_true(physmem_copy_in(&machine->mem, paddr, bytes, size));
	return paddr + size;
}

static enum machine_stop run_code(const char *bytes, size_t size, uint64_t until, uint32_t *ret_exit_code, uint64_t *ret_clock)
{
	struct machine *machine = create(NULL);
	enum machine_stop stop;

	put(machine, CODE, bytes, size);
	stop = machine_run(machine, until);
	*ret_exit_code = machine->exit_code;
	*ret_clock = cpu_instructions(machine->cpu);
	machine_destroy(machine);
	return stop;
}

static void ends(void **state)
{
	static const struct {
		const char *bytes;
		size_t size;
		enum machine_stop stop;
		uint64_t clock;
	} cases[] = {
		{"\xb0\x03\xe6\xf4\xf4", 5, MACHINE_STOP_DEBUG_EXIT, 2},                     /* mov al,3; out F4h,al */
		{"\xfa\xf4", 2, MACHINE_STOP_HALTED, 2},                                     /* cli; hlt */
		{"\xfb\xf4", 2, MACHINE_STOP_HALTED, 2},                                     /* sti; hlt: no timer is set */
		{"\xeb\xfe", 2, MACHINE_STOP_LIMIT, 1000},                                   /* jmp $ */
		{"\x66\xba\xf9\x0c\xb0\x06\xee", 7, MACHINE_STOP_RESET, 3},                  /* mov dx,CF9h; mov al,6; out dx,al */
		{"\x66\xba\x04\x06\x66\xb8\x00\x20\x66\xef", 10, MACHINE_STOP_POWER_OFF, 3}, /* mov dx,604h; mov ax,2000h; out dx,ax */
		{"\x0f\x0b", 2, MACHINE_STOP_SHUTDOWN, 4},                                   /* ud2, no IDT: each delivery takes time */
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint32_t exit_code;
		uint64_t clock;

		assert_int_equal(run_code(cases[i].bytes, cases[i].size, 1000, &exit_code, &clock), cases[i].stop);
		assert_int_equal(clock, cases[i].clock);
		assert_int_equal(exit_code, cases[i].stop == MACHINE_STOP_DEBUG_EXIT ? 3 : 0);
	}
}

/* Interrupt handlers need a GDT and an IDT. All vectors go to HANDLER. */
static void set_tables(struct machine *machine)
{
	static const uint64_t gdt[] = {0, 0x00cf9b000000ffff, 0x00cf93000000ffff};

	put(machine, GDT, (const char *)gdt, sizeof(gdt));
	for (unsigned i = 0; i < 256; i++) {
		const uint64_t gate = 0x00008e0000080000 | HANDLER;

		put(machine, IDT + 8 * i, (const char *)&gate, sizeof(gate));
	}
	machine->cpu->gpr[RSP] = CODE;
	machine->cpu->gdtr = (struct table_register){GDT, sizeof(gdt) - 1};
	machine->cpu->idtr = (struct table_register){IDT, 0x7ff};
}

/* mov al,value; out port,al for each pair */
static uint64_t put_outs(struct machine *machine, uint64_t at, const uint8_t (*pair)[2], unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		const char code[4] = {(char)0xb0, pair[i][1], (char)0xe6, pair[i][0]};

		at = put(machine, at, code, sizeof(code));
	}
	return at;
}

/* The PIT interrupts every 4096 ticks (3.43 ms), the handler counts in EBX, the main program halts in a loop. */
static struct machine *create_ticking(const struct console *console)
{
	static const uint8_t setup[][2] = {
		{0x20, 0x11}, {0x21, 0x20}, {0x21, 4}, {0x21, 1}, {0x21, 0xfe}, {0x43, 0x34}, {0x40, 0x00}, {0x40, 0x10},
	};
	struct machine *machine = create(console);
	uint64_t at;

	set_tables(machine);
	at = put_outs(machine, CODE, setup, sizeof(setup) / sizeof(setup[0]));
	put(machine, at, "\xfb\xf4\xeb\xfd", 4);              /* sti; hlt; jmp to hlt */
	put(machine, HANDLER, "\x43\xb0\x20\xe6\x20\xcf", 6); /* inc ebx; mov al,20h; out 20h,al; iret */
	return machine;
}

static void ticks_while_halted(void **state)
{
	struct machine *machine = create_ticking(NULL);

	(void)state;
	assert_int_equal(machine_run(machine, 100000000), MACHINE_STOP_LIMIT);
	assert_int_equal(cpu_instructions(machine->cpu), 100000000);
	assert_int_equal(machine->cpu->gpr[RBX], 100000000ull * PIT_HZ / 1000000000 / 4096);
	assert_true(machine->idle > 99990000);
	machine_destroy(machine);
}

static void slices_do_not_matter(void **state)
{
	struct machine *whole = create_ticking(NULL), *sliced = create_ticking(NULL);

	(void)state;
	machine_run(whole, 20000000);
	for (uint64_t until = 12345; until < 20000000; until += 12345)
		assert_int_equal(machine_run(sliced, until), MACHINE_STOP_LIMIT);
	machine_run(sliced, 20000000);
	assert_int_equal(machine_digest(whole), machine_digest(sliced));
	machine_run(sliced, 20000001);
	assert_int_not_equal(machine_digest(whole), machine_digest(sliced));
	machine_destroy(whole);
	machine_destroy(sliced);
}

/* With nothing else to happen, a halted machine waits for its user; the handler echoes what was typed. */
static void waits_for_input(void **state)
{
	static const uint8_t setup[][2] = {{0x20, 0x11}, {0x21, 0x20}, {0x21, 4}, {0x21, 1}, {0x21, 0xef}};
	struct typist typist;
	struct machine *machine;
	uint64_t at;

	(void)state;
	typist_init(&typist, "hi");
	machine = create(&typist.console);
	set_tables(machine);
	at = put_outs(machine, CODE, setup, sizeof(setup) / sizeof(setup[0]));
	/* mov dx,3FCh; mov al,0Bh; out dx,al; mov dx,3F9h; mov al,1; out dx,al; sti; hlt; jmp to hlt */
	put(machine, at, "\x66\xba\xfc\x03\xb0\x0b\xee\x66\xba\xf9\x03\xb0\x01\xee\xfb\xf4\xeb\xfd", 18);
	/* mov dx,3F8h; in al,dx; out dx,al; mov al,20h; out 20h,al; iret */
	put(machine, HANDLER, "\x66\xba\xf8\x03\xec\xee\xb0\x20\xe6\x20\xcf", 11);
	assert_int_equal(machine_run(machine, 100000000), MACHINE_STOP_HALTED); /* after the end of its input */
	assert_string_equal(typist.output, "hi");
	assert_true(typist.waits >= 1);
	machine_destroy(machine);
}

/* The same with receive interrupts of the UART enabled. They go nowhere, so that a byte that came stays. */
static struct machine *create_listening(const struct console *console)
{
	struct machine *machine = create_ticking(console);

	uart_port_ops.write(&machine->uart, 0x3fc, 0x0b, 1);
	uart_port_ops.write(&machine->uart, 0x3f9, 1, 1);
	return machine;
}

/*
 * An idle guest with a timer (one interrupt in 3.43 ms) that listens to its user: in real time every nanosecond that is skipped was waited
 * for, from timer to timer, up to the key, which comes in time for the next poll. Other consoles' users do not make it wait.
 */
static void idles_in_real_time(void **state)
{
	enum { PAUSE = 20500000, TICK_NS = 3432000 };

	(void)state;
	for (unsigned real_time = 0; real_time < 2; real_time++) {
		struct typist typist;
		struct machine *machine;

		typist_init(&typist, "h");
		typist.pause = PAUSE;
		typist.console.real_time = real_time;
		machine = create_listening(&typist.console);
		machine_run(machine, 50000000);
		assert_true(machine->idle > 49000000);
		if (real_time) {
			assert_int_equal(typist.waits, 2 * (PAUSE / TICK_NS + 1)); /* the timer's output falls before it rises */
			assert_int_equal(typist.waited, PAUSE);
			assert_int_equal(uart_room(&machine->uart), 0);
		} else {
			assert_int_equal(typist.waits, 0);
		}
		machine_destroy(machine);
	}
}

/* Whether a key that is typed at one time is in the machine at another. */
static bool key_is_there(uint64_t typed, uint64_t now)
{
	struct typist typist;
	struct machine *machine;
	bool there;

	typist_init(&typist, "h");
	typist.pause = typed;
	typist.console.real_time = true;
	machine = create_listening(&typist.console);
	machine_run(machine, now);
	there = uart_room(&machine->uart) == 0;
	machine_destroy(machine);
	return there;
}

/* A key comes into the machine when it was typed, but no sooner than the next poll, a millisecond after the last. */
static void keys_come_in_time(void **state)
{
	enum { START = 100 }; /* more than the guest's first instructions */

	(void)state;
	assert_false(key_is_there(300000, 999999));
	assert_true(key_is_there(300000, 1000000));
	assert_false(key_is_there(2300000, 2300000));
	assert_true(key_is_there(2300000, 2300000 + START));
}

static void refuses_odd_sizes(void **state)
{
	static const uint8_t rom[100];
	struct machine_config config = {.memory = 1000};
	struct machine *machine = NULL;
	struct error *err = machine_create(&config, &machine);

	(void)state;
	assert_non_null(strstr(err->message, "memory size"));
	error_destroy(err);
	config = (struct machine_config){.memory = 4 << 20, .rom = rom, .rom_size = sizeof(rom)};
	err = machine_create(&config, &machine);
	assert_non_null(strstr(err->message, "multiple of 4096"));
	error_destroy(err);
	assert_null(machine);
}

static void rom_at_the_reset_vector(void **state)
{
	static uint8_t rom[4096];
	const struct machine_config config = {.memory = 4 << 20, .rom = rom, .rom_size = sizeof(rom)};
	struct machine *machine;

	(void)state;
	memcpy(rom + 0xff0, "\xb0\x07\xe6\xf4", 4); /* mov al,7; out F4h,al */
	assert_null(machine_create(&config, &machine));
	assert_int_equal(physmem_read(&machine->mem, 0xffff2, 2), 0xf4e6);
	assert_int_equal(machine_run(machine, 1000), MACHINE_STOP_DEBUG_EXIT);
	assert_int_equal(machine->exit_code, 7);
	/* the copy below 1 MiB is writable, as is the area of option ROMs; the ROM is not */
	physmem_write(&machine->mem, 0xffff2, 0x1234, 2);
	assert_int_equal(physmem_read(&machine->mem, 0xffff2, 2), 0x1234);
	physmem_write(&machine->mem, 0xc0000, 0x1234, 2);
	assert_int_equal(physmem_read(&machine->mem, 0xc0000, 2), 0x1234);
	physmem_write(&machine->mem, 0xfffffff2, 0x1234, 2);
	assert_int_equal(physmem_read(&machine->mem, 0xfffffff2, 2), 0xf4e6);
	machine_destroy(machine);
}

/* Where the copy of a ROM begins. */
static void rom_below_1_mib(void **state)
{
	static const struct {
		unsigned size, start;
	} cases[] = {{64 << 10, 0xf0000}, {256 << 10, 0xc0000}, {512 << 10, 0xe0000}};
	static uint8_t rom[512 << 10];

	(void)state;
	for (unsigned i = 0; i < sizeof(rom); i += 4096)
		rom[i] = 1;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct machine_config config = {.memory = 4 << 20, .rom = rom, .rom_size = cases[i].size};
		struct machine *machine;

		assert_null(machine_create(&config, &machine));
		assert_int_equal(physmem_read(&machine->mem, cases[i].start, 1), 1);
		if (cases[i].start > 0xc0000)
			assert_int_equal(physmem_read(&machine->mem, cases[i].start - 4096, 1), 0);
		machine_destroy(machine);
	}
}

static void memory_of_devices(void **state)
{
	struct machine *machine = create(NULL);

	(void)state;
	assert_int_equal(physmem_read(&machine->mem, 0xfff53, 1), 0xcf); /* the IRET of all real-mode vectors */
	assert_int_equal(physmem_read(&machine->mem, 0x413, 2), 640);
	assert_int_equal(physmem_read(&machine->mem, 0xf0000, 4), '_' | 'M' << 8 | 'P' << 16 | '_' << 24);
	physmem_write(&machine->mem, 0xb8000, 0x0741, 2); /* a text screen */
	assert_int_equal(physmem_read(&machine->mem, 0xb8000, 2), 0x0741);
	assert_int_equal(physmem_read(&machine->mem, 0xa0000, 2), 0xffff);
	physmem_write(&machine->mem, 0xff00fff8, 0x0123456789abcdef, 8); /* the test device */
	assert_int_equal(physmem_read(&machine->mem, 0xff00fff8, 8), 0x0123456789abcdef);
	machine_destroy(machine);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ends),
		cmocka_unit_test(ticks_while_halted),
		cmocka_unit_test(slices_do_not_matter),
		cmocka_unit_test(waits_for_input),
		cmocka_unit_test(idles_in_real_time),
		cmocka_unit_test(keys_come_in_time),
		cmocka_unit_test(refuses_odd_sizes),
		cmocka_unit_test(rom_at_the_reset_vector),
		cmocka_unit_test(rom_below_1_mib),
		cmocka_unit_test(memory_of_devices),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
