/*
 * The wiring of the PC: which device answers which ports, where interrupt lines go, what acts on the whole machine. See machine.h and
 * docs/devices.md.
 */
#include "emu/machine.h"

#include <string.h>

static uint64_t machine_now(void *opaque)
{
	const struct machine *machine = opaque;

	return cpu_instructions(machine->cpu);
}

/* -- events -- */

uint64_t machine_next_device_event(const struct machine *machine, uint64_t now)
{
	const uint64_t event[] = {
		pit_next_event(&machine->pit, now),
		rtc_next_event(&machine->rtc, now),
		lapic_next_event(&machine->lapic, now),
		acpi_pm_next_event(&machine->acpi_pm, now),
	};
	uint64_t next = NO_EVENT;

	for (unsigned i = 0; i < sizeof(event) / sizeof(event[0]); i++)
		next = event[i] < next ? event[i] : next;
	return next > now ? next : now + 1;
}

void machine_run_devices(struct machine *machine, uint64_t now)
{
	pit_run(&machine->pit, now);
	rtc_run(&machine->rtc, now);
	lapic_run(&machine->lapic, now);
	acpi_pm_run(&machine->acpi_pm, now);
}

/* After anything that may have made an event come sooner: the CPU must not run past it. */
static void reschedule(struct machine *machine)
{
	if (machine_next_device_event(machine, cpu_instructions(machine->cpu)) < machine->run_until)
		cpu_request_exit(machine->cpu, CPU_EXIT_REQUEST);
}

/* -- interrupts -- */

static bool extint_pending(const struct machine *machine)
{
	return machine->pic_intr && (lapic_accepts_extint(&machine->lapic) || ioapic_accepts_extint(&machine->ioapic));
}

static void update_interrupt_line(struct machine *machine)
{
	bool level = lapic_pending(&machine->lapic) >= 0 || extint_pending(machine);

	if (level != machine->cpu->interrupt_line)
		cpu_set_interrupt_line(machine->cpu, level);
}

static void pic_output_changed(void *opaque, unsigned line, bool level)
{
	struct machine *machine = opaque;

	(void)line;
	machine->pic_intr = level;
	lapic_set_lint(&machine->lapic, 0, level);
	update_interrupt_line(machine);
}

/*
 * An ISA interrupt line goes to both controllers; the PIT's is input 2 of the I/O APIC (an override in the MADT says so). Lines above the
 * 8259s' 16 end at the I/O APIC.
 */
static void isa_irq(void *opaque, unsigned irq, bool level)
{
	struct machine *machine = opaque;

	if (irq < 16)
		pic_set_irq(&machine->pic, irq, level);
	ioapic_set_irq(&machine->ioapic, irq == 0 ? 2 : irq, level);
}

static struct irq_line irq_line(struct machine *machine, unsigned irq)
{
	return (struct irq_line){isa_irq, machine, irq};
}

static uint8_t acknowledge_interrupt(void *opaque)
{
	struct machine *machine = opaque;

	if (lapic_pending(&machine->lapic) >= 0 || !extint_pending(machine))
		return lapic_acknowledge(&machine->lapic);
	return pic_acknowledge(&machine->pic);
}

static void apic_changed(void *opaque)
{
	struct machine *machine = opaque;

	update_interrupt_line(machine);
	reschedule(machine);
}

static void apic_nmi(void *opaque)
{
	struct machine *machine = opaque;

	cpu_raise_nmi(machine->cpu);
}

static void apic_eoi(void *opaque, uint8_t vector)
{
	struct machine *machine = opaque;

	ioapic_eoi(&machine->ioapic, vector);
}

/* Where the guest puts it over RAM it is not mapped at all (real hardware would hide the RAM). */
static void apic_moved(void *opaque, uint64_t base, bool mapped)
{
	struct machine *machine = opaque;
	struct error *err;

	if (machine->lapic_at == (mapped ? base : NO_EVENT))
		return;
	if (machine->lapic_at != NO_EVENT)
		physmem_remove(&machine->mem, machine->lapic_at);
	machine->lapic_at = NO_EVENT;
	if (mapped) {
		err = physmem_add_mmio(&machine->mem, base, LAPIC_SIZE, &lapic_mmio_ops, &machine->lapic);
		if (!err)
			machine->lapic_at = base;
		error_destroy(err);
	}
	cpu_flush_tlb(machine->cpu);
}

static uint64_t apic_tsc(void *opaque)
{
	const struct machine *machine = opaque;

	return cpu_instructions(machine->cpu) + machine->cpu->tsc_offset;
}

