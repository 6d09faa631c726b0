/* Linking modules (loader/module.h): every relocation, what cannot be resolved, exports, functions, and finding a section's address. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>

#include <cmocka.h>

#include "loader/module.h"
#include "tests/unit/module_rig.h"

static struct ko ko;

/* Where everything is. The per-CPU data are an offset. */
struct places {
	uint64_t text, data, per_cpu, outsider;
};

static struct places places_of(unsigned word)
{
	return word == 8 ? (struct places){0xffffffffc0401000, 0xffffffffc0481000, 0x2f000, 0xffffffff81234560}
			 : (struct places){0xf8401000, 0xf8481000, 0x0123c000, 0xc1234560};
}

static const char *missing; /* what the resolver does not know */

static bool resolve(void *opaque, const char *name, uint64_t *ret)
{
	static const char *const known[] = {"__fentry__",         "__SCT__there", "__SCK__there", "__x86_indirect_thunk_rax",
					    "__x86_return_thunk", "pv_ops",       "outsider"};
	const struct places *places = opaque;

	for (unsigned i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (!strcmp(name, known[i]) && (!missing || strcmp(name, missing) != 0)) {
			*ret = places->outsider + (i == 6 ? 0 : 0x1000 * i);
			return true;
		}
	}
	return false;
}

/* The addresses of all sections: in text, data, or per-CPU data, 0x1000 from each other. */
static void set_addresses(struct module *module, const struct places *places)
{
	size_t count;
	struct module_section *section = module_sections(module, &count);

	for (size_t i = 0; i < count; i++) {
		section[i].address = (section[i].kind == MODULE_CODE ? places->text : places->data) + 0x1000 * i;
		if (section[i].kind == MODULE_PER_CPU)
			section[i].address = places->per_cpu;
	}
}

static struct module *open_module(const struct places *places)
{
	struct module *module = ko_open(&ko);

	set_addresses(module, places);
	return module;
}

static struct error *link_module(struct module *module, struct places *places)
{
	const struct module_resolver resolver = {resolve, places};

	return module_link(module, &resolver);
}

static struct module *linked_module(struct places *places)
{
	struct module *module = open_module(places);
	struct error *err = link_module(module, places);

	if (err)
		fail_msg("%s", err->message);
	return module;
}

static uint64_t address_of(const struct module *module, const char *name)
{
	return module_find_section(module, name)->address;
}

static uint64_t word_at(const struct module_section *section, uint64_t offset, unsigned size)
{
	uint64_t value = 0;

	memcpy(&value, section->linked + offset, size);
	return value;
}

/* Where the branch leads whose displacement is at `offset`. */
static uint64_t branch_at(const struct module *module, const struct module_section *section, uint64_t offset)
{
	uint64_t target = section->address + offset + 4 + (int64_t)(int32_t)word_at(section, offset, 4);

	return module_word(module) == 8 ? target : (uint32_t)target;
}

static void check_text(const struct module *module, const struct places *places)
{
	const struct module_section *text = module_find_section(module, ".text");
	uint64_t data = address_of(module, ".data"), nowhere = module_word(module) == 8 ? -4096ull + 4 : (uint32_t)(-4096 + 4);
	bool wide = module_word(module) == 8;

	assert_memory_equal(text->linked + KO_TRACED, "\x0f\x1f\x44\0", 5);
	assert_memory_equal(text->linked + KO_SECOND, "\x0f\x1f\x44\0", 5);
	assert_memory_equal(text->linked + KO_LABEL, "\x0f\x1f\x44\0", 5);
	assert_memory_equal(text->linked + KO_ACCESS, "\x0f\x01\xcb", 3); /* STAC */
	assert_memory_equal(text->linked + KO_LOCK, "\xf0\xff", 3);
	assert_int_equal(branch_at(module, text, KO_CALL + 1), places->outsider + 0x1000);
	assert_int_equal(branch_at(module, text, KO_THUNK + 2), places->outsider + 0x3000);
	assert_memory_equal(text->linked + KO_RETURN, "\xc3\xcc\xcc\xcc\xcc", 5);
	assert_int_equal(branch_at(module, text, KO_OUTSIDE), places->outsider);
	assert_int_equal(word_at(text, KO_ADDRESS, 4), (uint32_t)(data + 8));
	if (wide) {
		assert_int_equal(branch_at(module, text, KO_PARAVIRT + 2), places->outsider + 0x5000 + 8);
		assert_int_equal(branch_at(module, text, KO_PER_CPU), places->per_cpu + 16);
	} else {
		assert_int_equal(word_at(text, KO_PARAVIRT + 2, 4), places->outsider + 0x5000 + 8);
		assert_int_equal(word_at(text, KO_PER_CPU, 4), places->per_cpu + 16);
	}
	assert_int_equal(branch_at(module, text, KO_FREED), nowhere);
	assert_int_equal(text->gaps, 1);
	assert_int_equal(text->gap[0].offset, KO_FREED);
	assert_int_equal(text->gap[0].size, 4);
}

