/* Debugging ports: debug_ports.h. */
#include "emu/dev/debug_ports.h"

static uint32_t post_read(void *opaque, uint16_t port, unsigned size)
{
	struct debug_ports *debug = opaque;

	(void)port;
	(void)size;
	return debug->post_code;
}

static void post_write(void *opaque, uint16_t port, uint32_t value, unsigned size)
{
	struct debug_ports *debug = opaque;

	(void)port;
	(void)size;
	debug->post_code = value;
	debug->posted = true;
}

const struct port_ops post_port_ops = {post_read, post_write};

static uint32_t debug_console_read(void *opaque, uint16_t port, unsigned size)
{
	(void)opaque;
	(void)size;
	return port == PORT_TEST_OUTPUT ? 0xff : PORT_DEBUG_CONSOLE;
}

static void debug_console_write(void *opaque, uint16_t port, uint32_t value, unsigned size)
{
	struct debug_ports *debug = opaque;

	(void)port;
	(void)size;
	if (debug->console)
		debug->console->write(debug->console->opaque, value);
}

const struct port_ops debug_console_port_ops = {debug_console_read, debug_console_write};

static uint32_t debug_exit_read(void *opaque, uint16_t port, unsigned size)
{
	(void)opaque;
	(void)port;
	(void)size;
	return 0;
}

static void debug_exit_write(void *opaque, uint16_t port, uint32_t value, unsigned size)
{
	struct debug_ports *debug = opaque;

	(void)port;
	(void)size;
	debug->system->debug_exit(debug->system->opaque, value);
}

const struct port_ops debug_exit_port_ops = {debug_exit_read, debug_exit_write};
