/* Pages of code for the emulated machine, at physical addresses that nothing leads to but fetches of product context (code.h). */
#ifndef XRAY86_REDIRECT_CODE_PAGES_H
#define XRAY86_REDIRECT_CODE_PAGES_H

#include "emu/machine.h"

struct code_pages {
	struct machine *machine; /* filled in by the owner */
	size_t count;
};

/* Makes a page with these bytes, which stays. Returns its physical address; 0: there is no room. */
uint64_t code_pages_add(struct code_pages *pages, const uint8_t *bytes);

#endif
