/*
 * The CPU's life: creation, RESET and INIT, EFLAGS as a whole, and the mode bits that everything fast depends on.
 */
#include "emu/cpu.h"

#include <stdlib.h>
#include <string.h>

#include "emu/block.h"
#include "emu/cpuid.h"
#include "emu/isa/isa.h"
#include "emu/x87.h"

/* Memory that starts at a cache line. */
static void *alloc_lines(size_t size)
{
	return aligned_alloc(64, (size + 63) & ~(size_t)63);
}

void cpu_destroy(struct cpu *cpu)
{
	if (!cpu)
		return;
	block_cache_destroy(cpu->blocks);
	isa_destroy((struct isa *)cpu->isa);
	free(cpu->banks);
	free(cpu->jump_caches);
	free(cpu->marks);
	free(cpu);
}

/* The segment registers after RESET: real mode, CS at the top 64 KiB of the first 4 GiB. */
static void reset_segments(struct cpu *cpu)
{
	const struct segment data = {.limit = 0xffff, .attributes = SEGMENT_P | SEGMENT_S | 3};
	unsigned i;

	for (i = SEG_ES; i <= SEG_GS; i++)
		cpu->seg[i] = data;
	cpu->seg[SEG_CS] =
		(struct segment){.base = 0xffff0000, .limit = 0xffff, .selector = 0xf000, .attributes = SEGMENT_P | SEGMENT_S | 0xb};
	cpu->seg[SEG_LDTR] = (struct segment){.limit = 0xffff, .attributes = SEGMENT_P | 2};
	cpu->seg[SEG_TR] = (struct segment){.limit = 0xffff, .attributes = SEGMENT_P | 0xb};
	cpu->gdtr = cpu->idtr = (struct table_register){.limit = 0xffff};
}

/* What INIT would leave as it is (SDM vol. 3A table 9-1). */
static void reset_rest(struct cpu *cpu)
{
	memset(cpu->xmm, 0, sizeof(cpu->xmm));
	memset(&cpu->fpu, 0, sizeof(cpu->fpu));
	cpu->fpu.control = 0x40;
	cpu->fpu.valid = 0xff; /* RESET leaves zeroes in the registers, tagged valid */
	cpu->mxcsr = 0x1f80;
	cpu->tsc_offset = 0;
	cpu->pat = 0x0007040600070406;
	cpu->misc_enable = 1; /* fast strings */
	cpu->mtrr_def_type = 0;
	cpu->spec_ctrl = 0;
}

static void reset(struct cpu *cpu)
{
	reset_rest(cpu);
	memset(cpu->gpr, 0, sizeof(cpu->gpr));
	memset(cpu->gpr_tag, 0, sizeof(cpu->gpr_tag));
	memset(cpu->xmm_tag, 0, sizeof(cpu->xmm_tag));
	memset(cpu->fpu_tag, 0, sizeof(cpu->fpu_tag));
	cpu->gpr[RDX] = CPU_SIGNATURE;
	cpu->rip = 0xfff0;
	cpu->eflags = 2;
	flags_set_raw(&cpu->flags, 0);
	reset_segments(cpu);
	cpu->cr0 = CR0_ET | CR0_CD | CR0_NW;
	cpu->cr2 = cpu->cr3 = cpu->cr4 = cpu->efer = 0;
	memset(cpu->dr, 0, sizeof(cpu->dr));
	cpu->dr[6] = 0xffff0ff0;
	cpu->dr[7] = 0x400;
	cpu->star = cpu->lstar = cpu->cstar = cpu->fmask = cpu->kernel_gs_base = 0;
	cpu->sysenter_cs = cpu->sysenter_esp = cpu->sysenter_eip = 0;
	cpu->cpl = 0;
	cpu->halted = cpu->nmi_blocked = cpu->nmi_pending = cpu->interrupt_shadow = cpu->debug_shadow = false;
	cpu->pending_debug = 0;
	cpu->delivery.active = false;
	cpu->current = NULL;
	cpu_update_paging(cpu);
	cpu_flush_tlb(cpu);
	cpu_update_mode(cpu);
}

/* -- making one -- */

struct error *cpu_create(struct physmem *mem, const struct cpu_bus *bus, struct cpu **ret)
{
	struct cpu *cpu = alloc_lines(sizeof(*cpu));
	struct error *err;
	unsigned i;

