/*
 * Protected mode without paging: segments and their checks (SDM vol. 3A 5), 16-bit code and stacks, gates, privilege changes, I/O permission, debug
 * exceptions (vol. 3B 17). Task switches and virtual-8086 mode are in tasks.c.
 */
#include "tests/metal/metal.h"

enum { SEL_A = SEL_FREE, SEL_B = SEL_FREE + 8, SEL_C = SEL_FREE + 16, SEL_D = SEL_FREE + 24 };
enum { DATA = 0x92, DATA_READ = 0x90, DATA_DOWN = 0x96, CODE = 0x9a, CODE_EXECUTE = 0x98, CODE_CONFORMING = 0x9e, DPL3 = 0x60, PRESENT = 0x80 };

static uint64_t gate(unsigned selector, const void *target, unsigned type, unsigned count)
{
	uint64_t offset = (uintptr_t)target;

	return (offset & 0xffff) | (uint64_t)selector << 16 | (uint64_t)count << 32 | (uint64_t)type << 40 | offset >> 16 << 48;
}

/* The exception, with its error code in the upper half. */
static uint64_t outcome(struct state *state)
{
	unsigned vector = go(state);

	return vector | (uint64_t)state->error << 32;
}
#define OUTCOME(vector, error) ((vector) | (uint64_t)(error) << 32)

/* -- segments -- */

SNIPPET(load_byte, "mov %ds:(%ebx), %al" DONE);
SNIPPET(load_dword, "mov %ds:(%ebx), %eax" DONE);
SNIPPET(store_byte, "movb $1, %ds:(%ebx)" DONE);
SNIPPET(load_fs, "mov %bx, %fs" DONE);
SNIPPET(load_ss, "mov %bx, %ss" DONE);
SNIPPET(use_fs, "mov %fs:0, %al" DONE);
SNIPPET(stack_load, "mov (%ebp), %al" DONE);
SNIPPET(pop_es, "push %ebx; pop %es; mov %es, %eax" DONE);

static uint64_t data_access(const void *code, uint64_t segment, word address)
{
	struct state s = kernel_state(code);

	set_descriptor(SEL_A, segment);
	s.ds = SEL_A, s.bx = address;
	return outcome(&s);
}

static void test_limits(void)
{
	uint32_t base = (uintptr_t)pages[0];
	uint64_t small = descriptor(base, 99, DATA, 4);

	pages[0][99] = 0x42;
	check_equal("seg: last byte", data_access(load_byte, small, 99), VECTOR_DONE);
	check_strict("seg: beyond the limit", data_access(load_byte, small, 100), OUTCOME(VEC_GP, 0));
	check_strict("seg: across the limit", data_access(load_dword, small, 97), OUTCOME(VEC_GP, 0));
	check_equal("seg: up to the limit", data_access(load_dword, small, 96), VECTOR_DONE);
	check_strict("seg: address wraps to below: #GP", data_access(load_dword, small, -2), OUTCOME(VEC_GP, 0));
	check_strict("seg: expand-down, below", data_access(load_byte, descriptor(base, 99, DATA_DOWN, 4), 99), OUTCOME(VEC_GP, 0));
	check_equal("seg: expand-down, above", data_access(load_byte, descriptor(base, 99, DATA_DOWN, 4), 100), VECTOR_DONE);
	check_strict("seg: expand-down, 16-bit upper bound", data_access(load_byte, descriptor(0, 99, DATA_DOWN, 0), 0x10000), OUTCOME(VEC_GP, 0));
	check_strict("seg: read-only", data_access(store_byte, descriptor(base, 99, DATA_READ, 4), 0), OUTCOME(VEC_GP, 0));
	check_equal("seg: readable code", data_access(load_byte, descriptor(base, 99, CODE, 4), 0), VECTOR_DONE);
	check_strict("seg: write to code", data_access(store_byte, descriptor(base, 99, CODE, 4), 0), OUTCOME(VEC_GP, 0));

	struct state s = kernel_state(load_byte);
	set_descriptor(SEL_A, descriptor(base - 0x1000, 0xffffffff, DATA, 4));
	s.ds = SEL_A, s.bx = 0x1000 + 99;
	go(&s);
	check_equal("seg: base", s.ax & 0xff, 0x42);
	set_descriptor(SEL_A, descriptor(base + 0x1000, 0xffffffff, DATA, 4));
	s = kernel_state(load_byte);
	s.ds = SEL_A, s.bx = -0x1000 + 99;
	go(&s);
	check_equal("seg: linear addresses wrap at 4 GiB", s.ax & 0xff, 0x42);

	s = kernel_state(stack_load);
	set_descriptor(SEL_A, descriptor(0, 0x1fffff, DATA, 4));
	s.ss = SEL_A, s.bp = 0x200000;
	check_strict("seg: stack limit", outcome(&s), OUTCOME(VEC_SS, 0));
}

