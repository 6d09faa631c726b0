/*
 * The comparison: compare.h. What is left out against the host, and why, is all here and in undefined.c:
 * - RF, which Linux shows as the fault left it;
 * - the present bit in the error code of a page fault on a kernel address (and in user space's last page), which Linux sets so as not to
 *   tell;
 * - FCS and FDS: a 64-bit kernel does not keep them; and MXCSR_MASK in FXSAVE's image, which is the processor's own;
 * - FOP, FIP and FDP: the emulator keeps them for every x87 instruction, and FXSAVE stores them always, as the SDM says. AMD's processors
 *   store (and load) them with FXSAVE only if an x87 exception is pending. Intel's keep FOP for unmasked exceptions alone (SDM vol. 1,
 *   8.1.9), and FDP likewise (newer ones: CPUID.7.EBX[6]) or for memory operands alone. What the host does was measured.
 */
#include "tests/differential/compare.h"

#include <string.h>

#include "emu/cpu.h"
#include "emu/exception.h"
#include "emu/x87.h"
#include "tests/differential/prepare.h"
#include "tests/differential/segments.h"
#include "tests/differential/undefined.h"

static bool same_bytes(const struct outcome *a, const struct outcome *b, unsigned at, unsigned size)
{
	return memcmp(a->after.fx + at, b->after.fx + at, size) == 0;
}

/* The operation at RIP, where a fault left it; OP_none if it is not one of the case. */
static enum op faulting_op(const struct test_case *test, const struct outcome *outcome)
{
	uint64_t at = test->before.rip;

	for (unsigned i = 0; i < test->count; at += test->instruction[i++].length) {
		if (at == outcome->after.rip)
			return isa_rows[test->instruction[i].row].op;
	}
	return OP_none;
}

/* A fault of one of several accesses to the stack: a page's, or at the limit. */
static bool is_stack_fault(const struct outcome *outcome)
{
	return outcome->kind == OUTCOME_FAULT && (outcome->vector == VECTOR_PF || outcome->vector == VECTOR_SS);
}

static bool is_near_call(const struct test_case *test, const struct outcome *outcome)
{
	enum op op = faulting_op(test, outcome);

	return op == OP_CALL || op == OP_CALL_INDIRECT;
}

static unsigned status_difference(const struct outcome *a, const struct outcome *b)
{
	return (a->after.fx[FX_FSW] ^ b->after.fx[FX_FSW]) | (a->after.fx[FX_FSW + 1] ^ b->after.fx[FX_FSW + 1]) << 8;
}

/* Of FOP, FIP and FDP those that the host has as the emulator has them. */
static uint64_t comparable_pointers(const struct host *host, const struct state *state)
{
	bool pending = state->fx[FX_FSW] & X87_ES;

	return (host_does(host, pending ? TRAIT_PENDING_FOP : TRAIT_IDLE_FOP) ? DIFFERS_FOP : 0) |
	       (host_does(host, pending ? TRAIT_PENDING_FIP : TRAIT_IDLE_FIP) ? DIFFERS_FIP : 0) |
	       (host_does(host, pending ? TRAIT_PENDING_FDP : TRAIT_IDLE_FDP) ? DIFFERS_FDP : 0);
}

/*
 * Whether C0, C2 and C3 are what the SDM says, or the host's way is known. An instruction that defines them, after one that leaves them
 * undefined, is rare in sequences.
 */
static bool defines_condition(const struct host *host, const struct test_case *test)
{
	static const uint16_t ops[] = {OP_FCOM, OP_FCOMP, OP_FCOMPP, OP_FUCOM,  OP_FUCOMP, OP_FUCOMPP, OP_FICOM,  OP_FICOMP,  OP_FTST,
				       OP_FXAM, OP_FPREM, OP_FPREM1, OP_FNINIT, OP_FLDENV, OP_FRSTOR,  OP_FNSAVE, OP_FXRSTOR, OP_FXRSTOR64};
	const struct isa_row *row = &isa_rows[test->instruction[0].row];

	if (host_does(host, TRAIT_X87_CONDITION))
		return true;
	for (unsigned i = 0; i < sizeof(ops) / sizeof(ops[0]) && test->count == 1; i++) {
		if (row->op == ops[i])
			return true;
	}
	return test->count == 1 && !(row->attributes & A_X87);
}

