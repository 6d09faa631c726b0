/* Standard output and error: output.h. */
#include "cli/output.h"

#include <errno.h>
#include <fcntl.h>
#include <langinfo.h>
#include <limits.h>
#include <locale.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { PIECE = 1024, WAIT_MS = 100 };

/* By the user's locale, as ls(1) decides what it can show. */
static bool takes_utf8(void)
{
	locale_t locale = newlocale(LC_CTYPE_MASK, "", (locale_t)0);
	bool utf8 = locale && strcmp(nl_langinfo_l(CODESET, locale), "UTF-8") == 0;

	if (locale)
		freelocale(locale);
	return utf8;
}

void output_open(struct output *output, int fd, bool raw)
{
	*output = (struct output){.fd = fd, .escaping = !raw && isatty(fd)};
	output->escape.utf8 = output->escaping && takes_utf8();
}

/* False: it is not wanted any more. */
static bool wait_for_room(const struct output *output)
{
	struct pollfd room = {.fd = output->fd, .events = POLLOUT};

	while (poll(&room, 1, WAIT_MS) <= 0) {
		if (cancel_wanted(&output->cancel))
			return false;
	}
	return true;
}

static bool write_all(struct output *output, const void *bytes, size_t size)
{
	for (size_t done = 0; done < size && !output->error;) {
		size_t part = size - done < PIPE_BUF ? size - done : PIPE_BUF; /* what a pipe has room for that poll() finds writable */
		ssize_t written;

		if (!wait_for_room(output)) {
			output->error = ECANCELED;
			break;
		}
		written = write(output->fd, (const char *)bytes + done, part);
		if (written >= 0)
			done += written;
		else if (errno != EINTR && errno != EAGAIN) /* EAGAIN: whoever shares the descriptor with us has made it so */
			output->error = errno;
	}
	return !output->error;
}

bool output_write(struct output *output, const uint8_t *bytes, size_t size)
{
	char escaped[ESCAPED_SIZE(PIECE)];

	if (!output->escaping)
		return write_all(output, bytes, size);
	for (size_t done = 0, n; done < size && !output->error; done += n) {
		n = size - done < PIECE ? size - done : PIECE;
		write_all(output, escaped, escape_bytes(&output->escape, bytes + done, n, escaped));
	}
	return !output->error;
}

bool output_end(struct output *output)
{
	char escaped[ESCAPED_SIZE(0)];

	return write_all(output, escaped, escape_end(&output->escape, escaped));
}

/* -- stdio -- */

/* stdio has no better use for the error than we: it is kept, and told at the end. */
static ssize_t write_cookie(void *cookie, const char *bytes, size_t size)
{
	output_write(cookie, (const uint8_t *)bytes, size);
	return size;
}

static void adopt(FILE **stream, struct output *output, int fd, int buffering)
{
	FILE *made;

	output_open(output, fd, false);
	made = fopencookie(output, "w", (cookie_io_functions_t){.write = write_cookie});
	if (!made)
		return;
	setvbuf(made, NULL, buffering, BUFSIZ);
	*stream = made;
}

void streams_open(struct streams *streams)
{
	adopt(&stdout, &streams->out, STDOUT_FILENO, isatty(STDOUT_FILENO) ? _IOLBF : _IOFBF);
	adopt(&stderr, &streams->err, STDERR_FILENO, _IONBF);
}

int streams_finish(struct streams *streams)
{
	if (fflush(stdout) || ferror(stdout))
		return errno ? errno : EIO;
	output_end(&streams->out);
	return streams->out.error;
}

void streams_complete(void)
{
	static const int modes[] = {O_RDONLY, O_RDONLY, O_WRONLY};

	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", modes[fd]) < 0)
			open("/", O_PATH); /* nothing can be read from that, nor written to it */
	}
}
