/*
 * Fuzzes what reads a kernel's symbol tables: any bytes give symbols or an error, within bounds. The input patches a good image of a layout
 * that it chooses, half of the patches before the tables are found, the other half after; or it is the image itself.
 */
#include <stdlib.h>
#include <string.h>

#include "loader/symbols.h"
#include "tests/unit/kallsyms_rig.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { PATCH_SIZE = 3, RAW = RIG_LAYOUTS };

static void patch(uint8_t *image, const uint8_t *data, size_t count)
{
	for (size_t i = 0; i < count; i++, data += PATCH_SIZE) {
		size_t at = RIG_KSYMTAB_AT + (data[0] | data[1] << 8);

		if (at < RIG_IMAGE)
			image[at] = data[2];
	}
}

static void use(const struct symbols *symbols, uint64_t address)
{
	struct symbols_cursor cursor = {0};
	struct symbol symbol;
	unsigned count = 0;

	while (symbols_next(symbols, &cursor, &symbol)) {
		if (strlen(symbol.name) >= sizeof(symbol.name))
			abort();
		count++;
	}
	if (count != symbols->table.count + symbols->extras)
		abort();
	cursor = (struct symbols_cursor){0};
	while (symbols_next_named(symbols, &cursor, "shared", &symbol)) {
		if (strcmp(symbol.name, "shared") != 0)
			abort();
	}
	if (symbols_nearest(symbols, address, &symbol) && strlen(symbol.name) >= sizeof(symbol.name))
		abort();
}

static void run(const struct view *view, uint8_t *image, const uint8_t *late, size_t late_count)
{
	struct export_ranges ranges = {1, {{view->base + RIG_KSYMTAB_AT, view->base + RIG_KSYMTAB_AT + 8 * 12, 0}}}, found;
	struct symbols symbols;
	struct error *err;

	exports_locate_by_structure(view, &found);
	err = symbols_open(view, found.count ? &found : &ranges, 0x1000000, &symbols);
	if (err) {
		error_destroy(err);
		return;
	}
	use(&symbols, view->base + 0x1000123);
	patch(image, late, late_count);
	use(&symbols, view->base + 0x1000123);
	symbols_close(&symbols);
}

static struct rig *make_rig(unsigned layout)
{
	static struct rig *good[RIG_LAYOUTS]; /* making one takes longer than trying many */
	struct rig *rig = malloc(sizeof(*rig));

	if (!rig)
		abort();
	if (good[layout]) {
		memcpy(rig, good[layout], sizeof(*rig));
		rig->view.piece[0].data = rig->image;
		return rig;
	}
	rig_make(rig, &rig_layouts[layout]);
	for (unsigned i = 0; i < 8; i++)
		rig_put_export(rig, i, rig->view.base + i * 0x1000, i % 2 ? "init_task" : rig->symbol[i].name);
	good[layout] = rig;
	return make_rig(layout);
}

static void run_raw(const uint8_t *data, size_t size)
{
	struct view view = {.pointer_size = 8, .base = 0xffffffff81000000, .end = 0xffffffff81000000 + size, .pieces = 1};
	uint8_t *copy = malloc(size ? size : 1);

	if (!copy)
		return;
	memcpy(copy, data, size);
	view.piece[0] = (struct view_piece){view.base, size, copy, size};
	run(&view, copy, NULL, 0);
	free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t early, late;
	struct rig *rig;

	if (!size)
		return 0;
	if (data[0] % (RIG_LAYOUTS + 1) == RAW) {
		run_raw(data + 1, size - 1);
		return 0;
	}
	early = (size - 1) / PATCH_SIZE / 2;
	late = (size - 1) / PATCH_SIZE - early;
	rig = make_rig(data[0] % (RIG_LAYOUTS + 1));
	patch(rig->image, data + 1, early);
	run(&rig->view, rig->image, data + 1 + early * PATCH_SIZE, late);
	free(rig);
	return 0;
}
