#include "checkpoint/safetensors_writer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/error.h"
#include "common/file.h"
#include "common/memory.h"
#include "common/strbuf.h"

enum { HEADER_ALIGNMENT = 8 };

/* One write at most: a signal is then answered soon, and progress of other processes is not held up by one call. */
enum { PIECE_BYTES = 16 << 20 };

struct layout {
	const struct safetensors_source **order;   /* [count] as they stand in the file */
	size_t count;
	struct strbuf head;                        /* length of the header, and the header */
	uint64_t total;                            /* bytes of the file */
};

/* enum dtype counts in the order of the reference's types, which is what it sorts by. */
static int by_place(const void *a, const void *b)
{
	const struct safetensors_source *x = *(const struct safetensors_source *const *)a;
	const struct safetensors_source *y = *(const struct safetensors_source *const *)b;
	if (x->dtype != y->dtype)
		return x->dtype < y->dtype ? 1 : -1;
	return strcmp(x->name, y->name);
}

static void add_entry(struct strbuf *to, const struct safetensors_source *t, uint64_t begin)
{
	strbuf_addf(to, ",\"%s\":{\"dtype\":\"%s\",\"shape\":[", t->name, dtype_name(t->dtype));
	for (unsigned d = 0; d < t->rank; d++)
		strbuf_addf(to, "%s%llu", d ? "," : "", (unsigned long long)t->shape[d]);
	strbuf_addf(to, "],\"data_offsets\":[%llu,%llu]}", (unsigned long long)begin,
		(unsigned long long)(begin + t->length));
}

static void layout_make(struct layout *l, const struct safetensors_source *tensors, size_t count)
{
	struct strbuf header;
	uint64_t at = 0;
	*l = (struct layout){.order = mem_array(count, sizeof *l->order), .count = count};
	for (size_t i = 0; i < count; i++)
		l->order[i] = &tensors[i];
	if (count)
		qsort(l->order, count, sizeof *l->order, by_place);
	strbuf_init(&header);
	strbuf_adds(&header, "{\"__metadata__\":{\"format\":\"pt\"}");
	for (size_t i = 0; i < count; i++) {
		add_entry(&header, l->order[i], at);
		at += l->order[i]->length;
	}
	strbuf_addc(&header, '}');
	while (header.length % HEADER_ALIGNMENT)
		strbuf_addc(&header, ' ');
	strbuf_init(&l->head);
	for (unsigned i = 0; i < 8; i++)
		strbuf_addc(&l->head, (char)((uint64_t)header.length >> (8 * i) & 0xff));
	strbuf_add(&l->head, header.s, header.length);
	strbuf_release(&header);
	l->total = l->head.length + at;
}

static void layout_release(struct layout *l)
{
	strbuf_release(&l->head);
	free(l->order);
}

static int write_all(int fd, const void *bytes, uint64_t length)
{
	const char *from = bytes;
	while (length) {
		ssize_t n = write(fd, from, length < PIECE_BYTES ? (size_t)length : PIECE_BYTES);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		from += n;
		length -= (uint64_t)n;
	}
	return 0;
}

/* Not every file system can promise room; those that cannot fail later, in a write. */
static int reserve(int fd, uint64_t length)
{
	int bad;
	do
		bad = fallocate(fd, 0, 0, (off_t)length);
	while (bad && errno == EINTR);
	return bad && errno != EOPNOTSUPP && errno != ENOSYS ? -1 : 0;
}

static int write_layout(int fd, const struct layout *l)
{
	if (reserve(fd, l->total) || write_all(fd, l->head.s, l->head.length))
		return -1;
	for (size_t i = 0; i < l->count; i++)
		if (write_all(fd, l->order[i]->bytes, l->order[i]->length))
			return -1;
	return fsync(fd);
}

int safetensors_write(const char *path, const struct safetensors_source *tensors, size_t count)
{
	struct layout l;
	layout_make(&l, tensors, count);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	int bad = fd < 0 || write_layout(fd, &l);
	int saved = errno;
	if (fd >= 0 && close(fd) && !bad) {
		bad = 1;
		saved = errno;
	}
	if (bad)
		fail("%s: cannot write %llu bytes: %s", path, (unsigned long long)l.total, strerror(saved));
	layout_release(&l);
	return bad ? -1 : 0;
}

static int same_bytes(const struct file_map *map, const struct layout *l)
{
	const unsigned char *at = map->bytes;
	if (map->length != l->total || memcmp(at, l->head.s, l->head.length))
		return 0;
	at += l->head.length;
	for (size_t i = 0; i < l->count; i++) {
		if (memcmp(at, l->order[i]->bytes, (size_t)l->order[i]->length))
			return 0;
		at += l->order[i]->length;
	}
	return 1;
}

int safetensors_is(const char *path, const struct safetensors_source *tensors, size_t count)
{
	struct layout l;
	struct file_map map;
	if (!file_exists(path) || file_map_open(&map, path))
		return 0;
	layout_make(&l, tensors, count);
	int same = same_bytes(&map, &l);
	layout_release(&l);
	file_map_close(&map);
	return same;
}
