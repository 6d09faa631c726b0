/*
 * Debug registers: breakpoints and the debug exception's status (SDM vol. 3B chapter 17.2-17.3).
 */
#ifndef XRAY86_EMU_BREAKPOINT_H
#define XRAY86_EMU_BREAKPOINT_H

#include "emu/exception.h"

enum {
	DR6_B = 0xf,        /* B0-B3: which breakpoints */
	DR6_BD = 1 << 13,   /* general detect */
	DR6_BS = 1 << 14,   /* single step */
	DR6_BT = 1 << 15,   /* task switch */
	DR7_ENABLES = 0xff, /* L0 G0 .. L3 G3 */
	DR7_LOCAL = 0x155,  /* L0-L3, LE: cleared by task switches */
	DR7_GD = 1 << 13,
	DR7_FIXED = 1 << 10, /* reads 1 */
};
#define DR6_FIXED 0xffff0ff0u
#define DR6_WRITABLE 0x0000e00fu
#define DR7_WRITABLE 0xffff23ffu

/* DR7.R/Wn */
enum breakpoint_kind { BREAKPOINT_FETCH = 0, BREAKPOINT_WRITE = 1, BREAKPOINT_PORT = 2, BREAKPOINT_READ_WRITE = 3 };

/* Whether any breakpoint is enabled. */
static inline bool cpu_debug_armed(const struct cpu *cpu)
{
	return cpu->dr[7] & DR7_ENABLES;
}

/*
 * DR6.B bits of the enabled instruction breakpoints at linear. 0 if there are none, if EFLAGS.RF suppresses them, or if a MOV SS or POP SS
 * just before does (SDM vol. 3B 17.3.1.1).
 */
uint64_t cpu_debug_fetch_breakpoint(const struct cpu *cpu, uint64_t linear);
/* The same for data breakpoints that the access touches, and for I/O breakpoints (with CR4.DE). */
uint64_t cpu_debug_data_breakpoint(const struct cpu *cpu, uint64_t linear, unsigned size, bool write);
uint64_t cpu_debug_port_breakpoint(const struct cpu *cpu, uint16_t port, unsigned size);

/* Notes the causes (DR6_*) in DR6 and raises #DB. For traps after an instruction, and breakpoints before one. */
_Noreturn void cpu_raise_debug(struct cpu *cpu, uint64_t causes);

#endif
