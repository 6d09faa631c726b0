/*
 * The 8254 programmable interval timer (Intel 8254 datasheet, 231164), ports 40h-43h, and system control port B (61h) with the gate and
 * output of counter 2.
 *
 * Time is counted in periods of 1193182 Hz since power-on. A counter remembers at which tick it was loaded; its count, its output and the
 * next change of the output follow from that. Counter 0 drives IRQ 0. Written bytes take effect at the next tick.
 */
#ifndef XRAY86_EMU_DEV_PIT_H
#define XRAY86_EMU_DEV_PIT_H

#include "emu/dev/device.h"

enum { PIT_HZ = 1193182, PIT_COUNTERS = 3 };

struct pit_counter {
	uint8_t mode;   /* 0..5 */
	uint8_t access; /* 1: LSB, 2: MSB, 3: LSB then MSB */
	bool bcd;
	bool gate;
	bool write_msb_next, read_msb_next;
	uint8_t write_lsb;
	uint32_t count;     /* in use: 1 .. 65536 (BCD: 10000) */
	bool armed;         /* `start` and `count` are valid: a count was written (modes 1, 5: and a trigger came) */
	uint64_t start;     /* tick at which counting (re)started; may be the next one */
	uint64_t paused;    /* modes 0, 4 with the gate low: ticks counted until then, else NO_EVENT */
	uint32_t new_count; /* written, not in use yet (0: none) ... */
	uint64_t new_at;    /* ... until this tick; NO_EVENT: until a trigger */
	bool status_latched, count_latched;
	uint8_t status_latch;
	uint16_t count_latch;
};

/* What the guest can change. */
struct pit_state {
	struct pit_counter counter[PIT_COUNTERS];
	bool speaker; /* port 61h bit 1 */
};

struct pit {
	struct guest_clock clock;
	struct irq_line irq;
	EMBED(pit_state, state);
};

extern const struct port_ops pit_port_ops;    /* 40h-43h; not wide */
extern const struct port_ops port61_port_ops; /* 61h; not wide */

void pit_init(struct pit *pit, struct guest_clock clock, struct irq_line irq);
/* For state from a file: see device.h. */
bool pit_is_sound(const struct pit *pit);
uint64_t pit_next_event(const struct pit *pit, uint64_t now);
void pit_run(struct pit *pit, uint64_t now);

#endif
