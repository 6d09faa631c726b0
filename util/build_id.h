/* Which build of this code runs. */
#ifndef XRAY86_UTIL_BUILD_ID_H
#define XRAY86_UTIL_BUILD_ID_H

enum { BUILD_ID_MAX = 48 };

/*
 * The linker's build id (the note NT_GNU_BUILD_ID), in hexadecimal, of the program or shared library that this code is in; empty if it has
 * none.
 */
void build_id(char ret[BUILD_ID_MAX]);

#endif
