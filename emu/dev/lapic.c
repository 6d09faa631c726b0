/* Local APIC: see lapic.h. Section numbers are those of the SDM vol. 3A. */
#include "emu/dev/lapic.h"

#include <string.h>

/* Register numbers: MMIO offset >> 4, MSR - 800h (11.4.1, 11.12.1.2). */
enum lapic_register {
	REG_ID = 0x02,
	REG_VERSION = 0x03,
	REG_TPR = 0x08,
	REG_APR = 0x09,
	REG_PPR = 0x0a,
	REG_EOI = 0x0b,
	REG_LDR = 0x0d,
	REG_DFR = 0x0e,
	REG_SVR = 0x0f,
	REG_ISR = 0x10,
	REG_TMR = 0x18,
	REG_IRR = 0x20,
	REG_ESR = 0x28,
	REG_ICR = 0x30,
	REG_ICR_HIGH = 0x31,
	REG_LVT = 0x32, /* timer, thermal, performance, LINT0, LINT1, error */
	REG_TIMER_INITIAL = 0x38,
	REG_TIMER_CURRENT = 0x39,
	REG_TIMER_DIVIDE = 0x3e,
	REG_SELF_IPI = 0x3f,
};
enum { MSR_APIC_BASE = 0x1b, MSR_TSC_DEADLINE = 0x6e0, MSR_X2APIC = 0x800, MSR_X2APIC_END = 0x900 };
enum { BASE_BSP = 1 << 8, BASE_EXTD = 1 << 10, BASE_ENABLE = 1 << 11 };
enum { VERSION = 0x14 | (LVT_COUNT - 1) << 16 };
enum { SVR_ENABLE = 1 << 8, SVR_WRITABLE = 0x3ff };
enum { LVT_VECTOR = 0xff, LVT_MODE_SHIFT = 8, LVT_SEND_PENDING = 1 << 12, LVT_REMOTE_IRR = 1 << 14 };
enum { LVT_LEVEL = 1 << 15, LVT_MASKED = 1 << 16, LVT_TIMER_SHIFT = 17 };
enum { TIMER_ONE_SHOT, TIMER_PERIODIC, TIMER_TSC_DEADLINE };
enum { ESR_SEND_ILLEGAL = 1 << 5, ESR_RECEIVED_ILLEGAL = 1 << 6, ESR_ILLEGAL_REGISTER = 1 << 7 };
enum { ICR_LOGICAL = 1 << 11, ICR_LEVEL = 1 << 15, ICR_SHORTHAND_SHIFT = 18 };
#define ICR_WRITABLE 0x000ccfffu
enum { SHORTHAND_NONE, SHORTHAND_SELF, SHORTHAND_ALL, SHORTHAND_OTHERS };
enum { FIRST_LEGAL_VECTOR = 16 };

static const uint32_t lvt_writable[LVT_COUNT] = {
	[LVT_TIMER] = 0x700ff, [LVT_THERMAL] = 0x107ff, [LVT_PERFORMANCE] = 0x107ff,
	[LVT_LINT0] = 0x1a7ff, [LVT_LINT1] = 0x1a7ff,   [LVT_ERROR] = 0x100ff,
};

static bool x2apic(const struct lapic *lapic)
{
	return lapic->base & BASE_EXTD;
}

static bool software_enabled(const struct lapic *lapic)
{
	return (lapic->base & BASE_ENABLE) && (lapic->svr & SVR_ENABLE);
}

/* -- 256-bit vectors -- */

static void vector_set(uint32_t *bits, uint8_t vector)
{
	bits[vector >> 5] |= 1u << (vector & 31);
}

static void vector_clear(uint32_t *bits, uint8_t vector)
{
	bits[vector >> 5] &= ~(1u << (vector & 31));
}

static bool vector_test(const uint32_t *bits, uint8_t vector)
{
	return bits[vector >> 5] >> (vector & 31) & 1;
}

static int vector_highest(const uint32_t *bits)
{
	for (int i = 7; i >= 0; i--) {
		if (bits[i])
			return i * 32 + 31 - __builtin_clz(bits[i]);
	}
	return -1;
}

/* -- delivery to the core (11.8) -- */

