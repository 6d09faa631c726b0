/* Patch sites (loader/patch_sites.h): tables in every format, with and without bounds, among other data. */
#include "tests/unit/rig.h"

#include "loader/patch_sites.h"

enum { START = 0x10000, TEXT_END = 0x14000, END = 0x20000, TABLE = 0x18010, KEYS = 0x16000, ENTRIES = 40 };

struct image {
	uint8_t bytes[END - START];
};

static bool read_image(void *opaque, uint64_t address, void *to, size_t size)
{
	const struct image *image = opaque;

	if (address < START || address > END || size > END - address)
		return false;
	memcpy(to, image->bytes + (address - START), size);
	return true;
}

static struct patch_memory memory_of(struct image *image, unsigned word)
{
	return (struct patch_memory){.read = read_image, .opaque = image, .word = word, .start = START, .end = END, .text_end = TEXT_END};
}

static void put(struct image *image, uint64_t at, uint64_t value, unsigned size)
{
	memcpy(image->bytes + (at - START), &value, size);
}

static uint64_t site_address(unsigned i)
{
	return START + 0x3000 - i * 0x20; /* as tables are: sorted by key */
}

/* A jump label that is off. */
static void put_code(struct image *image, uint64_t at)
{
	memcpy(image->bytes + (at - START), "\x3e\x8d\x74\x26\x00", 5);
}

static void put_relative(struct image *image, unsigned word, unsigned i)
{
	uint64_t at = TABLE + i * (8 + word);

	put_code(image, site_address(i));
	put(image, at, site_address(i) - at, 4);
	put(image, at + 4, site_address(i) + 0x47 - (at + 4), 4);
	put(image, at + 8, KEYS + 16 * (i / 2) + (i & 1) - (at + 8), word);
}

static void put_absolute(struct image *image, unsigned word, unsigned i)
{
	uint64_t at = TABLE + 3 * word * i;

	put_code(image, site_address(i));
	put(image, at, site_address(i), word);
	put(image, at + word, site_address(i) + 0x47, word);
	put(image, at + 2 * word, KEYS + 16 * (i / 2) + (i & 1), word);
}

static void check_jump_labels(struct image *image, unsigned word, uint64_t start, uint64_t end)
{
	struct patch_memory memory = memory_of(image, word);
	struct patch_sites sites = {0};

	assert_null(patch_sites_add_jump_labels(&sites, &memory, start, end));
	assert_int_equal(sites.count, ENTRIES);
	patch_sites_sort(&sites);
	for (unsigned i = 0; i < ENTRIES; i++) {
		const struct patch_site *site = &sites.site[ENTRIES - 1 - i];

		assert_int_equal(site->kind, PATCH_JUMP_LABEL);
		assert_int_equal(site->address, site_address(i));
		assert_int_equal(site->target, site_address(i) + 0x47);
		assert_int_equal(site->key, KEYS + 16 * (i / 2));
		assert_int_equal(site->branch, i & 1);
	}
	assert_int_equal(patch_sites_from(&sites, 0), 0);
	assert_int_equal(sites.site[patch_sites_from(&sites, site_address(3))].address, site_address(3));
	assert_int_equal(sites.site[patch_sites_from(&sites, site_address(3) + 4)].address, site_address(3)); /* it may reach there */
	assert_int_equal(sites.site[patch_sites_from(&sites, site_address(3) + 8)].address, site_address(2));
	assert_int_equal(patch_sites_from(&sites, END), ENTRIES);
	patch_sites_deinit(&sites);
}

/* The bounds stand in code, among other addresses: those of the table of exceptions, for one. */
static void check_found(struct image *image, unsigned word, uint64_t end)
{
	const struct patch_memory memory = memory_of(image, word);
	const uint32_t address[] = {TABLE - 0x1000, TABLE - 0x1000 + 3 * ENTRIES * 12, START + 0x100, END + 8, (uint32_t)end, TABLE};
	uint64_t found_start, found_end;
	uint8_t code[64] = {0};

	for (unsigned i = 0; i < 6; i++)
		memcpy(code + 1 + 7 * i, &address[i], 4);
	assert_true(patch_sites_find_jump_table(&memory, code, sizeof(code), &found_start, &found_end));
	assert_int_equal(found_start, TABLE);
	assert_int_equal(found_end, end);
	assert_false(patch_sites_find_jump_table(&memory, code, 30, &found_start, &found_end));
	assert_false(patch_sites_find_jump_table(&memory, code, 0, &found_start, &found_end));
	check_jump_labels(image, word, found_start = TABLE, end);
}

