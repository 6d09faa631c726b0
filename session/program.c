/* Collecting a command: program.h. */
#include "session/program.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <gelf.h>
#include <libelf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "loader/file.h"
#include "util/quote.h"

enum { MAX_FILES = 4096, MAX_DEPTH = 4 /* of interpreters of interpreters */, SHEBANG = 256 };

/* What ld.so searches by itself, Debian's directories first (ld.so(8), /etc/ld.so.conf.d). */
#define LIBRARIES64                                                                                                                        \
	"/lib/x86_64-linux-gnu:/usr/lib/x86_64-linux-gnu:/lib64:/usr/lib64:/lib:/usr/lib:/usr/local/lib/x86_64-linux-gnu:/usr/local/lib"
#define LIBRARIES32                                                                                                                        \
	"/lib/i386-linux-gnu:/usr/lib/i386-linux-gnu:/lib32:/usr/lib32:/lib:/usr/lib:/usr/local/lib/i386-linux-gnu:/usr/local/lib"

struct collection {
	const char *root;
	enum kernel_arch arch;
	struct program *program;
	int problem; /* errno of a library that is there and could not be looked into; 0: there is none */
};

/* -- files -- */

/* What it means that one of the command's files cannot be opened: short memory or descriptors are no property of the command. */
static struct error *unusable(const char *name, int number)
{
	char path[QUOTE_LINE];

	quote_string(path, sizeof(path), name);
	switch (number) {
	case ENOENT:
	case ENOTDIR:
		return error_create_code(ERROR_NOT_FOUND, "%s: command not found", path);
	case EMFILE:
	case ENFILE:
	case ENOMEM:
	case EIO:
		return error_create("%s: %s", path, strerror(number));
	default:
		return error_create_code(ERROR_CANNOT_EXECUTE, "%s: %s", path, strerror(number));
	}
}

static char *join(const char *a, const char *b, const char *c)
{
	char *text;

	return asprintf(&text, "%s%s%s", a, b, c) < 0 ? NULL : text;
}

/*
 * Where the file at a path below root is on the host, links followed: an absolute link target is meant below root too. NULL: there is none,
 * and errno says why.
 */
static char *resolve(const char *root, const char *path)
{
	char *at = path[0] == '/' ? strdup(path) : NULL;

	for (unsigned links = 0; at && links < 40; links++) {
		char target[4096], *full = join(root, at, ""), *next;
		ssize_t size = full ? readlink(full, target, sizeof(target) - 1) : -1;

		if (size < 0) {
			bool there = full && access(full, F_OK) == 0;

			free(at);
			if (there)
				return full;
			free(full);
			return NULL;
		}
		free(full);
		target[size] = '\0';
		if (target[0] == '/') {
			next = strdup(target);
		} else {
			*(strrchr(at, '/') + 1) = '\0';
			next = join(at, target, "");
		}
		free(at);
		at = next;
	}
	free(at);
	return NULL;
}

static bool known(const struct program *program, const char *path)
{
	for (size_t i = 0; i < program->files; i++) {
		if (strcmp(program->file[i].path, path) == 0)
			return true;
	}
	return false;
}

/* Takes the file's strings over. */
static struct error *push(struct program *program, const struct program_file *file)
{
	bool full = program->files == MAX_FILES;
	struct program_file *larger = file->path && !full ? reallocarray(program->file, program->files + 1, sizeof(*larger)) : NULL;

	if (!larger) {
		free(file->path);
		free(file->source);
		return full ? error_create("the command and its data are more than %d files", MAX_FILES) : error_create("out of memory");
	}
	program->file = larger;
	program->file[program->files++] = *file;
	return NULL;
}

/* Adds the file, once. *ret_new, if it is not NULL: whether it was added. What is no file at an absolute path is passed over. */
static struct error *add(struct collection *collection, const char *path, enum program_file_kind kind, bool *ret_new)
{
	struct program_file file = {.kind = kind};
	struct stat status;
	bool fresh = path[0] == '/' && !known(collection->program, path) && (file.source = resolve(collection->root, path));

	fresh = fresh && stat(file.source, &status) == 0 && S_ISREG(status.st_mode);
	if (ret_new)
		*ret_new = fresh;
	if (!fresh) {
		free(file.source);
		return NULL;
	}
	file.path = strdup(path);
	file.mode = status.st_mode & 0755;
	return push(collection->program, &file);
}

/* -- ELF -- */

static bool fits(const struct collection *collection, Elf *elf)
{
	GElf_Ehdr header;

	if (!gelf_getehdr(elf, &header))
		return false;
	return header.e_machine == EM_386 || (header.e_machine == EM_X86_64 && collection->arch == KERNEL_X86_64);
}

