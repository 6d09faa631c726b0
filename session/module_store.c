/* Files of modules: module_store.h. */
#include "session/module_store.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "util/array.h"

/* -- folders -- */

static bool is_known(const struct module_store *store, const struct stat *status)
{
	for (size_t i = 0; i < store->folders; i++) {
		if (store->folder[i].device == status->st_dev && store->folder[i].inode == status->st_ino)
			return true;
	}
	return false;
}

struct search {
	struct module_store *store;
	struct error *err;
};

/* Once, whatever its names are. */
static bool add_folder(void *opaque, const char *path)
{
	struct search *search = opaque;
	struct module_store *store = search->store;
	struct stat status;
	char *copy;

	if (stat(path, &status) != 0 || is_known(store, &status))
		return true;
	copy = array_reserve(&store->folder, store->folders, &store->room, sizeof(*store->folder)) ? strdup(path) : NULL;
	if (copy)
		store->folder[store->folders++] = (struct module_store_folder){status.st_dev, status.st_ino, copy};
	else
		search->err = error_create("out of memory");
	return copy;
}

static struct error *search_folders(struct module_store *store)
{
	struct search search = {.store = store};

	if (!store->searched)
		kernel_module_folders(store->banner, store->sources, add_folder, &search);
	store->searched = true;
	return search.err;
}

/* -- files -- */

/* The `n`th file that the lists of folders have; NULL: they have *ret_count. The caller frees it. */
static char *find_listed(const struct module_store *store, const char *name, size_t n, size_t *ret_count)
{
	*ret_count = 0;
	for (size_t i = 0; i < store->folders; i++) {
		char *path = module_files_listed(store->folder[i].path, name);

		if (path && (*ret_count)++ == n)
			return path;
		free(path);
	}
	return NULL;
}

/* The `n`th of all files; NULL: there are no more. */
static struct error *find_any(struct module_store *store, const char *name, size_t n, char **ret)
{
	struct error *err = NULL;
	size_t first, count;

	for (size_t i = 0; !store->walked && !err && i < store->folders; i++)
		err = module_files_add(&store->files, store->folder[i].path);
	store->walked = true;
	count = err ? 0 : module_files_find(&store->files, name, &first);
	*ret = n < count ? strdup(store->files.file[first + n].path) : NULL;
	return err || *ret || n >= count ? err : error_create("out of memory");
}

static struct error *open_file(const char *path, struct module **ret)
{
	size_t size;
	uint8_t *bytes;
	struct error *err = module_file_read(path, &bytes, &size);

	if (!err)
		err = module_open(bytes, size, ret);
	return err ? error_prefix(err, "%s", path) : NULL;
}

/* Those of lists come first, and once more among all. */
static struct error *open_module(void *opaque, const char *name, size_t n, struct module **ret)
{
	struct module_store *store = opaque;
	struct error *err = search_folders(store);
	char *path = NULL;
	size_t listed;

	*ret = NULL;
	if (err)
		return err;
	path = find_listed(store, name, n, &listed);
	if (!path)
		err = find_any(store, name, n - listed, &path);
	if (path)
		err = open_file(path, ret);
	free(path);
	return err;
}

struct module_supplier module_store_supplier(struct module_store *store)
{
	return (struct module_supplier){open_module, store};
}

void module_store_deinit(struct module_store *store)
{
	module_files_deinit(&store->files);
	for (size_t i = 0; i < store->folders; i++)
		free(store->folder[i].path);
	free(store->folder);
}
