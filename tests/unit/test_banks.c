/*
 * Clients' banks: which world each kind of access reaches, by the mode alone (plain execution) and by the address's tag (tagged execution).
 *
 * One oracle for all instructions: what an instruction does to world B through a client's bank is what it does to the CPU's own memory when
 * that holds what B held; and the other world stays as it was.
 */
#include "tests/unit/rig.h"

enum { WINDOW = RIG_DATA, WINDOW_SIZE = 0x8000 };

struct other_world {
	struct tlb_client client;
	struct tlb *bank;
	bool everything; /* not only the window: all addresses, as zeros */
	uint8_t memory[WINDOW_SIZE], shadow[WINDOW_SIZE], zeros[4096];
	unsigned fills;
};

static enum tlb_fill_status fill(struct tlb_client *client, uint64_t linear, bool write, struct tlb_page *ret_page)
{
	struct other_world *world = (struct other_world *)client;
	uint64_t offset = (linear & PAGE_MASK) - WINDOW;

	(void)write;
	world->fills++;
	if (offset < WINDOW_SIZE)
		*ret_page = (struct tlb_page){.host = world->memory + offset, .shadow = world->shadow + offset};
	else if (world->everything)
		*ret_page = (struct tlb_page){.host = world->zeros};
	else
		return TLB_FILL_TRUSTED;
	return TLB_FILL_OK;
}

static struct other_world *open_other_world(void)
{
	struct other_world *world = calloc(1, sizeof(*world));

	world->client.fill = fill;
	world->bank = aligned_alloc(64, (sizeof(*world->bank) + 63) & ~(size_t)63);
	tlb_init(world->bank);
	world->bank->client = &world->client;
	return world;
}

static void close_other_world(struct other_world *world)
{
	free(world->bank);
	free(world);
}

/* -- every kind of access -- */

#define INSTRUCTION(code)                                                                                                                  \
	{                                                                                                                                  \
		code, sizeof(code) - 1, 1                                                                                                  \
	}
#define INSTRUCTIONS(code, count)                                                                                                          \
	{                                                                                                                                  \
		code, sizeof(code) - 1, count                                                                                              \
	}
