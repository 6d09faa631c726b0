/*
 * The engine: exact instruction counts, self-modifying and aliased code, precise faults between flag writers, marks and calls.
 */
#include "tests/unit/rig.h"

#include "emu/block.h"

static int with_rig(void **state)
{
	struct rig *rig = malloc(sizeof(*rig));

	rig_init(rig, RIG_LONG);
	*state = rig;
	return 0;
}

static int without_rig(void **state)
{
	rig_deinit(*state);
	free(*state);
	return 0;
}

/* mov ecx, n; xor eax, eax; L: add rax, rcx; dec rcx; jnz L; nop; jmp $ */
static const char sum_loop[] = "\xb9\xe8\x03\x00\x00\x31\xc0\x48\x01\xc8\x48\xff\xc9\x75\xf8\x90\xeb\xfe";

static void test_loop(void **state)
{
	struct rig *rig = *state;

	assert_int_equal(RIG_RUN(rig, sum_loop, 2 + 3 * 1000), CPU_EXIT_DEADLINE);
	assert_int_equal(rig->cpu->gpr[RAX], 1000 * 1001 / 2);
	assert_int_equal(rig->cpu->rip, RIG_CODE + 15);
	assert_int_equal(cpu_instructions(rig->cpu), 2 + 3 * 1000);
}

/* The state after n instructions is the same however the run is cut. */
static void test_deadlines_are_exact(void **state)
{
	struct rig *rig = *state;
	uint64_t rax[100], rip[100];
	unsigned n;

	for (n = 0; n < 100; n++) {
		memset(rig->cpu->gpr, 0, 4 * sizeof(uint64_t));
		RIG_RUN(rig, sum_loop, n);
		rax[n] = rig->cpu->gpr[RAX];
		rip[n] = rig->cpu->rip;
	}
	memset(rig->cpu->gpr, 0, 4 * sizeof(uint64_t));
	rig_code(rig, sum_loop, sizeof(sum_loop) - 1);
	for (n = 0; n < 100; n++) {
		assert_int_equal(rig->cpu->gpr[RAX], rax[n]);
		assert_int_equal(rig->cpu->rip, rip[n]);
		rig_run(rig, 1);
	}
}

/* An instruction overwrites the immediate of the next one, which must execute as written, though it is in the same block. */
static void test_self_modification_within_block(void **state)
{
	struct rig *rig = *state;
	unsigned i;

	/* mov byte [rip+1], dl; mov al, 0; inc edx; jmp back */
	rig->cpu->gpr[RDX] = 0x41;
	rig_code(rig, "\x88\x15\x01\x00\x00\x00\xb0\x00\xff\xc2\xeb\xf4", 12);
	for (i = 0; i < 50; i++) {
		rig_run(rig, 2);
		assert_int_equal(rig->cpu->gpr[RAX] & 0xff, 0x41 + i);
		rig_run(rig, 2);
	}
}

/* The same through another linear address of the page: physical 0x10000 is also mapped at 1 GiB. */
static void test_self_modification_through_alias(void **state)
{
	struct rig *rig = *state;
	unsigned i;

	rig_write64(rig, RIG_TABLES + 0x1000 + 8, (RIG_TABLES + 0x3000) | 7);
	rig_write64(rig, RIG_TABLES + 0x3000, 0x87);
	/* mov [rdi], dl; mov al, 0; inc edx; jmp back */
	rig->cpu->gpr[RDX] = 0x41;
	rig->cpu->gpr[RDI] = 0x40000000 + RIG_CODE + 3;
	rig_code(rig, "\x88\x17\xb0\x00\xff\xc2\xeb\xf8", 8);
	for (i = 0; i < 50; i++) {
		rig_run(rig, 2);
		assert_int_equal(rig->cpu->gpr[RAX] & 0xff, 0x41 + i);
		rig_run(rig, 2);
	}
}

/* Code changed from outside (a device, the loader) is noticed. */
static void test_code_changed_by_host(void **state)
{
	struct rig *rig = *state;

	RIG_RUN(rig, "\xb0\x01\xeb\xfc", 20);
	assert_int_equal(rig->cpu->gpr[RAX], 1);
	physmem_write(&rig->mem, RIG_CODE + 1, 2, 1);
	rig_run(rig, 2);
	assert_int_equal(rig->cpu->gpr[RAX], 2);
}

