/* Bringing files into the running trusted VM: supply.h. */
#include "session/supply.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "loader/file.h"

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

struct error *deliver_files(struct redirect *redirect, const struct program *program, size_t first)
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

struct error *deliver_modules(struct supply *supply, struct redirect *redirect, const char *path)
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

void supply_deinit(struct supply *supply)
{
	for (size_t i = 0; i < supply->count; i++)
		free(supply->brought[i]);
	free(supply->brought);
}
