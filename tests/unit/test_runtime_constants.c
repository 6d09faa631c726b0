/* Runtime constants out of a made-up image: the lists of each kind, what is no constant of the machine's, lists that are damaged. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "kallsyms_rig.h"
#include "loader/runtime_constants.h"

enum { LAYOUT = 4 /* 6.12 amd64 */, FIRST = RIG_ABSOLUTES + 2 * 0x1c00 / 32 /* of the symbols that are renamed: at 1c00h */ };

struct list {
	const char *name;
	unsigned entries;
};

/* A list at 1c00h + 64 * i, with symbols at its start and end; entry j leads to 800h + 256 * i + 16 * j. */
static void put_list(struct rig *rig, unsigned i, const struct list *list)
{
	struct symbol *start = &rig->symbol[FIRST + 4 * i], *stop = start + 1;
	uint64_t at = rig->view.base + 0x1c00 + 64 * i;

	*stop = *start;
	start->address = at;
	stop->address = at + 4 * list->entries;
	snprintf(start->name, sizeof(start->name), "__start_%s", list->name);
	snprintf(stop->name, sizeof(stop->name), "__stop_%s", list->name);
	for (unsigned j = 0; j < list->entries; j++) {
		rig->at = 0x1c00 + 64 * i + 4 * j;
		rig_put(rig, rig->view.base + 0x800 + 256 * i + 16 * j - (rig->view.base + rig->at), 4);
	}
}

static void locate(struct rig *rig, const struct list *lists, unsigned count, struct runtime_constants *ret)
{
	struct symbols symbols;
	struct error *err;

	rig_start(rig, &rig_layouts[LAYOUT]);
	for (unsigned i = 0; i < count; i++)
		put_list(rig, i, &lists[i]);
	rig_put_tables(rig);
	err = symbols_open(&rig->view, NULL, 0, &symbols);
	if (err)
		fail_msg("%s", err->message);
	runtime_constants_locate(&rig->view, &symbols, ret);
	symbols_close(&symbols);
}

static struct rig rig;

static void kinds(void **state)
{
	static const struct list lists[] = {
		{"runtime_ptr_table", 3}, {"runtime_shift_shift", 2}, {"runtime_mask_mask", 1}, {"runtime_ptr_USER_PTR_MAX", 5}};
	static const unsigned sizes[] = {8, 8, 8, 1, 1, 4}, offsets[] = {0x800, 0x810, 0x820, 0x900, 0x910, 0xa00};
	struct runtime_constants found;

	(void)state;
	locate(&rig, lists, 4, &found);
	assert_int_equal(found.count, 6);
	for (unsigned i = 0; i < 6; i++) {
		assert_int_equal(found.constant[i].size, sizes[i]);
		assert_int_equal(found.constant[i].address, rig.view.base + offsets[i]);
	}
}

static void none(void **state)
{
	struct runtime_constants found;

	(void)state;
	locate(&rig, NULL, 0, &found);
	assert_int_equal(found.count, 0);
}

/* Entries that lead out of the image are none, of a list that takes in what is none. */
static void damaged(void **state)
{
	static const struct list list = {"runtime_ptr_table", 2};
	struct runtime_constants found;
	struct symbols symbols;

	(void)state;
	rig_start(&rig, &rig_layouts[LAYOUT]);
	put_list(&rig, 0, &list);
	rig.at = 0x1c00;
	rig_put(&rig, 0x7fffffff, 4);
	snprintf(rig.symbol[RIG_SYMBOLS - 1].name, KSYM_NAME_LEN, "__stop_runtime_ptr_all");
	snprintf(rig.symbol[FIRST].name, KSYM_NAME_LEN, "__start_runtime_ptr_all");
	rig_put_tables(&rig);
	assert_null(symbols_open(&rig.view, NULL, 0, &symbols));
	runtime_constants_locate(&rig.view, &symbols, &found);
	symbols_close(&symbols);
	assert_true(found.count <= RUNTIME_CONSTANTS_MAX);
	for (unsigned i = 0; i < found.count; i++)
		assert_true(view_contains(&rig.view, found.constant[i].address));
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(kinds), cmocka_unit_test(none), cmocka_unit_test(damaged)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
