/*
 * For the tests of MMX and SSE instructions: the same bytes run on the host's CPU and on the emulated one, from the same random state, and
 * everything that they may change compared.
 *
 * Memory operands lie in a page that the host maps at the address where the guest has it. Encodings are made from the rows of the
 * instruction table, so that every row gets its turn. Host faults arrive as signals, guest ones at the handlers of an IDT: they must
 * agree, too. Both engines, plain and tagged, compute the same.
 */
#ifndef XRAY86_TESTS_UNIT_SIMD_RIG_H
#define XRAY86_TESTS_UNIT_SIMD_RIG_H

#include <signal.h>
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/mman.h>
#include <ucontext.h>

#include "rig.h"

#include "emu/isa/isa.h"
#include "emu/sse.h"
#include "emu/x87.h"
#include "tests/hybrid.h"

enum { SIMD_DATA = RIG_DATA, SIMD_DATA_SIZE = 1024, SIMD_HANDLERS = 0x12000, SIMD_POINTER = SIMD_DATA + 256 };

struct simd_state {
	_Alignas(64) struct fxsave_image fx;
	uint64_t gpr[16]; /* 512 */
	uint64_t rflags;  /* 640 */
};

struct simd_rig {
	struct rig rig;
	uint8_t *code, *data;
	uint64_t seed;
	bool host_leaves_x87; /* see simd_host_leaves_x87() */
};

/* The signal handler's way back; one test runs at a time. */
static struct {
	sigjmp_buf back;
	int signal;
	uint32_t mxcsr;
} simd_fault;

static void simd_on_signal(int number, siginfo_t *info, void *context)
{
	(void)info;
	simd_fault.signal = number;
	simd_fault.mxcsr = ((ucontext_t *)context)->uc_mcontext.fpregs->mxcsr;
	siglongjmp(simd_fault.back, 1);
}

/* Loads everything but RSP from *state, calls code, stores everything back. */
__attribute__((naked, noinline)) static void simd_call(__attribute__((unused)) struct simd_state *state,
							__attribute__((unused)) const void *code)
{
	__asm__("push %rbx; push %rbp; push %r12; push %r13; push %r14; push %r15; push %rdi; push %rsi\n\t"
		"fxrstor64 (%rdi); push 640(%rdi); popfq\n\t"
		"mov 512(%rdi), %rax; mov 520(%rdi), %rcx; mov 528(%rdi), %rdx; mov 536(%rdi), %rbx; mov 552(%rdi), %rbp\n\t"
		"mov 560(%rdi), %rsi; mov 576(%rdi), %r8; mov 584(%rdi), %r9; mov 592(%rdi), %r10; mov 600(%rdi), %r11\n\t"
		"mov 608(%rdi), %r12; mov 616(%rdi), %r13; mov 624(%rdi), %r14; mov 632(%rdi), %r15; mov 568(%rdi), %rdi\n\t"
		"call *(%rsp)\n\t"
		"xchg %rdi, 8(%rsp); pushfq; pop 640(%rdi)\n\t"
		"mov %rax, 512(%rdi); mov %rcx, 520(%rdi); mov %rdx, 528(%rdi); mov %rbx, 536(%rdi); mov %rbp, 552(%rdi)\n\t"
		"mov %rsi, 560(%rdi); mov %r8, 576(%rdi); mov %r9, 584(%rdi); mov %r10, 592(%rdi); mov %r11, 600(%rdi)\n\t"
		"mov %r12, 608(%rdi); mov %r13, 616(%rdi); mov %r14, 624(%rdi); mov %r15, 632(%rdi)\n\t"
		"fxsave64 (%rdi); pop %rax; pop %rax; mov %rax, 568(%rdi)\n\t"
		"pop %r15; pop %r14; pop %r13; pop %r12; pop %rbp; pop %rbx; ret");
}

