/*
 * Namespaces of the tools: namespaces.h.
 *
 * The struct pid of such a task has it as a thread only, not as a process: so listings of /proc do not show it, and nothing that walks the
 * processes meets it.
 *
 * A task is never changed once its process has moved on: children share their parent's, and whoever moves again gets another one.
 */
#include "redirect/namespaces.h"

#include <stdlib.h>

#include "emu/peek.h"
#include "util/array.h"
#include "util/error.h"

enum {
	NSPROXY_WORDS = 16, /* more than struct nsproxy has */
	PIDTYPE_PID = 0,    /* include/linux/pid.h */
	PIDTYPE_TGID = 1,
	CLONE_THREAD_FLAG = 0x10000,
};

/* A process of the command that has moved, or whose parent has. */
struct traveller {
	uint64_t trusted, product; /* task_struct */
	bool born;                 /* by fork(): its parent's choice of a PID namespace for its children is still to be followed */
};

static struct traveller *find_traveller(struct namespaces *namespaces, uint64_t trusted)
{
	for (size_t i = 0; i < namespaces->travellers; i++) {
		if (namespaces->traveller[i].trusted == trusted)
			return &namespaces->traveller[i];
	}
	return NULL;
}

static bool put_traveller(struct namespaces *namespaces, struct traveller traveller)
{
	struct traveller *known = find_traveller(namespaces, traveller.trusted);

	if (!known && !array_reserve(&namespaces->traveller, namespaces->travellers, &namespaces->room, sizeof(*known)))
		return false;
	if (!known)
		known = &namespaces->traveller[namespaces->travellers++];
	*known = traveller;
	return true;
}

/* -- what the kernel's structures look like -- */

static bool product_call(struct namespaces *namespaces, enum kernel_function function, const uint64_t *argument, unsigned arguments,
			 uint64_t *ret)
{
	return worlds_call(namespaces->worlds, WORLD_PRODUCT, function, argument, arguments, ret);
}

static bool read_word(struct namespaces *namespaces, uint64_t address, uint64_t *ret)
{
	return product_memory_read_word(&namespaces->worlds->memory, address, namespaces->worlds->context.abi->word, ret);
}

/* The first of `words` words at the address that is this value; false: none is. */
static bool find_word(struct namespaces *namespaces, uint64_t address, unsigned words, uint64_t value, unsigned *ret_offset)
{
	uint64_t word;

	for (unsigned i = 0; i < words; i++) {
		*ret_offset = i * namespaces->worlds->context.abi->word;
		if (read_word(namespaces, address + *ret_offset, &word) && word == value)
			return true;
	}
	return false;
}

/*
 * Where a task has its nsproxy and its struct pid, and where the nsproxy has the PID namespace of children: copy_namespaces() loads the
 * first at its start, and the kernel's own functions tell what stands in the others.
 */
static bool look_at_structures(struct namespaces *namespaces)
{
	uint64_t task = namespaces->host->now, size, nsproxy, active, pid;
	unsigned member = namespaces->worlds->product->layout.nsproxy;

	if (namespaces->known)
		return true;
	if (!member || !read_word(namespaces, task + member, &nsproxy) ||
	    !product_call(namespaces, FUNCTION_task_active_pid_ns, &task, 1, &active) ||
	    !product_call(namespaces, FUNCTION_get_task_pid, (uint64_t[]){task, PIDTYPE_PID}, 2, &pid) || !pid ||
	    !product_call(namespaces, FUNCTION_ksize, &task, 1, &size))
		return false;
	namespaces->known = find_word(namespaces, nsproxy, NSPROXY_WORDS, active, &namespaces->for_children) &&
			    find_word(namespaces, task, size / namespaces->worlds->context.abi->word, pid, &namespaces->thread_pid);
	return namespaces->known;
}

/* -- another task -- */

/* Its number, in this PID namespace and those above. */
static bool give_pid(struct namespaces *namespaces, uint64_t task, uint64_t pid_namespace)
{
	uint64_t pid, ignored;

	return product_call(namespaces, FUNCTION_alloc_pid, (uint64_t[]){pid_namespace, 0, 0}, 3, &pid) && pid &&
	       !kernel_is_error(namespaces->worlds->product, pid) &&
	       product_memory_write_word(&namespaces->worlds->memory, task + namespaces->thread_pid, namespaces->worlds->context.abi->word,
					 pid) &&
	       product_call(namespaces, FUNCTION_attach_pid, (uint64_t[]){task, PIDTYPE_PID}, 2, &ignored);
}

