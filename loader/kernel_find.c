/* Finding kernels: see kernel_find.h. */
#include "loader/kernel_find.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "loader/file.h"
#include "loader/kernel_image.h"
#include "util/cache_path.h"
#include "util/quote.h"

enum verdict { NOT_THERE, UNREADABLE, OTHER_BUILD, RIGHT };

static enum verdict judge_vmlinux(const struct file *file, const struct banner *wanted)
{
	struct banner found;

	return banner_search(file->data, file->size, &found) && banner_same(&found, wanted) ? RIGHT : OTHER_BUILD;
}

static enum verdict judge_content(const struct file *file, const struct banner *wanted)
{
	char text[BANNER_MAX];

	if (!banner_of_bzimage(file->data, file->size, text))
		return judge_vmlinux(file, wanted);
	return banner_fits_bzimage(wanted, text) ? RIGHT : OTHER_BUILD;
}

/* *ret_error, of what is UNREADABLE: the caller's. */
static enum verdict judge(const char *path, const struct banner *wanted, struct error **ret_error)
{
	struct file file;
	enum verdict verdict;

	*ret_error = NULL;
	if (access(path, F_OK) != 0)
		return NOT_THERE;
	*ret_error = file_open(path, &file);
	if (*ret_error)
		return UNREADABLE;
	verdict = judge_content(&file, wanted);
	file_close(&file);
	return verdict;
}

bool kernel_fits(const char *path, const struct banner *banner)
{
	struct error *err;
	bool fits = judge(path, banner, &err) == RIGHT;

	error_destroy(err);
	return fits;
}

/* -- where it may be -- */

/* In a folder. %r is the release, %f the flavour: what is behind its last -. */
struct place {
	const char *form, *why;
};

static const struct place images[] = {
	{"vmlinuz-%r", "copied from /boot"},
	{"boot/vmlinuz-%r", "packages of Debian, Ubuntu, SUSE"},
	{"lib/modules/%r/vmlinuz", "packages of Fedora and its kin; what xray86 kernel unpacks"},
	{"usr/lib/modules/%r/vmlinuz", "packages of Arch, and Debian's from 6.19 on"},
	{"boot/vmlinuz-%f", "packages of Alpine"},
};
enum { IMAGES = sizeof(images) / sizeof(images[0]) };

static const struct place modules[] = {
	{"lib/modules/%r", "packages, but for those of the next row; what xray86 kernel unpacks"},
	{"usr/lib/modules/%r", "packages of systems whose /lib is in /usr"},
	/* of folders that the user names for their images */
	{"../lib/modules/%r", "the folder is /boot"},
	{"../usr/lib/modules/%r", "likewise"},
	{"../%r", "the image is in the folder of its modules"},
};
enum { MODULES = 2, MODULES_OF_NAMED = sizeof(modules) / sizeof(modules[0]) };

/* directory/place; the caller frees it. NULL: without memory. */
static char *expand(const char *directory, const char *form, const struct banner *banner)
{
	const char *dash = strrchr(banner->release, '-'), *percent = strchr(form, '%');
	const char *word = percent[1] == 'r' ? banner->release : dash ? dash + 1 : "";
	size_t length = strlen(directory);
	char *path;

	while (length && directory[length - 1] == '/')
		length--;
	return asprintf(&path, "%.*s/%.*s%s%s", (int)length, directory, (int)(percent - form), form, word, percent + 2) < 0 ? NULL : path;
}

struct visit {
	const struct banner *banner;
	const struct place *place;
	unsigned places;
	bool (*fn)(void *opaque, const char *path);
	void *opaque;
};

/* False: enough. */
static bool visit_directory(const struct visit *visit, const char *directory)
{
	bool more = true;

	for (unsigned i = 0; more && i < visit->places; i++) {
		char *path = expand(directory, visit->place[i].form, visit->banner);

		more = !path || visit->fn(visit->opaque, path);
		free(path);
	}
	return more;
}

static bool visit_path(const struct visit *visit, const char *path)
{
	bool more = true;

	while (more && path) {
		const char *end = strchrnul(path, ':');
		char *directory = end > path ? strndup(path, end - path) : NULL;

		more = !directory || visit_directory(visit, directory);
		free(directory);
		path = *end ? end + 1 : NULL;
	}
	return more;
}

/* Files of the user's, then what was unpacked there. */
static bool visit_cache(const struct visit *visit)
{
	char *directory, *unpacked, name[BANNER_NAME_MAX];
	struct error *err = cache_path("kernels", &directory, NULL); /* without one, there is nothing in it */
	bool more = true;

	banner_name(visit->banner, name);
	if (!err)
		more = visit_directory(visit, directory);
	if (!err && more && asprintf(&unpacked, "%s/%s", directory, name) >= 0) {
		more = visit_directory(visit, unpacked);
		free(unpacked);
	}
	error_destroy(err);
	free(directory);
	return more;
}

