/* The tools: processes of the trusted VM that look at the product, and what they have in their memory. */
#ifndef XRAY86_REDIRECT_TOOLS_H
#define XRAY86_REDIRECT_TOOLS_H

#include "redirect/worlds.h"

enum { TOOL_PATH = 4096 /* PATH_MAX: bytes of a path, with its end */, TOOL_FILE = 176 /* of one that is delivered, or in /proc */ };

struct tools {
	struct worlds *worlds;
	uint32_t first_pid; /* tools have process numbers from here on; the product has none of these. 0: not known */
};

/* The trusted task_struct of the tool with this number; 0 if there is none. The product may have processes of such numbers, too. */
uint64_t tool_task(struct tools *tools, uint32_t pid);
/*
 * Whether the calling process has such a number. Not in kernels that cannot be told the next number (CONFIG_CHECKPOINT_RESTORE), or that
 * have no such numbers (without CONFIG_BASE_FULL): then it may be one of the product's, too.
 */
bool tools_are_numbered(struct tools *tools);
/* Reads the path at a user address. Returns false if a part of it is missing (the kernel will say EFAULT), or if it is too long. */
bool tool_read_path(struct tools *tools, uint64_t address, char path[TOOL_PATH]);
/* The path, in the trusted VM, of the program that the calling process runs. NULL if it is unknown or too long. */
const char *tool_executable(struct tools *tools, char to[TOOL_FILE]);
/* Likewise of a trusted file that it has open. */
const char *tool_open_file(struct tools *tools, uint32_t fd, char to[TOOL_FILE]);

#endif
