/*
 * Traps that meet: single steps, breakpoints, INT1 and the shadows of STI and MOV SS; NMIs within NMIs; an interrupt that is due at once; segment
 * registers that IRET empties (SDM vol. 3A 6.7, 6.8.3, vol. 3B 17.2-17.3). What other test suites for virtual machines look at, in our words.
 */
#include "tests/metal/metal.h"

enum { DR6_NONE = 0xffff0ff0u, DR6_BS = 1 << 14, DR6_BD = 1 << 13, DR7_NONE = 0x400, DR7_GD = 1 << 13 };

static volatile struct {
	unsigned count;
	struct {
		word ip, dr6;
	} trap[16];
} db;

static void on_db(struct frame *frame)
{
	word dr6 = read_dr6();

	if (db.count == 16) { /* astray */
		frame->flags &= ~(word)F_TF;
		write_dr7(DR7_NONE);
		return;
	}
	db.trap[db.count].ip = frame->ip;
	db.trap[db.count++].dr6 = dr6;
	if (dr6 & 4) /* an instruction breakpoint, used here in DR2 only */
		frame->flags |= F_RF;
	write_dr6(dr6 & DR6_BS ? dr6 & ~(word)DR6_BS : dr6);
}

static void begin(void)
{
	db.count = 0;
	write_dr6(0);
	set_handler(VEC_DB, on_db);
}

static void check_trap(const char *name, unsigned index, const void *ip, word dr6)
{
	check_strict(name, (uint64_t)db.trap[index].ip << 32 | db.trap[index].dr6, (uint64_t)(word)ip << 32 | dr6);
}

/* -- single steps -- */

#define TF_ON "pushf; orl $0x100, (%%rsp); popf\n"
/* Its POPF is the last instruction that is stepped over: the first push is at label + 0. */
#define TF_OFF(label) label ": pushf; andl $~0x100, (%%rsp); " label "_popf: popf; " label "_end: nop\n"

static void test_steps(void)
{
	extern char step_plain[], step_plain_popf[], step_plain_end[], step_ss_1[], step_ss_2[], step_sti_1[], step_hlt_1[], step_hlt_2[];

	begin();
	__asm__ volatile(TF_ON TF_OFF("step_plain") : : : "memory", "cc");
	check_equal("step: as many as instructions", db.count, 3);
	check_trap("step: the first after one instruction", 0, step_plain + 1, DR6_NONE | DR6_BS);
	check_trap("step: the second", 1, step_plain_popf, DR6_NONE | DR6_BS);
	check_trap("step: POPF that clears TF still traps", 2, step_plain_end, DR6_NONE | DR6_BS);

	begin();
	__asm__ volatile("mov %%ss, %%ax; " TF_ON "mov %%ax, %%ss; nop; step_ss_1:\n" TF_OFF("step_ss_2") : : : "rax", "memory", "cc");
	check_equal("step: MOV SS hides one", db.count, 4);
	check_trap("step: after the instruction behind MOV SS", 0, step_ss_1, DR6_NONE | DR6_BS);
	check_trap("step: and on", 1, step_ss_2 + 1, DR6_NONE | DR6_BS);

	begin();
	__asm__ volatile("cli; " TF_ON "sti; step_sti_1: nop\n" TF_OFF("step_sti_2") "cli" : : : "memory", "cc");
	check_strict("step: STI hides none", db.count, 5);
	check_trap("step: after STI", 0, step_sti_1, DR6_NONE | DR6_BS);

	if (on_tcg()) { /* halts */
		skip("step: HLT");
		return;
	}
	begin();
	__asm__ volatile(TF_ON "sti; step_hlt_1: hlt; step_hlt_2: nop\n" TF_OFF("step_hlt_3") "cli" : : : "memory", "cc");
	check_equal("step: HLT does not halt", db.count, 6);
	check_trap("step: before HLT", 0, step_hlt_1, DR6_NONE | DR6_BS);
	check_trap("step: after HLT", 1, step_hlt_2, DR6_NONE | DR6_BS);
}

/* -- INT1 and others under single step -- */

static void test_int1(void)
{
	extern char int1_alone[], int1_first[], int1_second[], int1_third[];

	if (on_tcg()) { /* does not know it */
		skip("int1");
		return;
	}
	begin();
	__asm__ volatile(".byte 0xf1; int1_alone:" : : : "memory");
	check_equal("int1: once", db.count, 1);
	check_trap("int1: leaves DR6 alone", 0, int1_alone, DR6_NONE);

	begin();
	__asm__ volatile("mov %%ss, %%ax; " TF_ON "mov %%ax, %%ss; .byte 0xf1; int1_first: .byte 0xf1; int1_second: nop; int1_third:\n" TF_OFF("int1_off")
			 : : : "rax", "memory", "cc");
	check_strict("int1: stepped", db.count, 6);
	check_trap("int1: behind MOV SS", 0, int1_first, DR6_NONE);
	check_trap("int1: no step of its own", 1, int1_second, DR6_NONE);
	check_trap("int1: steps go on", 2, int1_third, DR6_NONE | DR6_BS);
}