/* The folder that a file is in. */
static bool visit_folder_of(const struct visit *visit, const char *file)
{
	const char *slash = strrchr(file, '/');
	char *directory = slash ? strndup(file, slash - file) : strdup(".");
	bool more = !directory || visit_directory(visit, directory);

	free(directory);
	return more;
}

void kernel_image_places(const struct banner *banner, const struct kernel_sources *sources, bool (*fn)(void *opaque, const char *path),
			 void *opaque)
{
	const struct visit visit = {banner, images, IMAGES, fn, opaque};

	if (visit_path(&visit, sources->path) && visit_directory(&visit, "/"))
		visit_cache(&visit);
}

void kernel_module_folders(const struct banner *banner, const struct kernel_sources *sources, bool (*fn)(void *opaque, const char *path),
			   void *opaque)
{
	const struct visit named = {banner, modules, MODULES_OF_NAMED, fn, opaque}, others = {banner, modules, MODULES, fn, opaque};

	if ((!sources->file || visit_folder_of(&named, sources->file)) && visit_path(&named, sources->path) &&
	    visit_directory(&others, "/"))
		visit_cache(&others);
}

/* -- searching -- */

/* What was seen on the way: the reason to give when nothing fits. */
struct search {
	const struct banner *banner;
	size_t hidden; /* bytes at the beginning of a path that messages leave out */
	char *found;
	struct error *passed_over; /* why a file of the right name is not it */
};

static bool try_file(void *opaque, const char *path)
{
	struct search *search = opaque;
	struct error *err;
	enum verdict verdict = judge(path, search->banner, &err);

	if (verdict == RIGHT) {
		search->found = strdup(path);
		return !search->found;
	}
	if (verdict == OTHER_BUILD)
		err = error_create("%s is a kernel of another build", path + search->hidden);
	if (search->passed_over)
		error_destroy(err);
	else
		search->passed_over = err;
	return true;
}

struct error *kernel_find_below(const char *directory, const struct banner *banner, char **ret_path)
{
	struct search search = {.banner = banner, .hidden = strlen(directory) + 1};

	visit_directory(&(struct visit){banner, images, IMAGES, try_file, &search}, directory);
	*ret_path = search.found;
	if (!search.found)
		return search.passed_over ? search.passed_over : error_create("there is no image of Linux %s", banner->release);
	error_destroy(search.passed_over);
	return NULL;
}

/* The build, and how to get it. To be freed; NULL without memory. */
static char *describe_wanted(const struct banner *banner)
{
	char by[QUOTE_NAME], full[QUOTE_NAME], *text;

	return asprintf(&text,
			"Linux %s (%s), %s: to get it from its distribution, type xray86 kernel SNAPSHOT --get; or give the file by "
			"--kernel, or its directory by --kernel-path",
			banner->release, quote_string(by, sizeof(by), banner->builder),
			quote_string(full, sizeof(full), banner->version)) < 0
		       ? NULL
		       : text;
}

static struct error *explain(const struct search *search)
{
	char *wanted = describe_wanted(search->banner);
	struct error *err = error_create_code(ERROR_NO_KERNEL, "the image of the snapshot's kernel is not here; needed is %s",
					      wanted ? wanted : search->banner->release);

	free(wanted);
	return search->passed_over ? error_prefix(err, "%s", search->passed_over->message) : err;
}

static struct error *check_file(const char *path, const struct banner *banner, char **ret_path)
{
	struct file file;
	struct error *err = file_open(path, &file);
	char *wanted;

	if (err)
		return err;
	if (judge_content(&file, banner) == RIGHT) {
		file_close(&file);
		*ret_path = strdup(path);
		return *ret_path ? NULL : error_create("out of memory");
	}
	file_close(&file);
	wanted = describe_wanted(banner);
	err = error_create_code(ERROR_NO_KERNEL, "%s is not the kernel of the snapshot; needed is %s", path,
				wanted ? wanted : banner->release);
	free(wanted);
	return err;
}

struct error *kernel_find(const struct banner *banner, const struct kernel_sources *sources, char **ret_path)
{
	struct search search = {.banner = banner};
	struct error *err = NULL;

	if (sources->file)
		return check_file(sources->file, banner, ret_path);
	kernel_image_places(banner, sources, try_file, &search);
	*ret_path = search.found;
	if (!search.found)
		err = explain(&search);
	error_destroy(search.passed_over);
	return err;
}
