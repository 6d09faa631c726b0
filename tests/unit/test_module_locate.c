/* Finding a module in memory (module_locate() of loader/module.h): a kernel's memory is made up with what its loader would put there. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>

#include <cmocka.h>

#include "loader/module.h"
#include "tests/unit/module_rig.h"

enum {
	RECORD_SIZE = 256,
	CODE_WORD = 9,
	CONSTANTS_WORD = 20 /* in struct module, where different kernels have them */,
	RODATA_WORD = 0x68
};

static struct ko ko;

struct memory {
	struct module *module; /* as linked there */
	uint64_t text, constants, data, per_cpu, record;
	uint8_t words[KO_RECORD_SIZE]; /* struct module */
};

static struct memory memory_of(unsigned word)
{
	if (word == 4)
		return (struct memory){NULL, 0xf8401000, 0xf8402000, 0xf8405000, 0x0123c000, 0, {0}};
	return (struct memory){NULL, 0xffffffffc0401000, 0xffffffffc0402000, 0xffffffffc0405000, 0x2f000, 0, {0}};
}

static bool resolve(void *opaque, const char *name, uint64_t *ret)
{
	const struct memory *memory = opaque;

	(void)name;
	*ret = memory->text - 0x100000;
	return true;
}

/* The addresses that the loader gives to the sections with these flags. */
static void lay_out(struct module *module, uint64_t flags, uint64_t at)
{
	for (unsigned i = 1; i < ko.sections; i++) {
		struct module_section *section = module_find_section(module, ko.section[i].name);

		if (!section || ko.section[i].flags != flags || section->kind == MODULE_PER_CPU)
			continue;
		at = (at + 15) & ~15ull; /* as they are aligned in the sample */
		section->address = at;
		at += section->size;
	}
}

static void put_word(struct memory *memory, unsigned number, uint64_t value)
{
	memcpy(memory->words + (size_t)number * ko.word, &value, ko.word);
}

/* The sample, whose code refers to constant data or does not. */
static struct memory load(unsigned word, bool refers)
{
	struct memory memory = memory_of(word);
	const struct module_resolver resolver = {resolve, &memory};
	struct error *err;

	ko_sample(&ko, word);
	if (refers)
		ko_relocation(&ko, KO_TEXT, RODATA_WORD, ko_pointer(&ko), KO_RODATA, 16);
	memory.module = ko_open(&ko);
	lay_out(memory.module, KO_AX, memory.text);
	lay_out(memory.module, KO_A, memory.constants);
	lay_out(memory.module, KO_WA, memory.data);
	module_find_section(memory.module, ".data..percpu")->address = memory.per_cpu;
	err = module_link(memory.module, &resolver);
	if (err)
		fail_msg("%s", err->message);
	memory.record = module_find_section(memory.module, ".gnu.linkonce.this_module")->address;
	put_word(&memory, 11, memory.per_cpu);
	memcpy(memory.words + (size_t)3 * word, "sample", sizeof("sample"));
	put_word(&memory, 7, memory.data + 0x1000); /* page boundaries of other things */
	put_word(&memory, 8, memory.constants);
	put_word(&memory, CODE_WORD, memory.text);
	return memory;
}

static bool read_memory(void *opaque, uint64_t address, void *to, size_t size)
{
	struct memory *memory = opaque;
	size_t count;
	const struct module_section *section = module_sections(memory->module, &count);

	if (address == memory->record && size <= KO_RECORD_SIZE) {
		memcpy(to, memory->words, size);
		return true;
	}
	for (size_t i = 0; i < count; i++) {
		if (section[i].linked && section[i].address == address && size <= section[i].size) {
			memcpy(to, section[i].linked, size);
			return true;
		}
	}
	return false;
}

static const char *const found[] = {".text", ".exit.text", ".rodata", ".data", ".data..percpu", ".note.gnu.build-id", "__ksymtab_strings"};

static void assert_located(struct memory *memory)
{
	struct module *module = ko_open(&ko);

	assert_true(module_locate(module, memory->record, read_memory, memory));
	for (unsigned i = 0; i < sizeof(found) / sizeof(found[0]); i++)
		assert_int_equal(module_find_section(module, found[i])->address, module_find_section(memory->module, found[i])->address);
	module_close(module);
}

static void assert_not_located(struct memory *memory)
{
	struct module *module = ko_open(&ko);
	size_t count;
	const struct module_section *section = module_sections(module, &count);

	assert_false(module_locate(module, memory->record, read_memory, memory));
	for (size_t i = 0; i < count; i++)
		assert_int_equal(section[i].address, 0);
	module_close(module);
}

static void test_located(void **state)
{
	(void)state;
	for (unsigned word = 4; word <= 8; word += 4) {
		for (unsigned refers = 0; refers < 2; refers++) {
			struct memory memory = load(word, refers);

			assert_located(&memory);
			module_close(memory.module);
		}
	}
}

/* Since Linux 6.4 they have a place of their own. */
static void test_constants_elsewhere(void **state)
{
	struct memory memory = load(8, false);
	const struct module_resolver resolver = {resolve, &memory};

	(void)state;
	lay_out(memory.module, KO_A, 0xffffffffc0900000);
	assert_null(module_link(memory.module, &resolver));
	assert_not_located(&memory);
	put_word(&memory, CONSTANTS_WORD, 0xffffffffc0900000);
	assert_located(&memory);
	module_close(memory.module);
}

static void test_no_record(void **state)
{
	struct memory memory = load(8, true);

	(void)state;
	put_word(&memory, CODE_WORD, memory.text + 8);
	assert_not_located(&memory);
	put_word(&memory, CODE_WORD, memory.text + 0x1000);
	assert_not_located(&memory);
	put_word(&memory, CODE_WORD, memory.text);
	assert_located(&memory);
	memory.words[24] = 'S'; /* another module */
	assert_not_located(&memory);
	memory.words[24] = 's';
	memory.record += 0x1000; /* and nothing can be read there */
	memory.words[30] = '_';
	assert_not_located(&memory);
	module_close(memory.module);
}

/* Somebody has been there, or it is another build. */
static void test_changed(void **state)
{
	static const struct {
		const char *section;
		uint64_t offset;
		bool harmless; /* the kernel rewrites that */
	} changes[] = {
		{".text", KO_ADDRESS - 3, false},
		{".text", KO_ADDRESS, false},
		{".text", RODATA_WORD, false},
		{".text", KO_RETURN + 1, true},
		{".text", KO_TRACED, true},
		{".text", KO_TEXT_SIZE - 1, false},
		{".rodata", KO_RODATA_POINTER, false},
		{".rodata", KO_RODATA_SIZE - 1, false},
		{".rodata", KO_RODATA_OUTSIDER, true},
		{".note.gnu.build-id", sizeof(ko_note) - 1, false},
		{"__ksymtab_gpl", 0, false},
		{".exit.text", 3, false},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
		struct memory memory = load(8, true);

		module_find_section(memory.module, changes[i].section)->linked[changes[i].offset] ^= 0x40;
		if (changes[i].harmless)
			assert_located(&memory);
		else
			assert_not_located(&memory);
		module_close(memory.module);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_located),
		cmocka_unit_test(test_constants_elsewhere),
		cmocka_unit_test(test_no_record),
		cmocka_unit_test(test_changed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