static uint32_t ppr(const struct lapic *lapic)
{
	int in_service = vector_highest(lapic->isr);
	uint32_t service_class = in_service < 0 ? 0 : in_service & 0xf0;

	return (lapic->tpr & 0xf0) >= service_class ? lapic->tpr : service_class;
}

int lapic_pending(const struct lapic *lapic)
{
	int vector = vector_highest(lapic->irr);

	if (!software_enabled(lapic) || vector < 0 || (vector & 0xf0) <= (int)(ppr(lapic) & 0xf0))
		return -1;
	return vector;
}

uint8_t lapic_acknowledge(struct lapic *lapic)
{
	int vector = lapic_pending(lapic);

	if (vector < 0)
		return lapic->svr & LVT_VECTOR; /* spurious (11.9) */
	vector_clear(lapic->irr, vector);
	vector_set(lapic->isr, vector);
	lapic->host.changed(lapic->host.opaque);
	return vector;
}

static unsigned lvt_mode(uint32_t lvt)
{
	return lvt >> LVT_MODE_SHIFT & 7;
}

bool lapic_accepts_extint(const struct lapic *lapic)
{
	uint32_t lint0 = lapic->lvt[LVT_LINT0];

	return !(lapic->base & BASE_ENABLE) || (!(lint0 & LVT_MASKED) && lvt_mode(lint0) == DELIVERY_EXTINT);
}

/* -- acceptance -- */

static void raise_error(struct lapic *lapic, uint32_t bit);

static void accept(struct lapic *lapic, uint8_t vector, bool level)
{
	if (!software_enabled(lapic))
		return;
	if (vector < FIRST_LEGAL_VECTOR) {
		raise_error(lapic, ESR_RECEIVED_ILLEGAL);
		return;
	}
	vector_set(lapic->irr, vector);
	if (level)
		vector_set(lapic->tmr, vector);
	else
		vector_clear(lapic->tmr, vector);
	lapic->host.changed(lapic->host.opaque);
}

static void deliver_lvt(struct lapic *lapic, enum lapic_lvt index)
{
	uint32_t lvt = lapic->lvt[index];

	if (lvt & LVT_MASKED)
		return;
	/* The timer's and the error entry have no mode bits: 0 is fixed. */
	switch (index == LVT_TIMER || index == LVT_ERROR ? DELIVERY_FIXED : lvt_mode(lvt)) {
	case DELIVERY_FIXED:
		accept(lapic, lvt & LVT_VECTOR, false);
		break;
	case DELIVERY_NMI:
		lapic->host.nmi(lapic->host.opaque);
		break;
	}
}

static void raise_error(struct lapic *lapic, uint32_t bit)
{
	bool reported = lapic->esr_pending & bit;
	uint32_t lvt = lapic->lvt[LVT_ERROR];

	lapic->esr_pending |= bit;
	if (!reported && ((lvt & LVT_VECTOR) >= FIRST_LEGAL_VECTOR)) /* else it would report itself for ever */
		deliver_lvt(lapic, LVT_ERROR);
}

/* Whether a logical destination means this APIC (11.6.2.2, 11.12.10.2). */
static bool logical_match(const struct lapic *lapic, uint32_t destination)
{
	if (x2apic(lapic)) {
		uint32_t ldr = lapic->ldr;

		return destination == UINT32_MAX || (destination >> 16 == ldr >> 16 && (destination & ldr & 0xffff));
	}
	if (lapic->dfr >> 28 == 0xf)
		return destination & lapic->ldr >> 24;
	return (destination >> 4 == lapic->ldr >> 28 || destination >> 4 == 0xf) && (destination & lapic->ldr >> 24 & 15);
}

static bool addressed(const struct lapic *lapic, const struct apic_message *message)
{
	uint32_t broadcast = x2apic(lapic) ? UINT32_MAX : 0xff;

	if (message->broadcast)
		return true;
	if (message->logical)
		return logical_match(lapic, message->destination);
	return message->destination == lapic->id || message->destination == broadcast || message->destination == 0xff;
}

