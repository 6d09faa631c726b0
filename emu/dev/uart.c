/* 16550A UART: see uart.h. Names are those of the PC16550D datasheet, section 8. */
#include "emu/dev/uart.h"

#include <string.h>

enum { IER_ERBFI = 1, IER_ETBEI = 2, IER_ELSI = 4, IER_EDSSI = 8 };
enum { IIR_NONE = 1, IIR_MODEM = 0, IIR_THRE = 2, IIR_DATA = 4, IIR_LINE = 6, IIR_TIMEOUT = 12, IIR_FIFOS = 0xc0 };
enum { FCR_ENABLE = 1, FCR_CLEAR_RX = 2, FCR_TRIGGER_SHIFT = 6 };
enum { LCR_DLAB = 0x80 };
enum { MCR_DTR = 1, MCR_RTS = 2, MCR_OUT1 = 4, MCR_OUT2 = 8, MCR_LOOP = 16, MCR_WRITABLE = 31 };
enum { LSR_DR = 1, LSR_OE = 2, LSR_THRE = 0x20, LSR_TEMT = 0x40 };
enum { MSR_DCTS = 1, MSR_DDSR = 2, MSR_TERI = 4, MSR_DDCD = 8, MSR_CTS = 0x10, MSR_DSR = 0x20, MSR_RI = 0x40, MSR_DCD = 0x80 };

enum uart_register { RBR_THR_DLL, IER_DLM, IIR_FCR, LCR, MCR, LSR, MSR, SCR };

static unsigned fifo_capacity(const struct uart *uart)
{
	return uart->fcr & FCR_ENABLE ? UART_FIFO_SIZE : 1;
}

static unsigned fifo_trigger(const struct uart *uart)
{
	static const uint8_t level[4] = {1, 4, 8, 14};

	return uart->fcr & FCR_ENABLE ? level[uart->fcr >> FCR_TRIGGER_SHIFT] : 1;
}

/* The modem's side is always ready; in loopback mode the outputs come back as inputs (8.7). */
static uint8_t modem_inputs(const struct uart *uart)
{
	uint8_t mcr = uart->mcr;

	if (!(mcr & MCR_LOOP))
		return MSR_CTS | MSR_DSR | MSR_DCD;
	return (mcr & MCR_RTS ? MSR_CTS : 0) | (mcr & MCR_DTR ? MSR_DSR : 0) | (mcr & MCR_OUT1 ? MSR_RI : 0) |
	       (mcr & MCR_OUT2 ? MSR_DCD : 0);
}

/* The interrupt of highest priority (8.6, table IV). */
static uint8_t interrupt_id(const struct uart *uart)
{
	if ((uart->ier & IER_ELSI) && uart->line_errors)
		return IIR_LINE;
	if ((uart->ier & IER_ERBFI) && uart->fifo_count)
		return uart->fifo_count >= fifo_trigger(uart) ? IIR_DATA : IIR_TIMEOUT;
	if ((uart->ier & IER_ETBEI) && uart->thre_pending)
		return IIR_THRE;
	if ((uart->ier & IER_EDSSI) && uart->msr_delta)
		return IIR_MODEM;
	return IIR_NONE;
}

/* On a PC, OUT2 gates the interrupt line; in loopback mode it does not reach the pin. */
static void update_irq(struct uart *uart)
{
	bool connected = (uart->mcr & MCR_OUT2) && !(uart->mcr & MCR_LOOP);

	irq_set(&uart->irq, connected && interrupt_id(uart) != IIR_NONE);
}

static void push(struct uart *uart, uint8_t byte)
{
	if (uart->fifo_count == fifo_capacity(uart)) {
		uart->line_errors |= LSR_OE;
		if (!(uart->fcr & FCR_ENABLE)) /* without FIFOs the new character replaces the old one */
			uart->fifo[uart->fifo_head] = byte;
		return;
	}
	uart->fifo[(uart->fifo_head + uart->fifo_count++) % UART_FIFO_SIZE] = byte;
}

static uint8_t pop(struct uart *uart)
{
	uint8_t byte = uart->fifo[uart->fifo_head];

	if (uart->fifo_count) {
		uart->fifo_head = (uart->fifo_head + 1) % UART_FIFO_SIZE;
		uart->fifo_count--;
	}
	return byte;
}

static void write_thr(struct uart *uart, uint8_t byte)
{
	if (uart->mcr & MCR_LOOP)
		push(uart, byte);
	else if (uart->console)
		uart->console->write(uart->console->opaque, byte);
	uart->thre_pending = true; /* empty again at once */
}

