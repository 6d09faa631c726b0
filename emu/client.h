/*
 * A client of the CPU (redirect/) runs guest kernel code on other data for a while. So it must come between the code and what the code
 * would do to the machine. This header, the banks of cpu_set_supervisor_banks() and marks are all that the CPU knows of it.
 *
 * Nothing here is on a hot path. Without a client, each place costs the test of a pointer, in an instruction that is rare and slow anyway.
 */
#ifndef XRAY86_EMU_CLIENT_H
#define XRAY86_EMU_CLIENT_H

#include "emu/cpu.h"

/* Effects of instructions beyond registers and memory. The comments say what index is; then what *value is. */
enum privileged {
	PRIVILEGED_CONTROL_WRITE, /* MOV CR, CLTS, LMSW: number of the register; the value written */
	PRIVILEGED_DEBUG_WRITE,   /* MOV DR: likewise */
	PRIVILEGED_MSR_READ,      /* number of the MSR; receives the value */
	PRIVILEGED_MSR_WRITE,     /* number of the MSR; the value written */
	PRIVILEGED_PORT_READ,     /* port | size in bytes << 16; receives the value */
	PRIVILEGED_PORT_WRITE,    /* likewise; the value written */
	PRIVILEGED_TABLE_LOAD,    /* LGDT, LIDT, LLDT, LTR: unused; the base (selector) loaded */
	PRIVILEGED_INVALIDATE,    /* INVLPG, INVPCID: unused; the linear address, all-ones for all */
	PRIVILEGED_TIME,          /* RDTSC, RDTSCP: unused; receives the count */
	PRIVILEGED_HALT,          /* HLT */
};

struct cpu_client {
	void *opaque;
	/* While this is set, INTR and NMI wait. */
	bool hold_interrupts;
	/*
	 * Called before cpu->exception, which the instruction at cpu->rip raised, is delivered. For #PF, cr2 is set. Returns true if the
	 * client has dealt with it: the CPU goes on at cpu->rip. Returns false to let the CPU deliver it. The CPU's state is exact. As in a
	 * mark's callback, the client may change it, and may run other guest code.
	 */
	bool (*exception)(void *opaque, struct cpu *cpu);
	/* Called after an IRET that stayed at privilege 0; cpu->rip is where it leads. May change the state, and nothing else. */
	void (*interrupt_return)(void *opaque, struct cpu *cpu);
	/*
	 * Called when the fetch TLB has no entry for code at `linear`, at privilege 0. Returns true if *ret_paddr is where the code is in
	 * the machine's memory, false to let the CPU's own page walk decide. May raise #PF. The answer holds until the TLBs are flushed.
	 * NULL: the client is never asked.
	 */
	bool (*fetch)(void *opaque, struct cpu *cpu, uint64_t linear, uint64_t *ret_paddr);
	/*
	 * Called before the current instruction takes effect. Its privilege and operands have been checked, but not whether such an MSR
	 * exists. Returns true if the client has done the instruction's work. May cpu_abandon().
	 */
	bool (*privileged)(void *opaque, struct cpu *cpu, enum privileged what, uint64_t index, uint64_t *value);
};

/* NULL: none. The client must outlive its use. */
void cpu_set_client(struct cpu *cpu, const struct cpu_client *client);

/* -- for the places that ask -- */

/* Asks the client about an effect; true if it has done it. */
bool client_takes(struct cpu *cpu, enum privileged what, uint64_t index, uint64_t *value);
/* The same for effects that read nothing. */
bool client_takes_write(struct cpu *cpu, enum privileged what, uint64_t index, uint64_t value);
/* Asks the client where the code at linear is; true if it knows. */
bool client_takes_fetch(struct cpu *cpu, uint64_t linear, uint64_t *ret_paddr);
/* Asks the client about cpu->exception; true if it has dealt with it. From the run loop. */
bool client_takes_exception(struct cpu *cpu);
/* Tells the client that an IRET at privilege 0 is done. */
void client_interrupt_return(struct cpu *cpu);

#endif
