/*
 * Segment register instructions, far transfers, interrupts and system calls: operands of what emu/{segment,far,iret,interrupt,syscall}.c do
 * (SDM vol. 1 7.3.8, 7.3.15, 7.3.16).
 */
#include "emu/breakpoint.h"
#include "emu/client.h"
#include "emu/far.h"
#include "emu/interrupt.h"
#include "emu/isa/isa.h"
#include "emu/stack.h"
#include "emu/syscall.h"

/* Which segment register an operand is. */
static enum segment_index segment_operand(uint16_t offset)
{
	return (offset - CPU_OFFSET(seg)) / sizeof(struct segment);
}

/* After MOV SS and POP SS the next instruction runs before interrupts and debug traps are looked at (SDM vol. 3A 6.8.3). */
static void load_sreg(struct cpu *cpu, enum segment_index index, uint16_t selector)
{
	segment_load(cpu, index, selector);
	if (index == SEG_SS)
		cpu->interrupt_shadow = cpu->debug_shadow = true;
}

/* -- MOV, PUSH, POP -- */

static void do_mov_from_sreg_r(struct cpu *cpu, const struct insn *insn)
{
	reg_set(cpu, insn->op1, insn_operand_size(insn), (struct value){cpu->seg[segment_operand(insn->op2)].selector, 0});
}

static void do_mov_from_sreg_m(struct cpu *cpu, const struct insn *insn)
{
	struct value value = {cpu->seg[segment_operand(insn->op2)].selector, 0};

	store(cpu, insn, ea(cpu, insn, 2, true), 2, value);
}

static void do_mov_to_sreg_r(struct cpu *cpu, const struct insn *insn)
{
	load_sreg(cpu, segment_operand(insn->op1), reg_get(cpu, insn->op2, 2).v);
}

static void do_mov_to_sreg_m(struct cpu *cpu, const struct insn *insn)
{
	load_sreg(cpu, segment_operand(insn->op1), load(cpu, insn, ea(cpu, insn, 2, false), 2).v);
}

static void do_push_sreg(struct cpu *cpu, const struct insn *insn)
{
	struct value value = {cpu->seg[segment_operand(insn->op1)].selector, 0};

	switch (insn_operand_size(insn)) {
	case 2:
		push_value(cpu, insn, false, 2, value);
		break;
	case 4:
		push_value(cpu, insn, false, 4, value);
		break;
	default:
		push_value(cpu, insn, false, 8, value);
		break;
	}
}

static void do_pop_sreg(struct cpu *cpu, const struct insn *insn)
{
	enum segment_index index = segment_operand(insn->op1);
	unsigned size = insn_operand_size(insn);
	struct value value;
	struct segment segment;

	switch (size) {
	case 2:
		peek_value(cpu, insn, false, 2, &value);
		break;
	case 4:
		peek_value(cpu, insn, false, 4, &value);
		break;
	default:
		peek_value(cpu, insn, false, 8, &value);
		break;
	}
	segment = segment_prepare(cpu, index, value.v);
	/* The pointer moves in the old stack's width, even where POP SS changes it. */
	drop_value(cpu, false, size);
	cpu->seg[index] = segment;
	if (index == SEG_SS)
		cpu->interrupt_shadow = cpu->debug_shadow = true;
	cpu_update_mode(cpu);
}

/* -- far pointers in memory: offset of the operand size, then the selector -- */

struct far_pointer {
	struct value offset;
	uint16_t selector;
};

static struct far_pointer load_far_pointer(struct cpu *cpu, const struct insn *insn)
{
	unsigned size = insn_operand_size(insn);
	struct address address = ea(cpu, insn, size + 2, false);
	struct address above = {(address.linear + size) & cpu->ea_mask, address.tag};
	struct far_pointer pointer;

	switch (size) {
	case 2:
		pointer.offset = load(cpu, insn, address, 2);
		break;
	case 4:
		pointer.offset = load(cpu, insn, address, 4);
		break;
	default:
		pointer.offset = load(cpu, insn, address, 8);
		break;
	}
	pointer.selector = load(cpu, insn, above, 2).v;
	return pointer;
}

