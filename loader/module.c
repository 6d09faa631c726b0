/* Opening modules: module.h. Which sections stay in memory, and as what, is as in Linux' kernel/module/main.c. */
#include "loader/module_parts.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

/* -- sections -- */

enum match { WHOLE, PREFIX };

struct section_rule {
	const char *name;
	enum match match;
};

/* The loader clears SHF_ALLOC of them: it reads them and is done (rewrite_section_headers). */
static const struct section_rule dropped[] = {
	{".modinfo", WHOLE},
	{"__versions", WHOLE},
	{"__version_ext_", PREFIX}, /* since 6.14 */
	{".init", PREFIX},          /* freed once the module is initialised */
};

/* Not writable by its flags, and still not as in the file. */
static const struct section_rule rewritten[] = {
	{"__ex_table", WHOLE},   /* sorted: extable.c */
	{".orc_", PREFIX},       /* sorted: unwind_orc.c */
	{"__mcount_loc", WHOLE}, /* sorted: ftrace.c */
	{".BTF", PREFIX},        /* sets of ids are sorted: btf.c */
	{"__patchable_function_entries", WHOLE},
};

static bool is_in(const struct section_rule *rules, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++) {
		if (rules[i].match == PREFIX ? !strncmp(name, rules[i].name, strlen(rules[i].name)) : !strcmp(name, rules[i].name))
			return true;
	}
	return false;
}

#define IS_IN(rules, name) is_in(rules, sizeof(rules) / sizeof((rules)[0]), name)

static enum module_kind kind_of(const struct elf_section *section)
{
	if (!strcmp(section->name, ".data..percpu"))
		return MODULE_PER_CPU;
	if (section->flags & SHF_EXECINSTR)
		return MODULE_CODE;
	if (section->flags & SHF_WRITE || section->type == SHT_NOBITS || IS_IN(rewritten, section->name))
		return MODULE_DATA;
	return MODULE_CONSTANT;
}

/* A value of .modinfo, which is strings `key=value`, with zeros between them. NULL: there is none. */
static const char *find_information(const struct module *module, const char *key)
{
	size_t length = strlen(key);

	for (uint32_t i = 0; i < module->elf_sections; i++) {
		const struct elf_section *section = &module->elf[i];
		const char *at = (const char *)elf_content(module, section), *end = at + (at ? section->size : 0);

		if (!at || strcmp(section->name, ".modinfo") != 0 || !section->size || end[-1])
			continue;
		for (; at < end; at += strlen(at) + 1) {
			if (!strncmp(at, key, length) && at[length] == '=')
				return at + length + 1;
		}
	}
	return NULL;
}

/* Kernels that cannot unload modules have no use for the code that would do it. */
static bool keeps_exit(const struct module *module)
{
	const char *magic = find_information(module, "vermagic");

	return magic && strstr(magic, " mod_unload");
}

static struct error *keep_sections(struct module *module)
{
	bool exit = keeps_exit(module);

	module->section = calloc(module->elf_sections, sizeof(*module->section));
	module->elf_of = calloc(module->elf_sections, sizeof(*module->elf_of));
	module->room = calloc(module->elf_sections, sizeof(*module->room));
	if (!module->section || !module->elf_of || !module->room)
		return error_create("out of memory");
	for (uint32_t i = 0; i < module->elf_sections; i++) {
		struct elf_section *from = &module->elf[i];

		if (from->type == SHT_NULL || !(from->flags & SHF_ALLOC) || IS_IN(dropped, from->name) ||
		    (!exit && !strncmp(from->name, ".exit", strlen(".exit"))))
			continue;
		if (from->type == SHT_NOBITS && from->flags & SHF_EXECINSTR)
			return error_create("it is damaged: %s is to have code, and has nothing", from->name);
		from->kept = module->sections;
		module->elf_of[module->sections] = i;
		module->section[module->sections++] = (struct module_section){
			.name = from->name,
			.kind = kind_of(from),
			.size = from->size,
			.alignment = from->alignment,
			.content = elf_content(module, from),
		};
	}
	return NULL;
}

/* -- what the module says of itself -- */

/*
 * In struct module, which the linker makes and the loader fills in, the name is behind the state and two pointers. Since 4.11 .modinfo has
 * it, too, which holds for kernels that randomise the order of fields.
 */
static const char *find_name(const struct module *module)
{
	const char *name = find_information(module, "name");
	struct module_section *section = module_find_section(module, ".gnu.linkonce.this_module");
	size_t at = 3 * module->word;

	if (name)
		return name;
	return section && section->content && section->size > at && memchr(section->content + at, '\0', section->size - at)
		       ? (const char *)section->content + at
		       : "";
}

/* The build's names of modules may have `-`, those of the kernel have `_`. NULL: out of memory. */
static char *with_underscores(const char *names)
{
	char *copy = strdup(names);

	for (char *at = copy; at && *at; at++)
		*at = *at == '-' ? '_' : *at;
	return copy;
}

static struct error *read_name(struct module *module)
{
	const char *name = find_name(module), *depends = find_information(module, "depends");

	if (!*name)
		return error_create("it does not say what module it is");
	for (const char *at = name; *at; at++) {
		if (!isalnum((unsigned char)*at) && *at != '_' && *at != '-')
			return error_create("it is damaged: its module's name has other signs than letters, digits and `_`");
	}
	module->name = with_underscores(name);
	module->depends = with_underscores(depends ? depends : "");
	return module->name && module->depends ? NULL : error_create("out of memory");
}

/*
 * With control-flow integrity functions have a hash before them, and callers compare it; the kernel may write new ones when it loads the
 * module (FineIBT). So code of another kernel and of the module would not fit each other.
 */
static struct error *refuse_cfi(const struct module *module)
{
	for (uint32_t i = 0; i < module->elf_sections; i++) {
		if (!strcmp(module->elf[i].name, ".kcfi_traps"))
			return error_create("it is built with control-flow integrity (CONFIG_CFI)");
	}
	for (uint32_t i = 0; i < module->symbol_count; i++) {
		const struct elf_symbol symbol = elf_symbol(module, i);

		if (symbol.section != SHN_UNDEF && !strncmp(symbol.name, "__cfi_", strlen("__cfi_")))
			return error_create("it is built with control-flow integrity (CONFIG_CFI)");
	}
	return NULL;
}

static struct error *read_module(struct module *module)
{
	struct error *err = module_elf_read(module);

	if (!err)
		err = refuse_cfi(module);
	if (!err)
		err = keep_sections(module);
	if (!err)
		err = read_name(module);
	if (!err)
		err = module_elf_read_relocations(module);
	if (!err)
		err = module_find_varying(module);
	if (!err)
		err = module_read_exports(module);
	if (!err)
		err = module_read_functions(module);
	return err;
}

struct error *module_open(uint8_t *bytes, size_t size, struct module **ret)
{
	struct module *module = calloc(1, sizeof(*module));
	struct error *err;

	if (!module) {
		free(bytes);
		return error_create("out of memory");
	}
	module->bytes = bytes;
	module->size = size;
	err = read_module(module);
	if (err) {
		module_close(module);
		return err;
	}
	*ret = module;
	return NULL;
}

void module_close(struct module *module)
{
	if (!module)
		return;
	for (size_t i = 0; i < module->sections; i++) {
		free(module->section[i].linked);
		free(module->section[i].varying);
		free(module->section[i].gap);
	}
	free(module->section);
	free(module->elf_of);
	free(module->room);
	free(module->elf);
	free(module->exports.entry);
	free(module->functions.entry);
	free(module->values);
	free(module->name);
	free(module->depends);
	free(module->bytes);
	free(module);
}
