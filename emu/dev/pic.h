/*
 * The PC's pair of 8259A interrupt controllers (Intel 8259A datasheet, 231468) with the edge/level control registers of later chipsets
 * (82371AB datasheet, 4.2.6). Ports 20h/21h (master), A0h/A1h (slave, on the master's IR2), 4D0h/4D1h (ELCR).
 *
 * An edge-triggered request lasts while its line stays high, as on the chip. If the line drops before the acknowledge, the acknowledge
 * gives the spurious vector (IR7, without in-service bit).
 */
#ifndef XRAY86_EMU_DEV_PIC_H
#define XRAY86_EMU_DEV_PIC_H

#include "emu/dev/device.h"

struct pic_chip {
	uint8_t irr; /* requests */
	uint8_t imr, isr;
	uint8_t lines; /* levels of the inputs */
	uint8_t elcr;  /* 1: level-triggered */
	uint8_t base;  /* ICW2 */
	uint8_t icw4;
	uint8_t lowest;   /* input of lowest priority */
	uint8_t next_icw; /* initialisation: 2, 3, 4; 0: done */
	bool needs_icw4, single;
	bool rotate_on_aeoi, special_mask, poll, read_isr;
	bool slave;
};

/* What the guest can change. */
struct pic_state {
	struct pic_chip chip[2];
};

struct pic {
	struct irq_line output; /* INTR */
	EMBED(pic_state, state);
};

extern const struct port_ops pic_port_ops; /* 20h-21h, A0h-A1h, 4D0h-4D1h; not wide */

void pic_init(struct pic *pic, struct irq_line output);
/* For state from a file: see device.h. */
bool pic_is_sound(const struct pic *pic);
/* irq: 0..15. 2 is the cascade, and ignored. */
void pic_set_irq(struct pic *pic, unsigned irq, bool level);
/* The two INTA cycles: the vector. */
uint8_t pic_acknowledge(struct pic *pic);

#endif
