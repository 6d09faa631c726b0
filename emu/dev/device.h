/*
 * What all devices share: interrupt lines, guest time, the wires that act on the whole machine, ports.
 *
 * A device knows nothing of struct machine. It is a struct with X_init() and functions for access to its registers. If time changes it, it
 * also has X_next_event() and X_run(). Time is guest time in nanoseconds (one instruction each). A device asks for it and computes its
 * state when somebody looks; nothing steps it. X_next_event() tells when its interrupt line may change next by itself, and the machine
 * calls X_run() at that time. No device sees the host's clock, so all is deterministic.
 */
#ifndef XRAY86_EMU_DEV_DEVICE_H
#define XRAY86_EMU_DEV_DEVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/embed.h"

#define NO_EVENT UINT64_MAX
#define NANOSECONDS 1000000000u

/* One wire to the interrupt controllers. Without `set` it leads nowhere. */
struct irq_line {
	void (*set)(void *opaque, unsigned line, bool level);
	void *opaque;
	unsigned line;
};

static inline void irq_set(const struct irq_line *irq, bool level)
{
	if (irq->set)
		irq->set(irq->opaque, irq->line, level);
}

struct guest_clock {
	uint64_t (*now)(void *opaque);
	void *opaque;
};

static inline uint64_t guest_now(const struct guest_clock *clock)
{
	return clock->now(clock->opaque);
}

/* How many periods of an oscillator of `hz` are over at time ns; the first ns at which so many are. */
static inline uint64_t clock_ticks(uint64_t ns, uint32_t hz)
{
	return (unsigned __int128)ns * hz / NANOSECONDS;
}
static inline uint64_t clock_time(uint64_t ticks, uint32_t hz)
{
	unsigned __int128 ns = ((unsigned __int128)ticks * NANOSECONDS + hz - 1) / hz;

	return ns < NO_EVENT ? (uint64_t)ns : NO_EVENT;
}

/*
 * A device's state may come from a file (emu/machine_state.h). X_is_sound() says whether the device's own code can be in that state:
 * whether all that indexes arrays, divides or selects is within bounds.
 */

/* Whether a bool that comes from a file has one of its two values. (Reading another value as a bool is undefined.) */
static inline bool is_bool(const bool *flag)
{
	return *(const unsigned char *)flag <= 1;
}

/* Wires to the whole machine. */
struct system_control {
	void *opaque;
	void (*reset)(void *opaque);
	void (*power_off)(void *opaque);
	void (*debug_exit)(void *opaque, uint32_t code); /* the guest wrote to isa-debug-exit: the machine is to stop */
	void (*set_a20)(void *opaque, bool enabled);
	bool (*get_a20)(void *opaque);
};

/* -- ports -- */

struct port_ops {
	uint32_t (*read)(void *opaque, uint16_t port, unsigned size);
	void (*write)(void *opaque, uint16_t port, uint32_t value, unsigned size);
};

/* Ports [first, first + count). A device without `wide` knows bytes only: a larger access comes as one access for each byte, low one first.
 */
struct port_range {
	uint16_t first, count;
	bool wide;
	const struct port_ops *ops;
	void *opaque;
};

#endif
