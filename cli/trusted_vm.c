/* The trusted VM: trusted_vm.h. */
#include "cli/trusted_vm.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cache.h"
#include "cli/commands.h"
#include "cli/progress.h"
#include "emu/cpuid.h"
#include "guest/agents.h"
#include "loader/checkpoint.h"
#include "loader/initramfs.h"
#include "loader/kernel_parameters.h"
#include "loader/linux_boot.h"

enum { BOOT_STEP = 20000000 /* instructions between looks at the clock */ };
static const uint64_t BOOT_LIMIT = 60000000000; /* instructions, idle time included: far more than any boot */

/* -- keys -- */

/* All that a checkpoint depends on. To be freed. */
static char *make_key(const struct trusted_kernel *kernel)
{
	enum kernel_arch arch = kernel->landmarks.x86_64 ? KERNEL_X86_64 : KERNEL_I386;
	char program[CACHE_PROGRAM_MAX], *parameters = trusted_command_line(arch, ""), *key = NULL;

	cache_program(program);
	if (parameters &&
	    asprintf(&key, "%s\n%s\nbase %#" PRIx64 "\nmemory %" PRIu64 " MiB%s\n%s\n", program, kernel->landmarks.banner.text,
		     kernel->base, kernel->memory >> 20, kernel->five_level ? ", 5-level paging" : "", parameters) < 0)
		key = NULL;
	free(parameters);
	return key;
}

/* -- the machine -- */

static struct error *create_machine(const struct trusted_kernel *kernel, struct trusted_vm *vm)
{
	const struct machine_config config = {
		.memory = kernel->memory,
		.epoch = RTC_DEFAULT_EPOCH,
		.acpi = true,
		.cpu_features = CPU_FEATURES_DEFAULT | (kernel->five_level ? CPU_FEATURE_LA57 : 0),
	};

	return machine_create(&config, &vm->machine);
}

/* The kernel's symbols, out of the machine's own memory. */
static struct error *open_symbols(struct trusted_vm *vm)
{
	const struct trusted_kernel *kernel = &vm->kernel;
	struct view view = {.pointer_size = kernel->landmarks.x86_64 ? 8 : 4, .base = kernel->base, .end = kernel->base};

	for (unsigned i = 0; i < kernel->pieces; i++) {
		uint64_t end = kernel->piece[i].vaddr + kernel->piece[i].size;

		view.piece[view.pieces++] = (struct view_piece){
			.vaddr = kernel->piece[i].vaddr,
			.memory_size = kernel->piece[i].size,
			.data = physmem_host(&vm->machine->mem, kernel->piece[i].paddr, false, true),
			.size = kernel->piece[i].size,
		};
		view.end = end > view.end ? end : view.end;
	}
	return symbols_open(&view, &kernel->exports, 0, &vm->symbols);
}

/* i386 kernels have their place in physical memory by their virtual base. */
static uint64_t memory_size(const struct landmarks *landmarks, uint64_t base, uint64_t wanted)
{
	const uint64_t mib = 1 << 20;
	uint64_t end = 0;

	if (wanted)
		return wanted;
	if (!landmarks->x86_64)
		end = base - (landmarks->link_base - landmarks->link_paddr) + landmarks->size;
	return (end + 256 * mib + mib - 1) & ~(mib - 1);
}

/* -- from a checkpoint -- */

/* Whether the file is for the kernel in the snapshot, at the place where it is, and for us; then everything is loaded. */
static bool try_checkpoint(const char *path, struct target *target, const struct kernel_sources *sources,
			   const struct trusted_vm_options *options, struct trusted_vm *vm)
{
	char *key = NULL, *wanted = NULL;
	struct error *err = NULL;
	bool good = checkpoint_peek(path, &vm->kernel, sizeof(vm->kernel), &key);

	good = good && (wanted = make_key(&vm->kernel)) && strcmp(key, wanted) == 0 &&
	       memory_size(&vm->kernel.landmarks, vm->kernel.base, options->memory) == vm->kernel.memory &&
	       (!sources->file || kernel_fits(sources->file, &vm->kernel.landmarks.banner));
	if (good) {
		err = product_find(target->snapshot, &vm->kernel.landmarks, &target->product);
		target->found = !err;
	}
	if (good && !err)
		err = product_complete(&target->product, &vm->kernel.landmarks);
	good = good && !err && target->product.vbase == vm->kernel.base &&
	       (target->product.paging.mode == PAGING_5LEVEL) == vm->kernel.five_level;
	if (good)
		err = create_machine(&vm->kernel, vm);
	good = good && !err && checkpoint_load(path, wanted, vm->machine, &vm->kernel, sizeof(vm->kernel));
	if (!good) {
		machine_destroy(vm->machine);
		vm->machine = NULL;
		if (target->found)
			product_deinit(&target->product);
		target->found = false;
	}
	error_destroy(err);
	free(key);
	free(wanted);
	return good;
}

static bool find_checkpoint(const char *directory, struct target *target, const struct kernel_sources *sources,
			    const struct trusted_vm_options *options, struct trusted_vm *vm)
{
	DIR *stream = opendir(directory);
	struct dirent *entry;
	bool found = false;

	while (!found && stream && (entry = readdir(stream))) {
		char *path;

		if (!has_cache_suffix(entry->d_name) || asprintf(&path, "%s/%s", directory, entry->d_name) < 0)
			continue;
		found = try_checkpoint(path, target, sources, options, vm);
		free(path);
	}
	if (stream)
		closedir(stream);
	return found;
}

/* -- by booting -- */

static struct error *lacks_kernel(struct error *lack)
{
	return lack ? lack : error_create("the snapshot's kernel was not identified");
}

