/*
 * Where the .ko files of a kernel are: below lib/modules/RELEASE or usr/lib/modules/RELEASE, in any folder there (kernel, updates, extra),
 * plain or compressed with xz, zstd or gzip. In names `-` and `_` are the same.
 */
#ifndef XRAY86_LOADER_MODULE_FILES_H
#define XRAY86_LOADER_MODULE_FILES_H

#include <stddef.h>
#include <stdint.h>

#include "util/error.h"

/* Sorted by name; of equal names those come first that modprobe(8) prefers: updates, then extra, then the rest. */
struct module_files {
	struct module_file {
		char *name; /* of the module, with `_` */
		char *path;
		unsigned rank; /* among files of one name: the lowest is the one that modprobe(8) takes */
	} * file;
	size_t count, room;
};

/*
 * The path of the file that the folder's own list (modules.order, of the build) has for a module of this name, which may have `-`. NULL:
 * there is none, and only module_files_add() finds others. It spares the caller a look into a thousand folders. The caller frees it.
 */
char *module_files_listed(const char *folder, const char *name);
/* Adds the files below a folder (…/modules/RELEASE). A folder that is not there has none. The error is about memory. */
struct error *module_files_add(struct module_files *files, const char *folder);
/* The number of the first file of a module of this name, and how many there are. The build ID decides between them. */
size_t module_files_find(const struct module_files *files, const char *name, size_t *ret_first);
/* Reads a file, decompressed. The caller frees *ret. The error names the file. */
struct error *module_file_read(const char *path, uint8_t **ret, size_t *ret_size);
/* A zeroed one is allowed. */
void module_files_deinit(struct module_files *files);

#endif
