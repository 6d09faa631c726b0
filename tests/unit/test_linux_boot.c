/* Placing kernels: what stands where in the machine's memory and CPU, what is refused, and kernel parameters. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "emu/cpu_model.h"
#include "emu/cpuid.h"
#include "kernel_rig.h"
#include "loader/kernel_parameters.h"
#include "loader/linux_boot.h"

enum { MEMORY = 64 << 20, PAGE = 4096 };

struct test {
	struct bytes image;
	struct kernel_image kernel;
	struct machine *machine;
	struct linux_boot boot;
};

static void setup_with(struct test *test, struct bytes elf, const struct machine_config *config)
{
	*test = (struct test){.image = make_bzimage(pack_lz4(elf.data, elf.size)), .boot = {.command_line = "console=ttyS0"}};
	free(elf.data);
	assert_ok(kernel_image_open(test->image.data, test->image.size, &test->kernel));
	assert_ok(machine_create(config, &test->machine));
}

static void setup64(struct test *test)
{
	setup_with(test, make_vmlinux64(NULL, 0), &(struct machine_config){.memory = MEMORY, .acpi = true});
}

static void teardown(struct test *test)
{
	machine_destroy(test->machine);
	kernel_image_close(&test->kernel);
	free(test->image.data);
}

static uint64_t get(const struct test *test, uint64_t paddr, unsigned size)
{
	return physmem_read(&test->machine->mem, paddr, size);
}

static void assert_text(const struct test *test, uint64_t paddr, const char *text)
{
	for (size_t i = 0; i <= strlen(text); i++)
		assert_int_equal(get(test, paddr + i, 1), (uint8_t)text[i]);
}

static void kernel_is_in_memory(void **state)
{
	struct test test;

	(void)state;
	setup64(&test);
	assert_ok(linux_boot(test.machine, &test.kernel, &test.boot));
	assert_int_equal(get(&test, RIG_TEXT, 1), 0x90);
	assert_int_equal(get(&test, RIG_TEXT + RIG_TEXT_SIZE - 1, 1), 0x90);
	assert_int_equal(get(&test, RIG_DATA + RIG_DATA_SIZE - 1, 1), 0x11);
	assert_int_equal(get(&test, RIG_DATA + RIG_DATA_SIZE, 1), 0);
	teardown(&test);
}

/* Reading the page that RSI points to, as the kernel would. */
static void boot_params_say(void **state)
{
	static const uint8_t archive[] = "0123456";
	const struct linux_initrd initrds[] = {{archive, 7}, {archive, 0}, {archive, 5}};
	uint64_t page, initrd;
	struct test test;

	(void)state;
	setup64(&test);
	test.boot.initrd = initrds;
	test.boot.initrds = 3;
	assert_ok(linux_boot(test.machine, &test.kernel, &test.boot));
	page = test.machine->cpu->gpr[RSI];
	assert_int_equal(get(&test, page + 0x070, 8), 0xe0000); /* acpi_rsdp_addr */
	assert_int_equal(get(&test, page + 0x1ef, 1), 0);       /* sentinel */
	assert_int_equal(get(&test, page + 0x1f1, 1), RIG_SETUP_SECTORS);
	assert_int_equal(get(&test, page + 0x202, 4), 0x53726448);
	assert_int_equal(get(&test, page + 0x206, 2), 0x20f);
	assert_int_equal(get(&test, page + 0x210, 1), 0xff); /* type_of_loader */
	assert_int_equal(get(&test, page + 0x211, 1), 1);    /* loadflags */
	assert_int_equal(get(&test, page + 0x260, 4), 0x400000);
	assert_text(&test, get(&test, page + 0x228, 4), "console=ttyS0");
	initrd = get(&test, page + 0x218, 4);
	assert_int_equal(get(&test, page + 0x21c, 4), 8 + 5);
	assert_int_equal(initrd % PAGE, 0);
	assert_in_range(initrd, RIG_TEXT + 0x400000, MEMORY - 13);
	assert_int_equal(get(&test, initrd, 4), 0x33323130);
	assert_int_equal(get(&test, initrd + 7, 1), 0);
	assert_int_equal(get(&test, initrd + 8, 4), 0x33323130);
	/* E820: the first range is low memory. */
	assert_true(get(&test, page + 0x1e8, 1) >= 2);
	assert_int_equal(get(&test, page + 0x2d0, 8), 0);
	assert_int_equal(get(&test, page + 0x2d8, 8), 640 << 10);
	assert_int_equal(get(&test, page + 0x2e0, 4), 1);
	teardown(&test);
}

