/*
 * Compares the decoder with Capstone over the code of an ELF or raw file (linear sweep) or over random byte strings, and prints what
 * they disagree on, by class, with an example of each. Disagreements that exceptions.c and tidy.c explain are counted apart.
 *
 *   sweep --random N [--seed S] --mode 16|32|64
 *   sweep --elf FILE
 *   sweep --kernel FILE     the vmlinux inside a bzImage
 *   sweep --raw FILE --mode 16|32|64
 *
 * Exit status: 0 nothing unexplained, 1 something is, 2 usage or input errors. -v also lists the explained classes.
 */
#include <fcntl.h>
#include <gelf.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "loader/file.h"
#include "loader/kernel_image.h"
#include "tests/decoder/compare.h"

/* -- classes of disagreement -- */

struct class
{
	char key[160];
	const char *reason; /* of the exception, or NULL */
	uint64_t count;
	char example[160];
};

struct sweep {
	struct isa *isa;
	csh handle, handle32; /* handle32: 16-bit code only */
	cs_insn *insn, *spare;
	unsigned code_size;
	uint64_t samples, valid;
	struct class *classes;
	size_t class_count;
};

/* Prefixes, map, opcode and the coarse shape of ModRM: what a disagreement is usually about. */
static void describe_opcode(const struct sample *sample, char *text, size_t size)
{
	static const char *const maps[] = {"", "0F ", "0F38 ", "0F3A "};
	const struct anatomy *anatomy = &sample->anatomy;

	snprintf(text, size, "%s%s%s%s%02x /%u %s", anatomy->lock ? "LOCK " : "",
		 anatomy->repeat == 0xf2 ? "F2 "
		 : anatomy->repeat       ? "F3 "
					 : "",
		 anatomy->prefix_66 ? "66 " : "", maps[anatomy->map], anatomy->opcode, anatomy->modrm >> 3 & 7,
		 anatomy->modrm >> 6 == 3 ? "reg" : "mem");
}

static void describe_class(const struct sample *sample, const struct difference *difference, char *text, size_t size)
{
	const char *ours = sample->status == DECODE_OK ? isa_op_names[sample->decoded.row->op] : "(invalid)";
	const char *theirs = sample->insn ? capstone_name(sample) : "(invalid)";
	char opcode[64];

	describe_opcode(sample, opcode, sizeof opcode);
	switch (difference->kind) {
	case OPERAND:
		snprintf(text, size, "%-8s op%u %-12s %s", ours, difference->operand + 1, difference->detail, opcode);
		break;
	case ONLY_OURS:
	case ONLY_CAPSTONE:
		snprintf(text, size, "valid    %-12s %-12s %s", ours, theirs, opcode);
		break;
	default:
		snprintf(text, size, "%-8s %-12s %-12s %s",
			 difference->kind == LENGTH     ? "length"
			 : difference->kind == MNEMONIC ? "mnemonic"
							: "operands",
			 ours, theirs, opcode);
		break;
	}
}

static void describe_example(const struct sample *sample, char *text, size_t size)
{
	unsigned count = sample->available < INSN_MAX_LENGTH ? sample->available : INSN_MAX_LENGTH;
	int at = 0;

	for (unsigned i = 0; i < count; i++)
		at += snprintf(text + at, size - (size_t)at, "%02x ", sample->bytes[i]);
	snprintf(text + at, size - (size_t)at, "| ours %u, theirs %u: %s %s", sample->status == DECODE_OK ? sample->decoded.length : 0u,
		 sample->insn ? sample->insn->size : 0, sample->insn ? sample->insn->mnemonic : "",
		 sample->insn ? sample->insn->op_str : "");
}

static bool record(struct sweep *sweep, const struct sample *sample, const struct difference *difference)
{
	struct class class = {.reason = excuse(sample, difference)};

	if (class.reason)
		snprintf(class.key, sizeof class.key, "%s", class.reason);
	else
		describe_class(sample, difference, class.key, sizeof class.key);
	for (size_t i = 0; i < sweep->class_count; i++)
		if (!strcmp(sweep->classes[i].key, class.key)) {
			sweep->classes[i].count++;
			return true;
		}
	if ((sweep->class_count & (sweep->class_count - 1)) == 0) { /* grow at powers of two */
		size_t room = sweep->class_count ? 2 * sweep->class_count : 1;
		struct class *grown = realloc(sweep->classes, room * sizeof *grown);

		if (!grown)
			return false;
		sweep->classes = grown;
	}
	class.count = 1;
	describe_example(sample, class.example, sizeof class.example);
	sweep->classes[sweep->class_count++] = class;
	return true;
}

static int more_frequent(const void *a, const void *b)
{
	const struct class *x = a, *y = b;

	return x->count < y->count ? 1 : x->count > y->count ? -1 : strcmp(x->key, y->key);
}