static const struct {
	const char *code;
	unsigned size, count;
} instructions[] = {
	INSTRUCTION("\x48\x8b\x06"),                                       /* mov rax, [rsi] */
	INSTRUCTION("\x48\x89\x06"),                                       /* mov [rsi], rax */
	INSTRUCTION("\xc6\x06\x55"),                                       /* mov byte [rsi], 55h */
	INSTRUCTION("\x48\x0f\xc3\x06"),                                   /* movnti [rsi], rax */
	INSTRUCTION("\xa1\x00\x08\x03\0\0\0\0\0"),                         /* mov eax, [abs 30800h] */
	INSTRUCTION("\x48\x01\x06"),                                       /* add [rsi], rax */
	INSTRUCTION("\x48\x03\x06"),                                       /* add rax, [rsi] */
	INSTRUCTION("\xf0\xff\x06"),                                       /* lock inc dword [rsi] */
	INSTRUCTION("\x48\x87\x06"),                                       /* xchg [rsi], rax */
	INSTRUCTION("\xf0\x48\x0f\xc1\x06"),                               /* lock xadd [rsi], rax */
	INSTRUCTION("\x48\x0f\xb1\x0e"),                                   /* cmpxchg [rsi], rcx */
	INSTRUCTION("\x0f\xc7\x0e"),                                       /* cmpxchg8b [rsi] */
	INSTRUCTION("\x48\x0f\xc7\x0e"),                                   /* cmpxchg16b [rsi] */
	INSTRUCTION("\x48\x0f\xba\x2e\x05"),                               /* bts qword [rsi], 5 */
	INSTRUCTION("\x48\x0f\xab\x0e"),                                   /* bts [rsi], rcx */
	INSTRUCTION("\x48\x0f\xb6\x06"),                                   /* movzx rax, byte [rsi] */
	INSTRUCTION("\x48\x0f\x44\x06"),                                   /* cmovz rax, [rsi] */
	INSTRUCTION("\x0f\x94\x06"),                                       /* setz [rsi] */
	INSTRUCTION("\x48\xf7\x26"),                                       /* mul qword [rsi] */
	INSTRUCTION("\x48\xd3\x26"),                                       /* shl qword [rsi], cl */
	INSTRUCTION("\x48\x0f\xa4\x06\x09"),                               /* shld [rsi], rax, 9 */
	INSTRUCTION("\x0f\x38\xf0\x06"),                                   /* movbe eax, [rsi] */
	INSTRUCTION("\xd7"),                                               /* xlat */
	INSTRUCTION("\xa4"),                                               /* movsb */
	INSTRUCTION("\x48\xa5"),                                           /* movsq */
	INSTRUCTION("\xf3\xa4"),                                           /* rep movsb */
	INSTRUCTIONS("\xfd\xf3\x66\xa5", 2),                               /* std; rep movsw */
	INSTRUCTION("\xf3\x48\xab"),                                       /* rep stosq */
	INSTRUCTION("\xf3\xac"),                                           /* rep lodsb */
	INSTRUCTION("\xf3\xa6"),                                           /* repe cmpsb */
	INSTRUCTION("\xf2\xae"),                                           /* repne scasb */
	INSTRUCTION("\x50"),                                               /* push rax */
	INSTRUCTION("\x6a\x11"),                                           /* push 11h */
	INSTRUCTION("\xff\x36"),                                           /* push [rsi] */
	INSTRUCTION("\x58"),                                               /* pop rax */
	INSTRUCTION("\x8f\x06"),                                           /* pop [rsi] */
	INSTRUCTION("\x9c"),                                               /* pushf */
	INSTRUCTION("\x0f\xa0"),                                           /* push fs */
	INSTRUCTION("\xe8\0\0\0\0"),                                       /* call */
	INSTRUCTION("\xff\xd2"),                                           /* call rdx */
	INSTRUCTION("\xc9"),                                               /* leave */
	INSTRUCTION("\xc8\x10\0\0"),                                       /* enter 16, 0 */
	INSTRUCTION("\xc8\x10\0\x03"),                                     /* enter 16, 3 */
	INSTRUCTION("\x0f\x10\x06"),                                       /* movups xmm0, [rsi] */
	INSTRUCTION("\x0f\x11\x06"),                                       /* movups [rsi], xmm0 */
	INSTRUCTION("\x66\x0f\x6f\x06"),                                   /* movdqa xmm0, [rsi] */
	INSTRUCTION("\x66\x0f\xe7\x06"),                                   /* movntdq [rsi], xmm0 */
	INSTRUCTION("\xf3\x0f\x10\x06"),                                   /* movss xmm0, [rsi] */
	INSTRUCTION("\x66\x0f\xef\x06"),                                   /* pxor xmm0, [rsi] */
	INSTRUCTION("\xf2\x0f\x58\x06"),                                   /* addsd xmm0, [rsi] */
	INSTRUCTION("\x66\x0f\xf7\xc1"),                                   /* maskmovdqu xmm0, xmm1 */
	INSTRUCTION("\x0f\x6f\x06"),                                       /* movq mm0, [rsi] */
	INSTRUCTION("\x0f\x7f\x06"),                                       /* movq [rsi], mm0 */
	INSTRUCTION("\xd9\x06"),                                           /* fld dword [rsi] */
	INSTRUCTION("\xdd\x06"),                                           /* fld qword [rsi] */
	INSTRUCTION("\xdb\x2e"),                                           /* fld tword [rsi] */
	INSTRUCTIONS("\xd9\xe8\xdd\x1e", 2),                               /* fld1; fstp qword [rsi] */
	INSTRUCTIONS("\xd9\xe8\xdb\x3e", 2),                               /* fld1; fstp tword [rsi] */
	INSTRUCTIONS("\xd9\xe8\xdf\x1e", 2),                               /* fld1; fistp word [rsi] */
	INSTRUCTION("\xd8\x06"),                                           /* fadd dword [rsi] */
	INSTRUCTION("\xd9\x36"),                                           /* fnstenv [rsi] */
	INSTRUCTION("\xdd\x36"),                                           /* fnsave [rsi] */
	INSTRUCTION("\xd9\x3e"),                                           /* fnstcw [rsi] */
	INSTRUCTION("\x0f\xae\x06"),                                       /* fxsave [rsi] */
	INSTRUCTION("\x0f\xae\x1e"),                                       /* stmxcsr [rsi] */
	INSTRUCTION("\x0f\x01\x06"),                                       /* sgdt [rsi] */
	INSTRUCTIONS("\x6a\x08\x48\x8d\x05\x03\0\0\0\x50\x48\xcb\x90", 4), /* push 8; lea rax, [rip + 3]; push rax; retfq */
};

