/*
 * Makes text of others (from a snapshot, a kernel's image, a file name) fit for a message: nothing in it can steer a terminal, end the
 * line, pass for words of ours, or be endless.
 */
#ifndef XRAY86_UTIL_QUOTE_H
#define XRAY86_UTIL_QUOTE_H

#include <stddef.h>
#include <stdint.h>

enum {
	QUOTE_BYTE = 4 /* the most that a byte takes between quotation marks */,
	QUOTE_NAME = 128,
	QUOTE_LINE = 512 /* sizes of `to` that suit */
};

/*
 * Writes a byte as it is between quotation marks, without a 0 at the end: printable ASCII as it is, quotation mark and backslash after a
 * backslash, newline, tab and carriage return as \n, \t and \r, all others as \ooo, with three octal digits. Returns how many characters.
 */
unsigned quote_byte(uint8_t byte, char to[QUOTE_BYTE]);

/*
 * Writes text, which ends at a 0 or after `length` bytes, to to[0..size) and returns `to`. size is 16 or more. Names of letters, digits and
 * _-.+~:/@=,%$ stay bare. Others get quotation marks, with bytes as quote_byte() writes them. Text that does not fit is cut, and ends in
 * "...
 */
const char *quote(char *to, size_t size, const char *text, size_t length);

/* The same for a string. */
const char *quote_string(char *to, size_t size, const char *text);

#endif
