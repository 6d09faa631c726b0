/* kallsyms of every layout, exported symbols, lookups, and tables that lie. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "loader/symbols.h"
#include "tests/unit/kallsyms_rig.h"

enum { SHIFT = 0x9000000 };

static struct kallsyms find(struct rig *rig)
{
	struct kallsyms table;
	struct error *err = kallsyms_find(&rig->view, &table);

	if (err)
		fail_msg("%s: %s", rig->layout->name, err->message);
	return table;
}

static void assert_symbol(const struct symbol *symbol, uint64_t address, char type, const char *name)
{
	assert_string_equal(symbol->name, name);
	assert_int_equal(symbol->address, address);
	assert_int_equal(symbol->type, type);
}

static void check_all(const struct rig *rig, const struct kallsyms *table, uint64_t shift)
{
	struct kallsyms_cursor cursor = {0};
	struct symbol symbol;

	assert_int_equal(table->count, rig->count);
	for (unsigned i = 0; i < rig->count; i++) {
		const struct symbol *expected = &rig->symbol[i];

		assert_true(kallsyms_next(table, &cursor, &symbol));
		assert_symbol(&symbol, expected->address + (i < rig->absolutes ? 0 : shift), expected->type, expected->name);
	}
	assert_false(kallsyms_next(table, &cursor, &symbol));
}

static void reads_every_layout(void **state)
{
	static struct rig rig;

	(void)state;
	for (unsigned i = 0; i < RIG_LAYOUTS; i++) {
		struct kallsyms table;

		rig_make(&rig, &rig_layouts[i]);
		table = find(&rig);
		assert_int_equal(table.addressing, rig.layout->addressing);
		assert_int_equal(table.seqs != NULL, rig.layout->seqs);
		check_all(&rig, &table, 0);
		kallsyms_move(&table, SHIFT);
		check_all(&rig, &table, SHIFT);
	}
}

static void finds_by_name(void **state)
{
	static struct rig rig;

	(void)state;
	for (unsigned i = 0; i < RIG_LAYOUTS; i++) {
		struct kallsyms table;
		struct kallsyms_cursor cursor;
		struct symbol symbol;

		rig_make(&rig, &rig_layouts[i]);
		table = find(&rig);
		for (unsigned j = 0; j < rig.count; j++) {
			if (j % 100 == 33)
				continue; /* the shared name */
			cursor = (struct kallsyms_cursor){0};
			assert_true(kallsyms_next_named(&table, &cursor, rig.symbol[j].name, &symbol));
			assert_int_equal(symbol.address, rig.symbol[j].address);
			assert_false(kallsyms_next_named(&table, &cursor, rig.symbol[j].name, &symbol));
		}
		cursor = (struct kallsyms_cursor){0};
		for (unsigned j = 33; j < rig.count; j += 100) {
			assert_true(kallsyms_next_named(&table, &cursor, "shared", &symbol));
			assert_int_equal(symbol.address, rig.symbol[j].address);
		}
		assert_false(kallsyms_next_named(&table, &cursor, "shared", &symbol));
		for (const char *const *name = (const char *const[]){"", "share", "shared_", "_", "zzz", "Tshared", NULL}; *name; name++) {
			cursor = (struct kallsyms_cursor){0};
			assert_false(kallsyms_next_named(&table, &cursor, *name, &symbol));
		}
	}
}

/* Marks lead where the kernel's markers lead. */
static void check_marks(struct kallsyms *table)
{
	struct kallsyms plain = *table;
	struct kallsyms_cursor wanted, cursor;

	assert_true(kallsyms_mark(table));
	for (unsigned i = 0; i < table->count; i++) {
		kallsyms_seek(&plain, i, &wanted);
		kallsyms_seek(table, i, &cursor);
		assert_int_equal(cursor.index, i);
		assert_int_equal(cursor.offset, wanted.offset);
	}
	kallsyms_unmark(table);
}

