/* QEMU's pc-testdev: see testdev.h. */
#include "emu/dev/testdev.h"

static uint32_t latch_read(void *opaque, uint16_t port, unsigned size)
{
	const struct testdev *testdev = opaque;

	(void)size;
	return port < TESTDEV_FLUSH ? testdev->latch[port - TESTDEV_LATCH] : 0;
}

static void latch_write(void *opaque, uint16_t port, uint32_t value, unsigned size)
{
	struct testdev *testdev = opaque;

	(void)size;
	if (port < TESTDEV_FLUSH)
		testdev->latch[port - TESTDEV_LATCH] = value;
}

const struct port_ops testdev_latch_ops = {latch_read, latch_write};

static uint32_t line_read(void *opaque, uint16_t port, unsigned size)
{
	(void)opaque;
	(void)port;
	(void)size;
	return 0;
}

static void line_write(void *opaque, uint16_t port, uint32_t value, unsigned size)
{
	struct testdev *testdev = opaque;
	struct irq_line irq = testdev->irq;

	(void)size;
	irq.line += port - TESTDEV_LINES;
	irq_set(&irq, value != 0);
}

const struct port_ops testdev_line_ops = {line_read, line_write};

void testdev_init(struct testdev *testdev, struct irq_line irq)
{
	*testdev = (struct testdev){.irq = irq};
}