	if (!cpu)
		return error_create("creating the CPU: out of memory");
	memset(cpu, 0, sizeof(*cpu));
	cpu->mem = mem;
	if (bus)
		cpu->bus = *bus;
	cpu->isa = isa_create();
	cpu->banks = alloc_lines(BANK_COUNT * sizeof(*cpu->banks));
	cpu->jump_caches = cpu->jump_cache = calloc(2 * JUMP_CACHE_SIZE, sizeof(*cpu->jump_caches));
	if (!cpu->isa || !cpu->banks || !cpu->jump_caches) {
		cpu_destroy(cpu);
		return error_create("creating the CPU: out of memory");
	}
	for (i = 0; i < BANK_COUNT; i++)
		tlb_init(&cpu->banks[i]);
	err = block_cache_create(cpu, &cpu->blocks);
	if (err) {
		cpu_destroy(cpu);
		return err;
	}
	cpu->bias = CPU_BIAS;
	cpu->link_generation = 1;
	cpu->rep_limit = cpu->rep_limit_normal = CPU_REP_LIMIT;
	cpu->rep_allowance = CPU_REP_UNLIMITED;
	cpu->mark_skip = cpu->call_return = cpu->call_stack = UINT64_MAX;
	cpu->jump_tag = 1 << 16;
	cpu->a20_mask = UINT64_MAX;
	cpu->features = CPU_FEATURES_DEFAULT;
	reset(cpu);
	*ret = cpu;
	return NULL;
}

/* -- banks of data accesses -- */

static enum bank bank_of(const struct cpu *cpu)
{
	bool ac = cpu->eflags & FLAG_AC;

	if (cpu->cpl == 3)
		return ac && (cpu->cr0 & CR0_AM) ? BANK_USER_ALIGNED : BANK_USER;
	return ac ? BANK_SUPERVISOR_AC : BANK_SUPERVISOR;
}

static void select_banks(struct cpu *cpu)
{
	struct tlb *own = &cpu->banks[bank_of(cpu)];
	unsigned i;

	for (i = 0; i < 2; i++)
		cpu->data_by_tag[i] = cpu->cpl < 3 && cpu->supervisor_bank[i] ? cpu->supervisor_bank[i] : own;
	cpu->data = cpu->data_by_tag[0];
}

static void flush_supervisor_banks(struct cpu *cpu)
{
	unsigned i;

	for (i = 0; i < 2; i++)
		if (cpu->supervisor_bank[i])
			tlb_flush(cpu->supervisor_bank[i]);
}

/*
 * EFLAGS.AC has changed: no mode bit depends on it. The CPU has a bank of its own for each state of AC, a client has not; but only what a
 * set AC admitted is wrong in the other state.
 */
static void follow_ac(struct cpu *cpu)
{
	unsigned i;

	if (!(cpu->eflags & FLAG_AC))
		for (i = 0; i < 2; i++)
			if (cpu->supervisor_bank[i])
				tlb_forget_overrides(cpu->supervisor_bank[i]);
	select_banks(cpu);
}

/* -- EFLAGS -- */

uint32_t cpu_get_eflags(const struct cpu *cpu)
{
	return cpu->eflags | flags_get(&cpu->flags);
}

void cpu_set_eflags(struct cpu *cpu, uint32_t value, uint32_t mask)
{
	uint32_t kept = FLAGS_ARITHMETIC & ~mask, changed;

	if (mask & FLAGS_ARITHMETIC)
		flags_set_raw(&cpu->flags, (kept ? flags_get(&cpu->flags) & kept : 0) | (value & mask));
	mask &= ~(uint32_t)FLAGS_ARITHMETIC;
	changed = (cpu->eflags ^ value) & mask;
	cpu->eflags ^= changed;
	if (changed & FLAG_VM)
		cpu_update_mode(cpu);
	if (changed & FLAG_AC)
		follow_ac(cpu);
}

void cpu_set_interrupt_line(struct cpu *cpu, bool level)
{
	cpu->interrupt_line = level;
}

void cpu_raise_nmi(struct cpu *cpu)
{
	cpu->nmi_pending = true;
}

void cpu_set_a20(struct cpu *cpu, bool enabled)
{
	cpu->a20_mask = enabled ? UINT64_MAX : ~(uint64_t)(1 << 20);
	cpu_flush_tlb(cpu);
}

/* -- mode bits -- */

/* No base, no limit, and (data) writable or (code) readable: nothing to check at run time. */
static bool unlimited(const struct segment *segment)
{
	return segment->limit == UINT32_MAX && (segment->attributes & (SEGMENT_P | SEGMENT_S)) == (SEGMENT_P | SEGMENT_S);
}

