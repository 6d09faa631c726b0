/*
 * Where everything lies in the linear address space of a case, natively and in the emulator alike. All of it (the high data page
 * excepted) is below 2 GiB, so that compatibility mode and sign-extended 32-bit displacements reach it. Also read by the assembler.
 */
#ifndef XRAY86_TESTS_DIFFERENTIAL_LAYOUT_H
#define XRAY86_TESTS_DIFFERENTIAL_LAYOUT_H

#define CODE_BASE 0x10000000 /* two pages, executable and read-only; filled with INT3 around the case */
#define CODE_SIZE 0x2000
#define DATA_BASE 0x20000000 /* two pages to write, a read-only one, then nothing */
#define DATA_PAGES 3
#define DATA_WRITABLE 0x2000
#define STACK_BASE 0x30000000 /* two pages with nothing on either side */
#define STACK_SIZE 0x2000
#define LOW_BASE 0x8000          /* one page that 16-bit addresses reach */
#define HIGH_BASE 0x2a2345670000 /* one page above 4 GiB */

/*
 * The harness's own pages. The first holds the code that ends a case (in the emulator: INT3s), the second struct native_context. They exist
 * natively only, so a case that the emulator says touched them is not compared.
 */
#define SUPPORT_BASE 0x3d1c7000 /* no address that a corner value leads to */
#define SUPPORT_SIZE 0x2000
#define EXIT64 SUPPORT_BASE           /* a case ends by jumping here ... */
#define EXIT32 (SUPPORT_BASE + 0x800) /* ... or, in compatibility mode, here */
#define CONTEXT (SUPPORT_BASE + 0x1000)

/*
 * Where IRET takes its frame from, if it goes to a 16-bit stack: it loads SP alone, and the upper half of ESP stays that of the address of
 * the frame. So there is a page for each upper half that cases start with; they are above what cases reach.
 */
#define IRET_BASE 0x7d5100000000
#define IRET_PAGES 8
#define IRET_UPPER_HALVES                                                                                                                  \
	{                                                                                                                                  \
		0x0000, 0x0001, 0x1234, 0x5678, 0x7fff, 0x8000, 0xfffe, 0xffff                                                             \
	}

/* Offsets in struct state and struct native_context, for the assembler; native.c asserts them. */
#define STATE_GPR 0
#define STATE_RFLAGS 136
#define STATE_FS_BASE 144
#define STATE_GS_BASE 152
#define STATE_SELECTOR 160
#define STATE_FX 176
#define STATE_SIZE 688
#define CONTEXT_HOST_RSP (STATE_SIZE)
#define CONTEXT_HOST_FS (STATE_SIZE + 8)
#define CONTEXT_MXCSR (STATE_SIZE + 16)
#define CONTEXT_FSGSBASE (STATE_SIZE + 20)
#define CONTEXT_IRET (STATE_SIZE + 24)
#define CONTEXT_FRAME (CONTEXT_IRET + 40)
#define CONTEXT_STACK_TOP 0x1000 /* the rest of the page */

/* Linux's user selectors. */
#define SELECTOR_CODE32 0x23
#define SELECTOR_DATA 0x2b
#define SELECTOR_CODE64 0x33
#define SELECTOR_CPU 0x7b /* its limit is the CPU's number */

#endif
