/*
 * Product context: the state the CPU is in while the body of a flagged system call runs, and the ways into it and out of it.
 *
 *            enter()                      user page fault
 *   TRUSTED ---------> PRODUCT  ------------------------------> USER_FAULT (trusted state, the kernel's own #PF handler)
 *      ^                |  |  <------------------------------       |
 *      |  return, abort |  |      IRET of that very frame           | the handler schedules
 *      +----------------+  |                                        v
 *      +-------------------+------------------------------------ the call is rolled back, and begins anew at that IRET
 *
 * The body is entered at its first instruction, with the system call's arguments in pt_regs, and left at its own RET, told by the stack
 * pointer. The *whole* CPU is saved at entry and restored at the end, all but the result; a call is a transaction of the overlay. In the
 * "context" way the used part of the kernel stack is copied into the product's address space (the window of redirect/memory.h) and
 * the body runs there; in the "tags" way it stays where it is.
 *
 * Only one call is in product context at a time: interrupts are held, and a call whose page-fault handler lets another task run is
 * rolled back first.
 */
#ifndef XRAY86_REDIRECT_CONTEXT_H
#define XRAY86_REDIRECT_CONTEXT_H

#include "emu/client.h"
#include "emu/engine.h"
#include "redirect/memory.h"
#include "redirect/user_pages.h"
#include "redirect/work.h"
#include "util/cancel.h"

enum redirect_way { REDIRECT_CONTEXT, REDIRECT_TAGS };

enum context_phase { CONTEXT_TRUSTED, CONTEXT_PRODUCT, CONTEXT_USER_FAULT };

/* A call that is to begin anew when its task comes back from the page fault that it slept in. */
struct context_restart {
	uint64_t rsp; /* after the IRET */
	struct cpu_state *entry;
};

struct context {
	/* -- what it is made of: filled in by the owner -- */
	struct cpu *cpu;
	struct product_memory *memory;
	enum redirect_way way;
	unsigned word;       /* bytes of a pointer: 4 or 8 */
	uint64_t stack_size; /* of a kernel stack (THREAD_SIZE), which is aligned to it */
	uint64_t percpu;     /* the product CPU's per-CPU base: of GS (x86-64) or FS (i386) */
	struct cancel cancel;

	/* -- "tags" only: data accesses by addresses that derive from the stack pointer -- */
	struct context_stack {
		struct tlb_client client; /* MUST BE FIRST */
		struct tlb bank;
		const struct context *context;
		uint8_t *shadow; /* of the running body's stack, stack_size bytes */
	} stack_data;

	/* -- its state -- */
	enum context_phase phase;
	bool fetched_outside; /* code was fetched from outside of the kernel's image since the last change of phase */
	unsigned nested;      /* kernel_call()s that run, one within another */
	struct cpu_client client;
	uint64_t trusted_rsp;            /* at entry: in the "context" way what is below it of the trusted stack is free */
	uint64_t return_rip, return_rsp; /* trusted: where the body returns to, and the stack pointer there */
	uint64_t fault_rsp;              /* what the stack pointer is after the IRET of the user page fault's frame */
	uint64_t stack;                  /* trusted: the lowest address of the task's kernel stack */
	uint64_t started;                /* instruction count at entry */
	struct work work;                /* its `call` is to be set before context_enter() */
	struct cpu_state *entry;         /* the trusted CPU at the body's first instruction */
	const struct cpu_state *trusted; /* in product context: that, or the trusted CPU at the outermost kernel_call() */
	struct cpu_state *suspended;     /* product context, while the trusted kernel handles a user page fault */
	struct user_pages user_pages;    /* that the running body has written */
	struct context_restart *restart;
	size_t restarts, restart_room;
	uint64_t unfinished; /* kernel_call()s in the product's world that did not come back */
};

/* Enters product context. The CPU stands at the body's first instruction. False: out of memory, nothing is changed. */
bool context_enter(struct context *context);
/* Whether the CPU stands where the running body returns to. */
bool context_at_return(const struct context *context);
/* Leaves at the body's return: its effects stay, *the CPU goes on behind the call with `result`. */
void context_leave(struct context *context, uint64_t result);
/* What of REP string instructions may be done until the CPU is left for it to be called again. Between runs. */
void context_begin_slice(struct context *context, int64_t iterations);
/* Whether the running call has done more of them than it may. */
bool context_call_spent(const struct context *context);
/* How many product context has done, in all. */
uint64_t context_iterations(const struct context *context);
/* Takes everything back: the CPU stands at the body's first instruction again, in the trusted world. */
void context_undo(struct context *context);
/* Gives the call up: its effects are taken back; the CPU goes on behind the call with `result` (a negative errno). */
void context_abort(struct context *context, int64_t result);

/*
 * The exception in cpu->exception, of product context, is a page fault on a user address: gets the CPU ready for delivering it to the
 * trusted kernel, which is then to be done.
 */
bool context_begin_user_fault(struct context *context);
/* An IRET at privilege 0: if it is that of the user page fault's frame product context (or the whole call) is taken up again. */
void context_end_user_fault(struct context *context);
/* The trusted kernel schedules: a call that waits for its page fault is rolled back, to begin anew. False: out of memory. */
bool context_schedule(struct context *context);

/* After the first part is filled in, zeroes elsewhere. */
struct error *context_init(struct context *context);
void context_deinit(struct context *context);

/*
 * Runs the kernel function at `function` to its RET on the trusted or on the product's data, from between two instructions in kernel mode
 * of the trusted machine (a mark's callback) or of product context, and leaves everything else as it was. Arguments are passed in
 * registers, as the kernel passes its first ones (x86-64: 6, i386: 3), and on the stack. False: it did not return, and what it did to the
 * product is taken back (from within product context: with the call, if that is given up); or there is no such function (0); or, outside of
 * a body, the run is cancelled: setting up makes hundreds of such calls.
 */
enum world { WORLD_TRUSTED, WORLD_PRODUCT };
bool kernel_call(struct context *context, enum world world, uint64_t function, const uint64_t *argument, unsigned arguments,
		 uint64_t *ret_value);

/* An address of the trusted stack as the one that stands for it in product context. */
uint64_t context_to_product(const struct context *context, uint64_t address);

#endif
