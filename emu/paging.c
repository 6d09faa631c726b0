/*
 * The CPU's use of paging: see paging.h. The walker itself is mmu/walk.c; here are the registers it works from, the memory it works on,
 * and the TLBs' upkeep.
 *
 * Global pages and PCIDs are not distinguished in the TLBs: every flush forgets everything, which the architecture allows at any time.
 * A client's banks (cpu_set_supervisor_banks()) are flushed with the CPU's own.
 */
#include "emu/paging.h"

#include "emu/client.h"
#include "emu/segment.h"

/* -- control registers -- */

static enum paging_mode paging_mode(const struct cpu *cpu)
{
	if (!(cpu->cr0 & CR0_PG))
		return PAGING_OFF;
	if (!(cpu->cr4 & CR4_PAE))
		return PAGING_32BIT;
	if (!cpu_long_mode(cpu))
		return PAGING_PAE;
	return cpu->cr4 & CR4_LA57 ? PAGING_5LEVEL : PAGING_4LEVEL;
}

void cpu_update_paging(struct cpu *cpu)
{
	cpu->paging = (struct paging){
		.mode = paging_mode(cpu),
		.root = cpu->cr3,
		.pdpte = {cpu->pdpte[0], cpu->pdpte[1], cpu->pdpte[2], cpu->pdpte[3]},
		.pse = cpu->cr4 & CR4_PSE,
		.wp = cpu->cr0 & CR0_WP,
		.nxe = cpu->efer & EFER_NXE,
		.smep = cpu->cr4 & CR4_SMEP,
		.smap = cpu->cr4 & CR4_SMAP,
		.maxphyaddr = CPU_MAXPHYADDR,
	};
	cpu_flush_tlb(cpu);
}

/* -- paging structures in memory -- */

/*
 * They are looked for in RAM and ROM only: a walk must not disturb a device. All-ones stand elsewhere, as on an undecoded bus.
 */
static bool read_entry(void *opaque, uint64_t paddr, unsigned size, uint64_t *ret)
{
	const struct cpu *cpu = opaque;
	const uint8_t *host = physmem_host(cpu->mem, paddr & cpu->a20_mask, false, true);

	if (!host)
		*ret = size == 4 ? UINT32_MAX : UINT64_MAX;
	else
		*ret = size == 4 ? load_host(host, 4) : load_host(host, 8);
	return true;
}

static bool set_entry_bits(void *opaque, uint64_t paddr, unsigned size, uint64_t bits)
{
	struct cpu *cpu = opaque;
	const uint32_t *bitmap;
	uint64_t entry;

	paddr &= cpu->a20_mask;
	bitmap = physmem_code_bitmap(cpu->mem, paddr);
	if (!bitmap) /* not RAM */
		return false;
	if (*bitmap & physmem_granules(paddr & ~PAGE_MASK, size))
		cpu_require_single(cpu);
	entry = physmem_read(cpu->mem, paddr, size);
	physmem_write(cpu->mem, paddr, entry | bits, size);
	return true;
}

bool cpu_load_pdptes(struct cpu *cpu, uint64_t cr3)
{
	uint64_t pdpte[4];

	for (unsigned i = 0; i < 4; i++) {
		read_entry(cpu, (cr3 & 0xffffffe0) + i * 8, 8, &pdpte[i]);
		if (paging_pdpte_reserved(pdpte[i], CPU_MAXPHYADDR))
			return false;
	}
	for (unsigned i = 0; i < 4; i++)
		cpu->pdpte[i] = pdpte[i];
	return true;
}

/* -- translation -- */

void cpu_require_single(struct cpu *cpu)
{
	if (cpu->current && !cpu->single)
		cpu_restart_single(cpu);
}

void cpu_walk(struct cpu *cpu, enum bank bank, uint64_t linear, enum access access, struct walk_result *ret)
{
	const struct walk_memory memory = {.opaque = cpu, .read = read_entry, .set_bits = set_entry_bits};
	const struct walk_request request = {
		.linear = linear,
		.access = access,
		.user = bank == BANK_USER || bank == BANK_USER_ALIGNED,
		.smap_override = bank == BANK_SUPERVISOR_AC,
	};
	uint32_t error_code;

	if (paging_walk(&cpu->paging, &memory, &request, ret, &error_code) != WALK_OK)
		cpu_raise_page_fault(cpu, linear, error_code);
	ret->paddr &= cpu->a20_mask;
}

/*
 * Blocks are entered by the jump cache and by links without asking here. So that this makes no difference to the guest, what they lead to
 * has its fetch entries: links stay in the page, and the jump cache is forgotten when an entry goes.
 */
void cpu_translate_fetch(struct cpu *cpu, uint64_t linear, uint64_t *ret_paddr)
{
	enum bank bank = cpu->cpl == 3 ? BANK_USER : BANK_SUPERVISOR;
	struct tlb *tlb = bank == BANK_SUPERVISOR && (cpu->mode & MODE_CODE_BANK) ? cpu->code_bank : &cpu->banks[bank];
	struct walk_result walk;

	if (tlb_find_fetch(tlb, linear, ret_paddr))
		return;
	if (!linear_canonical(cpu, linear))
		cpu_raise_code(cpu, VECTOR_GP, 0);
	walk.page_shift = PAGE_SHIFT;
	if (!client_takes_fetch(cpu, linear, &walk.paddr))
		cpu_walk(cpu, bank, linear, ACCESS_FETCH, &walk);
	if (tlb_enter_fetch(tlb, linear, walk.paddr))
		cpu_forget_jumps(cpu);
	if (walk.page_shift > PAGE_SHIFT)
		tlb_note_large(tlb, linear, walk.page_shift);
	*ret_paddr = walk.paddr;
}

/* -- upkeep of the TLBs -- */

/* Calls fn on each bank that may hold translations: the CPU's own and those that clients have put in their places. */
static void for_each_bank(struct cpu *cpu, void (*fn)(struct tlb *bank, const uint64_t *arguments), const uint64_t *arguments)
{
	for (unsigned i = 0; i < BANK_COUNT; i++)
		fn(&cpu->banks[i], arguments);
	for (unsigned i = 0; i < 2; i++)
		if (cpu->supervisor_bank[i])
			fn(cpu->supervisor_bank[i], arguments);
	if (cpu->code_bank)
		fn(cpu->code_bank, arguments);
}

static void flush(struct tlb *bank, const uint64_t *unused)
{
	(void)unused;
	tlb_flush(bank);
}

void cpu_flush_tlb(struct cpu *cpu)
{
	for_each_bank(cpu, flush, NULL);
	cpu_forget_jumps(cpu);
}

static void flush_page(struct tlb *bank, const uint64_t *linear)
{
	tlb_flush_page(bank, *linear);
}

void cpu_flush_page(struct cpu *cpu, uint64_t linear)
{
	for_each_bank(cpu, flush_page, &linear);
	cpu_forget_jumps(cpu);
}

/* target: host and physical address. */
static void slow_write_target(struct tlb *bank, const uint64_t *target)
{
	tlb_slow_write_target(bank, target[0], target[1]);
}

void cpu_protect_code_page(struct cpu *cpu, uint64_t paddr)
{
	const uint8_t *host = physmem_host(cpu->mem, paddr & PAGE_MASK, true, true);

	if (host)
		for_each_bank(cpu, slow_write_target, (const uint64_t[]){(uintptr_t)host, paddr & PAGE_MASK});
}
