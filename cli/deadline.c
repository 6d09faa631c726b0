/* The end of a run by the host's clock: deadline.h. */
#include "cli/deadline.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/commands.h"

#define NS_PER_S 1000000000ll
#define GRACE NS_PER_S

int64_t deadline_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * NS_PER_S + now.tv_nsec;
}

static void arm(struct deadline *deadline, int64_t after)
{
	const struct itimerspec when = {.it_value = {.tv_sec = after / NS_PER_S, .tv_nsec = after % NS_PER_S}};

	timer_settime(deadline->timer, 0, &when, NULL);
}

void deadline_tell(const struct deadline *deadline)
{
	struct pollfd room = {.fd = STDERR_FILENO, .events = POLLOUT};
	ssize_t ignored = 0;

	if (poll(&room, 1, 0) == 1)
		ignored = write(STDERR_FILENO, deadline->message, strlen(deadline->message));
	(void)ignored;
}

/* Only what a signal handler may call (signal-safety(7)). */
static void on_timer(int number, siginfo_t *info, void *context)
{
	struct deadline *deadline = info->si_code == SI_TIMER ? info->si_value.sival_ptr : NULL;
	int saved = errno;
	int64_t left;

	(void)number, (void)context;
	if (!deadline)
		return;
	left = deadline->at - deadline_now();
	if (left <= -GRACE) {
		deadline_tell(deadline);
		_exit(EXIT_XRAY86);
	}
	if (left <= 0)
		deadline->passed = 1;
	arm(deadline, left > 0 ? left : left + GRACE);
	errno = saved;
}

struct error *deadline_start(struct deadline *deadline, unsigned seconds)
{
	struct sigaction action = {.sa_sigaction = on_timer, .sa_flags = SA_SIGINFO | SA_RESTART};
	struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGALRM, .sigev_value.sival_ptr = deadline};
	sigset_t alarm;

	*deadline = (struct deadline){.seconds = seconds};
	snprintf(deadline->message, sizeof(deadline->message), "xray86: the run did not end within %u s: give it more with --timeout\n",
		 seconds);
	sigemptyset(&alarm);
	sigaddset(&alarm, SIGALRM);
	if (sigaction(SIGALRM, &action, NULL) || sigprocmask(SIG_UNBLOCK, &alarm, NULL) ||
	    timer_create(CLOCK_MONOTONIC, &event, &deadline->timer))
		return error_create("no timer for --timeout: %s", strerror(errno));
	deadline->started = true;
	deadline->at = deadline_now() + seconds * NS_PER_S;
	arm(deadline, seconds * NS_PER_S);
	return NULL;
}

void deadline_stop(struct deadline *deadline)
{
	if (deadline->started)
		timer_delete(deadline->timer);
	deadline->started = false;
}

static bool is_passed(void *opaque)
{
	return deadline_passed(opaque);
}

struct cancel deadline_cancel(struct deadline *deadline)
{
	return (struct cancel){is_passed, deadline};
}

bool deadline_passed(const struct deadline *deadline)
{
	return deadline->passed;
}

void deadline_add(struct deadline *deadline, int64_t ns)
{
	deadline->at += ns;
}
