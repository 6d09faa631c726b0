/* The ELF file of a module, of either word size: module_parts.h. Numbers are copied out, as nothing in a file need be aligned. */
#include "loader/module_parts.h"

#include <stdlib.h>
#include <string.h>

#include "util/array.h"

static const struct relocation_form forms[] = {
	{R_X86_64_NONE, 8, 0, false, RANGE_ANY},    {R_X86_64_64, 8, 8, false, RANGE_ANY},     {R_X86_64_PC32, 8, 4, true, RANGE_SIGNED},
	{R_X86_64_PLT32, 8, 4, true, RANGE_SIGNED}, /* no PLT is needed: everything is near */
	{R_X86_64_32, 8, 4, false, RANGE_UNSIGNED}, {R_X86_64_32S, 8, 4, false, RANGE_SIGNED}, {R_X86_64_PC64, 8, 8, true, RANGE_ANY},
	{R_386_NONE, 4, 0, false, RANGE_ANY},       {R_386_32, 4, 4, false, RANGE_ANY},        {R_386_PC32, 4, 4, true, RANGE_ANY},
	{R_386_PLT32, 4, 4, true, RANGE_ANY},
};

static const struct relocation_form *find_form(unsigned word, uint32_t type)
{
	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		if (forms[i].word == word && forms[i].type == type)
			return &forms[i];
	}
	return NULL;
}

/* -- headers -- */

struct header {
	uint64_t sections_at;
	uint32_t sections, names, section_size;
};

static struct error *read_header(struct module *module, struct header *ret)
{
	Elf64_Ehdr wide;
	Elf32_Ehdr narrow;
	const uint8_t *bytes = module->bytes;
	uint16_t machine, type;

	if (module->size < sizeof(narrow) || memcmp(bytes, ELFMAG, SELFMAG) != 0)
		return error_create("it is no ELF file");
	memcpy(&narrow, bytes, sizeof(narrow)); /* up to e_machine the two are the same */
	machine = narrow.e_machine;
	type = narrow.e_type;
	module->word = bytes[EI_CLASS] == ELFCLASS64 ? 8 : 4;
	if (bytes[EI_DATA] != ELFDATA2LSB || machine != (module->word == 8 ? EM_X86_64 : EM_386))
		return error_create("it is no module for x86-64 or i386");
	if (type != ET_REL)
		return error_create("it is an ELF file, but no module");
	*ret = (struct header){narrow.e_shoff, narrow.e_shnum, narrow.e_shstrndx, narrow.e_shentsize};
	if (module->word == 4)
		return NULL;
	if (module->size < sizeof(wide))
		return error_create("it is cut off");
	memcpy(&wide, bytes, sizeof(wide));
	*ret = (struct header){wide.e_shoff, wide.e_shnum, wide.e_shstrndx, wide.e_shentsize};
	return NULL;
}

/* Of a header of either word size. */
#define SECTION(header)                                                                                                                    \
	((struct elf_section){                                                                                                             \
		.flags = (header).sh_flags,                                                                                                \
		.offset = (header).sh_offset,                                                                                              \
		.size = (header).sh_size,                                                                                                  \
		.alignment = (header).sh_addralign,                                                                                        \
		.entry_size = (header).sh_entsize,                                                                                         \
		.type = (header).sh_type,                                                                                                  \
		.link = (header).sh_link,                                                                                                  \
		.info = (header).sh_info,                                                                                                  \
		.kept = NO_SECTION,                                                                                                        \
	})

/* The name is but its offset as yet. */
static struct elf_section parse_section(const struct module *module, const uint8_t *at, uint32_t *ret_name)
{
	Elf64_Shdr wide;
	Elf32_Shdr narrow;

	if (module->word == 8) {
		memcpy(&wide, at, sizeof(wide));
		*ret_name = wide.sh_name;
		return SECTION(wide);
	}
	memcpy(&narrow, at, sizeof(narrow));
	*ret_name = narrow.sh_name;
	return SECTION(narrow);
}

static bool has_content(const struct elf_section *section)
{
	return section->type != SHT_NULL && section->type != SHT_NOBITS;
}

const uint8_t *elf_content(const struct module *module, const struct elf_section *section)
{
	return has_content(section) ? module->bytes + section->offset : NULL;
}

/* A table of strings that ends with the end of one, so that all that begin within it end, too. */
static const char *find_strings(const struct module *module, uint32_t number, uint64_t *ret_size)
{
	const struct elf_section *section = &module->elf[number < module->elf_sections ? number : 0];

	if (section->type != SHT_STRTAB || !section->size || module->bytes[section->offset + section->size - 1])
		return NULL;
	*ret_size = section->size;
	return (const char *)module->bytes + section->offset;
}

