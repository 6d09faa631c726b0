/*
 * Delivery: files of the host that tools find in the trusted VM. The command and its libraries are there before introspection begins;
 * programs that a tool starts, and an interpreter's modules, are brought when they are looked for.
 *
 * Asking and doing are two things: what is only asked about changes nothing, so a system call can be judged without being run.
 */
#ifndef XRAY86_REDIRECT_DELIVERY_H
#define XRAY86_REDIRECT_DELIVERY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct redirect;

enum readers {
	READERS_NONE,
	READERS_LOADER, /* for the dynamic loader: to all others the path is the product's */
	READERS_ALL,
};

enum delivery_kind {
	DELIVERY_PROGRAM, /* an executable file, with what it needs */
	DELIVERY_MODULES, /* what an interpreter finds by itself: the file, or the whole folder that it is in */
};

/* Who has them. */
struct supplier {
	/* Whether a path is one of a file that was delivered, and for whom. */
	enum readers (*readers)(void *opaque, const char *path);
	/* Whether these are bytes that a delivered dynamic loader has at the address. */
	bool (*is_loader)(void *opaque, uint64_t address, const uint8_t *code, size_t size);
	/*
	 * Whether an absolute path is one where a tool may look for such a thing of the host's. For modules: whether a process that runs
	 * this executable may (NULL: any process); then the path is the trusted VM's to it, whether the host has something there or not.
	 */
	bool (*offers)(void *opaque, enum delivery_kind kind, const char *executable, const char *path);
	/* Delivers what there is at a path that is offered, by the functions below, if it has not been delivered yet. */
	void (*deliver)(void *opaque, enum delivery_kind kind, struct redirect *redirect, const char *path);
	void *opaque;
};

/* Make a file, or a folder, in the trusted VM, with the folders above it. From within deliver() only. False: it could not be made. */
bool redirect_deliver(struct redirect *redirect, const char *path, unsigned mode, const uint8_t *data, size_t size);
void redirect_make_folder(struct redirect *redirect, const char *path);

#endif
