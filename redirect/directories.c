/* Working directories of the tools: directories.h. */
#include "redirect/directories.h"

#include <stdlib.h>

#include "emu/peek.h"
#include "util/array.h"

struct directory {
	uint64_t trusted, product; /* fs_struct */
};

/* NULL: no tool with this trusted fs_struct has called on the product yet. */
static struct directory *find_directory(struct directories *directories, uint64_t trusted)
{
	for (size_t i = 0; i < directories->count; i++) {
		if (directories->directory[i].trusted == trusted)
			return &directories->directory[i];
	}
	return NULL;
}

static bool copy_fs(struct directories *directories, uint64_t original, uint64_t *ret)
{
	return worlds_call(directories->worlds, WORLD_PRODUCT, FUNCTION_copy_fs_struct, &original, 1, ret) && *ret;
}

/* NULL: the tool will be where the tools begin, whatever it thinks. */
static struct directory *add_directory(struct directories *directories, uint64_t trusted, uint64_t original)
{
	struct directory *added;
	uint64_t copy;

	if (!copy_fs(directories, original, &copy)) {
		if (!directories->calls->now.lost) /* else it is known why */
			call_record_loss(directories->calls, LOSS_LIMIT);
		return NULL;
	}
	if (!array_reserve(&directories->directory, directories->count, &directories->room, sizeof(*added))) {
		call_record_loss(directories->calls, LOSS_LIMIT);
		return NULL;
	}
	added = &directories->directory[directories->count++];
	*added = (struct directory){trusted, copy};
	return added;
}

static bool put_fs(struct directories *directories, uint64_t fs)
{
	return product_memory_write_word(&directories->worlds->memory, directories->host->now + directories->worlds->product->layout.fs,
					 directories->worlds->context.abi->word, fs);
}

/* The fs_struct of a trusted task; 0: it cannot be told. */
static uint64_t fs_of(const struct directories *directories, uint64_t task)
{
	uint64_t fs;

	return task && cpu_peek_word(directories->worlds->cpu, task + directories->worlds->trusted.layout.fs,
				     directories->worlds->context.abi->word, &fs)
		       ? fs
		       : 0;
}

bool directory_make(struct directories *directories)
{
	const struct worlds *worlds = directories->worlds;
	uint64_t original;

	return worlds->product->layout.fs &&
	       product_memory_read_word(&directories->worlds->memory, directories->host->now + worlds->product->layout.fs,
					worlds->context.abi->word, &original) &&
	       copy_fs(directories, original, &directories->first) && put_fs(directories, directories->first);
}

void directory_enter(struct directories *directories)
{
	uint64_t trusted = fs_of(directories, worlds_current(directories->worlds));
	struct directory *directory = find_directory(directories, trusted);

	if (!directory && trusted)
		directory = add_directory(directories, trusted, directories->first);
	if (!put_fs(directories, directory ? directory->product : directories->first))
		call_record_loss(directories->calls, LOSS_LIMIT);
}

void directory_keep(struct directories *directories)
{
	struct directory *directory = find_directory(directories, fs_of(directories, worlds_current(directories->worlds)));

	if (directory) /* else it has the first one, with all others, for want of memory */
		product_memory_read_word(&directories->worlds->memory, directories->host->now + directories->worlds->product->layout.fs,
					 directories->worlds->context.abi->word, &directory->product);
}

void directory_inherit(struct directories *directories, uint64_t parent, uint64_t child)
{
	uint64_t parents = fs_of(directories, parent), childs = fs_of(directories, child);
	struct directory *directory;

	if (childs == parents)
		return;
	directory = find_directory(directories, childs); /* of a task that is gone */
	if (directory)
		*directory = directories->directory[--directories->count];
	directory = find_directory(directories, parents);
	if (directory && childs)
		add_directory(directories, childs, directory->product);
}

void directory_deinit(struct directories *directories)
{
	free(directories->directory);
}