/* Contents do not overlap in a file that a linker has made: without that rule a small file could promise much. */
static struct error *check_contents(const struct module *module)
{
	uint64_t left = module->size;

	for (uint32_t i = 0; i < module->elf_sections; i++) {
		const struct elf_section *section = &module->elf[i];

		if (!has_content(section))
			continue;
		if (section->offset > module->size || section->size > module->size - section->offset || section->size > left)
			return error_create("it is damaged: section %u is not within the file, or overlaps others", i);
		left -= section->size;
	}
	return NULL;
}

static struct error *read_sections(struct module *module)
{
	struct header header = {0};
	struct error *err = read_header(module, &header);
	size_t each = module->word == 8 ? sizeof(Elf64_Shdr) : sizeof(Elf32_Shdr);
	const char *names = NULL;
	uint32_t *name;
	uint64_t size = 0;

	if (err)
		return err;
	if (!header.sections || header.section_size != each || header.sections_at > module->size ||
	    header.sections * each > module->size - header.sections_at)
		return error_create("it is cut off: its section headers are not within the file");
	module->elf = calloc(header.sections, sizeof(*module->elf));
	name = calloc(header.sections, sizeof(*name));
	if (!module->elf || !name) {
		free(name);
		return error_create("out of memory");
	}
	module->elf_sections = header.sections;
	for (uint32_t i = 0; i < header.sections; i++)
		module->elf[i] = parse_section(module, module->bytes + header.sections_at + i * each, &name[i]);
	err = check_contents(module);
	if (!err && !(names = find_strings(module, header.names, &size)))
		err = error_create("it is damaged: its sections have no names");
	for (uint32_t i = 0; !err && i < header.sections; i++) {
		if (name[i] >= size)
			err = error_create("it is damaged: section %u has no name", i);
		else
			module->elf[i].name = names + name[i];
	}
	free(name);
	return err;
}

/* -- symbols -- */

static size_t symbol_size(const struct module *module)
{
	return module->word == 8 ? sizeof(Elf64_Sym) : sizeof(Elf32_Sym);
}

static struct elf_symbol parse_symbol(const struct module *module, uint32_t number, uint32_t *ret_name)
{
	const uint8_t *at = module->symbols + number * symbol_size(module);
	Elf64_Sym wide;
	Elf32_Sym narrow;

	if (module->word == 8) {
		memcpy(&wide, at, sizeof(wide));
		*ret_name = wide.st_name;
		return (struct elf_symbol){
			.value = wide.st_value,
			.size = wide.st_size,
			.section = wide.st_shndx,
			.type = ELF64_ST_TYPE(wide.st_info),
			.binding = ELF64_ST_BIND(wide.st_info),
		};
	}
	memcpy(&narrow, at, sizeof(narrow));
	*ret_name = narrow.st_name;
	return (struct elf_symbol){
		.value = narrow.st_value,
		.size = narrow.st_size,
		.section = narrow.st_shndx,
		.type = ELF32_ST_TYPE(narrow.st_info),
		.binding = ELF32_ST_BIND(narrow.st_info),
	};
}

struct elf_symbol elf_symbol(const struct module *module, uint32_t number)
{
	uint32_t name;
	struct elf_symbol symbol = parse_symbol(module, number, &name);

	symbol.name = module->strings + name;
	return symbol;
}

const char *elf_symbol_name(const struct module *module, uint32_t number)
{
	const struct elf_symbol symbol = elf_symbol(module, number);

	return symbol.type == STT_SECTION && symbol.section < module->elf_sections ? module->elf[symbol.section].name : symbol.name;
}

static struct error *check_symbols(const struct module *module, uint64_t strings)
{
	for (uint32_t i = 0; i < module->symbol_count; i++) {
		uint32_t name;
		const struct elf_symbol symbol = parse_symbol(module, i, &name);

		if (name >= strings)
			return error_create("it is damaged: symbol %u has no name", i);
		if (symbol.section >= module->elf_sections && symbol.section != SHN_ABS)
			return error_create("symbol %s is of a kind (%#x) that modules are not linked with", module->strings + name,
					    symbol.section);
	}
	return NULL;
}

static struct error *read_symbols(struct module *module)
{
	const struct elf_section *table = NULL;
	uint64_t strings;

	for (uint32_t i = 0; i < module->elf_sections && !table; i++) {
		if (module->elf[i].type == SHT_SYMTAB)
			table = &module->elf[i];
	}
	if (!table || table->entry_size != symbol_size(module) || table->size / table->entry_size > UINT32_MAX)
		return error_create("it has no table of symbols");
	module->symbols = elf_content(module, table);
	module->symbol_count = table->size / table->entry_size;
	module->strings = find_strings(module, table->link, &strings);
	if (!module->strings)
		return error_create("it is damaged: its symbols have no names");
	return check_symbols(module, strings);
}

