/* Opening modules (loader/module.h): what stays in memory, what a module says of itself, and files that are refused. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>

#include <cmocka.h>

#include "loader/module.h"
#include "tests/unit/module_rig.h"

static struct ko ko;

static void assert_refused(struct error *err, const char *part)
{
	assert_non_null(err);
	if (!strstr(err->message, part))
		fail_msg("'%s' lacks '%s'", err->message, part);
	error_destroy(err);
}

/* The module that is in `ko` is refused, with these words. */
static void refuse(const char *part)
{
	size_t size;
	uint8_t *bytes = ko_build(&ko, &size);
	struct module *module;

	assert_refused(module_open(bytes, size, &module), part);
}

static void test_what_it_says(void **state)
{
	(void)state;
	for (unsigned word = 4; word <= 8; word += 4) {
		const struct module_section *section;
		struct module *module;
		const uint8_t *id;
		uint64_t offset;
		size_t size;

		ko_sample(&ko, word);
		module = ko_open(&ko);
		assert_int_equal(module_word(module), word);
		assert_string_equal(module_name(module), "sample");
		assert_string_equal(module_depends(module), "other,sub_system");
		id = module_build_id(module, &size, &section, &offset);
		assert_non_null(id);
		assert_int_equal(size, 8);
		assert_int_equal(offset, 16);
		assert_string_equal(section->name, ".note.gnu.build-id");
		assert_memory_equal(id, ko_note + 16, 8);
		module_close(module);
	}
}

static void assert_kind(const struct module *module, const char *name, enum module_kind kind, uint64_t size)
{
	const struct module_section *section = module_find_section(module, name);

	assert_non_null(section);
	assert_int_equal(section->kind, kind);
	assert_int_equal(section->size, size);
}

static void test_sections(void **state)
{
	struct module *module;
	size_t count;

	(void)state;
	ko_sample(&ko, 8);
	ko_section(&ko, "__ex_table", SHT_PROGBITS, KO_A, NULL, 12);
	ko_section(&ko, ".orc_unwind", SHT_PROGBITS, KO_A, NULL, 6);
	ko_section(&ko, ".init.data", SHT_PROGBITS, KO_WA, NULL, 8);
	ko_section(&ko, "__versions", SHT_PROGBITS, KO_A, NULL, 64);
	ko_section(&ko, ".comment", SHT_PROGBITS, 0, "GCC", 4);
	ko_section(&ko, ".text", SHT_PROGBITS, KO_AX, NULL, 2);
	module = ko_open(&ko);
	assert_kind(module, ".text", MODULE_CODE, KO_TEXT_SIZE); /* the first one */
	assert_kind(module, ".exit.text", MODULE_CODE, 16);
	assert_kind(module, ".altinstr_replacement", MODULE_CODE, 3);
	assert_kind(module, ".rodata", MODULE_CONSTANT, KO_RODATA_SIZE);
	assert_kind(module, "__ksymtab_strings", MODULE_CONSTANT, 21);
	assert_kind(module, "__ex_table", MODULE_DATA, 12);
	assert_kind(module, ".orc_unwind", MODULE_DATA, 6);
	assert_kind(module, "__mcount_loc", MODULE_DATA, 24);
	assert_kind(module, ".data", MODULE_DATA, KO_DATA_SIZE);
	assert_kind(module, ".bss", MODULE_DATA, 64);
	assert_kind(module, ".data..percpu", MODULE_PER_CPU, 64);
	assert_null(module_find_section(module, ".bss")->content);
	assert_memory_equal(module_find_section(module, ".text")->content, ko_text, KO_TEXT_SIZE);
	assert_null(module_find_section(module, ".init.text"));
	assert_null(module_find_section(module, ".init.data"));
	assert_null(module_find_section(module, ".modinfo"));
	assert_null(module_find_section(module, "__versions"));
	assert_null(module_find_section(module, ".comment"));
	module_sections(module, &count);
	assert_int_equal(count, KO_SAMPLE_SECTIONS - 1 - 2 + 3);
	module_close(module);
}

/* Its name, if .modinfo does not have it; and no code that unloads it, if the kernel cannot do that. */
static void test_without_information(void **state)
{
	struct module *module;

	(void)state;
	for (unsigned word = 4; word <= 8; word += 4) {
		ko_sample(&ko, word);
		ko.section[KO_RECORD].size = 3 * word;
		memset(ko.section[KO_INFORMATION].content, 0, KO_CONTENT);
		strcpy((char *)ko.section[KO_INFORMATION].content, "vermagic=6.1.0 SMP ");
		refuse("what module it is");
		ko.section[KO_RECORD].size = KO_RECORD_SIZE;
		strcpy((char *)ko.section[KO_RECORD].content + 3 * word, "sam-ple");
		module = ko_open(&ko);
		assert_string_equal(module_name(module), "sam_ple");
		assert_string_equal(module_depends(module), "");
		assert_null(module_find_section(module, ".exit.text"));
		module_close(module);
	}
}

