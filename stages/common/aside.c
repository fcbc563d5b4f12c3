#include "common/aside.h"

#include <ctype.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#include "common/memory.h"

/* Of a host's name no more than that: file names have a limit, too. */
enum { HOST_BYTES = 32, DIGITS_MAX = 10 };

static const char ending[] = ".tmp";

static const char *this_host(char host[HOST_BYTES + 1])
{
	char whole[256] = "";
	if (gethostname(whole, sizeof whole - 1) || !*whole || strchr(whole, '/') || strchr(whole, '@'))
		strcpy(whole, "localhost");
	memcpy(host, whole, HOST_BYTES);
	host[HOST_BYTES] = '\0';
	return host;
}

char *aside_name(const char *path)
{
	char host[HOST_BYTES + 1];
	return mem_printf("%s.%ld@%s%s", path, (long)getpid(), this_host(host), ending);
}

/* NAME.PID@HOST.tmp, or NAME.PID.tmp as it was before hosts were in it: where the parts begin. */
struct parts {
	size_t base, pid, host, end;    /* host: end when there is none */
};

static int split(const char *name, struct parts *p)
{
	size_t length = strlen(name), tail = sizeof ending - 1;
	if (length <= tail || strcmp(name + length - tail, ending))
		return 0;
	p->end = length - tail;
	const char *at = memrchr(name, '@', p->end);
	size_t digits_end = at && !memchr(at, '/', p->end - (size_t)(at - name)) ? (size_t)(at - name) : p->end;
	p->host = digits_end < p->end ? digits_end + 1 : p->end;
	for (p->pid = digits_end; p->pid && isdigit((unsigned char)name[p->pid - 1]);)
		p->pid--;
	size_t digits = digits_end - p->pid;
	p->base = p->pid ? p->pid - 1 : 0;
	return digits && digits <= DIGITS_MAX && p->base && name[p->base] == '.' && name[p->base - 1] != '/';
}

size_t aside_base(const char *name)
{
	struct parts p;
	return split(name, &p) ? p.base : 0;
}

enum aside_writer aside_writer(const char *name)
{
	char host[HOST_BYTES + 1];
	struct parts p;
	if (!split(name, &p))
		return ASIDE_NONE;
	this_host(host);
	if (strlen(host) != p.end - p.host || memcmp(name + p.host, host, strlen(host)))
		return ASIDE_ELSEWHERE;
	pid_t pid = (pid_t)strtol(name + p.pid, NULL, 10);
	return pid > 0 && (!kill(pid, 0) || errno == EPERM) ? ASIDE_ALIVE : ASIDE_GONE;
}
