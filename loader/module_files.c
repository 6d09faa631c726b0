/* The .ko files of a kernel: module_files.h. */
#include "loader/module_files.h"

#include <errno.h>
#include <fts.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "loader/decompress.h"
#include "loader/file.h"
#include "util/array.h"

/* -- finding them -- */

static const char *const suffixes[] = {".ko", ".ko.xz", ".ko.zst", ".ko.gz"};

/* Folders that come before others: depmod.d(5), as distributions have it. */
static const char *const preferred[] = {"updates/", "extra/"};

enum { PREFERRED = sizeof(preferred) / sizeof(preferred[0]) };

/* The length of the module's name in that of a file; 0: it is no module. */
static size_t name_length(const char *file)
{
	size_t length = strlen(file);

	for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
		size_t suffix = strlen(suffixes[i]);

		if (length > suffix && !strcmp(file + length - suffix, suffixes[i]))
			return length - suffix;
	}
	return 0;
}

static unsigned rank_of(const char *path)
{
	unsigned rank = 0;

	while (rank < PREFERRED && strncmp(path, preferred[rank], strlen(preferred[rank])) != 0)
		rank++;
	return rank;
}

static void put_name(char *to, const char *from, size_t length)
{
	for (size_t i = 0; i < length; i++)
		to[i] = from[i] == '-' ? '_' : from[i];
	to[length] = '\0';
}

/* below: the path from the folder on */
static struct error *add_file(struct module_files *files, const char *file, const char *path, const char *below)
{
	size_t length = name_length(file);
	struct module_file added = {.rank = rank_of(below)};

	if (!length)
		return NULL;
	added.name = malloc(length + 1);
	added.path = strdup(path);
	if (!added.name || !added.path || !array_reserve(&files->file, files->count, &files->room, sizeof(added))) {
		free(added.name);
		free(added.path);
		return error_create("out of memory");
	}
	put_name(added.name, file, length);
	files->file[files->count++] = added;
	return NULL;
}

static int compare_files(const void *a, const void *b)
{
	const struct module_file *first = a, *second = b;
	int order = strcmp(first->name, second->name);

	if (!order)
		order = first->rank < second->rank ? -1 : first->rank > second->rank;
	return order ? order : strcmp(first->path, second->path);
}

/* Links to folders are not followed: `build` and `source` lead to whole trees. Those to files are (weak-updates). */
struct error *module_files_add(struct module_files *files, const char *folder)
{
	char *roots[] = {(char *)(uintptr_t)folder, NULL}; /* not written to */
	FTS *tree = fts_open(roots, FTS_PHYSICAL | FTS_COMFOLLOW | FTS_NOCHDIR | FTS_NOSTAT, NULL);
	size_t length = strlen(folder);
	struct error *err = NULL;

	if (!tree)
		return errno == ENOMEM ? error_create("out of memory") : NULL;
	for (FTSENT *entry; !err && (entry = fts_read(tree));) {
		const char *below = entry->fts_path + length;

		/* FTS_NSOK: it was not asked what it is, but it is no folder. There are thousands. */
		if (entry->fts_info == FTS_F || entry->fts_info == FTS_SL || entry->fts_info == FTS_NSOK)
			err = add_file(files, entry->fts_name, entry->fts_path, below + strspn(below, "/"));
	}
	fts_close(tree);
	if (files->count)
		qsort(files->file, files->count, sizeof(*files->file), compare_files);
	return err;
}

/* As strcmp(), for a name that may have `-`. */
static int compare_name(const char *name, const char *wanted)
{
	for (;; name++, wanted++) {
		char sign = *wanted == '-' ? '_' : *wanted;

		if (*name != sign || !sign)
			return (int)(unsigned char)*name - (unsigned char)sign;
	}
}

