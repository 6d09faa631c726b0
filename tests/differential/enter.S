/*
 * Into a case and out of it. All of a case's registers are the host's own here, so everything is addressed absolutely.
 * struct native_context lies at CONTEXT; see layout.h.
 */
#include <asm/prctl.h>
#include <asm/unistd_64.h>

#include "tests/differential/layout.h"

#define GPR(n) CONTEXT + STATE_GPR + 8 * n
#define SELECTOR(n) CONTEXT + STATE_SELECTOR + 2 * n

/*
 * FS and GS bases by their instructions or, where the host's kernel does not give programs these, by system calls. Those change RAX, RCX,
 * RDI, RSI and R11, and setting a base loads a null selector.
 */
	.macro set_base instruction, function, base
	testl $1, CONTEXT + CONTEXT_FSGSBASE
	jz 1f
	movq \base, %rax
	\instruction %rax
	jmp 2f
1:	movl $__NR_arch_prctl, %eax
	movl $\function, %edi
	movq \base, %rsi
	syscall
2:
	.endm

	.macro get_base instruction, function, base
	testl $1, CONTEXT + CONTEXT_FSGSBASE
	jz 1f
	\instruction %rax
	movq %rax, \base
	jmp 2f
1:	movl $__NR_arch_prctl, %eax
	movl $\function, %edi
	movl $\base, %esi
	syscall
2:
	.endm

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
	testl $1, CONTEXT + CONTEXT_FSGSBASE
	jz 3f
	movw SELECTOR(4), %fs
	movw SELECTOR(5), %gs
3:	set_base wrfsbase, ARCH_SET_FS, CONTEXT + STATE_FS_BASE
	set_base wrgsbase, ARCH_SET_GS, CONTEXT + STATE_GS_BASE
	testl $1, CONTEXT + CONTEXT_FSGSBASE
	jnz 4f
	cmpw $0, SELECTOR(4) /* others than null ones have bases of their own */
	je 5f
	movw SELECTOR(4), %fs
5:	cmpw $0, SELECTOR(5)
	je 4f
	movw SELECTOR(5), %gs
4:
	movq CONTEXT + CONTEXT_FRAME, %rsp
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
	get_base rdfsbase, ARCH_GET_FS, CONTEXT + STATE_FS_BASE
	get_base rdgsbase, ARCH_GET_GS, CONTEXT + STATE_GS_BASE
	set_base wrfsbase, ARCH_SET_FS, CONTEXT + CONTEXT_HOST_FS
	movl $SELECTOR_DATA, %eax
	movw %ax, %ss
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
	get_base rdfsbase, ARCH_GET_FS, CONTEXT + STATE_FS_BASE
	get_base rdgsbase, ARCH_GET_GS, CONTEXT + STATE_GS_BASE
	set_base wrfsbase, ARCH_SET_FS, CONTEXT + CONTEXT_HOST_FS
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
