/* Instructions that product context stands in for, since our CPU lacks them (redirect/cpu_specific.h). */
#include "tests/unit/worlds_rig.h"

#include "redirect/cpu_specific.h"

#define CODE (DATA + 0x100)
enum { NONSENSE = 0x5555 };

struct place {
	struct machine machine;
	struct worlds *worlds;
	struct losses losses;
	struct calls calls;
	struct code code;
};

/* The product's kernel is one of its own, whose code is at DATA. */
static struct place *make_place(struct scene *scene)
{
	struct place *place = calloc(1, sizeof(*place));

	place->worlds = make_worlds(scene, &place->machine, scene->context.way);
	kernel_init(&place->worlds->another, &no_symbols, scene->rig.cpu, &place->worlds->memory, 8);
	place->worlds->product = &place->worlds->another;
	place->calls = (struct calls){.worlds = place->worlds, .losses = &place->losses};
	place->code = (struct code){.worlds = place->worlds, .calls = &place->calls};
	return place;
}

static void free_place(struct scene *scene, struct place *place)
{
	close_worlds(scene, place->worlds);
	free(place);
}

static void put(struct place *place, const char *code, size_t size)
{
	struct cpu *cpu = place->worlds->cpu;
	uint8_t bytes[16] = {0};

	memcpy(bytes, code, size);
	assert_true(product_memory_write(&place->worlds->memory, CODE, bytes, sizeof(bytes)));
	for (unsigned i = 0; i < 16; i++)
		cpu->gpr[i] = NONSENSE;
	cpu->rip = CODE;
	cpu_set_eflags(cpu, FLAGS_ARITHMETIC, FLAGS_ARITHMETIC);
}

static void test_table(void **state)
{
	static const struct {
		const char *code;
		unsigned size;
		enum gpr changed;
		uint64_t value;
		bool flags;
	} cases[] = {
#define CASE(code, changed, value, flags) {code, sizeof(code) - 1, changed, value, flags}
		CASE("\x0f\xae\x67\x40", RSP, NONSENSE, false),               /* xsave [rdi + 40h] */
		CASE("\x48\x0f\xae\xac\x24\0\x10\0\0", RSP, NONSENSE, false), /* xrstor64 [rsp + 1000h] */
		CASE("\x48\x0f\xc7\x2f", RSP, NONSENSE, false),               /* xsaves64 [rdi] */
		CASE("\x48\x0f\xc7\x1d\x10\0\0\0", RSP, NONSENSE, false),     /* xrstors64 [rip + 10h] */
		CASE("\x66\x41\x0f\xae\x3c\x0f", RSP, NONSENSE, false),       /* clflushopt [r15 + rcx] */
		CASE("\x66\x0f\xae\x30", RSP, NONSENSE, false),               /* clwb [rax] */
		CASE("\x3e\x66\x0f\xae\x30", RSP, NONSENSE, false),           /* the same, with a prefix to fill */
		CASE("\x66\x0f\xae\xf3", RSP, NONSENSE, false),               /* tpause ebx */
		CASE("\xf3\x41\x0f\xc7\xf9", R9, 0, false),                   /* rdpid r9 */
		CASE("\x48\x0f\xc7\xf2", RDX, 0, true),                       /* rdrand rdx */
		CASE("\x0f\xc7\xfb", RBX, 0, true),                           /* rdseed ebx */
		CASE("\x0f\x01\xef", RSP, NONSENSE, false),                   /* wrpkru */
		CASE("\x0f\x01\xe8", RSP, NONSENSE, false),                   /* serialize */
		CASE("\x0f\x01\xd9", RAX, (uint64_t)-1000, false),            /* vmmcall */
	};
	struct scene *scene = *state;
	struct place *place = make_place(scene);
	struct cpu *cpu = scene->rig.cpu;

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		put(place, cases[i].code, cases[i].size);
		assert_true(cpu_specific_execute(&place->code));
		assert_int_equal(cpu->rip, CODE + cases[i].size);
		for (unsigned j = 0; j < 16; j++)
			assert_int_equal(cpu->gpr[j], j == cases[i].changed ? cases[i].value : NONSENSE);
		assert_int_equal(cpu_get_eflags(cpu) & FLAGS_ARITHMETIC, cases[i].flags ? 0 : FLAGS_ARITHMETIC);
	}
	assert_int_equal(place->losses.count[LOSS_OUTSIDE], 1); /* the hypervisor */
	put(place, "\x0f\x01\xee", 3);                          /* rdpkru */
	assert_true(cpu_specific_execute(&place->code));
	assert_int_equal(cpu->gpr[RAX] | cpu->gpr[RDX], 0);
	free_place(scene, place);
}

