/*
 * Long mode: SYSCALL and SYSRET, interrupts with IST, compatibility mode, canonical addresses, SWAPGS and FSGSBASE, what 64-bit code lacks (SDM vol. 3A
 * 5.8, 6.14, vol. 1 3.3). Its paging is in long-paging.c.
 */
#include "tests/metal/metal.h"

enum { EFER = 0xc0000080, STAR, LSTAR, CSTAR, FMASK, FS_BASE = 0xc0000100, GS_BASE, KERNEL_GS_BASE };
#define HIGH 0xffff800000000000ull	/* the lowest canonical address of the upper half */
#define HOLE 0x0000800000000000ull	/* the first that is not canonical */
#define OUTCOME(vector, error) ((vector) | (uint64_t)(error) << 32)

static uint64_t outcome(struct state *state)
{
	unsigned vector = go(state);

	return vector | state->error << 32;
}

static uint64_t in_ring(unsigned ring, const void *code, word bx)
{
	struct state s = ring ? user_state(code) : kernel_state(code);

	s.bx = bx;
	return outcome(&s);
}
#define USER(code, bx) in_ring(3, code, bx)
#define KERNEL(code, bx) in_ring(0, code, bx)

/* -- system calls -- */

SNIPPET(call_system, "mov $0x1111222233334444, %rax; syscall; call_system_back: mov %cs, %r12d; mov %ss, %r13d; pushf; pop %r14" DONE);
SNIPPET(system_entry, "mov %rcx, %rsi; mov %r11, %rdi; mov %cs, %r8d; mov %ss, %r9d; pushf; pop %r10; mov $0x80000, %esp\n"
		      "cmp $0, %rbx; jne 2f; mov %rsi, %rcx; mov %rdi, %r11; mov $0x90000, %esp; sysretq\n"
		      "2: mov %rbx, %rcx; mov %rdi, %r11; mov $0x90000, %esp; cmp $0, %r15; jne 3f; sysretq; 3: sysretl");
SNIPPET(bare_syscall, "syscall");
SNIPPET32(compat_target, "mov %cs, %eax; int $0x30");
SNIPPET32(compat_syscall, "syscall; int $0x30");
SNIPPET(bare_sysret, "sysretq");
extern char call_system_back[];

static void test_syscall(void)
{
	struct state s = user_state(call_system);

	wrmsr(STAR, (uint64_t)(SEL_UCODE32 & ~3) << 48 | (uint64_t)SEL_CODE << 32);
	wrmsr(LSTAR, (uint64_t)system_entry);
	wrmsr(FMASK, F_IF | F_DF | F_TF | F_AC | F_CF);
	s.flags = F_IF | F_DF | F_CF | F_ZF | 2;
	check_equal("syscall: and back", outcome(&s), VECTOR_DONE);
	check_equal("syscall: RCX", s.si, (word)call_system_back);
	check_equal("syscall: R11", s.di & 0xfff, F_IF | F_DF | F_CF | F_ZF | 2);
	check_equal("syscall: ring 0 selectors", s.r8 << 16 | s.r9, SEL_CODE << 16 | SEL_DATA);
	check_strict("syscall: masked flags", s.r10 & (F_IF | F_DF | F_CF | F_ZF), F_ZF);
	check_equal("sysret: ring 3 selectors", s.r12 << 16 | s.r13, SEL_UCODE64 << 16 | SEL_UDATA);
	check_equal("sysret: flags", s.r14 & (F_IF | F_DF | F_CF), F_IF | F_DF | F_CF);
	check_equal("syscall: RAX untouched", s.ax, 0x1111222233334444);

	s = user_state(call_system);
	s.bx = (word)compat_target, s.r15 = 1;
	check_equal("sysret: to compatibility mode", outcome(&s), VECTOR_DONE);
	check_equal("sysret: its selector", s.ax, SEL_UCODE32);
	s = user_state(call_system);
	s.bx = HOLE;
	check_strict("sysret: not canonical: #GP in ring 0", outcome(&s) << 8 | (s.cs & 3), OUTCOME(VEC_GP, 0) << 8);
	check_equal("sysret: ring 3", USER(bare_sysret, 0), OUTCOME(VEC_GP, 0));
	s = user_state(compat_syscall);
	s.cs = SEL_UCODE32;
	check_strict("syscall: from compatibility mode", outcome(&s), OUTCOME(VEC_UD, 0));
	wrmsr(EFER, rdmsr(EFER) & ~1ull);
	check_equal("syscall: without SCE", USER(bare_syscall, 0), OUTCOME(VEC_UD, 0));
	wrmsr(EFER, rdmsr(EFER) | 1);
	check_strict("wrmsr: LSTAR not canonical", ATTEMPT("wrmsr", : : "c"(LSTAR), "a"(0), "d"(0x8000) : "memory"), VEC_GP);
	wrmsr(LSTAR, (uint64_t)system_entry); /* where that was not checked */
	check_strict("wrmsr: EFER's reserved bits", ATTEMPT("wrmsr", : : "c"(EFER), "a"(0xd03), "d"(0) : "memory"), VEC_GP);
	check_strict("wrmsr: LME while paging", ATTEMPT("wrmsr", : : "c"(EFER), "a"(0xc01), "d"(0) : "memory"), VEC_GP);
}

