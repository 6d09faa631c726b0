/*
 * QEMU's pc-testdev, which the kernels of kvm-unit-tests use: a latch of four bytes at E0h-E3h, which reads back what was written; E4h,
 * "flush this page", which has nothing to do here; and levels of the interrupt lines 0-23 at 2000h-2017h. Its memory at FF000000h is the
 * machine's RAM.
 */
#ifndef XRAY86_EMU_DEV_TESTDEV_H
#define XRAY86_EMU_DEV_TESTDEV_H

#include "emu/dev/device.h"

enum { TESTDEV_LATCH = 0xe0, TESTDEV_FLUSH = 0xe4, TESTDEV_LINES = 0x2000, TESTDEV_LINE_COUNT = 24 };
#define TESTDEV_MEMORY 0xff000000u
enum { TESTDEV_MEMORY_SIZE = 1 << 16 };

/* What the guest can change. */
struct testdev_state {
	uint8_t latch[4];
};

struct testdev {
	struct irq_line irq; /* of line 0 */
	EMBED(testdev_state, state);
};

extern const struct port_ops testdev_latch_ops; /* 8 ports with the flush one's; not wide */
extern const struct port_ops testdev_line_ops;  /* not wide */

void testdev_init(struct testdev *testdev, struct irq_line irq);

#endif
