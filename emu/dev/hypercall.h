/*
 * The xray86 port: how a program in the guest that knows of it talks to whoever runs the machine. An OUT of 32 bits is a call, whose number
 * is the value, and whose arguments are where the two have agreed; an IN tells that the port is there.
 */
#ifndef XRAY86_EMU_DEV_HYPERCALL_H
#define XRAY86_EMU_DEV_HYPERCALL_H

#include "emu/dev/device.h"

enum { PORT_HYPERCALL = 0x7886, HYPERCALL_SIGNATURE = 0x36387278 /* "xr86" */ };

struct hypercall_port {
	void *opaque;
	/* The OUT is the current instruction; it may change registers. NULL: there is no such port. */
	void (*call)(void *opaque, uint32_t function);
	/* Whether the program that the CPU runs is one that the port is there for. NULL: any is. */
	bool (*answers)(void *opaque);
};

extern const struct port_ops hypercall_port_ops; /* wide */

#endif
