/* Real mode: segments and their wrap, the IVT, 16-bit operations, BCD, unreal mode, exceptions without error codes (SDM vol. 3B 21). */
#include "tests/metal/real.h"

static uint8_t *linear(uint32_t address)
{
	__asm__("" : "+r"(address));
	return (uint8_t *)address;
}

static uint16_t read16(uint32_t address)
{
	return *(volatile uint16_t *)linear(address);
}

static void write16(uint32_t address, uint16_t value)
{
	*(volatile uint16_t *)linear(address) = value;
}

/* -- segments -- */

SNIPPET16(load_store, "mov %ds:0x10, %ax; mov %ax, %es:0x20; mov $0x12345678, %ebx; mov %ebx, 0x30" DONE);
SNIPPET16(wrap_address, "mov $0xffff, %bx; mov 3(%bx), %al; mov $0x8000, %si; mov 0x8000(%bx,%si), %ah" DONE);
SNIPPET16(cross_limit, "mov 0xffff, %ax" DONE);
SNIPPET16(cross_limit_stack, "pop %ax" DONE);
SNIPPET16(beyond_limit, "mov $0x10000, %ebx; mov (%ebx), %al" DONE);
SNIPPET16(push_wrap, "push %ax" DONE);

static void test_segments(void)
{
	struct state s = real_state_at(load_store);

	write16(0x30010, 0xcafe);
	s.es = 0x4001;
	check_equal("real: load and store end", go_real(&s), VECTOR_DONE);
	check_equal("real: AX loaded through DS", s.ax & 0xffff, 0xcafe);
	check_equal("real: stored through ES", read16(0x40030), 0xcafe);
	check_equal("real: 32-bit operand", read16(0x30032), 0x1234);

	*linear(0x30002) = 0x5a;
	*linear(0x2ffff) = 0x11;
	*linear(0x3ffff) = 0xa5;
	s = real_state_at(wrap_address);
	go_real(&s);
	check_equal("real: 16-bit addresses wrap in the segment", s.ax & 0xffff, 0xa55a);

	s = real_state_at(cross_limit);
	check_strict("real: word at FFFFh: #GP", go_real(&s), VEC_GP);
	check_strict("real: fault points at the instruction", s.ip, (word)cross_limit);
	s = real_state_at(beyond_limit);
	check_strict("real: beyond 64 KiB: #GP", go_real(&s), VEC_GP);

	s = real_state_at(push_wrap);
	s.sp = 0, s.ax = 0x7777;
	go_real(&s);
	check_equal("real: push wraps SP", read16(0x2fffe), 0x7777);
	check_equal("real: SP after wrap", s.sp & 0xffff, 0xfffe);
}

/* Segment FFFFh reaches 64 KiB - 16 above 1 MiB when A20 is on. */
SNIPPET16(high_area, "mov %al, 0x10(%bx)" DONE);

static void test_high_memory(void)
{
	struct state s = real_state_at(high_area);
	volatile uint8_t *spare = linear(0x100000); /* the multiboot header, which has served */

	s.ds = 0xffff, s.ax = 0x42;
	*spare = 0;
	go_real(&s);
	check_equal("real: high memory area", *spare, 0x42);
}

/* -- jumps and calls -- */

SNIPPET16(far_call, "lcall $0x0100, $far_target - 0x1000\n push %cs; push %ds; pop %es; pop %fs" DONE
	  "far_target: mov %cs, %cx; mov %sp, %bp; mov 2(%bp), %dx; lret");
SNIPPET16(near_calls, "call 1f; mov $0x55, %ah; int $0x30; 1: mov $0xaa, %al; ret $2");
SNIPPET16(call_32, "mov $0x2000, %ax; mov %ax, %ss; mov $0x100, %sp; calll 1f; int $0x30; 1: mov %sp, %ax; retl");
SNIPPET16(enter_leave, "enter $6, $0; mov %bp, %ax; mov %sp, %bx; leave" DONE);
SNIPPET16(push_all, "pusha; mov %sp, %bp; mov 6(%bp), %ax; mov 14(%bp), %dx; xor %cx, %cx; popa" DONE);
SNIPPET16(push_sp, "push %sp; pop %ax" DONE);
SNIPPET16(loops, "xor %ax, %ax; mov $5, %cx; 1: inc %ax; loop 1b; jcxz 2f; mov $0xffff, %ax; 2: mov $0x10002, %ecx; 3: inc %ebx; addr32 loop 3b" DONE);

