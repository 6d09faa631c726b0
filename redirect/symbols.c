/* Looking up the kernel's symbols: session.h. */
#include <stdio.h>
#include <string.h>

#include "redirect/session.h"

uint64_t find_symbol(const struct redirect *redirect, const char *name)
{
	uint64_t address;

	return symbols_address(redirect->config.symbols, name, &address) ? address : 0;
}

void for_each_symbol(struct redirect *redirect, const char *prefix, struct error *(*fn)(struct redirect *, const struct symbol *),
		     struct error **ret_error)
{
	struct symbols_cursor cursor = {0};
	struct symbol symbol;

	*ret_error = NULL;
	while (!*ret_error && symbols_next(redirect->config.symbols, &cursor, &symbol)) {
		if (strncmp(symbol.name, prefix, strlen(prefix)) == 0 && (symbol.type == 'T' || symbol.type == 't'))
			*ret_error = fn(redirect, &symbol);
	}
}

const char *symbol_near(const struct redirect *redirect, uint64_t address, char to[KSYM_NAME_LEN + 20])
{
	struct symbol symbol;

	if (!symbols_nearest(redirect->config.symbols, address, &symbol))
		return "?";
	snprintf(to, KSYM_NAME_LEN + 20, "%s+%#llx", symbol.name, (unsigned long long)(address - symbol.address));
	return to;
}
