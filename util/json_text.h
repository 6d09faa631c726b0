/* Text of others as JSON, which is Unicode: text need not be. */
#ifndef XRAY86_UTIL_JSON_TEXT_H
#define XRAY86_UTIL_JSON_TEXT_H

#include <jansson.h>

/*
 * A string, if text is UTF-8; else an array of numbers, its bytes, so that nothing is lost and every reader of JSON takes it (journalctl(1)
 * does the same). NULL without memory. Print it with JSON_ENSURE_ASCII: control characters of C1 would reach the terminal otherwise.
 */
json_t *json_text(const char *text);

#endif
