/*
 * SSE to SSE4.2 against the host's own: every row, both forms, random operands, rounding modes and exception masks.
 */
#include "simd_rig.h"

static bool is_state(const struct isa_row *row)
{
	return row->op == OP_FXSAVE || row->op == OP_FXSAVE64 || row->op == OP_FXRSTOR || row->op == OP_FXRSTOR64 || row->op == OP_LDMXCSR;
}

static void check_rows(bool tagged, enum simd_masks masks, uint32_t attributes, unsigned count)
{
	struct simd_rig s;

	if (!__builtin_cpu_supports("sse4.2"))
		skip();
	simd_rig_init(&s, tagged);
	for (size_t i = 0; i < isa_row_count; i++)
		if ((isa_rows[i].attributes & attributes) == attributes && !is_state(&isa_rows[i]))
			simd_check_row(&s, &isa_rows[i], masks, count);
	simd_rig_deinit(&s);
}

static void test_masked(void **state)
{
	(void)state;
	check_rows(false, SIMD_MASKED, A_SSE, 200);
}

static void test_masked_tagged(void **state)
{
	(void)state;
	check_rows(true, SIMD_MASKED, A_SSE, 100);
}

static void test_unmasked(void **state)
{
	(void)state;
	check_rows(false, SIMD_UNMASKED, A_SSE | A_SIMD_FP, 500);
}

static void test_unmasked_tagged(void **state)
{
	(void)state;
	check_rows(true, SIMD_UNMASKED, A_SSE | A_SIMD_FP, 200);
}

/* Tags of the result, by those of the operands: united, taken over, or gone. */
static void test_tags(void **state)
{
	enum { A = TAG_STACK, B = TAG_PRODUCT };
	static const struct {
		const char *name;
		uint8_t code[8];
		unsigned length;
		tag_t xmm1, eax, mm1; /* after; before: xmm1 and mm1 A, xmm2 and mm2 B, eax B */
	} cases[] = {
		{"paddb xmm1, xmm2", {0x66, 0x0f, 0xfc, 0xca}, 4, A | B, B, A},
		{"movaps xmm1, xmm2", {0x0f, 0x28, 0xca}, 3, B, B, A},
		{"pshufd xmm1, xmm2", {0x66, 0x0f, 0x70, 0xca, 0}, 5, B, B, A},
		{"movss xmm1, xmm2", {0xf3, 0x0f, 0x10, 0xca}, 4, A | B, B, A},
		{"movss xmm1, [rbx]", {0xf3, 0x0f, 0x10, 0x0b}, 4, 0, B, A},
		{"addsd xmm1, [rbx]", {0xf2, 0x0f, 0x58, 0x0b}, 4, A, B, A},
		{"pxor xmm1, xmm1", {0x66, 0x0f, 0xef, 0xc9}, 4, 0, B, A},
		{"xorps xmm1, xmm1", {0x0f, 0x57, 0xc9}, 3, 0, B, A},
		{"psubq xmm1, xmm1", {0x66, 0x0f, 0xfb, 0xc9}, 4, 0, B, A},
		{"paddq xmm1, xmm1", {0x66, 0x0f, 0xd4, 0xc9}, 4, A, B, A},
		{"movd xmm1, eax", {0x66, 0x0f, 0x6e, 0xc8}, 4, B, B, A},
		{"movd eax, xmm1", {0x66, 0x0f, 0x7e, 0xc8}, 4, A, A, A},
		{"pinsrw xmm1, eax", {0x66, 0x0f, 0xc4, 0xc8, 1}, 5, A | B, B, A},
		{"cvttss2si eax, xmm1", {0xf3, 0x0f, 0x2c, 0xc1}, 4, A, A, A},
		{"pmovmskb eax, mm1", {0x0f, 0xd7, 0xc1}, 3, A, A, A},
		{"paddb mm1, mm2", {0x0f, 0xfc, 0xca}, 3, A, B, A | B},
		{"pxor mm1, mm1", {0x0f, 0xef, 0xc9}, 3, A, B, 0},
		{"movq2dq xmm1, mm2", {0xf3, 0x0f, 0xd6, 0xca}, 4, B, B, A},
		{"movdq2q mm1, xmm2", {0xf2, 0x0f, 0xd6, 0xca}, 4, A, B, B},
	};
	struct simd_rig s;
	struct cpu *cpu;

	(void)state;
	simd_rig_init(&s, true);
	cpu = s.rig.cpu;
	cpu->gpr[RBX] = SIMD_POINTER;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		cpu->xmm_tag[1] = cpu->fpu_tag[1] = A;
		cpu->xmm_tag[2] = cpu->fpu_tag[2] = cpu->gpr_tag[RAX] = B;
		rig_code(&s.rig, cases[i].code, cases[i].length);
		rig_run(&s.rig, 1);
		if (cpu->xmm_tag[1] != cases[i].xmm1 || cpu->gpr_tag[RAX] != cases[i].eax || cpu->fpu_tag[1] != cases[i].mm1)
			fail_msg("%s: xmm1 %d, eax %d, mm1 %d", cases[i].name, cpu->xmm_tag[1], cpu->gpr_tag[RAX], cpu->fpu_tag[1]);
	}
	simd_rig_deinit(&s);
}

