/*
 * Paths that the product reads otherwise than the tool has them in its memory. The kernel copies a path by strncpy_from_user(), once: for
 * such a path that function gives the other text. So the tool's memory stays as it is, and the text may be longer.
 */
#include <errno.h>
#include <string.h>

#include "redirect/call.h"

bool call_put_path(struct calls *calls, uint64_t address, const char *first, const char *rest)
{
	struct call_path *path = calls->path;
	size_t size = strlen(first), more = strlen(rest) + 1;

	while (path < calls->path + calls->now.paths && path->address != address)
		path++;
	if (path == calls->path + CALL_PATHS || size + more > TOOL_PATH || !calls->worlds->product->function[FUNCTION_strncpy_from_user])
		return false;
	path->address = address;
	memcpy(path->text, first, size);
	memcpy(path->text + size, rest, more);
	if (path == calls->path + calls->now.paths)
		calls->now.paths++;
	return true;
}

/* strncpy_from_user(to, from, count) returns the length; `count` if the end is not among the first bytes. */
static enum mark_action give_path(struct calls *calls, const char *text)
{
	struct worlds *worlds = calls->worlds;
	const struct abi *abi = worlds->context.abi;
	uint64_t to = abi_argument(abi, worlds->cpu, 0), count = abi_argument(abi, worlds->cpu, 2), length = strlen(text);

	if (!product_memory_write(&worlds->memory, to, text, length < count ? length + 1 : count))
		return worlds_return(worlds, -EFAULT);
	return worlds_return(worlds, length < count ? length : count);
}

static enum mark_action on_path(void *opaque, struct cpu *cpu)
{
	struct calls *calls = opaque;
	const struct context *context = &calls->worlds->context;

	if (context->phase != CONTEXT_PRODUCT || context->nested)
		return MARK_CONTINUE;
	for (unsigned i = 0; i < calls->now.paths; i++) {
		if (calls->path[i].address == abi_argument(context->abi, cpu, 1))
			return give_path(calls, calls->path[i].text);
	}
	return MARK_CONTINUE;
}

struct error *call_mark_paths(struct calls *calls)
{
	return worlds_mark(calls->worlds, WORLD_PRODUCT, "strncpy_from_user", on_path, calls);
}
