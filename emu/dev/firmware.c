/* Interrupt vectors, BIOS data area and MP tables: see firmware.h. */
#include "emu/dev/firmware.h"

#include <stddef.h>
#include <string.h>

#include "emu/cpuid.h"
#include "emu/dev/acpi.h"
#include "emu/dev/checksum.h"
#include "emu/dev/ioapic.h"
#include "emu/dev/lapic.h"

static void put16(uint8_t *at, uint16_t value)
{
	at[0] = value & 0xff;
	at[1] = value >> 8;
}

void firmware_build_vectors(uint8_t vectors[BIOS_VECTORS_SIZE])
{
	for (unsigned i = 0; i < BIOS_VECTORS_SIZE; i += 4) {
		put16(vectors + i, BIOS_DUMMY_HANDLER & 0xffff);
		put16(vectors + i + 2, BIOS_DUMMY_HANDLER >> 4 & 0xf000);
	}
}

/* Offsets are from 400h. */
void firmware_build_data_area(uint8_t area[BIOS_DATA_SIZE])
{
	enum { FPU = 1 << 1, COLOR_80X25 = 2 << 4, ONE_SERIAL_PORT = 1 << 9 };

	memset(area, 0, BIOS_DATA_SIZE);
	put16(area + 0x00, 0x3f8);                               /* ports of COM1 */
	put16(area + 0x10, FPU | COLOR_80X25 | ONE_SERIAL_PORT); /* equipment */
	put16(area + 0x13, 640);                                 /* KiB of base memory */
	put16(area + 0x1a, 0x1e);                                /* keyboard buffer: next character to take, */
	put16(area + 0x1c, 0x1e);                                /* and free place */
	area[0x49] = 3;                                          /* video mode */
	put16(area + 0x4a, 80);                                  /* columns */
	put16(area + 0x4c, 0x1000);                              /* bytes of a screen */
	put16(area + 0x60, 0x0607);                              /* cursor shape */
	put16(area + 0x63, 0x3d4);                               /* port of the CRT controller */
	put16(area + 0x80, 0x1e);                                /* keyboard buffer: start and end */
	put16(area + 0x82, 0x3e);
	area[0x84] = 24; /* rows less one */
	area[0x85] = 16; /* lines of a character */
}

/* -- MP tables (4.1-4.3) -- */

struct __attribute__((packed)) mp_pointer {
	char signature[4];
	uint32_t table;
	uint8_t length, revision, checksum, features[5]; /* all 0: there is a table; virtual wire mode */
};

struct __attribute__((packed)) mp_header {
	char signature[4];
	uint16_t length;
	uint8_t revision, checksum;
	char oem_id[8], product_id[12];
	uint32_t oem_table;
	uint16_t oem_table_size, entries;
	uint32_t lapic;
	uint16_t extended_length;
	uint8_t extended_checksum, reserved;
};

struct __attribute__((packed)) mp_cpu {
	uint8_t type, apic, version, flags;
	uint32_t signature, features, reserved[2];
};

struct __attribute__((packed)) mp_bus {
	uint8_t type, id;
	char name[6];
};

struct __attribute__((packed)) mp_ioapic {
	uint8_t type, id, version, flags;
	uint32_t address;
};

struct __attribute__((packed)) mp_interrupt {
	uint8_t type, kind;
	uint16_t flags;
	uint8_t bus, irq, apic, input;
};

enum { MP_CPU, MP_BUS, MP_IOAPIC, MP_INTERRUPT, MP_LOCAL_INTERRUPT, MP_REVISION = 4 };
enum { CPU_ENABLED = 1, CPU_BOOT = 2, FEATURES_FPU_APIC = 1 << 0 | 1 << 9, IOAPIC_ENABLED = 1 };
enum { KIND_INT, KIND_NMI, KIND_EXTINT = 3, ACTIVE_HIGH_LEVEL = 0xd, ALL_LAPICS = 0xff };
enum { ISA_IRQS = 16, ISA_CASCADE = 2 };

struct __attribute__((packed)) mp_table {
	struct mp_header header;
	struct mp_cpu cpu;
	struct mp_bus bus;
	struct mp_ioapic ioapic;
	struct mp_interrupt extint, isa[ISA_IRQS - 1], lint[2]; /* no IRQ 2 */
};
enum { MP_ENTRIES = 3 + 1 + ISA_IRQS - 1 + 2, AT_TABLE = 0x10 };
_Static_assert(AT_TABLE + sizeof(struct mp_table) <= MP_TABLES_SIZE, "MP tables fit");

void firmware_build_mp_tables(uint8_t area[MP_TABLES_SIZE], uint32_t address)
{
	struct mp_pointer pointer = {{'_', 'M', 'P', '_'}, address + AT_TABLE, 1, MP_REVISION, 0, {0}};
	struct mp_table table = {
		.header = {.signature = {'P', 'C', 'M', 'P'}, .length = sizeof(table), .revision = MP_REVISION, .entries = MP_ENTRIES},
		.cpu = {MP_CPU, 0, 0x14, CPU_ENABLED | CPU_BOOT, CPU_SIGNATURE, FEATURES_FPU_APIC, {0}},
		.bus = {MP_BUS, 0, {'I', 'S', 'A', ' ', ' ', ' '}},
		.ioapic = {MP_IOAPIC, 0, 0x20, IOAPIC_ENABLED, IOAPIC_BASE},
		.extint = {MP_INTERRUPT, KIND_EXTINT, 0, 0, 0, 0, 0},
		.lint = {{MP_LOCAL_INTERRUPT, KIND_EXTINT, 0, 0, 0, ALL_LAPICS, 0}, {MP_LOCAL_INTERRUPT, KIND_NMI, 0, 0, 0, ALL_LAPICS, 1}},
	};
	unsigned count = 0;

	table.header.lapic = LAPIC_DEFAULT_BASE;
	memcpy(table.header.oem_id, "XRAY86  ", sizeof(table.header.oem_id));
	memcpy(table.header.product_id, "PC          ", sizeof(table.header.product_id));
	for (unsigned irq = 0; irq < ISA_IRQS; irq++) {
		if (irq != ISA_CASCADE)
			table.isa[count++] = (struct mp_interrupt){
				MP_INTERRUPT, KIND_INT, irq == ACPI_SCI ? ACTIVE_HIGH_LEVEL : 0, 0, irq, 0, irq == 0 ? 2 : irq};
	}
	table.header.checksum = checksum(&table, sizeof(table));
	pointer.checksum = checksum(&pointer, sizeof(pointer));
	memset(area, 0, MP_TABLES_SIZE);
	memcpy(area, &pointer, sizeof(pointer));
	memcpy(area + AT_TABLE, &table, sizeof(table));
}
