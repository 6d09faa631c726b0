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

/* *ret_base: as cache_path() has it; of a path that is given, all but the folder itself must be there. */
static struct error *name_directory(const char *path, char **ret, size_t *ret_base)
{
	if (!path)
		return cache_path("checkpoints", ret, ret_base);
	*ret = strdup(path);
	*ret_base = strlen(path) - 1;
	return *ret ? NULL : error_create("out of memory");
}

struct error *cache_open(const char *path, struct cache *ret)
{
	struct error *err;
	size_t base = 0;

	*ret = (struct cache){.directory = -1};
	err = name_directory(path, &ret->path, &base);
	if (!err && !make_directories(ret->path, base))
		err = error_create("%s: %s", ret->path, strerror(errno));
	if (!err)
		err = owned_directory_open(ret->path, &ret->directory);
	if (!err)
		return NULL;
	free(ret->path);
	ret->path = NULL;
	return err;
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
	uint64_t hash = 0xcbf29ce484222325; /* FNV-1a; the file has the whole key */
	char *name;

	for (const char *at = key; *at; at++)
		hash = (hash ^ (uint8_t)*at) * 0x100000001b3;
	return asprintf(&name, "%016" PRIx64 CACHE_SUFFIX, hash) < 0 ? NULL : name;
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

	while (!err && !enough && (file = readdir(stream))) {
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
