/*
 * Fuzzes the CPU: any bytes as code, in any mode, from any register state. Nothing may crash or hang, and three ways to run the same code
 * must end in the same state: blocks, blocks cut short at arbitrary instruction counts, and tagged execution.
 *
 * Input: a byte for the mode and ring, eight bytes that seed registers and data, then code. The exception handlers are in the code, too.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

/* The unit tests' rig without their library: a set-up that fails is a bug like any other. */
#define CMOCKA_H_
#define assert_true(condition) ((condition) ? (void)0 : abort())
#define assert_null(pointer) assert_true(!(pointer))
#include "tests/unit/rig.h"

enum { HEADER = 9, MAX_CODE = 4096, LIMIT = 500, REP_LIMIT = 64, VECTORS = 256, COMPARED = 1 << 20 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
	enum rig_mode mode;
	bool user;
	uint64_t seed;
	const uint8_t *code;
	size_t size;
};

static uint64_t next_random(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed;
}

/* Gates to addresses in the code; some of them open to ring 3. The real-mode table is the same idea. */
static void fill_idt(struct rig *rig, const struct input *input)
{
	bool wide = input->mode >= RIG_COMPAT;

	for (unsigned vector = 0; vector < VECTORS; vector++) {
		uint64_t target = RIG_CODE + vector * 7 % (input->size + 1);
		uint64_t selector = input->mode == RIG_COMPAT ? RIG_CODE64 : RIG_CS0;
		uint64_t type = (vector & 1 ? 0x8e : 0xef) & ~(input->mode == RIG_PROT16 ? 8u : 0u);

		if (input->mode == RIG_REAL) {
			uint32_t pointer = (RIG_CODE >> 4) << 16 | (target & 0xffff);

			rig_write(rig, RIG_IDT + 4 * vector, &pointer, 4);
			continue;
		}
		rig_write64(rig, RIG_IDT + (wide ? 16 : 8) * vector,
			    (target & 0xffff) | selector << 16 | type << 40 | (target >> 16) << 48);
	}
}

/* Addresses near the data, near the end of mapped memory, small numbers, anything. */
static uint64_t interesting(uint64_t *seed)
{
	uint64_t value = next_random(seed);

	switch (value & 7) {
	case 0:
		return value >> 3;
	case 1:
		return value >> 3 & 0xff;
	case 2:
		return -(value >> 3 & 0xff);
	case 3:
		return RIG_CODE + (value >> 3) % MAX_CODE;
	case 4:
		return (uint64_t)1 << (value >> 3 & 63);
	default:
		return RIG_DATA + (value >> 3) % 0x8000;
	}
}

static void fill_registers(struct cpu *cpu, const struct input *input)
{
	uint64_t seed = input->seed | 1;
	bool wide = input->mode == RIG_LONG;

	for (unsigned i = 0; i < 16; i++)
		if (i != RSP)
			cpu->gpr[i] = wide || i < 8 ? interesting(&seed) & (wide ? UINT64_MAX : UINT32_MAX) : 0;
	for (unsigned i = 0; i < 32; i++)
		cpu->xmm[i / 2].u64[i % 2] = next_random(&seed);
	for (unsigned i = 0; i < 8; i++) {
		cpu->fpu.reg[i].significand = next_random(&seed);
		cpu->fpu.reg[i].sign_exponent = next_random(&seed);
	}
	cpu->fpu.valid = next_random(&seed);
	cpu->fpu.top = next_random(&seed) & 7;
	cpu->fpu.control = next_random(&seed) & 8 ? 0x37f : (0x340 | (next_random(&seed) & 0xc3f));
	cpu->mxcsr = next_random(&seed) & 8 ? 0x1f80 : (next_random(&seed) & 0xffc0);
	cpu_set_eflags(cpu, next_random(&seed), 0xcd5 | (next_random(&seed) & 15 ? 0 : FLAG_TF));
	cpu->star = (uint64_t)(RIG_CS3 - 16) << 48 | (uint64_t)RIG_CS0 << 32;
	cpu->lstar = cpu->sysenter_eip = RIG_CODE;
	cpu->sysenter_cs = RIG_CS0;
	cpu->sysenter_esp = RIG_STACK;
	cpu_update_mode(cpu);
}

static void fill_data(struct rig *rig, const struct input *input)
{
	uint64_t seed = input->seed | 1, block[512];

	for (unsigned page = 0; page < 8; page++) {
		for (unsigned i = 0; i < 512; i++)
			block[i] = interesting(&seed);
		rig_write(rig, RIG_DATA + 4096 * page, block, sizeof(block));
	}
	/* the TSS: a stack for every ring */
	for (unsigned i = 0; i < 3; i++) {
		if (input->mode >= RIG_COMPAT)
			rig_write64(rig, RIG_TSS_BASE + 4 + 8 * i, RIG_STACK);
		else
			rig_write64(rig, RIG_TSS_BASE + 4 + 8 * i, RIG_STACK | (uint64_t)RIG_DS0 << 32);
	}
}

