/*
 * What device tests share: a settable clock, interrupt lines that remember their levels, a console of buffers, and system wires that
 * count. Use: struct dev_rig rig; dev_rig_init(&rig); then hand out rig.clock, dev_rig_irq(&rig, n), &rig.console, &rig.system.
 */
#ifndef XRAY86_TESTS_DEV_RIG_H
#define XRAY86_TESTS_DEV_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "emu/dev/console.h"
#include "emu/dev/device.h"

enum { RIG_LINES = 24 };

struct dev_rig {
	uint64_t now;
	struct guest_clock clock;
	bool level[RIG_LINES];
	unsigned rises[RIG_LINES];
	char output[256];
	size_t output_size;
	struct console console;
	struct system_control system;
	unsigned resets, power_offs, exits;
	uint32_t exit_code;
	bool a20;
};

static inline uint64_t rig_now(void *opaque)
{
	return ((struct dev_rig *)opaque)->now;
}

static inline void rig_set_irq(void *opaque, unsigned line, bool level)
{
	struct dev_rig *rig = opaque;

	rig->rises[line] += level && !rig->level[line];
	rig->level[line] = level;
}

static inline void rig_console_write(void *opaque, uint8_t byte)
{
	struct dev_rig *rig = opaque;

	assert_true(rig->output_size < sizeof(rig->output) - 1);
	rig->output[rig->output_size++] = byte;
}

static inline void rig_reset(void *opaque)
{
	((struct dev_rig *)opaque)->resets++;
}

static inline void rig_power_off(void *opaque)
{
	((struct dev_rig *)opaque)->power_offs++;
}

static inline void rig_exit(void *opaque, uint32_t code)
{
	((struct dev_rig *)opaque)->exits++;
	((struct dev_rig *)opaque)->exit_code = code;
}

static inline void rig_set_a20(void *opaque, bool enabled)
{
	((struct dev_rig *)opaque)->a20 = enabled;
}

static inline bool rig_get_a20(void *opaque)
{
	return ((struct dev_rig *)opaque)->a20;
}

static inline void dev_rig_init(struct dev_rig *rig)
{
	memset(rig, 0, sizeof(*rig));
	rig->clock = (struct guest_clock){rig_now, rig};
	rig->console = (struct console){.opaque = rig, .write = rig_console_write};
	rig->system = (struct system_control){rig, rig_reset, rig_power_off, rig_exit, rig_set_a20, rig_get_a20};
	rig->a20 = true;
}

static inline struct irq_line dev_rig_irq(struct dev_rig *rig, unsigned line)
{
	return (struct irq_line){rig_set_irq, rig, line};
}

#endif
