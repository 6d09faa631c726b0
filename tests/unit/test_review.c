/*
 * Corners of the engine that a review found wrong once: links over page ends, limits at fall-through, faults of forbidden instructions
 * between flag writers, HLT with an interrupt waiting, tags of read-modify-write operands.
 */
#include "tests/unit/rig.h"

#include "emu/block.h"
#include "emu/breakpoint.h"

/* A long-mode interrupt gate to `handler` for `vector`. */
static void set_gate(struct rig *rig, unsigned vector, uint64_t handler)
{
	rig_write64(rig, RIG_IDT + 16 * vector, (handler & 0xffff) | RIG_CS0 << 16 | 0x8e00ull << 32 | (handler >> 16 & 0xffff) << 48);
	rig_write64(rig, RIG_IDT + 16 * vector + 8, handler >> 32);
}

enum { PAGES = 0x40000000 };

/* 4 KiB pages from 1 GiB: linear page n of them at physical page[n]. */
static void map_pages(struct rig *rig, const uint64_t *page, unsigned count)
{
	rig_write64(rig, RIG_TABLES + 0x1000 + 8, (RIG_TABLES + 0x3000) | 7);
	rig_write64(rig, RIG_TABLES + 0x3000, (RIG_TABLES + 0x4000) | 7);
	for (unsigned i = 0; i < count; i++)
		rig_write64(rig, RIG_TABLES + 0x4000 + 8 * i, page[i] | 7);
}

/* Runs from the end of one page into the next, remaps that one, and runs again: the new page's code must run. */
static void run_into_remapped_page(const uint64_t pages[2])
{
	struct rig rig;

	rig_init(&rig, RIG_LONG);
	map_pages(&rig, pages, 2);
	rig_write(&rig, 0x50ffe, "\x90\x90", 2);
	rig_write(&rig, pages[1], "\xb0\x01\xeb\xfa", 4); /* mov al, 1; jmp back to the NOPs */
	rig_write(&rig, 0x61000, "\xb0\x02\xeb\xfa", 4);
	rig.cpu->rip = PAGES + 0xffe;
	rig_run(&rig, 40);
	assert_int_equal(rig.cpu->gpr[RAX], 1);
	rig_write64(&rig, RIG_TABLES + 0x4008, 0x61000 | 7);
	cpu_flush_page(rig.cpu, PAGES + 0x1000);
	rig.cpu->rip = PAGES + 0xffe;
	rig_run(&rig, 8);
	assert_int_equal(rig.cpu->gpr[RAX], 2);
	rig_deinit(&rig);
}

/* A block that ends where its page does goes on in the next linear page, wherever that is mapped now. */
static void test_fall_through_into_remapped_page(void **state)
{
	static const uint64_t pages[] = {0x50000, 0x60000};

	(void)state;
	run_into_remapped_page(pages);
}

/* The same where both linear pages were one physical page when the link could be made. */
static void test_fall_through_into_same_page(void **state)
{
	static const uint64_t pages[] = {0x50000, 0x50000};

	(void)state;
	run_into_remapped_page(pages);
}

/* A jump of 16-bit operand size leads to another page when its code runs at another linear address. */
static void test_cut_jump_at_alias(void **state)
{
	struct rig rig;

	(void)state;
	rig_init(&rig, RIG_PAGED32);
	rig_write(&rig, 0x5000, "\x66\xeb\x00\xb0\x01\xeb\xf9", 7); /* data16 jmp short +0; mov al, 1; jmp back */
	rig.cpu->rip = 0x5000;
	rig_run(&rig, 40);
	assert_int_equal(rig.cpu->gpr[RAX], 1);
	rig_write(&rig, RIG_TABLES + 4 * 16, "\x87\x00\x00\x00", 4); /* 64 MiB: physical 0 once more */
	rig_write(&rig, RIG_TABLES, "\x87\x00\x40\x00", 4);          /* and 4 MiB at linear 0 */
	rig_write(&rig, 0x405003, "\xb0\x02\xeb\xfe", 4);
	cpu_flush_tlb(rig.cpu);
	rig.cpu->rip = 0x4005000;
	rig_run(&rig, 10);
	assert_int_equal(rig.cpu->gpr[RAX], 2);
	rig_deinit(&rig);
}

