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

struct error *constant_data_begin(struct constant_data *constants)
{
	const struct kernel *kernel = constants->worlds->product;
	uint64_t start = kernel_symbol(kernel, "__start_rodata"), end = kernel_symbol(kernel, "__end_rodata");
	uint64_t init = kernel_symbol(kernel, "__start_ro_after_init"), init_end = kernel_symbol(kernel, "__end_ro_after_init");
	struct product_memory *memory = &constants->worlds->memory;

	if (!start || init < start || init_end < init || end < init_end)
		return NULL;
	constants->range[0] = (struct constant_range){start, init};
	constants->range[1] = (struct constant_range){init_end, end};
	constants->page = calloc(page_count(constants), sizeof(*constants->page));
	if (!constants->page)
		return error_create("starting introspection: out of memory");
	memory->constant_page = look_at;
	memory->constant_opaque = constants;
	memory->constant_start = first_page(constants);
	memory->constant_size = page_count(constants) << PAGE_SHIFT;
	return NULL;
}

void constant_data_look_at_tables(struct constant_data *constants)
{
	for (unsigned i = 0; constants->page && i < sizeof(tables) / sizeof(tables[0]); i++) {
		uint64_t table = kernel_symbol(constants->worlds->product, tables[i]);

		for (uint64_t at = table; table && at < table + TABLE_SIZE; at += PAGE_SIZE) {
			if (is_constant(constants, at))
				look_at(constants, at);
		}
	}
}

/* -- telling -- */

static const char *describe(const struct constant_data *constants, uint64_t value, char to[KERNEL_SYMBOL_NEAR])
{
	if (kernel_in_image(constants->worlds->product, value))
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
