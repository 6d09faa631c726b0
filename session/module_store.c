/* Files of modules: module_store.h. */
#include "session/module_store.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "util/array.h"
#include "util/cache_path.h"

static const char *const places[] = {"lib/modules", "usr/lib/modules"};

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

/* A folder with the modules of a release. Takes path over; NULL: out of memory. */
static struct error *add_folder(struct module_store *store, char *path)
{
	struct error *err = NULL;

	if (!path)
		return error_create("out of memory");
	if (is_new(store, path))
		err = module_files_add(&store->files, path);
	free(path);
	return err;
}

static char *join(const char *a, size_t length, const char *b, const char *c)
{
	char *path;

	return asprintf(&path, "%.*s/%s/%s", (int)length, a, b, c) < 0 ? NULL : path;
}

/* A file system, such as an unpacked package. */
static struct error *add_tree(struct module_store *store, const char *root, size_t length)
{
	struct error *err = NULL;

	for (unsigned i = 0; !err && i < sizeof(places) / sizeof(places[0]); i++)
		err = add_folder(store, join(root, length, places[i], store->release));
	return err;
}

/* A folder with images: a file system, or its /boot. */
static struct error *add_directory(struct module_store *store, const char *directory, size_t length)
{
	char *above = join(directory, length, "..", ".");
	struct error *err;

	if (!above)
		return error_create("out of memory");
	err = add_tree(store, directory, length);
	if (!err)
		err = add_tree(store, above, strlen(above));
	free(above);
	return err;
}

static struct error *add_path(struct module_store *store, const char *path)
{
	struct error *err = NULL;

	while (!err && path) {
		const char *end = strchrnul(path, ':');

		if (end > path)
			err = add_directory(store, path, end - path);
		path = *end ? end + 1 : NULL;
	}
	return err;
}

/* Of the image that was given: in /boot, or in /usr/lib/modules/RELEASE. */
static struct error *add_beside(struct module_store *store, const char *file)
{
	const char *slash = strrchr(file, '/');
	const char *folder = slash ? file : ".";
	size_t length = slash ? slash - file : 1;
	struct error *err = add_directory(store, folder, length);

	return err ? err : add_folder(store, join(folder, length, "..", store->release));
}

/* Kernels that were unpacked there, together or each in a folder whose name begins with its release. */
static struct error *add_cache(struct module_store *store)
{
	char *folder = NULL;
	struct error *err = cache_path("kernels", &folder, NULL);
	DIR *open = err ? NULL : opendir(folder);
	const struct dirent *entry;

	error_destroy(err); /* without one, there is nothing in it */
	err = open ? add_tree(store, folder, strlen(folder)) : NULL;
	while (!err && open && (entry = readdir(open))) {
		char *tree = strncmp(entry->d_name, store->release, strlen(store->release)) == 0
				     ? join(folder, strlen(folder), entry->d_name, ".")
				     : NULL;

		err = tree ? add_tree(store, tree, strlen(tree)) : NULL;
		free(tree);
	}
	if (open)
		closedir(open);
	free(folder);
	return err;
}

static struct error *search(struct module_store *store)
{
	struct error *err = NULL;

	if (store->searched)
		return NULL;
	store->searched = true;
	if (store->sources->file)
		err = add_beside(store, store->sources->file);
	if (!err)
		err = add_path(store, store->sources->path);
	if (!err)
		err = add_tree(store, "", 0);
	return err ? err : add_cache(store);
}

/* -- files -- */

static struct error *open_module(void *opaque, const char *name, size_t n, struct module **ret)
{
	struct module_store *store = opaque;
	struct error *err = search(store);
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
