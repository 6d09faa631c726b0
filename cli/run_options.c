/* Options of `xray86 run`: run_options.h. */
#include "cli/run_options.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/options.h"
#include "session/command.h"
#include "util/quote.h"

enum { TIMEOUT = 600, MAX_TIMEOUT = 1000000 };

static struct error *set_as(void *into, const char *value)
{
	unsigned long long number;
	struct error *err = parse_number("as", value, &number);

	if (!err && (!number || number > 1 << 22))
		err = error_create("--as %s: must be the number of a process in the snapshot", value);
	if (!err)
		((struct run_options *)into)->host_pid = number;
	return err;
}

static struct error *set_redirect(void *into, const char *value)
{
	bool tags = strcmp(value, "tags") == 0, none = strcmp(value, "none") == 0;

	if (!tags && !none && strcmp(value, "context") != 0)
		return error_create("--redirect %s: must be context, tags or none", value);
	((struct run_options *)into)->no_redirect = none;
	((struct run_options *)into)->way = tags ? REDIRECT_TAGS : REDIRECT_CONTEXT;
	return NULL;
}

static struct error *set_code(void *into, const char *value)
{
	static const char *const names[] = {[CODE_VERIFIED] = "verified", [CODE_TRUSTED] = "trusted", [CODE_PRODUCT] = "product"};

	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(value, names[i]) == 0) {
			((struct run_options *)into)->code = i;
			((struct run_options *)into)->trusted = i == CODE_PRODUCT ? TRUSTED_GIVEN : TRUSTED_SAME;
			return NULL;
		}
	}
	return error_create("--code %s: must be verified, trusted or product", value);
}

static struct error *set_trust_module(void *into, const char *value)
{
	struct run_options *options = into;
	size_t count = 0;
	const char **larger;

	if (!*value)
		return error_create("--trust-module: must be the name of a module, as lsmod prints it");
	while (options->trust_modules && options->trust_modules[count])
		count++;
	larger = reallocarray(options->trust_modules, count + 2, sizeof(*larger));
	if (!larger)
		return error_create("out of memory");
	larger[count] = value;
	larger[count + 1] = NULL;
	options->trust_modules = larger;
	return NULL;
}

static struct error *set_memory(void *into, const char *value)
{
	unsigned long long size;
	struct error *err = parse_size("memory", value, &size);

	if (!err && (size < 64ull << 20 || size > MACHINE_MAX_MEMORY || size % PAGE_SIZE))
		err = error_create("--memory %s: must be 64 MiB to 64 GiB, in whole 4 KiB pages", value);
	if (!err)
		((struct run_options *)into)->memory = size;
	return err;
}

static struct error *set_timeout(void *into, const char *value)
{
	unsigned long long seconds;
	struct error *err = parse_number("timeout", value, &seconds);

	if (!err && (!seconds || seconds > MAX_TIMEOUT))
		err = error_create("--timeout %s: must be 1 to %d seconds", value, MAX_TIMEOUT);
	if (!err)
		((struct run_options *)into)->timeout = seconds;
	return err;
}

static struct error *set_env(void *into, const char *value)
{
	return additions_add(&((struct run_options *)into)->env, value);
}

static struct error *set_budget(void *into, const char *value)
{
	unsigned long long instructions;
	struct error *err = parse_count("budget", value, &instructions);

	if (!err && (!instructions || instructions > INT64_MAX))
		err = error_create("--budget %s: must be 1 to 9000000000G instructions", value);
	if (!err)
		((struct run_options *)into)->budget = instructions;
	return err;
}

static struct error *set_trace(void *into, const char *value)
{
	((struct run_options *)into)->tracing = true;
	((struct run_options *)into)->trace = value;
	return NULL;
}

