/*
 * Loops that wait for a CPU of the product, which is frozen: for the writer of a seqcount (include/linux/seqlock.h: odd while it writes) or
 * the holder of a bit lock (include/linux/bit_spinlock.h: hlist_bl_lock() has it in bit 0 of a pointer). Those waits have no function to
 * stand in for. A body that goes in a circle with PAUSE in it and all registers the same will do so for ever; then the word that it looks
 * at is made what it waits for, in the overlay.
 */
#include "redirect/spin.h"

#include <string.h>

#include "emu/decode.h"

enum { LONGEST = 48 /* instructions of such a loop */ };

struct circle {
	uint64_t rip[LONGEST];
	unsigned length; /* 0: it is none */
};

/* Follows the body for a while. The body does what it would have done anyway. */
static struct circle follow(struct calls *calls)
{
	struct cpu *cpu = calls->worlds->cpu;
	struct circle circle = {0};
	uint64_t gpr[16];

	memcpy(gpr, cpu->gpr, sizeof(gpr));
	for (unsigned i = 0; i < LONGEST && calls->worlds->context.phase == CONTEXT_PRODUCT; i++) {
		circle.rip[i] = cpu->rip;
		if (machine_run(calls->worlds->machine, cpu_instructions(cpu) + 1) != MACHINE_STOP_LIMIT) {
			if (calls->worlds->context.phase != CONTEXT_PRODUCT) /* the stop is meant for whoever runs the machine */
				cpu_request_exit(cpu, CPU_EXIT_CLIENT);
			else if (!work_ended_run(cpu) || context_call_spent(&calls->worlds->context))
				call_abort_stopped(calls);
			break;
		}
		if (cpu->rip == circle.rip[0] && memcmp(gpr, cpu->gpr, sizeof(gpr)) == 0) {
			circle.length = i + 1;
			break;
		}
	}
	return circle;
}

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

bool spin_end(struct calls *calls, bool *ret_spins)
{
	struct circle circle = follow(calls);
	struct decoded insn[LONGEST];
	bool released = false;

	*ret_spins = false;
	for (unsigned i = 0; i < circle.length; i++) {
		uint8_t code[16];
		size_t size = kernel_peek(calls->worlds->product, circle.rip[i], code, sizeof(code));

		if (decode(calls->worlds->cpu->isa, calls->worlds->context.abi->word, code, size, &insn[i]) != DECODE_OK)
			return false;
		*ret_spins |= insn[i].row->op == OP_PAUSE;
	}
	for (unsigned i = 0; *ret_spins && i < circle.length; i++) {
		uint64_t address;

		if (operand_address(calls, circle.rip[i], &insn[i], &address))
			released |= release(calls, address, insn[i].operand_size < 4 ? 4 : insn[i].operand_size);
	}
	calls->stats.spins += released;
	if (released)
		call_record_loss(calls, LOSS_LOCK_PASSED);
	return released;
}
