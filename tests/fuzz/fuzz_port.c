/*
 * Fuzzes the xray86 port, by which a program in the trusted VM talks to the host: any calls in any order, with any registers and memory.
 * The host's end (session/courier.c) reads and writes the guest's memory and its own state alone. `make fuzz` builds and runs it.
 *
 * Input: calls of 16 bytes each: number, RBX, RCX and RSI, of 32 bits. Numbers are mostly those that exist.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "session/courier.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MEMORY = 2 << 20, CODE = 0x1000, CALLS = 16, STEPS = 50 };

static char first[] = "/bin/a", second[] = "/bin/b", maps[] = "/proc/self/maps", nothing[] = "/dev/null", variable[] = "b=c";
static struct program_file files[] = {{.path = first, .source = maps, .mode = 0755}, {.path = second, .source = nothing, .mode = 0644}};
static char *const list[] = {first, variable, NULL};

static const uint8_t code[] = {0xef, 0xf4}; /* out %eax, (%dx); hlt */

static struct machine *machine;

static void start(void)
{
	const struct machine_config config = {.memory = MEMORY, .acpi = true};

	if (machine_create(&config, &machine))
		abort();
	physmem_copy_in(&machine->mem, CODE, code, sizeof(code));
}

static ssize_t no_input(void *opaque, void *to, size_t size, bool idle)
{
	(void)opaque, (void)to, (void)size;
	return idle ? 0 : -1;
}

static int no_output(void *opaque, unsigned stream, const void *bytes, size_t size)
{
	(void)opaque, (void)bytes, (void)size;
	return stream == 1 ? 0 : ENOSPC;
}

static void call(const uint8_t *record)
{
	struct cpu *cpu = machine->cpu;
	uint32_t word[4];

	memcpy(word, record, sizeof(word));
	machine_enter_protected(machine, CODE, word[0] < 1u << 31 ? word[0] % (HYPERCALL_EXIT + 2) : word[0], word[1]);
	cpu->gpr[RDX] = PORT_HYPERCALL;
	cpu->gpr[RCX] = word[2];
	cpu->gpr[RSI] = word[3];
	machine_run(machine, cpu_instructions(cpu) + STEPS);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct program program = {.path = first, .file = files, .files = 2};
	struct courier courier = {.program = &program,
				  .argument = list,
				  .environment = list,
				  .directory = "/",
				  .folders = {"/bin:/usr/bin", "/lib"},
				  .streams = {no_input, no_output, NULL},
				  .first_pid = 30000};

	if (!machine)
		start();
	courier_init(&courier, machine);
	machine->hypercall.answers = NULL; /* it would answer programs alone, and the code here has privilege 0 */
	for (size_t i = 0; i + CALLS <= size; i += CALLS)
		call(data + i);
	courier_deinit(&courier);
	return 0;
}
