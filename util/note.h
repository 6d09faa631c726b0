/* Notes: what the user should be told though nothing failed. Who owns the terminal, or the program, hands in where they go. */
#ifndef XRAY86_UTIL_NOTE_H
#define XRAY86_UTIL_NOTE_H

struct notes {
	void (*take)(void *opaque, const char *text); /* a line without its newline; NULL: nobody wants to know */
	void *opaque;
};

/* printf-style. */
void note(const struct notes *notes, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
