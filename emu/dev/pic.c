/* 8259A pair: see pic.h. Section names are those of the 8259A datasheet. */
#include "emu/dev/pic.h"

#include <string.h>

enum { ICW1_IC4 = 1, ICW1_SNGL = 2, ICW1 = 0x10, ICW4_AEOI = 2, ICW4_SFNM = 0x10 };
enum { OCW3 = 8, OCW3_RIS = 1, OCW3_RR = 2, OCW3_P = 4, OCW3_SMM = 0x20, OCW3_ESMM = 0x40 };
enum { CASCADE = 2, SPURIOUS = 7, NO_INPUT = 8 };

/* The input of highest priority in `set`, or NO_INPUT. Priority starts after the lowest one ("rotation"). */
static unsigned first_of(const struct pic_chip *chip, uint8_t set)
{
	for (unsigned i = 1; i <= 8; i++) {
		unsigned input = (chip->lowest + i) & 7;

		if (set >> input & 1)
			return input;
	}
	return NO_INPUT;
}

static unsigned priority(const struct pic_chip *chip, unsigned input)
{
	return input == NO_INPUT ? 8 : (input - chip->lowest - 1) & 7;
}

/* The request that the chip would signal, or NO_INPUT ("fully nested mode", "special mask mode", "special fully nested mode"). */
static unsigned pending(const struct pic_chip *chip)
{
	unsigned request = first_of(chip, chip->irr & ~chip->imr);
	uint8_t blocking = chip->special_mask ? chip->isr & ~chip->imr : chip->isr;
	unsigned limit = priority(chip, first_of(chip, blocking));

	if (request == NO_INPUT)
		return NO_INPUT;
	if (request == CASCADE && !chip->slave && (chip->icw4 & ICW4_SFNM))
		limit++;
	return priority(chip, request) < limit ? request : NO_INPUT;
}

static void set_input(struct pic_chip *chip, unsigned input, bool level)
{
	uint8_t bit = 1u << input;

	if (!level)
		chip->irr &= ~bit;
	else if ((chip->elcr & bit) || !(chip->lines & bit))
		chip->irr |= bit;
	chip->lines = level ? chip->lines | bit : chip->lines & ~bit;
}

static void update(struct pic *pic)
{
	set_input(&pic->chip[0], CASCADE, pending(&pic->chip[1]) != NO_INPUT);
	irq_set(&pic->output, pending(&pic->chip[0]) != NO_INPUT);
}

void pic_set_irq(struct pic *pic, unsigned irq, bool level)
{
	if (irq == CASCADE)
		return;
	set_input(&pic->chip[irq >> 3], irq & 7, level);
	update(pic);
}

/* The chip's part of an acknowledge: the request goes in service. Gives the input, SPURIOUS if the request is gone. */
static unsigned acknowledge(struct pic_chip *chip)
{
	unsigned input = pending(chip);

	if (input == NO_INPUT)
		return SPURIOUS;
	if (!(chip->elcr >> input & 1))
		chip->irr &= ~(1u << input);
	if (!(chip->icw4 & ICW4_AEOI))
		chip->isr |= 1u << input;
	else if (chip->rotate_on_aeoi)
		chip->lowest = input;
	return input;
}

uint8_t pic_acknowledge(struct pic *pic)
{
	struct pic_chip *chip = &pic->chip[0];
	bool cascade = pending(chip) == CASCADE;
	unsigned input = acknowledge(chip);

	if (cascade) {
		chip = &pic->chip[1];
		input = acknowledge(chip);
		/* Another slave request is a new edge on the cascade. */
		set_input(&pic->chip[0], CASCADE, false);
	}
	update(pic);
	return chip->base | input;
}

static void end_of_interrupt(struct pic_chip *chip, unsigned input, bool rotate)
{
	if (input == NO_INPUT)
		return;
	chip->isr &= ~(1u << input);
	if (rotate)
		chip->lowest = input;
}

/* Bits 7-5 of OCW2: R, SL, EOI. */
static void write_ocw2(struct pic_chip *chip, uint8_t value)
{
	unsigned level = value & 7;
	/* In special mask mode a non-specific EOI does not clear in-service bits that are masked. */
	unsigned highest = first_of(chip, chip->special_mask ? chip->isr & ~chip->imr : chip->isr);

	switch (value >> 5) {
	case 0:
	case 4:
		chip->rotate_on_aeoi = value >> 7;
		break;
	case 1:
	case 5:
		end_of_interrupt(chip, highest, value >> 7);
		break;
	case 3:
	case 7:
		end_of_interrupt(chip, level, value >> 7);
		break;
	case 6:
		chip->lowest = level;
		break;
	}
}

