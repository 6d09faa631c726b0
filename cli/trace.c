/* Traces and counters: trace.h. */
#include "cli/trace.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "session/report.h"
#include "util/quote.h"

enum { SMALL = 1 << 20 };

/* -- the file -- */

struct error *trace_open(struct trace *trace, bool wanted, const char *path, bool json)
{
	*trace = (struct trace){.json = json, .path = path};
	if (wanted)
		trace->to = path ? fopen(path, "we") : stderr;
	return wanted && !trace->to ? error_create("%s: %s", path, strerror(errno)) : NULL;
}

struct error *trace_close(struct trace *trace)
{
	bool failed;

	if (!trace->to || !trace->path)
		return NULL;
	errno = 0;
	failed = fflush(trace->to) || ferror(trace->to); /* what failed before has been dropped, and errno with it */
	failed |= fclose(trace->to) != 0;
	return failed ? error_create("%s: %s", trace->path, errno ? strerror(errno) : "it could not be written") : NULL;
}

/* -- calls -- */

/* As strace writes them: numbers as they are likely to be meant. */
static void format_number(uint64_t value, char *to, size_t size)
{
	int32_t low = (int32_t)value;

	if (value < SMALL || (value == (uint32_t)low && low < 0 && low > -SMALL) || ((int64_t)value < 0 && (int64_t)value > -SMALL))
		snprintf(to, size, "%" PRId32, low);
	else
		snprintf(to, size, "%#" PRIx64, value);
}

static void print_quoted(FILE *to, const char *text)
{
	char piece[QUOTE_BYTE];

	putc('"', to);
	for (; *text; text++)
		fwrite(piece, 1, quote_byte(*text, piece), to);
	putc('"', to);
}

static void print_text(FILE *to, const struct redirect_call *call)
{
	fprintf(to, "%s(", call->name);
	for (unsigned i = 0; i < REDIRECT_ARGUMENTS; i++) {
		char number[24];

		format_number(call->argument[i], number, sizeof(number));
		fputs(i ? ", " : "", to);
		if (call->path[i])
			print_quoted(to, call->path[i]);
		else
			fputs(number, to);
	}
	fprintf(to, ") = %" PRId64, call->result);
	if (call->result < 0 && call->result > -4096 && strerrorname_np(-call->result))
		fprintf(to, " %s", strerrorname_np(-call->result));
	fprintf(to, "  %" PRIu64 " instructions, %" PRIu64 " loads, %" PRIu64 " stores, %zu pages copied", call->instructions,
		call->traffic.loads, call->traffic.stores, call->pages);
	for (unsigned cause = 0; cause < LOSS_CAUSES; cause++) {
		if (call->causes >> cause & 1)
			fprintf(to, "  CAUSE: %s", loss_row(cause)->name);
	}
	if (call->aborted)
		fprintf(to, "  ABORTED: %s", call->aborted);
	putc('\n', to);
}

static void print_json(FILE *to, char *text)
{
	if (text)
		fprintf(to, "%s\n", text);
	free(text);
}

void trace_call(void *opaque, const struct redirect_call *call)
{
	const struct trace *trace = opaque;

	if (trace->json)
		print_json(trace->to, report_call_json(call));
	else
		print_text(trace->to, call);
}

/* -- counters -- */

static void print_counter(void *opaque, const struct report_counter *counter)
{
	fprintf(opaque, "%-14s %12" PRIu64 "  %s\n", counter->name, counter->value, counter->what);
}

void trace_stats(const struct redirect_stats *stats, const struct losses *losses, uint64_t instructions, bool json)
{
	if (json)
		print_json(stderr, report_stats_json(stats, losses, instructions));
	else
		report_counters(stats, losses, instructions, print_counter, stderr);
}
