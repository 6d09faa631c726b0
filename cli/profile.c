/* Sampling a guest: see profile.h. */
#include "cli/profile.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "loader/symbols.h"
#include "util/quote.h"

enum { SHOWN = 25 };

bool profile_sample(struct profile *profile, const struct machine *machine)
{
	if (machine->cpu->cpl) {
		profile->user++;
		return true;
	}
	if (profile->samples == profile->room) {
		size_t room = profile->room ? 2 * profile->room : 65536;
		uint64_t *larger = realloc(profile->sample, room * sizeof(*larger));

		if (!larger)
			return false;
		profile->sample = larger;
		profile->room = room;
	}
	profile->sample[profile->samples++] = machine->cpu->rip;
	return true;
}

struct function {
	uint64_t address, samples;
};

static int by_address(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

static int by_samples(const void *a, const void *b)
{
	const struct function *x = a, *y = b;

	if (x->samples != y->samples)
		return x->samples < y->samples ? 1 : -1;
	return by_address(&x->address, &y->address);
}

/* Sorted samples, gathered by the symbol that they are in; returns the number of functions. */
static size_t gather(const struct profile *profile, const struct symbols *symbols, struct function *ret)
{
	struct symbol symbol;
	size_t count = 0;

	for (size_t i = 0; i < profile->samples; i++) {
		uint64_t address = symbols_nearest(symbols, profile->sample[i], &symbol) ? symbol.address : 0;

		if (!count || ret[count - 1].address != address)
			ret[count++] = (struct function){.address = address};
		ret[count - 1].samples++;
	}
	return count;
}

static void print_line(double samples, double total, const char *name)
{
	fprintf(stderr, "%6.2f %%  %s\n", 100 * samples / total, name);
}

struct error *profile_print(struct profile *profile, const struct kernel_image *kernel)
{
	double total = profile->samples + profile->user;
	struct function *functions = calloc(profile->samples + 1, sizeof(*functions));
	struct symbols symbols = {0};
	char quoted[QUOTE_NAME];
	struct symbol symbol;
	struct error *err;
	size_t count;

	if (!functions)
		return error_create("out of memory");
	err = symbols_open_kernel(kernel, 0, &symbols);
	if (!err) {
		qsort(profile->sample, profile->samples, sizeof(uint64_t), by_address);
		count = gather(profile, &symbols, functions);
		qsort(functions, count, sizeof(*functions), by_samples);
		fprintf(stderr, "profile        %.0f samples, one in %d instructions\n", total, PROFILE_INTERVAL);
		print_line(profile->user, total, "(user mode)");
		for (size_t i = 0; i < count && i < SHOWN; i++)
			print_line(functions[i].samples, total,
				   symbols_nearest(&symbols, functions[i].address, &symbol)
					   ? quote_string(quoted, sizeof(quoted), symbol.name)
					   : "?");
	}
	symbols_close(&symbols);
	free(functions);
	return err;
}

void profile_deinit(struct profile *profile)
{
	free(profile->sample);
}
