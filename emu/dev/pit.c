/* 8254: see pit.h. The datasheet's "Mode Definitions" are the functions output() and current_count(). */
#include "emu/dev/pit.h"

#include <string.h>

enum { MODE_TERMINAL_COUNT, MODE_ONE_SHOT, MODE_RATE, MODE_SQUARE, MODE_SOFTWARE_STROBE, MODE_HARDWARE_STROBE };
enum { ACCESS_LATCH, ACCESS_LSB, ACCESS_MSB, ACCESS_BOTH };
enum { READ_BACK = 3, READ_BACK_NO_COUNT = 0x20, READ_BACK_NO_STATUS = 0x10 };
enum { STATUS_NULL = 0x40, STATUS_OUT = 0x80 };
enum { PORT61_GATE = 1, PORT61_SPEAKER = 2, PORT61_REFRESH = 0x10, PORT61_OUT = 0x20, REFRESH_NS = 15085 };

static bool periodic(const struct pit_counter *counter)
{
	return counter->mode == MODE_RATE || counter->mode == MODE_SQUARE;
}

static bool triggered_by_gate(const struct pit_counter *counter)
{
	return counter->mode == MODE_ONE_SHOT || counter->mode == MODE_HARDWARE_STROBE;
}

static uint32_t modulus(const struct pit_counter *counter)
{
	return counter->bcd ? 10000 : 65536;
}

/* Whether ticks go by without being counted. */
static bool stopped(const struct pit_counter *counter)
{
	return !counter->armed || (periodic(counter) && !counter->gate);
}

static uint64_t elapsed(const struct pit_counter *counter, uint64_t tick)
{
	if (counter->paused != NO_EVENT)
		return counter->paused;
	return tick > counter->start ? tick - counter->start : 0;
}

/* Ticks of a period of mode 3 for which the output is high: the longer half if the count is odd. */
static uint32_t high_half(const struct pit_counter *counter)
{
	return (counter->count + 1) / 2;
}

static bool output(const struct pit_counter *counter, uint64_t tick)
{
	uint64_t t = elapsed(counter, tick);

	switch (counter->mode) {
	case MODE_TERMINAL_COUNT:
		return counter->armed && t >= counter->count;
	case MODE_ONE_SHOT: /* the trigger takes effect at the tick after it */
		return !counter->armed || tick < counter->start || t >= counter->count;
	case MODE_RATE:
		return stopped(counter) || t % counter->count != counter->count - 1;
	case MODE_SQUARE:
		return stopped(counter) || t % counter->count < high_half(counter);
	default:
		return !counter->armed || tick < counter->start || t != counter->count;
	}
}

/* The first tick after `tick` at which the output may differ from now, with nobody interfering. */
static uint64_t next_change(const struct pit_counter *counter, uint64_t tick)
{
	uint64_t t = elapsed(counter, tick), in_period;

	if (stopped(counter) || counter->paused != NO_EVENT)
		return NO_EVENT;
	if (tick < counter->start)
		return counter->start;
	switch (counter->mode) {
	case MODE_RATE:
		in_period = t % counter->count;
		return tick + (in_period < counter->count - 1 ? counter->count - 1 - in_period : 1);
	case MODE_SQUARE:
		in_period = t % counter->count;
		return tick + (in_period < high_half(counter) ? high_half(counter) : counter->count) - in_period;
	default:
		if (t < counter->count)
			return counter->start + counter->count;
		return t == counter->count ? tick + 1 : NO_EVENT;
	}
}

/* Takes a count that was written during a period into use when that period is over. */
static void settle(struct pit_counter *counter, uint64_t tick)
{
	if (!counter->new_count || counter->new_at > tick)
		return;
	counter->count = counter->new_count;
	counter->start = counter->new_at;
	counter->new_count = 0;
}

static uint32_t to_bcd(uint32_t value)
{
	return value % 10 | value / 10 % 10 << 4 | value / 100 % 10 << 8 | value / 1000 % 10 << 12;
}

static uint32_t from_bcd(uint32_t value)
{
	return (value & 15) + (value >> 4 & 15) * 10 + (value >> 8 & 15) * 100 + (value >> 12 & 15) * 1000;
}

/* What the counting element holds. Mode 3 counts down by two, twice a period; the others once, and on after 0. */
static uint16_t current_count(const struct pit_counter *counter, uint64_t tick)
{
	uint64_t t = elapsed(counter, tick), count = counter->count;
	uint32_t value;

	if (!count)
		return 0;
	if (counter->mode == MODE_SQUARE) {
		uint64_t in_period = stopped(counter) ? 0 : t % count;

		if (in_period >= high_half(counter))
			in_period -= high_half(counter);
		value = (count & ~1ull) - 2 * in_period;
	} else if (counter->mode == MODE_RATE) {
		value = count - (stopped(counter) ? 0 : t % count);
	} else {
		value = (count + modulus(counter) - t % modulus(counter)) % modulus(counter);
	}
	value %= modulus(counter);
	return counter->bcd ? to_bcd(value) : value;
}