/* -- interrupts -- */

SNIPPET(user_int, "int $0x43; mov %rsp, %rdx; int $0x30");
SNIPPET(isr, "mov %rsp, %rax; mov 24(%rsp), %rcx; mov 32(%rsp), %rbx; mov %ss, %esi; pushf; pop %rdi; iretq");
SNIPPET(iret_null_ss, "mov %rsp, %rax; push $0; push %rax; pushf; push $0x08; push $1f; iretq; 1: mov %ss, %ebx; mov %ebp, %ss; int $0x30");
SNIPPET(iret_hole, "mov %rsp, %rax; push $0x10; push %rax; pushf; push $0x08; mov $0x0000800000000000, %rcx; push %rcx; iretq");
SNIPPET(iret_user_null_ss, "push $0; push $0x90000; pushf; push $0x2b; push $1f; iretq; 1: int $0x30");

static uint8_t ist_stack[2][4096] __attribute__((aligned(16)));

static void test_interrupts(void)
{
	struct state s = user_state(user_int);

	set_gate(0x43, SEL_CODE, isr, 0xee, 0);
	s.sp = USER_STACK_TOP - 3, s.flags = F_IF | 2;
	check_equal("int: from ring 3", outcome(&s), VECTOR_DONE);
	check_equal("int: stack of the TSS", s.ax, tss.rsp[0] - 40);
	check_equal("int: pushed stack", s.bx << 32 | s.cx, (uint64_t)SEL_UDATA << 32 | (USER_STACK_TOP - 3));
	check_equal("int: SS is null", s.si, 0);
	check_equal("int: IF clear", s.di & F_IF, 0);
	check_equal("int: RSP restored", s.dx, USER_STACK_TOP - 3);
	s = kernel_state(user_int);
	s.sp -= 3;
	check_equal("int: from ring 0", outcome(&s), VECTOR_DONE);
	check_equal("int: aligns the stack to 16", s.ax, (s.dx & ~15ull) - 40);
	check_equal("int: SS stays", s.si, SEL_DATA);
	tss.ist[0] = (word)ist_stack[0] + 4096;
	set_gate(0x43, SEL_CODE, isr, 0xee, 1);
	s = kernel_state(user_int);
	go(&s);
	check_equal("int: IST", s.ax, tss.ist[0] - 40);
	/* A stack that is not canonical, and #SS itself on an IST stack */
	word good = tss.rsp[0];
	extern const uint32_t trap_stubs[];
	tss.rsp[0] = HOLE + 0x1000;
	tss.ist[1] = (word)ist_stack[1] + 4096;
	set_gate(0x43, SEL_CODE, isr, 0xee, 0);
	set_gate(VEC_SS, SEL_CODE, (void *)(word)trap_stubs[VEC_SS], 0x8e, 2);
	s = user_state(user_int);
	check_strict("int: stack not canonical", outcome(&s) & 0xff, VEC_SS);
	tss.rsp[0] = good;
	reset_gate(VEC_SS);
	set_gate(0x43, SEL_CODE, (void *)HOLE, 0xee, 0);
	s = user_state(user_int);
	check_equal("int: non-canonical target", outcome(&s), OUTCOME(VEC_GP, 0));
	set_gate(0x43, SEL_CODE32, isr, 0xee, 0);
	s = user_state(user_int);
	check_equal("int: to compatibility code", outcome(&s), OUTCOME(VEC_GP, SEL_CODE32));
	reset_gate(0x43);

	s = kernel_state(iret_null_ss);
	s.bp = SEL_DATA;
	check_equal("iretq: null SS in ring 0", outcome(&s), VECTOR_DONE);
	check_equal("iretq: SS is null", s.bx, 0);
	check_equal("iretq: null SS for ring 3", KERNEL(iret_user_null_ss, 0), OUTCOME(VEC_GP, 0));
	check_strict("iretq: not canonical", KERNEL(iret_hole, 0), OUTCOME(VEC_GP, 0));
}

