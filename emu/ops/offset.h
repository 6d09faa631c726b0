/*
 * Linear addresses of operands whose offset is more than base + index * scale + displacement: strings, bit strings, XLAT.
 * The counterpart of ea() of access.h (SDM vol. 1, 3.7.5).
 */
#ifndef XRAY86_EMU_OPS_OFFSET_H
#define XRAY86_EMU_OPS_OFFSET_H

#include "emu/access.h"
#include "emu/segment.h"

/* All ones of the instruction's address size. */
static inline uint64_t address_mask(const struct insn *insn)
{
	static const uint64_t masks[] = {0, 0xffff, 0xffffffff, UINT64_MAX};

	return masks[insn->bits >> INSN_ADDRESS_SHIFT & 3];
}

/*
 * Linear address of `offset`, cut to the address size, in the segment whose base stands at segment_base (an offset in struct cpu, such as
 * insn->segment), of which size bytes will be read or written. Raises what the segment's limit and type demand.
 */
static inline uint64_t offset_linear(struct cpu *cpu, const struct insn *insn, uint16_t segment_base, uint64_t offset, unsigned size,
				     bool write)
{
	offset &= address_mask(insn);
	if (unlikely(insn->bits & INSN_SLOW_EA) && segment_base != CPU_OFFSET(zero)) {
		cpu->current = insn;
		return segment_linear(cpu, (segment_base - CPU_OFFSET(seg[0].base)) / sizeof(struct segment), offset, size, write);
	}
	return (offset + load_host(cpu_field(cpu, segment_base), 8)) & cpu->ea_mask;
}

#endif