static uint64_t load(const void *code, unsigned selector, bool user)
{
	struct state s = user ? user_state(code) : kernel_state(code);

	s.bx = selector;
	return outcome(&s);
}

static void test_loads(void)
{
	set_descriptor(SEL_A, descriptor(0, 0xfff, DATA & ~PRESENT, 4));
	set_descriptor(SEL_B, descriptor(0, 0xfff, CODE_EXECUTE, 4));
	set_descriptor(SEL_C, descriptor(0, 0xfff, DATA, 4) & ~(1ull << 40));
	set_descriptor(SEL_D, descriptor(0, 0xfff, CODE_CONFORMING, 4));
	check_equal("load: not present", load(load_fs, SEL_A, false), OUTCOME(VEC_NP, SEL_A));
	check_equal("load: SS not present", load(load_ss, SEL_A, false), OUTCOME(VEC_SS, SEL_A));
	check_equal("load: execute-only", load(load_fs, SEL_B, false), OUTCOME(VEC_GP, SEL_B));
	check_equal("load: beyond the GDT", load(load_fs, 8 * GDT_ENTRIES | 3, false), OUTCOME(VEC_GP, 8 * GDT_ENTRIES));
	__asm__ volatile("lldt %w0" : : "r"(0)); /* RESET leaves one at 0, of 64 KiB */
	check_equal("load: no LDT", load(load_fs, SEL_A | 4, false), OUTCOME(VEC_GP, SEL_A | 4));
	check_equal("load: a system segment", load(load_fs, SEL_TSS, false), OUTCOME(VEC_GP, SEL_TSS));
	check_equal("load: null", load(load_fs, 3, false), VECTOR_DONE);
	check_strict("load: use of null", load(use_fs, 0, false), OUTCOME(VEC_GP, 0));
	check_equal("load: SS null", load(load_ss, 0, false), OUTCOME(VEC_GP, 0));
	check_equal("load: SS code", load(load_ss, SEL_CODE, false), OUTCOME(VEC_GP, SEL_CODE));
	check_equal("load: SS with RPL 3", load(load_ss, SEL_DATA | 3, false), OUTCOME(VEC_GP, SEL_DATA));
	check_equal("load: ring 3 of DPL 0", load(load_fs, SEL_DATA | 3, true), OUTCOME(VEC_GP, SEL_DATA));
	check_equal("load: ring 3 of conforming code", load(load_fs, SEL_D | 3, true), VECTOR_DONE);
	check_equal("load: ring 0 with RPL 3 of DPL 0", load(load_fs, SEL_DATA | 3, false), OUTCOME(VEC_GP, SEL_DATA));
	check_equal("load: accessible", load(load_fs, SEL_C, false), VECTOR_DONE);
	check("load: sets the accessed bit", gdt[SEL_C >> 3] & 1ull << 40);
	check_equal("load: pop es", load(pop_es, SEL_UDATA, false), VECTOR_DONE);
}

static void test_ldt(void)
{
	static uint64_t ldt[2];
	struct state s = kernel_state(load_byte);

	ldt[1] = descriptor((uintptr_t)pages[0], 99, DATA, 4);
	set_descriptor(SEL_A, descriptor((uintptr_t)ldt, sizeof(ldt) - 1, 0x82, 0));
	__asm__ volatile("lldt %w0" : : "r"(SEL_A));
	s.ds = 8 | 4, s.bx = 99;
	check_equal("ldt: loads", outcome(&s), VECTOR_DONE);
	check_equal("ldt: data", s.ax & 0xff, 0x42);
	check_equal("ldt: limit", load(load_fs, 16 | 4, false), OUTCOME(VEC_GP, 16 | 4));
	__asm__ volatile("lldt %w0" : : "r"(0));
}

