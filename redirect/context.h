/*
 * Product context: the state of the CPU while the body of a flagged system call runs, and the ways into it and out of it.
 *
 *            enter()                      user page fault
 *   TRUSTED ---------> PRODUCT  ------------------------------> USER_FAULT (trusted state, the kernel's own #PF handler)
 *      ^                |  |  <------------------------------       |
 *      |  return, abort |  |      IRET of that very frame           | the handler schedules
 *      +----------------+  |                                        v
 *      +-------------------+------------------------------------ the call is rolled back, and begins anew at that IRET
 *
 * The body begins at its first instruction, with the system call's arguments in pt_regs, and ends at its own RET, which the stack pointer
 * tells. The *whole* CPU is saved at entry and restored at the end, except for the result. A call is a transaction of the overlay. In the
 * "context" way, the used part of the kernel stack is copied into the product's address space (the window of redirect/memory.h), and the
 * body runs there. In the "tags" way it stays where it is.
 *
 * Where the product has a kernel of its own, a call enters that kernel's body of the same name, with a copy of pt_regs where that kernel
 * looks for them, and comes back at an address of ours.
 *
 * Only one call is in product context at a time: interrupts are held, and if a page-fault handler lets another task run, the call is rolled
 * back first.
 */
#ifndef XRAY86_REDIRECT_CONTEXT_H
#define XRAY86_REDIRECT_CONTEXT_H

#include "emu/client.h"
#include "emu/engine.h"
#include "redirect/abi.h"
#include "redirect/memory.h"
#include "redirect/user_pages.h"
#include "redirect/work.h"
#include "util/cancel.h"

enum redirect_way { REDIRECT_CONTEXT, REDIRECT_TAGS };

enum context_phase { CONTEXT_TRUSTED, CONTEXT_PRODUCT, CONTEXT_USER_FAULT };

/* A call that will begin anew when its task comes back from the page fault in which it slept. */
struct context_restart {
	uint64_t rsp; /* after the IRET */
	struct cpu_state *entry;
};

struct context {
	/* -- filled in by the owner -- */
	struct cpu *cpu;
	struct product_memory *memory;
	enum redirect_way way;
	const struct abi *abi;
	uint64_t stack_size;   /* of a kernel stack (THREAD_SIZE), which is aligned to it */
	uint64_t percpu;       /* what is added to the addresses of the product CPU's per-CPU data */
	uint64_t segment_base; /* of GS (x86-64) or FS (i386): the same, but in kernels for one CPU */
	struct cancel cancel;

	/* -- where the product has a kernel of its own: filled in by the owner, too -- */
	struct context_other {
		bool present;
		uint64_t stack_size;  /* its THREAD_SIZE; CONTEXT_LARGEST_STACK until that is known */
		unsigned padding;     /* bytes between the stack's end and pt_regs (TOP_OF_KERNEL_STACK_PADDING) */
		uint64_t user_access; /* an instruction of the trusted kernel's that may access user memory, and that has a fixup */
	} other;

	/* -- "tags" only: data accesses by addresses that derive from the stack pointer -- */
	struct context_stack {
		struct tlb_client client; /* MUST BE FIRST */
		struct tlb bank;
		const struct context *context;
		uint8_t *shadow; /* of the running body's stack, stack_size bytes */
	} stack_data;

	/* -- its state -- */
	enum context_phase phase;
	struct tlb code_bank; /* where product context fetches its code */
	unsigned nested;      /* context_call()s that run, one within another */
	struct cpu_client client;
	uint64_t trusted_rsp;            /* at entry; in the "context" way the trusted stack below it is free */
	uint64_t return_rip, return_rsp; /* trusted: where the body returns to, and the stack pointer there */
	uint64_t back_rip, back_rsp;     /* the same for the code that runs in product context */
	uint64_t regs;                   /* trusted: pt_regs of the running call; where the product has a kernel of its own */
	bool refused;                    /* likewise: the trusted kernel has nothing at the user address of the last user fault */
	uint64_t fault_rsp;              /* the stack pointer after the IRET of the user page fault's frame */
	uint64_t stack;                  /* trusted: the lowest address of the task's kernel stack */
	uint64_t started;                /* instruction count at entry */
	struct work work;                /* set its `call` before context_enter() */
	struct cpu_state *entry;         /* the trusted CPU at the body's first instruction */
	const struct cpu_state *trusted; /* in product context: `entry`, or the trusted CPU at the outermost context_call() */
	struct cpu_state *suspended;     /* product context, while the trusted kernel handles a user page fault */
	unsigned tag_argument, tag_size; /* context_tag_argument(); size 0: none */
	struct user_pages user_pages;    /* pages that the running body has written */
	struct context_restart *restart;
	size_t restarts, restart_room;
	uint64_t unfinished; /* context_call()s in the product's world that did not come back */
};

