/*
 * Where a kernel keeps what is needed of its structures, by the code of small functions that begin with a look at it: kernel.h. What is
 * found in the code of one kernel holds for all of the same build.
 */
#include "loader/operand.h"
#include "redirect/kernel.h"

enum { MAX_CODE = 128 /* bytes of a function that are looked at */, LONG_CODE = 512 /* of one that does other things first */ };

/* The first instructions of a function. */
struct reading {
	const struct kernel *kernel;
	uint64_t rip; /* of the instruction */
	size_t size, at;
	struct decoded insn;
	uint8_t code[LONG_CODE];
};

static struct reading read_function(const struct kernel *kernel, enum kernel_function function, size_t most)
{
	struct reading reading = {.kernel = kernel, .rip = kernel->function[function]};

	reading.size = reading.rip ? kernel_peek(kernel, reading.rip, reading.code, most) : 0;
	return reading;
}

/* False: that was the last one. */
static bool next_insn(struct reading *reading)
{
	const struct kernel *kernel = reading->kernel;

	reading->at += reading->insn.length;
	reading->rip += reading->insn.length;
	return reading->at < reading->size && decode(kernel->cpu->isa, kernel->abi->word, reading->code + reading->at,
						     reading->size - reading->at, &reading->insn) == DECODE_OK;
}

/* Whether the instruction has an operand in memory by a register other than the stack pointer. */
static bool has_member(const struct decoded *insn)
{
	return insn->has_modrm && insn->mod != 3 && insn->base < 16 && insn->base != RSP;
}

/* -- current -- */

/*
 * What the function's first access to per-CPU data goes to: relative to GS (i386: FS), or in a kernel for one CPU to a variable of the
 * image.
 */
struct error *kernel_find_current(struct kernel *kernel)
{
	struct reading reading = read_function(kernel, FUNCTION_bpf_get_current_task, MAX_CODE);
	const struct decoded *insn = &reading.insn;
	uint64_t address;

	if (!kernel->function[FUNCTION_bpf_get_current_task])
		return error_create("the kernel has neither bpf_get_current_task() nor sys_getpid(), by which `current` is found");
	while (next_insn(&reading)) {
		bool per_cpu = insn->segment_override && insn->segment == kernel->abi->percpu;

		if (!operand_is_variable(insn, reading.rip + insn->length, &address))
			continue;
		address = abi_value(kernel->abi, address);
		if (!per_cpu && (insn->segment_override || !kernel_in_image(kernel, address)))
			continue;
		kernel->layout.current = address;
		kernel->layout.one_cpu = !per_cpu;
		return NULL;
	}
	return error_create("bpf_get_current_task() of the kernel does not load `current` from per-CPU data");
}

/* -- members of task_struct -- */

/* The displacement of the function's first load relative to a register that is not the stack pointer: a member of its argument. */
static unsigned find_member(const struct kernel *kernel, enum kernel_function function)
{
	struct reading reading = read_function(kernel, function, 64);

	while (next_insn(&reading)) {
		if (has_member(&reading.insn) && !reading.insn.segment_override &&
		    reading.insn.displacement >= 2 * (int64_t)kernel->abi->word)
			return reading.insn.displacement;
	}
	return 0;
}

/* The state, of which the lowest 32 bits matter: schedule_timeout_uninterruptible() stores it first of all. */
static unsigned find_state(const struct kernel *kernel)
{
	enum { TASK_UNINTERRUPTIBLE = 2 };
	struct reading reading = read_function(kernel, FUNCTION_schedule_timeout_uninterruptible, 64);

	while (next_insn(&reading)) {
		if (reading.insn.row->op == OP_MOV && has_member(&reading.insn) && reading.insn.immediate == TASK_UNINTERRUPTIBLE)
			return reading.insn.displacement;
	}
	return 0;
}

/* The status of the task, which the entry of INT 80h gives the flag of a 32-bit call: thread_info is at the task's start. */
static unsigned find_status(const struct kernel *kernel)
{
	enum { TS_COMPAT = 2, LARGEST = 64 };
	struct reading reading = read_function(kernel, FUNCTION_int80, LONG_CODE);

	while (next_insn(&reading)) {
		if (reading.insn.row->op == OP_OR && has_member(&reading.insn) && reading.insn.immediate == TS_COMPAT &&
		    (uint64_t)reading.insn.displacement < LARGEST)
			return reading.insn.displacement;
	}
	return 0;
}

/* -- locks of PREEMPT_RT -- */

/* The member of its argument that rt_spin_lock() exchanges for the task. */
static unsigned find_rt_owner(const struct kernel *kernel)
{
	struct reading reading = read_function(kernel, FUNCTION_rt_spin_lock, MAX_CODE);

	while (next_insn(&reading)) {
		if (reading.insn.row->op == OP_CMPXCHG && has_member(&reading.insn) && !reading.insn.segment_override)
			return reading.insn.displacement;
	}
	return 0;
}

/* rt_write_lock() takes the bias away, once it has the lock: include/linux/rwbase_rt.h. */
static bool find_rt_readers(const struct kernel *kernel, unsigned *ret)
{
	enum { READER_BIAS = 1u << 31 };
	struct reading reading = read_function(kernel, FUNCTION_rt_write_lock, MAX_CODE);

	while (next_insn(&reading)) {
		if (reading.insn.row->op == OP_SUB && has_member(&reading.insn) && (uint32_t)reading.insn.immediate == READER_BIAS) {
			*ret = reading.insn.displacement;
			return true;
		}
	}
	return false;
}

void kernel_find_members(struct kernel *kernel)
{
	struct kernel_layout *layout = &kernel->layout;

	layout->files = find_member(kernel, FUNCTION_exit_files);
	layout->fs = find_member(kernel, FUNCTION_exit_fs);
	layout->nsproxy = find_member(kernel, FUNCTION_copy_namespaces);
	layout->audit = find_member(kernel, FUNCTION_audit_reusename); /* of `current`, which it loads first */
	layout->state = find_state(kernel);
	layout->status = kernel->abi->word == 8 ? find_status(kernel) : 0;
	layout->rt_owner = find_rt_owner(kernel);
	layout->has_rt_readers = find_rt_readers(kernel, &layout->rt_readers);
}
