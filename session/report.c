/* What is told of a command's work: report.h. */
#include "session/report.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "util/json_text.h"

/* Text that is written in pieces. Nothing is written to it before memory_open(), and NULL is what memory_close() makes of a failure. */
struct memory {
	FILE *to;
	char *text;
	size_t size;
};

static bool memory_open(struct memory *memory)
{
	*memory = (struct memory){0};
	memory->to = open_memstream(&memory->text, &memory->size);
	return memory->to;
}

static char *memory_close(struct memory *memory)
{
	bool failed = ferror(memory->to);

	if (fclose(memory->to) == 0 && !failed)
		return memory->text;
	free(memory->text);
	return NULL;
}

/* Takes object. */
static char *dump(json_t *object)
{
	char *text = json_dumps(object, JSON_COMPACT | JSON_ENSURE_ASCII);

	json_decref(object);
	return text;
}

/* -- losses -- */

static bool is_lost(const struct losses *losses, enum loss_cause cause)
{
	return losses->count[cause] && !loss_row(cause)->normal;
}

static const char *owner(const struct loss_code *code)
{
	static const char *const words[] = {
		[LOSS_OWNER_UNKNOWN] = "of a module?",
		[LOSS_OWNER_NONE] = "of none of the snapshot's modules",
		[LOSS_OWNER_MODULE] = "of the snapshot's module ",
	};

	return words[code->owner];
}

char *report_code(const struct loss_code *code, bool product_code, const struct report_words *words)
{
	struct memory memory;

	if (!memory_open(&memory))
		return NULL;
	fprintf(memory.to, "%s needs code at %#" PRIx64 " (%s%s)", code->call, code->address, owner(code), code->module);
	if (code->caller[0])
		fprintf(memory.to, ", called from %s,", code->caller);
	if (code->reason[0])
		fprintf(memory.to, " that is not proven, since %s: ", code->reason);
	else
		fputs(" that the trusted kernel does not have: ", memory.to);
	if (code->count == 1)
		fputs("the call was given up", memory.to);
	else
		fprintf(memory.to, "%" PRIu64 " such calls were given up", code->count);
	if (code->there && code->reason[0])
		fprintf(memory.to, "; %s%s runs the snapshot's own", words->trust_module, code->module);
	else if (code->there && words->verified && code->owner == LOSS_OWNER_MODULE)
		fprintf(memory.to, "; %s runs it if its file proves it", words->verified);
	else if (code->there)
		fprintf(memory.to, "; %s runs it", words->product_code);
	else if (product_code)
		fputs("; the snapshot has none there", memory.to);
	return memory_close(&memory);
}

/* Whether there are modules whose code the user can have run. */
static bool product_code_helps(const struct losses *losses)
{
	for (size_t i = 0; i < losses->codes; i++) {
		if (losses->code[i].there)
			return true;
	}
	return false;
}

static void tell_cause(const struct losses *losses, enum loss_cause cause, FILE *to)
{
	const struct loss_row *row = loss_row(cause);
	uint64_t count = losses->count[cause];

	if (row->one)
		fprintf(to, "%" PRIu64 " %s ", count, count == 1 ? row->one : row->many);
	fputs(row->text, to);
}

/* In the order of the causes; each piece of advice once. */
static void tell_advice(const struct losses *losses, const struct report_words *words, FILE *to)
{
	const char *last = NULL;

	for (unsigned cause = 0; cause < LOSS_CAUSES; cause++) {
		const char *advice = loss_row(cause)->advice;

		if (is_lost(losses, cause) && advice && advice != last) {
			fprintf(to, "; %s", advice);
			last = advice;
		}
	}
	if (product_code_helps(losses) && words->verified)
		fprintf(to, "; %s runs code of modules that their files prove", words->verified);
	else if (product_code_helps(losses))
		fprintf(to, "; %s runs the snapshot's own code", words->product_code);
	if (words->trace)
		fprintf(to, "; %s tells which calls", words->trace);
}

