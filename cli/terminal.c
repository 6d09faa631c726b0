/* Console on stdio: see terminal.h. */
#include "cli/terminal.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

enum { CTRL_A = 1, NS_PER_S = 1000000000 };

static const char key_help[] = "\n"
			       "Ctrl-A x       stop the machine\n"
			       "Ctrl-A h       this help\n"
			       "Ctrl-A Ctrl-A  send Ctrl-A\n";

/* -- output -- */

static void flush(struct terminal *terminal)
{
	size_t done = 0;

	if (terminal->out_used)
		progress_clear(&terminal->progress);
	terminal->written += terminal->out_used;
	while (done < terminal->out_used && !terminal->quit) {
		ssize_t wrote = write(STDOUT_FILENO, terminal->out + done, terminal->out_used - done);

		if (wrote >= 0) {
			done += wrote;
		} else if (errno == EAGAIN) {
			poll(&(struct pollfd){.fd = STDOUT_FILENO, .events = POLLOUT}, 1, -1);
		} else if (errno != EINTR) {
			terminal->signal = errno == EPIPE ? SIGPIPE : 0;
			terminal->error = errno == EPIPE ? 0 : errno;
			terminal->quit = true;
		}
	}
	terminal->out_used = 0;
}

static void write_byte(void *opaque, uint8_t byte)
{
	struct terminal *terminal = opaque;

	if (terminal->out_used == sizeof(terminal->out))
		flush(terminal);
	terminal->out[terminal->out_used++] = byte;
}

/* -- input -- */

/* What the user typed; Ctrl-A and the key after it are for us. */
static void take_key(struct terminal *terminal, uint8_t key)
{
	bool escaped = terminal->escape;

	terminal->escape = terminal->raw && key == CTRL_A && !escaped;
	if (terminal->escape)
		return;
	if (!escaped || key == CTRL_A) {
		terminal->in[terminal->in_used++] = key;
	} else if (key == 'x') {
		terminal->quit = true;
	} else if (key == 'h' || key == '?') {
		fputs(key_help, stderr);
	}
}

static void take_input(struct terminal *terminal)
{
	uint8_t bytes[TERMINAL_IN];
	size_t room = sizeof(terminal->in) - terminal->in_used;
	ssize_t got = room ? read(STDIN_FILENO, bytes, room) : -1;

	if (room && (got == 0 || (got < 0 && errno != EINTR && errno != EAGAIN)))
		terminal->eof = true;
	for (ssize_t i = 0; i < got; i++)
		take_key(terminal, bytes[i]);
}

static void take_signal(struct terminal *terminal)
{
	struct signalfd_siginfo info;

	if (read(terminal->signal_fd, &info, sizeof(info)) != sizeof(info))
		return;
	terminal->signal = info.ssi_signo;
	terminal->quit = true;
}

/* Looks at stdin and the signals, for at most so many nanoseconds (UINT64_MAX: until there is something). */
static void look(struct terminal *terminal, uint64_t ns)
{
	bool want = !terminal->eof && terminal->in_used < sizeof(terminal->in);
	struct pollfd fd[] = {
		{.fd = terminal->signal_fd, .events = POLLIN},
		{.fd = want ? STDIN_FILENO : -1, .events = POLLIN},
	};
	const struct timespec timeout = {.tv_sec = ns / NS_PER_S, .tv_nsec = ns % NS_PER_S};

	if (ppoll(fd, 2, ns == UINT64_MAX ? NULL : &timeout, NULL) <= 0)
		return;
	if (fd[0].revents)
		take_signal(terminal);
	if (fd[1].revents)
		take_input(terminal);
}

static int read_bytes(void *opaque, uint8_t *to, size_t size)
{
	struct terminal *terminal = opaque;
	size_t count;

	flush(terminal);
	progress_tick(&terminal->progress);
	look(terminal, 0);
	if (terminal->quit)
		return CONSOLE_QUIT;
	if (!terminal->in_used)
		return terminal->eof ? CONSOLE_EOF : 0;
	count = size < terminal->in_used ? size : terminal->in_used;
	memcpy(to, terminal->in, count);
	terminal->in_used -= count;
	memmove(terminal->in, terminal->in + count, terminal->in_used);
	return count;
}

static uint64_t host_clock(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * NS_PER_S + now.tv_nsec;
}

static uint64_t wait_for_input(void *opaque, uint64_t ns)
{
	struct terminal *terminal = opaque;
	uint64_t start = host_clock(), waited = 0;

	flush(terminal);
	if (ns == UINT64_MAX)
		progress_clear(&terminal->progress); /* it is the user's turn */
	while (waited < ns && !terminal->quit && !terminal->eof && !terminal->in_used) {
		look(terminal, ns == UINT64_MAX ? ns : ns - waited);
		waited = host_clock() - start;
	}
	return waited;
}

/* -- opening and closing -- */

static struct error *take_signals(struct terminal *terminal)
{
	sigset_t signals;

	sigemptyset(&signals);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGHUP);
	terminal->signal_fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
	if (terminal->signal_fd < 0)
		return error_create("signalfd: %s", strerror(errno));
	sigaddset(&signals, SIGPIPE); /* a reader that is gone is noticed by write() */
	sigprocmask(SIG_BLOCK, &signals, &terminal->saved_signals);
	return NULL;
}

static void make_raw(struct terminal *terminal)
{
	struct termios raw;

	if (!isatty(STDIN_FILENO) || tcgetattr(STDIN_FILENO, &terminal->saved) < 0)
		return;
	raw = terminal->saved;
	raw.c_iflag &= ~(IGNBRK | BRKINT | PARMRK | ISTRIP | INLCR | IGNCR | ICRNL | IXON);
	raw.c_lflag &= ~(ECHO | ECHONL | ICANON | ISIG | IEXTEN);
	raw.c_cc[VMIN] = 1;
	raw.c_cc[VTIME] = 0;
	terminal->raw = tcsetattr(STDIN_FILENO, TCSANOW, &raw) == 0;
	terminal->console.real_time = terminal->raw;
}

struct error *terminal_open(struct terminal *terminal)
{
	struct error *err;

	memset(terminal, 0, sizeof(*terminal));
	terminal->console = (struct console){.opaque = terminal, .write = write_byte, .read = read_bytes, .wait = wait_for_input};
	err = take_signals(terminal);
	if (!err)
		make_raw(terminal);
	return err;
}

void terminal_close(struct terminal *terminal)
{
	flush(terminal);
	progress_clear(&terminal->progress);
	if (terminal->raw)
		tcsetattr(STDIN_FILENO, TCSANOW, &terminal->saved);
	if (terminal->signal == SIGPIPE) /* the one that write() left pending must not strike now */
		sigaddset(&terminal->saved_signals, SIGPIPE);
	sigprocmask(SIG_SETMASK, &terminal->saved_signals, NULL);
	close(terminal->signal_fd);
}
