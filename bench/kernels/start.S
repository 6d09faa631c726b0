/*
 * Start of the benchmark kernels: a multiboot 1 header, then long mode with the first 4 GiB mapped one to one by 2 MiB pages, SSE and x87 on,
 * and run(). Boots in anything that speaks multiboot: xray86, QEMU's -kernel, GRUB. The ELF file is made 32-bit by objcopy.
 */
	.section .multiboot, "a"
	.align 4
	.long 0x1badb002, 0x3, -(0x1badb002 + 0x3)

	.bss
	.align 4096
tables:
	.skip 6 * 4096
	.global stack_top
	.skip 65536
stack_top:

	.data
	.align 8
	.global gdt
gdt:
	.quad 0
	.quad 0x00af9b000000ffff /* 08: code, ring 0 */
	.quad 0x00cf93000000ffff /* 10: data, ring 0 */
	.quad 0
	.quad 0x00cff3000000ffff /* 20: data, ring 3 (SYSRET: STAR + 8) */
	.quad 0x00affb000000ffff /* 28: code, ring 3 (SYSRET: STAR + 16) */
	.quad 0, 0		 /* 30: TSS */
gdt_end:
	.global gdt_pointer
gdt_pointer:
	.word gdt_end - gdt - 1
	.quad gdt

	.text
	.code32
	.global _start
_start:
	cli
	mov $stack_top, %esp
	/* PML4 -> PDPT -> 4 page directories of 2 MiB pages */
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
	mov $0x6a0, %eax /* PAE, PGE, OSFXSR, OSXMMEXCPT */
	mov %eax, %cr4
	mov $0xc0000080, %ecx
	rdmsr
	or $0x901, %eax /* NXE, LME, SCE */
	wrmsr
	mov $0x80010033, %eax /* PG, WP, NE, ET, MP, PE */
	mov %eax, %cr0
	lgdt gdt_pointer
	ljmp $8, $3f
	.code64
3:	mov $0x10, %eax
	mov %eax, %ds
	mov %eax, %es
	mov %eax, %ss
	mov $stack_top, %rsp
	fninit
	call run
4:	hlt
	jmp 4b