static void enters_64(void **state)
{
	struct cpu *cpu;
	struct test test;

	(void)state;
	setup64(&test);
	assert_ok(linux_boot(test.machine, &test.kernel, &test.boot));
	cpu = test.machine->cpu;
	assert_int_equal(cpu->rip, RIG_ENTRY);
	assert_true(cpu_long_mode(cpu) && cpu_code64(cpu));
	assert_int_equal(cpu->seg[SEG_CS].selector, 0x10);
	assert_int_equal(cpu->seg[SEG_SS].selector, 0x18);
	assert_int_equal(cpu_get_eflags(cpu), 2);
	/* The GDT agrees with the segment registers, and the tables map what is needed: the kernel, and 4 GiB - 1. */
	assert_int_equal(get(&test, cpu->gdtr.base + 0x10, 8), 0x00af9b000000ffff);
	for (uint64_t address = RIG_ENTRY; address < 1ull << 32; address += 0xfeffffbf) {
		uint64_t pdpt = get(&test, cpu->cr3 + 8 * (address >> 39), 8) & PAGE_MASK;
		uint64_t directory = get(&test, pdpt + 8 * (address >> 30), 8) & PAGE_MASK;

		assert_int_equal(get(&test, directory + 8 * (address >> 21 & 511), 8), (address & ~0x1fffffull) | 0x83);
	}
	teardown(&test);
}

static void enters_32(void **state)
{
	const uint32_t lists[] = {0};
	const struct machine_config config = {.memory = MEMORY};
	struct cpu *cpu;
	struct test test;

	(void)state;
	setup_with(&test, make_vmlinux32(lists, 1), &config);
	assert_ok(kernel_image_relocate(&test.kernel, RIG_MAP_32 + 0x1800000));
	assert_ok(linux_boot(test.machine, &test.kernel, &test.boot));
	cpu = test.machine->cpu;
	assert_int_equal(cpu->rip, RIG_ENTRY + 0x800000);
	assert_int_equal(get(&test, 0x1800000, 1), 0x90);
	assert_int_equal(get(&test, RIG_TEXT, 1), 0);
	assert_false(cpu_long_mode(cpu) || (cpu->cr0 & CR0_PG));
	assert_true(cpu->cr0 & CR0_PE);
	assert_int_equal(cpu->gpr[RBP] | cpu->gpr[RDI] | cpu->gpr[RBX], 0);
	assert_int_equal(get(&test, cpu->gdtr.base + 0x10, 8), 0x00cf9b000000ffff);
	/* Without ACPI tables there is no RSDP to tell of, and no local APIC to be seen. */
	assert_int_equal(get(&test, cpu->gpr[RSI] + 0x070, 8), 0);
	assert_int_equal(cpuid_query(cpu, 1, 0).edx & 1 << 9, 0);
	teardown(&test);
}

static void bare_vmlinux(void **state)
{
	struct bytes elf = make_vmlinux64(NULL, 0);
	struct test test = {.boot = {.command_line = ""}};
	uint64_t page;

	(void)state;
	assert_ok(kernel_image_open(elf.data, elf.size, &test.kernel));
	assert_ok(machine_create(&(struct machine_config){.memory = MEMORY, .acpi = true}, &test.machine));
	assert_ok(linux_boot(test.machine, &test.kernel, &test.boot));
	page = test.machine->cpu->gpr[RSI];
	assert_int_equal(get(&test, page + 0x202, 4), 0x53726448);
	assert_int_equal(get(&test, page + 0x206, 2), 0x20f);
	assert_true(cpuid_query(test.machine->cpu, 1, 0).edx & 1 << 9);
	teardown(&test);
	free(elf.data);
}

/* -- what does not fit -- */

static void refuse_in(const struct machine_config *config, const struct linux_initrd *initrd, const char *words)
{
	struct test test;

	setup_with(&test, make_vmlinux64(NULL, 0), config);
	test.boot.initrd = initrd;
	test.boot.initrds = initrd ? 1 : 0;
	assert_error(linux_boot(test.machine, &test.kernel, &test.boot), words);
	teardown(&test);
}

