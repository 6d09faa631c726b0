/*
 * A rig for product context (redirect/context.h): one range of kernel addresses leads to RAM in the trusted world and to a snapshot in the
 * product's; code is the trusted world's; the user half is a few pages of the trusted world. No kernel: machine code of the tests' own.
 */
#ifndef XRAY86_TESTS_UNIT_CONTEXT_RIG_H
#define XRAY86_TESTS_UNIT_CONTEXT_RIG_H

#include "tests/unit/rig.h"

#include "emu/client.h"
#include "emu/peek.h"
#include "redirect/context.h"

#define KERNEL 0xffff888000000000ull
enum { PLENTY = 1 << 30 /* iterations */ };
enum { STACK_SIZE = 0x4000, TASKS = 20, TABLES = 0x90000, USER_PADDR = 0x40000, USER_PAGES = 12, USER_SIZE = (USER_PAGES + 1) * PAGE_SIZE };
#define BODY (KERNEL + RIG_CODE)
#define HANDLER (BODY + 0x1000) /* of page faults */
#define SCHEDULE (HANDLER + 5)  /* a NOP in it */
#define MIDDLE (BODY + 15)      /* of a body: likewise */
#define FUNCTION (BODY + 0x2000)
#define RETURN_TO (BODY + 0x3000)
#define DATA (KERNEL + RIG_DATA)
#define PRODUCT_PERCPU (DATA + 0x1000)
#define TRUSTED_PERCPU (DATA + 0x2000)
#define STACK (KERNEL + 0x104000) /* the first task's; the others' are above */
#define OBJECT (STACK - 0x40)     /* on the trusted stack; the product has something else there */
#define USER 0x400000ull          /* USER_PAGES pages, and one that the page-fault handler maps */

/* The snapshot's physical pages: 0-3 page tables; what it has at DATA; what it has where the trusted kernel has the first stack. */
enum { PAGES = 16, PRODUCT_DATA = 4, DATA_PAGES = 4, PRODUCT_STACK = 8, STACK_PAGES = STACK_SIZE / PAGE_SIZE + 1 };

struct scene {
	struct rig rig;
	struct product_memory memory;
	struct context context;
	uint64_t snapshot[PAGES][PAGE_SIZE / 8], original[PAGES][PAGE_SIZE / 8];
	unsigned returns_seen, faults; /* marks at RETURN_TO passed; exceptions of product context other than user page faults */
	uint8_t *before;               /* the CPU, packed */
	uint8_t user[USER_SIZE];
};

struct variant {
	enum redirect_way way;
	bool smap;
};

/* -- the machine around the context, as redirect/exceptions.c is it -- */

static inline bool on_exception(void *opaque, struct cpu *cpu)
{
	struct scene *scene = opaque;

	if (scene->context.phase != CONTEXT_PRODUCT)
		return false;
	if (cpu->exception.vector == VECTOR_PF && cpu->cr2 < scene->memory.kernel_start && context_begin_user_fault(&scene->context))
		return false;
	scene->faults++;
	cpu_request_exit(cpu, CPU_EXIT_CLIENT);
	return true;
}

static inline void on_interrupt_return(void *opaque, struct cpu *cpu)
{
	(void)cpu;
	context_end_user_fault(&((struct scene *)opaque)->context);
}

static inline bool on_privileged(void *opaque, struct cpu *cpu, enum privileged what, uint64_t index, uint64_t *value)
{
	(void)opaque, (void)cpu, (void)what, (void)index, (void)value;
	return false;
}

static inline const uint8_t *snapshot_page(void *opaque, uint64_t paddr, enum page_lack *ret_lack)
{
	struct scene *scene = opaque;

	*ret_lack = PAGE_HOLE;
	return paddr / PAGE_SIZE < PAGES ? (const uint8_t *)scene->snapshot[paddr / PAGE_SIZE] : NULL;
}

