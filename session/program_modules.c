/*
 * Interpreters, and some other programs, find parts of themselves, and more code that they run unasked, in files: program_find_modules()
 * and program_has_modules_at() of program.h. That is code of the tool, and so it is this machine's, or is not there: the snapshot's files
 * of these paths would else run in the tool and could make it say anything.
 *
 * Where interpreters look: Python's Modules/getpath.py and Lib/site.py; perlrun(1) and perl's INSTALL ("@INC"); library(n) and tclvars(n)
 * of Tcl; ruby(1); php(1); libxtables' xtables_find_match().
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "loader/file.h"
#include "session/program.h"

enum { NAMES = 8, VERSION = 16 };

static const struct interpreter {
	const char *program; /* how its name begins; what follows, if anything, is a version */
	const char *library; /* likewise of the library by which other programs have it within them */
	const char *word;    /* strings of the program that are paths with this in them are of folders where it looks; NULL: none are */
	const char *names[NAMES]; /* of other files and folders that it finds in more than one place; %s: its version */
} interpreters[] = {
	{
		.program = "python3.",
		.library = "libpython3.",
		/* pyvenv.cfg and what follows say where its own library is. */
		.names = {"lib/python3.%s", "lib64/python3.%s", "lib/python3%s.zip", "site-packages", "dist-packages", "pyvenv.cfg",
			  "pybuilddir.txt", "Modules/Setup.local"},
	},
	{.program = "perl", .library = "libperl.so", .word = "perl", .names = {"sitecustomize.pl"}},
	{.program = "tclsh", .library = "libtcl", .word = "tcl", .names = {"init.tcl", "auto.tcl", "tclIndex", "pkgIndex.tcl"}},
	{.program = "ruby", .library = "libruby", .word = "ruby", .names = {"site_ruby", "vendor_ruby", "gems", ".gem"}},
	{.program = "xtables", .library = "libxtables.so", .word = "lib"}, /* of iptables and nft: matches and targets, but not its lock */
	{.program = "php", .library = "libphp", .names = {"php.ini", "cli/conf.d"}}, /* auto_prepend_file */
};

/* -- places -- */

/* Takes path over. */
static struct error *add_place(struct program *program, const char *owner, char *path)
{
	struct module_place place = {.owner = strdup(owner), .path = path}, *larger = NULL;

	if (path && place.owner)
		larger = reallocarray(program->place, program->places + 1, sizeof(*larger));
	if (!larger) {
		free(place.owner);
		free(path);
		return error_create("out of memory");
	}
	program->place = larger;
	program->place[program->places++] = place;
	return NULL;
}

static struct error *add_names(struct program *program, const char *owner, const struct interpreter *row, const char *version)
{
	struct error *err = NULL;

	for (unsigned i = 0; !err && i < NAMES && row->names[i]; i++) {
		const char *format = row->names[i], *hole = strstr(format, "%s");
		char *name;

		if (asprintf(&name, "%.*s%s%s", hole ? (int)(hole - format) : (int)strlen(format), format, hole ? version : "",
			     hole ? hole + 2 : "") < 0)
			name = NULL;
		err = add_place(program, owner, name);
	}
	return err;
}

static bool is_path_character(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c && strchr("/._+-", c));
}

/* Paths stand in a program as strings, or several in one with colons between them. */
static struct error *add_compiled_in(struct program *program, const char *owner, const struct program_file *file, const char *word)
{
	enum { SHORTEST = 6, LONGEST = 200 };
	struct file contents = {0};
	struct error *err = file_open(file->source, &contents);
	const char *text = (const char *)contents.data;

	for (size_t at = 0, size; !err && at < contents.size; at += size + 1) {
		for (size = 0; at + size < contents.size && is_path_character(text[at + size]); size++)
			;
		if (text[at] == '/' && size >= SHORTEST && size <= LONGEST && at + size < contents.size &&
		    (text[at + size] == '\0' || text[at + size] == ':') && memmem(text + at + 1, size - 1, word, strlen(word)))
			err = add_place(program, owner, strndup(text + at, size));
	}
	file_close(&contents);
	return err;
}

