/* Constant data: constant_data.h. */
#include "redirect/constant_data.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/align.h"
#include "util/array.h"

static const char *const tables[] = {"sys_call_table", "ia32_sys_call_table", "x32_sys_call_table"};

enum { TABLE_SIZE = PAGE_SIZE /* at least as many entries as calls that tools make */ };

static bool is_constant(const struct constant_area *area, uint64_t address)
{
	for (size_t i = 0; i < area->ranges && area->range[i].start <= address; i++) {
		if (address < area->range[i].end)
			return true;
	}
	return false;
}

static bool is_text(const struct constant_data *constants, uint64_t value)
{
	const struct kernel *kernel = constants->worlds->product;

	return value >= kernel_symbol(kernel, "_stext") && value < kernel_symbol(kernel, "_etext");
}

static bool is_named(const struct constant_data *constants, uint64_t address)
{
	return kernel_in_image(constants->worlds->product, address) || modules_at(constants->code->modules, address);
}

/* A table is told of by one of its words, by one that should lead to a function if there is such a word. */
static void note_word(struct constant_data *constants, uint64_t address, uint64_t value, uint64_t right)
{
	unsigned word = constants->worlds->context.abi->word;
	struct constant_finding *last = constants->findings ? &constants->finding[constants->findings - 1] : NULL;

	if (last && last->end == address && constants->told < constants->findings) {
		last->end += word;
		last->words++;
		if (!is_named(constants, last->right)) {
			last->address = address;
			last->value = value;
			last->right = right;
		}
	} else if (constants->findings < CONSTANT_FINDINGS) {
		constants->finding[constants->findings++] = (struct constant_finding){address, value, right, address + word, 1};
	} else {
		constants->overflow = true;
	}
}

/* Makes the constant bytes of a word, the product's, those of `right`. Returns whether there was anything to do. */
static bool set_word_right(const struct constant_area *area, uint64_t address, uint8_t *bytes, const uint8_t *right, bool there)
{
	unsigned word = area->owner->worlds->context.abi->word;
	uint64_t was = 0, value = 0, wanted = 0;

	if (memcmp(bytes, right, word) == 0)
		return false;
	memcpy(&was, bytes, word);
	for (unsigned i = 0; i < word; i++) {
		if (is_constant(area, address + i))
			bytes[i] = right[i];
	}
	memcpy(&value, bytes, word);
	memcpy(&wanted, right, word);
	if (value == was || (area->text_only && !is_text(area->owner, wanted))) {
		memcpy(bytes, &was, word);
		return false;
	}
	if (there)
		note_word(area->owner, address, was, wanted);
	return true;
}

/* there: the snapshot has the page, so that a difference is a change. */
static bool set_right(const struct constant_area *area, uint64_t page, uint8_t *bytes, const uint8_t *right, bool there)
{
	unsigned word = area->owner->worlds->context.abi->word;
	bool differs = false;

	for (unsigned at = 0; at < PAGE_SIZE; at += word)
		differs |= set_word_right(area, page + at, bytes + at, right + at, there);
	return differs;
}

/* From within an access, so nothing may be run here. */
static uint8_t *look_at(void *opaque, uint64_t linear)
{
	struct constant_area *area = opaque;
	uint64_t page = linear & PAGE_MASK;
	struct product_memory *memory = &area->owner->worlds->memory;
	struct constant_page *place = &area->page[(page - area->start) >> PAGE_SHIFT];
	uint8_t bytes[PAGE_SIZE], right[PAGE_SIZE];

	if (place->looked_at)
		return place->bytes;
	place->looked_at = true; /* reading the product's page comes by here */
	memory->lack = PAGE_THERE;
	if (!product_memory_read(memory, page, bytes, PAGE_SIZE) || !area->read(area->opaque, page, right) ||
	    !set_right(area, page, bytes, right, memory->lack == PAGE_THERE))
		return NULL;
	place->bytes = malloc(PAGE_SIZE);
	if (place->bytes)
		memcpy(place->bytes, bytes, PAGE_SIZE);
	return place->bytes;
}