/* Where the trusted world is: at the body's start or its return. Not where product context comes by with another stack pointer. */
static inline enum mark_action arrive(void *opaque, struct cpu *cpu)
{
	struct scene *scene = opaque;

	scene->returns_seen += cpu->rip == RETURN_TO;
	return scene->context.phase != CONTEXT_PRODUCT || context_at_return(&scene->context) ? MARK_EXIT : MARK_CONTINUE;
}

static inline enum mark_action stop(void *opaque, struct cpu *cpu)
{
	(void)opaque, (void)cpu;
	return MARK_EXIT;
}

/* -- making it -- */

static inline void fill_tables(struct scene *scene)
{
	struct rig *rig = &scene->rig;
	uint64_t(*product)[PAGE_SIZE / 8] = scene->snapshot;

	rig_write64(rig, TABLES, (TABLES + 0x1000) | 7);
	rig_write64(rig, TABLES + 0x1000, (TABLES + 0x2000) | 7);
	rig_write64(rig, TABLES + 0x2000 + 8 * (USER >> 21), (TABLES + 0x3000) | 7);
	for (unsigned i = 0; i < USER_PAGES; i++) /* accessed and dirty, as pages are that programs use */
		rig_write64(rig, TABLES + 0x3000 + 8 * i, (USER_PADDR + i * PAGE_SIZE) | 0x67);
	rig_write64(rig, TABLES + 8 * (KERNEL >> 39 & 511), (TABLES + 0x4000) | 3);
	rig_write64(rig, TABLES + 0x4000, (TABLES + 0x5000) | 3);
	rig_write64(rig, TABLES + 0x5000, 0xe3); /* 2 MiB */

	product[0][KERNEL >> 39 & 511] = 1 * PAGE_SIZE | 3;
	product[1][0] = 2 * PAGE_SIZE | 3;
	product[2][0] = 3 * PAGE_SIZE | 3;
	for (unsigned i = 0; i < DATA_PAGES; i++)
		product[3][(DATA >> PAGE_SHIFT & 511) + i] = (PRODUCT_DATA + i) * PAGE_SIZE | 3;
	for (unsigned i = 0; i < STACK_PAGES; i++)
		product[3][((STACK - STACK_SIZE) >> PAGE_SHIFT & 511) + i] = (PRODUCT_STACK + i) * PAGE_SIZE | 3;
}

/* Every word is another one, in both worlds. */
static inline void fill_memory(struct scene *scene)
{
	for (unsigned i = PRODUCT_DATA; i < PAGES; i++) {
		for (unsigned j = 0; j < PAGE_SIZE / 8; j++)
			scene->snapshot[i][j] = (uint64_t)i << 32 | j;
	}
	scene->snapshot[PRODUCT_DATA][4] = OBJECT;
	scene->snapshot[PRODUCT_DATA][5] = RETURN_TO;
	memcpy(scene->original, scene->snapshot, sizeof(scene->original));
	for (uint64_t at = 0; at < DATA_PAGES * PAGE_SIZE; at += 8)
		rig_write64(&scene->rig, RIG_DATA + at, 1ull << 40 | at);
	for (uint64_t at = 0; at <= STACK_SIZE; at += 8)
		rig_write64(&scene->rig, (STACK - STACK_SIZE - KERNEL) + at, 2ull << 40 | at);
	for (uint64_t at = 0; at < USER_SIZE; at += 8)
		rig_write64(&scene->rig, USER_PADDR + at, 3ull << 40 | at);
}

