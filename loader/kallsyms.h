/*
 * kallsyms: the symbol table that a Linux kernel carries for its own use. scripts/kallsyms.c writes it, kernel/kallsyms.c
 * reads it. It is read in place, without a copy, and gives the lines of the kernel's /proc/kallsyms without modules.
 *
 * Symbols are numbered 0 to count - 1 by ascending address. The tables, all in .rodata:
 *
 *   num_syms      how many symbols there are
 *   names         per symbol a length (ULEB128, one or two bytes) and so many tokens; expanded, the first letter is the symbol's type
 *   markers       32-bit, before 4.20 a pointer's size: where in names the symbols 0, 256, 512, ... begin
 *   token_table   256 strings, of which names are made
 *   token_index   16-bit: where in token_table each string begins
 *   addresses     per symbol, in one of the ways of enum kallsyms_addressing
 *   seqs_of_names from 6.2 on, and in later 6.1: the symbols' numbers, 3 bytes each, most significant first, sorted by name
 *
 * Their order: addresses (then the base), num_syms, names, markers, [seqs_of_names], token_table, token_index up to 6.3;
 * num_syms, names, markers, token_table, token_index, addresses (then the base), seqs_of_names from 6.4 on. Each is aligned to a pointer's
 * size, from 6.19 on to 4. kallsyms_find.c relies on that order.
 *
 * Safe on hostile and on changing bytes: names may be cut and addresses wrong, and nothing else happens.
 */
#ifndef XRAY86_LOADER_KALLSYMS_H
#define XRAY86_LOADER_KALLSYMS_H

#include "loader/view.h"
#include "util/error.h"

enum { KSYM_NAME_LEN = 512 /* with the final 0; 128 before 6.1 */ };

enum kallsyms_addressing {
	KALLSYMS_ABSOLUTE,        /* pointers (without CONFIG_KALLSYMS_BASE_RELATIVE; 6.19 on: 32 bits, if not relocatable) */
	KALLSYMS_RELATIVE,        /* 32-bit, unsigned, from the base on */
	KALLSYMS_RELATIVE_PERCPU, /* CONFIG_KALLSYMS_ABSOLUTE_PERCPU: 0 or more is absolute, -1 - n is base + n */
	KALLSYMS_PREL32,          /* 32-bit, signed, from its own place on; there is no base (from 6.19 on) */
};

struct kallsyms {
	unsigned count;
	enum kallsyms_addressing addressing;
	unsigned pointer_size, marker_size;
	uint64_t base;         /* relative addresses count from here; KALLSYMS_PREL32: where the table is */
	uint64_t shift, floor; /* KALLSYMS_ABSOLUTE: addresses from floor on get the shift */
	const uint8_t *names, *markers, *token_table, *token_index, *addresses;
	const uint8_t *seqs; /* seqs_of_names, or NULL */
	size_t names_size, token_table_size;
	struct kallsyms_token {
		uint16_t offset, length; /* in token_table, by token_index; no token is outside */
		/* For kallsyms_next_hash(): of the whole token, and without its first letter. */
		struct kallsyms_part {
			uint32_t hash, power;
		} whole, rest;
	} token[256];
	uint32_t *marks; /* where in names the symbols 0, 16, 32, ... begin; or NULL */
};

struct symbol {
	uint64_t address;
	char type; /* as nm(1): T text, D data, R read-only, B bss, A absolute, W weak; small: local */
	char name[KSYM_NAME_LEN];
};

/* A place in the list of symbols. A zeroed cursor is at the first symbol; kallsyms_seek() goes to another. */
struct kallsyms_cursor {
	unsigned index;
	size_t offset; /* in names */
};

/* Finds the tables by their structure, without any address. The view's bytes must outlive *ret; the view itself need not. */
struct error *kallsyms_find(const struct view *view, struct kallsyms *ret);
/*
 * Makes kallsyms_seek() fast, at the cost of some ten of them, until kallsyms_unmark(). Returns false without memory; then it is as slow as
 * before.
 */
bool kallsyms_mark(struct kallsyms *table);
void kallsyms_unmark(struct kallsyms *table);
/*
 * Adds `shift` to all addresses, as KASLR does; absolute ones (per-CPU data of x86-64 up to 6.14) stay. For tables from an image: the
 * memory of a kernel that runs has its addresses already.
 */
void kallsyms_move(struct kallsyms *table, uint64_t shift);

/* Reads the symbol at the cursor and moves on. Returns false at the end. */
bool kallsyms_next(const struct kallsyms *table, struct kallsyms_cursor *cursor, struct symbol *ret);
/* As kallsyms_next(), but passes over symbols whose names do not begin so; for little, since it does not expand them. */
bool kallsyms_next_prefixed(const struct kallsyms *table, struct kallsyms_cursor *cursor, const char *prefix, struct symbol *ret);
/* The hash of the name of the symbol at the cursor, which moves on; without expanding it. Returns false at the end. */
bool kallsyms_next_hash(const struct kallsyms *table, struct kallsyms_cursor *cursor, uint32_t *ret);
/* That hash, of a name: not 0. */
uint32_t kallsyms_hash(const char *name);
/* Reads the next symbol of this name at or behind the cursor, and moves behind it. Returns false if there is none. */
bool kallsyms_next_named(const struct kallsyms *table, struct kallsyms_cursor *cursor, const char *name, struct symbol *ret);
/* Puts the cursor at a symbol, index < count. */
void kallsyms_seek(const struct kallsyms *table, unsigned index, struct kallsyms_cursor *ret);
/* The symbol that an address belongs to: the nearest at or below it; of several, the first. Returns false if there is none. */
bool kallsyms_nearest(const struct kallsyms *table, uint64_t address, unsigned *ret_index);
uint64_t kallsyms_address(const struct kallsyms *table, unsigned index);

#endif