static void test_link(void **state)
{
	(void)state;
	for (unsigned word = 4; word <= 8; word += 4) {
		struct places places = places_of(word);
		const struct module_section *rodata;
		struct module *module;

		ko_sample(&ko, word);
		module = linked_module(&places);
		rodata = module_find_section(module, ".rodata");
		check_text(module, &places);
		assert_int_equal(word_at(rodata, KO_RODATA_POINTER, word), address_of(module, ".text") + KO_SECOND);
		assert_int_equal(word_at(rodata, KO_RODATA_OUTSIDER, word), places.outsider);
		assert_int_equal(rodata->gaps, 1);
		assert_int_equal(rodata->gap[0].offset, KO_RODATA_FREED);
		assert_int_equal(rodata->gap[0].size, word);
		assert_null(module_find_section(module, ".data")->linked);
		assert_null(module_find_section(module, ".data..percpu")->linked);
		assert_null(module_find_section(module, "__mcount_loc")->linked);
		places.text += 0x100000; /* once more, elsewhere */
		places.outsider += 0x100000;
		set_addresses(module, &places);
		assert_null(link_module(module, &places));
		check_text(module, &places);
		assert_int_equal(rodata->gaps, 1);
		module_close(module);
	}
}

/* The forms that the sample lacks, on x86-64. */
static void test_forms(void **state)
{
	struct places places = places_of(8);
	struct module *module;
	struct module_section *more;

	(void)state;
	ko_sample(&ko, 8);
	ko_section(&ko, ".text.more", SHT_PROGBITS, KO_AX, NULL, 64);
	ko_relocation(&ko, KO_SAMPLE_SECTIONS, 0, R_X86_64_NONE, KO_OUTSIDER, 0);
	ko_relocation(&ko, KO_SAMPLE_SECTIONS, 8, R_X86_64_PC64, KO_OUTSIDER, 24);
	ko_relocation(&ko, KO_SAMPLE_SECTIONS, 16, R_X86_64_32, KO_PER_CPU_DATA, 4);
	ko_relocation(&ko, KO_SAMPLE_SECTIONS, 24, R_X86_64_64, KO_NOBODY, 0);
	module = linked_module(&places);
	more = module_find_section(module, ".text.more");
	assert_int_equal(word_at(more, 0, 8), 0);
	assert_int_equal(word_at(more, 8, 8), places.outsider + 24 - (more->address + 8));
	assert_int_equal(word_at(more, 16, 8), places.per_cpu + 4);
	assert_int_equal(word_at(more, 24, 8), 0); /* weak, and nobody exports it */
	module_close(module);
}

static void expect_failure(struct module *module, struct places *places, const char *first, const char *second)
{
	struct error *err = link_module(module, places);

	assert_non_null(err);
	if (!strstr(err->message, first) || !strstr(err->message, second))
		fail_msg("'%s' lacks '%s' or '%s'", err->message, first, second);
	error_destroy(err);
	assert_null(module_find_section(module, ".text")->linked);
}

