/*
 * The instruction set as a table: one row per instruction in the notation of the Intel SDM's opcode maps (vol. 2D appendix A).
 *
 * Rows stand in the .def files beside this one, one file a group (integer, system, x87, mmx, sse, vex), as
 *
 *   ROW(map, opcode, prefix, reg, mod, OP, op1, op2, op3, op4, reads, writes, undefined, attributes)
 *
 * and feed the decoder, the choice of handlers (emu/ops/), flag liveness and the tests. Several rows may share an opcode: the first one, in file
 * order, whose prefix, reg, mod, rm and mode conditions hold is the instruction; if none holds it is #UD. The 8 rows of a register-in-opcode
 * group (such as 50+r) are one row with A_PLUS_R on the lowest opcode. OP is the SDM's mnemonic, with a suffix where one mnemonic
 * stands for operations of different semantics (MOV_CR, IMUL3, ...).
 */
#ifndef XRAY86_EMU_ISA_H
#define XRAY86_EMU_ISA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "emu/flags.h"

enum isa_map { MAP_1, MAP_0F, MAP_0F38, MAP_0F3A, MAP_COUNT };

/* Mandatory prefix. P_ANY: 66, F2, F3 have their ordinary meanings; P_NP: none of 66, F2, F3 (else try the next row). */
enum isa_prefix { P_ANY, P_NP, P_66, P_F3, P_F2 };

enum isa_mod { M_ANY, M_MEM, M_REG, M_NONE /* no ModRM byte */ };

/* reg: R_ANY, or 0..7 for /digit. With mod M_REG, RM(n) in the attributes also fixes rm. */
enum { R_ANY = -1 };

/*
 * Operand specifications: addressing method (SDM appendix A.2.1) and type (A.2.2).
 *   E ModRM r/m general register or memory   G ModRM reg   I immediate   J relative   M memory only   O moffs   A far pointer
 *   S segment register (reg)   C control register   D debug register   R r/m register only
 *   V xmm (reg)   W xmm or memory   U xmm (r/m, register only)   P mmx (reg)   Q mmx or memory   N mmx (r/m, register only)
 *   Z low 3 bits of the opcode   X DS:[rSI]   Y ES:[rDI]   fixed registers by name   1 the constant one
 * types: b byte  w word  d doubleword  q quadword  dq 16 bytes  v operand size (2, 4, 8)  z operand size, at most 4 (2, 4)
 *        y 4, or 8 in 64-bit operand size  p far pointer  s pseudo-descriptor  t 10 bytes  x whole vector  ss/sd scalar (4/8 in memory)
 * Ibs: immediate byte sign-extended to the operand size.
 * The list may grow; each entry names its method and type: OPERAND(name, method, type).
 */
#define ISA_OPERANDS(OPERAND)                                                                                                     \
	OPERAND(Eb, E, b) OPERAND(Ew, E, w) OPERAND(Ed, E, d) OPERAND(Eq, E, q) OPERAND(Ev, E, v) OPERAND(Ey, E, y)              \
	OPERAND(Gb, G, b) OPERAND(Gw, G, w) OPERAND(Gd, G, d) OPERAND(Gq, G, q) OPERAND(Gv, G, v) OPERAND(Gy, G, y) OPERAND(Gz, G, z) \
	OPERAND(Ib, I, b) OPERAND(Ibs, I, bs) OPERAND(Iw, I, w) OPERAND(Iz, I, z) OPERAND(Iv, I, v) OPERAND(I1, I, 1)            \
	OPERAND(Jb, J, b) OPERAND(Jz, J, z)                                                                                      \
	OPERAND(Ob, O, b) OPERAND(Ov, O, v) OPERAND(Ap, A, p)                                                                     \
	OPERAND(M, M, 0) OPERAND(Mb, M, b) OPERAND(Mw, M, w) OPERAND(Md, M, d) OPERAND(Mq, M, q) OPERAND(Mdq, M, dq)             \
	OPERAND(Mp, M, p) OPERAND(Ms, M, s) OPERAND(Mt, M, t) OPERAND(Ma, M, a) OPERAND(My, M, y) OPERAND(Mv, M, v)              \
	OPERAND(Rd, R, d) OPERAND(Rq, R, q) OPERAND(Ry, R, y) OPERAND(Rv, R, v) OPERAND(Sw, S, w) OPERAND(Cy, C, y) OPERAND(Dy, D, y) \
	OPERAND(Zb, Z, b) OPERAND(Zv, Z, v) OPERAND(Zy, Z, y)                                                                    \
	OPERAND(Xb, X, b) OPERAND(Xv, X, v) OPERAND(Xz, X, z) OPERAND(Yb, Y, b) OPERAND(Yv, Y, v) OPERAND(Yz, Y, z)              \
	OPERAND(Vx, V, x) OPERAND(Wx, W, x) OPERAND(Ux, U, x) OPERAND(Vss, V, ss) OPERAND(Vsd, V, sd) OPERAND(Wss, W, ss)        \
	OPERAND(Wsd, W, sd) OPERAND(Wq, W, q) OPERAND(Wd, W, d) OPERAND(Ww, W, w) OPERAND(Vq, V, q) OPERAND(Uq, U, q) OPERAND(Wdq, W, dq)    \
	OPERAND(Pq, P, q) OPERAND(Qq, Q, q) OPERAND(Qd, Q, d) OPERAND(Nq, N, q)                                                  \
	OPERAND(rAL, FIXED, b) OPERAND(rCL, FIXED, b) OPERAND(rDX, FIXED, w) OPERAND(rAX, FIXED, v) OPERAND(rAXz, FIXED, z)      \
	OPERAND(rAXw, FIXED, w)                                                                                                   \
	OPERAND(sES, FIXED, w) OPERAND(sCS, FIXED, w) OPERAND(sSS, FIXED, w) OPERAND(sDS, FIXED, w) OPERAND(sFS, FIXED, w)       \
	OPERAND(sGS, FIXED, w) OPERAND(ST0, FIXED, t) OPERAND(STi, FIXED, t)