static void write_fcr(struct uart *uart, uint8_t value)
{
	bool toggled = (uart->fcr ^ value) & FCR_ENABLE;

	if (toggled || (value & FCR_CLEAR_RX))
		uart->fifo_head = uart->fifo_count = 0;
	/* The other bits are only programmed while FIFOs are enabled (8.5). */
	uart->fcr = value & FCR_ENABLE ? value & ~6 : 0;
}

static void write_mcr(struct uart *uart, uint8_t value)
{
	uint8_t before = modem_inputs(uart), changed;

	uart->mcr = value & MCR_WRITABLE;
	changed = before ^ modem_inputs(uart);
	uart->msr_delta |= changed >> 4 & (MSR_DCTS | MSR_DDSR | MSR_DDCD);
	if (changed & before & MSR_RI)
		uart->msr_delta |= MSR_TERI;
}

static void write_ier(struct uart *uart, uint8_t value)
{
	/* Enabling the transmitter interrupt while the transmitter is empty raises it. */
	if (value & ~uart->ier & IER_ETBEI)
		uart->thre_pending = true;
	uart->ier = value & 15;
}

static void uart_write(void *opaque, uint16_t port, uint32_t value, unsigned size)
{
	struct uart *uart = opaque;
	bool dlab = uart->lcr & LCR_DLAB;

	(void)size;
	switch ((enum uart_register)(port & 7)) {
	case RBR_THR_DLL:
		if (dlab)
			uart->dll = value;
		else
			write_thr(uart, value);
		break;
	case IER_DLM:
		if (dlab)
			uart->dlm = value;
		else
			write_ier(uart, value);
		break;
	case IIR_FCR:
		write_fcr(uart, value);
		break;
	case LCR:
		uart->lcr = value;
		break;
	case MCR:
		write_mcr(uart, value);
		break;
	case LSR: /* factory test */
	case MSR:
		break;
	case SCR:
		uart->scr = value;
		break;
	}
	update_irq(uart);
}

static uint8_t read_iir(struct uart *uart)
{
	uint8_t id = interrupt_id(uart);

	if (id == IIR_THRE)
		uart->thre_pending = false;
	return id | (uart->fcr & FCR_ENABLE ? IIR_FIFOS : 0);
}

static uint8_t read_lsr(struct uart *uart)
{
	uint8_t value = LSR_THRE | LSR_TEMT | uart->line_errors | (uart->fifo_count ? LSR_DR : 0);

	uart->line_errors = 0;
	return value;
}

static uint8_t read_msr(struct uart *uart)
{
	uint8_t value = modem_inputs(uart) | uart->msr_delta;

	uart->msr_delta = 0;
	return value;
}

static uint8_t read_register(struct uart *uart, enum uart_register reg)
{
	bool dlab = uart->lcr & LCR_DLAB;

	switch (reg) {
	case RBR_THR_DLL:
		return dlab ? uart->dll : pop(uart);
	case IER_DLM:
		return dlab ? uart->dlm : uart->ier;
	case IIR_FCR:
		return read_iir(uart);
	case LCR:
		return uart->lcr;
	case MCR:
		return uart->mcr;
	case LSR:
		return read_lsr(uart);
	case MSR:
		return read_msr(uart);
	case SCR:
		break;
	}
	return uart->scr;
}

static uint32_t uart_read(void *opaque, uint16_t port, unsigned size)
{
	struct uart *uart = opaque;
	uint8_t value = read_register(uart, port & 7);

	(void)size;
	update_irq(uart);
	return value;
}

const struct port_ops uart_port_ops = {uart_read, uart_write};

void uart_init(struct uart *uart, struct irq_line irq, const struct console *console)
{
	memset(uart, 0, sizeof(*uart));
	uart->irq = irq;
	uart->console = console;
	uart->dll = 12; /* 9600 baud; nothing depends on it */
}

/* In loopback mode the receiver is disconnected from the line: input waits until it is back. */
static bool receiving(const struct uart *uart)
{
	return !(uart->mcr & MCR_LOOP) && (!uart->handshake || (uart->mcr & MCR_RTS));
}

size_t uart_room(const struct uart *uart)
{
	return receiving(uart) ? fifo_capacity(uart) - uart->fifo_count : 0;
}

void uart_receive(struct uart *uart, uint8_t byte)
{
	push(uart, byte);
	update_irq(uart);
}

bool uart_input_interrupts(const struct uart *uart)
{
	return (uart->ier & IER_ERBFI) && (uart->mcr & MCR_OUT2) && receiving(uart);
}

bool uart_is_sound(const struct uart *uart)
{
	return uart->fifo_head < UART_FIFO_SIZE && uart->fifo_count <= fifo_capacity(uart) && is_bool(&uart->handshake) &&
	       is_bool(&uart->thre_pending);
}
