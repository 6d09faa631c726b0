/* Two kernels in two worlds (redirect/worlds.h), and what a kernel's code tells of its structures (redirect/kernel.h). */
#include "tests/unit/worlds_rig.h"

#include "redirect/tools.h"

enum { TRUSTED_RESULT = 1, PRODUCT_RESULT = 2, TRUSTED_CURRENT = 0x18, PRODUCT_CURRENT = 0x28, TASK = 0x1234 };

static uint64_t result_in(struct worlds *worlds, enum world world)
{
	uint64_t result = 0;

	assert_true(worlds_call(worlds, world, FUNCTION_fget, NULL, 0, &result));
	return result;
}

/* Each world's function is that of its kernel, wherever that has it; today they have one kernel. */
static void test_functions(void **state)
{
	struct scene *scene = *state;
	struct machine *machine = calloc(1, sizeof(*machine));
	struct worlds *worlds = make_worlds(scene, machine, scene->context.way);
	struct kernel other = worlds->trusted;
	uint64_t result;

	PUT(scene, FUNCTION, "\xb8\x01\0\0\0\xc3");         /* mov eax, 1; ret */
	PUT(scene, FUNCTION + 0x100, "\xb8\x02\0\0\0\xc3"); /* mov eax, 2; ret */
	come_to_body(scene, 0);
	assert_false(worlds_call(worlds, WORLD_TRUSTED, FUNCTION_fget, NULL, 0, &result)); /* it has none of this name */
	assert_false(worlds_call(worlds, WORLD_PRODUCT, FUNCTION_fget, NULL, 0, &result));
	worlds->trusted.function[FUNCTION_fget] = FUNCTION;
	assert_int_equal(result_in(worlds, WORLD_TRUSTED), TRUSTED_RESULT);
	assert_int_equal(result_in(worlds, WORLD_PRODUCT), TRUSTED_RESULT);
	other.function[FUNCTION_fget] = FUNCTION + 0x100;
	worlds->product = &other;
	assert_int_equal(result_in(worlds, WORLD_TRUSTED), TRUSTED_RESULT);
	assert_int_equal(result_in(worlds, WORLD_PRODUCT), PRODUCT_RESULT);
	close_worlds(scene, worlds);
	free(machine);
}

/* `current` is where each kernel keeps it, in its own world's memory. */
static void test_current(void **state)
{
	struct scene *scene = *state;
	struct machine *machine = calloc(1, sizeof(*machine));
	struct worlds *worlds = make_worlds(scene, machine, scene->context.way);
	struct kernel other = worlds->trusted;
	uint64_t value;

	worlds->trusted.layout.current = TRUSTED_CURRENT;
	other.layout.current = PRODUCT_CURRENT;
	worlds->product = &other;
	assert_int_equal(worlds_current(worlds), trusted_at(scene, TRUSTED_PERCPU + TRUSTED_CURRENT));
	assert_true(worlds_set_current(worlds, TASK));
	assert_true(product_memory_read_word(&worlds->memory, PRODUCT_PERCPU + PRODUCT_CURRENT, 8, &value));
	assert_int_equal(value, TASK);
	assert_true(product_memory_read_word(&worlds->memory, PRODUCT_PERCPU + TRUSTED_CURRENT, 8, &value));
	assert_int_equal(value, snapshot_at(scene, PRODUCT_PERCPU + TRUSTED_CURRENT));
	assert_int_not_equal(worlds_current(worlds), TASK);
	close_worlds(scene, worlds);
	free(machine);
}

/* Of kernels for one CPU it is a variable; and GS has a base of its own, for the canary. */
static void test_current_of_one_cpu(void **state)
{
	struct scene *scene = *state;
	struct machine *machine = calloc(1, sizeof(*machine));
	struct worlds *worlds = make_worlds(scene, machine, scene->context.way);
	struct kernel other = worlds->trusted;
	struct cpu *cpu = scene->rig.cpu;
	uint64_t value;

	assert_int_equal(worlds->context.segment_base, PRODUCT_PERCPU);
	worlds->context.percpu = 0;
	worlds->trusted.layout.one_cpu = other.layout.one_cpu = true;
	worlds->trusted.layout.current = TRUSTED_PERCPU + TRUSTED_CURRENT;
	other.layout.current = PRODUCT_PERCPU + PRODUCT_CURRENT;
	worlds->product = &other;
	assert_int_equal(worlds_current(worlds), trusted_at(scene, TRUSTED_PERCPU + TRUSTED_CURRENT));
	assert_true(worlds_set_current(worlds, TASK));
	assert_true(product_memory_read_word(&worlds->memory, PRODUCT_PERCPU + PRODUCT_CURRENT, 8, &value));
	assert_int_equal(value, TASK);
	come_to_body(scene, 0);
	assert_true(context_enter(&worlds->context, 0));
	assert_int_equal(cpu->seg[SEG_GS].base, PRODUCT_PERCPU);
	context_abort(&worlds->context, 0);
	close_worlds(scene, worlds);
	free(machine);
}