static uint64_t compare_fx(const struct host *host, const struct test_case *test, const struct outcome *a, const struct outcome *b)
{
	static const struct {
		uint64_t field;
		uint8_t at, size;
	} fields[] = {
		{DIFFERS_FCW, FX_FCW, 2}, {DIFFERS_FSW, FX_FSW, 2}, {DIFFERS_FTW, FX_FTW, 1},     {DIFFERS_FOP, FX_FOP, 2},
		{DIFFERS_FIP, FX_FIP, 8}, {DIFFERS_FDP, FX_FDP, 8}, {DIFFERS_MXCSR, FX_MXCSR, 4},
	};
	uint64_t differs = 0;

	for (unsigned i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		if (!same_bytes(a, b, fields[i].at, fields[i].size))
			differs |= fields[i].field;
	}
	if (host && !host_does(host, TRAIT_POINTERS_64) && same_bytes(a, b, FX_FIP, 6))
		differs &= ~DIFFERS_FIP;
	if (host && !host_does(host, TRAIT_POINTERS_64) && same_bytes(a, b, FX_FDP, 6))
		differs &= ~DIFFERS_FDP;
	if (host)
		differs &= ~(DIFFERS_FOP | DIFFERS_FIP | DIFFERS_FDP) | comparable_pointers(host, &a->after);
	if (host && differs & DIFFERS_FSW && !defines_condition(host, test) && !(status_difference(a, b) & ~(X87_C0 | X87_C2 | X87_C3)))
		differs &= ~DIFFERS_FSW;
	if (host && a->vector == VECTOR_XM && !host_does(host, TRAIT_SIMD_FLAGS) && same_bytes(a, b, FX_MXCSR + 1, 3))
		differs &= ~DIFFERS_MXCSR; /* its lowest byte has the flags, and DAZ, which LDMXCSR alone changes */
	for (unsigned i = 0; i < 8; i++) {
		if (!same_bytes(a, b, FX_ST + 16 * i, 10))
			differs |= DIFFERS_ST(i);
	}
	for (unsigned i = 0; i < 16; i++) {
		if (!same_bytes(a, b, FX_XMM + 16 * i, 16))
			differs |= DIFFERS_XMM(i);
	}
	return differs;
}

/* Operations that load the x87 state from an image, or store it and start anew. */
static bool loads_image(enum op op)
{
	return op == OP_FLDENV || op == OP_FRSTOR || op == OP_FXRSTOR || op == OP_FXRSTOR64 || op == OP_FNSAVE || op == OP_FNSTENV;
}

static uint64_t compare_registers(const struct host *host, const struct test_case *test, const struct outcome *a, const struct outcome *b)
{
	uint64_t ignored_flags = FLAG_RF, kept_flags = 0, differs = 0;
	bool wide = test->code_size == 8;

	for (unsigned i = 0; host && i < test->count; i++)
		ignored_flags |= undefined_flags(host, &test->instruction[i]);
	if (host && test->count == 1)
		kept_flags = undefined_flags_kept(host, &test->instruction[0]);
	for (unsigned i = 0; i < (wide ? 16 : 8); i++) {
		uint64_t difference = a->after.gpr[i] ^ b->after.gpr[i];

		if (wide ? difference : (uint32_t)difference)
			differs |= DIFFERS_GPR(i);
	}
	if (host && is_stack_fault(a) && faulting_op(test, a) == OP_POPA)
		differs &= DIFFERS_GPR(RSP); /* AMD's keep what they popped before the fault, in all but rSP, which is as it was */
	if (a->after.rip != b->after.rip)
		differs |= DIFFERS_RIP;
	if ((a->after.rflags ^ b->after.rflags) & ~ignored_flags & 0xffffffff)
		differs |= DIFFERS_RFLAGS;
	if ((a->after.rflags ^ test->before.rflags) & kept_flags)
		differs |= DIFFERS_RFLAGS;
	for (unsigned i = 0; i < 6; i++) {
		uint16_t null = host && a->kind == OUTCOME_FAULT ? 3 : 0; /* the return from the host's handler makes null selectors 0 */

		if ((a->after.selector[i] > null || b->after.selector[i] > null) && a->after.selector[i] != b->after.selector[i])
			differs |= DIFFERS_SELECTORS;
	}
	if (a->after.fs_base != b->after.fs_base)
		differs |= DIFFERS_FS_BASE;
	if (a->after.gs_base != b->after.gs_base)
		differs |= DIFFERS_GS_BASE;
	differs |= compare_fx(host, test, a, b);
	/* Conversions to MMX registers, MASKMOVQ: some processors enter MMX state before they fault. */
	if (host && !host_does(host, TRAIT_MMX_FAULT) &&
	    (a->vector == VECTOR_XM || (a->kind == OUTCOME_FAULT && faulting_op(test, a) == OP_MASKMOVQ)))
		differs &= ~(DIFFERS_FSW | DIFFERS_FTW | DIFFERS_ST_ALL);
	if (host && a->kind == OUTCOME_FAULT && !host_does(host, TRAIT_IMAGE_FAULT) && loads_image(faulting_op(test, a)))
		differs &= ~(DIFFERS_FCW | DIFFERS_FSW | DIFFERS_FTW | DIFFERS_FOP | DIFFERS_FIP | DIFFERS_FDP | DIFFERS_MXCSR |
			     DIFFERS_ST_ALL | DIFFERS_XMM_ALL);
	return differs;
}

