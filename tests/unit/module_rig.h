/*
 * A linker of modules for tests: sections, symbols and relocations are put together to a .ko file, for x86-64 or i386.
 *
 * The sample has a bit of everything. Its sections and what is in them are named by the enums below.
 */
#ifndef XRAY86_TESTS_UNIT_MODULE_RIG_H
#define XRAY86_TESTS_UNIT_MODULE_RIG_H

#include <elf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "loader/module.h"

enum { KO_SECTIONS = 64, KO_SYMBOLS = 128, KO_RELOCATIONS = 128, KO_CONTENT = 512, KO_STRINGS = 4096, KO_FILE = 1 << 17 };

struct ko {
	unsigned word; /* 4 or 8 */
	unsigned sections, symbols, relocations;
	struct ko_section {
		const char *name;
		uint32_t type;
		uint64_t flags, size, alignment;
		uint8_t content[KO_CONTENT];
	} section[KO_SECTIONS];
	struct ko_symbol {
		const char *name;
		unsigned section;
		uint64_t value, size;
		uint8_t type, binding;
	} symbol[KO_SYMBOLS];
	struct ko_relocation {
		unsigned section, symbol;
		uint32_t type;
		uint64_t offset;
		int64_t addend;
	} relocation[KO_RELOCATIONS];
};

static inline void ko_init(struct ko *ko, unsigned word)
{
	memset(ko, 0, sizeof(*ko));
	ko->word = word;
	ko->sections = ko->symbols = 1;
}

/* Returns its number. bytes may be NULL: zeros. */
static inline unsigned ko_section(struct ko *ko, const char *name, uint32_t type, uint64_t flags, const void *bytes, size_t size)
{
	struct ko_section *section = &ko->section[ko->sections];

	if (ko->sections >= KO_SECTIONS || size > KO_CONTENT)
		abort();
	*section = (struct ko_section){.name = name, .type = type, .flags = flags, .size = size, .alignment = 16};
	if (bytes)
		memcpy(section->content, bytes, size);
	return ko->sections++;
}

static inline unsigned ko_symbol(struct ko *ko, const char *name, unsigned section, uint64_t value, uint64_t size, uint8_t type,
				 uint8_t binding)
{
	if (ko->symbols >= KO_SYMBOLS)
		abort();
	ko->symbol[ko->symbols] = (struct ko_symbol){name, section, value, size, type, binding};
	return ko->symbols++;
}

static inline void ko_relocation(struct ko *ko, unsigned section, uint64_t offset, uint32_t type, unsigned symbol, int64_t addend)
{
	if (ko->relocations >= KO_RELOCATIONS)
		abort();
	ko->relocation[ko->relocations++] = (struct ko_relocation){section, symbol, type, offset, addend};
}

/* -- the file -- */

struct ko_strings {
	char bytes[KO_STRINGS];
	size_t size;
};

struct ko_file {
	uint8_t *bytes;
	size_t size;
	uint8_t headers[(2 * KO_SECTIONS + 3) * sizeof(Elf64_Shdr)];
	unsigned sections;
	struct ko_strings names; /* of sections */
};

static inline size_t ko_append(struct ko_file *file, const void *bytes, size_t size)
{
	size_t at = file->size = (file->size + 7) & ~(size_t)7;

	if (at + size > KO_FILE)
		abort();
	memcpy(file->bytes + at, bytes, size);
	file->size += size;
	return at;
}

static inline uint32_t ko_string(struct ko_strings *strings, const char *string)
{
	size_t at = strings->size, size = strlen(string) + 1;

	if (at + size > KO_STRINGS)
		abort();
	memcpy(strings->bytes + at, string, size);
	strings->size += size;
	return at;
}

