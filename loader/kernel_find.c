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
	char is[BANNER_MAX], should_be[BANNER_MAX];

	if (!banner_of_bzimage(file->data, file->size, is))
		return judge_vmlinux(file, wanted);
	banner_short(wanted, should_be);
	return strcmp(is, should_be) == 0 ? RIGHT : OTHER_BUILD;
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

/* What was seen on the way: the reason to give when nothing fits. */
struct search {
	const struct banner *banner;
	char *found;
	struct error *passed_over; /* why a file of the right name is not it */
};

/* Where a kernel may be in a directory: as in /boot, and as in Debian's packages unpacked (the last: from 6.19 on). */
static const struct {
	const char *before, *after; /* the release */
} names[] = {
	{"/vmlinuz-", ""},
	{"/boot/vmlinuz-", ""},
	{"/usr/lib/modules/", "/vmlinuz"},
};

/* Takes path over. false: go on. */
static bool try_file(struct search *search, char *path)
{
	struct error *err;
	enum verdict verdict = judge(path, search->banner, &err);

	if (verdict == RIGHT) {
		search->found = path;
		return true;
	}
	if (verdict == OTHER_BUILD)
		err = error_create("%s is a kernel of another build", path);
	free(path);
	if (search->passed_over)
		error_destroy(err);
	else
		search->passed_over = err;
	return false;
}

static bool try_directory(struct search *search, const char *directory, size_t length)
{
	while (length && directory[length - 1] == '/')
		length--;
	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		char *path;

		if (asprintf(&path, "%.*s%s%s%s", (int)length, directory, names[i].before, search->banner->release, names[i].after) >= 0 &&
		    try_file(search, path))
			return true;
	}
	return false;
}

static bool try_path(struct search *search, const char *path)
{
	while (path) {
		const char *end = strchrnul(path, ':');

		if (end > path && try_directory(search, path, end - path))
			return true;
		path = *end ? end + 1 : NULL;
	}
	return false;
}

static bool try_cache(struct search *search)
{
	char *directory;
	struct error *err = cache_path("kernels", &directory, NULL); /* without one, there is nothing in it */
	bool found = !err && try_directory(search, directory, strlen(directory));

	error_destroy(err);
	free(directory);
	return found;
}

/* For apt-get: Debian's flavours for i386 are 686, 686-pae and rt-686-pae. */
static const char *architecture(const char *release)
{
	return strstr(release, "-686") ? ":i386" : "";
}

/* The build, and how to get it. To be freed; NULL without memory. */
static char *describe_wanted(const struct banner *banner)
{
	char package[BANNER_MAX], version[BANNER_MAX], by[QUOTE_NAME], full[QUOTE_NAME], *text;
	int length;

	if (banner_debian_package(banner, package, version))
		length = asprintf(&text,
				  "Linux %s, %s: get Debian's package with `apt-get download %s%s=%s` (older ones: snapshot.debian.org), "
				  "unpack it with `dpkg -x %s_*.deb DIR`, and give --kernel-path DIR",
				  banner->release, quote_string(full, sizeof(full), banner->version), package,
				  architecture(banner->release), version, package);
	else
		length = asprintf(&text, "Linux %s (%s), %s: give the file by --kernel, or its directory by --kernel-path", banner->release,
				  quote_string(by, sizeof(by), banner->builder), quote_string(full, sizeof(full), banner->version));
	return length < 0 ? NULL : text;
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
	if (try_path(&search, sources->path) || try_directory(&search, "/", 1) || try_cache(&search))
		*ret_path = search.found;
	else
		err = explain(&search);
	error_destroy(search.passed_over);
	return err;
}
