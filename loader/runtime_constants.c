/* Runtime constants: runtime_constants.h. */
#include "loader/runtime_constants.h"

#include <stdio.h>
#include <string.h>

#define PREFIX "__start_runtime_"

static const struct kind {
	const char *prefix; /* of the symbol at the list's start */
	unsigned size;
} kinds[] = {{PREFIX "ptr_", 8}, {PREFIX "shift_", 1}, {PREFIX "mask_", 4}};

/* By the symbol at its start; NULL: it is none, or not of interest. */
static const struct kind *kind_of(const char *symbol)
{
	for (unsigned i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		size_t length = strlen(kinds[i].prefix);

		if (strncmp(symbol, kinds[i].prefix, length) == 0)
			return strcmp(symbol + length, "USER_PTR_MAX") ? &kinds[i] : NULL;
	}
	return NULL;
}

static void read_list(const struct view *view, uint64_t start, uint64_t end, unsigned size, struct runtime_constants *ret)
{
	for (uint64_t at = start; at + 4 <= end && ret->count < RUNTIME_CONSTANTS_MAX; at += 4) {
		const uint8_t *bytes = view_bytes(view, at, 4);
		uint64_t address;
		int32_t offset;

		if (!bytes)
			return;
		memcpy(&offset, bytes, sizeof(offset));
		address = at + offset;
		if (view_contains(view, address))
			ret->constant[ret->count++] = (struct runtime_constant){address, size};
	}
}

void runtime_constants_locate(const struct view *view, const struct symbols *symbols, struct runtime_constants *ret)
{
	static const char start[] = "__start_", stop[] = "__stop_";
	struct symbols_cursor cursor = {0};
	struct symbol symbol;

	ret->count = 0;
	while (symbols_next_prefixed(symbols, &cursor, PREFIX, &symbol)) {
		const struct kind *kind = kind_of(symbol.name);
		char name[sizeof(symbol.name) + sizeof(stop)];
		uint64_t end;

		if (!kind)
			continue;
		snprintf(name, sizeof(name), "%s%s", stop, symbol.name + strlen(start));
		if (symbols_address(symbols, name, &end))
			read_list(view, symbol.address, end, kind->size, ret);
	}
}
