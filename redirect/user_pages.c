/* The tool's memory before a call: user_pages.h. */
#include "redirect/user_pages.h"

#include <stdlib.h>

#include "emu/peek.h"

enum { MAX_PAGES = 4096 };

struct user_page {
	uint64_t linear;
	uint8_t data[PAGE_SIZE];
};

void user_pages_clear(struct user_pages *pages)
{
	pages->count = 0;
}

static bool is_kept(const struct user_pages *pages, uint64_t linear)
{
	for (size_t i = pages->count; i-- > 0;) { /* the last ones are the likeliest */
		if (pages->page[i].linear == linear)
			return true;
	}
	return false;
}

static bool make_room(struct user_pages *pages)
{
	size_t room = pages->room ? 2 * pages->room : 8;
	struct user_page *larger;

	if (pages->count < pages->room)
		return true;
	larger = room <= MAX_PAGES ? realloc(pages->page, room * sizeof(*larger)) : NULL;
	if (!larger)
		return false;
	pages->page = larger;
	pages->room = room;
	return true;
}

void user_pages_keep(struct user_pages *pages, const struct cpu *cpu, uint64_t linear)
{
	struct user_page *page;

	linear &= PAGE_MASK;
	if (is_kept(pages, linear) || !make_room(pages))
		return;
	page = &pages->page[pages->count];
	page->linear = linear;
	if (cpu_peek(cpu, linear, page->data, PAGE_SIZE) == PAGE_SIZE) /* else it is not there yet, and the write faults */
		pages->count++;
}

void user_pages_restore(struct user_pages *pages, struct cpu *cpu)
{
	while (pages->count > 0) {
		const struct user_page *page = &pages->page[--pages->count];

		cpu_poke(cpu, page->linear, page->data, PAGE_SIZE);
	}
}

void user_pages_deinit(struct user_pages *pages)
{
	free(pages->page);
}
