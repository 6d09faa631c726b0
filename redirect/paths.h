/*
 * Which world a path belongs to. All are the product's, save what xray86 delivered and what is the tool's own. Of the delivered files the
 * programs and libraries are there for the kernel, which executes them, and for the dynamic loader: who else reads /bin/ls, or
 * /etc/ld.so.preload, wants to see the product's.
 */
#ifndef XRAY86_REDIRECT_PATHS_H
#define XRAY86_REDIRECT_PATHS_H

#include "redirect/delivery.h"
#include "redirect/namespaces.h"

struct paths {
	struct worlds *worlds;
	struct calls *calls;
	struct tools *tools;
	struct deliveries *deliveries;
	struct namespaces *namespaces;
};

/*
 * An absolute path without empty components, "." and "..": as it would be without symbolic links; others stay as they are. What is trusted
 * is told by where a path begins, and one that climbs out again belongs to where it gets.
 */
void path_simplify(const char *path, char to[TOOL_PATH]);
/* Whether the call means the trusted VM's file of this path; orders it if that is the host's to deliver. */
bool path_is_trusted(struct paths *paths, const char *path);
/*
 * The path at a user address is the product's. If it is one in /proc/PID of a tool, of what is told of the machine, the product knows no
 * such process: it sees /proc/self there, if that is the same. Else the file is not there.
 */
void path_translate_tool_directory(struct paths *paths, uint64_t address, const char *path);

#endif