/* Whether the command's processes have numbers that the product's cannot have: the trusted kernel tells that of the calling one. */
static void test_numbers_of_tools(void **state)
{
	struct scene *scene = *state;
	struct machine *machine = calloc(1, sizeof(*machine));
	struct worlds *worlds = make_worlds(scene, machine, scene->context.way);
	struct tools tools = {.worlds = worlds, .first_pid = 30000};

	PUT(scene, FUNCTION, "\xb8\x2f\x75\0\0\xc3"); /* mov eax, 29999; ret */
	come_to_body(scene, 0);
	assert_true(tools_are_numbered(&tools)); /* nothing tells */
	worlds->trusted.function[FUNCTION_task_pid_nr_ns] = FUNCTION;
	assert_false(tools_are_numbered(&tools));
	tools.first_pid = 29999;
	assert_true(tools_are_numbered(&tools));
	tools.first_pid = 0;
	assert_true(tools_are_numbered(&tools));
	close_worlds(scene, worlds);
	free(machine);
}

/* A kernel that does not name its data tells init_task by a function. */
static void test_init_task(void **state)
{
	struct scene *scene = *state;
	struct machine *machine = calloc(1, sizeof(*machine));
	struct worlds *worlds = make_worlds(scene, machine, scene->context.way);

	PUT(scene, FUNCTION, "\x89\xf8\x05\x34\x12\0\0\xc3"); /* mov eax, edi; add eax, 0x1234; ret */
	come_to_body(scene, 0);
	assert_int_equal(worlds_init_task(worlds), 0);
	worlds->trusted.function[FUNCTION_idle_task] = FUNCTION;
	assert_int_equal(worlds_init_task(worlds), TASK);
	close_worlds(scene, worlds);
	free(machine);
}

/* The function returns to its caller in either world. */
static void test_return(void **state)
{
	struct scene *scene = *state;
	struct machine *machine = calloc(1, sizeof(*machine));
	struct worlds *worlds = make_worlds(scene, machine, scene->context.way);
	struct cpu *cpu = scene->rig.cpu;

	come_to_body(scene, 0);
	assert_int_equal(worlds_return(worlds, EIO_RESULT), MARK_LOOK);
	assert_int_equal(cpu->rip, RETURN_TO);
	assert_int_equal(cpu->gpr[RAX], EIO_RESULT);
	assert_int_equal(cpu->gpr[RSP], ENTRY_RSP + 8);
	come_to_body(scene, 0);
	assert_true(context_enter(&worlds->context, 0));
	assert_int_equal(worlds_return(worlds, RESULT), MARK_LOOK);
	assert_true(context_at_return(&worlds->context));
	assert_int_equal(cpu->gpr[RAX], RESULT);
	context_leave(&worlds->context, RESULT);
	close_worlds(scene, worlds);
	free(machine);
}

struct trier {
	struct worlds *worlds;
	unsigned asked, most;
};

/* After some tries the kernel has the function. */
static bool try_again(void *opaque)
{
	struct trier *trier = opaque;

	if (trier->asked++ == trier->most)
		trier->worlds->trusted.function[FUNCTION_fget] = FUNCTION;
	return trier->asked <= trier->most + 1 && trier->most < 10;
}

