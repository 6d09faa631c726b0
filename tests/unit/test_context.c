/*
 * Product context (redirect/context.h) and the tool's pages that it keeps (redirect/user_pages.h), with machine code in the place of a
 * kernel's. Each test runs both ways, each with and without SMAP. That the snapshot was not written is looked at after every test.
 */
#include "tests/unit/context_rig.h"

/* -- in and out -- */

static void test_enter_and_leave(void **state)
{
	/*
	 * mov rax, [rdi]; add rax, gs:[10h]; mov [rdi + 8], rax; xor ebx, ebx; mov ds, ebx; mov rbp, rax; mov r15, rax; fld1;
	 * pcmpeqd xmm3, xmm3; std; cli; ret
	 */
	static const char code[] = "\x48\x8b\x07\x65\x48\x03\x04\x25\x10\0\0\0\x48\x89\x47\x08\x31\xdb\x8e\xdb\x48\x89\xc5\x49\x89\xc7"
				   "\xd9\xe8\x66\x0f\x76\xdb\xfd\xfa\xc3";
	struct scene *scene = *state;
	uint64_t sum = snapshot_at(scene, DATA) + snapshot_at(scene, PRODUCT_PERCPU + 0x10), trusted = trusted_at(scene, DATA + 8);

	PUT(scene, BODY, code);
	cpu_raise_nmi(scene->rig.cpu); /* waits: there is no handler for it */
	assert_int_equal(run_body(scene), sum);
	context_leave(&scene->context, RESULT);
	expect_return(scene, RESULT);
	scene->rig.cpu->nmi_pending = false;
	assert_int_equal(product_at(scene, DATA + 8), sum);
	assert_int_equal(trusted_at(scene, DATA + 8), trusted);
	rig_run(&scene->rig, 1); /* the trusted kernel's own loads are from its own memory again */
	assert_int_equal(scene->rig.cpu->gpr[RAX], trusted_at(scene, DATA));

	PUT(scene, BODY, "\x48\x8b\x47\x08\xc3"); /* mov rax, [rdi + 8]; ret */
	assert_int_equal(run_body(scene), sum);
}

/* Locals, by RSP and by a pointer that was spilled, and the caller's frame; but a pointer of the product's to where the stack is. */
static void test_stack(void **state)
{
	/*
	 * push rbx; sub rsp, 40h; lea rcx, [rsp + 8]; mov rax, [rdi]; mov [rcx], rax; push rcx; mov rax, [rdi + 28h]; call rax (RETURN_TO);
	 * pop rdx; add rax, [rdx]; add rax, [rbp]; mov rdx, [rdi + 20h]; mov [rdx], rax; add rsp, 40h; pop rbx; ret
	 */
	static const char code[] = "\x53\x48\x83\xec\x40\x48\x8d\x4c\x24\x08\x48\x8b\x07\x48\x89\x01\x51\x48\x8b\x47\x28\xff\xd0"
				   "\x5a\x48\x03\x02\x48\x03\x45\0\x48\x8b\x57\x20\x48\x89\x02\x48\x83\xc4\x40\x5b\xc3";
	struct scene *scene = *state;
	uint64_t sum = 2 * snapshot_at(scene, DATA) + trusted_at(scene, ENTRY_RSP + 0x80), object = trusted_at(scene, OBJECT);
	uint64_t page[PAGE_SIZE / 8], *expected = scene->original[PRODUCT_STACK + STACK_PAGES - 2];
	bool context_way = scene->context.way == REDIRECT_CONTEXT;

	PUT(scene, BODY, code);
	assert_int_equal(run_body(scene), sum);
	assert_int_equal(scene->returns_seen, 2); /* the first time as a function */
	assert_int_equal(context_to_product(&scene->context, STACK - 8), context_way ? scene->memory.window + STACK_SIZE - 8 : STACK - 8);
	assert_int_equal(context_to_product(&scene->context, STACK + 8), STACK + 8);
	context_leave(&scene->context, sum);
	expect_return(scene, sum);
	assert_int_equal(trusted_at(scene, OBJECT), object);
	assert_int_equal(trusted_at(scene, ENTRY_RSP - 8) == 0, !context_way); /* the pushed RBX: the body was on the trusted stack */
	assert_int_equal(overlay_pages(scene->memory.overlay), 1);
	assert_true(product_memory_read(&scene->memory, OBJECT & PAGE_MASK, page, sizeof(page)));
	assert_int_equal(page[OBJECT % PAGE_SIZE / 8], sum);
	page[OBJECT % PAGE_SIZE / 8] = expected[OBJECT % PAGE_SIZE / 8];
	assert_memory_equal(page, expected, sizeof(page));
}

