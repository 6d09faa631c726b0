/* Real mode for the 32-bit bare-metal tests: see real.S. */
#ifndef XRAY86_TESTS_METAL_REAL_H
#define XRAY86_TESTS_METAL_REAL_H

#include "tests/metal/metal.h"

extern struct state real_state;
extern char real_stubs[];
void enter_real(void);

/* The whole interrupt vector table to the stubs that end go_real(). Vector 0 lies at NULL, which the compiler must not know. */
static inline void fill_ivt(void)
{
	volatile uint32_t *ivt = NULL;

	__asm__("" : "+r"(ivt));
	for (unsigned i = 0; i < 256; i++)
		ivt[i] = (uintptr_t)real_stubs + 8 * i;
}

static inline void set_ivt(unsigned vector, uint16_t segment, uint16_t offset)
{
	volatile uint32_t *ivt = NULL;

	__asm__("" : "+r"(ivt));
	ivt[vector] = (uint32_t)segment << 16 | offset;
}

/* As go(): 16-bit selectors, ip and flags. */
static inline unsigned go_real(struct state *state)
{
	real_state = *state;
	real_state.vector = 0;
	enter_real();
	*state = real_state;
	return state->vector;
}

/* Code below 64 KiB with CS 0, a stack at 2000h:FFF0h, DS and ES 3000h. */
static inline struct state real_state_at(const void *ip)
{
	return (struct state){.ip = (word)ip, .ss = 0x2000, .sp = 0xfff0, .ds = 0x3000, .es = 0x3000, .flags = 2};
}

#endif
