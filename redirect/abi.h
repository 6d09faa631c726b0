/*
 * How the kernels of the two architectures differ for code that calls their functions and reads their frames: registers, arguments,
 * pt_regs. Each kernel has one of the two tables (kernel.h), and such code asks the table.
 */
#ifndef XRAY86_REDIRECT_ABI_H
#define XRAY86_REDIRECT_ABI_H

#include "emu/cpu.h"
#include "redirect/policy.h"

enum {
	ABI_CALL_ARGUMENTS = 6 /* of a system call */,
	ABI_REGS_WORDS = 21 /* the most that pt_regs has */,
	ABI_REGS_SIZE = 8 * ABI_REGS_WORDS
};

/* What a word of pt_regs is: enum gpr, or one of these. */
enum abi_register { ABI_IP = R15 + 1, ABI_CS, ABI_FLAGS, ABI_SP, ABI_SS, ABI_ORIG_AX, ABI_OTHER };

struct abi {
	unsigned word;                /* bytes of a pointer: 4 or 8 */
	uint64_t mask;                /* of a pointer's bits in a register */
	enum segment_index percpu;    /* the segment register whose base is that of per-CPU data */
	unsigned in_registers;        /* how many arguments of a function are passed in registers; the others are on the stack */
	uint8_t argument[6];          /* the registers of these arguments: enum gpr */
	uint64_t return_address;      /* an address without code, for functions that are called from outside */
	uint64_t back;                /* likewise, in the same page, for bodies of another kernel */
	unsigned regs_words;          /* pt_regs: */
	uint8_t regs[ABI_REGS_WORDS]; /* its words, from the lowest address on: enum gpr or enum abi_register */
	enum policy_abi call;         /* of system calls of programs for this kernel; x86-64 has i386's calls, too */
};

/* word: 4 (i386) or 8 (x86-64) */
const struct abi *abi_of(unsigned word);

/* Bytes of a pointer in programs that make system calls of this ABI. */
unsigned abi_call_word(enum policy_abi call);

/* The bytes that pt_regs take; where in them a register is. */
unsigned abi_regs_size(const struct abi *abi);
unsigned abi_regs_offset(const struct abi *abi, unsigned which);
/* Where argument n of a system call is in pt_regs. The call has the kernel's own ABI, or i386's in a kernel of x86-64. */
unsigned abi_call_argument_offset(const struct abi *abi, enum policy_abi call, unsigned n);

/* Make pt_regs, of abi_regs_size() bytes, from the CPU; set the CPU's general registers and instruction pointer from pt_regs. */
void abi_regs_get(const struct abi *abi, const struct cpu *cpu, uint8_t *to);
void abi_regs_set(const struct abi *abi, struct cpu *cpu, const uint8_t *from);

/* An argument in a register. The CPU is at the function's first instruction. */
static inline uint64_t abi_argument(const struct abi *abi, const struct cpu *cpu, unsigned n)
{
	return cpu->gpr[abi->argument[n]];
}

/* A number as the kernel has it in a register: an address, or a negative result. */
static inline uint64_t abi_value(const struct abi *abi, int64_t value)
{
	return (uint64_t)value & abi->mask;
}

/* The reverse: a register's number with its sign. */
static inline int64_t abi_signed(const struct abi *abi, uint64_t value)
{
	return abi->word == 8 ? (int64_t)value : (int32_t)value;
}

/*
 * The arguments of a function, in words. On i386 a parameter of 64 bits is two.
 */
enum { ABI_ARGUMENTS = 12 /* words, at the most */ };
struct abi_arguments {
	const struct abi *abi;
	uint64_t word[ABI_ARGUMENTS];
	unsigned count;
};
void abi_add(struct abi_arguments *arguments, uint64_t word);
void abi_add_64(struct abi_arguments *arguments, uint64_t value);

#endif