/* SSE instructions count as pure, but not where CR0.TS forbids them. */
static void test_flags_at_forbidden_instruction(void **state)
{
	struct rig rig;

	(void)state;
	rig_init(&rig, RIG_LONG);
	set_gate(&rig, VECTOR_NM, RIG_CODE + 0x100);
	rig_write(&rig, RIG_CODE + 0x100, "\xeb\xfe", 2);
	rig.cpu->cr0 |= CR0_TS;
	cpu_update_mode(rig.cpu);
	rig.cpu->gpr[RAX] = 0xff;
	/* add al, 1; movaps xmm0, xmm1; sub ecx, 1 */
	RIG_RUN(&rig, "\x04\x01\x0f\x28\xc1\x83\xe9\x01\xeb\xfe", 10);
	assert_int_equal(rig.cpu->rip, RIG_CODE + 0x100);
	assert_int_equal(rig_read64(&rig, rig.cpu->gpr[RSP] + 16) & FLAGS_ARITHMETIC, FLAG_ZF | FLAG_CF | FLAG_AF | FLAG_PF);
	rig_deinit(&rig);
}

static uint8_t acknowledge(void *opaque)
{
	(void)opaque;
	return 0x40;
}

/* STI; HLT with an interrupt waiting: it is taken at once, time does not pass. */
static void test_halt_with_interrupt_waiting(void **state)
{
	struct rig rig;

	(void)state;
	rig_init(&rig, RIG_LONG);
	set_gate(&rig, 0x40, RIG_CODE + 0x100);
	rig_write(&rig, RIG_CODE + 0x100, "\xff\xc3\xeb\xfe", 4);
	rig.cpu->bus.interrupt_acknowledge = acknowledge;
	cpu_set_interrupt_line(rig.cpu, true);
	assert_int_equal(RIG_RUN(&rig, "\xfb\xf4\xeb\xfe", 4), CPU_EXIT_DEADLINE);
	assert_int_equal(rig.cpu->gpr[RBX], 1);
	assert_int_equal(rig_read64(&rig, rig.cpu->gpr[RSP]), RIG_CODE + 2);
	assert_false(rig.cpu->halted);

	cpu_set_interrupt_line(rig.cpu, false);
	assert_int_equal(RIG_RUN(&rig, "\xf4\xeb\xfe", 10), CPU_EXIT_HALT);
	assert_true(rig.cpu->halted);
	rig_deinit(&rig);
}

/* What #GP pushes in real mode: IP, CS, FLAGS at the top of the stack. */
static uint16_t pushed_ip(struct rig *rig)
{
	return physmem_read(&rig->mem, rig->cpu->seg[SEG_SS].base + (rig->cpu->gpr[RSP] & 0xffff), 2);
}

/* A conditional branch at the limit that is not taken has happened: what faults is the fetch of what follows. */
static void test_fall_through_beyond_limit(void **state)
{
	struct rig rig;

	(void)state;
	rig_init(&rig, RIG_REAL);
	rig_write64(&rig, RIG_IDT + VECTOR_GP * 4, 0x0000 | (uint64_t)(RIG_CODE >> 4) << 16);
	rig_write(&rig, RIG_CODE, "\xeb\xfe", 2);
	rig_write(&rig, RIG_CODE + 0x1ffe, "\xe2\x80", 2); /* loop */
	rig.cpu->seg[SEG_CS].limit = 0x1fff;
	cpu_update_mode(rig.cpu);
	rig.cpu->gpr[RCX] = 1;
	rig.cpu->rip = 0x1ffe;
	rig_run(&rig, 3);
	assert_int_equal(rig.cpu->gpr[RCX], 0);
	assert_int_equal(pushed_ip(&rig), 0x2000);
	rig_deinit(&rig);
}