static void load_pointer(struct cpu *cpu, const struct insn *insn, enum segment_index index)
{
	struct far_pointer pointer = load_far_pointer(cpu, insn);

	segment_load(cpu, index, pointer.selector);
	switch (insn_operand_size(insn)) {
	case 2:
		reg_set(cpu, insn->op1, 2, pointer.offset);
		break;
	case 4:
		reg_set(cpu, insn->op1, 4, pointer.offset);
		break;
	default:
		reg_set(cpu, insn->op1, 8, pointer.offset);
		break;
	}
}

#define LOAD_POINTER(name, index)                                       \
	static void name(struct cpu *cpu, const struct insn *insn)     \
	{                                                              \
		load_pointer(cpu, insn, index);                        \
	}
LOAD_POINTER(do_les, SEG_ES)
LOAD_POINTER(do_lds, SEG_DS)
LOAD_POINTER(do_lss, SEG_SS)
LOAD_POINTER(do_lfs, SEG_FS)
LOAD_POINTER(do_lgs, SEG_GS)

/* -- CALL, JMP, RET, IRET -- */

/* The return address, cut to the code size as rip is. */
static uint64_t return_address(const struct cpu *cpu, const struct insn *insn)
{
	return next_rip(cpu, insn) & cpu->ea_mask;
}

/* A far pointer in the instruction itself. */
static struct far_pointer immediate_pointer(const struct insn *insn)
{
	uint32_t offset = insn->imm64;

	return (struct far_pointer){{insn_operand_size(insn) == 2 ? offset & 0xffff : offset, 0}, insn->imm64 >> 32};
}

static void do_call_far(struct cpu *cpu, const struct insn *insn)
{
	struct far_pointer pointer = immediate_pointer(insn);

	far_call(cpu, pointer.selector, pointer.offset.v, insn_operand_size(insn), return_address(cpu, insn));
}

static void do_call_far_indirect(struct cpu *cpu, const struct insn *insn)
{
	struct far_pointer pointer = load_far_pointer(cpu, insn);

	far_call(cpu, pointer.selector, pointer.offset.v, insn_operand_size(insn), return_address(cpu, insn));
}

static void do_jmp_far(struct cpu *cpu, const struct insn *insn)
{
	struct far_pointer pointer = immediate_pointer(insn);

	far_jump(cpu, pointer.selector, pointer.offset.v, return_address(cpu, insn));
}

static void do_jmp_far_indirect(struct cpu *cpu, const struct insn *insn)
{
	struct far_pointer pointer = load_far_pointer(cpu, insn);

	far_jump(cpu, pointer.selector, pointer.offset.v, return_address(cpu, insn));
}

static void do_ret_far(struct cpu *cpu, const struct insn *insn)
{
	far_return(cpu, insn_operand_size(insn), 0);
}

static void do_ret_far_n(struct cpu *cpu, const struct insn *insn)
{
	far_return(cpu, insn_operand_size(insn), insn->imm & 0xffff);
}

static void do_iret(struct cpu *cpu, const struct insn *insn)
{
	bool from_kernel = cpu->cpl == 0;

	interrupt_return(cpu, insn_operand_size(insn), return_address(cpu, insn));
	if (from_kernel)
		client_interrupt_return(cpu);
}

/* -- INT -- */

static void do_int(struct cpu *cpu, const struct insn *insn)
{
	uint8_t vector = insn->imm;

	if ((cpu->cr0 & CR0_PE) && (cpu->eflags & FLAG_VM))
		cpu_interrupt_v86(cpu, vector, return_address(cpu, insn));
	else
		cpu_deliver_software(cpu, vector, EVENT_SOFTWARE, return_address(cpu, insn));
}

static void do_int3(struct cpu *cpu, const struct insn *insn)
{
	cpu_deliver_software(cpu, VECTOR_BP, EVENT_SOFTWARE, return_address(cpu, insn));
}

static void do_into(struct cpu *cpu, const struct insn *insn)
{
	if (flags_of(&cpu->flags))
		cpu_deliver_software(cpu, VECTOR_OF, EVENT_SOFTWARE, return_address(cpu, insn));
	else
		cpu->rip = return_address(cpu, insn);
}

/* A data breakpoint that MOV SS put off comes with it: both are the same exception. */
static void do_int1(struct cpu *cpu, const struct insn *insn)
{
	cpu_deliver_software(cpu, VECTOR_DB, EVENT_INT1, return_address(cpu, insn));
	if (cpu->pending_debug)
		cpu->dr[6] = (cpu->dr[6] & ~(uint64_t)DR6_B) | cpu->pending_debug;
	cpu->pending_debug = 0;
}

