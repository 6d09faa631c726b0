/*
 * Marks under other names of their page, calls of guest functions whatever goes on around and within them, and events whose delivery
 * a client stops.
 */
#include "tests/unit/rig.h"

#include "emu/breakpoint.h"

enum { ALIAS = 0x40000000, FUNCTION = RIG_CODE + 0x200, RETURN_TO = 0x7fff0000, CALL_STACK = 0x18000 };

static int with_rig(void **state)
{
	struct rig *rig = malloc(sizeof(*rig));

	rig_init(rig, RIG_LONG);
	rig_write64(rig, RIG_TABLES + 0x1000 + 8, (RIG_TABLES + 0x3000) | 7); /* 1 GiB up: the first 2 MiB again */
	rig_write64(rig, RIG_TABLES + 0x3000, 0x87);
	*state = rig;
	return 0;
}

static int without_rig(void **state)
{
	rig_deinit(*state);
	free(*state);
	return 0;
}

static void set_gate(struct rig *rig, unsigned vector, uint64_t handler)
{
	rig_write64(rig, RIG_IDT + 16 * vector, (handler & 0xffff) | RIG_CS0 << 16 | 0x8e00ull << 32 | (handler >> 16 & 0xffff) << 48);
	rig_write64(rig, RIG_IDT + 16 * vector + 8, handler >> 32);
}

/* -- marks -- */

static enum mark_action count(void *opaque, struct cpu *cpu)
{
	(void)cpu;
	++*(unsigned *)opaque;
	return MARK_CONTINUE;
}

/* inc eax; inc eax; inc eax; dec ecx; jnz back; jmp $ */
static const char loop_code[] = "\xff\xc0\xff\xc0\xff\xc0\xff\xc9\x75\xf6\xeb\xfe";

/* The marked instruction lies within a block that another name of the page has had made first, and the other way round. */
static void test_mark_and_alias(void **state)
{
	struct rig *rig = *state;
	struct cpu *cpu = rig->cpu;
	unsigned calls = 0;

	rig_code(rig, loop_code, sizeof(loop_code) - 1);
	assert_null(cpu_mark(cpu, RIG_CODE + 2, count, &calls));
	cpu->gpr[RCX] = 10;
	cpu->rip = ALIAS + RIG_CODE;
	rig_run(rig, 60);
	assert_int_equal(calls, 0);
	cpu->gpr[RCX] = 10;
	cpu->rip = RIG_CODE;
	rig_run(rig, 60);
	assert_int_equal(calls, 10);
	cpu->gpr[RCX] = 10;
	cpu->rip = ALIAS + RIG_CODE;
	rig_run(rig, 60);
	assert_int_equal(calls, 10);
	assert_int_equal(cpu->gpr[RAX], 3 * 3 * 10);
}

/* Both names marked, at different places; code written by the one is seen by the other. */
static void test_marks_of_both_names(void **state)
{
	struct rig *rig = *state;
	struct cpu *cpu = rig->cpu;
	unsigned here = 0, there = 0;

	rig_code(rig, loop_code, sizeof(loop_code) - 1);
	assert_null(cpu_mark(cpu, RIG_CODE + 2, count, &here));
	assert_null(cpu_mark(cpu, ALIAS + RIG_CODE + 4, count, &there));
	for (unsigned i = 0; i < 2; i++) {
		cpu->gpr[RCX] = 10;
		cpu->rip = i ? ALIAS + RIG_CODE : RIG_CODE;
		rig_run(rig, 60);
	}
	assert_int_equal(here, 10);
	assert_int_equal(there, 10);
	rig_write(rig, RIG_CODE + 4, "\x90\x90", 2);
	for (unsigned i = 0; i < 2; i++) {
		cpu->gpr[RAX] = 0;
		cpu->gpr[RCX] = 10;
		cpu->rip = i ? ALIAS + RIG_CODE : RIG_CODE;
		rig_run(rig, i ? 70 : 60);
		assert_int_equal(cpu->gpr[RAX], 20);
	}
	assert_int_equal(here + there, 40);
}

/* -- calls -- */

