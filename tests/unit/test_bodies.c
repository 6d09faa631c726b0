/* Which body of the product's own kernel runs for the trusted one's (redirect/bodies.h). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "kallsyms_rig.h"
#include "redirect/bodies.h"

enum { LAYOUT = 4 /* 6.12 amd64 */, TRUSTED = RIG_ABSOLUTES + 100, PRODUCT = RIG_ABSOLUTES + 200 };

static struct rig trusted, product;

/* Gives both symbols of an address the name. */
static uint64_t put(struct rig *rig, unsigned index, const char *name)
{
	rig_start(rig, &rig_layouts[LAYOUT]);
	for (unsigned i = index; i < index + 2; i++) {
		snprintf(rig->symbol[i].name, KSYM_NAME_LEN, "%s", name);
		rig->symbol[i].type = 'T';
	}
	rig_put_tables(rig);
	return rig->symbol[index].address;
}

/* The product's body, as the trusted kernel and the product's have these, from `offset` behind the trusted one's start. */
static uint64_t find(const char *in_trusted, const char *in_product, unsigned offset)
{
	uint64_t address = put(&trusted, TRUSTED, in_trusted), place = put(&product, PRODUCT, in_product), found;
	struct symbols of_trusted, of_product;
	struct worlds worlds = {.product = &worlds.another};

	assert_null(symbols_open(&trusted.view, NULL, 0, &of_trusted));
	assert_null(symbols_open(&product.view, NULL, 0, &of_product));
	worlds.trusted.symbols = &of_trusted;
	worlds.trusted.abi = abi_of(8);
	worlds.another.symbols = &of_product;
	found = body_of_product(&worlds, address + offset);
	symbols_close(&of_trusted);
	symbols_close(&of_product);
	assert_true(!found || found == place);
	return found;
}

static void test_names(void **state)
{
	(void)state;
	assert_true(body_is("__x64_sys_read"));
	assert_true(body_is("__ia32_sys_read"));
	assert_true(body_is("__ia32_compat_sys_ioctl"));
	assert_false(body_is("__sys_bind"));
	assert_false(body_is("__x64_sysfs"));
}

static void test_product(void **state)
{
	(void)state;
	assert_true(find("__x64_sys_read", "__x64_sys_read", 0));
	assert_false(find("__x64_sys_read", "__x64_sys_read", 4));
	assert_false(find("__x64_sys_read", "__x64_sys_readahead", 0));
	assert_false(find("__x64_sys_read", "__ia32_sys_read", 0));
	assert_false(find("__x64_sys_read", "__ia32_compat_sys_read", 0));
	assert_false(find("sys_read", "sys_read", 0));
}

/* One without arguments has several names. */
static void test_no_arguments(void **state)
{
	(void)state;
	assert_true(find("__do_sys_sync", "__x64_sys_sync", 0));
	assert_false(find("__do_sys_sync", "__ia32_sys_sync", 0));
	assert_false(find("__do_dentry_open", "__x64_sys_dentry_open", 0));
}

/* A product with both has one for 32-bit programs, and one that takes what 64-bit programs give. */
static void test_both(void **state)
{
	struct worlds worlds = {.product = &worlds.another};
	struct symbols of_trusted, of_product;
	uint64_t address = put(&trusted, TRUSTED, "__ia32_sys_readu"), native = put(&product, PRODUCT, "__ia32_sys_readu");

	(void)state;
	strcpy(product.symbol[PRODUCT + 2].name, "__ia32_compat_sys_readu");
	rig_put_tables(&product);
	assert_null(symbols_open(&trusted.view, NULL, 0, &of_trusted));
	assert_null(symbols_open(&product.view, NULL, 0, &of_product));
	worlds.trusted.symbols = &of_trusted;
	worlds.another.symbols = &of_product;
	assert_int_equal(body_of_product(&worlds, address), product.symbol[PRODUCT + 2].address);
	assert_int_not_equal(native, product.symbol[PRODUCT + 2].address);
	symbols_close(&of_trusted);
	symbols_close(&of_product);
}

/* Whether a kernel has a body of its own for 32-bit programs is no matter. */
static void test_compat(void **state)
{
	(void)state;
	assert_true(find("__ia32_sys_fcntl64", "__ia32_sys_fcntl64", 0));
	assert_true(find("__ia32_sys_fcntl64", "__ia32_compat_sys_fcntl64", 0));
	assert_true(find("__ia32_compat_sys_open", "__ia32_sys_open", 0));
	assert_false(find("__ia32_compat_sys_open", "__x64_sys_open", 0));
}

static bool is_good(const char *name, unsigned word)
{
	struct symbols symbols;
	struct kernel kernel = {.symbols = &symbols, .abi = abi_of(word)};
	struct error *err;
	bool good;

	put(&trusted, TRUSTED, name);
	assert_null(symbols_open(&trusted.view, NULL, 0, &symbols));
	err = body_check(&kernel);
	good = !err;
	error_destroy(err);
	symbols_close(&symbols);
	return good;
}

/* Kernels whose bodies have no argument in pt_regs are refused. */
static void test_check(void **state)
{
	(void)state;
	assert_true(is_good("__x64_sys_read", 8));
	assert_false(is_good("sys_read", 8));
	assert_false(is_good("__ia32_sys_read", 8));
	assert_true(is_good("__ia32_sys_read", 4));
	assert_false(is_good("sys_read", 4));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),  cmocka_unit_test(test_product), cmocka_unit_test(test_no_arguments),
		cmocka_unit_test(test_compat), cmocka_unit_test(test_both),    cmocka_unit_test(test_check),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