/* -- areas -- */

static void destroy_area(struct constant_area *area)
{
	for (size_t i = 0; area->page && i < area->pages; i++)
		free(area->page[i].bytes);
	free(area->page);
	free(area->range);
	free(area);
}

/* An area, which is the owner's from now on. The range is in any case. NULL: out of memory. */
static struct constant_area *make_area(struct constant_data *constants, struct constant_range *range, size_t ranges)
{
	struct constant_area *area = calloc(1, sizeof(*area));

	if (!area || !array_reserve(&constants->area, constants->areas, &constants->room, sizeof(struct constant_area *))) {
		free(range);
		free(area);
		return NULL;
	}
	*area = (struct constant_area){constants, range, ranges, .start = align_down(range[0].start, PAGE_SIZE)};
	area->pages = (align_up(range[ranges - 1].end, PAGE_SIZE) - area->start) >> PAGE_SHIFT;
	area->page = calloc(area->pages, sizeof(*area->page));
	constants->area[constants->areas++] = area;
	return area->page ? area : NULL;
}

struct error *constant_data_add(struct constant_data *constants, struct constant_range *range, size_t ranges,
				bool (*read)(void *opaque, uint64_t page, uint8_t *to), void *opaque)
{
	struct product_constants window = {.page = look_at};
	struct constant_area *area;

	if (!ranges) {
		free(range);
		return NULL;
	}
	area = make_area(constants, range, ranges);
	if (!area)
		return error_create("constant data of the product: out of memory");
	area->read = read;
	area->opaque = opaque;
	window.start = area->start;
	window.size = area->pages << PAGE_SHIFT;
	window.opaque = area;
	return product_memory_add_constants(&constants->worlds->memory, &window);
}

/* -- of the image -- */

static bool read_image(void *opaque, uint64_t page, uint8_t *to)
{
	return kernel_peek(&((const struct constant_data *)opaque)->worlds->trusted, page, to, PAGE_SIZE) == PAGE_SIZE;
}

/* Between the last word of data and the end of its page stands what was in memory before: zeros in the trusted kernel's. */
static uint64_t without_padding(const struct constant_data *constants, uint64_t start, uint64_t end)
{
	uint64_t word = constants->worlds->context.abi->word, value = 0;

	while (end - word >= start && kernel_peek(&constants->worlds->trusted, end - word, &value, word) == word && !value)
		end -= word;
	return end;
}

/* In kernels that name it. */
static bool find_by_symbols(const struct constant_data *constants, struct constant_range *range)
{
	const struct kernel *kernel = constants->worlds->product;
	uint64_t start = kernel_symbol(kernel, "__start_rodata"), end = kernel_symbol(kernel, "__end_rodata");
	uint64_t init = kernel_symbol(kernel, "__start_ro_after_init"), init_end = kernel_symbol(kernel, "__end_ro_after_init");

	if (!start || init < start || init_end < init || end < init_end)
		return false;
	range[0] = (struct constant_range){start, init};
	range[1] = (struct constant_range){init_end, without_padding(constants, init_end, end)};
	return true;
}

static bool find_by_section(const struct constant_data *constants, const struct rodata *rodata, uint64_t jump_table_end,
			    struct constant_range *range)
{
	const struct kernel *kernel = constants->worlds->product;

	if (!rodata || rodata->start >= rodata->end || !kernel_in_image(kernel, rodata->start) || !kernel_in_image(kernel, rodata->end - 1))
		return false;
	range[0] = (struct constant_range){rodata->start, rodata->changed};
	range[1] = (struct constant_range){rodata->end, rodata->end};
	if (jump_table_end >= rodata->changed && jump_table_end < rodata->end)
		range[1].start = jump_table_end;
	return true;
}

struct error *constant_data_begin(struct constant_data *constants, const struct rodata *rodata, uint64_t jump_table_end)
{
	struct constant_range *range = calloc(2, sizeof(*range));
	bool named = range && find_by_symbols(constants, range);
	struct error *err;