static struct error *open_kernel(struct target *target, const char *snapshot_name, const struct kernel_sources *sources)
{
	struct error *lack = NULL, *err = target_identify(target, snapshot_name, sources, &lack);

	if (err) {
		error_destroy(lack);
		return err;
	}
	if (!target->found || !target->kernel_path || !target->product.cpus)
		return lacks_kernel(lack);
	error_destroy(lack);
	return NULL;
}

/* What is to be remembered of the kernel; it is relocated on the way. */
static struct error *describe(struct target *target, uint64_t memory, struct trusted_kernel *ret)
{
	struct kernel *kernel = &target->kernel;
	uint64_t delta = target->product.vbase - kernel->link_base;
	struct error *err;

	*ret = (struct trusted_kernel){
		.landmarks = target->landmarks,
		.base = target->product.vbase,
		.memory = memory,
		.five_level = target->product.paging.mode == PAGING_5LEVEL,
	};
	exports_locate_by_sections(kernel, &ret->exports);
	for (unsigned i = 0; i < ret->exports.count; i++) {
		ret->exports.range[i].start += delta;
		ret->exports.range[i].end += delta;
	}
	err = kernel_relocate(kernel, ret->base);
	for (unsigned i = 0; !err && i < kernel->segments; i++) {
		const struct kernel_segment *segment = &kernel->segment[i];

		ret->piece[ret->pieces].vaddr = segment->vaddr;
		ret->piece[ret->pieces].paddr = segment->paddr + (kernel->arch == KERNEL_I386 ? delta : 0);
		ret->piece[ret->pieces++].size = segment->memory_size;
	}
	return err;
}

static struct error *load(struct trusted_vm *vm, const struct kernel *kernel)
{
	bool wide = kernel->arch == KERNEL_X86_64;
	const uint8_t *agent = wide ? agent_x86_64 : agent_i386, *end = wide ? agent_x86_64_end : agent_i386_end;
	struct linux_initrd initrd = {0};
	uint8_t *archive = NULL;
	char *command_line = trusted_command_line(kernel->arch, "");
	struct linux_boot boot = {.command_line = command_line, .initrd = &initrd, .initrds = 1};
	struct error *err = command_line ? NULL : error_create("out of memory");

	if (!err)
		err = initramfs_build(agent, end - agent, &archive, &initrd.size);
	initrd.data = archive;
	if (!err)
		err = linux_boot(vm->machine, kernel, &boot);
	free(archive);
	free(command_line);
	return err;
}

static struct error *run_to_agent(struct trusted_vm *vm)
{
	struct progress progress = {0};
	enum machine_stop stop;

	progress_start(&progress, vm->machine, "booting the trusted kernel (once; kept for later runs)");
	do {
		stop = machine_run(vm->machine, cpu_instructions(vm->machine->cpu) + BOOT_STEP);
		progress_tick(&progress);
	} while (stop == MACHINE_STOP_LIMIT && cpu_instructions(vm->machine->cpu) < BOOT_LIMIT);
	progress_clear(&progress);
	if (stop != MACHINE_STOP_CPU || vm->courier->wish != COURIER_READY)
		return error_create("the trusted kernel did not come up (stop %d at RIP %#" PRIx64 "): does it have enough --memory?", stop,
				    vm->machine->cpu->rip);
	vm->courier->wish = COURIER_NONE;
	return NULL;
}

/* Not having a checkpoint is no reason to fail: the next run will be as slow as this one. */
static void keep(const char *directory, const struct trusted_vm *vm)
{
	char *key = make_key(&vm->kernel), *path = key ? cache_file(directory, key) : NULL;
	struct error *err = path ? checkpoint_save(path, key, vm->machine, &vm->kernel, sizeof(vm->kernel)) : NULL;

	if (err)
		fprintf(stderr, "xray86: note: the booted kernel is not kept for later runs: %s\n", err->message);
	error_destroy(err);
	free(path);
	free(key);
}

static struct error *boot(struct target *target, const char *snapshot_name, const struct kernel_sources *sources,
			  const struct trusted_vm_options *options, struct trusted_vm *vm)
{
	struct error *err = open_kernel(target, snapshot_name, sources);

	if (!err)
		err = options->identified(options->opaque, &target->product);
	if (!err)
		err = describe(target, memory_size(&target->landmarks, target->product.vbase, options->memory), &vm->kernel);
	if (!err)
		err = create_machine(&vm->kernel, vm);
	if (!err)
		err = load(vm, &target->kernel);
	if (err)
		return err;
	courier_init(vm->courier, vm->machine);
	return run_to_agent(vm);
}

struct error *trusted_vm_open(struct target *target, const char *snapshot_name, const struct kernel_sources *sources,
			      const struct trusted_vm_options *options, struct courier *courier, struct trusted_vm *ret)
{
	struct error *err = NULL, *no_cache = NULL;
	char *directory = options->use_cache ? cache_directory(&no_cache) : NULL;

	*ret = (struct trusted_vm){.courier = courier};
	if (no_cache)
		fprintf(stderr, "xray86: note: %s\n", no_cache->message);
	error_destroy(no_cache);
	if (directory && find_checkpoint(directory, target, sources, options, ret)) {
		ret->from_checkpoint = true;
		courier_init(courier, ret->machine);
		err = options->identified(options->opaque, &target->product);
	} else {
		err = boot(target, snapshot_name, sources, options, ret);
		if (!err && directory)
			keep(directory, ret);
	}
	if (!err)
		err = open_symbols(ret);
	free(directory);
	return err;
}

void trusted_vm_close(struct trusted_vm *vm)
{
	symbols_close(&vm->symbols);
	machine_destroy(vm->machine);
}
