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

/* The page of the product as the machine's memory; 0: there is none yet. */
static uint64_t mirrored(const struct code *code, uint64_t linear)
{
	size_t at = find_page(code, linear & PAGE_MASK);

	return at < code->pages && code->page[at].linear == (linear & PAGE_MASK) ? code->page[at].paddr : 0;
}

/* Returns false without memory. */
static bool insert_source(struct code *code, uint64_t linear)
{
	uint64_t paddr;
	size_t at;

	if (!product_memory_translate(&code->worlds->memory, linear, &paddr))
		return false;
	at = array_lower_bound(code->source, code->sources, sizeof(*code->source), paddr);
	if (at < code->sources && code->source[at] == paddr)
		return true;
	if (!array_reserve(&code->source, code->sources, &code->source_room, sizeof(*code->source)))
		return false;
	memmove(&code->source[at + 1], &code->source[at], (code->sources - at) * sizeof(*code->source));
	code->source[at] = paddr;
	code->sources++;
	return true;
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
	page.paddr = code_pages_add(code->code_pages, bytes);
	return page.paddr && insert_source(code, page.linear) && insert_page(code, find_page(code, page.linear), page) ? page.paddr : 0;
}

/* -- code that is written -- */

void code_note_write(struct code *code, uint64_t paddr)
{
	size_t at = array_lower_bound(code->source, code->sources, sizeof(*code->source), paddr);

	code->written |= at < code->sources && code->source[at] == paddr;
}

static bool has_changed(struct code *code, const struct code_page *page)
{
	uint8_t now[PAGE_SIZE], then[PAGE_SIZE];

	return !product_memory_read(&code->worlds->memory, page->linear, now, PAGE_SIZE) ||
	       !physmem_copy_out(&code->worlds->machine->mem, page->paddr, then, PAGE_SIZE) || memcmp(now, then, PAGE_SIZE) != 0;
}

/* What has changed is fetched anew, also if the call that wrote it was given up. */
void code_follow(struct code *code)
{
	size_t kept = 0;

	if (!code->written)
		return;
	code->written = false;
	for (size_t i = 0; i < code->pages; i++) {
		if (!has_changed(code, &code->page[i]))
			code->page[kept++] = code->page[i];
	}
	if (kept < code->pages)
		context_forget_code(&code->worlds->context);
	code->pages = kept;
}

/* -- fetching -- */

/*
 * Where the product has a kernel of its own, all code is its own, but for the address where calls of ours and bodies come back (abi.h):
 * there has to be a page, so that a mark can be met in it.
 */
static uint64_t find_own(struct code *code, uint64_t linear)
{
	uint8_t bytes[PAGE_SIZE];

	if ((linear & PAGE_MASK) != (code->worlds->context.abi->back & PAGE_MASK))
		return mirror(code, linear);
	if (!code->back_page) {
		memset(bytes, 0xcc /* INT3 */, sizeof(bytes));
		code->back_page = code_pages_add(code->code_pages, bytes);
	}
	return code->back_page;
}

static void fetch_own(struct code *code, uint64_t linear, uint64_t *ret_paddr)
{
	uint64_t page = find_own(code, linear);

	if (!page)
		cpu_raise_page_fault(code->worlds->cpu, linear, PF_I);
	*ret_paddr = page | (linear & ~PAGE_MASK);
}

bool code_fetch(struct code *code, uint64_t linear, uint64_t *ret_paddr)
{
	struct worlds *worlds = code->worlds;
	uint64_t page;

	if (worlds->context.phase != CONTEXT_PRODUCT || linear < worlds->memory.kernel_start)
		return false;
	if (worlds_have_two_kernels(worlds)) {
		fetch_own(code, linear, ret_paddr);
		return true;
	}
	if (kernel_in_image(worlds->product, linear)) {
		entry_look_at(code->entries, linear);
		return switches_find(code->switches, linear, ret_paddr);
	}
	page = mirrored(code, linear);
	if (!page && modules_fetch(code->modules, linear, ret_paddr))
		return true;
	if (!page && code->choice == CODE_PRODUCT)
		page = mirror(code, linear);
	if (!page)
		cpu_raise_page_fault(worlds->cpu, linear, PF_I);
	*ret_paddr = page | (linear & ~PAGE_MASK);
	return true;
}

bool code_is_own(const struct code *code, uint64_t address)
{
	return worlds_have_two_kernels(code->worlds) || (!kernel_in_image(code->worlds->product, address) && mirrored(code, address));
}

size_t code_read(struct code *code, uint64_t address, void *to, size_t size)
{
	uint64_t paddr;

	if (worlds_have_two_kernels(code->worlds) || kernel_in_image(code->worlds->product, address))
		return kernel_peek(code->worlds->product, address, to, size);
	for (size_t done = 0, n; done < size; done += n) {
		uint64_t at = address + done, page = mirrored(code, at);

		n = PAGE_SIZE - (at & ~PAGE_MASK) < size - done ? PAGE_SIZE - (at & ~PAGE_MASK) : size - done;
		paddr = page | (at & ~PAGE_MASK);
		if ((!page && !modules_fetch(code->modules, at, &paddr)) ||
		    !physmem_copy_out(&code->worlds->machine->mem, paddr, (uint8_t *)to + done, n))
			return done;
	}
	return size;
}