/* -- canonical addresses -- */

SNIPPET(load_bx, "mov (%rbx), %al; int $0x30");
SNIPPET(load_bp, "mov %rbx, %rbp; mov (%rbp), %al; int $0x30");
SNIPPET(push_at, "mov %rbx, %rsp; push %rax; int $0x30");
SNIPPET(jump_to, "jmp *%rbx");
SNIPPET(return_to, "push %rbx; ret");
SNIPPET(call_to, "call *%rbx");
SNIPPET(load_word, "mov (%rbx), %rax; int $0x30");

static void test_canonical(void)
{
	struct state s;

	check_equal("canonical: load", KERNEL(load_bx, HOLE), OUTCOME(VEC_GP, 0));
	check_strict("canonical: load through RBP", KERNEL(load_bp, HOLE), OUTCOME(VEC_SS, 0));
	check_equal("canonical: top of the lower half is absent", KERNEL(load_bx, HOLE - 1), OUTCOME(VEC_PF, 0));
	check_equal("canonical: bottom of the upper half is absent", KERNEL(load_bx, HIGH), OUTCOME(VEC_PF, 0));
	check_equal("canonical: below the upper half", KERNEL(load_bx, HIGH - 1), OUTCOME(VEC_GP, 0));
	s = user_state(push_at);
	s.bx = HIGH - 8;
	check_strict("canonical: push", outcome(&s), OUTCOME(VEC_SS, 0));
	s = user_state(return_to);
	s.bx = HOLE;
	check_equal("canonical: ret", outcome(&s), OUTCOME(VEC_GP, 0));
	check_strict("canonical: ret faults at itself", s.ip, (word)return_to + 1);
	s = user_state(jump_to);
	s.bx = HOLE;
	check_equal("canonical: jmp", outcome(&s), OUTCOME(VEC_GP, 0));
	check_strict("canonical: jmp faults at itself", s.ip, (word)jump_to);
	s = user_state(call_to);
	s.bx = HOLE;
	check_equal("canonical: call", outcome(&s), OUTCOME(VEC_GP, 0));
	check_strict("canonical: call pushes nothing", s.sp, USER_STACK_TOP);
	check_strict("canonical: wrmsr FS base", ATTEMPT("wrmsr", : : "c"(FS_BASE), "a"(0), "d"(0x8000) : "memory"), VEC_GP);
	check_equal("canonical: load across the end of the address space", KERNEL(load_word, -4ull) & 0xff, VEC_PF);
}

/* -- compatibility mode -- */

SNIPPET32(compat, "push %ebx; pop %ecx; .byte 0x40; mov %esp, %edx; mov $0x11223344, %esi; lea 0x7fffffff(%esi,%esi), %edi; int $0x30");
SNIPPET32(compat_wrap, "mov (%ebx), %eax; mov 0x1000(%ecx), %edx; int $0x30");
SNIPPET32(compat_old, "push %es; pop %es; mov $0x19, %al; daa; pusha; popa; bound %esi, (%esp); int $0x30");
SNIPPET16(compat16, "push %bx; pop %cx; mov %sp, %dx; mov $0x1234, %ax; int $0x30");
SNIPPET32(compat_to_64, "ljmp $0x2b, $compat_arrives");
SNIPPET(compat_arrives, "mov $-1, %rax; mov %cs, %ebx; int $0x30");
SNIPPET32(compat_gate, "lcall $0x5b, $0; int $0x30");
SNIPPET(gate_target, "mov 24(%rsp), %rcx; mov %cs, %eax; mov %ss, %edx; lretq");