size_t module_files_find(const struct module_files *files, const char *name, size_t *ret_first)
{
	size_t low = 0, high = files->count, count = 0;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (compare_name(files->file[middle].name, name) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	while (low + count < files->count && !compare_name(files->file[low + count].name, name))
		count++;
	*ret_first = low;
	return count;
}

/* -- by the folder's list -- */

/* The length of the line if it is the path, from the folder on, of a module's file before compression; 0: it is not. */
static size_t listed_length(const char *line, size_t length, const char *name)
{
	size_t base = strlen(name), suffix = strlen(suffixes[0]), tail = base + suffix;

	if (length <= tail || line[length - tail - 1] != '/' || memcmp(line + length - suffix, suffixes[0], suffix) != 0)
		return 0;
	for (size_t i = 0; i < base; i++) {
		char there = line[length - tail + i];

		if ((there == '-' ? '_' : there) != (name[i] == '-' ? '_' : name[i]))
			return 0;
	}
	return length;
}

/* The file of that path, compressed or not; NULL: it is not there. */
static char *find_listed(const char *folder, const char *line, size_t length)
{
	size_t plain = strlen(suffixes[0]);

	for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
		char *path;

		if (asprintf(&path, "%s/%.*s%s", folder, (int)length, line, suffixes[i] + plain) < 0)
			return NULL;
		if (access(path, R_OK) == 0)
			return path;
		free(path);
	}
	return NULL;
}

static char *search_list(const struct file *list, const char *folder, const char *name)
{
	const char *at = (const char *)list->data, *end = at + list->size;
	char *found = NULL;

	while (at < end && !found) {
		const char *stop = memchr(at, '\n', end - at);
		size_t length = listed_length(at, (stop ? stop : end) - at, name);

		if (length && length < PATH_MAX)
			found = find_listed(folder, at, length);
		at = stop ? stop + 1 : end;
	}
	return found;
}

char *module_files_listed(const char *folder, const char *name)
{
	struct file list = {0};
	char *path, *found = NULL;

	if (asprintf(&path, "%s/modules.order", folder) < 0)
		return NULL;
	error_destroy(file_open(path, &list)); /* then it is empty */
	if (list.data)
		found = search_list(&list, folder, name);
	file_close(&list);
	free(path);
	return found;
}

void module_files_deinit(struct module_files *files)
{
	for (size_t i = 0; i < files->count; i++) {
		free(files->file[i].name);
		free(files->file[i].path);
	}
	free(files->file);
	*files = (struct module_files){0};
}

/* -- reading one -- */

enum { LARGEST = 1 << 30 }; /* modules with all their debugging data have hundreds of MiB */

/* The first bytes tell the compression, not the name. */
static const struct compression {
	const char *magic;
	unsigned size;
	decompress_fn *decompress;
} compressions[] = {
	{XZ_MAGIC, XZ_MAGIC_SIZE, decompress_xz},
	{ZSTD_MAGIC, ZSTD_MAGIC_SIZE, decompress_zstd},
	{GZIP_MAGIC, GZIP_MAGIC_SIZE, decompress_gzip},
};

static const char *copy(const uint8_t *in, size_t size, struct decompressed *to)
{
	if (size > to->most)
		return to->too_much;
	to->bytes = malloc(size ? size : 1);
	if (!to->bytes)
		return "out of memory";
	memcpy(to->bytes, in, size);
	to->size = size;
	return NULL;
}

static decompress_fn *find_compression(const struct file *file)
{
	for (size_t i = 0; i < sizeof(compressions) / sizeof(compressions[0]); i++) {
		if (file->size >= compressions[i].size && memcmp(file->data, compressions[i].magic, compressions[i].size) == 0)
			return compressions[i].decompress;
	}
	return copy;
}

struct error *module_file_read(const char *path, uint8_t **ret, size_t *ret_size)
{
	struct file contents;
	struct decompressed to = {.most = LARGEST, .too_much = "it is more than 1 GiB"};
	struct error *err = file_open(path, &contents);
	const char *problem;

	if (err)
		return err;
	problem = find_compression(&contents)(contents.data, contents.size, &to);
	file_close(&contents);
	if (problem) {
		free(to.bytes);
		return error_create("%s: %s", path, problem);
	}
	*ret = to.bytes;
	*ret_size = to.size;
	return NULL;
}
