/*
 * What a PC's firmware leaves in memory for old kernels, besides ACPI tables: real mode's interrupt vectors, the BIOS data area at 400h,
 * and the tables of the Intel MultiProcessor Specification 1.4. There is no BIOS behind them: every INT returns at once.
 */
#ifndef XRAY86_EMU_DEV_FIRMWARE_H
#define XRAY86_EMU_DEV_FIRMWARE_H

#include <stdint.h>

enum { BIOS_VECTORS_SIZE = 0x400, BIOS_DATA_AREA = 0x400, BIOS_DATA_SIZE = 0x100, MP_TABLES_SIZE = 0x200 };
enum { BIOS_DUMMY_HANDLER = 0xfff53, BIOS_IRET = 0xcf }; /* an IRET where PC BIOSes have one */

/* All vectors lead to BIOS_DUMMY_HANDLER, where the caller puts BIOS_IRET. */
void firmware_build_vectors(uint8_t vectors[BIOS_VECTORS_SIZE]);
/* 640 KiB of base memory, one serial port, a colour text screen of 80 by 25; no EBDA and no disk. */
void firmware_build_data_area(uint8_t area[BIOS_DATA_SIZE]);
/* Floating pointer structure and configuration table, which the guest sees at physical `address`: 16-byte aligned, in F0000h-FFFFFh. */
void firmware_build_mp_tables(uint8_t area[MP_TABLES_SIZE], uint32_t address);

#endif
