/* The tables of the ABIs: where pt_regs has what (arch/x86/include/asm/ptrace.h), and how functions get their arguments. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <sys/user.h>
#undef PAGE_SHIFT
#undef PAGE_SIZE /* of this machine */
#undef PAGE_MASK

#include "redirect/abi.h"

/* The kernel shows its pt_regs of x86-64 to debuggers: struct user_regs_struct has the same order, with segment bases behind. */
static void test_x86_64(void **state)
{
	const struct abi *abi = abi_of(8);

	(void)state;
	assert_int_equal(abi_regs_size(abi), 168);
	assert_int_equal(abi_regs_offset(abi, R15), offsetof(struct user_regs_struct, r15));
	assert_int_equal(abi_regs_offset(abi, RBX), offsetof(struct user_regs_struct, rbx));
	assert_int_equal(abi_regs_offset(abi, RAX), offsetof(struct user_regs_struct, rax));
	assert_int_equal(abi_regs_offset(abi, ABI_ORIG_AX), offsetof(struct user_regs_struct, orig_rax));
	assert_int_equal(abi_regs_offset(abi, ABI_IP), offsetof(struct user_regs_struct, rip));
	assert_int_equal(abi_regs_offset(abi, ABI_CS), offsetof(struct user_regs_struct, cs));
	assert_int_equal(abi_regs_offset(abi, ABI_FLAGS), offsetof(struct user_regs_struct, eflags));
	assert_int_equal(abi_regs_offset(abi, ABI_SP), offsetof(struct user_regs_struct, rsp));
	assert_int_equal(abi_regs_offset(abi, ABI_SS), offsetof(struct user_regs_struct, ss));
}

static void test_call_arguments(void **state)
{
	static const unsigned wide[] = {offsetof(struct user_regs_struct, rdi), offsetof(struct user_regs_struct, rsi),
					offsetof(struct user_regs_struct, rdx), offsetof(struct user_regs_struct, r10),
					offsetof(struct user_regs_struct, r8),  offsetof(struct user_regs_struct, r9)},
			      compat[] = {offsetof(struct user_regs_struct, rbx), offsetof(struct user_regs_struct, rcx),
					  offsetof(struct user_regs_struct, rdx), offsetof(struct user_regs_struct, rsi),
					  offsetof(struct user_regs_struct, rdi), offsetof(struct user_regs_struct, rbp)};

	(void)state;
	for (unsigned i = 0; i < ABI_CALL_ARGUMENTS; i++) {
		assert_int_equal(abi_call_argument_offset(abi_of(8), POLICY_X86_64, i), wide[i]);
		assert_int_equal(abi_call_argument_offset(abi_of(8), POLICY_I386, i), compat[i]);
		assert_int_equal(abi_call_argument_offset(abi_of(4), POLICY_I386, i), 4 * i); /* bx, cx, dx, si, di, bp come first */
	}
}

static void test_i386(void **state)
{
	const struct abi *abi = abi_of(4);

	(void)state;
	assert_int_equal(abi_regs_size(abi), 68);
	assert_int_equal(abi_regs_offset(abi, RAX), 24);
	assert_int_equal(abi_regs_offset(abi, ABI_ORIG_AX), 44);
	assert_int_equal(abi_regs_offset(abi, ABI_IP), 48);
	assert_int_equal(abi_regs_offset(abi, ABI_CS), 52);
	assert_int_equal(abi_regs_offset(abi, ABI_FLAGS), 56);
	assert_int_equal(abi_regs_offset(abi, ABI_SP), 60);
	assert_int_equal(abi_regs_offset(abi, ABI_SS), 64);
}

/* What is taken from a CPU and put back is the same; the stack pointer and flags stay as they are. */
static void test_regs(void **state)
{
	(void)state;
	for (unsigned word = 4; word <= 8; word += 4) {
		const struct abi *abi = abi_of(word);
		unsigned registers = word == 8 ? 16 : 8;
		struct cpu *cpu = calloc(1, sizeof(*cpu));
		uint8_t bytes[ABI_REGS_WORDS * 8];

		for (unsigned i = 0; i < registers; i++)
			cpu->gpr[i] = 0x1000 + i;
		cpu->rip = 0x2000;
		cpu->seg[SEG_CS].selector = 0x10;
		abi_regs_get(abi, cpu, bytes);
		assert_int_equal(bytes[abi_regs_offset(abi, RDI) + 1] << 8 | bytes[abi_regs_offset(abi, RDI)], 0x1000 + RDI);
		assert_int_equal(bytes[abi_regs_offset(abi, ABI_CS)], 0x10);
		bytes[abi_regs_offset(abi, ABI_IP)] = 0x34;
		bytes[abi_regs_offset(abi, RBX) + word - 1] = 0x80;
		bytes[abi_regs_offset(abi, ABI_SP)] = 0x77;
		abi_regs_set(abi, cpu, bytes);
		assert_int_equal(cpu->rip, 0x2034);
		for (unsigned i = 0; i < registers; i++)
			assert_true(cpu->gpr[i] == 0x1000 + i + (i == RBX ? 0x80ull << (8 * word - 8) : 0));
		free(cpu);
	}
}

static void expect_words(const struct abi_arguments *arguments, unsigned count, const uint64_t *word)
{
	assert_int_equal(arguments->count, count);
	assert_memory_equal(arguments->word, word, count * sizeof(*word));
}

/* GCC's -mregparm=3: 64 bits go into two registers, or onto the stack, never half and half. */
static void test_arguments(void **state)
{
	struct abi_arguments wide = {.abi = abi_of(8)}, seek = {.abi = abi_of(4)}, split = {.abi = abi_of(4)};

	(void)state;
	abi_add(&wide, 1);
	abi_add_64(&wide, INT64_MAX);
	expect_words(&wide, 2, (uint64_t[]){1, INT64_MAX});
	abi_add(&seek, 1);
	abi_add_64(&seek, 0x200000003);
	abi_add_64(&seek, -1);
	expect_words(&seek, 5, (uint64_t[]){1, 3, 2, UINT32_MAX, UINT32_MAX});
	abi_add(&split, 1);
	abi_add(&split, 2);
	abi_add_64(&split, 0x300000004);
	abi_add(&split, 5);
	expect_words(&split, 6, (uint64_t[]){1, 2, 0, 4, 3, 5});
}

static void test_values(void **state)
{
	(void)state;
	assert_true(abi_value(abi_of(8), -12) == (uint64_t)-12);
	assert_true(abi_value(abi_of(4), -12) == 0xfffffff4);
	assert_true(abi_signed(abi_of(4), 0xfffffff4) == -12);
	assert_true(abi_signed(abi_of(8), 0xfffffff4) == 0xfffffff4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_x86_64), cmocka_unit_test(test_call_arguments), cmocka_unit_test(test_i386),
		cmocka_unit_test(test_regs),   cmocka_unit_test(test_arguments),      cmocka_unit_test(test_values),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
