/* Exported symbols: a small image with the tables of EXPORT_SYMBOL, linked and moved, of both widths; and broken ones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "loader/ksymtab.h"

#include <elf.h>

/* One segment, file offset TEXT: the tables, the strings, "data". Behind it, headers' names and the headers. */
enum {
	TEXT = 0x1000,
	KSYMTAB = 0x100,
	KSYMTAB_GPL = 0x200,
	STRINGS = 0x300,
	DATA = 0x400,
	TEXT_SIZE = 0x800,
	NAMES = 0x1800,
	HEADERS = 0x1900,
	FILE_SIZE = 0x2000
};

static const char strings[] = "first\0jiffies_64\0jiffies\0per_cpu";
static const char names[] = "\0.shstrtab\0__ksymtab\0__ksymtab_gpl\0__ksymtab_strings";
enum { FIRST = 0, JIFFIES_64 = 6, JIFFIES = 17, PER_CPU = 25, SECTIONS = 5 };

struct image {
	_Alignas(16) uint8_t bytes[FILE_SIZE];
	struct kernel kernel;
};

static void put_symbol(struct image *image, unsigned at, uint64_t value, unsigned name)
{
	uint64_t vaddr = image->kernel.link_base + at;
	const int32_t entry[3] = {value - vaddr, STRINGS + name - (at + 4), 0};

	memcpy(image->bytes + TEXT + at, entry, sizeof(entry));
}

static void put_section(struct image *image, bool is64, unsigned index, Elf64_Shdr section)
{
	if (is64) {
		memcpy(image->bytes + HEADERS + index * sizeof(section), &section, sizeof(section));
	} else {
		const Elf32_Shdr narrow = {.sh_name = section.sh_name,
					   .sh_type = section.sh_type,
					   .sh_addr = section.sh_addr,
					   .sh_offset = section.sh_offset,
					   .sh_size = section.sh_size};

		memcpy(image->bytes + HEADERS + index * sizeof(narrow), &narrow, sizeof(narrow));
	}
}