/* What looks like an address of the stack is one of the product all the same, whatever tags there were before the call. */
static void test_stale_tags(void **state)
{
	struct scene *scene = *state;

	PUT(scene, BODY, "\x48\x89\x64\x24\x18\xc3"); /* mov [rsp + 18h], rsp; ret */
	run_body(scene);
	context_leave(&scene->context, 0);
	rig_write64(&scene->rig, ENTRY_RSP - KERNEL + 0x18, OBJECT);
	scene->rig.cpu->xmm[0].u64[0] = OBJECT;
	scene->rig.cpu->xmm_tag[0] = TAG_STACK;
	/* mov rcx, [rsp + 18h]; mov rax, [rcx]; movq rcx, xmm0; add rax, [rcx]; ret */
	PUT(scene, BODY, "\x48\x8b\x4c\x24\x18\x48\x8b\x01\x66\x48\x0f\x7e\xc1\x48\x03\x01\xc3");
	assert_int_equal(run_body(scene), 2 * product_at(scene, OBJECT));
}

/* The first word behind the stack is not on it: the product's in the "tags" way; behind the window there is nothing. */
static void test_end_of_stack(void **state)
{
	/* mov [rsp + 100h], rsi; mov rax, [rsp + 108h]; mov [rsp + 108h], rsi; ret */
	static const char code[] = "\x48\x89\xb4\x24\0\x01\0\0\x48\x8b\x84\x24\x08\x01\0\0\x48\x89\xb4\x24\x08\x01\0\0\xc3";
	struct scene *scene = *state;
	uint64_t trusted = trusted_at(scene, STACK), product = product_at(scene, STACK);

	PUT(scene, BODY, code);
	if (scene->context.way == REDIRECT_TAGS) {
		assert_int_equal(run_body(scene), product);
		assert_int_equal(product_at(scene, STACK), USER);
		assert_int_equal(trusted_at(scene, STACK), trusted);
		return;
	}
	come_to_body(scene, 0);
	assert_true(context_enter(&scene->context, 0));
	assert_int_equal(rig_run(&scene->rig, 1000), CPU_EXIT_CLIENT);
	assert_int_equal(scene->faults, 1);
	assert_int_equal(scene->rig.cpu->cr2, scene->memory.window + STACK_SIZE);
}

/* Tags are over-approximate: product data by an address that has the stack's tag and by one that has not are the same. */
static void test_tagged_address_of_product(void **state)
{
	struct scene *scene = *state;

	/* mov rcx, rsp; shl rcx, 63; add rcx, rdi; mov rax, [rcx]; mov [rdi], rsi; add rax, [rcx]; ret */
	PUT(scene, BODY, "\x48\x89\xe1\x48\xc1\xe1\x3f\x48\x01\xf9\x48\x8b\x01\x48\x89\x37\x48\x03\x01\xc3");
	assert_int_equal(run_body(scene), snapshot_at(scene, DATA) + USER);
}

/* -- giving up -- */

#define STAC "\x0f\x01\xcb"
#define CLAC "\x0f\x01\xca"

/* Ways to write the tool's memory, and how many of its pages each writes. */
static const struct store {
	unsigned pages;
	const char *code;
	size_t size;
} stores[] = {
#define STORE(pages, code)                                                                                                                 \
	{                                                                                                                                  \
		pages, STAC code CLAC, sizeof(STAC code CLAC) - 1                                                                          \
	}
	STORE(2, "\x48\x89\x3e\x48\x89\xbe\0\x20\0\0"),                        /* mov [rsi], rdi; mov [rsi + 2000h], rdi */
	STORE(1, "\x48\x89\x7e\x10" CLAC STAC "\x48\x89\x36"),                 /* mov [rsi + 10h], rdi; clac; stac; mov [rsi], rsi */
	STORE(2, "\x48\x89\xbe\xfc\x0f\0\0"),                                  /* mov [rsi + ffch], rdi */
	STORE(2, "\x48\x8d\xbe\x80\x0f\0\0\xb9\x40\0\0\0\xf3\x48\xab"),        /* lea rdi, [rsi + f80h]; mov ecx, 40h; rep stosq */
	STORE(1, "\x48\x8b\x06\x48\x89\x3e"),                                  /* mov rax, [rsi]; mov [rsi], rdi */
	STORE(1, "\x48\x01\x3e"),                                              /* add [rsi], rdi */
	STORE(12, "\xb9\x0c\0\0\0\x48\x89\x3e\x48\x81\xc6\0\x10\0\0\xe2\xf4"), /* mov ecx, 12; l: mov [rsi], rdi; add rsi, 1000h; loop l */
};

