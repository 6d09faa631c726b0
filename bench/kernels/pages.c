/*
 * Paging: a storm of page faults, INVLPG and CR3 reloads. A window of 4 KiB pages is unmapped page by page; each access faults, the handler
 * maps the page, and the access is restarted.
 */
#include "kernel.h"

enum { PAGES = 256, ROUNDS = 4000 };
#define WINDOW 0x8000000000ull

static uint64_t pdpt[512] __attribute__((aligned(4096))), directory[512] __attribute__((aligned(4096)));
static uint64_t table[512] __attribute__((aligned(4096)));
static uint8_t memory[PAGES][4096] __attribute__((aligned(4096)));
static uint64_t idt[32][2];
static volatile uint64_t faults;

struct frame;

static __attribute__((interrupt, target("general-regs-only"))) void page_fault(struct frame *frame, uint64_t error_code)
{
	uint64_t address;
	unsigned page;

	(void)frame, (void)error_code;
	__asm__ volatile("mov %%cr2, %0" : "=r"(address));
	page = (address - WINDOW) >> 12;
	table[page] = (uint64_t)memory[page] | 3;
	faults++;
}

static void set_up(void)
{
	struct {
		uint16_t limit;
		uint64_t base;
	} __attribute__((packed)) idtr = {sizeof(idt) - 1, (uint64_t)idt};
	uint64_t handler = (uint64_t)page_fault, *root;

	idt[14][0] = (handler & 0xffff) | 8 << 16 | 0x8e00ull << 32 | (handler >> 16 & 0xffff) << 48;
	idt[14][1] = handler >> 32;
	__asm__ volatile("lidt %0" : : "m"(idtr));
	__asm__ volatile("mov %%cr3, %0" : "=r"(root));
	root[WINDOW >> 39 & 511] = (uint64_t)pdpt | 3;
	pdpt[0] = (uint64_t)directory | 3;
	directory[0] = (uint64_t)table | 3;
}

static void reload_cr3(void)
{
	uint64_t cr3;

	__asm__ volatile("mov %%cr3, %0; mov %0, %%cr3" : "=r"(cr3) : : "memory");
}

void run(void)
{
	volatile uint64_t *window = (void *)WINDOW;
	uint64_t sum = 0;
	unsigned round, page;

	begin();
	set_up();
	for (round = 0; round < ROUNDS; round++) {
		for (page = 0; page < PAGES; page++) {
			window[page * 512 + (round & 511)] += page + round;
			if (page & 1) {
				table[page] = 0;
				__asm__ volatile("invlpg (%0)" : : "r"(&window[page * 512]) : "memory");
			}
		}
		for (page = 0; page < PAGES; page++)
			table[page] &= page & 3 ? ~0ull : 0;
		reload_cr3();
		for (page = 0; page < PAGES; page++)
			sum += window[page * 512 + (round & 511)];
	}
	end(sum * 1000003 + faults);
}
