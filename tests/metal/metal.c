/* The runtime of the bare-metal tests, the part in C: see metal.h. */
#include "tests/metal/metal.h"

enum { SERIAL = 0x3f8, PORT_EXIT = 0xf4 };

static struct {
	unsigned passed, failed, skipped;
} count;

/* -- reporting -- */

static void say_char(char c)
{
	while (!(inb(SERIAL + 5) & 0x20))
		;
	outb(SERIAL, c);
}

void say(const char *text)
{
	for (; *text; text++)
		say_char(*text);
}

void say_hex(uint64_t value, unsigned digits)
{
	while (digits--)
		say_char("0123456789abcdef"[value >> 4 * digits & 15]);
}

static void say_number(unsigned value)
{
	if (value >= 10)
		say_number(value / 10);
	say_char('0' + value % 10);
}

void check(const char *name, bool ok)
{
	say(ok ? "ok " : "FAIL ");
	say(name);
	say("\n");
	ok ? count.passed++ : count.failed++;
}

void check_equal(const char *name, uint64_t got, uint64_t want)
{
	if (got == want) {
		check(name, true);
		return;
	}
	count.failed++;
	say("FAIL ");
	say(name);
	say(": got ");
	say_hex(got, 16);
	say(", want ");
	say_hex(want, 16);
	say("\n");
}

bool on_tcg(void)
{
	return cpuid(0x40000000, 0).ebx == 0x54474354; /* "TCGT" */
}

void check_strict(const char *name, uint64_t got, uint64_t want)
{
	if (got == want || !on_tcg()) {
		check_equal(name, got, want);
		return;
	}
	say("deviation ");
	say(name);
	say("\n");
	count.skipped++;
}

void skip(const char *name)
{
	say("skip ");
	say(name);
	say("\n");
	count.skipped++;
}

_Noreturn void finish(void)
{
	say_number(count.passed);
	say(" passed, ");
	say_number(count.failed);
	say(" failed");
	if (count.skipped) {
		say(", ");
		say_number(count.skipped);
		say(" skipped");
	}
	say("\n");
	outb(PORT_EXIT, count.failed != 0);
	for (;;)
		__asm__ volatile("cli; hlt");
}

void *memcpy(void *to, const void *from, size_t size)
{
	void *at = to;

	__asm__ volatile("rep movsb" : "+D"(at), "+S"(from), "+c"(size) : : "memory");
	return to;
}

void *memset(void *to, int value, size_t size)
{
	void *at = to;

	__asm__ volatile("rep stosb" : "+D"(at), "+c"(size) : "a"(value) : "memory");
	return to;
}

/* -- tables -- */

uint8_t pages[32][4096] __attribute__((aligned(4096)));
struct tss tss;
extern char trap_stack_top[], kernel_stack_top[], low_load[], low_start[], low_size[];
extern const uint32_t trap_stubs[256];

#ifdef __x86_64__
static uint64_t idt[512];
#else
static uint64_t idt[256];
#endif

uint64_t descriptor(uint32_t base, uint32_t limit, unsigned access, unsigned flags)
{
	if (limit > 0xfffff) {
		limit >>= 12;
		flags |= 8;
	}
	return (limit & 0xffff) | (uint64_t)(base & 0xffffff) << 16 | (uint64_t)access << 40 | (uint64_t)(limit >> 16 & 0xf) << 48 |
	       (uint64_t)flags << 52 | (uint64_t)(base >> 24) << 56;
}

void set_gate(unsigned vector, unsigned selector, const void *target, unsigned type, unsigned ist)
{
	uint64_t offset = (uintptr_t)target;
	uint64_t low = (offset & 0xffff) | (uint64_t)selector << 16 | (uint64_t)ist << 32 | (uint64_t)type << 40 | (offset >> 16 & 0xffff) << 48;

#ifdef __x86_64__
	idt[2 * vector] = low;
	idt[2 * vector + 1] = offset >> 32;
#else
	idt[vector] = low;
#endif
}

void reset_gate(unsigned vector)
{
	bool user = vector == VECTOR_DONE || vector == VEC_BP || vector == VEC_OF;

	set_gate(vector, SEL_CODE, (const void *)(uintptr_t)trap_stubs[vector], user ? 0xee : 0x8e, 0);
}