static void test_compatibility(void)
{
	struct state s = user_state(compat);

	s.cs = SEL_UCODE32, s.bx = 0x1234567800001111, s.ax = 1, s.r8 = 0x8888888888888888;
	check_equal("compat: runs", outcome(&s), VECTOR_DONE);
	check_equal("compat: 32-bit push and pop", s.cx << 32 | s.ax, 0x1111ull << 32 | 2);
	check_equal("compat: stack", s.dx, USER_STACK_TOP);
	check_equal("compat: 32-bit addresses", s.di, 0xa2446687);
	check_equal("compat: R8 survives", s.r8, 0x8888888888888888);
	*(volatile uint32_t *)pages[0] = 0x77665544;
	s = user_state(compat_wrap);
	s.cs = SEL_UCODE32, s.bx = (word)pages[0], s.cx = (uint32_t)((word)pages[0] - 0x1000);
	go(&s);
	check_equal("compat: loads", s.ax << 32 | s.dx, 0x7766554477665544);
	s = user_state(compat_old);
	s.cs = SEL_UCODE32, s.si = 0x10, s.sp = USER_STACK_TOP - 8;
	*(volatile uint32_t *)(USER_STACK_TOP - 8) = 0, *(volatile uint32_t *)(USER_STACK_TOP - 4) = 0x20;
	s.es = SEL_UDATA;
	check_equal("compat: old instructions", outcome(&s), VECTOR_DONE);
	check_equal("compat: daa", s.ax & 0xff, 0x19);
	s = kernel_state(compat16);
	s.cs = SEL_CODE16, s.ss = SEL_DATA16, s.sp = 0xf000, s.bx = 0x4321;
	check_equal("compat: 16-bit", outcome(&s), VECTOR_DONE);
	check_equal("compat: 16-bit push", (s.cx & 0xffff) << 16 | (s.dx & 0xffff), 0x4321f000);
	s = user_state(compat_to_64);
	s.cs = SEL_UCODE32;
	check_equal("compat: far jump to 64-bit code", outcome(&s), VECTOR_DONE);
	check_equal("compat: arrived", s.ax << 8 | s.bx, -1ull << 8 | SEL_UCODE64);

	/* A call gate of 16 bytes; a null SS in ring 0 */
	uint64_t target = (word)gate_target;
	set_descriptor(SEL_FREE, (target & 0xffff) | SEL_CODE << 16 | 0xecull << 40 | (target >> 16 & 0xffff) << 48);
	set_descriptor(SEL_FREE + 8, target >> 32);
	s = user_state(compat_gate);
	s.cs = SEL_UCODE32;
	check_equal("call gate: from compatibility mode and back", outcome(&s), VECTOR_DONE);
	check_equal("call gate: 64-bit ring 0", s.ax << 16 | s.dx, SEL_CODE << 16);
	check_equal("call gate: pushed SS", s.cx, SEL_UDATA);
	set_descriptor(SEL_FREE + 8, 1ull << 40);
	s = user_state(compat_gate);
	s.cs = SEL_UCODE32;
	check_equal("call gate: upper half with a type", outcome(&s), OUTCOME(VEC_GP, SEL_FREE));
}

/* -- what is gone -- */

#define GONE(name, bytes) SNIPPET(name, ".byte " bytes "\nint $0x30")
GONE(gone_daa, "0x27");
GONE(gone_pusha, "0x60");
GONE(gone_push_es, "0x06");
GONE(gone_into, "0xce");
GONE(gone_far_call, "0x9a, 0, 0, 0, 0, 0, 0");
GONE(gone_les, "0xc4, 0x03");
GONE(gone_aam, "0xd4, 0x0a");
GONE(gone_salc, "0xd6");
GONE(gone_alias, "0x82, 0xc0, 0x01");
SNIPPET(wide_results, "mov $-1, %rax; mov $-1, %rbx; mov $-1, %rcx; mov $-1, %rdx; mov $1, %eax; mov $1, %bx; mov $1, %cl; movslq wide_data(%rip), %rdx\n"
		      "cmp %eax, %eax; cmovne %esi, %esi; bsf %edi, %r8d; int $0x30; wide_data: .long 0x80000000");
SNIPPET(cmpxchg16, "lock cmpxchg16b (%rsi); setz %dil; int $0x30");
SNIPPET(byte_registers, "mov $0x1122, %eax; mov %ah, %bl; mov $0x33, %spl; mov %sil, %cl; int $0x30");

