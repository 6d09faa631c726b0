/* Modules of the product in product context: modules.h. */
#include "redirect/modules.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/align.h"
#include "util/array.h"
#include "util/quote.h"

enum { INT3 = 0xcc };

/* -- the list -- */

bool modules_same_name(const char *name, const char *other)
{
	for (; *name && (*name == '-' ? '_' : *name) == (*other == '-' ? '_' : *other); other++)
		name++;
	return !*name && !*other;
}

struct known_module *modules_find(const struct modules *modules, const char *name)
{
	for (size_t i = 0; i < modules->count; i++) {
		if (modules_same_name(name, modules->known[i]->name))
			return modules->known[i];
	}
	return NULL;
}

struct known_module *modules_add(struct modules *modules, const char *name, enum module_state state)
{
	struct known_module *known;

	if (modules->count == MODULES_MAX || !array_reserve(&modules->known, modules->count, &modules->room, sizeof(struct known_module *)))
		return NULL;
	known = calloc(1, sizeof(*known));
	if (!known)
		return NULL;
	*known = (struct known_module){.state = state, .owner = modules};
	snprintf(known->name, sizeof(known->name), "%s", name);
	modules->known[modules->count++] = known;
	modules->wanted |= state == MODULE_WANTED;
	return known;
}

struct known_module *modules_at(const struct modules *modules, uint64_t address)
{
	for (size_t i = 0; i < modules->count; i++) {
		struct known_module *known = modules->known[i];

		if (known->state == MODULE_PROVEN && address - known->start < known->end - known->start)
			return known;
	}
	return NULL;
}

/* -- code as linked -- */

/* Copies the part of a section that lies in the `size` bytes at `address`. */
static void copy_section(const struct module_section *section, uint64_t address, uint8_t *to, size_t size)
{
	uint64_t from = section->address > address ? section->address : address;
	uint64_t end = section->address + section->size, last = address + size;

	if (last < end)
		end = last;
	if (from < end)
		memcpy(to + (from - address), section->linked + (from - section->address), end - from);
}

static bool is_code(const struct module_section *section)
{
	return section->kind == MODULE_CODE && section->linked && section->size;
}

static bool read_linked(void *opaque, uint64_t address, void *to, size_t size)
{
	const struct known_module *known = opaque;
	struct module_section *section;
	size_t count;

	if (address < known->start || address > known->end || size > known->end - address)
		return false;
	memset(to, INT3, size); /* between sections */
	section = module_sections(known->module, &count);
	for (size_t i = 0; i < count; i++) {
		if (is_code(&section[i]))
			copy_section(&section[i], address, to, size);
	}
	return true;
}

bool modules_read(const struct modules *modules, uint64_t address, void *to, size_t size)
{
	struct known_module *known = modules_at(modules, address);

	return known && read_linked(known, address, to, size);
}

bool modules_read_constants(const struct known_module *known, uint64_t page, uint8_t *to)
{
	size_t count;
	struct module_section *section = module_sections(known->module, &count);

	memset(to, 0, PAGE_SIZE);
	for (size_t i = 0; i < count; i++) {
		if (section[i].kind == MODULE_CONSTANT && section[i].linked && section[i].size)
			copy_section(&section[i], page, to, PAGE_SIZE);
	}
	return true;
}

static struct error *find_bounds(struct known_module *known)
{
	size_t count;
	struct module_section *section = module_sections(known->module, &count);

	known->start = UINT64_MAX;
	for (size_t i = 0; i < count; i++) {
		uint64_t end = section[i].address + section[i].size;

		if (!is_code(&section[i]))
			continue;
		known->start = section[i].address < known->start ? section[i].address : known->start;
		known->end = end > known->end ? end : known->end;
	}
	known->start = align_down(known->start, PAGE_SIZE);
	known->end = align_up(known->end, PAGE_SIZE);
	if (known->start >= known->end)
		return error_create("it has no code");
	return known->end - known->start <= MODULE_MAX_SPAN ? NULL : error_create("the snapshot's addresses of its sections are far apart");
}

/* -- what its switches are told -- */

static bool read_product(void *opaque, uint64_t address, void *to, size_t size)
{
	return product_memory_read(&((const struct known_module *)opaque)->owner->worlds->memory, address, to, size);
}

static struct module_guess *find_guess(struct modules *modules, uint64_t address)
{
	for (unsigned i = 0; i < modules->guesses; i++) {
		if (modules->guess[i].address == address)
			return &modules->guess[i];
	}
	return NULL;
}

static bool guess(struct modules *modules, uint64_t address)
{
	const struct module_guess *known = find_guess(modules, address);

	if (known)
		return !known->wrong;
	if (!modules->prove || address < modules->worlds->memory.kernel_start || modules->guesses == MODULE_GUESSES)
		return false;
	modules->guess[modules->guesses++] = (struct module_guess){.address = address};
	return true;
}

bool modules_guessed_wrong(struct modules *modules, uint64_t address)
{
	struct module_guess *known = find_guess(modules, address);
	bool guessed = known && !known->wrong;

	if (guessed)
		known->wrong = true;
	return guessed;
}

