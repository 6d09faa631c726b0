/* Where the CPU stops and goes on: HLT, clients that stop it, marks, calls between runs, data breakpoints. */
#include "tests/unit/rig.h"

#include "emu/breakpoint.h"

/* A long-mode interrupt gate to `handler` for `vector`. */
static void set_gate(struct rig *rig, unsigned vector, uint64_t handler)
{
	rig_write64(rig, RIG_IDT + 16 * vector, (handler & 0xffff) | RIG_CS0 << 16 | 0x8e00ull << 32 | (handler >> 16 & 0xffff) << 48);
	rig_write64(rig, RIG_IDT + 16 * vector + 8, handler >> 32);
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
		cmocka_unit_test(test_halt_with_interrupt_waiting),
		cmocka_unit_test(test_run_for_ever),
		cmocka_unit_test(test_stop_in_interrupt_shadow),
		cmocka_unit_test(test_mark_after_going_elsewhere),
		cmocka_unit_test(test_call_between_runs),
		cmocka_unit_test(test_breakpoints_after_call),
		cmocka_unit_test(test_stop_in_delivery),
		cmocka_unit_test(test_breakpoint_in_last_page),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
