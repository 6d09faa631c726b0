/* Switches (redirect/switches.h): each form of a patch site, those that no kernel makes, and pages that change. */
#include "tests/unit/rig.h"

#include "redirect/switches.h"

enum {
	IMAGE = 0x100000,
	PAGES = 4,
	SIZE = PAGES * PAGE_SIZE,
	DATA = IMAGE + 3 * PAGE_SIZE,
	FUNCTION = IMAGE + 0x800,
	SITE = IMAGE + 0x100
};

struct world {
	uint8_t trusted[SIZE], product[SIZE];
	const char *name; /* of what every address is in */
	uint8_t added[8][PAGE_SIZE];
	unsigned pages;
};

static bool read_bytes(const uint8_t *bytes, uint64_t address, void *to, size_t size)
{
	if (address < IMAGE || address - IMAGE > SIZE || size > SIZE - (address - IMAGE))
		return false;
	memcpy(to, bytes + (address - IMAGE), size);
	return true;
}

static bool read_trusted(void *opaque, uint64_t address, void *to, size_t size)
{
	return read_bytes(((struct world *)opaque)->trusted, address, to, size);
}

static bool read_product(void *opaque, uint64_t address, void *to, size_t size)
{
	return read_bytes(((struct world *)opaque)->product, address, to, size);
}

static bool is_function(void *opaque, uint64_t address)
{
	(void)opaque;
	return address == FUNCTION;
}

static const char *name(void *opaque, uint64_t address, char to[SWITCH_NAME])
{
	const struct world *world = opaque;

	(void)address;
	strcpy(to, world->name);
	return to;
}

static uint64_t add_page(void *opaque, const uint8_t *bytes)
{
	struct world *world = opaque;

	memcpy(world->added[world->pages], bytes, PAGE_SIZE);
	return ++world->pages * PAGE_SIZE;
}

static struct world *world;
static struct switches switches;

/* One site; both kernels have `trusted` there. */
static void begin(const struct patch_site *site, unsigned word, const char *trusted, size_t size)
{
	const struct switches_config config = {
		.opaque = world,
		.read_trusted = read_trusted,
		.read_product = read_product,
		.is_function = is_function,
		.name = name,
		.add_page = add_page,
		.word = word,
		.start = IMAGE,
		.end = IMAGE + SIZE,
	};
	struct patch_sites sites = {0};

	memset(world, 0, sizeof(*world));
	world->name = "some_key";
	memset(world->trusted, 0x90, sizeof(world->trusted));
	memset(world->product, 0x90, sizeof(world->product));
	memset(world->product + (DATA - IMAGE), 0, 8);
	memcpy(world->trusted + (site->address - IMAGE), trusted, size);
	memcpy(world->product + (site->address - IMAGE), trusted, size);
	assert_null(patch_sites_add(&sites, site));
	assert_null(switches_init(&switches, &config, &sites));
	assert_int_equal(sites.count, 0);
}

/* The product has these bytes at the site: whether they are what product context gets. */
static bool follows(uint64_t at, const char *bytes, size_t size)
{
	uint64_t paddr = 0;
	bool found;

	memcpy(world->product + (at - IMAGE), bytes, size);
	switches_forget(&switches);
	found = switches_find(&switches, at, &paddr);
	if (!found)
		return false;
	assert_int_equal(paddr & ~PAGE_MASK, at & ~PAGE_MASK);
	assert_memory_equal(world->added[(paddr >> PAGE_SHIFT) - 1] + (at & ~PAGE_MASK), bytes, size);
	assert_int_equal(world->added[(paddr >> PAGE_SHIFT) - 1][(at & ~PAGE_MASK) - 1], 0x90);
	assert_int_equal(world->added[(paddr >> PAGE_SHIFT) - 1][(at & ~PAGE_MASK) + size], 0x90);
	return true;
}

#define FOLLOWS(bytes) follows(SITE, bytes, sizeof(bytes) - 1)

static void end(void)
{
	switches_deinit(&switches);
}

