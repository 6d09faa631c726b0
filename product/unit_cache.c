/* The last decompressed pieces of a file: see unit_cache.h. They are few, so looking through all of them is fast beside decompressing one.
 */
#include "product/unit_cache.h"

#include <stdlib.h>

struct unit {
	uint64_t key, used; /* used: the clock at the last use; 0: empty */
	uint8_t *data;      /* NULL until the unit is first needed */
};

struct unit_cache {
	size_t units, size;
	uint64_t clock;
	struct unit unit[];
};

struct unit_cache *unit_cache_create(size_t units, size_t size)
{
	struct unit_cache *cache = calloc(1, sizeof(*cache) + units * sizeof(cache->unit[0]));

	if (!cache)
		return NULL;
	cache->units = units;
	cache->size = size;
	return cache;
}

void unit_cache_destroy(struct unit_cache *cache)
{
	if (!cache)
		return;
	for (size_t i = 0; i < cache->units; i++)
		free(cache->unit[i].data);
	free(cache);
}

/* The unit of this key, or else the one that makes room. */
static struct unit *find(struct unit_cache *cache, uint64_t key)
{
	struct unit *oldest = cache->unit;

	for (size_t i = 0; i < cache->units; i++) {
		struct unit *unit = &cache->unit[i];

		if (unit->used && unit->key == key)
			return unit;
		if (unit->used < oldest->used)
			oldest = unit;
	}
	return oldest;
}

const uint8_t *unit_cache_get(struct unit_cache *cache, uint64_t key, bool (*fill)(void *opaque, uint8_t *to), void *opaque)
{
	struct unit *unit = find(cache, key);

	if (!unit->used || unit->key != key) {
		unit->used = 0;
		if (!unit->data)
			unit->data = malloc(cache->size);
		if (!unit->data || !fill(opaque, unit->data))
			return NULL;
		unit->key = key;
	}
	unit->used = ++cache->clock;
	return unit->data;
}
