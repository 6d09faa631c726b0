/*
 * Modules of the product in product context. The code of a module that is proven (proof.h) is linked from its file, and never the
 * product's. Its switches stand as in the product (switches.h), as those of the image do.
 */
#ifndef XRAY86_REDIRECT_MODULES_H
#define XRAY86_REDIRECT_MODULES_H

#include "loader/module.h"
#include "redirect/code_pages.h"
#include "redirect/switches.h"
#include "redirect/worlds.h"

enum { MODULES_MAX = 1024, MODULE_NAME = 64 /* MODULE_NAME_LEN of 64-bit kernels is 56, of 32-bit ones 60 */ };

/* Bytes from the first section of a kind to the end of the last one. */
#define MODULE_MAX_SPAN (64ull << 20)

enum module_state {
	MODULE_WANTED,  /* a call needs its code, and it is to be proven before the next one */
	MODULE_PROVING, /* that has begun */
	MODULE_PROVEN,
	MODULE_REFUSED, /* it cannot be proven */
};

/* A module that a call has needed, or another such module. */
struct known_module {
	char name[MODULE_NAME];
	enum module_state state;
	struct error *reason;  /* why it is refused */
	struct module *module; /* from here on: of a proven one; linked */
	uint64_t start, end;   /* of its code, whole pages */
	struct switches switches;
	uint64_t *page; /* by number, from start on: physical address of the code as linked; 0: not made yet */
	struct modules *owner;
};

enum { MODULE_GUESSES = 64, MODULE_READS = 4096 };

struct modules {
	/* -- filled in by the owner -- */
	struct worlds *worlds;
	struct code_pages *pages;
	bool prove; /* modules are proven when they are wanted */

	/* -- its state -- */
	struct known_module **known; /* in the order in which they became known */
	size_t count, room;
	bool wanted;     /* one of them is */
	uint64_t record; /* struct module of any module of the product, in its list of them; 0: none is known yet */
	struct module_guess {
		uint64_t address;
		bool wrong;
	} guess[MODULE_GUESSES];
	unsigned guesses;
	/* Pages that are protected from writing, outside of what is proven, and that product context has read: sorted. */
	uint64_t read[MODULE_READS], fresh[MODULE_READS]; /* fresh: those that were not asked for yet */
	size_t reads, fresh_reads;
};

/* In names of modules `-` and `_` are the same. */
bool modules_same_name(const char *name, const char *other);
/* NULL: there is none of this name. */
struct known_module *modules_find(const struct modules *modules, const char *name);
/* Adds one. NULL: out of memory, or there are too many. */
struct known_module *modules_add(struct modules *modules, const char *name, enum module_state state);
/* The module is linked and proven: takes it over, and its sorted patch sites, even after an error. */
struct error *modules_prove(struct known_module *known, struct module *module, struct patch_sites *sites);
/* Likewise `reason`. */
void modules_refuse(struct known_module *known, struct error *reason);

/* The proven module whose code is at the address; NULL: there is none. */
struct known_module *modules_at(const struct modules *modules, uint64_t address);
/* Where product context fetches code of a proven module. Returns false if the address is in none. */
bool modules_fetch(struct modules *modules, uint64_t address, uint64_t *ret_paddr);
/* Reads the code of a proven module as linked. Returns false if a part of it is outside. */
bool modules_read(const struct modules *modules, uint64_t address, void *to, size_t size);
/* Fills in `to` with the constant data of a page as linked, and zeros. */
bool modules_read_constants(const struct known_module *known, uint64_t page, uint8_t *to);
/*
 * Whether a function of the image or of a proven module begins there. What a static call leads to may be in a module that is proven only
 * when the call is made. So it is a guess for other addresses, which is true until modules_guessed_wrong() says that there is no such code.
 */
bool modules_is_function(struct modules *modules, uint64_t address);
/* Returns whether that was a guess; then answers of modules_is_function() are to be forgotten. */
bool modules_guessed_wrong(struct modules *modules, uint64_t address);
/* "name+0x12", or "name+0x12 [module]", or the address if it is in none of them. */
enum { MODULES_NEAR = KERNEL_SYMBOL_NEAR + MODULE_NAME + 8 };
const char *modules_near(const struct modules *modules, uint64_t address, char to[MODULES_NEAR]);
/* Product context reads a page of the product that is protected from writing. From within an access. */
void modules_note_read(struct modules *modules, uint64_t address);
/* The address of such a page that was not asked for yet; 0: there is none. */
uint64_t modules_next_read(struct modules *modules);
/* Forgets what is known of the switches, since code has changed. */
void modules_forget_switches(struct modules *modules);
void modules_deinit(struct modules *modules);

#endif
