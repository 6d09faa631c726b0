/* Placing a Linux kernel: see linux_boot.h. The state at the entry is boot.rst's "32-bit" and "64-bit boot protocol". */
#include "loader/linux_boot.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "emu/cpuid.h"
#include "loader/boot_params.h"
#include "util/align.h"

/* Low memory, all of it free for the kernel once it has copied what it wants. */
enum {
	AT_BOOT_PARAMS = 0x10000,
	AT_GDT = 0x11000,
	AT_PAGE_TABLES = 0x12000, /* PML5, PML4, PDPT, 4 page directories: see build_page_tables() */
	AT_COMMAND_LINE = 0x20000,
	COMMAND_LINE_ROOM = 0x10000,
};
enum { BOOT_CS = 0x10, BOOT_DS = 0x18, INITRD_ALIGN = 4 };
#define GIB4 (1ull << 32)

/* -- the kernel -- */

/* How far from where it was linked for the kernel stands in physical memory. */
static uint64_t physical_shift(const struct kernel_image *kernel)
{
	return kernel->arch == KERNEL_I386 ? kernel->base - kernel->link_base : 0;
}

static struct error *place_kernel(struct machine *machine, const struct kernel_image *kernel, uint64_t *ret_end)
{
	uint64_t shift = physical_shift(kernel), start = kernel->segment[0].paddr + shift, size = kernel_image_extent(kernel);

	if (size < kernel->setup.init_size)
		size = kernel->setup.init_size;
	*ret_end = start + size;
	if (!machine_memory_available(machine, start, size))
		return error_create("the kernel takes physical memory from %#" PRIx64 " to %#" PRIx64 ", and there is none beyond %#" PRIx64
				    ": give at least --memory %" PRIu64,
				    start, *ret_end - 1, machine->low_end, align_up(*ret_end, 64 << 20) >> 20);
	for (unsigned i = 0; i < kernel->segments; i++) {
		const struct kernel_segment *segment = &kernel->segment[i];

		if (segment->file_size)
			physmem_copy_in(&machine->mem, segment->paddr + shift, kernel->elf + segment->offset, segment->file_size);
	}
	return NULL;
}

/* -- the initial ramdisk -- */

static uint64_t initrd_size(const struct linux_boot *boot)
{
	uint64_t size = 0;

	for (unsigned i = 0; i < boot->initrds; i++)
		size = align_up(size, INITRD_ALIGN) + boot->initrd[i].size;
	return size;
}

static bool fits(const struct machine *machine, uint64_t start, uint64_t end, uint64_t size, uint64_t *ret)
{
	if (end < start || end - start < size)
		return false;
	*ret = (end - size) & PAGE_MASK;
	return *ret >= start && machine_memory_available(machine, *ret, size);
}

/* As high as it may be, so that it is out of the way of a kernel that grows. */
static struct error *find_initrd_place(const struct machine *machine, const struct kernel_image *kernel, uint64_t kernel_end, uint64_t size,
				       uint64_t *ret)
{
	uint64_t start = align_up(kernel_end, PAGE_SIZE), limit = (uint64_t)kernel->setup.initrd_addr_max + 1;
	uint64_t end = limit < machine->low_end ? limit : machine->low_end;

	if (fits(machine, start, end, size, ret))
		return NULL;
	if ((kernel->setup.xloadflags & XLF_CAN_BE_LOADED_ABOVE_4G) && fits(machine, GIB4, machine->high_end, size, ret))
		return NULL;
	return error_create("the initial ramdisk (%" PRIu64 " bytes) does not fit into memory between the kernel's end, %#" PRIx64
			    ", and %#" PRIx64 ": give more with --memory, or a smaller --initrd",
			    size, start, end);
}

static struct error *place_initrd(struct machine *machine, const struct kernel_image *kernel, uint64_t kernel_end,
				  const struct linux_boot *boot, struct boot_values *values)
{
	uint64_t at;
	struct error *err;

	values->initrd_size = initrd_size(boot);
	if (!values->initrd_size)
		return NULL;
	err = find_initrd_place(machine, kernel, kernel_end, values->initrd_size, &values->initrd);
	if (err)
		return err;
	at = values->initrd;
	for (unsigned i = 0; i < boot->initrds; i++) {
		at = align_up(at, INITRD_ALIGN);
		if (boot->initrd[i].size)
			physmem_copy_in(&machine->mem, at, boot->initrd[i].data, boot->initrd[i].size);
		at += boot->initrd[i].size;
	}
	return NULL;
}

/* -- the rest -- */

static struct error *place_command_line(struct machine *machine, const struct kernel_image *kernel, const char *text,
					struct boot_values *values)
{
	size_t length = strlen(text), limit = kernel->setup.cmdline_size;

	if (limit > COMMAND_LINE_ROOM - 1)
		limit = COMMAND_LINE_ROOM - 1;
	if (length > limit)
		return error_create("the command line has %zu characters, and this kernel takes %zu: shorten --append", length, limit);
	physmem_copy_in(&machine->mem, AT_COMMAND_LINE, text, length + 1);
	values->command_line = AT_COMMAND_LINE;
	return NULL;
}

