/* The text of the kernel's image in product context: text.h. */
#include "redirect/text.h"

#include <stdio.h>
#include <string.h>

#include "emu/peek.h"

/* -- what the switches are told -- */

static bool read_trusted(void *opaque, uint64_t address, void *to, size_t size)
{
	return kernel_peek(&((const struct text *)opaque)->worlds->trusted, address, to, size) == size;
}

static bool read_product(void *opaque, uint64_t address, void *to, size_t size)
{
	return product_memory_read(&((struct text *)opaque)->worlds->memory, address, to, size);
}

static const struct symbols *symbols_of(const struct text *text)
{
	return text->worlds->product->symbols;
}

static bool is_function(void *opaque, uint64_t address)
{
	return modules_is_function(((const struct text *)opaque)->code->modules, address);
}

static const char *name_of(void *opaque, uint64_t address, char to[SWITCH_NAME])
{
	struct symbol symbol;

	if (!symbols_nearest(symbols_of(opaque), address, &symbol))
		return NULL;
	snprintf(to, SWITCH_NAME, "%s", symbol.name);
	return to;
}

static uint64_t add_page(void *opaque, const uint8_t *bytes)
{
	return code_pages_add(((struct text *)opaque)->code->code_pages, bytes);
}

/* -- sites -- */

#define TRAMPOLINE "__SCT__"

struct error *text_note_function(struct text *text, const struct symbol *function)
{
	const struct patch_site site = {.address = function->address, .kind = PATCH_TRAMPOLINE, .tail = true};

	return strncmp(function->name, TRAMPOLINE, strlen(TRAMPOLINE)) == 0 ? patch_sites_add(&text->sites, &site) : NULL;
}

static struct error *add_constants(struct patch_sites *sites, const struct runtime_constants *constants, uint64_t shift)
{
	struct error *err = NULL;

	for (unsigned i = 0; !err && constants && i < constants->count; i++) {
		const struct patch_site site = {
			.address = constants->constant[i].address + shift,
			.kind = PATCH_CONSTANT,
			.size = constants->constant[i].size,
		};

		err = patch_sites_add(sites, &site);
	}
	return err;
}

/* False: the kernel has a table, and it cannot be found. */
static bool find_jump_table(const struct kernel *kernel, const struct patch_memory *memory, uint64_t *ret_start, uint64_t *ret_end)
{
	uint64_t user = kernel_symbol(kernel, "jump_label_text_reserved");
	uint8_t code[PATCH_BOUNDS_CODE];

	*ret_start = kernel_symbol(kernel, "__start___jump_table");
	*ret_end = kernel_symbol(kernel, "__stop___jump_table");
	if (*ret_start || !user) /* without the function there are no jump labels */
		return true;
	return patch_sites_find_jump_table(memory, code, kernel_peek(kernel, user, code, sizeof(code)), ret_start, ret_end);
}

/* Switches that cannot be followed. */
static void note_unfollowed(const struct text *text, const char *kind)
{
	note(text->notes,
	     "the kernel's switches (%s) stand as at its boot, not as in the snapshot, since their table was not found: what depends on "
	     "them "
	     "may be wrong",
	     kind);
}

/* Static calls are patched in line on x86-64 only, where a kernel without CONFIG_KALLSYMS_ALL does not name their table. */
static struct error *add_tables(struct text *text)
{
	const struct kernel *kernel = text->worlds->product;
	uint64_t text_end = kernel_symbol(kernel, "_etext"), calls = kernel_symbol(kernel, "__start_static_call_sites");
	const struct patch_memory memory = {
		.read = read_trusted,
		.opaque = text,
		.word = kernel->abi->word,
		.start = kernel->symbols->base,
		.end = kernel->symbols->end,
		.text_end = text_end ? text_end : kernel->symbols->end,
	};
	struct error *err;
	uint64_t start, end;

	if (!find_jump_table(kernel, &memory, &start, &end)) {
		note_unfollowed(text, "jump labels");
		start = end = 0;
	}
	text->jump_table_end = end;
	err = patch_sites_add_jump_labels(&text->sites, &memory, start, end);
	if (!calls && kernel->abi->word == 8 && kernel_symbol(kernel, "static_call_text_reserved"))
		note_unfollowed(text, "static calls");
	if (!err && calls)
		err = patch_sites_add_static_calls(&text->sites, &memory, calls, kernel_symbol(kernel, "__stop_static_call_sites"));
	return err;
}

/* -- writing to text -- */

/* Functions of the kernel that do, by the names that they have had: of an address, bytes, and their size; or that finish what these queued.
 */