/* How the run goes. */
enum way { OWN, CONTEXT, TAGS, TAGS_OF_STACK };

/* Added to all addresses: accesses in the middle of pages, and across them. */
static const uint64_t shifts[] = {0, 0x7fd};

/* Everything that points to memory, and some other values. */
static void fill_registers(struct cpu *cpu, uint64_t shift, enum way way)
{
	static const enum gpr pointers[] = {RSI, RDI, RSP, RBP, RBX};

	for (unsigned i = 0; i < 16; i++)
		cpu->gpr[i] = 0x0102030405060708 * (i + 1);
	cpu->gpr[RCX] = 21;
	cpu->gpr[RAX] = 0x7071727374757633;
	cpu->gpr[RDX] = RIG_CODE + 0x100;
	for (unsigned i = 0; i < 5; i++) {
		cpu->gpr[pointers[i]] = WINDOW + 0x800 + 0x1000 * i + shift;
		cpu->gpr_tag[pointers[i]] = way == TAGS_OF_STACK ? TAG_STACK : 0;
	}
	for (unsigned i = 0; i < 16; i++)
		cpu->xmm[i] = (union xmm){.u64 = {0x3ff0f0f03f80f0f0 * (i | 1), 0x80ff7f0081fe7e01}};
}

static void fill_memory(uint8_t *memory, unsigned seed)
{
	for (unsigned i = 0; i < WINDOW_SIZE; i++)
		memory[i] = (uint8_t)((i * 7 + (i >> 8) * 13 + seed) % 251);
}

/* Runs instruction n in world B if B is the client's (else in the CPU's own memory); leaves both memories. */
static enum cpu_exit run_one(struct rig *rig, struct other_world *world, unsigned n, unsigned place, enum way way)
{
	uint8_t a[WINDOW_SIZE];

	rig_init(rig, RIG_LONG);
	fill_memory(a, way == OWN || way == TAGS_OF_STACK ? 1 : 100);
	fill_memory(world->memory, way == OWN || way == TAGS_OF_STACK ? 100 : 1);
	rig_write(rig, WINDOW, a, sizeof(a));
	rig_write(rig, RIG_CODE + 0x100, "\xeb\xfe", 2);
	fill_registers(rig->cpu, shifts[place], way);
	cpu_set_tagged(rig->cpu, way == TAGS || way == TAGS_OF_STACK);
	if (way != OWN)
		cpu_set_supervisor_banks(rig->cpu, world->bank, NULL);
	rig_code(rig, instructions[n].code, instructions[n].size);
	return rig_run(rig, instructions[n].count);
}

static void compare_cpus(const struct cpu *a, const struct cpu *b)
{
	assert_memory_equal(a->gpr, b->gpr, sizeof(a->gpr));
	assert_memory_equal(a->xmm, b->xmm, sizeof(a->xmm));
	assert_memory_equal(a->fpu.reg, b->fpu.reg, sizeof(a->fpu.reg));
	assert_int_equal(a->rip, b->rip);
	assert_int_equal(cpu_get_eflags(a), cpu_get_eflags(b));
}

