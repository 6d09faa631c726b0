/*
 * Opens and links every module of kernels: link_modules FOLDER..., each a folder `lib/modules/RELEASE`. None may be refused. What is known
 * otherwise is compared: a module's name is its file's; a jump label's code is in one of its two forms, so it leads where its table says;
 * words of the linked code tell the addresses that they were linked with.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "loader/module.h"
#include "loader/module_files.h"

struct count {
	unsigned modules, wrong;
	size_t sites, addresses;
};

static void say(struct count *count, const struct module_file *file, const char *what)
{
	printf("linux: WRONG %s: %s\n", file->path, what);
	count->wrong++;
}

static void say_error(struct count *count, const struct module_file *file, struct error *err)
{
	if (err)
		say(count, file, err->message);
	error_destroy(err);
}

/* Everybody exports everything: at some place in the kernel's text. */
static bool resolve(void *opaque, const char *name, uint64_t *ret)
{
	uint32_t hash = 5381;

	for (; *name; name++)
		hash = hash * 33 + (unsigned char)*name;
	*ret = (module_word(opaque) == 8 ? 0xffffffff81000000 : 0xc1000000) + (hash & 0xfffff0);
	return true;
}

static void set_addresses(struct module *module)
{
	uint64_t at = module_word(module) == 8 ? 0xffffffffc0000000 : 0xf8000000;
	size_t count;
	struct module_section *section = module_sections(module, &count);

	for (size_t i = 0; i < count; i++) {
		section[i].address = section[i].kind == MODULE_PER_CPU ? 0x2f000 : at;
		at += (section[i].size + 8191) & ~4095ull; /* empty ones have an address of their own, too */
	}
}

/* The memory of a kernel that has loaded the module. */
static bool read_linked(void *opaque, uint64_t address, void *to, size_t size)
{
	size_t count;
	const struct module_section *section = module_sections(opaque, &count);

	for (size_t i = 0; i < count; i++) {
		uint64_t offset = address - section[i].address;

		if (section[i].linked && offset < section[i].size && size <= section[i].size - offset) {
			memcpy(to, section[i].linked + offset, size);
			return true;
		}
	}
	return false;
}

static void check_sites(struct count *count, const struct module_file *file, struct module *module)
{
	struct patch_sites sites = {0};

	say_error(count, file, module_add_sites(module, &sites));
	count->sites += sites.count;
	for (size_t i = 0; i < sites.count; i++) {
		uint8_t code[PATCH_LONG];

		if (!read_linked(module, sites.site[i].address, code, sizeof(code)))
			say(count, file, "a patch site is not in its code");
		else if (sites.site[i].kind == PATCH_JUMP_LABEL && !patch_jump_label_size(&sites.site[i], module_word(module), code))
			say(count, file, "a jump label is in no form");
		else if (sites.site[i].kind != PATCH_TRAMPOLINE && !sites.site[i].key)
			say(count, file, "a patch site has no key");
	}
	patch_sites_deinit(&sites);
}

static void check_addresses(struct count *count, const struct module_file *file, struct module *module)
{
	size_t sections;
	struct module_section *section = module_sections(module, &sections);

	for (size_t i = 0; i < sections; i++) {
		uint64_t found;

		if ((section[i].kind != MODULE_PER_CPU && section[i].size) || !module_needs_section(module, &section[i]))
			continue;
		count->addresses++;
		if (!module_find_section_address(module, &section[i], read_linked, module, &found) || found != section[i].address)
			say(count, file, "a section's address is not found by its words");
	}
}

static void check(struct count *count, const struct module_file *file, struct module *module)
{
	const struct module_resolver resolver = {resolve, module};
	const struct module_section *section;
	struct error *err;
	uint64_t offset;
	size_t size;

	if (strcmp(module_name(module), file->name) != 0)
		say(count, file, module_name(module));
	if (!module_build_id(module, &size, &section, &offset))
		say(count, file, "no build ID");
	set_addresses(module);
	err = module_link(module, &resolver);
	say_error(count, file, err);
	if (err)
		return;
	check_sites(count, file, module);
	check_addresses(count, file, module);
}

static void try(struct count *count, const struct module_file *file)
{
	struct module *module = NULL;
	uint8_t *bytes;
	size_t size;
	struct error *err = module_file_read(file->path, &bytes, &size);

	if (!err)
		err = module_open(bytes, size, &module);
	say_error(count, file, err);
	if (module)
		check(count, file, module);
	module_close(module);
	count->modules++;
}

int main(int argc, char **argv)
{
	unsigned wrong = 0;

	for (int i = 1; i < argc; i++) {
		struct module_files files = {0};
		struct count count = {0};
		struct error *err = module_files_add(&files, argv[i]);

		if (err || !files.count) {
			printf("linux: WRONG %s: %s\n", argv[i], err ? err->message : "no modules");
			wrong++;
		}
		error_destroy(err);
		for (size_t k = 0; k < files.count; k++)
			try(&count, &files.file[k]);
		printf("linux: %s: %u modules linked, %zu patch sites, %zu addresses of sections found, %u wrong\n",
		       strrchr(argv[i], '/') + 1, count.modules, count.sites, count.addresses, count.wrong);
		wrong += count.wrong;
		module_files_deinit(&files);
	}
	return wrong != 0;
}
