/* Hardware task switches (SDM vol. 3A 8), the double fault that needs one, and virtual-8086 mode with and without its extensions (vol. 3B 21). */
#include "tests/metal/metal.h"

enum { SEL_OTHER = SEL_FREE, SEL_GATE = SEL_FREE + 8, SEL_SHORT = SEL_FREE + 16 };

static struct tss other;
static uint8_t other_stack[4096] __attribute__((aligned(16)));

static void prepare_other(const void *ip)
{
	memset(&other, 0, offsetof(struct tss, io_bits));
	other.eip = (uintptr_t)ip;
	other.eflags = 2;
	other.esp = (uintptr_t)other_stack + sizeof(other_stack);
	other.ebx = 0xb0b0;
	other.cs = SEL_CODE;
	other.es = other.ss = other.ds = SEL_DATA;
	other.io_map = sizeof(other);
	set_descriptor(SEL_OTHER, descriptor((uintptr_t)&other, 103, 0xe9, 0));
	set_descriptor(SEL_GATE, (uint64_t)SEL_OTHER << 16 | (uint64_t)0xe5 << 40);
	set_descriptor(SEL_TSS, descriptor((uintptr_t)&tss, sizeof(tss) - 1, 0x8b, 0));
	write_cr0(read_cr0() & ~CR0_TS);
}

static unsigned type_of(unsigned selector)
{
	return gdt[selector >> 3] >> 40 & 0x1f;
}

/* What the other task does: note its state, go back, and do it again when it is called again. */
volatile uint32_t noted[8];
SNIPPET(other_task, "1: mov %ebx, noted; pushf; pop noted + 4; str noted + 8; mov %esp, noted + 12; smsw noted + 16; incl noted + 20; iret; jmp 1b");
SNIPPET(call_task, "mov $0x77, %ecx; stc; lcall $0x58, $0; setc %al; str %bx" DONE);
SNIPPET(call_task_gate, "lcall $0x60, $0; str %bx" DONE);
SNIPPET(int_task, "int $0x43; str %bx" DONE);
SNIPPET(jump_task, "ljmp $0x58, $0; str %bx" DONE);
SNIPPET(other_jumps, "str noted + 8; pushf; pop noted + 4; mov %cr0, %edx; ljmp $0x48, $0");
SNIPPET(bare_iret_nt, "pushf; orl $0x4000, (%esp); popf; iret");

static void test_switches(void)
{
	struct state s = kernel_state(call_task);

	prepare_other(other_task);
	check_equal("task: call comes back", go(&s), VECTOR_DONE);
	check_equal("task: registers of the new task", noted[0], 0xb0b0);
	check_equal("task: NT is set in it", noted[1] & F_NT, F_NT);
	check_equal("task: task register", noted[2], SEL_OTHER);
	check_equal("task: CR0.TS", noted[4] & CR0_TS, CR0_TS);
	check_equal("task: back link", other.back, SEL_TSS);
	check_equal("task: old registers were saved", tss.ecx, 0x77);
	check_equal("task: and restored", s.cx << 16 | (s.bx & 0xffff), 0x77u << 16 | SEL_TSS);
	check_equal("task: flags restored", s.ax & 1, 1);
	check_equal("task: busy bits", type_of(SEL_TSS) << 8 | type_of(SEL_OTHER), 0x0b09);

	/* The task goes on behind its IRET */
	noted[5] = 0;
	s = kernel_state(call_task_gate);
	check_equal("task: by a task gate", go(&s), VECTOR_DONE);
	check_equal("task: resumed behind its IRET", noted[5], 1);

	prepare_other(other_task);
	set_gate(0x43, SEL_OTHER, NULL, 0xe5, 0);
	s = user_state(int_task);
	check_equal("task: by an interrupt from ring 3", go(&s), VECTOR_DONE);
	check_equal("task: ring 3 resumed", s.cs << 16 | (s.bx & 0xffff), SEL_UCODE32 << 16 | SEL_TSS);
	reset_gate(0x43);

	prepare_other(other_jumps);
	s = kernel_state(jump_task);
	check_equal("task: jump and jump back", go(&s), VECTOR_DONE);
	check_equal("task: jump does not nest", noted[1] & F_NT, 0);
	check_equal("task: jump: busy bits", type_of(SEL_TSS) << 8 | type_of(SEL_OTHER), 0x0b09);
}

/* An exception in the middle of a switch comes in the new task. */
static uint64_t failing(const void *code)
{
	struct state s = kernel_state(code);
	unsigned vector = go(&s);

	return vector | (uint64_t)s.error << 32;
}
#define OUTCOME(vector, error) ((vector) | (uint64_t)(error) << 32)