/* What fork() counts, since setns() gives it back; semaphores to be undone stay the host task's. */
static bool take_references(struct namespaces *namespaces, uint64_t task)
{
	uint64_t result, ignored;

	if (!product_call(namespaces, FUNCTION_copy_namespaces, (uint64_t[]){0, task}, 2, &result) || (int32_t)result ||
	    !product_call(namespaces, FUNCTION_copy_creds, (uint64_t[]){task, CLONE_THREAD_FLAG}, 2, &result) || (int32_t)result)
		return false;
	product_call(namespaces, FUNCTION_copy_semundo, (uint64_t[]){0, task}, 2, &ignored); /* none without System V IPC */
	return true;
}

static bool make_task(struct namespaces *namespaces, uint64_t original, uint64_t pid_namespace, uint64_t *ret)
{
	return look_at_structures(namespaces) && host_task_duplicate(namespaces->host, original, ret) &&
	       take_references(namespaces, *ret) && give_pid(namespaces, *ret, pid_namespace);
}

bool namespace_separate(struct namespaces *namespaces)
{
	uint64_t now = namespaces->host->now, active, task;

	return product_call(namespaces, FUNCTION_task_active_pid_ns, &now, 1, &active) && active &&
	       make_task(namespaces, now, active, &task) &&
	       put_traveller(namespaces, (struct traveller){worlds_current(namespaces->worlds), task, false}) &&
	       host_task_set(namespaces->host, task);
}

/* -- whose task a call runs as -- */

bool namespace_is_shared(struct namespaces *namespaces, uint64_t task)
{
	const struct traveller *one = find_traveller(namespaces, task),
			       *other = find_traveller(namespaces, worlds_current(namespaces->worlds));

	if (!one || !other)
		return one == other;
	return one->product == other->product && one->born == other->born;
}

/* The parent may have chosen another PID namespace for its children: setns() with CLONE_NEWPID is not about the caller itself. */
static bool enter_pid_namespace(struct namespaces *namespaces, struct traveller *traveller)
{
	uint64_t active, chosen, nsproxy;

	if (!product_call(namespaces, FUNCTION_task_active_pid_ns, &traveller->product, 1, &active) ||
	    !read_word(namespaces, traveller->product + namespaces->worlds->product->layout.nsproxy, &nsproxy) ||
	    !read_word(namespaces, nsproxy + namespaces->for_children, &chosen))
		return false;
	traveller->born = false;
	return chosen == active || make_task(namespaces, traveller->product, chosen, &traveller->product);
}

struct error *namespace_enter(struct namespaces *namespaces)
{
	struct traveller *traveller = find_traveller(namespaces, worlds_current(namespaces->worlds));
	uint64_t task = namespaces->host->first;

	if (traveller) {
		if (traveller->born && !enter_pid_namespace(namespaces, traveller))
			return error_create(
				"a process of the command cannot be in another PID namespace, since the snapshot's kernel can make "
				"none there: leave out the PID namespace (nsenter without --pid), or use --as with a process that is in "
				"it");
		task = traveller->product;
	}
	if (task != namespaces->host->now && !host_task_set(namespaces->host, task))
		return error_create("the per-CPU area of the snapshot cannot be written");
	return NULL;
}

bool namespace_inherit(struct namespaces *namespaces, uint64_t parent, uint64_t child)
{
	struct traveller *of_parent, *stale = find_traveller(namespaces, child); /* of a task that stood where this one does */

	if (stale)
		*stale = namespaces->traveller[--namespaces->travellers];
	of_parent = find_traveller(namespaces, parent);
	return !of_parent || put_traveller(namespaces, (struct traveller){child, of_parent->product, true});
}

/*
 * The kernel asks for a process's number in a namespace. A task of this file's shares the host task's signal_struct, by which that is the
 * host task's: its number as a thread is its own.
 */
static enum mark_action on_pid_number(void *opaque, struct cpu *cpu)
{
	struct namespaces *namespaces = opaque;
	const struct abi *abi = namespaces->worlds->context.abi;
	enum gpr type = abi->argument[1];

	if (namespaces->worlds->context.phase == CONTEXT_PRODUCT && namespaces->host->now != namespaces->host->first &&
	    abi_argument(abi, cpu, 0) == namespaces->host->now && (uint32_t)cpu->gpr[type] == PIDTYPE_TGID)
		cpu->gpr[type] = PIDTYPE_PID;
	return MARK_CONTINUE;
}

struct error *namespace_mark(struct namespaces *namespaces)
{
	return worlds_mark(namespaces->worlds, WORLD_PRODUCT, "__task_pid_nr_ns", on_pid_number, namespaces);
}

void namespace_deinit(struct namespaces *namespaces)
{
	free(namespaces->traveller);
}