/* Adds a section with its bytes, which may be NULL. sh_size tells how many; sh_name and sh_offset are filled in. */
static inline void ko_put_section(const struct ko *ko, struct ko_file *file, const char *name, const void *bytes, Elf64_Shdr wide)
{
	Elf32_Shdr narrow;

	wide.sh_name = ko_string(&file->names, name);
	wide.sh_offset = bytes ? ko_append(file, bytes, wide.sh_size) : 0;
	narrow = (Elf32_Shdr){wide.sh_name, wide.sh_type,      wide.sh_flags,  0, wide.sh_offset, wide.sh_size, wide.sh_link,
			      wide.sh_info, wide.sh_addralign, wide.sh_entsize};
	if (ko->word == 8)
		memcpy(file->headers + file->sections++ * sizeof(wide), &wide, sizeof(wide));
	else
		memcpy(file->headers + file->sections++ * sizeof(narrow), &narrow, sizeof(narrow));
}

static inline void ko_put_symbols(const struct ko *ko, struct ko_file *file)
{
	struct ko_strings names = {.size = 1};
	Elf64_Sym wide[KO_SYMBOLS] = {0};
	Elf32_Sym narrow[KO_SYMBOLS] = {0};
	size_t each = ko->word == 8 ? sizeof(*wide) : sizeof(*narrow);

	for (unsigned i = 1; i < ko->symbols; i++) {
		const struct ko_symbol *from = &ko->symbol[i];
		uint32_t name = ko_string(&names, from->name);

		wide[i] = (Elf64_Sym){name, ELF64_ST_INFO(from->binding, from->type), 0, from->section, from->value, from->size};
		narrow[i] = (Elf32_Sym){name, from->value, from->size, ELF32_ST_INFO(from->binding, from->type), 0, from->section};
	}
	ko_put_section(
		ko, file, ".symtab", ko->word == 8 ? (void *)wide : narrow,
		(Elf64_Shdr){.sh_type = SHT_SYMTAB, .sh_size = ko->symbols * each, .sh_entsize = each, .sh_link = file->sections + 1});
	ko_put_section(ko, file, ".strtab", names.bytes, (Elf64_Shdr){.sh_type = SHT_STRTAB, .sh_size = names.size});
}

/* i386 has the addends where the values are to be. */
static inline void ko_put_addends(struct ko *ko)
{
	for (unsigned i = 0; i < ko->relocations && ko->word == 4; i++) {
		const struct ko_relocation *relocation = &ko->relocation[i];
		int32_t addend = relocation->addend;

		if (relocation->offset + 4 <= KO_CONTENT)
			memcpy(ko->section[relocation->section].content + relocation->offset, &addend, 4);
	}
}

/* Those against a section. */
static inline void ko_put_relocations(const struct ko *ko, struct ko_file *file, unsigned section)
{
	Elf64_Rela wide[KO_RELOCATIONS];
	Elf32_Rel narrow[KO_RELOCATIONS];
	size_t each = ko->word == 8 ? sizeof(*wide) : sizeof(*narrow);
	unsigned count = 0;

	for (unsigned i = 0; i < ko->relocations; i++) {
		const struct ko_relocation *from = &ko->relocation[i];

		if (from->section != section)
			continue;
		narrow[count] = (Elf32_Rel){from->offset, ELF32_R_INFO(from->symbol, from->type)};
		wide[count++] = (Elf64_Rela){from->offset, ELF64_R_INFO((uint64_t)from->symbol, from->type), from->addend};
	}
	if (count)
		ko_put_section(ko, file, ko->word == 8 ? ".rela" : ".rel", ko->word == 8 ? (void *)wide : narrow,
			       (Elf64_Shdr){.sh_type = ko->word == 8 ? SHT_RELA : SHT_REL,
					    .sh_size = count * each,
					    .sh_entsize = each,
					    .sh_link = ko->sections,
					    .sh_info = section});
}

#define KO_HEADER(class, machine, section)                                                                                                 \
	{                                                                                                                                  \
		.e_ident = {0x7f, 'E', 'L', 'F', class, ELFDATA2LSB, EV_CURRENT}, .e_type = ET_REL, .e_machine = machine,                  \
		.e_shoff = headers_at, .e_shentsize = sizeof(section), .e_shnum = file->sections, .e_shstrndx = file->sections - 1,        \
	}