char *report_losses(const struct losses *losses, const struct report_words *words)
{
	const char *separator = "";
	struct memory memory;

	if (!memory_open(&memory))
		return NULL;
	fputs("the answer may be incomplete: ", memory.to);
	for (unsigned cause = 0; cause < LOSS_CAUSES; cause++) {
		if (!is_lost(losses, cause))
			continue;
		fputs(separator, memory.to);
		tell_cause(losses, cause, memory.to);
		separator = ", ";
	}
	tell_advice(losses, words, memory.to);
	return memory_close(&memory);
}

static json_t *code_to_json(const struct loss_code *code)
{
	static const char *const owners[] = {"unknown", "none", "module"};

	return json_pack("{s:s, s:s, s:o, s:s, s:s, s:o, s:b, s:I}", "owner", owners[code->owner], "module", code->module, "address",
			 json_sprintf("%#" PRIx64, code->address), "call", code->call, "caller", code->caller, "reason",
			 json_text(code->reason), "in_snapshot", code->there, "count", (json_int_t)code->count);
}

static json_t *cause_to_json(const struct losses *losses, enum loss_cause cause)
{
	json_t *object = json_pack("{s:s, s:I}", "cause", loss_row(cause)->name, "count", (json_int_t)losses->count[cause]);

	if (cause == LOSS_CODE) {
		json_t *codes = json_array();

		for (size_t i = 0; i < losses->codes; i++)
			json_array_append_new(codes, code_to_json(&losses->code[i]));
		json_object_set_new(object, "code", codes);
	}
	return object;
}

char *report_losses_json(const struct losses *losses)
{
	json_t *causes = json_array();

	for (unsigned cause = 0; cause < LOSS_CAUSES; cause++) {
		if (is_lost(losses, cause))
			json_array_append_new(causes, cause_to_json(losses, cause));
	}
	return dump(json_pack("{s:b, s:o}", "incomplete", 1, "losses", causes));
}

char *report_unproven_json(const char *release)
{
	return dump(json_pack("{s:b, s:o}", "unproven", 1, "trusted_kernel", json_text(release)));
}

/* -- calls -- */

static json_t *causes_to_json(const struct redirect_call *call)
{
	json_t *causes = json_array();

	for (unsigned cause = 0; cause < LOSS_CAUSES; cause++) {
		if (call->causes >> cause & 1)
			json_array_append_new(causes, json_string(loss_row(cause)->name));
	}
	return causes;
}

char *report_call_json(const struct redirect_call *call)
{
	json_t *arguments = json_array();

	for (unsigned i = 0; i < REDIRECT_ARGUMENTS; i++) {
		json_array_append_new(arguments, call->path[i] ? json_text(call->path[i]) : json_sprintf("%#" PRIx64, call->argument[i]));
	}
	return dump(json_pack("{s:s, s:o, s:I, s:I, s:I, s:I, s:I, s:s?, s:o}", "call", call->name, "arguments", arguments, "result",
			      (json_int_t)call->result, "instructions", (json_int_t)call->instructions, "loads",
			      (json_int_t)call->traffic.loads, "stores", (json_int_t)call->traffic.stores, "pages_copied",
			      (json_int_t)call->pages, "aborted", call->aborted, "causes", causes_to_json(call)));
}

/* -- counters -- */

void report_counters(const struct redirect_stats *stats, const struct losses *losses, uint64_t instructions,
		     void (*fn)(void *opaque, const struct report_counter *counter), void *opaque)
{
	const struct report_counter counters[] = {
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

	for (unsigned i = 0; i < sizeof(counters) / sizeof(counters[0]); i++)
		fn(opaque, &counters[i]);
	for (unsigned i = LOSS_NONE + 1; i < LOSS_CAUSES; i++)
		fn(opaque, &(struct report_counter){loss_row(i)->name, loss_row(i)->text, losses->count[i]});
}

static void add_counter(void *opaque, const struct report_counter *counter)
{
	json_object_set_new(opaque, counter->name, json_integer(counter->value));
}

char *report_stats_json(const struct redirect_stats *stats, const struct losses *losses, uint64_t instructions)
{
	json_t *object = json_object();

	report_counters(stats, losses, instructions, add_counter, object);
	return dump(object);
}
