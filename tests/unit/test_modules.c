/* Modules of the product in product context (redirect/modules.h): what is fetched, names, guesses, and what was changed in the product. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "redirect/module_changes.h"
#include "tests/unit/module_rig.h"

#define AREA 0xffffffffc0400000ull
#define OUTSIDER 0xffffffff81234560ull

/* Physical pages: 0 to 3 page tables; from FIRST on, AREA_PAGES pages at AREA. */
enum { FIRST = 4, AREA_PAGES = 40, PAGES = FIRST + AREA_PAGES };

struct scene {
	struct machine machine;
	struct symbols symbols;
	struct worlds worlds;
	struct code_pages pages;
	struct modules modules;
	uint64_t word[PAGES][PAGE_SIZE / 8];
	struct ko ko;
	char noted[2048];
	unsigned notes;
};

static const uint8_t *page(void *opaque, uint64_t paddr, enum page_lack *ret_lack)
{
	struct scene *scene = opaque;

	*ret_lack = PAGE_HOLE;
	return paddr / PAGE_SIZE < PAGES ? (const uint8_t *)scene->word[paddr / PAGE_SIZE] : NULL;
}

static int setup(void **state)
{
	struct scene *scene = calloc(1, sizeof(*scene));
	const struct product_memory_config config = {
		.snapshot = {scene, page},
		.paging = {.mode = PAGING_4LEVEL, .wp = true, .nxe = true, .maxphyaddr = 46},
		.kernel_start = 1ull << 63,
		.max_pages = 64,
	};

	scene->word[0][511] = 1 * PAGE_SIZE | PTE_P | PTE_W;
	scene->word[1][511] = 2 * PAGE_SIZE | PTE_P | PTE_W;
	scene->word[2][AREA >> 21 & 511] = 3 * PAGE_SIZE | PTE_P | PTE_W;
	for (unsigned i = 0; i < AREA_PAGES; i++)
		scene->word[3][i] = (FIRST + i) * PAGE_SIZE | PTE_P | PTE_W;
	assert_null(product_memory_init(&scene->worlds.memory, &config));
	scene->symbols = (struct symbols){.base = 0xffffffff81000000, .end = 0xffffffff83000000};
	scene->worlds.trusted = (struct kernel){.symbols = &scene->symbols, .abi = abi_of(8)};
	scene->worlds.product = &scene->worlds.trusted;
	physmem_init(&scene->machine.mem);
	scene->pages.machine = &scene->machine;
	scene->modules = (struct modules){.worlds = &scene->worlds, .pages = &scene->pages, .prove = true};
	*state = scene;
	return 0;
}

static int teardown(void **state)
{
	struct scene *scene = *state;

	modules_deinit(&scene->modules);
	product_memory_deinit(&scene->worlds.memory);
	physmem_deinit(&scene->machine.mem);
	free(scene);
	return 0;
}

/* -- the sample, loaded and linked -- */

static bool resolve(void *opaque, const char *name, uint64_t *ret)
{
	(void)opaque, (void)name;
	*ret = OUTSIDER;
	return true;
}

static uint8_t *product_at(struct scene *scene, uint64_t address)
{
	assert_true(address - AREA < AREA_PAGES * PAGE_SIZE);
	return (uint8_t *)scene->word[FIRST] + (address - AREA);
}

/* The product has what the file has, at a page for each section. */
static void load(struct scene *scene, struct module *module, uint64_t offset)
{
	size_t count;
	struct module_section *section = module_sections(module, &count);

	for (size_t i = 0; i < count; i++)
		section[i].address = AREA + PAGE_SIZE * i + offset;
	assert_null(module_link(module, &(struct module_resolver){resolve, NULL}));
	for (size_t i = 0; i < count; i++) {
		if (section[i].linked)
			memcpy(product_at(scene, section[i].address), section[i].linked, section[i].size);
	}
}

static struct module *open_sample_at(struct scene *scene, uint64_t offset)
{
	struct module *module;
	uint8_t *bytes;
	size_t size;

