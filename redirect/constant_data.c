/* Constant data of the image: constant_data.h. */
#include "redirect/constant_data.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const tables[] = {"sys_call_table", "ia32_sys_call_table", "x32_sys_call_table"};

enum { TABLE_SIZE = PAGE_SIZE /* at least as many entries as calls that tools make */ };

static uint64_t first_page(const struct constant_data *constants)
{
	return constants->range[0].start & PAGE_MASK;
}

static size_t page_count(const struct constant_data *constants)
{
	return (constants->range[1].end - first_page(constants) + PAGE_SIZE - 1) >> PAGE_SHIFT;
}

static bool is_constant(const struct constant_data *constants, uint64_t address)
{
	for (unsigned i = 0; i < 2; i++) {
		if (address >= constants->range[i].start && address < constants->range[i].end)
			return true;
	}
	return false;
}

static bool is_text(const struct constant_data *constants, uint64_t value)
{
	const struct kernel *kernel = constants->worlds->product;

	return value >= kernel_symbol(kernel, "_stext") && value < kernel_symbol(kernel, "_etext");
}

/* A table is told of by one of its words, by one that should lead to a function if there is such a word. */
static void note_word(struct constant_data *constants, uint64_t address, uint64_t value, uint64_t right)
{
	unsigned word = constants->worlds->context.abi->word;
	struct constant_finding *last = constants->findings ? &constants->finding[constants->findings - 1] : NULL;

	if (last && last->end == address && constants->told < constants->findings) {
		last->end += word;
		last->words++;
		if (!kernel_in_image(constants->worlds->product, last->right)) {
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

/* Makes the constant words of `bytes`, the product's, those of `right`. Returns whether there was anything to do. */
static bool set_right(struct constant_data *constants, uint64_t page, uint8_t *bytes, const uint8_t *right)
{
	unsigned word = constants->worlds->context.abi->word;
	bool differs = false;

	for (unsigned at = 0; at < PAGE_SIZE; at += word) {
		uint64_t was = 0, value = 0;

		if (memcmp(bytes + at, right + at, word) == 0 || !is_constant(constants, page + at))
			continue;
		memcpy(&was, bytes + at, word);
		memcpy(&value, right + at, word);
		if (constants->text_only && !is_text(constants, value))
			continue;
		note_word(constants, page + at, was, value);
		memcpy(bytes + at, right + at, word);
		differs = true;
	}
	return differs;
}

/* product_memory.constant_page: from within an access, so nothing may be run here. */
static uint8_t *look_at(void *opaque, uint64_t linear)
{
	struct constant_data *constants = opaque;
	uint64_t page = linear & PAGE_MASK;
	struct constant_page *place = &constants->page[(page - first_page(constants)) >> PAGE_SHIFT];
	uint8_t bytes[PAGE_SIZE], right[PAGE_SIZE];

	if (place->looked_at)
		return place->bytes;
	place->looked_at = true; /* reading the product's page comes by here */
	if (!product_memory_read(&constants->worlds->memory, page, bytes, PAGE_SIZE) ||
	    kernel_peek(&constants->worlds->trusted, page, right, PAGE_SIZE) != PAGE_SIZE || memcmp(bytes, right, PAGE_SIZE) == 0 ||
	    !set_right(constants, page, bytes, right))
		return NULL;
	place->bytes = malloc(PAGE_SIZE);
	if (place->bytes)
		memcpy(place->bytes, bytes, PAGE_SIZE);
	return place->bytes;
}

/* -- where they are -- */

/* In kernels that name it. */
static bool find_by_symbols(struct constant_data *constants)
{
	const struct kernel *kernel = constants->worlds->product;
	uint64_t start = kernel_symbol(kernel, "__start_rodata"), end = kernel_symbol(kernel, "__end_rodata");
	uint64_t init = kernel_symbol(kernel, "__start_ro_after_init"), init_end = kernel_symbol(kernel, "__end_ro_after_init");

	if (!start || init < start || init_end < init || end < init_end)
		return false;
	constants->range[0] = (struct constant_range){start, init};
	constants->range[1] = (struct constant_range){init_end, end};
	return true;
}

static bool find_by_section(struct constant_data *constants, const struct rodata *rodata, uint64_t jump_table_end)
{
	const struct kernel *kernel = constants->worlds->product;

	if (!rodata || rodata->start >= rodata->end || !kernel_in_image(kernel, rodata->start) || !kernel_in_image(kernel, rodata->end - 1))
		return false;
	constants->range[0] = (struct constant_range){rodata->start, rodata->changed};
	constants->range[1] = (struct constant_range){rodata->end, rodata->end};
	if (jump_table_end >= rodata->changed && jump_table_end < rodata->end)
		constants->range[1].start = jump_table_end;
	constants->text_only = true;
	return true;
}

struct error *constant_data_begin(struct constant_data *constants, const struct rodata *rodata, uint64_t jump_table_end)
{
	struct product_memory *memory = &constants->worlds->memory;

	if (!find_by_symbols(constants) && !find_by_section(constants, rodata, jump_table_end))
		return NULL;
	constants->page = calloc(page_count(constants), sizeof(*constants->page));
	if (!constants->page)
		return error_create("starting introspection: out of memory");
	memory->constant_page = look_at;
	memory->constant_opaque = constants;
	memory->constant_start = first_page(constants);
	memory->constant_size = page_count(constants) << PAGE_SHIFT;
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
	for (uint64_t page = first_page(constants); page < constants->range[0].end; page += PAGE_SIZE) {
		size_t size = kernel_peek(kernel, page, bytes, sizeof(bytes));

		for (size_t at = 0; at + sizeof(first) <= size; at += sizeof(first[0])) {
			if (memcmp(bytes + at, first, sizeof(first)) == 0)
				return page + at;
		}
	}
	return 0;
}

static void look_at_table(struct constant_data *constants, uint64_t table)
{
	for (uint64_t at = table; table && at < table + TABLE_SIZE; at += PAGE_SIZE) {
		if (is_constant(constants, at))
			look_at(constants, at);
	}
}

void constant_data_look_at_tables(struct constant_data *constants)
{
	for (unsigned i = 0; constants->page && i < sizeof(tables) / sizeof(tables[0]); i++)
		look_at_table(constants, kernel_symbol(constants->worlds->product, tables[i]));
	if (constants->page && constants->text_only)
		look_at_table(constants, find_unnamed_table(constants));
}

/* -- telling -- */

/* Where the kernel does not name its data, the nearest name is that of something else. */
static const char *describe(const struct constant_data *constants, uint64_t value, char to[KERNEL_SYMBOL_NEAR])
{
	if (kernel_in_image(constants->worlds->product, value) && (!constants->text_only || is_text(constants, value)))
		return kernel_symbol_near(constants->worlds->product, value, to);
	snprintf(to, KERNEL_SYMBOL_NEAR, "%#" PRIx64, value);
	return to;
}

static void tell(const struct constant_data *constants, const struct constant_finding *finding)
{
	char at[KERNEL_SYMBOL_NEAR], value[KERNEL_SYMBOL_NEAR], right[KERNEL_SYMBOL_NEAR], others[40] = "";
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
	for (size_t i = 0; constants->page && i < page_count(constants); i++)
		free(constants->page[i].bytes);
	free(constants->page);
}