static void test_instructions(void)
{
	static uint64_t pair[3] __attribute__((aligned(16))) = {1, 2};
	struct state s;

	check_equal("gone: daa", USER(gone_daa, 0), OUTCOME(VEC_UD, 0));
	check_equal("gone: pusha", USER(gone_pusha, 0), OUTCOME(VEC_UD, 0));
	check_equal("gone: push es", USER(gone_push_es, 0), OUTCOME(VEC_UD, 0));
	check_equal("gone: into", USER(gone_into, 0), OUTCOME(VEC_UD, 0));
	check_equal("gone: lcall", USER(gone_far_call, 0), OUTCOME(VEC_UD, 0));
	check_equal("gone: les", USER(gone_les, 0), OUTCOME(VEC_UD, 0));
	check_equal("gone: aam", USER(gone_aam, 0), OUTCOME(VEC_UD, 0));
	check_equal("gone: salc", USER(gone_salc, 0), OUTCOME(VEC_UD, 0));
	check_equal("gone: opcode 82", USER(gone_alias, 0), OUTCOME(VEC_UD, 0));
	s = user_state(wide_results);
	s.si = -1;
	go(&s);
	check_equal("wide: 32-bit results are zero-extended", s.ax, 1);
	check_equal("wide: 16-bit ones are not", s.bx, 0xffffffffffff0001);
	check_equal("wide: 8-bit ones are not", s.cx, 0xffffffffffffff01);
	check_equal("wide: movsxd, RIP-relative", s.dx, 0xffffffff80000000);
	check_equal("wide: cmov that does not move zero-extends", s.si, 0xffffffff);
	s = user_state(byte_registers);
	s.si = 0x5566;
	go(&s);
	check_equal("wide: ah, spl, sil", (s.bx & 0xff) << 16 | (s.cx & 0xff) << 8 | (s.sp & 0xff), 0x116633);
	s = user_state(cmpxchg16);
	s.si = (word)pair, s.ax = 1, s.dx = 2, s.bx = 3, s.cx = 4;
	go(&s);
	check_equal("cmpxchg16b", (s.di & 0xff) << 16 | pair[0] << 8 | pair[1], 0x10304);
	s = user_state(cmpxchg16);
	s.si = (word)pair + 8;
	check_strict("cmpxchg16b: not aligned", outcome(&s), OUTCOME(VEC_GP, 0));
}

/* -- segment bases -- */

SNIPPET(swap, "swapgs; mov %gs:0, %rax; swapgs; mov %gs:0, %rbx; int $0x30");
SNIPPET(bare_swapgs, "swapgs; int $0x30");
SNIPPET(use_bases, "wrfsbase %rbx; rdfsbase %rcx; mov %fs:8, %rdx; wrgsbase %rsi; rdgsbase %rdi; mov %gs:0, %eax; int $0x30");
SNIPPET(write_fs_base, "wrfsbase %rbx; int $0x30");
SNIPPET(load_fs_null, "xor %eax, %eax; mov %eax, %fs; int $0x30");
SNIPPET(tls, "mov %fs:-8, %rax; int $0x30");

static void test_bases(void)
{
	static uint64_t a[2] = {0xaaaa, 0xa1}, b[2] = {0xbbbb, 0xb1};
	struct state s = kernel_state(swap);

	wrmsr(GS_BASE, (word)a);
	wrmsr(KERNEL_GS_BASE, (word)b);
	go(&s);
	check_equal("swapgs: swaps, and back", s.ax << 16 | s.bx, 0xbbbbaaaa);
	check_equal("swapgs: ring 3", USER(bare_swapgs, 0), OUTCOME(VEC_GP, 0));
	wrmsr(FS_BASE, (word)a + 16);
	s = user_state(tls);
	go(&s);
	check_equal("fs: negative offset", s.ax, 0xa1);
	if (!(cpuid(7, 0).ebx & 1)) {
		skip("fsgsbase");
		return;
	}
	check_equal("fsgsbase: off", USER(use_bases, (word)a), OUTCOME(VEC_UD, 0));
	write_cr4(read_cr4() | CR4_FSGSBASE);
	s = user_state(use_bases);
	s.bx = (word)a, s.si = (word)b;
	check_equal("fsgsbase: on", outcome(&s), VECTOR_DONE);
	check_equal("fsgsbase: read back", s.cx << 32 | s.di, (word)a << 32 | (word)b);
	check_equal("fsgsbase: used", s.dx << 16 | s.ax, 0xa1bbbb);
	check_equal("fsgsbase: the MSR is the same", rdmsr(FS_BASE), (word)a);
	check_strict("fsgsbase: not canonical", USER(write_fs_base, HOLE), OUTCOME(VEC_GP, 0));
	check_equal("fs: null selector", USER(load_fs_null, 0), VECTOR_DONE);
}

