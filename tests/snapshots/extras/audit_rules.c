/*
 * A product VM that audits: a rule makes the kernel record the paths of all system calls. The rule itself matches none: nothing is logged.
 * The VM's parameter audit=1 gives PID 1 a record, too.
 */
#include <errno.h>
#include <linux/audit.h>
#include <linux/netlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { NOBODYS_UID = 54321 };

struct request {
	struct nlmsghdr header;
	struct audit_rule_data rule;
};

struct answer {
	struct nlmsghdr header;
	struct nlmsgerr error;
	char rest[1024];
};

static void fail(const char *what)
{
	fprintf(stderr, "audit_rules: %s: %s\n", what, strerror(errno));
	exit(1);
}

int main(void)
{
	struct request request = {
		.header = {.nlmsg_len = sizeof(request), .nlmsg_type = AUDIT_ADD_RULE, .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK},
		.rule = {.flags = AUDIT_FILTER_EXIT, .action = AUDIT_ALWAYS, .field_count = 1},
	};
	struct answer answer = {0};
	int fd = socket(AF_NETLINK, SOCK_RAW, NETLINK_AUDIT);

	if (fd < 0)
		fail("socket");
	request.rule.mask[AUDIT_WORD(SYS_mount)] = AUDIT_BIT(SYS_mount);
	request.rule.fields[0] = AUDIT_UID;
	request.rule.fieldflags[0] = AUDIT_EQUAL;
	request.rule.values[0] = NOBODYS_UID;
	if (send(fd, &request, sizeof(request), 0) < 0)
		fail("sending a rule");
	while (answer.header.nlmsg_type != NLMSG_ERROR) {
		if (recv(fd, &answer, sizeof(answer), 0) < 0)
			fail("receiving the answer");
	}
	errno = -answer.error.error;
	if (errno)
		fail("adding a rule");
	return 0;
}