/*
 * Faults of which processors choose one or the other. Single instructions are mostly not generated so (prepare_wraps), but sequences come
 * to it:
 * - 32-bit code: a segment's end, where the emulator's address wraps around at 4 GiB and meets an absent page (SDM vol. 3A 5.3);
 * - 64-bit code: an offset that is not canonical, though the sum with the segment base is: AMD's check both;
 * - a near CALL to a non-canonical address, or beyond the code segment's limit, with a stack that cannot be written: AMD's push first.
 */
static bool is_ambiguous(const struct host *host, const struct test_case *test, const struct outcome *native,
			 const struct outcome *emulated)
{
	bool wide = test->code_size == 8;
	bool general = native->vector == VECTOR_GP || native->vector == VECTOR_SS;

	if (emulated->vector == VECTOR_GP && is_near_call(test, emulated) && (wide || !host_does(host, TRAIT_CALL_ORDER)))
		return native->vector == VECTOR_SS || native->vector == VECTOR_PF || native->vector == VECTOR_AC;
	for (unsigned i = 0; general && emulated->vector == VECTOR_PF && i < 6; i++) {
		uint64_t offset = emulated->cr2 - segment_base(test, i);

		if (wide ? (uint64_t)((int64_t)(offset << 16) >> 16) != offset : (uint32_t)(offset + 0x200) < 0x400)
			return true;
	}
	return false;
}

/* Whether one found the part of an operand before the end of the canonical addresses absent, the other the part behind it not canonical. */
static bool at_canonical_edge(const struct outcome *native, const struct outcome *emulated)
{
	const struct outcome *absent = native->vector == VECTOR_PF ? native : emulated,
			     *other = native->vector == VECTOR_PF ? emulated : native;
	uint64_t bit = 1ull << 47;

	return absent->vector == VECTOR_PF && (other->vector == VECTOR_GP || other->vector == VECTOR_SS) &&
	       ((absent->cr2 ^ (absent->cr2 + 512)) & bit || (absent->cr2 ^ (absent->cr2 - 512)) & bit);
}

/* Whether CMPS met a fault of its second operand, where the emulator met one of its first; the SDM does not say which comes first. */
static bool is_second_operand(const struct host *host, const struct test_case *test, const struct outcome *native)
{
	uint16_t distance = native->cr2 - native->after.gpr[RDI];

	return !host_does(host, TRAIT_CMPS_ORDER) && faulting_op(test, native) == OP_CMPS && (native->vector != VECTOR_PF || distance < 8);
}

/* Whether one met a pending x87 exception, and the other a fault of the operand first. */
static bool is_pending_order(const struct host *host, const struct outcome *native, const struct outcome *emulated)
{
	return !host_does(host, TRAIT_PENDING_FIRST) && native->after.fx[FX_FSW] & X87_ES &&
	       (native->vector == VECTOR_MF || emulated->vector == VECTOR_MF);
}

