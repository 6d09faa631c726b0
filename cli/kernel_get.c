/* Kernels out of packages: kernel_get.h. */
#include "cli/kernel_get.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/confined.h"
#include "cli/package_manager.h"
#include "loader/file.h"
#include "loader/kernel_find.h"
#include "loader/kernel_image.h"
#include "loader/package.h"
#include "product/landmarks.h"
#include "session/kernel_store.h"
#include "util/array.h"
#include "util/quote.h"
#include "util/tree.h"

/* Paths of packages. */
struct paths {
	char **path;
	size_t count, room;
	const struct package_manager *manager; /* whose files count */
};

static void paths_clear(struct paths *paths)
{
	while (paths->count)
		free(paths->path[--paths->count]);
}

static void paths_deinit(struct paths *paths)
{
	paths_clear(paths);
	free(paths->path);
}

/* -- unpacking: in a process of its own -- */

struct unpacking {
	const struct banner *banner;
	char *const *path;
	size_t paths;
	bool chosen; /* by the user: each has something of the kernel */
	const char *tree;
	int folder; /* the tree */
};

struct unpacked {
	char image[PACKAGE_PLACE_MAX]; /* in the tree */
};

static struct error *unpack_one(const struct unpacking *unpacking, const char *path)
{
	char name[QUOTE_NAME];
	int fd = file_open_descriptor(path);
	uint64_t files;
	struct error *err;

	if (fd < 0)
		return error_create("%s: %s", quote_string(name, sizeof(name), path),
				    errno == EACCES ? "no file that can be read" : strerror(errno));
	err = package_unpack(fd, unpacking->banner->release, unpacking->folder, &package_limits, &files);
	close(fd);
	if (!err && !files && unpacking->chosen)
		err = error_create("nothing of Linux %s is in it", unpacking->banner->release);
	return err ? error_prefix(err, "%s", quote_string(name, sizeof(name), path)) : NULL;
}

/* By the whole banner, which is in the compressed part of the image. */
static struct error *check_image(const char *path, const struct banner *banner)
{
	struct kernel_image kernel = {0};
	struct landmarks landmarks;
	struct file file;
	struct error *err = file_open(path, &file);

	if (err)
		return err;
	err = kernel_image_open(file.data, file.size, &kernel);
	if (!err)
		err = landmarks_of(&kernel, &landmarks);
	if (!err && !banner_same(&landmarks.banner, banner))
		err = error_create("a kernel of another build");
	kernel_image_close(&kernel);
	file_close(&file);
	return err;
}

static struct error *find_image(const struct unpacking *unpacking, struct unpacked *ret)
{
	char *image;
	struct error *err = kernel_find_below(unpacking->tree, unpacking->banner, &image);

	if (err)
		return err;
	snprintf(ret->image, sizeof(ret->image), "%s", image + strlen(unpacking->tree) + 1);
	err = check_image(image, unpacking->banner);
	free(image);
	return err ? error_prefix(err, "%s", ret->image) : NULL;
}

/* Takes err over. */
static struct error *tell_needed(const struct unpacking *unpacking, struct error *err)
{
	char version[QUOTE_NAME];
	struct error *whole = error_create("%s; needed is Linux %s, %s%s", err->message, unpacking->banner->release,
					   quote_string(version, sizeof(version), unpacking->banner->version),
					   unpacking->chosen ? ": give all packages of that kernel at once" : "");

	error_destroy(err);
	return whole;
}

static struct error *unpack_all(void *opaque, void *ret)
{
	const struct unpacking *unpacking = opaque;
	struct error *err = NULL;

	for (size_t i = 0; !err && i < unpacking->paths; i++)
		err = unpack_one(unpacking, unpacking->path[i]);
	if (err)
		return err;
	err = find_image(unpacking, ret);
	return err ? tell_needed(unpacking, err) : NULL;
}

static struct error *unpack(const struct kernel_get *get, char *const *path, size_t paths, const char *tree, struct unpacked *ret)
{
	struct unpacking unpacking = {get->banner, path, paths, get->files, tree, open(tree, O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
	const struct confined how = {get->no_sandbox, SANDBOX_UNPACKING, unpacking.folder, get->told};
	struct error *err;

	if (unpacking.folder < 0)
		return error_create("%s: %s", tree, strerror(errno));
	err = confined_call(&how, unpack_all, &unpacking, ret, sizeof(*ret));
	close(unpacking.folder);
	return err;
}

/* -- downloading -- */

static const char by_hand[] = "and type xray86 kernel SNAPSHOT FILE...";

static struct error *no_manager(const struct kernel_packages *packages)
{
	char *names = package_manager_names(packages->family);
	struct error *err = error_create("this machine has no %s, to get the packages of %s: download %s %s (%s) from %s, %s",
					 names ? names : "program", packages->distribution, packages->package[0].name,
					 packages->package[0].version, packages->architecture, packages->archive, by_hand);