static uint8_t status(const struct pit_counter *counter, uint64_t tick)
{
	bool null_count = counter->new_count || !counter->count || (counter->armed && tick < counter->start);

	return (output(counter, tick) ? STATUS_OUT : 0) | (null_count ? STATUS_NULL : 0) | counter->access << 4 | counter->mode << 1 |
	       counter->bcd;
}

/* -- programming -- */

static void start_counting(struct pit_counter *counter, uint32_t count, uint64_t tick)
{
	counter->count = count;
	counter->start = tick + 1;
	counter->new_count = 0;
	counter->armed = true;
	counter->paused = NO_EVENT;
	if (!periodic(counter) && !triggered_by_gate(counter) && !counter->gate)
		counter->paused = 0;
}

/* The tick at which a count written now comes into use in a periodic mode. The chip's mode 3 does not wait for a second half period. */
static uint64_t period_end(const struct pit_counter *counter, uint64_t tick)
{
	if (tick < counter->start)
		return counter->start;
	return tick - elapsed(counter, tick) % counter->count + counter->count;
}

static void load(struct pit_counter *counter, uint16_t written, uint64_t tick)
{
	uint32_t count = counter->bcd ? from_bcd(written) : written;

	if (!count)
		count = modulus(counter);
	if (triggered_by_gate(counter)) { /* waits for the next trigger */
		counter->new_count = count;
		counter->new_at = NO_EVENT;
		return;
	}
	if (periodic(counter) && !stopped(counter)) {
		counter->new_count = count;
		counter->new_at = period_end(counter, tick);
		return;
	}
	start_counting(counter, count, tick);
}

static void write_count(struct pit_counter *counter, uint8_t value, uint64_t tick)
{
	switch (counter->access) {
	case ACCESS_LSB:
		load(counter, value, tick);
		break;
	case ACCESS_MSB:
		load(counter, value << 8, tick);
		break;
	case ACCESS_BOTH:
		if (counter->write_msb_next) {
			load(counter, counter->write_lsb | value << 8, tick);
		} else {
			counter->write_lsb = value;
			if (counter->mode == MODE_TERMINAL_COUNT) /* "writing the first byte disables counting" */
				counter->armed = false;
		}
		counter->write_msb_next = !counter->write_msb_next;
		break;
	}
}

static void set_gate(struct pit_counter *counter, bool gate, uint64_t tick)
{
	bool rising = gate && !counter->gate;

	if (gate == counter->gate)
		return;
	counter->gate = gate;
	if (triggered_by_gate(counter)) {
		uint32_t count = counter->new_count ? counter->new_count : counter->count;

		if (rising && count)
			start_counting(counter, count, tick);
	} else if (periodic(counter)) {
		if (rising && counter->armed)
			start_counting(counter, counter->new_count ? counter->new_count : counter->count, tick);
	} else if (rising) {
		counter->start = tick - (counter->paused == NO_EVENT ? 0 : counter->paused);
		counter->paused = NO_EVENT;
	} else {
		counter->paused = elapsed(counter, tick);
	}
}

static void latch_count(struct pit_counter *counter, uint64_t tick)
{
	if (counter->count_latched)
		return;
	counter->count_latch = current_count(counter, tick);
	counter->count_latched = true;
}

static void latch_status(struct pit_counter *counter, uint64_t tick)
{
	if (counter->status_latched)
		return;
	counter->status_latch = status(counter, tick);
	counter->status_latched = true;
}

static void read_back(struct pit *pit, uint8_t value, uint64_t tick)
{
	for (unsigned i = 0; i < PIT_COUNTERS; i++) {
		if (!(value >> (i + 1) & 1))
			continue;
		if (!(value & READ_BACK_NO_COUNT))
			latch_count(&pit->counter[i], tick);
		if (!(value & READ_BACK_NO_STATUS))
			latch_status(&pit->counter[i], tick);
	}
}

static void write_control(struct pit *pit, uint8_t value, uint64_t tick)
{
	struct pit_counter *counter;
	bool gate;

	if (value >> 6 == READ_BACK) {
		read_back(pit, value, tick);
		return;
	}
	counter = &pit->counter[value >> 6];
	if ((value >> 4 & 3) == ACCESS_LATCH) {
		latch_count(counter, tick);
		return;
	}
	gate = counter->gate;
	*counter = (struct pit_counter){
		.gate = gate,
		.access = value >> 4 & 3,
		.mode = value >> 1 & (value & 4 ? 3 : 7), /* 6 and 7 are 2 and 3 */
		.bcd = value & 1,
		.paused = NO_EVENT,
	};
}