bool modules_is_function(struct modules *modules, uint64_t address)
{
	const struct kernel *kernel = modules->worlds->product;
	const struct known_module *known;
	struct symbol symbol;
	uint64_t offset;

	if (kernel_in_image(kernel, address))
		return symbols_nearest(kernel->symbols, address, &symbol) && symbol.address == address && strchr("TtWw", symbol.type);
	known = modules_at(modules, address);
	return known ? module_function(known->module, address, &offset) && !offset : guess(modules, address);
}

static bool is_function(void *opaque, uint64_t address)
{
	return modules_is_function(((const struct known_module *)opaque)->owner, address);
}

static const char *name_of(void *opaque, uint64_t address, char to[SWITCH_NAME])
{
	const struct modules *modules = ((const struct known_module *)opaque)->owner;
	const struct known_module *known = modules_at(modules, address);
	struct symbol symbol;
	uint64_t offset;

	if (known)
		return module_function(known->module, address, &offset);
	if (!symbols_nearest(modules->worlds->product->symbols, address, &symbol))
		return NULL;
	snprintf(to, SWITCH_NAME, "%s", symbol.name);
	return to;
}

static uint64_t add_page(void *opaque, const uint8_t *bytes)
{
	return code_pages_add(((const struct known_module *)opaque)->owner->pages, bytes);
}

/* -- its state -- */

struct error *modules_prove(struct known_module *known, struct module *module, struct patch_sites *sites)
{
	struct switches_config config = {
		.opaque = known,
		.read_trusted = read_linked,
		.read_product = read_product,
		.is_function = is_function,
		.name = name_of,
		.add_page = add_page,
		.word = module_word(module),
	};
	struct error *err;

	known->module = module;
	err = find_bounds(known);
	if (err) {
		patch_sites_deinit(sites);
		return err;
	}
	config.start = known->start;
	config.end = known->end;
	known->page = calloc((known->end - known->start) / PAGE_SIZE, sizeof(*known->page));
	err = switches_init(&known->switches, &config, sites);
	if (!err && !known->page)
		err = error_create("out of memory");
	if (!err)
		known->state = MODULE_PROVEN;
	return err;
}

void modules_refuse(struct known_module *known, struct error *reason)
{
	known->state = MODULE_REFUSED;
	known->reason = reason;
}

/* -- product context -- */

bool modules_fetch(struct modules *modules, uint64_t address, uint64_t *ret_paddr)
{
	struct known_module *known = modules_at(modules, address);
	uint8_t bytes[PAGE_SIZE];
	uint64_t *page;

	if (!known)
		return false;
	if (switches_find(&known->switches, address, ret_paddr))
		return true;
	page = &known->page[(address - known->start) / PAGE_SIZE];
	if (!*page && read_linked(known, address & PAGE_MASK, bytes, PAGE_SIZE))
		*page = code_pages_add(modules->pages, bytes);
	*ret_paddr = *page | (address & ~PAGE_MASK);
	return *page;
}

/* -- reads -- */

void modules_note_read(struct modules *modules, uint64_t address)
{
	uint64_t page = address & PAGE_MASK;
	size_t at = array_lower_bound(modules->read, modules->reads, sizeof(*modules->read), page);

	if (!modules->prove || kernel_in_image(modules->worlds->product, address) || (at < modules->reads && modules->read[at] == page) ||
	    modules->reads == MODULE_READS)
		return;
	memmove(&modules->read[at + 1], &modules->read[at], (modules->reads - at) * sizeof(*modules->read));
	modules->read[at] = page;
	modules->reads++;
	modules->fresh[modules->fresh_reads++] = page;
}

uint64_t modules_next_read(struct modules *modules)
{
	return modules->fresh_reads ? modules->fresh[--modules->fresh_reads] : 0;
}

const char *modules_near(const struct modules *modules, uint64_t address, char to[MODULES_NEAR])
{
	const struct known_module *known = modules_at(modules, address);
	uint64_t offset = 0;
	const char *function = known ? module_function(known->module, address, &offset) : NULL;
	char name[QUOTE_NAME], near[KERNEL_SYMBOL_NEAR];

	if (function)
		snprintf(to, MODULES_NEAR, "%s+%#" PRIx64 " [%s]", quote_string(name, sizeof(name), function), offset, known->name);
	else if (kernel_in_image(modules->worlds->product, address))
		snprintf(to, MODULES_NEAR, "%s", kernel_symbol_near(modules->worlds->product, address, near));
	else
		snprintf(to, MODULES_NEAR, "%#" PRIx64, address);
	return to;
}

void modules_forget_switches(struct modules *modules)
{
	for (size_t i = 0; i < modules->count; i++) {
		if (modules->known[i]->state == MODULE_PROVEN)
			switches_forget(&modules->known[i]->switches);
	}
}

void modules_deinit(struct modules *modules)
{
	for (size_t i = 0; i < modules->count; i++) {
		struct known_module *known = modules->known[i];

		switches_deinit(&known->switches);
		module_close(known->module);
		error_destroy(known->reason);
		free(known->page);
		free(known);
	}
	free(modules->known);
}
