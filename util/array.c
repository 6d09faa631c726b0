/* Arrays that grow as elements come: see array.h. */
#include "util/array.h"

#include <stdlib.h>

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