/* Without expanding names: the same ones, and the same hash as that of the name. */
static void passes_over_names(void **state)
{
	static const char *const prefixes[] = {"", "_", "__sym_", "__sym_1", "sym_69", "shared", "_textt", "l"};
	static struct rig rig;

	(void)state;
	for (unsigned i = 0; i < RIG_LAYOUTS; i++) {
		struct kallsyms_cursor hashes = {0};
		struct kallsyms table;
		struct symbol symbol;
		uint32_t hash;

		rig_make(&rig, &rig_layouts[i]);
		table = find(&rig);
		for (unsigned j = 0; j < rig.count; j++) {
			assert_true(kallsyms_next_hash(&table, &hashes, &hash));
			assert_int_equal(hash, kallsyms_hash(rig.symbol[j].name));
		}
		assert_false(kallsyms_next_hash(&table, &hashes, &hash));
		check_marks(&table);
		for (unsigned p = 0; p < sizeof(prefixes) / sizeof(prefixes[0]); p++) {
			struct kallsyms_cursor cursor = {0};

			for (unsigned j = 0; j < rig.count; j++) {
				if (strncmp(rig.symbol[j].name, prefixes[p], strlen(prefixes[p])))
					continue;
				assert_true(kallsyms_next_prefixed(&table, &cursor, prefixes[p], &symbol));
				assert_string_equal(symbol.name, rig.symbol[j].name);
				assert_int_equal(symbol.address, rig.symbol[j].address);
			}
			assert_false(kallsyms_next_prefixed(&table, &cursor, prefixes[p], &symbol));
		}
	}
}

/* Clang with LTO sorts names without their suffixes: what the index misses is found all the same. */
static void survives_another_order_of_names(void **state)
{
	static struct rig rig;
	struct kallsyms table;
	uint8_t first[3];

	(void)state;
	rig_make(&rig, &rig_layouts[2]);
	table = find(&rig);
	memcpy(first, table.seqs, 3);
	memmove(rig.image + (table.seqs - rig.image), table.seqs + 3, (rig.count - 1) * 3);
	memcpy(rig.image + (table.seqs - rig.image) + (rig.count - 1) * 3, first, 3);
	table = find(&rig);
	assert_non_null(table.seqs);
	for (unsigned i = 0; i < rig.count; i++) {
		struct kallsyms_cursor cursor = {0};
		struct symbol symbol;

		assert_true(kallsyms_next_named(&table, &cursor, rig.symbol[i].name, &symbol));
	}
}

static void finds_by_address(void **state)
{
	static struct rig rig;

	(void)state;
	for (unsigned i = 0; i < RIG_LAYOUTS; i++) {
		struct kallsyms table;
		unsigned index;

		rig_make(&rig, &rig_layouts[i]);
		table = find(&rig);
		for (unsigned j = 0; j < rig.count; j++) {
			unsigned first = j && rig.symbol[j - 1].address == rig.symbol[j].address ? j - 1 : j;

			assert_true(kallsyms_nearest(&table, rig.symbol[j].address, &index));
			assert_int_equal(index, first);
			assert_true(kallsyms_nearest(&table, rig.symbol[j].address + 31, &index));
			assert_int_equal(index, first);
		}
		assert_true(kallsyms_nearest(&table, UINT64_MAX, &index));
		if (!rig.absolutes)
			assert_false(kallsyms_nearest(&table, rig.view.base - 1, &index));
	}
}

/* -- symbols.h -- */

static void open_symbols(struct rig *rig, const struct export_ranges *ranges, uint64_t shift, struct symbols *ret)
{
	struct error *err = symbols_open(&rig->view, ranges, shift, ret);

	if (err)
		fail_msg("%s: %s", rig->layout->name, err->message);
}

static void assert_nearest(const struct symbols *symbols, uint64_t address, const char *name)
{
	struct symbol symbol;

	assert_int_equal(symbols_nearest(symbols, address, &symbol), name != NULL);
	if (name)
		assert_string_equal(symbol.name, name);
}

/* Exported data behind the last symbol of kallsyms, between two, and with a name and address that kallsyms has. */
static void put_exports(struct rig *rig, enum rig_export_form form)
{
	rig_put_export_as(rig, form, 0, rig->view.base + 0x30000, "init_task");
	rig_put_export_as(rig, form, 1, rig->view.base + 0x10, "between");
	rig_put_export_as(rig, form, 2, rig->symbol[100].address, rig->symbol[100].name);
	rig_put_export_as(rig, form, 3, rig->symbol[101].address, "alias");
}

