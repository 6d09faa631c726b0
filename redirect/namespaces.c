/*
 * Namespaces that a process of the command moves to: setns() and unshare() are about the process that calls, its later children, and nobody
 * else. So such a process calls on the product as a task of its own: another copy of the task it was before, as fork() makes one, with a
 * struct pid of its own. /proc/self leads there, and with it /proc/net, /proc/mounts and whatever else the kernel tells of "self".
 *
 * The struct pid has the task as a thread only, not as a process: so listings of /proc do not show it, and nothing that walks the
 * processes meets it.
 *
 * A task is never changed once its process has moved on: children share their parent's, and whoever moves again gets another one.
 */
#include <stdlib.h>

#include "emu/peek.h"
#include "redirect/session.h"
#include "util/error.h"

enum {
	NSPROXY_WORDS = 16, /* more than struct nsproxy has */
	PIDTYPE_PID = 0,    /* include/linux/pid.h */
	PIDTYPE_TGID = 1,
	CLONE_THREAD_FLAG = 0x10000,
};

/* A process of the command that has moved, or whose parent had. */
struct traveller {
	uint64_t trusted, product; /* task_struct */
	bool born;                 /* by fork(): its parent's choice of a PID namespace for its children is still to be followed */
};

static struct traveller *find_traveller(struct redirect *redirect, uint64_t trusted)
{
	for (size_t i = 0; i < redirect->namespaces.travellers; i++) {
		if (redirect->namespaces.traveller[i].trusted == trusted)
			return &redirect->namespaces.traveller[i];
	}
	return NULL;
}

static bool put_traveller(struct redirect *redirect, struct traveller traveller)
{
	struct namespaces *namespaces = &redirect->namespaces;
	struct traveller *known = find_traveller(redirect, traveller.trusted);

	if (!known && namespaces->travellers == namespaces->room) {
		size_t room = namespaces->room ? 2 * namespaces->room : 16;
		struct traveller *larger = realloc(namespaces->traveller, room * sizeof(*larger));

		if (!larger)
			return false;
		namespaces->traveller = larger;
		namespaces->room = room;
	}
	if (!known)
		known = &namespaces->traveller[namespaces->travellers++];
	*known = traveller;
	return true;
}

/* -- what the kernel's structures look like -- */

static bool product_call(struct redirect *redirect, uint64_t function, const uint64_t *argument, unsigned arguments, uint64_t *ret)
{
	return kernel_call(&redirect->context, WORLD_PRODUCT, function, argument, arguments, ret);
}

static bool read_word(struct redirect *redirect, uint64_t address, uint64_t *ret)
{
	return product_memory_read_word(&redirect->memory, address, redirect->context.word, ret);
}

/* The first of `words` words at the address that is this value; false: none is. */
static bool find_word(struct redirect *redirect, uint64_t address, unsigned words, uint64_t value, unsigned *ret_offset)
{
	uint64_t word;

	for (unsigned i = 0; i < words; i++) {
		*ret_offset = i * redirect->context.word;
		if (read_word(redirect, address + *ret_offset, &word) && word == value)
			return true;
	}
	return false;
}

/*
 * Where a task has its nsproxy and its struct pid, and where the nsproxy has the PID namespace of children: copy_namespaces() loads the
 * first at its start, and the kernel's own functions tell what stands in the others.
 */
static bool look_at_structures(struct redirect *redirect)
{
	struct namespaces *namespaces = &redirect->namespaces;
	const struct functions *function = &redirect->function;
	uint64_t task = redirect->host_task, size, nsproxy, active, pid;
	int64_t member;

	if (namespaces->known)
		return true;
	if (!find_member(redirect, function->copy_namespaces, &member) || !read_word(redirect, task + member, &nsproxy) ||
	    !product_call(redirect, function->task_active_pid_ns, &task, 1, &active) ||
	    !product_call(redirect, function->get_task_pid, (uint64_t[]){task, PIDTYPE_PID}, 2, &pid) || !pid ||
	    !product_call(redirect, function->ksize, &task, 1, &size))
		return false;
	namespaces->nsproxy = member;
	namespaces->known = find_word(redirect, nsproxy, NSPROXY_WORDS, active, &namespaces->for_children) &&
			    find_word(redirect, task, size / redirect->context.word, pid, &namespaces->thread_pid);
	return namespaces->known;
}

/* -- another task -- */

/* Its number, in this PID namespace and those above. */
static bool give_pid(struct redirect *redirect, uint64_t task, uint64_t pid_namespace)
{
	uint64_t pid, ignored;

	return product_call(redirect, redirect->function.alloc_pid, (uint64_t[]){pid_namespace, 0, 0}, 3, &pid) && pid &&
	       !is_error(redirect, pid) &&
	       product_memory_write_word(&redirect->memory, task + redirect->namespaces.thread_pid, redirect->context.word, pid) &&
	       product_call(redirect, redirect->function.attach_pid, (uint64_t[]){task, PIDTYPE_PID}, 2, &ignored);
}

