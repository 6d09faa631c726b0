/*
 * Start, trap stubs and go() of the 64-bit bare-metal tests: long mode, the first 4 GiB mapped one to one by 2 MiB pages that ring 3 may use too.
 * What the firmware leaves in CR4 is not relied upon. Optional features (SMEP, SMAP, PCID) are for the tests to switch on.
 */
#define CODE_DESCRIPTOR 0x00af9b000000ffff
#include "tests/metal/stubs.inc"

	.bss
	.align 4096
	.global tables
tables: /* PML4, PDPT, 4 page directories */
	.skip 6 * 4096

	.data
gdt_pointer:
	.word 8 * GDT_ENTRIES - 1
	.quad gdt

	.text
	.code32
	.global _start
_start:
	cli
	cld
	mov $boot_stack_top, %esp
	push $2
	popf
	mov %eax, boot_magic
	mov %ebx, boot_info
	movl $tables + 4096 + 7, tables
	mov $4, %ecx
1:	lea -1(%ecx), %eax
	shl $12, %eax
	add $tables + 2 * 4096 + 7, %eax
	mov %eax, tables + 4096 - 8(, %ecx, 8)
	loop 1b
	mov $2048, %ecx
2:	lea -1(%ecx), %eax
	shl $21, %eax
	or $0x87, %eax
	mov %eax, tables + 2 * 4096 - 8(, %ecx, 8)
	loop 2b
	mov $tables, %eax
	mov %eax, %cr3
	mov $0x620, %eax /* PAE, OSFXSR, OSXMMEXCPT */
	mov %eax, %cr4
	mov $0xc0000080, %ecx
	rdmsr
	or $0x901, %eax /* NXE, LME, SCE */
	wrmsr
	mov $0x80010033, %eax /* PG, WP, NE, ET, MP, PE */
	mov %eax, %cr0
	lgdt gdt_pointer
	ljmp $SEL_CODE, $3f
	.code64
3:	mov $SEL_DATA, %eax
	mov %eax, %ds
	mov %eax, %es
	mov %eax, %ss
	xor %eax, %eax
	mov %eax, %fs
	mov %eax, %gs
	mov $boot_stack_top, %rsp
	fninit
	call metal_main

stub_common:
	push %rax
	push %rcx
	push %rdx
	push %rbx
	push %rbp
	push %rsi
	push %rdi
	push %r8
	push %r9
	push %r10
	push %r11
	push %r12
	push %r13
	push %r14
	push %r15
	mov %rsp, %rdi
	mov %rsp, %rbp
	and $-16, %rsp
	cld
	call trap
	mov %rbp, %rsp
	pop %r15
	pop %r14
	pop %r13
	pop %r12
	pop %r11
	pop %r10
	pop %r9
	pop %r8
	pop %rdi
	pop %rsi
	pop %rbp
	pop %rbx
	pop %rdx
	pop %rcx
	pop %rax
	add $16, %rsp
	iretq

	.equ IP, going + 128
	.equ FLAGS, IP + 8
	.equ CS, IP + 16
	.equ SS, IP + 24
	.equ DS, IP + 32
	.equ ES, IP + 40

	.bss
	.align 8
saved_sp:
	.skip 8

	.text
	.global enter_going, leave_going
enter_going:
	push %rbx
	push %rbp
	push %r12
	push %r13
	push %r14
	push %r15
	mov %rsp, saved_sp
	pushq SS
	pushq going + 32
	pushq FLAGS
	pushq CS
	pushq IP
	mov ES, %es
	mov DS, %ds
	mov going, %rax
	mov going + 8, %rcx
	mov going + 16, %rdx
	mov going + 24, %rbx
	mov going + 40, %rbp
	mov going + 48, %rsi
	mov going + 56, %rdi
	mov going + 64, %r8
	mov going + 72, %r9
	mov going + 80, %r10
	mov going + 88, %r11
	mov going + 96, %r12
	mov going + 104, %r13
	mov going + 112, %r14
	mov going + 120, %r15
	iretq

/* From trap(), on some trap stack: back to enter_going()'s caller. */
leave_going:
	mov $SEL_DATA, %eax
	mov %eax, %ss
	mov %eax, %ds
	mov %eax, %es
	mov saved_sp, %rsp
	pop %r15
	pop %r14
	pop %r13
	pop %r12
	pop %rbp
	pop %rbx
	ret