static bool unchecked_data(const struct segment *segment)
{
	/* writable data, expand-up */
	return unlimited(segment) && (segment->attributes & 0xe) == 2;
}

static uint32_t segment_bits(const struct cpu *cpu)
{
	uint32_t bits = 0;

	if (unlimited(&cpu->seg[SEG_CS]) && !cpu->seg[SEG_CS].base && unchecked_data(&cpu->seg[SEG_SS]) && !cpu->seg[SEG_SS].base &&
	    unchecked_data(&cpu->seg[SEG_DS]) && !cpu->seg[SEG_DS].base && unchecked_data(&cpu->seg[SEG_ES]) && !cpu->seg[SEG_ES].base)
		bits |= MODE_FLAT;
	if (unchecked_data(&cpu->seg[SEG_FS]))
		bits |= MODE_FS_UNCHECKED;
	if (unchecked_data(&cpu->seg[SEG_GS]))
		bits |= MODE_GS_UNCHECKED;
	return bits;
}

static uint32_t size_bits(const struct cpu *cpu)
{
	unsigned code = cpu->seg[SEG_CS].attributes & SEGMENT_DB ? 2 : 1;
	unsigned stack = cpu->seg[SEG_SS].attributes & SEGMENT_DB ? 2 : 1;

	if (cpu_long_mode(cpu) && (cpu->seg[SEG_CS].attributes & SEGMENT_L))
		code = stack = 3;
	return code << MODE_CODE_SHIFT | stack << MODE_STACK_SHIFT;
}

/* MXCSR's mask bits lie 7 above its flags. */
static bool simd_exceptions_unmasked(const struct cpu *cpu)
{
	return (cpu->mxcsr & 0x1f80) != 0x1f80;
}

static uint32_t coprocessor_bits(const struct cpu *cpu)
{
	uint32_t bits = 0;

	if (cpu->cr0 & (CR0_EM | CR0_TS))
		bits |= MODE_X87_OFF | MODE_SSE_OFF;
	if (!(cpu->cr4 & CR4_OSFXSR))
		bits |= MODE_SSE_OFF;
	if (simd_exceptions_unmasked(cpu))
		bits |= MODE_SIMD_TRAPS;
	return bits;
}

void cpu_update_mode(struct cpu *cpu)
{
	uint32_t mode = size_bits(cpu) | coprocessor_bits(cpu) | (cpu->mode & (MODE_TAGGED | MODE_CODE_BANK));
	bool code64 = (mode >> MODE_CODE_SHIFT & 3) == 3;

	mode |= code64 ? MODE_FLAT | MODE_FS_UNCHECKED | MODE_GS_UNCHECKED : segment_bits(cpu);
	if (!code64 && (cpu->seg[SEG_CS].base || cpu->seg[SEG_CS].limit != UINT32_MAX))
		mode |= MODE_CS_LIMITED;
	if (cpu->cpl == 3)
		mode |= MODE_USER;
	cpu->mode = mode;
	cpu->ea_mask = code64 ? UINT64_MAX : UINT32_MAX;
	cpu->stack_mask = code64 ? UINT64_MAX : (mode & MODE_FLAT) && (cpu->seg[SEG_SS].attributes & SEGMENT_DB) ? UINT32_MAX : 0;
	cpu->jump_tag = (cpu->jump_tag & ~(uint64_t)0xffff) | mode;
	select_banks(cpu);
}

void cpu_set_supervisor_banks(struct cpu *cpu, struct tlb *untagged, struct tlb *stack)
{
	cpu->supervisor_bank[0] = untagged;
	cpu->supervisor_bank[1] = stack;
	flush_supervisor_banks(cpu);
	select_banks(cpu);
}

void cpu_set_code_bank(struct cpu *cpu, struct tlb *bank)
{
	cpu->code_bank = bank;
	if (bank)
		tlb_flush(bank);
}

void cpu_use_code_bank(struct cpu *cpu, bool use)
{
	cpu->mode = use ? cpu->mode | MODE_CODE_BANK : cpu->mode & ~(uint32_t)MODE_CODE_BANK;
	cpu->jump_cache = cpu->jump_caches + (use ? JUMP_CACHE_SIZE : 0); /* the same addresses are jumped to in both */
	cpu_update_mode(cpu);
}

void cpu_set_tagged(struct cpu *cpu, bool tagged)
{
	cpu->mode = tagged ? cpu->mode | MODE_TAGGED : cpu->mode & ~(uint32_t)MODE_TAGGED;
	cpu_update_mode(cpu);
}
