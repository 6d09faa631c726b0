/*
 * Operands of the system instructions: descriptor tables, control and debug registers, MSRs, identification, flags of privilege
 * (SDM vol. 1 5.20). What they do is in emu/{protection,control_registers,msr,cpuid,iopl}.c.
 */
#include "emu/client.h"
#include "emu/control_registers.h"
#include "emu/cpuid.h"
#include "emu/iopl.h"
#include "emu/isa/isa.h"
#include "emu/msr.h"
#include "emu/ops/offset.h"
#include "emu/protection.h"

static void write_pair(struct cpu *cpu, uint64_t value)
{
	reg_set(cpu, CPU_OFFSET(gpr[RAX]), 4, (struct value){value, 0});
	reg_set(cpu, CPU_OFFSET(gpr[RDX]), 4, (struct value){value >> 32, 0});
}

static uint64_t read_pair(const struct cpu *cpu)
{
	return (uint32_t)cpu->gpr[RAX] | cpu->gpr[RDX] << 32;
}

/* A 16-bit source, register or memory: Ew. */
static uint16_t source16(struct cpu *cpu, const struct insn *insn, uint16_t offset, bool memory)
{
	return memory ? load(cpu, insn, ea(cpu, insn, 2, false), 2).v : reg_get(cpu, offset, 2).v;
}

/* The destination of SLDT, STR and SMSW: a register of any size, or 16 bits of memory. */
static void destination16(struct cpu *cpu, const struct insn *insn, bool memory, uint64_t value)
{
	if (memory)
		store(cpu, insn, ea(cpu, insn, 2, true), 2, (struct value){value, 0});
	else
		reg_set(cpu, insn->op1, insn_operand_size(insn), (struct value){value, 0});
}

static void set_zf(struct cpu *cpu, bool zf)
{
	cpu_set_eflags(cpu, zf ? FLAG_ZF : 0, FLAG_ZF);
}

