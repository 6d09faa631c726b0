/* xray86 kernel: names the packages that have a snapshot's kernel, and gets them (cli/kernel_get.h). */
#include <jansson.h>
#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/commands.h"
#include "cli/confined.h"
#include "cli/kernel_get.h"
#include "cli/kernel_modules.h"
#include "cli/options.h"
#include "loader/kernel_find.h"
#include "loader/kernel_packages.h"
#include "session/info.h"
#include "util/json_text.h"
#include "util/quote.h"

struct kernel_options {
	const char *snapshot;
	char *const *file; /* packages */
	size_t files;
	struct kernel_sources sources;
	bool get, json, no_sandbox;
};

/* -- options -- */

static const struct option_spec option_specs[] = {
	{"get", NULL,
	 "have this machine's package manager download the packages, and\nunpack image and modules into xray86/kernels in your cache "
	 "directory,\n"
	 "where other commands find them",
	 NULL, offsetof(struct kernel_options, get)},
	{"kernel-path", "DIR[:DIR...]", "where to search first", NULL, offsetof(struct kernel_options, sources.path)},
	{"json", NULL, "print JSON: what is unknown is null", NULL, offsetof(struct kernel_options, json)},
	{"no-sandbox", NULL, "keep privileges that xray86 does not need, for debuggers and the like", NULL,
	 offsetof(struct kernel_options, no_sandbox)},
	{0},
};

static void print_help(void)
{
	puts("usage: xray86 kernel SNAPSHOT [OPTION...]\n"
	     "       xray86 kernel SNAPSHOT FILE... [OPTION...]\n"
	     "\n"
	     "Names the packages that have the image and the modules of SNAPSHOT's kernel, and tells where xray86 searches them and\n"
	     "whether they are there. Known are packages of Debian, Ubuntu, Fedora, RHEL and its kin, Arch, SUSE and Alpine.\n"
	     "\n"
	     "With FILEs, packages that you have downloaded (.deb, .rpm, .pkg.tar.zst, .apk), it unpacks image and modules out of\n"
	     "them. Give all packages of the kernel at once. Nothing is installed.\n");
	options_help(option_specs);
	puts("\n"
	     "Exit status:\n"
	     "  0    the kernel was identified; with --get or FILEs: its image is there\n"
	     "  125  otherwise\n"
	     "\n"
	     "Example: xray86 kernel machine.elf --get");
}

static struct error *parse_arguments(int argc, char **argv, struct kernel_options *options, bool *ret_help)
{
	struct error *err;
	int others, help;

	*options = (struct kernel_options){0};
	err = options_parse(option_specs, options, argc, argv, &others, &help);
	*ret_help = help;
	if (err || help)
		return err;
	if (others < 1)
		return error_create("kernel needs a SNAPSHOT: see xray86 kernel --help");
	if (others > 1 && options->get)
		return error_create("--get downloads packages, and FILEs are packages that you have: give one of them");
	options->snapshot = argv[1];
	options->file = argv + 2;
	options->files = others - 1;
	return NULL;
}

/* -- what the snapshot says: found by a process of its own -- */

struct facts {
	struct banner banner;
	unsigned x86_64;
	char image[PATH_MAX]; /* "": not here */
};

static struct error *find_facts(void *opaque, void *ret)
{
	const struct kernel_options *options = opaque;
	struct facts *facts = ret;
	struct target target = {0};
	struct error *err = target_open(&target, options->snapshot), *lack;
	char *image;

	if (!err)
		err = target_find(&target);
	if (!err) {
		facts->banner = target.product.banner;
		facts->x86_64 = target.product.x86_64;
		lack = kernel_find(&facts->banner, &options->sources, &image);
		if (!lack && (size_t)snprintf(facts->image, sizeof(facts->image), "%s", image) >= sizeof(facts->image))
			facts->image[0] = '\0';
		error_destroy(lack);
		free(image);
	}
	target_close(&target);
	return err;
}

/* Who takes that process over says what he likes, but only such things as it may find. */
static struct error *identify(struct kernel_options *options, bool *told, struct facts *ret)
{
	const struct confined how = {options->no_sandbox, SANDBOX_READING, -1, told};
	struct error *err = confined_call(&how, find_facts, options, ret, sizeof(*ret));

	if (!err && (!banner_is_sound(&ret->banner) || !memchr(ret->image, '\0', sizeof(ret->image))))
		err = error_create("what was found of the kernel makes no sense");
	return err;
}

/* -- the whole of what is told -- */

struct report {
	const struct facts *facts;
	const struct kernel_sources *sources;
	const struct kernel_packages *packages; /* NULL: of no known distribution */
	const char *image;                      /* NULL: not here */
	char *modules;                          /* likewise */
	bool modules_sure;                      /* they are of the very build */
};

/* Looks for them anew. */
static void find_modules(struct report *report)
{
	free(report->modules);
	report->modules = kernel_modules_find(&report->facts->banner, report->sources, report->image, &report->modules_sure);
}

/* -- as text -- */

#define LABEL "%-15s"

static const char *const roles[] = {
	[PACKAGE_IMAGE] = "image",
	[PACKAGE_MODULES] = "modules",
	[PACKAGE_MAYBE] = "more, in some releases",
};

