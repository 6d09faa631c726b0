/* The xray86 port: hypercall.h. */
#include "emu/dev/hypercall.h"

static uint32_t hypercall_read(void *opaque, uint16_t port, unsigned size)
{
	const struct hypercall_port *hypercall = opaque;

	(void)port;
	return hypercall->call && size == 4 ? HYPERCALL_SIGNATURE : UINT32_MAX;
}

static void hypercall_write(void *opaque, uint16_t port, uint32_t value, unsigned size)
{
	const struct hypercall_port *hypercall = opaque;

	(void)port;
	if (hypercall->call && size == 4)
		hypercall->call(hypercall->opaque, value);
}

const struct port_ops hypercall_port_ops = {hypercall_read, hypercall_write};
