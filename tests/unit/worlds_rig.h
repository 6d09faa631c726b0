/* The context rig's machine and snapshot as two worlds (redirect/worlds.h) of one kernel, which has no symbols. */
#ifndef XRAY86_TESTS_UNIT_WORLDS_RIG_H
#define XRAY86_TESTS_UNIT_WORLDS_RIG_H

#include "tests/unit/context_rig.h"

#include "redirect/worlds.h"

static const struct symbols no_symbols;

static inline struct worlds *make_worlds(struct scene *scene, struct machine *machine, enum redirect_way way)
{
	struct worlds *worlds = calloc(1, sizeof(*worlds));
	const struct worlds_config config = {
		.machine = machine,
		.symbols = &no_symbols,
		.word = 8,
		.way = way,
		.percpu = PRODUCT_PERCPU,
		.memory =
			{
				.snapshot = {scene, snapshot_page},
				.paging = {.mode = PAGING_4LEVEL, .wp = true, .nxe = true, .maxphyaddr = 46},
				.kernel_start = 1ull << 63,
				.shadows = way == REDIRECT_TAGS,
				.product_tag = TAG_PRODUCT,
				.max_pages = 64,
			},
	};

	machine->cpu = scene->rig.cpu;
	assert_null(worlds_init(worlds, &config));
	worlds->context.stack_size = STACK_SIZE;
	worlds->context.work = (struct work){.call = PLENTY, .slice = PLENTY};
	worlds->context.client = (struct cpu_client){worlds, .privileged = on_privileged};
	assert_null(context_init(&worlds->context));
	cpu_set_client(scene->rig.cpu, &worlds->context.client);
	return worlds;
}

static inline void close_worlds(struct scene *scene, struct worlds *worlds)
{
	cpu_set_client(scene->rig.cpu, &scene->context.client);
	worlds_deinit(worlds);
	free(worlds);
}

#endif
