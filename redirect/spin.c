/*
 * Loops that wait for a CPU of the product, which is frozen: for the writer of a seqcount (include/linux/seqlock.h: odd while it writes) or
 * the holder of a bit lock (include/linux/bit_spinlock.h: hlist_bl_lock() has it in bit 0 of a pointer). Those waits have no function to
 * stand in for. A body that goes in a circle with PAUSE in it and all registers the same will do so for ever; then the word that it looks
 * at is made what it waits for, in the overlay.
 */
#include <errno.h>
#include <string.h>

#include "emu/decode.h"
#include "emu/peek.h"
#include "redirect/session.h"

enum { LONGEST = 48 /* instructions of such a loop */ };

struct circle {
	uint64_t rip[LONGEST];
	unsigned length; /* 0: it is none */
};

/* Follows the body for a while; what it does meanwhile is what it would have done anyway. */
static struct circle follow(struct redirect *redirect)
{
	struct cpu *cpu = redirect->cpu;
	struct circle circle = {0};
	uint64_t gpr[16];

	memcpy(gpr, cpu->gpr, sizeof(gpr));
	for (unsigned i = 0; i < LONGEST && redirect->context.phase == CONTEXT_PRODUCT; i++) {
		circle.rip[i] = cpu->rip;
		if (machine_run(redirect->machine, cpu_instructions(cpu) + 1) != MACHINE_STOP_LIMIT) {
			if (redirect->context.phase != CONTEXT_PRODUCT) /* the stop is meant for whoever runs the machine */
				cpu_request_exit(cpu, CPU_EXIT_CLIENT);
			else if (!work_ended_run(cpu) || context_call_spent(&redirect->context))
				abort_stopped_call(redirect);
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
static bool operand_address(const struct redirect *redirect, uint64_t rip, const struct decoded *insn, uint64_t *ret)
{
	const struct cpu *cpu = redirect->cpu;
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
	*ret = redirect->context.word == 8 ? address : (uint32_t)address;
	return *ret >= redirect->memory.kernel_start;
}

/* If the word is one that is waited for, it is waited for no longer. */
static bool release(struct redirect *redirect, uint64_t address, unsigned size)
{
	uint64_t value;

	if (!product_memory_read_word(&redirect->memory, address, size, &value) || !(value & 1))
		return false;
	if (size == redirect->context.word && value >= redirect->memory.kernel_start)
		value--; /* a bit lock */
	else if (size == 4)
		value++; /* a seqcount */
	else
		return false;
	return product_memory_write_word(&redirect->memory, address, size, value);
}

bool end_spin(struct redirect *redirect, bool *ret_spins)
{
	struct circle circle = follow(redirect);
	struct decoded insn[LONGEST];
	bool released = false;

	*ret_spins = false;
	for (unsigned i = 0; i < circle.length; i++) {
		uint8_t code[16];
		size_t size = cpu_peek(redirect->cpu, circle.rip[i], code, sizeof(code));

		if (decode(redirect->cpu->isa, redirect->context.word, code, size, &insn[i]) != DECODE_OK)
			return false;
		*ret_spins |= insn[i].row->op == OP_PAUSE;
	}
	for (unsigned i = 0; *ret_spins && i < circle.length; i++) {
		uint64_t address;

		if (operand_address(redirect, circle.rip[i], &insn[i], &address))
			released |= release(redirect, address, insn[i].operand_size < 4 ? 4 : insn[i].operand_size);
	}
	redirect->stats.spins += released;
	if (released)
		record_loss(redirect, LOSS_LOCK_PASSED);
	return released;
}
