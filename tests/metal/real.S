/*
 * go_real() of the 32-bit bare-metal tests: the state `going` is entered in real mode. Every vector of the real-mode IVT that still points here ends
 * it: the state is saved, and protected mode comes back. All of it lies below 64 KiB, where CS base 0 reaches both worlds.
 */
#include "tests/metal/metal.h"

	.section .low, "awx"
	.align 8
gdt_pointer:
	.word 8 * GDT_ENTRIES - 1
	.long gdt
real_idt:
	.word 0x3ff
	.long 0
	.global real_state
real_state: /* as struct state */
	.skip 19 * 4
vector_cell:
	.long 0
return_sp:
	.long 0

	.equ AX, real_state + 0
	.equ CX, real_state + 4
	.equ DX, real_state + 8
	.equ BX, real_state + 12
	.equ SP, real_state + 16
	.equ BP, real_state + 20
	.equ SI, real_state + 24
	.equ DI, real_state + 28
	.equ IP, real_state + 32
	.equ FLAGS, real_state + 36
	.equ CS, real_state + 40
	.equ SS, real_state + 44
	.equ DS, real_state + 48
	.equ ES, real_state + 52
	.equ FS, real_state + 56
	.equ GS, real_state + 60
	.equ VECTOR, real_state + 64

	.code32
	.global enter_real
enter_real:
	pusha
	mov %esp, return_sp
	sidt old_idt
	lidt real_idt
	ljmp $SEL_CODE16, $1f
	.code16
1:	mov $SEL_DATA16, %ax
	mov %ax, %ds
	mov %ax, %es
	mov %ax, %fs
	mov %ax, %gs
	mov %ax, %ss
	mov %cr0, %eax
	and $~1, %al
	mov %eax, %cr0
	ljmp $0, $2f
2:	xor %ax, %ax
	mov %ax, %ds
	mov SS, %ss
	mov SP, %esp
	pushw FLAGS
	pushw CS
	pushw IP
	mov CX, %ecx
	mov DX, %edx
	mov BX, %ebx
	mov BP, %ebp
	mov SI, %esi
	mov DI, %edi
	mov ES, %es
	mov FS, %fs
	mov GS, %gs
	mov AX, %eax
	mov DS, %ds
	iret

real_end:
	cli
	mov %eax, %cs:AX
	mov %ecx, %cs:CX
	mov %edx, %cs:DX
	mov %ebx, %cs:BX
	mov %ebp, %cs:BP
	mov %esi, %cs:SI
	mov %edi, %cs:DI
	mov %ds, %cs:DS
	mov %es, %cs:ES
	mov %fs, %cs:FS
	mov %gs, %cs:GS
	mov %ss, %cs:SS
	pop %ax
	mov %ax, %cs:VECTOR
	pop %ax
	mov %ax, %cs:IP
	pop %ax
	mov %ax, %cs:CS
	pop %ax
	mov %ax, %cs:FLAGS
	mov %esp, %cs:SP
	lgdtl %cs:gdt_pointer
	mov %cr0, %eax
	or $1, %al
	mov %eax, %cr0
	ljmp $SEL_CODE32, $3f
	.code32
3:	mov $SEL_DATA, %eax
	mov %eax, %ds
	mov %eax, %es
	mov %eax, %ss
	xor %eax, %eax
	mov %eax, %fs
	mov %eax, %gs
	mov return_sp, %esp
	lidt old_idt
	popa
	ret
old_idt:
	.skip 8

	.code16
	.global real_stubs
	.align 8
real_stubs: /* 8 bytes each */
	vector = 0
	.rept 256
	.align 8
	pushw $vector
	jmp real_end
	vector = vector + 1
	.endr
