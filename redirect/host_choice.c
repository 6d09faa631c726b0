/*
 * Another host task than PID 1, if that one is damaged: a torn image may lack any page. What commands see should differ as little as can
 * be from what PID 1 sees, so the first choice is a process of the machine's own namespaces that may do everything, as the shell of its
 * root may. The second is any task, and the first of those is kthreadd, which sees the machine's file systems, too. PID 1's children are
 * of little use: their parent is asked for by whoever looks at /proc/self.
 */
#include <stdio.h>

#include "redirect/session.h"

enum {
	LAST_PID = 32768,
	MAX_FAILURES = 8, /* of lookups and of hosts: each takes up to a fifth of a second */
	TASK_SEARCH = 0x4000,
	CAP_DAC_OVERRIDE = 1,
	CAP_SYS_PTRACE = 19,
	CAP_SYS_ADMIN = 21,
};

struct choice {
	struct redirect *redirect;
	uint64_t init_task;
	uint64_t get_task_mm, has_capability, getppid; /* functions; 0: the kernel does not have them */
	uint64_t namespaces, at;                       /* of the machine itself; where a task has the pointer to its own. 0: not known */
	unsigned failures;
};

/* Where init_task points to init_nsproxy. */
static void find_namespaces(struct choice *choice)
{
	struct redirect *redirect = choice->redirect;
	unsigned word = redirect->context.word;
	uint64_t value;

	choice->namespaces = find_symbol(redirect, "init_nsproxy");
	for (uint64_t at = 0; choice->namespaces && at < TASK_SEARCH; at += word) {
		if (!product_memory_read_word(&redirect->memory, choice->init_task + at, word, &value))
			return;
		if (value == choice->namespaces) {
			choice->at = at;
			return;
		}
	}
}

/* Kernel threads have none that get_task_mm() returns. */
static bool has_memory(struct choice *choice, uint64_t task)
{
	uint64_t mm;

	return !choice->get_task_mm || (kernel_call(&choice->redirect->context, WORLD_PRODUCT, choice->get_task_mm, &task, 1, &mm) && mm);
}

static bool may(struct choice *choice, uint64_t task, unsigned capability)
{
	uint64_t answer;

	return !choice->has_capability || (kernel_call(&choice->redirect->context, WORLD_PRODUCT, choice->has_capability,
						       (uint64_t[]){task, capability}, 2, &answer) &&
					   (uint8_t)answer);
}

/* Whether it is a process, no kernel thread, that sees and may do what PID 1 does. */
static bool is_like_init(struct choice *choice, uint64_t task)
{
	struct redirect *redirect = choice->redirect;
	uint64_t namespaces;

	if (choice->at && (!product_memory_read_word(&redirect->memory, task + choice->at, redirect->context.word, &namespaces) ||
			   namespaces != choice->namespaces))
		return false;
	return has_memory(choice, task) && may(choice, task, CAP_DAC_OVERRIDE) && may(choice, task, CAP_SYS_PTRACE) &&
	       may(choice, task, CAP_SYS_ADMIN);
}

/* Whether the host task's parent is whole. */
static bool has_parent(struct choice *choice)
{
	uint64_t parent;

	return !choice->getppid || kernel_call(&choice->redirect->context, WORLD_PRODUCT, choice->getppid, NULL, 0, &parent);
}

/* What is asked of a host: the more, the better it is. */
enum demand { DEMAND_NOTHING, DEMAND_PARENT, DEMAND_LIKE_INIT };

static bool is_good(struct choice *choice, uint64_t pid, enum demand demand)
{
	uint64_t task;
	struct error *err = find_host(choice->redirect, choice->init_task, pid, &task);

	if (err && err->code == ERROR_NO_PROCESS) {
		error_destroy(err);
		return false;
	}
	if (!err && demand == DEMAND_LIKE_INIT && !is_like_init(choice, task))
		return false;
	if (!err)
		err = become_host(choice->redirect, choice->init_task, task);
	choice->failures += err != NULL;
	error_destroy(err);
	return !err && (demand == DEMAND_NOTHING || has_parent(choice));
}

/* Functions that do not come back are failures, too, whichever question they were to answer. */
static bool try_process(struct choice *choice, uint64_t pid, enum demand demand)
{
	const struct context *context = &choice->redirect->context;
	uint64_t before = context->unfinished;
	unsigned failures = choice->failures;
	bool good = is_good(choice, pid, demand);

	if (choice->failures == failures)
		choice->failures += context->unfinished != before;
	return good;
}

static uint64_t find_getppid(const struct redirect *redirect)
{
	static const char *const names[] = {"__x64_sys_getppid", "__ia32_sys_getppid", "sys_getppid"};
	uint64_t found = 0;

	for (unsigned i = 0; !found && i < sizeof(names) / sizeof(names[0]); i++)
		found = find_symbol(redirect, names[i]);
	return found;
}

uint64_t choose_host(struct redirect *redirect, uint64_t init_task)
{
	struct choice choice = {
		.redirect = redirect,
		.init_task = init_task,
		.get_task_mm = find_symbol(redirect, "get_task_mm"),
		.has_capability = find_symbol(redirect, "has_capability"),
		.getppid = find_getppid(redirect),
	};

	find_namespaces(&choice);
	for (int demand = DEMAND_LIKE_INIT; demand >= DEMAND_NOTHING; demand--) {
		choice.failures = 0;
		for (uint64_t pid = 2; pid <= LAST_PID && choice.failures < MAX_FAILURES && !cancel_wanted(&redirect->config.cancel);
		     pid++) {
			if (try_process(&choice, pid, demand))
				return pid;
		}
	}
	return 0;
}
