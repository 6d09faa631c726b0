/*
 * What poll() and select() say of the product's files. The trusted kernel runs these calls, for descriptors of both worlds together,
 * and knows about waiting. When it asks a placeholder, the product's kernel is asked about the product's file, without waiting: nothing in
 * a snapshot becomes ready by itself.
 */
#ifndef XRAY86_REDIRECT_POLLS_H
#define XRAY86_REDIRECT_POLLS_H

#include "redirect/placeholders.h"

struct polls {
	/* -- filled in by the owner -- */
	struct worlds *worlds;
	struct calls *calls;
	struct host_task *host;
	struct placeholders *placeholders;

	/* -- its state -- */
	uint64_t no_time; /* a struct timespec64 of zeros, in the product */
};

/* Marks the function by which the trusted kernel asks a placeholder. */
struct error *poll_mark(struct polls *polls);

/*
 * Judges calls->now, a wait for descriptors. If all are the product's, and none is ready, it is done: its time is over (0), since the tool
 * sees no clock that goes on; without a time it is refused (EAGAIN), as reading from them would be.
 */
enum verdict poll_judge(struct polls *polls, int *ret_errno);
/*
 * Judges epoll_ctl(): files of the product are refused (EPERM). Programs with event loops wait without a time, for files of their own, too,
 * so a wait for an answer that cannot come would never end, and nobody could tell it from one that does.
 */
enum verdict poll_judge_epoll(struct polls *polls, int *ret_errno);

#endif
