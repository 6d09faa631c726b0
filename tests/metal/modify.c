/*
 * Code that changes (SDM vol. 3A 11.6): just ahead of itself, in loops, in blocks that were run many times and are linked, through aliases, by string
 * instructions, by itself as its last act, across pages, and pages of it that are remapped. Pages 8 and 9 are also mapped at WINDOW.
 */
#include "tests/metal/metal.h"

#define WINDOW 0x8000000000ull
extern uint64_t tables[];
static uint64_t pdpt[512] __attribute__((aligned(4096)));
static uint64_t directory[512] __attribute__((aligned(4096)));
static uint64_t window[512] __attribute__((aligned(4096)));

typedef uint64_t function(uint64_t argument);

static uint64_t call(const volatile void *code, uint64_t argument)
{
	return ((function *)(word)code)(argument);
}

/* mov $value, %eax; ret */
static void put_constant(volatile uint8_t *at, uint32_t value)
{
	at[0] = 0xb8;
	for (unsigned i = 0; i < 4; i++)
		at[1 + i] = value >> 8 * i;
	at[5] = 0xc3;
}

SNIPPET(ahead, "movb $0x12, 1f + 1(%rip); 1: mov $0x99, %al; movb $0x34, 2f + 1(%rip); nop; 2: mov $0x99, %ah; int $0x30");
SNIPPET(ahead_loop, "mov $100, %ecx; xor %eax, %eax; 1: incb 2f + 2(%rip); 2: add $0, %eax; loop 1b; int $0x30");
SNIPPET(itself, "xor %eax, %eax; mov $3, %ecx; 1: inc %eax; dec %ecx; jz 2f; lea 1b(%rip), %rdi; movw $0xc0ff, (%rdi); jmp 1b; 2: int $0x30");
SNIPPET(by_string, "lea 1f(%rip), %rdi; mov $0x90, %al; mov $4, %ecx; xor %ebx, %ebx; rep stosb; 1: inc %ebx; inc %ebx; int $0x30");
SNIPPET(wide_store, "movabs $0x9090909090909090, %rax; xor %ebx, %ebx; lea 1f(%rip), %rdx; mov %rax, -2(%rdx); nop; nop; 1: inc %ebx; inc %ebx; inc %ebx; int $0x30");
SNIPPET(by_push, "lea 1f + 8(%rip), %rsp; movabs $0x90909090909090b0, %rax; mov $0, %ebx; push %rax; 1: jmp 2f; .fill 6, 1, 0xcc; inc %ebx; 2: int $0x30");
SNIPPET(by_exchange, "lea 1f + 1(%rip), %rdi; mov $0x55, %cl; mov $0x99, %al; lock cmpxchg %cl, (%rdi); 1: mov $0x99, %bl; int $0x30");
SNIPPET(after_sse, "movups after_sse_data(%rip), %xmm0; xor %ebx, %ebx; movups %xmm0, 1f(%rip); 1: .fill 8, 2, 0xc3ff; int $0x30; after_sse_data: .fill 16, 1, 0x90");

static void test_ahead(void)
{
	struct state s = user_state(ahead);

	go(&s);
	check_equal("modify: the next instruction", s.ax & 0xffff, 0x3412);
	s = user_state(ahead_loop);
	go(&s);
	check_equal("modify: in a loop", s.ax, 5050);
	s = user_state(itself);
	go(&s);
	check_equal("modify: an instruction that ran before", s.ax, 3);
	s = user_state(by_string);
	go(&s);
	check_equal("modify: by rep stos", s.bx, 0);
	s = user_state(wide_store);
	go(&s);
	check_equal("modify: by a store that begins before", s.bx, 0);
	s = user_state(by_push);
	go(&s);
	check_equal("modify: by push", s.bx, 1);
	s = user_state(by_exchange);
	go(&s);
	check_equal("modify: by cmpxchg", s.bx & 0xff, 0x55);
	s = user_state(after_sse);
	go(&s);
	check_equal("modify: by an SSE store", s.bx, 0);
}

