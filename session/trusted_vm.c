/* The trusted VM: trusted_vm.h. */
#include "session/trusted_vm.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "emu/cpuid.h"
#include "guest/agents.h"
#include "session/checkpoint.h"
#include "session/courier.h"
#include "loader/initramfs.h"
#include "loader/kernel_parameters.h"
#include "loader/linux_boot.h"
#include "util/align.h"

enum { BOOT_STEP = 20000000 /* instructions between looks at the clock */ };
static const uint64_t BOOT_LIMIT = 60000000000; /* instructions, idle time included: far more than any boot */

/* -- the machine -- */

static struct error *create_machine(const struct trusted_kernel *kernel, struct machine **ret)
{
	const struct machine_config config = {
		.memory = kernel->memory,
		.epoch = RTC_DEFAULT_EPOCH,
		.acpi = true,
		.cpu_features = CPU_FEATURES_DEFAULT | (kernel->five_level ? CPU_FEATURE_LA57 : 0),
	};

	return machine_create(&config, ret);
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
	return align_up(end + 256 * mib, mib);
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

/* *ret is NULL without an error if the checkpoint is damaged. */
static struct error *load_machine(const struct checkpoint *checkpoint, const struct trusted_kernel *kernel, struct machine **ret)
{
	struct error *err = create_machine(kernel, ret);

	if (!err && checkpoint_load(checkpoint, *ret))
		return NULL;
	machine_destroy(*ret);
	*ret = NULL;
	return err;
}

/* The one that the symbols are read from. */
static struct error *load_first(const struct checkpoint *checkpoint, struct trusted_vm *vm)
{
	struct error *err = load_machine(checkpoint, &vm->kernel, &vm->machine);

	if (!err && vm->machine)
		err = trusted_kernel_symbols(&vm->kernel, vm->machine, &vm->symbols);
	if (err) {
		machine_destroy(vm->machine);
		vm->machine = NULL;
	}
	return err;
}

struct search {
	struct target *target;
	const struct kernel_sources *sources;
	const struct trusted_vm_options *options;
	struct trusted_vm *vm;
};

static bool try_checkpoint(const struct search *search, const struct checkpoint *checkpoint)
{
	struct trusted_vm *vm = search->vm;

	if (!is_wanted(checkpoint, search->sources, search->options, &vm->kernel) || !is_in_snapshot(search->target, &vm->kernel))
		return false;
	error_destroy(load_first(checkpoint, vm));
	return vm->machine;
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
		note(&search->options->notes, "a booted kernel is not used: in %s, %s", search->options->cache->path, err->message);
	error_destroy(err);
	*ret_enough = checkpoint && try_checkpoint(search, checkpoint);
	if (*ret_enough)
		search->vm->checkpoint = checkpoint;
	else
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
	return lack ? lack : error_create_code(ERROR_NO_KERNEL, "the snapshot's kernel was not identified");
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
	if (!err)
		rodata_locate(kernel, &ret->rodata);
	for (unsigned i = 0; !err && i < kernel->segments; i++) {
		const struct kernel_segment *segment = &kernel->segment[i];

		ret->piece[ret->pieces].vaddr = segment->vaddr;
		ret->piece[ret->pieces].paddr = segment->paddr + (kernel->arch == KERNEL_I386 ? delta : 0);
		ret->piece[ret->pieces++].size = segment->memory_size;
	}
	return err;
}

static struct error *load(struct machine *machine, const struct kernel_image *kernel)
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
		err = linux_boot(machine, kernel, &boot);
	free(archive);
	free(command_line);
	return err;
}

static struct error *run_to_agent(struct machine *machine, const struct courier *courier, const struct trusted_vm_options *options)
{
	enum machine_stop stop;

	do {
		stop = machine_run(machine, cpu_instructions(machine->cpu) + BOOT_STEP);
		progress_tell(&options->progress, "booting the trusted kernel (once; kept for later runs)", cpu_instructions(machine->cpu));
	} while (stop == MACHINE_STOP_LIMIT && cpu_instructions(machine->cpu) < BOOT_LIMIT && !cancel_wanted(&options->cancel));
	progress_tell(&options->progress, NULL, cpu_instructions(machine->cpu));
	if (cancel_wanted(&options->cancel))
		return error_create_code(ERROR_CANCELLED, "booting the trusted kernel was stopped");
	if (stop != MACHINE_STOP_CPU || courier->wish != COURIER_READY)
		return error_create("the trusted kernel did not start (stop %d at RIP %#" PRIx64 "): try more --memory", stop,
				    machine->cpu->rip);
	return NULL;
}

