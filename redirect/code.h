/*
 * Which code runs in product context: the trusted kernel's image, at the addresses that it and the product have in common. Everything else
 * of the kernel half (the product's modules, code that it generated) is not the trusted kernel's to give: by default the call is given up,
 * and recorded. `--code product` takes such code from the product, page by page, as memory of the emulated machine that nothing
 * else leads to: it runs in the emulator's sandbox like everything else, but it is what the snapshot says it is.
 */
#ifndef XRAY86_REDIRECT_CODE_H
#define XRAY86_REDIRECT_CODE_H

#include "redirect/call.h"

struct code {
	/* -- filled in by the owner -- */
	struct worlds *worlds;
	struct calls *calls;
	bool product; /* code that the trusted kernel lacks is the product's own */

	/* -- its state -- */
	struct code_page {
		uint64_t linear, paddr;
	} * page; /* of the product's own code that product context has run */
	size_t pages;
};

/*
 * A fetch at privilege 0 that no TLB entry serves. True: *ret_paddr has the code. False: as the CPU would. Raises #PF where product context
 * may not go.
 */
bool code_fetch(struct code *code, uint64_t linear, uint64_t *ret_paddr);
/* Records whose code it is for want of which the call, at its first instruction, is about to be given up. */
void code_record_missing(struct code *code, uint64_t address);
void code_deinit(struct code *code);

#endif
