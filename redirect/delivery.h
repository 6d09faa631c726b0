/*
 * Delivery: files of the host that tools find in the trusted VM. The command and its libraries are there before introspection begins;
 * programs that a tool starts, and an interpreter's modules, are brought when they are looked for.
 *
 * Asking and doing are two things: what is only asked about changes nothing, so a system call can be judged without being run.
 */
#ifndef XRAY86_REDIRECT_DELIVERY_H
#define XRAY86_REDIRECT_DELIVERY_H

#include "redirect/call.h"

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
	/* Delivers what there is at a path that is offered, by functions of redirect.h, if it has not been delivered yet. */
	void (*deliver)(void *opaque, enum delivery_kind kind, struct redirect *redirect, const char *path);
	void *opaque;
};

struct deliveries {
	/* -- filled in by the owner -- */
	struct worlds *worlds;
	struct calls *calls;
	const struct supplier *supplier; /* NULL: nothing is delivered */
	struct redirect *redirect;       /* for the supplier */

	/* -- its state: what is to be delivered before the judged call is run -- */
	struct delivery_order {
		enum delivery_kind kind;
		char path[TOOL_PATH];
	} order[2]; /* as many paths as a call has */
	unsigned orders;
};

/* What the supplier has for a path: asked, nothing is done. */
enum readers delivery_readers(const struct deliveries *deliveries, const char *path);
bool delivery_is_loader(const struct deliveries *deliveries, uint64_t address, const uint8_t *code, size_t size);
bool delivery_offers_program(const struct deliveries *deliveries, const char *path);
bool delivery_offers_modules(const struct deliveries *deliveries, const char *executable, const char *path);

/* What is offered is to be delivered if the call that is being judged is run. */
void delivery_order(struct deliveries *deliveries, enum delivery_kind kind, const char *path);
void delivery_forget_orders(struct deliveries *deliveries);
/* Before it is run. */
void delivery_run_orders(struct deliveries *deliveries);
/* At once; what is offered. */
void delivery_bring(struct deliveries *deliveries, enum delivery_kind kind, const char *path);

/* -- delivery_files.c -- */

/* Make a file, or a folder, in the trusted VM, with the folders above it. False: it could not be made. */
bool delivery_make_file(struct deliveries *deliveries, const char *path, unsigned mode, const uint8_t *data, size_t size);
void delivery_make_folder(struct deliveries *deliveries, const char *path);

#endif
