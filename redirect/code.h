/*
 * Which code runs in product context. At the addresses that it and the product have in common, that of the trusted kernel's image, with the
 * product's switches (switches.h). The trusted kernel lacks all other code of the kernel half: the product's modules, and code that it
 * generated.
 *
 * With CODE_VERIFIED, the code of a module is had from the module's file once that is proven to be the right one (modules.h). Other code is
 * not run: the call that needs it is given up, and the cause is recorded. CODE_TRUSTED gives calls up that need any code outside of the
 * image. CODE_PRODUCT takes such code from the product, page by page, into memory of the emulated machine that nothing else leads to.
 * Modules that the user trusts by name are treated so in any case. Such code runs in the emulator's sandbox like everything else, but it is
 * what the snapshot says it is.
 */
#ifndef XRAY86_REDIRECT_CODE_H
#define XRAY86_REDIRECT_CODE_H

#include "redirect/call.h"
#include "redirect/entries.h"
#include "redirect/modules.h"
#include "util/note.h"

enum code_choice { CODE_VERIFIED, CODE_TRUSTED, CODE_PRODUCT };

struct code {
	/* -- filled in by the owner -- */
	struct worlds *worlds;
	struct calls *calls;
	enum code_choice choice;
	const char *const *trust; /* names of modules that the user trusts, ended by NULL; or NULL */
	struct switches *switches;
	struct modules *modules;
	struct code_pages *code_pages;
	const struct notes *notes;
	struct entries *entries;

	/* -- its state -- */
	struct code_page {
		uint64_t linear; /* MUST BE FIRST: the key */
		uint64_t paddr;
	} * page; /* of the product's own code that product context has run */
	size_t pages, room;
	uint64_t *source; /* their physical pages in the product, sorted; some may be there in vain */
	size_t sources, source_room;
	bool written;       /* one of these was, since the last call */
	uint64_t back_page; /* physical: the page of abi.h's address `back`; 0: not made yet */
	uint64_t told;      /* bits: for which names in `trust`, up to the 64th, that was noted */
};

/*
 * Answers a fetch at privilege 0 that misses the TLB. Returns true if *ret_paddr has the code, false to let the CPU's own page walk decide.
 * Raises #PF where product context may not go.
 */
bool code_fetch(struct code *code, uint64_t linear, uint64_t *ret_paddr);

/* What becomes of a fetch at privilege 0 that has raised #PF. */
enum code_answer {
	CODE_FOUND,   /* it is to be tried again */
	CODE_WANTED,  /* between calls, a module is to be proven first (proof.h); then the call is to begin anew */
	CODE_MISSING, /* there is no such code */
};
/* To be called between instructions only. */
enum code_answer code_seek(struct code *code, uint64_t address);

/*
 * The running call is about to end. Returns whether it is to begin anew when modules have been proven (CODE_WANTED): it has read constant
 * data of modules of which nobody knows yet what they should be. Between instructions only.
 */
bool code_reconsider(struct code *code);
/*
 * A page of the product, physical, is about to be written: from within accesses, if code of the product's own may run. Between calls
 * code_follow() then takes notice of what has become of the code.
 */
void code_note_write(struct code *code, uint64_t paddr);
void code_follow(struct code *code);
/* Code has changed, or more of it is known: switches are looked at anew. Between instructions only. */
void code_forget(struct code *code);
/* Whether product context runs the product's own code there, as opposed to that of an image or of a file. */
bool code_is_own(const struct code *code, uint64_t address);
/* Reads code as product context fetches it. Returns how many bytes there are. */
size_t code_read(struct code *code, uint64_t address, void *to, size_t size);
/*
 * Fills in the owner and the module of code at the address, by the product's list of modules. It runs kernel code, so it may be called
 * between calls or instructions only.
 */
void code_find_owner(struct code *code, uint64_t address, struct loss_code *lost);
/* Records whose code the call lacks, before it is given up at the first instruction of that code. */
void code_record_missing(struct code *code, uint64_t address);
void code_deinit(struct code *code);

#endif
