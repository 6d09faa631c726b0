/* The cache directory, and `xray86 cache`: cache.h. */
#include "cli/cache.h"

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

#include "cli/commands.h"
#include "cli/options.h"
#include "cli/trusted_kernel.h"
#include "loader/checkpoint.h"
#include "util/build_id.h"
#include "util/owned.h"
#include "util/quote.h"

/* mkdir -p, but for the root. */
static bool make_directories(char *path)
{
	for (char *at = strchr(path + 1, '/'); at; at = strchr(at + 1, '/')) {
		*at = '\0';
		if (mkdir(path, 0700) && errno != EEXIST)
			return false;
		*at = '/';
	}
	return mkdir(path, 0700) == 0 || errno == EEXIST;
}

static struct error *name_directory(char **ret)
{
	const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
	int length = -1;

	*ret = NULL;
	if (cache && cache[0] == '/')
		length = asprintf(ret, "%s/xray86/checkpoints", cache);
	else if (home && home[0] == '/')
		length = asprintf(ret, "%s/.cache/xray86/checkpoints", home);
	else
		return error_create("neither XDG_CACHE_HOME nor HOME is set");
	if (length >= 0)
		return NULL;
	*ret = NULL;
	return error_create("out of memory");
}

struct error *cache_open(struct cache *ret)
{
	struct error *err;

	*ret = (struct cache){.directory = -1};
	err = name_directory(&ret->path);
	if (!err && !make_directories(ret->path))
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

bool has_cache_suffix(const char *name)
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
	return strstr(name, CACHE_SUFFIX ".") || has_cache_suffix(name);
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

/* -- xray86 cache -- */

enum { UNFINISHED_SECONDS = 3600 /* after that, nobody is writing the file any more */ };

struct cache_options {
	bool all;
};

static const struct option_spec option_specs[] = {
	{"all", NULL, "prune: delete every file, good ones too; runs that use one go on", NULL, offsetof(struct cache_options, all)},
	{0},
};

static void print_help(void)
{
	puts("usage: xray86 cache list\n"
	     "       xray86 cache prune [--all]\n"
	     "\n"
	     "Booted kernels are kept in xray86/checkpoints in the user's cache directory, so that later runs start at once.\n"
	     "list shows them, prune deletes those that this build of xray86 has no use for.\n");
	options_help(option_specs);
}

struct entry {
	const char *name;
	struct stat status;
	const char *foreign; /* why it must not be looked into, or NULL */
	bool good;           /* for this build */
	struct trusted_kernel kernel;
};

static long long mebibytes(const struct entry *entry)
{
	return (long long)entry->status.st_blocks * 512 >> 20;
}

/* As it may stand in a message. */
static const char *entry_path(const struct cache *cache, const struct entry *entry, char ret[PATH_MAX])
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", cache->path, entry->name);
	return quote_string(ret, PATH_MAX, path);
}

static struct error *print_entry(const struct cache *cache, const struct cache_options *options, const struct entry *entry)
{
	const struct banner *banner = &entry->kernel.landmarks.banner;
	char path[PATH_MAX], release[QUOTE_NAME];

	(void)options;
	printf("%s\n  %lld MiB, ", entry_path(cache, entry, path), mebibytes(entry));
	if (entry->good)
		printf("%s at %#" PRIx64 "\n", quote(release, sizeof(release), banner->release, sizeof(banner->release)),
		       entry->kernel.base);
	else if (entry->foreign)
		printf("not used: %s\n", entry->foreign);
	else
		puts("of no use to this build of xray86");
	return NULL;
}

static struct error *prune_entry(const struct cache *cache, const struct cache_options *options, const struct entry *entry)
{
	bool whole = has_cache_suffix(entry->name);
	char path[PATH_MAX];

	if (!options->all && (entry->good || (!whole && time(NULL) - entry->status.st_mtime < UNFINISHED_SECONDS)))
		return NULL;
	entry_path(cache, entry, path);
	if (unlinkat(cache->directory, entry->name, 0) && errno != ENOENT)
		return error_create("%s: %s", path, strerror(errno));
	printf("deleted %s (%lld MiB)\n", path, mebibytes(entry));
	return NULL;
}

struct visit {
	const struct cache *cache;
	const struct cache_options *options;
	struct error *(*fn)(const struct cache *cache, const struct cache_options *options, const struct entry *entry);
	char program[CACHE_PROGRAM_MAX];
};

static struct error *visit(void *opaque, const char *name, bool *ret_enough)
{
	const struct visit *visit = opaque;
	struct entry entry = {.name = name};
	struct checkpoint *checkpoint;
	struct error *foreign, *err;
	size_t length = strlen(visit->program);

	(void)ret_enough;
	if (fstatat(visit->cache->directory, name, &entry.status, AT_SYMLINK_NOFOLLOW) != 0)
		return NULL; /* another run has renamed or deleted it */
	foreign = checkpoint_open(visit->cache->directory, name, sizeof(entry.kernel), &checkpoint);
	entry.foreign = foreign ? foreign->message : NULL;
	entry.good = checkpoint && trusted_kernel_read(checkpoint, &entry.kernel) &&
		     strncmp(checkpoint_key(checkpoint), visit->program, length) == 0 && checkpoint_key(checkpoint)[length] == '\n';
	err = visit->fn(visit->cache, visit->options, &entry);
	checkpoint_close(checkpoint);
	error_destroy(foreign);
	return err;
}

static struct error *visit_all(const struct cache_options *options, bool list)
{
	struct cache cache;
	struct visit all = {.cache = &cache, .options = options, .fn = list ? print_entry : prune_entry};
	struct error *err = cache_open(&cache);

	cache_program(all.program);
	if (!err)
		err = cache_for_each(&cache, visit, &all);
	cache_close(&cache);
	return err;
}

struct error *cache_command(int argc, char **argv, int *ret_status)
{
	struct cache_options options = {0};
	struct error *err;
	int others, help;

	(void)ret_status;
	err = options_parse(option_specs, &options, argc, argv, &others, &help);
	if (err)
		return err;
	if (help) {
		print_help();
		return NULL;
	}
	if (others != 1 || (strcmp(argv[1], "list") != 0 && strcmp(argv[1], "prune") != 0))
		return error_create("cache needs list or prune: see xray86 cache --help");
	return visit_all(&options, strcmp(argv[1], "list") == 0);
}
