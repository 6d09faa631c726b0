/* The tools: processes of the trusted VM that look at the product, and what they have in their memory. */
#ifndef XRAY86_REDIRECT_TOOLS_H
#define XRAY86_REDIRECT_TOOLS_H

#include "redirect/worlds.h"

enum { TOOL_PATH = 4096 /* PATH_MAX: bytes of a path, with its end */, TOOL_EXECUTABLE = 176 };

struct tools {
	struct worlds *worlds;
	uint32_t first_pid; /* their process numbers are from here on, and the product has none such; 0: none is known */
};

/* The task_struct, trusted, of the tool that has this number; 0: none has. The product may have processes of such numbers, too. */
uint64_t tool_task(struct tools *tools, uint32_t pid);
/* Reads the path at a user address; false: it is not all there (the kernel will say EFAULT) or too long. */
bool tool_read_path(struct tools *tools, uint64_t address, char path[TOOL_PATH]);
/* The path of the program that the calling process runs, in the trusted VM; NULL: it cannot be told, or is too long. */
const char *tool_executable(struct tools *tools, char to[TOOL_EXECUTABLE]);

#endif
