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

void machine_state_load(struct machine *machine, const uint8_t *from)
{
	struct rest rest;

	memcpy(&rest, from, sizeof(rest));
	from += sizeof(rest);
	cpu_unpack(machine->cpu, from);
	from += cpu_packed_size();
	for (unsigned i = 0; i < RANGES; i++) {
		memcpy((uint8_t *)machine + ranges[i].offset, from, ranges[i].size);
		from += ranges[i].size;
	}
	cpu_skip_time(machine->cpu, rest.instructions - cpu_instructions(machine->cpu));
	cpu_set_a20(machine->cpu, machine->a20);
	cpu_set_interrupt_line(machine->cpu, rest.interrupt_line);
}
