/* Boot parameters: see boot_params.h. Names and offsets are zero-page.rst's and boot.rst's. All else of the page stays 0: "not known". */
#include "loader/boot_params.h"

#include <string.h>

enum {
	ACPI_RSDP_ADDR = 0x070,
	EXT_RAMDISK_IMAGE = 0x0c0, /* high halves */
	EXT_RAMDISK_SIZE = 0x0c4,
	E820_ENTRIES = 0x1e8,
	BOOT_FLAG = 0x1fe,
	HEADER = 0x202,
	VERSION = 0x206,
	TYPE_OF_LOADER = 0x210,
	LOADFLAGS = 0x211,
	RAMDISK_IMAGE = 0x218,
	RAMDISK_SIZE = 0x21c,
	CMD_LINE_PTR = 0x228,
	E820_TABLE = 0x2d0,
};
enum { LOADED_HIGH = 1 << 0, LOADER_UNKNOWN = 0xff, BOOT_SIGNATURE = 0xaa55, VERSION_CURRENT = 0x20f };

struct __attribute__((packed)) e820_entry {
	uint64_t addr, size;
	uint32_t type; /* as MEMORY_* of machine.h */
};

static void put16(uint8_t *to, uint16_t value)
{
	memcpy(to, &value, sizeof(value));
}

static void put32(uint8_t *to, uint32_t value)
{
	memcpy(to, &value, sizeof(value));
}

static void put64(uint8_t *to, uint64_t value)
{
	memcpy(to, &value, sizeof(value));
}

/* The kernel's own header comes back to it; one without gets the parts that kernels look at. */
static void put_header(uint8_t *page, const struct kernel_setup *setup)
{
	static const uint8_t magic[] = {'H', 'd', 'r', 'S'};

	if (setup->version) {
		memcpy(page + SETUP_HEADER_AT, setup->bytes, setup->size);
	} else {
		put16(page + BOOT_FLAG, BOOT_SIGNATURE);
		memcpy(page + HEADER, magic, sizeof(magic));
		put16(page + VERSION, VERSION_CURRENT);
	}
	page[TYPE_OF_LOADER] = LOADER_UNKNOWN; /* 0 would mean that there is no initrd */
	page[LOADFLAGS] = LOADED_HIGH;         /* KASLR_FLAG is off: the kernel shall not randomise the rest of its layout either */
}

static void put_memory_map(uint8_t *page, const struct machine *machine)
{
	struct memory_range range[MACHINE_MEMORY_RANGES];
	unsigned count = machine_memory_map(machine, range);

	page[E820_ENTRIES] = count;
	for (unsigned i = 0; i < count; i++) {
		struct e820_entry entry = {range[i].start, range[i].size, range[i].type};

		memcpy(page + E820_TABLE + i * sizeof(entry), &entry, sizeof(entry));
	}
}

void boot_params_build(uint8_t page[BOOT_PARAMS_SIZE], const struct machine *machine, const struct kernel_setup *setup,
		       const struct boot_values *values)
{
	memset(page, 0, BOOT_PARAMS_SIZE);
	put_header(page, setup);
	put_memory_map(page, machine);
	put64(page + ACPI_RSDP_ADDR, machine->acpi_rsdp);
	put32(page + RAMDISK_IMAGE, values->initrd);
	put32(page + RAMDISK_SIZE, values->initrd_size);
	put32(page + EXT_RAMDISK_IMAGE, values->initrd >> 32);
	put32(page + EXT_RAMDISK_SIZE, values->initrd_size >> 32);
	put32(page + CMD_LINE_PTR, values->command_line);
}
