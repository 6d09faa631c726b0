/* Text as JSON: json_text.h. */
#include "util/json_text.h"

#include <stdint.h>

static json_t *json_bytes(const char *text)
{
	json_t *array = json_array();

	for (; array && *text; text++)
		json_array_append_new(array, json_integer((uint8_t)*text));
	return array;
}

json_t *json_text(const char *text)
{
	json_t *string = json_string(text); /* NULL: it is no UTF-8 */

	return string ? string : json_bytes(text);
}