SNIPPET(verify, "lar %bx, %eax; setz %cl; lsl %bx, %edx; setz %ch; verr %bx; setz %bl; verw %si; setz %bh" DONE);
SNIPPET(adjust, "arpl %bx, %cx; setz %al" DONE);

static void test_verify(void)
{
	struct state s = kernel_state(verify);

	set_descriptor(SEL_A, descriptor(0x12345678, 0x234567, DATA, 4));
	s.bx = s.si = SEL_A;
	go(&s);
	check_equal("lar: access rights", s.ax & 0xf0ff00, 0xc09200);
	check_equal("lsl: limit", s.dx, 0x234fff);
	check_equal("lar, lsl, verr, verw succeed", (s.cx & 0xffff) << 16 | (s.bx & 0xffff), 0x01010101);
	s = user_state(verify);
	s.bx = s.si = SEL_A;
	go(&s);
	check_equal("lar, lsl, verr, verw fail by privilege", (s.cx & 0xffff) << 16 | (s.bx & 0xffff), 0);
	s = kernel_state(adjust);
	s.cx = 0x100, s.bx = 3;
	go(&s);
	check_equal("arpl", s.cx << 8 | (s.ax & 0xff), 0x10301);
}

/* -- 16-bit code and stacks -- */

SNIPPET16(code16, "push %ax; pushl %ecx; mov %sp, %bp; mov 4(%bp), %dx; call 1f; mov $0xffff, %si; lea 2(%si), %di; movl %esp, %eax; int $0x30\n"
		  "1: incl %ecx; ret");
SNIPPET(stack16, "push %eax; pushw %cx; pushw %cx; call 1f; enter $16, $1; leave; mov %esp, %ebx; mov $0xe000, %esp; int $0x30; 1: ret");

static void test_16bit(void)
{
	struct state s = kernel_state(code16);

	s.cs = SEL_CODE16, s.ss = SEL_DATA16, s.sp = 0xabcdf000, s.ax = 0x1234, s.cx = 0x89abffff, s.di = 0x55555555;
	check_equal("16-bit: code runs", outcome(&s), VECTOR_DONE);
	check_equal("16-bit: push", s.dx & 0xffff, 0x1234);
	check_equal("16-bit: 32-bit operand", s.cx, 0x89ac0000);
	check_equal("16-bit: lea wraps", s.di, 0x55550001);
	check_equal("16-bit: upper half of ESP survives", s.ax, 0xabcdeffa);

	s = kernel_state(stack16);
	s.ss = SEL_DATA16, s.sp = 0xabcdf000, s.ax = 0x11111111;
	check_equal("16-bit stack: 32-bit code", outcome(&s), VECTOR_DONE);
	check_equal("16-bit stack: pointer", s.bx, 0xabcdeff8);
	s = kernel_state(stack16);
	s.ss = SEL_DATA16, s.sp = 0x1000c, s.ax = 0x11111111;
	go(&s);
	check_equal("16-bit stack: wraps", s.bx, 0x10004);
}

/* -- gates and rings -- */

SNIPPET(gate_call, "push $0x111; push $0x222; lcall $0x5b, $0; mov %esp, %esi" DONE);
SNIPPET(gate_target, "mov 8(%esp), %eax; mov 12(%esp), %ecx; mov %cs, %edx; mov %ss, %ebx; pushf; pop %ebp; lret $8");
SNIPPET(far_call, "lcall $0x5b, $0" DONE);
SNIPPET(far_jump_here, "ljmp $0x68, $1f; 1: mov %cs, %eax" DONE);
SNIPPET(return_outward, "push $0x23; push $0x80000; push $0x1b; push $1f; mov %ebx, %ds; mov %ebx, %es; lret; 1: mov %ds, %eax; mov %es, %ecx; mov %cs, %edx" DONE);

