/* I/O APIC: see ioapic.h. */
#include "emu/dev/ioapic.h"

#include <string.h>

enum { OFFSET_SELECT = 0x00, OFFSET_WINDOW = 0x10, OFFSET_EOI = 0x40 };
enum { REG_ID, REG_VERSION, REG_ARBITRATION, REG_ENTRIES = 0x10 };
enum { VERSION = 0x20 | (IOAPIC_INPUTS - 1) << 16 };
enum { ENTRY_LOGICAL = 1 << 11, ENTRY_REMOTE_IRR = 1 << 14, ENTRY_LEVEL = 1 << 15, ENTRY_MASKED = 1 << 16 };
#define ENTRY_READ_ONLY (ENTRY_REMOTE_IRR | 1ull << 12)
#define ENTRY_WRITABLE (0xff0000000001ffffull & ~ENTRY_READ_ONLY)

static enum delivery_mode mode_of(uint64_t entry)
{
	return entry >> 8 & 7;
}

static void send(struct ioapic *ioapic, unsigned input)
{
	uint64_t entry = ioapic->entry[input];
	struct apic_message message = {
		.vector = entry,
		.mode = mode_of(entry),
		.logical = entry & ENTRY_LOGICAL,
		.level = entry & ENTRY_LEVEL,
		.destination = entry >> 56,
	};

	if (message.mode != DELIVERY_EXTINT)
		ioapic->host.deliver(ioapic->host.opaque, &message);
}

/* Sends a level-triggered request that is asserted, unmasked, and not on its way already. */
static void service_level(struct ioapic *ioapic, unsigned input)
{
	uint64_t *entry = &ioapic->entry[input];

	if (!(*entry & ENTRY_LEVEL) || (*entry & (ENTRY_MASKED | ENTRY_REMOTE_IRR)) || !(ioapic->lines >> input & 1))
		return;
	if (mode_of(*entry) <= DELIVERY_LOWEST_PRIORITY)
		*entry |= ENTRY_REMOTE_IRR;
	send(ioapic, input);
}

void ioapic_set_irq(struct ioapic *ioapic, unsigned input, bool level)
{
	uint32_t bit = 1u << input;
	bool rising = level && !(ioapic->lines & bit);

	ioapic->lines = level ? ioapic->lines | bit : ioapic->lines & ~bit;
	if (ioapic->entry[input] & ENTRY_LEVEL)
		service_level(ioapic, input);
	else if (rising && !(ioapic->entry[input] & ENTRY_MASKED))
		send(ioapic, input);
}

void ioapic_eoi(struct ioapic *ioapic, uint8_t vector)
{
	for (unsigned i = 0; i < IOAPIC_INPUTS; i++) {
		if ((ioapic->entry[i] & ENTRY_LEVEL) && (uint8_t)ioapic->entry[i] == vector) {
			ioapic->entry[i] &= ~(uint64_t)ENTRY_REMOTE_IRR;
			service_level(ioapic, i);
		}
	}
}

bool ioapic_accepts_extint(const struct ioapic *ioapic)
{
	/* The 8259s are wired to input 0. */
	return !(ioapic->entry[0] & ENTRY_MASKED) && mode_of(ioapic->entry[0]) == DELIVERY_EXTINT;
}

static void write_entry(struct ioapic *ioapic, unsigned input, bool high, uint32_t value)
{
	uint64_t *entry = &ioapic->entry[input];
	uint64_t written = high ? (uint32_t)*entry | (uint64_t)value << 32 : (*entry & ~0xffffffffull) | value;

	*entry = (written & ENTRY_WRITABLE) | (*entry & ENTRY_READ_ONLY);
	if (!(*entry & ENTRY_LEVEL)) /* going through edge mode is the old way to reset remote IRR */
		*entry &= ~(uint64_t)ENTRY_REMOTE_IRR;
	service_level(ioapic, input);
	ioapic->host.changed(ioapic->host.opaque);
}

static void write_register(struct ioapic *ioapic, uint32_t value)
{
	unsigned input = (ioapic->index - REG_ENTRIES) >> 1;

	if (ioapic->index == REG_ID)
		ioapic->id = value >> 24 & 15;
	else if (ioapic->index >= REG_ENTRIES && input < IOAPIC_INPUTS)
		write_entry(ioapic, input, ioapic->index & 1, value);
}

static uint32_t read_register(const struct ioapic *ioapic)
{
	unsigned input = (ioapic->index - REG_ENTRIES) >> 1;

	switch (ioapic->index) {
	case REG_ID:
	case REG_ARBITRATION:
		return ioapic->id << 24;
	case REG_VERSION:
		return VERSION;
	}
	if (ioapic->index < REG_ENTRIES || input >= IOAPIC_INPUTS)
		return 0;
	return ioapic->entry[input] >> (ioapic->index & 1 ? 32 : 0);
}

static uint64_t ioapic_mmio_read(void *opaque, uint64_t offset, unsigned size)
{
	const struct ioapic *ioapic = opaque;

	(void)size;
	switch (offset) {
	case OFFSET_SELECT:
		return ioapic->index;
	case OFFSET_WINDOW:
		return read_register(ioapic);
	}
	return 0;
}

static void ioapic_mmio_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
	struct ioapic *ioapic = opaque;

	(void)size;
	switch (offset) {
	case OFFSET_SELECT:
		ioapic->index = value;
		break;
	case OFFSET_WINDOW:
		write_register(ioapic, value);
		break;
	case OFFSET_EOI:
		ioapic_eoi(ioapic, value);
		break;
	}
}

const struct mmio_ops ioapic_mmio_ops = {ioapic_mmio_read, ioapic_mmio_write};

void ioapic_init(struct ioapic *ioapic, const struct ioapic_host *host)
{
	memset(ioapic, 0, sizeof(*ioapic));
	ioapic->host = *host;
	for (unsigned i = 0; i < IOAPIC_INPUTS; i++)
		ioapic->entry[i] = ENTRY_MASKED;
}
