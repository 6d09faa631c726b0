/*
 * Saving and loading a machine: machine_state.h.
 *
 * What the guest can change of a device is a struct of its own (emu/dev/devices.def): that is what is saved. The wiring (callbacks, lines,
 * clocks) is made anew with the machine.
 */
#include "emu/machine_state.h"

#include <string.h>

#include "emu/engine.h"

/* The state of the devices and of struct machine itself. Memory, the CPU's state and struct rest are apart. */
struct devices {
#define DEVICE(type, name) struct type##_state name;
#include "emu/dev/devices.def"
#undef DEVICE
	struct machine_core core;
};

/* What stands outside of struct machine and the CPU's own state. */
struct rest {
	uint64_t instructions;
	bool interrupt_line;
};

size_t machine_state_size(void)
{
	return sizeof(struct rest) + cpu_packed_size() + sizeof(struct devices);
}

static void get_devices(const struct machine *machine, struct devices *ret)
{
	memset(ret, 0, sizeof(*ret)); /* the paddings, which go into files */
#define DEVICE(type, name) ret->name = machine->name.state;
#include "emu/dev/devices.def"
#undef DEVICE
	ret->core = machine->core;
}

static void set_devices(struct machine *machine, const struct devices *devices)
{
#define DEVICE(type, name) machine->name.state = devices->name;
#include "emu/dev/devices.def"
#undef DEVICE
	machine->core = devices->core;
}

void machine_state_save(const struct machine *machine, uint8_t *to)
{
	struct rest rest = {0};
	struct devices devices;

	rest.instructions = cpu_instructions(machine->cpu);
	rest.interrupt_line = machine->cpu->interrupt_line;
	get_devices(machine, &devices);
	memcpy(to, &rest, sizeof(rest));
	cpu_pack(machine->cpu, to + sizeof(rest));
	memcpy(to + sizeof(rest) + cpu_packed_size(), &devices, sizeof(devices));
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
static bool is_sound(const struct machine *machine, const struct rest *rest, const uint8_t *cpu, const struct devices *devices)
{
	struct machine copy = *machine;

	set_devices(&copy, devices);
	return is_bool(&rest->interrupt_line) && rest->instructions <= LATEST && copy.idle <= rest->instructions &&
	       devices_are_sound(&copy) && cpu_packed_is_sound(cpu);
}

bool machine_state_load(struct machine *machine, const uint8_t *from)
{
	const uint8_t *cpu = from + sizeof(struct rest);
	struct devices devices;
	struct rest rest;

	memcpy(&rest, from, sizeof(rest));
	memcpy(&devices, cpu + cpu_packed_size(), sizeof(devices));
	if (!is_sound(machine, &rest, cpu, &devices))
		return false;
	cpu_unpack(machine->cpu, cpu);
	set_devices(machine, &devices);
	cpu_skip_time(machine->cpu, rest.instructions - cpu_instructions(machine->cpu));
	cpu_set_a20(machine->cpu, machine->a20);
	cpu_set_interrupt_line(machine->cpu, rest.interrupt_line);
	return true;
}