/* -- fast system calls -- */

static void do_syscall(struct cpu *cpu, const struct insn *insn)
{
	syscall_enter(cpu, return_address(cpu, insn));
}

static void do_sysret(struct cpu *cpu, const struct insn *insn)
{
	syscall_return(cpu, insn_operand_size(insn));
}

static void do_sysenter(struct cpu *cpu, const struct insn *insn)
{
	(void)insn;
	sysenter(cpu);
}

static void do_sysexit(struct cpu *cpu, const struct insn *insn)
{
	sysexit(cpu, insn_operand_size(insn));
}

/* -- the table -- */

SIMPLE(mov_from_sreg_r, do_mov_from_sreg_r)
SIMPLE(mov_from_sreg_m, do_mov_from_sreg_m)
SIMPLE(mov_to_sreg_r, do_mov_to_sreg_r)
SIMPLE(mov_to_sreg_m, do_mov_to_sreg_m)
SIMPLE(push_sreg, do_push_sreg)
SIMPLE(pop_sreg, do_pop_sreg)
SIMPLE(les, do_les)
SIMPLE(lds, do_lds)
SIMPLE(lss, do_lss)
SIMPLE(lfs, do_lfs)
SIMPLE(lgs, do_lgs)
TRANSFER(call_far, do_call_far)
TRANSFER(call_far_indirect, do_call_far_indirect)
TRANSFER(jmp_far, do_jmp_far)
TRANSFER(jmp_far_indirect, do_jmp_far_indirect)
TRANSFER(ret_far, do_ret_far)
TRANSFER(ret_far_n, do_ret_far_n)
TRANSFER(iret, do_iret)
TRANSFER(int_n, do_int)
TRANSFER(int3, do_int3)
TRANSFER(into, do_into)
TRANSFER(int1, do_int1)
TRANSFER(syscall_op, do_syscall)
TRANSFER(sysret, do_sysret)
TRANSFER(sysenter_op, do_sysenter)
TRANSFER(sysexit_op, do_sysexit)

const struct op_impl ENGINE(transfer_impls)[] = {
	{OP_MOV_FROM_SREG, FORM_RR, 0, 0, mov_from_sreg_r},
	{OP_MOV_FROM_SREG, FORM_MR, 0, 0, mov_from_sreg_m},
	{OP_MOV_TO_SREG, FORM_RR, 0, 0, mov_to_sreg_r},
	{OP_MOV_TO_SREG, FORM_RM, 0, 0, mov_to_sreg_m},
	{OP_PUSH_SREG, FORM_ANY, 0, 0, push_sreg},
	{OP_POP_SREG, FORM_ANY, 0, 0, pop_sreg},
	{OP_LES, FORM_ANY, 0, 0, les},
	{OP_LDS, FORM_ANY, 0, 0, lds},
	{OP_LSS, FORM_ANY, 0, 0, lss},
	{OP_LFS, FORM_ANY, 0, 0, lfs},
	{OP_LGS, FORM_ANY, 0, 0, lgs},
	{OP_CALL_FAR, FORM_ANY, 0, 0, call_far},
	{OP_CALL_FAR_INDIRECT, FORM_ANY, 0, 0, call_far_indirect},
	{OP_JMP_FAR, FORM_ANY, 0, 0, jmp_far},
	{OP_JMP_FAR_INDIRECT, FORM_ANY, 0, 0, jmp_far_indirect},
	{OP_RET_FAR, FORM_ANY, 0, 0, ret_far},
	{OP_RET_FAR_N, FORM_ANY, 0, 0, ret_far_n},
	{OP_IRET, FORM_ANY, 0, 0, iret},
	{OP_INT, FORM_ANY, 0, 0, int_n},
	{OP_INT3, FORM_ANY, 0, 0, int3},
	{OP_INTO, FORM_ANY, 0, 0, into},
	{OP_INT1, FORM_ANY, 0, 0, int1},
	{OP_SYSCALL, FORM_ANY, 0, 0, syscall_op},
	{OP_SYSRET, FORM_ANY, 0, 0, sysret},
	{OP_SYSENTER, FORM_ANY, 0, 0, sysenter_op},
	{OP_SYSEXIT, FORM_ANY, 0, 0, sysexit_op},
	{0},
};
