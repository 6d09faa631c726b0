/*
 * Into a case and out of it. All of a case's registers are the host's own here, so everything is addressed absolutely.
 * struct native_context lies at CONTEXT; see layout.h.
 */
#include "tests/differential/layout.h"

#define GPR(n) CONTEXT + STATE_GPR + 8 * n
#define SELECTOR(n) CONTEXT + STATE_SELECTOR + 2 * n

	.text

/* void native_enter(void): runs the case described at CONTEXT; comes back through native_exit or native_signal. */
	.globl native_enter
native_enter:
	pushq %rbx
	pushq %rbp
	pushq %r12
	pushq %r13
	pushq %r14
	pushq %r15
	movq %rsp, CONTEXT + CONTEXT_HOST_RSP
	fxrstor64 CONTEXT + STATE_FX
	movw SELECTOR(0), %es
	movw SELECTOR(3), %ds
	movw SELECTOR(4), %fs
	movw SELECTOR(5), %gs
	movq CONTEXT + STATE_FS_BASE, %rax
	wrfsbase %rax
	movq CONTEXT + STATE_GS_BASE, %rax
	wrgsbase %rax
	movq $(CONTEXT + CONTEXT_IRET), %rsp
	movq GPR(0), %rax
	movq GPR(1), %rcx
	movq GPR(2), %rdx
	movq GPR(3), %rbx
	movq GPR(5), %rbp
	movq GPR(6), %rsi
	movq GPR(7), %rdi
	movq GPR(8), %r8
	movq GPR(9), %r9
	movq GPR(10), %r10
	movq GPR(11), %r11
	movq GPR(12), %r12
	movq GPR(13), %r13
	movq GPR(14), %r14
	movq GPR(15), %r15
	iretq /* CS:RIP, RFLAGS and SS:RSP at once, for either code size */

/* Copied to EXIT64: the case ran to its end. Nothing may be touched before it is saved; there is no stack yet. */
	.globl native_exit, native_exit_end
native_exit:
	movq %rax, GPR(0)
	movq %rsp, GPR(4)
	movq $(CONTEXT + CONTEXT_STACK_TOP), %rsp
	pushfq
	popq CONTEXT + STATE_RFLAGS
	pushq $2 /* neither DF nor AC nor TF for what follows */
	popfq
	movq %rcx, GPR(1)
	movq %rdx, GPR(2)
	movq %rbx, GPR(3)
	movq %rbp, GPR(5)
	movq %rsi, GPR(6)
	movq %rdi, GPR(7)
	movq %r8, GPR(8)
	movq %r9, GPR(9)
	movq %r10, GPR(10)
	movq %r11, GPR(11)
	movq %r12, GPR(12)
	movq %r13, GPR(13)
	movq %r14, GPR(14)
	movq %r15, GPR(15)
	fxsave64 CONTEXT + STATE_FX
	movw %es, SELECTOR(0)
	movw %ss, SELECTOR(2)
	movw %ds, SELECTOR(3)
	movw %fs, SELECTOR(4)
	movw %gs, SELECTOR(5)
	rdfsbase %rax
	movq %rax, CONTEXT + STATE_FS_BASE
	rdgsbase %rax
	movq %rax, CONTEXT + STATE_GS_BASE
	movq CONTEXT + CONTEXT_HOST_FS, %rax
	wrfsbase %rax
	fninit
	ldmxcsr CONTEXT + CONTEXT_MXCSR
	movq CONTEXT + CONTEXT_HOST_RSP, %rsp
	popq %r15
	popq %r14
	popq %r13
	popq %r12
	popq %rbp
	popq %rbx
	ret
native_exit_end:

/* Copied to EXIT32: back to 64-bit code. */
	.globl native_exit32, native_exit32_end
	.code32
native_exit32:
	ljmp $SELECTOR_CODE64, $EXIT64
native_exit32_end:
	.code64

/*
 * The signal handler, on its own stack: first gets rid of the case's flags and FS base, then lets native_collect_signal(ucontext) read
 * the state, and leaves the case without returning from the signal.
 */
	.globl native_signal
native_signal:
	pushq $2
	popfq
	movw %es, SELECTOR(0)
	movw %ds, SELECTOR(3)
	movw %fs, SELECTOR(4)
	movw %gs, SELECTOR(5)
	rdfsbase %rax
	movq %rax, CONTEXT + STATE_FS_BASE
	rdgsbase %rax
	movq %rax, CONTEXT + STATE_GS_BASE
	movq CONTEXT + CONTEXT_HOST_FS, %rax
	wrfsbase %rax
	movq %rdx, %rdi
	andq $-16, %rsp
	call native_collect_signal
	fninit
	ldmxcsr CONTEXT + CONTEXT_MXCSR
	movq CONTEXT + CONTEXT_HOST_RSP, %rsp
	popq %r15
	popq %r14
	popq %r13
	popq %r12
	popq %rbp
	popq %rbx
	ret

	.section .note.GNU-stack, "", @progbits
