/* What the host has for the tools: delivery.h. While a call is judged, files are only ordered; they are delivered before the call runs. */
#include "redirect/delivery.h"

#include <string.h>

static bool offers(const struct deliveries *deliveries, enum delivery_kind kind, const char *executable, const char *path)
{
	const struct supplier *supplier = deliveries->supplier;

	return supplier && path[0] == '/' && supplier->offers(supplier->opaque, kind, executable, path);
}

bool delivery_offers_program(const struct deliveries *deliveries, const char *path)
{
	return offers(deliveries, DELIVERY_PROGRAM, NULL, path);
}

bool delivery_offers_modules(const struct deliveries *deliveries, const char *executable, const char *path)
{
	return offers(deliveries, DELIVERY_MODULES, executable, path);
}

enum readers delivery_readers(const struct deliveries *deliveries, const char *path)
{
	const struct supplier *supplier = deliveries->supplier;

	return supplier ? supplier->readers(supplier->opaque, path) : READERS_NONE;
}

bool delivery_is_loader(const struct deliveries *deliveries, uint64_t address, const uint8_t *code, size_t size)
{
	const struct supplier *supplier = deliveries->supplier;

	return supplier && supplier->is_loader(supplier->opaque, address, code, size);
}

void delivery_bring(struct deliveries *deliveries, enum delivery_kind kind, const char *path)
{
	const struct supplier *supplier = deliveries->supplier;

	supplier->deliver(supplier->opaque, kind, deliveries->redirect, path);
}

void delivery_order(struct deliveries *deliveries, enum delivery_kind kind, const char *path)
{
	struct delivery_order *order = &deliveries->order[deliveries->orders];

	if (deliveries->orders == sizeof(deliveries->order) / sizeof(deliveries->order[0])) /* no call has more paths */
		return;
	order->kind = kind;
	memcpy(order->path, path, strlen(path) + 1);
	deliveries->orders++;
}

void delivery_forget_orders(struct deliveries *deliveries)
{
	deliveries->orders = 0;
}

void delivery_run_orders(struct deliveries *deliveries)
{
	for (unsigned i = 0; i < deliveries->orders; i++)
		delivery_bring(deliveries, deliveries->order[i].kind, deliveries->order[i].path);
	deliveries->orders = 0;
}
