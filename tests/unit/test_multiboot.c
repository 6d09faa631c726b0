/* Multiboot images: what is accepted, what is refused and with which words, and what the kernel finds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "emu/machine.h" /* before elf.h, whose PF_W is a macro */
#include "loader/image.h"
#include "loader/multiboot.h"

#include <elf.h>

enum { HEADER_AT = 0x100, CODE_AT = 0x1000, FILE_SIZE = 0x2000 };
#define MAGIC 0x1badb002u

/* An image in the making: an ELF file of up to 3 segments, or a raw one. */
struct image {
	_Alignas(8) uint8_t bytes[FILE_SIZE];
	size_t size;
};

static void put_header(struct image *image, size_t at, uint32_t flags, const uint32_t addresses[5])
{
	const uint32_t word[3] = {MAGIC, flags, -(MAGIC + flags)};

	memcpy(image->bytes + at, word, sizeof(word));
	if (addresses)
		memcpy(image->bytes + at + sizeof(word), addresses, 5 * sizeof(uint32_t));
}

static Elf32_Phdr *phdrs32(struct image *image)
{
	return (Elf32_Phdr *)(image->bytes + sizeof(Elf32_Ehdr));
}

static void make_elf32(struct image *image, unsigned segments)
{
	Elf32_Ehdr ehdr = {
		.e_ident = {0x7f, 'E', 'L', 'F', ELFCLASS32, ELFDATA2LSB, EV_CURRENT},
		.e_type = ET_EXEC,
		.e_machine = EM_386,
		.e_version = EV_CURRENT,
		.e_entry = 0xc0100010,
		.e_phoff = sizeof(ehdr),
		.e_ehsize = sizeof(ehdr),
		.e_phentsize = sizeof(Elf32_Phdr),
		.e_phnum = segments,
	};

	memset(image, 0, sizeof(*image));
	memcpy(image->bytes, &ehdr, sizeof(ehdr));
	for (unsigned i = 0; i < segments; i++)
		phdrs32(image)[i] = (Elf32_Phdr){
			.p_type = PT_LOAD,
			.p_offset = CODE_AT,
			.p_vaddr = 0xc0100000 + i * 0x10000,
			.p_paddr = 0x100000 + i * 0x10000,
			.p_filesz = 0x800,
			.p_memsz = 0x1800,
		};
	put_header(image, HEADER_AT, 3, NULL);
	memset(image->bytes + CODE_AT, 0x90, 0x800);
	image->size = FILE_SIZE;
}