bool lapic_message(struct lapic *lapic, const struct apic_message *message)
{
	if (!addressed(lapic, message))
		return false;
	switch (message->mode) {
	case DELIVERY_FIXED:
	case DELIVERY_LOWEST_PRIORITY:
		accept(lapic, message->vector, message->level);
		break;
	case DELIVERY_NMI:
		lapic->host.nmi(lapic->host.opaque);
		break;
	default: /* SMI, INIT, STARTUP: to nobody; ExtINT: the machine's business */
		break;
	}
	return true;
}

void lapic_set_lint(struct lapic *lapic, unsigned pin, bool level)
{
	bool rising = level && !lapic->lint[pin];

	lapic->lint[pin] = level;
	if (rising)
		deliver_lvt(lapic, LVT_LINT0 + pin);
}

/* -- timer (11.5.4) -- */

static unsigned divide_shift(const struct lapic *lapic)
{
	unsigned code = (lapic->timer_divide & 3) | (lapic->timer_divide >> 1 & 4);

	return (code + 1) & 7; /* 0: by 2 ... 6: by 128, 7: by 1 */
}

static unsigned timer_mode(const struct lapic *lapic)
{
	return lapic->lvt[LVT_TIMER] >> LVT_TIMER_SHIFT & 3;
}

static uint64_t timer_period(const struct lapic *lapic)
{
	return (uint64_t)lapic->timer_initial << divide_shift(lapic);
}

static void timer_start(struct lapic *lapic, uint64_t now)
{
	lapic->timer_deadline = lapic->timer_initial ? now + timer_period(lapic) : NO_EVENT;
}

static uint32_t timer_current(const struct lapic *lapic, uint64_t now)
{
	uint64_t left;

	if (lapic->timer_deadline == NO_EVENT || lapic->timer_deadline <= now)
		return 0;
	left = lapic->timer_deadline - now;
	return (left + (1ull << divide_shift(lapic)) - 1) >> divide_shift(lapic);
}

static void run_count(struct lapic *lapic, uint64_t now)
{
	uint64_t period = timer_period(lapic);

	if (lapic->timer_deadline > now)
		return;
	deliver_lvt(lapic, LVT_TIMER);
	if (timer_mode(lapic) == TIMER_PERIODIC && period)
		lapic->timer_deadline += ((now - lapic->timer_deadline) / period + 1) * period;
	else
		lapic->timer_deadline = NO_EVENT;
}

void lapic_run(struct lapic *lapic, uint64_t now)
{
	if (timer_mode(lapic) != TIMER_TSC_DEADLINE) {
		run_count(lapic, now);
	} else if (lapic->tsc_deadline && lapic->host.tsc(lapic->host.opaque) >= lapic->tsc_deadline) {
		lapic->tsc_deadline = 0;
		deliver_lvt(lapic, LVT_TIMER);
	}
}

uint64_t lapic_next_event(const struct lapic *lapic, uint64_t now)
{
	uint64_t tsc;

	if (lapic->lvt[LVT_TIMER] & LVT_MASKED)
		return NO_EVENT;
	if (timer_mode(lapic) != TIMER_TSC_DEADLINE)
		return lapic->timer_deadline;
	if (!lapic->tsc_deadline)
		return NO_EVENT;
	tsc = lapic->host.tsc(lapic->host.opaque);
	if (tsc >= lapic->tsc_deadline)
		return now;
	return lapic->tsc_deadline - tsc < NO_EVENT - now ? now + (lapic->tsc_deadline - tsc) : NO_EVENT;
}

static void write_lvt(struct lapic *lapic, enum lapic_lvt index, uint32_t value)
{
	unsigned mode = timer_mode(lapic);

	value &= lvt_writable[index];
	if (!software_enabled(lapic))
		value |= LVT_MASKED;
	lapic->lvt[index] = value;
	if (index == LVT_TIMER && (mode == TIMER_TSC_DEADLINE) != (timer_mode(lapic) == TIMER_TSC_DEADLINE)) {
		lapic->timer_deadline = NO_EVENT; /* "transitioning between the modes disarms the timer" */
		lapic->tsc_deadline = 0;
	}
}

/* -- interrupt command (11.6.1) -- */

