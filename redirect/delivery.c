/* What the host has for the tools: delivery.h. While a call is judged it is only ordered; it is delivered before the call is run. */
#include "redirect/delivery.h"

#include <string.h>

#include "redirect/session.h"

static bool offers(const struct redirect *redirect, enum delivery_kind kind, const char *executable, const char *path)
{
	const struct supplier *supplier = redirect->config.supplier;

	return supplier && path[0] == '/' && supplier->offers(supplier->opaque, kind, executable, path);
}

bool offers_program(const struct redirect *redirect, const char *path)
{
	return offers(redirect, DELIVERY_PROGRAM, NULL, path);
}

bool offers_modules(const struct redirect *redirect, const char *executable, const char *path)
{
	return offers(redirect, DELIVERY_MODULES, executable, path);
}

enum readers readers_of_delivered(const struct redirect *redirect, const char *path)
{
	const struct supplier *supplier = redirect->config.supplier;

	return supplier ? supplier->readers(supplier->opaque, path) : READERS_NONE;
}

bool is_delivered_loader(const struct redirect *redirect, uint64_t address, const uint8_t *code, size_t size)
{
	const struct supplier *supplier = redirect->config.supplier;

	return supplier && supplier->is_loader(supplier->opaque, address, code, size);
}

void deliver(struct redirect *redirect, enum delivery_kind kind, const char *path)
{
	const struct supplier *supplier = redirect->config.supplier;

	supplier->deliver(supplier->opaque, kind, redirect, path);
}

void order_delivery(struct redirect *redirect, enum delivery_kind kind, const char *path)
{
	struct order *order = &redirect->orders.order[redirect->orders.count];

	if (redirect->orders.count == MAX_ORDERS) /* no call has more paths */
		return;
	order->kind = kind;
	memcpy(order->path, path, strlen(path) + 1);
	redirect->orders.count++;
}

void forget_orders(struct redirect *redirect)
{
	redirect->orders.count = 0;
}

void deliver_orders(struct redirect *redirect)
{
	for (unsigned i = 0; i < redirect->orders.count; i++)
		deliver(redirect, redirect->orders.order[i].kind, redirect->orders.order[i].path);
	redirect->orders.count = 0;
}
