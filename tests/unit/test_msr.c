/*
 * MSRs, CPUID and the time-stamp counter (SDM vol. 4; vol. 2A, CPUID).
 */
#include "tests/unit/system_rig.h"

#include "emu/cpuid.h"

/* WRMSR then RDMSR: faults, or reads back `expected`. */
static void readable_and_writable(void **state)
{
	static const struct {
		uint32_t index;
		uint64_t value;
		bool faults;
		uint64_t expected;
	} cases[] = {
		{0x174, 0x10, false, 0x10},
		{0x175, 0xffff800000000000, false, 0xffff800000000000},
		{0x176, 0x0000800000000000, true, 0},
		{0x277, 0x0007040600070406, false, 0x0007040600070406},
		{0x277, 0x0207040600070406, true, 0}, /* type 2 */
		{0x2ff, 0xc06, false, 0xc06},
		{0x2ff, 0xc02, true, 0},
		{0x2ff, 0x1006, true, 0},
		{0x200, 0x80000006, false, 0x80000006},
		{0x200, 0x80000106, true, 0},
		{0x201, 0x3fff80000800, false, 0x3fff80000800},
		{0x201, 0x1ffff80000800, true, 0}, /* beyond MAXPHYADDR */
		{0x26f, 0x0606060606060606, false, 0x0606060606060606},
		{0x250, 0x0606060606060602, true, 0},
		{0xc0000080, 0xd01, false, 0xd01},
		{0xc0000080, 0x001, true, 0},      /* LME under paging */
		{0xc0000080, 0x901, false, 0xd01}, /* LMA is not written */
		{0xc0000080, 0x1d01, true, 0},     /* SVME */
		{0xc0000081, 0x0023001000000000, false, 0x0023001000000000},
		{0xc0000082, 0xffffffff81000000, false, 0xffffffff81000000},
		{0xc0000082, 0x8000000000000000, true, 0},
		{0xc0000084, 0x47700, false, 0x47700},
		{0xc0000084, 0x100047700, true, 0},
		{0xc0000100, 0x7f0000000000, false, 0x7f0000000000},
		{0xc0000101, 0x800000000000, true, 0},
		{0xc0000102, 0xffff888000000000, false, 0xffff888000000000},
		{0xc0000103, 5, false, 5},
		{0xc0000103, 0x100000005, true, 0},
		{0x048, 1, false, 1},
		{0x048, 8, true, 0},
		{0x0fe, 0, true, 0},
		{0x10a, 0, true, 0},
		{0x12345, 0, true, 0},
		{0xc0010015, 0, true, 0},
		{0x1b, 0xfee00900, true, 0}, /* no APIC on this bus */
		{0x800, 0, true, 0},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		WITH_RIG(rig, RIG_LONG)
		{
			struct cpu *cpu = rig->cpu;

			cpu->gpr[RCX] = cases[i].index;
			cpu->gpr[RAX] = (uint32_t)cases[i].value;
			cpu->gpr[RDX] = cases[i].value >> 32;
			if (cases[i].faults) {
				EXPECT_FAULT(rig, "\x0f\x30", 13, 0);
				continue;
			}
			RIG_RUN(rig, "\x0f\x30\x0f\x32", 1);
			assert_int_equal(cpu->rip, RIG_CODE + 2);
			cpu->gpr[RAX] = cpu->gpr[RDX] = ~0ull;
			rig_run(rig, 1);
			assert_int_equal(cpu->gpr[RAX], (uint32_t)cases[i].expected);
			assert_int_equal(cpu->gpr[RDX], cases[i].expected >> 32);
		}
}

static void write_only_and_constant(void **state)
{
	(void)state;
	WITH_RIG(rig, RIG_LONG)
	{
		rig->cpu->gpr[RCX] = 0x49;
		EXPECT_FAULT(rig, "\x0f\x32", 13, 0);
	}
	WITH_RIG(rig, RIG_LONG)
	{
		rig->cpu->gpr[RCX] = 0x179;
		RIG_RUN(rig, "\x0f\x32", 1);
		assert_int_equal(rig->cpu->gpr[RAX], 0);
		rig->cpu->gpr[RCX] = 0xfe;
		RIG_RUN(rig, "\x0f\x32", 1);
		assert_int_equal(rig->cpu->gpr[RAX], 0x508);
		rig->cpu->gpr[RCX] = 0x8b;
		RIG_RUN(rig, "\x0f\x32", 1);
		assert_int_not_equal(rig->cpu->gpr[RDX], 0);
	}
}

/* Addresses in registers go by what the processor can do, not by the paging mode; their use by the mode. */
static void canonical_by_capability(void **state)
{
	static const uint32_t indices[] = {0x175, 0x176, 0xc0000082, 0xc0000083, 0xc0000100, 0xc0000101, 0xc0000102};
	const uint64_t only57 = 0x00aaaaaaaaaaaaaa;

	(void)state;
	for (unsigned i = 0; i < 2 * sizeof(indices) / sizeof(indices[0]); i++)
		WITH_RIG(rig, RIG_LONG)
		{
			struct cpu *cpu = rig->cpu;

			cpu->features = i & 1 ? CPU_FEATURES_DEFAULT | CPU_FEATURE_LA57 : CPU_FEATURES_DEFAULT;
			cpu->gpr[RCX] = indices[i / 2];
			cpu->gpr[RAX] = (uint32_t)only57;
			cpu->gpr[RDX] = only57 >> 32;
			if (i & 1) {
				RIG_RUN(rig, "\x0f\x30", 1);
				assert_int_equal(cpu->rip, RIG_CODE + 2);
				cpu->gpr[RDX] = 0xaaaaaaaa;
			}
			EXPECT_FAULT(rig, "\x0f\x30", 13, 0);
		}
	WITH_RIG(rig, RIG_LONG)
	{
		rig->cpu->features |= CPU_FEATURE_LA57;
		rig->cpu->seg[SEG_FS].base = only57;
		EXPECT_FAULT(rig, "\x64\x48\x8b\x04\x25\0\0\0\0", 13, 0); /* mov rax, fs:[0] */
	}
}

static void prediction_command(void **state)
{
	(void)state;
	for (uint64_t value = 0; value < 4; value++)
		WITH_RIG(rig, RIG_LONG)
		{
			rig->cpu->gpr[RCX] = 0x49;
			rig->cpu->gpr[RAX] = value;
			rig->cpu->gpr[RDX] = 0;
			if (value > 1) {
				EXPECT_FAULT(rig, "\x0f\x30", 13, 0);
				continue;
			}
			RIG_RUN(rig, "\x0f\x30", 1);
			assert_int_equal(rig->cpu->rip, RIG_CODE + 2);
		}
}

/* The TSC counts instructions. */
static void time_stamp_counter(void **state)
{
	(void)state;
	WITH_RIG(rig, RIG_LONG)
	{
		struct cpu *cpu = rig->cpu;

		cpu->gpr[RCX] = 0x10;
		cpu->gpr[RAX] = 1000;
		cpu->gpr[RDX] = 0;
		RIG_RUN(rig, "\x0f\x30\x90\x90\x0f\x31\x89\xc3\x0f\x01\xf9", 4); /* wrmsr; nop; nop; rdtsc; mov ebx, eax; rdtscp */
		assert_int_equal(cpu->gpr[RAX], 1003);
		assert_int_equal(cpu->gpr[RDX], 0);
		cpu->tsc_aux = 7;
		rig_run(rig, 2);
		assert_int_equal(cpu->gpr[RAX], 1005);
		assert_int_equal(cpu->gpr[RCX], 7);
	}
	WITH_RIG(rig, RIG_LONG)
	{
		to_ring3(rig);
		RIG_RUN(rig, "\x0f\x31", 1);
		assert_int_equal(rig->cpu->rip, RIG_CODE + 2);
		rig->cpu->cr4 |= CR4_TSD;
		EXPECT_FAULT(rig, "\x0f\x31", 13, 0);
	}
	WITH_RIG(rig, RIG_LONG)
	{
		rig->cpu->features &= ~CPU_FEATURE_RDTSCP;
		EXPECT_PLAIN_FAULT(rig, "\x0f\x01\xf9", 6);
	}
}

static void identification(void **state)
{
	(void)state;
	WITH_RIG(rig, RIG_LONG)
	{
		struct cpu *cpu = rig->cpu;
		struct cpuid answer;

		cpu->gpr[RAX] = cpu->gpr[RCX] = 0xffffffff00000000;
		RIG_RUN(rig, "\x0f\xa2", 1);
		assert_int_equal(cpu->gpr[RAX], 0x16);
		assert_int_equal(cpu->gpr[RBX], 0x756e6547);
		answer = cpuid_query(cpu, 0x80000001, 0);
		assert_true(answer.edx & 1 << 29);
		assert_true(answer.edx & 1 << 11);
		answer = cpuid_query(cpu, 0x15, 0);
		assert_int_equal((uint64_t)answer.ecx * answer.ebx / answer.eax, 1000000000);
		assert_int_equal(cpuid_query(cpu, 0xb, 1).ecx, 0x201);
		assert_int_equal(cpuid_query(cpu, 0xb, 7).ecx, 7);
		assert_int_equal(cpuid_query(cpu, 0x80000008, 0).eax, 46 | 48 << 8);
	}
}

/* Every feature bit takes its CPUID bits with it. */
static void features_can_be_switched_off(void **state)
{
	(void)state;
	WITH_RIG(rig, RIG_LONG)
	{
		struct cpu *cpu = rig->cpu;

		cpu->features = 0;
		assert_false(cpuid_query(cpu, 0x80000001, 0).edx & (1 << 29 | 1 << 20 | 1 << 27 | 1 << 11 | 1 << 26));
		assert_int_equal(cpuid_query(cpu, 7, 0).ebx, 1 << 9);
		assert_int_equal(cpuid_query(cpu, 7, 0).ecx, 0);
		assert_int_equal(cpuid_query(cpu, 0x80000008, 0).eax, 46 | 32 << 8);
		cpu->gpr[RCX] = 0xc0000080;
		EXPECT_FAULT(rig, "\x0f\x32", 13, 0);
	}
	WITH_RIG(rig, RIG_LONG)
	{
		rig->cpu->features &= ~CPU_FEATURE_RANDOM;
		assert_false(cpuid_query(rig->cpu, 1, 0).ecx & 1 << 30);
		assert_false(cpuid_query(rig->cpu, 7, 0).ebx & 1 << 18);
		RIG_RUN(rig, "\x0f\xc7\xf0", 1);
		assert_int_equal(handler_reached(rig), 6);
	}
}

/* -- RDRAND, RDSEED -- */

enum { RANDOM_LENGTH = 4 };

/* An instruction with ModRM.rm = RBX: the register, and whether the flags say that the number is good. */
static uint64_t draw(struct rig *rig, const char *bytes)
{
	rig->cpu->gpr[RBX] = 0xaaaaaaaaaaaaaaaa;
	cpu_set_eflags(rig->cpu, FLAG_PF | FLAG_AF | FLAG_ZF | FLAG_SF | FLAG_OF,
		       FLAG_CF | FLAG_PF | FLAG_AF | FLAG_ZF | FLAG_SF | FLAG_OF);
	rig_code(rig, bytes, RANDOM_LENGTH);
	rig_run(rig, 1);
	assert_int_equal(cpu_get_eflags(rig->cpu) & FLAGS_ARITHMETIC, FLAG_CF);
	return rig->cpu->gpr[RBX];
}

static void random_numbers_differ_and_repeat(void **state)
{
	enum { DRAWS = 1000 };
	static uint64_t first[DRAWS];
	uint64_t set = 0, cleared = 0;

	(void)state;
	for (unsigned run = 0; run < 2; run++) { /* the same run is the same run */
		WITH_RIG(rig, RIG_LONG)
		{
			for (unsigned i = 0; i < DRAWS; i++) {
				uint64_t number = draw(rig, i & 1 ? "\x48\x0f\xc7\xf3" : "\x48\x0f\xc7\xfb");

				if (run)
					assert_true(number == first[i]);
				else if (i)
					assert_true(number != first[i - 1]);
				first[i] = number;
				set |= number;
				cleared |= ~number;
			}
		}
	}
	assert_true(set == UINT64_MAX && cleared == UINT64_MAX);
}

static void random_numbers_have_the_operand_size(void **state)
{
	(void)state;
	WITH_RIG(rig, RIG_LONG)
	{
		assert_int_equal(draw(rig, "\x0f\xc7\xf3\x90") >> 32, 0);
		assert_int_equal(draw(rig, "\x66\x0f\xc7\xf3") >> 16, 0xaaaaaaaaaaaa);
	}
	WITH_RIG(rig, RIG_PROT32)
	{
		assert_int_equal(draw(rig, "\x66\x0f\xc7\xfb") >> 16 & 0xffff, 0xaaaa);
		assert_true((uint32_t)draw(rig, "\x0f\xc7\xfb\x90") != 0xaaaaaaaa);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(readable_and_writable),
		cmocka_unit_test(write_only_and_constant),
		cmocka_unit_test(canonical_by_capability),
		cmocka_unit_test(prediction_command),
		cmocka_unit_test(time_stamp_counter),
		cmocka_unit_test(identification),
		cmocka_unit_test(features_can_be_switched_off),
		cmocka_unit_test(random_numbers_differ_and_repeat),
		cmocka_unit_test(random_numbers_have_the_operand_size),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