/* An instruction across a page end that CS's limit cut off once runs when the limit has grown. */
static void test_limit_grows(void **state)
{
	struct rig rig;

	(void)state;
	rig_init(&rig, RIG_REAL);
	rig_write64(&rig, RIG_IDT + VECTOR_GP * 4, 0x0000 | (uint64_t)(RIG_CODE >> 4) << 16);
	rig_write(&rig, RIG_CODE, "\xeb\xfe", 2);
	rig_write(&rig, RIG_CODE + 0x1fff, "\xb0\x07\xeb\xfe", 4); /* mov al, 7 */
	rig.cpu->seg[SEG_CS].limit = 0x1fff;
	cpu_update_mode(rig.cpu);
	rig.cpu->rip = 0x1fff;
	rig_run(&rig, 2);
	assert_int_equal(rig.cpu->rip, 0);
	assert_int_equal(pushed_ip(&rig), 0x1fff);
	rig.cpu->seg[SEG_CS].limit = 0xffff;
	cpu_update_mode(rig.cpu);
	rig.cpu->rip = 0x1fff;
	rig_run(&rig, 2);
	assert_int_equal(rig.cpu->gpr[RAX], 7);
	rig_deinit(&rig);
}

/* Runs code of which the last byte is that of the code segment (limited) and of the last page; returns the vector that it raises. */
static unsigned vector_at_the_end(const char *code, unsigned size, bool limited)
{
	unsigned vector;
	struct rig rig;

	rig_init(&rig, RIG_PAE);
	rig_write64(&rig, RIG_TABLES + 0x1000, 0x90000 | 7);
	for (uint64_t i = 0; i < 512; i++)
		rig_write64(&rig, 0x90000 + 8 * i, i == 0x52 ? 0 : i << 12 | 7);
	for (vector = VECTOR_UD; vector <= VECTOR_PF; vector++) {
		rig_write64(&rig, RIG_IDT + 8 * vector, (RIG_CODE + 0x10 * vector) | RIG_CS0 << 16 | 0x8e00ull << 32 | 1ull << 48);
		rig_write(&rig, RIG_CODE + 0x10 * vector, "\xeb\xfe", 2);
	}
	rig_write(&rig, 0x52000 - size, code, size);
	if (limited)
		rig.cpu->seg[SEG_CS].limit = 0x51fff;
	cpu_update_mode(rig.cpu);
	rig.cpu->rip = 0x52000 - size;
	rig_run(&rig, 2);
	vector = (rig.cpu->rip & 0xffff) / 0x10;
	rig_deinit(&rig);
	return vector;
}

/* The limit is checked before the page beyond it is looked for, and both before an instruction is found to be undefined. */
static void test_limit_before_page_fault(void **state)
{
	static const struct {
		const char *code;
		unsigned size;
		bool whole;
	} codes[] = {
		{"\xb0", 1, false},
		{"\x0f\xba\x05\x00\x00\x00\x00", 7, false}, /* group 8, /0: the immediate is missing */
		{"\x0f\xba\x05\x00\x00\x00\x00\x00", 8, true},
		{"\xf0\xff\x7e", 3, false}, /* LOCK and group 5, /7: the displacement is missing */
		{"\xdd\x68\x00", 3, true},  /* x87: DD /5 */
		{"\xdd\x68", 2, false},
		{"\x0f\x3a\x00\x00", 4, false},
		{"\x0f\x38\xff", 3, false},
		{"\x0f\x04", 2, true},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
		assert_int_equal(vector_at_the_end(codes[i].code, codes[i].size, true), codes[i].whole ? VECTOR_UD : VECTOR_GP);
		assert_int_equal(vector_at_the_end(codes[i].code, codes[i].size, false), codes[i].whole ? VECTOR_UD : VECTOR_PF);
	}
}

struct shadowed {
	struct tlb_client client;
	uint8_t page[2][4096], shadow[2][4096];
};