static inline void ko_put_file_header(const struct ko *ko, struct ko_file *file, size_t headers_at)
{
	Elf64_Ehdr wide = KO_HEADER(ELFCLASS64, EM_X86_64, Elf64_Shdr);
	Elf32_Ehdr narrow = KO_HEADER(ELFCLASS32, EM_386, Elf32_Shdr);

	if (ko->word == 8)
		memcpy(file->bytes, &wide, sizeof(wide));
	else
		memcpy(file->bytes, &narrow, sizeof(narrow));
}

/* The sections of the caller keep their numbers; that of symbols is the next one. The bytes are from malloc(). */
static inline uint8_t *ko_build(struct ko *ko, size_t *ret_size)
{
	struct ko_file *file = calloc(1, sizeof(*file));
	uint8_t *bytes;
	size_t at;

	if (!file || !(file->bytes = calloc(1, KO_FILE)))
		abort();
	file->size = sizeof(Elf64_Ehdr);
	file->names.size = file->sections = 1;
	ko_put_addends(ko);
	for (unsigned i = 1; i < ko->sections; i++) {
		const struct ko_section *from = &ko->section[i];

		ko_put_section(
			ko, file, from->name, from->type == SHT_NOBITS ? NULL : from->content,
			(Elf64_Shdr){
				.sh_type = from->type, .sh_flags = from->flags, .sh_size = from->size, .sh_addralign = from->alignment});
	}
	ko_put_symbols(ko, file);
	for (unsigned i = 1; i < ko->sections; i++)
		ko_put_relocations(ko, file, i);
	ko_put_section(ko, file, "", file->names.bytes,
		       (Elf64_Shdr){.sh_type = SHT_STRTAB, .sh_size = file->names.size + 1}); /* with that name */
	at = ko_append(file, file->headers, file->sections * (ko->word == 8 ? sizeof(Elf64_Shdr) : sizeof(Elf32_Shdr)));
	ko_put_file_header(ko, file, at);
	bytes = malloc(file->size); /* no more: sanitizers see what is behind */
	if (!bytes)
		abort();
	memcpy(bytes, file->bytes, *ret_size = file->size);
	free(file->bytes);
	free(file);
	return bytes;
}

/* Opens what is put together so far, which must be good. */
static inline struct module *ko_open(struct ko *ko)
{
	size_t size;
	uint8_t *bytes = ko_build(ko, &size);
	struct module *module = NULL;
	struct error *err = module_open(bytes, size, &module);

	if (err) {
		fprintf(stderr, "%s\n", err->message);
		abort();
	}
	return module;
}

/* -- the sample -- */

enum { KO_A = SHF_ALLOC, KO_AX = SHF_ALLOC | SHF_EXECINSTR, KO_WA = SHF_ALLOC | SHF_WRITE };

/* What is at which offset of .text. */
enum {
	KO_PADDING = 0,
	KO_FIRST = 0x10, /* a function, with ENDBR */
	KO_TRACED = 0x14,
	KO_LABEL = 0x19, /* a no-op */
	KO_CALL = 0x1e,  /* a static call */
	KO_LOCK = 0x23,
	KO_ACCESS = 0x26, /* STAC or no-ops */
	KO_THUNK = 0x29,
	KO_ADDRESS = 0x32, /* the immediate of a MOV: .data + 8 */
	KO_OUTSIDE = 0x37, /* the displacement of a CALL */
	KO_RETURN = 0x3b,
	KO_PARAVIRT = 0x40,
	KO_FREED = 0x47, /* the displacement of a CALL to .init.text + 4 */
	KO_RETURN_TOO = 0x4b,
	KO_SECOND = 0x50, /* a function, traced */
	KO_SHORT_LABEL = 0x55,
	KO_CONDITIONAL_CALL = 0x57,
	KO_PER_CPU = 0x60, /* the displacement of an access to .data..percpu + 16 */
	KO_TEXT_SIZE = 0x70,
};