/* A row of the table's form, but shorter, before it. */
static void put_decoy(struct image *image, unsigned word)
{
	for (unsigned i = 0; i < 20; i++)
		put(image, TABLE - 0x800 + 4 * i, START + 0x100, word);
}

static void test_jump_labels(void **state)
{
	struct image *image = calloc(1, sizeof(*image));

	(void)state;
	for (unsigned word = 4; word <= 8; word += 4) {
		memset(image, 0, sizeof(*image));
		put_decoy(image, word);
		for (unsigned i = 0; i < ENTRIES; i++)
			put_relative(image, word, i);
		check_jump_labels(image, word, TABLE, TABLE + ENTRIES * (8 + word));
		check_found(image, word, TABLE + ENTRIES * (8 + word));
		memset(image, 0, sizeof(*image));
		put_decoy(image, word);
		for (unsigned i = 0; i < ENTRIES; i++)
			put_absolute(image, word, i);
		check_jump_labels(image, word, TABLE, TABLE + ENTRIES * 3 * word);
		check_found(image, word, TABLE + ENTRIES * 3 * word);
	}
	free(image);
}

/* The table of exceptions: instruction, fixup, and how, in an entry of 12 bytes; longer than that of jump labels. */
static void test_exceptions(void **state)
{
	struct image *image = calloc(1, sizeof(*image));

	(void)state;
	for (unsigned i = 0; i < 3 * ENTRIES; i++) {
		uint64_t at = TABLE - 0x1000 + 12 * i;

		put(image, at, site_address(i % ENTRIES) + 8 - at, 4);
		put(image, at + 4, site_address(i % ENTRIES) + 10 - (at + 4), 4);
		put(image, at + 8, 1 + i % 20, 4);
	}
	for (unsigned i = 0; i < ENTRIES; i++)
		put_relative(image, 4, i);
	check_found(image, 4, TABLE + ENTRIES * 12);
	free(image);
}

static void test_static_calls(void **state)
{
	struct image *image = calloc(1, sizeof(*image));
	struct patch_memory memory = memory_of(image, 8);
	struct patch_sites sites = {0};

	(void)state;
	for (unsigned i = 0; i < ENTRIES; i++) {
		uint64_t at = TABLE + 8 * i;

		put(image, at, site_address(i) - at, 4);
		put(image, at + 4, KEYS + 16 * i + (i & 1) - (at + 4), 4);
	}
	assert_null(patch_sites_add_static_calls(&sites, &memory, TABLE, TABLE + 8 * ENTRIES));
	assert_int_equal(sites.count, ENTRIES);
	for (unsigned i = 0; i < ENTRIES; i++) {
		assert_int_equal(sites.site[i].kind, PATCH_STATIC_CALL);
		assert_int_equal(sites.site[i].address, site_address(i));
		assert_int_equal(sites.site[i].key, KEYS + 16 * i);
		assert_int_equal(sites.site[i].tail, i & 1);
	}
	patch_sites_deinit(&sites);
	free(image);
}

/* Tables that are none: what is random, empty, too short, outside. */
static void test_nothing(void **state)
{
	struct image *image = calloc(1, sizeof(*image));
	struct patch_memory memory = memory_of(image, 8);
	struct patch_sites sites = {0};
	uint64_t start, end;
	uint32_t random = 1;

	(void)state;
	assert_null(patch_sites_add_jump_labels(&sites, &memory, 0, 0));
	assert_false(patch_sites_find_jump_table(&memory, image->bytes, sizeof(image->bytes), &start, &end));
	for (unsigned i = 0; i < sizeof(image->bytes); i++)
		image->bytes[i] = (random = random * 1664525 + 1013904223) >> 24;
	assert_null(patch_sites_add_jump_labels(&sites, &memory, 0, 0));
	assert_null(patch_sites_add_jump_labels(&sites, &memory, TABLE, TABLE + 0x1000));
	assert_null(patch_sites_add_jump_labels(&sites, &memory, TABLE, TABLE + 0x1001));
	assert_null(patch_sites_add_jump_labels(&sites, &memory, TABLE, TABLE));
	assert_null(patch_sites_add_jump_labels(&sites, &memory, END, START));
	assert_null(patch_sites_add_jump_labels(&sites, &memory, END, UINT64_MAX & ~0xfull));
	assert_null(patch_sites_add_static_calls(&sites, &memory, TABLE, TABLE + 0x1000));
	assert_int_equal(sites.count, 0);
	patch_sites_deinit(&sites);
	free(image);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_jump_labels),
		cmocka_unit_test(test_exceptions),
		cmocka_unit_test(test_static_calls),
		cmocka_unit_test(test_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
