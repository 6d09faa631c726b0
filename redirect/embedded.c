/*
 * Descriptors that a system call does not have as arguments but in memory that they point to: i386's socketcall(), bpf(), and netlink
 * messages that name a network namespace. What the product is to see there is put in place for the time of the body, and put back
 * (put_translated(), restore_arguments()).
 */
#include <errno.h>
#include <linux/bpf.h>
#include <linux/net.h>
#include <linux/net_namespace.h>
#include <linux/rtnetlink.h>
#include <string.h>

#include "emu/peek.h"
#include "redirect/session.h"

enum { NETLINK_SEARCH = 256 /* bytes of a message that are looked at */ };

/* A 32-bit descriptor at a user address. True: it is the product's, and will be translated. */
static bool translate_at(struct redirect *redirect, uint64_t address)
{
	struct call *call = &redirect->call;
	struct patch patch = {.address = address};

	if (call->patches == MAX_PATCHES) {
		record_loss(redirect, LOSS_LIMIT); /* the product will see the tool's number */
		return false;
	}
	if (cpu_peek(redirect->cpu, address, &patch.original, 4) != 4 || !product_descriptor(redirect, patch.original, &patch.translated))
		return false;
	call->patch[call->patches++] = patch;
	return true;
}

void patch_memory(struct redirect *redirect, uint64_t address, const char bytes[4])
{
	struct call *call = &redirect->call;
	struct patch patch = {.address = address};

	if (call->patches == MAX_PATCHES || cpu_peek(redirect->cpu, address, &patch.original, 4) != 4)
		return;
	memcpy(&patch.translated, bytes, 4);
	call->patch[call->patches++] = patch;
}

/* -- netlink -- */

/* RTM_NEWNSID and RTM_GETNSID: attributes behind struct rtgenmsg. */
static void translate_message(struct redirect *redirect, uint64_t address, uint64_t size)
{
	uint8_t bytes[NETLINK_SEARCH];
	struct nlmsghdr header;
	size_t there = cpu_peek(redirect->cpu, address, bytes, size < sizeof(bytes) ? size : sizeof(bytes));

	if (there < sizeof(header))
		return;
	memcpy(&header, bytes, sizeof(header));
	if (header.nlmsg_type != RTM_NEWNSID && header.nlmsg_type != RTM_GETNSID)
		return;
	for (size_t at = NLMSG_SPACE(sizeof(struct rtgenmsg)); at + sizeof(struct rtattr) + 4 <= there;) {
		struct rtattr attribute;

		memcpy(&attribute, bytes + at, sizeof(attribute));
		if (attribute.rta_len < sizeof(attribute))
			return;
		if (attribute.rta_type == NETNSA_FD)
			translate_at(redirect, address + at + sizeof(attribute));
		at += RTA_ALIGN(attribute.rta_len);
	}
}

/* The first piece of a struct msghdr. */
static void translate_msghdr(struct redirect *redirect, uint64_t address)
{
	unsigned word = redirect->call.abi == POLICY_X86_64 ? 8 : 4;
	uint64_t vector, base, size;

	if (cpu_peek_word(redirect->cpu, address + 2 * word, word, &vector) && cpu_peek_word(redirect->cpu, vector, word, &base) &&
	    cpu_peek_word(redirect->cpu, vector + word, word, &size))
		translate_message(redirect, base, size);
}

void translate_embedded(struct redirect *redirect)
{
	const struct call *call = &redirect->call;

	if (strcmp(call->row->name, "sendmsg") == 0)
		translate_msghdr(redirect, call->argument[1]);
	else if (strcmp(call->row->name, "sendto") == 0)
		translate_message(redirect, call->argument[1], call->argument[2]);
}

/* -- socketcall -- */

enum verdict judge_socketcall(struct redirect *redirect)
{
	struct call *call = &redirect->call;
	uint64_t arguments = call->argument[1], second = 0, third = 0;
	uint32_t number = call->argument[0];

	if (number == SYS_SOCKET) {
		call->opens = true;
		return VERDICT_PRODUCT;
	}
	if (number == SYS_SOCKETPAIR || !translate_at(redirect, arguments))
		return VERDICT_TRUSTED;
	call->opens = number == SYS_ACCEPT || number == SYS_ACCEPT4;
	cpu_peek_word(redirect->cpu, arguments + 4, 4, &second);
	cpu_peek_word(redirect->cpu, arguments + 8, 4, &third);
	if (number == SYS_SENDMSG)
		translate_msghdr(redirect, second);
	else if (number == SYS_SENDTO)
		translate_message(redirect, second, third);
	return VERDICT_PRODUCT;
}

/* -- bpf -- */

/* Commands that list and look; `attr` begins with the descriptor, for those that take one. */
enum verdict judge_bpf(struct redirect *redirect, int *ret_errno)
{
	struct call *call = &redirect->call;

	*ret_errno = EPERM;
	switch (call->argument[0]) {
	case BPF_PROG_GET_FD_BY_ID:
	case BPF_MAP_GET_FD_BY_ID:
	case BPF_BTF_GET_FD_BY_ID:
	case BPF_LINK_GET_FD_BY_ID:
		call->opens = true;
		return VERDICT_PRODUCT;
	case BPF_PROG_GET_NEXT_ID:
	case BPF_MAP_GET_NEXT_ID:
	case BPF_BTF_GET_NEXT_ID:
	case BPF_LINK_GET_NEXT_ID:
		return VERDICT_PRODUCT;
	case BPF_OBJ_GET_INFO_BY_FD:
	case BPF_MAP_LOOKUP_ELEM:
	case BPF_MAP_GET_NEXT_KEY:
		return translate_at(redirect, call->argument[1]) ? VERDICT_PRODUCT : VERDICT_REFUSED;
	default:
		return VERDICT_REFUSED;
	}
}