/* Runs one instruction on both, with nothing random in memory. */
static int run_both(struct simd_rig *s, const void *code, unsigned length, struct simd_state *host, struct simd_state *guest)
{
	int host_vector, guest_vector;

	rig_write(&s->rig, SIMD_DATA, s->data, SIMD_DATA_SIZE);
	host_vector = simd_run_host(s, host, code, length);
	guest_vector = simd_run_guest(s, guest, code, length);
	assert_int_equal(host_vector, guest_vector);
	return guest_vector;
}

static void ordinary_state(struct simd_rig *s, struct simd_state *ret)
{
	do
		simd_random_state(s, SIMD_MASKED, ret);
	while (ret->fx.x87[2] & X87_ES || ret->gpr[RBX] & 15);
}

static void test_fxsave(void **state)
{
	static const char *const codes[] = {"\x0f\xae\x03", "\x48\x0f\xae\x03"};
	struct simd_rig s;
	struct simd_state before, host, guest;
	const struct fxsave_image *native;
	struct fxsave_image image;

	(void)state;
	simd_rig_init(&s, false);
	for (unsigned i = 0; i < 100; i++) {
		const char *code = codes[i & 1];

		ordinary_state(&s, &before);
		host = guest = before;
		memset(s.data, 0xaa, SIMD_DATA_SIZE);
		assert_int_equal(run_both(&s, code, (unsigned)strlen(code), &host, &guest), -1);
		assert_true(physmem_copy_out(&s.rig.mem, before.gpr[RBX], &image, sizeof(image)));
		native = (const struct fxsave_image *)(uintptr_t)before.gpr[RBX];
		image.mxcsr_mask = native->mxcsr_mask;      /* the host's may be wider */
		memcpy(image.x87 + 6, native->x87 + 6, 18); /* and it may not store FOP, FIP and FDP (see test_x87) */
		assert_memory_equal(&image, native, sizeof(image));
	}
	simd_rig_deinit(&s);
}

static void test_fxrstor(void **state)
{
	static const uint8_t code[] = {0x48, 0x0f, 0xae, 0x0b};
	struct simd_rig s;
	struct simd_state before, other, host, guest;

	(void)state;
	simd_rig_init(&s, false);
	for (unsigned i = 0; i < 100; i++) {
		bool reserved = i % 10 == 9;

		ordinary_state(&s, &before);
		ordinary_state(&s, &other);
		if (i % 3 == 2)
			before.gpr[RBX] += 8;
		if (reserved)
			other.fx.mxcsr |= 0x10000u << i % 16;
		if (other.fx.mxcsr & 0x20000)
			continue; /* MM, which the host may have */
		host = guest = before;
		memcpy((void *)(uintptr_t)before.gpr[RBX], &other.fx, sizeof(other.fx));
		run_both(&s, code, sizeof(code), &host, &guest);
		assert_int_equal(host.fx.mxcsr, guest.fx.mxcsr);
		assert_memory_equal(host.fx.xmm, guest.fx.xmm, sizeof(host.fx.xmm));
		assert_memory_equal(host.fx.x87, guest.fx.x87, 5);
		assert_memory_equal(host.fx.st, guest.fx.st, sizeof(host.fx.st));
	}
	simd_rig_deinit(&s);
}