static void test_gates(void)
{
	struct state s = user_state(gate_call);

	set_descriptor(SEL_A, gate(SEL_CODE, gate_target, 0xec, 2));
	s.flags = F_IF | 2;
	check_equal("call gate: comes back", outcome(&s), VECTOR_DONE);
	check_equal("call gate: parameters copied", s.ax << 16 | s.cx, 0x02220111);
	check_equal("call gate: ring 0", s.dx << 16 | s.bx, SEL_CODE << 16 | SEL_DATA);
	check_equal("call gate: ret n on both stacks", s.si, USER_STACK_TOP);
	check("call gate: IF stays", s.bp & F_IF);

	set_descriptor(SEL_A, gate(SEL_CODE, gate_target, 0x8c, 2));
	s = user_state(far_call);
	check_equal("call gate: DPL", outcome(&s), OUTCOME(VEC_GP, SEL_A));
	set_descriptor(SEL_A, gate(SEL_CODE, gate_target, 0x6c, 2));
	s = user_state(far_call);
	check_equal("call gate: not present", outcome(&s), OUTCOME(VEC_NP, SEL_A));
	set_descriptor(SEL_A, gate(SEL_DATA, gate_target, 0xec, 2));
	s = user_state(far_call);
	check_equal("call gate: to data", outcome(&s), OUTCOME(VEC_GP, SEL_DATA));
	set_descriptor(SEL_A, gate(0, gate_target, 0xec, 2));
	s = user_state(far_call);
	check_equal("call gate: to null", outcome(&s), OUTCOME(VEC_GP, 0));

	set_descriptor(SEL_C, descriptor(0, 0xffffffff, CODE_CONFORMING, 4));
	s = user_state(far_jump_here);
	check_equal("conforming code from ring 3", outcome(&s), VECTOR_DONE);
	check_equal("conforming code keeps CPL", s.ax, SEL_C | 3);
	set_descriptor(SEL_C, descriptor(0, 0xffffffff, CODE, 4));
	s = user_state(far_jump_here);
	check_equal("nonconforming code from ring 3", outcome(&s), OUTCOME(VEC_GP, SEL_C));

	s = kernel_state(return_outward);
	s.bx = SEL_DATA, s.es = SEL_UDATA;
	check_equal("return outward", outcome(&s), VECTOR_DONE);
	check_equal("return outward: ring 3", s.dx, SEL_UCODE32);
	check_equal("return outward: ring 0 data segments become null", s.ax << 16 | s.cx, 0);
	check_equal("return outward: stack", s.sp << 16 | s.ss, 0x80000u << 16 | SEL_UDATA);
}

SNIPPET(user_int, "int $0x40" DONE);
SNIPPET(user_int_open, "int $0x41" DONE);
SNIPPET(in_gate, "pushf; pop %eax; mov %esp, %ebx; mov 12(%esp), %ecx; movl $0x42, %edx; iret");
SNIPPET(iret_bad_cs, "pushf; push $0x10; push $1f; iret; 1:" DONE);
SNIPPET(user_iret, "pushf; orl $0x3000, (%esp); push %cs; push $1f; iret; 1:" DONE);

static void test_interrupts(void)
{
	struct state s = user_state(user_int);

	check_equal("int n: DPL", outcome(&s), OUTCOME(VEC_GP, 0x40 << 3 | 2));
	check_equal("int n: faults at itself", s.ip, (word)user_int);
	set_gate(0x41, SEL_CODE, in_gate, 0xee, 0);
	s = user_state(user_int_open);
	s.flags = F_IF | F_DF | 2;
	check_equal("interrupt gate", outcome(&s), VECTOR_DONE);
	check_equal("interrupt gate clears IF only", s.ax & (F_IF | F_DF), F_DF);
	check_equal("interrupt gate: pushed ESP", s.cx, USER_STACK_TOP);
	check_equal("interrupt gate: stack of the TSS", s.bx, tss.esp0 - 20);
	set_gate(0x41, SEL_CODE, in_gate, 0xef, 0);
	s = user_state(user_int_open);
	s.flags = F_IF | 2;
	go(&s);
	check_equal("trap gate keeps IF", s.ax & F_IF, F_IF);
	set_gate(0x41, SEL_CODE, in_gate, 0x6e, 0);
	s = user_state(user_int_open);
	check_equal("gate not present", outcome(&s), OUTCOME(VEC_NP, 0x41 << 3 | 2));
	set_gate(0x41, SEL_DATA, in_gate, 0xee, 0);
	s = user_state(user_int_open);
	check_equal("gate to data", outcome(&s), OUTCOME(VEC_GP, SEL_DATA));
	reset_gate(0x41);
	s = kernel_state(iret_bad_cs);
	check_equal("iret to data", outcome(&s), OUTCOME(VEC_GP, SEL_DATA));
	s = user_state(user_iret);
	check_equal("iret in ring 3", outcome(&s), VECTOR_DONE);
	check_equal("iret in ring 3 leaves IOPL", s.flags & F_IOPL, 0);
}

