/*
 * Working directories, roots and umasks of the tools' processes in the product: a product fs_struct (include/linux/fs_struct.h) for each
 * trusted one that a tool has. So what shares them, and what fork() copies, is as the trusted kernel has it: `cd` in a subshell is the
 * subshell's. The tools begin where the host task is, which stays there.
 */
#include <stdlib.h>

#include "emu/peek.h"
#include "redirect/session.h"
#include "util/error.h"

struct directory {
	uint64_t trusted, product; /* fs_struct */
};

/* NULL: the trusted fs_struct is of no tool that has called on the product yet. */
static struct directory *find_directory(struct redirect *redirect, uint64_t trusted)
{
	for (size_t i = 0; i < redirect->fs.directories; i++) {
		if (redirect->fs.directory[i].trusted == trusted)
			return &redirect->fs.directory[i];
	}
	return NULL;
}

static bool copy_fs(struct redirect *redirect, uint64_t original, uint64_t *ret)
{
	return kernel_call(&redirect->context, WORLD_PRODUCT, redirect->function.copy_fs_struct, &original, 1, ret) && *ret;
}

/* NULL: the tool will be where the tools begin, whatever it thinks. */
static struct directory *add_directory(struct redirect *redirect, uint64_t trusted, uint64_t original)
{
	size_t count = redirect->fs.directories;
	struct directory *larger;
	uint64_t copy;

	if (!copy_fs(redirect, original, &copy)) {
		if (!redirect->call.lost) /* else it is known why */
			record_loss(redirect, LOSS_LIMIT);
		return NULL;
	}
	if (count == redirect->fs.room) {
		size_t room = count ? 2 * count : 16;

		larger = realloc(redirect->fs.directory, room * sizeof(*larger));
		if (!larger) {
			record_loss(redirect, LOSS_LIMIT);
			return NULL;
		}
		redirect->fs.directory = larger;
		redirect->fs.room = room;
	}
	redirect->fs.directory[count] = (struct directory){trusted, copy};
	redirect->fs.directories++;
	return &redirect->fs.directory[count];
}

static bool put_fs(struct redirect *redirect, uint64_t fs)
{
	return product_memory_write_word(&redirect->memory, redirect->host_task + redirect->fs.member, redirect->context.word, fs);
}

/* The fs_struct of a trusted task; 0: it cannot be told. */
static uint64_t fs_of(const struct redirect *redirect, uint64_t task)
{
	uint64_t fs;

	return task && cpu_peek_word(redirect->cpu, task + redirect->fs.member, redirect->context.word, &fs) ? fs : 0;
}

bool make_directories(struct redirect *redirect)
{
	int64_t member;
	uint64_t original;

	if (!find_member(redirect, redirect->function.exit_fs, &member) ||
	    !product_memory_read_word(&redirect->memory, redirect->host_task + member, redirect->context.word, &original) ||
	    !copy_fs(redirect, original, &redirect->fs.first))
		return false;
	redirect->fs.member = member;
	return put_fs(redirect, redirect->fs.first);
}

void go_to_directory(struct redirect *redirect)
{
	uint64_t trusted = fs_of(redirect, trusted_current(redirect));
	struct directory *directory = find_directory(redirect, trusted);

	if (!directory && trusted)
		directory = add_directory(redirect, trusted, redirect->fs.first);
	if (!put_fs(redirect, directory ? directory->product : redirect->fs.first))
		record_loss(redirect, LOSS_LIMIT);
}

void keep_directory(struct redirect *redirect)
{
	struct directory *directory = find_directory(redirect, fs_of(redirect, trusted_current(redirect)));

	if (directory) /* else it has the first one, with all others, for want of memory */
		product_memory_read_word(&redirect->memory, redirect->host_task + redirect->fs.member, redirect->context.word,
					 &directory->product);
}

/*
 * A new task, with all that it shares and has copied, is about to run. What it has copied may stand where that of a task stood which is
 * gone.
 */
static enum mark_action on_new_task(void *opaque, struct cpu *cpu)
{
	struct redirect *redirect = opaque;
	uint64_t parents, childs;
	struct directory *directory;

	uint64_t parent, child;

	if (redirect->context.phase != CONTEXT_TRUSTED || redirect->context.nested || !redirect->ready)
		return MARK_CONTINUE;
	parent = trusted_current(redirect);
	child = cpu->gpr[redirect->context.word == 8 ? RDI : RAX];
	if (!inherit_namespaces(redirect, parent, child)) {
		redirect->failure = error_create("out of memory");
		return MARK_EXIT;
	}
	parents = fs_of(redirect, parent);
	childs = fs_of(redirect, child);
	if (childs == parents)
		return MARK_CONTINUE;
	directory = find_directory(redirect, childs);
	if (directory)
		*directory = redirect->fs.directory[--redirect->fs.directories];
	directory = find_directory(redirect, parents);
	if (directory && childs)
		add_directory(redirect, childs, directory->product);
	return MARK_CONTINUE;
}

struct error *mark_directories(struct redirect *redirect)
{
	uint64_t new_task = find_symbol(redirect, "wake_up_new_task");

	return new_task ? cpu_mark(redirect->cpu, new_task, on_new_task, redirect) : NULL;
}

void directories_deinit(struct redirect *redirect)
{
	free(redirect->fs.directory);
}