/* A misaligned image in the stack segment: #GP, unless its first doubleword is not canonical. */
static void test_fx_edge(void **state)
{
	static const char *const codes[] = {"\x48\x0f\xae\x45\x00", "\x48\x0f\xae\x4d\x00"}; /* FXSAVE64, FXRSTOR64 [rbp] */
	static const struct {
		uint64_t address;
		unsigned vector;
	} cases[] = {
		{0x7fffffffffff, VECTOR_SS},
		{0x7ffffffffffd, VECTOR_SS},
		{0x7ffffffffffc, VECTOR_GP},
		{0x800000000001, VECTOR_SS},
	};
	struct simd_rig s;

	(void)state;
	simd_rig_init(&s, false);
	for (unsigned i = 0; i < 2 * sizeof(cases) / sizeof(cases[0]); i++) {
		s.rig.cpu->gpr[RBP] = cases[i / 2].address;
		rig_code(&s.rig, codes[i & 1], 5);
		rig_run(&s.rig, 1);
		assert_int_equal(s.rig.cpu->rip, SIMD_HANDLERS + cases[i / 2].vector * 16);
	}
	simd_rig_deinit(&s);
}

static void test_ldmxcsr(void **state)
{
	static const uint8_t code[] = {0x0f, 0xae, 0x13};
	struct simd_rig s;
	struct simd_state before, guest;

	(void)state;
	simd_rig_init(&s, false);
	for (unsigned bit = 0; bit < 32; bit++) {
		uint32_t value = MXCSR_DEFAULT ^ 1u << bit;

		ordinary_state(&s, &before);
		guest = before;
		rig_write(&s.rig, before.gpr[RBX], &value, 4);
		assert_int_equal(simd_run_guest(&s, &guest, code, sizeof(code)), bit < 16 ? -1 : VECTOR_GP);
		assert_int_equal(guest.fx.mxcsr, bit < 16 ? value : before.fx.mxcsr);
		assert_int_equal(!!(s.rig.cpu->mode & MODE_SIMD_TRAPS), bit >= 7 && bit < 13);
	}
	simd_rig_deinit(&s);
}

/* Flags stick over a run of instructions, and an unmasked exception within it sees those of its own operation only. */
static void test_sticky_flags(void **state)
{
	static const uint8_t code[] = {
		0xf3, 0x0f, 0x5e, 0xc1, /* DIVSS xmm0, xmm1: 1/3, PE */
		0x0f, 0xae, 0x1b,       /* STMXCSR [rbx] */
		0x0f, 0xae, 0x53, 0x10, /* LDMXCSR [rbx+16]: ZM clear, PE set */
		0xf3, 0x0f, 0x58, 0xd2, /* ADDSS xmm2, xmm2 */
		0xf3, 0x0f, 0x5e, 0xd3, /* DIVSS xmm2, xmm3: 2/0, #XM */
	};
	struct simd_rig s;
	struct cpu *cpu;
	uint32_t value = (MXCSR_DEFAULT & ~(uint32_t)(MXCSR_ZE << MXCSR_MASK_SHIFT)) | MXCSR_PE;

	(void)state;
	simd_rig_init(&s, false);
	cpu = s.rig.cpu;
	cpu->xmm[0].f32[0] = 1;
	cpu->xmm[1].f32[0] = 3;
	cpu->xmm[2].f32[0] = 1;
	cpu->gpr[RBX] = SIMD_POINTER;
	rig_write(&s.rig, SIMD_POINTER + 16, &value, 4);
	rig_code(&s.rig, code, sizeof(code));
	rig_run(&s.rig, 5);
	assert_int_equal(cpu->rip, SIMD_HANDLERS + VECTOR_XM * 16);
	assert_int_equal((uint32_t)rig_read64(&s.rig, SIMD_POINTER), MXCSR_DEFAULT | MXCSR_PE);
	assert_int_equal(cpu->mxcsr, value | MXCSR_ZE);
	assert_true(cpu->xmm[2].f32[0] == 2);

	cpu->cr4 &= ~(uint64_t)CR4_OSXMMEXCPT;
	rig_code(&s.rig, code + 15, 4);
	rig_run(&s.rig, 1);
	assert_int_equal(cpu->rip, SIMD_HANDLERS + VECTOR_UD * 16);
	assert_int_equal(host_mxcsr_get(), MXCSR_DEFAULT);
	simd_rig_deinit(&s);
}