static uint8_t read_counter(struct pit_counter *counter, uint64_t tick)
{
	bool msb = counter->access == ACCESS_MSB;
	uint16_t value;

	if (counter->status_latched) {
		counter->status_latched = false;
		return counter->status_latch;
	}
	value = counter->count_latched ? counter->count_latch : current_count(counter, tick);
	if (counter->access == ACCESS_BOTH) {
		msb = counter->read_msb_next;
		counter->read_msb_next = !msb;
	}
	if (msb || counter->access != ACCESS_BOTH)
		counter->count_latched = false;
	return msb ? value >> 8 : value;
}

/* -- ports -- */

static uint64_t settle_all(struct pit *pit, uint64_t now)
{
	uint64_t tick = clock_ticks(now, PIT_HZ);

	for (unsigned i = 0; i < PIT_COUNTERS; i++)
		settle(&pit->counter[i], tick);
	return tick;
}

static void pit_write(void *opaque, uint16_t port, uint32_t value, unsigned size)
{
	struct pit *pit = opaque;
	uint64_t tick = settle_all(pit, guest_now(&pit->clock));

	(void)size;
	if ((port & 3) == PIT_COUNTERS)
		write_control(pit, value, tick);
	else
		write_count(&pit->counter[port & 3], value, tick);
	irq_set(&pit->irq, output(&pit->counter[0], tick));
}

static uint32_t pit_read(void *opaque, uint16_t port, unsigned size)
{
	struct pit *pit = opaque;
	uint64_t tick = settle_all(pit, guest_now(&pit->clock));

	(void)size;
	return (port & 3) == PIT_COUNTERS ? 0xff : read_counter(&pit->counter[port & 3], tick);
}

const struct port_ops pit_port_ops = {pit_read, pit_write};

static void port61_write(void *opaque, uint16_t port, uint32_t value, unsigned size)
{
	struct pit *pit = opaque;
	uint64_t tick = settle_all(pit, guest_now(&pit->clock));

	(void)port;
	(void)size;
	set_gate(&pit->counter[2], value & PORT61_GATE, tick);
	pit->speaker = value & PORT61_SPEAKER;
}

static uint32_t port61_read(void *opaque, uint16_t port, unsigned size)
{
	struct pit *pit = opaque;
	uint64_t now = guest_now(&pit->clock);
	const struct pit_counter *counter = &pit->counter[2];
	bool refresh = now / REFRESH_NS & 1;

	(void)port;
	(void)size;
	return (counter->gate ? PORT61_GATE : 0) | (pit->speaker ? PORT61_SPEAKER : 0) | (refresh ? PORT61_REFRESH : 0) |
	       (output(counter, settle_all(pit, now)) ? PORT61_OUT : 0);
}

const struct port_ops port61_port_ops = {port61_read, port61_write};

void pit_init(struct pit *pit, struct guest_clock clock, struct irq_line irq)
{
	memset(pit, 0, sizeof(*pit));
	pit->clock = clock;
	pit->irq = irq;
	for (unsigned i = 0; i < PIT_COUNTERS; i++) {
		pit->counter[i].gate = i != 2;
		pit->counter[i].access = ACCESS_BOTH;
		pit->counter[i].mode = MODE_SQUARE; /* undefined at power-on; not armed, so the output is high and stays so */
		pit->counter[i].paused = NO_EVENT;
	}
}

uint64_t pit_next_event(const struct pit *pit, uint64_t now)
{
	const struct pit_counter *counter = &pit->counter[0];
	uint64_t change = next_change(counter, clock_ticks(now, PIT_HZ));

	if (counter->new_count && counter->new_at < change)
		change = counter->new_at;
	return change == NO_EVENT ? NO_EVENT : clock_time(change, PIT_HZ);
}

void pit_run(struct pit *pit, uint64_t now)
{
	uint64_t tick = settle_all(pit, now);

	irq_set(&pit->irq, output(&pit->counter[0], tick));
}

/* Counts are divided by; one that is not there yet is not. */
static bool counter_is_sound(const struct pit_counter *counter)
{
	return counter->mode <= MODE_HARDWARE_STROBE && counter->access <= ACCESS_BOTH && is_bool(&counter->bcd) &&
	       is_bool(&counter->gate) && is_bool(&counter->write_msb_next) && is_bool(&counter->read_msb_next) &&
	       is_bool(&counter->armed) && is_bool(&counter->status_latched) && is_bool(&counter->count_latched) &&
	       counter->count <= 65536 && counter->new_count <= 65536 && (counter->count || !counter->armed);
}

bool pit_is_sound(const struct pit *pit)
{
	return counter_is_sound(&pit->counter[0]) && counter_is_sound(&pit->counter[1]) && counter_is_sound(&pit->counter[2]) &&
	       is_bool(&pit->speaker);
}
