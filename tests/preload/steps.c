/* Counts what processes do to the disk, and lets something happen at a chosen step. Loaded before the C library, so that
 * Ninja, the shell and mv count like our programs and none of them needs to know:
 *
 *     cc -shared -fPIC -o steps.so tests/preload/steps.c
 *     LD_PRELOAD=$PWD/steps.so QUANTGRID_STEPS=FILE [QUANTGRID_STEP=N:HOW | QUANTGRID_STEP=/WORDS:HOW] ninja
 *
 * A step is a call that creates, writes, syncs, renames, links or removes a file, or sets its time. Every process appends
 * one record of STEP_BYTES to FILE before it, "PROGRAM CALL PATH" (the end of a long path): its number is where in FILE
 * that came to lie, whoever runs beside it. Just before step N, or the first one whose record begins with WORDS (FILE.met
 * is there from then on; a * in WORDS stands for any text),
 *
 *     kill      the process ends as by kill -9
 *     torn      likewise, but when the step writes, half of the bytes are written first
 *     ninja     the process $QUANTGRID_NINJA ends so; this one goes on, an orphan
 *     both      both end so
 *     full      from here on the disk is full: what would need room fails with ENOSPC
 *     edit      the command $QUANTGRID_EDIT is run, once; its $PPID is this process
 *
 * QUANTGRID_DENY=ERRNO:PREFIX makes every step at a path that begins with PREFIX, or any rename to one, fail with that
 * number: a file system that is read-only, or another one.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { STEP_BYTES = 96 };

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

/* Appends the record; its number, from 1 on, or 0 when nobody counts. */
static long note(const char *call, const char *path, char record[STEP_BYTES + 1])
{
	const char *file = getenv("QUANTGRID_STEPS");
	if (!file)
		return 0;
	size_t length = strlen(path);
	const char *tail = length > 56 ? path + length - 56 : path;
	int fd = (int)syscall(SYS_openat, AT_FDCWD, file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
	if (fd < 0)
		return 0;
	memset(record, ' ', STEP_BYTES);
	int n = snprintf(record, STEP_BYTES, "%.20s %s %s", program_invocation_short_name, call, tail);
	record[n < STEP_BYTES ? n : STEP_BYTES - 1] = ' ';
	record[STEP_BYTES] = '\0';
	record[STEP_BYTES - 1] = '\n';
	long number = 0;
	if (syscall(SYS_write, fd, record, (size_t)STEP_BYTES) == STEP_BYTES)
		number = (long)(lseek(fd, 0, SEEK_CUR) / STEP_BYTES);
	syscall(SYS_close, fd);
	return number;
}

static void kill_ninja(void)
{
	const char *ninja = getenv("QUANTGRID_NINJA");
	if (ninja && atol(ninja) > 1)
		kill((pid_t)atol(ninja), SIGKILL);
}

static int denied(const char *path)
{
	const char *deny = getenv("QUANTGRID_DENY"), *colon = deny ? strchr(deny, ':') : NULL;
	return colon && !strncmp(path, colon + 1, strlen(colon + 1)) ? atoi(deny) : 0;
}

/* By the shell, waiting for it. Not system(), which keeps signals away meanwhile. */
static void run(const char *command)
{
	int status = 1;
	pid_t pid = fork();
	if (!pid) {
		unsetenv("LD_PRELOAD");
		execl("/bin/sh", "sh", "-c", command, (char *)NULL);
		_exit(127);
	}
	while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (pid < 0 || status)
		abort();
}

/* Of all processes the first that asks. */
static int first_to_meet(void)
{
	char path[4096];
	snprintf(path, sizeof path, "%s.met", getenv("QUANTGRID_STEPS"));
	int fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
	if (fd >= 0)
		syscall(SYS_close, fd);
	return fd >= 0;
}

/* Whether it is the step that something happens at: N, or /WORDS. */
static int is_wanted(const char *wish, const char *colon, long number, const char *record)
{
	char pattern[256];
	if (!wish || wish[0] != '/')
		return wish && number == atol(wish);
	snprintf(pattern, sizeof pattern, "%.*s*", colon ? (int)(colon - wish - 1) : (int)strlen(wish) - 1, wish + 1);
	return !fnmatch(pattern, record, 0) && first_to_meet();
}

enum outcome { GO_ON, FAIL, TEAR };

/* What is to become of this step. room: it needs room on the disk. */
static enum outcome step(const char *call, const char *path, int room)
{
	int saved = errno, deny = denied(path);
	char record[STEP_BYTES + 1];
	const char *wish = getenv("QUANTGRID_STEP"), *colon = wish ? strrchr(wish, ':') : NULL;
	long number = note(call, path, record);
	const char *how = colon ? colon + 1 : "kill";
	errno = saved;
	if (deny) {
		errno = deny;
		return FAIL;
	}
	if (!number || !wish)
		return GO_ON;
	if (!strcmp(how, "full")) {
		if (number < atol(wish) || !room)
			return GO_ON;
		errno = ENOSPC;
		return FAIL;
	}
	int wanted = is_wanted(wish, colon, number, record);
	errno = saved;
	if (!wanted)
		return GO_ON;
	if (!strcmp(how, "torn") && (!strcmp(call, "write") || !strcmp(call, "pwrite")))
		return TEAR;
	if (!strcmp(how, "edit")) {
		run(getenv("QUANTGRID_EDIT"));
		errno = saved;
		return GO_ON;
	}
	if (!strcmp(how, "ninja") || !strcmp(how, "both"))
		kill_ninja();
	if (strcmp(how, "ninja"))
		kill(getpid(), SIGKILL);
	return GO_ON;
}

/* The path of a descriptor that leads to a file; "" when it does not. */
static const char *path_of(int fd, char *path, size_t size)
{
	struct stat s;
	char link[64];
	path[0] = '\0';
	if (fd <= 2 || fstat(fd, &s) || !S_ISREG(s.st_mode))
		return path;
	snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	ssize_t n = readlink(link, path, size - 1);
	path[n > 0 ? n : 0] = '\0';
	return path;
}

static enum outcome step_fd(const char *call, int fd, int room)
{
	char path[4096];
	int saved = errno;
	path_of(fd, path, sizeof path);
	errno = saved;
	return path[0] ? step(call, path, room) : GO_ON;
}

/* ---- calls ---- */

#define OPEN(name) \
	int name(const char *path, int flags, ...) \
	{ \
		va_list list; \
		va_start(list, flags); \
		mode_t mode = flags & O_CREAT ? va_arg(list, mode_t) : 0; \
		va_end(list); \
		int writes = flags & (O_CREAT | O_TRUNC) && strncmp(path, "/dev/", 5); \
		return writes && step("open", path, 1) ? -1 : REAL(name)(path, flags, mode); \
	}
OPEN(open)
OPEN(open64)

#define FOPEN(name) \
	FILE *name(const char *path, const char *mode) \
	{ \
		return mode[0] != 'r' && step("open", path, 1) ? NULL : REAL(name)(path, mode); \
	}
FOPEN(fopen)
FOPEN(fopen64)

ssize_t write(int fd, const void *bytes, size_t size)
{
	enum outcome outcome = step_fd("write", fd, 1);
	if (outcome == TEAR) {
		syscall(SYS_write, fd, bytes, size / 2);
		kill(getpid(), SIGKILL);
	}
	return outcome == FAIL ? -1 : REAL(write)(fd, bytes, size);
}

ssize_t pwrite(int fd, const void *bytes, size_t size, off_t offset)
{
	enum outcome outcome = step_fd("pwrite", fd, 1);
	if (outcome == TEAR) {
		REAL(pwrite)(fd, bytes, size / 2, offset);
		kill(getpid(), SIGKILL);
	}
	return outcome == FAIL ? -1 : REAL(pwrite)(fd, bytes, size, offset);
}

size_t fwrite(const void *bytes, size_t size, size_t count, FILE *file)
{
	return step_fd("fwrite", fileno(file), 1) ? 0 : REAL(fwrite)(bytes, size, count, file);
}

int fflush(FILE *file)
{
	return file && step_fd("fflush", fileno(file), 1) ? EOF : REAL(fflush)(file);
}

int fclose(FILE *file)
{
	char path[4096];
	if ((fcntl(fileno(file), F_GETFL) & O_ACCMODE) != O_RDONLY && path_of(fileno(file), path, sizeof path)[0])
		(void)step("fclose", path, 0);
	return REAL(fclose)(file);
}

int fsync(int fd)
{
	return step_fd("fsync", fd, 1) ? -1 : REAL(fsync)(fd);
}

int fchmod(int fd, mode_t mode)
{
	return step_fd("fchmod", fd, 0) ? -1 : REAL(fchmod)(fd, mode);
}

int ftruncate(int fd, off_t length)
{
	return step_fd("ftruncate", fd, 0) ? -1 : REAL(ftruncate)(fd, length);
}

#define AT_PATH(name, parameters, arguments, path, room) \
	int name parameters { return step(#name, path, room) ? -1 : REAL(name) arguments; }

/* Where a folder is, mkdir says so, full disk or not. */
int mkdir(const char *path, mode_t mode)
{
	struct stat s;
	return stat(path, &s) && step("mkdir", path, 1) ? -1 : REAL(mkdir)(path, mode);
}

AT_PATH(rename, (const char *from, const char *to), (from, to), to, 0)
AT_PATH(renameat, (int a, const char *from, int b, const char *to), (a, from, b, to), to, 0)
AT_PATH(renameat2, (int a, const char *from, int b, const char *to, unsigned flags), (a, from, b, to, flags), to, 0)
AT_PATH(link, (const char *from, const char *to), (from, to), to, 1)
AT_PATH(unlink, (const char *path), (path), path, 0)
AT_PATH(unlinkat, (int dir, const char *path, int flags), (dir, path, flags), path, 0)
AT_PATH(remove, (const char *path), (path), path, 0)
AT_PATH(rmdir, (const char *path), (path), path, 0)

int utimensat(int dir, const char *path, const struct timespec times[2], int flags)
{
	return step("utimensat", path, 0) ? -1 : REAL(utimensat)(dir, path, times, flags);
}