static bool is_class(struct collection *collection, const char *source, int class)
{
	unsigned char ident[EI_NIDENT] = {0};
	int fd = file_open_descriptor(source);
	ssize_t size = fd >= 0 ? read(fd, ident, sizeof(ident)) : -1;

	if (size < 0)
		collection->problem = errno;
	if (fd >= 0)
		close(fd);
	return size == sizeof(ident) && memcmp(ident, ELFMAG, SELFMAG) == 0 && ident[EI_CLASS] == class;
}

/* A directory of a search path with $ORIGIN replaced. */
static char *expand(const char *directory, size_t length, const char *object)
{
	static const char *const names[] = {"$ORIGIN", "${ORIGIN}"};

	for (unsigned i = 0; i < 2; i++) {
		size_t name = strlen(names[i]);
		char *text;

		if (length < name || strncmp(directory, names[i], name) != 0)
			continue;
		if (asprintf(&text, "%.*s%.*s", (int)(strrchr(object, '/') - object), object, (int)(length - name), directory + name) < 0)
			return NULL;
		return text;
	}
	return strndup(directory, length);
}

/* The library in one directory; NULL: not there, or of the other class. */
static char *in_directory(struct collection *collection, const char *directory, const char *name, int class)
{
	char *path = join(directory, "/", name), *source = path ? resolve(collection->root, path) : NULL;
	bool good = source && is_class(collection, source, class);

	free(source);
	if (good)
		return path;
	free(path);
	return NULL;
}

/* The library in the directories of a search path. */
static char *in_path(struct collection *collection, const char *search_path, const char *name, const char *object, int class)
{
	char *found = NULL;

	for (const char *at = search_path; !found && at && *at; at += strcspn(at, ":"), at += *at == ':') {
		char *expanded = expand(at, strcspn(at, ":"), object);

		found = expanded ? in_directory(collection, expanded, name, class) : NULL;
		free(expanded);
	}
	return found;
}

static char *find_library(struct collection *collection, const char *name, const char *runpath, const char *object, int class)
{
	char *found;

	collection->problem = 0;
	if (strchr(name, '/')) {
		found = resolve(collection->root, name);
		free(found);
		return found ? strdup(name) : NULL;
	}
	found = in_path(collection, runpath, name, object, class);
	return found ? found : in_path(collection, class == ELFCLASS64 ? LIBRARIES64 : LIBRARIES32, name, object, class);
}

static struct error *collect_elf(struct collection *collection, const char *path, const char *runpath);

struct dynamic {
	Elf_Data *data;
	size_t count, strings; /* strings: section index of the string table */
};

static const char *text_of(Elf *elf, const struct dynamic *dynamic, GElf_Sxword tag, size_t *from)
{
	for (size_t i = *from; i < dynamic->count; i++) {
		GElf_Dyn entry;

		if (gelf_getdyn(dynamic->data, i, &entry) && entry.d_tag == tag) {
			*from = i + 1;
			return elf_strptr(elf, dynamic->strings, entry.d_un.d_val);
		}
	}
	return NULL;
}

static const char *first_text(Elf *elf, const struct dynamic *dynamic, GElf_Sxword tag)
{
	size_t from = 0;

	return text_of(elf, dynamic, tag, &from);
}

/* DT_RPATH holds for the libraries' own libraries too, DT_RUNPATH does not; who asks for more gets found anyway. */
static struct error *collect_needed(struct collection *collection, Elf *elf, const struct dynamic *dynamic, const char *path,
				    const char *inherited)
{
	const char *runpath = first_text(elf, dynamic, DT_RUNPATH), *rpath = first_text(elf, dynamic, DT_RPATH), *name;
	const char *search = runpath ? runpath : rpath ? rpath : inherited;
	struct error *err = NULL;
	size_t from = 0;

	while (!err && (name = text_of(elf, dynamic, DT_NEEDED, &from))) {
		char quoted[QUOTE_NAME];
		char *library = find_library(collection, name, search, path, gelf_getclass(elf));
		bool fresh;

		if (!library && collection->problem)
			return error_prefix(unusable(name, collection->problem), "%s: its library", path);
		if (!library)
			return error_create_code(ERROR_CANNOT_EXECUTE, "%s: its library %s is not found on this machine", path,
						 quote_string(quoted, sizeof(quoted), name));
		err = add(collection, library, PROGRAM_LIBRARY, &fresh);
		if (!err && fresh)
			err = collect_elf(collection, library, rpath ? rpath : inherited);
		free(library);
	}
	return err;
}

