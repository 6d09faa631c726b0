/* Kernel files: what is read out of them, what is refused and with which words, and relocation. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "kernel_rig.h"

static Elf64_Ehdr *ehdr(struct bytes elf)
{
	return (Elf64_Ehdr *)elf.data;
}

static Elf64_Phdr *phdr(struct bytes elf)
{
	return (Elf64_Phdr *)(elf.data + sizeof(Elf64_Ehdr));
}

static struct bytes make_image64(void)
{
	struct bytes elf = make_vmlinux64(NULL, 0), image = make_bzimage(pack_gzip(elf.data, elf.size));

	free(elf.data);
	return image;
}

/* -- what is read -- */

static void check_segments(const struct kernel_image *kernel, uint64_t map)
{
	assert_int_equal(kernel->segments, 2);
	assert_int_equal(kernel->segment[0].offset, RIG_TEXT_AT);
	assert_int_equal(kernel->segment[0].vaddr, map + RIG_TEXT);
	assert_int_equal(kernel->segment[0].paddr, RIG_TEXT);
	assert_int_equal(kernel->segment[1].file_size, RIG_DATA_SIZE);
	assert_int_equal(kernel->segment[1].memory_size, RIG_DATA_MEMORY);
	assert_int_equal(kernel->entry, RIG_ENTRY);
	assert_int_equal(kernel->link_base, map + RIG_TEXT);
	assert_int_equal(kernel->base, map + RIG_TEXT);
	assert_int_equal(kernel_image_extent(kernel), RIG_DATA + RIG_DATA_MEMORY - RIG_TEXT);
}

static void bare_vmlinux(void **state)
{
	struct bytes elf64 = make_vmlinux64(NULL, 0), elf32 = make_vmlinux32((const uint32_t[]){0, 1}, 2);
	struct kernel_image kernel;

	(void)state;
	assert_ok(kernel_image_open(elf64.data, elf64.size, &kernel));
	assert_int_equal(kernel.arch, KERNEL_X86_64);
	check_segments(&kernel, RIG_MAP_64);
	assert_int_equal(kernel.setup.version, 0);
	assert_ptr_equal(kernel.elf, elf64.data);
	assert_null(kernel.relocations);
	kernel_image_close(&kernel);
	assert_ok(kernel_image_open(elf32.data, elf32.size, &kernel));
	assert_int_equal(kernel.arch, KERNEL_I386);
	check_segments(&kernel, RIG_MAP_32);
	assert_int_equal(kernel.elf_size, RIG_FILE_END);
	assert_int_equal(kernel.relocation_size, 8);
	kernel_image_close(&kernel);
	free(elf64.data);
	free(elf32.data);
}

static void bzimage(void **state)
{
	struct bytes image = make_image64();
	struct kernel_image kernel;

	(void)state;
	assert_ok(kernel_image_open(image.data, image.size, &kernel));
	check_segments(&kernel, RIG_MAP_64);
	assert_int_equal(kernel.setup.version, 0x20f);
	assert_int_equal(kernel.setup.alignment, 0x200000);
	assert_int_equal(kernel.setup.cmdline_size, 2047);
	assert_int_equal(kernel.setup.initrd_addr_max, 0x7fffffff);
	assert_int_equal(kernel.setup.init_size, 0x400000);
	assert_int_equal(kernel.setup.xloadflags, 0x7f);
	assert_int_equal(kernel.setup.size, 0x202 + 0x6a - SETUP_HEADER_AT);
	assert_memory_equal(kernel.setup.bytes, image.data + SETUP_HEADER_AT, kernel.setup.size);
	kernel_image_close(&kernel);
	image.data[0x201] = 0xff; /* a header longer than boot_params has room for */
	assert_ok(kernel_image_open(image.data, image.size, &kernel));
	assert_int_equal(kernel.setup.size, SETUP_HEADER_MAX);
	kernel_image_close(&kernel);
	kernel_image_close(&kernel); /* zeroed: allowed */
	free(image.data);
}

/* -- what is refused -- */

static void refuse(struct bytes file, const char *words)
{
	struct kernel_image kernel;

	assert_error(kernel_image_open(file.data, file.size, &kernel), words);
	assert_null(kernel.owned);
}