/* Two pages that share a TLB slot. */
static enum tlb_fill_status fill_shadowed(struct tlb_client *client, uint64_t linear, bool write, struct tlb_page *ret_page)
{
	struct shadowed *shadowed = (struct shadowed *)client;
	unsigned which = linear >> 21 & 1;

	(void)write;
	if (linear < 0x400000)
		return TLB_FILL_TRUSTED;
	*ret_page = (struct tlb_page){.host = shadowed->page[which], .shadow = shadowed->shadow[which]};
	return TLB_FILL_OK;
}

/* ADD [m], r takes its memory operand's tag from the page that it writes, whatever was read through the same slot last. */
static void test_rmw_tags(void **state)
{
	struct shadowed *shadowed = calloc(1, sizeof(*shadowed));
	struct tlb *bank = aligned_alloc(64, (sizeof(*bank) + 63) & ~(size_t)63);
	struct rig rig;

	(void)state;
	shadowed->client.fill = fill_shadowed;
	memset(shadowed->shadow[0], TAG_PRODUCT, 4096);
	tlb_init(bank);
	bank->client = &shadowed->client;
	rig_init(&rig, RIG_LONG);
	cpu_set_tagged(rig.cpu, true);
	rig.cpu->data_by_tag[0] = rig.cpu->data_by_tag[1] = bank;
	rig.cpu->gpr[RDI] = 0x400000;
	rig.cpu->gpr[RSI] = 0x600000;
	/* mov [rdi+8], cl; mov rax, [rsi]; add [rdi], rax */
	RIG_RUN(&rig, "\x88\x4f\x08\x48\x8b\x06\x48\x01\x07\xeb\xfe", 3);
	assert_int_equal(shadowed->shadow[0][0], TAG_PRODUCT);
	assert_int_equal(shadowed->shadow[0][8], 0);
	rig_deinit(&rig);
	free(bank);
	free(shadowed);
}

/* Without a limit. */
static void test_run_for_ever(void **state)
{
	struct rig rig;

	(void)state;
	rig_init(&rig, RIG_LONG);
	rig_code(&rig, "\x90\x90\xf4", 3);
	assert_int_equal(cpu_run(rig.cpu, UINT64_MAX), CPU_EXIT_HALT);
	assert_int_equal(cpu_instructions(rig.cpu), 3);
	rig_deinit(&rig);
}

static enum tlb_fill_status stop(struct tlb_client *client, uint64_t linear, bool write, struct tlb_page *ret_page)
{
	(void)client, (void)linear, (void)write, (void)ret_page;
	return TLB_FILL_STOP;
}

/* An instruction that a client stopped has not happened: the shadow of the STI before it is still there. */
static void test_stop_in_interrupt_shadow(void **state)
{
	struct tlb_client client = {.fill = stop};
	struct tlb *bank = aligned_alloc(64, (sizeof(*bank) + 63) & ~(size_t)63);
	struct rig rig;

	(void)state;
	tlb_init(bank);
	bank->client = &client;
	rig_init(&rig, RIG_LONG);
	set_gate(&rig, 0x40, RIG_CODE + 0x100);
	rig_write(&rig, RIG_CODE + 0x100, "\xeb\xfe", 2);
	rig.cpu->bus.interrupt_acknowledge = acknowledge;
	cpu_set_interrupt_line(rig.cpu, true);
	rig.cpu->gpr[RDI] = RIG_DATA;
	rig.cpu->data = bank;
	assert_int_equal(RIG_RUN(&rig, "\xfb\x8a\x07\x90", 10), CPU_EXIT_CLIENT); /* sti; mov al, [rdi] */
	assert_int_equal(rig.cpu->rip, RIG_CODE + 1);
	cpu_update_mode(rig.cpu);
	rig_run(&rig, 2);
	assert_int_equal(rig_read64(&rig, rig.cpu->gpr[RSP]), RIG_CODE + 3);
	rig_deinit(&rig);
	free(bank);
}

