/* Bringing files into the running trusted VM: supply.h. */
#include "session/supply.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "loader/file.h"
#include "util/quote.h"

/* -- files -- */

static struct error *deliver_bytes(struct redirect *redirect, const char *path, unsigned mode, const void *data, size_t size)
{
	return redirect_deliver(redirect, path, mode, data, size) ? NULL : error_create("%s could not be delivered", path);
}

static struct error *deliver_file(struct redirect *redirect, const char *path, const char *source, unsigned mode)
{
	struct file file = {0};
	struct error *err = file_open(source, &file);

	if (!err)
		err = deliver_bytes(redirect, path, mode, file.data, file.size);
	file_close(&file);
	return err;
}

static struct error *deliver_files(struct redirect *redirect, const struct program *program, size_t first)
{
	struct error *err = NULL;

	for (size_t i = first; !err && i < program->files; i++)
		err = deliver_file(redirect, program->file[i].path, program->file[i].source, program->file[i].mode);
	return err;
}

/* -- modules -- */

/*
 * What Python puts before its library in sys.path by itself, the directory of the script or the current one, cannot be told by a name. An
 * import hook keeps it out, in the module that `site` imports at the end of Python's start. For the script that the user names it raises
 * ImportError, unless that is a folder: Python asks the hooks whether it is a package. Whatever else is no folder of this machine's is kept
 * out, too: the snapshot may have an archive at the path of the script's folder.
 */
#define IMPORT_HOOK "sitecustomize.py"
static const char import_hook[] =
	"# By xray86: modules are those of the machine that the tool is from, and of PYTHONPATH.\n"
	"import os\n"
	"import sys\n"
	"\n"
	"\n"
	"class Nothing:\n"
	"    def find_spec(self, name, target=None):\n"
	"        return None\n"
	"\n"
	"    def invalidate_caches(self):\n"
	"        pass\n"
	"\n"
	"\n"
	"library = os.path.dirname(os.__file__)\n"
	"packages = {'site-packages', 'dist-packages', 'lib-dynload'}\n"
	"own = [library] + [folder for folder in sys.path if packages.intersection(folder.split('/'))]\n"
	"own += filter(None, os.environ.get('PYTHONPATH', '').split(':'))\n"
	"\n"
	"\n"
	"def keep_out(path):\n"
	"    place = os.path.normpath(path)\n"
	"    named = path in getattr(sys, 'orig_argv', sys.argv)\n"
	"    if any(place == folder or place.startswith(folder + '/') for folder in own) or named and not os.path.isdir(path):\n"
	"        raise ImportError\n"
	"    return Nothing()\n"
	"\n"
	"\n"
	"sys.path_hooks.insert(0, keep_out)\n";

static char *join(const char *folder, const char *name)
{
	char *path;

	return asprintf(&path, "%s/%s", folder, name) < 0 ? NULL : path;
}

static bool is_python_library(const struct supply *supply, const char *folder)
{
	const char *name = strrchr(folder, '/') + 1;
	char *landmark = strncmp(name, "python3.", 8) == 0 ? join(folder, "os.py") : NULL;
	char *source = landmark ? program_source(supply->root, landmark) : NULL;

	free(landmark);
	free(source);
	return source;
}

/* A file, or an empty folder. */
static struct error *deliver_entry(const struct supply *supply, struct redirect *redirect, const char *path)
{
	char *source = program_source(supply->root, path);
	struct error *err = NULL;
	struct stat status;

	if (source && stat(source, &status) == 0) {
		if (S_ISREG(status.st_mode))
			err = deliver_file(redirect, path, source, status.st_mode & 0755);
		else if (S_ISDIR(status.st_mode))
			redirect_make_folder(redirect, path);
	}
	free(source);
	return err;
}

static struct error *deliver_folder(const struct supply *supply, struct redirect *redirect, const char *path, const char *source)
{
	struct dirent **entry;
	struct error *err = NULL;
	int count = scandir(source, &entry, NULL, alphasort);

	for (int i = 0; i < count; i++) {
		const char *name = entry[i]->d_name;
		char *below = err || strcmp(name, ".") == 0 || strcmp(name, "..") == 0 ? NULL : join(path, name);

		if (below)
			err = deliver_entry(supply, redirect, below);
		free(below);
		free(entry[i]);
	}
	if (count >= 0)
		free(entry);
	if (!err && is_python_library(supply, path)) {
		char *hook = join(path, IMPORT_HOOK);

		err = hook ? deliver_bytes(redirect, hook, 0644, import_hook, sizeof(import_hook) - 1) : error_create("out of memory");
		free(hook);
	}
	return err;
}

