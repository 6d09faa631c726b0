/* Making a machine and running it: see machine.h. */
#include "emu/machine.h"

#include <stdlib.h>
#include <string.h>

#include "emu/dev/firmware.h"

enum { INPUT_POLL_NS = 1000000 };

static const uint64_t KIB = 1 << 10, MIB = 1 << 20, GIB = 1 << 30;
#define ACPI_AREA 0xe0000u
enum { TEXT_SCREEN = 0xb8000, TEXT_SCREEN_SIZE = 0x8000, OPTION_AREA = 0xc0000, MP_TABLES = 0xf0000 };

/* -- memory -- */

static struct error *add_low_area(struct machine *machine, const struct machine_config *config)
{
	uint8_t tables[ACPI_TABLES_SIZE];
	struct error *err = physmem_add_ram(&machine->mem, ACPI_AREA, MIB - ACPI_AREA);

	if (err || !config->acpi)
		return err;
	acpi_build_tables(tables, ACPI_AREA);
	physmem_copy_in(&machine->mem, ACPI_AREA, tables, sizeof(tables));
	machine->acpi_rsdp = ACPI_AREA;
	return NULL;
}

/*
 * The ROM ends at 4 GiB; a copy ends at 1 MiB: all of it if it fits there, else of its last 128 KiB. There being no chip set to program,
 * the copy is always writable.
 */
static struct error *add_rom(struct machine *machine, const uint8_t *rom, uint64_t size)
{
	uint64_t copied = size <= MIB - OPTION_AREA ? size : MIB - ACPI_AREA;
	struct error *err;

	if (!size || size % PAGE_SIZE || size > 16 * MIB)
		return error_create("BIOS ROM: size is %llu bytes: it must be a multiple of 4096, at most 16 MiB",
				    (unsigned long long)size);
	err = physmem_add_ram(&machine->mem, ACPI_AREA, MIB - ACPI_AREA);
	if (err)
		return err;
	physmem_copy_in(&machine->mem, MIB - copied, rom + size - copied, copied);
	return physmem_add_rom(&machine->mem, 4 * GIB - size, rom, size);
}

/* A text screen's memory, which shows nothing but can be read back, and RAM where option ROMs would be. */
static struct error *add_upper_memory(struct machine *machine)
{
	struct error *err = physmem_add_ram(&machine->mem, TEXT_SCREEN, TEXT_SCREEN_SIZE);

	return err ? err : physmem_add_ram(&machine->mem, OPTION_AREA, ACPI_AREA - OPTION_AREA);
}

/* What firmware would leave besides ACPI tables; and the test device's memory, which may be where a large ROM is. */
static struct error *add_firmware(struct machine *machine)
{
	static const uint8_t iret = BIOS_IRET;
	uint8_t vectors[BIOS_VECTORS_SIZE], data[BIOS_DATA_SIZE], mp[MP_TABLES_SIZE];

	firmware_build_vectors(vectors);
	physmem_copy_in(&machine->mem, 0, vectors, sizeof(vectors));
	physmem_copy_in(&machine->mem, BIOS_DUMMY_HANDLER, &iret, sizeof(iret));
	firmware_build_data_area(data);
	physmem_copy_in(&machine->mem, BIOS_DATA_AREA, data, sizeof(data));
	firmware_build_mp_tables(mp, MP_TABLES);
	physmem_copy_in(&machine->mem, MP_TABLES, mp, sizeof(mp));
	return physmem_add_ram(&machine->mem, TESTDEV_MEMORY, TESTDEV_MEMORY_SIZE);
}

static struct error *add_memory(struct machine *machine, const struct machine_config *config)
{
	uint64_t low = config->memory < 3 * GIB ? config->memory : 3 * GIB, high = config->memory - low;
	struct error *err;

	if (config->memory < MACHINE_MIN_MEMORY || config->memory > MACHINE_MAX_MEMORY || config->memory % PAGE_SIZE)
		return error_create("memory size is %llu bytes: it must be 1 MiB to 64 GiB, in whole pages",
				    (unsigned long long)config->memory);
	machine->low_end = low;
	machine->high_end = 4 * GIB + high;
	err = physmem_add_ram(&machine->mem, 0, 640 * KIB);
	if (!err && low > MIB)
		err = physmem_add_ram(&machine->mem, MIB, low - MIB);
	if (!err && high)
		err = physmem_add_ram(&machine->mem, 4 * GIB, high);
	if (!err)
		err = add_upper_memory(machine);
	if (err)
		return err;
	err = config->rom ? add_rom(machine, config->rom, config->rom_size) : add_low_area(machine, config);
	return err || config->rom ? err : add_firmware(machine);
}

unsigned machine_memory_map(const struct machine *machine, struct memory_range *ret)
{
	const struct memory_range range[] = {
		{0, 640 * KIB, MEMORY_AVAILABLE},
		{ACPI_AREA, MIB - ACPI_AREA, MEMORY_RESERVED},
		{MIB, machine->low_end - MIB, MEMORY_AVAILABLE},
		{IOAPIC_BASE, IOAPIC_SIZE, MEMORY_RESERVED},
		{LAPIC_DEFAULT_BASE, LAPIC_SIZE, MEMORY_RESERVED},
		{4 * GIB, machine->high_end - 4 * GIB, MEMORY_AVAILABLE},
	};
	unsigned count = 0;

	for (unsigned i = 0; i < sizeof(range) / sizeof(range[0]); i++) {
		if (range[i].size)
			ret[count++] = range[i];
	}
	return count;
}

