/*
 * Registers in the notes of ELF cores: "CORE" NT_PRSTATUS, one a CPU (struct elf_prstatus of the kernel's <linux/elfcore.h>, in its 64- or
 * 32-bit form), and "QEMU" type 0, one a CPU (QEMUCPUState of QEMU's target/i386/arch_dump.c). QEMU writes first all of the one kind, then
 * all of the other, in the order of CPUs.
 */
#include "product/snapshot_format.h"

#include <elf.h>
#include <stdlib.h>
#include <string.h>

#include "util/align.h"
#include "util/array.h"

/* Offsets in struct elf_prstatus of pr_reg (struct user_regs_struct) and of its members. */
enum {
	PRSTATUS64_SIZE = 336,
	PRSTATUS64_REGS = 112,
	PRSTATUS32_SIZE = 144,
	PRSTATUS32_REGS = 72,
	REGS64_RIP = 16 * 8,
	REGS64_CS = 17 * 8,
	REGS64_RFLAGS = 18 * 8,
	REGS64_RSP = 19 * 8,
	REGS64_FS_BASE = 21 * 8,
	REGS64_GS_BASE = 22 * 8,
	REGS32_EIP = 12 * 4,
	REGS32_CS = 13 * 4,
	REGS32_EFLAGS = 14 * 4,
	REGS32_ESP = 15 * 4,
};

/* Offsets in QEMUCPUState: two 32-bit words (version, size), 18 registers, 10 segments of 24 bytes each (selector, limit, flags, pad: 32
 * bits; base). */
enum {
	QEMU_RSP = 8 + 6 * 8,
	QEMU_RIP = 8 + 16 * 8,
	QEMU_RFLAGS = 8 + 17 * 8,
	QEMU_SEGMENTS = 8 + 18 * 8,
	QEMU_SEGMENT_SIZE = 24,
	QEMU_BASE = 16,
	QEMU_CS = QEMU_SEGMENTS,
	QEMU_FS = QEMU_SEGMENTS + 3 * QEMU_SEGMENT_SIZE,
	QEMU_GS = QEMU_SEGMENTS + 4 * QEMU_SEGMENT_SIZE,
	QEMU_IDT = QEMU_SEGMENTS + 9 * QEMU_SEGMENT_SIZE,
	QEMU_CR = QEMU_SEGMENTS + 10 * QEMU_SEGMENT_SIZE,
	QEMU_KERNEL_GS_BASE = QEMU_CR + 5 * 8,
	QEMU_SIZE = QEMU_KERNEL_GS_BASE, /* of the first version, without kernel_gs_base */
};

struct note {
	const char *name;
	uint32_t type;
	const uint8_t *data;
	size_t size;
};

static uint64_t u64_at(const uint8_t *data, size_t at)
{
	uint64_t value;

	memcpy(&value, data + at, sizeof(value));
	return value;
}

static uint32_t u32_at(const uint8_t *data, size_t at)
{
	uint32_t value;

	memcpy(&value, data + at, sizeof(value));
	return value;
}

static bool parse_prstatus(const struct note *note, struct snapshot_cpu *ret)
{
	if (note->size == PRSTATUS64_SIZE) {
		const uint8_t *regs = note->data + PRSTATUS64_REGS;

		*ret = (struct snapshot_cpu){
			.rip = u64_at(regs, REGS64_RIP),
			.rsp = u64_at(regs, REGS64_RSP),
			.rflags = u64_at(regs, REGS64_RFLAGS),
			.cs = u64_at(regs, REGS64_CS),
			.fs_base = u64_at(regs, REGS64_FS_BASE),
			.gs_base = u64_at(regs, REGS64_GS_BASE),
		};
		return true;
	}
	if (note->size == PRSTATUS32_SIZE) {
		const uint8_t *regs = note->data + PRSTATUS32_REGS;

		*ret = (struct snapshot_cpu){
			.rip = u32_at(regs, REGS32_EIP),
			.rsp = u32_at(regs, REGS32_ESP),
			.rflags = u32_at(regs, REGS32_EFLAGS),
			.cs = u32_at(regs, REGS32_CS),
		};
		return true;
	}
	return false;
}

static bool parse_qemu(const struct note *note, struct snapshot_cpu *ret)
{
	const uint8_t *state = note->data;

	if (note->size < QEMU_SIZE)
		return false;
	*ret = (struct snapshot_cpu){
		.rip = u64_at(state, QEMU_RIP),
		.rsp = u64_at(state, QEMU_RSP),
		.rflags = u64_at(state, QEMU_RFLAGS),
		.cs = u32_at(state, QEMU_CS),
		.fs_base = u64_at(state, QEMU_FS + QEMU_BASE),
		.gs_base = u64_at(state, QEMU_GS + QEMU_BASE),
		.system = true,
		.kernel_gs_base = note->size >= QEMU_KERNEL_GS_BASE + 8 ? u64_at(state, QEMU_KERNEL_GS_BASE) : 0,
		.idt_base = u64_at(state, QEMU_IDT + QEMU_BASE),
	};
	memcpy(ret->cr, state + QEMU_CR, sizeof(ret->cr));
	return true;
}

static const struct kind {
	const char *name;
	uint32_t type;
	bool (*parse)(const struct note *note, struct snapshot_cpu *ret);
} kinds[] = {
	{"CORE", NT_PRSTATUS, parse_prstatus},
	{"QEMU", 0, parse_qemu},
};
enum { KINDS = sizeof(kinds) / sizeof(kinds[0]) };

/* The note at *at, which is moved behind it. false at the end and if the rest makes no sense. */
static bool next_note(const uint8_t *notes, size_t size, size_t *at, struct note *ret)
{
	Elf64_Nhdr header;
	size_t name_size, data_size;

	if (size - *at < sizeof(header))
		return false;
	memcpy(&header, notes + *at, sizeof(header));
	*at += sizeof(header);
	name_size = align_up(header.n_namesz, 4);
	data_size = align_up(header.n_descsz, 4);
	if (name_size > size - *at || data_size > size - *at - name_size || !header.n_namesz || notes[*at + header.n_namesz - 1])
		return false;
	*ret = (struct note){(const char *)notes + *at, header.n_type, notes + *at + name_size, header.n_descsz};
	*at += name_size + data_size;
	return true;
}

/* Puts a CPU's registers at [index], over what an earlier kind of note said about it. */
static struct error *set_cpu(struct snapshot *snapshot, size_t index, const struct snapshot_cpu *cpu)
{
	if (index == snapshot->cpus) {
		if (!array_reserve(&snapshot->cpu, index, &snapshot->cpu_room, sizeof(*cpu)))
			return error_create("out of memory");
		snapshot->cpus++;
	}
	snapshot->cpu[index] = *cpu;
	return NULL;
}

struct error *snapshot_parse_notes(struct snapshot *snapshot, const uint8_t *notes, size_t size)
{
	size_t at = 0, count[KINDS] = {0};
	struct error *err = NULL;
	struct note note;

	while (!err && next_note(notes, size, &at, &note)) {
		for (size_t i = 0; i < KINDS && !err; i++) {
			struct snapshot_cpu cpu;

			if (note.type == kinds[i].type && strcmp(note.name, kinds[i].name) == 0 && kinds[i].parse(&note, &cpu))
				err = set_cpu(snapshot, count[i]++, &cpu);
		}
	}
	return err;
}