static void test_jump_label(void **state)
{
	const struct patch_site site = {.address = SITE, .target = SITE + 0x25, .key = DATA, .kind = PATCH_JUMP_LABEL};

	(void)state;
	begin(&site, 8, "\x0f\x1f\x44\x00\x00", 5);
	assert_false(FOLLOWS("\x0f\x1f\x44\x00\x00"));
	assert_true(FOLLOWS("\xe9\x20\x00\x00\x00"));
	assert_true(FOLLOWS("\x3e\x8d\x74\x26\x00")); /* another no-op */
	assert_int_equal(switches.count.illegal, 0);
	assert_false(FOLLOWS("\xe9\x21\x00\x00\x00")); /* elsewhere */
	assert_int_equal(switches.count.first, SITE);
	assert_false(FOLLOWS("\xe8\x20\x00\x00\x00")); /* a CALL, as of ftrace */
	assert_false(FOLLOWS("\xeb\x23\x90\x90\x90")); /* the other size */
	assert_false(FOLLOWS("\x0f\x0b\x44\x00\x00"));
	assert_int_equal(switches.count.illegal, 4);
	end();
	begin(&site, 8, "\xeb\x23", 2);
	world->product[DATA - IMAGE] = 1;
	assert_true(FOLLOWS("\x66\x90"));
	assert_false(FOLLOWS("\xeb\x22"));
	end();
}

/* INT3 first: the key's data tell; what follows it does not. */
static void test_being_patched(void **state)
{
	struct patch_site site = {.address = SITE, .target = SITE + 0x25, .key = DATA, .kind = PATCH_JUMP_LABEL};
	uint64_t paddr;

	(void)state;
	begin(&site, 8, "\x0f\x1f\x44\x00\x00", 5);
	world->product[DATA - IMAGE] = 1;
	memset(world->product + (DATA - IMAGE) + 1, 0, 7);
	world->product[SITE - IMAGE] = 0xcc;
	assert_true(switches_find(&switches, SITE, &paddr));
	assert_memory_equal(world->added[0] + 0x100, "\xe9\x20\x00\x00\x00", 5);
	world->product[DATA - IMAGE] = 0;
	switches_forget(&switches);
	assert_false(switches_find(&switches, SITE, &paddr)); /* a no-op, as the trusted kernel has it */
	assert_int_equal(switches.count.illegal, 0);
	end();
	site = (struct patch_site){.address = SITE, .key = DATA, .kind = PATCH_STATIC_CALL};
	begin(&site, 8, "\x0f\x1f\x44\x00\x00", 5);
	memcpy(world->product + (DATA - IMAGE), "\x00\x08\x10\x00\x00\x00\x00\x00", 8);
	world->product[SITE - IMAGE] = 0xcc;
	assert_true(switches_find(&switches, SITE, &paddr));
	assert_memory_equal(world->added[0] + 0x100, "\xe8\xfb\x06\x00\x00", 5);
	memcpy(world->product + (DATA - IMAGE), "\x01", 1); /* into a function */
	switches_forget(&switches);
	assert_false(switches_find(&switches, SITE, &paddr));
	assert_int_equal(switches.count.illegal, 1);
	end();
}

/* What somebody else wrote to a site is counted; the site stands as the key's data say. */
static void test_written_over(void **state)
{
	const struct patch_site site = {.address = SITE, .target = SITE + 0x25, .key = DATA, .kind = PATCH_JUMP_LABEL};
	uint64_t paddr;

	(void)state;
	begin(&site, 8, "\x0f\x1f\x44\x00\x00", 5);
	world->product[DATA - IMAGE] = 1;
	world->product[SITE - IMAGE] = 0xe8;
	assert_true(switches_find(&switches, SITE, &paddr));
	assert_memory_equal(world->added[0] + 0x100, "\xe9\x20\x00\x00\x00", 5);
	assert_int_equal(switches.count.illegal, 1);
	assert_int_equal(switches.count.first, SITE);
	end();
}

