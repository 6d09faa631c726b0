/* Ports 92h and CF9h: control_ports.h. */
#include "emu/dev/control_ports.h"

enum { PORT92_RESET = 1, PORT92_A20 = 2, CF9_RESET_CPU = 4, CF9_WRITABLE = 0xe };

static uint32_t port92_read(void *opaque, uint16_t port, unsigned size)
{
	struct control_ports *control = opaque;

	(void)port;
	(void)size;
	return control->system->get_a20(control->system->opaque) ? PORT92_A20 : 0;
}

static void port92_write(void *opaque, uint16_t port, uint32_t value, unsigned size)
{
	struct control_ports *control = opaque;

	(void)port;
	(void)size;
	control->system->set_a20(control->system->opaque, value & PORT92_A20);
	if (value & PORT92_RESET)
		control->system->reset(control->system->opaque);
}

const struct port_ops port92_port_ops = {port92_read, port92_write};

static uint32_t portcf9_read(void *opaque, uint16_t port, unsigned size)
{
	struct control_ports *control = opaque;

	(void)port;
	(void)size;
	return control->reset_control;
}

static void portcf9_write(void *opaque, uint16_t port, uint32_t value, unsigned size)
{
	struct control_ports *control = opaque;
	bool rising = value & ~control->reset_control & CF9_RESET_CPU;

	(void)port;
	(void)size;
	control->reset_control = value & CF9_WRITABLE;
	if (rising)
		control->system->reset(control->system->opaque);
}

const struct port_ops portcf9_port_ops = {portcf9_read, portcf9_write};