static void check_exports(struct rig *rig, const struct symbols *symbols)
{
	struct symbols_cursor cursor = {0};
	struct symbol symbol;
	uint64_t address, last = 0;
	unsigned count = 0;

	assert_int_equal(symbols->extras, 3);
	assert_true(symbols_address(symbols, "init_task", &address));
	assert_int_equal(address, rig->view.base + 0x30000 + SHIFT);
	assert_true(symbols_address(symbols, "alias", &address));
	assert_int_equal(address, rig->symbol[101].address + SHIFT);
	assert_false(symbols_address(symbols, "nonesuch", &address));
	for (; symbols_next(symbols, &cursor, &symbol); count++) {
		assert_true(symbol.address >= last);
		last = symbol.address;
	}
	assert_int_equal(count, rig->count + 3);
	assert_symbol(&symbol, rig->view.base + 0x30000 + SHIFT, 'D', "init_task");
	cursor = (struct symbols_cursor){0};
	assert_true(symbols_next_named(symbols, &cursor, "between", &symbol));
	assert_symbol(&symbol, rig->view.base + 0x10 + SHIFT, 'D', "between");
	assert_false(symbols_next_named(symbols, &cursor, "between", &symbol));
	assert_nearest(symbols, rig->view.base + 0x13 + SHIFT, "between");
	assert_nearest(symbols, rig->view.base + SHIFT, "_text");
	assert_nearest(symbols, rig->view.base + 0xf + SHIFT, "_text");
	assert_nearest(symbols, rig->view.end - 1 + SHIFT, "init_task");
}

/* All symbols of a name, one behind the other. */
static void check_named(const struct symbols *plain, const struct symbols *symbols, const char *name)
{
	struct symbols_cursor wanted = {0}, cursor = {0};
	struct symbol first, second;

	while (symbols_next_named(plain, &wanted, name, &first)) {
		assert_true(symbols_next_named(symbols, &cursor, name, &second));
		assert_int_equal(second.address, first.address);
		assert_string_equal(second.name, name);
	}
	assert_false(symbols_next_named(symbols, &cursor, name, &second));
}

/* With the index every name has the symbols that it has without, and the address of the first of them. */
static void check_index(struct symbols *symbols)
{
	struct symbols plain = *symbols;
	struct symbols_cursor cursor = {0};
	uint64_t wanted, address;
	struct symbol symbol;

	assert_null(symbols_make_index(symbols));
	while (symbols_next(&plain, &cursor, &symbol)) {
		assert_true(symbols_address(&plain, symbol.name, &wanted));
		assert_true(symbols_address(symbols, symbol.name, &address));
		assert_int_equal(address, wanted);
		check_named(&plain, symbols, symbol.name);
	}
	check_named(&plain, symbols, "nonesuch");
}

static void check_exports_of_form(const struct rig_layout *layout, enum rig_export_form form)
{
	static struct rig rig;
	struct export_ranges ranges = {1, {{0}}};
	struct symbols symbols;
	uint64_t at;

	rig_start(&rig, layout);
	rig_put_tables(&rig);
	put_exports(&rig, form);
	at = rig.view.base + RIG_KSYMTAB_AT;
	ranges.range[0] = (struct export_range){at, at + 4 * rig_export_size(&rig, form), 0};
	open_symbols(&rig, &ranges, SHIFT, &symbols);
	check_exports(&rig, &symbols);
	check_index(&symbols);
	check_exports(&rig, &symbols);
	symbols_close(&symbols);
}

static void adds_exports(void **state)
{
	(void)state;
	for (unsigned i = 0; i < RIG_LAYOUTS; i++) {
		for (enum rig_export_form form = 0; form < RIG_EXPORT_FORMS; form++)
			check_exports_of_form(&rig_layouts[i], form);
	}
}