/* Runs code on the host. Returns the vector of the exception it raised, or -1; then *state is as before, but for MXCSR. */
static int simd_run_host(struct simd_rig *s, struct simd_state *state, const uint8_t *code, unsigned length)
{
	memcpy(s->code, code, length);
	s->code[length] = 0xc3;
	simd_fault.signal = 0;
	if (!sigsetjmp(simd_fault.back, 1))
		simd_call(state, s->code);
	else
		state->fx.mxcsr = simd_fault.mxcsr;
	__asm__ volatile("fninit; cld");
	host_mxcsr_set(MXCSR_DEFAULT);
	switch (simd_fault.signal) {
	case 0:
		return -1;
	case SIGILL:
		return VECTOR_UD;
	case SIGSEGV:
		return VECTOR_GP;
	default:
		return VECTOR_XM; /* or #MF: the caller knows */
	}
}

/* The same on the emulated CPU. */
static int simd_run_guest(struct simd_rig *s, struct simd_state *state, const uint8_t *code, unsigned length)
{
	struct cpu *cpu = s->rig.cpu;
	uint64_t rsp = cpu->gpr[RSP];
	int vector = -1;

	memcpy(cpu->gpr, state->gpr, sizeof(cpu->gpr));
	cpu->gpr[RSP] = rsp;
	memcpy(cpu->xmm, state->fx.xmm, sizeof(cpu->xmm));
	x87_fxrstor_image(cpu, (const uint8_t *)&state->fx, true);
	cpu->mxcsr = state->fx.mxcsr;
	cpu_set_eflags(cpu, (uint32_t)state->rflags, FLAGS_ARITHMETIC);
	cpu_update_mode(cpu);
	rig_code(&s->rig, code, length);
	rig_run(&s->rig, 1);

	if (cpu->rip != RIG_CODE + length) {
		assert_in_range(cpu->rip, SIMD_HANDLERS, SIMD_HANDLERS + 32 * 16 - 1);
		vector = (int)(cpu->rip - SIMD_HANDLERS) / 16;
	}
	memcpy(state->gpr, cpu->gpr, sizeof(cpu->gpr));
	cpu->gpr[RSP] = rsp;
	state->gpr[RSP] = 0;
	memcpy(state->fx.xmm, cpu->xmm, sizeof(cpu->xmm));
	x87_fxsave_image(cpu, (uint8_t *)&state->fx, true);
	state->fx.mxcsr = cpu->mxcsr;
	state->rflags = (state->rflags & ~(uint64_t)FLAGS_ARITHMETIC) | (cpu_get_eflags(cpu) & FLAGS_ARITHMETIC);
	return vector;
}

static uint64_t simd_random(struct simd_rig *s)
{
	s->seed ^= s->seed << 13;
	s->seed ^= s->seed >> 7;
	s->seed ^= s->seed << 17;
	return s->seed;
}

static unsigned simd_below(struct simd_rig *s, unsigned limit)
{
	return (unsigned)(simd_random(s) >> 33) % limit;
}

/* Values at which floating point turns. */
static uint32_t simd_single(struct simd_rig *s)
{
	static const uint32_t values[] = {
		0,	    0x3f800000, 0x3fc00000, 0x7f800000, 0x7fc00000, 0x7f800001, 0x7fc12345, 0x7f923456,
		1,	    0x7fffff,	0x800000,   0x800001,	0x7f7fffff, 0x4b000001, 0x4f000000, 0x4effffff,
		0x5f000000, 0x3f000000, 0x34000000, 0x20000000, 0x1fffffff, 0x00123456,
	};

	switch (simd_below(s, 4)) {
	case 0:
		return values[simd_below(s, sizeof(values) / sizeof(*values))] | (uint32_t)simd_below(s, 2) << 31;
	case 1:
		return 0x3f800000 + (uint32_t)(simd_random(s) & 0x8fffffff); /* near one */
	case 2:
		return (uint32_t)simd_random(s) & 0x80ffffff; /* denormals and the smallest */
	default:
		return (uint32_t)simd_random(s);
	}
}

static uint64_t simd_double(struct simd_rig *s)
{
	static const uint64_t values[] = {
		0, 0x3ff0000000000000, 0x3ff8000000000000, 0x7ff0000000000000, 0x7ff8000000000000, 0x7ff0000000000001, 0x7ff8000012345678,
		0x7ff4000000000000, 1, 0xfffffffffffff, 0x10000000000000, 0x7fefffffffffffff, 0x41dfffffffc00000, 0x41e0000000000000,
		0x43e0000000000000, 0x3fe0000000000000, 0x36a0000000000000, 0x3690000000000000, 0x380fffffffffffff, 0x47efffffffffffff,
		0x2000000000000000, 0x1fffffffffffffff,
	};

	switch (simd_below(s, 4)) {
	case 0:
		return values[simd_below(s, sizeof(values) / sizeof(*values))] | (uint64_t)simd_below(s, 2) << 63;
	case 1:
		return 0x3800000000000000 + (simd_random(s) & 0x8fffffffffffffff); /* about the range of singles */
	case 2:
		return simd_random(s) & 0x801fffffffffffff;
	default:
		return simd_random(s);
	}
}