static void test_bad_switches(void)
{
	prepare_other(other_task);
	set_descriptor(SEL_OTHER, descriptor((uintptr_t)&other, 103, 0xeb, 0));
	check_equal("task: busy", failing(call_task), OUTCOME(VEC_GP, SEL_OTHER));
	set_descriptor(SEL_OTHER, descriptor((uintptr_t)&other, 103, 0x69, 0));
	check_equal("task: not present", failing(call_task), OUTCOME(VEC_NP, SEL_OTHER));
	set_descriptor(SEL_OTHER, descriptor((uintptr_t)&other, 102, 0xe9, 0));
	check_equal("task: TSS too small", failing(call_task), OUTCOME(VEC_TS, SEL_OTHER));
	prepare_other(other_task);
	tss.back = SEL_DATA;
	check_equal("task: iret to no TSS", failing(bare_iret_nt), OUTCOME(VEC_TS, SEL_DATA));
	tss.back = 0;
}

/* A double fault: #NP's gate is not present, so that #NP raises #NP. The task gate gives it a good stack. */
/* It makes the task that faulted go on elsewhere. */
SNIPPET(double_fault_task, "pop noted + 24; str noted + 8; movl $after_double_fault, tss + 32; iret");
SNIPPET(load_absent, "mov $0x68, %ax; mov %ax, %fs" DONE);
SNIPPET(after_double_fault, "mov $0xdf, %eax" DONE);

static void test_double_fault(void)
{
	struct state s = kernel_state(load_absent);

	prepare_other(double_fault_task);
	set_descriptor(SEL_SHORT, descriptor(0, 0xfff, 0x12, 4));
	set_gate(VEC_NP, SEL_CODE, NULL, 0x0e, 0);
	set_gate(VEC_DF, SEL_OTHER, NULL, 0x85, 0);
	noted[6] = -1;
	check_equal("double fault: ends", go(&s), VECTOR_DONE);
	check_equal("double fault: goes on where the task wants", s.ax, 0xdf);
	check_equal("double fault: error code 0 on the task's stack", noted[6], 0);
	check_equal("double fault: ran as a task", noted[2], SEL_OTHER);
	reset_gate(VEC_NP);
	reset_gate(VEC_DF);
}

/* -- virtual-8086 mode -- */

SNIPPET16(v86_code, "mov %ds, %ax; mov 0x10, %cx; mov $0xabcd, %dx; mov %dx, %es:0x20; push %cx; pop %bx; int $0x30");
SNIPPET16(v86_cli, "cli; int $0x30");
SNIPPET16(v86_pushf, "pushf; pop %ax; int $0x30");
SNIPPET16(v86_sti, "sti; int $0x30");
SNIPPET16(v86_int, "int $0x60; nop");
SNIPPET16(v86_in, "in $0x80, %al; int $0x30");
SNIPPET16(v86_out, "mov $0x81, %dx; out %al, %dx; int $0x30");
SNIPPET16(v86_popf, "push $0x0202; popf; pushf; pop %ax; int $0x30");
SNIPPET16(v86_lldt, "lldt %ax");
SNIPPET16(v86_hlt, "hlt");
SNIPPET16(v86_mov_cr, "mov %cr0, %eax");
SNIPPET16(v86_isr, "mov %sp, %bp; mov 4(%bp), %dx; pushf; pop %cx; iret");
SNIPPET16(v86_redirected, "mov $0x1234, %ax; int $0x61; mov $0x5678, %bx; mov $0, %bp; ud2");
SNIPPET16(v86_far, "lcall $0x100, $v86_far_target - 0x1000; ud2; v86_far_target: mov %cs, %ax; lret");

static struct state v86(const void *ip, unsigned flags)
{
	return (struct state){
		.ip = (word)ip, .flags = F_VM | flags | 2, .ss = 0x2000, .sp = 0xfff0, .ds = 0x3000, .es = 0x3001, .fs = 0x1111, .gs = 0x2222};
}

static uint64_t v86_outcome(const void *ip, unsigned flags)
{
	struct state s = v86(ip, flags);
	unsigned vector = go(&s);

	return vector | (uint64_t)s.error << 32;
}

