/*
 * Multiboot: from a parsed image to a machine that is about to execute its first instruction (specification 0.6.96, 3.2 "Machine
 * state" and 3.3 "Boot information format").
 *
 * Memory: segments at their addresses, modules behind the highest of them, each on a page boundary. The boot information, with the strings
 * and the memory map, is one piece at 9000h, or behind the modules if a segment lies there. A GDT that fits the segment registers goes with
 * it: the specification lets GDTR be invalid, but kernels that reload a segment register before they have a table of their own do run
 * elsewhere.
 */
#include "loader/multiboot.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "emu/machine.h"
#include "util/align.h"

#define BOOTLOADER_MAGIC 0x2badb002u
#define LOADER_NAME "xray86"
enum { INFO_PLACE = 0x9000, INFO_END = 0x9fc00, ONE_MIB = 1 << 20 };
enum { INFO_MEMORY = 1 << 0, INFO_COMMAND_LINE = 1 << 2, INFO_MODULES = 1 << 3, INFO_MEMORY_MAP = 1 << 6, INFO_LOADER_NAME = 1 << 9 };

struct info {
	uint32_t flags;
	uint32_t mem_lower, mem_upper; /* KiB */
	uint32_t boot_device;
	uint32_t cmdline;
	uint32_t mods_count, mods_addr;
	uint32_t syms[4];
	uint32_t mmap_length, mmap_addr;
	uint32_t drives_length, drives_addr;
	uint32_t config_table;
	uint32_t boot_loader_name;
	uint32_t rest[12]; /* APM, VBE, framebuffer: none */
};

struct module_entry {
	uint32_t start, end, string, reserved;
};

struct __attribute__((packed)) map_entry {
	uint32_t size; /* of the rest */
	uint64_t start, length;
	uint32_t type;
};

/* -- what is where -- */

static struct error *load_segments(struct machine *machine, const uint8_t *data, const struct multiboot_image *image, uint64_t *ret_end)
{
	*ret_end = ONE_MIB;
	for (unsigned i = 0; i < image->count; i++) {
		const struct multiboot_segment *segment = &image->segment[i];
		uint64_t end = segment->paddr + segment->memory_size;

		if (!machine_memory_available(machine, segment->paddr, segment->memory_size))
			return error_create("segment at %#" PRIx64 " to %#" PRIx64 " is not in RAM (which ends at %#" PRIx64
					    ", with a hole at 0xa0000-0xfffff): give more with --memory",
					    segment->paddr, end - 1, machine->low_end);
		if (segment->file_size)
			physmem_copy_in(&machine->mem, segment->paddr, data + segment->offset, segment->file_size);
		*ret_end = end > *ret_end ? end : *ret_end;
	}
	return NULL;
}

/* Places modules from *end on, and moves *end. entry[i].string stays open. */
static struct error *load_modules(struct machine *machine, const struct multiboot_boot *boot, struct module_entry *entry, uint64_t *end)
{
	for (unsigned i = 0; i < boot->modules; i++) {
		const struct multiboot_module *module = &boot->module[i];
		uint64_t start = align_up(*end, PAGE_SIZE);

		if (!machine_memory_available(machine, start, module->size))
			return error_create("module %u (%s, %zu bytes) does not fit into RAM behind %#" PRIx64 ": give more with --memory",
					    i + 1, module->string, module->size, start);
		if (module->size)
			physmem_copy_in(&machine->mem, start, module->data, module->size);
		*end = start + module->size;
		entry[i] = (struct module_entry){.start = start, .end = *end};
	}
	return NULL;
}

static struct error *place_info(const struct machine *machine, const struct multiboot_image *image, uint64_t end, uint64_t size,
				uint32_t *ret)
{
	bool low = size <= INFO_END - INFO_PLACE;

	for (unsigned i = 0; i < image->count; i++) {
		const struct multiboot_segment *segment = &image->segment[i];

		if (segment->paddr < INFO_PLACE + size && segment->paddr + segment->memory_size > INFO_PLACE)
			low = false;
	}
	*ret = low ? INFO_PLACE : align_up(end, PAGE_SIZE);
	if (!machine_memory_available(machine, *ret, size))
		return error_create("no room for the boot information (%" PRIu64 " bytes) behind %#" PRIx64 ": give more with --memory",
				    size, end);
	return NULL;
}