static void test_cfi(void **state)
{
	(void)state;
	ko_sample(&ko, 8);
	ko_section(&ko, ".kcfi_traps", SHT_PROGBITS, KO_A, NULL, 4);
	refuse("control-flow integrity");
	ko_sample(&ko, 8);
	ko_symbol(&ko, "__cfi_first", KO_TEXT, 0, 0, STT_FUNC, STB_LOCAL);
	refuse("control-flow integrity");
}

static void test_no_module(void **state)
{
	struct module *module;
	uint8_t *bytes;
	size_t size;

	(void)state;
	ko_sample(&ko, 8);
	bytes = ko_build(&ko, &size);
	bytes[16] = ET_EXEC;
	assert_refused(module_open(bytes, size, &module), "no module");
	bytes = ko_build(&ko, &size);
	bytes[18] = EM_AARCH64;
	assert_refused(module_open(bytes, size, &module), "x86-64");
	bytes = ko_build(&ko, &size);
	bytes[EI_CLASS] = ELFCLASS32; /* x32 */
	assert_refused(module_open(bytes, size, &module), "x86-64");
	assert_refused(module_open(malloc(1), 1, &module), "no ELF file");
	assert_refused(module_open(malloc(1), 0, &module), "no ELF file");
}

/* Cut off anywhere, it is refused or, where only zeros at its end are missing, the same. */
static void test_cut_off(void **state)
{
	(void)state;
	for (unsigned word = 4; word <= 8; word += 4) {
		size_t size, refused = 0;

		ko_sample(&ko, word);
		free(ko_build(&ko, &size));
		for (size_t left = 0; left < size; left += 7) {
			struct module *module = NULL;
			uint8_t *bytes = ko_build(&ko, &size), *exact = malloc(left + 1);
			struct error *err;

			memcpy(exact, bytes, left);
			free(bytes);
			err = module_open(exact, left, &module);
			refused += err != NULL;
			error_destroy(err);
			module_close(module);
		}
		assert_int_equal(refused, (size + 6) / 7);
	}
}

static void test_damaged(void **state)
{
	(void)state;
	ko_sample(&ko, 8);
	ko_relocation(&ko, KO_TEXT, KO_TEXT_SIZE - 3, R_X86_64_PC32, KO_DATA, 0);
	refuse("out of bounds");
	ko_sample(&ko, 8);
	ko_relocation(&ko, KO_TEXT, UINT64_MAX - 1, R_X86_64_PC32, KO_DATA, 0);
	refuse("out of bounds");
	ko_sample(&ko, 8);
	ko_relocation(&ko, KO_TEXT, 0, R_X86_64_PC32, KO_SYMBOLS, 0);
	refuse("out of bounds");
	ko_sample(&ko, 8);
	ko_relocation(&ko, KO_TEXT, 0, R_X86_64_GOTPCREL, KO_DATA, 0);
	refuse("type 9");
	ko_sample(&ko, 8);
	ko_relocation(&ko, KO_BSS, 0, R_X86_64_64, KO_DATA, 0);
	refuse("form");
	ko_sample(&ko, 8);
	ko_symbol(&ko, "common", SHN_COMMON, 0, 0, STT_OBJECT, STB_GLOBAL);
	refuse("common is of a kind");
	ko_sample(&ko, 8);
	ko_section(&ko, ".text.more", SHT_NOBITS, KO_AX, NULL, 64);
	refuse(".text.more");
	ko_sample(&ko, 8);
	strcpy((char *)ko.section[KO_INFORMATION].content, "name=../../etc");
	refuse("other signs");
}

/* Sections that share bytes of the file could promise more than it has. */
static void test_overlap(void **state)
{
	size_t size, at;
	uint8_t *bytes;
	struct module *module;
	Elf64_Shdr header;

	(void)state;
	ko_sample(&ko, 8);
	bytes = ko_build(&ko, &size);
	memcpy(&at, bytes + offsetof(Elf64_Ehdr, e_shoff), sizeof(at));
	for (unsigned i = 0; i < 2; i++) {
		uint8_t *place = bytes + at + (KO_RODATA + i) * sizeof(header);

		memcpy(&header, place, sizeof(header));
		header.sh_offset = 0;
		header.sh_size = size;
		memcpy(place, &header, sizeof(header));
	}
	assert_refused(module_open(bytes, size, &module), "overlaps");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_it_says), cmocka_unit_test(test_sections),  cmocka_unit_test(test_without_information),
		cmocka_unit_test(test_cfi),          cmocka_unit_test(test_no_module), cmocka_unit_test(test_cut_off),
		cmocka_unit_test(test_damaged),      cmocka_unit_test(test_overlap),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