/* With LASS an access to the supervisor's half of the addresses is #GP (or #SS) before any page is looked up. */
static bool is_supervisor(const struct host *host, const struct outcome *native, const struct outcome *emulated)
{
	return !host_does(host, TRAIT_SUPERVISOR) && emulated->vector == VECTOR_PF && emulated->cr2 >> 63 &&
	       (native->vector == VECTOR_GP || native->vector == VECTOR_SS);
}

/* Whether the host, of 57 bits, found nothing at an address that is not canonical where addresses have 48 bits, as the emulator's have. */
static bool is_between_widths(const struct host *host, const struct outcome *native, const struct outcome *emulated)
{
	uint64_t beyond = native->cr2 + 512 + (1ull << 47); /* an operand may begin before */

	if (host_does(host, TRAIT_CANONICAL_48) || emulated->kind != OUTCOME_FAULT ||
	    (emulated->vector != VECTOR_GP && emulated->vector != VECTOR_SS))
		return false;
	return native->kind == OUTCOME_FAULT && native->vector == VECTOR_PF && beyond >= 1ull << 48;
}

static uint64_t compare_faults(const struct host *host, const struct test_case *test, const struct outcome *native,
			       const struct outcome *emulated)
{
	bool in_parts = host && test->count == 1 && is_accessed_in_parts(&isa_rows[test->instruction[0].row]);
	uint64_t differs = 0, distance = native->cr2 - emulated->cr2;
	uint32_t codes = native->error_code ^ emulated->error_code;

	if (host && (is_ambiguous(host, test, native, emulated) || is_second_operand(host, test, native) ||
		     is_pending_order(host, native, emulated) || is_supervisor(host, native, emulated)))
		return 0;
	if (in_parts && at_canonical_edge(native, emulated))
		return 0;
	if (native->vector != emulated->vector)
		return DIFFERS_OUTCOME;
	if (host && native->vector == VECTOR_PF && native->cr2 >= 0x7ffffffff000)
		codes &= ~(uint32_t)PF_P;
	if (in_parts)
		codes &= ~(uint32_t)PF_P;
	if (host && native->vector == VECTOR_PF && !host_does(host, TRAIT_WRITE_FAULT))
		codes &= ~(uint32_t)PF_W;
	if (codes)
		differs |= DIFFERS_ERROR_CODE;
	if (host && !host_does(host, TRAIT_SPLIT_CR2) && distance + 16 <= 32)
		distance = 0;
	if (distance && !(in_parts && (uint16_t)(distance + 512) <= 1024)) /* which may wrap around, with 16- or 32-bit addresses */
		differs |= DIFFERS_CR2;
	return differs;
}

/* -- memory -- */

/* Bytes of an image that are not compared, unless the host does as the emulator. */
enum unless { NEVER, FOP_SAME, FIP_SAME, FDP_SAME, ENVIRONMENT_SAME, WORD_SAME };

/* Offset and size of each, by operation and operand size (0: any). */
static const struct {
	uint16_t op;
	uint8_t size, at, bytes, unless;
} ignored_bytes[] = {
	/* FCS and FDS */
	{OP_FNSTENV, 2, 8, 2, NEVER},
	{OP_FNSTENV, 2, 12, 2, NEVER},
	{OP_FNSTENV, 4, 16, 2, NEVER},
	{OP_FNSTENV, 4, 24, 2, NEVER},
	{OP_FNSTENV, 8, 16, 2, NEVER},
	{OP_FNSTENV, 8, 24, 2, NEVER},
	{OP_FNSAVE, 2, 8, 2, NEVER},
	{OP_FNSAVE, 2, 12, 2, NEVER},
	{OP_FNSAVE, 4, 16, 2, NEVER},
	{OP_FNSAVE, 4, 24, 2, NEVER},
	{OP_FNSAVE, 8, 16, 2, NEVER},
	{OP_FNSAVE, 8, 24, 2, NEVER},
	{OP_FXSAVE, 0, 12, 2, NEVER},
	{OP_FXSAVE, 0, 20, 2, NEVER},
	/* FIP, FOP and FDP, with FCS between them */
	{OP_FNSTENV, 2, 6, 8, ENVIRONMENT_SAME},
	{OP_FNSTENV, 4, 12, 12, ENVIRONMENT_SAME},
	{OP_FNSTENV, 8, 12, 12, ENVIRONMENT_SAME},
	{OP_FNSAVE, 2, 6, 8, ENVIRONMENT_SAME},
	{OP_FNSAVE, 4, 12, 12, ENVIRONMENT_SAME},
	{OP_FNSAVE, 8, 12, 12, ENVIRONMENT_SAME},
	{OP_FXSAVE, 0, 6, 2, FOP_SAME},
	{OP_FXSAVE, 0, 8, 8, FIP_SAME},
	{OP_FXSAVE, 0, 16, 8, FDP_SAME},
	{OP_FXSAVE64, 0, 6, 2, FOP_SAME},
	{OP_FXSAVE64, 0, 8, 8, FIP_SAME},
	{OP_FXSAVE64, 0, 16, 8, FDP_SAME},
	/* MXCSR_MASK */
	{OP_FXSAVE, 0, 28, 4, NEVER},
	{OP_FXSAVE64, 0, 28, 4, NEVER},
	/* The slot above the selector */
	{OP_PUSH_SREG, 4, 2, 2, WORD_SAME},
	{OP_PUSH_SREG, 8, 2, 6, WORD_SAME},
};

