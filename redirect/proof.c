/* Proving modules of the product: proof.h. */
#include "redirect/proof.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "redirect/module_changes.h"
#include "util/quote.h"

static void prove(struct proof *proof, struct known_module *known);

/* -- which file -- */

static bool is_loaded_from(struct proof *proof, const struct module *module)
{
	const struct module_section *section;
	uint64_t offset;
	size_t size;
	const uint8_t *id = module_build_id(module, &size, &section, &offset);
	uint8_t there[64];

	return id && size <= sizeof(there) && section->address &&
	       product_memory_read(&proof->worlds->memory, section->address + offset, there, size) && memcmp(id, there, size) == 0;
}

static struct error *find_file(struct proof *proof, const char *name, struct module **ret)
{
	struct error *err, *last = NULL;
	bool any = false;

	for (size_t n = 0; proof->supplier; n++) {
		err = proof->supplier->open(proof->supplier->opaque, name, n, ret);
		if (!err && !*ret)
			break;
		any = true;
		if (!err)
			err = module_addresses_find(&proof->addresses, name, *ret);
		if (!err && is_loaded_from(proof, *ret)) {
			error_destroy(last);
			return NULL;
		}
		module_close(*ret);
		*ret = NULL;
		error_destroy(last);
		last = err;
	}
	if (last)
		return last;
	if (any)
		return error_create(
			"its file is of another build than the snapshot's: to get the right one, type xray86 kernel SNAPSHOT --get");
	return error_create("its file was not found: to get it, type xray86 kernel SNAPSHOT --get, or give --kernel-path DIR with "
			    "lib/modules of the kernel's packages");
}

/* -- what it needs of others -- */

/* The next name of a list with commas; false: there is none. */
static bool next_name(const char **list, char to[MODULE_NAME])
{
	size_t length = strcspn(*list, ",");

	if (!length)
		return false;
	snprintf(to, MODULE_NAME, "%.*s", (int)length, *list);
	*list += length + ((*list)[length] == ',');
	return true;
}

static struct error *prove_needed(struct proof *proof, const struct module *module)
{
	const char *list = module_depends(module);
	char name[MODULE_NAME];
	struct error *err = NULL;

	while (!err && next_name(&list, name)) {
		struct known_module *known = modules_find(proof->modules, name);

		if (!known)
			known = modules_add(proof->modules, name, MODULE_WANTED);
		if (!known)
			return error_create("there are too many modules");
		if (known->state == MODULE_WANTED)
			prove(proof, known);
		if (known->state == MODULE_PROVING)
			err = error_create("it needs itself by way of the module %s", name);
		else if (known->state == MODULE_REFUSED)
			err = error_create("it needs the module %s, of which %s", name, known->reason->message);
	}
	return err;
}

struct resolving {
	const struct proof *proof;
	const struct module *module;
};

/* In the image, symbols that are exported have their names for themselves among those that are global. */
static bool resolve_in_image(const struct symbols *symbols, const char *name, uint64_t *ret)
{
	struct symbols_cursor cursor = {0};
	struct symbol symbol;

	while (symbols_next_named(symbols, &cursor, name, &symbol)) {
		if (isupper((unsigned char)symbol.type)) {
			*ret = symbol.address;
			return true;
		}
	}
	return false;
}

/* What other modules export comes first: the image may have a global symbol of that name, too, which it does not export. */
static bool resolve(void *opaque, const char *name, uint64_t *ret)
{
	const struct resolving *resolving = opaque;
	const char *list = module_depends(resolving->module);
	char needed[MODULE_NAME];

	while (next_name(&list, needed)) {
		const struct known_module *known = modules_find(resolving->proof->modules, needed);

		if (known && known->state == MODULE_PROVEN && module_export(known->module, name, ret))
			return true;
	}
	return resolve_in_image(resolving->proof->worlds->product->symbols, name, ret);
}

/* -- linking -- */