/* A body that does that, and then stores to the product. */
static void put_store(struct scene *scene, const struct store *store)
{
	put_code(scene, BODY, store->code, store->size);
	/* mov rax, DATA; mov [rax], rsi; ret */
	put_code(scene, BODY + store->size, "\x48\xb8\0\0\x03\0\x80\x88\xff\xff\x48\x89\x30\xc3", 14);
}

/* Each after a call that ended well, whose store to the same page and product word is to stay. */
static void give_up(struct scene *scene, void (*end)(struct scene *))
{
	for (unsigned i = 0; i < sizeof(stores) / sizeof(stores[0]); i++) {
		/* lea rax, [rdi + 2000h]; mov [rdi], rax; stac; mov [rsi + 8], rdi; clac; ret */
		PUT(scene, BODY, "\x48\x8d\x87\0\x20\0\0\x48\x89\x07" STAC "\x48\x89\x7e\x08" CLAC "\xc3");
		run_body(scene);
		context_leave(&scene->context, 0);
		assert_int_equal(product_at(scene, DATA), TRUSTED_PERCPU);
		assert_int_equal(rig_read64(&scene->rig, USER_PADDR + 8), DATA);
		put_store(scene, &stores[i]);
		run_body(scene);
		assert_true(user_changed(scene));
		assert_int_equal(scene->context.user_pages.count, stores[i].pages);
		assert_int_equal(product_at(scene, DATA) & ~0xffffull, USER);
		end(scene);
		assert_false(user_changed(scene));
		assert_int_equal(product_at(scene, DATA), TRUSTED_PERCPU);
	}
}

static void end_by_abort(struct scene *scene)
{
	context_abort(&scene->context, EIO_RESULT);
	expect_return(scene, (uint64_t)EIO_RESULT);
}

static void test_abort(void **state)
{
	give_up(*state, end_by_abort);
}

/* The call can be made again, and ends well then. */
static void end_by_undo(struct scene *scene)
{
	context_undo(&scene->context);
	assert_false(user_changed(scene));
	expect_cpu(scene, RESULT, ENTRY_RSP, BODY);
	run_body(scene);
	end_by_abort(scene);
}

static void test_undo(void **state)
{
	give_up(*state, end_by_undo);
}

/* -- calls of functions -- */

/*
 * Eight arguments, ((a0 * 3 + a1) * 3 + ...) + gs:[10h] -> gs:[18h]:
 * lea rax, [rdi + rdi*2]; add rax, rsi; lea rax, [rax + rax*2]; ...; add rax, [rsp + 16]; mov rbx, gs:[10h]; add rax, rbx;
 * mov gs:[18h], rax; ret
 */
static const char function_code[] = "\x48\x8d\x04\x7f\x48\x01\xf0\x48\x8d\x04\x40\x48\x01\xd0\x48\x8d\x04\x40\x48\x01\xc8\x48\x8d\x04\x40"
				    "\x4c\x01\xc0\x48\x8d\x04\x40\x4c\x01\xc8\x48\x8d\x04\x40\x48\x03\x44\x24\x08\x48\x8d\x04\x40"
				    "\x48\x03\x44\x24\x10\x65\x48\x8b\x1c\x25\x10\0\0\0\x48\x01\xd8\x65\x48\x89\x04\x25\x18\0\0\0\xc3";
static const uint64_t argument[] = {1, 2, 3, 5, 8, 13, 21, 34};

enum { ARGUMENTS = sizeof(argument) / sizeof(argument[0]) };

static void expect_same_cpu(struct scene *scene, const struct cpu *before)
{
	expect_cpu(scene, before->gpr[RAX], before->gpr[RSP], before->rip);
}