static void load_tables(void)
{
	struct {
		uint16_t limit;
		word base;
	} __attribute__((packed)) pointer = {sizeof(idt) - 1, (word)idt};

	for (unsigned i = 0; i < 256; i++)
		reset_gate(i);
	__asm__ volatile("lidt %0" : : "m"(pointer));
	tss.io_map = sizeof(tss); /* behind the limit: no port is allowed */
#ifdef __x86_64__
	tss.rsp[0] = (word)trap_stack_top;
#else
	tss.esp0 = (word)trap_stack_top;
	tss.ss0 = SEL_DATA;
#endif
	set_descriptor(SEL_TSS, descriptor((uintptr_t)&tss, sizeof(tss) - 1, 0x89, 0));
	__asm__ volatile("ltr %w0" : : "r"(SEL_TSS));
}

/* -- traps -- */

volatile struct attempt attempt;
static handler *handlers[256];
/* The state being entered or left, and whether it runs: the start files know it. */
struct state going;
static volatile bool running;
void enter_going(void);
_Noreturn void leave_going(void);

static const char *const vector_names[32] = {"DE", "DB", "NMI", "BP", "OF", "BR", "UD", "NM", "DF", "9", "TS", "NP", "SS", "GP", "PF", "15", "MF", "AC"};

static _Noreturn void unexpected(const struct frame *frame)
{
	say("FAIL unexpected exception ");
	if (frame->vector < 32 && vector_names[frame->vector])
		say(vector_names[frame->vector]);
	else
		say_hex(frame->vector, 2);
	say(" error ");
	say_hex(frame->error, 8);
	say(" at ");
	say_hex(frame->cs, 4);
	say(":");
	say_hex(frame->ip, 16);
	say(" CR2 ");
	say_hex(read_cr2(), 16);
	say("\n");
	count.failed++;
	finish();
}

static void stop_going(struct frame *frame)
{
	going.ax = frame->ax, going.cx = frame->cx, going.dx = frame->dx, going.bx = frame->bx;
	going.bp = frame->bp, going.si = frame->si, going.di = frame->di;
	going.ip = frame->ip, going.flags = frame->flags, going.cs = frame->cs & 0xffff;
#ifdef __x86_64__
	going.r8 = frame->r8, going.r9 = frame->r9, going.r10 = frame->r10, going.r11 = frame->r11;
	going.r12 = frame->r12, going.r13 = frame->r13, going.r14 = frame->r14, going.r15 = frame->r15;
	going.sp = frame->sp, going.ss = frame->ss & 0xffff;
#else
	bool v86 = frame->flags & F_VM, outer = v86 || (frame->cs & 3);

	going.sp = outer ? frame->sp : (word)&frame->sp;
	if (outer)
		going.ss = frame->ss & 0xffff;
	going.ds = (v86 ? frame->v86_ds : frame->ds) & 0xffff, going.es = (v86 ? frame->v86_es : frame->es) & 0xffff;
	going.fs = (v86 ? frame->v86_fs : frame->fs) & 0xffff, going.gs = (v86 ? frame->v86_gs : frame->gs) & 0xffff;
#endif
	going.vector = frame->vector, going.error = frame->error, going.cr2 = read_cr2();
	running = false;
	leave_going();
}

/* Called by the stubs. */
void trap(struct frame *frame);
void trap(struct frame *frame)
{
	if (handlers[frame->vector]) {
		handlers[frame->vector](frame);
	} else if (running) {
		stop_going(frame);
	} else if (attempt.recovery) {
		attempt.vector = frame->vector, attempt.error = frame->error, attempt.cr2 = read_cr2();
		frame->ip = attempt.recovery;
	} else {
		unexpected(frame);
	}
}

void set_handler(unsigned vector, handler *handler)
{
	handlers[vector] = handler;
}

unsigned go(struct state *state)
{
	going = *state;
	going.vector = VECTOR_NONE;
	running = true;
	enter_going();
	*state = going;
	return state->vector;
}

struct state kernel_state(const void *ip)
{
	return (struct state){
		.ip = (word)ip, .cs = SEL_CODE, .ss = SEL_DATA, .ds = SEL_DATA, .es = SEL_DATA, .sp = (word)kernel_stack_top, .flags = 2};
}

struct state user_state(const void *ip)
{
	unsigned code = sizeof(word) == 8 ? SEL_UCODE64 : SEL_UCODE32;

	return (struct state){.ip = (word)ip, .cs = code, .ss = SEL_UDATA, .ds = SEL_UDATA, .es = SEL_UDATA, .sp = USER_STACK_TOP, .flags = 2};
}

/* -- start -- */

_Noreturn void metal_main(void);
_Noreturn void metal_main(void)
{
	memcpy(low_start, low_load, (size_t)low_size);
	outb(0x21, 0xff); /* firmware may have left interrupts unmasked */
	outb(0xa1, 0xff);
	load_tables();
	run();
	finish();
}