/* A page remapped under running code: the new page's code runs after INVLPG. */
static void test_remapped_code(void **state)
{
	struct rig *rig = *state;
	uint64_t code = 0x40000000;

	rig_write64(rig, RIG_TABLES + 0x1000 + 8, (RIG_TABLES + 0x3000) | 7);
	rig_write64(rig, RIG_TABLES + 0x3000, (RIG_TABLES + 0x4000) | 7);
	rig_write64(rig, RIG_TABLES + 0x4000, 0x50000 | 7);
	rig_write(rig, 0x50000, "\xb0\x01\xeb\xfc", 4);
	rig_write(rig, 0x51000, "\xb0\x02\xeb\xfc", 4);
	rig->cpu->rip = code;
	rig_run(rig, 20);
	assert_int_equal(rig->cpu->gpr[RAX], 1);
	rig_write64(rig, RIG_TABLES + 0x4000, 0x51000 | 7);
	cpu_flush_page(rig->cpu, code);
	rig_run(rig, 2);
	assert_int_equal(rig->cpu->gpr[RAX], 2);
}

/* An instruction across a page boundary, of which only the second page changes its mapping. */
static void test_page_crossing_instruction(void **state)
{
	struct rig *rig = *state;
	uint64_t code = 0x40000ffe;

	rig_write64(rig, RIG_TABLES + 0x1000 + 8, (RIG_TABLES + 0x3000) | 7);
	rig_write64(rig, RIG_TABLES + 0x3000, (RIG_TABLES + 0x4000) | 7);
	rig_write64(rig, RIG_TABLES + 0x4000, 0x50000 | 7);
	rig_write64(rig, RIG_TABLES + 0x4008, 0x60000 | 7);
	rig_write(rig, 0x50ffe, "\xb8\x01", 2); /* mov eax, imm32; jmp back */
	rig_write(rig, 0x60000, "\x02\x03\x04\xeb\xf9", 5);
	rig_write(rig, 0x61000, "\x0a\x0b\x0c\xeb\xf9", 5);
	rig->cpu->rip = code;
	rig_run(rig, 21);
	assert_int_equal(rig->cpu->gpr[RAX], 0x04030201);
	rig_write64(rig, RIG_TABLES + 0x4008, 0x61000 | 7);
	cpu_flush_page(rig->cpu, code + 2);
	rig_run(rig, 2);
	assert_int_equal(rig->cpu->gpr[RAX], 0x0c0b0a01);
	physmem_write(&rig->mem, 0x61000, 0x77, 1);
	rig_run(rig, 2);
	assert_int_equal(rig->cpu->gpr[RAX], 0x0c0b7701);
}

/* A long-mode interrupt gate to `handler` for `vector`. */
static void set_gate(struct rig *rig, unsigned vector, uint64_t handler)
{
	rig_write64(rig, RIG_IDT + 16 * vector, (handler & 0xffff) | RIG_CS0 << 16 | 0x8e00ull << 32 | (handler >> 16 & 0xffff) << 48);
	rig_write64(rig, RIG_IDT + 16 * vector + 8, handler >> 32);
}

/* The flags that a fault pushes are those of the last writer before it, though a later one in the block overwrites them. */
static void test_flags_at_fault(void **state)
{
	struct rig *rig = *state;

	set_gate(rig, VECTOR_PF, RIG_CODE + 0x100);
	rig_write(rig, RIG_CODE + 0x100, "\xeb\xfe", 2);
	rig->cpu->gpr[RAX] = 0xff;
	rig->cpu->gpr[RDI] = 0x7000000000;
	/* add al, 1 (ZF CF AF PF); mov rbx, [rdi] faults; sub ecx, 1 */
	RIG_RUN(rig, "\x04\x01\x48\x8b\x1f\x83\xe9\x01", 3);
	assert_int_equal(rig->cpu->rip, RIG_CODE + 0x100);
	assert_int_equal(rig->cpu->cr2, 0x7000000000);
	assert_int_equal(rig_read64(rig, rig->cpu->gpr[RSP]), 0);
	assert_int_equal(rig_read64(rig, rig->cpu->gpr[RSP] + 8), RIG_CODE + 2);
	assert_int_equal(rig_read64(rig, rig->cpu->gpr[RSP] + 24) & FLAGS_ARITHMETIC, FLAG_ZF | FLAG_CF | FLAG_AF | FLAG_PF);
}