/* As kernels with CONFIG_KALLSYMS_ALL, or from 6.9 on, tell it. Per-CPU data are exported too. */
static void finds_exports_by_symbols(void **state)
{
	static struct rig rig;
	struct symbols symbols;
	uint64_t address;

	(void)state;
	rig_start(&rig, &rig_layouts[0]);
	rig.symbol[276].address = rig.symbol[277].address = rig.view.base + RIG_KSYMTAB_AT;
	strcpy(rig.symbol[277].name, "__start___ksymtab");
	rig.symbol[278].address = rig.symbol[279].address = rig.view.base + RIG_KSYMTAB_AT + 12;
	strcpy(rig.symbol[278].name, "__stop___ksymtab");
	rig_put_tables(&rig);
	rig_put_export(&rig, 0, 0x40, "per_cpu_data");
	open_symbols(&rig, NULL, SHIFT, &symbols);
	assert_int_equal(symbols.extras, 1);
	assert_true(symbols_address(&symbols, "per_cpu_data", &address));
	assert_int_equal(address, 0x40);
	symbols_close(&symbols);
}

static void tells_addresses_that_are_the_kernels(void **state)
{
	static struct rig rig;
	struct symbols symbols;

	(void)state;
	rig_make(&rig, &rig_layouts[0]);
	open_symbols(&rig, NULL, SHIFT, &symbols);
	assert_int_equal(symbols.extras, 0);
	assert_nearest(&symbols, rig.view.base, NULL);
	assert_nearest(&symbols, rig.view.base + SHIFT - 1, NULL);
	assert_nearest(&symbols, rig.view.base + SHIFT, "_text");
	assert_nearest(&symbols, rig.view.end + SHIFT, NULL);
	assert_nearest(&symbols, 0x20, "sym_2");
	assert_nearest(&symbols, rig.symbol[RIG_ABSOLUTES - 1].address + 1, NULL);
	assert_nearest(&symbols, 0x7fff00000000, NULL);
	symbols_close(&symbols);
}

/* -- tables that lie -- */

static void assert_refused(const struct rig *rig, const char *words)
{
	struct kallsyms table;
	struct error *err = kallsyms_find(&rig->view, &table);

	assert_non_null(err);
	if (!strstr(err->message, words))
		fail_msg("%s: \"%s\" does not say \"%s\"", rig->layout->name, err->message, words);
	error_destroy(err);
}

static void refuses_what_does_not_agree(void **state)
{
	static struct rig rig;

	(void)state;
	for (unsigned i = 0; i < RIG_LAYOUTS; i++) {
		struct kallsyms table;

		rig_start(&rig, &rig_layouts[i]);
		assert_refused(&rig, "no symbol table");
		rig_make(&rig, &rig_layouts[i]);
		table = find(&rig);
		rig.image[table.token_index - rig.image + 2 * 'a']++;
		assert_refused(&rig, "no symbol table");
		rig_make(&rig, &rig_layouts[i]);
		rig.image[table.markers - rig.image + 4]++;
		assert_refused(&rig, "no names");
		rig_make(&rig, &rig_layouts[i]);
		rig.image[table.names - rig.image]++;
		assert_refused(&rig, "no names");
		rig_make(&rig, &rig_layouts[i]);
		rig.image[table.addresses - rig.image + 300 * (rig.layout->addressing == KALLSYMS_ABSOLUTE ? rig.layout->pointer_size : 4) +
			  2] ^= 0x80;
		assert_refused(&rig, "no addresses");
		rig_make(&rig, &rig_layouts[i]);
		strcpy(rig.symbol[rig.absolutes + 1].name, "__text");
		rig_put_tables(&rig);
		assert_refused(&rig, "no addresses");
		for (size_t size = 0; size < rig.end; size += 97) {
			rig.view.piece[0].size = size;
			assert_refused(&rig, size < (size_t)(table.token_index - rig.image) ? "no symbol table" : "symbol table");
		}
	}
}

/* As they are of the names when these are expanded, cut ones too. */
static void check_hashes(const struct kallsyms *table)
{
	struct kallsyms_cursor names = {0}, hashes = {0};
	struct symbol symbol;
	uint32_t hash;

	while (kallsyms_next(table, &names, &symbol)) {
		assert_true(kallsyms_next_hash(table, &hashes, &hash));
		assert_int_equal(hash, kallsyms_hash(symbol.name));
	}
}

