#include "fuzz/support/input.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/error.h"
#include "common/file.h"
#include "common/memory.h"
#include "support/scratch.h"

static struct slot {
	int open;
	int fd;
	char path[32];
} slots[INPUT_SLOTS];

static void give_up(const char *what)
{
	perror(what);
	abort();
}

static struct slot *slot_at(unsigned index)
{
	assert(index < INPUT_SLOTS);
	struct slot *s = &slots[index];
	if (s->open)
		return s;
	s->fd = memfd_create("input", MFD_CLOEXEC);
	if (s->fd < 0)
		give_up("memfd_create");
	snprintf(s->path, sizeof s->path, "/proc/self/fd/%d", s->fd);
	s->open = 1;
	return s;
}

const char *input_file(unsigned index, const void *bytes, size_t length)
{
	struct slot *s = slot_at(index);
	if (ftruncate(s->fd, 0) || pwrite(s->fd, bytes, length, 0) != (ssize_t)length)
		give_up(s->path);
	return s->path;
}

const char *input_link(const char *name, unsigned index)
{
	const struct slot *s = slot_at(index);
	char *path = scratch_path(name);
	if (!file_exists(path)) {
		if (dir_make_parents(path))
			exit(error_report(1));
		if (symlink(s->path, path))
			give_up(path);
	}
	free(path);
	return scratch_dir();
}

char *input_text(const uint8_t *data, size_t size)
{
	return mem_strndup(size ? (const char *)data : "", size);
}

char *input_exact(const uint8_t *data, size_t size)
{
	char *copy = mem_array(size, 1);
	if (size)
		memcpy(copy, data, size);
	return copy;
}

size_t input_cut(const uint8_t *data, size_t size, uint8_t separator, struct input_part *parts)
{
	size_t count = 0;
	for (;;) {
		const uint8_t *end = size && count + 1 < INPUT_PARTS_MAX ? memchr(data, separator, size) : NULL;
		size_t length = end ? (size_t)(end - data) : size;
		parts[count++] = (struct input_part){data, length};
		if (!end)
			return count;
		data = end + 1;
		size -= length + 1;
	}
}

void input_broken(const char *file, int line, const char *condition)
{
	fprintf(stderr, "%s:%d: broken promise: %s\nlast message: %s\n", file, line, condition, error_text());
	abort();
}
