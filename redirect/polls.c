/* What poll() and select() say of the product's files: polls.h. */
#include "redirect/polls.h"

#include <errno.h>
#include <poll.h>
#include <stddef.h>
#include <string.h>
#include <sys/epoll.h>

#include "emu/peek.h"
#include "util/align.h"

enum {
	TIMESPEC = 16,
	BELOW_STACK = 256, /* from the tool's stack pointer: behind the 128 bytes that functions use below it */
	ALL_EVENTS = POLLIN | POLLPRI | POLLOUT | POLLRDNORM | POLLRDBAND | POLLWRNORM | POLLWRBAND | POLLMSG | POLLRDHUP,
	ALWAYS_READY = POLLIN | POLLOUT | POLLRDNORM | POLLWRNORM, /* DEFAULT_POLLMASK: of files that cannot be polled */
	MOST = 1024,                                               /* descriptors that are looked at before a wait */
};

/* -- asking the product -- */

static bool make_no_time(struct polls *polls)
{
	static const uint8_t zeros[TIMESPEC];
	struct worlds *worlds = polls->worlds;

	if (polls->no_time)
		return true;
	return worlds_call(worlds, WORLD_PRODUCT, FUNCTION_vmalloc, (uint64_t[]){TIMESPEC}, 1, &polls->no_time) && polls->no_time &&
	       product_memory_write(&worlds->memory, polls->no_time, zeros, sizeof(zeros));
}

/*
 * 8 bytes of the current tool's stack that it does not use. The task may have slept since its call was judged, so its pt_regs are found
 * anew: they are at the same place of each stack.
 */
static bool find_place(struct polls *polls, uint64_t *ret)
{
	const struct context *context = &polls->worlds->context;
	uint64_t inside = polls->calls->now.regs & (context->stack_size - 1), rsp;
	uint64_t regs = align_down(polls->worlds->cpu->gpr[RSP], context->stack_size) + inside;

	if (!cpu_peek_word(polls->worlds->cpu, regs + abi_regs_offset(context->abi, ABI_SP), context->abi->word, &rsp))
		return false;
	*ret = align_down(rsp - BELOW_STACK, 16);
	return true;
}

/* Puts a struct pollfd there. The trusted kernel does it, so that the page is there and the tool's own. */
static bool put_question(struct polls *polls, uint64_t place, uint32_t number)
{
	struct worlds *worlds = polls->worlds;
	struct pollfd question = {.fd = number, .events = ALL_EVENTS};
	uint64_t from = context_scratch(&worlds->context, sizeof(question)), left;

	return cpu_poke(worlds->cpu, from, &question, sizeof(question)) &&
	       worlds_call(worlds, WORLD_TRUSTED, FUNCTION__copy_to_user, (uint64_t[]){place, from, sizeof(question)}, 3, &left) && !left;
}

/* Without SMAP, what is known of the tools' pages outlives a change of the tool. */
static void forget_user_pages(struct worlds *worlds)
{
	if (!(worlds->cpu->cr4 & CR4_SMAP))
		product_memory_flush(&worlds->memory);
}

static bool get_answer(struct polls *polls, uint32_t number, struct pollfd *ret)
{
	struct worlds *worlds = polls->worlds;
	uint64_t place, count;

	return make_no_time(polls) && find_place(polls, &place) && put_question(polls, place, number) &&
	       worlds_call(worlds, WORLD_PRODUCT, FUNCTION_do_sys_poll, (uint64_t[]){place, 1, polls->no_time}, 3, &count) &&
	       (int32_t)count >= 0 && cpu_peek(worlds->cpu, place, ret, sizeof(*ret)) == sizeof(*ret);
}

/* All that the product's file is ready for. */
static unsigned ask(struct polls *polls, uint32_t number)
{
	struct pollfd answer;
	bool answered;

	host_task_prepare(polls->host);
	forget_user_pages(polls->worlds);
	answered = get_answer(polls, number, &answer);
	call_record_gaps(polls->calls); /* no call on the product may follow */
	if (answered)
		return (uint16_t)answer.revents;
	call_record_loss(polls->calls, LOSS_LIMIT);
	return ALWAYS_READY;
}

/* The trusted kernel asks a file of placeholders' kind. */
static enum mark_action on_poll(void *opaque, struct cpu *cpu)
{
	struct polls *polls = opaque;
	const struct context *context = &polls->worlds->context;
	struct descriptor descriptor;

	if (context->phase != CONTEXT_TRUSTED || context->nested ||
	    !descriptors_find(&polls->placeholders->descriptors, abi_argument(context->abi, cpu, 0), &descriptor))
		return MARK_CONTINUE;
	return worlds_return(polls->worlds, ask(polls, descriptor.number));
}

struct error *poll_mark(struct polls *polls)
{
	return worlds_mark(polls->worlds, WORLD_TRUSTED, PLACEHOLDER_POLL, on_poll, polls);
}

/* -- waits for the product alone -- */

/* What is known of a set of descriptors. */
struct set {
	bool any, trusted, ready;
};