/* -- code that was not there -- */

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
	code->modules->record = module;
	quote(lost->module, sizeof(lost->module), name, sizeof(name));
}

/* Once for each module that is trusted, when its code is needed. */
static void note_trust(struct code *code, size_t number)
{
	uint64_t bit = number < 64 ? 1ull << number : 1ull << 63;

	if (!(code->told & bit))
		note(code->notes, "code of the module %s is the snapshot's own, unverified (--trust-module)", code->trust[number]);
	code->told |= bit;
}

/* The module is trusted by name. */
static enum code_answer seek_trusted(struct code *code, const struct loss_code *owner, uint64_t address)
{
	for (size_t i = 0; code->trust && code->trust[i]; i++) {
		if (modules_same_name(code->trust[i], owner->module) && mirror(code, address)) { /* the fetch finds it there */
			note_trust(code, i);
			return CODE_FOUND;
		}
	}
	return CODE_MISSING;
}

static enum code_answer seek_proven(struct code *code, const struct loss_code *owner)
{
	struct known_module *known = modules_find(code->modules, owner->module);

	if (!known && strlen(owner->module) < MODULE_NAME)
		known = modules_add(code->modules, owner->module, MODULE_WANTED);
	return known && known->state == MODULE_WANTED ? CODE_WANTED : CODE_MISSING;
}

enum code_answer code_seek(struct code *code, uint64_t address)
{
	struct loss_code owner = {0};
	enum code_answer answer;

	if (address < code->worlds->memory.kernel_start || kernel_in_image(code->worlds->product, address) ||
	    (!code->trust && code->choice != CODE_VERIFIED))
		return CODE_MISSING;
	code_find_owner(code, address, &owner);
	answer = owner.owner == LOSS_OWNER_MODULE ? seek_trusted(code, &owner, address) : CODE_MISSING;
	if (answer == CODE_MISSING && owner.owner == LOSS_OWNER_MODULE && code->choice == CODE_VERIFIED)
		answer = seek_proven(code, &owner);
	if (answer == CODE_MISSING && modules_guessed_wrong(code->modules, address)) {
		code_forget(code);
		code->modules->wanted = true;
		answer = CODE_WANTED;
	}
	return answer;
}

static bool is_trusted(const struct code *code, const char *module)
{
	for (size_t i = 0; code->trust && code->trust[i]; i++) {
		if (modules_same_name(code->trust[i], module))
			return true;
	}
	return false;
}

bool code_reconsider(struct code *code)
{
	bool wanted = false;
	uint64_t page;

	while ((page = modules_next_read(code->modules))) {
		struct loss_code owner = {0};

		code_find_owner(code, page, &owner);
		if (owner.owner == LOSS_OWNER_MODULE && !is_trusted(code, owner.module))
			wanted |= seek_proven(code, &owner) == CODE_WANTED;
	}
	return wanted;
}

void code_forget(struct code *code)
{
	switches_forget(code->switches);
	modules_forget_switches(code->modules);
	context_forget_code(&code->worlds->context);
}

/* After a call the return address is on the stack. */
static void find_caller(struct code *code, char to[LOSS_CALLER])
{
	char near[MODULES_NEAR];
	uint64_t caller = 0;
	unsigned word = code->worlds->context.abi->word;

	if (worlds_read_stack(code->worlds, code->worlds->cpu->gpr[RSP], &caller, word) == word &&
	    (kernel_in_image(code->worlds->product, caller) || modules_at(code->modules, caller)))
		snprintf(to, LOSS_CALLER, "%.*s", LOSS_CALLER - 1, modules_near(code->modules, caller, near));
}

/* Why the module's code does not run, although modules are proven. */
static void give_reason(const struct code *code, struct loss_code *lost)
{
	const struct known_module *known = modules_find(code->modules, lost->module);

	if (known && known->state == MODULE_REFUSED)
		snprintf(lost->reason, sizeof(lost->reason), "%s", known->reason->message);
	else if (known && known->state == MODULE_PROVEN)
		snprintf(lost->reason, sizeof(lost->reason), "its file has no code there");
	else
		snprintf(lost->reason, sizeof(lost->reason), "there are too many modules");
}

void code_record_missing(struct code *code, uint64_t address)
{
	struct loss_code lost = {.call = code->calls->now.row ? code->calls->now.row->name : "a call", .address = address};
	uint64_t ignored;

	code_find_owner(code, address, &lost);
	find_caller(code, lost.caller);
	lost.there = code->choice != CODE_PRODUCT && product_memory_translate(&code->worlds->memory, address, &ignored);
	if (code->choice == CODE_VERIFIED && lost.owner == LOSS_OWNER_MODULE)
		give_reason(code, &lost);
	losses_record_code(code->calls->losses, &lost);
}

void code_deinit(struct code *code)
{
	free(code->page);
	free(code->source);
}