static void simd_vector(struct simd_rig *s, union xmm *ret)
{
	switch (simd_below(s, 4)) {
	case 0:
		for (unsigned i = 0; i < 4; i++)
			ret->u32[i] = simd_single(s);
		break;
	case 1:
		for (unsigned i = 0; i < 2; i++)
			ret->u64[i] = simd_double(s);
		break;
	case 2: /* small elements: string comparisons, shift counts */
		ret->u64[0] = simd_random(s) & 0x0303030303030303;
		ret->u64[1] = simd_below(s, 2) ? 0 : simd_random(s) & 0x0303030303030303;
		break;
	default:
		ret->u64[0] = simd_random(s);
		ret->u64[1] = simd_random(s);
		break;
	}
}

static uint64_t simd_integer(struct simd_rig *s)
{
	return simd_below(s, 2) ? simd_random(s) : (uint64_t)(int64_t)(int)(simd_below(s, 50) - 25);
}

enum simd_masks { SIMD_MASKED, SIMD_UNMASKED };

static void simd_random_state(struct simd_rig *s, enum simd_masks masks, struct simd_state *ret)
{
	memset(ret, 0, sizeof(*ret));
	ret->fx.mxcsr = (uint32_t)simd_random(s) & MXCSR_VALID;
	if (masks == SIMD_MASKED)
		ret->fx.mxcsr |= MXCSR_MASKS;
	else
		ret->fx.mxcsr &= ~(uint32_t)MXCSR_FLAGS; /* else it would be unclear what the instruction itself set */
	for (unsigned i = 0; i < 16; i++) {
		simd_vector(s, &ret->fx.xmm[i]);
		ret->gpr[i] = simd_integer(s);
	}
	ret->gpr[RBX] = SIMD_POINTER + (simd_below(s, 8) ? 16 * simd_below(s, 4) : simd_below(s, 64));
	ret->gpr[RDI] = SIMD_POINTER + simd_below(s, 64);
	ret->gpr[RSP] = 0;
	ret->rflags = 0x202 | (simd_random(s) & FLAGS_ARITHMETIC);

	ret->fx.x87[0] = 0x7f; /* FCW */
	ret->fx.x87[1] = 3;
	ret->fx.x87[3] = simd_below(s, 8) << 3; /* TOP */
	ret->fx.x87[4] = (uint8_t)simd_random(s);
	if (!simd_below(s, 16)) { /* a pending x87 exception: IE unmasked */
		ret->fx.x87[0] = 0x7e;
		ret->fx.x87[2] = X87_IE | X87_ES;
		ret->fx.x87[3] |= X87_B >> 8;
	}
	for (unsigned i = 0; i < 8; i++) {
		union xmm v;

		simd_vector(s, &v);
		memcpy(ret->fx.st[i], &v, 10);
	}
}

static bool simd_uses_method(const struct isa_row *row, enum isa_method method)
{
	return isa_operands[row->operand[0]].method == method || isa_operands[row->operand[1]].method == method;
}

