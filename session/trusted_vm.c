/* The trusted VM: trusted_vm.h. */
#include "session/trusted_vm.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/progress.h"
#include "emu/cpuid.h"
#include "guest/agents.h"
#include "session/checkpoint.h"
#include "loader/initramfs.h"
#include "loader/kernel_parameters.h"
#include "loader/linux_boot.h"

enum { BOOT_STEP = 20000000 /* instructions between looks at the clock */ };
static const uint64_t BOOT_LIMIT = 60000000000; /* instructions, idle time included: far more than any boot */

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

/* Whether it is for us, and for a kernel and a machine as they are wanted. */
static bool is_wanted(const struct checkpoint *checkpoint, const struct kernel_sources *sources, const struct trusted_vm_options *options,
		      struct trusted_kernel *ret)
{
	char *wanted = trusted_kernel_read(checkpoint, ret) ? trusted_kernel_key(ret) : NULL;
	bool good = wanted && strcmp(checkpoint_key(checkpoint), wanted) == 0 &&
		    memory_size(&ret->landmarks, ret->base, options->memory) == ret->memory &&
		    (!sources->file || kernel_fits(sources->file, &ret->landmarks.banner));

	free(wanted);
	return good;
}

/* Whether the kernel is the one in the snapshot, at the place where it is. */
static bool is_in_snapshot(struct target *target, const struct trusted_kernel *kernel)
{
	if (!target_recognise(target, &kernel->landmarks))
		return false;
	if (target->product.vbase == kernel->base && (target->product.paging.mode == PAGING_5LEVEL) == kernel->five_level)
		return true;
	target_forget(target);
	return false;
}

static bool load_machine(const struct checkpoint *checkpoint, struct trusted_vm *vm)
{
	struct error *err = create_machine(&vm->kernel, vm);

	if (!err && checkpoint_load(checkpoint, vm->machine) && !(err = trusted_kernel_symbols(&vm->kernel, vm->machine, &vm->symbols)))
		return true;
	error_destroy(err);
	machine_destroy(vm->machine);
	vm->machine = NULL;
	return false;
}

struct search {
	struct target *target;
	const struct kernel_sources *sources;
	const struct trusted_vm_options *options;
	struct trusted_vm *vm;
};

static bool try_checkpoint(const struct search *search, const struct checkpoint *checkpoint)
{
	return is_wanted(checkpoint, search->sources, search->options, &search->vm->kernel) &&
	       is_in_snapshot(search->target, &search->vm->kernel) && load_machine(checkpoint, search->vm);
}

static struct error *visit(void *opaque, const char *name, bool *ret_enough)
{
	const struct search *search = opaque;
	struct checkpoint *checkpoint;
	struct error *err;

	if (!cache_has_suffix(name))
		return NULL;
	err = checkpoint_open(search->options->cache->directory, name, sizeof(struct trusted_kernel), &checkpoint);
	if (err)
		fprintf(stderr, "xray86: note: a booted kernel is not used: in %s, %s\n", search->options->cache->path, err->message);
	error_destroy(err);
	*ret_enough = checkpoint && try_checkpoint(search, checkpoint);
	checkpoint_close(checkpoint);
	return NULL;
}

static bool find_checkpoint(struct target *target, const struct kernel_sources *sources, const struct trusted_vm_options *options,
			    struct trusted_vm *vm)
{
	struct search search = {target, sources, options, vm};

	error_destroy(cache_for_each(options->cache, visit, &search)); /* then there is none */
	return vm->machine;
}

/* -- by booting -- */

static struct error *lacks_kernel(struct error *lack)
{
	return lack ? lack : error_create("the snapshot's kernel was not identified");
}

static struct error *open_kernel(struct target *target, const struct kernel_sources *sources)
{
	struct error *lack = NULL, *err = target_identify(target, sources, &lack);

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
	struct kernel_image *kernel = &target->kernel;
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
	err = kernel_image_relocate(kernel, ret->base);
	for (unsigned i = 0; !err && i < kernel->segments; i++) {
		const struct kernel_segment *segment = &kernel->segment[i];

		ret->piece[ret->pieces].vaddr = segment->vaddr;
		ret->piece[ret->pieces].paddr = segment->paddr + (kernel->arch == KERNEL_I386 ? delta : 0);
		ret->piece[ret->pieces++].size = segment->memory_size;
	}
	return err;
}

static struct error *load(struct trusted_vm *vm, const struct kernel_image *kernel)
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

static struct error *run_to_agent(struct trusted_vm *vm, const struct cancel *cancel)
{
	struct progress progress = {0};
	enum machine_stop stop;

	progress_start(&progress, vm->machine, "booting the trusted kernel (once; kept for later runs)");
	do {
		stop = machine_run(vm->machine, cpu_instructions(vm->machine->cpu) + BOOT_STEP);
		progress_tick(&progress);
	} while (stop == MACHINE_STOP_LIMIT && cpu_instructions(vm->machine->cpu) < BOOT_LIMIT && !cancel_wanted(cancel));
	progress_clear(&progress);
	if (cancel_wanted(cancel))
		return error_create("booting the trusted kernel was stopped");
	if (stop != MACHINE_STOP_CPU || vm->courier->wish != COURIER_READY)
		return error_create("the trusted kernel did not come up (stop %d at RIP %#" PRIx64 "): does it have enough --memory?", stop,
				    vm->machine->cpu->rip);
	vm->courier->wish = COURIER_NONE;
	return NULL;
}

/* Not having a checkpoint is no reason to fail: the next run will be as slow as this one. */
static void keep(const struct cache *cache, const struct trusted_vm *vm)
{
	char *key = trusted_kernel_key(&vm->kernel), *name = key ? cache_file(key) : NULL;
	struct error *err = name ? checkpoint_save(cache->directory, name, key, vm->machine, &vm->kernel, sizeof(vm->kernel)) : NULL;

	if (err)
		fprintf(stderr, "xray86: note: the booted kernel is not kept for later runs: %s: %s\n", cache->path, err->message);
	error_destroy(err);
	free(name);
	free(key);
}

static struct error *boot(struct target *target, const struct kernel_sources *sources, const struct trusted_vm_options *options,
			  struct trusted_vm *vm)
{
	struct error *err = open_kernel(target, sources);

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
	return run_to_agent(vm, &options->cancel);
}

struct error *trusted_vm_open(struct target *target, const struct kernel_sources *sources, const struct trusted_vm_options *options,
			      struct courier *courier, struct trusted_vm *ret)
{
	bool cached = options->cache->directory >= 0;
	struct error *err;

	*ret = (struct trusted_vm){.courier = courier};
	if (cached && find_checkpoint(target, sources, options, ret)) {
		ret->from_checkpoint = true;
		courier_init(courier, ret->machine);
		return options->identified(options->opaque, &target->product);
	}
	err = boot(target, sources, options, ret);
	if (!err && cached)
		keep(options->cache, ret);
	return err ? err : trusted_kernel_symbols(&ret->kernel, ret->machine, &ret->symbols);
}

void trusted_vm_close(struct trusted_vm *vm)
{
	symbols_close(&vm->symbols);
	machine_destroy(vm->machine);
}