/* Prints the classes; returns how many samples nothing explains. */
static uint64_t report(struct sweep *sweep, bool verbose)
{
	uint64_t explained = 0, unexplained = 0;

	if (sweep->class_count)
		qsort(sweep->classes, sweep->class_count, sizeof *sweep->classes, more_frequent);
	for (size_t i = 0; i < sweep->class_count; i++) {
		const struct class *class = &sweep->classes[i];

		*(class->reason ? &explained : &unexplained) += class->count;
		if (!class->reason || verbose)
			printf("%8" PRIu64 " %s%s\n\t%s\n", class->count, class->reason ? "explained: " : "", class->key, class->example);
	}
	printf("%" PRIu64 " samples, %" PRIu64 " valid, %" PRIu64 " differ for known reasons, %" PRIu64 " unexplained\n", sweep->samples,
	       sweep->valid, explained, unexplained);
	return unexplained;
}

/* -- samples -- */

/* Decodes twice and compares. Returns the number of bytes to go on by. */
static unsigned examine(struct sweep *sweep, const uint8_t *bytes, size_t available, uint64_t address)
{
	struct sample sample = {.bytes = bytes,
				.available = available < INSN_MAX_LENGTH + 1 ? (unsigned)available : INSN_MAX_LENGTH + 1,
				.code_size = sweep->code_size,
				.address = address,
				.isa = sweep->isa,
				.handle = sweep->handle,
				.handle32 = sweep->handle32,
				.spare = sweep->spare};
	const uint8_t *code = bytes;
	size_t left = sample.available;
	struct difference difference;

	sample.status = decode(sweep->isa, sweep->code_size, bytes, sample.available, &sample.decoded);
	if (cs_disasm_iter(sweep->handle, &code, &left, &address, sweep->insn))
		sample.insn = sweep->insn;
	sweep->samples++;
	sweep->valid += sample.status == DECODE_OK;
	dissect(&sample);
	difference = compare(&sample);
	if (difference.kind != SAME && !record(sweep, &sample, &difference)) {
		fprintf(stderr, "sweep: out of memory\n");
		exit(2);
	}
	return sample.status == DECODE_OK ? sample.decoded.length : sample.insn ? sample.insn->size : 1;
}

static bool open_capstone(unsigned bits, csh *ret)
{
	cs_mode mode = bits == 16 ? CS_MODE_16 : bits == 32 ? CS_MODE_32 : CS_MODE_64;

	return cs_open(CS_ARCH_X86, mode, ret) == CS_ERR_OK && cs_option(*ret, CS_OPT_DETAIL, CS_OPT_ON) == CS_ERR_OK;
}

static bool sweep_open(struct sweep *sweep, unsigned bits)
{
	sweep->code_size = bits / 8;
	if (!open_capstone(bits, &sweep->handle) || (bits == 16 && !open_capstone(32, &sweep->handle32)))
		return false;
	sweep->insn = cs_malloc(sweep->handle);
	sweep->spare = cs_malloc(sweep->handle);
	return sweep->insn && sweep->spare;
}

static void sweep_linear(struct sweep *sweep, const uint8_t *bytes, size_t size, uint64_t address)
{
	for (size_t at = 0; at + INSN_MAX_LENGTH <= size;)
		at += examine(sweep, bytes + at, size - at, address + at);
}

/* -- random bytes -- */

static uint64_t random_next(uint64_t *state) /* xorshift64* */
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return *state * 0x2545f4914f6cdd1d;
}

/* Biased towards few prefixes of every kind before an opcode of any map, everything after it random. */
static void random_bytes(uint64_t *state, uint8_t bytes[INSN_MAX_LENGTH + 1])
{
	static const uint8_t prefixes[] = {0x66, 0x67, 0xf2, 0xf3, 0xf0, 0x66, 0xf2, 0xf3, 0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65};
	static const uint8_t counts[] = {0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 2, 2, 2, 3, 4};
	uint64_t random = random_next(state);
	unsigned at = 0, count = counts[random & 15], map = random >> 4 & 15;
	bool rex = random >> 8 & 1;

	for (unsigned i = 0; i <= INSN_MAX_LENGTH; i++)
		bytes[i] = random_next(state) >> 32;
	while (at < count) {
		bytes[at] = prefixes[bytes[at] % sizeof prefixes];
		at++;
	}
	if (rex) {
		bytes[at] = 0x40 | (bytes[at] & 0xf);
		at++;
	}
	if (map < 10) {
		if (map >= 5 || map < 2)
			bytes[at++] = 0x0f;
		if (map < 2)
			bytes[at++] = map ? 0x38 : 0x3a;
	}
	if (random >> 12 & 1) /* half of the displacements and immediates small, zero among them */
		bytes[at + 2] &= bytes[at + 3] & 3;
}

/* -- main -- */

static int fail(const char *what, const char *name)
{
	fprintf(stderr, "sweep: %s: %s\n", name, what);
	return 2;
}

