/* Snapshots and their kernels: see target.h. */
#include "session/target.h"

#include <stdlib.h>
#include <string.h>

static struct error *open_image(struct target *target, const char *path)
{
	struct error *err = file_open(path, &target->file);

	if (err)
		return err;
	err = kernel_open(target->file.data, target->file.size, &target->kernel);
	if (!err)
		err = landmarks_of(&target->kernel, &target->landmarks);
	return err ? error_prefix(err, "%s", path) : NULL;
}

/* The kernel that the snapshot shows by itself, then its image. */
static struct error *find_by_memory(struct target *target, const struct kernel_sources *sources, struct error **ret_lack)
{
	struct error *err = product_find(target->snapshot, NULL, &target->product);

	if (err)
		return err;
	target->found = true;
	*ret_lack = kernel_find(&target->product.banner, sources, &target->kernel_path);
	if (*ret_lack)
		return NULL;
	err = open_image(target, target->kernel_path);
	return err ? err : product_complete(&target->product, &target->landmarks);
}

/* The image is given: it also says where to look. If it does not fit, the memory says what would. */
static struct error *find_by_image(struct target *target, const struct kernel_sources *sources)
{
	struct error *err = open_image(target, sources->file), *lack = NULL, *other;

	if (err)
		return err;
	err = product_find(target->snapshot, &target->landmarks, &target->product);
	if (err) {
		other = product_find(target->snapshot, NULL, &target->product);
		target->found = !other;
		if (!other)
			lack = kernel_find(&target->product.banner, sources, &target->kernel_path);
		error_destroy(other);
		if (!lack)
			return err;
		error_destroy(err);
		return lack;
	}
	target->found = true;
	target->kernel_path = strdup(sources->file);
	return target->kernel_path ? product_complete(&target->product, &target->landmarks) : error_create("out of memory");
}

struct error *target_identify(struct target *target, const char *snapshot, const struct kernel_sources *sources, struct error **ret_lack)
{
	struct error *err;

	*ret_lack = NULL;
	err = sources->file ? find_by_image(target, sources) : find_by_memory(target, sources, ret_lack);
	return err ? error_prefix(err, "%s", snapshot) : NULL;
}

struct error *target_open(const char *snapshot, const struct kernel_sources *sources, struct target *ret, struct error **ret_lack)
{
	struct error *err;

	*ret = (struct target){0};
	*ret_lack = NULL;
	err = snapshot_open(snapshot, &ret->snapshot);
	return err ? err : target_identify(ret, snapshot, sources, ret_lack);
}

void target_close(struct target *target)
{
	if (target->found)
		product_deinit(&target->product);
	kernel_close(&target->kernel);
	file_close(&target->file);
	free(target->kernel_path);
	snapshot_close(target->snapshot);
	*target = (struct target){0};
}
