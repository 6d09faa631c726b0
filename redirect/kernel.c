/* What is known of a kernel: kernel.h. */
#include "redirect/kernel.h"

#include <stdio.h>
#include <string.h>

#include "emu/peek.h"
#include "redirect/memory.h"
#include "util/quote.h"

enum { OPTIONAL, NEEDED, NAMES = 4 };

static const struct function {
	bool needed;
	const char *purpose;
	const char *name[NAMES];
} functions[] = {
#define KERNEL_FUNCTION(name, need, purpose, ...) [FUNCTION_##name] = {need, purpose, {__VA_ARGS__}},
#include "redirect/functions.def"
#undef KERNEL_FUNCTION
};

void kernel_init(struct kernel *kernel, const struct symbols *symbols, const struct cpu *cpu, struct product_memory *memory, unsigned word)
{
	*kernel = (struct kernel){.symbols = symbols, .cpu = cpu, .memory = memory, .abi = abi_of(word)};
	for (unsigned i = 0; i < KERNEL_FUNCTIONS; i++) {
		for (unsigned j = 0; j < NAMES && functions[i].name[j] && !kernel->function[i]; j++)
			kernel->function[i] = kernel_symbol(kernel, functions[i].name[j]);
	}
}

struct error *kernel_check(const struct kernel *kernel)
{
	for (unsigned i = 0; i < KERNEL_FUNCTIONS; i++) {
		if (functions[i].needed && !kernel->function[i])
			return error_create("introspection is not possible with this kernel: it has no %s(), which %s",
					    functions[i].name[0], functions[i].purpose);
	}
	return NULL;
}

uint64_t kernel_symbol(const struct kernel *kernel, const char *name)
{
	uint64_t address;

	return symbols_address(kernel->symbols, name, &address) ? address : 0;
}

struct error *kernel_for_each_function(const struct kernel *kernel, const char *prefix,
				       struct error *(*fn)(void *opaque, const struct symbol *), void *opaque)
{
	struct symbols_cursor cursor = {0};
	struct error *err = NULL;
	struct symbol symbol;

	while (!err && symbols_next_prefixed(kernel->symbols, &cursor, prefix, &symbol)) {
		if (strchr("TtWw", symbol.type))
			err = fn(opaque, &symbol);
	}
	return err;
}

const char *kernel_symbol_near(const struct kernel *kernel, uint64_t address, char to[KERNEL_SYMBOL_NEAR])
{
	char name[QUOTE_NAME];
	struct symbol symbol;

	if (!symbols_nearest(kernel->symbols, address, &symbol))
		return "?";
	snprintf(to, KERNEL_SYMBOL_NEAR, "%s+%#llx", quote_string(name, sizeof(name), symbol.name),
		 (unsigned long long)(address - symbol.address));
	return to;
}

bool kernel_in_image(const struct kernel *kernel, uint64_t address)
{
	return address - kernel->symbols->base < kernel->symbols->end - kernel->symbols->base;
}

size_t kernel_peek(const struct kernel *kernel, uint64_t address, void *to, size_t size)
{
	size_t done, n;

	if (!kernel->memory)
		return cpu_peek(kernel->cpu, address, to, size);
	for (done = 0; done < size; done += n) {
		n = PAGE_SIZE - ((address + done) & ~PAGE_MASK);
		n = n < size - done ? n : size - done;
		if (!product_memory_read(kernel->memory, address + done, (uint8_t *)to + done, n))
			break;
	}
	return done;
}

bool kernel_is_error(const struct kernel *kernel, uint64_t value)
{
	int64_t number = abi_signed(kernel->abi, value);

	return number < 0 && number >= -4095;
}
