/* The cache directory: cache.h. */
#include "session/cache.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "include/xray86.h"
#include "session/trusted_kernel.h"
#include "session/checkpoint.h"
#include "util/build_id.h"
#include "util/cache_path.h"
#include "util/fnv1a.h"
#include "util/owned.h"
#include "util/quote.h"

/* mkdir -p for what is behind the first `base` bytes: a home that is not there is not this program's to make. */
static bool make_directories(char *path, size_t base)
{
	for (char *at = strchr(path + base + 1, '/'); at; at = strchr(at + 1, '/')) {
		*at = '\0';
		if (mkdir(path, 0700) && errno != EEXIST)
			return false;
		*at = '/';
	}
	return mkdir(path, 0700) == 0 || errno == EEXIST;
}

/* `base`: as cache_path() has it. Takes path over. */
static struct error *open_folder(char *path, size_t base, struct cache *ret)
{
	struct error *err = NULL;

	*ret = (struct cache){.directory = -1, .path = path};
	if (!path)
		err = error_create("out of memory");
	else if (!make_directories(path, base))
		err = error_create("%s: %s", path, strerror(errno));
	if (!err)
		err = owned_directory_open(path, &ret->directory);
	if (err)
		cache_close(ret);
	return err;
}

struct error *cache_open_folder(const char *name, struct cache *ret)
{
	char *path;
	size_t base;
	struct error *err = cache_path(name, &path, &base);

	*ret = (struct cache){.directory = -1};
	return err ? err : open_folder(path, base, ret);
}

struct error *cache_open(const char *path, struct cache *ret)
{
	if (!path)
		return cache_open_folder("checkpoints", ret);
	return open_folder(strdup(path), strlen(path) - 1, ret); /* all but the folder itself must be there */
}

void cache_close(struct cache *cache)
{
	if (cache->directory >= 0)
		close(cache->directory);
	free(cache->path);
	*cache = (struct cache){.directory = -1};
}

bool cache_has_suffix(const char *name)
{
	size_t length = strlen(name), suffix = strlen(CACHE_SUFFIX);

	return length > suffix && strcmp(name + length - suffix, CACHE_SUFFIX) == 0;
}

char *cache_file(const char *key)
{
	char *name;

	return asprintf(&name, "%016" PRIx64 CACHE_SUFFIX, fnv1a_text(key)) < 0 ? NULL : name; /* the file has the whole key */
}

static bool is_ours(const char *name)
{
	return strstr(name, CACHE_SUFFIX ".") || cache_has_suffix(name);
}

struct error *cache_for_each(const struct cache *cache, struct error *(*fn)(void *opaque, const char *name, bool *ret_enough), void *opaque)
{
	int copy = openat(cache->directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *stream = copy < 0 ? NULL : fdopendir(copy);
	struct error *err = stream ? NULL : error_create("%s: %s", cache->path, strerror(errno));
	struct dirent *file;
	bool enough = false;

	while (stream && !err && !enough && (file = readdir(stream))) {
		if (is_ours(file->d_name))
			err = fn(opaque, file->d_name, &enough);
	}
	if (stream)
		closedir(stream);
	else if (copy >= 0)
		close(copy);
	return err;
}

void cache_program(char ret[CACHE_PROGRAM_MAX])
{
	char build[BUILD_ID_MAX];

	build_id(build);
	snprintf(ret, CACHE_PROGRAM_MAX, "xray86 %s build %s", XRAY86_VERSION, build);
}