static void test_transfers(void)
{
	struct state s = real_state_at(far_call);

	check_equal("real: far call ends", go_real(&s), VECTOR_DONE);
	check_equal("real: far call sets CS", s.cx & 0xffff, 0x100);
	check_equal("real: far call pushes CS", s.dx & 0xffff, 0);
	check_equal("real: push and pop of segments", s.es << 16 | s.fs, 0x30000000);
	s = real_state_at(near_calls);
	go_real(&s);
	check_equal("real: call and ret", s.ax & 0xffff, 0x55aa);
	check_equal("real: ret n", s.sp & 0xffff, 0xfff2);
	s = real_state_at(call_32);
	go_real(&s);
	check_equal("real: 32-bit call pushes 4 bytes", s.ax & 0xffff, 0xfc);
	s = real_state_at(enter_leave);
	s.bp = 0x1234;
	go_real(&s);
	check_equal("real: enter", (s.ax & 0xffff) << 16 | (s.bx & 0xffff), 0xffeeffe8);
	check_equal("real: leave", (s.bp & 0xffff) << 16 | (s.sp & 0xffff), 0x1234fff0);
	s = real_state_at(push_all);
	s.ax = 0x1111, s.cx = 0x2222, s.bp = 0x3333, s.dx = 0x4444;
	go_real(&s);
	check_equal("real: pusha, popa", (s.ax & 0xffff) << 16 | (s.cx & 0xffff), 0x11112222);
	s = real_state_at(push_sp);
	go_real(&s);
	check_equal("real: push sp pushes the old value", s.ax & 0xffff, 0xfff0);
	s = real_state_at(loops);
	go_real(&s);
	check_equal("real: loop, jcxz", s.ax & 0xffff, 5);
	check_equal("real: loop with ECX", s.bx, 0x10002);
}

/* -- interrupts and exceptions -- */

SNIPPET16(interrupts, "int $0x60; int $0x30; isr: mov %sp, %bp; mov 4(%bp), %ax; pushf; pop %bx; iret");
SNIPPET16(overflow, "mov $0x7fff, %ax; inc %ax; into" DONE);
SNIPPET16(divide, "xor %cx, %cx; div %cx" DONE);
SNIPPET16(bounds, "mov $0x31, %ax; bound %ax, 0x40" DONE);
SNIPPET16(undefined, "ud2" DONE);
SNIPPET16(protected_only, "str %ax" DONE);
SNIPPET16(step, "nop; nop; nop" DONE);
SNIPPET16(breakpoint, "int3" DONE);
SNIPPET16(iret_32, "pushfl; pushl $0; pushl $1f; iretl; nop; 1: mov $0x99, %al" DONE);
SNIPPET16(short_idt, "lidtl %cs:1f; int $0x60; nop; 1: .word 0x7f; .long 0");

static void test_interrupts(void)
{
	struct state s = real_state_at(interrupts);
	extern char isr[];

	set_ivt(0x60, 0, (uintptr_t)isr);
	s.flags = F_CF | F_IF | 2;
	check_equal("real: int n ends", go_real(&s), VECTOR_DONE);
	check_equal("real: int n pushes flags", s.ax & 0xfff, F_CF | F_IF | 2);
	check_equal("real: int n clears IF", s.bx & F_IF, 0);
	check_equal("real: iret restores flags", s.flags & (F_IF | F_CF), F_IF | F_CF);

	s = real_state_at(overflow);
	check_equal("real: into", go_real(&s), VEC_OF);
	s = real_state_at(divide);
	check_equal("real: divide by zero", go_real(&s), VEC_DE);
	check_equal("real: #DE has no error code, points at DIV", s.ip << 16 | (s.sp & 0xffff), (word)(divide + 2) << 16 | 0xfff0);
	write16(0x30040, 0x10), write16(0x30042, 0x30);
	s = real_state_at(bounds);
	check_equal("real: bound", go_real(&s), VEC_BR);
	s = real_state_at(undefined);
	check_equal("real: ud2", go_real(&s), VEC_UD);
	s = real_state_at(protected_only);
	check_equal("real: STR is undefined", go_real(&s), VEC_UD);
	s = real_state_at(breakpoint);
	check_equal("real: int3", go_real(&s), VEC_BP);
	check_equal("real: int3 points behind", s.ip, (word)(breakpoint + 1));
	s = real_state_at(step);
	s.flags = F_TF | 2;
	check_equal("real: single step", go_real(&s), VEC_DB);
	check_equal("real: one instruction was stepped", s.ip, (word)(step + 1));
	s = real_state_at(iret_32);
	go_real(&s);
	check_equal("real: iretd", s.ax & 0xff, 0x99);
	/* IDTR's limit counts in real mode; the #GP then, at vector 13, is within 7Fh */
	s = real_state_at(short_idt);
	check_equal("real: vector beyond the IDT's limit: #GP", go_real(&s), VEC_GP);
	fill_ivt();
}

/* -- arithmetic of the old days -- */

SNIPPET16(bcd, "mov $0x79, %al; add $0x35, %al; daa; mov %al, %bl; setc %bh; mov $0x0205, %ax; sub $7, %al; aas; mov %ax, %cx\n"
	       "mov $0x0309, %ax; aad; mov %al, %dl; mov $63, %al; aam; mov %ax, %si; mov $0x47, %al; sub $0x58, %al; das; mov %al, %dh\n"
	       "mov $9, %ax; add $8, %al; aaa; mov %ax, %di" DONE);