static void put_header(struct image *image, bool is64)
{
	const Elf64_Ehdr wide = {.e_ident = {0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
				 .e_type = ET_EXEC,
				 .e_machine = EM_X86_64,
				 .e_version = EV_CURRENT,
				 .e_ehsize = sizeof(wide),
				 .e_shoff = HEADERS,
				 .e_shentsize = sizeof(Elf64_Shdr),
				 .e_shnum = SECTIONS,
				 .e_shstrndx = 1};
	const Elf32_Ehdr narrow = {.e_ident = {0x7f, 'E', 'L', 'F', ELFCLASS32, ELFDATA2LSB, EV_CURRENT},
				   .e_type = ET_EXEC,
				   .e_machine = EM_386,
				   .e_version = EV_CURRENT,
				   .e_ehsize = sizeof(narrow),
				   .e_shoff = HEADERS,
				   .e_shentsize = sizeof(Elf32_Shdr),
				   .e_shnum = SECTIONS,
				   .e_shstrndx = 1};

	if (is64)
		memcpy(image->bytes, &wide, sizeof(wide));
	else
		memcpy(image->bytes, &narrow, sizeof(narrow));
}

static void make_image(struct image *image, bool is64)
{
	uint64_t base = is64 ? 0xffffffff81000000 : 0xc1000000;

	memset(image, 0, sizeof(*image));
	image->kernel = (struct kernel){.arch = is64 ? KERNEL_X86_64 : KERNEL_I386,
					.elf = image->bytes,
					.elf_size = FILE_SIZE,
					.segments = 1,
					.link_base = base,
					.base = base};
	image->kernel.segment[0] = (struct kernel_segment){TEXT, TEXT_SIZE, base, 0x1000000, TEXT_SIZE};
	put_header(image, is64);
	memcpy(image->bytes + NAMES, names, sizeof(names));
	memcpy(image->bytes + TEXT + STRINGS, strings, sizeof(strings));
	put_section(image, is64, 1, (Elf64_Shdr){.sh_name = 1, .sh_type = SHT_STRTAB, .sh_offset = NAMES, .sh_size = sizeof(names)});
	put_section(image, is64, 2,
		    (Elf64_Shdr){
			    .sh_name = 11, .sh_type = SHT_PROGBITS, .sh_addr = base + KSYMTAB, .sh_offset = TEXT + KSYMTAB, .sh_size = 24});
	put_section(image, is64, 3,
		    (Elf64_Shdr){.sh_name = 21,
				 .sh_type = SHT_PROGBITS,
				 .sh_addr = base + KSYMTAB_GPL,
				 .sh_offset = TEXT + KSYMTAB_GPL,
				 .sh_size = 24});
	put_section(image, is64, 4,
		    (Elf64_Shdr){.sh_name = 35,
				 .sh_type = SHT_PROGBITS,
				 .sh_addr = base + STRINGS,
				 .sh_offset = TEXT + STRINGS,
				 .sh_size = sizeof(strings)});
	put_symbol(image, KSYMTAB, base + DATA, FIRST);
	put_symbol(image, KSYMTAB + 12, base + DATA + 8, JIFFIES_64);
	put_symbol(image, KSYMTAB_GPL, base + DATA + 16, JIFFIES);
	put_symbol(image, KSYMTAB_GPL + 12, 0x18, PER_CPU);
}

static void finds_exported_symbols(void **state)
{
	struct image image;

	(void)state;
	for (unsigned is64 = 0; is64 < 2; is64++) {
		uint64_t base;
		size_t room;

		make_image(&image, is64);
		base = image.kernel.base;
		assert_int_equal(ksymtab_find(&image.kernel, "first"), base + DATA);
		assert_int_equal(ksymtab_find(&image.kernel, "jiffies_64"), base + DATA + 8);
		assert_int_equal(ksymtab_find(&image.kernel, "jiffies"), base + DATA + 16);
		if (is64) /* 2 GiB and more away from everything */
			assert_int_equal(ksymtab_find(&image.kernel, "per_cpu"), 0x18);
		assert_int_equal(ksymtab_find(&image.kernel, "jif"), 0);
		assert_int_equal(ksymtab_find(&image.kernel, ""), 0);
		assert_int_equal(ksymtab_find(&image.kernel, "per_cpu_and_more_that_is_behind_the_table"), 0);
		assert_ptr_equal(kernel_bytes(&image.kernel, base + DATA, &room), image.bytes + TEXT + DATA);
		assert_int_equal(room, TEXT_SIZE - DATA);
		assert_null(kernel_bytes(&image.kernel, base + TEXT_SIZE, &room));
		assert_null(kernel_bytes(&image.kernel, base - 1, &room));
		/* moved, as kernel_relocate() leaves it */
		image.kernel.base += 0x3000000;
		assert_int_equal(ksymtab_find(&image.kernel, "first"), base + 0x3000000 + DATA);
	}
}

static void survives_broken_tables(void **state)
{
	struct image image;

	(void)state;
	make_image(&image, true);
	memset(image.bytes + TEXT + KSYMTAB, 0x7f, 24);
	assert_int_equal(ksymtab_find(&image.kernel, "first"), 0);
	assert_int_equal(ksymtab_find(&image.kernel, "jiffies"), image.kernel.base + DATA + 16);
	put_section(
		&image, true, 3,
		(Elf64_Shdr){.sh_name = 21, .sh_type = SHT_PROGBITS, .sh_addr = image.kernel.base + KSYMTAB_GPL, .sh_size = 1ull << 40});
	assert_int_equal(ksymtab_find(&image.kernel, "jiffies"), 0);
	put_section(&image, true, 4, (Elf64_Shdr){.sh_name = 0xffff, .sh_type = SHT_PROGBITS});
	assert_int_equal(ksymtab_find(&image.kernel, "jiffies"), 0);
	memset(image.bytes, 0, EI_NIDENT);
	assert_int_equal(ksymtab_find(&image.kernel, "jiffies"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_exported_symbols),
		cmocka_unit_test(survives_broken_tables),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
