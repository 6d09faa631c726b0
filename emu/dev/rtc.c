/* MC146818A: see rtc.h. Register names are the datasheet's. */
#include "emu/dev/rtc.h"

#include <string.h>

enum rtc_register {
	SECONDS = 0,
	SECONDS_ALARM,
	MINUTES,
	MINUTES_ALARM,
	HOURS,
	HOURS_ALARM,
	DAY_OF_WEEK,
	DAY_OF_MONTH,
	MONTH,
	YEAR,
	REGISTER_A,
	REGISTER_B,
	REGISTER_C,
	REGISTER_D,
	SHUTDOWN_STATUS = 0x0f,
	EQUIPMENT = 0x14,
	BASE_MEMORY = 0x15,     /* KiB, 2 bytes; the next three are what firmware of the time leaves */
	EXTENDED_MEMORY = 0x17, /* KiB above 1 MiB, 2 bytes */
	EXTENDED_MEMORY_TOO = 0x30,
	CENTURY = 0x32,
	MEMORY_ABOVE_16M = 0x34, /* 64 KiB units, 2 bytes */
	MEMORY_ABOVE_4G = 0x5b,  /* 64 KiB units, 3 bytes */
};
enum { A_UIP = 0x80, A_DIVIDER = 0x70, A_DIVIDER_RUN = 0x20, A_RATE = 15 };
enum { B_SET = 0x80, B_PIE = 0x40, B_AIE = 0x20, B_UIE = 0x10, B_BINARY = 4, B_24_HOURS = 2 };
enum { C_IRQF = 0x80, C_PF = B_PIE, C_AF = B_AIE, C_UF = B_UIE }; /* flags stand where their enables do */
enum { D_VALID = 0x80, HOURS_PM = 0x80, ALARM_DONT_CARE = 0xc0, RATE_HZ = 32768, UPDATE_NS = 244000, DAY = 86400 };

struct date {
	int64_t year;
	unsigned month, day, weekday, hour, minute, second; /* month and day from 1, Sunday is weekday 1 */
};

/* Days since 1970-01-01 of a proleptic Gregorian date, counting years from March so that leap days come last. */
static int64_t days_from_date(int64_t year, unsigned month, unsigned day)
{
	int64_t y = month <= 2 ? year - 1 : year;
	unsigned months = (month + 9) % 12;
	int64_t era = (y >= 0 ? y : y - 399) / 400, of_era = y - era * 400;

	return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + (153 * months + 2) / 5 + day - 1 - 719468;
}

static struct date date_from_seconds(int64_t seconds)
{
	int64_t days = (seconds >= 0 ? seconds : seconds - (DAY - 1)) / DAY;
	unsigned of_day = seconds - days * DAY;
	int64_t z = days + 719468, era = (z >= 0 ? z : z - 146096) / 146097;
	unsigned day_of_era = z - era * 146097;
	unsigned year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
	unsigned day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
	unsigned months = (5 * day_of_year + 2) / 153;
	unsigned month = months < 10 ? months + 3 : months - 9;

	return (struct date){
		.year = era * 400 + year_of_era + (month <= 2),
		.month = month,
		.day = day_of_year - (153 * months + 2) / 5 + 1,
		.weekday = ((days + 4) % 7 + 7) % 7 + 1,
		.hour = of_day / 3600,
		.minute = of_day / 60 % 60,
		.second = of_day % 60,
	};
}

/* -- the registers' formats -- */

static uint8_t encode(const struct rtc *rtc, unsigned value)
{
	return rtc->ram[REGISTER_B] & B_BINARY ? value : (value / 10 % 10) << 4 | value % 10;
}

static unsigned decode(const struct rtc *rtc, uint8_t byte)
{
	return rtc->ram[REGISTER_B] & B_BINARY ? byte : (byte >> 4) * 10 + (byte & 15);
}

static uint8_t encode_hour(const struct rtc *rtc, unsigned hour)
{
	if (rtc->ram[REGISTER_B] & B_24_HOURS)
		return encode(rtc, hour);
	return encode(rtc, (hour + 11) % 12 + 1) | (hour >= 12 ? HOURS_PM : 0);
}

static unsigned decode_hour(const struct rtc *rtc, uint8_t byte)
{
	if (rtc->ram[REGISTER_B] & B_24_HOURS)
		return decode(rtc, byte);
	return decode(rtc, byte & ~HOURS_PM) % 12 + (byte & HOURS_PM ? 12 : 0);
}

static int64_t seconds_at(const struct rtc *rtc, uint64_t now)
{
	return rtc->seconds + (int64_t)((now - rtc->base) / NANOSECONDS);
}

