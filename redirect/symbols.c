/* Looking up the kernel's symbols: session.h. */
#include <stdio.h>

#include "redirect/session.h"
#include "util/quote.h"

uint64_t find_symbol(const struct redirect *redirect, const char *name)
{
	uint64_t address;

	return symbols_address(redirect->config.symbols, name, &address) ? address : 0;
}

struct error *for_each_function(struct redirect *redirect, struct error *(*fn)(struct redirect *, const struct symbol *))
{
	struct symbols_cursor cursor = {0};
	struct error *err = NULL;
	struct symbol symbol;

	while (!err && symbols_next(redirect->config.symbols, &cursor, &symbol)) {
		if (symbol.type == 'T' || symbol.type == 't')
			err = fn(redirect, &symbol);
	}
	return err;
}

const char *symbol_near(const struct redirect *redirect, uint64_t address, char to[KSYM_NAME_LEN + 20])
{
	char name[QUOTE_NAME];
	struct symbol symbol;

	if (!symbols_nearest(redirect->config.symbols, address, &symbol))
		return "?";
	snprintf(to, KSYM_NAME_LEN + 20, "%s+%#llx", quote_string(name, sizeof(name), symbol.name),
		 (unsigned long long)(address - symbol.address));
	return to;
}
