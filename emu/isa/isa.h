/*
 * The instruction set as a table: one row per instruction in the notation of the Intel SDM's opcode maps (vol. 2D appendix A).
 *
 * The rows are in the .def files of this folder, a file for each group (integer, system, x87, mmx, sse):
 *
 *   ROW(map, opcode, prefix, reg, mod, OP, op1, op2, op3, op4, reads, writes, undefined, attributes)
 *
 * The decoder, the choice of handlers (emu/ops/), flag liveness and the tests use them. Several rows may share an opcode. The first row, in
 * file order (integer, system, x87, mmx, sse), whose conditions hold is the instruction; if none holds, it is #UD. The arguments:
 *
 *   map        MAP_1 (one-byte opcodes), MAP_0F, MAP_0F38, MAP_0F3A
 *   opcode     last opcode byte; the lowest one of the 8 (A_PLUS_R) or 16 (A_PLUS_CC) that a row stands for
 *   prefix     P_ANY, P_NP, P_66, P_F3, P_F2: see enum isa_prefix
 *   reg        R_ANY or 0..7: the /digit
 *   mod        M_NONE: no ModRM byte (all rows of an opcode must agree on that); M_MEM, M_REG, M_ANY: which mod it may have
 *   OP         name from the group's .ops file, without OP_: the SDM's mnemonic, with a suffix where one mnemonic stands for
 *              operations of different semantics (MOV_FROM_CR, IMUL3, ...)
 *   op1..op4   names from ISA_OPERANDS without OPN_, the destination first, or _ for none; rows may leave implied operands out
 *   reads      arithmetic flags that matter to the instruction, by initials in the order OSZAPC (see enum isa_flags), or _ for none
 *   writes     flags that it always overwrites (with A_MAYBE: all of them, or none)
 *   undefined  flags that the SDM leaves undefined. Those that processors overwrite are in `writes`, too; the others stay as they were
 *   attributes A_* or-ed together, or 0; RM(n) there also fixes ModRM.rm to n (and M_NONE rows' register in the opcode, REX.B included)
 *
 * For example
 *   ROW(MAP_1,  0x00, P_ANY, R_ANY, M_ANY, ADD,   Eb,  Gb,  _, _, _, OSZAPC, _, A_LOCK | A_PURE | A_SIZE8)
 *   ROW(MAP_1,  0xd9, P_ANY, 4,     M_REG, FCHS,  _,   _,   _, _, _, _,      _, A_X87 | RM(0))
 *   ROW(MAP_1,  0xd8, P_ANY, 0,     M_MEM, FADD,  Md,  _,   _, _, _, _,      _, A_X87)
 *   ROW(MAP_0F, 0xef, P_66,  R_ANY, M_ANY, PXOR,  Vx,  Wx,  _, _, _, _,      _, A_SSE)
 *
 * In P_ANY rows the prefixes 66, F2 and F3 count for the operand size and for `rep`. In P_66 rows 66 still makes `v` 16 bits, so A_O32 never
 * holds there: put the A_O64 row first, and the other one, without a condition, after it. Type `y` (4, or 8 with REX.W) ignores 66.
 */
#ifndef XRAY86_EMU_ISA_H
#define XRAY86_EMU_ISA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "emu/flags.h"

enum isa_map { MAP_1, MAP_0F, MAP_0F38, MAP_0F3A, MAP_COUNT };

/*
 * Mandatory prefix. P_ANY: 66, F2 and F3 have their ordinary meanings. P_NP: none of them may be there (otherwise try the next row). Of F2
 * and F3 the last one counts, and either hides 66: P_66 rows want 66 without them.
 */
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
	OPN__ = OPN_none,
#define OPERAND(name, method, type) OPN_##name,
	ISA_OPERANDS(OPERAND)
#undef OPERAND
	OPN_COUNT
};

/* An operand's addressing method: METHOD_E... (METHOD_none for OPN_none). */
enum isa_method {
	METHOD_none,
	METHOD_E,
	METHOD_G,
	METHOD_I,
	METHOD_J,
	METHOD_M,
	METHOD_O,
	METHOD_A,
	METHOD_S,
	METHOD_C,
	METHOD_D,
	METHOD_R,
	METHOD_V,
	METHOD_W,
	METHOD_U,
	METHOD_P,
	METHOD_Q,
	METHOD_N,
	METHOD_Z,
	METHOD_X,
	METHOD_Y,
	METHOD_FIXED,
};

