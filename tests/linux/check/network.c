/* Networking within the machine: TCP over IPv4 and IPv6, UDP, ICMP, UNIX sockets, netlink. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "check.h"

enum { BULK = 300000, CLIENTS = 6 };

struct address {
	socklen_t length;
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
		struct sockaddr_un unix_;
	};
};

static struct address loopback(int family)
{
	struct address address = {0};

	if (family == AF_INET) {
		address.length = sizeof address.v4;
		address.v4 = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	} else {
		address.length = sizeof address.v6;
		address.v6 = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
	}
	return address;
}

/* A socket that listens at a port of the kernel's choice, which goes into address. */
static int listener(struct address *address)
{
	int fd = socket(address->any.sa_family, SOCK_STREAM, 0);

	if (fd < 0 || bind(fd, &address->any, address->length) || listen(fd, 16) || getsockname(fd, &address->any, &address->length))
		return -1;
	return fd;
}

static int connected(const struct address *address)
{
	int fd = socket(address->any.sa_family, SOCK_STREAM, 0);

	return fd >= 0 && connect(fd, &address->any, address->length) == 0 ? fd : -1;
}

static void bring_up(struct check *check)
{
	struct ifreq request = {.ifr_name = "lo"};
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	CHECK(check, ioctl(fd, SIOCGIFFLAGS, &request) == 0);
	request.ifr_flags |= IFF_UP;
	CHECK(check, ioctl(fd, SIOCSIFFLAGS, &request) == 0);
	CHECK(check, ioctl(fd, SIOCGIFFLAGS, &request) == 0 && (request.ifr_flags & IFF_UP));
	close(fd);
}

/* Gives back what it gets until the end of input, to as many clients as there are. */
static _Noreturn void echo_server(int listening)
{
	struct pollfd polls[CLIENTS + 1] = {{.fd = listening, .events = POLLIN}};
	int served = 0, open_ = 0;
	char buffer[5000];

	for (int i = 1; i <= CLIENTS; i++)
		polls[i] = (struct pollfd){.fd = -1, .events = POLLIN};
	while (served < CLIENTS || open_ > 0) {
		if (poll(polls, CLIENTS + 1, 60000) <= 0)
			_exit(1);
		if (polls[0].revents) {
			polls[++served].fd = accept(listening, NULL, NULL);
			open_++;
			if (served == CLIENTS)
				polls[0].fd = -1;
		}
		for (int i = 1; i <= CLIENTS; i++) {
			ssize_t n;

			if (polls[i].fd < 0 || !polls[i].revents)
				continue;
			n = read(polls[i].fd, buffer, sizeof buffer);
			if (n > 0 && write_all(polls[i].fd, buffer, (size_t)n))
				continue;
			close(polls[i].fd);
			polls[i].fd = -1;
			open_--;
		}
	}
	_exit(0);
}

/* Sends in one process and receives in another, so that neither blocks the other. */
static _Noreturn void echo_client(const struct address *address, unsigned seed)
{
	char *bytes = malloc(BULK);
	int fd = connected(address);
	pid_t child;

	if (fd < 0)
		_exit(1);
	child = fork();
	if (child == 0) {
		pattern_fill(bytes, BULK, seed);
		_exit(write_all(fd, bytes, BULK) && shutdown(fd, SHUT_WR) == 0 ? 0 : 1);
	}
	if (!read_all(fd, bytes, BULK) || !pattern_holds(bytes, BULK, seed) || read(fd, bytes, 1) != 0)
		_exit(2);
	_exit(exited(child, 0) ? 0 : 3);
}

static void check_tcp(struct check *check, int family)
{
	struct address address = loopback(family), peer = address;
	int listening = listener(&address), one = 1, fd;
	pid_t server, clients[CLIENTS];
	socklen_t length = sizeof one;

	CHECK(check, listening >= 0 && address.v4.sin_port != 0);
	server = fork();
	if (server == 0)
		echo_server(listening);
	for (unsigned i = 0; i < CLIENTS; i++) {
		clients[i] = fork();
		if (clients[i] == 0)
			echo_client(&address, i);
	}
	for (unsigned i = 0; i < CLIENTS; i++)
		CHECK(check, exited(clients[i], 0));
	CHECK(check, exited(server, 0));

	fd = connected(&address);
	CHECK(check, fd >= 0 && getpeername(fd, &peer.any, &peer.length) == 0 && peer.v4.sin_port == address.v4.sin_port);
	CHECK(check, setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one) == 0);
	CHECK(check, getsockopt(fd, SOL_SOCKET, SO_ERROR, &one, &length) == 0 && one == 0);
	close(listening);
	close(fd);
	CHECK(check, connected(&address) < 0 && errno == ECONNREFUSED);
}

