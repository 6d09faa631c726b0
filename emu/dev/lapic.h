/*
 * The local APIC of the one CPU, xAPIC and x2APIC (SDM vol. 3A chapter 11 "Advanced Programmable Interrupt Controller").
 *
 * Its timer counts nanoseconds of guest time, divided by the divide configuration. After reset it is as PC firmware leaves it, in virtual
 * wire mode: LINT0 = ExtINT (the 8259s), LINT1 = NMI. LINT0 passes ExtINT on even while the APIC is software-disabled. Interrupts, INIT and
 * SIPI to other CPUs are accepted and go nowhere.
 */
#ifndef XRAY86_EMU_DEV_LAPIC_H
#define XRAY86_EMU_DEV_LAPIC_H

#include "emu/dev/device.h"
#include "mmu/physmem.h"

#define LAPIC_DEFAULT_BASE 0xfee00000u
enum { LAPIC_SIZE = 0x1000 };

/* What a message on the APIC bus says (11.6.1). */
enum delivery_mode {
	DELIVERY_FIXED,
	DELIVERY_LOWEST_PRIORITY,
	DELIVERY_SMI,
	DELIVERY_REMOTE_READ,
	DELIVERY_NMI,
	DELIVERY_INIT,
	DELIVERY_STARTUP,
	DELIVERY_EXTINT,
};

struct apic_message {
	uint8_t vector;
	enum delivery_mode mode;
	bool logical; /* destination mode */
	bool level;
	uint32_t destination; /* 8 bits from the I/O APIC and in xAPIC mode */
	bool broadcast;       /* destination is everybody, whatever the other fields say */
};

/* The local APIC's surroundings. */
struct lapic_host {
	void *opaque;
	void (*changed)(void *opaque); /* lapic_pending() or lapic_accepts_extint() may have another answer now */
	void (*nmi)(void *opaque);
	void (*eoi)(void *opaque, uint8_t vector);               /* a level-triggered interrupt is over: to the I/O APIC */
	void (*moved)(void *opaque, uint64_t base, bool mapped); /* IA32_APIC_BASE: the MMIO page is elsewhere, or gone */
	uint64_t (*tsc)(void *opaque);
};

enum lapic_lvt { LVT_TIMER, LVT_THERMAL, LVT_PERFORMANCE, LVT_LINT0, LVT_LINT1, LVT_ERROR, LVT_COUNT };

/* What the guest can change. */
struct lapic_state {
	uint64_t base; /* IA32_APIC_BASE */
	uint32_t id;
	uint32_t tpr, ldr, dfr, svr;
	uint32_t isr[8], tmr[8], irr[8];
	uint32_t esr, esr_pending;
	uint64_t icr;
	uint32_t lvt[LVT_COUNT];
	bool lint[2]; /* levels */
	uint32_t timer_initial, timer_divide;
	uint64_t timer_deadline; /* guest time at which it reaches 0, or NO_EVENT */
	uint64_t tsc_deadline;   /* 0: disarmed */
};

struct lapic {
	struct guest_clock clock;
	struct lapic_host host;
	uint64_t maxphyaddr_mask; /* reserved bits of IA32_APIC_BASE */
	EMBED(lapic_state, state);
};

extern const struct mmio_ops lapic_mmio_ops;

void lapic_init(struct lapic *lapic, struct guest_clock clock, const struct lapic_host *host, unsigned maxphyaddr);
/* For state from a file: see device.h. */
bool lapic_is_sound(const struct lapic *lapic);

/* The vector that it wants to deliver now, or -1. Acknowledging moves the vector into service. */
int lapic_pending(const struct lapic *lapic);
uint8_t lapic_acknowledge(struct lapic *lapic);
/* Whether the INTR of the 8259s reaches the core: directly if the APIC is off, else through LINT0. */
bool lapic_accepts_extint(const struct lapic *lapic);

/* A message from the I/O APIC; true if this APIC is addressed. */
bool lapic_message(struct lapic *lapic, const struct apic_message *message);
void lapic_set_lint(struct lapic *lapic, unsigned pin, bool level);

/* IA32_APIC_BASE, IA32_TSC_DEADLINE, 800h-8FFh. False: #GP. */
bool lapic_owns_msr(uint32_t index);
bool lapic_msr_read(struct lapic *lapic, uint32_t index, uint64_t *ret);
bool lapic_msr_write(struct lapic *lapic, uint32_t index, uint64_t value);
uint64_t lapic_get_cr8(const struct lapic *lapic);
void lapic_set_cr8(struct lapic *lapic, uint64_t cr8);

uint64_t lapic_next_event(const struct lapic *lapic, uint64_t now);
void lapic_run(struct lapic *lapic, uint64_t now);

#endif