static void test_often(void)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < 3000; i++) {
		put_constant(pages[8], i);
		sum += call(pages[8], 0);
	}
	check_equal("modify: before each of 3000 calls", sum, 2999 * 3000 / 2);
	sum = 0;
	for (unsigned i = 0; i < 3000; i++) {
		if (i % 1000 == 0)
			put_constant(pages[8], i);
		sum += call(pages[8], 0);
	}
	check_equal("modify: after 1000 calls each", sum, 3000000);
	/* Data beside code of the same page */
	put_constant(pages[8], 7);
	sum = 0;
	for (unsigned i = 0; i < 3000; i++) {
		*(volatile uint32_t *)&pages[8][2048] = i;
		sum += call(pages[8], 0) + *(volatile uint32_t *)&pages[8][2048];
	}
	check_equal("modify: data beside code", sum, 3000 * 7 + 2999 * 3000 / 2);
}

static void test_alias(void)
{
	volatile uint8_t *alias = (volatile uint8_t *)WINDOW;
	uint64_t sum = 0;

	put_constant(pages[8], 1);
	check_equal("alias: runs", call(alias, 0), 1);
	put_constant(alias, 2);
	check_equal("alias: written there, run here", call(pages[8], 0), 2);
	put_constant(pages[8], 3);
	check_equal("alias: written here, run there", call(alias, 0), 3);
	for (unsigned i = 0; i < 1000; i++) {
		put_constant(i & 1 ? alias : pages[8], i);
		sum += call(i & 2 ? alias : pages[8], 0);
	}
	check_equal("alias: often", sum, 999 * 1000 / 2);
}

/* mov $imm, %eax; ret across pages 8 and 9, contiguous in memory. */
static void test_cross(void)
{
	volatile uint8_t *code = pages[9] - 3;
	uint64_t sum = 0;

	put_constant(code, 0x44332211);
	check_equal("cross: runs", call(code, 0), 0x44332211);
	pages[9][0] = 0x77;
	check_equal("cross: second half changed", call(code, 0), 0x44772211);
	code[1] = 0x55;
	check_equal("cross: first half changed", call(code, 0), 0x44772255);
	for (unsigned i = 0; i < 500; i++) {
		pages[9][0] = i;
		sum += call(code, 0) >> 16 & 0xff;
	}
	check_equal("cross: often", sum, 255 * 256 / 2 + 243 * 244 / 2);
	*(volatile uint16_t *)(WINDOW + 4095) = 0xee22; /* across both pages, through the alias */
	check_equal("cross: changed by a crossing store through an alias", call(code, 0) >> 8 & 0xffff, 0xee22);
	/* At WINDOW, the second page is replaced */
	code = (volatile uint8_t *)(WINDOW + 4093);
	put_constant(code, 0x11111111);
	call(code, 0);
	memcpy(pages[10], "\x22\x22\xc3", 3);
	window[1] = (word)pages[10] | 7;
	invlpg((void *)(WINDOW + 4096));
	check_equal("cross: second page remapped", call(code, 0), 0x22221111);
	window[1] = (word)pages[9] | 7;
	invlpg((void *)(WINDOW + 4096));
	check_equal("cross: and back", call(code, 0), 0x11111111);
}

/* Blocks that jump to each other within a page: a dozen small ones, one of which is changed. */
static void test_links(void)
{
	uint8_t *code = pages[8];
	uint64_t sum = 0;

	for (unsigned i = 0; i < 12; i++) { /* add $1, %edi; jmp +n */
		memcpy(code + 16 * i, "\x83\xc7\x01\xeb\x0b", 5);
	}
	memcpy(code + 16 * 12, "\x89\xf8\xc3", 3); /* mov %edi, %eax; ret */
	for (unsigned i = 0; i < 300; i++)
		sum += call(code, i);
	check_equal("links: run", sum, 299 * 300 / 2 + 300 * 12);
	for (unsigned i = 0; i < 12; i++) {
		((volatile uint8_t *)code)[16 * i + 2] = 5;
		check_equal("links: one changed", call(code, 0), 12 + 4 * (i + 1));
	}
	((volatile uint8_t *)code)[16 * 5 + 4] = 16 * 6 + 11; /* its jump goes to the end */
	check_equal("links: a jump changed", call(code, 0), 30);
}

void run(void)
{
	pdpt[0] = (word)directory | 7;
	directory[0] = (word)window | 7;
	window[0] = (word)pages[8] | 7;
	window[1] = (word)pages[9] | 7;
	tables[1] = (word)pdpt | 7;
	write_cr3(read_cr3());
	test_ahead();
	test_often();
	test_alias();
	test_cross();
	test_links();
}
