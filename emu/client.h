/*
 * A client of the CPU: somebody (redirect/) who for a while runs guest kernel code on other data, and so must come between the code and
 * what it would do to the machine. Together with the banks of cpu_set_supervisor_banks() and marks this is all that the CPU knows of it.
 *
 * Nothing here is on a hot path: without a client each place costs a test of a pointer in an instruction that is rare and slow anyway.
 */
#ifndef XRAY86_EMU_CLIENT_H
#define XRAY86_EMU_CLIENT_H

#include "emu/cpu.h"

/* Effects of instructions beyond registers and memory. index and *value are what the comments say. */
enum privileged {
	PRIVILEGED_CONTROL_WRITE, /* MOV CR, CLTS, LMSW: number of the register; the value written */
	PRIVILEGED_DEBUG_WRITE,   /* MOV DR: likewise */
	PRIVILEGED_MSR_READ,      /* number of the MSR; receives the value */
	PRIVILEGED_MSR_WRITE,     /* number of the MSR; the value written */
	PRIVILEGED_PORT_READ,     /* port | size in bytes << 16; receives the value */
	PRIVILEGED_PORT_WRITE,    /* likewise; the value written */
	PRIVILEGED_TABLE_LOAD,    /* LGDT, LIDT, LLDT, LTR: nothing; base (selector) loaded */
	PRIVILEGED_INVALIDATE,    /* INVLPG, INVPCID: nothing; the linear address, all-ones for all */
	PRIVILEGED_TIME,          /* RDTSC, RDTSCP: nothing; receives the count */
	PRIVILEGED_HALT,          /* HLT */
};

struct cpu_client {
	void *opaque;
	/* INTR and NMI wait as long as it is set. */
	bool hold_interrupts;
	/*
	 * cpu->exception, of the instruction at cpu->rip, is about to be delivered; for #PF cr2 is set. True: it has been dealt with, go on
	 * at cpu->rip. False: deliver it. The CPU's state is exact and free to be changed, and other guest code may be run, as in a mark's
	 * callback.
	 */
	bool (*exception)(void *opaque, struct cpu *cpu);
	/* An IRET that stayed at privilege 0 is done; cpu->rip is where it leads. Only the state may be changed. */
	void (*interrupt_return)(void *opaque, struct cpu *cpu);
	/*
	 * The fetch TLB has no entry for code at linear, at privilege 0. True: *ret_paddr is where it is, in the machine's memory; false:
	 * as the page tables say. May raise #PF. The answer is remembered until the TLBs are flushed. NULL: never asked.
	 */
	bool (*fetch)(void *opaque, struct cpu *cpu, uint64_t linear, uint64_t *ret_paddr);
	/* The current instruction, its privilege and operands checked (but not whether there is such an MSR), is about to take effect.
	 * True: the client has done what there was to do. May cpu_abandon(). */
	bool (*privileged)(void *opaque, struct cpu *cpu, enum privileged what, uint64_t index, uint64_t *value);
};

/* NULL: none. The client must outlive its use. */
void cpu_set_client(struct cpu *cpu, const struct cpu_client *client);

/* -- for the places that ask -- */

/* Whether the client takes an effect over. */
bool client_takes(struct cpu *cpu, enum privileged what, uint64_t index, uint64_t *value);
/* For effects with nothing to read. */
bool client_takes_write(struct cpu *cpu, enum privileged what, uint64_t index, uint64_t value);
/* Whether it says where the code at linear is. */
bool client_takes_fetch(struct cpu *cpu, uint64_t linear, uint64_t *ret_paddr);
/* Whether it deals with cpu->exception. From the run loop. */
bool client_takes_exception(struct cpu *cpu);
/* An IRET from privilege 0 is done. */
void client_interrupt_return(struct cpu *cpu);

#endif
