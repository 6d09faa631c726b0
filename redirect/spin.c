/*
 * Loops that wait for a CPU of the product, which is frozen: for the writer of a seqcount (include/linux/seqlock.h: odd while it writes) or
 * the holder of a bit lock (include/linux/bit_spinlock.h: hlist_bl_lock() has it in bit 0 of a pointer). Those waits have no function to
 * stand in for. A body that goes in a circle with PAUSE in it, all registers the same and the stack, too, will do so for ever; then the
 * word that it looks at is made what it waits for, in the overlay. On PREEMPT_RT a reader of a seqcount takes and releases the writer's
 * lock each time round: the word is one that the loop itself looks at, not one of the functions that it calls.
 */
#include "redirect/spin.h"

#include <string.h>

#include "emu/decode.h"

/* Instructions of such a loop at most: without calls, and with those of a lock of PREEMPT_RT. */
enum { LONGEST = 48, LONGEST_RT = 512, STACK_TOP = 256 /* bytes of the stack that must be the same */, CODE_SIZE = 16 };

struct circle {
	struct step {
		uint64_t rip, rsp;
		uint64_t address; /* of its operand in memory; 0: it has none */
		unsigned size;
		bool pauses;
	} step[LONGEST_RT];
	unsigned length; /* 0: it is none */
};

/* What makes a loop go on or end, apart from what it waits for. */
struct state {
	uint64_t rip, gpr[16];
	uint8_t stack[STACK_TOP];
};

/* The linear address of the instruction's memory operand; false: it has none. */
static bool operand_address(const struct calls *calls, uint64_t rip, const struct decoded *insn, uint64_t *ret)
{
	const struct cpu *cpu = calls->worlds->cpu;
	uint64_t address = insn->displacement;

	if (!insn->has_modrm || insn->mod == 3)
		return false;
	if (insn->base == RIP_REGISTER)
		address += rip + insn->length;
	else if (insn->base < 16)
		address += cpu->gpr[insn->base];
	if (insn->index < 16)
		address += cpu->gpr[insn->index] * insn->scale;
	if (insn->segment == SEG_FS || insn->segment == SEG_GS)
		address += cpu->seg[insn->segment].base;
	*ret = abi_value(calls->worlds->context.abi, address);
	return *ret >= calls->worlds->memory.kernel_start;
}

/* What the CPU is about to do. Returns false if that cannot be told. */
static bool look(struct code *code, struct step *ret)
{
	const struct calls *calls = code->calls;
	const struct cpu *cpu = calls->worlds->cpu;
	struct decoded insn;
	uint8_t bytes[CODE_SIZE];
	size_t size = code_read(code, cpu->rip, bytes, CODE_SIZE);

	if (decode(cpu->isa, calls->worlds->context.abi->word, bytes, size, &insn) != DECODE_OK)
		return false;
	*ret = (struct step){cpu->rip, cpu->gpr[RSP], 0, insn.operand_size < 4 ? 4 : insn.operand_size, insn.row->op == OP_PAUSE};
	if (!operand_address(calls, cpu->rip, &insn, &ret->address))
		ret->address = 0;
	return true;
}

static bool is_at(const struct cpu *cpu, const struct state *state)
{
	return cpu->rip == state->rip && memcmp(cpu->gpr, state->gpr, sizeof(state->gpr)) == 0;
}

/* The compiler may keep a loop's counter there. */
static void read_stack(struct calls *calls, uint8_t to[STACK_TOP])
{
	memset(to, 0, STACK_TOP);
	worlds_read_stack(calls->worlds, calls->worlds->cpu->gpr[RSP], to, STACK_TOP);
}

static void get_state(struct calls *calls, struct state *ret)
{
	ret->rip = calls->worlds->cpu->rip;
	memcpy(ret->gpr, calls->worlds->cpu->gpr, sizeof(ret->gpr));
	read_stack(calls, ret->stack);
}

static bool has_same_stack(struct calls *calls, const struct state *state)
{
	uint8_t stack[STACK_TOP];

	read_stack(calls, stack);
	return memcmp(stack, state->stack, STACK_TOP) == 0;
}

/* Follows the body for a while. The body does what it would have done anyway. */
static void follow(struct code *code, struct circle *circle)
{
	struct calls *calls = code->calls;
	struct cpu *cpu = calls->worlds->cpu;
	unsigned longest = calls->worlds->product->layout.rt_owner ? LONGEST_RT : LONGEST;
	struct state start;

	circle->length = 0;
	get_state(calls, &start);
	for (unsigned i = 0; i < longest && calls->worlds->context.phase == CONTEXT_PRODUCT; i++) {
		if (!look(code, &circle->step[i]))
			break;
		if (machine_run(calls->worlds->machine, cpu_instructions(cpu) + 1) != MACHINE_STOP_LIMIT) {
			if (calls->worlds->context.phase != CONTEXT_PRODUCT) /* the stop is meant for whoever runs the machine */
				cpu_request_exit(cpu, CPU_EXIT_CLIENT);
			else if (!work_ended_run(cpu) || context_call_spent(&calls->worlds->context))
				call_abort_stopped(calls);
			break;
		}
		if (is_at(cpu, &start)) {
			circle->length = has_same_stack(calls, &start) ? i + 1 : 0;
			break;
		}
	}
}

/* Ends the wait if the body waits for this word. */
static bool release(struct calls *calls, uint64_t address, unsigned size)
{
	uint64_t value;

	if (!product_memory_read_word(&calls->worlds->memory, address, size, &value) || !(value & 1))
		return false;
	if (size == calls->worlds->context.abi->word && value >= calls->worlds->memory.kernel_start)
		value--; /* a bit lock */
	else if (size == 4)
		value++; /* a seqcount */
	else
		return false;
	return product_memory_write_word(&calls->worlds->memory, address, size, value);
}

/* The stack pointer of the loop itself, as opposed to functions that it calls. */
static uint64_t loop_level(const struct circle *circle)
{
	uint64_t level = 0;

	for (unsigned i = 0; i < circle->length; i++)
		level = circle->step[i].rsp > level ? circle->step[i].rsp : level;
	return level;
}

static bool pauses(const struct circle *circle)
{
	for (unsigned i = 0; i < circle->length; i++) {
		if (circle->step[i].pauses)
			return true;
	}
	return false;
}

bool spin_end(struct code *code, bool *ret_spins)
{
	struct calls *calls = code->calls;
	struct circle circle;
	bool released = false;
	uint64_t level;

	follow(code, &circle);
	level = loop_level(&circle);
	*ret_spins = pauses(&circle);
	for (unsigned i = 0; *ret_spins && i < circle.length; i++) {
		const struct step *step = &circle.step[i];

		if (step->address && step->rsp == level)
			released |= release(calls, step->address, step->size);
	}
	calls->stats.spins += released;
	if (released)
		call_record_loss(calls, LOSS_LOCK_PASSED);
	return released;
}