static void send(struct lapic *lapic)
{
	struct apic_message message = {
		.vector = lapic->icr,
		.mode = lapic->icr >> 8 & 7,
		.logical = lapic->icr & ICR_LOGICAL,
		.destination = x2apic(lapic) ? lapic->icr >> 32 : lapic->icr >> 56,
	};
	unsigned shorthand = lapic->icr >> ICR_SHORTHAND_SHIFT & 3;

	if (message.mode <= DELIVERY_LOWEST_PRIORITY && message.vector < FIRST_LEGAL_VECTOR) {
		raise_error(lapic, ESR_SEND_ILLEGAL);
		return;
	}
	if (shorthand == SHORTHAND_OTHERS)
		return;
	message.broadcast = shorthand != SHORTHAND_NONE;
	lapic_message(lapic, &message);
}

static void end_of_interrupt(struct lapic *lapic)
{
	int vector = vector_highest(lapic->isr);

	if (vector < 0)
		return;
	vector_clear(lapic->isr, vector);
	if (vector_test(lapic->tmr, vector))
		lapic->host.eoi(lapic->host.opaque, vector);
}

/* -- registers -- */

static uint32_t read_register(struct lapic *lapic, unsigned reg)
{
	uint64_t now = guest_now(&lapic->clock);

	switch (reg) {
	case REG_ID:
		return x2apic(lapic) ? lapic->id : lapic->id << 24;
	case REG_VERSION:
		return VERSION;
	case REG_TPR:
		return lapic->tpr;
	case REG_APR: /* no bus to arbitrate for */
		return 0;
	case REG_PPR:
		return ppr(lapic);
	case REG_LDR:
		return lapic->ldr;
	case REG_DFR:
		return lapic->dfr;
	case REG_SVR:
		return lapic->svr;
	case REG_ISR ... REG_ISR + 7:
		return lapic->isr[reg - REG_ISR];
	case REG_TMR ... REG_TMR + 7:
		return lapic->tmr[reg - REG_TMR];
	case REG_IRR ... REG_IRR + 7:
		return lapic->irr[reg - REG_IRR];
	case REG_ESR:
		return lapic->esr;
	case REG_ICR:
		return lapic->icr;
	case REG_ICR_HIGH:
		return lapic->icr >> 32;
	case REG_LVT ... REG_LVT + LVT_COUNT - 1:
		return lapic->lvt[reg - REG_LVT];
	case REG_TIMER_INITIAL:
		return lapic->timer_initial;
	case REG_TIMER_CURRENT:
		lapic_run(lapic, now); /* a masked periodic count starts over without an event */
		return timer_current(lapic, now);
	case REG_TIMER_DIVIDE:
		return lapic->timer_divide;
	}
	raise_error(lapic, ESR_ILLEGAL_REGISTER);
	return 0;
}

static void write_svr(struct lapic *lapic, uint32_t value)
{
	lapic->svr = value & SVR_WRITABLE;
	for (unsigned i = 0; i < LVT_COUNT && !software_enabled(lapic); i++)
		lapic->lvt[i] |= LVT_MASKED;
}

static void write_register(struct lapic *lapic, unsigned reg, uint32_t value)
{
	uint64_t now = guest_now(&lapic->clock);

	lapic_run(lapic, now);
	switch (reg) {
	case REG_ID:
		lapic->id = value >> 24;
		break;
	case REG_TPR:
		lapic->tpr = value & 0xff;
		break;
	case REG_EOI:
		end_of_interrupt(lapic);
		break;
	case REG_LDR:
		lapic->ldr = value & 0xff000000;
		break;
	case REG_DFR:
		lapic->dfr = value | 0x0fffffff;
		break;
	case REG_SVR:
		write_svr(lapic, value);
		break;
	case REG_ESR: /* a write latches what gathered since the last one (11.5.3) */
		lapic->esr = lapic->esr_pending;
		lapic->esr_pending = 0;
		break;
	case REG_ICR:
		lapic->icr = (lapic->icr & ~0xffffffffull) | (value & ICR_WRITABLE);
		send(lapic);
		break;
	case REG_ICR_HIGH:
		lapic->icr = (uint32_t)lapic->icr | (uint64_t)(value & 0xff000000) << 32;
		break;
	case REG_LVT ... REG_LVT + LVT_COUNT - 1:
		write_lvt(lapic, reg - REG_LVT, value);
		break;
	case REG_TIMER_INITIAL:
		if (timer_mode(lapic) == TIMER_TSC_DEADLINE)
			break;
		lapic->timer_initial = value;
		timer_start(lapic, now);
		break;
	case REG_TIMER_DIVIDE: {
		uint64_t left = timer_current(lapic, now);

		lapic->timer_divide = value & 0xb;
		if (left)
			lapic->timer_deadline = now + (left << divide_shift(lapic));
		break;
	}
	case REG_VERSION:
	case REG_APR:
	case REG_PPR:
	case REG_ISR ... REG_IRR + 7:
	case REG_TIMER_CURRENT: /* read-only */
		break;
	default:
		raise_error(lapic, ESR_ILLEGAL_REGISTER);
		break;
	}
	lapic->host.changed(lapic->host.opaque);
}

