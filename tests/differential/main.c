/*
 * The differential harness's command line. Its last line is
 *     differential: N cases, M mismatches, K rows never executed
 * and its exit status 0 only if M and K are 0 (K is not judged when rows or modes were chosen, or a case replayed).
 */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/differential/harness.h"

struct arguments {
	uint64_t cases, seed, first;
	unsigned mode, sequences, show;
	const char *row, *host;
	bool plain, tagged, replay, traits;
};

static const char usage[] =
	"usage: differential [--cases N] [--seed S] [--row NAME] [--mode 16|32|64] [--sequences PERCENT] [--engine plain|tagged|both]\n"
	"                    [--replay SEED:CASE] [--show MISMATCHES] [--exempt]\n"
	"                    [--host none|zen3|zen4|zen5|intel] [--traits]\n"
	"  --row        only instructions of this operation (a name of emu/isa/*.ops)\n"
	"  --mode       only code of that size; 16: also 32-bit code with segments of the LDT (16-bit stacks, limits, expand-down)\n"
	"  --sequences  how many of 100 cases are sequences of 8 to 32 instructions (10)\n"
	"  --replay     one case of an earlier run, with the other options as they were then\n"
	"  --show       how many mismatches to print in full (10)\n"
	"  --host       excuses what this one does in its own way, too; none: only what the SDM defines is compared\n"
	"  --traits     lists what was measured of the host, and what follows from it\n"
	"  --exempt     lists the rows that are not compared, and why\n";

static void list_exempt(void)
{
	for (const struct exempt_row *exempt = exempt_rows; exempt->reason; exempt++)
		printf("%-18s %-11s %-45s %s\n", isa_op_names[exempt->op], exempt->kind == EXEMPT_FAULTS ? "fault only" : "not run",
		       exempt->reason, exempt->tested);
}

/* False: leave with *ret_status. */
static bool parse(int argc, char **argv, struct arguments *args, int *ret_status)
{
	static const struct option options[] = {
		{"cases", required_argument, NULL, 'c'},     {"seed", required_argument, NULL, 's'},
		{"row", required_argument, NULL, 'r'},       {"mode", required_argument, NULL, 'm'},
		{"sequences", required_argument, NULL, 'q'}, {"engine", required_argument, NULL, 'e'},
		{"replay", required_argument, NULL, 'p'},    {"show", required_argument, NULL, 'n'},
		{"exempt", no_argument, NULL, 'x'},          {"host", required_argument, NULL, 'h'},
		{"traits", no_argument, NULL, 't'},          {NULL, 0, NULL, 0},
	};
	int option;
	char *end;

	*ret_status = 2;
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (option) {
		case 'c':
			args->cases = strtoull(optarg, NULL, 0);
			break;
		case 's':
			args->seed = strtoull(optarg, NULL, 0);
			break;
		case 'r':
			args->row = optarg;
			break;
		case 'm':
			args->mode = strtoul(optarg, NULL, 0);
			break;
		case 'q':
			args->sequences = strtoul(optarg, NULL, 0);
			break;
		case 'n':
			args->show = strtoul(optarg, NULL, 0);
			break;
		case 'e':
			args->plain = strcmp(optarg, "tagged") != 0;
			args->tagged = strcmp(optarg, "plain") != 0;
			break;
		case 'p':
			args->replay = true;
			args->seed = strtoull(optarg, &end, 0);
			args->first = *end == ':' ? strtoull(end + 1, NULL, 0) : 0;
			break;
		case 'h':
			args->host = optarg;
			break;
		case 't':
			args->traits = true;
			break;
		case 'x':
			list_exempt();
			*ret_status = 0;
			return false;
		default:
			fputs(usage, stderr);
			return false;
		}
	}
	if (optind < argc || (args->mode && args->mode != 16 && args->mode != 32 && args->mode != 64) || args->sequences > 100) {
		fputs(usage, stderr);
		return false;
	}
	return true;
}

static struct error *run(struct harness *harness, const struct arguments *args)
{
	struct error *err = NULL;

	if (args->replay)
		return harness_batch(harness, args->first, 1);
	for (uint64_t done = 0; done < args->cases && !err; done += BATCH) {
		uint64_t left = args->cases - done;

		err = harness_batch(harness, done, left < BATCH ? left : BATCH);
		if (done % (1024 * BATCH) == 0 && done && isatty(STDERR_FILENO))
			fprintf(stderr, "\r%" PRIu64 " cases, %" PRIu64 " mismatches", done, harness->mismatches);
	}
	return err;
}

