/*
 * Guest exceptions: raising, and delivering exceptions and interrupts through the IVT or IDT (SDM vol. 3A chapter 6).
 *
 * cpu_raise*() never return: they unwind to the run loop, which delivers the exception. The current instruction must not have changed
 * architectural state before, or must have undone it; handlers commit last. cpu->current must be set, since it tells the faulting RIP
 * (handlers made with SIMPLE() set it).
 */
#ifndef XRAY86_EMU_EXCEPTION_H
#define XRAY86_EMU_EXCEPTION_H

#include "emu/cpu.h"

enum vector {
	VECTOR_DE = 0,
	VECTOR_DB = 1,
	VECTOR_NMI = 2,
	VECTOR_BP = 3,
	VECTOR_OF = 4,
	VECTOR_BR = 5,
	VECTOR_UD = 6,
	VECTOR_NM = 7,
	VECTOR_DF = 8,
	VECTOR_TS = 10,
	VECTOR_NP = 11,
	VECTOR_SS = 12,
	VECTOR_GP = 13,
	VECTOR_PF = 14,
	VECTOR_MF = 16,
	VECTOR_AC = 17,
	VECTOR_MC = 18,
	VECTOR_XM = 19,
};

/* What longjmp(cpu->unwind) brings to the run loop. */
enum unwind { UNWIND_EXCEPTION = 1, UNWIND_SINGLE, UNWIND_EXIT };

/* An exception without (with) an error code. */
_Noreturn void cpu_raise(struct cpu *cpu, enum vector vector);
_Noreturn void cpu_raise_code(struct cpu *cpu, enum vector vector, uint32_t error_code);
/* #PF: sets CR2. */
_Noreturn void cpu_raise_page_fault(struct cpu *cpu, uint64_t linear, uint32_t error_code);
/* Undoes the current instruction and runs it again, alone in a throw-away block. For one that touched MMIO or its own code. */
_Noreturn void cpu_restart_single(struct cpu *cpu);
/* Leaves cpu_run() with `why`, as if the current instruction had not begun. */
_Noreturn void cpu_abandon(struct cpu *cpu, enum cpu_exit why);

enum event_source {
	EVENT_FAULT_OR_TRAP, /* processor exceptions: IDT DPL not checked; may have error codes; contribute to double faults */
	EVENT_EXTERNAL,      /* INTR, NMI */
	EVENT_SOFTWARE,      /* INT n, INT3, INTO: IDT DPL checked */
	EVENT_INT1,          /* INT1: not checked, but not an exception either */
};

/*
 * Delivers one event: pushes the return state and enters the handler, by interrupt, trap or task gate, real-mode IVT, V86, or IA-32e with
 * IST. The RIP that it pushes is cpu->rip: the instruction's own for faults, the next one's for traps. Faults on the way are raised
 * (longjmp).
 */
void cpu_deliver(struct cpu *cpu, uint8_t vector, enum event_source source, bool has_error_code, uint32_t error_code);

/* Delivers an event; cpu->delivery describes it meanwhile. */
void cpu_deliver_event(struct cpu *cpu, struct delivery event);

/*
 * Delivers an exception that the instruction at cpu->rip raised. If delivering it raises another one, that one or #DF follows, as SDM
 * vol. 3A table 6-5 says. Returns false for shutdown (triple fault). Called by the run loop only.
 */
bool cpu_deliver_exception(struct cpu *cpu);

#endif
