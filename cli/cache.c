/* The cache directory, and `xray86 cache`: cache.h. */
#include "cli/cache.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/commands.h"
#include "cli/options.h"

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

char *cache_file(const char *directory, const char *key)
{
	uint64_t hash = 0xcbf29ce484222325; /* FNV-1a; the file has the whole key */
	char *path;

	for (const char *at = key; *at; at++)
		hash = (hash ^ (uint8_t)*at) * 0x100000001b3;
	return asprintf(&path, "%s/%016" PRIx64 CACHE_SUFFIX, directory, hash) < 0 ? NULL : path;
}

/* -- xray86 cache -- */

static void print_help(void)
{
	puts("usage: xray86 cache list\n"
	     "       xray86 cache prune\n"
	     "\n"
	     "Booted kernels are kept in xray86/checkpoints in the user's cache directory, so that later runs start at once.\n"
	     "list shows them, prune deletes them; runs that use one go on.");
}

static bool is_ours(const char *name)
{
	size_t length = strlen(name), suffix = strlen(CACHE_SUFFIX);

	return strstr(name, CACHE_SUFFIX ".") || (length > suffix && strcmp(name + length - suffix, CACHE_SUFFIX) == 0);
}

static struct error *for_each(const char *directory, struct error *(*fn)(const char *path, const struct stat *status))
{
	DIR *stream = opendir(directory);
	struct dirent *entry;
	struct error *err = NULL;

	if (!stream)
		return error_create("%s: %s", directory, strerror(errno));
	while (!err && (entry = readdir(stream))) {
		struct stat status;
		char *path = NULL;

		if (!is_ours(entry->d_name))
			continue;
		if (asprintf(&path, "%s/%s", directory, entry->d_name) < 0)
			err = error_create("out of memory");
		else if (stat(path, &status) == 0)
			err = fn(path, &status);
		free(path);
	}
	closedir(stream);
	return err;
}

static struct error *print_file(const char *path, const struct stat *status)
{
	printf("%s\n  %lld MiB\n", path, (long long)status->st_blocks * 512 >> 20);
	return NULL;
}

static struct error *delete_file(const char *path, const struct stat *status)
{
	if (unlink(path) && errno != ENOENT)
		return error_create("%s: %s", path, strerror(errno));
	printf("deleted %s (%lld MiB)\n", path, (long long)status->st_blocks * 512 >> 20);
	return NULL;
}

struct error *cache_command(int argc, char **argv, int *ret_status)
{
	static const struct option_spec none[] = {{0}};
	struct error *err;
	char *directory;
	int others, help;

	(void)ret_status;
	err = options_parse(none, NULL, argc, argv, &others, &help);
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
		err = for_each(directory, strcmp(argv[1], "list") == 0 ? print_file : delete_file);
	free(directory);
	return err;
}
