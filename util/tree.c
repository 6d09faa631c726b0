/* Trees of files: tree.h. */
#include "util/tree.h"

#include <errno.h>
#include <fts.h>
#include <stddef.h>
#include <stdio.h>
#include <unistd.h>

bool tree_walk(const char *path, bool (*fn)(void *opaque, const char *path, const struct stat *status), void *opaque)
{
	char *const paths[] = {(char *)(uintptr_t)path, NULL};
	FTS *tree = fts_open(paths, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
	FTSENT *entry;
	bool good = tree;
	int failure;

	while (good && (errno = 0, entry = fts_read(tree))) {
		if (entry->fts_info == FTS_ERR || entry->fts_info == FTS_NS || entry->fts_info == FTS_DNR) {
			errno = entry->fts_errno;
			good = false;
		} else if (entry->fts_info != FTS_D) {
			good = fn(opaque, entry->fts_path, entry->fts_statp);
		}
	}
	failure = errno;
	if (tree)
		fts_close(tree);
	errno = failure;
	return good && !failure;
}

static bool remove_one(void *opaque, const char *path, const struct stat *status)
{
	(void)opaque;
	return (S_ISDIR(status->st_mode) ? rmdir(path) : unlink(path)) == 0 || errno == ENOENT;
}

bool tree_remove(const char *path)
{
	return tree_walk(path, remove_one, NULL) || errno == ENOENT;
}

static bool add_size(void *opaque, const char *path, const struct stat *status)
{
	(void)path;
	*(uint64_t *)opaque += (uint64_t)status->st_blocks * 512;
	return true;
}

uint64_t tree_size(const char *path)
{
	uint64_t size = 0;

	tree_walk(path, add_size, &size);
	return size;
}
