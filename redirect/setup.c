/*
 * Making the product ready for calls, at the first tool's first system call. Nothing here is a constant of a kernel version: the trusted
 * kernel is asked (its functions are called, their code and its own data are looked at), and what is found holds for the product, which
 * runs the same build.
 */
#include <string.h>

#include "emu/decode.h"
#include "emu/peek.h"
#include "redirect/session.h"
#include "util/error.h"

enum { TASK_SEARCH = 0x4000 /* bytes of a task_struct that are searched */, CODE_SEARCH = 128 };

/* -- current -- */

/* Where per-CPU data are on the trusted machine. */
static uint64_t trusted_percpu(const struct redirect *redirect)
{
	const struct cpu *cpu = redirect->cpu;

	if (redirect->context.word == 4)
		return cpu->seg[SEG_FS].base;
	return cpu->seg[SEG_GS].base >> 63 ? cpu->seg[SEG_GS].base : cpu->kernel_gs_base;
}

uint64_t trusted_current(struct redirect *redirect)
{
	uint64_t task;

	if (!cpu_peek_word(redirect->cpu, trusted_percpu(redirect) + redirect->current_offset, redirect->context.word, &task))
		return 0;
	return task;
}

/* The per-CPU offset that the function's first access relative to GS (i386: FS) goes to. */
static struct error *find_percpu_access(struct redirect *redirect, uint64_t function, uint64_t *ret)
{
	uint8_t segment = redirect->context.word == 8 ? SEG_GS : SEG_FS, code[CODE_SEARCH];
	size_t size = cpu_peek(redirect->cpu, function, code, sizeof(code));
	struct decoded insn;

	for (size_t at = 0; at < size; at += insn.length) {
		if (decode(redirect->cpu->isa, redirect->context.word, code + at, size - at, &insn) != DECODE_OK)
			break;
		if (!insn.segment_override || insn.segment != segment)
			continue;
		*ret = insn.displacement + (insn.base == RIP_REGISTER ? function + at + insn.length : 0);
		if (redirect->context.word == 4)
			*ret = (uint32_t)*ret;
		return NULL;
	}
	return error_create("bpf_get_current_task() of the trusted kernel does not load `current` from per-CPU data");
}

/* -- the kernel stack -- */

/* The trusted task's own `stack` field is told by pointing below the stack pointer, to where pt_regs ends within a power of two. */
static struct error *find_stack_field(struct redirect *redirect)
{
	struct context *context = &redirect->context;
	uint64_t task = trusted_current(redirect), rsp = redirect->cpu->gpr[RSP], value;
	uint64_t end = redirect->call.regs + (context->word == 8 ? 21 * 8 : 17 * 4);

	for (unsigned offset = 0; offset < TASK_SEARCH; offset += context->word) {
		if (!cpu_peek_word(redirect->cpu, task + offset, context->word, &value))
			break;
		if (value % PAGE_SIZE || value > rsp || rsp - value >= 64 << 10)
			continue;
		for (context->stack_size = PAGE_SIZE; context->stack_size < end - value;)
			context->stack_size *= 2;
		if (value % context->stack_size)
			continue;
		redirect->task_stack = offset;
		return NULL;
	}
	return error_create("the trusted kernel's task_struct at %#llx has no pointer to its stack", (unsigned long long)task);
}

/* -- the product's CPU -- */

/* Task context, preemptible: as at the start of a system call. The count's highest bit is inverted: clear means "reschedule now". */
static void reset_preempt_count(struct redirect *redirect)
{
	uint64_t at = find_symbol(redirect, "__preempt_count");

	if (!at && find_symbol(redirect, "pcpu_hot")) /* its second member, 6.2 to 6.14 */
		at = redirect->current_offset + redirect->context.word;
	if (at)
		product_memory_write_word(&redirect->memory, redirect->config.product.percpu + at, 4, 0x80000000);
}

struct error *set_up_product(struct redirect *redirect)
{
	struct context *context = &redirect->context;
	struct error *err = find_stack_field(redirect);

	if (!err)
		err = context_init(context);
	if (err)
		return err;
	reset_preempt_count(redirect);
	err = make_host_task(redirect);
	if (err)
		return err;
	set_wall_clock(redirect);
	redirect->ready = true;
	return NULL;
}

/* -- before that -- */

struct error *find_current(struct redirect *redirect)
{
	if (!redirect->function.bpf_get_current_task)
		return error_create("the kernel has no bpf_get_current_task(), by which `current` is found");
	return find_percpu_access(redirect, redirect->function.bpf_get_current_task, &redirect->current_offset);
}