static void use(struct kallsyms *table)
{
	struct kallsyms_cursor cursor = {0};
	struct symbol symbol;
	unsigned index;

	while (kallsyms_next(table, &cursor, &symbol))
		assert_true(strlen(symbol.name) < sizeof(symbol.name));
	cursor = (struct kallsyms_cursor){0};
	kallsyms_next_named(table, &cursor, "sym_123", &symbol);
	cursor = (struct kallsyms_cursor){0};
	kallsyms_next_named(table, &cursor, "nonesuch", &symbol);
	for (unsigned i = 0; i < table->count; i += 50) {
		kallsyms_seek(table, i, &cursor);
		kallsyms_next(table, &cursor, &symbol);
		kallsyms_nearest(table, symbol.address, &index);
	}
	if (kallsyms_mark(table)) {
		kallsyms_seek(table, table->count - 1, &cursor);
		kallsyms_next(table, &cursor, &symbol);
	}
	kallsyms_unmark(table);
}

/* Damage before and after the tables have been found. Under AddressSanitizer this shows any access that goes astray. */
static void survives_damage(void **state)
{
	static struct rig rig, good;
	uint32_t random = 12345;
	unsigned found = 0;

	(void)state;
	for (unsigned i = 0; i < RIG_LAYOUTS; i++) {
		struct kallsyms table;

		rig_make(&good, &rig_layouts[i]);
		for (unsigned j = 0; j < 150; j++) {
			struct error *err;

			rig = good;
			rig.view.piece[0].data = rig.image;
			if (j % 2) {
				table = find(&rig);
				use(&table);
			}
			for (unsigned k = 0; k < 1 + j; k++) {
				random = random * 1664525 + 1013904223;
				rig.image[RIG_TABLES_AT + (random >> 8) % (good.end - RIG_TABLES_AT)] = random >> 24;
			}
			if (j % 2) {
				use(&table);
				continue;
			}
			err = kallsyms_find(&rig.view, &table);
			if (!err) {
				use(&table);
				check_hashes(&table);
				found++;
			}
			error_destroy(err);
		}
	}
	assert_true(found > 0);
}

/* Bytes in which everything looks like a table cost a bounded effort. */
static void gives_up(void **state)
{
	enum { SIZE = 4 << 20, TOKENS_AT = SIZE - 0x10000 };
	static struct rig rig;
	struct kallsyms table;
	uint8_t *bytes = test_malloc(SIZE);
	size_t tokens;

	(void)state;
	rig_make(&rig, &rig_layouts[0]);
	table = find(&rig);
	for (size_t i = 0; i < SIZE; i += 20)
		memcpy(bytes + i, "0\0001\0002\0003\0004\0005\0006\0007\0008\0009", SIZE - i < 20 ? SIZE - i : 20);
	rig.view.piece[0] = (struct view_piece){rig.view.base, SIZE, bytes, SIZE};
	assert_refused(&rig, "no symbol table");
	/* Names of three tokens, so that a walk from anywhere agrees with markers 1024 apart; each word is also a number, of 10103h
	 * symbols. */
	for (size_t i = 0; i < SIZE; i += 4)
		memcpy(bytes + i, "\3\1\1", 4);
	tokens = rig.end - (table.token_table - rig.image);
	memcpy(bytes + TOKENS_AT, table.token_table, tokens);
	for (uint32_t i = 0; i < 0x110; i++) {
		uint32_t marker = i % 0x102 * 1024;

		memcpy(bytes + TOKENS_AT - 0x110 * 4 + i * 4, &marker, 4);
	}
	assert_refused(&rig, "no names");
	test_free(bytes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_every_layout),
		cmocka_unit_test(finds_by_name),
		cmocka_unit_test(passes_over_names),
		cmocka_unit_test(survives_another_order_of_names),
		cmocka_unit_test(finds_by_address),
		cmocka_unit_test(adds_exports),
		cmocka_unit_test(finds_exports_by_symbols),
		cmocka_unit_test(tells_addresses_that_are_the_kernels),
		cmocka_unit_test(refuses_what_does_not_agree),
		cmocka_unit_test(survives_damage),
		cmocka_unit_test(gives_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
