/*
 * Saving and loading a machine: machine_state.h.
 *
 * Devices hold their wiring (callbacks, lines, clocks) first and what the guest can change behind it: the latter, as ranges of struct
 * machine, is what is saved. The wiring is made anew with the machine.
 */
#include "emu/machine_state.h"

#include <string.h>

#include "emu/engine.h"

#define BEHIND(device, type, first)                                                                                                        \
	{                                                                                                                                  \
		offsetof(struct machine, device) + offsetof(struct type, first), sizeof(struct type) - offsetof(struct type, first)        \
	}
#define MEMBER(member)                                                                                                                     \
	{                                                                                                                                  \
		offsetof(struct machine, member), sizeof(((struct machine *)0)->member)                                                    \
	}

static const struct range {
	size_t offset, size;
} ranges[] = {
	BEHIND(uart, uart, fifo),
	BEHIND(pic, pic, chip),
	BEHIND(pit, pit, counter),
	BEHIND(rtc, rtc, index),
	BEHIND(i8042, i8042, config),
	BEHIND(lapic, lapic, base),
	BEHIND(ioapic, ioapic, index),
	BEHIND(acpi_pm, acpi_pm, status),
	BEHIND(control, control_ports, reset_control),
	BEHIND(debug, debug_ports, post_code),
	MEMBER(fw_cfg),
	MEMBER(testdev.latch),
	MEMBER(pic_intr),
	MEMBER(a20),
	MEMBER(next_poll),
	MEMBER(idle),
};

enum { RANGES = sizeof(ranges) / sizeof(ranges[0]) };

/* What stands outside of struct machine and the CPU's own state. */
struct rest {
	uint64_t instructions;
	bool interrupt_line;
};

size_t machine_state_size(void)
{
	size_t size = sizeof(struct rest) + cpu_packed_size();

	for (unsigned i = 0; i < RANGES; i++)
		size += ranges[i].size;
	return size;
}

void machine_state_save(const struct machine *machine, uint8_t *to)
{
	const struct rest rest = {cpu_instructions(machine->cpu), machine->cpu->interrupt_line};

	memcpy(to, &rest, sizeof(rest));
	to += sizeof(rest);
	cpu_pack(machine->cpu, to);
	to += cpu_packed_size();
	for (unsigned i = 0; i < RANGES; i++) {
		memcpy(to, (const uint8_t *)machine + ranges[i].offset, ranges[i].size);
		to += ranges[i].size;
	}
}

static void unpack_devices(struct machine *machine, const uint8_t *from)
{
	for (unsigned i = 0; i < RANGES; i++) {
		memcpy((uint8_t *)machine + ranges[i].offset, from, ranges[i].size);
		from += ranges[i].size;
	}
}

/* Half of all times are left to the future, so that sums with them do not wrap. */
static const uint64_t LATEST = 1ull << 62;

static bool devices_are_sound(const struct machine *machine)
{
	return uart_is_sound(&machine->uart) && pic_is_sound(&machine->pic) && pit_is_sound(&machine->pit) && rtc_is_sound(&machine->rtc) &&
	       i8042_is_sound(&machine->i8042) && lapic_is_sound(&machine->lapic) && is_bool(&machine->debug.posted) &&
	       is_bool(&machine->pic_intr) && is_bool(&machine->a20);
}

/* The wiring of the machine itself stands in the copy, for what is saved of it to be looked at. */
static bool is_sound(const struct machine *machine, const struct rest *rest, const uint8_t *cpu, const uint8_t *devices)
{
	struct machine copy = *machine;

	unpack_devices(&copy, devices);
	return is_bool(&rest->interrupt_line) && rest->instructions <= LATEST && copy.idle <= rest->instructions &&
	       devices_are_sound(&copy) && copy.lapic.maxphyaddr_mask == machine->lapic.maxphyaddr_mask && cpu_packed_is_sound(cpu);
}

bool machine_state_load(struct machine *machine, const uint8_t *from)
{
	const uint8_t *cpu = from + sizeof(struct rest), *devices = cpu + cpu_packed_size();
	struct rest rest;

	memcpy(&rest, from, sizeof(rest));
	if (!is_sound(machine, &rest, cpu, devices))
		return false;
	cpu_unpack(machine->cpu, cpu);
	unpack_devices(machine, devices);
	cpu_skip_time(machine->cpu, rest.instructions - cpu_instructions(machine->cpu));
	cpu_set_a20(machine->cpu, machine->a20);
	cpu_set_interrupt_line(machine->cpu, rest.interrupt_line);
	return true;
}
