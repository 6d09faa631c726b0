/* The end of a run that lost something: closing.h. */
#include "cli/closing.h"

#include <inttypes.h>
#include <jansson.h>

static bool is_lost(const struct losses *losses, enum loss_cause cause)
{
	return losses->count[cause] && !loss_row(cause)->normal;
}

/* -- code that was missing -- */

static const char *owner(const struct loss_code *code)
{
	static const char *const words[] = {
		[LOSS_OWNER_UNKNOWN] = "of a module?",
		[LOSS_OWNER_NONE] = "of none of the snapshot's modules",
		[LOSS_OWNER_MODULE] = "of the snapshot's module ",
	};

	return words[code->owner];
}

/* One of the calls that needed it tells for all. */
static void tell_code(const struct loss_code *code, const struct closing_options *options, FILE *to)
{
	fprintf(to, "xray86: note: %s needs code at %#" PRIx64 " (%s%s)", code->call, code->address, owner(code), code->module);
	if (code->caller[0])
		fprintf(to, ", called from %s,", code->caller);
	fputs(" that the trusted kernel does not have: ", to);
	if (code->count == 1)
		fputs("the call was given up", to);
	else
		fprintf(to, "%" PRIu64 " such calls were given up", code->count);
	fputs(code->there ? "; --code product runs it\n" : options->product_code ? "; the snapshot has none there\n" : "\n", to);
}

static void tell_codes(const struct losses *losses, const struct closing_options *options, FILE *to)
{
	for (size_t i = 0; i < losses->codes; i++)
		tell_code(&losses->code[i], options, to);
}

/* Whether there are modules whose code --code product would run. */
static bool product_code_helps(const struct losses *losses)
{
	for (size_t i = 0; i < losses->codes; i++) {
		if (losses->code[i].there)
			return true;
	}
	return false;
}

/* -- the line -- */

static void tell_cause(const struct losses *losses, enum loss_cause cause, FILE *to)
{
	const struct loss_row *row = loss_row(cause);
	uint64_t count = losses->count[cause];

	if (row->one)
		fprintf(to, "%" PRIu64 " %s ", count, count == 1 ? row->one : row->many);
	fputs(row->text, to);
}

/* In the order of the causes; each piece of advice once. */
static void tell_advice(const struct losses *losses, const struct closing_options *options, FILE *to)
{
	const char *last = NULL;

	for (unsigned cause = 0; cause < LOSS_CAUSES; cause++) {
		const char *advice = loss_row(cause)->advice;

		if (is_lost(losses, cause) && advice && advice != last) {
			fprintf(to, "; %s", advice);
			last = advice;
		}
	}
	if (product_code_helps(losses))
		fputs("; --code product runs the snapshot's own code", to);
	if (!options->traced)
		fputs("; --trace tells which calls", to);
}

void closing_tell(const struct losses *losses, const struct closing_options *options, FILE *to)
{
	const char *separator = "";

	if (!losses_any(losses))
		return;
	tell_codes(losses, options, to);
	fputs("xray86: the answer may be incomplete: ", to);
	for (unsigned cause = 0; cause < LOSS_CAUSES; cause++) {
		if (!is_lost(losses, cause))
			continue;
		fputs(separator, to);
		tell_cause(losses, cause, to);
		separator = ", ";
	}
	tell_advice(losses, options, to);
	fputs(options->strict ? " (status 125 by --strict)\n" : "\n", to);
}

/* -- JSON -- */

static json_t *code_to_json(const struct loss_code *code)
{
	static const char *const owners[] = {"unknown", "none", "module"};

	return json_pack("{s:s, s:s, s:o, s:s, s:s, s:b, s:I}", "owner", owners[code->owner], "module", code->module, "address",
			 json_sprintf("%#" PRIx64, code->address), "call", code->call, "caller", code->caller, "in_snapshot", code->there,
			 "count", (json_int_t)code->count);
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

void closing_tell_json(const struct losses *losses, FILE *to)
{
	json_t *causes, *object;

	if (!losses_any(losses))
		return;
	causes = json_array();
	for (unsigned cause = 0; cause < LOSS_CAUSES; cause++) {
		if (is_lost(losses, cause))
			json_array_append_new(causes, cause_to_json(losses, cause));
	}
	object = json_pack("{s:b, s:o}", "incomplete", 1, "losses", causes);
	json_dumpf(object, to, JSON_COMPACT | JSON_ENSURE_ASCII);
	putc('\n', to);
	json_decref(object);
}
