/* Collecting a command: program.h. */
#include "loader/program.h"

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
};

/* -- files -- */

static char *join(const char *a, const char *b, const char *c)
{
	char *text;

	return asprintf(&text, "%s%s%s", a, b, c) < 0 ? NULL : text;
}

/*
 * Where the file at a path below root is on the host, links followed: an absolute link target is meant below root too. NULL: there is none.
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

/* Adds the file; false: it is there already, is none, or memory is short. */
static bool add(struct collection *collection, const char *path, enum program_file_kind kind)
{
	struct program *program = collection->program;
	struct program_file *larger, file = {.kind = kind};
	struct stat status;

	if (path[0] != '/' || known(program, path) || program->files == MAX_FILES)
		return false;
	file.source = resolve(collection->root, path);
	file.path = strdup(path);
	if (!file.source || !file.path || stat(file.source, &status) || !S_ISREG(status.st_mode))
		goto refuse;
	file.mode = status.st_mode & 0755;
	larger = realloc(program->file, (program->files + 1) * sizeof(*larger));
	if (!larger)
		goto refuse;
	program->file = larger;
	program->file[program->files++] = file;
	return true;
refuse:
	free(file.path);
	free(file.source);
	return false;
}

/* -- ELF -- */

static bool fits(const struct collection *collection, Elf *elf)
{
	GElf_Ehdr header;

	if (!gelf_getehdr(elf, &header))
		return false;
	return header.e_machine == EM_386 || (header.e_machine == EM_X86_64 && collection->arch == KERNEL_X86_64);
}

