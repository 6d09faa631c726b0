/*
 * The ACPI tables (specification 6.4, chapter 5.2): what a guest must know of this machine and cannot find by probing: the APICs, the
 * timer, how to power off. Everything else (UART, PIT, RTC) is at its traditional place.
 */
#include "emu/dev/acpi.h"

#include <string.h>

#include "emu/dev/checksum.h"
#include "emu/dev/ioapic.h"
#include "emu/dev/lapic.h"

/* Places within the area. */
enum { AT_RSDP = 0, AT_RSDT = 0x40, AT_XSDT = 0x80, AT_FACS = 0x100, AT_FADT = 0x140, AT_MADT = 0x280, AT_DSDT = 0x340 };

struct __attribute__((packed)) header {
	char signature[4];
	uint32_t length;
	uint8_t revision, checksum;
	char oem_id[6], oem_table_id[8];
	uint32_t oem_revision;
	char creator_id[4];
	uint32_t creator_revision;
};

struct __attribute__((packed)) generic_address {
	uint8_t space, bits, offset, access;
	uint64_t address;
};
enum { SPACE_IO = 1 };

struct __attribute__((packed)) rsdp {
	char signature[8];
	uint8_t checksum;
	char oem_id[6];
	uint8_t revision;
	uint32_t rsdt, length;
	uint64_t xsdt;
	uint8_t extended_checksum, reserved[3];
};

struct __attribute__((packed)) rsdt {
	struct header header;
	uint32_t entry[2];
};

struct __attribute__((packed)) xsdt {
	struct header header;
	uint64_t entry[2];
};

struct __attribute__((packed)) facs {
	char signature[4];
	uint32_t length, hardware_signature, waking_vector, global_lock, flags;
	uint64_t x_waking_vector;
	uint8_t version, reserved[31];
};

struct __attribute__((packed)) fadt {
	struct header header;
	uint32_t facs, dsdt;
	uint8_t reserved1, preferred_profile;
	uint16_t sci;
	uint32_t smi_command;
	uint8_t acpi_enable, acpi_disable, s4bios, pstate_control;
	uint32_t pm1a_event, pm1b_event, pm1a_control, pm1b_control, pm2_control, pm_timer, gpe0, gpe1;
	uint8_t pm1_event_length, pm1_control_length, pm2_control_length, pm_timer_length, gpe0_length, gpe1_length, gpe1_base, cst_control;
	uint16_t c2_latency, c3_latency, flush_size, flush_stride;
	uint8_t duty_offset, duty_width, day_alarm, month_alarm, century;
	uint16_t boot_flags;
	uint8_t reserved2;
	uint32_t flags;
	struct generic_address reset_register;
	uint8_t reset_value;
	uint16_t arm_boot_flags;
	uint8_t minor_version;
	uint64_t x_facs, x_dsdt;
	struct generic_address x_pm1a_event, x_pm1b_event, x_pm1a_control, x_pm1b_control, x_pm2_control, x_pm_timer, x_gpe0, x_gpe1;
};
_Static_assert(sizeof(struct fadt) == 244, "FADT of ACPI 4");

enum { BOOT_LEGACY_DEVICES = 1, BOOT_8042 = 2, BOOT_NO_VGA = 4, BOOT_NO_MSI = 8, BOOT_NO_ASPM = 16 };
enum {
	FADT_WBINVD = 1 << 0,
	FADT_PROC_C1 = 1 << 2,
	FADT_NO_POWER_BUTTON = 1 << 4,
	FADT_NO_SLEEP_BUTTON = 1 << 5,
	FADT_TIMER_32 = 1 << 8,
	FADT_RESET_REGISTER = 1 << 10,
};

struct __attribute__((packed)) madt {
	struct header header;
	uint32_t lapic;
	uint32_t flags;
	struct __attribute__((packed)) {
		uint8_t type, length, processor, apic;
		uint32_t flags;
	} cpu;
	struct __attribute__((packed)) {
		uint8_t type, length, id, reserved;
		uint32_t address, first_gsi;
	} ioapic;
	struct __attribute__((packed)) {
		uint8_t type, length, bus, irq;
		uint32_t gsi;
		uint16_t flags;
	} override[2];
	struct __attribute__((packed)) {
		uint8_t type, length, processor;
		uint16_t flags;
		uint8_t lint;
	} nmi;
};
enum { MADT_CPU, MADT_IOAPIC, MADT_OVERRIDE, MADT_LAPIC_NMI = 4, MADT_PCAT_COMPAT = 1, MADT_ACTIVE_HIGH_LEVEL = 0xd };

/* DSDT: Name (_S5, Package (4) {5, 5, 0, 0}): how to power off (7.4.2). */
static const uint8_t dsdt_code[] = {0x08, '_', 'S', '5', '_', 0x12, 0x08, 0x04, 0x0a, 0x05, 0x0a, 0x05, 0x00, 0x00};

