/*
 * Ports that test programs talk to: 80h and 190h (POST code, remembered; 190h on PS/1 and as test386's default), E9h (Bochs' debug console:
 * writes go to the console, reads give E9h), 402h (the same for firmware: SeaBIOS and Bochs' BIOS log there), F1h (the output port of
 * kernels for QEMU's old test device), F4h (QEMU's isa-debug-exit: ends the run with exit status (value << 1) | 1).
 */
#ifndef XRAY86_EMU_DEV_DEBUG_PORTS_H
#define XRAY86_EMU_DEV_DEBUG_PORTS_H

#include "emu/dev/console.h"
#include "emu/dev/device.h"

enum {
	PORT_POST = 0x80,
	PORT_POST_PS1 = 0x190,
	PORT_DEBUG_CONSOLE = 0xe9,
	PORT_TEST_OUTPUT = 0xf1,
	PORT_DEBUG_EXIT = 0xf4,
	PORT_FIRMWARE_LOG = 0x402
};

/* What the guest can change. */
struct debug_ports_state {
	uint8_t post_code; /* the last one */
	bool posted;       /* there was one */
};

struct debug_ports {
	const struct console *console; /* may be NULL */
	const struct system_control *system;
	EMBED(debug_ports_state, state);
};

extern const struct port_ops post_port_ops;          /* 80h and 190h; not wide */
extern const struct port_ops debug_console_port_ops; /* E9h, 402h and F1h; not wide */
extern const struct port_ops debug_exit_port_ops;    /* wide */

#endif
