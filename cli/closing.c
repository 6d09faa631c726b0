/* The end of a run that lost something: closing.h. */
#include "cli/closing.h"

#include <stdlib.h>

#include "session/report.h"

static void print(FILE *to, const char *before, char *text, const char *behind)
{
	fprintf(to, "%s%s%s\n", before, text ? text : "out of memory for what is to be told", behind);
	free(text);
}

void closing_tell(const struct losses *losses, const struct closing_options *options, FILE *to)
{
	const struct report_words words = {.product_code = "--code product",
					   .verified = options->code == CODE_TRUSTED ? "--code verified" : NULL,
					   .trust_module = "--trust-module ",
					   .trace = options->traced ? NULL : "--trace"};

	if (!losses_any(losses))
		return;
	for (size_t i = 0; i < losses->codes; i++)
		print(to, "xray86: note: ", report_code(&losses->code[i], options->code == CODE_PRODUCT, &words), "");
	print(to, "xray86: ", report_losses(losses, &words), options->strict ? " (status 125 by --strict)" : "");
}

void closing_tell_json(const struct losses *losses, FILE *to)
{
	if (losses_any(losses))
		print(to, "", report_losses_json(losses), "");
}