/* The function works on that world, and leaves the other one, the CPU and what is in use of the trusted stack alone. */
static void call_function(struct scene *scene, enum world world)
{
	uint64_t product = product_at(scene, PRODUCT_PERCPU + 0x18), trusted = trusted_at(scene, TRUSTED_PERCPU + 0x18);
	enum context_phase phase = scene->context.phase;
	struct cpu before = *scene->rig.cpu;
	uint64_t sum = 0, result, used = scene->context.way == REDIRECT_TAGS ? before.gpr[RSP] : ENTRY_RSP;
	uint8_t stack[STACK_SIZE], stack_after[STACK_SIZE];

	physmem_copy_out(&scene->rig.mem, used - KERNEL, stack, STACK - used);
	for (unsigned i = 0; i < ARGUMENTS; i++)
		sum = 3 * sum + argument[i];
	sum += world == WORLD_PRODUCT ? product_at(scene, PRODUCT_PERCPU + 0x10) : trusted_at(scene, TRUSTED_PERCPU + 0x10);
	pack_rest(scene, scene->before);
	assert_true(context_call(&scene->context, world, FUNCTION, argument, ARGUMENTS, &result));
	assert_int_equal(result, sum);
	assert_int_equal(product_at(scene, PRODUCT_PERCPU + 0x18), world == WORLD_PRODUCT ? sum : product);
	assert_int_equal(trusted_at(scene, TRUSTED_PERCPU + 0x18), world == WORLD_TRUSTED ? sum : trusted);
	assert_int_equal(scene->context.phase, phase);
	expect_same_cpu(scene, &before);
	physmem_copy_out(&scene->rig.mem, used - KERNEL, stack_after, STACK - used);
	assert_memory_equal(stack, stack_after, STACK - used);
}

/*
 * To the NOP within, with a local and a pointer to it on the stack:
 * mov rbx, [rdi]; sub rsp, 200h; push rbx; mov rcx, rsp; push rcx; nop; pop rcx; mov rax, [rcx]; add rsp, 208h; ret
 */
static void run_to_middle(struct scene *scene)
{
	PUT(scene, BODY, "\x48\x8b\x1f\x48\x81\xec\0\x02\0\0\x53\x48\x89\xe1\x51\x90\x59\x48\x8b\x01\x48\x81\xc4\x08\x02\0\0\xc3");
	if (!cpu_is_marked(scene->rig.cpu, MARK_ANY_CODE, MIDDLE))
		assert_null(cpu_mark(scene->rig.cpu, MIDDLE, stop, NULL));
	come_to_body(scene, 0);
	assert_true(context_enter(&scene->context, 0));
	run(scene, MIDDLE, CONTEXT_PRODUCT);
}

/*
 * A function in product context finds what the caller has put below the stack pointer, and the caller finds what it leaves there: in the
 * "tags" way only if the argument is said to lead there.
 */
static void test_argument_on_stack(void **state)
{
	struct scene *scene = *state;
	bool tags = scene->context.way == REDIRECT_TAGS;
	uint64_t word = 0x1122334455667788, result, place;

	PUT(scene, FUNCTION, "\x48\x8b\x07\xff\x07\xc3"); /* mov rax, [rdi]; inc dword [rdi]; ret */
	run_to_middle(scene);
	place = (scene->rig.cpu->gpr[RSP] - 16) & ~15ull;
	assert_true(tags ? cpu_poke(scene->rig.cpu, place, &word, 8) : product_memory_write(&scene->memory, place, &word, 8));
	for (unsigned i = 0; i < 2; i++) {
		context_tag_argument(&scene->context, 0, 8);
		assert_true(context_call(&scene->context, WORLD_PRODUCT, FUNCTION, &place, 1, &result));
		assert_int_equal(result, word + i);
	}
	assert_int_equal(tags ? trusted_at(scene, place) : product_at(scene, place), word + 2);
	if (tags) {
		assert_true(context_call(&scene->context, WORLD_PRODUCT, FUNCTION, &place, 1, &result));
		assert_int_not_equal(result, word + 2);
		assert_int_equal(trusted_at(scene, place), word + 2);
	}
	context_abort(&scene->context, EIO_RESULT);
}