static enum cpu_exit call(struct rig *rig, uint64_t limit, uint64_t *ret_value)
{
	return cpu_call(rig->cpu, FUNCTION, CALL_STACK, RETURN_TO, limit, ret_value);
}

/* Everything that a function can change is as before; the changes that it made to memory stay. */
static void test_call_restores_all(void **state)
{
	/*
	 * fld1; fldz; pcmpeqd xmm3, xmm3; ldmxcsr [rip + data]; mov ecx, C0000102h; mov eax, 1234h; xor edx, edx; wrmsr; mov rax, cr0;
	 * or eax, 8; mov cr0, rax; mov r15, 77h; std; cli; mov ds, edx (null); mov dr0, r15; mov [rdi], r15; ret
	 */
	static const char code[] =
		"\xd9\xe8\xd9\xee\x66\x0f\x76\xdb\x0f\xae\x15\x3a\0\0\0\xb9\x02\x01\0\xc0\xb8\x34\x12\0\0\x31\xd2\x0f\x30"
		"\x0f\x20\xc0\x83\xc8\x08\x0f\x22\xc0\x49\xc7\xc7\x77\0\0\0\xfd\xfa\x8e\xda\x41\x0f\x23\xc7\x4c\x89\x3f"
		"\xc3\x90\x90\x90\x90\x90\x90\x90\x90\x90\x90\x90\x80\x1f\0\0\0\0\0\0\0\0\0\0";
	struct rig *rig = *state;
	struct cpu *cpu = rig->cpu;
	struct cpu before;
	uint64_t value;

	rig_write(rig, FUNCTION, code, sizeof(code) - 1);
	rig_write(rig, FUNCTION + 15 + 0x3a, "\x80\x5f\0\0", 4);
	cpu->gpr[RDI] = RIG_DATA;
	cpu->gpr_tag[R15] = TAG_PRODUCT;
	cpu_set_eflags(cpu, FLAG_IF | FLAG_CF, FLAG_IF | FLAG_CF);
	before = *cpu;
	assert_int_equal(call(rig, 100, &value), CPU_EXIT_MARK);
	assert_int_equal(rig_read64(rig, RIG_DATA), 0x77);
	assert_memory_equal(cpu->gpr, before.gpr, sizeof(before.gpr));
	assert_memory_equal(cpu->gpr_tag, before.gpr_tag, sizeof(before.gpr_tag));
	assert_memory_equal(cpu->xmm, before.xmm, sizeof(before.xmm));
	assert_memory_equal(&cpu->fpu, &before.fpu, sizeof(before.fpu));
	assert_memory_equal(cpu->seg, before.seg, sizeof(before.seg));
	assert_memory_equal(cpu->dr, before.dr, sizeof(before.dr));
	assert_int_equal(cpu->mxcsr, before.mxcsr);
	assert_int_equal(cpu->cr0, before.cr0);
	assert_int_equal(cpu->kernel_gs_base, before.kernel_gs_base);
	assert_int_equal(cpu->mode, before.mode);
	assert_int_equal(cpu->rip, before.rip);
	assert_int_equal(cpu_get_eflags(cpu), FLAG_IF | FLAG_CF | 2);
}

/* A function that faults, is served by the guest's handler, and returns. */
static void test_fault_in_call(void **state)
{
	struct rig *rig = *state;
	uint64_t value = 0;

	set_gate(rig, VECTOR_UD, RIG_CODE + 0x300);
	rig_write(rig, RIG_CODE + 0x300, "\x48\x83\x04\x24\x02\xff\xc0\x48\xcf", 9); /* add qword [rsp], 2; inc eax; iretq */
	rig_write(rig, FUNCTION, "\x31\xc0\x0f\x0b\x0f\x0b\xc3", 7);                 /* xor eax, eax; ud2; ud2; ret */
	assert_int_equal(call(rig, 100, &value), CPU_EXIT_MARK);
	assert_int_equal(value, 2);
}

/* A limit that is just enough, and one that overflows. */
static void test_call_limits(void **state)
{
	struct rig *rig = *state;
	uint64_t value = 0;

	rig_write(rig, FUNCTION, "\xb8\x2a\0\0\0\xc3", 6);
	assert_int_equal(call(rig, 1, &value), CPU_EXIT_DEADLINE);
	assert_int_equal(call(rig, 2, &value), CPU_EXIT_MARK);
	rig_run(rig, 0);
	assert_int_equal(call(rig, UINT64_MAX, &value), CPU_EXIT_MARK);
	assert_int_equal(value, 42);
}