/* The sections with code of an open ELF file; elf may be NULL. */
static int sweep_sections(struct sweep *sweep, Elf *elf, const char *name)
{
	GElf_Ehdr header;

	if (!elf || !gelf_getehdr(elf, &header))
		return fail("cannot be read as ELF", name);
	if (!sweep_open(sweep, header.e_machine == EM_386 ? 32 : 64))
		return fail("cannot open Capstone", name);
	for (Elf_Scn *section = NULL; (section = elf_nextscn(elf, section));) {
		GElf_Shdr section_header;
		Elf_Data *data;

		if (!gelf_getshdr(section, &section_header) || !(section_header.sh_flags & SHF_EXECINSTR) ||
		    section_header.sh_type != SHT_PROGBITS)
			continue;
		data = elf_getdata(section, NULL);
		if (data && data->d_buf)
			sweep_linear(sweep, data->d_buf, data->d_size, section_header.sh_addr);
	}
	return 0;
}

static int sweep_elf(struct sweep *sweep, const char *name)
{
	int fd = open(name, O_RDONLY), status;
	Elf *elf;

	elf_version(EV_CURRENT);
	elf = fd < 0 ? NULL : elf_begin(fd, ELF_C_READ, NULL);
	status = sweep_sections(sweep, elf, name);
	elf_end(elf);
	close(fd);
	return status;
}

static int sweep_kernel(struct sweep *sweep, const char *name)
{
	struct file file = {0};
	struct kernel_image kernel = {0};
	struct error *err = file_open(name, &file);
	int status = 2;

	if (!err)
		err = kernel_image_open(file.data, file.size, &kernel);
	if (!err) {
		Elf *elf = elf_memory((char *)(uintptr_t)kernel.elf, kernel.elf_size);

		status = sweep_sections(sweep, elf, name);
		elf_end(elf);
	} else {
		fail(err->message, name);
	}
	error_destroy(err);
	kernel_image_close(&kernel);
	file_close(&file);
	return status;
}

static int sweep_raw(struct sweep *sweep, const char *name, unsigned bits)
{
	FILE *file = fopen(name, "rb");
	uint8_t *bytes;
	long size;

	if (!file || fseek(file, 0, SEEK_END) || (size = ftell(file)) < 0 || fseek(file, 0, SEEK_SET))
		return fail("cannot be read", name);
	bytes = malloc((size_t)size + 1);
	if (!bytes || fread(bytes, 1, (size_t)size, file) != (size_t)size || !sweep_open(sweep, bits))
		return fail("cannot be read", name);
	sweep_linear(sweep, bytes, (size_t)size, 0x1000);
	free(bytes);
	fclose(file);
	return 0;
}

static int sweep_random(struct sweep *sweep, uint64_t count, uint64_t seed, unsigned bits)
{
	uint8_t bytes[INSN_MAX_LENGTH + 1];
	uint64_t state = seed * 0x9e3779b97f4a7c15 + 1;

	if (!sweep_open(sweep, bits))
		return fail("cannot open Capstone", "random");
	for (uint64_t i = 0; i < count; i++) {
		random_bytes(&state, bytes);
		examine(sweep, bytes, sizeof bytes, 0x1000);
	}
	return 0;
}

static int usage(void)
{
	fprintf(stderr,
		"usage: sweep [-v] --random N [--seed S] --mode 16|32|64 | --elf FILE | --kernel FILE | --raw FILE --mode 16|32|64\n");
	return 2;
}

int main(int argc, char **argv)
{
	struct sweep sweep = {.isa = isa_create()};
	const char *elf = NULL, *kernel = NULL, *raw = NULL;
	uint64_t count = 0, seed = 1;
	unsigned bits = 0;
	bool verbose = false;
	int status;

	for (int i = 1; i < argc; i++) {
		const char *value = i + 1 < argc ? argv[i + 1] : NULL;

		if (!strcmp(argv[i], "-v")) {
			verbose = true;
			continue;
		}
		if (!value)
			return usage();
		if (!strcmp(argv[i], "--random"))
			count = strtoull(value, NULL, 0);
		else if (!strcmp(argv[i], "--seed"))
			seed = strtoull(value, NULL, 0);
		else if (!strcmp(argv[i], "--mode"))
			bits = (unsigned)strtoul(value, NULL, 10);
		else if (!strcmp(argv[i], "--elf"))
			elf = value;
		else if (!strcmp(argv[i], "--kernel"))
			kernel = value;
		else if (!strcmp(argv[i], "--raw"))
			raw = value;
		else
			return usage();
		i++;
	}
	if (!elf && !kernel && ((!raw && !count) || (bits != 16 && bits != 32 && bits != 64)))
		return usage();
	if (!sweep.isa)
		return fail("out of memory", "table");
	status = elf      ? sweep_elf(&sweep, elf)
		 : kernel ? sweep_kernel(&sweep, kernel)
		 : raw    ? sweep_raw(&sweep, raw, bits)
			  : sweep_random(&sweep, count, seed, bits);
	if (status == 0 && report(&sweep, verbose) != 0)
		status = 1;
	cs_free(sweep.insn, 1);
	cs_free(sweep.spare, 1);
	cs_close(&sweep.handle);
	if (sweep.handle32)
		cs_close(&sweep.handle32);
	free(sweep.classes);
	isa_destroy(sweep.isa);
	return status;
}
