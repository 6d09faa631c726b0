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

/* What an exception that is raised now has come upon. */
static enum exception_class class_in_delivery(const struct cpu *cpu)
{
	return cpu->delivery.source == EVENT_FAULT_OR_TRAP ? class_of(cpu->delivery.vector) : BENIGN;
}

void cpu_deliver_event(struct cpu *cpu, struct delivery event)
{
	cpu->delivery = event;
	cpu->delivery.active = true;
	cpu_deliver(cpu, event.vector, event.source, event.has_error_code, event.error_code);
	cpu->delivery.active = false;
}

bool cpu_deliver_exception(struct cpu *cpu)
{
	struct delivery event = {
		.source = EVENT_FAULT_OR_TRAP,
		.vector = cpu->exception.vector,
		.has_error_code = cpu->exception.has_error_code,
		.error_code = cpu->exception.error_code,
	};

	if (cpu->delivery.active) {
		switch (outcomes[class_in_delivery(cpu)][class_of(event.vector)]) {
		case SERIALLY:
			break;
		case DOUBLE:
			event = (struct delivery){.source = EVENT_FAULT_OR_TRAP, .vector = VECTOR_DF, .has_error_code = true};
			break;
		default:
			cpu->delivery.active = false;
			return false;
		}
	}
	cpu_deliver_event(cpu, event);
	return true;
}
