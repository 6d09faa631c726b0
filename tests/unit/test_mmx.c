/*
 * MMX against the host's own: every row, both forms, random operands and x87 states; and what EMMS leaves.
 */
#include "simd_rig.h"

static void check_rows(bool tagged)
{
	struct simd_rig s;

	simd_rig_init(&s, tagged);
	for (size_t i = 0; i < isa_row_count; i++)
		if (isa_rows[i].attributes & A_MMX)
			simd_check_row(&s, &isa_rows[i], SIMD_MASKED, 300);
	simd_rig_deinit(&s);
}

static void test_plain(void **state)
{
	(void)state;
	check_rows(false);
}

static void test_tagged(void **state)
{
	(void)state;
	check_rows(true);
}

/* 66, F2 and F3 make other instructions of MMX opcodes, or none. */
static void test_prefixes(void **state)
{
	static const struct {
		const char *code;
		int vector;
	} cases[] = {
		{"\xf3\x0f\xfc\xc1", VECTOR_UD},                                      /* PADDB */
		{"\xf2\x0f\xfc\xc1", VECTOR_UD}, {"\x66\x0f\x77", VECTOR_UD},         /* EMMS */
		{"\xf3\x0f\x77", VECTOR_UD},     {"\x66\xf3\x0f\x6f\xc1", -1},        /* MOVDQU: F3 hides 66 */
		{"\xf2\xf3\x0f\x6f\xc1", -1},    {"\xf3\xf2\x0f\x6f\xc1", VECTOR_UD}, /* the last of F2 and F3 counts */
		{"\x0f\x71\xc1\x01", VECTOR_UD}, {"\x0f\x73\xd9\x01", VECTOR_UD},     /* PSRLDQ is for XMM only */
		{"\x0f\xe7\xc1", VECTOR_UD},     {"\x0f\xc5\x03\x01", VECTOR_UD},     /* MOVNTQ to, PEXTRW from the wrong kind */
		{"\x66\x0f\x12\xc1", VECTOR_UD}, {"\x66\x0f\x38\x2a\xc1", VECTOR_UD}, /* MOVLPD, MOVNTDQA between registers */
		{"\x0f\x6c\xc1", VECTOR_UD},     {"\x0f\x38\x10\xc1", VECTOR_UD},     /* no such MMX instructions */
		{"\x66\x0f\x6c\xc1", -1},        {"\x66\x0f\x38\x10\xc1", -1},
	};
	struct simd_rig s;
	struct simd_state before;

	(void)state;
	simd_rig_init(&s, false);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		uint8_t code[16] = {0};
		struct simd_state guest;
		unsigned length = (unsigned)strlen(cases[i].code);

		memcpy(code, cases[i].code, length);
		simd_random_state(&s, SIMD_MASKED, &before);
		guest = before;
		assert_int_equal(simd_run_guest(&s, &guest, code, length), cases[i].vector);
		guest = before;
		assert_int_equal(simd_run_host(&s, &guest, code, length), cases[i].vector);
	}
	simd_rig_deinit(&s);
}

/* CR0.EM: #UD; CR0.TS: #NM; EM first. */
static void test_availability(void **state)
{
	static const uint8_t paddb[] = {0x0f, 0xfc, 0xc1}, paddb_xmm[] = {0x66, 0x0f, 0xfc, 0xc1};
	struct simd_rig s;
	struct simd_state before, guest;

	(void)state;
	simd_rig_init(&s, false);
	simd_random_state(&s, SIMD_MASKED, &before);
	memset(before.fx.x87, 0, sizeof(before.fx.x87));
	before.fx.x87[0] = 0x7f;
	for (unsigned bits = 0; bits < 4; bits++) {
		int expected = bits & 1 ? VECTOR_UD : bits & 2 ? VECTOR_NM : -1;

		s.rig.cpu->cr0 &= ~(uint64_t)(CR0_EM | CR0_TS);
		s.rig.cpu->cr0 |= (bits & 1 ? CR0_EM : 0) | (bits & 2 ? CR0_TS : 0);
		guest = before;
		assert_int_equal(simd_run_guest(&s, &guest, paddb, sizeof(paddb)), expected);
		guest = before;
		assert_int_equal(simd_run_guest(&s, &guest, paddb_xmm, sizeof(paddb_xmm)), expected);
	}
	s.rig.cpu->cr0 &= ~(uint64_t)(CR0_EM | CR0_TS);
	s.rig.cpu->cr4 &= ~(uint64_t)CR4_OSFXSR;
	guest = before;
	assert_int_equal(simd_run_guest(&s, &guest, paddb, sizeof(paddb)), -1);
	guest = before;
	assert_int_equal(simd_run_guest(&s, &guest, paddb_xmm, sizeof(paddb_xmm)), VECTOR_UD);
	simd_rig_deinit(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plain),
		cmocka_unit_test(test_tagged),
		cmocka_unit_test(test_prefixes),
		cmocka_unit_test(test_availability),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