/* A call on the product that does not come back is made again as long as that may help, and leaves no trace of having failed. */
static void test_again(void **state)
{
	struct scene *scene = *state;
	struct machine *machine = calloc(1, sizeof(*machine));
	struct worlds *worlds = make_worlds(scene, machine, scene->context.way);
	struct trier trier = {worlds, .most = 2};
	uint64_t result = 0;

	PUT(scene, FUNCTION, "\xb8\x01\0\0\0\xc3"); /* mov eax, 1; ret */
	PUT(scene, FUNCTION + 0x100, "\x0f\x0b");   /* ud2 */
	come_to_body(scene, 0);
	worlds->context.client.exception = on_exception;
	worlds->context.client.opaque = scene;
	worlds->again = try_again;
	worlds->again_opaque = &trier;
	worlds->trusted.function[FUNCTION_fget] = FUNCTION + 0x100;
	scene->context.phase = CONTEXT_PRODUCT; /* on_exception() then leaves */
	assert_true(worlds_call(worlds, WORLD_PRODUCT, FUNCTION_fget, NULL, 0, &result));
	assert_int_equal(result, TRUSTED_RESULT);
	assert_int_equal(trier.asked, 3);
	assert_int_equal(worlds->context.unfinished, 0);
	worlds->trusted.function[FUNCTION_fget] = FUNCTION + 0x100;
	trier = (struct trier){worlds, .most = 10};
	assert_false(worlds_call(worlds, WORLD_PRODUCT, FUNCTION_fget, NULL, 0, &result));
	assert_int_equal(trier.asked, 1);
	assert_int_equal(worlds->context.unfinished, 1);
	assert_false(worlds_call(worlds, WORLD_TRUSTED, FUNCTION_fget, NULL, 0, &result));
	assert_int_equal(trier.asked, 1);
	scene->context.phase = CONTEXT_TRUSTED;
	close_worlds(scene, worlds);
	free(machine);
}

/* -- layout -- */

/* A kernel with this code in the place of a function. */
static struct kernel kernel_with(struct scene *scene, unsigned word, enum kernel_function function, const void *code, size_t size)
{
	struct kernel kernel;

	kernel_init(&kernel, &no_symbols, scene->rig.cpu, NULL, word);
	kernel.function[function] = FUNCTION;
	put_code(scene, FUNCTION, code, size);
	return kernel;
}
#define WITH(scene, word, function, code) kernel_with(scene, word, FUNCTION_##function, code, sizeof(code) - 1)

static void expect_current(struct kernel kernel, uint64_t offset)
{
	assert_null(kernel_find_current(&kernel));
	assert_int_equal(kernel.layout.current, offset);
	assert_false(kernel.layout.one_cpu);
}

static unsigned find_status(struct kernel kernel)
{
	kernel_find_members(&kernel);
	return kernel.layout.status;
}

/* The status of a task, which the entry of 32-bit calls writes: gs:[1fbc0h] is the task. */
static void test_find_status(void **state)
{
	struct scene *scene = *state;

	/* mov rax, gs:[0x1fbc0]; or dword [rax + 10h], 2 */
	assert_int_equal(find_status(WITH(scene, 8, int80, "\x65\x48\x8b\x04\x25\xc0\xfb\x01\0\x83\x48\x10\x02\xc3")), 0x10);
	/* the same behind others: or dword [rsp + 8], 2; or dword [rax + 10h], 4; or dword [rax + 1000h], 2; or dword [rcx + 8], 2 */
	assert_int_equal(
		find_status(WITH(scene, 8, int80, "\x83\x4c\x24\x08\x02\x83\x48\x10\x04\x83\x88\0\x10\0\0\x02\x83\x49\x08\x02\xc3")), 8);
	/* kernels of i386 have one kind of calls */
	assert_int_equal(find_status(WITH(scene, 4, int80, "\x83\x48\x10\x02\x0f\xff")), 0);
	/* or eax, 2; the rest is no code */
	assert_int_equal(find_status(WITH(scene, 8, int80, "\x83\xc8\x02\x06\x83\x48\x10\x02")), 0);
}

static void test_find_current(void **state)
{
	struct scene *scene = *state;
	struct kernel kernel;
	struct error *err;

	/* endbr64; mov rax, gs:[0x1fbc0]; ret */
	expect_current(WITH(scene, 8, bpf_get_current_task, "\xf3\x0f\x1e\xfa\x65\x48\x8b\x04\x25\xc0\xfb\x01\0\xc3"), 0x1fbc0);
	/* mov rax, gs:[rip + 0x100] */
	expect_current(WITH(scene, 8, bpf_get_current_task, "\x65\x48\x8b\x05\0\x01\0\0\xc3"), FUNCTION + 8 + 0x100);
	/* push ebp; mov eax, fs:[0xc1a00000] */
	expect_current(WITH(scene, 4, bpf_get_current_task, "\x55\x64\xa1\0\0\xa0\xc1\xc3"), 0xc1a00000);
	/* push rbp; mov rbp, rsp; mov rdi, gs:[0x1fbc0]: sys_getpid() */
	expect_current(WITH(scene, 8, bpf_get_current_task, "\x55\x48\x89\xe5\x65\x48\x8b\x3c\x25\xc0\xfb\x01\0\xc3"), 0x1fbc0);
	/* mov rax, [rdi]; the rest is no code */
	kernel = WITH(scene, 8, bpf_get_current_task, "\x48\x8b\x07\x0f\xff\x65\x48\x8b\x04\x25\xc0\xfb\x01\0");
	err = kernel_find_current(&kernel);
	assert_non_null(err);
	error_destroy(err);
	kernel.function[FUNCTION_bpf_get_current_task] = 0;
	err = kernel_find_current(&kernel);
	assert_non_null(err);
	error_destroy(err);
}

