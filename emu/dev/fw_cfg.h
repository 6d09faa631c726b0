/*
 * QEMU's firmware configuration device (QEMU docs/specs/fw_cfg), as far as firmware asks it for sizes: selector port 510h (word,
 * write-only), data port 511h (bytes). It has no files and no DMA.
 */
#ifndef XRAY86_EMU_DEV_FW_CFG_H
#define XRAY86_EMU_DEV_FW_CFG_H

#include "emu/dev/device.h"

/* What the guest can change. */
struct fw_cfg_state {
	uint16_t selector;
	unsigned offset;
};

struct fw_cfg {
	uint64_t ram_size;
	EMBED(fw_cfg_state, state);
};

extern const struct port_ops fw_cfg_port_ops; /* 510h-511h; wide */

void fw_cfg_init(struct fw_cfg *fw_cfg, uint64_t ram_size);

#endif
