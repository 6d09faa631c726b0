/* Keyboard controller: see i8042.h. */
#include "emu/dev/i8042.h"

#include <string.h>

enum { PORT_DATA = 0x60, PORT_COMMAND = 0x64 };
enum { STATUS_OBF = 1, STATUS_SYSTEM = 4, STATUS_COMMAND = 8, STATUS_UNLOCKED = 0x10, STATUS_AUX = 0x20, STATUS_TIMEOUT = 0x40 };
enum {
	CONFIG_KEYBOARD_IRQ = 1,
	CONFIG_AUX_IRQ = 2,
	CONFIG_SYSTEM = 4,
	CONFIG_KEYBOARD_OFF = 0x10,
	CONFIG_AUX_OFF = 0x20,
	CONFIG_TRANSLATE = 0x40
};
enum { OUTPUT_NOT_RESET = 1, OUTPUT_A20 = 2, OUTPUT_KEYBOARD_OBF = 0x10, OUTPUT_AUX_OBF = 0x20, OUTPUT_IDLE = 0xcc };
enum {
	READ_CONFIG = 0x20,
	WRITE_CONFIG = 0x60,
	DISABLE_AUX = 0xa7,
	ENABLE_AUX = 0xa8,
	TEST_AUX = 0xa9,
	SELF_TEST = 0xaa,
	TEST_KEYBOARD = 0xab,
	DISABLE_KEYBOARD = 0xad,
	ENABLE_KEYBOARD = 0xae,
	READ_INPUT = 0xc0,
	READ_OUTPUT = 0xd0,
	WRITE_OUTPUT = 0xd1,
	WRITE_KEYBOARD_BUFFER = 0xd2,
	WRITE_AUX_BUFFER = 0xd3,
	WRITE_AUX = 0xd4,
	DISABLE_A20 = 0xdd,
	ENABLE_A20 = 0xdf,
	PULSE_OUTPUT = 0xf0, /* .. FFh: the low bits that are 0 are pulsed */
	DEVICE_RESEND = 0xfe,
};

static void update_irq(struct i8042 *kbc)
{
	bool full = (kbc->status & STATUS_OBF) && kbc->data_irq, aux = kbc->status & STATUS_AUX;

	irq_set(&kbc->keyboard_irq, full && !aux && (kbc->config & CONFIG_KEYBOARD_IRQ));
	irq_set(&kbc->aux_irq, full && aux && (kbc->config & CONFIG_AUX_IRQ));
}

/* Fills the output buffer. status: STATUS_AUX, STATUS_TIMEOUT or neither; irq: it counts as coming from a device. */
static void reply(struct i8042 *kbc, uint8_t data, uint8_t status, bool irq)
{
	kbc->data = data;
	kbc->data_irq = irq;
	kbc->status = (kbc->status & ~(STATUS_AUX | STATUS_TIMEOUT)) | STATUS_OBF | status;
}

static uint8_t output_port(const struct i8042 *kbc)
{
	uint8_t full = kbc->status & STATUS_AUX ? OUTPUT_AUX_OBF : OUTPUT_KEYBOARD_OBF;

	return OUTPUT_IDLE | OUTPUT_NOT_RESET | (kbc->system->get_a20(kbc->system->opaque) ? OUTPUT_A20 : 0) |
	       (kbc->status & STATUS_OBF ? full : 0);
}

static void write_output_port(struct i8042 *kbc, uint8_t value)
{
	kbc->system->set_a20(kbc->system->opaque, value & OUTPUT_A20);
	if (!(value & OUTPUT_NOT_RESET))
		kbc->system->reset(kbc->system->opaque);
}

static void set_config(struct i8042 *kbc, uint8_t value)
{
	kbc->config = value;
	kbc->status = (kbc->status & ~STATUS_SYSTEM) | (value & CONFIG_SYSTEM ? STATUS_SYSTEM : 0);
}