/* Dead flags in between do not disturb those that are read: add; inc (keeps CF); jc. */
static void test_carry_through_inc(void **state)
{
	struct rig *rig = *state;

	rig->cpu->gpr[RAX] = 0xffffffff;
	rig->cpu->gpr[RDX] = 0;
	/* add eax, 1; inc ebx; setc cl; sete dl */
	RIG_RUN(rig, "\x83\xc0\x01\xff\xc3\x0f\x92\xc1\x0f\x94\xc2\xeb\xfe", 4);
	assert_int_equal(rig->cpu->gpr[RCX], 1);
	assert_int_equal(rig->cpu->gpr[RDX], 0);
}

static void test_single_step(void **state)
{
	struct rig *rig = *state;

	set_gate(rig, VECTOR_DB, RIG_CODE + 0x100);
	rig_write(rig, RIG_CODE + 0x100, "\xeb\xfe", 2);
	cpu_set_eflags(rig->cpu, FLAG_TF, FLAG_TF);
	RIG_RUN(rig, "\x90\x90\x90\xeb\xfe", 2);
	assert_int_equal(rig->cpu->rip, RIG_CODE + 0x100);
	assert_int_equal(rig_read64(rig, rig->cpu->gpr[RSP]), RIG_CODE + 1);
	assert_int_equal(rig->cpu->dr[6] & 0x4000, 0x4000);
}

/* An endless storm of exceptions reaches the deadline. */
static void test_fault_storm_ends(void **state)
{
	struct rig *rig = *state;

	set_gate(rig, VECTOR_UD, RIG_CODE);
	RIG_RUN(rig, "\x0f\x0b", 1000);
	assert_in_range(cpu_instructions(rig->cpu), 1000, 1001);
}

struct counter {
	unsigned calls;
	enum mark_action action;
	uint64_t rip;
};

static enum mark_action count_call(void *opaque, struct cpu *cpu)
{
	struct counter *counter = opaque;

	counter->calls++;
	counter->rip = cpu->rip;
	return counter->action;
}

static void test_mark_in_mid_block(void **state)
{
	struct rig *rig = *state;
	struct counter counter = {.action = MARK_CONTINUE};

	RIG_RUN(rig, sum_loop, 100); /* the block exists already */
	rig->cpu->gpr[RCX] = 50;
	rig->cpu->rip = RIG_CODE + 7;
	assert_null(cpu_mark(rig->cpu, RIG_CODE + 10, count_call, &counter)); /* dec rcx */
	rig_run(rig, 3 * 50);
	assert_int_equal(counter.calls, 50);
	assert_int_equal(counter.rip, RIG_CODE + 10);
	assert_int_equal(rig->cpu->rip, RIG_CODE + 15);
	cpu_unmark(rig->cpu, RIG_CODE + 10);
	RIG_RUN(rig, sum_loop, 100);
	assert_int_equal(counter.calls, 50);
}

static void test_mark_exit_and_resume(void **state)
{
	struct rig *rig = *state;
	struct counter counter = {.action = MARK_EXIT};

	assert_null(cpu_mark(rig->cpu, RIG_CODE + 10, count_call, &counter));
	rig_code(rig, sum_loop, sizeof(sum_loop) - 1);
	assert_int_equal(rig_run(rig, 1000), CPU_EXIT_MARK);
	assert_int_equal(cpu_instructions(rig->cpu), 3);
	assert_int_equal(rig->cpu->rip, RIG_CODE + 10);
	assert_int_equal(rig_run(rig, 1000), CPU_EXIT_MARK);
	assert_int_equal(cpu_instructions(rig->cpu), 6);
	assert_int_equal(counter.calls, 2);
}