/* What hangs over the interrupted program does not befall the function, and is still there afterwards. */
static void test_call_before_a_trap(void **state)
{
	struct rig *rig = *state;
	struct cpu *cpu = rig->cpu;
	uint64_t value = 0;

	set_gate(rig, VECTOR_DB, RIG_CODE + 0x300);
	rig_write(rig, RIG_CODE + 0x300, "\xeb\xfe", 2);
	rig_write(rig, FUNCTION, "\xb8\x2a\0\0\0\xc3", 6);
	cpu->pending_debug = DR6_BS;
	cpu->interrupt_shadow = true;
	assert_int_equal(call(rig, 100, &value), CPU_EXIT_MARK);
	assert_int_equal(value, 42);
	assert_true(cpu->interrupt_shadow);
	rig_code(rig, "\xeb\xfe", 2);
	rig_run(rig, 2);
	assert_int_equal(cpu->rip, RIG_CODE + 0x300);
	assert_int_equal(cpu->dr[6] & DR6_BS, DR6_BS);
}

static void ask_to_leave(void *opaque, uint16_t port, uint32_t value, unsigned size)
{
	(void)port, (void)value, (void)size;
	cpu_request_exit(((struct rig *)opaque)->cpu, CPU_EXIT_REQUEST);
}

static void raise_nmi(void *opaque, uint16_t port, uint32_t value, unsigned size)
{
	(void)port, (void)value, (void)size;
	cpu_raise_nmi(((struct rig *)opaque)->cpu);
}

/* A device that wants attention gets it after the call. */
static void test_request_in_call(void **state)
{
	struct rig *rig = *state;
	uint64_t value = 0;

	rig->cpu->bus.opaque = rig;
	rig->cpu->bus.port_write = ask_to_leave;
	rig_write(rig, FUNCTION, "\xe6\x10\xb8\x2a\0\0\0\xc3", 8); /* out 10h, al; mov eax, 42; ret */
	assert_int_equal(call(rig, 100, &value), CPU_EXIT_MARK);
	assert_int_equal(value, 42);
	rig_code(rig, "\xeb\xfe", 2);
	assert_int_equal(rig_run(rig, 10), CPU_EXIT_REQUEST);
	assert_int_equal(rig_run(rig, 10), CPU_EXIT_DEADLINE);
}

/* An NMI that is raised in a call and not taken there is an input, no state: it comes after the call; one that was taken does not. */
static void test_nmi_in_call(void **state)
{
	struct rig *rig = *state;
	struct cpu *cpu = rig->cpu;
	uint64_t value = 0;

	set_gate(rig, VECTOR_NMI, RIG_CODE + 0x300);
	rig_write(rig, RIG_CODE + 0x300, "\xff\x07\x48\xcf", 4); /* inc dword [rdi]; iretq */
	cpu->gpr[RDI] = RIG_DATA;
	cpu->bus.opaque = rig;
	cpu->bus.port_write = raise_nmi;
	rig_write(rig, FUNCTION, "\xe6\x10\x90\xc3", 4);
	assert_int_equal(call(rig, 100, &value), CPU_EXIT_MARK);
	assert_int_equal(rig_read64(rig, RIG_DATA), 1);
	assert_false(cpu->nmi_pending);
	cpu->nmi_blocked = true;
	assert_int_equal(call(rig, 100, &value), CPU_EXIT_MARK);
	assert_true(cpu->nmi_pending);
	assert_int_equal(rig_read64(rig, RIG_DATA), 1);
}

/* The call's stack is where a client's bank says that it is. */
struct other_stack {
	struct tlb_client client;
	uint8_t page[4096];
};

static enum tlb_fill_status fill_stack(struct tlb_client *client, uint64_t linear, bool write, struct tlb_page *ret_page)
{
	(void)write;
	if ((linear & PAGE_MASK) != CALL_STACK - 0x1000)
		return TLB_FILL_TRUSTED;
	ret_page->host = ((struct other_stack *)client)->page;
	return TLB_FILL_OK;
}