static void check_instruction(struct other_world *world, unsigned n, unsigned place, enum way way)
{
	struct rig own, other;
	enum cpu_exit exit = run_one(&own, world, n, place, OWN);
	uint8_t expected[WINDOW_SIZE], untouched[WINDOW_SIZE], actual[WINDOW_SIZE];

	physmem_copy_out(&own.mem, WINDOW, expected, WINDOW_SIZE);
	fill_memory(untouched, 100);
	assert_int_equal(run_one(&other, world, n, place, way), exit);
	compare_cpus(own.cpu, other.cpu);
	physmem_copy_out(&other.mem, WINDOW, actual, WINDOW_SIZE);
	assert_memory_equal(way == TAGS_OF_STACK ? actual : world->memory, expected, WINDOW_SIZE);
	assert_memory_equal(way == TAGS_OF_STACK ? world->memory : actual, untouched, WINDOW_SIZE);
	rig_deinit(&own);
	rig_deinit(&other);
}

static void check_all(enum way way)
{
	struct other_world *world = open_other_world();

	for (unsigned n = 0; n < sizeof(instructions) / sizeof(*instructions); n++) {
		bool absolute = (unsigned char)instructions[n].code[0] == 0xa1;

		if (absolute && way == TAGS_OF_STACK)
			continue; /* a constant is no stack address */
		for (unsigned place = 0; place < 2; place++)
			check_instruction(world, n, place, way);
	}
	close_other_world(world);
}

static void test_by_context(void **state)
{
	(void)state;
	check_all(CONTEXT);
}

static void test_by_tag(void **state)
{
	(void)state;
	check_all(TAGS);
}

static void test_by_tag_of_stack(void **state)
{
	(void)state;
	check_all(TAGS_OF_STACK);
}

/* -- the processor's own accesses -- */

static void set_gate(struct rig *rig, unsigned vector, uint64_t handler)
{
	rig_write64(rig, RIG_IDT + 16 * vector, (handler & 0xffff) | RIG_CS0 << 16 | 0x8e00ull << 32 | (handler >> 16 & 0xffff) << 48);
	rig_write64(rig, RIG_IDT + 16 * vector + 8, handler >> 32);
}

/* Descriptors, gates, the TSS and the frames of events are the CPU's own world's, though a client answers for all addresses. */
static void test_tables_are_trusted(void **state)
{
	struct other_world *world = open_other_world();
	struct rig rig;

	(void)state;
	rig_init(&rig, RIG_LONG);
	set_gate(&rig, VECTOR_UD, RIG_CODE + 0x100);
	rig_write64(&rig, RIG_IDT + 16 * VECTOR_UD, rig_read64(&rig, RIG_IDT + 16 * VECTOR_UD) | 1ull << 32); /* IST1 */
	rig_write64(&rig, RIG_TSS_BASE + 0x24, RIG_STACK + 0x800);
	rig_write(&rig, RIG_CODE + 0x100, "\x48\x8b\x06\xeb\xfe", 5); /* mov rax, [rsi] */
	world->everything = true;
	world->memory[0] = 0x77;
	cpu_set_supervisor_banks(rig.cpu, world->bank, NULL);
	rig.cpu->gpr[RSI] = WINDOW;
	rig.cpu->gpr[RBX] = RIG_DS0;
	RIG_RUN(&rig, "\x8e\xdb\x0f\x02\xc3\x0f\x0b", 4); /* mov ds, ebx; lar eax, ebx; ud2; handler */
	assert_int_equal(rig.cpu->seg[SEG_DS].selector, RIG_DS0);
	assert_int_equal(rig.cpu->rip, RIG_CODE + 0x103);
	assert_int_equal(rig.cpu->gpr[RAX] & 0xff, 0x77); /* instructions' accesses are the client's, in the handler, too */
	assert_int_equal(rig.cpu->gpr[RSP], RIG_STACK + 0x800 - 40);
	assert_int_equal(rig_read64(&rig, rig.cpu->gpr[RSP]), RIG_CODE + 5);
	close_other_world(world);
	rig_deinit(&rig);
}

