/* Reading from a place in a file. */
#ifndef XRAY86_UTIL_READ_AT_H
#define XRAY86_UTIL_READ_AT_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* pread() until all is there. Returns how many bytes were read, fewer than `size` only at the file's end; -1: see errno. */
ssize_t read_at(int fd, uint64_t offset, void *to, size_t size);

#endif
