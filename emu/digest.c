/*
 * The digest of a machine's final state: two runs with the same digest went the same way. FNV-1a, 64 bits, over the registers field by
 * field (paddings hold anything), the instruction count, and every RAM page that is not all zero together with its address.
 */
#include "emu/machine.h"

#include <string.h>

#define FNV_OFFSET 0xcbf29ce484222325u
#define FNV_PRIME 0x100000001b3u

static uint64_t hash(uint64_t state, const void *data, size_t size)
{
	const uint8_t *byte = data;

	while (size--)
		state = (state ^ *byte++) * FNV_PRIME;
	return state;
}

static uint64_t hash_u64(uint64_t state, uint64_t value)
{
	return hash(state, &value, sizeof(value));
}

static uint64_t hash_list(uint64_t state, const uint64_t *value, size_t count)
{
	return hash(state, value, count * sizeof(*value));
}

static uint64_t hash_segments(uint64_t state, const struct cpu *cpu)
{
	for (unsigned i = 0; i < SEG_COUNT; i++) {
		const struct segment *segment = &cpu->seg[i];

		state = hash_u64(hash_u64(state, segment->base), segment->limit);
		state = hash_u64(state, segment->attributes | segment->selector << 16);
	}
	return state;
}

static uint64_t hash_fpu(uint64_t state, const struct fpu *fpu)
{
	for (unsigned i = 0; i < 8; i++)
		state = hash_u64(hash_u64(state, fpu->reg[i].significand), fpu->reg[i].sign_exponent);
	state = hash_u64(state, fpu->control | fpu->status << 16 | (uint64_t)fpu->top << 32 | (uint64_t)fpu->valid << 40);
	state = hash_u64(state, fpu->opcode | (uint64_t)fpu->fcs << 16 | (uint64_t)fpu->fds << 32);
	return hash_u64(hash_u64(state, fpu->fip), fpu->fdp);
}

static uint64_t hash_system(uint64_t state, const struct cpu *cpu)
{
	const uint64_t value[] = {
		cpu->cr0,         cpu->cr2,          cpu->cr3,          cpu->cr4,        cpu->efer,    cpu->gdtr.base, cpu->gdtr.limit,
		cpu->idtr.base,   cpu->idtr.limit,   cpu->star,         cpu->lstar,      cpu->cstar,   cpu->fmask,     cpu->kernel_gs_base,
		cpu->sysenter_cs, cpu->sysenter_esp, cpu->sysenter_eip, cpu->tsc_offset, cpu->tsc_aux, cpu->pat,       cpu->misc_enable,
		cpu->a20_mask,    cpu->mxcsr,
	};

	return hash_list(hash_list(state, value, sizeof(value) / sizeof(value[0])), cpu->dr, 8);
}

static bool all_zero(const uint8_t *page)
{
	return page[0] == 0 && memcmp(page, page + 1, PAGE_SIZE - 1) == 0;
}

static uint64_t hash_memory(uint64_t state, const struct physmem *mem)
{
	for (size_t i = 0; i < mem->count; i++) {
		const struct physmem_region *region = &mem->region[i];

		for (uint64_t at = 0; region->kind == PHYSMEM_RAM && at < region->size; at += PAGE_SIZE) {
			if (!all_zero(region->host + at))
				state = hash(hash_u64(state, region->start + at), region->host + at, PAGE_SIZE);
		}
	}
	return state;
}

uint64_t machine_digest(struct machine *machine)
{
	const struct cpu *cpu = machine->cpu;
	uint64_t state = hash_list(FNV_OFFSET, cpu->gpr, 16);

	state = hash_u64(hash_u64(state, cpu->rip), cpu_get_eflags(cpu));
	state = hash(hash_segments(state, cpu), cpu->xmm, sizeof(cpu->xmm));
	state = hash_system(hash_fpu(state, &cpu->fpu), cpu);
	state = hash_u64(state, cpu_instructions(cpu));
	return hash_memory(state, &machine->mem);
}
