/*
 * Finding other kernels: see kernel_another.h.
 *
 * The command's own half runs on such a kernel, so it should know the system calls that the command makes, and boot soon. The nearest
 * version knows them best; of kernels of one version, the smallest boots first.
 */
#include "loader/kernel_another.h"

#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "loader/bzimage.h"
#include "loader/file.h"
#include "loader/kernel_image.h"
#include "util/array.h"
#include "util/cache_path.h"

/* Time namespaces, which the command's processes have, begin with 5.6. */
enum { VERSION_UNIT = 1000, OLDEST_GOOD = 5 * VERSION_UNIT + 6 };

struct candidate {
	char *path;
	bool old;
	unsigned distance; /* of versions */
	size_t size;
};

struct candidates {
	const struct kernel_wish *wish;
	struct candidate *candidate;
	size_t count, room;
};

/* -- judging one -- */

/* "6.1.0-13-amd64": 6001. 0: no version. */
static unsigned version_of(const char *release)
{
	unsigned major, minor;

	return sscanf(release, "%3u.%3u", &major, &minor) == 2 ? major * VERSION_UNIT + minor : 0;
}

static bool judge(const struct kernel_wish *wish, const struct file *file, struct candidate *ret)
{
	unsigned version, wanted = version_of(wish->banner->release);
	struct kernel_setup setup;
	char text[BANNER_MAX];
	const uint8_t *payload;
	size_t payload_size;
	struct error *err;

	if (!banner_of_bzimage(file->data, file->size, text) || !(version = version_of(text)))
		return false;
	err = bzimage_parse(file->data, file->size, &setup, &payload, &payload_size);
	if (err) {
		error_destroy(err);
		return false;
	}
	ret->old = version < OLDEST_GOOD;
	ret->distance = version > wanted ? version - wanted : wanted - version;
	ret->size = file->size;
	return !(setup.xloadflags & XLF_KERNEL_64) == !wish->x86_64 && (!wish->five_level || setup.xloadflags & XLF_5LEVEL_ENABLED);
}

static void consider(struct candidates *candidates, const char *path)
{
	struct candidate candidate;
	struct error *err;
	struct file file;

	err = file_open(path, &file);
	if (err) {
		error_destroy(err);
		return;
	}
	if (judge(candidates->wish, &file, &candidate) &&
	    array_reserve(&candidates->candidate, candidates->count, &candidates->room, sizeof(candidate))) {
		candidate.path = strdup(path);
		if (candidate.path)
			candidates->candidate[candidates->count++] = candidate;
	}
	file_close(&file);
}

static int compare(const void *a, const void *b)
{
	const struct candidate *x = a, *y = b;

	if (x->old != y->old)
		return x->old ? 1 : -1;
	if (x->distance != y->distance)
		return x->distance < y->distance ? -1 : 1;
	if (x->size != y->size)
		return x->size < y->size ? -1 : 1;
	return strcmp(x->path, y->path);
}

/* -- where they are -- */

/* The directory's name, in which no character is a pattern's; NULL: out of memory. */
static char *escape(const char *directory)
{
	char *escaped = malloc(2 * strlen(directory) + 1), *to = escaped;

	for (; escaped && *directory; directory++) {
		if (strchr("*?[]\\", *directory))
			*to++ = '\\';
		*to++ = *directory;
	}
	if (escaped)
		*to = '\0';
	return escaped;
}

/* directory: a pattern. */
static void search(struct candidates *candidates, const char *directory)
{
	static const char *const patterns[] = {"vmlinuz*", "boot/vmlinuz*", "lib/modules/*/vmlinuz", "usr/lib/modules/*/vmlinuz"};

	for (unsigned i = 0; i < sizeof(patterns) / sizeof(patterns[0]); i++) {
		glob_t found = {0};
		char *pattern;

		if (asprintf(&pattern, "%s/%s", directory, patterns[i]) < 0)
			continue;
		if (glob(pattern, 0, NULL, &found) == 0) {
			for (size_t j = 0; j < found.gl_pathc; j++)
				consider(candidates, found.gl_pathv[j]);
		}
		globfree(&found);
		free(pattern);
	}
}

static void search_path(struct candidates *candidates, const char *path)
{
	while (path) {
		const char *end = strchrnul(path, ':');
		char *directory = end > path ? strndup(path, end - path) : NULL, *escaped = directory ? escape(directory) : NULL;

		if (escaped)
			search(candidates, escaped);
		free(escaped);
		free(directory);
		path = *end ? end + 1 : NULL;
	}
}

/* Files of the user's, and what was unpacked there. */
static void search_cache(struct candidates *candidates)
{
	char *directory, *escaped, *unpacked;
	struct error *err = cache_path("kernels", &directory, NULL); /* without one, there is nothing in it */

	escaped = err ? NULL : escape(directory);
	if (escaped) {
		search(candidates, escaped);
		if (asprintf(&unpacked, "%s/*", escaped) >= 0) {
			search(candidates, unpacked);
			free(unpacked);
		}
	}
	error_destroy(err);
	free(escaped);
	free(directory);
}

bool kernel_another(const struct kernel_wish *wish, const struct kernel_sources *sources, bool (*fn)(void *opaque, const char *path),
		    void *opaque)
{
	struct candidates candidates = {.wish = wish};
	bool found = false;

	search_path(&candidates, sources->path);
	search(&candidates, "");
	search_cache(&candidates);
	if (candidates.count)
		qsort(candidates.candidate, candidates.count, sizeof(*candidates.candidate), compare);
	for (size_t i = 0; i < candidates.count; i++) {
		found = found || fn(opaque, candidates.candidate[i].path);
		free(candidates.candidate[i].path);
	}
	free(candidates.candidate);
	return found;
}
