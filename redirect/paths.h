/*
 * Which world a path belongs to. All paths are the product's, except for what xray86 has delivered and what is the tool's own. Delivered
 * programs and libraries are there for the kernel, which executes them, and for the dynamic loader. Everybody else who reads /bin/ls, or
 * /etc/ld.so.preload, sees the product's.
 */
#ifndef XRAY86_REDIRECT_PATHS_H
#define XRAY86_REDIRECT_PATHS_H

#include "redirect/delivery.h"
#include "redirect/namespaces.h"

enum { PATHS_WINDOW = 128 /* bytes of code that tell whose it is */, PATHS_KNOWN = 16 };

struct paths {
	/* -- filled in by the owner -- */
	struct worlds *worlds;
	struct calls *calls;
	struct tools *tools;
	struct deliveries *deliveries;
	struct namespaces *namespaces;

	/* -- its state: code that has made calls, by its address -- */
	struct known_code {
		uint64_t address; /* 0: none */
		uint8_t code[PATHS_WINDOW];
		bool loaders;
	} known[PATHS_KNOWN];
};

/*
 * Removes empty components, "." and ".." from an absolute path, as if there were no symbolic links. Other paths stay as they are. (The
 * beginning of a path tells whether it is trusted, and a path that climbs out again belongs to the place where it arrives.)
 */
void path_simplify(const char *path, char to[TOOL_PATH]);
/* Whether the call means the trusted VM's file of this path. Orders the file if the host has to deliver it. */
bool path_is_trusted(struct paths *paths, const char *path);
/* Whether the call comes from the dynamic loader's code. */
bool path_call_is_loaders(struct paths *paths);
/*
 * For a path at a user address that is the product's. If it is in /proc/PID of a tool and tells of the machine, the product, which knows no
 * such process, sees /proc/self there instead, if that tells the same. Otherwise there is no such file for it.
 */
void path_translate_tool_directory(struct paths *paths, uint64_t address, const char *path);

#endif
