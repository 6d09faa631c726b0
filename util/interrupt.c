/* Ctrl-C while another process works: interrupt.h. The signals are blocked: those that came are seen without a handler. */
#include "util/interrupt.h"

#include <stddef.h>
#include <time.h>

static const int signals[] = {SIGINT, SIGQUIT, SIGHUP};

/* Linux keeps a blocked signal even if it is ignored. */
static bool is_ignored(int number)
{
	struct sigaction action;

	return sigaction(number, NULL, &action) == 0 && action.sa_handler == SIG_IGN;
}

void interrupt_hold(struct interrupt *interrupt)
{
	sigprocmask(SIG_SETMASK, NULL, &interrupt->before);
	sigemptyset(&interrupt->held);
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
		if (!is_ignored(signals[i]) && !sigismember(&interrupt->before, signals[i]))
			sigaddset(&interrupt->held, signals[i]);
	}
	sigprocmask(SIG_BLOCK, &interrupt->held, NULL);
}

bool interrupt_release(struct interrupt *interrupt)
{
	const struct timespec now = {0};
	bool came = false;

	while (sigtimedwait(&interrupt->held, NULL, &now) > 0)
		came = true;
	sigprocmask(SIG_SETMASK, &interrupt->before, NULL);
	return came;
}
