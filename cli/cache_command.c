/* xray86 cache: lists what is in the cache directory (session/cache.h), and prunes it. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "cli/commands.h"
#include "cli/options.h"
#include "session/cache.h"
#include "session/checkpoint.h"
#include "session/trusted_kernel.h"
#include "util/owned.h"
#include "util/quote.h"

enum { UNFINISHED_SECONDS = 3600 /* after that, nobody is writing the file any more */ };

struct cache_options {
	bool all;
};

static const struct option_spec option_specs[] = {
	{"all", NULL, "prune: delete every file, good ones, too; runs that use one go on", NULL, offsetof(struct cache_options, all)},
	{0},
};

static void print_help(void)
{
	puts("usage: xray86 cache list\n"
	     "       xray86 cache prune [--all]\n"
	     "\n"
	     "xray86 keeps booted kernels in xray86/checkpoints in your cache directory, so that later runs start at once.\n"
	     "list shows them; prune deletes those that this build of xray86 has no use for.\n");
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
	bool whole = cache_has_suffix(entry->name);
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

/* With none left no checkpoint can be looked into, and a good one would be taken for useless. */
static bool has_descriptor(const struct cache *cache)
{
	int fd = openat(cache->directory, ".", O_PATH | O_CLOEXEC);

	return fd >= 0 && close(fd) == 0;
}

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
	if (!has_descriptor(visit->cache))
		return error_create("%s: %s", visit->cache->path, strerror(errno));
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
	struct error *err = cache_open(NULL, &cache);

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
