/* The .ko files of a kernel: module_files.h. */
#include "loader/module_files.h"

#include <errno.h>
#include <fts.h>
#include <lzma.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

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

#define LZMA_MEMORY (256ull << 20)

enum { LARGEST = 1 << 30, FIRST_ROOM = 1 << 16 }; /* modules with all their debugging data have hundreds of MiB */

static const char cut_off[] = "it is cut off", damaged[] = "its data are damaged", too_large[] = "it becomes more than 1 GiB";

struct output {
	uint8_t *bytes;
	size_t size, room;
};

/* Makes room for more. Returns the reason why that cannot be. */
static const char *grow(struct output *output)
{
	size_t room = output->room ? output->room * 2 : FIRST_ROOM;
	uint8_t *bytes;

	if (output->size < output->room)
		return NULL;
	if (room > LARGEST)
		return too_large;
	bytes = realloc(output->bytes, room);
	if (!bytes)
		return "out of memory";
	output->bytes = bytes;
	output->room = room;
	return NULL;
}

static const char *unpack_xz(const struct file *file, struct output *output)
{
	lzma_stream stream = LZMA_STREAM_INIT;
	lzma_ret status = lzma_stream_decoder(&stream, LZMA_MEMORY, 0);
	const char *problem = NULL;

	stream.next_in = file->data;
	stream.avail_in = file->size;
	while (!problem && status == LZMA_OK && !(problem = grow(output))) {
		stream.next_out = output->bytes + output->size;
		stream.avail_out = output->room - output->size;
		status = lzma_code(&stream, LZMA_FINISH);
		output->size = output->room - stream.avail_out;
	}
	lzma_end(&stream);
	if (problem || status == LZMA_STREAM_END)
		return problem;
	return status == LZMA_BUF_ERROR ? cut_off : status == LZMA_MEM_ERROR ? "out of memory" : damaged;
}

static const char *unpack_gzip(const struct file *file, struct output *output)
{
	enum { GZIP_ONLY = 16 };
	z_stream stream = {.next_in = (uint8_t *)(uintptr_t)file->data, .avail_in = file->size};
	int status = inflateInit2(&stream, GZIP_ONLY + MAX_WBITS);
	const char *problem = NULL;

	while (!problem && status == Z_OK && !(problem = grow(output))) {
		stream.next_out = output->bytes + output->size;
		stream.avail_out = output->room - output->size;
		status = inflate(&stream, Z_NO_FLUSH);
		output->size = output->room - stream.avail_out;
	}
	inflateEnd(&stream);
	if (problem || status == Z_STREAM_END)
		return problem;
	return status == Z_BUF_ERROR ? cut_off : status == Z_MEM_ERROR ? "out of memory" : damaged;
}

static const char *unpack_zstd(const struct file *file, struct output *output)
{
	ZSTD_DCtx *context = ZSTD_createDCtx();
	ZSTD_inBuffer in = {.src = file->data, .size = file->size};
	const char *problem = context ? NULL : "out of memory";
	size_t left = 1; /* 0: the frame is complete */

	while (!problem && left && !(problem = grow(output))) {
		ZSTD_outBuffer out = {.dst = output->bytes, .size = output->room, .pos = output->size};
		size_t before = in.pos;

		left = ZSTD_decompressStream(context, &out, &in);
		if (ZSTD_isError(left))
			problem = damaged;
		else if (left && in.pos == before && out.pos == output->size)
			problem = cut_off;
		output->size = out.pos;
	}
	ZSTD_freeDCtx(context);
	return problem;
}

static const char *copy(const struct file *file, struct output *output)
{
	if (file->size > LARGEST)
		return "it has more than 1 GiB";
	output->bytes = malloc(file->size ? file->size : 1);
	if (!output->bytes)
		return "out of memory";
	memcpy(output->bytes, file->data, file->size);
	output->size = file->size;
	return NULL;
}

/* The first bytes tell the compression, not the name. */
static const struct compression {
	const char *magic;
	unsigned size;
	const char *(*unpack)(const struct file *file, struct output *output);
} compressions[] = {
	{"\xfd"
	 "7zXZ",
	 6, unpack_xz}, /* and the zero at its end */
	{"\x28\xb5\x2f\xfd", 4, unpack_zstd},
	{"\x1f\x8b", 2, unpack_gzip},
	{"", 0, copy},
};

static const struct compression *find_compression(const struct file *file)
{
	const struct compression *compression = compressions;

	while (file->size < compression->size || memcmp(file->data, compression->magic, compression->size) != 0)
		compression++;
	return compression;
}

struct error *module_file_read(const struct module_file *file, uint8_t **ret, size_t *ret_size)
{
	struct file contents;
	struct output output = {0};
	struct error *err = file_open(file->path, &contents);
	const char *problem;

	if (err)
		return err;
	problem = find_compression(&contents)->unpack(&contents, &output);
	file_close(&contents);
	if (problem) {
		free(output.bytes);
		return error_create("%s: %s", file->path, problem);
	}
	*ret = output.bytes;
	*ret_size = output.size;
	return NULL;
}