/* The courier has nothing to hand out yet: it hears that the agent is ready. */
static struct error *boot_machine(struct machine *machine, const struct kernel_image *kernel, const struct trusted_vm_options *options)
{
	struct courier *courier = calloc(1, sizeof(*courier)); /* buffers are in it, too large for small stacks */
	struct error *err = courier ? load(machine, kernel) : error_create("out of memory");

	if (!err) {
		courier_init(courier, machine);
		err = run_to_agent(machine, courier, options);
		machine->hypercall.call = NULL;
		courier_deinit(courier);
	}
	free(courier);
	return err;
}

/* -- for later commands -- */

/* In the cache, for later sessions as well. Not having that is no reason to fail: the next run will be as slow as this one. */
static void keep_in_cache(const struct trusted_vm_options *options, const char *key, struct trusted_vm *vm)
{
	const struct cache *cache = options->cache;
	char *name = cache_file(key);
	struct error *err = name ? checkpoint_save(cache->directory, name, key, vm->machine, &vm->kernel, sizeof(vm->kernel)) : NULL;

	if (err)
		note(&options->notes, "the booted kernel is not kept for later runs: %s: %s", cache->path, err->message);
	else if (name && !options->once)
		err = checkpoint_open(cache->directory, name, sizeof(vm->kernel), &vm->checkpoint);
	error_destroy(err);
	free(name);
}

static struct error *keep(const struct trusted_vm_options *options, struct trusted_vm *vm)
{
	char *key = trusted_kernel_key(&vm->kernel);
	struct error *err = key ? NULL : error_create("out of memory");

	if (!err && options->cache->directory >= 0)
		keep_in_cache(options, key, vm);
	if (!err && !options->once && !vm->checkpoint)
		err = checkpoint_hold(key, vm->machine, &vm->kernel, sizeof(vm->kernel), &vm->checkpoint);
	free(key);
	return err;
}

/* -- the whole -- */

static struct error *boot(struct target *target, const struct kernel_sources *sources, const struct trusted_vm_options *options,
			  struct trusted_vm *vm)
{
	struct error *err = open_kernel(target, sources);

	if (!err)
		err = options->identified(options->opaque, &target->product);
	if (!err)
		err = describe(target, memory_size(&target->landmarks, target->product.vbase, options->memory), &vm->kernel);
	if (!err)
		err = create_machine(&vm->kernel, &vm->machine);
	if (!err)
		err = boot_machine(vm->machine, &target->kernel, options);
	if (!err)
		trusted_kernel_compare(&vm->kernel, &target->kernel, vm->machine);
	if (!err)
		err = keep(options, vm);
	if (err || options->once)
		return err ? err : trusted_kernel_symbols(&vm->kernel, vm->machine, &vm->symbols);
	machine_destroy(vm->machine); /* its memory goes back: what it was is in the checkpoint */
	vm->machine = NULL;
	err = load_first(vm->checkpoint, vm);
	return err || vm->machine ? err : error_create("the booted kernel was kept, and is damaged");
}

struct error *trusted_vm_open(struct target *target, const struct kernel_sources *sources, const struct trusted_vm_options *options,
			      struct trusted_vm *ret)
{
	struct error *err, *lack;

	*ret = (struct trusted_vm){.once = options->once};
	if (options->cache->directory >= 0 && find_checkpoint(target, sources, options, ret))
		err = options->identified(options->opaque, &target->product);
	else
		err = boot(target, sources, options, ret);
	lack = err ? NULL : target_lacks_memory(target);
	if (lack)
		note(&options->notes, "%s", lack->message);
	error_destroy(lack);
	return err;
}

struct error *trusted_vm_start(struct trusted_vm *vm, struct machine **ret)
{
	struct error *err;

	*ret = NULL;
	if (vm->once) {
		if (vm->used)
			return error_create("the trusted VM was made for one command");
		vm->used = true;
		*ret = vm->machine;
		return NULL;
	}
	err = load_machine(vm->checkpoint, &vm->kernel, ret);
	return err || *ret ? err : error_create("the booted kernel that was kept is damaged");
}

void trusted_vm_end(struct trusted_vm *vm, struct machine *machine)
{
	if (machine != vm->machine)
		machine_destroy(machine);
}

void trusted_vm_close(struct trusted_vm *vm)
{
	symbols_close(&vm->symbols);
	machine_destroy(vm->machine);
	checkpoint_close(vm->checkpoint);
	*vm = (struct trusted_vm){0};
}