static void damaged_setup_header(void **state)
{
	struct bytes image = make_image64();

	(void)state;
	image.data[0x206] = 7;
	refuse(image, "2.07 is too old");
	image.data[0x206] = 0xf;
	put32(image.data + 0x230, 0);
	refuse(image, "kernel_alignment");
	put32(image.data + 0x230, 0x300000);
	refuse(image, "kernel_alignment");
	put32(image.data + 0x230, 0x200000);
	put32(image.data + 0x248, 0xffffff00);
	refuse(image, "truncated");
	put32(image.data + 0x248, RIG_PAYLOAD_OFFSET);
	put32(image.data + 0x24c, 0);
	refuse(image, "known are");
	put32(image.data + 0x24c, 0xffffffff);
	refuse(image, "truncated");
	put32(image.data + 0x24c, image.size - RIG_PAYLOAD_AT);
	refuse((struct bytes){image.data, 0x280}, "truncated");
	refuse((struct bytes){image.data, RIG_PAYLOAD_AT + 100}, "truncated");
	free(image.data);
}

static void not_a_kernel(void **state)
{
	struct bytes text = {(uint8_t *)(uintptr_t) "just some text, and more of it", 30},
		     packed = make_bzimage(pack_xz(text.data, text.size));
	struct bytes elf = make_vmlinux64(NULL, 0);

	(void)state;
	refuse(text, "not an ELF file");
	refuse((struct bytes){text.data, 0}, "not an ELF file");
	refuse(packed, "the kernel inside: not an ELF file");
	ehdr(elf)->e_machine = EM_AARCH64;
	refuse(elf, "not for x86");
	ehdr(elf)->e_machine = EM_386;
	refuse(elf, "not a Linux kernel");
	ehdr(elf)->e_machine = EM_X86_64;
	ehdr(elf)->e_type = ET_REL;
	refuse(elf, "not a Linux kernel");
	ehdr(elf)->e_type = ET_EXEC;
	phdr(elf)[0].p_vaddr = 0x400000; /* a program */
	refuse(elf, "not a Linux kernel");
	free(elf.data);
	free(packed.data);
}

/* One change to a good program header each, and what is said of it. */
static void damaged_segments(void **state)
{
	static const struct {
		size_t at;
		uint64_t value;
		const char *words;
	} changes[] = {
		{offsetof(Elf64_Phdr, p_filesz), RIG_TEXT_SIZE + 1, "bytes in the file"},
		{offsetof(Elf64_Phdr, p_offset), RIG_FILE_END, "truncated"},
		{offsetof(Elf64_Phdr, p_offset), UINT64_MAX - 8, "truncated"},
		{offsetof(Elf64_Phdr, p_memsz), 0x200001, "overlap"},
		{offsetof(Elf64_Phdr, p_memsz), 1ull << 40, "beyond 4 GiB"},
		{offsetof(Elf64_Phdr, p_memsz), UINT64_MAX, "beyond 4 GiB"},
		{offsetof(Elf64_Phdr, p_paddr), UINT64_MAX - 0x1000, "beyond 4 GiB"},
		{offsetof(Elf64_Phdr, p_vaddr), UINT64_MAX - 0x1000, "beyond 4 GiB"},
		{offsetof(Elf64_Phdr, p_paddr), RIG_DATA, "overlap"},
		{offsetof(Elf64_Phdr, p_paddr), 0x8000, "entry point"},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
		struct bytes elf = make_vmlinux64(NULL, 0);

		memcpy((uint8_t *)phdr(elf) + changes[i].at, &changes[i].value, 8);
		refuse(elf, changes[i].words);
		free(elf.data);
	}
}

static void damaged_headers(void **state)
{
	struct bytes elf = make_vmlinux64(NULL, 0);

	(void)state;
	ehdr(elf)->e_entry = RIG_TEXT + RIG_TEXT_SIZE;
	refuse(elf, "entry point");
	ehdr(elf)->e_entry = RIG_ENTRY;
	ehdr(elf)->e_phnum = 0;
	refuse(elf, "nothing to load");
	ehdr(elf)->e_phnum = 2;
	ehdr(elf)->e_ident[EI_DATA] = ELFDATA2MSB;
	refuse(elf, "big-endian");
	ehdr(elf)->e_ident[EI_DATA] = ELFDATA2LSB;
	for (size_t size = 0; size < sizeof(Elf64_Ehdr) + 2 * sizeof(Elf64_Phdr); size += 7)
		refuse((struct bytes){elf.data, size}, "");
	free(elf.data);
}

/* -- relocation -- */

enum { DELTA = 0x5400000, NEW_DATA_AT = RIG_DATA_AT + 0x10 };