/* What is not in the table is left alone, and named if some CPU may have it. */
static void test_others(void **state)
{
	static const struct {
		const char *code;
		const char *name; /* NULL: no CPU has it */
	} cases[] = {
		{"\xc5\xfd\x6f\x07\x90\x90\x90", "c5 fd 6f 07 90 90"}, /* vmovdqa ymm0, [rdi] */
		{"\x66\x0f\x38\xf8\x07\x90\x90", "66 0f 38 f8 07 90"}, /* movdir64b rax, [rdi] */
		{"\xf3\x0f\xae\xe8\x90\x90\x90", "f3 0f ae e8 90 90"}, /* incsspd eax */
		{"\x0f\xae\xe8\x90\x90\x90\x90", "0f ae e8 90 90 90"}, /* lfence, which is no XRSTOR */
		{"\x0f\x0b\x90\x90\x90\x90\x90", NULL},                /* ud2 */
		{"\x67\x0f\xb9\x3a\x90\x90\x90", NULL},
		{"\x0f\xb9\x3a\x90\x90\x90\x90", NULL}, /* ud1 */
	};
	struct scene *scene = *state;
	struct place *place = make_place(scene);
	char text[CPU_SPECIFIC_TEXT];

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		put(place, cases[i].code, 7);
		assert_false(cpu_specific_execute(&place->code));
		assert_int_equal(scene->rig.cpu->rip, CODE);
		assert_int_equal(cpu_specific_name(&place->code, text), cases[i].name != NULL);
		if (cases[i].name)
			assert_string_equal(text, cases[i].name);
	}
	free_place(scene, place);
}

static void test_multiplication(void **state)
{
	struct scene *scene = *state;
	struct place *place = make_place(scene);
	union xmm *xmm = scene->rig.cpu->xmm;

	xmm[1].u64[0] = 3;
	xmm[1].u64[1] = 1ull << 63;
	xmm[9].u64[0] = 1ull << 63 | 3;
	xmm[9].u64[1] = 5;
	put(place, "\x66\x41\x0f\x3a\x44\xc9\x00", 7); /* pclmulqdq xmm1, xmm9, 0 */
	assert_true(cpu_specific_execute(&place->code));
	assert_int_equal(scene->rig.cpu->rip, CODE + 7);
	assert_int_equal(xmm[1].u64[0], 1ull << 63 | 5);
	assert_int_equal(xmm[1].u64[1], 1);
	xmm[1].u64[1] = 1ull << 63;
	assert_true(product_memory_write(&place->worlds->memory, CODE + 0x40, (uint64_t[]){7, 1ull << 63}, 16));
	put(place, "\x66\x0f\x3a\x44\x0d\x36\0\0\0\x11", 10); /* pclmulqdq xmm1, [rip + 36h], 11h */
	assert_true(cpu_specific_execute(&place->code));
	assert_int_equal(scene->rig.cpu->rip, CODE + 10);
	assert_int_equal(xmm[1].u64[0], 0);
	assert_int_equal(xmm[1].u64[1], 1ull << 62);
	free_place(scene, place);
}

int main(void)
{
	static struct variant variant = {REDIRECT_CONTEXT, true};
	const struct CMUnitTest tests[] = {
		{"table", test_table, setup, teardown, &variant},
		{"others", test_others, setup, teardown, &variant},
		{"multiplication", test_multiplication, setup, teardown, &variant},
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