static void make_elf64(struct image *image)
{
	Elf64_Ehdr ehdr = {
		.e_ident = {0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
		.e_type = ET_EXEC,
		.e_machine = EM_X86_64,
		.e_version = EV_CURRENT,
		.e_entry = 0x100020,
		.e_phoff = sizeof(ehdr),
		.e_ehsize = sizeof(ehdr),
		.e_phentsize = sizeof(Elf64_Phdr),
		.e_phnum = 1,
	};
	Elf64_Phdr phdr = {
		.p_type = PT_LOAD, .p_offset = CODE_AT, .p_vaddr = 0x100000, .p_paddr = 0x100000, .p_filesz = 0x800, .p_memsz = 0x800};

	memset(image, 0, sizeof(*image));
	memcpy(image->bytes, &ehdr, sizeof(ehdr));
	memcpy(image->bytes + sizeof(ehdr), &phdr, sizeof(phdr));
	put_header(image, HEADER_AT, 0, NULL);
	image->size = FILE_SIZE;
}

static void assert_refused(const struct image *image, const char *words)
{
	struct multiboot_image parsed;
	struct error *err = multiboot_parse(image->bytes, image->size, &parsed);

	assert_non_null(err);
	if (!strstr(err->message, words))
		fail_msg("\"%s\" does not say \"%s\"", err->message, words);
	assert_null(strchr(err->message, '\n'));
	error_destroy(err);
}

static struct multiboot_image parse(const struct image *image)
{
	struct multiboot_image parsed;
	struct error *err = multiboot_parse(image->bytes, image->size, &parsed);

	if (err)
		fail_msg("%s", err->message);
	return parsed;
}

static void accepts_elf(void **state)
{
	struct multiboot_image parsed;
	struct image image;

	(void)state;
	make_elf32(&image, 2);
	parsed = parse(&image);
	assert_int_equal(parsed.count, 2);
	assert_int_equal(parsed.entry, 0x100010); /* physical */
	assert_int_equal(parsed.segment[1].paddr, 0x110000);
	assert_int_equal(parsed.segment[1].memory_size, 0x1800);
	assert_int_equal(image_detect(image.bytes, image.size), IMAGE_MULTIBOOT);
	make_elf64(&image);
	parsed = parse(&image);
	assert_int_equal(parsed.entry, 0x100020);
}

static void accepts_addresses(void **state)
{
	struct multiboot_image parsed;
	struct image image = {.size = 0x1000};

	(void)state;
	put_header(&image, 0x40, 0x10003, (uint32_t[]){0x100040, 0x100000, 0, 0x102000, 0x100060});
	parsed = parse(&image);
	assert_int_equal(parsed.count, 1);
	assert_int_equal(parsed.segment[0].offset, 0);
	assert_int_equal(parsed.segment[0].file_size, 0x1000);
	assert_int_equal(parsed.segment[0].memory_size, 0x2000);
	put_header(&image, 0x40, 0x10003, (uint32_t[]){0x100020, 0x100000, 0x100100, 0, 0x100060});
	parsed = parse(&image);
	assert_int_equal(parsed.segment[0].offset, 0x20);
	assert_int_equal(parsed.segment[0].memory_size, 0x100);
}

static void refuses_bad_headers(void **state)
{
	struct image image;

	(void)state;
	make_elf32(&image, 1);
	memset(image.bytes + HEADER_AT, 0, 12);
	assert_refused(&image, "no multiboot header in the first 8192 bytes");
	put_header(&image, HEADER_AT + 2, 3, NULL);
	assert_refused(&image, "not 4-byte aligned");
	memset(image.bytes + HEADER_AT, 0, 16);
	put_header(&image, HEADER_AT, 3, NULL);
	image.bytes[HEADER_AT + 8] ^= 1;
	assert_refused(&image, "wrong checksum");
	put_header(&image, HEADER_AT, 0x8, NULL);
	assert_refused(&image, "unknown features");
}

static void refuses_bad_elf(void **state)
{
	struct image image;

	(void)state;
	make_elf32(&image, 1);
	image.size = 0x1400;
	assert_refused(&image, "truncated");
	make_elf32(&image, 2);
	phdrs32(&image)[1].p_paddr = 0x101000;
	assert_refused(&image, "overlap");
	make_elf32(&image, 1);
	phdrs32(&image)[0].p_filesz = 0x1801;
	assert_refused(&image, "only 6144 in memory");
	make_elf32(&image, 1);
	phdrs32(&image)[0].p_paddr = 0xfffff000;
	assert_refused(&image, "beyond 4 GiB");
	make_elf32(&image, 1);
	phdrs32(&image)[0].p_type = PT_NOTE;
	assert_refused(&image, "nothing to load");
	make_elf32(&image, 1);
	((Elf32_Ehdr *)image.bytes)->e_entry = 0x5000;
	assert_refused(&image, "entry point 0x5000 is in no segment");
	make_elf32(&image, 1);
	((Elf32_Ehdr *)image.bytes)->e_machine = EM_ARM;
	assert_refused(&image, "not for x86");
	make_elf32(&image, 1);
	image.bytes[0] = 0;
	assert_refused(&image, "neither an ELF file");
}

static void refuses_bad_addresses(void **state)
{
	struct image image = {.size = 0x1000};

	(void)state;
	put_header(&image, 0x40, 0x10000, (uint32_t[]){0x100000, 0x100040, 0, 0, 0x100060});
	assert_refused(&image, "does not fit load_addr");
	put_header(&image, 0x40, 0x10000, (uint32_t[]){0x100080, 0x100000, 0, 0, 0x100060});
	assert_refused(&image, "does not fit load_addr");
	put_header(&image, 0x40, 0x10000, (uint32_t[]){0x100040, 0x100000, 0x110000, 0, 0x100060});
	assert_refused(&image, "truncated");
	put_header(&image, 0x40, 0x10000, (uint32_t[]){0x100040, 0x100000, 0x100800, 0x100400, 0x100060});
	assert_refused(&image, "below the end of the data");
	image.size = 0x40 + 12;
	assert_refused(&image, "truncated within its multiboot header");
}

static void tells_images_apart(void **state)
{
	struct image image = {.size = 0x1000};

	(void)state;
	assert_int_equal(image_detect(image.bytes, 0), IMAGE_EMPTY);
	assert_int_equal(image_detect(image.bytes, 1), IMAGE_UNKNOWN);
	assert_int_equal(image_detect(image.bytes, image.size), IMAGE_UNKNOWN);
	memcpy(image.bytes + 510, "\x55\xaa", 2);
	assert_int_equal(image_detect(image.bytes, image.size), IMAGE_BOOT_SECTOR);
	memcpy(image.bytes + 514, "HdrS", 4);
	assert_int_equal(image_detect(image.bytes, image.size), IMAGE_LINUX_BZIMAGE);
	memcpy(image.bytes, "\x1f\x8b\x08", 3);
	memset(image.bytes + 510, 0, 8);
	assert_int_equal(image_detect(image.bytes, image.size), IMAGE_COMPRESSED);
}

/* -- loading -- */

static uint32_t guest32(const struct machine *machine, uint64_t paddr)
{
	return physmem_read(&machine->mem, paddr, 4);
}

static void assert_guest_string(const struct machine *machine, uint32_t paddr, const char *expected)
{
	char text[64] = "";

	assert_true(physmem_copy_out(&machine->mem, paddr, text, sizeof(text) - 1));
	assert_string_equal(text, expected);
}

static struct machine *new_machine(uint64_t memory)
{
	const struct machine_config config = {.memory = memory, .acpi = true};
	struct machine *machine;
	struct error *err = machine_create(&config, &machine);

	if (err)
		fail_msg("%s", err->message);
	return machine;
}

static void kernel_finds_everything(void **state)
{
	static const uint8_t content[5000] = "module content";
	const struct multiboot_module module[2] = {{content, sizeof(content), "one"}, {content, 3, "two with arguments"}};
	const struct multiboot_boot boot = {.command_line = "kernel -v", .module = module, .modules = 2};
	struct machine *machine = new_machine(64 << 20);
	struct multiboot_image parsed;
	struct image image;
	uint32_t info, modules, map;
	uint64_t total = 0;

	(void)state;
	make_elf32(&image, 1);
	parsed = parse(&image);
	assert_null(multiboot_load(machine, image.bytes, &parsed, &boot));
	assert_int_equal(machine->cpu->rip, 0x100010);
	assert_int_equal(machine->cpu->gpr[RAX], 0x2badb002);
	assert_int_equal(machine->cpu->cr0 & (CR0_PE | CR0_PG), CR0_PE);
	assert_int_equal(machine->cpu->seg[SEG_CS].limit, UINT32_MAX);
	/* a GDT that goes with the segment registers */
	assert_int_equal(machine->cpu->gdtr.limit, 23);
	assert_int_equal(machine->cpu->seg[SEG_CS].selector, 8);
	assert_int_equal(guest32(machine, machine->cpu->gdtr.base + 8 + 4), 0xcf9b00);
	assert_int_equal(machine->cpu->seg[SEG_DS].selector, 16);
	assert_int_equal(guest32(machine, machine->cpu->gdtr.base + 16 + 4), 0xcf9300);
	assert_int_equal(guest32(machine, 0x1007fc), 0x90909090);
	assert_int_equal(guest32(machine, 0x100800), 0);
	info = machine->cpu->gpr[RBX];
	assert_int_equal(guest32(machine, info), 0x24d);
	assert_int_equal(guest32(machine, info + 4), 640);
	assert_int_equal(guest32(machine, info + 8), 63 << 10);
	assert_guest_string(machine, guest32(machine, info + 16), "kernel -v");
	assert_guest_string(machine, guest32(machine, info + 64), "xray86");
	assert_int_equal(guest32(machine, info + 20), 2);
	modules = guest32(machine, info + 24);
	assert_int_equal(guest32(machine, modules), 0x102000); /* behind the 1800h bytes of the kernel, on a page */
	assert_int_equal(guest32(machine, modules + 4), 0x102000 + sizeof(content));
	assert_int_equal(guest32(machine, modules + 16), 0x104000);
	assert_guest_string(machine, 0x102000, "module content");
	assert_guest_string(machine, guest32(machine, modules + 16 + 8), "two with arguments");
	map = guest32(machine, info + 48);
	for (uint32_t at = map; at < map + guest32(machine, info + 44); at += guest32(machine, at) + 4) {
		if (guest32(machine, at + 20) == 1)
			total += physmem_read(&machine->mem, at + 12, 8);
	}
	assert_int_equal(total, (63 << 20) + (640 << 10));
	machine_destroy(machine);
}

static void information_moves_out_of_the_way(void **state)
{
	const struct multiboot_boot boot = {.command_line = ""};
	struct machine *machine = new_machine(64 << 20);
	struct multiboot_image parsed;
	struct image image;

	(void)state;
	make_elf32(&image, 2);
	phdrs32(&image)[1].p_paddr = 0x8000;
	parsed = parse(&image);
	assert_null(multiboot_load(machine, image.bytes, &parsed, &boot));
	assert_int_equal(machine->cpu->gpr[RBX], 0x102000);
	machine_destroy(machine);
}

static void memory_must_suffice(void **state)
{
	static const uint8_t content[5000];
	const struct multiboot_module module = {content, sizeof(content), "m"};
	struct multiboot_boot boot = {.command_line = "", .module = &module, .modules = 1};
	struct machine *machine = new_machine(0x103000);
	struct multiboot_image parsed;
	struct image image;
	struct error *err;

	(void)state;
	make_elf32(&image, 1);
	parsed = parse(&image);
	err = multiboot_load(machine, image.bytes, &parsed, &boot);
	assert_non_null(strstr(err->message, "module 1 (m, 5000 bytes) does not fit"));
	error_destroy(err);
	parsed.segment[0].paddr = 0x9f000;
	err = multiboot_load(machine, image.bytes, &parsed, &boot);
	assert_non_null(strstr(err->message, "is not in RAM"));
	error_destroy(err);
	machine_destroy(machine);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(accepts_elf),
		cmocka_unit_test(accepts_addresses),
		cmocka_unit_test(refuses_bad_headers),
		cmocka_unit_test(refuses_bad_elf),
		cmocka_unit_test(refuses_bad_addresses),
		cmocka_unit_test(tells_images_apart),
		cmocka_unit_test(kernel_finds_everything),
		cmocka_unit_test(information_moves_out_of_the_way),
		cmocka_unit_test(memory_must_suffice),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
