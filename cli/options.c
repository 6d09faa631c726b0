/* Option tables: see options.h. */
#include "cli/options.h"

#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/quote.h"

enum { MAX_OPTIONS = 32, HELP_COLUMN = 28 };

static int takes(const char *argument)
{
	return !argument ? no_argument : *argument == '[' ? optional_argument : required_argument;
}

/* The table in getopt's form, --help added. `val` is the row's number + 1, so that '?' and ':' (both above 32) are free. */
static void to_getopt(const struct option_spec *spec, struct option *ret)
{
	int count = 0;

	for (; spec[count].name && count < MAX_OPTIONS - 2; count++)
		ret[count] = (struct option){spec[count].name, takes(spec[count].argument), NULL, count + 1};
	ret[count++] = (struct option){"help", no_argument, NULL, 'h'};
	ret[count] = (struct option){0};
}

static struct error *take(const struct option_spec *spec, void *into, const char *value)
{
	void *place = (char *)into + spec->place;

	if (spec->set)
		return spec->set(into, value);
	if (spec->argument)
		*(const char **)place = value;
	else
		*(bool *)place = true;
	return NULL;
}

struct error *options_parse(const struct option_spec *spec, void *into, int argc, char **argv, int *ret_others, int *ret_help)
{
	struct option option[MAX_OPTIONS];
	char quoted[QUOTE_NAME];

	to_getopt(spec, option);
	opterr = 0;
	optind = 1;
	*ret_help = 0;
	for (;;) {
		int found = getopt_long(argc, argv, ":h", option, NULL);
		struct error *err;

		if (found < 0)
			break;
		if (found == ':')
			return error_create("%s needs an argument: see xray86 %s --help", argv[optind - 1], argv[0]);
		if (found == '?' && optopt > ' ' &&
		    optopt <= '~') /* a letter, perhaps of several: optind may still be at the word before */
			return error_create("unknown option -%c: see xray86 %s --help", optopt, argv[0]);
		if (found == '?')
			return error_create("unknown option %s: see xray86 %s --help",
					    quote_string(quoted, sizeof(quoted), argv[optind - 1]), argv[0]);
		if (found == 'h') {
			*ret_help = 1;
			return NULL;
		}
		err = take(&spec[found - 1], into, optarg);
		if (err)
			return err;
	}
	*ret_others = argc - optind;
	memmove(argv + 1, argv + optind, *ret_others * sizeof(*argv));
	return NULL;
}

static void print_row(const char *name, const char *argument, const char *help)
{
	char left[80];
	const char *newline;

	snprintf(left, sizeof(left), "  --%s%s%s", name, argument && *argument != '[' ? " " : "", argument ? argument : "");
	printf("%-*s", HELP_COLUMN, left);
	if (strlen(left) >= HELP_COLUMN)
		printf("\n%*s", HELP_COLUMN, "");
	while ((newline = strchr(help, '\n'))) {
		printf("%.*s\n%*s", (int)(newline - help), help, HELP_COLUMN, "");
		help = newline + 1;
	}
	puts(help);
}

void options_help(const struct option_spec *spec)
{
	for (; spec->name; spec++)
		print_row(spec->name, spec->argument, spec->help);
	print_row("help", NULL, "print this");
}

static bool to_number(const char *text, char **ret_end, unsigned long long *ret)
{
	errno = 0;
	*ret = strtoull(text, ret_end, 0);
	return isdigit((unsigned char)text[0]) && !errno;
}

struct error *parse_switch(const char *name, const char *value, const char *first, const char *second, bool *ret)
{
	*ret = strcmp(value, second) == 0;
	return *ret || strcmp(value, first) == 0 ? NULL : error_create("--%s %s: must be %s or %s", name, value, first, second);
}

struct error *parse_number(const char *name, const char *value, unsigned long long *ret)
{
	char *end;

	if (to_number(value, &end, ret) && !*end)
		return NULL;
	return error_create("--%s %s: not a number: write it as 1000000 or 0xf4240", name, value);
}

struct error *parse_count(const char *name, const char *value, unsigned long long *ret)
{
	static const char suffixes[] = "KMGT";
	unsigned long long unit = 1;
	char *end;
	bool ok = to_number(value, &end, ret);

	if (ok && *end) {
		const char *suffix = strchr(suffixes, toupper((unsigned char)*end));

		ok = suffix && !end[1];
		for (const char *at = suffixes; ok && at <= suffix; at++)
			unit *= 1000;
	}
	if (!ok || *ret > UINT64_MAX / unit)
		return error_create("--%s %s: not a count: write it as 500000000, 500M or 60G", name, value);
	*ret *= unit;
	return NULL;
}

struct error *parse_size(const char *name, const char *value, unsigned long long *ret)
{
	static const char suffixes[] = "KMG";
	unsigned shift = 20;
	char *end;
	bool ok = to_number(value, &end, ret);

	if (ok && *end) {
		const char *suffix = strchr(suffixes, toupper((unsigned char)*end));

		ok = suffix && !end[1];
		if (ok)
			shift = 10 * (suffix - suffixes + 1);
	}
	if (!ok || *ret > UINT64_MAX >> shift)
		return error_create("--%s %s: not a size: write it as 512 (MiB), 512M or 2G", name, value);
	*ret <<= shift;
	return NULL;
}
