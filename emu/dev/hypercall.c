/* The xray86 port: hypercall.h. */
#include "emu/dev/hypercall.h"

static bool is_there(const struct hypercall_port *hypercall, unsigned size)
{
	return hypercall->call && size == 4 && (!hypercall->answers || hypercall->answers(hypercall->opaque));
}

static uint32_t hypercall_read(void *opaque, uint16_t port, unsigned size)
{
	(void)opaque;
	(void)port;
	(void)size;
	return UINT32_MAX; /* as where there is no device */
}

static void hypercall_write(void *opaque, uint16_t port, uint32_t value, unsigned size)
{
	const struct hypercall_port *hypercall = opaque;

	(void)port;
	if (is_there(hypercall, size))
		hypercall->call(hypercall->opaque, value);
}

const struct port_ops hypercall_port_ops = {hypercall_read, hypercall_write};
