/* Addresses in the code of functions. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "loader/operand.h"

enum { CODE = 0x100, SIZE = 0x10000 };
#define WIDE 0xffffffff81000000ull
#define NARROW 0xc1000000ull

static bool find(unsigned word, const void *code, size_t size, enum operand_form form, uint64_t *ret)
{
	uint64_t base = word == 8 ? WIDE : NARROW;
	const struct view view = {
		.pointer_size = word,
		.base = base,
		.end = base + SIZE,
		.pieces = 1,
		.piece = {{.vaddr = base + CODE, .memory_size = size, .data = code, .size = size}},
	};

	return operand_find(&view, base + CODE, form, ret);
}

#define EXPECT(word, form, code, address)                                                                                                  \
	do {                                                                                                                               \
		uint64_t found;                                                                                                            \
                                                                                                                                           \
		assert_true(find(word, code, sizeof(code) - 1, form, &found));                                                             \
		assert_int_equal(found, address);                                                                                          \
	} while (0)
#define EXPECT_NONE(word, form, code)                                                                                                      \
	do {                                                                                                                               \
		uint64_t found;                                                                                                            \
                                                                                                                                           \
		assert_false(find(word, code, sizeof(code) - 1, form, &found));                                                            \
	} while (0)

static void finds_variables(void **state)
{
	(void)state;
	/* endbr64; add [rip + 0x10], rdi */
	EXPECT(8, OPERAND_VARIABLE, "\xf3\x0f\x1e\xfa\x48\x01\x3d\x10\0\0\0", WIDE + CODE + 11 + 0x10);
	/* add [0xffffffff81001000], rdi */
	EXPECT(8, OPERAND_VARIABLE, "\x48\x01\x3c\x25\0\x10\0\x81", WIDE + 0x1000);
	/* push ebp; add [0xc1001000], eax; adc dword [0xc1001004], 0 */
	EXPECT(4, OPERAND_VARIABLE, "\x55\x01\x05\0\x10\0\xc1\x83\x15\x04\x10\0\xc1\0", NARROW + 0x1000);
	/* mov eax, [0xc1001000] */
	EXPECT(4, OPERAND_VARIABLE, "\xa1\0\x10\0\xc1", NARROW + 0x1000);
	/* mov rax, gs:[0xffffffff81001000]; mov rax, [rdi]; mov rcx, [rip] */
	EXPECT(8, OPERAND_VARIABLE, "\x65\x48\x8b\x04\x25\0\x10\0\x81\x48\x8b\x07\x48\x8b\x0d\0\0\0\0", WIDE + CODE + 19);
	/* mov rdi, [0x1000], which is not in the image */
	EXPECT_NONE(8, OPERAND_VARIABLE, "\x48\x8b\x3c\x25\0\x10\0\0");
	/* no instruction; half of one */
	EXPECT_NONE(8, OPERAND_VARIABLE, "\x06\x48\x01\x3d\x10\0\0\0");
	EXPECT_NONE(8, OPERAND_VARIABLE, "\x48\x01\x3d\x10\0\0");
}

static void finds_tables(void **state)
{
	(void)state;
	/* mov rax, -0x7efff000; movsxd rdi, edi; add rax, [rdi * 8 - 0x7effe000] */
	EXPECT(8, OPERAND_TABLE, "\x48\xc7\xc0\0\x10\0\x81\x48\x63\xff\x48\x03\x04\xfd\0\x20\0\x81", WIDE + 0x2000);
	/* mov edx, [eax * 4 + 0xc1002000] */
	EXPECT(4, OPERAND_TABLE, "\x8b\x14\x85\0\x20\0\xc1", NARROW + 0x2000);
	/* other sizes of elements; with a base */
	EXPECT_NONE(8, OPERAND_TABLE, "\x8b\x04\xbd\0\x20\0\x81");
	EXPECT_NONE(4, OPERAND_TABLE, "\x8b\x14\xc5\0\x20\0\xc1");
	EXPECT_NONE(8, OPERAND_TABLE, "\x48\x8b\x84\xfb\0\x20\0\x81");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_variables),
		cmocka_unit_test(finds_tables),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