static void write_ocw3(struct pic_chip *chip, uint8_t value)
{
	if (value & OCW3_ESMM)
		chip->special_mask = value & OCW3_SMM;
	if (value & OCW3_P)
		chip->poll = true;
	else if (value & OCW3_RR)
		chip->read_isr = value & OCW3_RIS;
}

static void write_icw1(struct pic_chip *chip, uint8_t value)
{
	chip->irr = chip->lines & chip->elcr; /* the edge sense circuit is reset */
	chip->imr = chip->isr = chip->icw4 = 0;
	chip->lowest = 7;
	chip->special_mask = chip->rotate_on_aeoi = chip->read_isr = chip->poll = false;
	chip->single = value & ICW1_SNGL;
	chip->needs_icw4 = value & ICW1_IC4;
	chip->next_icw = 2;
}

static void write_next_icw(struct pic_chip *chip, uint8_t value)
{
	unsigned step = chip->next_icw;

	if (step == 2)
		chip->base = value & 0xf8;
	else if (step == 4)
		chip->icw4 = value;
	if (step == 2 && chip->single)
		step = 3;
	chip->next_icw = step + 1 <= (chip->needs_icw4 ? 4u : 3u) ? step + 1 : 0;
}

static void write_chip(struct pic_chip *chip, bool a0, uint8_t value)
{
	if (!a0 && (value & ICW1))
		write_icw1(chip, value);
	else if (!a0 && (value & OCW3))
		write_ocw3(chip, value);
	else if (!a0)
		write_ocw2(chip, value);
	else if (chip->next_icw)
		write_next_icw(chip, value);
	else
		chip->imr = value;
}

/* "Poll command": the next read acknowledges; bit 7 says whether there was something. */
static uint8_t read_chip(struct pic_chip *chip, bool a0)
{
	if (chip->poll) {
		bool any = pending(chip) != NO_INPUT;

		chip->poll = false;
		return any ? 0x80 | acknowledge(chip) : 0;
	}
	if (a0)
		return chip->imr;
	return chip->read_isr ? chip->isr : chip->irr;
}

/* Inputs that have always been edge-triggered cannot be changed: IRQ 0, 1, 2, 8, 13. */
static const uint8_t elcr_writable[2] = {0xf8, 0xde};

static bool is_elcr(uint16_t port)
{
	return port >= 0x4d0;
}

static void pic_write(void *opaque, uint16_t port, uint32_t value, unsigned size)
{
	struct pic *pic = opaque;

	(void)size;
	if (is_elcr(port))
		pic->chip[port & 1].elcr = value & elcr_writable[port & 1];
	else
		write_chip(&pic->chip[port >> 7 & 1], port & 1, value);
	update(pic);
}

static uint32_t pic_read(void *opaque, uint16_t port, unsigned size)
{
	struct pic *pic = opaque;
	uint8_t value;

	(void)size;
	if (is_elcr(port))
		return pic->chip[port & 1].elcr;
	value = read_chip(&pic->chip[port >> 7 & 1], port & 1);
	update(pic);
	return value;
}

const struct port_ops pic_port_ops = {pic_read, pic_write};

void pic_init(struct pic *pic, struct irq_line output)
{
	memset(pic, 0, sizeof(*pic));
	pic->output = output;
	for (unsigned i = 0; i < 2; i++) {
		pic->chip[i].lowest = 7;
		pic->chip[i].slave = i;
		pic->chip[i].base = i ? 0x70 : 0x08; /* as firmware leaves them */
		pic->chip[i].imr = 0xff;
	}
}

static bool chip_is_sound(const struct pic_chip *chip)
{
	return chip->lowest < 8 && chip->next_icw <= 4 && is_bool(&chip->needs_icw4) && is_bool(&chip->single) &&
	       is_bool(&chip->rotate_on_aeoi) && is_bool(&chip->special_mask) && is_bool(&chip->poll) && is_bool(&chip->read_isr) &&
	       is_bool(&chip->slave);
}

bool pic_is_sound(const struct pic *pic)
{
	return chip_is_sound(&pic->chip[0]) && chip_is_sound(&pic->chip[1]);
}