static void test_context_call(void **state)
{
	struct scene *scene = *state;
	uint64_t before = product_at(scene, PRODUCT_PERCPU + 0x18), result;

	PUT(scene, FUNCTION, function_code);
	assert_false(context_call(&scene->context, WORLD_TRUSTED, 0, NULL, 0, &result));
	for (unsigned world = WORLD_TRUSTED; world <= WORLD_PRODUCT; world++) {
		run_to_middle(scene);
		call_function(scene, world);
		run(scene, RETURN_TO, CONTEXT_PRODUCT);
		assert_int_equal(scene->rig.cpu->gpr[RAX], snapshot_at(scene, DATA)); /* the local is still there */
		context_abort(&scene->context, EIO_RESULT);
		assert_int_equal(product_at(scene, PRODUCT_PERCPU + 0x18), before); /* the function's store is part of the call */
	}
	for (unsigned world = WORLD_TRUSTED; world <= WORLD_PRODUCT; world++) {
		come_to_body(scene, 0);
		call_function(scene, world);
	}
	assert_int_not_equal(product_at(scene, PRODUCT_PERCPU + 0x18), before);
	assert_int_equal(overlay_pages(scene->memory.overlay), 1); /* not the stack */
}

/* A function that does not return, from the trusted world: the product is as before. From a body: as far as the body is given up. */
static void test_endless_call(void **state)
{
	struct scene *scene = *state;
	uint64_t product = product_at(scene, DATA), result, arguments[] = {DATA, USER};
	struct cpu before;

	come_to_body(scene, 0);
	before = *scene->rig.cpu;
	PUT(scene, FUNCTION, "\x48\x89\x37\xeb\xfe"); /* mov [rdi], rsi; jmp $ */
	assert_false(context_call(&scene->context, WORLD_PRODUCT, FUNCTION, arguments, 2, &result));
	assert_int_equal(product_at(scene, DATA), product);
	assert_int_equal(overlay_pages(scene->memory.overlay), 0);
	expect_same_cpu(scene, &before);

	run_to_middle(scene);
	PUT(scene, FUNCTION, "\x48\x89\x37\xf4"); /* mov [rdi], rsi; hlt */
	assert_false(context_call(&scene->context, WORLD_PRODUCT, FUNCTION, arguments, 2, &result));
	assert_int_equal(product_at(scene, DATA), USER);
	assert_false(context_call(&scene->context, WORLD_TRUSTED, FUNCTION, arguments, 2, &result));
	assert_int_equal(trusted_at(scene, DATA), USER);
	run(scene, RETURN_TO, CONTEXT_PRODUCT);
	assert_int_equal(scene->rig.cpu->gpr[RAX], product);
	context_abort(&scene->context, EIO_RESULT);
	assert_int_equal(product_at(scene, DATA), product);
}

static bool is_cancelled(void *opaque)
{
	++*(unsigned *)opaque;
	return true;
}

/* Calls of ours on the product end with the run; those within a body, and on the trusted kernel, end with the body. */
static void test_cancelled_call(void **state)
{
	struct scene *scene = *state;
	uint64_t before = product_at(scene, PRODUCT_PERCPU + 0x18), result;
	unsigned asked = 0;
	struct cpu cpu;

	PUT(scene, FUNCTION, function_code);
	scene->context.cancel = (struct cancel){is_cancelled, &asked};
	come_to_body(scene, 0);
	cpu = *scene->rig.cpu;
	assert_false(context_call(&scene->context, WORLD_PRODUCT, FUNCTION, argument, ARGUMENTS, &result));
	assert_int_equal(asked, 1);
	assert_int_equal(product_at(scene, PRODUCT_PERCPU + 0x18), before);
	assert_int_equal(scene->context.unfinished, 0);
	expect_same_cpu(scene, &cpu);
	call_function(scene, WORLD_TRUSTED);
	run_to_middle(scene);
	call_function(scene, WORLD_PRODUCT);
	context_abort(&scene->context, EIO_RESULT);
	assert_int_equal(asked, 1);
}

/* -- work that is no instructions -- */

enum { BUDGET = 1000000, LONG_FILL = 0x28000, SHORT_FILL = 0x2000 };

/* What a body did until its budget was spent. */
struct spent {
	uint64_t instructions, rip, iterations, left;
};

/* In runs of `step` instructions at most, and slices of `slice` iterations. */
static struct spent spend(struct scene *scene, uint64_t step, int64_t slice)
{
	struct cpu *cpu = scene->rig.cpu;
	struct spent spent;
	uint64_t before = context_iterations(&scene->context);
	bool ended;

