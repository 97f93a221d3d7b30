// forward copies bytes between each client and one of the endpoints, without a look at them: the floor for what any proxy on
// this machine and kernel can cost.
//
//   forward LISTEN_PORT ENDPOINT_PORT...
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

enum { FDS = 1 << 16, EVENTS = 512 };

static int poller;
static int peer[FDS]; // the other side of a connection's descriptor; 0 when closed

static struct sockaddr_in loopback(int port) {
	return (struct sockaddr_in){
	    .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

static void watch(int fd, unsigned events) {
	struct epoll_event e = {.events = events, .data.fd = fd};
	epoll_ctl(poller, EPOLL_CTL_ADD, fd, &e);
}

static int listen_on(int port) {
	int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	struct sockaddr_in a = loopback(port);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	if (bind(fd, (void *)&a, sizeof a) || listen(fd, 4096)) {
		perror("listen");
		exit(1);
	}
	return fd;
}

static void join(int client, int port) {
	int one = 1, upstream = socket(AF_INET, SOCK_STREAM, 0);
	struct sockaddr_in a = loopback(port);
	if (client >= FDS || upstream >= FDS || connect(upstream, (void *)&a, sizeof a)) {
		close(client);
		close(upstream);
		return;
	}
	setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	setsockopt(upstream, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	peer[client] = upstream;
	peer[upstream] = client;
	watch(client, EPOLLIN | EPOLLET);
	watch(upstream, EPOLLIN | EPOLLET);
}

static void part(int fd) {
	int other = peer[fd];
	peer[fd] = peer[other] = 0;
	close(fd);
	close(other);
}

// copy moves what can be read; writing may block, which the small answers of the comparison never do.
static void copy(int fd) {
	static char buf[128 << 10];
	while (peer[fd]) {
		ssize_t n = recv(fd, buf, sizeof buf, MSG_DONTWAIT);
		if (n < 0 && errno == EAGAIN) return;
		if (n <= 0) {
			part(fd);
			return;
		}
		for (ssize_t done = 0, w; done < n; done += w) {
			w = send(peer[fd], buf + done, n - done, 0);
			if (w <= 0) {
				part(fd);
				return;
			}
		}
		if (n < (ssize_t)sizeof buf) return;
	}
}

int main(int argc, char **argv) {
	if (argc < 3) return 2;
	signal(SIGPIPE, SIG_IGN);
	poller = epoll_create1(0);
	int listener = listen_on(atoi(argv[1])), turn = 0;
	watch(listener, EPOLLIN);
	for (;;) {
		struct epoll_event events[EVENTS];
		int n = epoll_wait(poller, events, EVENTS, -1);
		for (int i = 0; i < n; i++) {
			if (events[i].data.fd != listener) {
				copy(events[i].data.fd);
				continue;
			}
			int client = accept(listener, NULL, NULL);
			if (client >= 0) join(client, atoi(argv[2 + turn++ % (argc - 2)]));
		}
	}
}