/* PE beside an unmasked overflow or underflow is that of the result with an unbounded exponent; beside a masked one that of the result. */
static void test_precision(void **state)
{
	static const struct {
		const char *code; /* with xmm0 and xmm1 */
		float a[2], b[2];
		uint32_t unmasked, flags;
	} cases[] = {
		{"\xf3\x0f\x59\xc1", {0x1p127f}, {2}, MXCSR_OE, MXCSR_OE}, /* MULSS */
		{"\xf3\x0f\x59\xc1", {0x1.8p127f}, {0x1.000002p1f}, MXCSR_OE, MXCSR_OE | MXCSR_PE},
		{"\xf3\x0f\x59\xc1", {0x1.000002p-100f}, {0x1p-48f}, MXCSR_UE, MXCSR_UE},
		{"\xf3\x0f\x5e\xc1", {0x1p-120f}, {0x1.8p20f}, MXCSR_UE, MXCSR_UE | MXCSR_PE}, /* DIVSS */
		{"\xf3\x0f\x5e\xc1", {0x1.8p-120f}, {0x1.8p20f}, MXCSR_UE, MXCSR_UE},
		{"\xf3\x0f\x58\xc1", {0x1p127f}, {0x1p127f}, MXCSR_OE, MXCSR_OE},  /* ADDSS */
		{"\xf3\x0f\x5c\xc1", {0x1p127f}, {-0x1p127f}, MXCSR_OE, MXCSR_OE}, /* SUBSS */
		{"\x0f\x59\xc1", {0x1p127f, 1}, {2, 1}, MXCSR_OE, MXCSR_OE},       /* MULPS */
		{"\x0f\x59\xc1", {0x1p127f, 0x1.8p0f}, {2, 0x1.000002p0f}, MXCSR_OE, MXCSR_OE | MXCSR_PE},
		{"\x0f\x59\xc1", {0x1p127f, 0x1.000002p-100f}, {2, 0x1p-48f}, MXCSR_OE, MXCSR_OE | MXCSR_UE | MXCSR_PE},
		{"\xf2\x0f\x7c\xc1", {0x1p127f, 0x1p127f}, {0}, MXCSR_OE, MXCSR_OE},            /* HADDPS */
		{"\xf2\x0f\x7d\xc1", {0}, {0x1p127f, -0x1p127f}, MXCSR_OE, MXCSR_OE},           /* HSUBPS */
		{"\xf2\x0f\xd0\xc1", {0x1p127f, 0x1p127f}, {-0x1p127f, 0}, MXCSR_OE, MXCSR_OE}, /* ADDSUBPS */
	};
	struct simd_rig s;

	(void)state;
	simd_rig_init(&s, false);
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct cpu *cpu = s.rig.cpu;

		memset(cpu->xmm, 0, 32);
		memcpy(cpu->xmm[0].f32, cases[i].a, 8);
		memcpy(cpu->xmm[1].f32, cases[i].b, 8);
		cpu->mxcsr = MXCSR_DEFAULT & ~(cases[i].unmasked << MXCSR_MASK_SHIFT);
		cpu_update_mode(cpu);
		rig_code(&s.rig, cases[i].code, strlen(cases[i].code));
		rig_run(&s.rig, 1);
		assert_int_equal(cpu->rip, SIMD_HANDLERS + VECTOR_XM * 16);
		assert_int_equal(cpu->mxcsr & MXCSR_FLAGS, cases[i].flags);
	}
	simd_rig_deinit(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_masked),          cmocka_unit_test(test_masked_tagged), cmocka_unit_test(test_unmasked),
		cmocka_unit_test(test_unmasked_tagged), cmocka_unit_test(test_tags),          cmocka_unit_test(test_fxsave),
		cmocka_unit_test(test_fxrstor),         cmocka_unit_test(test_ldmxcsr),       cmocka_unit_test(test_sticky_flags),
		cmocka_unit_test(test_precision),       cmocka_unit_test(test_fx_edge),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
