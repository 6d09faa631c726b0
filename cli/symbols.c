/* xray86 symbols: what a kernel calls its code and data, and where that is, out of the kernel's image, or out of a snapshot's memory. */
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/commands.h"
#include "cli/options.h"
#include "cli/sandbox.h"
#include "loader/file.h"
#include "loader/image.h"
#include "loader/kernel_image.h"
#include "loader/symbols.h"
#include "product/product_symbols.h"
#include "session/target.h"
#include "util/quote.h"

enum { EXIT_NO_SYMBOL = 1 };

struct symbols_options {
	const char *image;
	char **wanted; /* names and addresses, until NULL; none: everything */
	uint64_t base; /* 0: where it was linked for */
	bool snapshot, no_sandbox;
};

/* -- options -- */

static struct error *set_kernel_base(void *into, const char *value)
{
	unsigned long long base;
	struct error *err = parse_number("kernel-base", value, &base);

	if (!err && !base)
		err = error_create("--kernel-base %s: give the virtual address of the kernel's text, such as 0xffffffff81000000", value);
	if (!err)
		((struct symbols_options *)into)->base = base;
	return err;
}

static const struct option_spec option_specs[] = {
	{"kernel-base", "ADDRESS", "where the kernel is (default: where it was linked for): the address of its _text under KASLR",
	 set_kernel_base, 0},
	{"snapshot", NULL, "KERNEL is a snapshot: print the symbols of the kernel in it, out of its memory, where they are there", NULL,
	 offsetof(struct symbols_options, snapshot)},
	{"no-sandbox", NULL, "keep privileges that xray86 does not need, for debuggers and the like", NULL,
	 offsetof(struct symbols_options, no_sandbox)},
	{0},
};

static void print_help(void)
{
	puts("usage: xray86 symbols KERNEL [NAME|ADDRESS]... [OPTION...]\n"
	     "\n"
	     "Prints the symbols of KERNEL, a Linux kernel (bzImage or vmlinux), by ascending address. Each line has address,\n"
	     "type (as in nm(1)) and name, as the kernel's own /proc/kallsyms. A kernel without CONFIG_KALLSYMS_ALL leaves data\n"
	     "out there; exported data are added, with type D. With NAMEs it prints only the symbols of these names. For an\n"
	     "ADDRESS, which starts with 0x, it prints the symbol that contains the address, and the distance.\n");
	options_help(option_specs);
	puts("\n"
	     "Exit status:\n"
	     "  0             everything asked for was found\n"
	     "  1             there is no symbol with one of the NAMEs, or at one of the ADDRESSes\n"
	     "  125           xray86 failed: not a kernel, or a kernel without a symbol table\n"
	     "\n"
	     "Example: xray86 symbols /boot/vmlinuz-$(uname -r) init_task");
}

static bool is_address(const char *wanted)
{
	return !strncmp(wanted, "0x", 2);
}

static struct error *check_addresses(char *const *wanted)
{
	for (; *wanted; wanted++) {
		char *end;

		errno = 0;
		strtoull(*wanted, &end, 16);
		if (is_address(*wanted) && (errno || *end))
			return error_create("%s: not an address: write it as 0xffffffff81000000", *wanted);
	}
	return NULL;
}

static struct error *parse_arguments(int argc, char **argv, struct symbols_options *options, bool *ret_help)
{
	struct error *err;
	int others, help;

	*options = (struct symbols_options){0};
	err = options_parse(option_specs, options, argc, argv, &others, &help);
	*ret_help = help;
	if (err || help)
		return err;
	if (!others)
		return error_create("symbols needs a KERNEL: see xray86 symbols --help");
	options->image = argv[1];
	argv[1 + others] = NULL; /* options stood there, if it is not the end anyway */
	options->wanted = argv + 2;
	return check_addresses(options->wanted);
}

/* -- printing -- */

struct printer {
	const struct symbols *symbols;
	int width; /* of addresses, in digits */
};

static void print(const struct printer *printer, uint64_t address, const struct symbol *symbol)
{
	char name[QUOTE_BYTE * KSYM_NAME_LEN];

	printf("%0*" PRIx64 " %c %s", printer->width, address, symbol->type, quote_string(name, sizeof(name), symbol->name));
	if (address != symbol->address)
		printf("+%#" PRIx64, address - symbol->address);
	putchar('\n');
}

