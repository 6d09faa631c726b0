/*
 * ACPI (specification 6.4): the fixed hardware of a minimal PC, and the tables that describe the machine.
 *
 * Ports 600h-60Bh: PM1a event block (4.8.3.1), PM1a control (4.8.3.2; any SLP_EN powers off, as there is no other sleeping state), PM timer
 * (4.8.3.3; 32 bits at 3.579545 MHz). ACPI mode is always on; there is no SMI. The SCI is IRQ 9, level-triggered.
 */
#ifndef XRAY86_EMU_DEV_ACPI_H
#define XRAY86_EMU_DEV_ACPI_H

#include "emu/dev/device.h"

enum { ACPI_PORT = 0x600, ACPI_PORTS = 12, ACPI_SCI = 9, PM_TIMER_HZ = 3579545 };

/* What the guest can change. */
struct acpi_pm_state {
	uint16_t status, enable, control;
	uint64_t seen; /* status has the timer carries up to this time */
};

struct acpi_pm {
	struct guest_clock clock;
	struct irq_line sci;
	const struct system_control *system;
	EMBED(acpi_pm_state, state);
};

extern const struct port_ops acpi_port_ops; /* not wide */

void acpi_pm_init(struct acpi_pm *pm, struct guest_clock clock, struct irq_line sci, const struct system_control *system);
uint64_t acpi_pm_next_event(const struct acpi_pm *pm, uint64_t now);
void acpi_pm_run(struct acpi_pm *pm, uint64_t now);

/*
 * Writes RSDP, RSDT, XSDT, FADT, FACS, DSDT and MADT for this machine into `area`, of ACPI_TABLES_SIZE bytes. The guest sees them at
 * physical `address`, which is 16-byte aligned and below 4 GiB.
 */
enum { ACPI_TABLES_SIZE = 4096 };
void acpi_build_tables(uint8_t *area, uint32_t address);

#endif
