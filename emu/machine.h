/*
 * A PC: one CPU, memory, the devices of emu/dev/ and the clock that drives them. It owns them all. There are no globals, so several PCs may
 * exist.
 *
 * Time is the CPU's instruction count (1 ns each) with idle time: a halted CPU jumps to the next device event. The machine runs the CPU up
 * to the next event, then lets the devices act. So events happen exactly on their instruction, and the same configuration and console input
 * give the same run. One thing makes the clock depend on the host's: a console in real time (console.h), while the machine waits for its
 * user.
 *
 * Physical memory: RAM is at 0 to 640 KiB, from 1 MiB to a hole at 3-4 GiB, and from 4 GiB on. B8000h-BFFFFh and C0000h-FFFFFh are RAM,
 * too, but not described as usable. From E0000h on there are the ACPI tables, or the end of the BIOS ROM if there is one. The ROM's last
 * byte is also at 4 GiB - 1.
 */
#ifndef XRAY86_EMU_MACHINE_H
#define XRAY86_EMU_MACHINE_H

#include <stdbool.h>
#include <stdint.h>

#include "emu/cpu.h"
#include "emu/dev/acpi.h"
#include "emu/dev/console.h"
#include "emu/dev/control_ports.h"
#include "emu/dev/debug_ports.h"
#include "emu/dev/device.h"
#include "emu/dev/fw_cfg.h"
#include "emu/dev/hypercall.h"
#include "emu/dev/i8042.h"
#include "emu/dev/ioapic.h"
#include "emu/dev/lapic.h"
#include "emu/dev/pic.h"
#include "emu/dev/pit.h"
#include "emu/dev/rtc.h"
#include "emu/dev/testdev.h"
#include "emu/dev/uart.h"
#include "mmu/physmem.h"
#include "util/error.h"

#define MACHINE_MIN_MEMORY (1ull << 20)
#define MACHINE_MAX_MEMORY (64ull << 30)

struct machine_config {
	uint64_t memory;               /* bytes of RAM, a multiple of the page size */
	const struct console *console; /* NULL: none */
	bool console_handshake;        /* its input waits until the guest raises RTS, as guests do when they are ready */
	int64_t epoch;                 /* what the RTC shows at time 0: seconds since 1970 */
	bool acpi;                     /* describe the machine by ACPI tables (not with a BIOS, which makes its own) */
	const void *rom;               /* BIOS, copied; NULL: none */
	uint64_t rom_size;
	unsigned cpu_features; /* CPU_FEATURE_* of cpuid.h; 0: CPU_FEATURES_DEFAULT */
};

/* Why machine_run() came back. */
enum machine_stop {
	MACHINE_STOP_NONE,
	MACHINE_STOP_LIMIT,      /* the run has reached the instruction count that was asked for */
	MACHINE_STOP_POWER_OFF,  /* ACPI */
	MACHINE_STOP_RESET,      /* keyboard controller, port 92h, port CF9h */
	MACHINE_STOP_DEBUG_EXIT, /* isa-debug-exit; machine->exit_code */
	MACHINE_STOP_QUIT,       /* the console's user wants it */
	MACHINE_STOP_HALTED,     /* halted, and nothing can wake it */
	MACHINE_STOP_SHUTDOWN,   /* triple fault */
	MACHINE_STOP_CPU,        /* the CPU stopped for somebody else: machine->cpu_exit */
};

enum { MACHINE_PORT_RANGES = 32 };

/* The members of struct machine itself that change while the guest runs. machine_state.c saves them with the devices' states. */
struct machine_core {
	bool pic_intr; /* INTR of the 8259s */
	bool a20;
	uint64_t next_poll; /* when to look at the console's input */
	uint64_t idle;      /* the part of the instruction count that was skipped while halted */
};

struct machine {
	struct physmem mem;
	struct cpu *cpu;
	uint64_t low_end, high_end; /* end of RAM below 4 GiB; above (4 GiB if there is none there) */
	uint64_t acpi_rsdp;         /* where the ACPI tables' root is, or 0 */

#define DEVICE(type, name) struct type name;
#include "emu/dev/devices.def"
#undef DEVICE
	struct hypercall_port hypercall; /* without a `call`; set one before the machine runs, if the guest is to have the port */
	struct system_control system;
	struct port_range port[MACHINE_PORT_RANGES];
	unsigned port_ranges;
	uint64_t lapic_at; /* where its MMIO page is mapped, or NO_EVENT */
	const struct console *console;
	bool console_eof;
	EMBED(machine_core, core);

	uint64_t run_until; /* the running cpu_run() comes back at this instruction */
	enum machine_stop stop;
	uint32_t exit_code;
	enum cpu_exit cpu_exit;
};

struct error *machine_create(const struct machine_config *config, struct machine **ret);
/* NULL is allowed. */
void machine_destroy(struct machine *machine);

/* Runs until the instruction count reaches `until` (UINT64_MAX: without limit) or something stops it. */
enum machine_stop machine_run(struct machine *machine, uint64_t until);

/*
 * Puts the CPU into the state that boot loaders leave: flat segments, interrupts off, and 32-bit protected mode without paging or 64-bit
 * mode with the page tables at cr3. It loads the segment registers, whatever the descriptor table in memory holds.
 */
struct machine_entry {
	bool long_mode, five_level; /* five_level: paging, in long mode */
	uint64_t rip, cr3;
	uint16_t code_selector, data_selector;
	struct table_register gdt;
	uint64_t gpr[16]; /* by enum gpr */
};
void machine_enter(struct machine *machine, const struct machine_entry *entry);
/* The 32-bit state, with selectors 8 and 10h and without a GDT. */
void machine_enter_protected(struct machine *machine, uint32_t eip, uint32_t eax, uint32_t ebx);

/* The memory map that firmware would report (types as in INT 15h AX=E820h). Returns the number of ranges, at most MACHINE_MEMORY_RANGES. */
enum { MACHINE_MEMORY_RANGES = 8, MEMORY_AVAILABLE = 1, MEMORY_RESERVED = 2 };
struct memory_range {
	uint64_t start, size;
	uint32_t type;
};
unsigned machine_memory_map(const struct machine *machine, struct memory_range *ret);
/* Whether all of [paddr, paddr + size) is in one available range of it. */
bool machine_memory_available(const struct machine *machine, uint64_t paddr, uint64_t size);

/* A 64-bit hash (FNV-1a) of what the guest can observe of its state: registers, RAM, instruction count. */
uint64_t machine_digest(struct machine *machine);

/* -- between machine.c and machine_bus.c -- */

/* Connects devices, ports and interrupts. */
struct error *machine_bus_init(struct machine *machine, const struct machine_config *config);
/* What the CPU asks of its surroundings. */
void machine_bus_describe(struct machine *machine, struct cpu_bus *ret);
/* The next time, later than now, at which some device acts by itself; NO_EVENT: never. Polls of the console do not count. */
uint64_t machine_next_device_event(const struct machine *machine, uint64_t now);
void machine_run_devices(struct machine *machine, uint64_t now);

#endif