enum { CONTEXT_LARGEST_STACK = 0x10000 /* bytes: larger than any kernel's */ };

/*
 * Enters product context. The CPU is at the body's first instruction. Returns false, with nothing changed, without memory. body: that of
 * the product's own kernel, which runs instead; 0: there is one kernel.
 */
bool context_enter(struct context *context, uint64_t body);
/* Whether the CPU is at the place that the running body returns to. */
bool context_at_return(const struct context *context);
/* Leaves product context at the body's return. The effects stay; the CPU goes on behind the call with `result`. */
void context_leave(struct context *context, uint64_t result);
/* Begins a slice: after so many iterations of REP string instructions the CPU leaves its run. Between runs. */
void context_begin_slice(struct context *context, int64_t iterations);
/* Whether the running call has done more iterations than it may. */
bool context_call_spent(const struct context *context);
/* How many iterations product context has done in all. */
uint64_t context_iterations(const struct context *context);
/* Takes everything back. The CPU is at the body's first instruction again, in the trusted world. */
void context_undo(struct context *context);
/* Gives the call up and takes its effects back. The CPU goes on behind the call with `result` (a negative errno). */
void context_abort(struct context *context, int64_t result);

/*
 * cpu->exception, in product context, is a page fault on a user address. Prepares the CPU for delivering it to the trusted kernel; the
 * caller lets the CPU deliver it then.
 */
bool context_begin_user_fault(struct context *context);
/* To be called after an IRET at privilege 0. If the IRET was that of the user page fault's frame, product context (or the call) goes on. */
void context_end_user_fault(struct context *context);
/* The trusted kernel schedules: rolls back a call that waits for its page fault, to begin anew. Returns false without memory. */
bool context_schedule(struct context *context);

/* Forgets where product context fetches its code. */
void context_forget_code(struct context *context);

/* The owner has filled in the first part; the rest is zero. */
struct error *context_init(struct context *context);
void context_deinit(struct context *context);

/*
 * Runs the kernel function at `function` to its RET, on the trusted or on the product's data. To be called between two instructions in
 * kernel mode, of the trusted machine (a mark's callback) or of product context. Everything else is left as it was. Arguments are passed in
 * registers, as the kernel passes its first ones (x86-64: 6, i386: 3), and on the stack.
 *
 * Returns false if `function` is 0 (there is none); if the function did not return, and then what it did to the product is taken back
 * (within product context: together with the call, if that is given up); or if the run is cancelled, outside of a body. (Setting up makes
 * hundreds of such calls.)
 */
enum world { WORLD_TRUSTED, WORLD_PRODUCT };
bool context_call(struct context *context, enum world world, uint64_t function, const uint64_t *argument, unsigned arguments,
		  uint64_t *ret_value);

/*
 * The address of `size` bytes of the trusted stack that are free for what a function is to be pointed to. They are good until the CPU runs
 * on. At most CONTEXT_SCRATCH - 16 bytes: functions that are called have their stack below.
 */
enum { CONTEXT_SCRATCH = 256 };
uint64_t context_scratch(const struct context *context, unsigned size);

/*
 * In product context: argument `number` of the next context_call() in that world points to `size` bytes of the stack that are free, and
 * that hold what the caller has put there.
 */
void context_tag_argument(struct context *context, unsigned number, unsigned size);

/* The address in product context that stands for an address of the trusted stack; with two kernels, of the running call's pt_regs. */
uint64_t context_to_product(const struct context *context, uint64_t address);
/* The size of the stack on which product context runs. */
uint64_t context_stack_size(const struct context *context);
/* Where that stack begins, as the product's kernel sees it. regs: trusted; pt_regs of the running call. */
uint64_t context_stack_start(const struct context *context, uint64_t regs);
/*
 * With two kernels: the last user fault was about an address where the trusted kernel has nothing, and this is the same fault again.
 */
bool context_is_refused(struct context *context);

#endif