static struct tlb *bank_of(struct tlb_client *client)
{
	struct tlb *bank = aligned_alloc(64, (sizeof(*bank) + 63) & ~(size_t)63);

	tlb_init(bank);
	bank->client = client;
	return bank;
}

static void test_call_on_other_stack(void **state)
{
	struct other_stack stack = {.client.fill = fill_stack};
	struct tlb *bank = bank_of(&stack.client);
	struct rig *rig = *state;
	uint64_t value = 0, address;

	rig_write(rig, FUNCTION, "\x50\x58\xb8\x2a\0\0\0\xc3", 8);
	cpu_set_supervisor_banks(rig->cpu, bank, NULL);
	assert_int_equal(call(rig, 100, &value), CPU_EXIT_MARK);
	memcpy(&address, stack.page + 0xff8, 8);
	assert_int_equal(address, RETURN_TO);
	assert_int_equal(rig_read64(rig, CALL_STACK - 8), 0);
	free(bank);
}

static enum tlb_fill_status stop(struct tlb_client *client, uint64_t linear, bool write, struct tlb_page *ret_page)
{
	(void)client, (void)linear, (void)write, (void)ret_page;
	return TLB_FILL_STOP;
}

/* A client that stops the store of the return address stops the call, and nothing else. */
static void test_call_stopped_at_once(void **state)
{
	struct tlb_client client = {.fill = stop};
	struct tlb *bank = bank_of(&client);
	struct rig *rig = *state;
	uint64_t value = 0;

	cpu_set_supervisor_banks(rig->cpu, bank, NULL);
	assert_int_equal(call(rig, 100, &value), CPU_EXIT_CLIENT);
	rig_code(rig, "\xeb\xfe", 2);
	assert_int_equal(rig_run(rig, 10), CPU_EXIT_DEADLINE);
	free(bank);
}

static enum mark_action call_again(void *opaque, struct cpu *cpu)
{
	unsigned *depth = opaque;
	uint64_t value;

	if (++*depth < 4) {
		assert_int_equal(cpu_call(cpu, FUNCTION, CALL_STACK - *depth * 0x100, RETURN_TO, 100, &value), CPU_EXIT_MARK);
		assert_int_equal(value, 42);
	}
	return MARK_CONTINUE;
}

/* Calls within calls, all to the same address, each to its own stack. */
static void test_nested_calls(void **state)
{
	struct rig *rig = *state;
	unsigned depth = 0;
	uint64_t value = 0;

	rig_write(rig, FUNCTION, "\x90\xb8\x2a\0\0\0\xc3", 7);
	assert_null(cpu_mark(rig->cpu, FUNCTION + 1, call_again, &depth));
	assert_int_equal(call(rig, 1000, &value), CPU_EXIT_MARK);
	assert_int_equal(value, 42);
	assert_int_equal(depth, 4);
	assert_int_equal(cpu_instructions(rig->cpu), 4 * 3);
}

/* -- deliveries that a client stops -- */

static unsigned acknowledged;

static uint8_t acknowledge(void *opaque)
{
	(void)opaque;
	return (uint8_t)(0x40 + acknowledged++);
}

static void expect_handler(struct rig *rig, uint64_t pushed_rip)
{
	assert_int_equal(rig_run(rig, 1), CPU_EXIT_DEADLINE);
	assert_int_equal(rig->cpu->rip, RIG_CODE + 0x300);
	assert_int_equal(rig_read64(rig, rig->cpu->gpr[RSP]), pushed_rip);
}