/* IRET to the same privilege finds what PUSH pushed, whichever world the stack is in. */
static void test_iret_to_self(void **state)
{
	struct other_world *world = open_other_world();
	struct rig rig;

	(void)state;
	rig_init(&rig, RIG_LONG);
	cpu_set_supervisor_banks(rig.cpu, world->bank, NULL);
	rig.cpu->gpr[RSP] = WINDOW + 0x800;
	/* mov rax, rsp; push 10h; push rax; pushf; push 8; lea rbx, [rip + 4]; push rbx; iretq; inc ecx */
	RIG_RUN(&rig, "\x48\x89\xe0\x6a\x10\x50\x9c\x6a\x08\x48\x8d\x1d\x03\0\0\0\x53\x48\xcf\xff\xc1\xeb\xfe", 9);
	assert_int_equal(rig.cpu->gpr[RCX], 1);
	assert_int_equal(rig.cpu->gpr[RSP], WINDOW + 0x800);
	assert_int_equal(rig_read64(&rig, WINDOW + 0x7f8), 0);
	close_other_world(world);
	rig_deinit(&rig);
}

/* -- SMAP -- */

/* 1 GiB up: 4 KiB pages of user space. */
static void map_user(struct rig *rig, unsigned pages)
{
	rig_write64(rig, RIG_TABLES + 0x1000 + 8, (RIG_TABLES + 0x3000) | 7);
	rig_write64(rig, RIG_TABLES + 0x3000, (RIG_TABLES + 0x4000) | 7);
	for (unsigned i = 0; i < pages; i++)
		rig_write64(rig, RIG_TABLES + 0x4000 + 8 * i, (0x50000 + i * 0x1000) | 7);
}

/* What STAC admitted CLAC ends, in a client's bank, too; the client is not asked again for its own pages. */
static void test_smap(void **state)
{
	enum { USER = 0x40000000 };
	struct other_world *world = open_other_world();
	struct rig rig;
	unsigned fills;

	(void)state;
	rig_init(&rig, RIG_LONG);
	for (unsigned i = 0; i < 512; i++) /* the kernel's own */
		rig_write64(&rig, RIG_TABLES + 0x2000 + 8 * i, (uint64_t)i << 21 | 0x83);
	map_user(&rig, 4);
	set_gate(&rig, VECTOR_PF, RIG_CODE + 0x100);
	rig_write(&rig, RIG_CODE + 0x100, "\xeb\xfe", 2);
	rig.cpu->cr4 |= CR4_SMAP;
	cpu_update_paging(rig.cpu);
	cpu_set_supervisor_banks(rig.cpu, world->bank, NULL);
	rig.cpu->gpr[RSI] = WINDOW;
	rig.cpu->gpr[RDI] = USER;
	rig_code(&rig, "\x0f\x01\xcb\x8a\x06\x88\x07\x0f\x01\xca\xeb\xf4", 12); /* stac; mov al, [rsi]; mov [rdi], al; clac; jmp */
	rig_run(&rig, 5);
	fills = world->fills;
	rig_run(&rig, 5 * 50);
	assert_int_equal(world->fills - fills, 50); /* by the user page */
	assert_int_equal(rig.cpu->rip, RIG_CODE);
	RIG_RUN(&rig, "\x0f\x01\xcb\x88\x07\x0f\x01\xca\x88\x07", 5);
	assert_int_equal(rig.cpu->rip, RIG_CODE + 0x100);
	assert_int_equal(rig.cpu->cr2, USER);
	close_other_world(world);
	rig_deinit(&rig);
}

/* -- shadows of the CPU's own memory -- */

static uint8_t own_shadow[4096];

static enum tlb_fill_status fill_shadow(struct tlb_client *client, uint64_t linear, bool write, struct tlb_page *ret_page)
{
	(void)client, (void)write;
	if ((linear & PAGE_MASK) == WINDOW)
		ret_page->shadow = own_shadow;
	return TLB_FILL_TRUSTED;
}

