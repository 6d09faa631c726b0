/*
 * Delivery: files of the host that tools find in the trusted VM. The command and its libraries are there before introspection begins.
 * Programs that a tool starts, and an interpreter's modules, come when a tool looks for them.
 *
 * Asking and doing are two functions. Asking changes nothing, so a system call can be judged without being run.
 */
#ifndef XRAY86_REDIRECT_DELIVERY_H
#define XRAY86_REDIRECT_DELIVERY_H

#include "redirect/call.h"

struct redirect;

enum readers {
	READERS_NONE,
	READERS_LOADER, /* the dynamic loader; for all others the path is the product's */
	READERS_ALL,
};

enum delivery_kind {
	DELIVERY_PROGRAM, /* an executable file, with what it needs */
	DELIVERY_MODULES, /* code that an interpreter finds by itself: the file, or the whole folder with it */
};

/* Who has the files. */
struct supplier {
	/* Who finds a delivered file at this path. */
	enum readers (*readers)(void *opaque, const char *path);
	/* Whether a delivered dynamic loader has these bytes at the address. */
	bool (*is_loader)(void *opaque, uint64_t address, const uint8_t *code, size_t size);
	/*
	 * Whether a tool may find a thing of that kind of the host's at this absolute path. For modules: whether a process that runs this
	 * executable may (NULL: any process). The path is then the trusted VM's for that process, even if the host has nothing there.
	 */
	bool (*offers)(void *opaque, enum delivery_kind kind, const char *executable, const char *path);
	/* Delivers what the host has at an offered path, with the functions of redirect.h, if it has not been delivered yet. */
	void (*deliver)(void *opaque, enum delivery_kind kind, struct redirect *redirect, const char *path);
	void *opaque;
};

struct deliveries {
	/* -- filled in by the owner -- */
	struct worlds *worlds;
	struct calls *calls;
	const struct supplier *supplier; /* NULL: nothing is delivered */
	struct redirect *redirect;       /* for the supplier */

	/* -- its state: what to deliver before the judged call runs -- */
	struct delivery_order {
		enum delivery_kind kind;
		char path[TOOL_PATH];
	} order[2]; /* as many paths as a call has */
	unsigned orders;
};

/* What the supplier has for a path. These only ask. */
enum readers delivery_readers(const struct deliveries *deliveries, const char *path);
bool delivery_is_loader(const struct deliveries *deliveries, uint64_t address, const uint8_t *code, size_t size);
bool delivery_offers_program(const struct deliveries *deliveries, const char *path);
bool delivery_offers_modules(const struct deliveries *deliveries, const char *executable, const char *path);

/* Orders something that is offered: it will be delivered if the judged call runs. */
void delivery_order(struct deliveries *deliveries, enum delivery_kind kind, const char *path);
void delivery_forget_orders(struct deliveries *deliveries);
/* Delivers what was ordered, before the call runs. */
void delivery_run_orders(struct deliveries *deliveries);
/* Delivers something that is offered, at once. */
void delivery_bring(struct deliveries *deliveries, enum delivery_kind kind, const char *path);

/* -- delivery_files.c -- */

/* Make a file, or a folder, in the trusted VM, with the folders above it. Returns false if it cannot be made. */
bool delivery_make_file(struct deliveries *deliveries, const char *path, unsigned mode, const uint8_t *data, size_t size);
void delivery_make_folder(struct deliveries *deliveries, const char *path);

#endif