enum isa_operand {
	OPN_none,
#define OPERAND(name, method, type) OPN_##name,
	ISA_OPERANDS(OPERAND)
#undef OPERAND
	OPN_COUNT
};

/* Attributes. */
enum {
	A_LOCK = 1 << 0,      /* LOCK is legal if the destination is memory */
	A_NO64 = 1 << 1,      /* #UD in 64-bit code */
	A_ONLY64 = 1 << 2,    /* only in 64-bit code */
	A_D64 = 1 << 3,	      /* operand size defaults to 64 in 64-bit code (66 gives 16) */
	A_F64 = 1 << 4,	      /* operand size is 64 in 64-bit code whatever the prefixes say */
	A_PLUS_R = 1 << 5,    /* 8 opcodes, register in the low 3 bits */
	A_END = 1 << 6,	      /* ends a block: writes rip, or changes what later instructions mean, or wakes interrupts */
	A_PURE = 1 << 7,      /* in its register form it cannot fault, nor see anything but its operands and flags */
	A_CPL0 = 1 << 8,      /* #GP(0) unless CPL 0 (in the handler; here for tests and documentation) */
	A_PROTECTED = 1 << 9, /* #UD in real and V86 mode (likewise) */
	A_X87 = 1 << 10,      /* subject to MODE_X87_OFF */
	A_MMX = 1 << 11,      /* the same, and uses MMX registers */
	A_SSE = 1 << 12,      /* subject to MODE_SSE_OFF */
	A_SIMD_FP = 1 << 13,  /* may set MXCSR flags: subject to MODE_SIMD_TRAPS */
	A_MAYBE = 1 << 14,    /* may leave flags as they were (shift by CL): writes no flag for certain */
	A_REP = 1 << 15,      /* string instruction: F2/F3 repeat */
	A_BRANCH = 1 << 16,   /* near branch: lowered with links */
	A_STACK = 1 << 17,    /* uses the stack implicitly */
	A_VEX = 1 << 18,      /* recognised, raises #UD */
	A_RM_SHIFT = 20,      /* RM(n): ModRM.rm must be n (4 bits: n + 1) */
	A_O16 = 1 << 24,      /* only with 16-bit operand size ... */
	A_O32 = 1 << 25,      /* ... 32-bit ... */
	A_O64 = 1 << 26,      /* ... 64-bit: where the mnemonic differs by it (CBW/CWDE/CDQE) */
	A_SIZE8 = 1 << 27,    /* byte operation: insn.size is 1 whatever the prefixes */
};
#define RM(n) (((n) + 1) << A_RM_SHIFT)

/* Flag sets in rows, by initials; _ is none. */
#define F_(x) (x)
#define F_ALL FLAGS_ARITHMETIC

/* CPUID features that gate rows (struct cpu.features has the bits that are on). */

/* All operations that rows name. Each .def lists its own in an OPS_* macro at its top, so that the enum needs no second list. */
#include "emu/isa/ops.h"

struct isa_row {
	uint8_t map, opcode, prefix;
	int8_t reg;
	uint8_t mod;
	uint16_t op;
	uint8_t operand[4];
	uint16_t reads, writes, undefined; /* EFLAGS bits */
	uint32_t attributes;
};

extern const struct isa_row isa_rows[];
extern const size_t isa_row_count;
extern const char *const isa_op_names[];

/* Index over the rows, built once: candidates of (map, opcode) are rows[first[map][opcode]] .. in order. */
struct isa;
struct isa *isa_create(void); /* NULL: out of memory */
void isa_destroy(struct isa *isa);

#endif
