/*
 * Which code runs in product context: code.h.
 *
 * The trusted kernel has code of its own outside of the image, too, at addresses that mean something else in the product. So product
 * context finds its code by a TLB bank of its own (cpu_set_code_bank()).
 */
#include "redirect/code.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "emu/exception.h"
#include "util/array.h"
#include "util/quote.h"

enum { MAX_PAGES = 16384 /* 64 MiB, more than modules have: page tables can pretend that there is code everywhere */ };

#define CODE_WINDOW (1ull << 44) /* physical: far behind the machine's memory, within CPU_MAXPHYADDR */

/* Where the page is in the list, or belongs: it is sorted, since each jump to a page that the TLB does not have looks it up. */
static size_t find_page(const struct code *code, uint64_t linear)
{
	return array_lower_bound(code->page, code->pages, sizeof(*code->page), linear);
}

static bool insert_page(struct code *code, size_t at, struct code_page page)
{
	if (!array_reserve(&code->page, code->pages, &code->room, sizeof(*code->page)))
		return false;
	memmove(&code->page[at + 1], &code->page[at], (code->pages - at) * sizeof(*code->page));
	code->page[at] = page;
	code->pages++;
	return true;
}

uint64_t code_add_page(struct code *code, const uint8_t *bytes)
{
	uint64_t paddr = CODE_WINDOW + code->added * PAGE_SIZE;
	struct error *err = code->added < MAX_PAGES ? physmem_add_rom(&code->worlds->machine->mem, paddr, bytes, PAGE_SIZE)
						    : error_create("no more pages of code");

	if (!err)
		code->added++;
	else
		paddr = 0;
	error_destroy(err);
	return paddr;
}

/* The page of the product as the machine's memory; 0: there is none yet. */
static uint64_t mirrored(const struct code *code, uint64_t linear)
{
	size_t at = find_page(code, linear & PAGE_MASK);

	return at < code->pages && code->page[at].linear == (linear & PAGE_MASK) ? code->page[at].paddr : 0;
}

/* Makes one; 0: it is not mapped, or there is no room. */
static uint64_t mirror(struct code *code, uint64_t linear)
{
	struct code_page page = {.linear = linear & PAGE_MASK, .paddr = mirrored(code, linear)};
	uint8_t bytes[PAGE_SIZE];

	if (page.paddr)
		return page.paddr;
	if (!product_memory_read(&code->worlds->memory, page.linear, bytes, sizeof(bytes)))
		return 0;
	page.paddr = code_add_page(code, bytes);
	return page.paddr && insert_page(code, find_page(code, page.linear), page) ? page.paddr : 0;
}

bool code_fetch(struct code *code, uint64_t linear, uint64_t *ret_paddr)
{
	struct worlds *worlds = code->worlds;
	uint64_t page;

	if (worlds->context.phase != CONTEXT_PRODUCT || linear < worlds->memory.kernel_start)
		return false;
	if (kernel_in_image(worlds->product, linear))
		return switches_find(code->switches, linear, ret_paddr);
	page = code->product ? mirror(code, linear) : mirrored(code, linear);
	if (!page)
		cpu_raise_page_fault(worlds->cpu, linear, PF_I);
	*ret_paddr = page | (linear & ~PAGE_MASK);
	return true;
}

/* -- code that was not there -- */

enum { MODULE_NAME = 56 /* MODULE_NAME_LEN of 64-bit kernels */ };

/* struct module begins with its state, a list_head and the name (linux/module.h). */
void code_find_owner(struct code *code, uint64_t address, struct loss_code *lost)
{
	char name[MODULE_NAME];
	uint64_t module = 0;

	if (!worlds_call(code->worlds, WORLD_PRODUCT, FUNCTION___module_address, &address, 1, &module))
		return;
	lost->owner = LOSS_OWNER_NONE;
	if (!module)
		return;
	lost->owner = LOSS_OWNER_UNKNOWN;
	if (!product_memory_read(&code->worlds->memory, module + 3 * code->worlds->context.abi->word, name, sizeof(name)))
		return;
	lost->owner = LOSS_OWNER_MODULE;
	quote(lost->module, sizeof(lost->module), name, sizeof(name));
}

/* In names of modules `-` and `_` are the same. */
static bool is_name(const char *name, const char *module)
{
	while (*name && (*name == *module || (*name == '-' && *module == '_'))) {
		name++;
		module++;
	}
	return !*name && !*module;
}

/* Once for each module that is trusted, when its code is needed. */
static void note_trust(struct code *code, size_t number)
{
	uint64_t bit = number < 64 ? 1ull << number : 1ull << 63;

	if (!(code->told & bit))
		note(code->notes, "code of the module %s is the snapshot's own, unverified (--trust-module)", code->trust[number]);
	code->told |= bit;
}

bool code_seek(struct code *code, uint64_t address)
{
	struct loss_code owner = {0};

	if (!code->trust || address < code->worlds->memory.kernel_start || kernel_in_image(code->worlds->product, address))
		return false;
	code_find_owner(code, address, &owner);
	for (size_t i = 0; owner.owner == LOSS_OWNER_MODULE && code->trust[i]; i++) {
		if (is_name(code->trust[i], owner.module) && mirror(code, address)) { /* the fetch finds it there */
			note_trust(code, i);
			return true;
		}
	}
	return false;
}

/* After a call the return address is on the stack. */
static void find_caller(struct code *code, char to[LOSS_CALLER])
{
	char near[KERNEL_SYMBOL_NEAR];
	uint64_t caller = 0;
	unsigned word = code->worlds->context.abi->word;

	if (worlds_read_stack(code->worlds, code->worlds->cpu->gpr[RSP], &caller, word) == word &&
	    kernel_in_image(code->worlds->product, caller))
		snprintf(to, LOSS_CALLER, "%s", kernel_symbol_near(code->worlds->product, caller, near));
}

void code_record_missing(struct code *code, uint64_t address)
{
	struct loss_code lost = {.call = code->calls->now.row ? code->calls->now.row->name : "a call", .address = address};
	uint64_t ignored;

	code_find_owner(code, address, &lost);
	find_caller(code, lost.caller);
	lost.there = !code->product && product_memory_translate(&code->worlds->memory, address, &ignored);
	losses_record_code(code->calls->losses, &lost);
}

void code_deinit(struct code *code)
{
	free(code->page);
}
