/* Start, trap stubs and go() of the 32-bit bare-metal tests: protected mode without paging. */
#define CODE_DESCRIPTOR 0x00cf9b000000ffff
#include "tests/metal/stubs.inc"

	.data
gdt_pointer:
	.word 8 * GDT_ENTRIES - 1
	.long gdt

	.text
	.global _start
_start:
	cli
	cld
	mov $boot_stack_top, %esp
	push $2
	popf
	mov %eax, boot_magic
	mov %ebx, boot_info
	lgdt gdt_pointer
	ljmp $SEL_CODE, $1f
1:	mov $SEL_DATA, %eax
	mov %eax, %ds
	mov %eax, %es
	mov %eax, %ss
	xor %eax, %eax
	mov %eax, %fs
	mov %eax, %gs
	call metal_main

/* After "push vector" on whatever stack the trap came on. A 16-bit stack has base 0, so only its pointer needs extending. */
stub_common:
	pusha
	push %ds
	push %es
	push %fs
	push %gs
	mov %ss, %eax
	cmp $SEL_DATA16, %ax
	jne 1f
	movzwl %sp, %esp
1:	mov $SEL_DATA, %eax
	mov %eax, %ds
	mov %eax, %es
	mov %eax, %ss
	cld
	push %esp
	call trap
	pop %eax
	pop %gs
	pop %fs
	pop %es
	pop %ds
	popa
	add $8, %esp
	iret

	.equ AX, going + 0
	.equ CX, going + 4
	.equ DX, going + 8
	.equ BX, going + 12
	.equ SP, going + 16
	.equ BP, going + 20
	.equ SI, going + 24
	.equ DI, going + 28
	.equ IP, going + 32
	.equ FLAGS, going + 36
	.equ CS, going + 40
	.equ SS, going + 44
	.equ DS, going + 48
	.equ ES, going + 52
	.equ FS, going + 56
	.equ GS, going + 60

	.bss
	.align 4
saved_sp:
	.skip 4
entry_sp:
	.skip 4

	.text
	.global enter_going, leave_going
enter_going:
	pusha
	mov %esp, saved_sp
	testl $0x20000, FLAGS
	jnz 2f
	testl $3, CS
	jnz 1f

	/* ring 0: IRET takes its frame from the state's own stack */
	mov SP, %eax
	sub $12, %eax
	mov %eax, entry_sp
	cmpw $SEL_DATA16, SS
	jne 5f
	movzwl %ax, %eax
5:	mov IP, %ecx
	mov %ecx, (%eax)
	mov CS, %ecx
	mov %ecx, 4(%eax)
	mov FLAGS, %ecx
	mov %ecx, 8(%eax)
	mov SS, %ss
	mov %cs:entry_sp, %esp
	jmp 3f

1:	pushl SS
	pushl SP
	pushl FLAGS
	pushl CS
	pushl IP
	jmp 3f

2:	pushl GS
	pushl FS
	pushl DS
	pushl ES
	pushl SS
	pushl SP
	pushl FLAGS
	pushl CS
	pushl IP
	jmp 4f

3:	mov %cs:ES, %es
	mov %cs:FS, %fs
	mov %cs:GS, %gs
	mov %cs:DS, %ds
4:	mov %cs:AX, %eax
	mov %cs:CX, %ecx
	mov %cs:DX, %edx
	mov %cs:BX, %ebx
	mov %cs:BP, %ebp
	mov %cs:SI, %esi
	mov %cs:DI, %edi
	iret

/* From trap(), on some trap stack: back to enter_going()'s caller. */
leave_going:
	mov saved_sp, %esp
	popa
	ret