static void time_to_registers(struct rtc *rtc, uint64_t now)
{
	struct date date = date_from_seconds(seconds_at(rtc, now));

	rtc->ram[SECONDS] = encode(rtc, date.second);
	rtc->ram[MINUTES] = encode(rtc, date.minute);
	rtc->ram[HOURS] = encode_hour(rtc, date.hour);
	rtc->ram[DAY_OF_WEEK] = encode(rtc, date.weekday);
	rtc->ram[DAY_OF_MONTH] = encode(rtc, date.day);
	rtc->ram[MONTH] = encode(rtc, date.month);
	rtc->ram[YEAR] = encode(rtc, date.year % 100);
	rtc->ram[CENTURY] = encode(rtc, date.year / 100);
}

/* The guest may write nonsense: it becomes some date. The day of the week is always the true one. */
static void time_from_registers(struct rtc *rtc, uint64_t now)
{
	unsigned year = decode(rtc, rtc->ram[CENTURY]) * 100 + decode(rtc, rtc->ram[YEAR]);
	unsigned month = (decode(rtc, rtc->ram[MONTH]) + 11) % 12 + 1;
	int64_t days = days_from_date(year, month, decode(rtc, rtc->ram[DAY_OF_MONTH]));
	unsigned minutes = decode_hour(rtc, rtc->ram[HOURS]) * 60 + decode(rtc, rtc->ram[MINUTES]);

	rtc->seconds = days * DAY + minutes * 60 + decode(rtc, rtc->ram[SECONDS]);
	rtc->base = now;
}

/* -- running -- */

static bool running(const struct rtc *rtc)
{
	return !(rtc->ram[REGISTER_B] & B_SET) && (rtc->ram[REGISTER_A] & A_DIVIDER) == A_DIVIDER_RUN;
}

/* Period of the periodic interrupt in 1/32768 s; 0: none. Rates 1 and 2 are those of 8 and 9. */
static unsigned period(const struct rtc *rtc)
{
	unsigned rate = rtc->ram[REGISTER_A] & A_RATE;

	if (!rate)
		return 0;
	return 1u << ((rate <= 2 ? rate + 7 : rate) - 1);
}

static bool alarm_matches(uint8_t alarm, uint8_t now)
{
	return (alarm & ALARM_DONT_CARE) == ALARM_DONT_CARE || alarm == now;
}

static bool alarm_at(const struct rtc *rtc, int64_t seconds)
{
	struct date date = date_from_seconds(seconds);

	return alarm_matches(rtc->ram[SECONDS_ALARM], encode(rtc, date.second)) &&
	       alarm_matches(rtc->ram[MINUTES_ALARM], encode(rtc, date.minute)) &&
	       alarm_matches(rtc->ram[HOURS_ALARM], encode_hour(rtc, date.hour));
}

static bool alarm_between(const struct rtc *rtc, int64_t after, int64_t until)
{
	if (until - after > DAY)
		after = until - DAY; /* it repeats daily */
	while (++after <= until) {
		if (alarm_at(rtc, after))
			return true;
	}
	return false;
}

static void update_irq(struct rtc *rtc)
{
	uint8_t *c = &rtc->ram[REGISTER_C];

	*c = (*c & ~C_IRQF) | (*c & rtc->ram[REGISTER_B] & (C_PF | C_AF | C_UF) ? C_IRQF : 0);
	irq_set(&rtc->irq, *c & C_IRQF);
}

/* Collects in register C what happened since the last look. */
void rtc_run(struct rtc *rtc, uint64_t now)
{
	unsigned ticks = period(rtc);

	if (running(rtc)) {
		int64_t before = seconds_at(rtc, rtc->seen > rtc->base ? rtc->seen : rtc->base), after = seconds_at(rtc, now);

		if (ticks && clock_ticks(rtc->seen, RATE_HZ) / ticks != clock_ticks(now, RATE_HZ) / ticks)
			rtc->ram[REGISTER_C] |= C_PF;
		if (before != after)
			rtc->ram[REGISTER_C] |= C_UF;
		if (before != after && alarm_between(rtc, before, after))
			rtc->ram[REGISTER_C] |= C_AF;
	}
	rtc->seen = now;
	update_irq(rtc);
}

uint64_t rtc_next_event(const struct rtc *rtc, uint64_t now)
{
	uint8_t enabled = rtc->ram[REGISTER_B];
	unsigned ticks = period(rtc);
	uint64_t event = NO_EVENT;

	if (!running(rtc))
		return NO_EVENT;
	if ((enabled & B_PIE) && ticks)
		event = clock_time((clock_ticks(now, RATE_HZ) / ticks + 1) * ticks, RATE_HZ);
	if (enabled & (B_UIE | B_AIE)) {
		uint64_t second = rtc->base + ((now - rtc->base) / NANOSECONDS + 1) * NANOSECONDS;

		event = second < event ? second : event;
	}
	return event;
}

