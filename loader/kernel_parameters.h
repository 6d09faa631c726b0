/*
 * Kernel parameters that xray86 gives by itself, each with its reason.
 *
 * A trusted kernel is booted to work for us. It gets trusted_parameters[]: documented parameters that leave out what such a kernel does not
 * need, and those that introspection asks for.
 */
#ifndef XRAY86_LOADER_KERNEL_PARAMETERS_H
#define XRAY86_LOADER_KERNEL_PARAMETERS_H

#include "loader/kernel_image.h"

/* The default: without a console there would be nothing to see. */
#define KERNEL_DEFAULT_COMMAND_LINE "console=ttyS0"

enum { FOR_I386 = 1 << KERNEL_I386, FOR_X86_64 = 1 << KERNEL_X86_64, FOR_ALL = FOR_I386 | FOR_X86_64 };

struct kernel_parameter {
	const char *text;
	unsigned arches; /* FOR_* */
	const char *reason;
};

/* Ended by {0}. */
extern const struct kernel_parameter trusted_parameters[];

/* The trusted parameters for this architecture, then `more`, which may override them. The caller frees it. NULL: out of memory. */
char *trusted_command_line(enum kernel_arch arch, const char *more);

#endif