/* What fork() counts, since setns() gives it back; semaphores to be undone stay the host task's. */
static bool take_references(struct redirect *redirect, uint64_t task)
{
	uint64_t result, ignored;

	if (!product_call(redirect, redirect->function.copy_namespaces, (uint64_t[]){0, task}, 2, &result) || (int32_t)result ||
	    !product_call(redirect, redirect->function.copy_creds, (uint64_t[]){task, CLONE_THREAD_FLAG}, 2, &result) || (int32_t)result)
		return false;
	product_call(redirect, redirect->function.copy_semundo, (uint64_t[]){0, task}, 2, &ignored); /* none without System V IPC */
	return true;
}

static bool make_task(struct redirect *redirect, uint64_t original, uint64_t pid_namespace, uint64_t *ret)
{
	return look_at_structures(redirect) && duplicate_task(redirect, original, ret) && take_references(redirect, *ret) &&
	       give_pid(redirect, *ret, pid_namespace);
}

bool separate_namespaces(struct redirect *redirect)
{
	uint64_t now = redirect->host_task, active, task;

	return product_call(redirect, redirect->function.task_active_pid_ns, &now, 1, &active) && active &&
	       make_task(redirect, now, active, &task) &&
	       put_traveller(redirect, (struct traveller){trusted_current(redirect), task, false}) && set_current(redirect, task);
}

/* -- whose task a call runs as -- */

bool shares_namespaces(struct redirect *redirect, uint64_t task)
{
	const struct traveller *one = find_traveller(redirect, task), *other = find_traveller(redirect, trusted_current(redirect));

	if (!one || !other)
		return one == other;
	return one->product == other->product && one->born == other->born;
}

/* The parent may have chosen another PID namespace for its children: setns() with CLONE_NEWPID is not about the caller itself. */
static bool enter_pid_namespace(struct redirect *redirect, struct traveller *traveller)
{
	uint64_t active, chosen, nsproxy;

	if (!product_call(redirect, redirect->function.task_active_pid_ns, &traveller->product, 1, &active) ||
	    !read_word(redirect, traveller->product + redirect->namespaces.nsproxy, &nsproxy) ||
	    !read_word(redirect, nsproxy + redirect->namespaces.for_children, &chosen))
		return false;
	traveller->born = false;
	return chosen == active || make_task(redirect, traveller->product, chosen, &traveller->product);
}

struct error *go_to_namespaces(struct redirect *redirect)
{
	struct traveller *traveller = find_traveller(redirect, trusted_current(redirect));
	uint64_t task = redirect->first_task;

	if (traveller) {
		if (traveller->born && !enter_pid_namespace(redirect, traveller))
			return error_create(
				"a process of the command was to be in another PID namespace, in which the snapshot's kernel can make "
				"none: "
				"leave out the PID namespace (nsenter without --pid), or use --as with a process that is in it");
		task = traveller->product;
	}
	if (task != redirect->host_task && !set_current(redirect, task))
		return error_create("the per-CPU area of the snapshot cannot be written");
	return NULL;
}

bool inherit_namespaces(struct redirect *redirect, uint64_t parent, uint64_t child)
{
	struct traveller *of_parent, *stale = find_traveller(redirect, child); /* of a task that stood where this one does */

	if (stale)
		*stale = redirect->namespaces.traveller[--redirect->namespaces.travellers];
	of_parent = find_traveller(redirect, parent);
	return !of_parent || put_traveller(redirect, (struct traveller){child, of_parent->product, true});
}

/*
 * The kernel asks for a process's number in a namespace. A task of this file's shares the host task's signal_struct, by which that is the
 * host task's: its number as a thread is its own.
 */
static enum mark_action on_pid_number(void *opaque, struct cpu *cpu)
{
	struct redirect *redirect = opaque;
	bool wide = redirect->context.word == 8;
	enum gpr task = wide ? RDI : RAX, type = wide ? RSI : RDX;

	if (redirect->context.phase == CONTEXT_PRODUCT && redirect->host_task != redirect->first_task &&
	    cpu->gpr[task] == redirect->host_task && (uint32_t)cpu->gpr[type] == PIDTYPE_TGID)
		cpu->gpr[type] = PIDTYPE_PID;
	return MARK_CONTINUE;
}

struct error *mark_namespaces(struct redirect *redirect)
{
	uint64_t number = find_symbol(redirect, "__task_pid_nr_ns");

	return number ? cpu_mark(redirect->cpu, number, on_pid_number, redirect) : NULL;
}

void namespaces_deinit(struct redirect *redirect)
{
	free(redirect->namespaces.traveller);
}