static void check_udp(struct check *check, int family)
{
	struct address address = loopback(family), from = address;
	int server = socket(family, SOCK_DGRAM, 0), client = socket(family, SOCK_DGRAM, 0), sum = 0;
	struct timeval limit = {.tv_usec = 20000};
	char bytes[3000];

	CHECK(check, bind(server, &address.any, address.length) == 0 && getsockname(server, &address.any, &address.length) == 0);
	for (int i = 0; i < 20; i++) {
		pattern_fill(bytes, (size_t)(100 + i * 100), (unsigned)i);
		CHECK(check, sendto(client, bytes, (size_t)(100 + i * 100), 0, &address.any, address.length) == 100 + i * 100);
	}
	for (int i = 0; i < 20; i++) {
		ssize_t n = recvfrom(server, bytes, sizeof bytes, 0, &from.any, &from.length);

		sum += n == 100 + i * 100 && pattern_holds(bytes, (size_t)n, (unsigned)i);
	}
	CHECK(check, sum == 20);
	CHECK(check, sendto(server, "back", 4, 0, &from.any, from.length) == 4 && recv(client, bytes, 10, MSG_PEEK) == 4 &&
			     recv(client, bytes, 10, 0) == 4 && !memcmp(bytes, "back", 4));
	CHECK(check,
	      setsockopt(server, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) == 0 && recv(server, bytes, 10, 0) < 0 && errno == EAGAIN);
	close(server);
	CHECK(check, connect(client, &address.any, address.length) == 0 && send(client, "x", 1, 0) == 1);
	CHECK(check, recv(client, bytes, 1, 0) < 0 && errno == ECONNREFUSED); /* ICMP said so */
	close(client);
}

static uint16_t checksum(const void *bytes, size_t size)
{
	uint32_t sum = 0;
	uint16_t word;

	for (size_t i = 0; i < size; i += 2) {
		memcpy(&word, (const char *)bytes + i, 2);
		sum += word;
	}
	sum = (sum >> 16) + (sum & 0xffff);
	return (uint16_t) ~(sum + (sum >> 16));
}

static void check_ping(struct check *check)
{
	struct address address = loopback(AF_INET);
	struct {
		struct icmphdr header;
		char payload[56];
	} packet = {.header = {.type = ICMP_ECHO, .un.echo = {.id = 1234, .sequence = 7}}};
	struct timeval limit = {.tv_sec = 10};
	char answer[200];
	int fd = socket(AF_INET, SOCK_RAW, IPPROTO_ICMP);
	bool answered = false;

	pattern_fill(packet.payload, sizeof packet.payload, 3);
	packet.header.checksum = checksum(&packet, sizeof packet);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
	CHECK(check, sendto(fd, &packet, sizeof packet, 0, &address.any, address.length) == sizeof packet);
	while (!answered) { /* the question itself comes by too */
		struct icmphdr *header = (struct icmphdr *)(answer + 20);
		ssize_t n = recv(fd, answer, sizeof answer, 0);

		if (n < 0)
			break;
		answered = n == 20 + sizeof packet && header->type == ICMP_ECHOREPLY && header->un.echo.id == 1234 &&
			   pattern_holds(answer + 28, sizeof packet.payload, 3);
	}
	CHECK(check, answered);
	close(fd);
}

static void check_unix(struct check *check)
{
	struct address address = {.unix_ = {.sun_family = AF_UNIX, .sun_path = "\0linux-check"}};
	int listening = socket(AF_UNIX, SOCK_SEQPACKET, 0), fd, pair[2];
	struct ucred peer;
	socklen_t length = sizeof peer;
	char text[20] = "";
	pid_t child;

	address.length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 12);
	CHECK(check, bind(listening, &address.any, address.length) == 0 && listen(listening, 1) == 0);
	child = fork();
	if (child == 0) {
		fd = socket(AF_UNIX, SOCK_SEQPACKET, 0);
		_exit(connect(fd, &address.any, address.length) == 0 && write(fd, "one", 3) == 3 && write(fd, "second", 6) == 6 &&
				      read(fd, text, sizeof text) == 2
			      ? 0
			      : 1);
	}
	fd = accept(listening, NULL, NULL);
	CHECK(check, getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) == 0 && peer.pid == child);
	CHECK(check, read(fd, text, sizeof text) == 3 && read(fd, text, sizeof text) == 6 && !strcmp(text, "second"));
	CHECK(check, write(fd, "ok", 2) == 2 && exited(child, 0) && read(fd, text, sizeof text) == 0);
	close(fd);
	close(listening);
	CHECK(check, socketpair(AF_UNIX, SOCK_DGRAM, 0, pair) == 0 && write(pair[0], "dgram", 5) == 5 && read(pair[1], text, 3) == 3);
	close(pair[0]);
	close(pair[1]);
}

static void check_netlink(struct check *check)
{
	struct {
		struct nlmsghdr header;
		struct ifinfomsg message;
	} request = {.header = {.nlmsg_len = sizeof request, .nlmsg_type = RTM_GETLINK, .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP}};
	int fd = socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE), loops = 0;
	static _Alignas(16) char answer[32768];
	bool done = false;

	CHECK(check, send(fd, &request, sizeof request, 0) == sizeof request);
	while (!done) {
		ssize_t left = recv(fd, answer, sizeof answer, 0);
		struct nlmsghdr *header = (struct nlmsghdr *)answer;

		if (left <= 0)
			break;
		for (; NLMSG_OK(header, (size_t)left); header = NLMSG_NEXT(header, left)) {
			struct ifinfomsg *link = NLMSG_DATA(header);

			done = done || header->nlmsg_type == NLMSG_DONE || header->nlmsg_type == NLMSG_ERROR;
			loops += header->nlmsg_type == RTM_NEWLINK && (link->ifi_flags & IFF_LOOPBACK);
		}
	}
	CHECK(check, done && loops == 1);
	close(fd);
}

void check_network(struct check *check)
{
	if (check->machine)
		bring_up(check);
	check_tcp(check, AF_INET);
	check_tcp(check, AF_INET6);
	check_udp(check, AF_INET);
	check_udp(check, AF_INET6);
	check_ping(check);
	check_unix(check);
	check_netlink(check);
}