static void refuses(void **state)
{
	uint8_t *big = calloc(1, MEMORY);
	char line[2100];
	struct test test;

	(void)state;
	refuse_in(&(struct machine_config){.memory = 16 << 20}, NULL, "give at least --memory 64");
	refuse_in(&(struct machine_config){.memory = MEMORY}, &(struct linux_initrd){big, MEMORY}, "smaller --initrd");
	refuse_in(&(struct machine_config){.memory = MEMORY, .cpu_features = cpu_model_find("i686")->features}, NULL, "limited to 32 bits");
	free(big);
	setup64(&test);
	memset(line, 'a', sizeof(line));
	line[2048] = '\0';
	test.boot.command_line = line;
	assert_error(linux_boot(test.machine, &test.kernel, &test.boot), "2048 characters, and this kernel takes 2047");
	line[2047] = '\0';
	assert_ok(linux_boot(test.machine, &test.kernel, &test.boot));
	test.kernel.setup.cmdline_size = UINT32_MAX; /* the loader's own limit */
	assert_ok(linux_boot(test.machine, &test.kernel, &test.boot));
	teardown(&test);
}

/* The limit that the kernel sets; above 4 GiB only for those that say so. */
static void initrd_places(void **state)
{
	static const uint8_t archive[8192];
	const struct linux_initrd initrd = {archive, sizeof(archive)};
	const struct machine_config config = {.memory = 4ull << 30};
	struct test test;

	(void)state;
	setup_with(&test, make_vmlinux64(NULL, 0), &config);
	test.boot.initrd = &initrd;
	test.boot.initrds = 1;
	test.kernel.setup.initrd_addr_max = 0x2ffffff;
	assert_ok(linux_boot(test.machine, &test.kernel, &test.boot));
	assert_int_equal(get(&test, 0x10218, 4), 0x3000000 - 8192);
	test.kernel.setup.initrd_addr_max = RIG_TEXT + 0x400000;
	assert_ok(linux_boot(test.machine, &test.kernel, &test.boot));
	assert_int_equal(get(&test, 0x10218, 4) | get(&test, 0x100c0, 4) << 32, (5ull << 30) - 8192);
	test.kernel.setup.xloadflags = 0;
	assert_error(linux_boot(test.machine, &test.kernel, &test.boot), "does not fit");
	teardown(&test);
}

/* -- parameters and processors -- */

static void parameters(void **state)
{
	char *line64 = trusted_command_line(KERNEL_X86_64, "init=/x"), *line32 = trusted_command_line(KERNEL_I386, "");

	(void)state;
	assert_non_null(strstr(line64, " vdso=0 "));
	assert_null(strstr(line64, "noisapnp"));
	assert_string_equal(line64 + strlen(line64) - 8, " init=/x");
	assert_non_null(strstr(line32, " noisapnp "));
	assert_null(strstr(line32, " vdso=0"));
	assert_string_equal(line32 + strlen(line32) - 9, " vdso32=0");
	for (const struct kernel_parameter *parameter = trusted_parameters; parameter->text; parameter++)
		assert_true(*parameter->reason && parameter->arches);
	free(line64);
	free(line32);
}

static void models(void **state)
{
	struct machine_config config = {.memory = MEMORY, .cpu_features = cpu_model_find("i686")->features};
	struct machine *machine;

	(void)state;
	assert_null(cpu_model_find("z80"));
	assert_ok(machine_create(&config, &machine));
	assert_int_equal(cpuid_query(machine->cpu, 0x80000001, 0).edx & 1u << 29, 0);
	assert_true(cpuid_query(machine->cpu, 1, 0).edx & 1 << 6);
	machine_destroy(machine);
	config.cpu_features = 0;
	assert_ok(machine_create(&config, &machine));
	assert_true(cpuid_query(machine->cpu, 0x80000001, 0).edx & 1u << 29);
	machine_destroy(machine);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(kernel_is_in_memory), cmocka_unit_test(boot_params_say), cmocka_unit_test(enters_64),
		cmocka_unit_test(enters_32),           cmocka_unit_test(bare_vmlinux),    cmocka_unit_test(refuses),
		cmocka_unit_test(initrd_places),       cmocka_unit_test(parameters),      cmocka_unit_test(models),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
