/* Text of others as JSON. JSON is Unicode; the text may be anything. */
#ifndef XRAY86_UTIL_JSON_TEXT_H
#define XRAY86_UTIL_JSON_TEXT_H

#include <jansson.h>

/*
 * Returns a string if text is UTF-8, or else an array of its bytes as numbers. So nothing is lost, and every reader of JSON takes it
 * (journalctl(1) does the same). Returns NULL without memory. Print it with JSON_ENSURE_ASCII; otherwise control characters of C1 would
 * reach the terminal.
 */
json_t *json_text(const char *text);

#endif
