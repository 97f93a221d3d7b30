// load sends GET requests over keep-alive connections and prints what came back as one line of JSON. It never retries: every
// request sent is answered, or counted as an error. With -b it also plays the backends, in the same loop, so that load and
// backends together take one core and no switches between processes.
//
//   load -p PORT -c CONNECTIONS -t SECONDS [-r REQUESTS_A_SECOND [-s]] [-u PATH] [-H HOSTS] [-T] [-n] [-b PORT,PORT,...]
//   load -p PORT -c CONNECTIONS -i [-u PATH] [-H HOSTS] [-T] [-b PORT,PORT,...]
//
// Without -r each connection sends as soon as it is answered. With -r requests have a timetable, and latency counts from
// the scheduled time, so that a stall of the target is not hidden by sending less; what could not even be sent within
// PATIENCE after the end counts as an error. -s sleeps until the next request is due, and leaves the core to others.
//
// Connections ask for app0.example.com to app(HOSTS-1).example.com in turn. -T speaks TLS 1.3; -n takes a new connection for
// each request, whose handshake must be a full one. -i makes one request on each connection, says "ready", and keeps them
// all idle until its input ends; those that the target has closed by then are errors.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

// HEAD_MAX leaves room for a whole TLS record after an unfinished head: OpenSSL then never holds back what epoll can't see.
enum { HEAD_MAX = 32 << 10, BUCKETS = 1 << 20, EVENTS = 512 };
static const long SECOND = 1000000000L; // in nanoseconds
static const long PATIENCE = 5 * SECOND;

enum kind { LISTENER, SERVER, CLIENT };

// conn is a listening socket, a backend's connection or one of the load's.
struct conn {
	enum kind kind;
	int fd;
	int used;             // bytes of an unfinished head in buf
	char buf[HEAD_MAX];
	const char *out;      // SERVER: what is still to be written
	size_t out_left;
	int blocked;          // SERVER: the socket is full, EPOLLOUT is watched
	SSL *tls;             // CLIENT: only with -T
	int host;             // CLIENT: which of the requests it sends
	int unsent;           // CLIENT: the request waits for the handshake
	long started;         // CLIENT: when the request was due, in ns; 0 while idle
	long body_left;       // CLIENT: bytes of the answer's body still to come, -1 while in its head
	struct conn *next_idle;
};

static int poller;
static int target;
static SSL_CTX *tls; // with -T
static int renew;    // -n
static int hold;     // -i
static struct { char host[64], bytes[1024]; int len; } *requests; // one a host
static int hosts = 1;
static struct { char *bytes; size_t len; } answers[3]; // 100 B, 1 KiB, 64 KiB

static struct conn *idle; // connections without a request, only with -r
static unsigned latency[BUCKETS]; // one a microsecond, the last one holds all above
static long sent, answered, errors, outstanding;

static void die(const char *what) {
	perror(what);
	exit(1);
}

static long now(void) {
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * SECOND + t.tv_nsec;
}

