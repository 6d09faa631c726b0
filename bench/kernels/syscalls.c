/* Privilege changes: a ring 3 loop that makes system calls by SYSCALL/SYSRET, with an interrupt gate (INT 0x80, IRETQ) every eighth time.
 */
#include "kernel.h"

enum { CALLS = 3000000 };

extern uint64_t gdt[];
extern char stack_top[];
void enter_user(void (*function)(void), void *stack);
void syscall_entry(void);
void int80_entry(void);

static uint32_t tss[26];
static uint64_t idt[256][2];
static uint8_t user_stack[8192] __attribute__((aligned(16)));
uint64_t total;

__asm__("syscall_entry:\n"
	"	mov %rsp, %r10\n"
	"	mov $stack_top, %rsp\n"
	"	push %r10\n"
	"	push %rcx\n"
	"	push %r11\n"
	"	call serve\n"
	"	pop %r11\n"
	"	pop %rcx\n"
	"	pop %rsp\n"
	"	sysretq\n"
	"int80_entry:\n"
	"	push %rcx\n"
	"	push %r11\n"
	"	call serve\n"
	"	pop %r11\n"
	"	pop %rcx\n"
	"	iretq\n"
	"enter_user:\n"
	"	push $0x23\n"
	"	push %rsi\n"
	"	push $2\n"
	"	push $0x2b\n"
	"	push %rdi\n"
	"	iretq\n");

__attribute__((used)) uint64_t serve(uint64_t number)
{
	if (number == ~0ull)
		end(total);
	total = total * 31 + number;
	return total;
}

static uint64_t call(uint64_t number)
{
	uint64_t result;

	__asm__ volatile("syscall" : "=a"(result) : "D"(number) : "rcx", "r11", "r10", "rsi", "rdx", "r8", "r9", "memory");
	return result;
}

static uint64_t call_by_interrupt(uint64_t number)
{
	uint64_t result;

	__asm__ volatile("int $0x80" : "=a"(result) : "D"(number) : "rsi", "rdx", "r8", "r9", "r10", "memory");
	return result;
}

static void user(void)
{
	uint64_t value = 1;
	unsigned i;

	for (i = 0; i < CALLS; i++)
		value = i & 7 ? call(value ^ i) : call_by_interrupt(value + i);
	call(~0ull);
	for (;;)
		;
}

static void write_msr(uint32_t index, uint64_t value)
{
	__asm__ volatile("wrmsr" : : "c"(index), "a"((uint32_t)value), "d"((uint32_t)(value >> 32)));
}

static void set_gates(void)
{
	struct {
		uint16_t limit;
		uint64_t base;
	} __attribute__((packed)) idtr = {sizeof(idt) - 1, (uint64_t)idt};
	uint64_t handler = (uint64_t)int80_entry, base = (uint64_t)tss;

	idt[0x80][0] = (handler & 0xffff) | 8 << 16 | 0xee00ull << 32 | (handler >> 16 & 0xffff) << 48;
	idt[0x80][1] = handler >> 32;
	__asm__ volatile("lidt %0" : : "m"(idtr));
	tss[1] = (uint32_t)(uint64_t)stack_top;
	gdt[6] = (sizeof(tss) - 1) | (base & 0xffffff) << 16 | 0x89ull << 40 | (base >> 24 & 0xff) << 56;
	gdt[7] = base >> 32;
	__asm__ volatile("ltr %w0" : : "r"(0x30));
	write_msr(0xc0000081, 0x1bull << 48 | 8ull << 32);
	write_msr(0xc0000082, (uint64_t)syscall_entry);
	write_msr(0xc0000084, 0x200);
}

void run(void)
{
	begin();
	set_gates();
	enter_user(user, user_stack + sizeof(user_stack));
}
