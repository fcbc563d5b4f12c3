#include "common/file_update.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/aside.h"
#include "common/error.h"
#include "common/memory.h"

enum { BUFFER_BYTES = 1 << 18 };

void file_update_open(struct file_update *u, const char *path)
{
	struct stat s;
	*u = (struct file_update){.path = path, .fd = -1};
	strbuf_init(&u->buffer);
	if (!stat(path, &s) && S_ISREG(s.st_mode))
		u->failed = file_map_open(&u->old, path);
}

static int put(struct file_update *u, const char *from, size_t length)
{
	for (size_t done = 0; done < length;) {
		ssize_t n = write(u->fd, from + done, length - done);
		if (n < 0 && errno != EINTR)
			return fail("%s: cannot write: %s", u->path, strerror(errno));
		done += n < 0 ? 0 : (size_t)n;
	}
	return 0;
}

/* Begins the file beside with what was equal so far. */
static int begin(struct file_update *u)
{
	u->aside = aside_name(u->path);
	u->fd = open(u->aside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	if (u->fd < 0)
		return fail("%s: cannot write: %s", u->path, strerror(errno));
	return put(u, (const char *)u->old.bytes, u->same);
}

static void flush(struct file_update *u)
{
	size_t length = u->buffer.length;
	if (!u->failed && u->fd < 0) {
		if (length <= u->old.length - u->same && (!length || !memcmp(u->old.bytes + u->same, u->buffer.s, length)))
			u->same += length;
		else
			u->failed = begin(u);
	}
	if (!u->failed && u->fd >= 0)
		u->failed = put(u, u->buffer.s, length);
	strbuf_clear(&u->buffer);
}

void file_update_add(struct file_update *u, const void *bytes, size_t length)
{
	strbuf_add(&u->buffer, bytes, length);
	if (u->buffer.length >= BUFFER_BYTES)
		flush(u);
}

/* The new file in the place of the old one, which there is at every moment. */
static int replace(struct file_update *u)
{
	if (u->keep_as && u->old.bytes) {
		unlink(u->keep_as);
		if (link(u->path, u->keep_as))
			return fail("%s: cannot link to it: %s", u->path, strerror(errno));
	}
	return rename(u->aside, u->path) ? fail("%s: cannot write: %s", u->path, strerror(errno)) : 0;
}

int file_update_close(struct file_update *u, int *changed)
{
	struct stat s;
	flush(u);
	if (!u->failed && u->fd < 0 && (u->same < u->old.length || stat(u->path, &s)))
		u->failed = begin(u);
	if (u->fd >= 0 && close(u->fd) && !u->failed)
		u->failed = fail("%s: cannot write: %s", u->path, strerror(errno));
	if (!u->failed && u->fd >= 0)
		u->failed = replace(u);
	if (u->failed && u->aside)
		unlink(u->aside);
	if (changed)
		*changed = u->fd >= 0;
	file_map_close(&u->old);
	strbuf_release(&u->buffer);
	free(u->aside);
	return u->failed ? -1 : 0;
}
