/*
 * What every benchmark kernel has: begin() and end() print the marks on the serial port that the measuring program times between;
 * end(result) also prints a checksum, which must be the same on every machine, and stops the machine (QEMU's debug exit, Bochs's shutdown
 * port).
 */
#ifndef XRAY86_BENCH_KERNEL_H
#define XRAY86_BENCH_KERNEL_H

#include <stddef.h>
#include <stdint.h>

static inline void outb(uint16_t port, uint8_t value)
{
	__asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port));
}

static inline uint8_t inb(uint16_t port)
{
	uint8_t value;

	__asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
	return value;
}

static inline void print(const char *text)
{
	for (; *text; text++) {
		while (!(inb(0x3fd) & 0x20))
			;
		outb(0x3f8, *text);
	}
}

static inline void begin(void)
{
	outb(0x3fb, 3); /* 8 data bits */
	print("begin\n");
}

static inline _Noreturn void end(uint64_t result)
{
	char text[] = "end 0000000000000000\n";
	const char *shutdown = "Shutdown";
	unsigned i;

	for (i = 0; i < 16; i++)
		text[19 - i] = "0123456789abcdef"[result >> 4 * i & 15];
	print(text);
	while (!(inb(0x3fd) & 0x40))
		; /* the last character is out */
	outb(0xf4, 0);
	while (*shutdown)
		outb(0x8900, *shutdown++);
	for (;;)
		__asm__ volatile("cli; hlt");
}

/* A small deterministic generator (xorshift64). */
static inline uint64_t next_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

void run(void);

#endif