/* PUSHA that cannot store all of the registers stores none. */
static void test_pusha_is_all_or_nothing(void **state)
{
	struct rig rig;

	(void)state;
	rig_init(&rig, RIG_PROT32);
	rig.cpu->seg[SEG_SS].limit = 0xffffffff;
	rig.cpu->seg[SEG_SS].attributes |= 4; /* expand-down: offsets above the limit are good */
	rig.cpu->seg[SEG_SS].limit = RIG_STACK - 0x10;
	cpu_update_mode(rig.cpu);
	rig.cpu->gpr[RAX] = 0x55;
	RIG_RUN(&rig, "\x60", 1);
	assert_int_equal(physmem_read(&rig.mem, RIG_STACK - 4, 4), 0);
	rig_deinit(&rig);
}

static enum mark_action leave(void *opaque, struct cpu *cpu)
{
	(void)cpu;
	++*(unsigned *)opaque;
	return MARK_EXIT;
}

/* Who leaves at a mark and goes on elsewhere meets it again later. */
static void test_mark_after_going_elsewhere(void **state)
{
	unsigned calls = 0;
	struct rig rig;

	(void)state;
	rig_init(&rig, RIG_LONG);
	assert_null(cpu_mark(rig.cpu, RIG_CODE + 1, leave, &calls));
	assert_int_equal(RIG_RUN(&rig, "\x90\x90\x90\xeb\xfb", 100), CPU_EXIT_MARK);
	rig.cpu->rip = RIG_CODE + 3;
	assert_int_equal(rig_run(&rig, 100), CPU_EXIT_MARK);
	assert_int_equal(calls, 2);
	assert_int_equal(rig_run(&rig, 2), CPU_EXIT_DEADLINE);
	assert_int_equal(rig.cpu->rip, RIG_CODE + 3);
	rig_deinit(&rig);
}

/* A call while the CPU halts, or stands at a mark, returns, and leaves it there. */
static void test_call_between_runs(void **state)
{
	uint64_t value = 0;
	unsigned calls = 0;
	struct rig rig;

	(void)state;
	rig_init(&rig, RIG_LONG);
	rig_write(&rig, RIG_CODE + 0x200, "\xb8\x2a\x00\x00\x00\xc3", 6);
	assert_int_equal(RIG_RUN(&rig, "\xf4", 10), CPU_EXIT_HALT);
	assert_int_equal(cpu_call(rig.cpu, RIG_CODE + 0x200, 0x18000, 0x7fffffff0000, 1000, &value), CPU_EXIT_MARK);
	assert_int_equal(value, 42);
	assert_int_equal(rig_run(&rig, 10), CPU_EXIT_HALT);

	rig.cpu->halted = false;
	assert_null(cpu_mark(rig.cpu, RIG_CODE + 1, leave, &calls));
	assert_null(cpu_mark(rig.cpu, RIG_CODE + 0x205, leave, &calls));
	assert_int_equal(RIG_RUN(&rig, "\x90\x90\xeb\xfe", 10), CPU_EXIT_MARK);
	cpu_call(rig.cpu, RIG_CODE + 0x200, 0x18000, 0x7fffffff0000, 1000, &value);
	assert_int_equal(calls, 2);
	assert_int_equal(rig_run(&rig, 10), CPU_EXIT_DEADLINE);
	assert_int_equal(calls, 2);
	rig_deinit(&rig);
}

/* Data breakpoints that a called function turned off are on again after the call. */
static void test_breakpoints_after_call(void **state)
{
	uint64_t value;
	struct rig rig;

	(void)state;
	rig_init(&rig, RIG_LONG);
	set_gate(&rig, VECTOR_DB, RIG_CODE + 0x100);
	rig_write(&rig, RIG_CODE + 0x100, "\xeb\xfe", 2);
	rig.cpu->dr[0] = RIG_DATA;
	rig.cpu->dr[7] |= 1 | 0xb << 16;
	rig.cpu->gpr[RDI] = RIG_DATA;
	rig_write(&rig, RIG_CODE + 0x200, "\x31\xc0\x0f\x23\xf8\x48\x8b\x07\xc3", 9); /* xor eax, eax; mov dr7, rax; mov rax, [rdi]; ret */
	assert_int_equal(cpu_call(rig.cpu, RIG_CODE + 0x200, 0x18000, 0x7fffffff0000, 1000, &value), CPU_EXIT_MARK);
	RIG_RUN(&rig, "\x48\x8b\x07\x90\x90\xeb\xfe", 4);
	assert_int_equal(rig.cpu->rip, RIG_CODE + 0x100);
	rig_deinit(&rig);
}