static void expect_variable(struct kernel kernel, const struct symbols *image, uint64_t address)
{
	kernel.symbols = image;
	assert_null(kernel_find_current(&kernel));
	assert_int_equal(kernel.layout.current, address);
	assert_true(kernel.layout.one_cpu);
}

/* Built for one CPU: `current` is a variable of the image, and no segment has a part in it. */
static void test_find_current_of_one_cpu(void **state)
{
	struct scene *scene = *state;
	const struct symbols wide = {.base = 0xffffffff81000000, .end = 0xffffffff82000000},
			     narrow = {.base = 0xc1000000, .end = 0xc2000000};
	const struct symbols near = {.base = FUNCTION & ~0xfffull, .end = (FUNCTION & ~0xfffull) + 0x10000};
	struct kernel kernel;
	struct error *err;

	/* mov rdi, [0xffffffff81a00000] */
	expect_variable(WITH(scene, 8, bpf_get_current_task, "\x48\x8b\x3c\x25\0\0\xa0\x81\xc3"), &wide, 0xffffffff81a00000);
	/* mov rdi, [rip + 0x100] */
	expect_variable(WITH(scene, 8, bpf_get_current_task, "\x48\x8b\x3d\0\x01\0\0\xc3"), &near, FUNCTION + 7 + 0x100);
	/* mov eax, [0xc1a00000] */
	expect_variable(WITH(scene, 4, bpf_get_current_task, "\xa1\0\0\xa0\xc1\xc3"), &narrow, 0xc1a00000);
	/* mov rdi, [0x1fbc0]: outside of the image */
	kernel = WITH(scene, 8, bpf_get_current_task, "\x48\x8b\x3c\x25\xc0\xfb\x01\0\xc3\x0f\xff");
	kernel.symbols = &wide;
	err = kernel_find_current(&kernel);
	assert_non_null(err);
	error_destroy(err);
}

static void test_find_members(void **state)
{
	struct scene *scene = *state;
	/* push rbx; mov rax, [rsp + 0x40]; mov rax, [rdi + 8]; mov rbx, [rdi + 0xb08] */
	struct kernel kernel = WITH(scene, 8, exit_files, "\x53\x48\x8b\x44\x24\x40\x48\x8b\x47\x08\x48\x8b\x9f\x08\x0b\0\0");

	kernel_find_members(&kernel);
	assert_int_equal(kernel.layout.files, 0xb08);
	assert_int_equal(kernel.layout.fs, 0);
	assert_int_equal(kernel.layout.nsproxy, 0);
	assert_int_equal(kernel.layout.state, 0);
	/* mov rax, gs:[0x1fbc0]; mov dword [rax + 0x30], 1; mov dword [rax + 0x18], 2 */
	kernel = WITH(scene, 8, schedule_timeout_uninterruptible,
		      "\x65\x48\x8b\x04\x25\xc0\xfb\x01\0\xc7\x40\x30\x01\0\0\0\xc7\x40\x18\x02\0\0\0");
	kernel_find_members(&kernel);
	assert_int_equal(kernel.layout.state, 0x18);
	assert_int_equal(kernel.layout.files, 0);
	/* mov rax, gs:[0x1fb80]; mov rcx, [rax + 0xc60]; mov rax, [rcx + 0x2a0] */
	kernel = WITH(scene, 8, audit_reusename, "\x65\x48\x8b\x04\x25\x80\xfb\x01\0\x48\x8b\x88\x60\x0c\0\0\x48\x8b\x81\xa0\x02\0\0");
	kernel_find_members(&kernel);
	assert_int_equal(kernel.layout.audit, 0xc60);
	/* lock cmpxchg gs:[rdi + 8], rdx: per-CPU data */
	kernel = WITH(scene, 8, rt_spin_lock, "\xf0\x65\x48\x0f\xb1\x57\x08");
	kernel_find_members(&kernel);
	assert_int_equal(kernel.layout.rt_owner, 0);
	/* push rbx; mov rbx, rdi; mov rdx, gs:[0x1fbc0]; xor eax, eax; lock cmpxchg [rbx + 0x18], rdx */
	kernel = WITH(scene, 8, rt_spin_lock, "\x53\x48\x89\xfb\x65\x48\x8b\x14\x25\xc0\xfb\x01\0\x31\xc0\xf0\x48\x0f\xb1\x53\x18");
	kernel_find_members(&kernel);
	assert_int_equal(kernel.layout.rt_owner, 0x18);
	assert_false(kernel.layout.has_rt_readers);
	/* mov rbx, rdi; lock sub dword [rbx], 0x80000000 */
	kernel = WITH(scene, 8, rt_write_lock, "\x48\x89\xfb\xf0\x81\x2b\0\0\0\x80");
	kernel_find_members(&kernel);
	assert_true(kernel.layout.has_rt_readers);
	assert_int_equal(kernel.layout.rt_readers, 0);
	/* mov rbp, rdi; lock sub dword [rbp + 0x28], 0x80000000 */
	kernel = WITH(scene, 8, rt_write_lock, "\x48\x89\xfd\xf0\x81\x6d\x28\0\0\0\x80");
	kernel_find_members(&kernel);
	assert_int_equal(kernel.layout.rt_readers, 0x28);
	/* mov edx, [eax + 0x5a4] */
	kernel = WITH(scene, 4, exit_fs, "\x8b\x90\xa4\x05\0\0");
	kernel_find_members(&kernel);
	assert_int_equal(kernel.layout.fs, 0x5a4);
}