static void test_call(void **state)
{
	struct rig *rig = *state;
	uint64_t value = 0, rsp = rig->cpu->gpr[RSP];

	rig_write(rig, RIG_CODE + 0x200, "\x48\x8d\x04\x37\x31\xdb\xc3", 7); /* lea rax, [rdi+rsi]; xor ebx, ebx; ret */
	rig->cpu->gpr[RDI] = 40;
	rig->cpu->gpr[RSI] = 2;
	rig->cpu->gpr[RBX] = 7;
	assert_int_equal(cpu_call(rig->cpu, RIG_CODE + 0x200, 0x18000, 0x7fffffff0000, 1000, &value), CPU_EXIT_MARK);
	assert_int_equal(value, 42);
	assert_int_equal(rig->cpu->gpr[RBX], 7);
	assert_int_equal(rig->cpu->gpr[RSP], rsp);
	assert_int_equal(rig->cpu->rip, RIG_CODE);
}

static void test_call_that_does_not_return(void **state)
{
	struct rig *rig = *state;
	uint64_t value;

	rig_write(rig, RIG_CODE + 0x200, "\xeb\xfe", 2);
	assert_int_equal(cpu_call(rig->cpu, RIG_CODE + 0x200, 0x18000, 0x7fffffff0000, 1000, &value), CPU_EXIT_DEADLINE);
	assert_int_equal(cpu_call(rig->cpu, RIG_CODE + 0x200, 0x7000000000, 0x7fffffff0000, 1000, &value), CPU_EXIT_SHUTDOWN);
	assert_int_equal(rig->cpu->rip, RIG_CODE);
}

static enum mark_action call_from_mark(void *opaque, struct cpu *cpu)
{
	uint64_t *value = opaque;

	assert_int_equal(cpu_call(cpu, RIG_CODE + 0x200, 0x18000, 0x7fffffff0000, 1000, value), CPU_EXIT_MARK);
	return MARK_CONTINUE;
}

static void test_call_from_mark(void **state)
{
	struct rig *rig = *state;
	uint64_t value = 0;

	rig_write(rig, RIG_CODE + 0x200, "\xb8\x2a\x00\x00\x00\xc3", 6);
	assert_null(cpu_mark(rig->cpu, RIG_CODE + 15, call_from_mark, &value));
	RIG_RUN(rig, sum_loop, 2 + 3 * 1000 + 1);
	assert_int_equal(value, 42);
	assert_int_equal(rig->cpu->gpr[RAX], 1000 * 1001 / 2);
}

/* Tags: through moves, arithmetic and the stack; cleared by constants. */
static void test_tags(void **state)
{
	struct rig *rig = *state;
	struct cpu *cpu = rig->cpu;

	cpu->mode |= MODE_TAGGED;
	cpu_update_mode(cpu);
	cpu->gpr_tag[RDI] = TAG_STACK;
	cpu->gpr_tag[RSI] = TAG_PRODUCT;
	/* mov rax, rdi; lea rbx, [rsi+rax]; xor ecx, ecx; mov dl, sil; mov rbp, rdi; sub rbp, rdi; mov edi, 5 */
	RIG_RUN(rig, "\x48\x89\xf8\x48\x8d\x1c\x06\x31\xc9\x40\x88\xf2\x48\x89\xfd\x48\x29\xfd\xbf\x05\x00\x00\x00\xeb\xfe", 7);
	assert_int_equal(cpu->gpr_tag[RAX], TAG_STACK);
	assert_int_equal(cpu->gpr_tag[RBX], TAG_STACK | TAG_PRODUCT);
	assert_int_equal(cpu->gpr_tag[RCX], 0);
	assert_int_equal(cpu->gpr_tag[RDX], TAG_PRODUCT);
	assert_int_equal(cpu->gpr_tag[RBP], 0);
	assert_int_equal(cpu->gpr_tag[RDI], 0);
}

/* A client that gives other memory for one page of the kernel half, and leaves the rest to the CPU. */
struct other_world {
	struct tlb_client client;
	uint8_t page[4096], shadow[4096];
};

enum { REDIRECTED = 0x40000 };

static enum tlb_fill_status fill_other_world(struct tlb_client *client, uint64_t linear, bool write, struct tlb_page *ret_page)
{
	struct other_world *world = (struct other_world *)client;

