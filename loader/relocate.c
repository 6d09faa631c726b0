/*
 * Moving a kernel to another virtual base, as its decompressor does for KASLR (arch/x86/boot/compressed/misc.c, handle_relocations();
 * the lists are made by arch/x86/tools/relocs.c).
 *
 * Behind the ELF file stand lists of 32-bit words: each list begins with a 0, and its words are the link-time virtual addresses, to be
 * sign-extended, of places to be adjusted. i386 has one list. x86-64 has the 64-bit places, then, as long as per-CPU data were linked
 * at 0 (up to Linux 6.14), the places relative to those, which go the other way, then the 32-bit places.
 *
 * Which bases: those that KASLR chooses from (kaslr.c). x86-64: kernel_alignment's multiples that leave the image within the first GiB
 * (KERNEL_IMAGE_SIZE) of the kernel map. i386: the physical place, which is the virtual one less PAGE_OFFSET, is below 512 MiB.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "loader/kernel_image.h"

enum { WORD = 4, MAX_LISTS = 3 };
#define KERNEL_IMAGE_SIZE_64 (1ull << 30)
#define KERNEL_IMAGE_SIZE_32 (512ull << 20)

enum place { PLACE_32, PLACE_INVERSE_32, PLACE_64 };

/* What the lists are, by how many there are. */
static const struct layout {
	enum kernel_arch arch;
	unsigned lists;
	enum place place[MAX_LISTS];
} layouts[] = {
	{KERNEL_I386, 1, {PLACE_32}},
	{KERNEL_X86_64, 2, {PLACE_64, PLACE_32}},
	{KERNEL_X86_64, 3, {PLACE_64, PLACE_INVERSE_32, PLACE_32}},
};

/* -- which bases -- */

/* Virtual less physical address. */
static uint64_t map_offset(const struct kernel_image *kernel)
{
	return kernel->link_base - kernel->segment[0].paddr;
}

/* The room that KASLR leaves for the image: it is decompressed with its relocations where it then runs. */
static uint64_t room_needed(const struct kernel_image *kernel)
{
	uint64_t extent = kernel_image_extent(kernel), file = kernel->elf_size + kernel->relocation_size;

	return extent > file ? extent : file;
}

static struct error *check_base(const struct kernel_image *kernel, uint64_t base)
{
	uint64_t size = kernel->arch == KERNEL_X86_64 ? KERNEL_IMAGE_SIZE_64 : KERNEL_IMAGE_SIZE_32;
	uint64_t first = kernel->link_base, step = kernel->setup.alignment, room = room_needed(kernel);
	uint64_t last = map_offset(kernel) + size - room;

	if (!kernel->relocations)
		return error_create("without relocations it can only run at the base that it was linked for, %#" PRIx64
				    ": give the bzImage (vmlinuz), which has them",
				    first);
	if (room > size - kernel->segment[0].paddr)
		return error_create("too large to be moved: %" PRIu64 " MiB", room >> 20);
	if (base < first || base > last || (base - first) % step)
		return error_create("base %#" PRIx64 ": this kernel can be at %#" PRIx64 " to %#" PRIx64 ", in steps of %#" PRIx64, base,
				    first, first + (last - first) / step * step, step);
	return NULL;
}

/* -- adjusting -- */

struct relocation {
	const struct kernel_image *kernel;
	uint8_t *image;
	uint64_t delta, map;
};

static void adjust(uint8_t *at, enum place place, uint64_t delta)
{
	uint64_t value = 0;
	size_t size = place == PLACE_64 ? 8 : 4;

	memcpy(&value, at, size);
	value += place == PLACE_INVERSE_32 ? -delta : delta;
	memcpy(at, &value, size);
}

/* The place in the file of `size` bytes linked for a physical address; NULL: nothing of that is in it. */
static uint8_t *find_place(const struct relocation *relocation, uint64_t paddr, uint64_t size)
{
	const struct kernel_image *kernel = relocation->kernel;

	for (unsigned i = 0; i < kernel->segments; i++) {
		const struct kernel_segment *segment = &kernel->segment[i];
		uint64_t offset = paddr - segment->paddr;

		if (offset < segment->file_size && segment->file_size - offset >= size)
			return relocation->image + segment->offset + offset;
	}
	return NULL;
}

static struct error *adjust_at(const struct relocation *relocation, int32_t word, enum place place)
{
	uint64_t paddr = relocation->kernel->arch == KERNEL_I386 ? (uint32_t)word - relocation->map : (uint64_t)word - relocation->map;
	uint8_t *at = find_place(relocation, paddr, place == PLACE_64 ? 8 : 4);

	if (!at)
		return error_create("damaged relocations: %#x is in no segment", (uint32_t)word);
	adjust(at, place, relocation->delta);
	return NULL;
}

/* -- the lists -- */

static int32_t get_word(const struct kernel_image *kernel, size_t index)
{
	int32_t word;

	memcpy(&word, kernel->relocations + index * WORD, WORD);
	return word;
}

static const struct layout *find_layout(const struct kernel_image *kernel)
{
	size_t words = kernel->relocation_size / WORD;
	unsigned lists = 0;

	if (kernel->relocation_size % WORD || !words || get_word(kernel, 0))
		return NULL;
	for (size_t i = 0; i < words; i++)
		lists += !get_word(kernel, i);
	for (size_t i = 0; i < sizeof(layouts) / sizeof(layouts[0]); i++) {
		if (layouts[i].arch == kernel->arch && layouts[i].lists == lists)
			return &layouts[i];
	}
	return NULL;
}

static struct error *adjust_all(const struct relocation *relocation)
{
	const struct kernel_image *kernel = relocation->kernel;
	const struct layout *layout = find_layout(kernel);
	struct error *err = NULL;
	unsigned list = 0;

	if (!layout)
		return error_create("the relocations behind its ELF file (%zu bytes) are damaged, or of a kind that is not known",
				    kernel->relocation_size);
	for (size_t i = 1 /* behind the first list's 0 */; !err && i < kernel->relocation_size / WORD; i++) {
		int32_t word = get_word(kernel, i);

		if (!word)
			list++;
		else
			err = adjust_at(relocation, word, layout->place[list]);
	}
	return err;
}

/* -- the whole -- */

static struct error *make_own(struct kernel_image *kernel)
{
	size_t size = kernel->elf_size + kernel->relocation_size;

	if (kernel->owned)
		return NULL;
	kernel->owned = malloc(size);
	if (!kernel->owned)
		return error_create("out of memory");
	memcpy(kernel->owned, kernel->elf, size);
	kernel->elf = kernel->owned;
	kernel->relocations = kernel->owned + kernel->elf_size;
	return NULL;
}

static void move_segments(struct kernel_image *kernel, uint64_t delta)
{
	uint64_t distance = kernel->base - kernel->segment[0].paddr;

	for (unsigned i = 0; i < kernel->segments; i++) {
		struct kernel_segment *segment = &kernel->segment[i];

		if (segment->vaddr - segment->paddr == distance) /* not x86-64's per-CPU data, at 0 */
			segment->vaddr += delta;
	}
}

struct error *kernel_image_relocate(struct kernel_image *kernel, uint64_t base)
{
	struct relocation relocation = {.kernel = kernel, .delta = base - kernel->base, .map = map_offset(kernel)};
	struct error *err;

	if (!relocation.delta)
		return NULL;
	err = check_base(kernel, base);
	if (!err)
		err = make_own(kernel);
	if (err)
		return err;
	relocation.image = kernel->owned;
	err = adjust_all(&relocation);
	if (err)
		return err;
	move_segments(kernel, relocation.delta);
	kernel->base = base;
	return NULL;
}
