/*
 * The xray86 port: through it a program in the guest talks to the owner of the machine. An OUT of 32 bits is a call, and its value is the
 * call's number. The two have agreed where the arguments are.
 */
#ifndef XRAY86_EMU_DEV_HYPERCALL_H
#define XRAY86_EMU_DEV_HYPERCALL_H

#include "emu/dev/device.h"

enum { PORT_HYPERCALL = 0x7886 };

struct hypercall_port {
	void *opaque;
	/* Called by the OUT, which is the current instruction. May change registers. NULL: there is no such port. */
	void (*call)(void *opaque, uint32_t function);
	/* Whether the port answers the program that the CPU runs. NULL: it answers any. */
	bool (*answers)(void *opaque);
};

extern const struct port_ops hypercall_port_ops; /* wide */

#endif
