/* fw_cfg: see fw_cfg.h. */
#include "emu/dev/fw_cfg.h"

enum { PORT_SELECTOR = 0x510 };
enum { KEY_SIGNATURE = 0x00, KEY_ID = 0x01, KEY_RAM_SIZE = 0x03, KEY_CPUS = 0x05, KEY_MAX_CPUS = 0x0f };
enum { ID_TRADITIONAL = 1 };

/* An item as a little-endian number; absent ones, and bytes behind the end, are 0. The file directory (19h) is so an empty one. */
static uint64_t item(const struct fw_cfg *fw_cfg)
{
	switch (fw_cfg->selector) {
	case KEY_SIGNATURE:
		return 'Q' | 'E' << 8 | 'M' << 16 | 'U' << 24;
	case KEY_ID:
		return ID_TRADITIONAL;
	case KEY_RAM_SIZE:
		return fw_cfg->ram_size;
	case KEY_CPUS:
	case KEY_MAX_CPUS:
		return 1;
	}
	return 0;
}

static uint32_t fw_cfg_read(void *opaque, uint16_t port, unsigned size)
{
	struct fw_cfg *fw_cfg = opaque;

	if (port == PORT_SELECTOR || size != 1)
		return 0;
	return fw_cfg->offset < sizeof(uint64_t) ? item(fw_cfg) >> 8 * fw_cfg->offset++ & 0xff : 0;
}

static void fw_cfg_write(void *opaque, uint16_t port, uint32_t value, unsigned size)
{
	struct fw_cfg *fw_cfg = opaque;

	if (port != PORT_SELECTOR || size != 2)
		return;
	fw_cfg->selector = value;
	fw_cfg->offset = 0;
}

const struct port_ops fw_cfg_port_ops = {fw_cfg_read, fw_cfg_write};

void fw_cfg_init(struct fw_cfg *fw_cfg, uint64_t ram_size)
{
	*fw_cfg = (struct fw_cfg){.ram_size = ram_size};
}