static void print_all(const struct printer *printer)
{
	struct symbols_cursor cursor = {0};
	struct symbol symbol;

	while (symbols_next(printer->symbols, &cursor, &symbol))
		print(printer, symbol.address, &symbol);
}

static bool print_named(const struct printer *printer, const char *name)
{
	struct symbols_cursor cursor = {0};
	struct symbol symbol;
	bool found = false;

	for (; symbols_next_named(printer->symbols, &cursor, name, &symbol); found = true)
		print(printer, symbol.address, &symbol);
	return found;
}

static bool print_nearest(const struct printer *printer, uint64_t address)
{
	struct symbol symbol;
	bool found = symbols_nearest(printer->symbols, address, &symbol);

	if (found)
		print(printer, address, &symbol);
	return found;
}

static void print_wanted(const struct printer *printer, char *const *wanted, int *ret_status)
{
	for (; *wanted; wanted++) {
		if (!(is_address(*wanted) ? print_nearest(printer, strtoull(*wanted, NULL, 16)) : print_named(printer, *wanted)))
			*ret_status = EXIT_NO_SYMBOL;
	}
}

/* -- the whole -- */

static struct error *check_base(const struct kernel_image *kernel, uint64_t base)
{
	uint64_t top = kernel->arch == KERNEL_X86_64 ? UINT64_MAX : UINT32_MAX;

	if (!base || (base >= kernel->link_base && base <= top && (base - kernel->link_base) % kernel->setup.alignment == 0))
		return NULL;
	return error_create("--kernel-base %#" PRIx64 ": this kernel can be at %#" PRIx64 " and above, in steps of %#" PRIx32, base,
			    kernel->link_base, kernel->setup.alignment);
}

static void print_symbols(const struct symbols *symbols, const struct symbols_options *options, int *ret_status)
{
	struct printer printer = {symbols, symbols->table.pointer_size * 2};

	if (*options->wanted)
		print_wanted(&printer, options->wanted, ret_status);
	else
		print_all(&printer);
}

static struct error *print_of_kernel(const struct kernel_image *kernel, const struct symbols_options *options, int *ret_status)
{
	struct symbols symbols;
	struct error *err = check_base(kernel, options->base);

	if (!err)
		err = symbols_open_kernel(kernel, options->base, &symbols);
	if (err)
		return err;
	print_symbols(&symbols, options, ret_status);
	symbols_close(&symbols);
	return NULL;
}

static struct error *check_kind(const struct file *file)
{
	enum image_kind kind = image_detect(file->data, file->size);

	if (kind == IMAGE_LINUX_BZIMAGE || kind == IMAGE_ELF)
		return NULL;
	return error_create("%s: give a Linux kernel (bzImage or vmlinux)", image_kind_name(kind));
}

static struct error *run_on_kernel(const struct symbols_options *options, const struct file *file, int *ret_status)
{
	struct kernel_image kernel;
	struct error *err = check_kind(file);

	if (!err)
		err = kernel_image_open(file->data, file->size, &kernel);
	if (!err) {
		err = print_of_kernel(&kernel, options, ret_status);
		kernel_image_close(&kernel);
	}
	return err ? error_prefix(err, "%s", options->image) : NULL;
}

static struct error *run_on_snapshot(const struct symbols_options *options, int *ret_status)
{
	struct product_symbols symbols = {0};
	struct target target;
	struct error *err = target_open(&target, options->image);

	if (!err)
		err = target_find(&target);
	if (!err) {
		err = product_symbols_read(&target.product, &symbols, &target.landmarks);
		if (err)
			error_prefix(err, "%s", options->image);
	}
	if (!err)
		print_symbols(&symbols.symbols, options, ret_status);
	product_symbols_close(&symbols);
	target_close(&target);
	return err;
}

struct error *symbols_command(int argc, char **argv, int *ret_status)
{
	struct symbols_options options;
	struct file file;
	struct error *err;
	bool help;

	err = parse_arguments(argc, argv, &options, &help);
	if (err)
		return err;
	if (help) {
		print_help();
		return NULL;
	}
	sandbox_enter_unless(options.no_sandbox, SANDBOX_READING, -1, NULL);
	if (options.snapshot)
		return run_on_snapshot(&options, ret_status);
	err = file_open_any(options.image, &file);
	if (err)
		return err;
	err = run_on_kernel(&options, &file, ret_status);
	file_close(&file);
	return err;
}