/* -- control registers and debugging -- */

SNIPPET(steps, "nop; nop; int $0x30");
SNIPPET(step_syscall, "syscall; nop; int $0x30");
SNIPPET(watch8, "movb $1, pages + 7; nop; int $0x30");

static void test_control(void)
{
	struct state s;

	if (on_tcg()) { /* does as it is told, and crashes */
		skip("control registers' checks");
	} else {
		check_equal("cr4: PAE cannot go in long mode", ATTEMPT("mov %0, %%cr4", : : "r"(read_cr4() & ~(word)CR4_PAE) : "memory"), VEC_GP);
		check_equal("cr0: PG cannot go in 64-bit code", ATTEMPT("mov %0, %%cr0", : : "r"(read_cr0() & ~CR0_PG) : "memory"), VEC_GP);
		check_equal("cr0: upper half", ATTEMPT("mov %0, %%cr0", : : "r"(read_cr0() | 1ull << 32) : "memory"), VEC_GP);
		check_equal("cr4: reserved bit", ATTEMPT("mov %0, %%cr4", : : "r"(read_cr4() | 1ull << 31) : "memory"), VEC_GP);
		check_equal("cr3: reserved bit", ATTEMPT("mov %0, %%cr3", : : "r"(read_cr3() | 1ull << 60) : "memory"), VEC_GP);
	}
	check_equal("cr8: write and read", ATTEMPT("mov %0, %%cr8; mov %%cr8, %%rbx; mov %%rbx, pages; mov %1, %%cr8", : : "r"(9ull), "r"(0ull) : "rbx", "memory"),
		    VECTOR_NONE);
	check_equal("cr8: value", *(volatile uint64_t *)pages[0], 9);
	check_strict("cr8: reserved bit", ATTEMPT("mov %0, %%cr8", : : "r"(16ull) : "memory"), VEC_GP);
	check_strict("dr7: upper half", ATTEMPT("mov %0, %%dr7", : : "r"(1ull << 32) : "memory"), VEC_GP);

	s = user_state(steps);
	s.flags |= F_TF;
	check_equal("step: #DB", outcome(&s), OUTCOME(VEC_DB, 0));
	check_equal("step: after one", s.ip, (word)steps + 1);
	s = user_state(step_syscall);
	s.flags |= F_TF; /* masked by SYSCALL; comes back with SYSRET */
	go(&s);
	check_equal("step: over syscall", s.ip, (word)step_syscall + 2);
	write_dr0((word)pages);
	write_dr7(0x402 | 0x90000); /* 8 bytes, writes */
	s = user_state(watch8);
	check_equal("watch: 8 bytes", outcome(&s), OUTCOME(VEC_DB, 0));
	write_dr7(0x400);
}

/* -- double faults on an IST stack -- */

SNIPPET(bad_stack, "mov $0x100000000000, %rsp; push %rax; int $0x30");

static void test_double_fault(void)
{
	struct state s = kernel_state(bad_stack);
	extern const uint32_t trap_stubs[];

	tss.ist[1] = (word)ist_stack[1] + 4096;
	set_gate(VEC_DF, SEL_CODE, (void *)(word)trap_stubs[VEC_DF], 0x8e, 2);
	check_equal("double fault: #PF that has no stack", outcome(&s), OUTCOME(VEC_DF, 0));
	check_equal("double fault: RSP of the culprit", s.sp, 0x100000000000);
	reset_gate(VEC_DF);
}

void run(void)
{
	test_syscall();
	test_interrupts();
	test_canonical();
	test_compatibility();
	test_instructions();
	test_bases();
	test_control();
	test_double_fault();
}