static const uint8_t ko_text[KO_TEXT_SIZE] = {
	[KO_PADDING] = 0x90,
	0x90,
	0x90,
	0x90,
	0x90,
	0x90,
	0x90,
	0x90,
	0x90,
	0x90,
	0x90,
	0x90,
	0x90,
	0x90,
	0x90,
	0x90,
	[KO_FIRST] = 0xf3,
	0x0f,
	0x1e,
	0xfa,
	[KO_TRACED] = 0xe8,
	0,
	0,
	0,
	0,
	[KO_LABEL] = 0x0f,
	0x1f,
	0x44,
	0,
	0,
	[KO_CALL] = 0xe8,
	0,
	0,
	0,
	0,
	[KO_LOCK] = 0xf0,
	0xff,
	0x00,
	[KO_ACCESS] = 0x90,
	0x90,
	0x90,
	[KO_THUNK] = 0x2e,
	0xe8,
	0,
	0,
	0,
	0,
	[KO_ADDRESS - 3] = 0x48,
	0xc7,
	0xc0,
	0,
	0,
	0,
	0,
	[KO_OUTSIDE - 1] = 0xe8,
	0,
	0,
	0,
	0,
	[KO_RETURN] = 0xe9,
	0,
	0,
	0,
	0,
	[KO_PARAVIRT] = 0xff,
	0x15,
	0,
	0,
	0,
	0,
	[KO_FREED - 1] = 0xe8,
	0,
	0,
	0,
	0,
	[KO_RETURN_TOO] = 0xe9,
	0,
	0,
	0,
	0,
	[KO_SECOND] = 0xe8,
	0,
	0,
	0,
	0,
	[KO_SHORT_LABEL] = 0xeb,
	0x09,
	[KO_CONDITIONAL_CALL] = 0x0f,
	0x85,
	0,
	0,
	0,
	0,
	[KO_PER_CPU - 3] = 0x65,
	0x8b,
	0x05,
	0,
	0,
	0,
	0,
};

static const char ko_information[] = "license=GPL\0depends=other,sub-system\0name=sample\0vermagic=6.1.0 SMP preempt mod_unload ";
static const uint8_t ko_note[] = {4, 0, 0, 0, 8, 0, 0, 0, 3, 0, 0, 0, 'G', 'N', 'U', 0, 1, 2, 3, 4, 5, 6, 7, 8};

/* The sections of the sample. Symbols of the same numbers are theirs. */
enum {
	KO_TEXT = 1,
	KO_INIT,
	KO_EXIT,
	KO_REPLACEMENTS,
	KO_RODATA,
	KO_DATA,
	KO_BSS,
	KO_PER_CPU_DATA,
	KO_INFORMATION,
	KO_NOTE,
	KO_KSYMTAB,
	KO_KSYMTAB_STRINGS,
	KO_TRAMPOLINES,
	KO_PADDINGS,
	KO_ENDBRS,
	KO_TRACED_SITES,
	KO_LABELS,
	KO_CALLS,
	KO_LOCKS,
	KO_ALTERNATIVES,
	KO_THUNKS,
	KO_RETURNS,
	KO_PARAVIRTS,
	KO_RECORD, /* struct module */
	KO_SAMPLE_SECTIONS,
};

/* Symbols that others export. */
enum {
	KO_FENTRY = KO_SAMPLE_SECTIONS,
	KO_THERE, /* a static call's trampoline; its key; */
	KO_THERE_KEY,
	KO_INDIRECT_THUNK,
	KO_RETURN_THUNK,
	KO_PV_OPS,
	KO_OUTSIDER,
	KO_NOBODY, /* weak */
	KO_OWN_TRAMPOLINE,
	KO_FIRST_SYMBOL,
	KO_SECOND_SYMBOL,
};

enum {
	KO_RODATA_POINTER = 0, /* to the function `second` */
	KO_RODATA_FREED = 8,   /* to .init.data */
	KO_RODATA_OUTSIDER = 16,
	KO_RODATA_SIZE = 32,
	KO_DATA_SIZE = 64,
	KO_KEYS = 32, /* of jump labels, in .data */
	KO_RECORD_SIZE = 256,
};

