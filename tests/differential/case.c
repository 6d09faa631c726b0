/* What both executors share: the data pages and the search for what a case changed in them. */
#include "tests/differential/case.h"

#include <string.h>

const struct data_region data_regions[DATA_REGIONS] = {
	{DATA_BASE, DATA_PAGES, DATA_WRITABLE / 4096},
	{STACK_BASE, STACK_SIZE / 4096, STACK_SIZE / 4096},
	{LOW_BASE, 1, 1},
	{HIGH_BASE, 1, 1},
};

static void add_change(struct outcome *outcome, uint64_t address, uint64_t value)
{
	if (outcome->changes < MAX_CHANGES)
		outcome->change[outcome->changes] = (struct change){address, value};
	else
		outcome->checksum = (outcome->checksum ^ address ^ value) * 0x9e3779b97f4a7c15;
	outcome->changes++;
}

void outcome_collect(struct outcome *outcome, const struct data_region *region, uint8_t *live, const uint8_t *image)
{
	for (unsigned page = 0; page < region->writable_pages; page++, live += 4096, image += 4096) {
		if (memcmp(live, image, 4096) == 0)
			continue;
		for (unsigned i = 0; i < 4096; i += 8) {
			uint64_t now, then;

			memcpy(&now, live + i, 8);
			memcpy(&then, image + i, 8);
			if (now != then)
				add_change(outcome, region->base + page * 4096 + i, now);
		}
		memcpy(live, image, 4096);
	}
}