static bool does(const struct host *host, const struct test_case *test, enum unless unless)
{
	uint64_t pointers = comparable_pointers(host, &test->before);

	switch (unless) {
	case NEVER:
		return false;
	case FOP_SAME:
		return pointers & DIFFERS_FOP;
	case FIP_SAME:
		return pointers & DIFFERS_FIP;
	case FDP_SAME:
		return pointers & DIFFERS_FDP;
	case ENVIRONMENT_SAME:
		return host_does(host, TRAIT_ENVIRONMENT);
	case WORD_SAME:
		return host_does(host, TRAIT_PUSH_SEGMENT);
	}
	return false;
}

/* Where a single instruction stores: its operand, or its slot on the stack. */
static uint64_t stored_at(const struct test_case *test)
{
	const struct instruction *insn = &test->instruction[0];

	return isa_rows[insn->row].op == OP_PUSH_SREG ? prepare_stack_address(test, -(int64_t)insn->operand_size) : test->operand;
}

/* Clears in *difference the bytes of the word at address that are not compared. */
static void ignore_bytes(const struct host *host, const struct test_case *test, uint64_t address, uint64_t *difference)
{
	const struct instruction *insn = &test->instruction[0];
	uint64_t stored = stored_at(test);

	if (test->count != 1 || !stored)
		return;
	for (unsigned i = 0; i < sizeof(ignored_bytes) / sizeof(ignored_bytes[0]); i++) {
		uint64_t from = stored + ignored_bytes[i].at;

		if (ignored_bytes[i].op != isa_rows[insn->row].op || (ignored_bytes[i].size && ignored_bytes[i].size != insn->operand_size))
			continue;
		if (does(host, test, ignored_bytes[i].unless))
			continue;
		for (unsigned byte = 0; byte < 8; byte++) {
			if (address + byte >= from && address + byte < from + ignored_bytes[i].bytes)
				*difference &= ~(0xffull << 8 * byte);
		}
	}
}

static uint64_t image_word(const uint8_t *image, uint64_t address)
{
	for (unsigned i = 0; i < DATA_REGIONS; i++) {
		uint64_t size = data_regions[i].pages * 4096ull, offset = address - data_regions[i].base, word;

		if (offset < size) {
			memcpy(&word, image + offset, 8);
			return word;
		}
		image += size;
	}
	return 0;
}

/* Both lists are in the order of the regions; one that lacks an address has the image's word there. */
static bool same_memory(const struct host *host, const struct test_case *test, const uint8_t *image, const struct outcome *a,
			const struct outcome *b)
{
	unsigned i = 0, j = 0, na = a->changes, nb = b->changes;

	if (na > MAX_CHANGES || nb > MAX_CHANGES)
		return na == nb && a->checksum == b->checksum && memcmp(a->change, b->change, sizeof(a->change)) == 0;
	while (i < na || j < nb) {
		bool only_b = i == na, only_a = j == nb;
		uint64_t address, difference;

		if (!only_a && !only_b && a->change[i].address != b->change[j].address) { /* an address of one list that the other lacks */
			only_a = true;
			for (unsigned k = j; k < nb; k++)
				only_a = only_a && b->change[k].address != a->change[i].address;
			only_b = !only_a;
		}
		address = only_b ? b->change[j].address : a->change[i].address;
		difference = (only_b ? image_word(image, address) : a->change[i].value) ^
			     (only_a ? image_word(image, address) : b->change[j].value);
		if (host)
			ignore_bytes(host, test, address, &difference);
		if (difference)
			return false;
		i += !only_b;
		j += !only_a;
	}
	return true;
}

