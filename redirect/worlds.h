/*
 * The two worlds: a machine whose CPU runs kernel code on the trusted kernel's data or, in product context (context.h), on the product's.
 * All else of introspection builds on this.
 *
 * Each world has its kernel. Whatever runs in product context, or looks at the product's memory, uses the product's kernel; calls of the
 * trusted kernel use the trusted one. Usually they are the same: the same build, at the same base. Where they are two, product context runs
 * the product's own code.
 */
#ifndef XRAY86_REDIRECT_WORLDS_H
#define XRAY86_REDIRECT_WORLDS_H

#include "emu/machine.h"
#include "redirect/context.h"
#include "redirect/kernel.h"

/* Limits of searches in what a snapshot says. */
enum {
	WORLDS_TASK_SEARCH = 0x4000, /* bytes of a task_struct that are searched for a member */
	WORLDS_MAX_FAILURES = 8,     /* of lookups of processes: each takes up to a fifth of a second */
};

struct worlds {
	struct machine *machine;
	struct cpu *cpu; /* the machine's */
	struct product_memory memory;
	struct context context;
	struct kernel trusted, another;
	struct kernel *product; /* `trusted`, or `another` */
	/*
	 * Filled in by the owner: called when a call on the product, made outside of bodies, did not come back. Returns whether it may now.
	 * NULL: it never does.
	 */
	bool (*again)(void *opaque);
	void *again_opaque;
};

struct worlds_config {
	struct machine *machine;
	const struct symbols *symbols;         /* of the trusted kernel */
	const struct symbols *product_symbols; /* of the product's; NULL: it is the same */
	unsigned word;
	enum redirect_way way;
	uint64_t percpu; /* the product CPU's per-CPU base; 0: its kernel is built for one CPU */
	struct cancel cancel;
	struct product_memory_config memory;
};

/* Whether the product's kernel is another one. */
static inline bool worlds_have_two_kernels(const struct worlds *worlds)
{
	return worlds->product != &worlds->trusted;
}

struct error *worlds_init(struct worlds *worlds, const struct worlds_config *config);
void worlds_deinit(struct worlds *worlds);

/* Calls a function of that world's kernel (context_call()). */
bool worlds_call(struct worlds *worlds, enum world world, enum kernel_function function, const uint64_t *argument, unsigned arguments,
		 uint64_t *ret_value);
/*
 * Marks a function of that world's kernel, if it has one of the name. The callback is called in every phase, and looks at the phase itself.
 */
struct error *worlds_mark(struct worlds *worlds, enum world world, const char *name, mark_fn *fn, void *opaque);
/* The same by its address. */
struct error *worlds_mark_at(struct worlds *worlds, enum world world, uint64_t address, mark_fn *fn, void *opaque);
bool worlds_is_marked(const struct worlds *worlds, enum world world, uint64_t address);
/* The CPU is at the first instruction of a function, in either world: makes the function return value. */
enum mark_action worlds_return(struct worlds *worlds, int64_t value);
/*
 * Reads the kernel stack that a body or function runs on in product context, from `address` up to the stack's end at most. Returns how many
 * bytes it has read.
 */
size_t worlds_read_stack(struct worlds *worlds, uint64_t address, void *to, size_t size);

/* `current` of the trusted machine; 0 if it is unknown. */
uint64_t worlds_current(const struct worlds *worlds);
/* Makes a task of the product `current` of the product's CPU. Returns false if the per-CPU area is not mapped. */
bool worlds_set_current(struct worlds *worlds, uint64_t task);
/* The product's init_task, which every kernel has: the first CPU's idle task. 0: it is unknown. Between calls. */
uint64_t worlds_init_task(struct worlds *worlds);
/* At a body's first instruction, by its pt_regs: finds where a task_struct has its stack, and how large that is. */
struct error *worlds_find_stack(struct worlds *worlds, uint64_t regs);

#endif