/* A client may give trusted memory, a stack, tags: they go by push and pop, whatever the page holds. */
static void test_shadow_of_trusted_page(void **state)
{
	struct tlb_client client = {.fill = fill_shadow, .default_tag = TAG_PRODUCT};
	struct tlb *bank = aligned_alloc(64, (sizeof(*bank) + 63) & ~(size_t)63);
	struct rig rig;

	(void)state;
	tlb_init(bank);
	bank->client = &client;
	rig_init(&rig, RIG_LONG);
	cpu_set_tagged(rig.cpu, true);
	cpu_set_supervisor_banks(rig.cpu, NULL, bank);
	rig.cpu->gpr[RSP] = WINDOW + 0x800;
	rig.cpu->gpr_tag[RSP] = TAG_STACK;
	rig.cpu->gpr_tag[RAX] = TAG_STACK | TAG_PRODUCT;
	/* push rax; push 1; pop rbx; pop rcx; mov rdx, [rsp + 1000h] */
	RIG_RUN(&rig, "\x50\x6a\x01\x5b\x59\x48\x8b\x94\x24\x00\x10\0\0", 5);
	assert_int_equal(rig.cpu->gpr_tag[RBX], 0);
	assert_int_equal(rig.cpu->gpr_tag[RCX], TAG_STACK | TAG_PRODUCT);
	assert_int_equal(rig.cpu->gpr_tag[RDX], TAG_PRODUCT); /* no shadow: the client's default */
	assert_int_equal(own_shadow[0x7f8], TAG_STACK | TAG_PRODUCT);
	assert_int_equal(own_shadow[0x7f0], 0);
	assert_int_equal(rig_read64(&rig, WINDOW + 0x7f0), 1);
	free(bank);
	rig_deinit(&rig);
}

struct shadowed {
	struct tlb_client client;
	uint8_t page[2][4096], shadow[2][4096];
};

/* Two pages that share a TLB slot. */
static enum tlb_fill_status fill_shadowed(struct tlb_client *client, uint64_t linear, bool write, struct tlb_page *ret_page)
{
	struct shadowed *shadowed = (struct shadowed *)client;
	unsigned which = linear >> 21 & 1;

	(void)write;
	if (linear < 0x400000)
		return TLB_FILL_TRUSTED;
	*ret_page = (struct tlb_page){.host = shadowed->page[which], .shadow = shadowed->shadow[which]};
	return TLB_FILL_OK;
}

/* ADD [m], r takes its memory operand's tag from the page that it writes, whatever was read through the same slot last. */
static void test_rmw_tags(void **state)
{
	struct shadowed *shadowed = calloc(1, sizeof(*shadowed));
	struct tlb *bank = aligned_alloc(64, (sizeof(*bank) + 63) & ~(size_t)63);
	struct rig rig;

	(void)state;
	shadowed->client.fill = fill_shadowed;
	memset(shadowed->shadow[0], TAG_PRODUCT, 4096);
	tlb_init(bank);
	bank->client = &shadowed->client;
	rig_init(&rig, RIG_LONG);
	cpu_set_tagged(rig.cpu, true);
	rig.cpu->data_by_tag[0] = rig.cpu->data_by_tag[1] = bank;
	rig.cpu->gpr[RDI] = 0x400000;
	rig.cpu->gpr[RSI] = 0x600000;
	/* mov [rdi+8], cl; mov rax, [rsi]; add [rdi], rax */
	RIG_RUN(&rig, "\x88\x4f\x08\x48\x8b\x06\x48\x01\x07\xeb\xfe", 3);
	assert_int_equal(shadowed->shadow[0][0], TAG_PRODUCT);
	assert_int_equal(shadowed->shadow[0][8], 0);
	rig_deinit(&rig);
	free(bank);
	free(shadowed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_by_context),
		cmocka_unit_test(test_by_tag),
		cmocka_unit_test(test_by_tag_of_stack),
		cmocka_unit_test(test_tables_are_trusted),
		cmocka_unit_test(test_iret_to_self),
		cmocka_unit_test(test_smap),
		cmocka_unit_test(test_shadow_of_trusted_page),
		cmocka_unit_test(test_rmw_tags),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