	ko_sample(&scene->ko, 8);
	bytes = ko_build(&scene->ko, &size);
	assert_null(module_open(bytes, size, &module));
	load(scene, module, offset);
	return module;
}

static struct module *open_sample(struct scene *scene)
{
	return open_sample_at(scene, 0x40);
}

static struct known_module *prove(struct scene *scene, struct module *module)
{
	struct known_module *known = modules_add(&scene->modules, "sample", MODULE_WANTED);
	struct patch_sites sites = {0};

	assert_non_null(known);
	assert_null(module_add_sites(module, &sites));
	patch_sites_sort(&sites);
	assert_null(modules_prove(known, module, &sites));
	return known;
}

static uint64_t text_of(struct module *module)
{
	return module_find_section(module, ".text")->address;
}

static void fetch(struct scene *scene, uint64_t address, void *to, size_t size)
{
	uint64_t paddr;

	assert_true(modules_fetch(&scene->modules, address, &paddr));
	assert_int_equal(paddr % PAGE_SIZE, address % PAGE_SIZE);
	assert_true(physmem_copy_out(&scene->machine.mem, paddr, to, size));
}

/* What is fetched is the file's, whatever the product has; but a switch stands as in the product. INT3 is between sections. */
static void test_fetch(void **state)
{
	static const uint8_t jump[] = {0xe9, KO_RETURN - KO_LABEL - 5, 0, 0, 0};
	struct scene *scene = *state;
	struct module *module = open_sample(scene);
	uint64_t text = text_of(module), paddr;
	uint8_t code[KO_TEXT_SIZE + 1], linked[KO_TEXT_SIZE];

	memcpy(linked, module_find_section(module, ".text")->linked, KO_TEXT_SIZE);
	memset(product_at(scene, text + KO_OUTSIDE - 1), 0xaa, 5);
	prove(scene, module);
	fetch(scene, text, code, KO_TEXT_SIZE + 1);
	assert_memory_equal(code, linked, KO_TEXT_SIZE);
	assert_int_equal(code[KO_TEXT_SIZE], 0xcc);
	assert_int_equal(scene->pages.count, 1);
	fetch(scene, text + 0x20, code, 1);
	assert_int_equal(scene->pages.count, 1);
	memcpy(product_at(scene, text + KO_LABEL), jump, sizeof(jump));
	modules_forget_switches(&scene->modules);
	memcpy(linked + KO_LABEL, jump, sizeof(jump));
	fetch(scene, text, code, KO_TEXT_SIZE);
	assert_memory_equal(code, linked, KO_TEXT_SIZE);
	assert_true(modules_read(&scene->modules, text, code, 1));
	assert_false(modules_read(&scene->modules, AREA - 1, code, 2));
	assert_false(modules_fetch(&scene->modules, AREA - 1, &paddr));
	assert_false(modules_fetch(&scene->modules, AREA + AREA_PAGES * PAGE_SIZE, &paddr));
	assert_int_equal(scene->pages.count, 2);
}

static void test_names(void **state)
{
	struct scene *scene = *state;
	struct module *module = open_sample(scene);
	uint64_t text = text_of(module);
	struct known_module *known;
	char near[MODULES_NEAR];

	known = prove(scene, module);
	assert_true(scene->modules.wanted);
	assert_true(modules_same_name("nf-tables_x", "nf_tables-x"));
	assert_false(modules_same_name("nf_tables", "nf_table"));
	assert_false(modules_same_name("nf_table", "nf_tables"));
	assert_ptr_equal(modules_find(&scene->modules, "sample"), known);
	assert_null(modules_find(&scene->modules, "samples"));
	assert_ptr_equal(modules_at(&scene->modules, text), known);
	assert_string_equal(modules_near(&scene->modules, text + KO_FIRST + 3, near), "first+0x3 [sample]");
	assert_string_equal(modules_near(&scene->modules, AREA - 8, near), "0xffffffffc03ffff8");
}

