/* What the kernel rewrites in a module's code (loader/module.h): spans that vary, and patch sites. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>

#include <cmocka.h>

#include "loader/module.h"
#include "tests/unit/module_rig.h"

static struct ko ko;

enum { TEXT = 0x401000, REPLACEMENTS = 0x402000, TRAMPOLINES = 0x403000, DATA = 0x410000, OUTSIDE = 0x500000 };

/* Returns the error, or the module. */
static struct error *open_module(struct module **ret)
{
	size_t size;
	uint8_t *bytes = ko_build(&ko, &size);

	return module_open(bytes, size, ret);
}

static struct module *opened_module(void)
{
	struct module *module = NULL;
	struct error *err = open_module(&module);

	if (err)
		fail_msg("%s", err->message);
	return module;
}

static void refuse(const char *part)
{
	struct module *module;
	struct error *err = open_module(&module);

	assert_non_null(err);
	if (!strstr(err->message, part))
		fail_msg("'%s' lacks '%s'", err->message, part);
	error_destroy(err);
}

static void assert_varying(const struct module_section *section, const struct module_span *expected, size_t count)
{
	assert_int_equal(section->varyings, count);
	for (size_t i = 0; i < count; i++) {
		assert_int_equal(section->varying[i].offset, expected[i].offset);
		assert_int_equal(section->varying[i].size, expected[i].size);
	}
}

static void test_varying(void **state)
{
	static const struct module_span text[] = {
		{KO_PADDING, KO_LOCK + 1 - KO_PADDING}, /* padding, ENDBR, tracer, jump label, static call, lock: one behind the other */
		{KO_ACCESS, 3 + 6},                     /* and a thunk behind it */
		{KO_RETURN, 5 + 6},                     /* and a paravirt call */
		{KO_RETURN_TOO, 5 + 5 + 2 + 6},         /* a traced function, a short jump label, a conditional static call */
	};
	static const struct module_span trampoline[] = {{0, 5}};

	(void)state;
	for (unsigned word = 4; word <= 8; word += 4) {
		struct module *module;

		ko_sample(&ko, word);
		module = opened_module();
		assert_varying(module_find_section(module, ".text"), text, 4);
		assert_varying(module_find_section(module, ".static_call.text"), trampoline, 1);
		assert_varying(module_find_section(module, ".exit.text"), NULL, 0);
		assert_varying(module_find_section(module, ".rodata"), NULL, 0);
		module_close(module);
	}
}

/* Entries of 12, 13 and 14 bytes, one and several. */
static void test_alternatives(void **state)
{
	static const struct {
		size_t size;
		unsigned lengths_at;
	} formats[] = {{12, 10}, {13, 10}, {14, 12}};

	(void)state;
	for (unsigned i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
		for (unsigned entries = 1; entries <= 3; entries++) {
			static const struct module_span expected[] = {{4, 3}, {16, 4}, {32, 5}};
			struct module *module;

			ko_init(&ko, 8);
			ko_sample_sections(&ko);
			ko_sample_symbols(&ko);
			for (unsigned k = 0; k < entries; k++)
				ko_alternative(&ko, k, formats[i].size, formats[i].lengths_at, expected[k].offset, expected[k].size);
			module = opened_module();
			assert_varying(module_find_section(module, ".text"), expected, entries);
			module_close(module);
		}
	}
	ko_init(&ko, 8);
	ko_sample_sections(&ko);
	ko_sample_symbols(&ko);
	for (unsigned k = 0; k < 2; k++)
		ko_alternative(&ko, k, 16, 10, 4 + 8 * k, 3);
	refuse(".altinstructions");
}

/* Tables that are not about code, or reach behind it, or about code in no form that is known. */
static void test_odd_tables(void **state)
{
	(void)state;
	ko_sample(&ko, 8);
	ko_entry(&ko, KO_LOCKS, 1, 4, KO_DATA, 0);
	refuse(".smp_locks is not about code");
	ko_sample(&ko, 8);
	ko_entry(&ko, KO_RETURNS, 3, 4, KO_TEXT, KO_TEXT_SIZE);
	refuse(".return_sites is not about code");
	ko_sample(&ko, 8);
	ko_entry(&ko, KO_RETURNS, 3, 4, KO_TEXT, KO_TEXT_SIZE - 4);
	refuse(".return_sites, about .text+0x6c");
	ko_sample(&ko, 8);
	ko.section[KO_TEXT].content[KO_TRACED] = 0xcc;
	refuse("__mcount_loc, about .text+0x14");
	ko_sample(&ko, 8);
	ko.section[KO_TEXT].content[KO_LABEL] = 0xe8;
	refuse("__jump_table, about .text+0x19");
	ko_sample(&ko, 8);
	ko_relocation(&ko, KO_LABELS, 0, R_X86_64_PC32, KO_TEXT, 0);
	refuse("__jump_table has a form");
	ko_sample(&ko, 4);
	ko.section[KO_PARAVIRTS].content[5] = 0;
	refuse(".parainstructions");
}