static const struct option_spec option_specs[] = {
	{"as", "PID", "see what this process of the snapshot sees: its root, namespaces and rights (default: 1)", set_as, 0},
	{"kernel", "FILE", "the image of the snapshot's kernel: a vmlinuz of the very build; or of any with --code product", NULL,
	 offsetof(struct run_options, sources.file)},
	{"kernel-path", "DIR[:DIR...]", "where to search the image, before /boot and xray86/kernels in your cache directory", NULL,
	 offsetof(struct run_options, sources.path)},
	{"root", "DIR", "take COMMAND from the file system in DIR; 32-bit kernels need it", NULL, offsetof(struct run_options, root)},
	{"env", "NAME[=VALUE]",
	 "give COMMAND this variable (default: with its value here); may be repeated. COMMAND always has LANG,\n"
	 "LC_*, TZ, TERM, PATH, HOME, COLUMNS and LINES. Others could change what code it runs",
	 set_env, 0},
	{"redirect", "context|tags|none",
	 "how data accesses find the snapshot (default: context). context and tags print the same; with none\n"
	 "COMMAND looks at the trusted VM itself, for comparison",
	 set_redirect, 0},
	{"code", "verified|trusted|product",
	 "for code that the trusted kernel lacks (modules): run that of the module's file, if it is the one that\n"
	 "the snapshot's kernel has loaded (default); give the call up; or run the snapshot's own. Without the\n"
	 "kernel's image, all code is the snapshot's own unless verified or trusted is given",
	 set_code, 0},
	{"trust-module", "NAME", "run the snapshot's own code of this module in any case; may be repeated", set_trust_module, 0},
	{"policy", "FILE", "other rows for the policy, a line each: CALL RULE [ARGUMENT...] [FLAG...], as the manual lists them", NULL,
	 offsetof(struct run_options, policy)},
	{"memory", "SIZE", "RAM of the trusted VM, in MiB or with a suffix K, M, G", set_memory, 0},
	{"timeout", "SECONDS",
	 "stop the run after SECONDS of this machine's clock (default: 600). Waiting for input on a terminal\n"
	 "does not count; waiting for a reader of the output does",
	 set_timeout, 0},
	{"budget", "COUNT",
	 "stop COMMAND after COUNT instructions of the trusted VM, with a suffix K, M, G or T (default: 60G).\n"
	 "It stops at the same place on any machine",
	 set_budget, 0},
	{"strict", NULL, "fail (status 125) if the answer may be incomplete; the last line on stderr tells", NULL,
	 offsetof(struct run_options, strict)},
	{"no-cache", NULL, "boot the trusted kernel anew, and keep nothing", NULL, offsetof(struct run_options, no_cache)},
	{"raw", NULL, "write COMMAND's output to a terminal as it is; the snapshot may steer the terminal then", NULL,
	 offsetof(struct run_options, raw)},
	{"trace", "[=FILE]", "print a line for each system call that went to the snapshot, to FILE or stderr", set_trace, 0},
	{"no-sandbox", NULL, "keep privileges that xray86 does not need, for debuggers and the like", NULL,
	 offsetof(struct run_options, no_sandbox)},
	{"stats", NULL, "at the end, print counters to stderr", NULL, offsetof(struct run_options, stats)},
	{"json", NULL, "print trace and counters as JSON, an object a line", NULL, offsetof(struct run_options, json)},
	{0},
};

void run_print_help(void)
{
	puts("usage: xray86 run [OPTION...] SNAPSHOT [OPTION...] [--] COMMAND [ARGUMENT...]\n"
	     "\n"
	     "Runs COMMAND, a program of this machine, as if its process were in the virtual machine whose memory SNAPSHOT\n"
	     "holds, at that moment: ps shows its processes, ss its sockets, ls and cat its /proc and its files in memory.\n"
	     "For that, xray86 boots a kernel of the same build as the snapshot's in an emulator. It never writes the snapshot.\n"
	     "\n"
	     "The first word after SNAPSHOT that is no option of run begins COMMAND. All words behind it are COMMAND's.\n");
	options_help(option_specs);
	puts("\n"
	     "Exit status:\n"
	     "  that of COMMAND (128 + N if signal N ended it)\n"
	     "  125  xray86 failed, or with --strict, the answer may be incomplete\n"
	     "  126  COMMAND cannot be run\n"
	     "  127  COMMAND is not found\n"
	     "\n"
	     "Examples:\n"
	     "  xray86 run memory.elf ps aux\n"
	     "  xray86 run memory.elf --as 412 ls -l /proc/self/root/\n"
	     "  xray86 run memory.elf --kernel-path ~/kernels sh -c 'ls -l /proc/1/fd | wc -l'");
}

struct error *run_parse_arguments(int argc, char **argv, struct run_options *options, bool *ret_help)
{
	char quoted[QUOTE_NAME];
	struct error *err;
	int help;

	*options = (struct run_options){.root = "", .trusted = TRUSTED_ANY, .budget = COMMAND_DEFAULT_BUDGET, .timeout = TIMEOUT};
	err = options_parse_command(option_specs, options, argc, argv, &options->snapshot, &options->command, &help);
	*ret_help = help;
	if (err || help)
		return err;
	if (!options->snapshot)
		return error_create("run needs one SNAPSHOT before the command, as in xray86 run memory.elf ps aux: see xray86 run --help");
	if (!options->command[0])
		return error_create("run needs a COMMAND after the snapshot, as in xray86 run %s ps aux: see xray86 run --help",
				    quote_string(quoted, sizeof(quoted), options->snapshot));
	return NULL;
}

void run_options_deinit(struct run_options *options)
{
	additions_deinit(&options->env);
	free(options->trust_modules);
}
