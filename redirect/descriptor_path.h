/*
 * Paths by which a process names an open file of its own, or of another process: /proc/self/fd/3, /dev/fd/3, /dev/stdin,
 * /proc/PID/task/TID/fdinfo/3. A path may go on behind it, if the file is a directory. Pure parsing; no link is looked at.
 */
#ifndef XRAY86_REDIRECT_DESCRIPTOR_PATH_H
#define XRAY86_REDIRECT_DESCRIPTOR_PATH_H

#include <stdbool.h>
#include <stdint.h>

struct descriptor_path {
	uint32_t pid; /* of the process or thread; 0: the calling one */
	uint32_t fd;
	bool info;        /* the path is in fdinfo: it names a text about the file, not the file */
	const char *rest; /* of the path, behind the descriptor: "", or "/..." */
};

/* Returns false if the absolute path names no descriptor. Empty components and "." count for nothing, as in the kernel; ".." is no name. */
bool descriptor_path_parse(const char *path, struct descriptor_path *ret);

#endif
