/*
 * Roles with sockets: TCP and UDP over IPv4 and IPv6, UNIX, raw, packet and netlink ones; listening, connected, half closed, with queued
 * data.
 *
 * Everything stays within the machine, so nothing but these roles changes their state. Sizes of queued data are those that the ground truth
 * shows; a role that queues data for another waits until it has arrived.
 */
#include "scenario.h"
#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum {
	WEB_PORT = 8080,     /* web-server, IPv4 and IPv6 */
	SHY_PORT = 8082,     /* web-server listens there but never accepts */
	NAME_PORT = 53,      /* name-server */
	OTHER_PORT = 9090,   /* other-net */
	TO_SERVER = 1000,    /* bytes that wait at the server, for each connection */
	TO_CLIENT = 200,     /* bytes that wait at the client */
	CONNECTIONS = 3,     /* that the server accepts: IPv4, IPv6, and one that the client half closes */
	HUB_MESSAGES = 3,    /* waiting at unix-hub's datagram socket */
	HUB_STREAM_DATA = 77 /* waiting in a connection of unix-hub with itself */
};

static const char filler[TO_SERVER];

union address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

/* The loopback address of a family, or any address. */
static union address address(int family, int port, int any)
{
	union address a = {.any.sa_family = family};
	if (family == AF_INET) {
		a.v4.sin_port = htons(port);
		a.v4.sin_addr.s_addr = htonl(any ? INADDR_ANY : INADDR_LOOPBACK);
	} else {
		a.v6.sin6_port = htons(port);
		a.v6.sin6_addr = any ? in6addr_any : in6addr_loopback;
	}
	return a;
}

static int bound(int family, int type, int port, int any)
{
	int fd = check(socket(family, type | SOCK_CLOEXEC, 0));
	const int one = 1;
	check(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one));
	if (family == AF_INET6)
		check(setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof one));
	union address a = address(family, port, any);
	check(bind(fd, &a.any, family == AF_INET ? sizeof a.v4 : sizeof a.v6));
	return fd;
}

static int connected(int family, int type, int port)
{
	int fd = check(socket(family, type | SOCK_CLOEXEC, 0));
	union address a = address(family, port, 0);
	check(connect(fd, &a.any, family == AF_INET ? sizeof a.v4 : sizeof a.v6));
	return fd;
}

/* Waits until so many bytes are there to be read, and leaves them there. */
static void wait_for_bytes(int fd, int wanted)
{
	char bytes[TO_SERVER];
	check(recv(fd, bytes, wanted, MSG_PEEK | MSG_WAITALL));
}

void run_web_server(void)
{
	struct pollfd listeners[2];
	for (int i = 0; i < 2; i++) {
		listeners[i] = (struct pollfd){bound(i ? AF_INET6 : AF_INET, SOCK_STREAM, WEB_PORT, 1), POLLIN, 0};
		check(listen(listeners[i].fd, 16));
	}
	int shy = bound(AF_INET, SOCK_STREAM, SHY_PORT, 0);
	check(listen(shy, 5));
	ready();

	for (int accepted = 0; accepted < CONNECTIONS;) {
		check(poll(listeners, 2, -1));
		for (int i = 0; i < 2; i++) {
			if (!(listeners[i].revents & POLLIN))
				continue;
			int fd = check(accept4(listeners[i].fd, NULL, NULL, SOCK_CLOEXEC));
			accepted++;
			wait_for_bytes(fd, TO_SERVER);
			check(send(fd, filler, TO_CLIENT, 0));
		}
	}
	rest();
}

void run_web_client(void)
{
	for (int i = 0; i < CONNECTIONS; i++) {
		int fd = connected(i == 1 ? AF_INET6 : AF_INET, SOCK_STREAM, WEB_PORT);
		check(send(fd, filler, TO_SERVER, 0));
		wait_for_bytes(fd, TO_CLIENT);
		if (i == CONNECTIONS - 1)
			check(shutdown(fd, SHUT_WR)); /* FIN_WAIT2 here, CLOSE_WAIT there */
	}
	connected(AF_INET, SOCK_STREAM, SHY_PORT);
	ready();
	rest();
}

void run_name_server(void)
{
	/* a port below 1024 without being root: ../init sets net.ipv4.ip_unprivileged_port_start */
	bound(AF_INET, SOCK_DGRAM, NAME_PORT, 0);
	bound(AF_INET6, SOCK_DGRAM, NAME_PORT, 0);
	ready();
	rest();
}

void run_resolver(void)
{
	for (int i = 0; i < 2; i++) {
		int fd = connected(i ? AF_INET6 : AF_INET, SOCK_DGRAM, NAME_PORT);
		check(send(fd, "product.example", 15, 0));
		check(send(fd, "www.product.example", 19, 0));
	}
	ready();
	rest();
}

static int unix_socket(int type, const char *path)
{
	int fd = check(socket(AF_UNIX, type | SOCK_CLOEXEC, 0));
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	size_t length = strlen(path);
	memcpy(a.sun_path, path, length);
	if (path[0] == '@')
		a.sun_path[0] = 0; /* the abstract name space */
	check(bind(fd, (struct sockaddr *)&a, offsetof(struct sockaddr_un, sun_path) + length));
	if (type != SOCK_DGRAM)
		check(listen(fd, 4));
	return fd;
}

static int unix_connected(int type, int to)
{
	int fd = check(socket(AF_UNIX, type | SOCK_CLOEXEC, 0));
	struct sockaddr_un a;
	socklen_t length = sizeof a;
	check(getsockname(to, (struct sockaddr *)&a, &length));
	check(connect(fd, (struct sockaddr *)&a, length));
	return fd;
}

void run_unix_hub(void)
{
	int stream = unix_socket(SOCK_STREAM, "/run/hub.stream"), packets = unix_socket(SOCK_SEQPACKET, "@product-hub");
	int datagrams = unix_socket(SOCK_DGRAM, "/run/hub.datagram");

	int client = unix_connected(SOCK_STREAM, stream);
	check(accept4(stream, NULL, NULL, SOCK_CLOEXEC));
	check(send(client, filler, HUB_STREAM_DATA, 0));
	unix_connected(SOCK_SEQPACKET, packets); /* never accepted */
	client = unix_connected(SOCK_DGRAM, datagrams);
	for (int i = 0; i < HUB_MESSAGES; i++)
		check(send(client, "message", 7, 0));
	int pair[2];
	check(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair));
	ready();
	rest();
}

void run_raw_sockets(void)
{
	check(socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_ICMP));
	check(socket(AF_INET6, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_ICMPV6));
	/* of a protocol that nobody sends, so that nothing queues up */
	check(socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC, htons(ETH_P_LOOPBACK)));
	int netlink = check(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
	struct sockaddr_nl a = {.nl_family = AF_NETLINK};
	check(bind(netlink, (struct sockaddr *)&a, sizeof a));
	ready();
	rest();
}

/* A network namespace of its own, with a listener; ../init gives it an interface. */
void run_other_net(void)
{
	check(unshare(CLONE_NEWNET));
	int fd = check(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
	struct ifreq loopback = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING};
	check(ioctl(fd, SIOCSIFFLAGS, &loopback));
	check(close(fd));
	check(listen(bound(AF_INET, SOCK_STREAM, OTHER_PORT, 1), 16));
	ready();
	rest();
}