/* Registers are 32 bits wide on 16-byte boundaries; other accesses are undefined (11.4.1): here they get the bytes of that register. */
static uint64_t lapic_mmio_read(void *opaque, uint64_t offset, unsigned size)
{
	struct lapic *lapic = opaque;
	uint64_t value;

	if (offset & 0xc)
		return 0;
	value = (uint64_t)read_register(lapic, offset >> 4) >> 8 * (offset & 3);
	return size < 4 ? value & ((1u << 8 * size) - 1) : value;
}

static void lapic_mmio_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
	(void)size;
	if (!(offset & 0xf))
		write_register(opaque, offset >> 4, value);
}

const struct mmio_ops lapic_mmio_ops = {lapic_mmio_read, lapic_mmio_write};

/* -- MSRs (11.4.4, 11.12.1) -- */

bool lapic_owns_msr(uint32_t index)
{
	return index == MSR_APIC_BASE || index == MSR_TSC_DEADLINE || (index >= MSR_X2APIC && index < MSR_X2APIC_END);
}

static void reset_registers(struct lapic *lapic)
{
	lapic->tpr = lapic->ldr = lapic->esr = lapic->esr_pending = 0;
	lapic->icr = lapic->tsc_deadline = 0;
	lapic->dfr = 0xffffffff;
	lapic->svr = 0xff;
	lapic->timer_initial = lapic->timer_divide = 0;
	lapic->timer_deadline = NO_EVENT;
	memset(lapic->isr, 0, sizeof(lapic->isr));
	memset(lapic->tmr, 0, sizeof(lapic->tmr));
	memset(lapic->irr, 0, sizeof(lapic->irr));
	for (unsigned i = 0; i < LVT_COUNT; i++)
		lapic->lvt[i] = LVT_MASKED;
}

static bool write_base(struct lapic *lapic, uint64_t value)
{
	uint64_t mode = value & (BASE_ENABLE | BASE_EXTD), old = lapic->base & (BASE_ENABLE | BASE_EXTD);

	if ((value & lapic->maxphyaddr_mask) || (value & 0x2ff) || mode == BASE_EXTD)
		return false;
	/* x2APIC is entered from xAPIC mode and left by disabling only (figure 11-27). */
	if ((mode == (BASE_ENABLE | BASE_EXTD) && !old) || (old & BASE_EXTD && mode == BASE_ENABLE))
		return false;
	lapic->base = value;
	if (!mode)
		reset_registers(lapic);
	if (x2apic(lapic))
		lapic->ldr = (lapic->id >> 4) << 16 | 1u << (lapic->id & 15);
	lapic->host.moved(lapic->host.opaque, value & PAGE_MASK, mode == BASE_ENABLE);
	lapic->host.changed(lapic->host.opaque);
	return true;
}

static bool write_tsc_deadline(struct lapic *lapic, uint64_t value)
{
	lapic_run(lapic, guest_now(&lapic->clock));
	if (timer_mode(lapic) == TIMER_TSC_DEADLINE)
		lapic->tsc_deadline = value;
	lapic->host.changed(lapic->host.opaque);
	return true;
}

/* What each register of the x2APIC space allows. */
enum { X2_READ = 1, X2_WRITE = 2 };