static uint64_t get(const struct kernel_image *kernel, size_t at, size_t size)
{
	uint64_t value = 0;

	memcpy(&value, kernel->elf + at, size);
	return value;
}

static void open_packed(struct bytes elf, struct kernel_image *ret, struct bytes *ret_image)
{
	*ret_image = make_bzimage(pack_zstd(elf.data, elf.size));
	assert_ok(kernel_image_open(ret_image->data, ret_image->size, ret));
	free(elf.data);
}

#define LOW(address) ((uint32_t)(address))

/* With per-CPU places and without. */
static void relocates_64(void **state)
{
	const uint32_t text = LOW(RIG_MAP_64 + RIG_TEXT), data = LOW(RIG_MAP_64 + RIG_DATA);
	const uint32_t old_lists[] = {0, data + 0x10, data + 0xff8, 0, text + 0x20, 0, text + 1, text + 0x1ffc};
	const uint32_t new_lists[] = {0, data + 0x10, 0, text + 1};
	struct bytes image;
	struct kernel_image kernel;

	(void)state;
	open_packed(make_vmlinux64(old_lists, 8), &kernel, &image);
	assert_ok(kernel_image_relocate(&kernel, kernel.link_base + DELTA));
	assert_int_equal(get(&kernel, NEW_DATA_AT, 8), 0x1111111111111111 + DELTA);
	assert_int_equal(get(&kernel, RIG_DATA_AT + 0xff8, 8), 0x1111111111111111 + DELTA);
	assert_int_equal(get(&kernel, RIG_TEXT_AT + 0x20, 4), 0x90909090 - DELTA);
	assert_int_equal(get(&kernel, RIG_TEXT_AT + 1, 4), LOW(0x90909090 + DELTA));
	assert_int_equal(get(&kernel, RIG_TEXT_AT + 0x1ffc, 4), LOW(0x90909090 + DELTA));
	assert_int_equal(get(&kernel, RIG_TEXT_AT + 5, 4), 0x90909090);
	assert_int_equal(kernel.base, RIG_MAP_64 + RIG_TEXT + DELTA);
	assert_int_equal(kernel.link_base, RIG_MAP_64 + RIG_TEXT);
	assert_int_equal(kernel.segment[1].vaddr, RIG_MAP_64 + RIG_DATA + DELTA);
	assert_int_equal(kernel.segment[1].paddr, RIG_DATA);
	/* And back: nothing is left of it. */
	assert_ok(kernel_image_relocate(&kernel, kernel.link_base));
	assert_int_equal(get(&kernel, NEW_DATA_AT, 8), 0x1111111111111111);
	assert_int_equal(kernel.segment[1].vaddr, RIG_MAP_64 + RIG_DATA);
	kernel_image_close(&kernel);
	free(image.data);
	open_packed(make_vmlinux64(new_lists, 4), &kernel, &image);
	assert_ok(kernel_image_relocate(&kernel, kernel.link_base + DELTA));
	assert_int_equal(get(&kernel, NEW_DATA_AT, 8), 0x1111111111111111 + DELTA);
	assert_int_equal(get(&kernel, RIG_TEXT_AT + 1, 4), LOW(0x90909090 + DELTA));
	kernel_image_close(&kernel);
	free(image.data);
}

/* A bare vmlinux may have its relocations behind it too; the file is not written to. */
static void relocates_32(void **state)
{
	const uint32_t lists[] = {0, RIG_MAP_32 + RIG_DATA + 0x10, RIG_MAP_32 + RIG_TEXT + 1};
	struct bytes elf = make_vmlinux32(lists, 3);
	struct kernel_image kernel;

	(void)state;
	assert_ok(kernel_image_open(elf.data, elf.size, &kernel));
	assert_ok(kernel_image_relocate(&kernel, kernel.link_base + DELTA));
	assert_int_equal(get(&kernel, NEW_DATA_AT, 4), 0x11111111 + DELTA);
	assert_int_equal(get(&kernel, RIG_TEXT_AT + 1, 4), LOW(0x90909090 + DELTA));
	assert_int_equal(elf.data[NEW_DATA_AT + 3], 0x11);
	assert_int_equal(elf.data[NEW_DATA_AT + 2], 0x11);
	kernel_image_close(&kernel);
	free(elf.data);
}