/* An address that nobody knows may be a function of a module, until that is known to be wrong. */
static void test_functions(void **state)
{
	struct scene *scene = *state;
	struct module *module = open_sample(scene);
	uint64_t text = text_of(module), other = AREA - 0x100000;

	assert_true(modules_is_function(&scene->modules, text + KO_FIRST + 1));
	prove(scene, module);
	assert_true(modules_is_function(&scene->modules, text + KO_FIRST));
	assert_true(modules_is_function(&scene->modules, text + KO_SECOND));
	assert_false(modules_is_function(&scene->modules, text + KO_FIRST + 1));
	assert_false(modules_is_function(&scene->modules, 0x1000));
	assert_true(modules_is_function(&scene->modules, other));
	assert_false(modules_guessed_wrong(&scene->modules, other + 1));
	assert_true(modules_guessed_wrong(&scene->modules, other));
	assert_false(modules_guessed_wrong(&scene->modules, other));
	assert_false(modules_is_function(&scene->modules, other));
	scene->modules.prove = false;
	assert_false(modules_is_function(&scene->modules, other + 0x1000));
}

/* Pages outside of the image are told once, whatever is read of them. */
static void test_reads(void **state)
{
	struct scene *scene = *state;

	assert_int_equal(modules_next_read(&scene->modules), 0);
	modules_note_read(&scene->modules, scene->symbols.base);
	assert_int_equal(modules_next_read(&scene->modules), 0);
	for (unsigned i = 0; i < 2 * MODULE_READS; i++) {
		modules_note_read(&scene->modules, AREA + i * PAGE_SIZE / 2 + 8);
		modules_note_read(&scene->modules, AREA - i * PAGE_SIZE / 2 - 8);
	}
	for (unsigned i = 0; i < MODULE_READS; i++)
		assert_in_range(modules_next_read(&scene->modules), AREA - MODULE_READS * PAGE_SIZE, AREA + MODULE_READS * PAGE_SIZE);
	assert_int_equal(modules_next_read(&scene->modules), 0);
	modules_note_read(&scene->modules, AREA);
	assert_int_equal(modules_next_read(&scene->modules), 0);
	scene->modules.reads = 0;
	scene->modules.prove = false;
	modules_note_read(&scene->modules, AREA);
	assert_int_equal(modules_next_read(&scene->modules), 0);
}

static void take_note(void *opaque, const char *text)
{
	struct scene *scene = opaque;

	scene->notes++;
	snprintf(scene->noted, sizeof(scene->noted), "%s", text);
}

/* Code that kernels patch may differ; what differs besides is told once, with its function and bytes. */
static void check_changes(struct scene *scene, uint64_t offset)
{
	const struct notes notes = {take_note, scene};
	struct module *module = open_sample_at(scene, offset);
	uint64_t text = text_of(module);
	struct known_module *known = prove(scene, module);

	memset(product_at(scene, text + KO_TRACED), 0xe8, 5);
	memset(product_at(scene, text + KO_RETURN), 0xc3, 5);
	memset(product_at(scene, text + KO_ACCESS), 0x90, 3);
	module_changes_tell(known, &scene->worlds.memory, &notes);
	assert_int_equal(scene->notes, 0);
	memcpy(product_at(scene, text + KO_OUTSIDE - 1), "\xe9\x11\x22\x33", 4);
	*product_at(scene, text + KO_SECOND + 0xf) ^= 0xff;
	module_changes_tell(known, &scene->worlds.memory, &notes);
	assert_int_equal(scene->notes, 1);
	assert_non_null(
		strstr(scene->noted,
		       "code of the module sample was changed in the snapshot: first+0x26 [sample] has e9 11 22 33 (and at 1 other place"));
}

static void test_changes(void **state)
{
	check_changes(*state, 0x40);
}

/* What varies, and what does not, may be on two pages. */
static void test_changes_at_page_end(void **state)
{
	check_changes(*state, PAGE_SIZE - KO_RETURN - 2);
}

static void test_changes_at_page_start(void **state)
{
	check_changes(*state, PAGE_SIZE - KO_OUTSIDE - 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {TEST(test_fetch),
					   TEST(test_names),
					   TEST(test_functions),
					   TEST(test_reads),
					   TEST(test_changes),
					   TEST(test_changes_at_page_end),
					   TEST(test_changes_at_page_start)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
