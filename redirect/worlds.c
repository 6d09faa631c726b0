/* The two worlds: worlds.h. */
#include "redirect/worlds.h"

#include "emu/peek.h"

/*
 * The base of GS in a kernel for one CPU: nothing but the stack protector's canary is addressed by it. From 6.15 on, and on i386, it is 0.
 */
static uint64_t canary_base(const struct kernel *kernel)
{
	uint64_t base = kernel_symbol(kernel, "fixed_percpu_data");

	return base ? base : kernel_symbol(kernel, "irq_stack_union"); /* before 5.2 */
}

struct error *worlds_init(struct worlds *worlds, const struct worlds_config *config)
{
	*worlds = (struct worlds){.machine = config->machine, .cpu = config->machine->cpu};
	worlds->context.cpu = worlds->cpu;
	worlds->context.memory = &worlds->memory;
	worlds->context.way = config->way;
	worlds->context.abi = abi_of(config->word);
	worlds->context.percpu = config->percpu;
	worlds->context.cancel = config->cancel;
	kernel_init(&worlds->trusted, config->symbols, worlds->cpu, NULL, config->word);
	worlds->product = &worlds->trusted;
	if (config->product_symbols) {
		kernel_init(&worlds->another, config->product_symbols, worlds->cpu, &worlds->memory, config->word);
		worlds->product = &worlds->another;
		worlds->context.other = (struct context_other){.present = true, .stack_size = CONTEXT_LARGEST_STACK};
	}
	worlds->context.segment_base = config->percpu ? config->percpu : canary_base(worlds->product);
	return product_memory_init(&worlds->memory, &config->memory);
}

void worlds_deinit(struct worlds *worlds)
{
	context_deinit(&worlds->context);
	product_memory_deinit(&worlds->memory);
}

static struct kernel *kernel_of(struct worlds *worlds, enum world world)
{
	return world == WORLD_TRUSTED ? &worlds->trusted : worlds->product;
}

/* -- functions -- */

bool worlds_call(struct worlds *worlds, enum world world, enum kernel_function function, const uint64_t *argument, unsigned arguments,
		 uint64_t *ret_value)
{
	struct context *context = &worlds->context;
	uint64_t unfinished = context->unfinished;

	while (!context_call(context, world, kernel_of(worlds, world)->function[function], argument, arguments, ret_value)) {
		if (world != WORLD_PRODUCT || context->phase != CONTEXT_TRUSTED || context->nested || !worlds->again ||
		    !worlds->again(worlds->again_opaque))
			return false;
		context->unfinished = unfinished;
	}
	return true;
}

/* Where the code of a world's kernel is found: of one kernel, in both. */
static enum mark_code code_of(const struct worlds *worlds, enum world world)
{
	if (!worlds_have_two_kernels(worlds))
		return MARK_ANY_CODE;
	return world == WORLD_TRUSTED ? MARK_OWN_CODE : MARK_CLIENT_CODE;
}

struct error *worlds_mark_at(struct worlds *worlds, enum world world, uint64_t address, mark_fn *fn, void *opaque)
{
	return cpu_mark_code(worlds->cpu, code_of(worlds, world), address, fn, opaque);
}

bool worlds_is_marked(const struct worlds *worlds, enum world world, uint64_t address)
{
	return cpu_is_marked(worlds->cpu, code_of(worlds, world), address);
}

struct error *worlds_mark(struct worlds *worlds, enum world world, const char *name, mark_fn *fn, void *opaque)
{
	uint64_t address = kernel_symbol(kernel_of(worlds, world), name);

	return address ? worlds_mark_at(worlds, world, address, fn, opaque) : NULL;
}

enum mark_action worlds_return(struct worlds *worlds, int64_t value)
{
	struct cpu *cpu = worlds->cpu;
	unsigned word = worlds->context.abi->word;
	bool in_window = worlds->context.phase == CONTEXT_PRODUCT && worlds->context.way == REDIRECT_CONTEXT;
	uint64_t rip = 0;

	if (!(in_window ? product_memory_read_word(&worlds->memory, cpu->gpr[RSP], word, &rip)
			: cpu_peek_word(cpu, cpu->gpr[RSP], word, &rip)))
		return MARK_CONTINUE; /* and faults */
	cpu->gpr[RAX] = abi_value(worlds->context.abi, value);
	cpu->gpr[RSP] += word;
	cpu->rip = rip;
	return MARK_LOOK;
}

size_t worlds_read_stack(struct worlds *worlds, uint64_t address, void *to, size_t size)
{
	uint64_t whole = context_stack_size(&worlds->context), left = whole - (address & (whole - 1));

	size = size < left ? size : left;
	if (worlds->context.way == REDIRECT_TAGS)
		return cpu_peek(worlds->cpu, address, to, size);
	return product_memory_read(&worlds->memory, address, to, size) ? size : 0;
}

/* -- current -- */

/* What is added to addresses of per-CPU data on the trusted machine. */
static uint64_t trusted_percpu(const struct worlds *worlds)
{
	const struct cpu *cpu = worlds->cpu;
	uint64_t base = cpu->seg[worlds->context.abi->percpu].base;
	bool swapped = worlds->context.abi->word == 8 && !(base >> 63); /* SWAPGS has put the program's there */

	if (worlds->trusted.layout.one_cpu)
		return 0;
	return swapped ? cpu->kernel_gs_base : base;
}

uint64_t worlds_current(const struct worlds *worlds)
{
	uint64_t task;

	if (!cpu_peek_word(worlds->cpu, trusted_percpu(worlds) + worlds->trusted.layout.current, worlds->context.abi->word, &task))
		return 0;
	return task;
}

bool worlds_set_current(struct worlds *worlds, uint64_t task)
{
	return product_memory_write_word(&worlds->memory, worlds->context.percpu + worlds->product->layout.current,
					 worlds->context.abi->word, task);
}

uint64_t worlds_init_task(struct worlds *worlds)
{
	const uint64_t first_cpu = 0;
	uint64_t task = kernel_symbol(worlds->product, "init_task");

	return task || worlds_call(worlds, WORLD_PRODUCT, FUNCTION_idle_task, &first_cpu, 1, &task) ? task : 0;
}

/* -- the kernel stack -- */

/* The trusted task's own `stack` is told by pointing below the stack pointer, to where pt_regs ends within a power of two. */
struct error *worlds_find_stack(struct worlds *worlds, uint64_t regs)
{
	struct context *context = &worlds->context;
	uint64_t task = worlds_current(worlds), rsp = worlds->cpu->gpr[RSP], value;
	uint64_t end = regs + (abi_regs_size(context->abi));

	for (unsigned offset = 0; offset < WORLDS_TASK_SEARCH; offset += context->abi->word) {
		if (!cpu_peek_word(worlds->cpu, task + offset, context->abi->word, &value))
			break;
		if (value % PAGE_SIZE || value > rsp || rsp - value >= 64 << 10)
			continue;
		for (context->stack_size = PAGE_SIZE; context->stack_size < end - value;)
			context->stack_size *= 2;
		if (value % context->stack_size)
			continue;
		worlds->trusted.layout.stack = offset;
		return NULL;
	}
	return error_create("the trusted kernel's task_struct at %#llx has no pointer to its stack", (unsigned long long)task);
}