	come_to_body(scene, 0);
	scene->context.work.call = BUDGET;
	assert_true(context_enter(&scene->context, 0));
	do {
		enum cpu_exit exit;

		context_begin_slice(&scene->context, slice);
		exit = rig_run(&scene->rig, step);
		assert_true(exit == CPU_EXIT_CLIENT || exit == CPU_EXIT_DEADLINE);
		assert_true(work_ended_run(cpu) || exit == CPU_EXIT_DEADLINE);
		ended = exit == CPU_EXIT_CLIENT;
		assert_true(cpu_instructions(cpu) - scene->context.started < 1000);
	} while (!ended || !context_call_spent(&scene->context));
	spent = (struct spent){cpu_instructions(cpu) - scene->context.started, cpu->rip, context_iterations(&scene->context) - before,
			       cpu->gpr[RCX]};
	context_abort(&scene->context, EIO_RESULT);
	expect_return(scene, (uint64_t)EIO_RESULT);
	assert_int_equal(cpu->rep_allowance, CPU_REP_UNLIMITED);
	return spent;
}

/*
 * A body that fills memory for ever is charged for each word, the same in each way and wherever the run is cut. It is the instruction after
 * the budget's end that does not happen.
 */
static void test_iterations(void **state)
{
	/*
	 * l: mov rdi, KERNEL + 180000h; mov ecx, LONG_FILL; rep stosb; mov ecx, SHORT_FILL; rep stosw; jmp l
	 */
	static const char code[] = "\x48\xbf\0\0\x18\0\x80\x88\xff\xff\xb9\0\x80\x02\0\xf3\xaa\xb9\0\x20\0\0\x66\xf3\xab\xeb\xe5";
	struct scene *scene = *state;
	struct spent first;

	for (unsigned i = 0; i < 64; i++) { /* 256 KiB of addresses of one page */
		unsigned entry = ((KERNEL + 0x180000) >> PAGE_SHIFT & 511) + i;

		scene->snapshot[3][entry] = scene->original[3][entry] = PRODUCT_DATA * PAGE_SIZE | 3;
	}
	PUT(scene, BODY, code);
	first = spend(scene, 1000, PLENTY);
	/* Five rounds are 860,160; the sixth's fill goes past the budget in its third and last part. */
	assert_int_equal(first.iterations, 6 * LONG_FILL + 5 * SHORT_FILL);
	assert_int_equal(first.rip, BODY + 22);
	assert_int_equal(first.left, SHORT_FILL);
	assert_int_equal(first.instructions, 5 * 8 + 6); /* LONG_FILL is three executions */
	for (unsigned step = 1; step < 4; step++) {
		struct spent other = spend(scene, step, step == 2 ? 1 : PLENTY);

		assert_memory_equal(&other, &first, sizeof(first));
	}
}

/* The same for a function that is called in between: it does not return. What the trusted kernel does is not counted. */
static void test_iterations_of_function(void **state)
{
	struct scene *scene = *state;
	uint64_t arguments[] = {DATA}, result, before = context_iterations(&scene->context);

	PUT(scene, FUNCTION,
	    "\x48\x89\xfa\x48\x89\xd7\xb9\0\x20\0\0\xf3\xaa\xeb\xf4"); /* mov rdx, rdi; l: mov rdi, rdx; mov ecx, 2000h; rep stosb; jmp l */
	come_to_body(scene, 0);
	assert_false(context_call(&scene->context, WORLD_PRODUCT, FUNCTION, arguments, 1, &result));
	assert_in_range(context_iterations(&scene->context) - before, 20000000, 20000000 + 0x2000);
	assert_int_equal(scene->context.work.call, PLENTY);

	PUT(scene, FUNCTION, "\xb9\0\x20\0\0\xf3\xaa\xc3"); /* mov ecx, 2000h; rep stosb; ret */
	before = context_iterations(&scene->context);
	assert_true(context_call(&scene->context, WORLD_PRODUCT, FUNCTION, arguments, 1, &result));
	assert_true(context_call(&scene->context, WORLD_TRUSTED, FUNCTION, arguments, 1, &result));
	run_to_middle(scene);
	assert_true(context_call(&scene->context, WORLD_PRODUCT, FUNCTION, arguments, 1, &result));
	assert_true(context_call(&scene->context, WORLD_TRUSTED, FUNCTION, arguments, 1, &result));
	assert_int_equal(context_iterations(&scene->context) - before, 2 * 0x2000);
	context_abort(&scene->context, EIO_RESULT);
	assert_int_equal(context_iterations(&scene->context) - before, 2 * 0x2000);
	assert_int_equal(scene->context.work.call, PLENTY - 0x2000);
}

