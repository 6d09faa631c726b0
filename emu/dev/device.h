/*
 * What all devices share: interrupt lines, guest time, the wires that act on the whole machine, ports.
 *
 * A device knows nothing of struct machine: it is a struct with X_init(), register access functions and, if time changes it by
 * itself, X_next_event() and X_run(). Time is guest time in nanoseconds (one instruction each) and is always asked for, never pushed: a
 * device computes its state from it when somebody looks. X_next_event() tells when its interrupt line may change next with nobody
 * looking; the machine calls X_run() then. So all is deterministic: no device sees the host's clock.
 */
#ifndef XRAY86_EMU_DEV_DEVICE_H
#define XRAY86_EMU_DEV_DEVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NO_EVENT UINT64_MAX
#define NANOSECONDS 1000000000u

/* One wire to the interrupt controllers. Without `set` it ends nowhere. */
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

/* Periods of a hz oscillator that are over at time ns; and the first ns at which that many are. */
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
 * A device's state may come out of a file (emu/machine_state.h). X_is_sound() says whether it is one that the device's own code can be in:
 * whether what indexes arrays, divides or selects is within bounds.
 */

/* Whether a byte that a file put into a bool is one of its two values; the others must not be read as a bool. */
static inline bool is_bool(const bool *flag)
{
	return *(const unsigned char *)flag <= 1;
}

/* Wires to the whole machine. */
struct system_control {
	void *opaque;
	void (*reset)(void *opaque);
	void (*power_off)(void *opaque);
	void (*exit)(void *opaque, uint32_t code); /* isa-debug-exit */
	void (*set_a20)(void *opaque, bool enabled);
	bool (*get_a20)(void *opaque);
};

/* -- ports -- */

struct port_ops {
	uint32_t (*read)(void *opaque, uint16_t port, unsigned size);
	void (*write)(void *opaque, uint16_t port, uint32_t value, unsigned size);
};

/* Ports [first, first + count). A device that is not `wide` only knows bytes: larger accesses come as one access a byte, low one first. */
struct port_range {
	uint16_t first, count;
	bool wide;
	const struct port_ops *ops;
	void *opaque;
};

#endif
