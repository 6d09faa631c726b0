/*
 * Where to look for the kernel first: addresses that something outside of the image leads to. They decide about the order of the search
 * only. So they make it quick, and let the running kernel be found before what an earlier boot left in memory.
 *
 * - CPUs' registers: the page-fault handler in the IDT (SDM vol. 3A 6.10 to 6.14.1), which is in the kernel's text, and mapped under
 *   page-table isolation too.
 * - x86-64: the page table of the real-mode trampoline for further CPUs, in the first megabyte, which maps the kernel (setup_real_mode() in
 *   arch/x86/realmode/init.c).
 */
#include "product/product_search.h"

#include <string.h>

enum { VECTOR_PF = 14, CR3 = 3, CR4 = 4, CR4_PAE_BIT = 5, CR4_LA57_BIT = 12 };

#define LOW_MEMORY_END 0xa0000ull

static enum paging_mode mode_of(const struct snapshot *snapshot, const struct snapshot_cpu *cpu)
{
	if (snapshot->machine == SNAPSHOT_MACHINE_X86_64)
		return cpu->cr[CR4] >> CR4_LA57_BIT & 1 ? PAGING_5LEVEL : PAGING_4LEVEL;
	return cpu->cr[CR4] >> CR4_PAE_BIT & 1 ? PAGING_PAE : PAGING_32BIT;
}

/* A gate's offset: bits 15:0 in the first word, 31:16 in the fourth, 63:32 (64-bit) in the fifth and sixth. */
static bool read_gate(const struct paging *paging, const struct walk_memory *memory, bool is64, uint64_t gate, uint64_t *ret)
{
	uint64_t paddr, low, high = 0;

	if (!product_walk(paging, memory, gate, &paddr) || !memory->read(memory->opaque, paddr, 8, &low))
		return false;
	if (is64 && !memory->read(memory->opaque, paddr + 8, 8, &high))
		return false;
	*ret = (low & 0xffff) | (low >> 32 & 0xffff0000) | high << 32;
	return true;
}

static bool by_registers(struct snapshot *snapshot, const struct snapshot_cpu *cpu, uint64_t *ret)
{
	struct peek peek = {.snapshot = snapshot};
	const struct walk_memory memory = product_peek_memory(&peek);
	bool is64 = snapshot->machine == SNAPSHOT_MACHINE_X86_64;
	struct paging paging;
	uint64_t handler;

	return cpu->system && product_load_root(&memory, mode_of(snapshot, cpu), cpu->cr[CR3], &paging) &&
	       read_gate(&paging, &memory, is64, cpu->idt_base + VECTOR_PF * (is64 ? 16 : 8), &handler) &&
	       product_walk(&paging, &memory, handler, ret);
}

/* Walks that may be made in search of the trampoline's tables: those of many pages, but not of all of low memory if all of it is forged. */
enum { MAX_WALKS = 16 * 512 };

/* Where the first mapped page of the kernel's range is, if `root` maps any. */
static bool first_mapped(const struct paging *paging, const struct walk_memory *memory, unsigned *walks, uint64_t *ret)
{
	for (uint64_t vaddr = START_KERNEL_MAP; vaddr - START_KERNEL_MAP < KERNEL_IMAGE_SIZE && *walks; vaddr += PMD_SIZE, --*walks) {
		if (product_walk(paging, memory, vaddr, ret))
			return true;
	}
	return false;
}

static bool by_trampoline(struct snapshot *snapshot, uint64_t page, unsigned *walks, uint64_t *ret)
{
	static const enum paging_mode modes[] = {PAGING_4LEVEL, PAGING_5LEVEL};
	struct peek peek = {.snapshot = snapshot};
	const struct walk_memory memory = product_peek_memory(&peek);
	struct paging paging;
	uint64_t last;

	if (!snapshot_peek(snapshot, page + 511 * sizeof(last), &last, sizeof(last)) || !(last & PTE_P) || (last & PTE_PS))
		return false;
	for (unsigned i = 0; i < 2; i++) {
		if (product_load_root(&memory, modes[i], page, &paging) && first_mapped(&paging, &memory, walks, ret))
			return true;
	}
	return false;
}

unsigned product_hints(struct snapshot *snapshot, uint64_t ret[PRODUCT_MAX_HINTS])
{
	unsigned count = 0, walks = MAX_WALKS;

	for (size_t i = 0; i < snapshot->cpus && count < PRODUCT_MAX_HINTS / 2; i++)
		count += by_registers(snapshot, &snapshot->cpu[i], &ret[count]);
	if (snapshot->machine == SNAPSHOT_MACHINE_I386)
		return count;
	for (uint64_t page = 0; page < LOW_MEMORY_END && count < PRODUCT_MAX_HINTS; page += 4096)
		count += by_trampoline(snapshot, page, &walks, &ret[count]);
	return count;
}
