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
/* What getopt_long() returns: a word that is no option (if it was told to return them), or FIRST_OPTION + the option's row. */
enum { WORD = 1, FIRST_OPTION };

static int takes(const char *argument)
{
	return !argument ? no_argument : *argument == '[' ? optional_argument : required_argument;
}

/* The table in getopt's form, --help added. Rows' numbers stay below '?', ':' and 'h', which have meanings of their own. */
static void to_getopt(const struct option_spec *spec, struct option *ret)
{
	int count = 0;

	for (; spec[count].name && count < MAX_OPTIONS - 2; count++)
		ret[count] = (struct option){spec[count].name, takes(spec[count].argument), NULL, FIRST_OPTION + count};
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

/*
 * The next option, which goes into `into`; *ret_found is WORD for a word that is no option (in optarg, and only where `letters` begins
 * with '-'), 'h' for --help, and -1 at the end of the options, where optind is the next word.
 */
static struct error *next_option(const struct option_spec *spec, void *into, int argc, char **argv, const char *letters, int *ret_found)
{
	struct option option[MAX_OPTIONS];
	char quoted[QUOTE_NAME];
	int found;

	to_getopt(spec, option);
	found = getopt_long(argc, argv, letters, option, NULL);
	*ret_found = found;
	if (found == ':')
		return error_create("%s needs an argument: see xray86 %s --help", argv[optind - 1], argv[0]);
	if (found == '?' && optopt > ' ' && optopt <= '~') /* a letter, perhaps of several: optind may still be at the word before */
		return error_create("unknown option -%c: see xray86 %s --help", optopt, argv[0]);
	if (found == '?')
		return error_create("unknown option %s: see xray86 %s --help", quote_string(quoted, sizeof(quoted), argv[optind - 1]),
				    argv[0]);
	return found < FIRST_OPTION || found == 'h' ? NULL : take(&spec[found - FIRST_OPTION], into, optarg);
}

static void getopt_restart(void)
{
	opterr = 0;
	optind = 0; /* 1 would keep the order of an earlier parse */
}

struct error *options_parse(const struct option_spec *spec, void *into, int argc, char **argv, int *ret_others, int *ret_help)
{
	struct error *err;
	int found;

	getopt_restart();
	*ret_help = 0;
	do {
		err = next_option(spec, into, argc, argv, ":h", &found);
		if (err)
			return err;
		if (found == 'h') {
			*ret_help = 1;
			return NULL;
		}
	} while (found >= 0);
	*ret_others = argc - optind;
	memmove(argv + 1, argv + optind, *ret_others * sizeof(*argv));
	return NULL;
}

struct error *options_parse_command(const struct option_spec *spec, void *into, int argc, char **argv, const char **ret_word,
				    char *const **ret_command, int *ret_help)
{
	struct error *err;
	int found;

	getopt_restart();
	*ret_help = 0;
	*ret_word = NULL;
	for (;;) {
		err = next_option(spec, into, argc, argv, "-:h", &found);
		if (err)
			return err;
		if (found == 'h') {
			*ret_help = 1;
			return NULL;
		}
		if (found < 0 || (found == WORD && *ret_word))
			break;
		if (found == WORD)
			*ret_word = optarg;
	}
	*ret_command = argv + (found == WORD ? optind - 1 : optind);
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