static void print_packages(const struct kernel_packages *packages)
{
	if (!packages) {
		printf(LABEL "none that xray86 knows builds kernels with this banner\n", "distribution:");
		return;
	}
	printf(LABEL "%s\n", "distribution:", packages->distribution);
	for (unsigned i = 0; i < packages->count; i++)
		printf(LABEL "%s %s (%s): %s\n", i ? "" : "packages:", packages->package[i].name, packages->package[i].version,
		       packages->architecture, roles[packages->package[i].role]);
	printf(LABEL "%s\n", "archive:", packages->archive);
}

static void print_path(const char *label, const char *path, const char *remark)
{
	char quoted[PATH_MAX];

	printf(LABEL "%s%s\n", label, path ? quote_string(quoted, sizeof(quoted), path) : "not here", path ? remark : "");
}

static bool print_place(void *opaque, const char *path)
{
	bool *first = opaque;
	char quoted[PATH_MAX];

	printf(LABEL "%s%s\n", *first ? "searched:" : "", quote_string(quoted, sizeof(quoted), path),
	       access(path, F_OK) == 0 ? ": another build's, or it cannot be read" : "");
	*first = false;
	return true;
}

static void print_text(const struct report *report)
{
	bool first = true;

	printf(LABEL "%s\n", "banner:", report->facts->banner.text);
	print_packages(report->packages);
	print_path("kernel image:", report->image, "");
	print_path("modules:", report->modules, report->modules_sure ? "" : ": perhaps another build's, whose image is not beside them");
	if (!report->image)
		kernel_image_places(&report->facts->banner, report->sources, print_place, &first);
}

/* -- as JSON -- */

static json_t *json_packages(const struct kernel_packages *packages)
{
	static const char *const words[] = {[PACKAGE_IMAGE] = "image", [PACKAGE_MODULES] = "modules", [PACKAGE_MAYBE] = "maybe"};
	json_t *list = json_array();

	for (unsigned i = 0; packages && i < packages->count; i++) {
		const struct kernel_package *package = &packages->package[i];

		json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:s}", "name", package->name, "version", package->version,
						      "architecture", packages->architecture, "role", words[package->role]));
	}
	return list;
}

static json_t *json_or_null(const char *text)
{
	return text ? json_text(text) : json_null();
}

static bool add_place(void *opaque, const char *path)
{
	json_array_append_new(opaque, json_text(path));
	return true;
}

static struct error *print_json(const struct report *report)
{
	const struct kernel_packages *packages = report->packages;
	const struct banner *banner = &report->facts->banner;
	json_t *searched = json_array(), *json;
	char *text;

	kernel_image_places(banner, report->sources, add_place, searched);
	json = json_pack("{s:s, s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:o}", "banner", banner->text, "release", banner->release,
			 "architecture", report->facts->x86_64 ? "x86_64" : "i386", "distribution",
			 json_or_null(packages ? packages->distribution : NULL), "packages", json_packages(packages), "archive",
			 json_or_null(packages ? packages->archive : NULL), "image", json_or_null(report->image), "modules",
			 json_or_null(report->modules_sure ? report->modules : NULL), "searched", searched);
	text = json ? json_dumps(json, JSON_INDENT(2) | JSON_ENSURE_ASCII) : NULL;
	json_decref(json);
	if (!text)
		return error_create("out of memory");
	puts(text);
	free(text);
	return NULL;
}

/* -- the command -- */

static struct error *tell(const struct kernel_options *options, struct report *report)
{
	struct error *err = NULL;

	find_modules(report);
	if (options->json)
		err = print_json(report);
	else
		print_text(report);
	if (!err && !report->image)
		fprintf(stderr, "xray86: note: the image of the snapshot's kernel is not here: to get it, type xray86 kernel SNAPSHOT %s\n",
			report->packages ? "--get" : "FILE..., with its packages");
	return err;
}

/* Whether there is anything to get: the user's files are unpacked in any case. */
static bool is_wanted(const struct kernel_options *options, struct report *report)
{
	find_modules(report);
	return options->files || (options->get && !(report->image && report->modules_sure));
}

static struct error *name_and_get(struct kernel_options *options)
{
	struct kernel_packages packages;
	struct facts facts;
	bool told = false;
	char *got = NULL;
	struct error *err = identify(options, &told, &facts);
	struct report report = {.facts = &facts, .sources = &options->sources, .packages = &packages};

	if (err)
		return err;
	if (!kernel_packages_of(&facts.banner, facts.x86_64, &packages))
		report.packages = NULL;
	report.image = *facts.image ? facts.image : NULL;
	if (is_wanted(options, &report)) {
		err = kernel_get(
			&(struct kernel_get){&facts.banner, report.packages, options->file, options->files, options->no_sandbox, &told},
			&got);
		report.image = got;
	}
	if (!err)
		err = tell(options, &report);
	free(report.modules);
	free(got);
	return err;
}

struct error *kernel_command(int argc, char **argv, int *ret_status)
{
	struct kernel_options options;
	struct error *err;
	bool help;

	(void)ret_status;
	err = parse_arguments(argc, argv, &options, &help);
	if (err)
		return err;
	if (help) {
		print_help();
		return NULL;
	}
	return name_and_get(&options);
}