/* An encoding of the row with random operands. memory: the form with a memory operand at RBX. Returns its length, 0 if it has no such. */
static unsigned simd_encode(struct simd_rig *s, const struct isa_row *row, bool memory, uint8_t *code)
{
	static const uint8_t prefixes[] = {[P_66] = 0x66, [P_F3] = 0xf3, [P_F2] = 0xf2};
	bool wide = row->attributes & A_O64 || (row->prefix != P_ANY && simd_below(s, 4) == 0);
	unsigned n = 0, rex, reg, rm;

	if ((memory && row->mod != M_MEM && row->mod != M_ANY) || (!memory && row->mod == M_MEM))
		return 0;
	reg = row->reg == R_ANY ? simd_below(s, 16) : (unsigned)row->reg;
	rm = memory ? RBX : simd_below(s, 16);
	if (simd_uses_method(row, METHOD_G) && reg == RSP)
		reg = RAX; /* the stack pointer is not part of the state */
	if ((simd_uses_method(row, METHOD_E) || simd_uses_method(row, METHOD_R)) && rm == RSP)
		rm = RAX;
	if (row->prefix >= P_66)
		code[n++] = prefixes[row->prefix];
	rex = 0x40 | (wide ? 8 : 0) | (reg & 8) >> 1 | rm >> 3;
	if (rex != 0x40)
		code[n++] = (uint8_t)rex;
	code[n++] = 0x0f;
	if (row->map == MAP_0F38)
		code[n++] = 0x38;
	if (row->map == MAP_0F3A)
		code[n++] = 0x3a;
	code[n++] = row->opcode;
	if (row->mod != M_NONE)
		code[n++] = (uint8_t)((memory ? 0 : 0xc0) | (reg & 7) << 3 | (rm & 7));
	for (unsigned i = 0; i < 4; i++)
		if (row->operand[i] == OPN_Ib)
			code[n++] = (uint8_t)(simd_below(s, 3) ? simd_random(s) : simd_below(s, 20));
	return n;
}

static void simd_random_memory(struct simd_rig *s)
{
	for (unsigned i = 0; i < SIMD_DATA_SIZE; i += 16) {
		union xmm v;

		simd_vector(s, &v);
		memcpy(s->data + i, &v, 16);
	}
}

static void simd_fail(const struct isa_row *row, const uint8_t *code, unsigned length, const struct simd_state *before,
		      const struct simd_state *host, const struct simd_state *guest, const char *what)
{
	char bytes[64] = "";

	for (unsigned i = 0; i < length; i++)
		snprintf(bytes + strlen(bytes), sizeof(bytes) - strlen(bytes), "%02x ", code[i]);
	print_error("%s (%s): %s differs; mxcsr before %x host %x guest %x\n", isa_op_names[row->op], bytes, what, before->fx.mxcsr,
		    host->fx.mxcsr, guest->fx.mxcsr);
	for (unsigned i = 0; i < 16; i++)
		if (memcmp(&host->fx.xmm[i], &guest->fx.xmm[i], 16))
			print_error("xmm%u before %016lx%016lx host %016lx%016lx guest %016lx%016lx\n", i, before->fx.xmm[i].u64[1],
				    before->fx.xmm[i].u64[0], host->fx.xmm[i].u64[1], host->fx.xmm[i].u64[0], guest->fx.xmm[i].u64[1],
				    guest->fx.xmm[i].u64[0]);
	for (unsigned i = 0; i < 16; i++)
		if (host->gpr[i] != guest->gpr[i])
			print_error("gpr%u before %016lx host %016lx guest %016lx\n", i, before->gpr[i], host->gpr[i], guest->gpr[i]);
	if (host->rflags != guest->rflags)
		print_error("flags host %lx guest %lx\n", host->rflags, guest->rflags);
	fail();
}

/* One instruction on both. */
static void simd_compare(struct simd_rig *s, const struct isa_row *row, const uint8_t *code, unsigned length,
			 const struct simd_state *before)
{
	struct simd_state host = *before, guest = *before;
	uint8_t memory[SIMD_DATA_SIZE];
	int host_vector, guest_vector;

	simd_random_memory(s);
	rig_write(&s->rig, SIMD_DATA, s->data, SIMD_DATA_SIZE);
	host_vector = simd_run_host(s, &host, code, length);
	guest_vector = simd_run_guest(s, &guest, code, length);
	if (guest_vector == VECTOR_MF)
		guest_vector = VECTOR_XM;
	assert_true(physmem_copy_out(&s->rig.mem, SIMD_DATA, memory, sizeof(memory)));

	if (host_vector != guest_vector) {
		print_error("host raised %d, guest %d\n", host_vector, guest_vector);
		simd_fail(row, code, length, before, &host, &guest, "exception");
	}
	if (host.fx.mxcsr != guest.fx.mxcsr)
		simd_fail(row, code, length, before, &host, &guest, "MXCSR");
	if (memcmp(memory, s->data, sizeof(memory)))
		simd_fail(row, code, length, before, &host, &guest, "memory");
	if (memcmp(host.fx.xmm, guest.fx.xmm, sizeof(host.fx.xmm)))
		simd_fail(row, code, length, before, &host, &guest, "an XMM register");
	if (memcmp(host.gpr, guest.gpr, sizeof(host.gpr)))
		simd_fail(row, code, length, before, &host, &guest, "a general register");
	if (host.rflags != guest.rflags)
		simd_fail(row, code, length, before, &host, &guest, "EFLAGS");
	if (memcmp(host.fx.st, guest.fx.st, sizeof(host.fx.st)))
		simd_fail(row, code, length, before, &host, &guest, "an MMX register");
	if (memcmp(host.fx.x87, guest.fx.x87, 5))
		simd_fail(row, code, length, before, &host, &guest, "the x87 state");
}

