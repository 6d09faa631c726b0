/*
 * Reproducibility: the state after n instructions is the same however the run was cut, also for guests that can tell what the TLBs hold
 * by clearing accessed and dirty bits without INVLPG.
 */
#include "tests/unit/rig.h"

#include "emu/block.h"

enum {
	FUNCTIONS = 8,           /* one in each of as many pages that share TLB slots */
	PAGES = 0x40000000,      /* linear; each 2 MiB of it has a page table of its own */
	TABLE_OF_PAGES = 0x3000, /* from RIG_TABLES: page directory, then the page tables */
	FUNCTION_PAGE = 5,       /* in each 2 MiB: the function, and by another name its page as data */
	DATA_PAGE = 9,
	MEMORY = 0x100000,
};

/*
 * Calls functions at random, and mixes what it finds in the page tables into RSI.
 * RBX: random state; R12, R13: functions and data; R14: page tables.
 */
__asm__(".pushsection .rodata\n"
	".intel_syntax noprefix\n"
	"guest:\n"
	"	imul rbx, rbx, 1103515245\n"
	"	add rbx, 12345\n"
	"	mov r8d, ebx\n"
	"	shr r8d, 16\n"
	"	and r8d, 7\n"
	"	mov rdx, r8\n"
	"	shl rdx, 21\n"
	"	lea rax, [r12 + rdx]\n"
	"	call rax\n"
	"	mov rcx, r8\n"
	"	shl rcx, 12\n"
	"	add rcx, r14\n"
	"	imul rsi, rsi, 31\n"
	"	add rsi, [rcx + 5 * 8]\n"
	"	imul rsi, rsi, 31\n"
	"	add rsi, [rcx + 9 * 8]\n"
	"	test ebx, 0x100000\n"
	"	jz guest\n"
	"	and qword ptr [rcx + 5 * 8], ~0x60\n"
	"	and qword ptr [rcx + 9 * 8], ~0x60\n"
	"	test ebx, 0x3e00000\n"
	"	jnz guest\n"
	"	lea rax, [r13 + rdx]\n"
	"	invlpg [rax]\n"
	"	jmp guest\n"
	"guest_end:\n"
	"read_modify_write:\n"
	"	inc dword ptr [r13 + rdx + 0x800]\n"
	"	ret\n"
	"write_and_read:\n"
	"	mov [r13 + rdx + 0x900], ebx\n"
	"	mov eax, [r13 + rdx + 0x800]\n"
	"	ret\n"
	"copy:\n"
	"	mov r9, rsi\n"
	"	lea rsi, [r13 + rdx + 0x800]\n"
	"	lea rdi, [rsi + 0x140]\n"
	"	mov ecx, 5\n"
	"	rep movsd\n"
	"	mov rsi, r9\n"
	"	ret\n"
	"straight:\n" /* more than a block holds */
	"	.rept 90\n"
	"	inc eax\n"
	"	.endr\n"
	"	mov eax, [r13 + rdx + 0x800]\n"
	"	ret\n"
	"functions_end:\n"
	".att_syntax\n"
	".popsection\n");
extern const uint8_t guest[], guest_end[], read_modify_write[], write_and_read[], copy[], straight[], functions_end[];

/* Function i is at linear page PAGES + i * 2 MiB + FUNCTION_PAGE; the page is data, too, but every other one's data are elsewhere. */
static void map_function(struct rig *rig, unsigned i, const uint8_t *from, const uint8_t *to)
{
	uint64_t page = 0x50000 + i * 0x1000, table = RIG_TABLES + TABLE_OF_PAGES + (1 + i) * 0x1000;

	rig_write64(rig, RIG_TABLES + TABLE_OF_PAGES + 8 * i, table | 7);
	rig_write64(rig, table + 8 * FUNCTION_PAGE, page | 7);
	rig_write64(rig, table + 8 * DATA_PAGE, (i & 1 ? page : page + FUNCTIONS * 0x1000) | 7);
	rig_write(rig, page, from, to - from);
}

static void set_up(struct rig *rig)
{
	const uint8_t *const start[] = {read_modify_write, write_and_read, copy, straight, functions_end};

	rig_init(rig, RIG_LONG);
	rig_write64(rig, RIG_TABLES + 0x1000 + 8, (RIG_TABLES + TABLE_OF_PAGES) | 7);
	for (unsigned i = 0; i < FUNCTIONS; i++)
		map_function(rig, i, start[i / 2], start[i / 2 + 1]);
	rig_code(rig, guest, guest_end - guest);
	rig->cpu->gpr[R12] = PAGES + FUNCTION_PAGE * 0x1000;
	rig->cpu->gpr[R13] = PAGES + DATA_PAGE * 0x1000;
	rig->cpu->gpr[R14] = RIG_TABLES + TABLE_OF_PAGES + 0x1000;
}

static void compare(struct rig *a, struct rig *b)
{
	for (unsigned i = 0; i < 16; i++)
		assert_int_equal(a->cpu->gpr[i], b->cpu->gpr[i]);
	assert_int_equal(a->cpu->rip, b->cpu->rip);
	assert_int_equal(cpu_get_eflags(a->cpu), cpu_get_eflags(b->cpu));
	assert_int_equal(cpu_instructions(a->cpu), cpu_instructions(b->cpu));
	assert_memory_equal(physmem_host(&a->mem, 0, false, false), physmem_host(&b->mem, 0, false, false), MEMORY);
}

static void run_in_slices(struct rig *rig, uint64_t until, unsigned longest, unsigned *random)
{
	struct cpu *cpu = rig->cpu;

	while (cpu_instructions(cpu) < until) {
		uint64_t next = cpu_instructions(cpu) + 1 + (*random = *random * 1103515245 + 12345) / 65536 % longest;

		cpu_run(cpu, next < until ? next : until);
	}
}

static void test_slices(void **state)
{
	static const unsigned longest[] = {1, 7, 60, 1000};
	const uint64_t until = 60000;
	struct rig whole, sliced;
	unsigned random = 1;

	(void)state;
	set_up(&whole);
	cpu_run(whole.cpu, until);
	assert_int_equal(cpu_instructions(whole.cpu), until);
	for (unsigned i = 0; i < sizeof(longest) / sizeof(*longest); i++) {
		set_up(&sliced);
		run_in_slices(&sliced, until, longest[i], &random);
		compare(&whole, &sliced);
		rig_deinit(&sliced);
	}
	rig_deinit(&whole);
}

/* Nor does it depend on which blocks there are. */
static void test_emptied_cache(void **state)
{
	struct rig whole, emptied;

	(void)state;
	set_up(&whole);
	set_up(&emptied);
	for (unsigned i = 1; i <= 200; i++) {
		cpu_run(emptied.cpu, 300 * i);
		block_cache_empty(emptied.cpu);
	}
	cpu_run(whole.cpu, 300 * 200);
	compare(&whole, &emptied);
	rig_deinit(&whole);
	rig_deinit(&emptied);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_slices),
		cmocka_unit_test(test_emptied_cache),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