static inline uint32_t ko_pc32(const struct ko *ko)
{
	return ko->word == 8 ? R_X86_64_PC32 : R_386_PC32;
}

static inline uint32_t ko_pointer(const struct ko *ko)
{
	return ko->word == 8 ? R_X86_64_64 : R_386_32;
}

/* The `number`th entry, of `size` bytes, of a table: a relative reference at its start. */
static inline void ko_entry(struct ko *ko, unsigned table, unsigned number, size_t size, unsigned target, uint64_t offset)
{
	ko_relocation(ko, table, number * size, ko_pc32(ko), target, offset);
	if (ko->section[table].size < (number + 1) * size)
		ko->section[table].size = (number + 1) * size;
}

static inline void ko_jump_label(struct ko *ko, unsigned number, uint64_t site, uint64_t target, uint64_t key)
{
	size_t size = 8 + ko->word;

	ko_entry(ko, KO_LABELS, number, size, KO_TEXT, site);
	ko_relocation(ko, KO_LABELS, number * size + 4, ko_pc32(ko), KO_TEXT, target);
	ko_relocation(ko, KO_LABELS, number * size + 8, ko->word == 8 ? R_X86_64_PC64 : R_386_PC32, KO_DATA, key);
}

static inline void ko_static_call(struct ko *ko, unsigned number, uint64_t site, uint64_t flags)
{
	ko_entry(ko, KO_CALLS, number, 8, KO_TEXT, site);
	ko_relocation(ko, KO_CALLS, number * 8 + 4, ko_pc32(ko), KO_THERE_KEY, flags);
}

/* size: of an entry; lengths_at: where in it the lengths are */
static inline void ko_alternative(struct ko *ko, unsigned number, size_t size, unsigned lengths_at, uint64_t site, unsigned length)
{
	ko_entry(ko, KO_ALTERNATIVES, number, size, KO_TEXT, site);
	ko_relocation(ko, KO_ALTERNATIVES, number * size + 4, ko_pc32(ko), KO_REPLACEMENTS, 0);
	ko->section[KO_ALTERNATIVES].content[number * size + lengths_at] = length;
	ko->section[KO_ALTERNATIVES].content[number * size + lengths_at + 1] = 3;
}

static inline void ko_sample_sections(struct ko *ko)
{
	static const uint8_t replacements[] = {0x0f, 0x01, 0xcb};

	ko_section(ko, ".text", SHT_PROGBITS, KO_AX, ko_text, sizeof(ko_text));
	ko_section(ko, ".init.text", SHT_PROGBITS, KO_AX, NULL, 16);
	ko_section(ko, ".exit.text", SHT_PROGBITS, KO_AX, NULL, 16);
	ko_section(ko, ".altinstr_replacement", SHT_PROGBITS, KO_AX, replacements, sizeof(replacements));
	ko_section(ko, ".rodata", SHT_PROGBITS, KO_A, NULL, KO_RODATA_SIZE);
	ko_section(ko, ".data", SHT_PROGBITS, KO_WA, NULL, KO_DATA_SIZE);
	ko_section(ko, ".bss", SHT_NOBITS, KO_WA, NULL, 64);
	ko_section(ko, ".data..percpu", SHT_PROGBITS, KO_WA, NULL, 64);
	ko_section(ko, ".modinfo", SHT_PROGBITS, KO_A, ko_information, sizeof(ko_information));
	ko_section(ko, ".note.gnu.build-id", SHT_NOTE, KO_A, ko_note, sizeof(ko_note));
	ko_section(ko, "__ksymtab_gpl", SHT_PROGBITS, KO_A, NULL, 0);
	ko_section(ko, "__ksymtab_strings", SHT_PROGBITS, KO_A, "second\0first\0per_cpu", 21);
	ko_section(ko, ".static_call.text", SHT_PROGBITS, KO_AX, "\xe9\0\0\0\0\x0f\xb9\xcc", 8);
	ko_section(ko, "__patchable_function_entries", SHT_PROGBITS, KO_WA, NULL, ko->word);
	ko_section(ko, ".ibt_endbr_seal", SHT_PROGBITS, KO_A, NULL, 0);
	ko_section(ko, "__mcount_loc", SHT_PROGBITS, KO_A, NULL, 3 * ko->word);
	ko_section(ko, "__jump_table", SHT_PROGBITS, KO_WA, NULL, 0);
	ko_section(ko, ".static_call_sites", SHT_PROGBITS, KO_WA, NULL, 0);
	ko_section(ko, ".smp_locks", SHT_PROGBITS, KO_A, NULL, 0);
	ko_section(ko, ".altinstructions", SHT_PROGBITS, KO_A, NULL, 0);
	ko_section(ko, ".retpoline_sites", SHT_PROGBITS, KO_A, NULL, 0);
	ko_section(ko, ".return_sites", SHT_PROGBITS, KO_A, NULL, 0);
	ko_section(ko, ".parainstructions", SHT_PROGBITS, KO_A, NULL, 2 * ko->word);
	ko_section(ko, ".gnu.linkonce.this_module", SHT_PROGBITS, KO_WA, NULL, KO_RECORD_SIZE);
	memcpy(ko->section[KO_RECORD].content + (size_t)3 * ko->word, "sample", sizeof("sample"));
}

