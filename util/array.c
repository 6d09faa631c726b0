/* Arrays: see array.h. */
#include "util/array.h"

#include <stdlib.h>
#include <string.h>

enum { FIRST = 16 };

bool array_reserve(void *array, size_t count, size_t *room, size_t size)
{
	void **elements = array, *grown;
	size_t more = *room ? 2 * *room : FIRST;

	if (count < *room)
		return true;
	grown = reallocarray(*elements, more, size);
	if (!grown)
		return false;
	*elements = grown;
	*room = more;
	return true;
}

size_t array_lower_bound(const void *array, size_t count, size_t size, uint64_t key)
{
	const char *elements = array;
	size_t low = 0, high = count;
	uint64_t found;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		memcpy(&found, elements + middle * size, sizeof(found));
		if (found < key)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}
