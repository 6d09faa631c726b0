/*
 * Kernel modules: .ko files, ELF relocatable objects for x86-64 or i386. They are opened, and linked at the addresses where a kernel has
 * loaded them, by the rules of its own loader (kernel/module/main.c, arch/x86/kernel/module.c). So the code of a module can be had from its
 * file, and never from the memory of the kernel that runs it.
 *
 * The order: module_open(); fill in the addresses of sections; module_link(); then exports, patch sites and the linked bytes are there.
 * Everything takes hostile bytes. Nothing of an opened module depends on the kernel that has loaded it, save section addresses and what
 * module_link() has made. A module may be linked again, at other addresses.
 */
#ifndef XRAY86_LOADER_MODULE_H
#define XRAY86_LOADER_MODULE_H

#include "loader/patch_sites.h"

struct module;

/* The part of a section from offset on. */
struct module_span {
	uint64_t offset, size;
};

enum module_kind {
	MODULE_CODE,     /* instructions */
	MODULE_CONSTANT, /* the kernel never writes to it once it is linked */
	MODULE_DATA,     /* the running kernel's own: writable, read-only after initialisation, or sorted by the loader */
	MODULE_PER_CPU,  /* the address is an offset from a CPU's per-CPU base, as that of the kernel's per-CPU symbols */
};

/*
 * A section that stays in memory. Spans are sorted by offset; those of `varying` do not overlap.
 *
 * varying: code that the kernel rewrites when it loads the module or later, by the CPU, its configuration and tracing: alternatives,
 * paravirt calls, return and retpoline sites, lock prefixes, entries of traced functions, static calls, jump labels. A difference there is
 * no hook. In the linked bytes such code stands as compiled, entries of traced functions as no-ops; but returns are plain, and STAC and
 * CLAC are there, as the kernel puts them on a CPU with SMAP, which the trusted machine's is.
 *
 * gap: after module_link(), words that nobody can know from files: they hold addresses in sections that the loader has freed, or in
 * sections whose address is 0. In constant sections they are to stay the running kernel's. In code they lead to an address that no kernel
 * maps.
 */
struct module_section {
	const char *name;
	enum module_kind kind;
	uint64_t size, alignment;
	uint64_t address;       /* to be filled in by the caller; 0: not known */
	const uint8_t *content; /* as in the file; NULL: zeros (.bss) */
	uint8_t *linked;        /* after module_link(), of code and constant sections with a known address; else NULL */
	struct module_span *varying, *gap;
	size_t varyings, gaps;
};

/* Opens a .ko, after decompression. Takes over `bytes` (from malloc()), even after an error. */
struct error *module_open(uint8_t *bytes, size_t size, struct module **ret);
/* NULL is allowed. */
void module_close(struct module *module);

/* Bytes of a pointer: 4 or 8. */
unsigned module_word(const struct module *module);
/* As the kernel has it: letters, digits and `_`; never empty. */
const char *module_name(const struct module *module);
/* The names, with `_`, of modules whose exports this one uses, with commas between; empty: the kernel's alone. */
const char *module_depends(const struct module *module);
/* Sections that stay in memory. Names need not be unique. */
struct module_section *module_sections(const struct module *module, size_t *ret_count);
/* The first section of this name; NULL: there is none. */
struct module_section *module_find_section(const struct module *module, const char *name);
/*
 * The build ID: *ret_size bytes, which are at *ret_offset of the section *ret_section (a constant one). Returns NULL if there is none. The
 * module in memory comes from this file if the same bytes are at that place in its memory.
 */
const uint8_t *module_build_id(const struct module *module, size_t *ret_size, const struct module_section **ret_section,
			       uint64_t *ret_offset);

/* Reads memory of the kernel that has loaded the module: all or nothing. */
typedef bool module_read(void *opaque, uint64_t address, void *to, size_t size);

/*
 * Fills in the addresses of all sections that matter, if memory alone tells them. `record` is the address of the module's struct module.
 * Returns true if all code and constant data are in memory as in the file, but for what the loader makes of it, and if all words in them
 * that refer to a section agree on where that is. So the module in memory comes from this file. Else all addresses are 0: it is another
 * module, or was changed, or the loader is one that puts sections elsewhere.
 */
bool module_locate(struct module *module, uint64_t record, module_read *read, void *opaque);

/*
 * Finds the address of a section by the relocations against it in code and constant sections whose address is known: by the words that
 * stand there in memory. For sections of which the kernel does not tell (per-CPU ones, empty ones). Returns false if there is no such word,
 * or if two contradict each other. The caller judges whether the address can be.
 */
bool module_find_section_address(const struct module *module, const struct module_section *section, module_read *read, void *opaque,
				 uint64_t *ret);
/* Whether code or constant data refer to this section: if not, its address does not matter. */
bool module_needs_section(const struct module *module, const struct module_section *section);

/* Gives the values of symbols that other modules or the kernel export. Per-CPU ones are offsets. */
struct module_resolver {
	bool (*resolve)(void *opaque, const char *name, uint64_t *ret); /* false: nobody exports it */
	void *opaque;
};

/*
 * Links all code and constant sections that have an address. The error says which relocation does not fit. Code sections without an
 * address, unless they are empty, are an error; code that refers to a section without an address, too. After an error nothing is linked.
 */
struct error *module_link(struct module *module, const struct module_resolver *resolver);

/* The value of a symbol that a linked module exports. Returns false if it exports none of this name, or if its section has no address. */
bool module_export(const struct module *module, const char *name, uint64_t *ret);

/*
 * Adds the patch sites of a linked module's code, with the addresses that they have there: jump labels, static calls, and the trampolines
 * that the module has (their keys are 0). Sites in code that was freed are left out. Keys may lie in the kernel or in another module. That
 * of a static call may be the trampoline itself, if its owner exports nothing else (EXPORT_STATIC_CALL_TRAMP). A key that nobody knows is
 * 0.
 */
struct error *module_add_sites(const struct module *module, struct patch_sites *sites);

/* The function that an address of a linked module's code is in, and how far. Returns NULL if there is none. */
const char *module_function(const struct module *module, uint64_t address, uint64_t *ret_offset);

#endif