static inline void ko_sample_symbols(struct ko *ko)
{
	static const char *const undefined[] = {"__fentry__",         "__SCT__there", "__SCK__there", "__x86_indirect_thunk_rax",
						"__x86_return_thunk", "pv_ops",       "outsider"};

	for (unsigned i = 1; i < KO_SAMPLE_SECTIONS; i++)
		ko_symbol(ko, "", i, 0, 0, STT_SECTION, STB_LOCAL);
	for (unsigned i = 0; i < sizeof(undefined) / sizeof(undefined[0]); i++)
		ko_symbol(ko, undefined[i], SHN_UNDEF, 0, 0, STT_NOTYPE, STB_GLOBAL);
	ko_symbol(ko, "nobody", SHN_UNDEF, 0, 0, STT_NOTYPE, STB_WEAK);
	ko_symbol(ko, "__SCT__own", KO_TRAMPOLINES, 0, 8, STT_FUNC, STB_GLOBAL);
	ko_symbol(ko, "first", KO_TEXT, KO_FIRST, KO_SECOND - KO_FIRST, STT_FUNC, STB_GLOBAL);
	ko_symbol(ko, "second", KO_TEXT, KO_SECOND, 0x10, STT_FUNC, STB_GLOBAL);
	ko_symbol(ko, "second_alias", KO_TEXT, KO_SECOND, 0x10, STT_FUNC, STB_LOCAL);
}

