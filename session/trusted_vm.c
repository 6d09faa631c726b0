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
#include "loader/kernel_another.h"
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

static bool has_five_levels(const struct target *target)
{
	return target->product.paging.mode == PAGING_5LEVEL;
}

/* Whether the kernel is the one in the snapshot, at the place where it is. */
static bool is_in_snapshot(struct target *target, const struct trusted_kernel *kernel)
{
	if (!target_recognise(target, &kernel->landmarks))
		return false;
	if (target->product.vbase == kernel->base && has_five_levels(target) == kernel->five_level)
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

/* Whether it is where another kernel than the snapshot's is put. */
static bool is_at_its_place(const struct target *target, const struct trusted_kernel *kernel)
{
	return kernel->landmarks.x86_64 == target->product.x86_64 && kernel->base == kernel->landmarks.link_base &&
	       kernel->five_level == has_five_levels(target);
}

struct search {
	struct target *target;
	const struct kernel_sources *sources;
	const struct trusted_vm_options *options;
	struct trusted_vm *vm;
	bool another; /* sources->file is another kernel */
};

static bool try_checkpoint(const struct search *search, const struct checkpoint *checkpoint)
{
	struct trusted_vm *vm = search->vm;

	if (!is_wanted(checkpoint, search->sources, search->options, &vm->kernel))
		return false;
	if (search->another ? !is_at_its_place(search->target, &vm->kernel) : !is_in_snapshot(search->target, &vm->kernel))
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

static bool find_checkpoint(const struct search *search)
{
	if (search->options->cache->directory < 0)
		return false;
	error_destroy(cache_for_each(search->options->cache, visit, (void *)search)); /* then there is none */
	return search->vm->machine;
}

/* -- by booting -- */

/* The image of a kernel that is to be booted, and where. */
struct image {
	struct kernel_image *kernel;
	const struct landmarks *landmarks;
	uint64_t base;
	bool five_level;
};

/* What is to be remembered of the kernel; it is relocated on the way. */
static struct error *describe(const struct image *image, uint64_t memory, struct trusted_kernel *ret)
{
	struct kernel_image *kernel = image->kernel;
	uint64_t delta = image->base - kernel->link_base;
	struct error *err;

	*ret = (struct trusted_kernel){
		.landmarks = *image->landmarks,
		.base = image->base,
		.memory = memory,
		.five_level = image->five_level,
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

static struct error *boot(const struct image *image, const struct trusted_vm_options *options, struct trusted_vm *vm)
{
	struct error *err = describe(image, memory_size(image->landmarks, image->base, options->memory), &vm->kernel);

	if (!err)
		err = create_machine(&vm->kernel, &vm->machine);
	if (!err)
		err = boot_machine(vm->machine, image->kernel, options);
	if (!err)
		trusted_kernel_compare(&vm->kernel, image->kernel, vm->machine);
	if (!err)
		err = keep(options, vm);
	if (err || options->once)
		return err ? err : trusted_kernel_symbols(&vm->kernel, vm->machine, &vm->symbols);
	machine_destroy(vm->machine); /* its memory goes back: what it was is in the checkpoint */
	vm->machine = NULL;
	err = load_first(vm->checkpoint, vm);
	return err || vm->machine ? err : error_create("the booted kernel was kept, and is damaged");
}

static struct error *open_same(const struct search *search)
{
	const struct trusted_vm_options *options = search->options;
	struct target *target = search->target;
	const struct image image = {&target->kernel, &target->landmarks, target->product.vbase, has_five_levels(target)};
	struct error *err = options->identified(options->opaque, &target->product);

	return err ? err : boot(&image, options, search->vm);
}

/* -- another kernel -- */

static struct error *boot_another(const struct search *search)
{
	const struct target *target = search->target;
	struct kernel_image kernel = {0};
	struct landmarks landmarks;
	struct file file;
	struct error *err = file_open(search->sources->file, &file);

	if (err)
		return err;
	err = kernel_image_open(file.data, file.size, &kernel);
	if (!err)
		err = landmarks_of(&kernel, &landmarks);
	if (!err && landmarks.x86_64 != target->product.x86_64)
		err = error_create("it is a %s kernel, and the snapshot's is not", landmarks.x86_64 ? "64-bit" : "32-bit");
	if (err)
		error_prefix(err, "%s", search->sources->file);
	else
		err = boot(&(struct image){&kernel, &landmarks, landmarks.link_base, has_five_levels(target)}, search->options, search->vm);
	kernel_image_close(&kernel);
	file_close(&file);
	return err;
}

static struct error *open_another_file(const struct search *search, const char *path)
{
	const struct kernel_sources sources = {.file = path};
	struct search another = *search;

	another.sources = &sources;
	another.another = true;
	return find_checkpoint(&another) ? NULL : boot_another(&another);
}

struct others {
	const struct search *search;
	struct error *err; /* of the last one that was tried */
	bool tried;
};

static bool try_another(void *opaque, const char *path)
{
	struct others *others = opaque;

	error_destroy(others->err);
	others->tried = true;
	others->err = open_another_file(others->search, path);
	return !others->err || cancel_wanted(&others->search->options->cancel);
}

/* lack: why it is not one of the build. */
static struct error *open_another(const struct search *search, struct error *lack)
{
	const struct trusted_vm_options *options = search->options;
	const struct product *product = &search->target->product;
	const struct kernel_wish wish = {&product->banner, product->x86_64, has_five_levels(search->target)};
	struct others others = {.search = search};
	struct error *err = options->identified(options->opaque, product);

	search->vm->lack = lack;
	if (err)
		return err;
	if (search->sources->file)
		return open_another_file(search, search->sources->file);
	kernel_another(&wish, search->sources, try_another, &others);
	if (others.tried)
		return others.err;
	return error_create_code(ERROR_NO_KERNEL, "%s; nor is there another %s kernel to run the command by", lack->message,
				 product->x86_64 ? "64-bit" : "32-bit");
}

/* -- which one -- */

/* Why the file that is given is not the snapshot's kernel. NULL: it is. */
static struct error *judge_file(const struct target *target, const char *file)
{
	if (kernel_fits(file, &target->product.banner))
		return NULL;
	return error_create_code(ERROR_NO_KERNEL, "%s is another kernel than the snapshot's, Linux %s", file,
				 target->product.banner.release);
}

static struct error *open_vm(const struct search *search)
{
	const struct trusted_vm_options *options = search->options;
	struct target *target = search->target;
	struct error *lack = NULL, *err;

	if (find_checkpoint(search))
		return options->identified(options->opaque, &target->product);
	if (options->choice == TRUSTED_GIVEN && search->sources->file) {
		err = target_identify_by_memory(target);
		lack = err ? NULL : judge_file(target, search->sources->file);
		if (lack)
			return open_another(search, lack);
		error_destroy(err); /* the image may help */
	}
	err = target_identify(target, search->sources, &lack);
	if (err) {
		error_destroy(lack);
		return err;
	}
	if (!lack)
		return open_same(search);
	if (options->choice != TRUSTED_SAME && target->own_symbols)
		return open_another(search, lack);
	if (options->choice != TRUSTED_SAME && target->symbols_lack) {
		err = error_create_code(ERROR_NO_KERNEL, "%s; without it: %s", lack->message, target->symbols_lack->message);
		error_destroy(lack);
		return err;
	}
	return lack;
}

struct error *trusted_vm_open(struct target *target, const struct kernel_sources *sources, const struct trusted_vm_options *options,
			      struct trusted_vm *ret)
{
	const struct search search = {target, sources, options, ret, false};
	struct error *err, *lack;

	*ret = (struct trusted_vm){.once = options->once};
	err = open_vm(&search);
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
	error_destroy(vm->lack);
	machine_destroy(vm->machine);
	checkpoint_close(vm->checkpoint);
	*vm = (struct trusted_vm){0};
}