/* x86-64's per-CPU segment is linked at 0, and stays there. */
static void relocates_percpu(void **state)
{
	const uint32_t lists[] = {0, LOW(RIG_MAP_64 + RIG_DATA + 0x10), 0, 0};
	struct bytes elf = make_vmlinux64(lists, 4), image;
	struct kernel_image kernel;

	(void)state;
	phdr(elf)[1].p_vaddr = 0;
	open_packed(elf, &kernel, &image);
	assert_ok(kernel_image_relocate(&kernel, kernel.link_base + DELTA));
	assert_int_equal(get(&kernel, NEW_DATA_AT, 8), 0x1111111111111111 + DELTA);
	assert_int_equal(kernel.segment[1].vaddr, 0);
	kernel_image_close(&kernel);
	free(image.data);
}

static void check_bases(const struct kernel_image *good, const uint64_t *bases, unsigned count, const char *words)
{
	for (unsigned i = 0; i < count; i++) {
		struct kernel_image kernel = *good;

		assert_error(kernel_image_relocate(&kernel, bases[i]), words);
	}
}

static void refuses_bases(void **state)
{
	const uint64_t bad64[] = {1,
				  RIG_MAP_64,
				  RIG_MAP_64 + RIG_TEXT - 0x200000,
				  RIG_MAP_64 + RIG_TEXT + 0x100000,
				  RIG_MAP_64 + (1 << 30) - 0x200000,
				  RIG_MAP_64 + (1 << 30),
				  UINT64_MAX - 0x1fffff};
	const uint64_t bad32[] = {RIG_MAP_32, RIG_MAP_32 + (512 << 20), RIG_MAP_32 + (512 << 20) - 0x200000, RIG_MAP_64 + RIG_TEXT};
	const uint32_t empty64[] = {0, 0, 0}, empty32[] = {0};
	struct bytes image, elf = make_vmlinux32(empty32, 1);
	struct kernel_image kernel;

	(void)state;
	open_packed(make_vmlinux64(empty64, 3), &kernel, &image);
	check_bases(&kernel, bad64, sizeof(bad64) / sizeof(bad64[0]),
		    "this kernel can be at 0xffffffff81000000 to 0xffffffffbfc00000, in steps of 0x200000");
	assert_ok(kernel_image_relocate(&kernel, 0xffffffffbfc00000));
	kernel_image_close(&kernel);
	free(image.data);
	assert_ok(kernel_image_open(elf.data, elf.size, &kernel));
	check_bases(&kernel, bad32, sizeof(bad32) / sizeof(bad32[0]), "this kernel can be at 0xc1000000 to 0xdfc00000");
	kernel_image_close(&kernel);
	free(elf.data);
	elf = make_vmlinux64(NULL, 0);
	assert_ok(kernel_image_open(elf.data, elf.size, &kernel));
	assert_ok(kernel_image_relocate(&kernel, kernel.link_base)); /* nothing to do */
	assert_error(kernel_image_relocate(&kernel, kernel.link_base + DELTA), "give the bzImage");
	kernel_image_close(&kernel);
	free(elf.data);
}

static void refuses_relocations(void **state)
{
	const uint32_t data = LOW(RIG_MAP_64 + RIG_DATA);
	const struct {
		uint32_t words[5];
		unsigned count;
		const char *say;
	} lists[] = {
		{{1}, 1, "damaged"},                            /* does not begin with a 0 */
		{{0}, 1, "damaged"},                            /* too few lists */
		{{0, 0, 0, 0}, 4, "damaged"},                   /* too many */
		{{0, data + 0xffc, 0}, 3, "is in no segment"},  /* over the end of the file's part */
		{{0, data + 0x2000, 0}, 3, "is in no segment"}, /* in the bss */
		{{0, data, 0, 0x1000}, 4, "is in no segment"},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		struct bytes image;
		struct kernel_image kernel;

		open_packed(make_vmlinux64(lists[i].words, lists[i].count), &kernel, &image);
		assert_error(kernel_image_relocate(&kernel, kernel.link_base + DELTA), lists[i].say);
		kernel_image_close(&kernel);
		free(image.data);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bare_vmlinux),         cmocka_unit_test(bzimage),
		cmocka_unit_test(damaged_setup_header), cmocka_unit_test(not_a_kernel),
		cmocka_unit_test(damaged_segments),     cmocka_unit_test(damaged_headers),
		cmocka_unit_test(relocates_64),         cmocka_unit_test(relocates_32),
		cmocka_unit_test(relocates_percpu),     cmocka_unit_test(refuses_bases),
		cmocka_unit_test(refuses_relocations),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
