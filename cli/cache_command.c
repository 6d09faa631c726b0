/* xray86 cache: lists what is in the cache directory (session/cache.h, session/kernel_store.h), and prunes it. */
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
#include "session/kernel_store.h"
#include "session/trusted_kernel.h"
#include "util/owned.h"
#include "util/quote.h"
#include "util/tree.h"

enum { UNFINISHED_SECONDS = 3600 /* after that, nobody is writing it any more */ };

struct cache_options {
	bool all;
};

/* -- what was asked for -- */

static const struct option_spec option_specs[] = {
	{"all", NULL, "prune: delete every file, good ones, too; runs that use one go on", NULL, offsetof(struct cache_options, all)},
	{0},
};

static void print_help(void)
{
	puts("usage: xray86 cache list\n"
	     "       xray86 cache prune [--all]\n"
	     "\n"
	     "xray86 keeps booted kernels in xray86/checkpoints in your cache directory, so that later runs start at once, and in\n"
	     "xray86/kernels there what xray86 kernel has unpacked. list shows both; prune deletes booted kernels that this build of\n"
	     "xray86 has no use for, and damaged ones. Files that you have put there yourself stay.\n");
	options_help(option_specs);
}

/* -- booted kernels -- */

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
static const char *entry_path(const struct cache *cache, const char *name, char ret[PATH_MAX])
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", cache->path, name);
	return quote_string(ret, PATH_MAX, path);
}

static struct error *print_entry(const struct cache *cache, const struct cache_options *options, const struct entry *entry)
{
	const struct banner *banner = &entry->kernel.landmarks.banner;
	char path[PATH_MAX], release[QUOTE_NAME];

	(void)options;
	printf("%s\n  %lld MiB, ", entry_path(cache, entry->name, path), mebibytes(entry));
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
	entry_path(cache, entry->name, path);
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

static struct error *visit_checkpoints(const struct cache_options *options, bool list)
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

/* -- unpacked kernels -- */

struct store_visit {
	const struct cache *store;
	const struct cache_options *options;
};

static long long tree_mebibytes(const struct cache *store, const char *name)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", store->path, name);
	return (long long)(tree_size(path) >> 20);
}

static struct error *print_stored(void *opaque, const struct stored_kernel *kernel)
{
	const struct cache *store = ((const struct store_visit *)opaque)->store;
	char path[PATH_MAX], version[QUOTE_NAME];

	printf("%s\n  %lld MiB, ", entry_path(store, kernel->name, path), tree_mebibytes(store, kernel->name));
	if (kernel->whole)
		printf("unpacked, %s, %s\n", kernel->banner.release, quote_string(version, sizeof(version), kernel->banner.version));
	else
		puts(kernel->being_made ? "being unpacked" : "of no use: damaged");
	return NULL;
}

static bool is_recent(const struct cache *store, const char *name)
{
	struct stat status;

	return fstatat(store->directory, name, &status, AT_SYMLINK_NOFOLLOW) == 0 && time(NULL) - status.st_mtime < UNFINISHED_SECONDS;
}

static struct error *prune_stored(void *opaque, const struct stored_kernel *kernel)
{
	const struct store_visit *visit = opaque;
	long long mebibytes = tree_mebibytes(visit->store, kernel->name);
	char path[PATH_MAX], quoted[PATH_MAX];

	if (!visit->options->all && (kernel->whole || (kernel->being_made && is_recent(visit->store, kernel->name))))
		return NULL;
	snprintf(path, sizeof(path), "%s/%s", visit->store->path, kernel->name);
	entry_path(visit->store, kernel->name, quoted);
	if (!tree_remove(path))
		return error_create("%s: %s", quoted, strerror(errno));
	printf("deleted %s (%lld MiB)\n", quoted, mebibytes);
	return NULL;
}

static struct error *visit_store(const struct cache_options *options, bool list)
{
	struct cache store;
	struct store_visit all = {&store, options};
	struct error *err = cache_open_folder(KERNEL_STORE, &store);

	if (!err)
		err = kernel_store_for_each(&store, list ? print_stored : prune_stored, &all);
	cache_close(&store);
	return err;
}

/* -- the command -- */

static struct error *visit_all(const struct cache_options *options, bool list)
{
	struct error *err = visit_checkpoints(options, list);

	return err ? err : visit_store(options, list);
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