/* -- sites -- */

static bool resolve(void *opaque, const char *name, uint64_t *ret)
{
	(void)opaque;
	*ret = OUTSIDE;
	return strcmp(name, "__SCK__there") != 0 || ko.word == 8;
}

static void set_address(struct module *module, const char *name, uint64_t address)
{
	module_find_section(module, name)->address = address;
}

static struct module *linked_module(void)
{
	static const struct module_resolver resolver = {resolve, NULL};
	struct module *module = opened_module();
	struct error *err;

	set_address(module, ".text", TEXT);
	set_address(module, ".altinstr_replacement", REPLACEMENTS);
	set_address(module, ".exit.text", REPLACEMENTS + 0x100);
	set_address(module, ".static_call.text", TRAMPOLINES);
	set_address(module, ".data", DATA);
	set_address(module, ".data..percpu", 0x3000);
	err = module_link(module, &resolver);
	if (err)
		fail_msg("%s", err->message);
	return module;
}

static void assert_site(const struct patch_site *site, const struct patch_site *expected)
{
	assert_int_equal(site->kind, expected->kind);
	assert_int_equal(site->address, expected->address);
	assert_int_equal(site->target, expected->target);
	assert_int_equal(site->key, expected->key);
	assert_int_equal(site->branch, expected->branch);
	assert_int_equal(site->tail, expected->tail);
}

static void test_sites(void **state)
{
	(void)state;
	for (unsigned word = 4; word <= 8; word += 4) {
		uint64_t there = word == 8 ? OUTSIDE : 0; /* a key that nobody exports */
		const struct patch_site expected[] = {
			{.kind = PATCH_JUMP_LABEL, .address = TEXT + KO_LABEL, .target = TEXT + KO_RETURN, .key = DATA + KO_KEYS},
			{.kind = PATCH_STATIC_CALL, .address = TEXT + KO_CALL, .key = there},
			{.kind = PATCH_JUMP_LABEL,
			 .address = TEXT + KO_SHORT_LABEL,
			 .target = TEXT + KO_SHORT_LABEL + 11,
			 .key = DATA + KO_KEYS + 16,
			 .branch = true},
			{.kind = PATCH_STATIC_CALL, .address = TEXT + KO_CONDITIONAL_CALL, .key = there, .tail = true},
			{.kind = PATCH_TRAMPOLINE, .address = TRAMPOLINES, .tail = true},
		};
		struct patch_sites sites = {0};
		struct module *module;

		ko_sample(&ko, word);
		module = linked_module();
		assert_null(module_add_sites(module, &sites));
		patch_sites_sort(&sites);
		assert_int_equal(sites.count, 5);
		for (unsigned i = 0; i < 5; i++)
			assert_site(&sites.site[i], &expected[i]);
		patch_sites_deinit(&sites);
		module_close(module);
	}
}

/* Three addresses, as before 4.19; and sites in code that was freed. */
static void test_old_jump_labels(void **state)
{
	struct patch_sites sites = {0};
	struct module *module;

	(void)state;
	ko_sample(&ko, 8);
	for (unsigned i = 0; i < ko.relocations; i++) {
		if (ko.relocation[i].section == KO_LABELS)
			ko.relocation[i] = ko.relocation[--ko.relocations], i--;
	}
	ko.section[KO_LABELS].size = 48;
	for (unsigned i = 0; i < 2; i++) {
		ko_relocation(&ko, KO_LABELS, 24 * i + 16, R_X86_64_64, KO_DATA, 0x11);
		ko_relocation(&ko, KO_LABELS, 24 * i + 8, R_X86_64_64, i ? KO_INIT : KO_TEXT, 9);
		ko_relocation(&ko, KO_LABELS, 24 * i, R_X86_64_64, i ? KO_INIT : KO_TEXT, i ? 4 : KO_LABEL);
	}
	module = linked_module();
	assert_null(module_add_sites(module, &sites));
	patch_sites_sort(&sites);
	assert_int_equal(sites.count, 4);
	assert_site(&sites.site[0],
		    &(struct patch_site){
			    .kind = PATCH_JUMP_LABEL, .address = TEXT + KO_LABEL, .target = TEXT + 9, .key = DATA + 0x10, .branch = true});
	patch_sites_deinit(&sites);
	module_close(module);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_varying), cmocka_unit_test(test_alternatives),    cmocka_unit_test(test_odd_tables),
		cmocka_unit_test(test_sites),   cmocka_unit_test(test_old_jump_labels),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