static void ioapic_deliver(void *opaque, const struct apic_message *message)
{
	struct machine *machine = opaque;

	lapic_message(&machine->lapic, message);
}

/* -- the whole machine -- */

static void request_stop(struct machine *machine, enum machine_stop why)
{
	if (!machine->stop)
		machine->stop = why;
	cpu_request_exit(machine->cpu, CPU_EXIT_REQUEST);
}

static void system_reset(void *opaque)
{
	request_stop(opaque, MACHINE_STOP_RESET);
}

static void system_power_off(void *opaque)
{
	request_stop(opaque, MACHINE_STOP_POWER_OFF);
}

static void system_debug_exit(void *opaque, uint32_t code)
{
	struct machine *machine = opaque;

	if (!machine->stop)
		machine->exit_code = code;
	request_stop(machine, MACHINE_STOP_DEBUG_EXIT);
}

static void system_set_a20(void *opaque, bool enabled)
{
	struct machine *machine = opaque;

	if (enabled == machine->a20)
		return;
	machine->a20 = enabled;
	cpu_set_a20(machine->cpu, enabled);
}

static bool system_get_a20(void *opaque)
{
	return ((const struct machine *)opaque)->a20;
}

/* -- ports -- */

/* Nothing answers elsewhere: all-ones, writes ignored. So does PCI configuration (CF8h-CFFh): there is no PCI. */
static const struct port_range *find_port(const struct machine *machine, uint16_t port)
{
	for (unsigned i = 0; i < machine->port_ranges; i++) {
		const struct port_range *range = &machine->port[i];

		if ((uint16_t)(port - range->first) < range->count)
			return range;
	}
	return NULL;
}

static uint32_t port_read(void *opaque, uint16_t port, unsigned size)
{
	struct machine *machine = opaque;
	const struct port_range *range = find_port(machine, port);
	uint32_t value = 0;

	if (!range)
		return UINT32_MAX;
	if (range->wide || size == 1)
		return range->ops->read(range->opaque, port, size);
	for (unsigned i = 0; i < size; i++) {
		range = find_port(machine, port + i);
		value |= (range ? range->ops->read(range->opaque, port + i, 1) & 0xff : 0xff) << 8 * i;
	}
	return value;
}

static void port_write(void *opaque, uint16_t port, uint32_t value, unsigned size)
{
	struct machine *machine = opaque;
	const struct port_range *range = find_port(machine, port);

	if (!range)
		return;
	if (range->wide || size == 1) {
		range->ops->write(range->opaque, port, value, size);
	} else {
		for (unsigned i = 0; i < size; i++) {
			range = find_port(machine, port + i);
			if (range)
				range->ops->write(range->opaque, port + i, value >> 8 * i & 0xff, 1);
		}
	}
	reschedule(machine);
}

static void add_ports(struct machine *machine, uint16_t first, uint16_t count, bool wide, const struct port_ops *ops, void *opaque)
{
	machine->port[machine->port_ranges++] = (struct port_range){first, count, wide, ops, opaque};
}

static void connect_ports(struct machine *machine)
{
	add_ports(machine, 0x3f8, 8, false, &uart_port_ops, &machine->uart); /* the busiest ones first */
	add_ports(machine, 0x20, 2, false, &pic_port_ops, &machine->pic);
	add_ports(machine, 0xa0, 2, false, &pic_port_ops, &machine->pic);
	add_ports(machine, 0x40, 4, false, &pit_port_ops, &machine->pit);
	add_ports(machine, 0x61, 1, false, &port61_port_ops, &machine->pit);
	add_ports(machine, 0x70, 2, false, &rtc_port_ops, &machine->rtc);
	add_ports(machine, ACPI_PORT, ACPI_PORTS, false, &acpi_port_ops, &machine->acpi_pm);
	add_ports(machine, 0x4d0, 2, false, &pic_port_ops, &machine->pic);
	add_ports(machine, 0x60, 1, false, &i8042_port_ops, &machine->i8042);
	add_ports(machine, 0x64, 1, false, &i8042_port_ops, &machine->i8042);
	add_ports(machine, PORT_POST, 1, false, &post_port_ops, &machine->debug);
	add_ports(machine, PORT_POST_PS1, 1, false, &post_port_ops, &machine->debug);
	add_ports(machine, 0x92, 1, false, &port92_port_ops, &machine->control);
	add_ports(machine, PORT_DEBUG_CONSOLE, 1, false, &debug_console_port_ops, &machine->debug);
	add_ports(machine, PORT_TEST_OUTPUT, 1, false, &debug_console_port_ops, &machine->debug);
	add_ports(machine, PORT_FIRMWARE_LOG, 1, false, &debug_console_port_ops, &machine->debug);
	add_ports(machine, PORT_DEBUG_EXIT, 1, true, &debug_exit_port_ops, &machine->debug);
	add_ports(machine, 0xcf9, 1, false, &portcf9_port_ops, &machine->control);
	add_ports(machine, 0x510, 2, true, &fw_cfg_port_ops, &machine->fw_cfg);
	add_ports(machine, PORT_HYPERCALL, 1, true, &hypercall_port_ops, &machine->hypercall);
	add_ports(machine, TESTDEV_LATCH, 8, false, &testdev_latch_ops, &machine->testdev);
	add_ports(machine, TESTDEV_LINES, TESTDEV_LINE_COUNT, false, &testdev_line_ops, &machine->testdev);
}