static struct sockaddr_in loopback(int port) {
	return (struct sockaddr_in){
	    .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

static void watch(struct conn *c, unsigned events, int op) {
	struct epoll_event e = {.events = events, .data.ptr = c};
	if (epoll_ctl(poller, op, c->fd, &e)) die("epoll_ctl");
}

static struct conn *adopt(enum kind kind, int fd) {
	int one = 1;
	struct conn *c = calloc(1, sizeof *c);
	if (!c) die("calloc");
	c->kind = kind;
	c->fd = fd;
	fcntl(fd, F_SETFL, O_NONBLOCK);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	watch(c, EPOLLIN, EPOLL_CTL_ADD);
	return c;
}

// Backends

static void prepare_answers(void) {
	static const int sizes[] = {100, 1 << 10, 64 << 10};
	for (int i = 0; i < 3; i++) {
		char *b = malloc(sizes[i] + 512);
		int head = sprintf(b,
		    "HTTP/1.1 200 OK\r\nServer: bench\r\nDate: Sat, 17 Oct 2026 12:00:00 GMT\r\n"
		    "Content-Type: text/plain; charset=utf-8\r\nCache-Control: no-cache\r\nContent-Length: %d\r\n\r\n",
		    sizes[i]);
		memset(b + head, 'x', sizes[i]);
		answers[i].bytes = b;
		answers[i].len = head + sizes[i];
	}
}

static void listen_on(int port) {
	int one = 1, fd = socket(AF_INET, SOCK_STREAM, 0);
	struct sockaddr_in a = loopback(port);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	if (bind(fd, (void *)&a, sizeof a) || listen(fd, 4096)) die("listen");
	adopt(LISTENER, fd);
}

static void accept_all(struct conn *l) {
	int fd;
	while ((fd = accept(l->fd, NULL, NULL)) >= 0) adopt(SERVER, fd);
}

static void drop(struct conn *c) {
	if (c->tls) {
		SSL_shutdown(c->tls);
		SSL_free(c->tls);
	}
	close(c->fd);
	free(c);
}

// flush writes what is due; it returns 0 when the connection is gone.
static int flush(struct conn *c) {
	while (c->out_left > 0) {
		ssize_t n = write(c->fd, c->out, c->out_left);
		if (n < 0 && errno == EAGAIN) break;
		if (n < 0) return 0;
		c->out += n;
		c->out_left -= n;
	}
	int blocked = c->out_left > 0;
	if (blocked != c->blocked) watch(c, EPOLLIN | (blocked ? EPOLLOUT : 0), EPOLL_CTL_MOD);
	c->blocked = blocked;
	return 1;
}

// serve answers a finished head by its path: /1k, /64k or anything else. Requests have no body and are never pipelined.
static void serve(struct conn *c, unsigned events) {
	if (c->blocked) {
		if ((events & ~EPOLLIN) && !flush(c)) drop(c);
		return;
	}
	ssize_t n = read(c->fd, c->buf + c->used, HEAD_MAX - c->used);
	if (n < 0 && errno == EAGAIN) return;
	if (n <= 0) {
		drop(c);
		return;
	}
	c->used += n;
	if (c->used < 4 || memcmp(c->buf + c->used - 4, "\r\n\r\n", 4)) return;
	const char *path = memchr(c->buf, ' ', c->used);
	int size = !strncmp(path, " /1k", 4) ? 1 : !strncmp(path, " /64k", 5) ? 2 : 0;
	c->out = answers[size].bytes;
	c->out_left = answers[size].len;
	c->used = 0;
	if (!flush(c)) drop(c);
}

// Load

static struct conn *dial(void) {
	static int dialled;
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	struct sockaddr_in a = loopback(target);
	if (connect(fd, (void *)&a, sizeof a)) die("connect");
	struct conn *c = adopt(CLIENT, fd);
	c->host = dialled++ % hosts;
	if (tls) {
		c->tls = SSL_new(tls);
		SSL_set_fd(c->tls, fd);
		SSL_set_tlsext_host_name(c->tls, requests[c->host].host);
		SSL_set_connect_state(c->tls);
	}
	return c;
}

// get is read(2), through TLS where the connection speaks it.
static ssize_t get(struct conn *c, void *buf, size_t size) {
	if (!c->tls) return read(c->fd, buf, size);
	ERR_clear_error();
	int n = SSL_read(c->tls, buf, size);
	if (n > 0) return n;
	errno = SSL_get_error(c->tls, n) == SSL_ERROR_WANT_READ ? EAGAIN : ECONNRESET;
	return -1;
}

// put sends the request, or goes on with the handshake before it. Failures are left for the read that follows.
static void put(struct conn *c) {
	const char *bytes = requests[c->host].bytes;
	int len = requests[c->host].len;
	ERR_clear_error();
	int n = c->tls ? SSL_write(c->tls, bytes, len) : write(c->fd, bytes, len);
	c->unsent = n <= 0 && c->tls && SSL_get_error(c->tls, n) == SSL_ERROR_WANT_READ;
}

static void rest(struct conn *c) {
	c->started = 0;
	c->next_idle = idle;
	idle = c;
}

static void send_request(struct conn *c, long due) {
	c->started = due;
	c->body_left = -1;
	c->used = 0;
	sent++;
	outstanding++;
	put(c);
}

// lost replaces a connection that the target closed; a request without answer is an error, and so is a close with -i.
static void lost(struct conn *c) {
	if (c->started || hold) errors++;
	if (c->started) outstanding--;
	for (struct conn **p = &idle; *p; p = &(*p)->next_idle) {
		if (*p == c) {
			*p = c->next_idle;
			break;
		}
	}
	drop(c);
	rest(dial());
}

// head parses an answer's head once it is whole; it returns the body's bytes that came along, or -1.
static long head(struct conn *c) {
	char *end = memmem(c->buf, c->used, "\r\n\r\n", 4);
	if (!end) return -1;
	*end = 0; // strcasestr stops here
	char *length = strcasestr(c->buf, "\r\ncontent-length:");
	if (!length || strncmp(c->buf + 8, " 200", 4)) errors++;
	c->body_left = length ? atol(length + 17) : 0;
	return c->used - (end + 4 - c->buf);
}

// receive returns true when the answer is complete.
static int receive(struct conn *c) {
	static char body[256 << 10];
	if (c->unsent) put(c);
	if (c->unsent) return 0;
	int in_head = c->body_left < 0;
	ssize_t n = in_head ? get(c, c->buf + c->used, HEAD_MAX - 1 - c->used) : get(c, body, sizeof body);
	if (n < 0 && errno == EAGAIN) return 0;
	if (n <= 0 || !c->started) {
		lost(c);
		return 0;
	}
	if (in_head) {
		c->used += n;
		n = head(c);
		if (n < 0) return 0;
	}
	c->body_left -= n;
	if (c->body_left > 0) return 0;
	long us = (now() - c->started) / 1000;
	latency[us < BUCKETS ? us : BUCKETS - 1]++;
	answered++;
	outstanding--;
	return 1;
}

// next_conn is what the next request goes over: the same connection, or with -n a new one.
static struct conn *next_conn(struct conn *c) {
	if (!renew) return c;
	if (c->tls && SSL_session_reused(c->tls)) errors++;
	drop(c);
	return dial();
}

static void turn(long timeout, int send_more) {
	struct epoll_event events[EVENTS];
	struct timespec wait = {timeout / SECOND, timeout % SECOND};
	int n = epoll_pwait2(poller, events, EVENTS, &wait, NULL);
	for (int i = 0; i < n; i++) {
		struct conn *c = events[i].data.ptr;
		switch (c->kind) {
		case LISTENER: accept_all(c); break;
		case SERVER: serve(c, events[i].events); break;
		case CLIENT:
			if (!receive(c)) break;
			long t = now();
			c = next_conn(c);
			if (send_more) send_request(c, t);
			else rest(c);
		}
	}
}

static void send_idle(long due) {
	struct conn *c = idle;
	idle = c->next_idle;
	send_request(c, due);
}

static void saturate(long end) {
	for (long t; (t = now()) < end;) {
		while (idle) send_idle(t);
		turn(0, 1);
	}
}

// pace sends by the timetable, late where no connection is free, and counts what it can't send at all.
static void pace(long start, long end, double rate, int sleepy) {
	long planned = (end - start) / (double)SECOND * rate, issued = 0;
	for (long t, due = start; issued < planned && (t = now()) < end + PATIENCE;) {
		for (; idle && due <= t && issued < planned; due = start + (long)(++issued * SECOND / rate)) send_idle(due);
		turn(!sleepy ? 0 : due > t ? due - t : SECOND / 1000, 0);
	}
	errors += planned - issued;
}

// run returns how long it took, in seconds.
static double run(double seconds, double rate, int sleepy) {
	long start = now(), end = start + (long)(seconds * SECOND);
	if (rate > 0) pace(start, end, rate, sleepy);
	else saturate(end);
	for (long last = now() + PATIENCE; outstanding > 0 && now() < last;) turn(SECOND / 100, 0);
	errors += outstanding; // never answered
	return (now() - start) / (double)SECOND;
}

// occupy makes one request on each idle connection, one after the other, and waits with all of them open.
static double occupy(int connections) {
	long start = now();
	for (int i = 0; i < connections; i++) {
		send_request(dial(), now());
		for (long last = now() + PATIENCE; outstanding > 0; turn(SECOND / 100, 0)) {
			if (now() > last) die("no answer");
		}
	}
	double took = (now() - start) / (double)SECOND;
	printf("ready\n");
	fflush(stdout);
	while (getchar() != EOF) {
	}
	for (struct conn *c = idle; c; c = c->next_idle) {
		char byte;
		ssize_t n = recv(c->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
		if (n == 0 || (n < 0 && errno != EAGAIN)) errors++;
	}
	return took;
}

static void report(double seconds) {
	static const struct { const char *name; double share; } wanted[] = {
	    {"p50", .5}, {"p90", .9}, {"p99", .99}, {"p999", .999}, {"max", 1}};
	printf("{\"sent\":%ld,\"answered\":%ld,\"errors\":%ld,\"rps\":%.0f", sent, answered, errors, answered / seconds);
	long seen = 0;
	unsigned w = 0;
	for (int us = 0; us < BUCKETS && answered > 0; us++) {
		seen += latency[us];
		for (; w < 5 && seen >= wanted[w].share * answered; w++) printf(",\"%s\":%d", wanted[w].name, us);
	}
	printf("}\n");
}

// prepare_requests writes a browser's request for each host, with one more field line unless that is empty.
static void prepare_requests(const char *path, const char *field) {
	requests = calloc(hosts, sizeof *requests);
	if (!requests) die("calloc");
	for (int i = 0; i < hosts; i++) {
		snprintf(requests[i].host, sizeof requests[i].host, "app%d.example.com", i);
		requests[i].len = snprintf(requests[i].bytes, sizeof requests[i].bytes,
		    "GET %s HTTP/1.1\r\nHost: %s\r\n"
		    "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\n"
		    "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n"
		    "Accept-Language: en-US,en;q=0.5\r\nAccept-Encoding: gzip, deflate, br\r\nX-Api-Key: key-7\r\n"
		    "Cookie: session=0123456789abcdef0123456789abcdef; theme=dark\r\n%s%s\r\n",
		    path, requests[i].host, field, *field ? "\r\n" : "");
		if (requests[i].len >= (int)sizeof requests[i].bytes) die("a request is too long");
	}
}

// prepare_tls never offers a session again: a new SSL knows none.
static void prepare_tls(void) {
	tls = SSL_CTX_new(TLS_client_method());
	if (!tls || !SSL_CTX_set_min_proto_version(tls, TLS1_3_VERSION)) die("TLS");
	SSL_CTX_set_verify(tls, SSL_VERIFY_NONE, NULL);
}

int main(int argc, char **argv) {
	int connections = 50, sleepy = 0, option;
	double seconds = 5, rate = 0;
	const char *path = "/", *field = "";
	char *backends = NULL;
	while ((option = getopt(argc, argv, "p:c:t:r:su:f:H:Tnib:")) != -1) {
		switch (option) {
		case 'p': target = atoi(optarg); break;
		case 'c': connections = atoi(optarg); break;
		case 't': seconds = atof(optarg); break;
		case 'r': rate = atof(optarg); break;
		case 's': sleepy = 1; break;
		case 'u': path = optarg; break;
		case 'f': field = optarg; break;
		case 'H': hosts = atoi(optarg); break;
		case 'T': prepare_tls(); break;
		case 'n': renew = 1; break;
		case 'i': hold = 1; break;
		case 'b': backends = optarg; break;
		default: return 2;
		}
	}
	signal(SIGPIPE, SIG_IGN);
	poller = epoll_create1(0);
	prepare_answers();
	prepare_requests(path, field);
	for (char *p = backends ? strtok(backends, ",") : NULL; p; p = strtok(NULL, ",")) listen_on(atoi(p));
	if (hold) {
		seconds = occupy(connections);
	} else {
		for (int i = 0; i < connections; i++) rest(dial());
		seconds = run(seconds, rate, sleepy);
	}
	report(seconds);
	return 0;
}