static struct error *collect_dynamic(struct collection *collection, Elf *elf, const char *path, const char *inherited)
{
	Elf_Scn *section = NULL;

	while ((section = elf_nextscn(elf, section))) {
		struct dynamic dynamic;
		GElf_Shdr header;

		if (!gelf_getshdr(section, &header) || header.sh_type != SHT_DYNAMIC || !header.sh_entsize)
			continue;
		dynamic = (struct dynamic){elf_getdata(section, NULL), header.sh_size / header.sh_entsize, header.sh_link};
		if (dynamic.data)
			return collect_needed(collection, elf, &dynamic, path, inherited);
	}
	return NULL;
}

static struct error *collect_loader(struct collection *collection, const char *path, const char *loader)
{
	char *source = resolve(collection->root, loader), quoted[QUOTE_NAME];

	if (!source)
		return error_create_code(ERROR_CANNOT_EXECUTE, "%s: its dynamic loader %s is not found on this machine", path,
					 quote_string(quoted, sizeof(quoted), loader));
	free(source);
	return add(collection, loader, PROGRAM_LOADER, NULL);
}

static struct error *collect_interpreter(struct collection *collection, Elf *elf, const char *path)
{
	size_t count, size;
	const char *raw = elf_rawfile(elf, &size);
	struct error *err = NULL;
	GElf_Phdr header;

	if (elf_getphdrnum(elf, &count))
		return NULL;
	for (size_t i = 0; !err && i < count; i++) {
		if (!gelf_getphdr(elf, i, &header) || header.p_type != PT_INTERP || header.p_offset >= size)
			continue;
		if (memchr(raw + header.p_offset, 0, size - header.p_offset))
			err = collect_loader(collection, path, raw + header.p_offset);
	}
	return err;
}

static struct error *collect_open_elf(struct collection *collection, Elf *elf, const char *path, const char *inherited)
{
	struct error *err;

	if (!fits(collection, elf))
		return error_create_code(ERROR_CANNOT_EXECUTE, "%s is no program for %s", path,
					 collection->arch == KERNEL_X86_64 ? "x86-64 or i386" : "i386: name an i386 file system by --root");
	err = collect_interpreter(collection, elf, path);
	return err ? err : collect_dynamic(collection, elf, path, inherited);
}

/* path has been added. */
static struct error *collect_elf(struct collection *collection, const char *path, const char *inherited)
{
	char *source = resolve(collection->root, path);
	int fd = source ? file_open_descriptor(source) : -1;
	struct error *err;
	Elf *elf;

	free(source);
	if (fd < 0)
		return unusable(path, errno);
	elf_version(EV_CURRENT);
	elf = elf_begin(fd, ELF_C_READ_MMAP, NULL);
	if (!elf)
		err = error_create("%s: %s", path, elf_errmsg(-1));
	else if (elf_kind(elf) == ELF_K_ELF)
		err = collect_open_elf(collection, elf, path, inherited);
	else
		err = error_create_code(ERROR_CANNOT_EXECUTE, "%s is neither a program nor a script", path);
	elf_end(elf);
	close(fd);
	return err;
}

/* -- programs and scripts -- */

/* A script's first line, and what it names. `env NAME` stands for NAME too. */
struct script {
	char line[SHEBANG];
	char *interpreter, *argument;
};

/* false: it is none, or cannot be read. */
static bool read_script(const char *source, struct script *ret)
{
	int fd = file_open_descriptor(source);
	FILE *file = fd < 0 ? NULL : fdopen(fd, "r");
	bool script = file && fgets(ret->line, SHEBANG, file) && ret->line[0] == '#' && ret->line[1] == '!';
	char *rest;

	if (file)
		fclose(file);
	else if (fd >= 0)
		close(fd);
	if (!script)
		return false;
	ret->interpreter = strtok_r(ret->line + 2, " \t\n", &rest);
	do { /* env's options and variables are not what it runs */
		ret->argument = strtok_r(NULL, " \t\n", &rest);
	} while (ret->argument && (*ret->argument == '-' || strchr(ret->argument, '=')));
	return ret->interpreter;
}

static struct error *find_by_path(const struct collection *collection, const char *name, char **ret)
{
	char *full = name[0] == '/' ? strdup(name) : realpath(name, NULL), *source = full ? resolve(collection->root, full) : NULL;

	if (!source) {
		int number = errno;

		free(full);
		return unusable(name, number);
	}
	free(source);
	*ret = full;
	return NULL;
}

/* As shells do: the first that can be executed or, for want of one, the first that is there. */
static struct error *find_in_path(const struct collection *collection, const char *name, const char *search_path, char **ret)
{
	char *other = NULL;

