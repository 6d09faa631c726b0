/* Which build of the program runs. */
#ifndef XRAY86_UTIL_BUILD_ID_H
#define XRAY86_UTIL_BUILD_ID_H

enum { BUILD_ID_MAX = 48 };

/* The linker's build id (the note NT_GNU_BUILD_ID of the program itself), in hexadecimal; empty if it has none. */
void build_id(char ret[BUILD_ID_MAX]);

#endif
