/*
 * Fast system calls: SYSCALL/SYSRET and SYSENTER/SYSEXIT (SDM vol. 2; vol. 3A 5.8.7, 5.8.8). As on Intel processors: SYSCALL and
 * SYSRET in 64-bit mode only, and SYSRET with a non-canonical RCX faults while still at CPL 0.
 */
#include "emu/syscall.h"

#include "emu/breakpoint.h"
#include "emu/protection.h"

/* Flat segments whose hidden parts come from no descriptor. */
static struct segment flat_code(uint16_t selector, unsigned cpl, bool code64)
{
	return (struct segment){
		.limit = UINT32_MAX,
		.attributes = SEGMENT_G | (code64 ? SEGMENT_L : SEGMENT_DB) | SEGMENT_P | cpl << SEGMENT_DPL_SHIFT | SEGMENT_S |
			      SEGMENT_CODE | SEGMENT_READABLE | SEGMENT_ACCESSED,
		.selector = selector | cpl,
	};
}

static struct segment flat_stack(uint16_t selector, unsigned cpl)
{
	return (struct segment){
		.limit = UINT32_MAX,
		.attributes =
			SEGMENT_G | SEGMENT_DB | SEGMENT_P | cpl << SEGMENT_DPL_SHIFT | SEGMENT_S | SEGMENT_WRITABLE | SEGMENT_ACCESSED,
		.selector = selector | cpl,
	};
}

static void enter(struct cpu *cpu, uint16_t cs, uint16_t ss, unsigned cpl, bool code64, uint64_t rip)
{
	cpu->seg[SEG_CS] = flat_code(cs, cpl, code64);
	cpu->seg[SEG_SS] = flat_stack(ss, cpl);
	cpu->cpl = cpl;
	cpu->rip = rip;
	cpu_update_mode(cpu);
}

static void set_register(struct cpu *cpu, enum gpr n, uint64_t value)
{
	cpu->gpr[n] = value;
	cpu->gpr_tag[n] = 0;
}

/*
 * SYSCALL and SYSRET look at TF as they leave it: a TF that FMASK clears traps not in the kernel but at SYSRET, which restores it, as if
 * SYSCALL had just been stepped over.
 */
static void step_as_left(struct cpu *cpu)
{
	cpu->step_inhibited = true;
	if (cpu->eflags & FLAG_TF)
		cpu->pending_debug |= DR6_BS;
}

static void require_syscall(struct cpu *cpu)
{
	if (!cpu_code64(cpu) || !(cpu->efer & EFER_SCE))
		cpu_raise(cpu, VECTOR_UD);
}

void syscall_enter(struct cpu *cpu, uint64_t next)
{
	uint16_t cs = cpu->star >> 32 & ~SELECTOR_RPL;

	require_syscall(cpu);
	set_register(cpu, RCX, next);
	set_register(cpu, R11, cpu_get_eflags(cpu) & ~FLAG_RF);
	cpu_set_eflags(cpu, 0, (cpu->fmask | FLAG_RF) & FLAGS_DEFINED);
	enter(cpu, cs, cs + 8, 0, true, cpu->lstar);
	step_as_left(cpu);
}

void syscall_return(struct cpu *cpu, unsigned operand_size)
{
	uint16_t base = cpu->star >> 48 & ~SELECTOR_RPL;
	bool code64 = operand_size == 8;
	uint64_t rip = code64 ? cpu->gpr[RCX] : (uint32_t)cpu->gpr[RCX];

	require_syscall(cpu);
	require_cpl0(cpu);
	if (code64 && !linear_canonical(cpu, rip))
		cpu_raise_code(cpu, VECTOR_GP, 0);
	cpu_set_eflags(cpu, cpu->gpr[R11] & ~(uint64_t)(FLAG_RF | FLAG_VM), FLAGS_DEFINED);
	enter(cpu, code64 ? base + 16 : base, base + 8, 3, code64, rip);
	step_as_left(cpu);
}

static uint16_t sysenter_selector(struct cpu *cpu)
{
	uint16_t selector = cpu->sysenter_cs & ~SELECTOR_RPL;

	if (!(cpu->cr0 & CR0_PE) || !selector)
		cpu_raise_code(cpu, VECTOR_GP, 0);
	return selector;
}

void sysenter(struct cpu *cpu)
{
	uint16_t cs = sysenter_selector(cpu);
	bool long_mode = cpu_long_mode(cpu);

	cpu_set_eflags(cpu, 0, FLAG_VM | FLAG_IF | FLAG_RF);
	set_register(cpu, RSP, long_mode ? cpu->sysenter_esp : (uint32_t)cpu->sysenter_esp);
	enter(cpu, cs, cs + 8, 0, long_mode, long_mode ? cpu->sysenter_eip : (uint32_t)cpu->sysenter_eip);
}

void sysexit(struct cpu *cpu, unsigned operand_size)
{
	uint16_t base = sysenter_selector(cpu);
	bool code64 = operand_size == 8;
	uint64_t rsp = cpu->gpr[RCX], rip = cpu->gpr[RDX];

	require_cpl0(cpu);
	if (code64 && (!linear_canonical(cpu, rsp) || !linear_canonical(cpu, rip)))
		cpu_raise_code(cpu, VECTOR_GP, 0);
	set_register(cpu, RSP, code64 ? rsp : (uint32_t)rsp);
	enter(cpu, base + (code64 ? 32 : 16), base + (code64 ? 40 : 24), 3, code64, code64 ? rip : (uint32_t)rip);
}
