/*
 * Bodies of system calls: bodies.h.
 *
 * A call of 32-bit programs has a body of its own in some kernels (compat), and in others the same as a kernel of i386. Which of the two a
 * kernel has is no part of what the call means. If it has both, the other one takes the arguments of a 64-bit program.
 *
 * A body without arguments has one more name, which comes first: __do_sys_sync.
 */
#include "redirect/bodies.h"

#include <stdio.h>
#include <string.h>

#include "util/error.h"

static const char *const prefixes[] = {"__x64_sys_", "__ia32_sys_", "__ia32_compat_sys_"};
enum { PREFIXES = sizeof(prefixes) / sizeof(prefixes[0]), PREFIX_X86_64 = 0, PREFIX_I386, PREFIX_COMPAT };

/* Which of the prefixes the name begins with; PREFIXES: none. */
static unsigned find_prefix(const char *function)
{
	unsigned i = 0;

	while (i < PREFIXES && strncmp(function, prefixes[i], strlen(prefixes[i])) != 0)
		i++;
	return i;
}

bool body_is(const char *function)
{
	return find_prefix(function) < PREFIXES;
}

static uint64_t find(const struct kernel *kernel, unsigned prefix, const char *call)
{
	char name[KSYM_NAME_LEN];

	return snprintf(name, sizeof(name), "%s%s", prefixes[prefix], call) < (int)sizeof(name) ? kernel_symbol(kernel, name) : 0;
}

/* That of its own programs, as opposed to 32-bit ones of a 64-bit kernel. */
static unsigned main_prefix(const struct kernel *kernel)
{
	return kernel->abi->call == POLICY_X86_64 ? PREFIX_X86_64 : PREFIX_I386;
}

struct error *body_check(const struct kernel *kernel)
{
	return find(kernel, main_prefix(kernel), "read")
		       ? NULL
		       : error_create("introspection is not possible with this kernel: its system calls do not take their arguments in "
				      "pt_regs, as those of Linux do from 4.17 on (i386: 5.7)");
}

/* The call that the body of this name is of, and by which of the prefixes; NULL: it is no body. */
static const char *call_of(const struct kernel *kernel, const char *function, unsigned *ret_prefix)
{
	static const char inner[] = "__do_sys_";

	*ret_prefix = find_prefix(function);
	if (*ret_prefix < PREFIXES)
		return function + strlen(prefixes[*ret_prefix]);
	if (strncmp(function, inner, strlen(inner)) != 0)
		return NULL;
	*ret_prefix = main_prefix(kernel);
	return function + strlen(inner);
}

uint64_t body_of_product(const struct worlds *worlds, uint64_t trusted)
{
	struct symbol symbol;
	unsigned prefix;
	const char *call;
	uint64_t found;

	if (!symbols_nearest(worlds->trusted.symbols, trusted, &symbol) || symbol.address != trusted)
		return 0;
	call = call_of(&worlds->trusted, symbol.name, &prefix);
	if (!call)
		return 0;
	if (prefix == PREFIX_X86_64)
		return find(worlds->product, prefix, call);
	found = find(worlds->product, PREFIX_COMPAT, call);
	return found ? found : find(worlds->product, PREFIX_I386, call);
}