static void look_at(struct polls *polls, uint32_t fd, unsigned events, struct set *set)
{
	struct descriptor descriptor;

	set->any = true;
	if (!placeholder_find(polls->placeholders, 0, fd, &descriptor))
		set->trusted = true;
	else if (ask(polls, descriptor.number) & events)
		set->ready = true;
}

/* Of poll(): an array of struct pollfd. */
static struct set look_at_array(struct polls *polls, uint64_t address, uint64_t count)
{
	struct set set = {.trusted = count > MOST};
	struct pollfd entry;

	for (uint64_t i = 0; i < count && !set.trusted && !set.ready; i++) {
		if (cpu_peek(polls->worlds->cpu, address + i * sizeof(entry), &entry, sizeof(entry)) != sizeof(entry))
			set.trusted = true; /* nobody knows */
		else if (entry.fd >= 0)
			look_at(polls, entry.fd, (uint16_t)entry.events | POLLERR | POLLHUP, &set);
	}
	return set;
}

/* Of select(): bits of numbers, in words of the ABI, which are as good as bytes here. */
static void look_at_bits(struct polls *polls, uint64_t address, uint32_t count, unsigned events, struct set *set)
{
	uint8_t bits[MOST / 8] = {0};
	size_t size = (count + 7) / 8;

	if (!address)
		return;
	if (cpu_peek(polls->worlds->cpu, address, bits, size) != size)
		set->trusted = true;
	for (uint32_t fd = 0; fd < count && !set->trusted && !set->ready; fd++) {
		if (bits[fd / 8] >> fd % 8 & 1)
			look_at(polls, fd, events, set);
	}
}

/* The three sets, and what select() calls ready in each (fs/select.c). */
static struct set look_at_sets(struct polls *polls, const uint64_t *argument)
{
	static const unsigned events[] = {POLLIN | POLLRDNORM | POLLRDBAND | POLLHUP | POLLERR, POLLOUT | POLLWRNORM | POLLWRBAND | POLLERR,
					  POLLPRI};
	uint32_t count = argument[0];
	struct set set = {.trusted = count > MOST};

	for (unsigned i = 0; i < 3 && !set.trusted; i++)
		look_at_bits(polls, argument[1 + i], count, events[i], &set);
	return set;
}

/* Puts zeros into the tool's memory; a null pointer is left alone. */
static bool clear(struct polls *polls, uint64_t address, size_t size)
{
	static const uint8_t zeros[MOST / 8];
	struct worlds *worlds = polls->worlds;
	uint64_t from = context_scratch(&worlds->context, size), left;

	return !address ||
	       (cpu_poke(worlds->cpu, from, zeros, size) &&
		worlds_call(worlds, WORLD_TRUSTED, FUNCTION__copy_to_user, (uint64_t[]){address, from, size}, 3, &left) && !left);
}

/* No event in any entry. */
static bool clear_array(struct polls *polls, uint64_t address, uint64_t count)
{
	bool good = true;

	for (uint64_t i = 0; i < count && good; i++)
		good = clear(polls, address + i * sizeof(struct pollfd) + offsetof(struct pollfd, revents), sizeof(short));
	return good;
}

/* Nothing in any set, whose sizes are whole words, and no time left. */
static bool clear_sets(struct polls *polls, const struct call *call)
{
	unsigned word = abi_call_word(call->abi);
	size_t size = align_up(((uint32_t)call->argument[0] + 7) / 8, word);

	return clear(polls, call->argument[1], size) && clear(polls, call->argument[2], size) && clear(polls, call->argument[3], size) &&
	       clear(polls, call->argument[4], 2 * word);
}

static bool is_endless(const struct call *call)
{
	return call->row->rule == POLICY_SELECT  ? !call->argument[4]
	       : call->row->rule == POLICY_PPOLL ? !call->argument[2]
						 : (int32_t)call->argument[2] < 0;
}

enum verdict poll_judge(struct polls *polls, int *ret_errno)
{
	const struct call *call = &polls->calls->now;
	bool select = call->row->rule == POLICY_SELECT;
	struct set set = {0};

	if (!polls->placeholders->descriptors.count)
		return VERDICT_TRUSTED;
	set = select ? look_at_sets(polls, call->argument) : look_at_array(polls, call->argument[0], (uint32_t)call->argument[1]);
	if (!set.any || set.trusted || set.ready)
		return VERDICT_TRUSTED;
	*ret_errno = EAGAIN;
	if (is_endless(call)) {
		call_record_loss(polls->calls, LOSS_WAIT);
		return VERDICT_REFUSED;
	}
	*ret_errno = 0;
	return (select ? clear_sets(polls, call) : clear_array(polls, call->argument[0], (uint32_t)call->argument[1])) ? VERDICT_REFUSED
														       : VERDICT_TRUSTED;
}

enum verdict poll_judge_epoll(struct polls *polls, int *ret_errno)
{
	const struct call *call = &polls->calls->now;
	struct descriptor descriptor;

	*ret_errno = EPERM;
	return call->argument[1] == EPOLL_CTL_ADD && placeholder_find(polls->placeholders, 0, call->argument[2], &descriptor)
		       ? VERDICT_REFUSED
		       : VERDICT_TRUSTED;
}