static bool is_class(const char *source, int class)
{
	unsigned char ident[EI_NIDENT] = {0};
	int fd = open(source, O_RDONLY | O_CLOEXEC);
	bool is = fd >= 0 && read(fd, ident, sizeof(ident)) == sizeof(ident) && memcmp(ident, ELFMAG, SELFMAG) == 0 &&
		  ident[EI_CLASS] == class;

	if (fd >= 0)
		close(fd);
	return is;
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
static char *in_directory(const struct collection *collection, const char *directory, const char *name, int class)
{
	char *path = join(directory, "/", name), *source = path ? resolve(collection->root, path) : NULL;
	bool good = source && is_class(source, class);

	free(source);
	if (good)
		return path;
	free(path);
	return NULL;
}

/* The library in the directories of a search path. */
static char *in_path(const struct collection *collection, const char *search_path, const char *name, const char *object, int class)
{
	char *found = NULL;

	for (const char *at = search_path; !found && at && *at; at += strcspn(at, ":"), at += *at == ':') {
		char *expanded = expand(at, strcspn(at, ":"), object);

		found = expanded ? in_directory(collection, expanded, name, class) : NULL;
		free(expanded);
	}
	return found;
}

static char *find_library(const struct collection *collection, const char *name, const char *runpath, const char *object, int class)
{
	char *found;

	if (strchr(name, '/'))
		return strdup(name);
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
		char *library = find_library(collection, name, search, path, gelf_getclass(elf));

		if (!library)
			return error_create("%s: its library %s is not found on this machine", path, name);
		if (add(collection, library, PROGRAM_LIBRARY))
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

static void collect_interpreter(struct collection *collection, Elf *elf)
{
	size_t count, size;
	const char *raw = elf_rawfile(elf, &size);
	GElf_Phdr header;

	if (elf_getphdrnum(elf, &count))
		return;
	for (size_t i = 0; i < count; i++) {
		if (!gelf_getphdr(elf, i, &header) || header.p_type != PT_INTERP || header.p_offset >= size)
			continue;
		if (memchr(raw + header.p_offset, 0, size - header.p_offset))
			add(collection, raw + header.p_offset, PROGRAM_LOADER);
	}
}

static struct error *collect_open_elf(struct collection *collection, Elf *elf, const char *path, const char *inherited)
{
	if (!fits(collection, elf))
		return error_create("%s is no program for %s", path,
				    collection->arch == KERNEL_X86_64 ? "x86-64 or i386" : "i386: name an i386 file system by --root");
	collect_interpreter(collection, elf);
	return collect_dynamic(collection, elf, path, inherited);
}

/* path has been added. */
static struct error *collect_elf(struct collection *collection, const char *path, const char *inherited)
{
	char *source = resolve(collection->root, path);
	int fd = source ? open(source, O_RDONLY | O_CLOEXEC) : -1;
	struct error *err;
	Elf *elf;

	free(source);
	if (fd < 0)
		return error_create("%s: %s", path, strerror(errno));
	elf_version(EV_CURRENT);
	elf = elf_begin(fd, ELF_C_READ_MMAP, NULL);
	if (elf && elf_kind(elf) == ELF_K_ELF)
		err = collect_open_elf(collection, elf, path, inherited);
	else
		err = error_create("%s is neither a program nor a script", path);
	elf_end(elf);
	close(fd);
	return err;
}

/* -- programs and scripts -- */

/* The interpreter that a script's first line names; NULL: it is none. `env NAME` stands for NAME too. */
static bool read_shebang(const char *source, char line[SHEBANG], char **ret_interpreter, char **ret_argument)
{
	FILE *file = fopen(source, "re");
	bool script = file && fgets(line, SHEBANG, file) && line[0] == '#' && line[1] == '!';
	char *rest;

	if (file)
		fclose(file);
	if (!script)
		return false;
	*ret_interpreter = strtok_r(line + 2, " \t\n", &rest);
	do { /* env's options and variables are not what it runs */
		*ret_argument = strtok_r(NULL, " \t\n", &rest);
	} while (*ret_argument && (**ret_argument == '-' || strchr(*ret_argument, '=')));
	return *ret_interpreter;
}

static char *find_command(const struct collection *collection, const char *name, const char *search_path)
{
	if (strchr(name, '/')) {
		char *full = name[0] == '/' ? strdup(name) : realpath(name, NULL), *source = full ? resolve(collection->root, full) : NULL;

		if (!source) {
			free(full);
			full = NULL;
		}
		free(source);
		return full;
	}
	for (const char *at = search_path; *at; at += strcspn(at, ":"), at += *at == ':') {
		char *path, *source;
		bool good;

		if (asprintf(&path, "%.*s/%s", (int)strcspn(at, ":"), at, name) < 0)
			return NULL;
		source = resolve(collection->root, path);
		good = source && access(source, X_OK) == 0;
		free(source);
		if (good)
			return path;
		free(path);
	}
	return NULL;
}

static struct error *collect_program(struct collection *collection, const char *path, const char *search_path, unsigned depth)
{
	char line[SHEBANG], *interpreter, *argument, *source;
	struct error *err;
	bool script;

	source = resolve(collection->root, path);
	if (!source)
		return error_create("%s: %s", path, strerror(ENOENT));
	script = read_shebang(source, line, &interpreter, &argument);
	free(source);
	add(collection, path, script ? PROGRAM_DATA : PROGRAM_CODE);
	if (!script)
		return collect_elf(collection, path, NULL);
	if (depth == MAX_DEPTH)
		return error_create("%s: too many interpreters of interpreters", path);
	err = collect_program(collection, interpreter, search_path, depth + 1);
	if (!err && argument && strcmp(interpreter, "/usr/bin/env") == 0) {
		char *command = find_command(collection, argument, search_path);

		err = command ? collect_program(collection, command, search_path, depth + 1)
			      : error_create("%s: its interpreter %s: " PROGRAM_NOT_FOUND, path, argument);
		free(command);
	}
	return err ? error_prefix(err, "%s", path) : NULL;
}

struct error *program_collect(const char *root, const char *name, const char *search_path, enum kernel_arch arch, struct program *ret)
{
	struct collection collection = {root, arch, ret};
	struct error *err;

	*ret = (struct program){0};
	ret->path = find_command(&collection, name, search_path);
	if (!ret->path)
		return error_create("%s: " PROGRAM_NOT_FOUND, name);
	err = collect_program(&collection, ret->path, search_path, 0);
	if (err)
		program_deinit(ret);
	return err;
}

struct error *program_add_command(struct program *program, const char *root, const char *path, const char *search_path,
				  enum kernel_arch arch)
{
	struct collection collection = {root, arch, program};

	return collect_program(&collection, path, search_path, 0);
}

void program_add_libraries(struct program *program, const char *root, const char *path)
{
	struct collection collection = {root, KERNEL_X86_64, program};

	error_destroy(collect_elf(&collection, path, NULL));
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
	struct collection collection = {root, KERNEL_X86_64, program};
	char *source = resolve(root, path);
	DIR *directory = source ? opendir(source) : NULL;
	struct dirent *entry;
	struct error *err = NULL;

	if (!directory)
		add(&collection, path, PROGRAM_DATA);
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
