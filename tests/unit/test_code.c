/*
 * Code that changes under the engine, in ways that tests/metal/modify.c does not: from outside, over page ends, by changed page tables
 * without INVLPG, under chained blocks; and code that is no RAM.
 */
#include "tests/unit/rig.h"

enum { PAGES = 0x40000000, PAGE_A = 0x50000, PAGE_B = 0x60000, ROM = 0x2000000, DEVICE = 0x3000000 };

static int with_rig(void **state)
{
	struct rig *rig = malloc(sizeof(*rig));

	rig_init(rig, RIG_LONG);
	rig_write64(rig, RIG_TABLES + 0x1000 + 8, (RIG_TABLES + 0x3000) | 7);
	rig_write64(rig, RIG_TABLES + 0x3000, (RIG_TABLES + 0x4000) | 7);
	*state = rig;
	return 0;
}

static int without_rig(void **state)
{
	rig_deinit(*state);
	free(*state);
	return 0;
}

/* Linear page n from PAGES. */
static void map(struct rig *rig, unsigned n, uint64_t page)
{
	rig_write64(rig, RIG_TABLES + 0x4000 + 8 * n, page | 7);
}

/* STOS overwrites itself and what follows it while it repeats: each iteration has been done once it is counted. */
static void test_string_over_itself(void **state)
{
	struct rig *rig = *state;
	struct cpu *cpu = rig->cpu;

	for (unsigned i = 0; i < 3; i++) { /* also when it has run before */
		memset(cpu->gpr, 0, sizeof(cpu->gpr));
		cpu->gpr[RAX] = 0x90;
		cpu->gpr[RCX] = 16;
		cpu->gpr[RDI] = RIG_CODE - 4;
		cpu->gpr[RSP] = RIG_STACK;
		RIG_RUN(rig, "\xf3\xaa\xff\xc3\xff\xc3\xff\xc3\xff\xc3\xff\xc3\xeb\xfe", 6); /* rep stosb; 5 inc ebx; jmp $ */
		assert_int_equal(cpu->gpr[RBX], 0);
		assert_int_equal(cpu->gpr[RCX], 0);
		assert_int_equal(cpu->rip, RIG_CODE + 2 + 5);
	}
}

/* MOVS that copies new code over the rest of its own block, and a copy that goes over it from page to page. */
static void test_copy_over_own_block(void **state)
{
	struct rig *rig = *state;
	struct cpu *cpu = rig->cpu;

	for (unsigned i = 0; i < 3; i++) {
		cpu->gpr[RBX] = 0;
		cpu->gpr[RCX] = 0x1800;
		cpu->gpr[RSI] = RIG_DATA;
		cpu->gpr[RDI] = RIG_CODE - 0xc00;
		for (unsigned at = 0; at < 0x1800; at += 4)
			rig_write(rig, RIG_DATA + at, "\x02\x90\x83\xc3", 4); /* add ebx, 2; nop, from the third byte on */
		RIG_RUN(rig, "\xf3\xa4\x90\x90\x83\xc3\x01\x90\xeb\xf8", 5);
		assert_int_equal(cpu->gpr[RBX], 4);
		assert_int_equal(rig_read64(rig, RIG_CODE) & 0xffffffff, 0xc3839002);
	}
}

/* One store to data that ends in code, and one to code that begins in another page's data. */
static void test_store_across_pages(void **state)
{
	struct rig *rig = *state;
	struct cpu *cpu = rig->cpu;

	map(rig, 0, PAGE_A);
	map(rig, 1, PAGE_B);
	for (unsigned i = 0; i < 50; i++) {
		rig_write(rig, PAGE_B, "\xb8\0\0\0\0\x48\x89\x0f\xeb\xf6", 10); /* mov eax, 0; mov [rdi], rcx; jmp back */
		cpu->rip = PAGES + 0x1000;
		cpu->gpr[RDI] = PAGES + 0xffd; /* its last five bytes are the MOV */
		cpu->gpr[RCX] = (0x00b8ull + (i << 8)) << 24;
		rig_run(rig, 4);
		assert_int_equal(cpu->gpr[RAX], i);
	}
	for (unsigned i = 0; i < 50; i++) { /* code at the end of the first page */
		rig_write(rig, PAGE_A + 0xff0, "\x48\x89\x0f\xeb\x08\0\0\0\0\0\0\0\0\xb0\0\x90", 16);
		rig_write(rig, PAGE_B, "\xeb\xfe", 2);
		cpu->rip = PAGES + 0xff0;
		cpu->gpr[RDI] = PAGES + 0xffd;
		cpu->gpr[RCX] = 0xfeeb90000000b0 | i << 8; /* mov al, i; nops...; jmp $ is overwritten too */
		rig_run(rig, 3);
		assert_int_equal(cpu->gpr[RAX] & 0xff, i);
	}
}