static bool is_time(uint8_t index)
{
	return index == CENTURY || (index <= YEAR && index != SECONDS_ALARM && index != MINUTES_ALARM && index != HOURS_ALARM);
}

static void write_register(struct rtc *rtc, uint8_t index, uint8_t value, uint64_t now)
{
	bool was_running = running(rtc);

	if (index == REGISTER_C || index == REGISTER_D)
		return;
	if (was_running)
		time_to_registers(rtc, now);
	if (index == REGISTER_A)
		value &= ~A_UIP;
	if (index == REGISTER_B && (value & B_SET))
		value &= ~B_UIE; /* SET clears it */
	rtc->ram[index] = value;
	if (running(rtc) && (!was_running || is_time(index)))
		time_from_registers(rtc, now);
	update_irq(rtc);
}

static uint8_t read_register(struct rtc *rtc, uint8_t index, uint64_t now)
{
	uint8_t value;

	if (running(rtc) && is_time(index))
		time_to_registers(rtc, now);
	value = rtc->ram[index];
	if (index == REGISTER_A && running(rtc) && (now - rtc->base) % NANOSECONDS >= NANOSECONDS - UPDATE_NS)
		value |= A_UIP;
	if (index == REGISTER_C) {
		rtc->ram[REGISTER_C] = 0;
		update_irq(rtc);
	}
	return value;
}

static void rtc_write(void *opaque, uint16_t port, uint32_t value, unsigned size)
{
	struct rtc *rtc = opaque;
	uint64_t now = guest_now(&rtc->clock);

	(void)size;
	if (!(port & 1)) {
		rtc->index = value & 0x7f; /* bit 7 gates NMI; there is no source of one */
		return;
	}
	rtc_run(rtc, now);
	write_register(rtc, rtc->index, value, now);
}

static uint32_t rtc_read(void *opaque, uint16_t port, unsigned size)
{
	struct rtc *rtc = opaque;
	uint64_t now = guest_now(&rtc->clock);

	(void)size;
	if (!(port & 1))
		return 0xff; /* write-only */
	rtc_run(rtc, now);
	return read_register(rtc, rtc->index, now);
}

const struct port_ops rtc_port_ops = {rtc_read, rtc_write};

static void set_bytes(struct rtc *rtc, unsigned index, unsigned bytes, uint64_t value, uint64_t most)
{
	if (value > most)
		value = most;
	for (unsigned i = 0; i < bytes; i++)
		rtc->ram[index + i] = value >> 8 * i;
}

static void set_memory_size(struct rtc *rtc, uint64_t low, uint64_t high)
{
	uint64_t above_1m = low > 1 << 20 ? (low >> 10) - 1024 : 0;
	uint64_t above_16m = low > 16 << 20 ? (low >> 16) - 256 : 0;

	set_bytes(rtc, BASE_MEMORY, 2, 640, 640);
	set_bytes(rtc, EXTENDED_MEMORY, 2, above_1m, 0xffff);
	set_bytes(rtc, EXTENDED_MEMORY_TOO, 2, above_1m, 0xffff);
	set_bytes(rtc, MEMORY_ABOVE_16M, 2, above_16m, 0xffff);
	set_bytes(rtc, MEMORY_ABOVE_4G, 3, high >> 16, 0xffffff);
}

void rtc_init(struct rtc *rtc, struct guest_clock clock, struct irq_line irq, int64_t epoch, uint64_t low, uint64_t high)
{
	memset(rtc, 0, sizeof(*rtc));
	rtc->clock = clock;
	rtc->irq = irq;
	rtc->seconds = epoch;
	rtc->ram[REGISTER_A] = A_DIVIDER_RUN | 6; /* 1024 Hz, as firmware leaves it */
	rtc->ram[REGISTER_B] = B_24_HOURS;
	rtc->ram[REGISTER_D] = D_VALID;
	rtc->ram[EQUIPMENT] = 2; /* a coprocessor, no floppy drive */
	set_memory_size(rtc, low, high);
}

/* The time of day is within what its registers can be set to, some centuries around now. */
bool rtc_is_sound(const struct rtc *rtc)
{
	const int64_t most = 1ll << 40;

	return rtc->index < sizeof(rtc->ram) && rtc->seconds > -most && rtc->seconds < most;
}
