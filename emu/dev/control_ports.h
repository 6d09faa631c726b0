/*
 * Small ports that act on the whole machine: 92h (fast A20 and reset: PS/2 system control port A) and CF9h (reset control: 82371AB
 * datasheet 4.5.1).
 */
#ifndef XRAY86_EMU_DEV_CONTROL_PORTS_H
#define XRAY86_EMU_DEV_CONTROL_PORTS_H

#include "emu/dev/device.h"

/* What the guest can change. */
struct control_ports_state {
	uint8_t reset_control; /* CF9h */
};

struct control_ports {
	const struct system_control *system;
	EMBED(control_ports_state, state);
};

extern const struct port_ops port92_port_ops;
extern const struct port_ops portcf9_port_ops; /* bytes only: dwords at CF8h are the PCI configuration address */

#endif