static void test_static_call(void **state)
{
	const struct patch_site site = {.address = SITE, .key = DATA, .kind = PATCH_STATIC_CALL};

	(void)state;
	begin(&site, 8, "\xe8\xfb\x06\x00\x00", 5);
	memcpy(world->product + (DATA - IMAGE), "\x00\x08\x10", 3); /* FUNCTION */
	assert_true(FOLLOWS("\x0f\x1f\x44\x00\x00"));
	assert_true(FOLLOWS("\x2e\x2e\x2e\x31\xc0"));
	assert_true(FOLLOWS("\xe9\xfb\x06\x00\x00"));
	assert_true(FOLLOWS("\xc3\xcc\xcc\xcc\xcc"));
	assert_int_equal(switches.count.illegal, 0);
	assert_false(FOLLOWS("\xe8\xfc\x06\x00\x00"));
	assert_false(FOLLOWS("\xff\x15\x06\x00\x00"));
	assert_int_equal(switches.count.illegal, 2);
	end();
	begin(&site, 8, "\x0f\x84\xfa\x06\x00\x00", 6);
	assert_false(FOLLOWS("\x0f\x84\xf0\x06\x00\x00"));
	end();
}

/* 32-bit addresses wrap. */
static void test_constant_and_wrap(void **state)
{
	const struct patch_site site = {.address = SITE, .kind = PATCH_CONSTANT, .size = 8};

	(void)state;
	begin(&site, 8, "\1\2\3\4\5\6\7\10", 8);
	assert_true(FOLLOWS("\10\7\6\5\4\3\2\1"));
	end();
}

static void test_rules(void **state)
{
	const struct patch_site site = {.address = SITE, .target = SITE + 0x25, .key = DATA, .kind = PATCH_JUMP_LABEL};
	static const char *const kept[] = {"bypass_usercopy_checks", "__tracepoint_sched_switch", "poly1305_use_avx2", "have_ssse3"};

	(void)state;
	for (unsigned i = 0; i < sizeof(kept) / sizeof(kept[0]); i++) {
		begin(&site, 8, "\x0f\x1f\x44\x00\x00", 5);
		world->name = kept[i];
		assert_false(FOLLOWS("\xe9\x20\x00\x00\x00"));
		assert_int_equal(switches.count.kept, 1);
		assert_int_equal(switches.count.illegal, 0);
		end();
	}
}

/* A site over the end of a page is in both, and freed code has none. */
static void test_pages(void **state)
{
	const uint64_t at = IMAGE + PAGE_SIZE - 3;
	const struct patch_site site = {.address = at, .target = at + 0x25, .key = DATA, .kind = PATCH_JUMP_LABEL};
	uint64_t first, second, again;

	(void)state;
	begin(&site, 8, "\x0f\x1f\x44\x00\x00", 5);
	memcpy(world->product + (at - IMAGE), "\xe9\x20\x00\x00\x00", 5);
	assert_true(switches_find(&switches, at, &first));
	assert_true(switches_find(&switches, IMAGE + PAGE_SIZE, &second));
	assert_memory_equal(world->added[0] + PAGE_SIZE - 3, "\xe9\x20\x00", 3);
	assert_memory_equal(world->added[1], "\x00\x00\x90", 3);
	switches_forget(&switches);
	assert_true(switches_find(&switches, at, &again));
	assert_int_equal(again, first); /* unchanged: the same page */
	assert_int_equal(world->pages, 2);
	assert_false(switches_find(&switches, IMAGE + 2 * PAGE_SIZE, &again));
	assert_false(switches_find(&switches, IMAGE + SIZE, &again));
	assert_false(switches_find(&switches, IMAGE - 1, &again));
	memset(world->trusted + (at - IMAGE), 0, 5);
	switches_forget(&switches);
	assert_false(switches_find(&switches, at, &again));
	assert_int_equal(switches.count.illegal, 0);
	end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_jump_label),  cmocka_unit_test(test_being_patched),     cmocka_unit_test(test_written_over),
		cmocka_unit_test(test_static_call), cmocka_unit_test(test_constant_and_wrap), cmocka_unit_test(test_rules),
		cmocka_unit_test(test_pages),
	};
	int result;

	world = calloc(1, sizeof(*world));
	result = cmocka_run_group_tests(tests, NULL, NULL);
	free(world);
	return result;
}
