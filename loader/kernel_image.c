/* Opening kernels: see kernel.h. The formats are in bzimage.c, payload.c and vmlinux.c. */
#include "loader/kernel_image.h"

#include <stdlib.h>
#include <string.h>

#include "loader/bzimage.h"
#include "loader/payload.h"
#include "loader/vmlinux.h"

/* What a bzImage's header says of the kernels of today, for one that comes without. */
static void set_default_setup(struct kernel_image *kernel)
{
	kernel->setup = (struct kernel_setup){
		.alignment = 2 << 20,
		.cmdline_size = 2047,
		.initrd_addr_max = kernel->arch == KERNEL_X86_64 ? 0x7fffffff : 0x37ffffff,
	};
}

static struct error *open_bzimage(const uint8_t *data, size_t size, struct kernel_image *ret)
{
	const uint8_t *payload;
	size_t payload_size, vmlinux_size;
	struct error *err = bzimage_parse(data, size, &ret->setup, &payload, &payload_size);

	if (!err)
		err = payload_decompress(payload, payload_size, &ret->owned, &vmlinux_size);
	if (err)
		return err;
	err = vmlinux_parse(ret->owned, vmlinux_size, ret);
	return err ? error_prefix(err, "the kernel inside") : NULL;
}

static struct error *open_vmlinux(const uint8_t *data, size_t size, struct kernel_image *ret)
{
	struct error *err = vmlinux_parse(data, size, ret);

	if (!err)
		set_default_setup(ret);
	return err;
}

struct error *kernel_image_open(const uint8_t *data, size_t size, struct kernel_image *ret)
{
	struct error *err;

	*ret = (struct kernel_image){0};
	err = bzimage_detect(data, size) ? open_bzimage(data, size, ret) : open_vmlinux(data, size, ret);
	if (err)
		kernel_image_close(ret);
	return err;
}

void kernel_image_close(struct kernel_image *kernel)
{
	free(kernel->owned);
	*kernel = (struct kernel_image){0};
}

uint64_t kernel_image_extent(const struct kernel_image *kernel)
{
	const struct kernel_segment *last = &kernel->segment[kernel->segments - 1];

	return last->paddr + last->memory_size - kernel->segment[0].paddr;
}
