/* ACPI fixed hardware: see acpi.h. */
#include "emu/dev/acpi.h"

#include <string.h>

enum { STATUS = 0, ENABLE = 2, CONTROL = 4, TIMER = 8 }; /* offsets from ACPI_PORT */
enum {
	TMR = 1,
	STATUS_CLEARABLE = 0xcf31,
	ENABLE_WRITABLE = 0x4721,
	CONTROL_SCI_EN = 1,
	CONTROL_WRITABLE = 0x1c06,
	CONTROL_SLP_EN = 1 << 13
};
enum { CARRY_SHIFT = 31 }; /* TMR_STS is set when the counter's top bit changes */

static void update_irq(struct acpi_pm *pm)
{
	irq_set(&pm->sci, pm->status & pm->enable);
}

void acpi_pm_run(struct acpi_pm *pm, uint64_t now)
{
	if (clock_ticks(pm->seen, PM_TIMER_HZ) >> CARRY_SHIFT != clock_ticks(now, PM_TIMER_HZ) >> CARRY_SHIFT)
		pm->status |= TMR;
	pm->seen = now;
	update_irq(pm);
}

uint64_t acpi_pm_next_event(const struct acpi_pm *pm, uint64_t now)
{
	if (!(pm->enable & TMR))
		return NO_EVENT;
	return clock_time(((clock_ticks(now, PM_TIMER_HZ) >> CARRY_SHIFT) + 1) << CARRY_SHIFT, PM_TIMER_HZ);
}

static uint16_t with_byte(uint16_t value, unsigned byte, uint8_t new)
{
	return (value & ~(0xff << 8 * byte)) | new << 8 * byte;
}

static void acpi_write(void *opaque, uint16_t port, uint32_t value, unsigned size)
{
	struct acpi_pm *pm = opaque;
	unsigned offset = port - ACPI_PORT, byte = offset & 1;

	(void)size;
	acpi_pm_run(pm, guest_now(&pm->clock));
	switch (offset & ~1u) {
	case STATUS: /* ones clear */
		pm->status &= ~(value << 8 * byte & STATUS_CLEARABLE);
		break;
	case ENABLE:
		pm->enable = with_byte(pm->enable, byte, value) & ENABLE_WRITABLE;
		break;
	case CONTROL:
		pm->control = (with_byte(pm->control, byte, value) & CONTROL_WRITABLE) | CONTROL_SCI_EN;
		if (value << 8 * byte & CONTROL_SLP_EN)
			pm->system->power_off(pm->system->opaque);
		break;
	}
	update_irq(pm);
}

static uint32_t acpi_read(void *opaque, uint16_t port, unsigned size)
{
	struct acpi_pm *pm = opaque;
	unsigned offset = port - ACPI_PORT, shift = 8 * (offset & 1);
	uint64_t now = guest_now(&pm->clock);

	(void)size;
	acpi_pm_run(pm, now);
	switch (offset & ~1u) {
	case STATUS:
		return pm->status >> shift & 0xff;
	case ENABLE:
		return pm->enable >> shift & 0xff;
	case CONTROL:
		return pm->control >> shift & 0xff;
	case TIMER:
	case TIMER + 2:
		return clock_ticks(now, PM_TIMER_HZ) >> 8 * (offset - TIMER) & 0xff;
	}
	return 0;
}

const struct port_ops acpi_port_ops = {acpi_read, acpi_write};

void acpi_pm_init(struct acpi_pm *pm, struct guest_clock clock, struct irq_line sci, const struct system_control *system)
{
	memset(pm, 0, sizeof(*pm));
	pm->clock = clock;
	pm->sci = sci;
	pm->system = system;
	pm->control = CONTROL_SCI_EN;
}