static void test_failures(void **state)
{
	(void)state;
	for (unsigned word = 4; word <= 8; word += 4) {
		struct places places = places_of(word);
		struct module *module;

		ko_sample(&ko, word);
		module = open_module(&places);
		missing = "outsider";
		expect_failure(module, &places, ".text+0x37 refers to outsider", "exports");
		missing = "__SCK__there"; /* a key alone, of a table: it is not needed */
		assert_null(link_module(module, &places));
		missing = NULL;
		module_find_section(module, ".data")->address = 0;
		expect_failure(module, &places, ".text+0x32 refers to .data", "not known");
		set_addresses(module, &places);
		module_find_section(module, ".exit.text")->address = 0;
		expect_failure(module, &places, ".exit.text", "not known");
		set_addresses(module, &places);
		assert_null(link_module(module, &places));
		module_close(module);
	}
}

static void test_too_far(void **state)
{
	struct places places = places_of(8), far = places;
	struct module *module;

	(void)state;
	ko_sample(&ko, 8);
	module = open_module(&places);
	far.outsider = 0xffff888000000000;
	expect_failure(module, &far, "refers to", "too far");
	module_find_section(module, ".data")->address = 0xffff888000000000; /* does not fit a sign-extended word */
	expect_failure(module, &places, ".text+0x32 refers to .data", "too far");
	module_close(module);
}

/* Empty code needs no address. A constant section without one is not linked. */
static void test_no_address(void **state)
{
	struct places places = places_of(8);
	struct module *module;

	(void)state;
	ko_sample(&ko, 8);
	ko_section(&ko, ".text.unlikely", SHT_PROGBITS, KO_AX, NULL, 0);
	ko_section(&ko, ".rodata.more", SHT_PROGBITS, KO_A, NULL, 16);
	ko_relocation(&ko, KO_RODATA, 24, R_X86_64_64, KO_BSS, 0);
	module = open_module(&places);
	module_find_section(module, ".text.unlikely")->address = 0;
	module_find_section(module, ".rodata.more")->address = 0;
	module_find_section(module, ".bss")->address = 0;
	assert_null(link_module(module, &places));
	assert_null(module_find_section(module, ".rodata.more")->linked);
	assert_int_equal(module_find_section(module, ".rodata")->gaps, 2);
	assert_int_equal(module_find_section(module, ".rodata")->gap[1].offset, 24);
	module_close(module);
}

static void test_exports(void **state)
{
	(void)state;
	for (unsigned word = 4; word <= 8; word += 4) {
		struct places places = places_of(word);
		struct module *module;
		uint64_t value;

		ko_sample(&ko, word);
		module = open_module(&places);
		assert_false(module_export(module, "first", &value)); /* not linked */
		assert_null(link_module(module, &places));
		assert_true(module_export(module, "first", &value));
		assert_int_equal(value, address_of(module, ".text") + KO_FIRST);
		assert_true(module_export(module, "second", &value));
		assert_int_equal(value, address_of(module, ".text") + KO_SECOND);
		assert_true(module_export(module, "per_cpu", &value));
		assert_int_equal(value, places.per_cpu + 8);
		assert_false(module_export(module, "second_alias", &value)); /* a symbol, but not exported */
		assert_false(module_export(module, "", &value));
		module_close(module);
	}
}

/* As they were before 4.19: two addresses. */
static void test_old_exports(void **state)
{
	struct places places = places_of(8);
	struct module *module;
	uint64_t value;

	(void)state;
	ko_sample(&ko, 8);
	ko_section(&ko, "__ksymtab", SHT_PROGBITS, KO_A, NULL, 32);
	for (unsigned i = 0; i < 2; i++) {
		ko_relocation(&ko, KO_SAMPLE_SECTIONS, 16 * i, R_X86_64_64, i ? KO_TEXT : KO_BSS, 8 + i);
		ko_relocation(&ko, KO_SAMPLE_SECTIONS, 16 * i + 8, R_X86_64_64, KO_KSYMTAB_STRINGS, i ? 1 : 8);
	}
	module = linked_module(&places);
	assert_true(module_export(module, "irst", &value));
	assert_int_equal(value, address_of(module, ".bss") + 8);
	assert_true(module_export(module, "econd", &value));
	assert_int_equal(value, address_of(module, ".text") + 9);
	module_close(module);
}