static inline void ko_sample_tables(struct ko *ko)
{
	static const unsigned traced[][2] = {{KO_TEXT, KO_TRACED}, {KO_TEXT, KO_SECOND}, {KO_INIT, 0}};
	static const unsigned exports[][3] = {{KO_SECOND_SYMBOL, 0, 0}, {KO_FIRST_SYMBOL, 0, 7}, {KO_PER_CPU_DATA, 8, 13}};

	for (unsigned i = 0; i < 3; i++) {
		ko_relocation(ko, KO_TRACED_SITES, i * ko->word, ko_pointer(ko), traced[i][0], traced[i][1]);
		ko_entry(ko, KO_KSYMTAB, i, 12, exports[i][0], exports[i][1]);
		ko_relocation(ko, KO_KSYMTAB, i * 12 + 4, ko_pc32(ko), KO_KSYMTAB_STRINGS, exports[i][2]);
		ko_relocation(ko, KO_KSYMTAB, i * 12 + 8, ko_pc32(ko), KO_KSYMTAB_STRINGS, 6); /* the namespace: none */
	}
	ko_relocation(ko, KO_PADDINGS, 0, ko_pointer(ko), KO_TEXT, KO_PADDING);
	ko_entry(ko, KO_ENDBRS, 0, 4, KO_TEXT, KO_FIRST);
	ko_jump_label(ko, 0, KO_LABEL, KO_RETURN, KO_KEYS);
	ko_jump_label(ko, 1, KO_SHORT_LABEL, KO_SHORT_LABEL + 2 + 9, KO_KEYS + 16 + 1);
	ko_static_call(ko, 0, KO_CALL, 0);
	ko_static_call(ko, 1, KO_CONDITIONAL_CALL, 1);
	ko_entry(ko, KO_LOCKS, 0, 4, KO_TEXT, KO_LOCK);
	ko_alternative(ko, 0, 12, 10, KO_ACCESS, 3);
	ko_entry(ko, KO_THUNKS, 0, 4, KO_TEXT, KO_THUNK);
	ko_entry(ko, KO_RETURNS, 0, 4, KO_TEXT, KO_RETURN);
	ko_entry(ko, KO_RETURNS, 1, 4, KO_TEXT, KO_RETURN_TOO);
	ko_entry(ko, KO_RETURNS, 2, 4, KO_INIT, 3);
	ko_relocation(ko, KO_PARAVIRTS, 0, ko_pointer(ko), KO_TEXT, KO_PARAVIRT);
	ko->section[KO_PARAVIRTS].content[ko->word + 1] = 6;
}

static inline void ko_sample_code(struct ko *ko)
{
	static const unsigned calls[][2] = {
		{KO_TRACED + 1, KO_FENTRY},        {KO_CALL + 1, KO_THERE},
		{KO_THUNK + 2, KO_INDIRECT_THUNK}, {KO_OUTSIDE, KO_OUTSIDER},
		{KO_RETURN + 1, KO_RETURN_THUNK},  {KO_RETURN_TOO + 1, KO_RETURN_THUNK},
		{KO_SECOND + 1, KO_FENTRY},        {KO_CONDITIONAL_CALL + 2, KO_THERE},
	};

	for (unsigned i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
		ko_relocation(ko, KO_TEXT, calls[i][0], ko->word == 8 ? R_X86_64_PLT32 : R_386_PLT32, calls[i][1], -4);
	ko_relocation(ko, KO_TEXT, KO_ADDRESS, ko->word == 8 ? R_X86_64_32S : R_386_32, KO_DATA, 8);
	ko_relocation(ko, KO_TEXT, KO_PARAVIRT + 2, ko->word == 8 ? R_X86_64_PC32 : R_386_32, KO_PV_OPS, ko->word == 8 ? 4 : 8);
	ko_relocation(ko, KO_TEXT, KO_FREED, ko_pc32(ko), KO_INIT, 0);
	ko_relocation(ko, KO_TEXT, KO_PER_CPU, ko->word == 8 ? R_X86_64_PC32 : R_386_32, KO_PER_CPU_DATA, ko->word == 8 ? 12 : 16);
	ko_relocation(ko, KO_TRAMPOLINES, 1, ko_pc32(ko), KO_SECOND_SYMBOL, -4);
	ko_relocation(ko, KO_RODATA, KO_RODATA_POINTER, ko_pointer(ko), KO_TEXT, KO_SECOND);
	ko_relocation(ko, KO_RODATA, KO_RODATA_FREED, ko_pointer(ko), KO_INIT, 4);
	ko_relocation(ko, KO_RODATA, KO_RODATA_OUTSIDER, ko_pointer(ko), KO_OUTSIDER, 0);
	ko_relocation(ko, KO_DATA, 0, ko_pointer(ko), KO_BSS, 0);
}

static inline void ko_sample(struct ko *ko, unsigned word)
{
	ko_init(ko, word);
	ko_sample_sections(ko);
	ko_sample_symbols(ko);
	ko_sample_tables(ko);
	ko_sample_code(ko);
}

#endif
