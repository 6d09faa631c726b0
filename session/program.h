/*
 * A command of the host with everything that it needs in order to run elsewhere: the program, for a script its interpreter, the dynamic
 * loader and the libraries, found as ld.so(8) would find them (SysV ABI; DT_RPATH, DT_RUNPATH, the configured directories).
 */
#ifndef XRAY86_SESSION_PROGRAM_H
#define XRAY86_SESSION_PROGRAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "loader/kernel_image.h"
#include "util/error.h"

enum program_file_kind {
	PROGRAM_DATA,    /* a script, or what programs read by themselves */
	PROGRAM_CODE,    /* an ELF file, for the kernel to execute */
	PROGRAM_LIBRARY, /* for the dynamic loader, which looks for it in many directories */
	PROGRAM_LOADER,  /* the dynamic loader itself */
};

struct program_file {
	char *path;   /* where the program looks for it; absolute */
	char *source; /* where its contents are on the host */
	unsigned mode;
	enum program_file_kind kind;
};

/* Where an interpreter finds code: modules.c. */
struct module_place {
	char *owner; /* the path of the program that finds it */
	char *path;  /* of a file or folder; if not absolute, the last part of it, wherever it is */
};

struct program {
	char *path; /* of the command itself: one of the files' */
	struct program_file *file;
	size_t files;
	char **folder; /* whose whole contents are the program's, what is not in them too */
	size_t folders;
	struct module_place *place;
	size_t places;
};

/*
 * Collects the command `name`, which is looked for in the directories of search_path (PATH's form) if it has no slash. root: "" or the
 * folder of another file system whose files these are, an unpacked i386 one for example. arch: what its kernel can execute.
 * Errors are ERROR_NOT_FOUND, ERROR_CANNOT_EXECUTE, or a failure of ours: too many open files, say.
 */
struct error *program_collect(const char *root, const char *name, const char *search_path, enum kernel_arch arch, struct program *ret);
/* Adds another command and what it needs, by its absolute path; behind the files that are there. After an error some may have been added.
 */
struct error *program_add_command(struct program *program, const char *root, const char *path, const char *search_path,
				  enum kernel_arch arch);
/* Adds what a library among the files needs, which programs may load by its path; as far as it is there. */
void program_add_libraries(struct program *program, const char *root, const char *path);
/* Where on the host the file or folder at a path below root is, links followed; NULL: there is none. To be freed. */
char *program_source(const char *root, const char *path);
/* Whether there is a program of this path: a regular file that may be executed. */
bool program_exists(const char *root, const char *path);
/* Adds a file as it is, or a folder with every file below it; what is not there is no error. */
struct error *program_add_data(struct program *program, const char *root, const char *path);
/*
 * Finds the places where interpreters among the files from number `first` on look for code by themselves: their standard libraries, startup
 * files and the like.
 */
struct error *program_find_modules(struct program *program, size_t first);
/*
 * Whether a process that runs `executable` (a path; NULL: it is not known what it runs) may find code at this path, as far as
 * program_find_modules() knows. The path is one without "." and "..".
 */
bool program_has_modules_at(const struct program *program, const char *executable, const char *path);
/*
 * Adds the data that programs read by themselves: the description of the terminal and the locale that the environment (NAME=VALUE, ended by
 * NULL) names.
 */
struct error *program_add_usual_data(struct program *program, const char *root, char *const *environment);
/* A zeroed program is allowed. */
void program_deinit(struct program *program);

/* Where programs look for libraries by themselves, in PATH's form. */
const char *program_library_path(enum kernel_arch arch);
/*
 * Whether a file of this path, or in a folder that was, or a library of this name, or below this path, was collected; and of which kind
 * it is (in folders: data). ret_kind may be NULL.
 */
bool program_has(const struct program *program, const char *path, enum program_file_kind *ret_kind);
/* Whether these `size` bytes are what a collected dynamic loader has at `address`, where its pages are aligned as in its file. */
bool program_is_loader(const struct program *program, uint64_t address, const uint8_t *code, size_t size);

#endif
