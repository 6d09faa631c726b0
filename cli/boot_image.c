/* Images of `xray86 boot`: which loader takes a file, and what it is given. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/boot.h"
#include "loader/image.h"
#include "loader/kernel_parameters.h"
#include "loader/linux_boot.h"
#include "loader/multiboot.h"

/* -- multiboot -- */

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* "FILE,ARGS" -> path "FILE" and string "FILE ARGS", both to be freed. */
static struct error *split_initrd(const char *option, char **ret_path, char **ret_string)
{
	size_t length = strcspn(option, ",");
	const char *args = option + length + (option[length] == ',');

	*ret_path = strndup(option, length);
	if (asprintf(ret_string, "%.*s%s%s", (int)length, option, *args ? " " : "", args) < 0)
		*ret_string = NULL;
	return *ret_path && *ret_string ? NULL : error_create("out of memory");
}

struct modules {
	unsigned count;
	struct file file[BOOT_MAX_INITRDS];
	struct multiboot_module module[BOOT_MAX_INITRDS];
	char *string[BOOT_MAX_INITRDS];
};

static struct error *open_modules(const struct boot_options *options, struct modules *ret)
{
	for (unsigned i = 0; i < options->initrds; i++) {
		char *path;
		struct error *err = split_initrd(options->initrd[i], &path, &ret->string[i]);

		ret->count++;
		if (!err)
			err = file_open_any(path, &ret->file[i]);
		free(path);
		if (err)
			return err;
		ret->module[i] = (struct multiboot_module){ret->file[i].data, ret->file[i].size, ret->string[i]};
	}
	return NULL;
}

static void close_modules(struct modules *modules)
{
	for (unsigned i = 0; i < modules->count; i++) {
		file_close(&modules->file[i]);
		free(modules->string[i]);
	}
}

static struct error *load_multiboot_with(struct machine *machine, const struct file *file, const struct multiboot_image *image,
					 const struct boot_options *options, const struct modules *modules)
{
	struct multiboot_boot boot = {.module = modules->module, .modules = modules->count};
	char *command_line;
	struct error *err;

	/* Like QEMU, but without the image's folder: what the guest sees must not depend on where the file is. */
	if (asprintf(&command_line, "%s%s%s", base_name(options->image), options->append ? " " : "",
		     options->append ? options->append : "") < 0)
		return error_create("out of memory");
	boot.command_line = command_line;
	err = multiboot_load(machine, file->data, image, &boot);
	free(command_line);
	return err;
}

static struct error *load_multiboot(struct machine *machine, const struct file *file, const struct boot_options *options)
{
	struct modules modules = {0};
	struct multiboot_image image;
	struct error *err = multiboot_parse(file->data, file->size, &image);

	if (err)
		return error_prefix(err, "%s", options->image);
	err = open_modules(options, &modules);
	if (!err) {
		err = load_multiboot_with(machine, file, &image, options, &modules);
		if (err)
			err = error_prefix(err, "%s", options->image);
	}
	close_modules(&modules);
	return err;
}

/* -- Linux -- */

struct initrds {
	unsigned count;
	struct file file[BOOT_MAX_INITRDS];
	struct linux_initrd initrd[BOOT_MAX_INITRDS];
};

static struct error *open_initrds(const struct boot_options *options, struct initrds *ret)
{
	struct error *err = NULL;

	while (!err && ret->count < options->initrds) {
		struct file *file = &ret->file[ret->count];

		err = file_open_any(options->initrd[ret->count], file);
		if (!err)
			ret->initrd[ret->count++] = (struct linux_initrd){file->data, file->size};
	}
	return err;
}

static void close_initrds(struct initrds *initrds)
{
	for (unsigned i = 0; i < initrds->count; i++)
		file_close(&initrds->file[i]);
}

/* To be freed. NULL: out of memory. */
static char *make_command_line(const struct kernel_image *kernel, const struct boot_options *options)
{
	if (options->trusted)
		return trusted_command_line(kernel->arch, options->append ? options->append : "");
	return strdup(options->append ? options->append : KERNEL_DEFAULT_COMMAND_LINE);
}

static struct error *load_kernel(struct machine *machine, const struct kernel_image *kernel, const struct boot_options *options)
{
	struct initrds initrds = {0};
	struct error *err = open_initrds(options, &initrds);
	struct linux_boot boot = {.initrd = initrds.initrd, .initrds = initrds.count};
	char *command_line = make_command_line(kernel, options);

	boot.command_line = command_line;
	if (!err && !command_line)
		err = error_create("out of memory");
	if (!err) {
		err = linux_boot(machine, kernel, &boot);
		if (err)
			err = error_prefix(err, "%s", options->image);
	}
	free(command_line);
	close_initrds(&initrds);
	return err;
}

static struct error *load_linux(struct machine *machine, const struct file *file, const struct boot_options *options,
				struct panic_watch *watch)
{
	struct kernel_image kernel;
	struct error *err = kernel_image_open(file->data, file->size, &kernel);

	if (err)
		return error_prefix(err, "%s", options->image);
	if (options->kernel_base)
		err = kernel_image_relocate(&kernel, options->kernel_base);
	if (err)
		err = error_prefix(err, "%s", options->image);
	else
		err = load_kernel(machine, &kernel, options);
	if (!err)
		err = panic_watch_start(watch, machine, &kernel);
	kernel_image_close(&kernel);
	return err;
}

/* -- any -- */

bool boot_image_is_linux(const struct file *file)
{
	enum image_kind kind = image_detect(file->data, file->size);

	return kind == IMAGE_LINUX_BZIMAGE || kind == IMAGE_ELF;
}

struct error *boot_load_image(struct machine *machine, const struct file *file, const struct boot_options *options,
			      struct panic_watch *watch)
{
	enum image_kind kind = image_detect(file->data, file->size);

	if (boot_image_is_linux(file))
		return load_linux(machine, file, options, watch);
	if (kind == IMAGE_MULTIBOOT)
		return load_multiboot(machine, file, options);
	return error_create("%s: %s: give a Linux kernel (vmlinuz or vmlinux) or a multiboot one", options->image, image_kind_name(kind));
}
