/*
 * A command of the host with everything that it needs to run elsewhere: the program, its interpreter if it is a script, the dynamic loader,
 * and the libraries. These are found as ld.so(8) finds them (SysV ABI; DT_RPATH, DT_RUNPATH, the configured directories).
 */
#ifndef XRAY86_SESSION_PROGRAM_H
#define XRAY86_SESSION_PROGRAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "loader/kernel_image.h"
#include "util/error.h"

enum program_file_kind {
	PROGRAM_DATA,    /* a script, or data that programs read by themselves */
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
	char **folder; /* folders that are the program's altogether, so that a file missing there is missing */
	size_t folders;
	struct module_place *place;
	size_t places;
};

/*
 * Collects the command `name`. A name without a slash is searched in the directories of search_path (PATH's form). root is "", or the
 * folder of another file system that has the files, such as an unpacked i386 one. arch says what the kernel can execute. Errors are
 * ERROR_NOT_FOUND, ERROR_CANNOT_EXECUTE, or a failure of ours, such as too many open files.
 */
struct error *program_collect(const char *root, const char *name, const char *search_path, enum kernel_arch arch, struct program *ret);
/*
 * Adds another command, by its absolute path, and what it needs, behind the files that are there. After an error some may have been added.
 */
struct error *program_add_command(struct program *program, const char *root, const char *path, const char *search_path,
				  enum kernel_arch arch);
/* Adds what a library among the files needs, as far as it is there. (Programs may load the library by its path.) */
void program_add_libraries(struct program *program, const char *root, const char *path);
/* Where on the host the file or folder at a path below root is; follows links. NULL if there is none. The caller frees it. */
char *program_source(const char *root, const char *path);
/* Whether there is a program of this path: a regular file that may be executed. */
bool program_exists(const char *root, const char *path);
/* Adds a file as it is, or a folder with every file below it. If there is none, that is no error. */
struct error *program_add_data(struct program *program, const char *root, const char *path);
/*
 * Finds the places where interpreters look for code by themselves (standard libraries, startup files and the like). Looks at the files from
 * number `first` on.
 */
struct error *program_find_modules(struct program *program, size_t first);
/*
 * Whether a process that runs `executable` (a path; NULL: unknown) may find code at this path, as far as program_find_modules() knows. The
 * path has no "." and "..".
 */
bool program_has_modules_at(const struct program *program, const char *executable, const char *path);
/*
 * Adds data that programs read by themselves: the description of the terminal, and the locale, that the environment (NAME=VALUE, ended by
 * NULL) names.
 */
struct error *program_add_usual_data(struct program *program, const char *root, char *const *environment);
/* A zeroed program is allowed. */
void program_deinit(struct program *program);

/* Where programs look for libraries by themselves, in PATH's form. */
const char *program_library_path(enum kernel_arch arch);
/*
 * Whether there was collected: a file of this path; or one below it; or a folder that contains it; or a library of this name. *ret_kind is
 * its kind (data in folders). ret_kind may be NULL.
 */
bool program_has(const struct program *program, const char *path, enum program_file_kind *ret_kind);
/* Whether a collected dynamic loader has these `size` bytes at `address`, where its pages are aligned as in its file. */
bool program_is_loader(const struct program *program, uint64_t address, const uint8_t *code, size_t size);

#endif
