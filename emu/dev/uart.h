/*
 * A 16550A UART (National Semiconductor PC16550D datasheet, section 8 "Registers") on a struct console.
 *
 * Transmission takes no time: THRE and TEMT are always set. uart_receive() hands received bytes over when the machine polls its input. The
 * character timeout of the receive FIFO comes at once, too: anything in the FIFO is signalled.
 */
#ifndef XRAY86_EMU_DEV_UART_H
#define XRAY86_EMU_DEV_UART_H

#include "emu/dev/console.h"
#include "emu/dev/device.h"

enum { UART_FIFO_SIZE = 16 };

/* What the guest can change. */
struct uart_state {
	uint8_t fifo[UART_FIFO_SIZE];
	unsigned fifo_head, fifo_count;
	uint8_t ier, fcr, lcr, mcr, scr;
	uint8_t line_errors; /* OE of LSR */
	uint8_t msr_delta;
	uint8_t dll, dlm;
	bool thre_pending; /* the transmitter-empty interrupt has not been seen yet */
};

struct uart {
	struct irq_line irq;
	const struct console *console; /* NULL: output vanishes */
	bool handshake;                /* the other side sends only while RTS is raised (CRTSCTS); set by the owner after uart_init() */
	EMBED(uart_state, state);
};

extern const struct port_ops uart_port_ops; /* 8 ports; not wide */

void uart_init(struct uart *uart, struct irq_line irq, const struct console *console);
/* For state from a file: see device.h. */
bool uart_is_sound(const struct uart *uart);
/* How many bytes it can take now without an overrun. */
size_t uart_room(const struct uart *uart);
void uart_receive(struct uart *uart, uint8_t byte);
/* Whether a received byte would raise an interrupt. */
bool uart_input_interrupts(const struct uart *uart);

#endif