/* -- privilege of instructions and ports -- */

SNIPPET(user_cli, "cli" DONE);
SNIPPET(user_hlt, "hlt" DONE);
SNIPPET(user_popf, "pushl $0x3202; popf; pushf; pop %eax" DONE);
SNIPPET(user_in, "mov %ebx, %edx; in (%dx), %al" DONE);
SNIPPET(user_in_word, "mov %ebx, %edx; in (%dx), %ax" DONE);
SNIPPET(user_cr0, "mov %cr0, %eax" DONE);
SNIPPET(user_smsw, "smsw %eax" DONE);
SNIPPET(user_lgdt, "lgdt (%esp)" DONE);
SNIPPET(user_rdtsc, "rdtsc" DONE);

static uint64_t user(const void *code, word bx, unsigned flags)
{
	struct state s = user_state(code);

	s.bx = bx, s.flags = flags | 2;
	return outcome(&s);
}

static void test_privilege(void)
{
	struct state s = user_state(user_popf);

	check_equal("ring 3: cli", user(user_cli, 0, 0), OUTCOME(VEC_GP, 0));
	check_equal("ring 3: cli with IOPL 3", user(user_cli, 0, F_IOPL), VECTOR_DONE);
	check_equal("ring 3: hlt", user(user_hlt, 0, F_IOPL), OUTCOME(VEC_GP, 0));
	check_equal("ring 3: mov cr0", user(user_cr0, 0, 0), OUTCOME(VEC_GP, 0));
	check_equal("ring 3: smsw", user(user_smsw, 0, 0), VECTOR_DONE);
	check_equal("ring 3: lgdt", user(user_lgdt, 0, 0), OUTCOME(VEC_GP, 0));
	go(&s);
	check_equal("ring 3: popf changes neither IOPL nor IF", s.ax & (F_IOPL | F_IF), 0);
	write_cr4(read_cr4() | CR4_TSD);
	check_equal("ring 3: rdtsc with TSD", user(user_rdtsc, 0, 0), OUTCOME(VEC_GP, 0));
	write_cr4(read_cr4() & ~CR4_TSD);
	check_equal("ring 3: rdtsc", user(user_rdtsc, 0, 0), VECTOR_DONE);

	check_equal("ports: no bitmap", user(user_in, 0x80, 0), OUTCOME(VEC_GP, 0));
	check_equal("ports: IOPL 3", user(user_in, 0x80, F_IOPL), VECTOR_DONE);
	tss.io_map = offsetof(struct tss, io_bits);
	memset(tss.io_bits, 0xff, sizeof(tss.io_bits));
	tss.io_bits[0x80 / 8] = 0xfe;
	check_equal("ports: allowed", user(user_in, 0x80, 0), VECTOR_DONE);
	check_equal("ports: not allowed", user(user_in, 0x81, 0), OUTCOME(VEC_GP, 0));
	check_equal("ports: second byte not allowed", user(user_in_word, 0x80, 0), OUTCOME(VEC_GP, 0));
	check_equal("ports: behind the limit", user(user_in, 8 * 0x400, 0), OUTCOME(VEC_GP, 0));
	tss.io_map = sizeof(tss);
}

/* -- alignment, x87 availability, invalid encodings -- */

SNIPPET(misaligned, "mov pages + 1, %eax" DONE);
SNIPPET(fpu, "fninit; fnop" DONE);
SNIPPET(fwait, "fwait" DONE);
SNIPPET(bad_lock, ".byte 0xf0, 0x01, 0xc3" DONE); /* lock add %eax, %ebx */
SNIPPET(lock_load, ".byte 0xf0, 0x8b, 0x03" DONE); /* lock mov (%ebx), %eax */
SNIPPET(too_long, ".fill 14, 1, 0x66; mov $1, %eax" DONE);
SNIPPET(mov_cs, ".byte 0x8e, 0xcb" DONE); /* mov %ebx, %cs */
SNIPPET(bound_low, "bound %eax, pages" DONE);
SNIPPET(into, "mov $0x7fffffff, %eax; inc %eax; into" DONE);
SNIPPET(divide, "mov $0x80000000, %eax; cltd; mov $-1, %ecx; idiv %ecx" DONE);

