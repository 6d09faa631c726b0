/* The cache directory, and `xray86 cache`: cache.h. */
#include "cli/cache.h"

#include <dirent.h>
#include <errno.h>
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
#include "cli/trusted_vm.h"
#include "loader/checkpoint.h"
#include "util/build_id.h"
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

char *cache_directory(struct error **ret_error)
{
	const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
	char *directory = NULL;
	int length = -1;

	*ret_error = NULL;
	if (cache && cache[0] == '/')
		length = asprintf(&directory, "%s/xray86/checkpoints", cache);
	else if (home && home[0] == '/')
		length = asprintf(&directory, "%s/.cache/xray86/checkpoints", home);
	if (length >= 0 && make_directories(directory))
		return directory;
	*ret_error = length < 0 ? error_create("no cache directory: neither XDG_CACHE_HOME nor HOME is set")
				: error_create("%s: %s", directory, strerror(errno));
	if (length >= 0)
		free(directory);
	return NULL;
}

bool has_cache_suffix(const char *name)
{
	size_t length = strlen(name), suffix = strlen(CACHE_SUFFIX);

	return length > suffix && strcmp(name + length - suffix, CACHE_SUFFIX) == 0;
}

char *cache_file(const char *directory, const char *key)
{
	uint64_t hash = 0xcbf29ce484222325; /* FNV-1a; the file has the whole key */
	char *path;

	for (const char *at = key; *at; at++)
		hash = (hash ^ (uint8_t)*at) * 0x100000001b3;
	return asprintf(&path, "%s/%016" PRIx64 CACHE_SUFFIX, directory, hash) < 0 ? NULL : path;
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

static bool is_ours(const char *name)
{
	return strstr(name, CACHE_SUFFIX ".") || has_cache_suffix(name);
}

struct entry {
	const char *path;
	struct stat status;
	bool good; /* for this build */
	struct trusted_kernel kernel;
};

static struct error *for_each(const char *directory, const struct cache_options *options,
			      struct error *(*fn)(const struct cache_options *options, const struct entry *entry))
{
	DIR *stream = opendir(directory);
	struct dirent *file;
	struct error *err = NULL;
	char program[CACHE_PROGRAM_MAX];

	if (!stream)
		return error_create("%s: %s", directory, strerror(errno));
	cache_program(program);
	while (!err && (file = readdir(stream))) {
		struct entry entry = {0};
		char *path = NULL, *key = NULL;

		if (!is_ours(file->d_name))
			continue;
		if (asprintf(&path, "%s/%s", directory, file->d_name) < 0) {
			err = error_create("out of memory");
		} else if (stat(path, &entry.status) == 0) {
			entry.path = path;
			entry.good = checkpoint_peek(path, &entry.kernel, sizeof(entry.kernel), &key) &&
				     strncmp(key, program, strlen(program)) == 0 && key[strlen(program)] == '\n';
			err = fn(options, &entry);
		}
		free(key);
		free(path);
	}
	closedir(stream);
	return err;
}

static long long mebibytes(const struct entry *entry)
{
	return (long long)entry->status.st_blocks * 512 >> 20;
}

static struct error *print_entry(const struct cache_options *options, const struct entry *entry)
{
	const struct banner *banner = &entry->kernel.landmarks.banner;
	char path[PATH_MAX], release[QUOTE_NAME];

	(void)options;
	printf("%s\n  %lld MiB, ", quote_string(path, sizeof(path), entry->path), mebibytes(entry));
	if (entry->good)
		printf("%s at %#" PRIx64 "\n", quote(release, sizeof(release), banner->release, sizeof(banner->release)),
		       entry->kernel.base);
	else
		puts("of no use to this build of xray86");
	return NULL;
}

static struct error *prune_entry(const struct cache_options *options, const struct entry *entry)
{
	bool whole = has_cache_suffix(entry->path);
	char path[PATH_MAX];

	if (!options->all && (entry->good || (!whole && time(NULL) - entry->status.st_mtime < UNFINISHED_SECONDS)))
		return NULL;
	quote_string(path, sizeof(path), entry->path);
	if (unlink(entry->path) && errno != ENOENT)
		return error_create("%s: %s", path, strerror(errno));
	printf("deleted %s (%lld MiB)\n", path, mebibytes(entry));
	return NULL;
}

struct error *cache_command(int argc, char **argv, int *ret_status)
{
	struct cache_options options = {0};
	struct error *err;
	char *directory;
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
	directory = cache_directory(&err);
	if (!err)
		err = for_each(directory, &options, strcmp(argv[1], "list") == 0 ? print_entry : prune_entry);
	free(directory);
	return err;
}
