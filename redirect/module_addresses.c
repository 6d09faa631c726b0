/* Where the product's kernel has loaded a module: module_addresses.h. */
#include "redirect/module_addresses.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/quote.h"

static bool read_memory(void *opaque, uint64_t address, void *to, size_t size)
{
	return product_memory_read(&((struct module_addresses *)opaque)->worlds->memory, address, to, size);
}

/* -- addresses of sections -- */

/* Whether a section could be at its address. */
static bool is_possible(const struct module_addresses *addresses, const struct module_section *section)
{
	const struct worlds *worlds = addresses->worlds;
	uint64_t start = section->address, end = start + section->size, alignment = section->alignment ? section->alignment : 1;

	return end >= start && start >= worlds->memory.kernel_start && start % alignment == 0 &&
	       (worlds->context.abi->word == 8 || end <= UINT32_MAX) && !kernel_in_image(worlds->product, start) &&
	       (!section->size || !kernel_in_image(worlds->product, end - 1)) &&
	       (start >= worlds->product->symbols->end || end <= worlds->product->symbols->base);
}

/* Whether the product's CPU could have per-CPU data there. */
static bool is_per_cpu(const struct module_addresses *addresses, const struct module_section *section)
{
	struct worlds *worlds = addresses->worlds;
	uint64_t start = abi_value(worlds->context.abi, worlds->context.percpu + section->address), paddr;

	return !section->size || (product_memory_translate(&worlds->memory, start, &paddr) &&
				  product_memory_translate(&worlds->memory, start + section->size - 1, &paddr));
}

/* -- as memory tells them -- */

/* struct module begins with its state, a list_head, and the name (linux/module.h). */
static bool is_record(struct module_addresses *addresses, uint64_t record, const char *name)
{
	unsigned word = addresses->worlds->context.abi->word;
	char there[MODULE_NAME] = "";

	return product_memory_read(&addresses->worlds->memory, record + 3 * word, there, sizeof(there) - 1) &&
	       modules_same_name(there, name);
}

/* The module's struct module in the product's list of them; 0: it is not found. */
static uint64_t find_record(struct module_addresses *addresses, const char *name)
{
	struct product_memory *memory = &addresses->worlds->memory;
	unsigned word = addresses->worlds->context.abi->word;
	uint64_t record = addresses->modules->record, next = 0;

	for (unsigned i = 0; record && i < MODULES_MAX; i++) {
		if (is_record(addresses, record, name))
			return record;
		if (!product_memory_read_word(memory, record + word, word, &next) || next - word == addresses->modules->record)
			break;
		record = next - word;
	}
	return 0;
}

/* Whether memory alone tells them; else they are 0. */
static bool locate(struct module_addresses *addresses, const char *name, struct module *module)
{
	uint64_t record = find_record(addresses, name);
	size_t count;
	struct module_section *section = module_sections(module, &count);
	bool found = record && module_locate(module, record, read_memory, addresses);

	for (size_t i = 0; found && i < count; i++) {
		if (section[i].address)
			found = section[i].kind == MODULE_PER_CPU ? is_per_cpu(addresses, &section[i])
								  : is_possible(addresses, &section[i]);
	}
	for (size_t i = 0; !found && i < count; i++)
		section[i].address = 0;
	return found;
}

/* -- as the product's kernel tells them -- */

static bool is_loaded(const struct module_section *section)
{
	return section->kind != MODULE_PER_CPU && section->size;
}

/* Hidden ones are shown: in hardened systems the files have zeros. */
static void show_addresses(struct module_addresses *addresses)
{
	product_files_write(&addresses->files, "/proc/sys/kernel/kptr_restrict", "0\n");
}

static struct error *begin_to_ask(struct module_addresses *addresses)
{
	if (!addresses->asking) {
		addresses->asking = true;
		addresses->lack = product_files_begin(&addresses->files);
		if (!addresses->lack)
			show_addresses(addresses);
	}
	return addresses->lack ? error_create("%s", addresses->lack->message) : NULL;
}

/* Asks the product's kernel. The address stays 0 if it does not tell. */
static struct error *ask_address(struct module_addresses *addresses, const char *module, struct module_section *section)
{
	char path[MODULE_NAME + 2 * KERNEL_SYMBOL_NEAR], text[PRODUCT_FILES_TEXT];

	section->address = 0;
	snprintf(path, sizeof(path), "/sys/module/%s/sections/%s", module, section->name);
	if (strlen(section->name) > KERNEL_SYMBOL_NEAR || product_files_read(&addresses->files, path, text) <= 0)
		return NULL;
	section->address = abi_value(addresses->worlds->context.abi, strtoull(text, NULL, 16));
	return section->address ? NULL : error_create("the snapshot hides where its sections are (%s)", path);
}

/* Of a section of which the kernel does not tell: what the words that refer to it say. */
static struct error *find_address(struct module_addresses *addresses, struct module *module, struct module_section *section)
{
	char name[QUOTE_NAME];

	if (!module_needs_section(module, section) ||
	    (module_find_section_address(module, section, read_memory, addresses, &section->address) &&
	     (section->kind == MODULE_PER_CPU ? is_per_cpu(addresses, section) : is_possible(addresses, section))))
		return NULL;
	return error_create("the snapshot does not tell where its section %s is", quote_string(name, sizeof(name), section->name));
}

/* Code lies where references to it in memory say so, too, unless they contradict each other. */
static struct error *check_address(struct module_addresses *addresses, const struct module *module, const struct module_section *section)
{
	char name[QUOTE_NAME];
	uint64_t address;

	if (section->kind != MODULE_CODE || !section->address ||
	    !module_find_section_address(module, section, read_memory, addresses, &address) || address == section->address)
		return NULL;
	return error_create("its section %s is not where the snapshot says (%#" PRIx64 ")", quote_string(name, sizeof(name), section->name),
			    section->address);
}

static struct error *ask_addresses(struct module_addresses *addresses, const char *name, struct module *module)
{
	char quoted[QUOTE_NAME];
	struct error *err = begin_to_ask(addresses);
	bool any = false;
	size_t count;
	struct module_section *section = module_sections(module, &count);

	for (size_t i = 0; !err && i < count; i++) {
		if (is_loaded(&section[i]))
			err = ask_address(addresses, name, &section[i]);
		if (!err && section[i].address && !is_possible(addresses, &section[i]))
			err = error_create("its section %s cannot be where the snapshot says (%#" PRIx64 ")",
					   quote_string(quoted, sizeof(quoted), section[i].name), section[i].address);
		any |= section[i].address;
	}
	if (!err && !any)
		err = error_create("the snapshot does not tell where its sections are (/sys/module/%s/sections)", name);
	for (size_t i = 0; !err && i < count; i++)
		err = check_address(addresses, module, &section[i]);
	for (size_t i = 0; !err && i < count; i++) {
		if (!section[i].address && section[i].kind != MODULE_CODE)
			err = find_address(addresses, module, &section[i]);
	}
	return err;
}

struct error *module_addresses_find(struct module_addresses *addresses, const char *name, struct module *module)
{
	return locate(addresses, name, module) ? NULL : ask_addresses(addresses, name, module);
}

void module_addresses_end(struct module_addresses *addresses)
{
	if (!addresses->asking)
		return;
	product_files_end(&addresses->files);
	error_destroy(addresses->lack);
	addresses->lack = NULL;
	addresses->asking = false;
}