/* An instruction with a register and a memory form: do_it(cpu, insn, memory) twice. */
#define BOTH_FORMS(name)                                                      \
	static void name##_r_form(struct cpu *cpu, const struct insn *insn)   \
	{                                                                     \
		do_##name(cpu, insn, false);                                  \
	}                                                                     \
	static void name##_m_form(struct cpu *cpu, const struct insn *insn)   \
	{                                                                     \
		do_##name(cpu, insn, true);                                   \
	}                                                                     \
	SIMPLE(name##_r, name##_r_form)                                       \
	SIMPLE(name##_m, name##_m_form)

/* -- control and debug registers -- */

static unsigned control_size(const struct cpu *cpu)
{
	return cpu_code64(cpu) ? 8 : 4;
}

static uint64_t control_source(struct cpu *cpu, uint16_t offset)
{
	return cpu_code64(cpu) ? reg_get(cpu, offset, 8).v : reg_get(cpu, offset, 4).v;
}

static void do_mov_from_cr(struct cpu *cpu, const struct insn *insn)
{
	require_cpl0(cpu);
	reg_set(cpu, insn->op1, control_size(cpu), (struct value){control_read(cpu, insn->op2), 0});
}

static void do_mov_to_cr(struct cpu *cpu, const struct insn *insn)
{
	require_cpl0(cpu);
	control_write(cpu, insn->op1, control_source(cpu, insn->op2));
}

static void do_mov_from_dr(struct cpu *cpu, const struct insn *insn)
{
	require_cpl0(cpu);
	reg_set(cpu, insn->op1, control_size(cpu), (struct value){debug_read(cpu, insn->op2), 0});
}

static void do_mov_to_dr(struct cpu *cpu, const struct insn *insn)
{
	require_cpl0(cpu);
	debug_write(cpu, insn->op1, control_source(cpu, insn->op2));
}

static void do_clts(struct cpu *cpu, const struct insn *insn)
{
	(void)insn;
	require_cpl0(cpu);
	control_clear_ts(cpu);
}

static void do_smsw(struct cpu *cpu, const struct insn *insn, bool memory)
{
	require_no_umip(cpu);
	destination16(cpu, insn, memory, cpu->cr0);
}

static void do_lmsw(struct cpu *cpu, const struct insn *insn, bool memory)
{
	require_cpl0(cpu);
	control_load_msw(cpu, source16(cpu, insn, insn->op1, memory));
}

/* CR4.OSXSAVE cannot be set. */
static void do_undefined(struct cpu *cpu, const struct insn *insn)
{
	(void)insn;
	cpu_raise(cpu, VECTOR_UD);
}

/* -- GDTR and IDTR: 16 bits of limit, then the base -- */

static void store_table(struct cpu *cpu, const struct insn *insn, const struct table_register *table)
{
	unsigned size = cpu_code64(cpu) ? 8 : 4;
	struct address address;
	uint8_t bytes[10];

	require_no_umip(cpu);
	address = ea(cpu, insn, 2 + size, true);
	store_host(bytes, table->limit, 2);
	store_host(bytes + 2, table->base, 8);
	store_bytes(cpu, insn, address, bytes, 2 + size, 0);
}

static void do_load_table(struct cpu *cpu, const struct insn *insn, struct table_register *table)
{
	unsigned size = cpu_code64(cpu) ? 8 : 4;
	struct address address;
	uint8_t bytes[10] = {0};
	uint64_t base;

	require_cpl0(cpu);
	address = ea(cpu, insn, 2 + size, false);
	load_bytes(cpu, insn, address, bytes, 2 + size);
	base = load_host(bytes + 2, 8);
	/* With 16-bit operands the base has 24 bits, for the 80286's sake. */
	if (size == 4 && insn_operand_size(insn) == 2)
		base &= 0xffffff;
	load_table(cpu, table, base, load_host(bytes, 2));
}

static void do_sgdt(struct cpu *cpu, const struct insn *insn)
{
	store_table(cpu, insn, &cpu->gdtr);
}

static void do_sidt(struct cpu *cpu, const struct insn *insn)
{
	store_table(cpu, insn, &cpu->idtr);
}

static void do_lgdt(struct cpu *cpu, const struct insn *insn)
{
	do_load_table(cpu, insn, &cpu->gdtr);
}

static void do_lidt(struct cpu *cpu, const struct insn *insn)
{
	do_load_table(cpu, insn, &cpu->idtr);
}

/* -- LDTR and TR -- */

static void do_sldt(struct cpu *cpu, const struct insn *insn, bool memory)
{
	require_protected(cpu);
	require_no_umip(cpu);
	destination16(cpu, insn, memory, cpu->seg[SEG_LDTR].selector);
}

static void do_str(struct cpu *cpu, const struct insn *insn, bool memory)
{
	require_protected(cpu);
	require_no_umip(cpu);
	destination16(cpu, insn, memory, cpu->seg[SEG_TR].selector);
}

static void do_lldt(struct cpu *cpu, const struct insn *insn, bool memory)
{
	require_protected(cpu);
	require_cpl0(cpu);
	load_ldtr(cpu, source16(cpu, insn, insn->op1, memory));
}

static void do_ltr(struct cpu *cpu, const struct insn *insn, bool memory)
{
	require_protected(cpu);
	require_cpl0(cpu);
	load_tr(cpu, source16(cpu, insn, insn->op1, memory));
}

/* -- looking at descriptors -- */

static void do_lar(struct cpu *cpu, const struct insn *insn, bool memory)
{
	uint32_t rights;
	bool found;

	require_protected(cpu);
	found = access_rights(cpu, source16(cpu, insn, insn->op2, memory), &rights);
	set_zf(cpu, found);
	if (found)
		reg_set(cpu, insn->op1, insn_operand_size(insn), (struct value){rights, 0});
}

static void do_lsl(struct cpu *cpu, const struct insn *insn, bool memory)
{
	uint32_t limit;
	bool found;

	require_protected(cpu);
	found = segment_limit(cpu, source16(cpu, insn, insn->op2, memory), &limit);
	set_zf(cpu, found);
	if (found)
		reg_set(cpu, insn->op1, insn_operand_size(insn), (struct value){limit, 0});
}

static void do_verr(struct cpu *cpu, const struct insn *insn, bool memory)
{
	require_protected(cpu);
	set_zf(cpu, verify_segment(cpu, source16(cpu, insn, insn->op1, memory), false));
}

static void do_verw(struct cpu *cpu, const struct insn *insn, bool memory)
{
	require_protected(cpu);
	set_zf(cpu, verify_segment(cpu, source16(cpu, insn, insn->op1, memory), true));
}

/* Raises the destination selector's RPL to the source's. */
static void do_arpl(struct cpu *cpu, const struct insn *insn, bool memory)
{
	struct value source = reg_get(cpu, insn->op2, 2), value;
	struct address address = {0, 0};
	bool raise;

	require_protected(cpu);
	if (memory)
		address = ea(cpu, insn, 2, false);
	value = memory ? load(cpu, insn, address, 2) : reg_get(cpu, insn->op1, 2);
	raise = (value.v & SELECTOR_RPL) < (source.v & SELECTOR_RPL);
	if (raise) {
		value.v = (value.v & ~(uint64_t)SELECTOR_RPL) | (source.v & SELECTOR_RPL);
		value.tag |= source.tag;
		if (memory) /* only then is it written: what is read-only does not fault otherwise */
			store(cpu, insn, ea(cpu, insn, 2, true), 2, value);
		else
			reg_set(cpu, insn->op1, 2, value);
	}
	set_zf(cpu, raise);
}

/* -- translations and caches -- */

static void do_invlpg(struct cpu *cpu, const struct insn *insn)
{
	uint64_t linear;

	require_cpl0(cpu);
	linear = (ea_offset(cpu, insn).v & address_mask(insn)) + load_host(cpu_field(cpu, insn->segment), 8);
	linear &= cpu->ea_mask;
	if (linear_canonical(cpu, linear) && !client_takes_write(cpu, PRIVILEGED_INVALIDATE, 0, linear))
		cpu_flush_page(cpu, linear);
}

static void do_invpcid(struct cpu *cpu, const struct insn *insn)
{
	uint64_t descriptor[2];

	if (!(cpu->features & CPU_FEATURE_INVPCID))
		cpu_raise(cpu, VECTOR_UD);
	require_cpl0(cpu);
	load_bytes(cpu, insn, ea(cpu, insn, 16, false), descriptor, 16);
	invalidate_pcid(cpu, control_source(cpu, insn->op1), descriptor);
}

/* INVD, WBINVD: there is no cache. */
static void do_invd(struct cpu *cpu, const struct insn *insn)
{
	(void)insn;
	require_cpl0(cpu);
}

/* -- MSRs, counters, identification -- */

static void do_rdmsr(struct cpu *cpu, const struct insn *insn)
{
	(void)insn;
	require_cpl0(cpu);
	write_pair(cpu, msr_read(cpu, cpu->gpr[RCX]));
}

static void do_wrmsr(struct cpu *cpu, const struct insn *insn)
{
	(void)insn;
	require_cpl0(cpu);
	msr_write(cpu, cpu->gpr[RCX], read_pair(cpu));
}

static void do_rdtsc(struct cpu *cpu, const struct insn *insn)
{
	(void)insn;
	write_pair(cpu, read_time_stamp(cpu));
}

static void do_rdtscp(struct cpu *cpu, const struct insn *insn)
{
	(void)insn;
	if (!(cpu->features & CPU_FEATURE_RDTSCP))
		cpu_raise(cpu, VECTOR_UD);
	write_pair(cpu, read_time_stamp(cpu));
	reg_set(cpu, CPU_OFFSET(gpr[RCX]), 4, (struct value){cpu->tsc_aux, 0});
}

/* There are no performance counters: any index is a wrong one. */
static void do_rdpmc(struct cpu *cpu, const struct insn *insn)
{
	(void)insn;
	cpu_raise_code(cpu, VECTOR_GP, 0);
}

/* Both are always ready, which CF = 1 says. */
static void do_rdrand(struct cpu *cpu, const struct insn *insn)
{
	if (!(cpu->features & CPU_FEATURE_RANDOM))
		cpu_raise(cpu, VECTOR_UD);
	reg_set(cpu, insn->op1, insn_operand_size(insn), (struct value){random_number(cpu), 0});
	cpu_set_eflags(cpu, FLAG_CF, FLAGS_ARITHMETIC);
}

static void do_cpuid(struct cpu *cpu, const struct insn *insn)
{
	struct cpuid answer = cpuid_query(cpu, cpu->gpr[RAX], cpu->gpr[RCX]);

	(void)insn;
	reg_set(cpu, CPU_OFFSET(gpr[RAX]), 4, (struct value){answer.eax, 0});
	reg_set(cpu, CPU_OFFSET(gpr[RBX]), 4, (struct value){answer.ebx, 0});
	reg_set(cpu, CPU_OFFSET(gpr[RCX]), 4, (struct value){answer.ecx, 0});
	reg_set(cpu, CPU_OFFSET(gpr[RDX]), 4, (struct value){answer.edx, 0});
}

/* -- bases of FS and GS -- */

static void do_swapgs(struct cpu *cpu, const struct insn *insn)
{
	(void)insn;
	swap_gs(cpu);
}

static void require_fsgsbase(struct cpu *cpu)
{
	if (!(cpu->cr4 & CR4_FSGSBASE))
		cpu_raise(cpu, VECTOR_UD);
}

static void read_base(struct cpu *cpu, const struct insn *insn, enum segment_index index)
{
	require_fsgsbase(cpu);
	reg_set(cpu, insn->op1, insn_operand_size(insn) == 8 ? 8 : 4, (struct value){read_segment_base(cpu, index), 0});
}

static void write_base(struct cpu *cpu, const struct insn *insn, enum segment_index index)
{
	uint64_t base = insn_operand_size(insn) == 8 ? reg_get(cpu, insn->op1, 8).v : reg_get(cpu, insn->op1, 4).v;

	require_fsgsbase(cpu);
	write_segment_base(cpu, index, base);
}

static void do_rdfsbase(struct cpu *cpu, const struct insn *insn)
{
	read_base(cpu, insn, SEG_FS);
}

static void do_rdgsbase(struct cpu *cpu, const struct insn *insn)
{
	read_base(cpu, insn, SEG_GS);
}

static void do_wrfsbase(struct cpu *cpu, const struct insn *insn)
{
	write_base(cpu, insn, SEG_FS);
}

static void do_wrgsbase(struct cpu *cpu, const struct insn *insn)
{
	write_base(cpu, insn, SEG_GS);
}

/* -- flags of privilege -- */

/* CLAC and STAC: #UD unless CPL 0, not #GP. */
static void write_ac(struct cpu *cpu, uint32_t value)
{
	if (!(cpu->features & CPU_FEATURE_SMAP) || cpu->cpl)
		cpu_raise(cpu, VECTOR_UD);
	cpu_set_eflags(cpu, value, FLAG_AC);
}

static void do_clac(struct cpu *cpu, const struct insn *insn)
{
	(void)insn;
	write_ac(cpu, 0);
}

static void do_stac(struct cpu *cpu, const struct insn *insn)
{
	(void)insn;
	write_ac(cpu, FLAG_AC);
}

static void do_cli(struct cpu *cpu, const struct insn *insn)
{
	(void)insn;
	clear_interrupt_flag(cpu);
}

static void do_sti(struct cpu *cpu, const struct insn *insn)
{
	(void)insn;
	set_interrupt_flag(cpu);
}

static void do_hlt(struct cpu *cpu, const struct insn *insn)
{
	(void)insn;
	halt(cpu);
}

/* -- the table -- */

SIMPLE(mov_from_cr, do_mov_from_cr)
SIMPLE(mov_to_cr, do_mov_to_cr)
SIMPLE(mov_from_dr, do_mov_from_dr)
SIMPLE(mov_to_dr, do_mov_to_dr)
SIMPLE(clts, do_clts)
BOTH_FORMS(smsw)
BOTH_FORMS(lmsw)
SIMPLE(undefined, do_undefined)
SIMPLE(sgdt, do_sgdt)
SIMPLE(sidt, do_sidt)
SIMPLE(lgdt, do_lgdt)
SIMPLE(lidt, do_lidt)
BOTH_FORMS(sldt)
BOTH_FORMS(str)
BOTH_FORMS(lldt)
BOTH_FORMS(ltr)
BOTH_FORMS(lar)
BOTH_FORMS(lsl)
BOTH_FORMS(verr)
BOTH_FORMS(verw)
BOTH_FORMS(arpl)
SIMPLE(invlpg, do_invlpg)
SIMPLE(invpcid, do_invpcid)
SIMPLE(invd, do_invd)
SIMPLE(rdmsr, do_rdmsr)
SIMPLE(wrmsr, do_wrmsr)
SIMPLE(rdtsc, do_rdtsc)
SIMPLE(rdtscp, do_rdtscp)
SIMPLE(rdpmc, do_rdpmc)
SIMPLE(rdrand, do_rdrand)
SIMPLE(cpuid_op, do_cpuid)
SIMPLE(swapgs, do_swapgs)
SIMPLE(rdfsbase, do_rdfsbase)
SIMPLE(rdgsbase, do_rdgsbase)
SIMPLE(wrfsbase, do_wrfsbase)
SIMPLE(wrgsbase, do_wrgsbase)
SIMPLE(clac, do_clac)
SIMPLE(stac, do_stac)
SIMPLE(cli, do_cli)
SIMPLE(sti, do_sti)
SIMPLE(hlt, do_hlt)

const struct op_impl ENGINE(system_impls)[] = {
	{OP_MOV_FROM_CR, FORM_ANY, 0, 0, mov_from_cr},
	{OP_MOV_TO_CR, FORM_ANY, 0, 0, mov_to_cr},
	{OP_MOV_FROM_DR, FORM_ANY, 0, 0, mov_from_dr},
	{OP_MOV_TO_DR, FORM_ANY, 0, 0, mov_to_dr},
	{OP_CLTS, FORM_ANY, 0, 0, clts},
	{OP_SMSW, FORM_R, 0, 0, smsw_r},
	{OP_SMSW, FORM_M, 0, 0, smsw_m},
	{OP_LMSW, FORM_R, 0, 0, lmsw_r},
	{OP_LMSW, FORM_M, 0, 0, lmsw_m},
	{OP_XGETBV, FORM_ANY, 0, 0, undefined},
	{OP_XSETBV, FORM_ANY, 0, 0, undefined},
	{OP_MONITOR, FORM_ANY, 0, 0, undefined}, /* not offered */
	{OP_MWAIT, FORM_ANY, 0, 0, undefined},
	{OP_SGDT, FORM_ANY, 0, 0, sgdt},
	{OP_SIDT, FORM_ANY, 0, 0, sidt},
	{OP_LGDT, FORM_ANY, 0, 0, lgdt},
	{OP_LIDT, FORM_ANY, 0, 0, lidt},
	{OP_SLDT, FORM_R, 0, 0, sldt_r},
	{OP_SLDT, FORM_M, 0, 0, sldt_m},
	{OP_STR, FORM_R, 0, 0, str_r},
	{OP_STR, FORM_M, 0, 0, str_m},
	{OP_LLDT, FORM_R, 0, 0, lldt_r},
	{OP_LLDT, FORM_M, 0, 0, lldt_m},
	{OP_LTR, FORM_R, 0, 0, ltr_r},
	{OP_LTR, FORM_M, 0, 0, ltr_m},
	{OP_LAR, FORM_RR, 0, 0, lar_r},
	{OP_LAR, FORM_RM, 0, 0, lar_m},
	{OP_LSL, FORM_RR, 0, 0, lsl_r},
	{OP_LSL, FORM_RM, 0, 0, lsl_m},
	{OP_VERR, FORM_R, 0, 0, verr_r},
	{OP_VERR, FORM_M, 0, 0, verr_m},
	{OP_VERW, FORM_R, 0, 0, verw_r},
	{OP_VERW, FORM_M, 0, 0, verw_m},
	{OP_ARPL, FORM_RR, 0, 0, arpl_r},
	{OP_ARPL, FORM_MR, 0, 0, arpl_m},
	{OP_INVLPG, FORM_ANY, 0, 0, invlpg},
	{OP_INVPCID, FORM_ANY, 0, 0, invpcid},
	{OP_INVD, FORM_ANY, 0, 0, invd},
	{OP_WBINVD, FORM_ANY, 0, 0, invd},
	{OP_RDMSR, FORM_ANY, 0, 0, rdmsr},
	{OP_WRMSR, FORM_ANY, 0, 0, wrmsr},
	{OP_RDTSC, FORM_ANY, 0, 0, rdtsc},
	{OP_RDTSCP, FORM_ANY, 0, 0, rdtscp},
	{OP_RDPMC, FORM_ANY, 0, 0, rdpmc},
	{OP_RDRAND, FORM_ANY, 0, 0, rdrand},
	{OP_RDSEED, FORM_ANY, 0, 0, rdrand},
	{OP_CPUID, FORM_ANY, 0, 0, cpuid_op},
	{OP_SWAPGS, FORM_ANY, 0, 0, swapgs},
	{OP_RDFSBASE, FORM_ANY, 0, 0, rdfsbase},
	{OP_RDGSBASE, FORM_ANY, 0, 0, rdgsbase},
	{OP_WRFSBASE, FORM_ANY, 0, 0, wrfsbase},
	{OP_WRGSBASE, FORM_ANY, 0, 0, wrgsbase},
	{OP_CLAC, FORM_ANY, 0, 0, clac},
	{OP_STAC, FORM_ANY, 0, 0, stac},
	{OP_CLI, FORM_ANY, 0, 0, cli},
	{OP_STI, FORM_ANY, 0, 0, sti},
	{OP_HLT, FORM_ANY, 0, 0, hlt},
	{0},
};