static void place_boot_params(struct machine *machine, const struct kernel_image *kernel, const struct boot_values *values)
{
	uint8_t page[BOOT_PARAMS_SIZE];

	boot_params_build(page, machine, &kernel->setup, values);
	physmem_copy_in(&machine->mem, AT_BOOT_PARAMS, page, sizeof(page));
}

/* Without ACPI tables nothing tells the kernel how the APICs are wired, and it panics when it finds one: it must not see the local APIC. */
static void hide_apic(struct machine *machine)
{
	if (!machine->acpi_rsdp)
		machine->cpu->features &= ~(CPU_FEATURE_APIC | CPU_FEATURE_X2APIC | CPU_FEATURE_TSC_DEADLINE);
}

/* -- entering -- */

/* Flat descriptors at BOOT_CS and BOOT_DS. */
static struct table_register build_gdt(struct machine *machine, bool long_mode)
{
	const uint64_t gdt[] = {0, 0, long_mode ? 0x00af9b000000ffff : 0x00cf9b000000ffff, 0x00cf93000000ffff};

	physmem_copy_in(&machine->mem, AT_GDT, gdt, sizeof(gdt));
	return (struct table_register){.base = AT_GDT, .limit = sizeof(gdt) - 1};
}

/* The first 4 GiB, each address at itself, in pages of 2 MiB. Returns the value for CR3. */
static uint64_t build_page_tables(struct machine *machine, bool five_level)
{
	enum { ENTRIES = 512, DIRECTORIES = 4, PRESENT_WRITABLE = 3, LARGE = 0x80, LARGE_SHIFT = 21, ABOVE = 3 };
	uint64_t table[ABOVE + DIRECTORIES][ENTRIES] = {0};

	for (uint64_t i = 0; i < ABOVE - 1; i++)
		table[i][0] = (AT_PAGE_TABLES + (i + 1) * PAGE_SIZE) | PRESENT_WRITABLE;
	for (uint64_t i = 0; i < DIRECTORIES; i++)
		table[ABOVE - 1][i] = (AT_PAGE_TABLES + (ABOVE + i) * PAGE_SIZE) | PRESENT_WRITABLE;
	for (uint64_t i = 0; i < DIRECTORIES * ENTRIES; i++)
		table[ABOVE + i / ENTRIES][i % ENTRIES] = i << LARGE_SHIFT | LARGE | PRESENT_WRITABLE;
	physmem_copy_in(&machine->mem, AT_PAGE_TABLES, table, sizeof(table));
	return five_level ? AT_PAGE_TABLES : AT_PAGE_TABLES + PAGE_SIZE;
}

static bool has_word(const char *text, const char *word)
{
	size_t length = strlen(word);

	for (const char *at = text; (at = strstr(at, word)); at += length) {
		if ((at == text || at[-1] == ' ') && (at[length] == ' ' || !at[length]))
			return true;
	}
	return false;
}

/*
 * Long mode cannot change between 4 and 5 levels, so the kernel uses what it is entered with: the decompressor decides
 * (arch/x86/boot/compressed/pgtable_64.c), or we in its place. A bare vmlinux does not say what it can do.
 */
static bool wants_five_levels(const struct machine *machine, const struct kernel_image *kernel, const char *command_line)
{
	return machine->cpu->features & CPU_FEATURE_LA57 && (!kernel->setup.version || kernel->setup.xloadflags & XLF_5LEVEL_ENABLED) &&
	       !has_word(command_line, "no5lvl");
}

static void enter(struct machine *machine, const struct kernel_image *kernel, const char *command_line)
{
	struct machine_entry entry = {
		.long_mode = kernel->arch == KERNEL_X86_64,
		.five_level = wants_five_levels(machine, kernel, command_line),
		.rip = kernel->entry + physical_shift(kernel),
		.code_selector = BOOT_CS,
		.data_selector = BOOT_DS,
		.gpr[RSI] = AT_BOOT_PARAMS,
	};

	if (entry.long_mode)
		entry.cr3 = build_page_tables(machine, entry.five_level);
	entry.gdt = build_gdt(machine, entry.long_mode);
	machine_enter(machine, &entry);
}

struct error *linux_boot(struct machine *machine, const struct kernel_image *kernel, const struct linux_boot *boot)
{
	struct boot_values values = {0};
	uint64_t kernel_end;
	struct error *err;

	if (kernel->arch == KERNEL_X86_64 && !(machine->cpu->features & CPU_FEATURE_LONG_MODE))
		return error_create("a 64-bit kernel, and the CPU is limited to 32 bits: leave out --cpu, or boot a 686 kernel");
	err = place_kernel(machine, kernel, &kernel_end);
	if (!err)
		err = place_initrd(machine, kernel, kernel_end, boot, &values);
	if (!err)
		err = place_command_line(machine, kernel, boot->command_line, &values);
	if (err)
		return err;
	hide_apic(machine);
	place_boot_params(machine, kernel, &values);
	enter(machine, kernel, boot->command_line);
	return NULL;
}