static void test_exceptions(void)
{
	struct state s;

	write_cr0(read_cr0() | CR0_AM);
	check_strict("alignment: #AC", user(misaligned, 0, F_AC), OUTCOME(VEC_AC, 0));
	check_equal("alignment: AC clear", user(misaligned, 0, 0), VECTOR_DONE);
	s = kernel_state(misaligned);
	s.flags |= F_AC;
	check_equal("alignment: ring 0", outcome(&s), VECTOR_DONE);
	write_cr0((read_cr0() & ~CR0_AM) | CR0_TS | CR0_MP);
	check_equal("x87: TS", user(fpu, 0, 0), OUTCOME(VEC_NM, 0));
	check_equal("x87: WAIT with TS and MP", user(fwait, 0, 0), OUTCOME(VEC_NM, 0));
	__asm__ volatile("clts");
	check_equal("x87: runs", user(fpu, 0, 0), VECTOR_DONE);
	write_cr0(read_cr0() | 4);
	check_equal("x87: EM", user(fpu, 0, 0), OUTCOME(VEC_NM, 0));
	write_cr0(read_cr0() & ~4);
	check_equal("#UD: lock on a register", user(bad_lock, 0, 0), OUTCOME(VEC_UD, 0));
	check_strict("#UD: lock on a load", user(lock_load, (word)pages, 0), OUTCOME(VEC_UD, 0));
	check_equal("#UD: mov to CS", user(mov_cs, SEL_UCODE32, 0), OUTCOME(VEC_UD, 0));
	check_equal("#GP: 16 bytes long", user(too_long, 0, 0), OUTCOME(VEC_GP, 0));
	memset(pages, 0, 8);
	s = user_state(bound_low);
	s.ax = -1;
	check_equal("#BR", outcome(&s), OUTCOME(VEC_BR, 0));
	check_equal("#OF", user(into, 0, 0), OUTCOME(VEC_OF, 0));
	check_equal("#DE: overflow", user(divide, 0, 0), OUTCOME(VEC_DE, 0));
}

/* -- debugging -- */

SNIPPET(steps, "nop; push $2; popf; nop; nop" DONE);
SNIPPET(step_ss, "mov %eax, %ss; nop; nop" DONE);
SNIPPET(step_rep, "rep stosb; nop" DONE);
SNIPPET(step_int, "int $0x42; nop" DONE);
SNIPPET(plain_iret, "iret");
SNIPPET(watched, "mov pages, %eax; mov %eax, pages + 4; movb $1, pages + 3; nop" DONE);
SNIPPET(execute_here, "nop; mov $1, %eax; mov $2, %eax" DONE);
SNIPPET(icebp, ".byte 0xf1; nop" DONE);

static void test_step(void)
{
	struct state s = kernel_state(steps);

	write_dr6(0xffff0ff0);
	s.flags |= F_TF;
	check_equal("step: #DB", outcome(&s), OUTCOME(VEC_DB, 0));
	check_equal("step: behind one instruction", s.ip, (word)steps + 1);
	check_equal("step: DR6.BS", read_dr6() & 0xe00f, 0x4000);
	check("step: saved flags have TF", s.flags & F_TF);
	go(&s);
	go(&s);
	check_equal("step: popf that clears TF still traps", s.ip, (word)steps + 4);
	check_equal("step: then runs on", outcome(&s), VECTOR_DONE);
	s = kernel_state(step_ss);
	s.flags |= F_TF, s.ax = SEL_DATA;
	go(&s);
	check_equal("step: none after mov ss", s.ip, (word)step_ss + 3);
	s = kernel_state(step_rep);
	s.flags |= F_TF, s.cx = 3, s.di = (word)pages;
	go(&s);
	check_equal("step: rep traps after an iteration", s.ip, (word)step_rep);
	check_equal("step: rep count", s.cx, 2);
	set_gate(0x42, SEL_CODE, plain_iret, 0x8e, 0);
	s = kernel_state(step_int);
	s.flags |= F_TF;
	go(&s);
	check_equal("step: over int n", s.ip, (word)step_int + 3);
	reset_gate(0x42);
	s = kernel_state(icebp);
	check_strict("int1", outcome(&s), OUTCOME(VEC_DB, 0));
	check_strict("int1: points behind", s.ip, (word)icebp + 1);
}

