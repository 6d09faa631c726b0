/* What is known of two kernels: another_kernel.h. */
#include "redirect/another_kernel.h"

#include "util/error.h"

/* -- an access of the trusted kernel to user memory -- */

/* Functions that make one right away, after STAC. */
static const char *const accessors[] = {"__get_user_1", "__get_user_nocheck_1", "__put_user_1", "__get_user_4"};

enum { ACCESSOR_SIZE = 64 /* bytes of one that are looked at */ };

/* The first of its instructions for which there is a fixup; 0: none. */
static uint64_t find_access_in(struct worlds *worlds, uint64_t function)
{
	uint64_t entry;

	for (uint64_t at = function; function && at < function + ACCESSOR_SIZE; at++) {
		if (worlds_call(worlds, WORLD_TRUSTED, FUNCTION_search_exception_tables, &at, 1, &entry) && entry)
			return at;
	}
	return 0;
}

static struct error *find_user_access(struct worlds *worlds)
{
	uint64_t *found = &worlds->context.other.user_access;

	for (unsigned i = 0; !*found && i < sizeof(accessors) / sizeof(accessors[0]); i++)
		*found = find_access_in(worlds, kernel_symbol(&worlds->trusted, accessors[i]));
	return *found ? NULL : error_create("the trusted kernel has no access to user memory that can be repeated (__get_user_1)");
}

/* -- the stacks of the product's kernel -- */

enum {
	SMALLEST_STACK = PAGE_SIZE,
	MOST_PADDING = 16,
	LAST_PID = 4096, /* of those that are looked at */
};

/* Whether there are registers of a program. Their upper halves have other meanings. */
static bool is_user_regs(struct worlds *worlds, uint64_t regs)
{
	const struct abi *abi = worlds->context.abi;
	uint64_t cs, ss;

	return product_memory_read_word(&worlds->memory, regs + abi_regs_offset(abi, ABI_CS), 2, &cs) &&
	       product_memory_read_word(&worlds->memory, regs + abi_regs_offset(abi, ABI_SS), 2, &ss) && (cs & 3) == 3 && (ss & 3) == 3 &&
	       cs < 0x100 && ss < 0x100;
}

/* Whether a process's stack begins there: then it ends with the registers of its program. */
static bool is_stack(struct worlds *worlds, uint64_t start)
{
	struct context_other *other = &worlds->context.other;

	for (uint64_t size = SMALLEST_STACK; size <= CONTEXT_LARGEST_STACK && start % size == 0; size *= 2) {
		for (unsigned padding = 0; padding <= MOST_PADDING; padding += 8) {
			if (!is_user_regs(worlds, start + size - padding - abi_regs_size(worlds->context.abi)))
				continue;
			other->stack_size = size;
			other->padding = padding;
			return true;
		}
	}
	return false;
}

static bool find_in_task(struct worlds *worlds, uint64_t task)
{
	const struct abi *abi = worlds->context.abi;
	uint64_t value;

	for (unsigned offset = 0; offset < WORLDS_TASK_SEARCH; offset += abi->word) {
		if (!product_memory_read_word(&worlds->memory, task + offset, abi->word, &value))
			return false;
		if (value < worlds->memory.kernel_start || value % SMALLEST_STACK || !is_stack(worlds, value))
			continue;
		worlds->product->layout.stack = offset;
		return true;
	}
	return false;
}

/* By the first process that has been in user mode, as kernel threads have not. */
static struct error *find_stack(struct worlds *worlds, struct host_task *host)
{
	uint64_t init_task = worlds_init_task(worlds), task;
	unsigned failures = 0;

	for (uint64_t pid = 1; init_task && pid <= LAST_PID && failures < WORLDS_MAX_FAILURES; pid++) {
		struct error *err = host_task_find(host, init_task, pid, &task);
		bool found = !err && find_in_task(worlds, task);

		failures += err && err->code != ERROR_NO_PROCESS;
		error_destroy(err);
		if (found)
			return NULL;
	}
	return error_create("no process of the snapshot shows where its kernel has the registers of programs");
}

/* -- the whole -- */

struct error *another_kernel_look(struct worlds *worlds, struct host_task *host)
{
	struct error *err = kernel_find_current(worlds->product);

	if (!err)
		err = find_user_access(worlds);
	if (!err)
		err = find_stack(worlds, host);
	return err;
}
