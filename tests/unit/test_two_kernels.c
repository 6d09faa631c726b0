/*
 * Product context where the product has a kernel of its own (redirect/context.h): its code stands elsewhere in memory, at addresses of the
 * trusted kernel's.
 */
#include "tests/unit/context_rig.h"

enum { OWN = 0x50000 /* physical: of the product's code for the page at BODY */, BACK = 0x58000, OWN_STACK = 0x2000, PADDING = 16 };
#define REGS (ENTRY_RSP + 0x20)
#define STAC "\x0f\x01\xcb"
#define CLAC "\x0f\x01\xca"

static bool find_code(void *opaque, struct cpu *cpu, uint64_t linear, uint64_t *ret_paddr)
{
	const struct scene *scene = opaque;

	(void)cpu;
	if (scene->context.phase != CONTEXT_PRODUCT)
		return false;
	*ret_paddr = linear & ~PAGE_MASK;
	*ret_paddr |= (linear & PAGE_MASK) == (BODY & PAGE_MASK) ? OWN : BACK;
	return true;
}

static int set_up(void **state)
{
	struct scene *scene;

	setup(state);
	scene = *state;
	scene->context.other = (struct context_other){true, OWN_STACK, PADDING, FUNCTION};
	scene->context.client.fetch = find_code;
	rig_write(&scene->rig, BODY - KERNEL, "\x0f\x0b", 2); /* ud2 */
	assert_null(cpu_mark_code(scene->rig.cpu, MARK_CLIENT_CODE, abi_of(8)->back, arrive, scene));
	return 0;
}

static uint64_t own_body(struct scene *scene, const char *code, size_t size, unsigned at)
{
	rig_write(&scene->rig, OWN + (BODY & ~PAGE_MASK) + at, code, size);
	return BODY + at;
}

static void enter(struct scene *scene, uint64_t body)
{
	come_to_body(scene, 0);
	scene->rig.cpu->gpr[RDI] = REGS;
	pack_rest(scene, scene->before);
	assert_true(context_enter(&scene->context, body));
}

/* The body gets pt_regs where its kernel looks for them, and comes back. The address is one of the trusted kernel's, whose body is marked.
 */
static void test_body(void **state)
{
	static const char code[] = "\x48\x89\xf8\x48\x8b\x4f\x70\xc3"; /* mov rax, rdi; mov rcx, [rdi + 70h]; ret */
	struct scene *scene = *state;
	struct context *context = &scene->context;
	uint64_t regs, word = trusted_at(scene, REGS + 0x70);

	regs = context->way == REDIRECT_TAGS ? REGS : scene->memory.window + OWN_STACK - PADDING - abi_regs_size(context->abi);
	cpu_unmark(scene->rig.cpu, BODY);
	assert_null(cpu_mark_code(scene->rig.cpu, MARK_OWN_CODE, BODY, stop, NULL));
	for (unsigned i = 0; i < 2; i++) {
		enter(scene, own_body(scene, code, sizeof(code) - 1, 0));
		assert_int_equal(context_stack_start(context, REGS) + OWN_STACK - PADDING - abi_regs_size(context->abi), regs);
		assert_int_equal(context_to_product(context, REGS + 8), regs + 8);
		run(scene, context->abi->back, CONTEXT_PRODUCT);
		assert_int_equal(scene->rig.cpu->gpr[RAX], regs);
		assert_int_equal(scene->rig.cpu->gpr[RCX], word);
		assert_int_equal(trusted_at(scene, ENTRY_RSP), RETURN_TO);
		context_leave(context, RESULT);
		expect_return(scene, RESULT);
	}
}

/* Its code, and what is marked there, goes by the kernel, not by the address. */
static void test_marks(void **state)
{
	struct scene *scene = *state;
	uint64_t body = own_body(scene, "\xff\xc0\x90\xc3", 4, 8); /* inc eax; nop; ret */
	struct error *err;

	rig_write(&scene->rig, BODY - KERNEL + 8, "\x90\x90\x90\xc3", 4);
	assert_null(cpu_mark_code(scene->rig.cpu, MARK_CLIENT_CODE, body + 2, stop, NULL));
	assert_null(cpu_mark_code(scene->rig.cpu, MARK_OWN_CODE, body + 3, stop, NULL));
	err = cpu_mark_code(scene->rig.cpu, MARK_CLIENT_CODE, body + 2, stop, NULL); /* again */
	assert_non_null(err);
	error_destroy(err);
	assert_true(cpu_is_marked(scene->rig.cpu, MARK_ANY_CODE, body + 2));
	assert_false(cpu_is_marked(scene->rig.cpu, MARK_OWN_CODE, body + 2));
	enter(scene, body);
	run(scene, body + 2, CONTEXT_PRODUCT);
	run(scene, scene->context.abi->back, CONTEXT_PRODUCT); /* past body + 3, which is marked in the other code */
	assert_int_equal(scene->rig.cpu->gpr[RAX], 1);
	context_abort(&scene->context, EIO_RESULT);
	scene->rig.cpu->rip = body;
	run(scene, body + 3, CONTEXT_TRUSTED);
}

