/*
 * Linking a module: apply_relocations() in Linux' kernel/module/main.c, and arch/x86/kernel/module.c. Code and constant sections alone are
 * linked: what the module writes to is in the running kernel's memory.
 */
#include "loader/module_parts.h"

#include <stdlib.h>
#include <string.h>

#include "util/array.h"

/* In the last page of the address space, which no kernel maps: pointers that stand for an errno lead there. */
static const uint64_t nowhere = -4096ull;

static uint64_t cut(const struct module *module, uint64_t value)
{
	return module->word == 8 ? value : (uint32_t)value;
}

/* -- symbols -- */

static struct symbol_value undefined(const struct elf_symbol *symbol, const struct module_resolver *resolver)
{
	struct symbol_value value = {.state = SYMBOL_KNOWN};

	if (!resolver->resolve(resolver->opaque, symbol->name, &value.value)) {
		value.value = 0; /* of weak symbols */
		value.state = symbol->binding == STB_WEAK ? SYMBOL_KNOWN : SYMBOL_UNKNOWN;
	}
	return value;
}

static struct symbol_value value_of(const struct module *module, uint32_t number, const struct module_resolver *resolver)
{
	const struct elf_symbol symbol = elf_symbol(module, number);
	const struct module_section *section;

	if (!number) /* it stands for none */
		return (struct symbol_value){.state = SYMBOL_KNOWN};
	if (symbol.section == SHN_UNDEF)
		return undefined(&symbol, resolver);
	if (symbol.section == SHN_ABS)
		return (struct symbol_value){cut(module, symbol.value), SYMBOL_KNOWN};
	if (module->elf[symbol.section].kept == NO_SECTION)
		return (struct symbol_value){.state = SYMBOL_FREED};
	section = &module->section[module->elf[symbol.section].kept];
	if (!section->address)
		return (struct symbol_value){.state = SYMBOL_NO_ADDRESS};
	return (struct symbol_value){cut(module, section->address + symbol.value), SYMBOL_KNOWN};
}

static struct error *find_values(struct module *module, const struct module_resolver *resolver)
{
	module->values = calloc(module->symbol_count ? module->symbol_count : 1, sizeof(*module->values));
	if (!module->values)
		return error_create("out of memory");
	for (uint32_t i = 0; i < module->symbol_count; i++)
		module->values[i] = value_of(module, i, resolver);
	return NULL;
}

/* -- relocations -- */

static bool fits(const struct relocation_form *form, uint64_t value)
{
	switch (form->range) {
	case RANGE_SIGNED:
		return (uint64_t)(int64_t)(int32_t)value == value;
	case RANGE_UNSIGNED:
		return (uint32_t)value == value;
	case RANGE_ANY:
		return true;
	}
	return false;
}

static struct error *misfit(const struct module *module, const struct module_section *section, const struct relocation *relocation,
			    const char *reason)
{
	return error_create("%s+%#llx refers to %s, %s", section->name, (unsigned long long)relocation->offset,
			    elf_symbol_name(module, relocation->symbol), reason);
}

static void write_word(struct module_section *section, const struct relocation *relocation, uint64_t target)
{
	if (relocation->form->relative)
		target -= section->address + relocation->offset;
	memcpy(section->linked + relocation->offset, &target, relocation->form->size);
}

static struct error *leave_gap(struct module *module, struct module_section *section, const struct relocation *relocation)
{
	if (!array_reserve(&section->gap, section->gaps, &module->room[section - module->section].gaps, sizeof(*section->gap)))
		return error_create("out of memory");
	section->gap[section->gaps++] = (struct module_span){relocation->offset, relocation->form->size};
	write_word(section, relocation, nowhere);
	return NULL;
}

static struct error *relocate(struct module *module, struct module_section *section, const struct relocation *relocation)
{
	const struct symbol_value *symbol = &module->values[relocation->symbol];
	uint64_t target = symbol->value + relocation->addend;

	switch (symbol->state) {
	case SYMBOL_UNKNOWN:
		return misfit(module, section, relocation, "which neither the kernel nor a module that is known exports");
	case SYMBOL_NO_ADDRESS:
		if (section->kind == MODULE_CODE)
			return misfit(module, section, relocation, "whose address is not known");
		return leave_gap(module, section, relocation);
	case SYMBOL_FREED:
		return leave_gap(module, section, relocation);
	case SYMBOL_KNOWN:
		break;
	}
	if (!fits(relocation->form, relocation->form->relative ? target - section->address - relocation->offset : target))
		return misfit(module, section, relocation, "which is too far away");
	write_word(section, relocation, target);
	return NULL;
}