bool compare_is_void(const struct outcome *emulated)
{
	uint64_t cr2 = emulated->cr2;

	if (emulated->kind == OUTCOME_NONE)
		return true;
	if (emulated->kind != OUTCOME_FAULT || emulated->vector != VECTOR_PF)
		return false;
	return (cr2 >= SUPPORT_BASE - 16 && cr2 < SUPPORT_BASE + SUPPORT_SIZE) ||
	       (SANITIZED && cr2 >= SHADOW_BASE - 512 && cr2 < SHADOW_END);
}

/*
 * Outcomes that are the host's own affair: MXCSR's bit 17 (misaligned operands), which only AMD's have; a MASKMOVDQU that faults for bytes
 * that it does not store.
 */
static bool is_incomparable(const struct test_case *test, const struct outcome *native)
{
	uint16_t op = isa_rows[test->instruction[0].row].op;

	if (test->count != 1)
		return false;
	if ((op == OP_MASKMOVQ || op == OP_MASKMOVDQU) && native->vector == VECTOR_PF)
		return true;
	return native->after.fx[FX_MXCSR + 2] & 2;
}

/* WRFSBASE and WRGSBASE of such an address: the host takes it. */
static bool is_base_between(const struct host *host, const struct test_case *test, const struct outcome *native)
{
	uint64_t fs = native->after.fs_base, gs = native->after.gs_base;

	if (host_does(host, TRAIT_CANONICAL_48))
		return false;
	return test->code_size == 8 && (fs + (1ull << 47) >= 1ull << 48 || gs + (1ull << 47) >= 1ull << 48);
}

/* Whether memory is as it is after a fault of an instruction that has stored some of its operands on the host, and none in the emulator. */
static bool is_partly_stored(const struct host *host, const struct test_case *test, const struct outcome *native)
{
	enum op op = faulting_op(test, native);

	if (native->kind != OUTCOME_FAULT)
		return false;
	if (op == OP_PUSHA)
		return is_stack_fault(native); /* AMD's have pushed what they could */
	if (is_near_call(test, native))
		return (native->vector == VECTOR_GP && !host_does(host, TRAIT_CALL_LIMIT)) ||
		       (native->vector == VECTOR_SS && !host_does(host, TRAIT_CALL_STACK));
	if (op == OP_ENTER)
		return !host_does(host, TRAIT_ENTER_FAULT);
	return !host_does(host, TRAIT_IMAGE_FAULT) && (op == OP_FXSAVE || op == OP_FXSAVE64 || op == OP_FNSAVE || op == OP_FNSTENV);
}

uint64_t compare_outcomes(const struct host *host, const struct test_case *test, const uint8_t *image, const struct outcome *native,
			  const struct outcome *emulated)
{
	uint64_t differs = 0;

	if (host && (is_incomparable(test, native) || is_between_widths(host, native, emulated) || is_base_between(host, test, native)))
		return 0;
	if (native->kind != emulated->kind)
		return DIFFERS_OUTCOME;
	if (native->kind == OUTCOME_RUNAWAY || native->kind == OUTCOME_DIED)
		return 0;
	if (native->kind == OUTCOME_FAULT)
		differs = compare_faults(host, test, native, emulated);
	differs |= compare_registers(host, test, native, emulated);
	if (host && is_partly_stored(host, test, native))
		return differs;
	if (!same_memory(host, test, image, native, emulated))
		differs |= DIFFERS_MEMORY;
	if (host && test->count == 1 && undefined_result(host, &test->instruction[0], native))
		differs &= ~(DIFFERS_GPR_ALL | DIFFERS_MEMORY);
	return differs;
}
