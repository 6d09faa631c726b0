/*
 * Which task is the host task: host_choice.h.
 *
 * What commands see should differ as little as can be from what PID 1 sees, so the first choice in its stead is a process of the machine's
 * own namespaces that may do everything, as the shell of its root may. The second is any task, and the first of those is kthreadd, which
 * sees the machine's file systems, too. PID 1's children are of little use: their parent is asked for by whoever looks at /proc/self.
 */
#include "redirect/host_choice.h"

#include "util/error.h"

enum {
	LAST_PID = 32768,
	CAP_DAC_OVERRIDE = 1,
	CAP_SYS_PTRACE = 19,
	CAP_SYS_ADMIN = 21,
};

struct search {
	const struct host_choice *choice;
	struct worlds *worlds;
	uint64_t init_task;
	uint64_t namespaces, at; /* of the machine itself; where a task has the pointer to its own. 0: not known */
	unsigned failures;
};

static bool has_function(const struct search *search, enum kernel_function function)
{
	return search->worlds->product->function[function];
}

/* Calls on the product run as a copy of this task from now on. */
static struct error *become_host(const struct host_choice *choice, uint64_t init_task, uint64_t original)
{
	struct error *err = host_task_make(choice->host, init_task, original);

	if (err)
		return err;
	if (!directory_make(choice->directories))
		err = error_create("the snapshot's kernel cannot make a copy of the host task's working directory");
	host_task_reset(choice->host); /* dup_fd() has had it for its error code, in kernels where it wants a place */
	return err;
}

/* -- another one than PID 1 -- */

/* Where init_task points to init_nsproxy. */
static void find_namespaces(struct search *search)
{
	unsigned word = search->worlds->context.abi->word;
	uint64_t value;

	search->namespaces = kernel_symbol(search->worlds->product, "init_nsproxy");
	for (uint64_t at = 0; search->namespaces && at < WORLDS_TASK_SEARCH; at += word) {
		if (!product_memory_read_word(&search->worlds->memory, search->init_task + at, word, &value))
			return;
		if (value == search->namespaces) {
			search->at = at;
			return;
		}
	}
}

/* Kernel threads have none that get_task_mm() returns. */
static bool has_memory(struct search *search, uint64_t task)
{
	uint64_t mm;

	return !has_function(search, FUNCTION_get_task_mm) ||
	       (worlds_call(search->worlds, WORLD_PRODUCT, FUNCTION_get_task_mm, &task, 1, &mm) && mm);
}

static bool may(struct search *search, uint64_t task, unsigned capability)
{
	uint64_t answer;

	return !has_function(search, FUNCTION_has_capability) ||
	       (worlds_call(search->worlds, WORLD_PRODUCT, FUNCTION_has_capability, (uint64_t[]){task, capability}, 2, &answer) &&
		(uint8_t)answer);
}

/* Whether it is a process, no kernel thread, that sees and may do what PID 1 does. */
static bool is_like_init(struct search *search, uint64_t task)
{
	uint64_t namespaces;

	if (search->at &&
	    (!product_memory_read_word(&search->worlds->memory, task + search->at, search->worlds->context.abi->word, &namespaces) ||
	     namespaces != search->namespaces))
		return false;
	return has_memory(search, task) && may(search, task, CAP_DAC_OVERRIDE) && may(search, task, CAP_SYS_PTRACE) &&
	       may(search, task, CAP_SYS_ADMIN);
}

/* Whether the host task's parent is whole. */
static bool has_parent(struct search *search)
{
	uint64_t parent;

	return !has_function(search, FUNCTION_getppid) || worlds_call(search->worlds, WORLD_PRODUCT, FUNCTION_getppid, NULL, 0, &parent);
}

/* What is asked of a host: the more, the better it is. */
enum demand { DEMAND_NOTHING, DEMAND_PARENT, DEMAND_LIKE_INIT };

static bool is_good(struct search *search, uint64_t pid, enum demand demand)
{
	uint64_t task;
	struct error *err = host_task_find(search->choice->host, search->init_task, pid, &task);

	if (err && err->code == ERROR_NO_PROCESS) {
		error_destroy(err);
		return false;
	}
	if (!err && demand == DEMAND_LIKE_INIT && !is_like_init(search, task))
		return false;
	if (!err)
		err = become_host(search->choice, search->init_task, task);
	search->failures += err != NULL;
	error_destroy(err);
	return !err && (demand == DEMAND_NOTHING || has_parent(search));
}

/* Functions that do not come back are failures, too, whichever question they were to answer. */
static bool try_process(struct search *search, uint64_t pid, enum demand demand)
{
	const struct context *context = &search->worlds->context;
	uint64_t before = context->unfinished;
	unsigned failures = search->failures;
	bool good = is_good(search, pid, demand);

	if (search->failures == failures)
		search->failures += context->unfinished != before;
	return good;
}

/* Makes another process than PID 1 the host, and returns its number; 0: none can be. */
static uint64_t choose_another(const struct host_choice *choice, uint64_t init_task)
{
	struct search search = {.choice = choice, .worlds = choice->host->worlds, .init_task = init_task};

	find_namespaces(&search);
	for (int demand = DEMAND_LIKE_INIT; demand >= DEMAND_NOTHING; demand--) {
		search.failures = 0;
		for (uint64_t pid = 2; pid <= LAST_PID && search.failures < WORLDS_MAX_FAILURES && !cancel_wanted(choice->cancel); pid++) {
			if (try_process(&search, pid, demand))
				return pid;
		}
	}
	return 0;
}

/* For no command could be run on a snapshot that lacks the page with PID 1's task. */
static struct error *stand_in_for_init(const struct host_choice *choice, uint64_t init_task, struct error *damage)
{
	uint64_t pid = choose_another(choice, init_task);

	if (!pid)
		return damage->code == ERROR_NO_PROCESS
			       ? error_prefix(damage, "commands can look through no process of the snapshot (it was "
						      "taken before init started, or is damaged)")
			       : error_prefix(damage, "commands can look through no process of the snapshot");
	note(choice->notes, "commands see what process %llu of the snapshot sees, since process 1 is damaged: %s", (unsigned long long)pid,
	     damage->message);
	error_destroy(damage);
	return NULL;
}

/* -- the choice -- */

struct error *host_choose(const struct host_choice *choice)
{
	const struct kernel *kernel = choice->host->worlds->product;
	uint64_t init_task = worlds_init_task(choice->host->worlds), original;
	struct error *err;

	if (!init_task || !kernel->function[FUNCTION_find_task_by_vpid])
		return error_create("the kernel has no symbol %s", init_task ? "find_task_by_vpid" : "init_task");
	err = host_task_find(choice->host, init_task, choice->pid ? choice->pid : 1, &original);
	if (!err)
		err = become_host(choice, init_task, original);
	if (err && !choice->pid)
		return stand_in_for_init(choice, init_task, err);
	if (err && err->code != ERROR_NO_PROCESS)
		err = error_prefix(err, "process %llu of the snapshot is damaged, take another one with --as",
				   (unsigned long long)choice->pid);
	return err;
}