/* -- the CPU's view -- */

static bool msr_read(void *opaque, uint32_t index, uint64_t *ret)
{
	struct machine *machine = opaque;

	return lapic_owns_msr(index) && lapic_msr_read(&machine->lapic, index, ret);
}

static bool msr_write(void *opaque, uint32_t index, uint64_t value)
{
	struct machine *machine = opaque;

	return lapic_owns_msr(index) && lapic_msr_write(&machine->lapic, index, value);
}

static uint64_t tpr_read(void *opaque)
{
	return lapic_get_cr8(&((const struct machine *)opaque)->lapic);
}

static void tpr_write(void *opaque, uint64_t cr8)
{
	lapic_set_cr8(&((struct machine *)opaque)->lapic, cr8);
}

void machine_bus_describe(struct machine *machine, struct cpu_bus *ret)
{
	*ret = (struct cpu_bus){
		.opaque = machine,
		.port_read = port_read,
		.port_write = port_write,
		.interrupt_acknowledge = acknowledge_interrupt,
		.msr_read = msr_read,
		.msr_write = msr_write,
		.tpr_read = tpr_read,
		.tpr_write = tpr_write,
	};
}

/* -- assembly -- */

static void init_apics(struct machine *machine, struct guest_clock clock)
{
	const struct lapic_host lapic_host = {
		.opaque = machine,
		.changed = apic_changed,
		.nmi = apic_nmi,
		.eoi = apic_eoi,
		.moved = apic_moved,
		.tsc = apic_tsc,
	};
	const struct ioapic_host ioapic_host = {.opaque = machine, .deliver = ioapic_deliver, .changed = apic_changed};

	lapic_init(&machine->lapic, clock, &lapic_host, machine->cpu->paging.maxphyaddr);
	ioapic_init(&machine->ioapic, &ioapic_host);
}

static struct error *map_apics(struct machine *machine)
{
	struct error *err = physmem_add_mmio(&machine->mem, LAPIC_DEFAULT_BASE, LAPIC_SIZE, &lapic_mmio_ops, &machine->lapic);

	if (err)
		return err;
	machine->lapic_at = LAPIC_DEFAULT_BASE;
	return physmem_add_mmio(&machine->mem, IOAPIC_BASE, IOAPIC_SIZE, &ioapic_mmio_ops, &machine->ioapic);
}

struct error *machine_bus_init(struct machine *machine, const struct machine_config *config)
{
	const struct guest_clock clock = {machine_now, machine};
	const uint64_t above_4g = machine->high_end - (1ull << 32);

	machine->a20 = true;
	machine->system = (struct system_control){
		.opaque = machine,
		.reset = system_reset,
		.power_off = system_power_off,
		.debug_exit = system_debug_exit,
		.set_a20 = system_set_a20,
		.get_a20 = system_get_a20,
	};
	init_apics(machine, clock);
	pic_init(&machine->pic, (struct irq_line){pic_output_changed, machine, 0});
	pit_init(&machine->pit, clock, irq_line(machine, 0));
	uart_init(&machine->uart, irq_line(machine, 4), config->console);
	machine->uart.handshake = config->console_handshake;
	rtc_init(&machine->rtc, clock, irq_line(machine, 8), config->epoch, machine->low_end, above_4g);
	i8042_init(&machine->i8042, irq_line(machine, 1), irq_line(machine, 12), &machine->system);
	acpi_pm_init(&machine->acpi_pm, clock, irq_line(machine, ACPI_SCI), &machine->system);
	fw_cfg_init(&machine->fw_cfg, machine->low_end + above_4g);
	testdev_init(&machine->testdev, irq_line(machine, 0));
	machine->control = (struct control_ports){.system = &machine->system};
	machine->debug = (struct debug_ports){.console = config->console, .system = &machine->system};
	connect_ports(machine);
	return map_apics(machine);
}