static void write_command(struct i8042 *kbc, uint8_t command)
{
	kbc->status |= STATUS_COMMAND;
	kbc->command = 0;
	switch (command) {
	case READ_CONFIG:
		reply(kbc, kbc->config, 0, false);
		break;
	case WRITE_CONFIG:
	case WRITE_OUTPUT:
	case WRITE_KEYBOARD_BUFFER:
	case WRITE_AUX_BUFFER:
	case WRITE_AUX:
		kbc->command = command;
		break;
	case DISABLE_AUX:
		kbc->config |= CONFIG_AUX_OFF;
		break;
	case ENABLE_AUX:
		kbc->config &= ~CONFIG_AUX_OFF;
		break;
	case SELF_TEST:
		set_config(kbc, kbc->config | CONFIG_SYSTEM);
		reply(kbc, 0x55, 0, false);
		break;
	case TEST_AUX:
	case TEST_KEYBOARD:
		reply(kbc, 0x00, 0, false);
		break;
	case DISABLE_KEYBOARD:
		kbc->config |= CONFIG_KEYBOARD_OFF;
		break;
	case ENABLE_KEYBOARD:
		kbc->config &= ~CONFIG_KEYBOARD_OFF;
		break;
	case READ_INPUT:
		reply(kbc, 0x80, 0, false); /* keyboard not locked */
		break;
	case READ_OUTPUT:
		reply(kbc, output_port(kbc), 0, false);
		break;
	case DISABLE_A20:
	case ENABLE_A20:
		kbc->system->set_a20(kbc->system->opaque, command == ENABLE_A20);
		break;
	default:
		if (command >= PULSE_OUTPUT && !(command & OUTPUT_NOT_RESET))
			kbc->system->reset(kbc->system->opaque);
		break;
	}
}

static void write_data(struct i8042 *kbc, uint8_t value)
{
	uint8_t command = kbc->command;

	kbc->status &= ~STATUS_COMMAND;
	kbc->command = 0;
	switch (command) {
	case WRITE_CONFIG:
		set_config(kbc, value);
		break;
	case WRITE_OUTPUT:
		write_output_port(kbc, value);
		break;
	case WRITE_KEYBOARD_BUFFER:
		reply(kbc, value, 0, true);
		break;
	case WRITE_AUX_BUFFER:
		reply(kbc, value, STATUS_AUX, true);
		break;
	case WRITE_AUX:
		reply(kbc, DEVICE_RESEND, STATUS_AUX | STATUS_TIMEOUT, true);
		break;
	default: /* to the keyboard; sending to it enables it */
		kbc->config &= ~CONFIG_KEYBOARD_OFF;
		reply(kbc, DEVICE_RESEND, STATUS_TIMEOUT, true);
		break;
	}
}

static void i8042_write(void *opaque, uint16_t port, uint32_t value, unsigned size)
{
	struct i8042 *kbc = opaque;

	(void)size;
	if (port == PORT_COMMAND)
		write_command(kbc, value);
	else
		write_data(kbc, value);
	update_irq(kbc);
}

static uint32_t i8042_read(void *opaque, uint16_t port, unsigned size)
{
	struct i8042 *kbc = opaque;

	(void)size;
	if (port == PORT_COMMAND)
		return kbc->status;
	kbc->status &= ~(STATUS_OBF | STATUS_AUX | STATUS_TIMEOUT);
	update_irq(kbc);
	return kbc->data;
}

const struct port_ops i8042_port_ops = {i8042_read, i8042_write};

void i8042_init(struct i8042 *kbc, struct irq_line keyboard_irq, struct irq_line aux_irq, const struct system_control *system)
{
	memset(kbc, 0, sizeof(*kbc));
	kbc->keyboard_irq = keyboard_irq;
	kbc->aux_irq = aux_irq;
	kbc->system = system;
	kbc->status = STATUS_UNLOCKED;
	set_config(kbc, CONFIG_SYSTEM | CONFIG_TRANSLATE | CONFIG_AUX_OFF | CONFIG_KEYBOARD_OFF);
}

bool i8042_is_sound(const struct i8042 *kbc)
{
	return is_bool(&kbc->data_irq);
}