static void set_up(struct rig *rig, const struct input *input)
{
	rig_init(rig, input->mode);
	fill_idt(rig, input);
	fill_data(rig, input);
	rig_code(rig, input->code, input->size);
	if (input->mode == RIG_COMPAT)
		rig_load_segments(rig, RIG_CODE32, RIG_DS0);
	if (input->user && input->mode != RIG_REAL)
		rig_load_segments(rig, RIG_CS3, RIG_DS3);
	fill_registers(rig->cpu, input);
	rig->cpu->rep_limit = rig->cpu->rep_limit_normal = REP_LIMIT; /* 500 instructions of 65536 iterations each take minutes here */
}

static void run_in_pieces(struct cpu *cpu, uint64_t until, uint64_t seed)
{
	while (cpu_instructions(cpu) < until) {
		uint64_t next = cpu_instructions(cpu) + 1 + next_random(&seed) % 50;

		if (cpu_run(cpu, next < until ? next : until) != CPU_EXIT_DEADLINE)
			return;
	}
}

/* -- comparing -- */

static void differ(const char *what, const char *run, uint64_t a, uint64_t b)
{
	fprintf(stderr, "%s differs in the run %s: %#llx, %#llx\n", what, run, (unsigned long long)a, (unsigned long long)b);
	abort();
}

static void compare_u64(const char *what, const char *run, uint64_t a, uint64_t b)
{
	if (a != b)
		differ(what, run, a, b);
}

static void compare_cpus(const struct cpu *a, const struct cpu *b, const char *run)
{
	compare_u64("instruction count", run, cpu_instructions(a), cpu_instructions(b));
	compare_u64("RIP", run, a->rip, b->rip);
	compare_u64("EFLAGS", run, cpu_get_eflags(a), cpu_get_eflags(b));
	for (unsigned i = 0; i < 16; i++) {
		compare_u64("a general register", run, a->gpr[i], b->gpr[i]);
		compare_u64("an XMM register", run, a->xmm[i].u64[0], b->xmm[i].u64[0]);
		compare_u64("an XMM register", run, a->xmm[i].u64[1], b->xmm[i].u64[1]);
	}
	for (unsigned i = 0; i < 8; i++) {
		compare_u64("an x87 register", run, a->fpu.reg[i].significand, b->fpu.reg[i].significand);
		compare_u64("an x87 register's exponent", run, a->fpu.reg[i].sign_exponent, b->fpu.reg[i].sign_exponent);
		compare_u64("a segment", run, a->seg[i].selector | a->seg[i].base << 16, b->seg[i].selector | b->seg[i].base << 16);
	}
	compare_u64("x87 status", run, a->fpu.status | a->fpu.top << 16 | a->fpu.valid << 20,
		    b->fpu.status | b->fpu.top << 16 | b->fpu.valid << 20);
	compare_u64("MXCSR", run, a->mxcsr, b->mxcsr);
	compare_u64("CPL", run, a->cpl, b->cpl);
	compare_u64("CR0", run, a->cr0, b->cr0);
	compare_u64("CR2", run, a->cr2, b->cr2);
	compare_u64("CR3", run, a->cr3, b->cr3);
	compare_u64("CR4", run, a->cr4, b->cr4);
	compare_u64("DR6", run, a->dr[6], b->dr[6]);
}

static void compare(struct rig *a, struct rig *b, const char *run)
{
	const uint8_t *memory_a = physmem_host(&a->mem, 0, false, false), *memory_b = physmem_host(&b->mem, 0, false, false);

	compare_cpus(a->cpu, b->cpu, run);
	for (unsigned at = 0; at < COMPARED; at += PAGE_SIZE) {
		unsigned i = 0;

		if (!memcmp(memory_a + at, memory_b + at, PAGE_SIZE))
			continue;
		while (memory_a[at + i] == memory_b[at + i])
			i++;
		differ("memory", run, at + i, memory_a[at + i] << 8 | memory_b[at + i]);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct rig blocks, pieces, tagged;
	struct input input;

	if (size <= HEADER || size > HEADER + MAX_CODE)
		return 0;
	input = (struct input){
		.mode = (data[0] & 0x7f) % (RIG_LONG + 1), .user = data[0] & 0x80, .code = data + HEADER, .size = size - HEADER};
	memcpy(&input.seed, data + 1, sizeof(input.seed));

	set_up(&blocks, &input);
	cpu_run(blocks.cpu, LIMIT);
	set_up(&pieces, &input);
	run_in_pieces(pieces.cpu, LIMIT, input.seed | 1);
	compare(&blocks, &pieces, "in pieces");
	rig_deinit(&pieces);
	set_up(&tagged, &input);
	cpu_set_tagged(tagged.cpu, true);
	cpu_run(tagged.cpu, LIMIT);
	compare(&blocks, &tagged, "with tags");
	rig_deinit(&tagged);
	rig_deinit(&blocks);
	return 0;
}