static void test_v86(void)
{
	struct state s = v86(v86_code, F_IOPL);

	*(volatile uint16_t *)0x30010 = 0x4242;
	check_equal("v86: runs to int", go(&s), VECTOR_DONE);
	check_equal("v86: segments", s.ax << 16 | s.cx, 0x30004242);
	check_equal("v86: store", *(volatile uint16_t *)0x30030, 0xabcd);
	check_equal("v86: stack", s.bx << 16 | s.sp, 0x4242fff0);
	check_equal("v86: frame has VM and the segments", (s.flags & F_VM) | s.fs << 16 | s.gs, F_VM | 0x11112222u);
	check_equal("v86: IOPL 3: cli", v86_outcome(v86_cli, F_IOPL), VECTOR_DONE);
	check_equal("v86: IOPL 0: cli", v86_outcome(v86_cli, 0), OUTCOME(VEC_GP, 0));
	check_equal("v86: IOPL 0: pushf", v86_outcome(v86_pushf, 0), OUTCOME(VEC_GP, 0));
	check_equal("v86: IOPL 0: popf", v86_outcome(v86_popf, 0), OUTCOME(VEC_GP, 0));
	check_equal("v86: IOPL 0: int n", v86_outcome(v86_int, 0), OUTCOME(VEC_GP, 0));
	check_equal("v86: IOPL 3: int n by a gate of DPL 0", v86_outcome(v86_int, F_IOPL), OUTCOME(VEC_GP, 0x60 << 3 | 2));
	check_equal("v86: hlt", v86_outcome(v86_hlt, F_IOPL), OUTCOME(VEC_GP, 0));
	check_equal("v86: mov cr0", v86_outcome(v86_mov_cr, F_IOPL), OUTCOME(VEC_GP, 0));
	check_equal("v86: lldt is undefined", v86_outcome(v86_lldt, F_IOPL), OUTCOME(VEC_UD, 0));
	check_equal("v86: ports need the bitmap even with IOPL 3", v86_outcome(v86_in, F_IOPL), OUTCOME(VEC_GP, 0));
	tss.io_map = offsetof(struct tss, io_bits);
	memset(tss.io_bits, 0xff, sizeof(tss.io_bits));
	tss.io_bits[0x80 / 8] = 0xfe;
	check_equal("v86: port allowed by the bitmap", v86_outcome(v86_in, F_IOPL), VECTOR_DONE);
	check_equal("v86: port denied by the bitmap", v86_outcome(v86_out, F_IOPL), OUTCOME(VEC_GP, 0));
	s = v86(v86_popf, F_IOPL);
	go(&s);
	check_equal("v86: popf sets IF, not IOPL", s.ax & (F_IOPL | F_IF), F_IOPL | F_IF);
	s = v86(v86_far, F_IOPL);
	go(&s);
	check_equal("v86: far call", s.ax & 0xffff, 0x100);
}

/* VME: virtual IF, and the redirection bitmap (the 32 bytes below the I/O map) that lets INT n go through the 8086 program's own table. */
static void test_vme(void)
{
	struct state s;
	volatile uint32_t *ivt = NULL;

	if (!(cpuid(1, 0).edx & 2)) {
		skip("vme");
		return;
	}
	__asm__("" : "+r"(ivt));
	ivt[0x61] = (uintptr_t)v86_isr;
	tss.io_map = offsetof(struct tss, io_bits) + 32;
	memset(tss.io_bits, 0, 32);
	memset(tss.io_bits + 32, 0xff, sizeof(tss.io_bits) - 32);
	write_cr4(read_cr4() | 1);
	/* the redirection bitmap is all 0: DONE would go to the 8086 program's table, so set its bit */
	tss.io_bits[VECTOR_DONE / 8] |= 1 << VECTOR_DONE % 8;

	s = v86(v86_redirected, F_IOPL);
	check_equal("vme: int n through the 8086 table", go(&s), VEC_UD);
	check_equal("vme: handler ran and returned", s.ax << 16 | s.bx, 0x12345678);
	s = v86(v86_redirected, F_VIF);
	check_equal("vme: IOPL 0", go(&s), VEC_UD);
	check_equal("vme: pushed flags have IOPL 3 and VIF as IF", s.dx & (F_IOPL | F_IF), F_IOPL | F_IF);
	check_equal("vme: VIF is clear in the handler", s.cx & F_IF, 0);
	check_equal("vme: iret restored VIF", s.flags & F_VIF, F_VIF);
	s = v86(v86_cli, F_VIF);
	go(&s);
	check_equal("vme: cli clears VIF", s.flags & F_VIF, 0);
	s = v86(v86_sti, 0);
	go(&s);
	check_equal("vme: sti sets VIF", s.flags & F_VIF, F_VIF);
	s = v86(v86_sti, F_VIP);
	check_equal("vme: sti with VIP", go(&s), VEC_GP);
	s = v86(v86_pushf, F_VIF);
	go(&s);
	check_equal("vme: pushf", s.ax & (F_IOPL | F_IF), F_IOPL | F_IF);
	tss.io_bits[0x61 / 8] |= 1 << 0x61 % 8;
	check_equal("vme: bit set, IOPL 0: #GP", v86_outcome(v86_redirected, 0), OUTCOME(VEC_GP, 0));
	write_cr4(read_cr4() & ~1ul);
	tss.io_map = sizeof(tss);
}

void run(void)
{
	test_switches();
	test_bad_switches();
	test_double_fault();
	test_v86();
	test_vme();
}
