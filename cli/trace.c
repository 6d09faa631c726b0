/* Traces and counters: trace.h. */
#include "cli/trace.h"

#include <inttypes.h>
#include <jansson.h>
#include <string.h>

#include "util/json_text.h"
#include "util/quote.h"

enum { SMALL = 1 << 20 };

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

static json_t *causes_to_json(const struct redirect_call *call)
{
	json_t *causes = json_array();

	for (unsigned cause = 0; cause < LOSS_CAUSES; cause++) {
		if (call->causes >> cause & 1)
			json_array_append_new(causes, json_string(loss_row(cause)->name));
	}
	return causes;
}

static json_t *to_json(const struct redirect_call *call)
{
	json_t *arguments = json_array();

	for (unsigned i = 0; i < REDIRECT_ARGUMENTS; i++) {
		json_array_append_new(arguments, call->path[i] ? json_text(call->path[i]) : json_sprintf("%#" PRIx64, call->argument[i]));
	}
	return json_pack("{s:s, s:o, s:I, s:I, s:I, s:I, s:I, s:s?, s:o}", "call", call->name, "arguments", arguments, "result",
			 (json_int_t)call->result, "instructions", (json_int_t)call->instructions, "loads", (json_int_t)call->traffic.loads,
			 "stores", (json_int_t)call->traffic.stores, "pages_copied", (json_int_t)call->pages, "aborted", call->aborted,
			 "causes", causes_to_json(call));
}

static void print_json(FILE *to, json_t *object)
{
	json_dumpf(object, to, JSON_COMPACT | JSON_ENSURE_ASCII);
	putc('\n', to);
	json_decref(object);
}

void trace_call(void *opaque, const struct redirect_call *call)
{
	const struct trace *trace = opaque;

	if (trace->json)
		print_json(trace->to, to_json(call));
	else
		print_text(trace->to, call);
}

/* -- counters -- */

struct counter {
	const char *name, *what;
	uint64_t value;
};

static void print_counter(const struct counter *counter, json_t *object)
{
	if (object)
		json_object_set_new(object, counter->name, json_integer(counter->value));
	else
		fprintf(stderr, "%-14s %12" PRIu64 "  %s\n", counter->name, counter->value, counter->what);
}

void trace_stats(const struct redirect_stats *stats, const struct losses *losses, uint64_t instructions, bool json)
{
	const struct counter counters[] = {
		{"calls", "on the snapshot", stats->flagged},
		{"aborted", "of them given up", stats->aborted},
		{"endless", "of these for having spent their budget", stats->endless},
		{"restarted", "begun again after the command's page was fetched", stats->restarted},
		{"instructions", "of the trusted VM after its boot", instructions},
		{"redirected", "of them in calls on the snapshot", stats->instructions},
		{"iterations", "of REP string instructions in those calls, four charged like an instruction", stats->iterations},
		{"page_faults", "on the command's buffers in those calls", stats->user_faults},
		{"stand_ins", "kernel functions not entered", stats->stand_ins},
		{"spins", "waits for a frozen CPU that were ended", stats->spins},
		{"warnings", "of the kernel's code (WARN)", stats->warnings},
	};
	enum { COUNT = sizeof(counters) / sizeof(counters[0]) };
	json_t *object = json ? json_object() : NULL;

	for (unsigned i = 0; i < COUNT; i++)
		print_counter(&counters[i], object);
	for (unsigned i = LOSS_NONE + 1; i < LOSS_CAUSES; i++)
		print_counter(&(struct counter){loss_row(i)->name, loss_row(i)->text, losses->count[i]}, object);
	if (json)
		print_json(stderr, object);
}