struct error *module_elf_read(struct module *module)
{
	struct error *err = read_sections(module);

	return err ? err : read_symbols(module);
}

/* -- relocations -- */

static size_t relocation_size(const struct module *module)
{
	return module->word == 8 ? sizeof(Elf64_Rela) : sizeof(Elf32_Rel);
}

/* Without the addend that a 32-bit file has at the place itself. Returns the type. */
static uint32_t parse_relocation(const struct module *module, const uint8_t *at, struct relocation *ret)
{
	Elf64_Rela wide;
	Elf32_Rel narrow;

	if (module->word == 8) {
		memcpy(&wide, at, sizeof(wide));
		*ret = (struct relocation){.offset = wide.r_offset, .addend = wide.r_addend, .symbol = ELF64_R_SYM(wide.r_info)};
		return ELF64_R_TYPE(wide.r_info);
	}
	memcpy(&narrow, at, sizeof(narrow));
	*ret = (struct relocation){.offset = narrow.r_offset, .symbol = ELF32_R_SYM(narrow.r_info)};
	return ELF32_R_TYPE(narrow.r_info);
}

size_t elf_relocation_count(const struct module *module, const struct elf_section *target)
{
	return target->relocations ? module->elf[target->relocations].size / relocation_size(module) : 0;
}

struct relocation elf_relocation(const struct module *module, const struct elf_section *target, size_t number)
{
	const uint8_t *entries = elf_content(module, &module->elf[target->relocations]);
	struct relocation relocation;
	uint32_t type = parse_relocation(module, entries + number * relocation_size(module), &relocation);

	relocation.form = find_form(module->word, type);
	if (module->word == 4 && relocation.form->size) {
		int32_t addend;

		memcpy(&addend, module->bytes + target->offset + relocation.offset, sizeof(addend));
		relocation.addend = (int64_t)addend;
	}
	return relocation;
}

static int compare_relocations(const void *a, const void *b)
{
	const struct relocation *first = a, *second = b;

	return first->offset < second->offset ? -1 : first->offset > second->offset;
}

struct error *elf_relocations(const struct module *module, const struct elf_section *target, struct relocation **ret, size_t *ret_count)
{
	size_t count = elf_relocation_count(module, target), filled = 0;
	bool sorted = true; /* compilers write them so */

	*ret = malloc((count ? count : 1) * sizeof(**ret));
	*ret_count = 0;
	if (!*ret)
		return error_create("out of memory");
	for (size_t i = 0; i < count; i++) {
		(*ret)[filled] = elf_relocation(module, target, i);
		sorted &= !filled || (*ret)[filled].offset >= (*ret)[filled - 1].offset;
		filled += (*ret)[filled].form->size != 0;
	}
	if (!sorted)
		qsort(*ret, filled, sizeof(**ret), compare_relocations);
	*ret_count = filled;
	return NULL;
}

static struct error *check_relocations(const struct module *module, const struct elf_section *target, const struct elf_section *table)
{
	const uint8_t *at = elf_content(module, table);

	for (size_t i = 0; i < table->size / relocation_size(module); i++, at += relocation_size(module)) {
		struct relocation relocation;
		uint32_t type = parse_relocation(module, at, &relocation);
		const struct relocation_form *form = find_form(module->word, type);

		if (!form)
			return error_create("a relocation against %s is of type %u, which modules are not linked with", target->name, type);
		if (relocation.symbol >= module->symbol_count || relocation.offset > target->size ||
		    form->size > target->size - relocation.offset)
			return error_create("it is damaged: relocation %zu against %s is out of bounds", i, target->name);
	}
	return NULL;
}

/* Of relocations the kernel takes one form: with addends of their own on x86-64, without them on i386. */
static struct error *note_relocations(struct module *module, uint32_t number)
{
	const struct elf_section *table = &module->elf[number];
	struct elf_section *target = &module->elf[table->info < module->elf_sections ? table->info : 0];

	if (target->kept == NO_SECTION)
		return NULL;
	if (target->relocations)
		return error_create("it is damaged: two sections have relocations against %s", target->name);
	if (table->type != (module->word == 8 ? SHT_RELA : SHT_REL) || table->size % relocation_size(module) || !has_content(target))
		return error_create("the relocations against %s have a form that modules have not", target->name);
	target->relocations = number;
	return check_relocations(module, target, table);
}

struct error *module_elf_read_relocations(struct module *module)
{
	struct error *err = NULL;

	for (uint32_t i = 0; !err && i < module->elf_sections; i++) {
		if (module->elf[i].type == SHT_RELA || module->elf[i].type == SHT_REL)
			err = note_relocations(module, i);
	}
	return err;
}
