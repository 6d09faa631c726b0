/*
 * enum op: every operation that rows name, group by group. A group's .ops file has OP(NAME) once for each operation of its .def file.
 * NAME is the SDM's mnemonic, with a _SUFFIX if the mnemonic stands for operations of different semantics.
 */
#ifndef XRAY86_EMU_ISA_OPS_H
#define XRAY86_EMU_ISA_OPS_H

enum op {
	OP_none,
#define OP(name) OP_##name,
#include "emu/isa/integer.ops"
#include "emu/isa/system.ops"
#include "emu/isa/x87.ops"
#include "emu/isa/mmx.ops"
#include "emu/isa/sse.ops"
#undef OP
	OP_COUNT
};

#endif
