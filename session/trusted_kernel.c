/* What is kept of a trusted kernel: trusted_kernel.h. */
#include "session/trusted_kernel.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "session/cache.h"
#include "loader/kernel_parameters.h"

char *trusted_kernel_key(const struct trusted_kernel *kernel)
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

/* -- reading -- */

static bool constants_are_sound(const struct runtime_constants *constants)
{
	if (constants->count > RUNTIME_CONSTANTS_MAX)
		return false;
	for (unsigned i = 0; i < constants->count; i++) {
		unsigned size = constants->constant[i].size;

		if (size != 1 && size != 2 && size != 4 && size != 8)
			return false;
	}
	return true;
}

/* The image is searched for in steps of the alignment, which a kernel's configuration has between 8 KiB and 16 MiB. */
static bool landmarks_are_sound(const struct landmarks *landmarks)
{
	uint64_t step = landmarks->alignment;

	return is_bool(&landmarks->x86_64) && is_bool(&landmarks->smp) && banner_is_sound(&landmarks->banner) &&
	       constants_are_sound(&landmarks->constants) && step >= PAGE_SIZE && step <= 1 << 30 && !(step & (step - 1)) &&
	       landmarks->size && landmarks->size <= 1ull << 32 && landmarks->banner_at - landmarks->link_base < landmarks->size;
}

static bool rodata_is_sound(const struct rodata *rodata)
{
	return rodata->start <= rodata->changed && rodata->changed <= rodata->end && rodata->end - rodata->start < 1ull << 32;
}

static bool is_sound(const struct trusted_kernel *kernel)
{
	return landmarks_are_sound(&kernel->landmarks) && is_bool(&kernel->five_level) && kernel->memory >= MACHINE_MIN_MEMORY &&
	       kernel->memory <= MACHINE_MAX_MEMORY && kernel->memory % PAGE_SIZE == 0 && kernel->pieces <= KERNEL_MAX_SEGMENTS &&
	       kernel->exports.count <= EXPORTS_MAX_RANGES && rodata_is_sound(&kernel->rodata);
}

bool trusted_kernel_read(const struct checkpoint *checkpoint, struct trusted_kernel *ret)
{
	memcpy(ret, checkpoint_extra(checkpoint), sizeof(*ret));
	return is_sound(ret);
}

/* -- symbols -- */

/* Host address of RAM that is in one piece there; NULL: there is no such RAM. */
static const uint8_t *find_memory(const struct machine *machine, uint64_t paddr, uint64_t size)
{
	const struct physmem_region *region = physmem_find(&machine->mem, paddr);
	uint64_t offset = region ? paddr - region->start : 0;

	return region && region->kind == PHYSMEM_RAM && size <= region->size - offset ? region->host + offset : NULL;
}

/* Its segments, in the machine's memory. */
static struct error *make_view(const struct trusted_kernel *kernel, const struct machine *machine, struct view *ret)
{
	*ret = (struct view){.pointer_size = kernel->landmarks.x86_64 ? 8 : 4, .base = kernel->base, .end = kernel->base};
	for (unsigned i = 0; i < kernel->pieces; i++) {
		uint64_t vaddr = kernel->piece[i].vaddr, size = kernel->piece[i].size, end = vaddr + size;
		const uint8_t *data = find_memory(machine, kernel->piece[i].paddr, size);

		if (!data || end < vaddr || vaddr % 8)
			return error_create("the trusted kernel's segment at %#" PRIx64 " is not in the trusted VM's memory", vaddr);
		ret->piece[ret->pieces++] = (struct view_piece){.vaddr = vaddr, .memory_size = size, .data = data, .size = size};
		ret->end = end > ret->end ? end : ret->end;
	}
	return NULL;
}

void trusted_kernel_compare(struct trusted_kernel *kernel, const struct kernel_image *image, const struct machine *machine)
{
	struct view linked, booted;
	struct error *err = make_view(kernel, machine, &booted);

	view_of_kernel(image, &linked);
	if (err)
		kernel->rodata = (struct rodata){0}; /* and trusted_kernel_symbols() fails */
	else
		rodata_compare(&kernel->rodata, &linked, &booted);
	error_destroy(err);
}

struct error *trusted_kernel_symbols(const struct trusted_kernel *kernel, const struct machine *machine, struct symbols *ret)
{
	struct view view;
	struct error *err = make_view(kernel, machine, &view);

	if (!err)
		err = symbols_open(&view, &kernel->exports, 0, ret);
	if (err)
		return err;
	err = symbols_make_index(ret); /* some hundred names are looked up, and many of them other versions' */
	if (err)
		symbols_close(ret);
	return err;
}