static struct error *link(struct proof *proof, struct module *module)
{
	struct resolving resolving = {proof, module};
	const struct module_resolver resolver = {resolve, &resolving};
	struct error *err =
		module_word(module) == proof->worlds->context.abi->word ? NULL : error_create("its file is for another architecture");

	if (!err)
		err = prove_needed(proof, module);
	return err ? err : module_link(module, &resolver);
}

/* -- constant data -- */

static bool read_constants(void *opaque, uint64_t page, uint8_t *to)
{
	return modules_read_constants(opaque, page, to);
}

static bool is_constant(const struct module_section *section)
{
	return section->kind == MODULE_CONSTANT && section->linked && section->size;
}

static int by_start(const void *a, const void *b)
{
	const struct constant_range *x = a, *y = b;

	return x->start < y->start ? -1 : x->start > y->start;
}

/* The bytes between the gaps. Returns how many ranges. */
static size_t split(const struct module_section *section, struct constant_range *to)
{
	uint64_t at = section->address, end = at + section->size;
	size_t count = 0;

	for (size_t i = 0; i < section->gaps; i++) {
		uint64_t gap = section->address + section->gap[i].offset;

		if (at < gap)
			to[count++] = (struct constant_range){at, gap};
		at = gap + section->gap[i].size;
	}
	if (at < end)
		to[count++] = (struct constant_range){at, end};
	return count;
}

static struct error *find_constants(const struct module *module, struct constant_range **ret, size_t *ret_count)
{
	size_t sections, room = 0, count = 0;
	const struct module_section *section = module_sections(module, &sections);

	for (size_t i = 0; i < sections; i++)
		room += is_constant(&section[i]) ? section[i].gaps + 1 : 0;
	*ret = calloc(room + 1, sizeof(**ret));
	if (!*ret)
		return error_create("out of memory");
	for (size_t i = 0; i < sections; i++)
		count += is_constant(&section[i]) ? split(&section[i], *ret + count) : 0;
	qsort(*ret, count, sizeof(**ret), by_start);
	*ret_count = count;
	if (!count || (*ret)[count - 1].end - (*ret)[0].start <= MODULE_MAX_SPAN)
		return NULL;
	free(*ret);
	*ret = NULL;
	return error_create("the snapshot's addresses of its sections are far apart");
}

/* -- the proof -- */

/* Takes module over. */
static struct error *put_in_force(struct proof *proof, struct known_module *known, struct module *module)
{
	struct constant_range *range = NULL;
	struct patch_sites sites = {0};
	size_t ranges = 0;
	struct error *err = module_add_sites(module, &sites);

	if (err) {
		patch_sites_deinit(&sites);
		module_close(module);
		return err;
	}
	patch_sites_sort(&sites);
	err = modules_prove(known, module, &sites);
	if (!err)
		err = find_constants(module, &range, &ranges);
	if (!err)
		err = constant_data_add(proof->constants, range, ranges, read_constants, known);
	return err;
}

static struct error *prove_by_file(struct proof *proof, struct known_module *known)
{
	struct module *module = NULL;
	struct error *err = find_file(proof, known->name, &module);

	if (!err)
		err = link(proof, module);
	if (err) {
		module_close(module);
		return err;
	}
	return put_in_force(proof, known, module);
}

static void prove(struct proof *proof, struct known_module *known)
{
	struct error *err;

	known->state = MODULE_PROVING;
	err = prove_by_file(proof, known);
	if (err)
		modules_refuse(known, err);
	else
		module_changes_tell(known, &proof->worlds->memory, proof->notes);
}

bool proof_of_wanted(struct proof *proof)
{
	struct modules *modules = proof->modules;

	if (!modules->wanted || proof->busy || !proof->addresses.files.host->now)
		return false;
	proof->busy = true;
	for (size_t i = 0; i < modules->count; i++) { /* more come meanwhile */
		if (modules->known[i]->state == MODULE_WANTED)
			prove(proof, modules->known[i]);
	}
	module_addresses_end(&proof->addresses);
	code_forget(proof->constants->code);
	modules->wanted = false;
	proof->busy = false;
	return true;
}