static void test_breakpoints(void)
{
	struct state s = kernel_state(execute_here);

	write_dr6(0xffff0ff0);
	write_dr0((word)execute_here + 1);
	write_dr7(0x402);
	check_equal("break: on execution", outcome(&s), OUTCOME(VEC_DB, 0));
	check_equal("break: before the instruction", s.ip << 16 | s.ax, ((word)execute_here + 1) << 16);
	check_equal("break: DR6.B0", read_dr6() & 0xe00f, 1);
	s.flags |= F_RF;
	check_equal("break: RF passes", outcome(&s), VECTOR_DONE);
	check_strict("break: RF is cleared", s.flags & F_RF, 0);

	write_dr6(0xffff0ff0);
	write_dr0((word)pages);
	write_dr7(0x402 | 0xd0000); /* DR0: writes, 4 bytes */
	s = kernel_state(watched);
	check_equal("watch: on a write", outcome(&s), OUTCOME(VEC_DB, 0));
	check_equal("watch: after the instruction", s.ip, (word)watched + 17);
	write_dr7(0x402 | 0xf0000); /* reads, too */
	s = kernel_state(watched);
	go(&s);
	check_equal("watch: on a read", s.ip, (word)watched + 5);
	write_dr7(0x400);
	s = kernel_state(watched);
	check_equal("watch: off", outcome(&s), VECTOR_DONE);

	write_dr7(0x2400); /* GD */
	check_strict("debug registers: GD", ATTEMPT("mov %%dr0, %%eax", : : : "eax", "memory"), VEC_DB);
	write_dr7(0x400);
	write_dr6(0xffff0ff0);
	write_cr4(read_cr4() | CR4_DE);
	check_equal("debug registers: DR4 with CR4.DE", ATTEMPT("mov %%dr4, %%eax", : : : "eax", "memory"), VEC_UD);
	write_cr4(read_cr4() & ~CR4_DE);
	check_equal("debug registers: DR4 is DR6", ATTEMPT("mov %%dr4, %%eax", : : : "eax", "memory"), VECTOR_NONE);
}

/* -- sysenter -- */

SNIPPET(enter_system, "mov %esp, %ecx; mov $1f, %edx; sysenter; 1: mov %cs, %eax" DONE);
SNIPPET(system_entry, "mov %cs, %ebx; mov %ss, %esi; pushf; pop %edi; mov %esp, %ebp; sysexit");

static void test_sysenter(void)
{
	struct state s = user_state(enter_system);

	wrmsr(0x174, 0);
	check_equal("sysenter: without IA32_SYSENTER_CS", outcome(&s), OUTCOME(VEC_GP, 0));
	/* CS, SS, CS3, SS3 follow each other */
	for (unsigned i = 0; i < 4; i++)
		set_descriptor(SEL_A + 8 * i, gdt[(const unsigned[]){SEL_CODE, SEL_DATA, SEL_UCODE32, SEL_UDATA}[i] >> 3]);
	wrmsr(0x174, SEL_A);
	wrmsr(0x175, tss.esp0);
	wrmsr(0x176, (word)system_entry);
	s = user_state(enter_system);
	s.flags |= F_IF;
	check_equal("sysenter: and back", outcome(&s), VECTOR_DONE);
	check_equal("sysenter: selectors", s.bx << 16 | s.si, SEL_A << 16 | SEL_B);
	check_equal("sysenter: clears IF", s.di & F_IF, 0);
	check_equal("sysenter: stack", s.bp, tss.esp0 - 0);
	check_equal("sysexit: selectors", s.ax << 16 | s.ss, (SEL_C | 3) << 16 | SEL_D | 3);
	check_equal("sysexit: stack", s.sp, USER_STACK_TOP);
}

void run(void)
{
	test_limits();
	test_loads();
	test_ldt();
	test_verify();
	test_16bit();
	test_gates();
	test_interrupts();
	test_privilege();
	test_exceptions();
	test_step();
	test_breakpoints();
	test_sysenter();
}