static void test_general_detect(void)
{
	extern char detect_1[], detect_2[];

	begin();
	write_dr7(DR7_GD | DR7_NONE);
	__asm__ volatile("mov %%ss, %%ax; " TF_ON "mov %%ax, %%ss; detect_1: mov %0, %%dr6; detect_2:\n" TF_OFF("detect_off") : : "r"(0ul) : "rax", "memory", "cc");
	check_strict("general detect: behind MOV SS", db.count, 5);
	check_trap("general detect: before the instruction", 0, detect_1, DR6_NONE | DR6_BD);
	check_trap("general detect: then it runs, and steps", 1, detect_2, DR6_NONE | DR6_BS);
	check_strict("general detect: is off after that", read_dr7(), DR7_NONE);
}

/* -- breakpoints -- */

extern const uint32_t trap_stubs[];

static volatile word watched;
static volatile unsigned bp_count;
static volatile word bp_ip;

static void on_bp(struct frame *frame)
{
	bp_count++;
	bp_ip = frame->ip;
}

static void watch(unsigned kind)
{
	__asm__ volatile("mov %0, %%dr1" : : "r"(&watched));
	write_dr7(DR7_NONE | 8 | (word)(kind | 0xc) << 20); /* 4 bytes, G1 */
}

static void test_breakpoints(void)
{
	extern char break_here[], wrote_1[], wrote_2[], ss_int1[], ss_int3[];

	begin();
	__asm__ volatile("mov %0, %%dr2" : : "r"(break_here));
	write_dr7(DR7_NONE | 0x20);
	write_dr6(DR6_BS | 2);
	__asm__ volatile("break_here: nop" : : : "memory");
	check_equal("break: once, thanks to RF", db.count, 1);
	check_trap("break: B0-B3 tell of this one, the rest stays", 0, break_here, DR6_NONE | DR6_BS | 4);
	write_dr7(DR7_NONE);

	begin();
	watch(1);
	__asm__ volatile("movl $42, %0; wrote_1: nop" : "=m"(watched) : : "memory");
	check_equal("watch: once", db.count, 1);
	check_trap("watch: after the write", 0, wrote_1, DR6_NONE | 2);
	write_dr6(DR6_BS);
	__asm__ volatile("movl $43, %0; wrote_2: nop" : "=m"(watched) : : "memory");
	check_trap("watch: BS stays", 1, wrote_2, DR6_NONE | DR6_BS | 2);

	/* A watchpoint met by MOV SS waits for the next instruction. */
	if (on_tcg()) {
		skip("watch: MOV SS");
		return;
	}
	watched = SEL_DATA;
	watch(3);
	begin();
	__asm__ volatile("mov %0, %%ss; .byte 0x2e, 0xf1; ss_int1: nop" : : "m"(watched) : "memory");
	check_strict("watch: MOV SS and INT1 are one trap", db.count, 1);
	check_strict("watch: after the INT1", db.trap[0].ip, (word)ss_int1);
	begin();
	set_gate(VEC_DB, SEL_CODE, (void *)(word)trap_stubs[VEC_DB], 0xee, 0);
	__asm__ volatile("mov %0, %%ss; int $1; nop" : : "m"(watched) : "memory");
	check_strict("watch: MOV SS and INT 1 are two", db.count, 2);
	set_handler(VEC_BP, on_bp);
	begin();
	bp_count = 0;
	__asm__ volatile("mov %0, %%ss; int3; ss_int3: nop" : : "m"(watched) : "memory");
	check_strict("watch: MOV SS and INT3: a #DB and a #BP", db.count << 4 | bp_count, 0x11);
	check_equal("watch: the #BP is the INT3's", bp_ip, (word)ss_int3);
	write_dr7(DR7_NONE);
	set_handler(VEC_BP, NULL);
	set_handler(VEC_DB, NULL);
	reset_gate(VEC_DB);
}

/* -- interrupts that are due at once, and NMIs -- */

static volatile uint32_t *lapic(unsigned offset)
{
	return (volatile uint32_t *)(word)(0xfee00000 + offset);
}

