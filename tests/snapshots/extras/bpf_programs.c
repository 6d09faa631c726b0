/*
 * Generated code for a product VM: BPF programs that change nothing, and a kernel function that is traced.
 *
 * usage: bpf_programs CGROUP TRACEFS
 *
 * Attaches programs of all kinds that the kernel asks on behalf of a cgroup. Hooks a kprobe in at the entry of a function. Leaves a process
 * behind that has netlink and packet sockets with filters.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static const struct kind {
	enum bpf_prog_type type;
	enum bpf_attach_type attach;
} kinds[] = {
	{BPF_PROG_TYPE_CGROUP_SKB, BPF_CGROUP_INET_INGRESS},
	{BPF_PROG_TYPE_CGROUP_SKB, BPF_CGROUP_INET_EGRESS},
	{BPF_PROG_TYPE_CGROUP_SOCK, BPF_CGROUP_INET_SOCK_CREATE},
	{BPF_PROG_TYPE_CGROUP_SOCK, BPF_CGROUP_INET_SOCK_RELEASE},
	{BPF_PROG_TYPE_CGROUP_SOCK, BPF_CGROUP_INET4_POST_BIND},
	{BPF_PROG_TYPE_CGROUP_SOCK, BPF_CGROUP_INET6_POST_BIND},
	{BPF_PROG_TYPE_CGROUP_SOCK_ADDR, BPF_CGROUP_INET4_BIND},
	{BPF_PROG_TYPE_CGROUP_SOCK_ADDR, BPF_CGROUP_INET6_BIND},
	{BPF_PROG_TYPE_CGROUP_SOCK_ADDR, BPF_CGROUP_INET4_CONNECT},
	{BPF_PROG_TYPE_CGROUP_SOCK_ADDR, BPF_CGROUP_INET6_CONNECT},
	{BPF_PROG_TYPE_CGROUP_SOCK_ADDR, BPF_CGROUP_INET4_GETSOCKNAME},
	{BPF_PROG_TYPE_CGROUP_SOCK_ADDR, BPF_CGROUP_INET4_GETPEERNAME},
	{BPF_PROG_TYPE_CGROUP_SOCK_ADDR, BPF_CGROUP_UDP4_SENDMSG},
	{BPF_PROG_TYPE_SOCK_OPS, BPF_CGROUP_SOCK_OPS},
	{BPF_PROG_TYPE_CGROUP_SOCKOPT, BPF_CGROUP_GETSOCKOPT},
	{BPF_PROG_TYPE_CGROUP_SOCKOPT, BPF_CGROUP_SETSOCKOPT},
	{BPF_PROG_TYPE_CGROUP_SYSCTL, BPF_CGROUP_SYSCTL},
	{BPF_PROG_TYPE_CGROUP_DEVICE, BPF_CGROUP_DEVICE},
};

static long check(long result, const char *what)
{
	if (result < 0) {
		fprintf(stderr, "bpf_programs: %s: %s\n", what, strerror(errno));
		exit(1);
	}
	return result;
}

static long bpf(enum bpf_cmd command, union bpf_attr *attributes)
{
	return syscall(SYS_bpf, command, attributes, sizeof(*attributes));
}

static uint64_t address_of(const void *pointer)
{
	return (uintptr_t)pointer;
}

/* A program that lets everything go on. */
static int load(const struct kind *kind)
{
	static const struct bpf_insn allow[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = 1},
		{.code = BPF_JMP | BPF_EXIT},
	};
	union bpf_attr load = {
		.prog_type = kind->type,
		.insns = address_of(allow),
		.insn_cnt = sizeof(allow) / sizeof(allow[0]),
		.license = address_of("GPL"),
		.expected_attach_type = kind->attach,
	};

	return check(bpf(BPF_PROG_LOAD, &load), "loading a program");
}

static void attach_programs(const char *path)
{
	int cgroup = check(open(path, O_RDONLY | O_DIRECTORY), path);

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		union bpf_attr attach = {
			.target_fd = cgroup,
			.attach_bpf_fd = load(&kinds[i]),
			.attach_type = kinds[i].attach,
			.attach_flags = BPF_F_ALLOW_MULTI,
		};

		check(bpf(BPF_PROG_ATTACH, &attach), "attaching a program");
		close(attach.attach_bpf_fd);
	}
	close(cgroup);
}

static void write_file(const char *directory, const char *name, const char *text)
{
	char path[200];
	int file;

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	file = check(open(path, O_WRONLY | O_APPEND), path);
	check(write(file, text, strlen(text)), path);
	close(file);
}

/* Its entry leads to the tracer from then on. */
static void trace_function(const char *tracefs)
{
	check(mount("tracefs", tracefs, "tracefs", 0, NULL), tracefs);
	write_file(tracefs, "kprobe_events", "p:product/reads vfs_read\n");
	write_file(tracefs, "events/product/reads/enable", "1\n");
}

/* Its filter lets nothing through, so that it does not fill up. */
static void open_socket(int family, int type, int protocol, const struct sockaddr *address, socklen_t size)
{
	struct sock_filter nothing = {BPF_RET | BPF_K, 0, 0, 0};
	const struct sock_fprog filter = {1, &nothing};
	int fd = check(socket(family, type, protocol), "socket");

	check(setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof(filter)), "attaching a filter");
	if (address)
		check(bind(fd, address, size), "bind");
}

static void leave_listener(void)
{
	const struct sockaddr_nl groups = {.nl_family = AF_NETLINK, .nl_groups = RTMGRP_LINK | RTMGRP_IPV4_IFADDR};

	if (check(fork(), "fork"))
		return;
	setsid();
	open_socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE, (const struct sockaddr *)&groups, sizeof(groups));
	open_socket(AF_PACKET, SOCK_DGRAM, htons(ETH_P_ALL), NULL, 0);
	for (;;)
		pause();
}

int main(int argc, char **argv)
{
	if (argc != 3) {
		fputs("usage: bpf_programs CGROUP TRACEFS\n", stderr);
		return 2;
	}
	attach_programs(argv[1]);
	trace_function(argv[2]);
	leave_listener();
	return 0;
}
