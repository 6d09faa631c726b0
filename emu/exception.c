/*
 * Raising guest exceptions and leaving instructions half-way: the one place that unwinds. And what becomes of an exception that is raised
 * while another is being delivered: served one after the other, double fault or shutdown (SDM vol. 3A 6.15, tables 6-4 and 6-5).
 * The delivery itself is in emu/interrupt.c.
 */
#include "emu/exception.h"

void cpu_raise(struct cpu *cpu, enum vector vector)
{
	cpu->exception = (struct exception){.vector = vector};
	longjmp(*cpu->unwind, UNWIND_EXCEPTION);
}

void cpu_raise_code(struct cpu *cpu, enum vector vector, uint32_t error_code)
{
	cpu->exception = (struct exception){.vector = vector, .has_error_code = true, .error_code = error_code};
	longjmp(*cpu->unwind, UNWIND_EXCEPTION);
}

void cpu_raise_page_fault(struct cpu *cpu, uint64_t linear, uint32_t error_code)
{
	cpu->cr2 = linear;
	cpu_raise_code(cpu, VECTOR_PF, error_code);
}

void cpu_restart_single(struct cpu *cpu)
{
	longjmp(*cpu->unwind, UNWIND_SINGLE);
}

void cpu_abandon(struct cpu *cpu, enum cpu_exit why)
{
	cpu->exit = why;
	longjmp(*cpu->unwind, UNWIND_EXIT);
}

/* -- double faults -- */

enum exception_class { BENIGN, CONTRIBUTORY, PAGE_FAULT, DOUBLE_FAULT };

static enum exception_class class_of(uint8_t vector)
{
	static const uint8_t classes[32] = {
		[VECTOR_DE] = CONTRIBUTORY, [VECTOR_DF] = DOUBLE_FAULT, [VECTOR_TS] = CONTRIBUTORY, [VECTOR_NP] = CONTRIBUTORY,
		[VECTOR_SS] = CONTRIBUTORY, [VECTOR_GP] = CONTRIBUTORY, [VECTOR_PF] = PAGE_FAULT,
	};

	return vector < 32 ? classes[vector] : BENIGN;
}

enum outcome { SERIALLY, DOUBLE, SHUTDOWN };

/* [class being delivered][class raised meanwhile] */
static const uint8_t outcomes[4][4] = {
	[BENIGN] = {SERIALLY, SERIALLY, SERIALLY, SERIALLY},
	[CONTRIBUTORY] = {SERIALLY, DOUBLE, SERIALLY, SERIALLY},
	[PAGE_FAULT] = {SERIALLY, DOUBLE, DOUBLE, SERIALLY},
	[DOUBLE_FAULT] = {SERIALLY, SHUTDOWN, SHUTDOWN, SHUTDOWN},
};

bool cpu_deliver_exception(struct cpu *cpu)
{
	if (cpu->delivery_depth) {
		switch (outcomes[class_of(cpu->delivering)][class_of(cpu->exception.vector)]) {
		case SERIALLY:
			break;
		case DOUBLE:
			cpu->exception = (struct exception){.vector = VECTOR_DF, .has_error_code = true};
			break;
		default:
			cpu->delivery_depth = 0;
			return false;
		}
	}
	cpu->delivering = cpu->exception.vector;
	cpu->delivery_depth = 1;
	cpu_deliver(cpu, cpu->exception.vector, EVENT_FAULT_OR_TRAP, cpu->exception.has_error_code, cpu->exception.error_code);
	cpu->delivery_depth = 0;
	return true;
}