/* -- page faults on the tool's memory -- */

/*
 * Stores to the product and to a page that is there, then to one that is not:
 * mov rbx, [rdi]; push rbx; mov [rdi + 8], rsi; stac; mov [rsi], rdi; mov [rsi + c000h], rbx; clac; pop rax; add rax, [rdi]; ret
 */
static const char fault_code[] = "\x48\x8b\x1f\x53\x48\x89\x77\x08" STAC "\x48\x89\x3e\x48\x89\x9e\0\xc0\0\0" CLAC "\x58\x48\x03\x07\xc3";

/*
 * Counts, notes CR2, and maps the page; an IRET of another frame comes before its own: clac; push rax; push rcx; nop (SCHEDULE);
 * inc qword gs:[28h]; mov rax, cr2; mov gs:[30h], rax; mov rcx, the page's entry; mov eax, USER_PADDR + c000h | 67h; mov [rcx], rax;
 * mov rax, rsp; push RIG_DS0; push rax; pushfq; push RIG_CS0; lea rcx, l; push rcx; iretq; l: pop rcx; pop rax; add rsp, 8; iretq
 */
static const char mapping_handler[] =
	CLAC "\x50\x51\x90\x65\x48\xff\x04\x25\x28\0\0\0\x0f\x20\xd0\x65\x48\x89\x04\x25\x30\0\0\0"
	     "\x48\xb9\x60\x30\x09\0\x80\x88\xff\xff\xb8\x67\xc0\x04\0\x48\x89\x01"
	     "\x48\x89\xe0\x6a\x10\x50\x9c\x6a\x08\x48\x8d\x0d\x03\0\0\0\x51\x48\xcf\x59\x58\x48\x83\xc4\x08\x48\xcf";

/* To the middle of the trusted handler. */
static void run_into_fault(struct scene *scene, unsigned task, struct cpu_state **ret_entry)
{
	PUT(scene, BODY, fault_code);
	come_to_body(scene, task);
	*ret_entry = cpu_state_save(scene->rig.cpu);
	assert_true(context_enter(&scene->context, 0));
	run(scene, SCHEDULE, CONTEXT_USER_FAULT);
}

static void test_user_fault(void **state)
{
	struct scene *scene = *state;
	uint64_t count = trusted_at(scene, TRUSTED_PERCPU + 0x28), word = snapshot_at(scene, DATA);
	struct cpu_state *entry;

	PUT(scene, HANDLER, mapping_handler);
	run_into_fault(scene, 0, &entry);
	cpu_state_destroy(entry);
	/* Of the frame: where the body stood, its flags, and the stack that the handler is to come back to. */
	assert_int_equal(trusted_at(scene, scene->rig.cpu->gpr[RSP] + 0x18), BODY + 14);
	assert_int_equal(trusted_at(scene, scene->rig.cpu->gpr[RSP] + 0x30), ENTRY_RSP - (scene->context.way == REDIRECT_TAGS ? 8 : 0));
	assert_int_equal(trusted_at(scene, scene->rig.cpu->gpr[RSP] + 0x28) & (FLAG_AC | FLAG_IF),
			 FLAG_IF | (scene->rig.cpu->cr4 & CR4_SMAP ? FLAG_AC : 0));
	assert_int_equal(scene->rig.cpu->seg[SEG_GS].base, TRUSTED_PERCPU);
	run(scene, RETURN_TO, CONTEXT_PRODUCT);
	assert_int_equal(scene->rig.cpu->gpr[RAX], 2 * word);
	assert_int_equal(trusted_at(scene, TRUSTED_PERCPU + 0x28), count + 1);
	assert_int_equal(trusted_at(scene, TRUSTED_PERCPU + 0x30), USER + USER_PAGES * PAGE_SIZE);
	assert_int_equal(rig_read64(&scene->rig, USER_PADDR + USER_PAGES * PAGE_SIZE), word);
	context_abort(&scene->context, EIO_RESULT);
	assert_false(user_changed(scene)); /* the page that the handler mapped is as it was then */
	assert_int_equal(product_at(scene, DATA + 8), snapshot_at(scene, DATA + 8));

	run_body(scene); /* no fault any more */
	context_leave(&scene->context, 2 * word);
	expect_return(scene, 2 * word);
	assert_int_equal(rig_read64(&scene->rig, USER_PADDR + USER_PAGES * PAGE_SIZE), word);
	assert_int_equal(product_at(scene, DATA + 8), USER);
	assert_int_equal(trusted_at(scene, TRUSTED_PERCPU + 0x28), count + 1);
}

