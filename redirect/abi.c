/*
 * The tables of the two ABIs: abi.h. The order of the registers in pt_regs is arch/x86/include/asm/ptrace.h's; which of them are arguments
 * of system calls, arch/x86/include/asm/syscall_wrapper.h's; functions of i386 are compiled with -mregparm=3.
 */
#include "redirect/abi.h"

#include <string.h>

static const struct abi x86_64 = {
	.word = 8,
	.mask = UINT64_MAX,
	.percpu = SEG_GS,
	.in_registers = 6,
	.argument = {RDI, RSI, RDX, RCX, R8, R9},
	.return_address = 0xffffffffffffff00,
	.back = 0xffffffffffffff80,
	.call = POLICY_X86_64,
	.regs_words = 21,
	.regs = {R15, R14, R13, R12, RBP,         RBX,    R11,    R10,       R9,     R8,    RAX,
		 RCX, RDX, RSI, RDI, ABI_ORIG_AX, ABI_IP, ABI_CS, ABI_FLAGS, ABI_SP, ABI_SS},
};

static const struct abi i386 = {
	.word = 4,
	.mask = UINT32_MAX,
	.percpu = SEG_FS,
	.in_registers = 3,
	.argument = {RAX, RDX, RCX},
	.return_address = 0xffffff00,
	.back = 0xffffff80,
	.call = POLICY_I386,
	.regs_words = 17,
	.regs = {RBX, RCX, RDX, RSI, RDI, RBP, RAX, ABI_OTHER, ABI_OTHER, ABI_OTHER, ABI_OTHER, ABI_ORIG_AX, ABI_IP, ABI_CS, ABI_FLAGS,
		 ABI_SP, ABI_SS},
};

/* Registers of a system call's arguments, by the ABI of the call. */
static const uint8_t call_argument[POLICY_ABIS][ABI_CALL_ARGUMENTS] = {
	[POLICY_X86_64] = {RDI, RSI, RDX, R10, R8, R9},
	[POLICY_I386] = {RBX, RCX, RDX, RSI, RDI, RBP},
};

const struct abi *abi_of(unsigned word)
{
	return word == 8 ? &x86_64 : &i386;
}

unsigned abi_call_word(enum policy_abi call)
{
	return call == POLICY_X86_64 ? 8 : 4;
}

/* -- pt_regs -- */

unsigned abi_regs_size(const struct abi *abi)
{
	return abi->regs_words * abi->word;
}

unsigned abi_regs_offset(const struct abi *abi, unsigned which)
{
	unsigned n = 0;

	while (abi->regs[n] != which)
		n++;
	return n * abi->word;
}

unsigned abi_call_argument_offset(const struct abi *abi, enum policy_abi call, unsigned n)
{
	return abi_regs_offset(abi, call_argument[call][n]);
}

/* Segment registers other than CS and SS, and orig_ax, say nothing here. */
static uint64_t get_register(const struct cpu *cpu, unsigned which)
{
	switch (which) {
	case ABI_IP:
		return cpu->rip;
	case ABI_CS:
		return cpu->seg[SEG_CS].selector;
	case ABI_FLAGS:
		return cpu_get_eflags(cpu);
	case ABI_SP:
		return cpu->gpr[RSP];
	case ABI_SS:
		return cpu->seg[SEG_SS].selector;
	case ABI_ORIG_AX:
	case ABI_OTHER:
		return UINT64_MAX;
	default:
		return cpu->gpr[which];
	}
}

void abi_regs_get(const struct abi *abi, const struct cpu *cpu, uint8_t *to)
{
	for (unsigned i = 0; i < abi->regs_words; i++) {
		uint64_t value = get_register(cpu, abi->regs[i]);

		memcpy(to + i * abi->word, &value, abi->word);
	}
}

void abi_regs_set(const struct abi *abi, struct cpu *cpu, const uint8_t *from)
{
	for (unsigned i = 0; i < abi->regs_words; i++) {
		uint64_t value = 0;

		memcpy(&value, from + i * abi->word, abi->word);
		if (abi->regs[i] == ABI_IP)
			cpu->rip = value;
		else if (abi->regs[i] <= R15)
			cpu->gpr[abi->regs[i]] = value;
	}
}

/* -- arguments of functions -- */

void abi_add(struct abi_arguments *arguments, uint64_t word)
{
	arguments->word[arguments->count++] = word;
}

/* -mregparm=3: two words, the low one first. They are in two registers or on the stack, and then the last register is left empty. */
void abi_add_64(struct abi_arguments *arguments, uint64_t value)
{
	bool two = arguments->abi->word == 4;

	if (two && arguments->count + 1 == arguments->abi->in_registers)
		abi_add(arguments, 0);
	abi_add(arguments, abi_value(arguments->abi, value));
	if (two)
		abi_add(arguments, value >> 32);
}
