/* Pages of code for the emulated machine: code_pages.h. */
#include "redirect/code_pages.h"

enum { MAX_PAGES = 16384 /* 64 MiB, more than modules have: page tables can pretend that there is code everywhere */ };

#define CODE_WINDOW (1ull << 44) /* physical: far behind the machine's memory, within CPU_MAXPHYADDR */

uint64_t code_pages_add(struct code_pages *pages, const uint8_t *bytes)
{
	uint64_t paddr = CODE_WINDOW + pages->count * PAGE_SIZE;
	struct error *err = pages->count < MAX_PAGES ? physmem_add_rom(&pages->machine->mem, paddr, bytes, PAGE_SIZE)
						     : error_create("no more pages of code");

	if (!err)
		pages->count++;
	else
		paddr = 0;
	error_destroy(err);
	return paddr;
}