static void test_errors_and_image(void **state)
{
	const struct symbols symbols = {.base = 0xffffffff81000000, .end = 0xffffffff83000000};
	struct kernel kernel = {.symbols = &symbols, .abi = abi_of(8)};

	(void)state;
	assert_true(kernel_in_image(&kernel, symbols.base));
	assert_true(kernel_in_image(&kernel, symbols.end - 1));
	assert_false(kernel_in_image(&kernel, symbols.base - 1));
	assert_false(kernel_in_image(&kernel, symbols.end));
	assert_true(kernel_is_error(&kernel, -2));
	assert_true(kernel_is_error(&kernel, -4095));
	assert_false(kernel_is_error(&kernel, -4096));
	assert_false(kernel_is_error(&kernel, 0xfffffffe));
	kernel.abi = abi_of(4);
	assert_true(kernel_is_error(&kernel, 0xfffffffe));
}

/* Without a function that is needed there is no introspection; what is missing otherwise is for its user to do without. */
static void test_needed_functions(void **state)
{
	const struct symbols none = {0};
	struct kernel kernel;
	struct error *err;

	(void)state;
	kernel_init(&kernel, &none, NULL, NULL, 8);
	for (unsigned i = 0; i < KERNEL_FUNCTIONS; i++)
		kernel.function[i] = 1;
	assert_null(kernel_check(&kernel));
	kernel.function[FUNCTION_vfs_llseek] = 0;
	assert_null(kernel_check(&kernel));
	kernel.function[FUNCTION_dup_fd] = 0;
	err = kernel_check(&kernel);
	assert_non_null(err);
	assert_string_equal(err->message,
			    "introspection is not possible with this kernel: it has no dup_fd(), which makes the host task's own "
			    "table of descriptors");
	error_destroy(err);
}

int main(void)
{
	static struct variant variants[] = {{REDIRECT_CONTEXT, true}, {REDIRECT_TAGS, true}};
#define CASE(name, i) cmocka_unit_test_prestate_setup_teardown(name, setup, teardown, &variants[i])
	const struct CMUnitTest tests[] = {
		CASE(test_functions, 0),
		CASE(test_functions, 1),
		CASE(test_current, 0),
		CASE(test_current, 1),
		CASE(test_current_of_one_cpu, 0),
		CASE(test_numbers_of_tools, 0),
		CASE(test_init_task, 0),
		CASE(test_return, 0),
		CASE(test_return, 1),
		CASE(test_again, 0),
		CASE(test_again, 1),
		CASE(test_find_current, 0),
		CASE(test_find_current_of_one_cpu, 0),
		CASE(test_find_members, 0),
		CASE(test_find_status, 0),
		cmocka_unit_test(test_errors_and_image),
		cmocka_unit_test(test_needed_functions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