static bool is_linked(const struct module_section *section)
{
	return section->kind == MODULE_CODE || section->kind == MODULE_CONSTANT;
}

static struct error *link_section(struct module *module, struct module_section *section)
{
	const struct elf_section *elf = &module->elf[module->elf_of[section - module->section]];
	size_t count = elf_relocation_count(module, elf);
	struct error *err = NULL;

	if (!section->address)
		return section->kind == MODULE_CODE && section->size ? error_create("the address of %s is not known", section->name) : NULL;
	section->linked = malloc(section->size ? section->size : 1);
	if (!section->linked)
		return error_create("out of memory");
	memcpy(section->linked, section->content, section->size);
	for (size_t i = 0; !err && i < count; i++) {
		const struct relocation relocation = elf_relocation(module, elf, i);

		if (relocation.form->size)
			err = relocate(module, section, &relocation);
	}
	module_sort_spans(section->gap, section->gaps);
	return err;
}

static void unlink_all(struct module *module)
{
	free(module->values);
	module->values = NULL;
	for (size_t i = 0; i < module->sections; i++) {
		free(module->section[i].linked);
		module->section[i].linked = NULL;
		module->section[i].gaps = 0;
	}
}

struct error *module_link(struct module *module, const struct module_resolver *resolver)
{
	struct error *err;

	unlink_all(module);
	err = find_values(module, resolver);
	for (size_t i = 0; !err && i < module->sections; i++) {
		if (is_linked(&module->section[i]))
			err = link_section(module, &module->section[i]);
	}
	if (!err)
		err = module_patch(module);
	if (err)
		unlink_all(module);
	return err;
}

/* -- sections of which the kernel does not tell -- */

static bool refers_to(const struct module *module, const struct relocation *relocation, const struct module_section *section)
{
	const struct elf_symbol symbol = elf_symbol(module, relocation->symbol);

	return relocation->form->size && symbol.section < module->elf_sections &&
	       module->elf[symbol.section].kept == section - module->section;
}

bool module_needs_section(const struct module *module, const struct module_section *section)
{
	for (size_t i = 0; i < module->sections; i++) {
		const struct elf_section *elf = &module->elf[module->elf_of[i]];

		for (size_t k = 0; is_linked(&module->section[i]) && k < elf_relocation_count(module, elf); k++) {
			const struct relocation relocation = elf_relocation(module, elf, k);

			if (refers_to(module, &relocation, section))
				return true;
		}
	}
	return false;
}

/* Whether a place is of those that vary: what stands there in memory need not be a reference. */
static bool varies(const struct module_section *section, const struct relocation *relocation)
{
	size_t i = array_lower_bound(section->varying, section->varyings, sizeof(*section->varying), relocation->offset + 1);

	if (i < section->varyings && section->varying[i].offset < relocation->offset + relocation->form->size)
		return true;
	return i && section->varying[i - 1].offset + section->varying[i - 1].size > relocation->offset;
}

struct address_search {
	const struct module *module;
	const struct module_section *wanted;
	module_read *read;
	void *opaque;
	uint64_t address;
	bool found, contradiction;
};

/* The address that the word in memory says the section has. */
static bool address_by(const struct address_search *search, const struct module_section *from, const struct relocation *relocation,
		       uint64_t *ret)
{
	uint64_t at = from->address + relocation->offset, word = 0;

	if (!search->read(search->opaque, at, &word, relocation->form->size))
		return false;
	*ret = module_section_by_word(search->module, relocation, at, &word);
	return true;
}

static void search_section(struct address_search *search, const struct module_section *from)
{
	const struct module *module = search->module;
	const struct elf_section *elf = &module->elf[module->elf_of[from - module->section]];
	size_t count = elf_relocation_count(module, elf);

	for (size_t i = 0; i < count && !search->contradiction; i++) {
		const struct relocation relocation = elf_relocation(module, elf, i);
		uint64_t address;

		if (!refers_to(module, &relocation, search->wanted) || varies(from, &relocation) ||
		    !address_by(search, from, &relocation, &address))
			continue;
		search->contradiction = search->found && search->address != address;
		search->address = address;
		search->found = true;
	}
}

bool module_find_section_address(const struct module *module, const struct module_section *section, module_read *read, void *opaque,
				 uint64_t *ret)
{
	struct address_search search = {.module = module, .wanted = section, .read = read, .opaque = opaque};

	for (size_t i = 0; i < module->sections; i++) {
		if (is_linked(&module->section[i]) && module->section[i].address)
			search_section(&search, &module->section[i]);
	}
	*ret = search.address;
	return search.found && !search.contradiction;
}