static inline void start_cpu(struct scene *scene, bool smap)
{
	struct cpu *cpu = scene->rig.cpu;

	cpu->gdtr.base = KERNEL + RIG_GDT;
	cpu->idtr.base = KERNEL + RIG_IDT;
	cpu->cr3 = TABLES;
	cpu->cr4 |= smap ? CR4_SMAP : 0;
	cpu->seg[SEG_GS].base = TRUSTED_PERCPU;
	cpu_update_paging(cpu);
	cpu_flush_tlb(cpu);
	cpu_update_mode(cpu);
	rig_write64(&scene->rig, RIG_IDT + 16 * VECTOR_PF,
		    (HANDLER & 0xffff) | RIG_CS0 << 16 | 0x8e00ull << 32 | (HANDLER >> 16 & 0xffff) << 48);
	rig_write64(&scene->rig, RIG_IDT + 16 * VECTOR_PF + 8, HANDLER >> 32);
	assert_null(cpu_mark(cpu, BODY, arrive, scene));
	assert_null(cpu_mark(cpu, RETURN_TO, arrive, scene));
	assert_null(cpu_mark(cpu, SCHEDULE, stop, NULL));
	cpu_set_client(cpu, &scene->context.client);
}

/* Code of a kernel that leaves out STAC and CLAC, as Linux does, where there is no SMAP. */
static inline void put_code(struct scene *scene, uint64_t linear, const void *code, size_t size)
{
	uint8_t bytes[128];

	assert_true(size <= sizeof(bytes));
	memcpy(bytes, code, size);
	for (size_t i = 0; i + 2 < size && !(scene->rig.cpu->cr4 & CR4_SMAP); i++) {
		if (bytes[i] == 0x0f && bytes[i + 1] == 0x01 && (bytes[i + 2] & ~1) == 0xca)
			memcpy(bytes + i, "\x0f\x1f\0", 3);
	}
	rig_write(&scene->rig, linear - KERNEL, bytes, size);
}
#define PUT(scene, linear, code) put_code(scene, linear, code, sizeof(code) - 1)

static inline int setup(void **state)
{
	const struct variant *variant = *state;
	struct scene *scene = calloc(1, sizeof(*scene));
	const struct product_memory_config config = {
		.snapshot = {scene, snapshot_page},
		.paging = {.mode = PAGING_4LEVEL, .wp = true, .nxe = true, .maxphyaddr = 46},
		.kernel_start = 1ull << 63,
		.shadows = variant->way == REDIRECT_TAGS,
		.product_tag = TAG_PRODUCT,
		.max_pages = 64,
	};

	rig_init(&scene->rig, RIG_LONG);
	fill_tables(scene);
	fill_memory(scene);
	assert_null(product_memory_init(&scene->memory, &config));
	scene->context = (struct context){
		.cpu = scene->rig.cpu,
		.memory = &scene->memory,
		.way = variant->way,
		.abi = abi_of(8),
		.stack_size = STACK_SIZE,
		.percpu = PRODUCT_PERCPU,
		.segment_base = PRODUCT_PERCPU,
		.work = {.call = PLENTY, .slice = PLENTY},
		.client = {scene, .exception = on_exception, .interrupt_return = on_interrupt_return, .privileged = on_privileged},
	};
	assert_null(context_init(&scene->context));
	start_cpu(scene, variant->smap);
	PUT(scene, RETURN_TO, "\x48\x8b\x07\xc3"); /* mov rax, [rdi]; ret */
	scene->before = calloc(1, cpu_packed_size());
	*state = scene;
	return 0;
}

static inline int teardown(void **state)
{
	struct scene *scene = *state;
	bool written = memcmp(scene->original, scene->snapshot, sizeof(scene->original));

	context_deinit(&scene->context);
	product_memory_deinit(&scene->memory);
	rig_deinit(&scene->rig);
	free(scene->before);
	free(scene);
	return written ? -1 : 0;
}

/* -- looking at it -- */

static inline uint64_t product_at(struct scene *scene, uint64_t linear)
{
	uint64_t word;

	assert_true(product_memory_read_word(&scene->memory, linear, 8, &word));
	return word;
}

static inline uint64_t snapshot_at(const struct scene *scene, uint64_t linear)
{
	return scene->original[PRODUCT_DATA + (linear - DATA) / PAGE_SIZE][linear % PAGE_SIZE / 8];
}

static inline uint64_t trusted_at(struct scene *scene, uint64_t linear)
{
	return rig_read64(&scene->rig, linear - KERNEL);
}