	if (!range)
		return error_create("starting introspection: out of memory");
	if (!named && !find_by_section(constants, rodata, jump_table_end, range)) {
		free(range);
		return NULL;
	}
	err = constant_data_add(constants, range, 2, read_image, constants);
	if (err)
		return err;
	constants->image = constants->area[0];
	constants->image->text_only = !named;
	return NULL;
}

/* Where the kernel does not name it, a table of system calls is known by its first two entries. 0: there is none. */
static uint64_t find_unnamed_table(const struct constant_data *constants)
{
	const struct kernel *kernel = &constants->worlds->trusted;
	uint32_t first[2] = {kernel_symbol(kernel, "__ia32_sys_restart_syscall"), kernel_symbol(kernel, "__ia32_sys_exit")};
	uint8_t bytes[PAGE_SIZE + sizeof(first)];

	if (!first[0] || !first[1])
		return 0;
	for (uint64_t page = constants->image->start; page < constants->image->range[0].end; page += PAGE_SIZE) {
		size_t size = kernel_peek(kernel, page, bytes, sizeof(bytes));

		for (size_t at = 0; at + sizeof(first) <= size; at += sizeof(first[0])) {
			if (memcmp(bytes + at, first, sizeof(first)) == 0)
				return page + at;
		}
	}
	return 0;
}

static void look_at_table(const struct constant_data *constants, uint64_t table)
{
	for (uint64_t at = table; table && at < table + TABLE_SIZE; at += PAGE_SIZE) {
		if (is_constant(constants->image, at))
			look_at(constants->image, at);
	}
}

void constant_data_look_at_tables(struct constant_data *constants)
{
	if (!constants->image)
		return;
	for (unsigned i = 0; i < sizeof(tables) / sizeof(tables[0]); i++)
		look_at_table(constants, kernel_symbol(constants->worlds->product, tables[i]));
	if (constants->image->text_only)
		look_at_table(constants, find_unnamed_table(constants));
}

/* -- telling -- */

/* Where the kernel does not name its data, the nearest name is that of something else. */
static const char *describe(const struct constant_data *constants, uint64_t value, char to[MODULES_NEAR])
{
	bool unnamed = constants->image && constants->image->text_only && kernel_in_image(constants->worlds->product, value) &&
		       !is_text(constants, value);

	if (!unnamed)
		return modules_near(constants->code->modules, value, to);
	snprintf(to, MODULES_NEAR, "%#" PRIx64, value);
	return to;
}

static void tell(const struct constant_data *constants, const struct constant_finding *finding)
{
	char at[MODULES_NEAR], value[MODULES_NEAR], right[MODULES_NEAR], others[40] = "";
	struct loss_code owner = {0};

	if (!kernel_in_image(constants->worlds->product, finding->value))
		code_find_owner(constants->code, finding->value, &owner);
	if (finding->words > 1)
		snprintf(others, sizeof(others), " (and %u words beside it)", finding->words - 1);
	note(constants->notes,
	     "constant data of the snapshot's kernel were changed: %s has %s%s%s and not %s%s; the answers here go by the "
	     "kernel's own, and somebody may be hiding something",
	     describe(constants, finding->address, at), describe(constants, finding->value, value),
	     owner.owner == LOSS_OWNER_MODULE ? ", of the module " : "", owner.module, describe(constants, finding->right, right), others);
}

void constant_data_tell(struct constant_data *constants)
{
	for (; constants->told < constants->findings; constants->told++)
		tell(constants, &constants->finding[constants->told]);
	if (constants->overflow && !constants->told_more) {
		constants->told_more = true;
		note(constants->notes, "more constant data of the snapshot's kernel were changed than these notes tell");
	}
}

void constant_data_deinit(struct constant_data *constants)
{
	for (size_t i = 0; i < constants->areas; i++)
		destroy_area(constants->area[i]);
	free(constants->area);
}
