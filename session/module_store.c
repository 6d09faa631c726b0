/* Files of modules: module_store.h. */
#include "session/module_store.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "util/array.h"

/* -- folders -- */

/* Once, whatever its names are. */
static bool is_new(struct module_store *store, const char *path)
{
	struct stat status;

	if (stat(path, &status) != 0)
		return false;
	for (size_t i = 0; i < store->folders; i++) {
		if (store->folder[i].device == status.st_dev && store->folder[i].inode == status.st_ino)
			return false;
	}
	if (!array_reserve(&store->folder, store->folders, &store->room, sizeof(*store->folder)))
		return true;
	store->folder[store->folders++] = (struct module_store_folder){status.st_dev, status.st_ino};
	return true;
}

struct search {
	struct module_store *store;
	struct error *err;
};

static bool add_folder(void *opaque, const char *path)
{
	struct search *search = opaque;

	if (is_new(search->store, path))
		search->err = module_files_add(&search->store->files, path);
	return !search->err;
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

static struct error *open_module(void *opaque, const char *name, size_t n, struct module **ret)
{
	struct module_store *store = opaque;
	struct error *err = search_folders(store);
	size_t first, count, size;
	uint8_t *bytes;

	*ret = NULL;
	if (err)
		return err;
	count = module_files_find(&store->files, name, &first);
	if (n >= count)
		return NULL;
	err = module_file_read(&store->files.file[first + n], &bytes, &size);
	if (!err)
		err = module_open(bytes, size, ret);
	return err ? error_prefix(err, "%s", store->files.file[first + n].path) : NULL;
}

struct module_supplier module_store_supplier(struct module_store *store)
{
	return (struct module_supplier){open_module, store};
}

void module_store_deinit(struct module_store *store)
{
	module_files_deinit(&store->files);
	free(store->folder);
}