	for (const char *at = search_path; *at; at += strcspn(at, ":"), at += *at == ':') {
		char *path, *source;
		struct stat status;
		bool file;

		if (asprintf(&path, "%.*s/%s", (int)strcspn(at, ":"), at, name) < 0) {
			free(other);
			return error_create("out of memory");
		}
		source = resolve(collection->root, path);
		file = source && stat(source, &status) == 0 && S_ISREG(status.st_mode);
		free(source);
		if (file && (status.st_mode & 0111)) {
			free(other);
			*ret = path;
			return NULL;
		}
		if (file && !other)
			other = path;
		else
			free(path);
	}
	*ret = other;
	return other ? NULL : unusable(name, ENOENT);
}

static struct error *find_command(const struct collection *collection, const char *name, const char *search_path, char **ret)
{
	return strchr(name, '/') ? find_by_path(collection, name, ret) : find_in_path(collection, name, search_path, ret);
}

/* Adds the file that execve(2) would be given, after a look at it. */
static struct error *add_executable(struct collection *collection, const char *path, enum program_file_kind kind, const char *source)
{
	struct stat status;

	if (stat(source, &status))
		return unusable(path, errno);
	if (!S_ISREG(status.st_mode))
		return unusable(path, S_ISDIR(status.st_mode) ? EISDIR : EACCES);
	return add(collection, path, kind, NULL);
}

static struct error *check_executable(const char *path, const char *source)
{
	struct stat status;

	if (stat(source, &status) == 0 && !(status.st_mode & 0111))
		return error_create_code(ERROR_CANNOT_EXECUTE, "%s: %s: it is not executable (chmod +x)", path, strerror(EACCES));
	return NULL;
}

static struct error *collect_program(struct collection *collection, const char *path, const char *search_path, unsigned depth);

/* What a script's first line names: its interpreter, and what env(1) is to run. */
static struct error *collect_interpreters(struct collection *collection, const struct script *script, const char *search_path,
					  unsigned depth)
{
	struct error *err = collect_program(collection, script->interpreter, search_path, depth);
	char *command = NULL;

	if (err || !script->argument || strcmp(script->interpreter, "/usr/bin/env") != 0)
		return err;
	err = find_command(collection, script->argument, search_path, &command);
	if (!err)
		err = collect_program(collection, command, search_path, depth);
	free(command);
	return err;
}

static struct error *collect_script(struct collection *collection, const char *path, const struct script *script, const char *search_path,
				    unsigned depth)
{
	struct error *err;

	if (depth == MAX_DEPTH)
		return error_create_code(ERROR_CANNOT_EXECUTE, "%s: too many interpreters of interpreters", path);
	err = collect_interpreters(collection, script, search_path, depth + 1);
	return err ? error_prefix(err, "%s: its interpreter", path) : NULL;
}

static struct error *collect_program(struct collection *collection, const char *path, const char *search_path, unsigned depth)
{
	char *source = resolve(collection->root, path);
	struct script script;
	struct error *err;
	bool is_script;

	if (!source)
		return unusable(path, errno);
	is_script = read_script(source, &script);
	err = add_executable(collection, path, is_script ? PROGRAM_DATA : PROGRAM_CODE, source);
	if (!err)
		err = is_script ? collect_script(collection, path, &script, search_path, depth) : collect_elf(collection, path, NULL);
	if (!err)
		err = check_executable(path, source);
	free(source);
	return err;
}

struct error *program_collect(const char *root, const char *name, const char *search_path, enum kernel_arch arch, struct program *ret)
{
	struct collection collection = {.root = root, .arch = arch, .program = ret};
	struct error *err;

	*ret = (struct program){0};
	err = find_command(&collection, name, search_path, &ret->path);
	if (!err)
		err = collect_program(&collection, ret->path, search_path, 0);
	if (err)
		program_deinit(ret);
	return err;
}

struct error *program_add_command(struct program *program, const char *root, const char *path, const char *search_path,
				  enum kernel_arch arch)
{
	struct collection collection = {.root = root, .arch = arch, .program = program};

	return collect_program(&collection, path, search_path, 0);
}

void program_add_libraries(struct program *program, const char *root, const char *path)
{
	struct collection collection = {.root = root, .arch = KERNEL_X86_64, .program = program};

	error_destroy(collect_elf(&collection, path, NULL));
}

char *program_source(const char *root, const char *path)
{
	return resolve(root, path);
}

bool program_exists(const char *root, const char *path)
{
	char *source = resolve(root, path);
	struct stat status;
	bool exists = source && stat(source, &status) == 0 && S_ISREG(status.st_mode) && (status.st_mode & 0111);

	free(source);
	return exists;
}