static unsigned x2apic_access(unsigned reg)
{
	switch (reg) {
	case REG_ID:
	case REG_VERSION:
	case REG_PPR:
	case REG_LDR:
	case REG_ISR ... REG_IRR + 7:
	case REG_TIMER_CURRENT:
		return X2_READ;
	case REG_EOI:
	case REG_SELF_IPI:
		return X2_WRITE;
	case REG_TPR:
	case REG_SVR:
	case REG_ESR:
	case REG_ICR:
	case REG_LVT ... REG_LVT + LVT_COUNT - 1:
	case REG_TIMER_INITIAL:
	case REG_TIMER_DIVIDE:
		return X2_READ | X2_WRITE;
	}
	return 0;
}

/* Bits that may be set in a write; others are #GP (11.12.1.3). */
static uint64_t x2apic_writable(unsigned reg)
{
	switch (reg) {
	case REG_TPR:
	case REG_SELF_IPI:
		return 0xff;
	case REG_SVR:
		return SVR_WRITABLE;
	case REG_ICR:
		return 0xffffffff00000000u | ICR_WRITABLE;
	case REG_LVT ... REG_LVT + LVT_COUNT - 1:
		/* Delivery status and remote IRR are read-only, not reserved: Xen writes both. */
		return lvt_writable[reg - REG_LVT] | LVT_SEND_PENDING | (lvt_writable[reg - REG_LVT] & LVT_LEVEL ? LVT_REMOTE_IRR : 0);
	case REG_TIMER_INITIAL:
		return 0xffffffff;
	case REG_TIMER_DIVIDE:
		return 0xb;
	}
	return 0; /* EOI, ESR: only 0 may be written */
}

static bool x2apic_write(struct lapic *lapic, unsigned reg, uint64_t value)
{
	if (!x2apic(lapic) || !(x2apic_access(reg) & X2_WRITE) || (value & ~x2apic_writable(reg)))
		return false;
	if (reg == REG_SELF_IPI) {
		if (value < FIRST_LEGAL_VECTOR)
			raise_error(lapic, ESR_SEND_ILLEGAL);
		else
			accept(lapic, value, false);
		return true;
	}
	if (reg == REG_ICR)
		lapic->icr = value;
	write_register(lapic, reg, value);
	return true;
}

bool lapic_msr_write(struct lapic *lapic, uint32_t index, uint64_t value)
{
	if (index == MSR_APIC_BASE)
		return write_base(lapic, value);
	if (index == MSR_TSC_DEADLINE)
		return write_tsc_deadline(lapic, value);
	return x2apic_write(lapic, index - MSR_X2APIC, value);
}

bool lapic_msr_read(struct lapic *lapic, uint32_t index, uint64_t *ret)
{
	unsigned reg = index - MSR_X2APIC;

	if (index == MSR_APIC_BASE) {
		*ret = lapic->base;
		return true;
	}
	if (index == MSR_TSC_DEADLINE) {
		lapic_run(lapic, guest_now(&lapic->clock));
		*ret = lapic->tsc_deadline;
		return true;
	}
	if (!x2apic(lapic) || !(x2apic_access(reg) & X2_READ))
		return false;
	*ret = reg == REG_ICR ? lapic->icr : read_register(lapic, reg);
	return true;
}

uint64_t lapic_get_cr8(const struct lapic *lapic)
{
	return lapic->tpr >> 4;
}

void lapic_set_cr8(struct lapic *lapic, uint64_t cr8)
{
	lapic->tpr = (cr8 & 15) << 4;
	lapic->host.changed(lapic->host.opaque);
}

void lapic_init(struct lapic *lapic, struct guest_clock clock, const struct lapic_host *host, unsigned maxphyaddr)
{
	memset(lapic, 0, sizeof(*lapic));
	lapic->clock = clock;
	lapic->host = *host;
	lapic->maxphyaddr_mask = ~((1ull << maxphyaddr) - 1);
	lapic->base = LAPIC_DEFAULT_BASE | BASE_ENABLE | BASE_BSP;
	reset_registers(lapic);
	lapic->lvt[LVT_LINT0] = DELIVERY_EXTINT << LVT_MODE_SHIFT;
	lapic->lvt[LVT_LINT1] = DELIVERY_NMI << LVT_MODE_SHIFT;
}

bool lapic_is_sound(const struct lapic *lapic)
{
	return is_bool(&lapic->lint[0]) && is_bool(&lapic->lint[1]);
}
