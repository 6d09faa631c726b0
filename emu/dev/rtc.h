/*
 * The real-time clock and CMOS memory (Motorola MC146818A datasheet; ports 70h/71h, IRQ 8).
 *
 * The clock shows the start time plus guest time. The ten time and alarm registers are computed when the guest reads them; while the guest
 * holds SET, they are bytes like the others. The century is byte 32h, as ACPI's FADT says.
 */
#ifndef XRAY86_EMU_DEV_RTC_H
#define XRAY86_EMU_DEV_RTC_H

#include "emu/dev/device.h"

#define RTC_DEFAULT_EPOCH 1767225600 /* 2026-01-01 00:00:00 UTC */

/* What the guest can change. */
struct rtc_state {
	uint8_t index;
	uint8_t ram[128];
	int64_t seconds; /* since 1970, at guest time `base` ... */
	uint64_t base;   /* ... where a second begins */
	uint64_t seen;   /* register C has the events up to this time */
};

struct rtc {
	struct guest_clock clock;
	struct irq_line irq;
	EMBED(rtc_state, state);
};

extern const struct port_ops rtc_port_ops; /* 70h-71h; not wide */

/* low, high: bytes of RAM below and above 4 GiB, for the bytes in which firmware leaves these sizes. */
void rtc_init(struct rtc *rtc, struct guest_clock clock, struct irq_line irq, int64_t epoch, uint64_t low, uint64_t high);
/* For state from a file: see device.h. */
bool rtc_is_sound(const struct rtc *rtc);
uint64_t rtc_next_event(const struct rtc *rtc, uint64_t now);
void rtc_run(struct rtc *rtc, uint64_t now);

#endif
