/*
 * Which code runs in product context: the trusted kernel's image, at the addresses that it and the product have in common. Everything else
 * of the kernel half (the product's modules, code that it generated) is not the trusted kernel's to give: by default the call is given up,
 * and recorded. `--code product` takes such code from the product, page by page, as memory of the emulated machine that nothing
 * else leads to: it runs in the emulator's sandbox like everything else, but it is what the snapshot says it is.
 *
 * The trusted kernel has code of its own outside of the image, too, at addresses that mean something else in the product: what
 * the CPU knows of such code is forgotten whenever product context begins or ends.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "emu/exception.h"
#include "emu/peek.h"
#include "redirect/session.h"
#include "util/quote.h"

enum { MAX_PAGES = 16384 /* 64 MiB, more than modules have: page tables can pretend that there is code everywhere */ };

#define CODE_WINDOW (1ull << 44) /* physical: far behind the machine's memory, within CPU_MAXPHYADDR */

static bool in_image(const struct redirect *redirect, uint64_t linear)
{
	return linear - redirect->config.symbols->base < redirect->config.symbols->end - redirect->config.symbols->base;
}

/* Where the page is in the list, or belongs: it is sorted, since each jump to a page that the TLB does not have looks it up. */
static size_t find_page(const struct code_pages *pages, uint64_t linear)
{
	size_t low = 0, high = pages->count;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (pages->page[middle].linear < linear)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static bool insert_page(struct code_pages *pages, size_t at, struct code_page page)
{
	struct code_page *larger = realloc(pages->page, (pages->count + 1) * sizeof(*larger));

	if (!larger)
		return false;
	memmove(&larger[at + 1], &larger[at], (pages->count - at) * sizeof(*larger));
	larger[at] = page;
	pages->page = larger;
	pages->count++;
	return true;
}

/* The page of the product as the machine's memory; 0: it is not mapped. */
static uint64_t mirror(struct redirect *redirect, uint64_t linear)
{
	struct code_pages *pages = &redirect->code;
	struct code_page page = {linear & PAGE_MASK, CODE_WINDOW + pages->count * PAGE_SIZE};
	size_t at = find_page(pages, page.linear);
	uint8_t bytes[PAGE_SIZE];
	struct error *err;
	bool added;

	if (at < pages->count && pages->page[at].linear == page.linear)
		return pages->page[at].paddr;
	if (pages->count == MAX_PAGES || !product_memory_read(&redirect->memory, page.linear, bytes, sizeof(bytes)))
		return 0;
	err = physmem_add_rom(&redirect->machine->mem, page.paddr, bytes, sizeof(bytes));
	added = !err && insert_page(pages, at, page);
	if (!err && !added)
		physmem_remove(&redirect->machine->mem, page.paddr);
	error_destroy(err);
	return added ? page.paddr : 0;
}

bool fetch_outside(struct redirect *redirect, uint64_t linear, uint64_t *ret_paddr)
{
	uint64_t page;

	if (linear < redirect->memory.kernel_start || in_image(redirect, linear))
		return false;
	redirect->context.fetched_outside = true;
	if (redirect->context.phase != CONTEXT_PRODUCT)
		return false;
	page = redirect->config.product_code ? mirror(redirect, linear) : 0;
	if (!page)
		cpu_raise_page_fault(redirect->cpu, linear, PF_I);
	*ret_paddr = page | (linear & ~PAGE_MASK);
	return true;
}

/* -- code that is not there -- */

enum { MODULE_NAME = 56 /* MODULE_NAME_LEN of 64-bit kernels */ };

/*
 * Whose code it is, by the product's list of modules: struct module begins with its state, a list_head and the name (linux/module.h).
 */
static void find_owner(struct redirect *redirect, uint64_t address, struct loss_code *code)
{
	char name[MODULE_NAME];
	uint64_t module = 0;

	if (!kernel_call(&redirect->context, WORLD_PRODUCT, redirect->function.__module_address, &address, 1, &module))
		return;
	code->owner = LOSS_OWNER_NONE;
	if (!module)
		return;
	code->owner = LOSS_OWNER_UNKNOWN;
	if (!product_memory_read(&redirect->memory, module + 3 * redirect->context.word, name, sizeof(name)))
		return;
	code->owner = LOSS_OWNER_MODULE;
	quote(code->module, sizeof(code->module), name, sizeof(name));
}

/* After a call the return address is on the stack. */
static void find_caller(struct redirect *redirect, char to[LOSS_CALLER])
{
	char near[KSYM_NAME_LEN + 20];
	uint64_t rsp = redirect->cpu->gpr[RSP], caller;
	unsigned word = redirect->context.word;
	bool read = redirect->context.way == REDIRECT_TAGS ? cpu_peek_word(redirect->cpu, rsp, word, &caller)
							   : product_memory_read_word(&redirect->memory, rsp, word, &caller);

	if (read && in_image(redirect, caller))
		snprintf(to, LOSS_CALLER, "%s", symbol_near(redirect, caller, near));
}

void record_missing_code(struct redirect *redirect, uint64_t address)
{
	struct loss_code code = {.call = redirect->call.row ? redirect->call.row->name : "a call", .address = address};
	uint64_t ignored;

	find_owner(redirect, address, &code);
	find_caller(redirect, code.caller);
	code.there = !redirect->config.product_code && product_memory_translate(&redirect->memory, address, &ignored);
	losses_record_code(redirect->config.losses, &code);
}

void code_deinit(struct redirect *redirect)
{
	free(redirect->code.page);
}
