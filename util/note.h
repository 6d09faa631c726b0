/* Notes tell the user something although nothing failed. The owner of the terminal, or of the program, decides where they go. */
#ifndef XRAY86_UTIL_NOTE_H
#define XRAY86_UTIL_NOTE_H

struct notes {
	void (*take)(void *opaque, const char *text); /* gets a line without its newline; NULL: nobody wants to know */
	void *opaque;
};

/* printf-style. */
void note(const struct notes *notes, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