static void test_functions(void **state)
{
	struct places places = places_of(8);
	struct module *module;
	uint64_t text, offset;

	(void)state;
	ko_sample(&ko, 8);
	module = linked_module(&places);
	text = address_of(module, ".text");
	assert_null(module_function(module, text + KO_FIRST - 1, &offset));
	assert_string_equal(module_function(module, text + KO_FIRST, &offset), "first");
	assert_int_equal(offset, 0);
	assert_string_equal(module_function(module, text + KO_SECOND - 1, &offset), "first");
	assert_int_equal(offset, KO_SECOND - KO_FIRST - 1);
	assert_string_equal(module_function(module, text + KO_SECOND + 3, &offset), "second"); /* rather than its local alias */
	assert_int_equal(offset, 3);
	assert_null(module_function(module, text + KO_TEXT_SIZE - 1, &offset)); /* behind it */
	assert_null(module_function(module, text + KO_TEXT_SIZE, &offset));
	assert_null(module_function(module, address_of(module, ".data"), &offset));
	module_close(module);
}

/* -- finding the address of a section by what stands in memory -- */

static bool read_linked(void *opaque, uint64_t address, void *to, size_t size)
{
	size_t count;
	const struct module_section *section = module_sections(opaque, &count);

	for (size_t i = 0; i < count; i++) {
		if (section[i].linked && address - section[i].address < section[i].size &&
		    size <= section[i].size - (address - section[i].address)) {
			memcpy(to, section[i].linked + (address - section[i].address), size);
			return true;
		}
	}
	return false;
}

static void test_find_address(void **state)
{
	(void)state;
	for (unsigned word = 4; word <= 8; word += 4) {
		struct places places = places_of(word);
		struct module *module, *seen;
		struct module_section *wanted;
		uint64_t address;

		ko_sample(&ko, word);
		ko_relocation(&ko, KO_RODATA, 24, ko_pointer(&ko), KO_PER_CPU_DATA, 40);
		module = linked_module(&places); /* what is in memory */
		seen = open_module(&places);
		wanted = module_find_section(seen, ".data..percpu");
		wanted->address = 0;
		assert_true(module_needs_section(seen, wanted));
		assert_true(module_find_section_address(seen, wanted, read_linked, module, &address));
		assert_int_equal(address, places.per_cpu);
		module_find_section(module, ".rodata")->linked[24] ^= 0x40; /* somebody has been there */
		assert_false(module_find_section_address(seen, wanted, read_linked, module, &address));
		module_find_section(seen, ".rodata")->address = 0; /* not looked at */
		assert_true(module_find_section_address(seen, wanted, read_linked, module, &address));
		module_find_section(seen, ".text")->address = 0;
		module_find_section(seen, "__ksymtab_gpl")->address = 0;
		assert_false(module_find_section_address(seen, wanted, read_linked, module, &address));
		assert_false(module_needs_section(seen, module_find_section(seen, ".bss"))); /* writable data alone refer to it */
		module_close(module);
		module_close(seen);
	}
}

/* What stands in alternatives and the like may be something else. */
static void test_find_address_in_varying(void **state)
{
	struct places places = places_of(8);
	struct module *module;
	uint64_t address;

	(void)state;
	ko_sample(&ko, 8);
	ko_alternative(&ko, 1, 12, 10, KO_PER_CPU - 3, 7);
	module = linked_module(&places);
	module_find_section(module, "__ksymtab_gpl")->address = 0;
	assert_false(module_find_section_address(module, module_find_section(module, ".data..percpu"), read_linked, module, &address));
	module_close(module);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_link),         cmocka_unit_test(test_forms),
		cmocka_unit_test(test_failures),     cmocka_unit_test(test_too_far),
		cmocka_unit_test(test_no_address),   cmocka_unit_test(test_exports),
		cmocka_unit_test(test_old_exports),  cmocka_unit_test(test_functions),
		cmocka_unit_test(test_find_address), cmocka_unit_test(test_find_address_in_varying),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
