/* Snapshots and their kernels: see target.h. */
#include "session/target.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "util/quote.h"

static struct error *open_image(struct target *target, const char *path)
{
	struct error *err = file_open(path, &target->file);

	if (err)
		return err;
	err = kernel_image_open(target->file.data, target->file.size, &target->kernel);
	if (!err)
		err = landmarks_of(&target->kernel, &target->landmarks);
	return err ? error_prefix(err, "%s", path) : NULL;
}

static struct error *find_kernel(struct target *target, const struct landmarks *landmarks)
{
	struct error *err;

	target_forget(target); /* another build's, of a checkpoint that could not be used */
	err = product_find(target->snapshot, landmarks, &target->product);
	target->found = !err;
	return err;
}

/* What the image would tell, by the symbols that the kernel has in memory. */
static void complete_by_memory(struct target *target)
{
	struct product *product = &target->product;
	struct error *err = product_symbols_read(product, &target->own, &target->landmarks);

	if (!err)
		err = product_complete(product, &target->landmarks);
	target->own_symbols = !err;
	target->symbols_lack = err;
	if (!err)
		return;
	product_symbols_close(&target->own);
	product_forget_completion(product);
}

/* The kernel that the snapshot shows by itself, then its image. */
static struct error *find_by_memory(struct target *target, const struct kernel_sources *sources, struct error **ret_lack)
{
	struct error *err = find_kernel(target, NULL);

	if (err)
		return err;
	*ret_lack = kernel_find(&target->product.banner, sources, &target->kernel_path);
	if (*ret_lack) {
		complete_by_memory(target);
		return NULL;
	}
	err = open_image(target, target->kernel_path);
	return err ? err : product_complete(&target->product, &target->landmarks);
}

/* What is said about an image that does not fit: which one would. Takes over err, which product_find() has of the image. */
static struct error *explain_misfit(struct target *target, const struct kernel_sources *sources, struct error *err)
{
	struct error *other = find_kernel(target, NULL), *lack = NULL;

	if (!other)
		lack = kernel_find(&target->product.banner, sources, &target->kernel_path);
	error_destroy(other);
	if (!lack)
		return err;
	error_destroy(err);
	return lack;
}

/* The image is given: it also says where to look. */
static struct error *find_by_image(struct target *target, const struct kernel_sources *sources)
{
	struct error *err = open_image(target, sources->file);

	if (err)
		return err;
	err = find_kernel(target, &target->landmarks);
	if (err)
		return explain_misfit(target, sources, err);
	target->kernel_path = strdup(sources->file);
	return target->kernel_path ? product_complete(&target->product, &target->landmarks) : error_create("out of memory");
}

struct error *target_identify(struct target *target, const struct kernel_sources *sources, struct error **ret_lack)
{
	struct error *err;

	*ret_lack = NULL;
	err = sources->file ? find_by_image(target, sources) : find_by_memory(target, sources, ret_lack);
	return err ? error_prefix(err, "%s", target->name) : NULL;
}

struct error *target_find(struct target *target)
{
	struct error *err = find_kernel(target, NULL);

	return err ? error_prefix(err, "%s", target->name) : NULL;
}

struct error *target_identify_by_memory(struct target *target)
{
	struct error *err = target_find(target), *lack;

	if (err)
		return err;
	complete_by_memory(target);
	lack = target->symbols_lack;
	target->symbols_lack = NULL;
	return lack ? error_prefix(lack, "%s", target->name) : NULL;
}

bool target_recognise(struct target *target, const struct landmarks *landmarks)
{
	struct error *err = find_kernel(target, landmarks);

	if (!err)
		err = product_complete(&target->product, landmarks);
	if (!err)
		return true;
	error_destroy(err);
	target_forget(target);
	return false;
}

struct error *target_lacks_memory(const struct target *target)
{
	char name[QUOTE_NAME];

	if (!target->found || !target->product.ram_end)
		return NULL;
	return error_create("%s ends at %#" PRIx64 ", and the machine's memory at %#" PRIx64
			    ": it was cut off, or is laid out in an unknown way; answers lack what was beyond",
			    quote_string(name, sizeof(name), target->name), target->snapshot->memory_size, target->product.ram_end);
}

void target_forget(struct target *target)
{
	if (target->found)
		product_deinit(&target->product);
	target->found = false;
	product_symbols_close(&target->own);
	target->own_symbols = false;
	error_destroy(target->symbols_lack);
	target->symbols_lack = NULL;
}

struct error *target_open(struct target *target, const char *snapshot)
{
	*target = (struct target){.name = strdup(snapshot)};
	return target->name ? snapshot_open(snapshot, &target->snapshot) : error_create("out of memory");
}

void target_close(struct target *target)
{
	target_forget(target);
	kernel_image_close(&target->kernel);
	file_close(&target->file);
	free(target->kernel_path);
	snapshot_close(target->snapshot);
	free(target->name);
	*target = (struct target){0};
}