/* The handler finds no page, and goes on at the instruction's fixup: with the body's stack, and a register changed. */
static void test_fixup(void **state)
{
	struct scene *scene = *state;

	/* clac; neg rbx; push rax; mov rax, FUNCTION; mov [rsp + 10h], rax; pop rax; add rsp, 8; iretq */
	PUT(scene, HANDLER, CLAC "\x48\xf7\xdb\x50\x48\xb8\0\x20\x01\0\x80\x88\xff\xff\x48\x89\x44\x24\x10\x58\x48\x83\xc4\x08\x48\xcf");
	PUT(scene, FUNCTION, CLAC "\x59\x48\x89\xd8\xc3"); /* clac; pop rcx; mov rax, rbx; ret */
	PUT(scene, BODY, fault_code);
	assert_int_equal(run_body(scene), -snapshot_at(scene, DATA));
	context_leave(&scene->context, (uint64_t)-14);
	expect_return(scene, (uint64_t)-14);
}

/* More and more calls sleep in their page faults; woken in another order, each begins anew, and ends well. */
static void test_schedule(void **state)
{
	struct scene *scene = *state;
	struct cpu *cpu = scene->rig.cpu;
	struct cpu_state *entry[TASKS], *asleep[TASKS];

	PUT(scene, HANDLER, mapping_handler);
	for (unsigned task = 0; task < TASKS; task++) {
		run_into_fault(scene, task, &entry[task]);
		assert_true(user_changed(scene));
		assert_true(context_schedule(&scene->context));
		assert_int_equal(scene->context.phase, CONTEXT_TRUSTED);
		assert_false(user_changed(scene));
		assert_int_equal(overlay_pages(scene->memory.overlay), 0);
		assert_true(context_schedule(&scene->context)); /* others may, too */
		asleep[task] = cpu_state_save(cpu);
	}
	cpu_unmark(cpu, SCHEDULE);
	for (unsigned i = 0; i < TASKS; i++) {
		unsigned task = (7 * i + 3) % TASKS;
		uint64_t rsp = ENTRY_RSP + task * STACK_SIZE;

		cpu_state_restore(cpu, entry[task]);
		pack_rest(scene, scene->before);
		cpu_state_restore(cpu, asleep[task]);
		run(scene, BODY, CONTEXT_TRUSTED);
		expect_cpu(scene, RESULT + task, rsp, BODY);
		assert_true(context_enter(&scene->context, 0));
		run(scene, RETURN_TO, CONTEXT_PRODUCT);
		assert_int_equal(cpu->gpr[RAX], 2 * snapshot_at(scene, DATA));
		context_leave(&scene->context, task);
		expect_cpu(scene, task, rsp + 8, RETURN_TO);
		cpu_state_destroy(entry[task]);
		cpu_state_destroy(asleep[task]);
	}
	assert_int_equal(scene->context.restarts, 0);
}

int main(void)
{
	static struct variant variants[] = {
		{REDIRECT_CONTEXT, false}, {REDIRECT_CONTEXT, true}, {REDIRECT_TAGS, false}, {REDIRECT_TAGS, true}};
#define CASE(name, i, variant)                                                                                                             \
	{                                                                                                                                  \
#name variant, name, setup, teardown, &variants[i]                                                                         \
	}
#define TEST(name) CASE(name, 0, ", context"), CASE(name, 1, ", context, SMAP"), CASE(name, 2, ", tags"), CASE(name, 3, ", tags, SMAP")
	const struct CMUnitTest tests[] = {
		TEST(test_enter_and_leave),           TEST(test_stack),          TEST(test_stale_tags),   TEST(test_end_of_stack),
		TEST(test_tagged_address_of_product), TEST(test_abort),          TEST(test_undo),         TEST(test_context_call),
		TEST(test_argument_on_stack),         TEST(test_cancelled_call), TEST(test_endless_call), TEST(test_iterations),
		TEST(test_iterations_of_function),    TEST(test_user_fault),     TEST(test_fixup),        TEST(test_schedule),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
