/* Kernels that were unpacked from packages: kernel_store.h. */
#include "session/kernel_store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "loader/kernel_find.h"

#define NEW ".new-"

static struct error *failed(const char *path)
{
	return error_create("%s: %s", path, strerror(errno));
}

/* -- making -- */

/* NULL: without memory. */
static char *join(const char *folder, const char *name)
{
	char *path;

	return asprintf(&path, "%s/%s", folder, name) < 0 ? NULL : path;
}

static bool make_folder(const char *folder, const char *name)
{
	char *path = join(folder, name);
	bool good = path && mkdir(path, 0700) == 0;

	free(path);
	return good;
}

struct error *kernel_store_begin(const struct cache *store, char **ret_path)
{
	char *path = join(store->path, NEW "XXXXXX");
	struct error *err;

	*ret_path = NULL;
	if (!path)
		return error_create("out of memory");
	if (mkdtemp(path) && make_folder(path, KERNEL_STORE_PACKAGES) && make_folder(path, KERNEL_STORE_TREE)) {
		*ret_path = path;
		return NULL;
	}
	err = failed(path);
	free(path);
	return err;
}

static bool write_banner(const char *tree, const struct banner *banner)
{
	char *path = join(tree, "banner");
	FILE *file = path ? fopen(path, "wxe") : NULL;
	bool good = file && fprintf(file, "%s\n", banner->text) > 0;

	if (file && fclose(file) != 0)
		good = false;
	free(path);
	return good;
}

/* What has the name is moved into the folder in which the new one was made, which is deleted with it. Another process may do the same. */
static bool replace(const char *tree, const char *final, const char *old)
{
	int failure;

	if (rename(final, old) != 0 && errno != ENOENT)
		return false;
	if (rename(tree, final) == 0 || errno == EEXIST || errno == ENOTEMPTY)
		return true;
	failure = errno;
	rename(old, final);
	errno = failure;
	return false;
}

struct error *kernel_store_keep(const struct cache *store, const char *path, const struct banner *banner)
{
	char name[BANNER_NAME_MAX], *tree = join(path, KERNEL_STORE_TREE), *old = join(path, "old"), *final;
	struct error *err = NULL;

	banner_name(banner, name);
	final = join(store->path, name);
	if (!tree || !old || !final)
		err = error_create("out of memory");
	else if (!write_banner(tree, banner) || !replace(tree, final, old))
		err = failed(final);
	free(tree);
	free(old);
	free(final);
	return err;
}

/* -- what is there -- */

static bool read_banner(const char *folder, struct banner *ret)
{
	char *path = join(folder, "banner"), line[BANNER_MAX + 1];
	FILE *file = path ? fopen(path, "re") : NULL;
	size_t size = file ? fread(line, 1, sizeof(line), file) : 0;

	if (file)
		fclose(file);
	free(path);
	return banner_parse(line, size, ret);
}

static bool is_whole(const char *folder, const char *name, struct banner *ret)
{
	char expected[BANNER_NAME_MAX], *image;
	struct error *err;
	bool good;

	if (!read_banner(folder, ret))
		return false;
	banner_name(ret, expected);
	if (strcmp(name, expected) != 0)
		return false;
	err = kernel_find_below(folder, ret, &image);
	good = !err;
	error_destroy(err);
	free(image);
	return good;
}

/* As banner_name() makes them. */
static bool is_name(const char *name)
{
	const char *dash = strrchr(name, '-');

	return dash && strlen(dash + 1) == 16 && strspn(dash + 1, "0123456789abcdef") == 16;
}

static struct error *look_at(const struct cache *store, const char *name,
			     struct error *(*fn)(void *opaque, const struct stored_kernel *kernel), void *opaque)
{
	struct stored_kernel kernel = {.name = name, .being_made = strncmp(name, NEW, strlen(NEW)) == 0};
	struct stat status;
	char *path;

	if (fstatat(store->directory, name, &status, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISDIR(status.st_mode) ||
	    !(kernel.being_made || is_name(name)))
		return NULL;
	path = join(store->path, name);
	if (!path)
		return error_create("out of memory");
	kernel.whole = !kernel.being_made && is_whole(path, name, &kernel.banner);
	free(path);
	return fn(opaque, &kernel);
}

struct error *kernel_store_for_each(const struct cache *store, struct error *(*fn)(void *opaque, const struct stored_kernel *kernel),
				    void *opaque)
{
	DIR *stream = opendir(store->path);
	struct error *err = stream ? NULL : failed(store->path);
	struct dirent *entry;

	while (stream && !err && (entry = readdir(stream)))
		err = look_at(store, entry->d_name, fn, opaque);
	if (stream)
		closedir(stream);
	return err;
}
