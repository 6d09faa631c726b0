/* The folder of a kernel's modules: kernel_modules.h. */
#include "cli/kernel_modules.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct search {
	const struct banner *banner;
	char *image; /* NULL: not here */
	char *found;
	bool sure;
};

/* Whether the image is where packages put it below `root`, of which the first `length` letters count. */
static bool is_below(const char *image, const char *root, size_t length)
{
	static const char *const places[] = {"/vmlinuz-", "/boot/", "/lib/modules/", "/usr/lib/modules/"};

	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]) && strncmp(image, root, length) == 0; i++) {
		if (strncmp(image + length, places[i], strlen(places[i])) == 0)
			return true;
	}
	return false;
}

/* Whether the image is in the same tree as this folder of modules. Both are real paths. */
static bool is_beside(const char *image, const char *folder, const char *release)
{
	static const char *const forms[] = {"/usr/lib/modules/%s", "/lib/modules/%s"};
	char end[sizeof("/usr/lib/modules/") + BANNER_MAX];
	size_t size = strlen(folder);

	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		size_t length = snprintf(end, sizeof(end), forms[i], release);

		if (length <= size && strcmp(folder + size - length, end) == 0)
			return is_below(image, folder, size - length);
	}
	return false;
}

/* The path without links to folders; the image may be one to a file. The caller frees it. NULL: it is not there, or out of memory. */
static char *real_place(const char *image)
{
	const char *slash = strrchr(image, '/');
	char *folder = slash ? strndup(image, slash - image + 1) : strdup("."), *real = folder ? realpath(folder, NULL) : NULL, *place;

	if (!real || asprintf(&place, "%s/%s", strcmp(real, "/") ? real : "", slash ? slash + 1 : image) < 0)
		place = NULL;
	free(folder);
	free(real);
	return place;
}

static bool is_of_build(const struct search *search, const char *folder)
{
	char name[BANNER_NAME_MAX];

	banner_name(search->banner, name);
	return strstr(folder, name) || (search->image && is_beside(search->image, folder, search->banner->release));
}

static bool try_folder(void *opaque, const char *path)
{
	struct search *search = opaque;
	char *folder = realpath(path, NULL);
	struct stat status;

	if (folder && stat(folder, &status) == 0 && S_ISDIR(status.st_mode)) {
		search->sure = is_of_build(search, folder);
		if (search->sure || !search->found) {
			free(search->found);
			search->found = strdup(path);
		}
	}
	free(folder);
	return !search->sure;
}

char *kernel_modules_find(const struct banner *banner, const struct kernel_sources *sources, const char *image, bool *ret_sure)
{
	struct search search = {.banner = banner, .image = image ? real_place(image) : NULL};

	kernel_module_folders(banner, sources, try_folder, &search);
	free(search.image);
	*ret_sure = search.sure;
	return search.found;
}