/* The interrupt acknowledged is the one delivered when the CPU goes on; the count does not tell. */
static void test_stopped_interrupt(void **state)
{
	struct tlb_client client = {.fill = stop};
	struct rig *rig = *state;
	struct cpu *cpu = rig->cpu;

	set_gate(rig, 0x40, RIG_CODE + 0x300);
	acknowledged = 0;
	cpu->bus.interrupt_acknowledge = acknowledge;
	cpu_set_eflags(cpu, FLAG_IF, FLAG_IF);
	cpu_set_interrupt_line(cpu, true);
	cpu->banks[BANK_SUPERVISOR].client = &client;
	rig_code(rig, "\xeb\xfe", 2);
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(rig_run(rig, 10), CPU_EXIT_CLIENT);
		assert_int_equal(cpu_instructions(cpu), 0);
	}
	cpu->banks[BANK_SUPERVISOR].client = NULL;
	cpu_set_interrupt_line(cpu, false);
	expect_handler(rig, RIG_CODE);
	assert_int_equal(acknowledged, 1);
}

static void test_stopped_nmi(void **state)
{
	struct tlb_client client = {.fill = stop};
	struct rig *rig = *state;
	struct cpu *cpu = rig->cpu;

	set_gate(rig, VECTOR_NMI, RIG_CODE + 0x300);
	cpu_raise_nmi(cpu);
	cpu->banks[BANK_SUPERVISOR].client = &client;
	rig_code(rig, "\xeb\xfe", 2);
	assert_int_equal(rig_run(rig, 10), CPU_EXIT_CLIENT);
	cpu->banks[BANK_SUPERVISOR].client = NULL;
	expect_handler(rig, RIG_CODE);
}

/* A trap comes after its instruction: executing that again would be wrong. */
static void test_stopped_trap(void **state)
{
	struct tlb_client client = {.fill = stop};
	struct rig *rig = *state;
	struct cpu *cpu = rig->cpu;

	set_gate(rig, VECTOR_DB, RIG_CODE + 0x300);
	cpu_set_eflags(cpu, FLAG_TF, FLAG_TF);
	rig_code(rig, "\xff\xc3\xeb\xfe", 4);
	assert_int_equal(rig_run(rig, 1), CPU_EXIT_DEADLINE);
	cpu->banks[BANK_SUPERVISOR].client = &client;
	assert_int_equal(rig_run(rig, 10), CPU_EXIT_CLIENT);
	cpu->banks[BANK_SUPERVISOR].client = NULL;
	expect_handler(rig, RIG_CODE + 2);
	assert_int_equal(cpu->gpr[RBX], 1);
}

/* A call between the stop and going on leaves the event where it is; restoring an older state drops it. */
static void test_stopped_and_called(void **state)
{
	struct tlb_client client = {.fill = stop};
	struct rig *rig = *state;
	struct cpu *cpu = rig->cpu;
	struct cpu_state *before = cpu_state_save(cpu);
	uint64_t value = 0;

	rig_write(rig, FUNCTION, "\xb8\x2a\0\0\0\xc3", 6);
	for (unsigned drop = 0; drop < 2; drop++) {
		cpu_raise_nmi(cpu);
		set_gate(rig, VECTOR_NMI, RIG_CODE + 0x300);
		cpu_flush_tlb(cpu);
		cpu->banks[BANK_SUPERVISOR].client = &client;
		rig_code(rig, "\xeb\xfe", 2);
		cpu->nmi_blocked = false;
		assert_int_equal(rig_run(rig, 10), CPU_EXIT_CLIENT);
		cpu->banks[BANK_SUPERVISOR].client = NULL;
		assert_int_equal(call(rig, 100, &value), CPU_EXIT_MARK);
		assert_int_equal(value, 42);
		if (drop) {
			cpu_state_restore(cpu, before);
			rig_run(rig, 3);
			assert_int_equal(cpu->rip, RIG_CODE);
		} else {
			expect_handler(rig, RIG_CODE);
		}
	}
	cpu_state_destroy(before);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, with_rig, without_rig)
	const struct CMUnitTest tests[] = {
		TEST(test_mark_and_alias),       TEST(test_marks_of_both_names), TEST(test_call_restores_all),
		TEST(test_fault_in_call),        TEST(test_call_limits),         TEST(test_call_before_a_trap),
		TEST(test_request_in_call),      TEST(test_nmi_in_call),         TEST(test_call_on_other_stack),
		TEST(test_call_stopped_at_once), TEST(test_nested_calls),        TEST(test_stopped_interrupt),
		TEST(test_stopped_nmi),          TEST(test_stopped_trap),        TEST(test_stopped_and_called),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
