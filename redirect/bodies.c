/*
 * Bodies of system calls: bodies.h.
 *
 * A call of 32-bit programs has a body of its own in some kernels (compat), and in others the same as a kernel of i386. Which of the two a
 * kernel has is no part of what the call means.
 */
#include "redirect/bodies.h"

#include <stdio.h>
#include <string.h>

#include "util/error.h"

static const char *const prefixes[] = {"__x64_sys_", "__ia32_sys_", "__ia32_compat_sys_"};
enum { PREFIXES = sizeof(prefixes) / sizeof(prefixes[0]), PREFIX_I386 = 1, PREFIX_COMPAT };

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

struct error *body_check(const struct kernel *kernel)
{
	return find(kernel, kernel->abi->call == POLICY_X86_64 ? 0 : PREFIX_I386, "read")
		       ? NULL
		       : error_create("introspection is not possible with this kernel: its system calls do not take their arguments in "
				      "pt_regs, as those of Linux do from 4.17 on (i386: 5.7)");
}

uint64_t body_of_product(const struct worlds *worlds, uint64_t trusted)
{
	struct symbol symbol;
	unsigned prefix;
	const char *call;
	uint64_t found;

	if (!symbols_nearest(worlds->trusted.symbols, trusted, &symbol) || symbol.address != trusted)
		return 0;
	prefix = find_prefix(symbol.name);
	if (prefix == PREFIXES)
		return 0;
	call = symbol.name + strlen(prefixes[prefix]);
	found = find(worlds->product, prefix, call);
	if (!found && prefix == PREFIX_I386)
		found = find(worlds->product, PREFIX_COMPAT, call);
	if (!found && prefix == PREFIX_COMPAT)
		found = find(worlds->product, PREFIX_I386, call);
	return found;
}