/* Whether it has not been brought yet; from now on it has. */
static bool is_new(struct supply *supply, const char *path)
{
	char **larger, *copy;

	for (size_t i = 0; i < supply->count; i++) {
		if (strcmp(supply->brought[i], path) == 0)
			return false;
	}
	larger = reallocarray(supply->brought, supply->count + 1, sizeof(*larger));
	if (larger)
		supply->brought = larger;
	copy = larger ? strdup(path) : NULL;
	if (copy)
		supply->brought[supply->count++] = copy;
	return copy;
}

/* A folder with all that is in it, or a file (`alone`: if it is one). Once. */
static struct error *deliver_once(struct supply *supply, struct redirect *redirect, const char *path, bool alone)
{
	char *source = program_source(supply->root, path);
	struct error *err = NULL;
	struct stat status;

	if (source && stat(source, &status) == 0 && (alone || S_ISDIR(status.st_mode)) && is_new(supply, path))
		err = S_ISDIR(status.st_mode) ? deliver_folder(supply, redirect, path, source) : deliver_entry(supply, redirect, path);
	free(source);
	return err;
}

/* Python's ctypes needs libffi, which is looked for where libraries are. */
static struct error *deliver_libraries(struct supply *supply, struct redirect *redirect, const char *path)
{
	size_t length = strlen(path), before = supply->program->files;

	if (length < 3 || strcmp(path + length - 3, ".so") != 0)
		return NULL;
	program_add_libraries(supply->program, supply->root, path);
	return deliver_files(redirect, supply->program, before);
}

/*
 * What there is at a path that program_has_modules_at() knows: a file alone, or with the whole folder that it is in if that is such a
 * place, too, since interpreters list folders. What is there already, or nowhere, is passed over.
 */
static struct error *deliver_modules(struct supply *supply, struct redirect *redirect, const char *path)
{
	const char *slash = strrchr(path, '/');
	char *folder = strndup(path, slash - path);
	struct error *err;

	if (!folder)
		return error_create("out of memory");
	if (*folder && program_has_modules_at(supply->program, NULL, folder)) {
		err = deliver_once(supply, redirect, folder, false);
		if (!err)
			err = deliver_once(supply, redirect, path, false);
	} else {
		err = deliver_once(supply, redirect, path, true);
	}
	free(folder);
	return err ? err : deliver_libraries(supply, redirect, path);
}

/* -- programs -- */

static bool is_in_search_path(const char *search, const char *path)
{
	size_t length = strrchr(path, '/') - path;

	for (const char *at = search; *at; at += strcspn(at, ":"), at += *at == ':') {
		if (strcspn(at, ":") == length && strncmp(at, path, length) == 0)
			return true;
	}
	return false;
}

/* A command that a tool runs, of a shell's pipeline say. */
static struct error *deliver_program(struct supply *supply, struct redirect *redirect, const char *path)
{
	size_t before = supply->program->files;
	struct error *err;

	if (program_has(supply->program, path, NULL))
		return NULL;
	err = program_add_command(supply->program, supply->root, path, supply->search_path, supply->arch);
	if (!err)
		err = program_find_modules(supply->program, before);
	return err ? err : deliver_files(redirect, supply->program, before);
}

/* -- the supplier -- */

static enum readers readers(void *opaque, const char *path)
{
	const struct supply *supply = opaque;
	enum program_file_kind kind;

	if (!program_has(supply->program, path, &kind))
		return READERS_NONE;
	return kind == PROGRAM_DATA ? READERS_ALL : READERS_LOADER;
}

static bool is_loader(void *opaque, uint64_t address, const uint8_t *code, size_t size)
{
	return program_is_loader(((const struct supply *)opaque)->program, address, code, size);
}

static bool offers(void *opaque, enum delivery_kind kind, const char *executable, const char *path)
{
	const struct supply *supply = opaque;

	if (kind == DELIVERY_MODULES)
		return program_has_modules_at(supply->program, executable, path);
	return is_in_search_path(supply->search_path, path) && program_exists(supply->root, path);
}

static void deliver(void *opaque, enum delivery_kind kind, struct redirect *redirect, const char *path)
{
	struct supply *supply = opaque;
	char quoted[QUOTE_NAME];
	struct error *err = kind == DELIVERY_MODULES ? deliver_modules(supply, redirect, path) : deliver_program(supply, redirect, path);

	if (err)
		note(&supply->notes, "%s: %s", quote_string(quoted, sizeof(quoted), path), err->message);
	error_destroy(err);
}

struct supplier supply_supplier(struct supply *supply)
{
	return (struct supplier){readers, is_loader, offers, deliver, supply};
}

void supply_deinit(struct supply *supply)
{
	for (size_t i = 0; i < supply->count; i++)
		free(supply->brought[i]);
	free(supply->brought);
}
