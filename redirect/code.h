/*
 * Which code runs in product context: the trusted kernel's image, at the addresses that it and the product have in common, with the
 * product's switches (switches.h). The trusted kernel lacks all other code of the kernel half (the product's modules, code that it
 * generated). By default a call that needs such code is given up, and the cause is recorded. `--code product` takes the code from the
 * product, page by page, into memory of the emulated machine that nothing else leads to. `--trust-module` does so with the pages of one
 * module. Such code runs in the emulator's sandbox like everything else, but it is what the snapshot says it is.
 */
#ifndef XRAY86_REDIRECT_CODE_H
#define XRAY86_REDIRECT_CODE_H

#include "redirect/call.h"
#include "redirect/switches.h"
#include "util/note.h"

struct code {
	/* -- filled in by the owner -- */
	struct worlds *worlds;
	struct calls *calls;
	bool product;             /* code that the trusted kernel lacks is the product's own */
	const char *const *trust; /* names of modules of which that is true in any case, ended by NULL; or NULL */
	struct switches *switches;
	const struct notes *notes;

	/* -- its state -- */
	struct code_page {
		uint64_t linear; /* MUST BE FIRST: the key */
		uint64_t paddr;
	} * page; /* of the product's own code that product context has run */
	size_t pages, room;
	size_t added;  /* pages of code in all */
	uint64_t told; /* bits: for which names in `trust`, up to the 64th, that was noted */
};

/* Makes a page of code for the machine, which only a fetch that is led there finds. Returns its physical address; 0: there is no room. */
uint64_t code_add_page(struct code *code, const uint8_t *bytes);

/*
 * Answers a fetch at privilege 0 that misses the TLB. Returns true if *ret_paddr has the code, false to let the CPU's own page walk decide.
 * Raises #PF where product context may not go.
 */
bool code_fetch(struct code *code, uint64_t linear, uint64_t *ret_paddr);
/*
 * A fetch at the address, at privilege 0, has missed for good. Returns true if it is to be tried again: the code is of a module that the
 * user trusts. Between instructions only.
 */
bool code_seek(struct code *code, uint64_t address);
/*
 * Fills in the owner and the module of code at the address, by the product's list of modules. It runs kernel code, so it may be called
 * between calls or instructions only.
 */
void code_find_owner(struct code *code, uint64_t address, struct loss_code *lost);
/* Records whose code the call lacks, before it is given up at the first instruction of that code. */
void code_record_missing(struct code *code, uint64_t address);
void code_deinit(struct code *code);

#endif