/* -- the boot information, as one piece of bytes -- */

struct piece {
	uint8_t *bytes;
	uint32_t address; /* of bytes[0] in guest memory */
	uint32_t used;
};

static uint32_t append(struct piece *piece, const void *data, size_t size)
{
	uint32_t address = piece->address + piece->used;

	if (size)
		memcpy(piece->bytes + piece->used, data, size);
	piece->used += size;
	return address;
}

static uint32_t append_string(struct piece *piece, const char *string)
{
	return append(piece, string, strlen(string) + 1);
}

static uint32_t append_memory_map(struct piece *piece, const struct machine *machine, uint32_t *ret_length)
{
	struct memory_range range[MACHINE_MEMORY_RANGES];
	unsigned count = machine_memory_map(machine, range);
	uint32_t address = piece->address + piece->used;

	for (unsigned i = 0; i < count; i++) {
		struct map_entry entry = {sizeof(entry) - sizeof(entry.size), range[i].start, range[i].size, range[i].type};

		append(piece, &entry, sizeof(entry));
	}
	*ret_length = piece->address + piece->used - address;
	return address;
}

/* Flat code (08h) and data (10h), as machine_enter_protected() has them. */
static const uint64_t boot_gdt[] = {0, 0x00cf9b000000ffff, 0x00cf93000000ffff};

static size_t info_size(const struct multiboot_boot *boot)
{
	size_t size = sizeof(struct info) + MACHINE_MEMORY_RANGES * sizeof(struct map_entry) + boot->modules * sizeof(struct module_entry) +
		      strlen(boot->command_line) + 1 + sizeof(LOADER_NAME) + 7 /* alignment */ + sizeof(boot_gdt);

	for (unsigned i = 0; i < boot->modules; i++)
		size += strlen(boot->module[i].string) + 1;
	return size;
}

static void build_info(struct piece *piece, struct machine *machine, const struct multiboot_boot *boot, struct module_entry *entry)
{
	struct info info = {
		.flags = INFO_MEMORY | INFO_COMMAND_LINE | INFO_MODULES | INFO_MEMORY_MAP | INFO_LOADER_NAME,
		.mem_lower = 640,
		.mem_upper = (machine->low_end - ONE_MIB) >> 10,
		.mods_count = boot->modules,
	};

	piece->used = sizeof(info);
	info.mmap_addr = append_memory_map(piece, machine, &info.mmap_length);
	info.cmdline = append_string(piece, boot->command_line);
	info.boot_loader_name = append_string(piece, LOADER_NAME);
	for (unsigned i = 0; i < boot->modules; i++)
		entry[i].string = append_string(piece, boot->module[i].string);
	piece->used = (piece->used + 7) & ~7u;
	machine->cpu->gdtr = (struct table_register){append(piece, boot_gdt, sizeof(boot_gdt)), sizeof(boot_gdt) - 1};
	info.mods_addr = append(piece, entry, boot->modules * sizeof(*entry));
	memcpy(piece->bytes, &info, sizeof(info));
}

static struct error *load_info(struct machine *machine, const struct multiboot_image *image, const struct multiboot_boot *boot,
			       struct module_entry *entry, uint64_t end, uint32_t *ret_address)
{
	size_t size = info_size(boot);
	struct error *err = place_info(machine, image, end, size, ret_address);
	struct piece piece = {.address = *ret_address};

	if (err)
		return err;
	piece.bytes = calloc(1, size);
	if (!piece.bytes)
		return error_create("out of memory");
	build_info(&piece, machine, boot, entry);
	physmem_copy_in(&machine->mem, piece.address, piece.bytes, size);
	free(piece.bytes);
	return NULL;
}

struct error *multiboot_load(struct machine *machine, const uint8_t *data, const struct multiboot_image *image,
			     const struct multiboot_boot *boot)
{
	struct module_entry *entry = calloc(boot->modules + 1, sizeof(*entry));
	struct error *err;
	uint32_t info = 0;
	uint64_t end;

	if (!entry)
		return error_create("out of memory");
	err = load_segments(machine, data, image, &end);
	if (!err)
		err = load_modules(machine, boot, entry, &end);
	if (!err)
		err = load_info(machine, image, boot, entry, end, &info);
	free(entry);
	if (!err)
		machine_enter_protected(machine, image->entry, BOOTLOADER_MAGIC, info);
	return err;
}