	free(names);
	return err;
}

static struct error *no_image(const struct kernel_packages *packages, const struct package_manager *manager)
{
	return error_create(
		"%s did not get %s %s (%s). %s. Versions that mirrors have no more are in the archive: download the packages from %s, %s",
		package_manager_program(manager), packages->package[0].name, packages->package[0].version, packages->architecture,
		package_manager_advice(manager), packages->archive, by_hand);
}

static void note_lack(const struct kernel_package *package, const struct package_manager *manager)
{
	static const char *const meaning[] = {
		[PACKAGE_IMAGE] = "the image may be in another package",
		[PACKAGE_MODULES] = "calls that need the code of modules will be given up",
		[PACKAGE_MAYBE] = "there may be no such package",
	};

	fprintf(stderr, "xray86: note: %s did not get %s %s: %s\n", package_manager_program(manager), package->name, package->version,
		meaning[package->role]);
}

static bool has_other_image(const struct kernel_packages *packages, unsigned i)
{
	return i + 1 < packages->count && packages->package[i + 1].role == PACKAGE_IMAGE;
}

static bool add_package(void *opaque, const char *path, const struct stat *status)
{
	struct paths *paths = opaque;

	if (!S_ISREG(status->st_mode) || !package_manager_makes(paths->manager, strrchr(path, '/') + 1))
		return true;
	if (!array_reserve(&paths->path, paths->count, &paths->room, sizeof(*paths->path)))
		return false;
	paths->path[paths->count] = strdup(path);
	return paths->path[paths->count++];
}

/* Some managers take no notice of a package that they do not find: it is there if there is one more file. */
static struct error *download_one(const struct kernel_packages *packages, unsigned i, const char *folder, struct paths *paths,
				  bool *ret_got)
{
	size_t before = paths->count;
	struct error *err = package_manager_download(paths->manager, &packages->package[i], packages->architecture, folder, ret_got);

	paths_clear(paths);
	if (!err && !tree_walk(folder, add_package, paths))
		err = error_create("%s: %s", folder, strerror(errno));
	*ret_got = *ret_got && paths->count > before;
	return err;
}

/* Of packages that may have the image, the first that is there. */
static struct error *download(const struct kernel_packages *packages, const char *folder, struct paths *paths)
{
	bool image = false, got;
	struct error *err = NULL;

	for (unsigned i = 0; !err && i < packages->count; i++) {
		const struct kernel_package *package = &packages->package[i];

		if (image && package->role == PACKAGE_IMAGE)
			continue;
		if (!image && package->role != PACKAGE_IMAGE)
			break;
		err = download_one(packages, i, folder, paths, &got);
		image |= got;
		if (!err && !got && (package->role != PACKAGE_IMAGE || has_other_image(packages, i)))
			note_lack(package, paths->manager);
	}
	return err || image ? err : no_image(packages, paths->manager);
}

static struct error *fetch(const struct kernel_packages *packages, const char *folder, struct paths *paths)
{
	if (!packages)
		return error_create(
			"no distribution that xray86 knows has kernels with this banner: get the packages with its image and modules "
			"from where it was built, %s",
			by_hand);
	paths->manager = package_manager_find(packages->family);
	return paths->manager ? download(packages, folder, paths) : no_manager(packages);
}

/* -- the whole -- */

static struct error *get_into(const struct kernel_get *get, const char *path, struct unpacked *ret)
{
	char packages[PATH_MAX], tree[PATH_MAX];
	struct paths paths = {0};
	struct error *err;

	if (snprintf(packages, sizeof(packages), "%s/" KERNEL_STORE_PACKAGES, path) >= PATH_MAX ||
	    snprintf(tree, sizeof(tree), "%s/" KERNEL_STORE_TREE, path) >= PATH_MAX)
		return error_create("%s: %s", path, strerror(ENAMETOOLONG));
	if (get->files)
		return unpack(get, get->file, get->files, tree, ret);
	err = fetch(get->packages, packages, &paths);
	if (!err)
		err = unpack(get, paths.path, paths.count, tree, ret);
	paths_deinit(&paths);
	return err;
}

/* NULL: without memory. */
static char *final_path(const struct cache *store, const struct banner *banner, struct unpacked *unpacked)
{
	char name[BANNER_NAME_MAX], place[PACKAGE_PLACE_MAX], *path;

	unpacked->image[sizeof(unpacked->image) - 1] = '\0';
	banner_name(banner, name);
	if (!package_place(unpacked->image, banner->release, place))
		return NULL;
	return asprintf(&path, "%s/%s/%s", store->path, name, place) < 0 ? NULL : path;
}

static struct error *get_and_keep(const struct kernel_get *get, const struct cache *store, char **ret_image)
{
	struct unpacked unpacked;
	char *path;
	struct error *err = kernel_store_begin(store, &path);

	if (err)
		return err;
	err = get_into(get, path, &unpacked);
	if (!err)
		*ret_image = final_path(store, get->banner, &unpacked);
	if (!err && !*ret_image)
		err = error_create("out of memory");
	if (!err)
		err = kernel_store_keep(store, path, get->banner);
	tree_remove(path);
	free(path);
	return err;
}

struct error *kernel_get(const struct kernel_get *get, char **ret_image)
{
	struct cache store;
	struct error *err = cache_open_folder(KERNEL_STORE, &store);

	*ret_image = NULL;
	if (!err)
		err = get_and_keep(get, &store, ret_image);
	cache_close(&store);
	return err;
}