/* All of the CPU but RAX, RSP and RIP. */
static inline void pack_rest(const struct scene *scene, uint8_t *to)
{
	struct cpu copy = *scene->rig.cpu;

	copy.gpr[RAX] = copy.gpr[RSP] = copy.rip = 0;
	cpu_pack(&copy, to);
}

/* Banks and rules are those of the phase. */
static inline void expect_rules(const struct scene *scene)
{
	const struct cpu *cpu = scene->rig.cpu;
	bool product = scene->context.phase == CONTEXT_PRODUCT, tags = product && scene->context.way == REDIRECT_TAGS;

	assert_ptr_equal(cpu->supervisor_bank[0], product ? &scene->memory.bank : NULL);
	assert_ptr_equal(cpu->supervisor_bank[1], tags ? &scene->context.stack_data.bank : cpu->supervisor_bank[0]);
	assert_int_equal(!!(cpu->mode & MODE_TAGGED), tags);
	assert_int_equal(scene->context.client.hold_interrupts, product);
}

static inline void expect_cpu(const struct scene *scene, uint64_t rax, uint64_t rsp, uint64_t rip)
{
	uint8_t *now = calloc(1, cpu_packed_size());

	pack_rest(scene, now);
	assert_memory_equal(now, scene->before, cpu_packed_size());
	free(now);
	assert_int_equal(scene->rig.cpu->gpr[RAX], rax);
	assert_int_equal(scene->rig.cpu->gpr[RSP], rsp);
	assert_int_equal(scene->rig.cpu->rip, rip);
	expect_rules(scene);
}

static inline bool user_changed(struct scene *scene)
{
	uint8_t now[USER_SIZE];

	physmem_copy_out(&scene->rig.mem, USER_PADDR, now, sizeof(now));
	return memcmp(now, scene->user, sizeof(now));
}

/* -- running it -- */

enum {
	USED = 0x108,
	RESULT = 0x1234,
	EIO_RESULT = -5
}; /* USED: of a task's stack when its call comes to the body, return address and all */
#define ENTRY_RSP (STACK - USED)

/* A task of the trusted kernel calls the body: RDI data of its kernel, RSI the tool's memory, RBP in the caller's frame. */
static inline void come_to_body(struct scene *scene, unsigned task)
{
	struct cpu *cpu = scene->rig.cpu;

	cpu->rip = BODY;
	cpu->gpr[RAX] = RESULT + task;
	cpu->gpr[RBX] = task;
	cpu->gpr[RDI] = DATA;
	cpu->gpr[RSI] = USER;
	cpu->gpr[RSP] = ENTRY_RSP + task * STACK_SIZE;
	cpu->gpr[RBP] = cpu->gpr[RSP] + 0x80;
	cpu_set_eflags(cpu, FLAG_IF, FLAG_IF | FLAG_DF);
	rig_write64(&scene->rig, cpu->gpr[RSP] - KERNEL, RETURN_TO);
	physmem_copy_out(&scene->rig.mem, USER_PADDR, scene->user, sizeof(scene->user));
	pack_rest(scene, scene->before);
}

static inline void run(struct scene *scene, uint64_t until, enum context_phase phase)
{
	assert_int_equal(rig_run(&scene->rig, 1000), CPU_EXIT_MARK);
	assert_int_equal(scene->rig.cpu->rip, until);
	assert_int_equal(scene->context.phase, phase);
}

/* Runs the body to its return, in product context still; its result. */
static inline uint64_t run_body(struct scene *scene)
{
	come_to_body(scene, 0);
	assert_true(context_enter(&scene->context, 0));
	run(scene, RETURN_TO, CONTEXT_PRODUCT);
	return scene->rig.cpu->gpr[RAX];
}

static inline void expect_return(struct scene *scene, uint64_t result)
{
	assert_int_equal(scene->context.phase, CONTEXT_TRUSTED);
	expect_cpu(scene, result, ENTRY_RSP + 8, RETURN_TO);
}

#endif