/* Takes path over. */
static struct error *add_folder(struct program *program, char *path)
{
	char **larger = path ? realloc(program->folder, (program->folders + 1) * sizeof(*larger)) : NULL;

	if (!larger) {
		free(path);
		return error_create("out of memory");
	}
	program->folder = larger;
	program->folder[program->folders++] = path;
	return NULL;
}

static struct error *add_tree(struct program *program, const char *root, const char *path)
{
	struct collection collection = {.root = root, .arch = KERNEL_X86_64, .program = program};
	char *source = resolve(root, path);
	DIR *directory = source ? opendir(source) : NULL;
	struct dirent *entry;
	struct error *err = NULL;

	if (source && !directory && (errno == EMFILE || errno == ENFILE || errno == ENOMEM))
		err = error_create("%s: %s", path, strerror(errno));
	else if (!directory)
		err = add(&collection, path, PROGRAM_DATA, NULL);
	while (!err && directory && (entry = readdir(directory))) {
		char *below;

		if (entry->d_name[0] == '.')
			continue;
		below = join(path, "/", entry->d_name);
		err = below ? add_tree(program, root, below) : error_create("out of memory");
		free(below);
	}
	if (directory)
		closedir(directory);
	free(source);
	return err;
}

struct error *program_add_data(struct program *program, const char *root, const char *path)
{
	char *source = resolve(root, path);
	struct error *err = add_tree(program, root, path);
	struct stat status;

	if (!err && source && stat(source, &status) == 0 && S_ISDIR(status.st_mode))
		err = add_folder(program, strdup(path));
	free(source);
	return err;
}

void program_deinit(struct program *program)
{
	for (size_t i = 0; i < program->places; i++) {
		free(program->place[i].owner);
		free(program->place[i].path);
	}
	free(program->place);
	for (size_t i = 0; i < program->files; i++) {
		free(program->file[i].path);
		free(program->file[i].source);
	}
	for (size_t i = 0; i < program->folders; i++)
		free(program->folder[i]);
	free(program->folder);
	free(program->file);
	free(program->path);
	*program = (struct program){0};
}

static bool in_folder(const struct program *program, const char *path)
{
	for (size_t i = 0; i < program->folders; i++) {
		size_t length = strlen(program->folder[i]);

		if (strncmp(path, program->folder[i], length) == 0 && (path[length] == '/' || !path[length]) &&
		    !strstr(path + length, "/.."))
			return true; /* "..": it may lead out again */
	}
	return false;
}

static bool is_same_name(const char *a, const char *b)
{
	a = strrchr(a, '/');
	b = strrchr(b, '/');
	return a && b && strcmp(a, b) == 0;
}

/* Whether path is what the dynamic loader may look for file by: its name in any folder; or its folder, which the loader asks for if it
 * lacks a file. */
static bool leads_to_library(const char *path, const struct program_file *file)
{
	size_t length = strlen(path);

	if (file->kind != PROGRAM_LIBRARY && file->kind != PROGRAM_LOADER)
		return false;
	return is_same_name(file->path, path) || (strncmp(file->path, path, length) == 0 && file->path[length] == '/');
}

bool program_has(const struct program *program, const char *path, enum program_file_kind *ret_kind)
{
	for (size_t i = 0; i < program->files; i++) {
		const struct program_file *file = &program->file[i];

		if (strcmp(file->path, path) != 0 && !leads_to_library(path, file))
			continue;
		if (ret_kind)
			*ret_kind = file->kind;
		return true;
	}
	if (ret_kind)
		*ret_kind = PROGRAM_DATA;
	return in_folder(program, path);
}

static bool has_code(const struct file *file, uint64_t address, const uint8_t *code, size_t size)
{
	enum { PAGE = 4096 };

	for (size_t at = address % PAGE; at + size <= file->size; at += PAGE) {
		if (memcmp(file->data + at, code, size) == 0)
			return true;
	}
	return false;
}

bool program_is_loader(const struct program *program, uint64_t address, const uint8_t *code, size_t size)
{
	bool found = false;

	for (size_t i = 0; !found && i < program->files; i++) {
		struct file file = {0};

		if (program->file[i].kind != PROGRAM_LOADER)
			continue;
		error_destroy(file_open(program->file[i].source, &file));
		found = file.data && has_code(&file, address, code, size);
		file_close(&file);
	}
	return found;
}

const char *program_library_path(enum kernel_arch arch)
{
	return arch == KERNEL_X86_64 ? LIBRARIES64 ":" LIBRARIES32 : LIBRARIES32;
}