/* Completes the table whose contents stand behind its header. */
static void finish(void *table, const char *signature, uint8_t revision, size_t size)
{
	struct header *header = table;

	memcpy(header->signature, signature, sizeof(header->signature));
	header->length = size;
	header->revision = revision;
	memcpy(header->oem_id, "XRAY86", sizeof(header->oem_id));
	memcpy(header->oem_table_id, "XRAY86PC", sizeof(header->oem_table_id));
	header->oem_revision = 1;
	memcpy(header->creator_id, "XR86", sizeof(header->creator_id));
	header->creator_revision = 1;
	header->checksum = 0;
	header->checksum = checksum(table, size);
}

static struct generic_address io(uint16_t port, uint8_t bytes)
{
	return (struct generic_address){.space = SPACE_IO, .bits = 8 * bytes, .access = bytes == 4 ? 3 : bytes, .address = port};
}

static void build_fadt(uint8_t *area, uint32_t address)
{
	struct fadt fadt = {
		.facs = address + AT_FACS,
		.dsdt = address + AT_DSDT,
		.x_dsdt = address + AT_DSDT,
		.sci = ACPI_SCI,
		.pm1a_event = ACPI_PORT,
		.pm1a_control = ACPI_PORT + 4,
		.pm_timer = ACPI_PORT + 8,
		.pm1_event_length = 4,
		.pm1_control_length = 2,
		.pm_timer_length = 4,
		.c2_latency = 0xffff, /* not there */
		.c3_latency = 0xffff,
		.century = 0x32,
		.boot_flags = BOOT_LEGACY_DEVICES | BOOT_8042 | BOOT_NO_VGA | BOOT_NO_MSI | BOOT_NO_ASPM,
		.flags = FADT_WBINVD | FADT_PROC_C1 | FADT_NO_POWER_BUTTON | FADT_NO_SLEEP_BUTTON | FADT_TIMER_32 | FADT_RESET_REGISTER,
		.reset_register = io(0xcf9, 1),
		.reset_value = 6,
		.x_pm1a_event = io(ACPI_PORT, 4),
		.x_pm1a_control = io(ACPI_PORT + 4, 2),
		.x_pm_timer = io(ACPI_PORT + 8, 4),
	};

	finish(&fadt, "FACP", 4, sizeof(fadt));
	memcpy(area + AT_FADT, &fadt, sizeof(fadt));
}

static void build_madt(uint8_t *area)
{
	struct madt madt = {
		.lapic = LAPIC_DEFAULT_BASE,
		.flags = MADT_PCAT_COMPAT,
		.cpu = {MADT_CPU, sizeof(madt.cpu), 0, 0, 1},
		.ioapic = {MADT_IOAPIC, sizeof(madt.ioapic), 0, 0, IOAPIC_BASE, 0},
		.override = {{MADT_OVERRIDE, sizeof(madt.override[0]), 0, 0, 2, 0},
			     {MADT_OVERRIDE, sizeof(madt.override[1]), 0, ACPI_SCI, ACPI_SCI, MADT_ACTIVE_HIGH_LEVEL}},
		.nmi = {MADT_LAPIC_NMI, sizeof(madt.nmi), 0xff, 0, 1},
	};

	finish(&madt, "APIC", 3, sizeof(madt));
	memcpy(area + AT_MADT, &madt, sizeof(madt));
}

static void build_roots(uint8_t *area, uint32_t address)
{
	struct rsdp rsdp = {.revision = 2, .rsdt = address + AT_RSDT, .length = sizeof(rsdp), .xsdt = address + AT_XSDT};
	struct rsdt rsdt = {.entry = {address + AT_FADT, address + AT_MADT}};
	struct xsdt xsdt = {.entry = {address + AT_FADT, address + AT_MADT}};

	finish(&rsdt, "RSDT", 1, sizeof(rsdt));
	finish(&xsdt, "XSDT", 1, sizeof(xsdt));
	memcpy(rsdp.signature, "RSD PTR ", sizeof(rsdp.signature));
	memcpy(rsdp.oem_id, "XRAY86", sizeof(rsdp.oem_id));
	rsdp.checksum = checksum(&rsdp, 20); /* the part that ACPI 1.0 knows */
	rsdp.extended_checksum = checksum(&rsdp, sizeof(rsdp));
	memcpy(area + AT_RSDP, &rsdp, sizeof(rsdp));
	memcpy(area + AT_RSDT, &rsdt, sizeof(rsdt));
	memcpy(area + AT_XSDT, &xsdt, sizeof(xsdt));
}

void acpi_build_tables(uint8_t *area, uint32_t address)
{
	struct facs facs = {.signature = {'F', 'A', 'C', 'S'}, .length = sizeof(facs), .version = 2};
	struct __attribute__((packed)) {
		struct header header;
		uint8_t code[sizeof(dsdt_code)];
	} dsdt;

	memset(area, 0, ACPI_TABLES_SIZE);
	memcpy(dsdt.code, dsdt_code, sizeof(dsdt_code));
	finish(&dsdt, "DSDT", 2, sizeof(dsdt));
	memcpy(area + AT_DSDT, &dsdt, sizeof(dsdt));
	memcpy(area + AT_FACS, &facs, sizeof(facs));
	build_fadt(area, address);
	build_madt(area);
	build_roots(area, address);
}
