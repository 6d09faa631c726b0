/*
 * The keyboard controller (Intel 8042 as programmed by IBM, PS/2 Hardware Technical Reference "Keyboard and auxiliary device
 * controller"; ports 60h and 64h, IRQ 1 and 12), with nothing plugged in: it answers all that is sent to the keyboard or mouse by FEh with
 * the time-out bit. Its two odd jobs on a PC are there: the A20 gate and the reset line.
 */
#ifndef XRAY86_EMU_DEV_I8042_H
#define XRAY86_EMU_DEV_I8042_H

#include "emu/dev/device.h"

/* What the guest can change. */
struct i8042_state {
	uint8_t config; /* "command byte" */
	uint8_t status;
	uint8_t data;    /* output buffer */
	uint8_t command; /* waits for its data byte; 0: none */
	bool data_irq;   /* the output buffer is device data: it interrupts */
};

struct i8042 {
	struct irq_line keyboard_irq, aux_irq;
	const struct system_control *system;
	EMBED(i8042_state, state);
};

extern const struct port_ops i8042_port_ops; /* 60h, 64h; not wide */

void i8042_init(struct i8042 *kbc, struct irq_line keyboard_irq, struct irq_line aux_irq, const struct system_control *system);
/* For state from a file: see device.h. */
bool i8042_is_sound(const struct i8042 *kbc);

#endif
