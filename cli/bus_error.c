/* Mapped files that get shorter: bus_error.h. What runs in the handler is async-signal-safe (signal-safety(7)). */
#include "cli/bus_error.h"

#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "cli/commands.h"

enum { LINE = 512 /* of /proc/self/maps: longer names are cut */ };

/* A line of the file; its newline is left out. False: there is none. */
static bool read_line(int fd, char line[LINE])
{
	size_t length = 0;
	char byte;

	while (read(fd, &byte, 1) == 1) {
		if (byte == '\n') {
			line[length] = '\0';
			return true;
		}
		if (length < LINE - 1)
			line[length++] = byte;
	}
	return false;
}

static uint64_t take_hex(const char **at)
{
	uint64_t value = 0;

	for (;; ++*at) {
		char c = **at;

		if (c >= '0' && c <= '9')
			value = value << 4 | (uint64_t)(c - '0');
		else if (c >= 'a' && c <= 'f')
			value = value << 4 | (uint64_t)(c - 'a' + 10);
		else
			return value;
	}
}

/* START-END PERMISSIONS OFFSET DEVICE INODE NAME. NULL: the address is elsewhere, or it is no file's: only names have a slash. */
static const char *name_in(const char *line, uint64_t address)
{
	uint64_t start = take_hex(&line), end;

	if (*line++ != '-')
		return NULL;
	end = take_hex(&line);
	return address >= start && address < end ? strchr(line, '/') : NULL;
}

static bool find_name(uint64_t address, char line[LINE], const char **ret_name)
{
	int fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);

	*ret_name = NULL;
	while (fd >= 0 && !*ret_name && read_line(fd, line))
		*ret_name = name_in(line, address);
	if (fd >= 0)
		close(fd);
	return *ret_name;
}

static void put(const char *text)
{
	ssize_t written = write(STDERR_FILENO, text, strlen(text));

	(void)written; /* there is nobody else to tell */
}

/* A name may be anything; what a terminal would act on is not shown. */
static void put_name(const char *name)
{
	char shown[LINE];
	size_t length = strlen(name);

	for (size_t i = 0; i <= length; i++)
		shown[i] = name[i] && (name[i] < ' ' || name[i] > '~') ? '?' : name[i];
	put(shown);
}

/* The disposition is the default again: what is no file's ends the process as it would have. */
static void on_bus_error(int number, siginfo_t *info, void *context)
{
	char line[LINE];
	const char *name;

	(void)number;
	(void)context;
	if (!find_name((uintptr_t)info->si_addr, line, &name))
		return;
	put("xray86: the answer is incomplete, because ");
	put_name(name);
	put(" became shorter while it was in use: run the command again\n");
	_exit(EXIT_XRAY86);
}

void bus_error_catch(void)
{
	struct sigaction action = {.sa_sigaction = on_bus_error, .sa_flags = SA_SIGINFO | SA_RESETHAND};

	sigemptyset(&action.sa_mask);
	sigaction(SIGBUS, &action, NULL);
}