/* -- interpreters -- */

/* The version in the file's name if it is the interpreter (or the library that others have it by); NULL: it is not. */
static const char *version_of(const struct interpreter *row, const struct program_file *file)
{
	bool library = file->kind == PROGRAM_LIBRARY;
	const char *name = strrchr(file->source, '/') + 1, *begin = library ? row->library : row->program, *rest = name + strlen(begin);

	if ((!library && file->kind != PROGRAM_CODE) || strncmp(name, begin, strlen(begin)) != 0)
		return NULL;
	return !*rest || (*rest >= '0' && *rest <= '9') || (library && strchr(".-", *rest)) ? rest : NULL;
}

/* Whether the file names the library, as one that it needs does. */
static bool mentions(const struct program_file *file, const char *library)
{
	struct file contents = {0};
	bool found;

	error_destroy(file_open(file->source, &contents));
	found = contents.data && memmem(contents.data, contents.size, library, strlen(library) + 1);
	file_close(&contents);
	return found;
}

/* By itself, or by one of its libraries. */
static bool needs(const struct program *program, const struct program_file *file, const struct program_file *library, unsigned depth)
{
	enum { DEEPEST = 3 };

	if (mentions(file, strrchr(library->path, '/') + 1))
		return true;
	for (size_t i = 0; depth < DEEPEST && i < program->files; i++) {
		const struct program_file *between = &program->file[i];

		if (between->kind == PROGRAM_LIBRARY && between != library && mentions(between, strrchr(library->path, '/') + 1) &&
		    needs(program, file, between, depth + 1))
			return true;
	}
	return false;
}

/* source: the interpreter, or the library that the owner has it by. */
static struct error *add_places(struct program *program, const struct interpreter *row, const char *owner,
				const struct program_file *source)
{
	const char *rest = version_of(row, source);
	char version[VERSION];
	struct error *err;

	snprintf(version, sizeof(version), "%.*s", (int)strspn(rest, "0123456789"), rest);
	err = add_names(program, owner, row, version);
	return !err && row->word ? add_compiled_in(program, owner, source, row->word) : err;
}

static struct error *find_places(struct program *program, const struct interpreter *row, const struct program_file *file)
{
	struct error *err = version_of(row, file) ? add_places(program, row, file->path, file) : NULL;

	for (size_t i = 0; !err && i < program->files; i++) {
		const struct program_file *library = &program->file[i];

		if (library->kind == PROGRAM_LIBRARY && version_of(row, library) && needs(program, file, library, 0))
			err = add_places(program, row, file->path, library);
	}
	return err;
}

struct error *program_find_modules(struct program *program, size_t first)
{
	struct error *err = NULL;

	for (size_t i = first; i < program->files; i++) {
		for (unsigned row = 0; !err && row < sizeof(interpreters) / sizeof(interpreters[0]); row++) {
			if (program->file[i].kind == PROGRAM_CODE)
				err = find_places(program, &interpreters[row], &program->file[i]);
		}
	}
	return err;
}

/* -- asking -- */

static bool is_at(const char *path, const char *place)
{
	size_t length = strlen(place);

	if (place[0] == '/')
		return strncmp(path, place, length) == 0 && (path[length] == '/' || !path[length]);
	for (const char *at = path; (at = strstr(at, place)); at++) {
		if (at > path && at[-1] == '/' && (at[length] == '/' || !at[length]))
			return true;
	}
	return false;
}

bool program_has_modules_at(const struct program *program, const char *executable, const char *path)
{
	for (size_t i = 0; i < program->places; i++) {
		const struct module_place *place = &program->place[i];

		if (is_at(path, place->path) && (!executable || strcmp(place->owner, executable) == 0))
			return true;
	}
	return false;
}