static void show_row(size_t i)
{
	static const char *const maps[] = {"", "0f ", "0f 38 ", "0f 3a "};
	static const char *const prefixes[] = {"", "np ", "66 ", "f3 ", "f2 "};
	const struct isa_row *row = &isa_rows[i];

	printf("%s%s%02x", prefixes[row->prefix], maps[row->map], row->opcode);
	if (row->reg >= 0)
		printf(" /%d", row->reg);
	printf(" %s%s\n", isa_op_names[row->op], row->mod == M_MEM ? " (memory)" : row->mod == M_REG ? " (register)" : "");
}

/* Rows that ought to have been executed and were not. */
static unsigned show_unexecuted(const struct harness *harness)
{
	unsigned count = 0;

	for (size_t i = 0; i < isa_row_count; i++) {
		if (harness->executed[i] || exempt_find(&isa_rows[i]) || host_lacks(&harness->generator.host, &isa_rows[i]))
			continue;
		printf("never executed: ");
		show_row(i);
		count++;
	}
	return count;
}

static void show_mismatched(const struct harness *harness)
{
	for (size_t i = 0; i < isa_row_count; i++) {
		if (!harness->mismatched[i])
			continue;
		printf("%8" PRIu64 " mismatches (last instruction): ", harness->mismatched[i]);
		show_row(i);
	}
}

static void list_traits(const struct host *host)
{
	for (unsigned i = 0; i < TRAITS; i++)
		printf("%-15s %s\n", traits[i].name,
		       host->answer[i] == EMULATED ? traits[i].emulated
		       : host->answer[i] == OTHER  ? traits[i].other
						   : "not known");
	for (unsigned i = 0; i < FLAG_GROUPS; i++)
		printf("flags:%-14s %#05x as the emulator's (%s), %#05x as before\n", flag_groups[i].name, host->flags[i].emulated,
		       flag_groups[i].rule, host->flags[i].kept);
	for (unsigned i = 0; i < TRAITS; i++) {
		if (host->answer[i] != EMULATED)
			printf("so, by %s: %s\n", traits[i].name, traits[i].unless);
	}
}

/* From the measured host to where cases can run. */
static struct error *start(struct harness *harness, const struct arguments *args)
{
	char description[1024];

	if (args->host && !host_pretend(&harness->generator.host, args->host))
		return error_create("no host is called %s: give none, zen3, zen4, zen5 or intel", args->host);
	host_describe(&harness->generator.host, description, sizeof(description));
	printf("host: %s%s%s\n", args->host ? "taken as " : "", args->host ? args->host : "measured", description);
	harness->generator.isa = isa_create();
	harness->generator.seed = args->seed;
	harness->generator.mode = args->mode;
	harness->generator.name = args->row;
	harness->generator.sequences = args->sequences;
	harness->show = args->show;
	return harness->generator.isa ? harness_init(harness, args->plain, args->tagged) : error_create("out of memory");
}

static int finish(const struct harness *harness, const struct arguments *args)
{
	const uint64_t most_strays = 3 + harness->cases / 500000;
	unsigned never = 0;

	show_mismatched(harness);
	if (!args->replay && !args->row && !args->mode)
		never = show_unexecuted(harness);
	printf("seed %" PRIu64 ": %" PRIu64 " not made, %" PRIu64 " not comparable, %" PRIu64 " not repeatable on the host\n", args->seed,
	       harness->not_made, harness->not_compared, harness->unstable);
	if (!args->replay && !args->mode)
		printf("not run: 16-bit code and stacks, limits, segments that expand down (%s)\n",
		       host_does(&harness->generator.host, TRAIT_SEGMENTS) ? "--mode 16 runs them"
									   : "no modify_ldt, CONFIG_X86_16BIT or LDT here");
	if (harness->strays > most_strays)
		printf("%" PRIu64 " results came once and not again: more than a host's own ways explain\n", harness->strays);
	printf("differential: %" PRIu64 " cases, %" PRIu64 " mismatches, %u rows never executed\n", harness->cases, harness->mismatches,
	       never);
	return harness->mismatches || never || harness->strays > most_strays;
}

int main(int argc, char **argv)
{
	struct arguments args = {.cases = 1000000, .seed = 1, .sequences = 10, .show = 10, .plain = true, .tagged = true};
	struct harness harness = {0};
	struct error *err;
	int status;

	if (!parse(argc, argv, &args, &status))
		return status;
	err = harness_measure(&harness);
	if (!err)
		err = start(&harness, &args);
	if (!err && args.traits)
		list_traits(&harness.generator.host);
	else if (!err)
		err = run(&harness, &args);
	status = err ? 125 : args.traits ? 0 : finish(&harness, &args);
	if (err)
		fprintf(stderr, "differential: %s\n", err->message);
	error_destroy(err);
	harness_deinit(&harness);
	isa_destroy((struct isa *)harness.generator.isa);
	return status;
}
