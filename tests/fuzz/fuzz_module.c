/*
 * Fuzzes what opens and links kernel modules. The first byte chooses where the rest comes in: as a whole .ko file, or as patches of a good
 * one, of either word size. Whatever is accepted must be as module.h promises.
 */
#include <stdlib.h>
#include <string.h>

#include "loader/module.h"
#include "tests/unit/module_rig.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { RAW = 2, WAYS, PATCH_SIZE = 3 };

static bool resolve(void *opaque, const char *name, uint64_t *ret)
{
	const struct module *module = opaque;

	*ret = (module_word(module) == 8 ? 0xffffffff81000000 : 0xc1000000) + 16 * strlen(name);
	return *name && *name != '!';
}

/* Memory in which all is the same. */
static bool read_nothing(void *opaque, uint64_t address, void *to, size_t size)
{
	(void)opaque;
	memset(to, 0x55, size);
	return address & 1;
}

static void check_spans(const struct module_span *spans, size_t count, uint64_t size, bool overlap)
{
	for (size_t i = 0; i < count; i++) {
		if (spans[i].offset > size || spans[i].size > size - spans[i].offset)
			abort();
		if (i && spans[i].offset < spans[i - 1].offset + (overlap ? 0 : spans[i - 1].size))
			abort();
	}
}

static void check_section(const struct module *module, struct module_section *section)
{
	uint8_t sum = 0;
	uint64_t found;

	if (section->kind == MODULE_CODE && !section->content)
		abort();
	for (uint64_t i = 0; section->content && i < section->size; i++)
		sum += section->content[i] + (section->linked ? section->linked[i] : 0);
	__asm__ volatile("" : : "r"(sum)); /* all bytes are read */
	check_spans(section->varying, section->varyings, section->size, false);
	check_spans(section->gap, section->gaps, section->size, true);
	if (module_find_section_address(module, section, read_nothing, NULL, &found) && !module_needs_section(module, section))
		abort();
}

/* Each of the sites must be in linked code. */
static void check_sites(const struct module *module)
{
	struct patch_sites sites = {0};
	size_t count;
	const struct module_section *section = module_sections((struct module *)(uintptr_t)module, &count);

	error_destroy(module_add_sites(module, &sites));
	for (size_t i = 0; i < sites.count; i++) {
		bool inside = false;

		for (size_t k = 0; k < count; k++)
			inside |= section[k].linked && section[k].kind == MODULE_CODE &&
				  sites.site[i].address - section[k].address < section[k].size;
		if (!inside)
			abort();
	}
	patch_sites_deinit(&sites);
}

/* Memory that is as the file, wherever one looks. struct module has a page boundary, where everything is. */
static bool read_alike(void *opaque, uint64_t address, void *to, size_t size)
{
	size_t count;
	const struct module_section *section = module_sections(opaque, &count);

	for (size_t i = 0; i < count; i++) {
		if (section[i].content && section[i].size == size) {
			memcpy(to, section[i].content, size);
			if (&section[i] == module_find_section(opaque, ".gnu.linkonce.this_module") && size >= module_word(opaque))
				memcpy(to, &address, module_word(opaque));
			return true;
		}
	}
	return false;
}

static void use(struct module *module)
{
	const struct module_resolver resolver = {resolve, module};
	uint64_t at = module_word(module) == 8 ? 0xffffffffc0000000 : 0xf8000000, value;
	const struct module_section *id_section;
	struct module_section *section;
	size_t count, size;

	section = module_sections(module, &count);
	for (size_t i = 0; i < count; i++) {
		if (section[i].size > 1 << 20)
			return; /* of .bss; they would not be at different places */
		section[i].address = section[i].kind == MODULE_PER_CPU ? 0x1000 : (at += 1 << 20);
	}
	error_destroy(module_link(module, &resolver));
	for (size_t i = 0; i < count; i++)
		check_section(module, &section[i]);
	check_sites(module);
	module_export(module, "second", &value);
	module_export(module, "", &value);
	module_function(module, section->address + 0x20, &value);
	module_build_id(module, &size, &id_section, &value);
	module_locate(module, at, read_alike, module);
}

static void try(uint8_t *bytes, size_t size)
{
	struct module *module;
	struct error *err = module_open(bytes, size, &module);

	if (!err) {
		use(module);
		use(module);
		module_close(module);
	}
	error_destroy(err);
}

/* A good module. Making one takes longer than trying it. */
static uint8_t *copy_good(unsigned way, size_t *ret_size)
{
	static struct {
		uint8_t *bytes;
		size_t size;
	} good[RAW];
	static struct ko ko;
	uint8_t *copy;

	if (!good[way].bytes) {
		ko_sample(&ko, way ? 8 : 4);
		good[way].bytes = ko_build(&ko, &good[way].size);
	}
	copy = malloc(good[way].size);
	if (!copy)
		abort();
	memcpy(copy, good[way].bytes, *ret_size = good[way].size);
	return copy;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *bytes;
	size_t length;

	if (!size)
		return 0;
	if (data[0] % WAYS == RAW) {
		bytes = malloc(size);
		if (!bytes)
			return 0;
		memcpy(bytes, data + 1, size - 1);
		try(bytes, size - 1);
		return 0;
	}
	bytes = copy_good(data[0] % WAYS, &length);
	for (size_t i = 1; i + PATCH_SIZE <= size; i += PATCH_SIZE)
		bytes[(data[i] | data[i + 1] << 8) % length] = data[i + 2];
	try(bytes, length);
	return 0;
}