/*
 * mov rsi, [rdi + 68h]; mov rbx, rdi; stac; mov rax, [rsi]; clac; add rax, 2; ret. The page is not there; the trusted handler sees an
 * instruction of its own.
 */
static const char access_code[] = "\x48\x8b\x77\x68\x48\x89\xfb" STAC "\x48\x8b\x06" CLAC "\x48\x83\xc0\x02\xc3";
enum { ACCESS_AT = 10 };
#define MISSING (USER + USER_PAGES * PAGE_SIZE)

static void check_frame(struct scene *scene)
{
	uint64_t rsp = scene->rig.cpu->gpr[RSP];

	assert_int_equal(trusted_at(scene, rsp + 0x18), FUNCTION);
	assert_int_equal(trusted_at(scene, rsp + 0x28) & FLAG_AC, FLAG_AC);
	assert_int_equal(scene->rig.cpu->cr2, MISSING);
}

static void test_user_fault(void **state)
{
	/* clac; push rax; push rcx; nop; mov rcx, the page's entry; mov eax, USER_PADDR + c000h | 67h; mov [rcx], rax; pop rcx; pop rax;
	 * add rsp, 8; iretq */
	static const char handler[] = CLAC "\x50\x51\x90\x48\xb9\x60\x30\x09\0\x80\x88\xff\xff\xb8\x67\xc0\x04\0\x48\x89\x01\x59\x58"
					   "\x48\x83\xc4\x08\x48\xcf";
	struct scene *scene = *state;

	PUT(scene, HANDLER, handler);
	rig_write64(&scene->rig, REGS - KERNEL + 0x68, MISSING);
	enter(scene, own_body(scene, access_code, sizeof(access_code) - 1, 0));
	run(scene, SCHEDULE, CONTEXT_USER_FAULT);
	check_frame(scene);
	run(scene, scene->context.abi->back, CONTEXT_PRODUCT);
	assert_int_equal(scene->rig.cpu->gpr[RAX], rig_read64(&scene->rig, USER_PADDR + USER_PAGES * PAGE_SIZE) + 2);
	assert_false(context_is_refused(&scene->context));
	context_abort(&scene->context, EIO_RESULT);
}

static bool take_refusal(void *opaque, struct cpu *cpu)
{
	struct scene *scene = opaque;

	if (cpu->exception.vector == VECTOR_PF && scene->context.phase == CONTEXT_PRODUCT && cpu->cr2 == MISSING &&
	    !context_is_refused(&scene->context))
		return !context_begin_user_fault(&scene->context);
	scene->faults++;
	cpu_request_exit(cpu, CPU_EXIT_CLIENT);
	return true;
}

/* The trusted handler goes to its own instruction's fixup: the product's instruction is where it was, and is the product's to fix up. */
static void test_refusal(void **state)
{
	struct scene *scene = *state;
	struct cpu *cpu = scene->rig.cpu;

	/* clac; neg rbx; push rax; mov rax, FUNCTION + 800h; mov [rsp + 10h], rax; pop rax; add rsp, 8; iretq */
	PUT(scene, HANDLER, CLAC "\x48\xf7\xdb\x50\x48\xb8\0\x28\x01\0\x80\x88\xff\xff\x48\x89\x44\x24\x10\x58\x48\x83\xc4\x08\x48\xcf");
	scene->context.client.exception = take_refusal;
	rig_write64(&scene->rig, REGS - KERNEL + 0x68, MISSING);
	enter(scene, own_body(scene, access_code, sizeof(access_code) - 1, 0));
	assert_int_equal(rig_run(&scene->rig, 1000), CPU_EXIT_CLIENT);
	assert_int_equal(scene->faults, 1);
	assert_int_equal(cpu->rip, BODY + ACCESS_AT);
	assert_int_equal(cpu->cr2, MISSING);
	assert_int_equal(cpu->gpr[RBX], cpu->gpr[RDI]); /* registers are the body's */
	context_abort(&scene->context, EIO_RESULT);
	expect_return(scene, (uint64_t)EIO_RESULT);
}

int main(void)
{
	static struct variant variants[] = {{REDIRECT_CONTEXT, true}, {REDIRECT_TAGS, true}};
#define CASE(name, i, variant)                                                                                                             \
	{                                                                                                                                  \
#name variant, name, set_up, teardown, &variants[i]                                                                        \
	}
#define TEST(name) CASE(name, 0, ", context"), CASE(name, 1, ", tags")
	const struct CMUnitTest tests[] = {TEST(test_body), TEST(test_marks), TEST(test_user_fault), TEST(test_refusal)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