/* A block that is chained to another one whose bytes are replaced: from outside, and by its own writes through another name. */
static void test_replaced_under_chain(void **state)
{
	struct rig *rig = *state;
	struct cpu *cpu = rig->cpu;

	map(rig, 0, PAGE_A);
	map(rig, 1, PAGE_B);
	map(rig, 2, PAGE_B);
	rig_write(rig, PAGE_A, "\xff\xc3\xe9\xf9\x0f\0\0", 7);     /* inc ebx; jmp to the next page */
	rig_write(rig, PAGE_B, "\xb0\x01\xe9\xf9\xef\xff\xff", 7); /* mov al, 1; jmp back */
	cpu->rip = PAGES;
	rig_run(rig, 400);
	assert_int_equal(cpu->gpr[RAX], 1);
	rig_write(rig, PAGE_B, "\xb0\x02\xe9\xf9\xef\xff\xff", 7); /* the loader, a device */
	rig_run(rig, 4);
	assert_int_equal(cpu->gpr[RAX], 2);
	assert_int_equal(cpu->gpr[RBX], 101);

	/* inc ebx; mov [rdi], bl; jmp: writes the immediate that it then meets, in the linked block */
	rig_write(rig, PAGE_A, "\xff\xc3\x88\x1f\xe9\xf7\x0f\0\0", 9);
	cpu->gpr[RDI] = PAGES + 0x2001;
	cpu->rip = PAGES;
	for (unsigned i = 102; i < 200; i++) {
		rig_run(rig, 5);
		assert_int_equal(cpu->gpr[RAX] & 0xff, i);
	}
}

/* The translation of code is good until it is invalidated, whatever the page tables say; then the new page's code runs. */
static void test_page_table_without_flush(void **state)
{
	struct rig *rig = *state;
	struct cpu *cpu = rig->cpu;

	map(rig, 0, PAGE_A);
	/* mov [rdx], rcx (the entry); mov al, 1; jmp over; int3..: inc ebx; invlpg [rsi]; mov al, 3; jmp $ */
	rig_write(rig, PAGE_A, "\x48\x89\x0a\xb0\x01\xeb\x03\xcc\xcc\xcc\xff\xc3\x0f\x01\x3e\xb0\x03\xeb\xfe", 19);
	memset(cpu->gpr, 0, 4 * sizeof(uint64_t));
	rig_write(rig, PAGE_B + 15, "\xb0\x04\xeb\xfe", 4);
	cpu->gpr[RDX] = RIG_TABLES + 0x4000;
	cpu->gpr[RCX] = PAGE_B | 7;
	cpu->gpr[RSI] = PAGES;
	cpu->rip = PAGES;
	rig_run(rig, 4);
	assert_int_equal(cpu->gpr[RAX], 1);
	assert_int_equal(cpu->gpr[RBX], 1);
	rig_run(rig, 2);
	assert_int_equal(cpu->gpr[RAX], 4);
}

/* ROM executes, and takes no writes. */
static void test_rom(void **state)
{
	static const uint8_t code[] = {0xc6, 0x05, 0x01, 0, 0, 0, 0x55, 0xb0, 0x11, 0xff, 0xc3, 0xeb, 0xf3};
	struct rig *rig = *state; /* mov byte [rip + 1], 55h: the next one's immediate; mov al, 11h; inc ebx; jmp back */
	struct cpu *cpu = rig->cpu;

	assert_null(physmem_add_rom(&rig->mem, ROM, code, sizeof(code)));
	cpu->rip = ROM;
	rig_run(rig, 4 * 100);
	assert_int_equal(cpu->gpr[RBX], 100);
	assert_int_equal(cpu->gpr[RAX], 0x11);
}

/* A device's memory: what it answers now is what executes. */
static unsigned fetches;

static uint64_t answer(void *opaque, uint64_t offset, unsigned size)
{
	static const uint8_t code[] = {0xff, 0xc3, 0xb0, 0, 0xeb, 0xfa}; /* inc ebx; mov al, n; jmp back */

	(void)opaque, (void)size;
	fetches++;
	return offset == 3 ? *(uint8_t *)opaque : offset < sizeof(code) ? code[offset] : 0x90;
}

static void ignore(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
	(void)opaque, (void)offset, (void)value, (void)size;
}

static void test_device(void **state)
{
	static const struct mmio_ops ops = {answer, ignore};
	struct rig *rig = *state;
	struct cpu *cpu = rig->cpu;
	uint8_t value;

	assert_null(physmem_add_mmio(&rig->mem, DEVICE, 0x1000, &ops, &value));
	cpu->rip = DEVICE;
	for (value = 1; value < 20; value++) {
		fetches = 0;
		rig_run(rig, 3);
		assert_int_equal(cpu->gpr[RAX], value);
		assert_int_equal(cpu->gpr[RBX], value);
		assert_true(fetches);
	}
}

/* Data beside code in a page are written without end, and so is the code when it has gone. */
static void test_data_beside_code(void **state)
{
	struct rig *rig = *state;
	struct cpu *cpu = rig->cpu;

	rig_code(rig, "\x48\xff\x07\x48\x03\x07\xeb\xf8", 8); /* inc qword [rdi]; add rax, [rdi]; jmp back */
	cpu->gpr[RDI] = RIG_CODE + 0x800;
	rig_run(rig, 3 * 1000);
	assert_int_equal(rig_read64(rig, RIG_CODE + 0x800), 1000);
	assert_int_equal(cpu->gpr[RAX], 1000 * 1001 / 2);
	rig_write(rig, RIG_CODE, "\xcc\xcc\xcc\xcc\xcc\xcc\xcc\xcc", 8); /* no code left in the page */
	rig_write(rig, RIG_CODE + 0x10000, "\x48\xff\x07\xeb\xfb", 5);
	cpu->rip = RIG_CODE + 0x10000;
	rig_run(rig, 2 * 1000);
	assert_int_equal(rig_read64(rig, RIG_CODE + 0x800), 2000);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, with_rig, without_rig)
	const struct CMUnitTest tests[] = {
		TEST(test_string_over_itself),
		TEST(test_copy_over_own_block),
		TEST(test_store_across_pages),
		TEST(test_replaced_under_chain),
		TEST(test_page_table_without_flush),
		TEST(test_rom),
		TEST(test_device),
		TEST(test_data_beside_code),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