enum { LAPIC_EOI = 0xb0, LAPIC_SVR = 0xf0, LAPIC_ICR = 0x300, LAPIC_ICR_HIGH = 0x310, LAPIC_TIMER = 0x320, TSC_DEADLINE = 0x6e0 };
enum { ICR_NMI = 0x4400, ICR_SELF = 0x44000 };

static volatile unsigned interrupts, nmis, nmis_inside;
static volatile word interrupted;

static void on_interrupt(struct frame *frame)
{
	interrupts++;
	interrupted = frame->ip;
	*lapic(LAPIC_EOI) = 0;
}

static void send_nmi(void)
{
	*lapic(LAPIC_ICR_HIGH) = 0;
	*lapic(LAPIC_ICR) = ICR_NMI;
}

/* Those that come while one is handled are one, and it comes after the IRET. */
static void on_nmi(struct frame *frame)
{
	(void)frame;
	if (++nmis > 1)
		return;
	for (unsigned i = 0; i < 3; i++)
		send_nmi();
	nmis_inside = nmis;
}

static void test_interrupts(void)
{
	extern char due[];

	*lapic(LAPIC_SVR) = 0x1ff;
	set_handler(0x61, on_interrupt);
	__asm__ volatile("sti; movl %1, %0; due: nop; nop; cli" : "=m"(*lapic(LAPIC_ICR)) : "r"(ICR_SELF | 0x61) : "memory");
	check_equal("self-IPI: comes before the next but one instruction", interrupts << 4 | (interrupted - (word)due <= 1), 0x11);
	if (cpuid(1, 0).ecx & 1 << 24) {
		extern char deadline[];

		*lapic(LAPIC_TIMER) = 0x40061;
		__asm__ volatile("sti; rdtsc; mov %0, %%ecx; wrmsr; deadline: nop; nop; cli" : : "i"(TSC_DEADLINE) : "rax", "rcx", "rdx", "memory");
		check_equal("TSC deadline in the past: comes at once", interrupts << 4 | (interrupted - (word)deadline <= 1), 0x21);
		check_equal("TSC deadline: disarmed", rdmsr(TSC_DEADLINE), 0);
		*lapic(LAPIC_TIMER) = 0x10000;
	} else {
		skip("TSC deadline in the past");
	}

	set_handler(VEC_NMI, on_nmi);
	send_nmi();
	for (unsigned i = 0; i < 100 && nmis < 2; i++)
		__asm__ volatile("pause");
	check_equal("nmi: none within one", nmis_inside, 1);
	check_equal("nmi: three within one are one", nmis, 2);
	set_handler(VEC_NMI, NULL);
}

/* A periodic count goes on while its interrupt is masked. */
static void test_masked_timer(void)
{
	enum { LAPIC_INITIAL = 0x380, LAPIC_CURRENT = 0x390, LAPIC_DIVIDE = 0x3e0 };
	unsigned zeroes = 0;
	uint32_t before, now;
	bool wrapped = false;

	*lapic(LAPIC_DIVIDE) = 0xb;
	*lapic(LAPIC_TIMER) = 0x30061;
	*lapic(LAPIC_INITIAL) = 50000;
	before = *lapic(LAPIC_CURRENT);
	for (unsigned i = 0; i < 1000000 && !wrapped; i++, before = now) {
		now = *lapic(LAPIC_CURRENT);
		zeroes += !now;
		wrapped = now > before;
	}
	check("masked periodic timer: starts over", wrapped);
	check_strict("masked periodic timer: at once", zeroes > 1, false);
	check_equal("masked periodic timer: no interrupt", interrupts, cpuid(1, 0).ecx & 1 << 24 ? 2 : 1);
	*lapic(LAPIC_INITIAL) = 0;
	*lapic(LAPIC_TIMER) = 0x10000;
}

/* -- IRET to an outer ring empties segment registers of the inner one, but their bases stay -- */

SNIPPET(through_gs, "mov %gs:0, %rax; mov %gs, %ebx" DONE);

static void test_emptied_segment(void)
{
	struct state s = user_state(through_gs);

	watched = 0x5a5a1234;
	__asm__ volatile("mov %0, %%gs" : : "r"(SEL_DATA));
	wrmsr(0xc0000101, (word)&watched);
	check_equal("iret: code of ring 3 runs", go(&s), VECTOR_DONE);
	check_equal("iret: GS is null there", s.bx, 0);
	check_equal("iret: its base is as before", s.ax & 0xffffffff, 0x5a5a1234);
	__asm__ volatile("mov %0, %%gs" : : "r"(0));
}

void run(void)
{
	test_steps();
	test_int1();
	test_general_detect();
	test_breakpoints();
	test_interrupts();
	test_masked_timer();
	test_emptied_segment();
}