/* An operand's type: TYPE_b... */
enum isa_type {
	TYPE_0, /* no data: an address (M), or the operation knows */
	TYPE_b,
	TYPE_w,
	TYPE_d,
	TYPE_q,
	TYPE_dq,
	TYPE_v,
	TYPE_z,
	TYPE_y,
	TYPE_bs,
	TYPE_1,
	TYPE_p,
	TYPE_s,
	TYPE_t,
	TYPE_a,
	TYPE_x,
	TYPE_ss,
	TYPE_sd,
};

/* Indexed by enum isa_operand. */
struct isa_operand_info {
	const char *name;
	uint8_t method, type;
};
extern const struct isa_operand_info isa_operands[];

/* Attributes. */
enum {
	A_LOCK = 1 << 0,      /* LOCK is legal if the destination is memory */
	A_NO64 = 1 << 1,      /* #UD in 64-bit code */
	A_ONLY64 = 1 << 2,    /* only in 64-bit code */
	A_D64 = 1 << 3,	      /* operand size defaults to 64 in 64-bit code (66 makes it 16) */
	A_F64 = 1 << 4,	      /* operand size is 64 in 64-bit code, whatever the prefixes are */
	A_PLUS_R = 1 << 5,    /* 8 opcodes, register in the low 3 bits */
	A_END = 1 << 6,	      /* ends a block: writes rip, or changes what later instructions mean, or wakes interrupts */
	A_PURE = 1 << 7,      /* its register form cannot fault, and depends on its operands and flags alone */
	A_CPL0 = 1 << 8,      /* #GP(0) unless CPL is 0 (the handler tests it; here it is for tests and documentation) */
	A_PROTECTED = 1 << 9, /* #UD in real and V86 mode (likewise) */
	A_X87 = 1 << 10,      /* subject to MODE_X87_OFF */
	A_MMX = 1 << 11,      /* the same, and uses MMX registers */
	A_SSE = 1 << 12,      /* subject to MODE_SSE_OFF */
	A_SIMD_FP = 1 << 13,  /* may set MXCSR flags: subject to MODE_SIMD_TRAPS */
	A_MAYBE = 1 << 14,    /* may leave all flags as they were (shift by CL) */
	A_REP = 1 << 15,      /* string instruction: F2/F3 repeat */
	A_BRANCH = 1 << 16,   /* direct near branch (J operand), with links. Indirect branches and RET have A_END instead */
	A_STACK = 1 << 17,    /* uses the stack implicitly */
	A_PLUS_CC = 1 << 19,  /* 16 opcodes, condition in the low 4 bits */
	A_RM_SHIFT = 20,      /* RM(n): ModRM.rm must be n (4 bits: n + 1) */
	A_O16 = 1 << 24,      /* only with 16-bit operand size ... */
	A_O32 = 1 << 25,      /* ... 32-bit ... */
	A_O64 = 1 << 26,      /* ... 64-bit: for mnemonics that differ by it (CBW/CWDE/CDQE) */
	A_SIZE8 = 1 << 27,    /* byte operation: the operand size is 1, whatever the prefixes are */
	A_REGISTER = 1 << 28, /* ModRM.mod counts as 3 (MOV to and from control and debug registers) */
};
#define RM(n) (((n) + 1) << A_RM_SHIFT)

/* Sets of flags in rows, by initials; _ is none. They are arithmetic flags: the others are never computed lazily. */
enum isa_flags {
	F__ = 0,
	F_C = FLAG_CF,
	F_P = FLAG_PF,
	F_A = FLAG_AF,
	F_Z = FLAG_ZF,
	F_S = FLAG_SF,
	F_O = FLAG_OF,
	F_OC = F_O | F_C,
	F_AC = F_A | F_C,
	F_ZC = F_Z | F_C,
	F_OA = F_O | F_A,
	F_OAC = F_OA | F_C,
	F_ZPC = F_ZC | F_P,
	F_SZP = F_S | F_Z | F_P,
	F_OSZP = F_O | F_SZP,
	F_OSAP = F_O | F_S | F_A | F_P,
	F_OSAPC = F_OSAP | F_C,
	F_SZAP = F_SZP | F_A,
	F_SZPC = F_SZP | F_C,
	F_SZAPC = F_SZAP | F_C,
	F_OSZPC = F_OSZP | F_C,
	F_OSZAP = F_O | F_SZAP,
	F_OSZAPC = F_OSZAP | F_C,
};

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
extern const char *const isa_op_names[]; /* indexed by enum op */

/* An index of the rows, built once. The rows of (map, opcode), in file order, begin at row[first[map << 8 | opcode]]. */
struct isa {
	uint16_t first[MAP_COUNT * 256 + 1];
	const struct isa_row *row[];
};
struct isa *isa_create(void); /* NULL: out of memory */
void isa_destroy(struct isa *isa);

#endif
