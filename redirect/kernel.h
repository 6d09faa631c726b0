/*
 * What is known of a kernel: its symbols, its ABI, the addresses of the functions that introspection calls, and offsets in its structures.
 * All addresses are this kernel's own. Nothing here is a constant of a kernel version: xray86 calls the kernel, or looks at its code.
 *
 * Introspection has two kernels (worlds.h): the trusted one, and the product's.
 */
#ifndef XRAY86_REDIRECT_KERNEL_H
#define XRAY86_REDIRECT_KERNEL_H

#include "emu/cpu.h"
#include "loader/symbols.h"
#include "redirect/abi.h"
#include "util/error.h"

/* functions.def */
enum kernel_function {
#define KERNEL_FUNCTION(name, ...) FUNCTION_##name,
#include "redirect/functions.def"
#undef KERNEL_FUNCTION
	KERNEL_FUNCTIONS
};

/* 0: not known. */
struct kernel_layout {
	uint64_t current;                                 /* of `current` in per-CPU data */
	bool one_cpu;                                     /* these are variables of the image: built for one CPU */
	unsigned stack, files, fs, nsproxy, audit, state; /* offsets of members of task_struct */
	unsigned status; /* x86-64 alone: likewise, of thread_info.status, by which a call is one of i386 */
	/* PREEMPT_RT alone: of a spin lock's owner, in a spinlock_t; of the count of readers, in an rwlock_t, if has_rt_readers */
	unsigned rt_owner, rt_readers;
	bool has_rt_readers;
};

struct product_memory;

struct kernel {
	const struct symbols *symbols; /* at the base that it has */
	const struct cpu *cpu;         /* outside of product context, this CPU finds its code, unless it is in `memory` */
	struct product_memory *memory; /* that has its code; NULL: the CPU finds it */
	const struct abi *abi;
	uint64_t function[KERNEL_FUNCTIONS]; /* 0: there is none */
	struct kernel_layout layout;
};

/* Finds the functions. The arguments must outlive the kernel. word: bytes of a pointer. memory: as above. */
void kernel_init(struct kernel *kernel, const struct symbols *symbols, const struct cpu *cpu, struct product_memory *memory, unsigned word);
/* An error names a function that the kernel lacks, and without which there is no introspection. */
struct error *kernel_check(const struct kernel *kernel);

/* The address of a function or variable; 0 if there is none of this name. */
uint64_t kernel_symbol(const struct kernel *kernel, const char *name);
/* Calls fn for each function, weak ones too, whose name begins with prefix, until it returns an error. */
struct error *kernel_for_each_function(const struct kernel *kernel, const char *prefix,
				       struct error *(*fn)(void *opaque, const struct symbol *), void *opaque);
/* "name+0x12" */
enum { KERNEL_SYMBOL_NEAR = KSYM_NAME_LEN + 20 };
const char *kernel_symbol_near(const struct kernel *kernel, uint64_t address, char to[KERNEL_SYMBOL_NEAR]);
/* Whether the address is in the image, as opposed to modules and code that was generated. */
bool kernel_in_image(const struct kernel *kernel, uint64_t address);
/* Reads its code, and returns how many bytes there are. */
size_t kernel_peek(const struct kernel *kernel, uint64_t address, void *to, size_t size);
/* Whether a pointer that a function returned is an errno (include/linux/err.h). */
bool kernel_is_error(const struct kernel *kernel, uint64_t value);

/* -- kernel_layout.c -- */

/* Finds where the kernel keeps `current`. The kernel must run. */
struct error *kernel_find_current(struct kernel *kernel);
/* Finds the members of task_struct, as far as the code of functions tells. worlds_find_stack() finds task_struct.stack. */
void kernel_find_members(struct kernel *kernel);

#endif
