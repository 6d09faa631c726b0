/* Descriptors in memory: embedded.h. */
#include "redirect/embedded.h"

#include <errno.h>
#include <linux/bpf.h>
#include <linux/net.h>
#include <linux/net_namespace.h>
#include <linux/rtnetlink.h>
#include <string.h>

#include "emu/peek.h"

enum { NETLINK_SEARCH = 256 /* bytes of a message that are looked at */ };

/* A 32-bit descriptor at a user address. True: it is the product's, and will be translated. */
static bool translate_at(struct placeholders *placeholders, uint64_t address)
{
	struct call *call = &placeholders->calls->now;
	struct call_patch patch = {.address = address};
	struct descriptor descriptor;

	if (call->patches == CALL_PATCHES) {
		call_record_loss(placeholders->calls, LOSS_LIMIT); /* the product will see the tool's number */
		return false;
	}
	if (cpu_peek(placeholders->worlds->cpu, address, &patch.original, 4) != 4 ||
	    !placeholder_find(placeholders, 0, patch.original, &descriptor))
		return false;
	patch.translated = descriptor.number;
	call->patch[call->patches++] = patch;
	return true;
}

/* -- netlink -- */

/* RTM_NEWNSID and RTM_GETNSID: attributes behind struct rtgenmsg. */
static void translate_message(struct placeholders *placeholders, uint64_t address, uint64_t size)
{
	uint8_t bytes[NETLINK_SEARCH];
	struct nlmsghdr header;
	size_t there = cpu_peek(placeholders->worlds->cpu, address, bytes, size < sizeof(bytes) ? size : sizeof(bytes));

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
			translate_at(placeholders, address + at + sizeof(attribute));
		at += RTA_ALIGN(attribute.rta_len);
	}
}

/* The first piece of a struct msghdr. */
static void translate_msghdr(struct placeholders *placeholders, uint64_t address)
{
	unsigned word = abi_call_word(placeholders->calls->now.abi);
	uint64_t vector, base, size;

	if (cpu_peek_word(placeholders->worlds->cpu, address + 2 * word, word, &vector) &&
	    cpu_peek_word(placeholders->worlds->cpu, vector, word, &base) &&
	    cpu_peek_word(placeholders->worlds->cpu, vector + word, word, &size))
		translate_message(placeholders, base, size);
}

void embedded_translate(struct placeholders *placeholders)
{
	const struct call *call = &placeholders->calls->now;

	if (call->row->flags & POLICY_MESSAGE_HEADER)
		translate_msghdr(placeholders, call->argument[1]);
	else if (call->row->flags & POLICY_MESSAGE)
		translate_message(placeholders, call->argument[1], call->argument[2]);
}

/* -- socketcall -- */

enum verdict embedded_judge_socketcall(struct placeholders *placeholders)
{
	struct call *call = &placeholders->calls->now;
	uint64_t arguments = call->argument[1], second = 0, third = 0;
	uint32_t number = call->argument[0];

	if (number == SYS_SOCKET) {
		call->opens = true;
		return VERDICT_PRODUCT;
	}
	if (number == SYS_SOCKETPAIR || !translate_at(placeholders, arguments))
		return VERDICT_TRUSTED;
	call->opens = number == SYS_ACCEPT || number == SYS_ACCEPT4;
	cpu_peek_word(placeholders->worlds->cpu, arguments + 4, 4, &second);
	cpu_peek_word(placeholders->worlds->cpu, arguments + 8, 4, &third);
	if (number == SYS_SENDMSG)
		translate_msghdr(placeholders, second);
	else if (number == SYS_SENDTO)
		translate_message(placeholders, second, third);
	return VERDICT_PRODUCT;
}

/* -- bpf -- */

/* Commands that list and look; `attr` begins with the descriptor, for those that take one. */
enum verdict embedded_judge_bpf(struct placeholders *placeholders, int *ret_errno)
{
	struct call *call = &placeholders->calls->now;

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
		return translate_at(placeholders, call->argument[1]) ? VERDICT_PRODUCT : VERDICT_REFUSED;
	default:
		return VERDICT_REFUSED;
	}
}