bool machine_memory_available(const struct machine *machine, uint64_t paddr, uint64_t size)
{
	struct memory_range range[MACHINE_MEMORY_RANGES];
	unsigned count = machine_memory_map(machine, range);

	for (unsigned i = 0; i < count; i++) {
		if (range[i].type == MEMORY_AVAILABLE && paddr >= range[i].start && size <= range[i].size &&
		    paddr - range[i].start <= range[i].size - size)
			return true;
	}
	return false;
}

/* -- making -- */

static struct error *init(struct machine *machine, const struct machine_config *config)
{
	struct cpu_bus bus;
	struct error *err = add_memory(machine, config);

	if (err)
		return err;
	machine_bus_describe(machine, &bus);
	err = cpu_create(&machine->mem, &bus, &machine->cpu);
	if (err)
		return err;
	if (config->cpu_features)
		machine->cpu->features = config->cpu_features;
	return machine_bus_init(machine, config);
}

struct error *machine_create(const struct machine_config *config, struct machine **ret)
{
	struct machine *machine = calloc(1, sizeof(*machine));
	struct error *err;

	if (!machine)
		return error_create("out of memory");
	physmem_init(&machine->mem);
	machine->lapic_at = NO_EVENT;
	machine->console = config->console;
	err = init(machine, config);
	if (err) {
		machine_destroy(machine);
		return err;
	}
	*ret = machine;
	return NULL;
}

void machine_destroy(struct machine *machine)
{
	if (!machine)
		return;
	if (machine->cpu)
		cpu_destroy(machine->cpu);
	physmem_deinit(&machine->mem);
	free(machine);
}

/* -- running -- */

/* Brings output out and takes up to `room` bytes of input in. */
static void exchange_with_console(struct machine *machine, size_t room)
{
	uint8_t input[UART_FIFO_SIZE];
	int got;

	if (!machine->console)
		return;
	got = machine->console->read(machine->console->opaque, input, room);
	if (got == CONSOLE_QUIT)
		machine->stop = MACHINE_STOP_QUIT;
	else if (got == CONSOLE_EOF)
		machine->console_eof = true;
	for (int i = 0; i < got; i++)
		uart_receive(&machine->uart, input[i]);
}

static void poll_console(struct machine *machine)
{
	exchange_with_console(machine, machine->console_eof ? 0 : uart_room(&machine->uart));
}

static void act(struct machine *machine, uint64_t now)
{
	machine_run_devices(machine, now);
	if (now >= machine->next_poll) {
		poll_console(machine);
		machine->next_poll = (now / INPUT_POLL_NS + 1) * INPUT_POLL_NS;
	}
}

static bool interrupts_enabled(const struct cpu *cpu)
{
	return cpu->eflags & FLAG_IF;
}

/*
 * Waits for the console's user or `target`, whichever is first, and says what time it is then: of a key, that of the next poll at least.
 */
static uint64_t wait_for_user(struct machine *machine, uint64_t now, uint64_t target)
{
	uint64_t reached = now + machine->console->wait(machine->console->opaque, target - now);

	reached = reached > machine->next_poll ? reached : machine->next_poll;
	return reached < target ? reached : target;
}

/*
 * The CPU is halted: time jumps to the next thing that may happen, or, with a user who may make something happen before, goes there as it
 * goes for the user. If only the user can make anything happen, waits for that; if nobody can, stops.
 */
static void idle(struct machine *machine, uint64_t until)
{
	uint64_t now = cpu_instructions(machine->cpu), target = machine_next_device_event(machine, now);
	bool input_wakes = machine->console && !machine->console_eof && uart_input_interrupts(&machine->uart);

	if (!interrupts_enabled(machine->cpu) || (target == NO_EVENT && !input_wakes)) {
		machine->stop = MACHINE_STOP_HALTED;
		return;
	}
	if (target == NO_EVENT) {
		machine->console->wait(machine->console->opaque, UINT64_MAX);
		poll_console(machine);
		return;
	}
	target = target < until ? target : until;
	if (input_wakes && machine->console->real_time && uart_room(&machine->uart))
		target = wait_for_user(machine, now, target);
	else if (target > machine->next_poll)
		target = machine->next_poll;
	cpu_skip_time(machine->cpu, target - now);
	machine->idle += target - now;
}

static void run_cpu(struct machine *machine, uint64_t now, uint64_t until)
{
	uint64_t event = machine_next_device_event(machine, now);

	machine->run_until = event < machine->next_poll ? event : machine->next_poll;
	machine->run_until = machine->run_until < until ? machine->run_until : until;
	machine->cpu_exit = cpu_run(machine->cpu, machine->run_until);
	machine->run_until = 0; /* nobody need be told of earlier events now */
	switch (machine->cpu_exit) {
	case CPU_EXIT_NONE:
	case CPU_EXIT_DEADLINE:
	case CPU_EXIT_REQUEST: /* a device has something earlier, or stopped the machine */
		break;
	case CPU_EXIT_HALT:
		idle(machine, until);
		break;
	case CPU_EXIT_SHUTDOWN:
		machine->stop = MACHINE_STOP_SHUTDOWN;
		break;
	case CPU_EXIT_MARK:
	case CPU_EXIT_CLIENT:
		machine->stop = MACHINE_STOP_CPU;
		break;
	}
}

enum machine_stop machine_run(struct machine *machine, uint64_t until)
{
	machine->stop = MACHINE_STOP_NONE;
	for (;;) {
		uint64_t now = cpu_instructions(machine->cpu);

		if (!machine->stop)
			act(machine, now);
		if (!machine->stop && now >= until)
			machine->stop = MACHINE_STOP_LIMIT;
		if (machine->stop)
			break;
		run_cpu(machine, now, until);
	}
	if (machine->stop != MACHINE_STOP_CPU && machine->stop != MACHINE_STOP_QUIT)
		exchange_with_console(machine, 0); /* the last output; input waits for its time */
	return machine->stop;
}