SNIPPET16(old_ones, "stc; .byte 0xd6; mov %al, %cl; mov $0x20, %bx; mov $3, %al; xlat; mov %al, %ch; mov $0xd5, %ah; sahf; lahf; mov %ah, %dl" DONE);
SNIPPET16(wide, "mov $0x1234, %ax; mov $0x5678, %bx; mul %bx; mov %ax, %si; mov %dx, %di; mov $-2, %ax; cwd; mov $7, %bx; idiv %bx" DONE);
SNIPPET16(strings, "cld; mov $0x100, %si; mov $0x200, %di; mov $8, %cx; rep movsw; std; mov $0x10f, %si; mov $0x20f, %di; mov $16, %cx; repe cmpsb; cld" DONE);
SNIPPET16(string_wrap, "cld; mov $0xfffe, %di; mov $0x4142, %ax; mov $2, %cx; rep stosw" DONE);
SNIPPET16(far_pointer, "lds 0x50, %bx; les %cs:1f, %di; jmp 2f; 1: .word 0x1111, 0x3333; 2: mov %ds, %ax" DONE);

static void test_operations(void)
{
	struct state s = real_state_at(bcd);

	go_real(&s);
	check_equal("real: daa", s.bx & 0xffff, 0x0114);
	check_equal("real: aas", s.cx & 0xffff, 0x0108);
	check_equal("real: aad", s.dx & 0xff, 39);
	check_equal("real: aam", s.si & 0xffff, 0x0603);
	check_equal("real: das", s.dx >> 8 & 0xff, 0x89);
	check_equal("real: aaa", s.di & 0xffff, 0x0107);

	*linear(0x30023) = 0x77;
	s = real_state_at(old_ones);
	go_real(&s);
	check_equal("real: salc, xlat", s.cx & 0xffff, 0x77ff);
	check_equal("real: sahf, lahf", s.dx & 0xff, 0xd7);

	s = real_state_at(wide);
	go_real(&s);
	check_equal("real: mul", s.di << 16 | (s.si & 0xffff), 0x1234u * 0x5678u);
	check_equal("real: idiv", (s.dx & 0xffff) << 16 | (s.ax & 0xffff), 0xfffe0000);

	for (unsigned i = 0; i < 16; i++)
		*linear(0x30100 + i) = 3 * i;
	s = real_state_at(strings);
	go_real(&s);
	check_equal("real: rep movsw copies", read16(0x3020e), 45 << 8 | 42);
	check_equal("real: repe cmpsb downwards", (s.cx & 0xffff) << 16 | (s.si & 0xffff), 0x00ff);
	check("real: repe cmpsb finds them equal", s.flags & F_ZF);
	s = real_state_at(string_wrap);
	go_real(&s);
	check_equal("real: stosw wraps DI", (uint32_t)read16(0x3fffe) << 16 | read16(0x30000), 0x41424142);
	write16(0x30050, 0x9876), write16(0x30052, 0x4000);
	s = real_state_at(far_pointer);
	go_real(&s);
	check_equal("real: lds", (s.ax & 0xffff) << 16 | (s.bx & 0xffff), 0x40009876);
	check_equal("real: les", s.es << 16 | (s.di & 0xffff), 0x33331111);
}

/* -- unreal mode: a limit loaded in protected mode stays -- */

SNIPPET16(unreal, "cli; lgdtl %cs:1f; mov %cr0, %eax; or $1, %al; mov %eax, %cr0; mov $0x10, %bx; mov %bx, %fs; and $0xfe, %al; mov %eax, %cr0\n"
		  "xor %bx, %bx; mov %bx, %fs; mov $pages, %ebx; mov %fs:(%ebx), %ecx; movl $0x600dcafe, %fs:4(%ebx); addr32 fs movsb\n"
		  "int $0x30; 1: .word 0x1ff; .long gdt");

static void test_unreal(void)
{
	struct state s = real_state_at(unreal);

	*(volatile uint32_t *)pages[0] = 0xfeedbeef;
	s.si = (word)pages[0] + 1, s.di = 0x60;
	check_equal("real: unreal mode ends", go_real(&s), VECTOR_DONE);
	check_equal("real: unreal load", s.cx, 0xfeedbeef);
	check_equal("real: unreal store", *(volatile uint32_t *)(pages[0] + 4), 0x600dcafe);
	check_equal("real: unreal string source", *linear(0x30060), 0xbe);
	/* enter_real() has put the limits back */
	s = real_state_at(beyond_limit);
	check_strict("real: limits are 64 KiB again", go_real(&s), VEC_GP);
}

/* A page of code that changes itself just ahead: no jump, no CPUID; the prefetch queue is coherent since the Pentium. */
SNIPPET16(modifying, "movb $0x43, %cs:1f; 1: inc %ax; inc %ax; movw $0x4343, %cs:2f; 2: inc %ax; inc %ax" DONE);

void run(void)
{
	struct state s;

	fill_ivt();
	test_segments();
	test_high_memory();
	test_transfers();
	test_interrupts();
	test_operations();
	test_unreal();
	s = real_state_at(modifying);
	go_real(&s);
	check_equal("real: code changed just ahead runs as changed", (s.ax & 0xff) << 8 | (s.bx & 0xff), 0x0103);
}