/* A client that stops the CPU while it delivers a fault: the fault comes again, it is not a double one. */
static void test_stop_in_delivery(void **state)
{
	struct tlb_client client = {.fill = stop};
	struct rig rig;

	(void)state;
	rig_init(&rig, RIG_LONG);
	set_gate(&rig, VECTOR_GP, RIG_CODE + 0x100);
	rig_write(&rig, RIG_CODE + 0x100, "\xeb\xfe", 2);
	rig.cpu->gpr[RCX] = 0x1234; /* no such MSR */
	rig.cpu->banks[BANK_SUPERVISOR].client = &client;
	assert_int_equal(RIG_RUN(&rig, "\x0f\x32", 10), CPU_EXIT_CLIENT);
	assert_int_equal(rig.cpu->rip, RIG_CODE);
	rig.cpu->banks[BANK_SUPERVISOR].client = NULL;
	assert_int_equal(rig_run(&rig, 10), CPU_EXIT_DEADLINE);
	assert_int_equal(rig.cpu->rip, RIG_CODE + 0x100);
	assert_int_equal(rig_read64(&rig, rig.cpu->gpr[RSP] + 8), RIG_CODE);
	rig_deinit(&rig);
}

/* Data breakpoints work in the last page of the address space. */
static void test_breakpoint_in_last_page(void **state)
{
	struct rig rig;

	(void)state;
	rig_init(&rig, RIG_LONG);
	rig_write64(&rig, RIG_TABLES + 8 * 511, (RIG_TABLES + 0x1000) | 7);
	rig_write64(&rig, RIG_TABLES + 0x1000 + 8 * 511, (RIG_TABLES + 0x2000) | 7);
	rig_write64(&rig, RIG_TABLES + 0x2000 + 8 * 511, 0x87);
	set_gate(&rig, VECTOR_DB, RIG_CODE + 0x100);
	rig_write(&rig, RIG_CODE + 0x100, "\xeb\xfe", 2);
	rig.cpu->dr[0] = UINT64_MAX - 7;
	rig.cpu->dr[7] |= 1 | 0xb << 16; /* 8 bytes, reads and writes */
	rig.cpu->gpr[RDI] = UINT64_MAX - 7;
	cpu_flush_tlb(rig.cpu);
	RIG_RUN(&rig, "\x48\x8b\x07\x90\x90\xeb\xfe", 4); /* mov rax, [rdi] */
	assert_int_equal(rig.cpu->rip, RIG_CODE + 0x100);
	assert_int_equal(rig.cpu->dr[6] & 0xf, 1);
	rig_deinit(&rig);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fall_through_into_remapped_page),
		cmocka_unit_test(test_fall_through_into_same_page),
		cmocka_unit_test(test_cut_jump_at_alias),
		cmocka_unit_test(test_flags_at_forbidden_instruction),
		cmocka_unit_test(test_halt_with_interrupt_waiting),
		cmocka_unit_test(test_fall_through_beyond_limit),
		cmocka_unit_test(test_limit_grows),
		cmocka_unit_test(test_limit_before_page_fault),
		cmocka_unit_test(test_rmw_tags),
		cmocka_unit_test(test_run_for_ever),
		cmocka_unit_test(test_stop_in_interrupt_shadow),
		cmocka_unit_test(test_pusha_is_all_or_nothing),
		cmocka_unit_test(test_mark_after_going_elsewhere),
		cmocka_unit_test(test_call_between_runs),
		cmocka_unit_test(test_breakpoints_after_call),
		cmocka_unit_test(test_stop_in_delivery),
		cmocka_unit_test(test_breakpoint_in_last_page),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
