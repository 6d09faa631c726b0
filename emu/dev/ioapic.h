/*
 * The I/O APIC (82093AA datasheet, section 3; version 20h, which has the EOI register): 24 inputs, MMIO at FEC00000h.
 *
 * Inputs are logical: asserted or not. The polarity bit of an entry is kept and has no effect. An edge that comes while its entry is masked
 * is lost, as on the chip.
 */
#ifndef XRAY86_EMU_DEV_IOAPIC_H
#define XRAY86_EMU_DEV_IOAPIC_H

#include "emu/dev/device.h"
#include "emu/dev/lapic.h"

#define IOAPIC_BASE 0xfec00000u
enum { IOAPIC_SIZE = 0x1000, IOAPIC_INPUTS = 24 };

struct ioapic_host {
	void *opaque;
	void (*deliver)(void *opaque, const struct apic_message *message);
	void (*changed)(void *opaque); /* ioapic_accepts_extint() may give something else now */
};

/* What the guest can change. */
struct ioapic_state {
	uint8_t index;
	uint8_t id;
	uint32_t lines; /* levels of the inputs */
	uint64_t entry[IOAPIC_INPUTS];
};

struct ioapic {
	struct ioapic_host host;
	EMBED(ioapic_state, state);
};

extern const struct mmio_ops ioapic_mmio_ops;

void ioapic_init(struct ioapic *ioapic, const struct ioapic_host *host);
void ioapic_set_irq(struct ioapic *ioapic, unsigned input, bool level);
/* The local APIC ended a level-triggered interrupt. */
void ioapic_eoi(struct ioapic *ioapic, uint8_t vector);
/* Whether some unmasked entry is set to ExtINT: then the 8259s reach the core this way. */
bool ioapic_accepts_extint(const struct ioapic *ioapic);

#endif