static const struct text_writer {
	const char *name;
	bool writes;
} writers[] = {
	{"text_poke_bp", true},
	{"text_poke_queue", true},
	{"text_poke", true},
	{"text_poke_copy", true}, /* of a program of BPF that was compiled */
	{"smp_text_poke_single", true},
	{"smp_text_poke_batch_add", true},
	{"text_poke_finish", false},
	{"smp_text_poke_batch_finish", false},
};

enum { WRITTEN_MAX = 1 << 20, CHUNK = 256, WRITERS = sizeof(writers) / sizeof(writers[0]) };

/* What is `offset` bytes behind a pointer in a register: the product's, or on the stack that the body runs on. */
static bool read_argument(const struct text *text, enum gpr pointer, uint64_t offset, void *to, size_t size)
{
	const struct context *context = &text->worlds->context;
	uint64_t address = context->cpu->gpr[pointer] + offset;
	bool on_stack = context->way == REDIRECT_TAGS && (context->cpu->gpr_tag[pointer] & TAG_STACK) &&
			address - context->stack < context->stack_size;

	return on_stack ? cpu_peek(context->cpu, address, to, size) == size : product_memory_read(&text->worlds->memory, address, to, size);
}

static uint64_t first_argument(const struct text *text)
{
	return abi_argument(text->worlds->context.abi, text->worlds->cpu, 0);
}

static void write_text(struct text *text)
{
	const struct abi *abi = text->worlds->context.abi;
	uint64_t size = abi_argument(abi, text->worlds->cpu, 2);
	bool done = size <= WRITTEN_MAX;
	uint8_t bytes[CHUNK];

	for (uint64_t at = 0; done && at < size; at += CHUNK) {
		size_t part = size - at < CHUNK ? size - at : CHUNK;

		done = read_argument(text, abi->argument[1], at, bytes, part) &&
		       product_memory_write(&text->worlds->memory, first_argument(text) + at, bytes, part);
	}
	text->code->written = true; /* these are no accesses */
	if (!done)
		call_record_loss(text->calls, LOSS_DAMAGED);
}

static enum mark_action on_writer(void *opaque, struct cpu *cpu)
{
	const struct text_mark *mark = opaque;
	struct text *text = mark->owner;

	(void)cpu;
	text->written = true;
	if (text->worlds->context.phase != CONTEXT_PRODUCT)
		return MARK_CONTINUE;
	if (mark->row->writes)
		write_text(text);
	text->calls->stats.stand_ins++;
	return worlds_return(text->worlds, (int64_t)first_argument(text));
}

struct error *text_mark(struct text *text)
{
	_Static_assert((int)WRITERS <= (int)TEXT_WRITERS, "room for all");
	struct error *err = NULL;

	for (unsigned i = 0; !err && i < WRITERS; i++) {
		text->mark[i] = (struct text_mark){text, &writers[i]};
		err = worlds_mark(text->worlds, WORLD_PRODUCT, writers[i].name, on_writer, &text->mark[i]);
	}
	return err;
}

/* -- the whole -- */

struct error *text_follow(struct text *text, const struct runtime_constants *constants, uint64_t shift)
{
	const struct switches_config config = {
		.opaque = text,
		.read_trusted = read_trusted,
		.read_product = read_product,
		.is_function = is_function,
		.name = name_of,
		.add_page = add_page,
		.word = text->worlds->context.abi->word,
		.start = symbols_of(text)->base,
		.end = symbols_of(text)->end,
	};
	struct error *err = add_constants(&text->sites, constants, shift);

	if (!err)
		err = add_tables(text);
	if (err)
		return err;
	patch_sites_sort(&text->sites);
	return switches_init(&text->switches, &config, &text->sites);
}

void text_refresh(struct text *text)
{
	code_follow(text->code);
	if (!text->written)
		return;
	text->written = false;
	if (!worlds_have_two_kernels(text->worlds))
		code_forget(text->code);
}

void text_tell(struct text *text)
{
	char near[KERNEL_SYMBOL_NEAR];

	if (text->told || !text->switches.count.illegal)
		return;
	text->told = true;
	note(text->notes,
	     "the snapshot's kernel has code at %s that no kernel puts there: the trusted kernel's code ran instead, and "
	     "somebody may be hiding something",
	     kernel_symbol_near(text->worlds->product, text->switches.count.first, near));
}

void text_deinit(struct text *text)
{
	switches_deinit(&text->switches);
	patch_sites_deinit(&text->sites);
}