	(void)write;
	if ((linear & PAGE_MASK) != REDIRECTED)
		return TLB_FILL_TRUSTED;
	*ret_page = (struct tlb_page){.host = world->page, .shadow = world->shadow};
	return TLB_FILL_OK;
}

static struct tlb *other_bank(struct other_world *world)
{
	struct tlb *bank = aligned_alloc(64, (sizeof(*bank) + 63) & ~(size_t)63);

	memset(world, 0, sizeof(*world));
	world->client.fill = fill_other_world;
	tlb_init(bank);
	bank->client = &world->client;
	return bank;
}

/* mov rax, [rdi]; mov [rdi+8], rax; mov rbx, [rsi] */
static const char move_code[] = "\x48\x8b\x07\x48\x89\x47\x08\x48\x8b\x1e\xeb\xfe";

/* The "context" way: the mode alone redirects, in plain execution. */
static void test_bank_by_context(void **state)
{
	struct rig *rig = *state;
	struct other_world world;
	struct tlb *bank = other_bank(&world);

	rig_write64(rig, REDIRECTED, 0x1111);
	rig_write64(rig, RIG_DATA, 0x3333);
	memcpy(world.page, "\x22\x22", 2);
	rig->cpu->gpr[RDI] = REDIRECTED;
	rig->cpu->gpr[RSI] = RIG_DATA;
	RIG_RUN(rig, move_code, 3);
	assert_int_equal(rig->cpu->gpr[RAX], 0x1111);
	cpu_set_supervisor_banks(rig->cpu, bank, NULL);
	RIG_RUN(rig, move_code, 3);
	assert_int_equal(rig->cpu->gpr[RAX], 0x2222);
	assert_int_equal(rig->cpu->gpr[RBX], 0x3333);
	assert_int_equal(world.page[8], 0x22);
	cpu_set_supervisor_banks(rig->cpu, NULL, NULL);
	assert_int_equal(rig_read64(rig, REDIRECTED + 8), 0x1111);
	RIG_RUN(rig, move_code, 3);
	assert_int_equal(rig->cpu->gpr[RAX], 0x1111);
	free(bank);
}

/* The "tags" way: an address with TAG_STACK stays, one without goes to the client; shadows tag what is loaded. */
static void test_bank_by_tag(void **state)
{
	struct rig *rig = *state;
	struct cpu *cpu = rig->cpu;
	struct other_world world;
	struct tlb *bank = other_bank(&world);

	rig_write64(rig, REDIRECTED, 0x1111);
	memcpy(world.page, "\x22\x22", 2);
	world.shadow[3] = TAG_PRODUCT;
	cpu_set_tagged(cpu, true);
	cpu_set_supervisor_banks(cpu, bank, NULL);
	cpu->gpr[RDI] = cpu->gpr[RSI] = REDIRECTED;
	cpu->gpr_tag[RSI] = TAG_STACK;
	RIG_RUN(rig, move_code, 3);
	assert_int_equal(cpu->gpr[RAX], 0x2222);
	assert_int_equal(cpu->gpr_tag[RAX], TAG_PRODUCT);
	assert_int_equal(cpu->gpr[RBX], 0x1111);
	assert_int_equal(cpu->gpr_tag[RBX], 0);
	assert_int_equal(world.shadow[8], TAG_PRODUCT);
	free(bank);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, with_rig, without_rig)
	const struct CMUnitTest tests[] = {
		TEST(test_loop),
		TEST(test_deadlines_are_exact),
		TEST(test_self_modification_within_block),
		TEST(test_self_modification_through_alias),
		TEST(test_code_changed_by_host),
		TEST(test_remapped_code),
		TEST(test_page_crossing_instruction),
		TEST(test_flags_at_fault),
		TEST(test_carry_through_inc),
		TEST(test_single_step),
		TEST(test_fault_storm_ends),
		TEST(test_mark_in_mid_block),
		TEST(test_mark_exit_and_resume),
		TEST(test_call),
		TEST(test_call_that_does_not_return),
		TEST(test_call_from_mark),
		TEST(test_tags),
		TEST(test_bank_by_context),
		TEST(test_bank_by_tag),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