/*
 * Whether the host, like the emulator, leaves the x87 unit alone in CVTPI2PS and CVTPI2PD from memory. Others enter MMX state, and see
 * pending x87 exceptions (SDM vol. 2A, CVTPI2PS).
 */
static bool simd_host_leaves_x87(struct simd_rig *s)
{
	static const char *const codes[] = {"\x0f\x2a\x03", "\x66\x0f\x2a\x03"};
	bool leaves = true;

	for (unsigned i = 0; i < 2; i++) {
		struct simd_state state = {.gpr[RBX] = SIMD_POINTER, .rflags = 0x202};

		state.fx.mxcsr = MXCSR_DEFAULT;
		state.fx.x87[0] = 0x7f; /* FCW; all registers are empty, TOP is 3 */
		state.fx.x87[3] = 3 << 3;
		simd_run_host(s, &state, (const uint8_t *)codes[i], (unsigned)strlen(codes[i]));
		leaves &= state.fx.x87[4] == 0 && state.fx.x87[3] == 3 << 3;
	}
	return leaves;
}

/* `count` random encodings and states of each form of the row. */
static void simd_check_row(struct simd_rig *s, const struct isa_row *row, enum simd_masks masks, unsigned count)
{
	struct simd_state before;
	uint8_t code[16];

	for (unsigned memory = 0; memory < 2; memory++)
		for (unsigned i = 0; i < count; i++) {
			unsigned length = simd_encode(s, row, memory, code);

			if (!length || (memory && !s->host_leaves_x87 && (row->op == OP_CVTPI2PS || row->op == OP_CVTPI2PD)))
				break;
			simd_random_state(s, masks, &before);
			simd_compare(s, row, code, length, &before);
		}
}

static void simd_rig_init(struct simd_rig *s, bool tagged)
{
	struct sigaction action = {.sa_sigaction = simd_on_signal, .sa_flags = SA_SIGINFO};

	assert_true(stay_on_one_kind());
	rig_init(&s->rig, RIG_LONG);
	for (unsigned vector = 0; vector < 32; vector++) {
		uint64_t handler = SIMD_HANDLERS + vector * 16;

		uint64_t gate = (handler & 0xffff) | (uint64_t)RIG_CS0 << 16 | 0x8e0000000000 | handler >> 16 << 48;

		rig_write64(&s->rig, RIG_IDT + vector * 16, gate);
		rig_write64(&s->rig, RIG_IDT + vector * 16 + 8, 0);
	}
	if (tagged)
		s->rig.cpu->mode |= MODE_TAGGED;
	s->seed = 0x123456789abcdef;
	s->code = mmap(NULL, PAGE_SIZE, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(s->code, MAP_FAILED);
	s->data = mmap((void *)(uintptr_t)SIMD_DATA, PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE,
		       -1, 0);
	assert_ptr_equal(s->data, (void *)(uintptr_t)SIMD_DATA);
	sigaction(SIGILL, &action, NULL);
	sigaction(SIGFPE, &action, NULL);
	sigaction(SIGSEGV, &action, NULL);
	s->host_leaves_x87 = simd_host_leaves_x87(s);
}

static void simd_rig_deinit(struct simd_rig *s)
{
	munmap(s->code, PAGE_SIZE);
	munmap(s->data, PAGE_SIZE);
	rig_deinit(&s->rig);
}

#endif
