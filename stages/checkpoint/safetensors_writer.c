#include "checkpoint/safetensors_writer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/error.h"
#include "common/file.h"
#include "common/memory.h"
#include "common/pool.h"
#include "common/progress.h"
#include "common/strbuf.h"

enum { HEADER_ALIGNMENT = 8 };

/* One write at most: a signal is then answered soon, and progress of other processes is not held up by one call. */
enum { PIECE_BYTES = 16 << 20 };

/* What one thread makes and writes at a time: still in its cache when the kernel copies it. */
enum { MADE_BYTES = 512 << 10 };

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

static int write_given(int fd, const struct layout *l)
{
	uint64_t written = 0;
	for (size_t i = 0; i < l->count; i++) {
		progress_bytes(written, l->total);
		if (write_all(fd, l->order[i]->bytes, l->order[i]->length))
			return fail("%s", strerror(errno));
		written += l->order[i]->length;
	}
	return 0;
}

/* A piece of a tensor that is made while it is written. */
struct made_piece {
	size_t index;        /* into the caller's tensors */
	uint64_t at;         /* in the tensor */
	size_t length;
	uint64_t in_file;
};

struct making {
	int fd;
	struct made_piece *pieces;
	size_t count, capacity;
	safetensors_make *make;
	void *context;
	void *room[POOL_THREADS_MAX];   /* [MADE_BYTES] of each worker, once it has begun */
};

static int write_at(int fd, const char *from, size_t length, uint64_t at)
{
	while (length) {
		ssize_t n = pwrite(fd, from, length, (off_t)at);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return fail("%s", strerror(errno));
		from += n;
		at += (uint64_t)n;
		length -= (size_t)n;
	}
	return 0;
}

static int make_piece(void *context, size_t index, size_t worker)
{
	struct making *m = context;
	const struct made_piece *p = &m->pieces[index];
	if (!m->room[worker])
		m->room[worker] = mem_array(MADE_BYTES, 1);
	if (m->make(m->context, p->index, p->at, m->room[worker], p->length))
		return -1;
	return write_at(m->fd, m->room[worker], p->length, p->in_file);
}

static void cut_pieces(struct making *m, const struct layout *l, const struct safetensors_source *tensors)
{
	uint64_t in_file = l->head.length;
	for (size_t i = 0; i < l->count; i++) {
		for (uint64_t at = 0; at < l->order[i]->length; at += MADE_BYTES) {
			uint64_t rest = l->order[i]->length - at;
			MEM_GROW(m->pieces, m->count, m->capacity);
			m->pieces[m->count++] = (struct made_piece){(size_t)(l->order[i] - tensors), at,
				rest < MADE_BYTES ? (size_t)rest : MADE_BYTES, in_file + at};
		}
		in_file += l->order[i]->length;
	}
}

static int write_made(int fd, const struct layout *l, const struct safetensors_source *tensors, safetensors_make *make,
	void *context)
{
	struct making m = {.fd = fd, .make = make, .context = context};
	cut_pieces(&m, l, tensors);
	int bad = pool_run(m.count, make_piece, &m);
	for (size_t i = 0; i < POOL_THREADS_MAX; i++)
		free(m.room[i]);
	free(m.pieces);
	return bad;
}

/* make is NULL when the tensors' bytes are given. */
static int write_tensors(int fd, const struct layout *l, const struct safetensors_source *tensors,
	safetensors_make *make, void *context)
{
	if (reserve(fd, l->total) || write_all(fd, l->head.s, l->head.length))
		return fail("%s", strerror(errno));
	if (make ? write_made(fd, l, tensors, make, context) : write_given(fd, l))
		return -1;
	return fsync(fd) ? fail("%s", strerror(errno)) : 0;
}

int safetensors_write_made(const char *path, const struct safetensors_source *tensors, size_t count,
	safetensors_make *make, void *context)
{
	struct layout l;
	layout_make(&l, tensors, count);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	int bad = fd < 0 ? fail("%s", strerror(errno)) : write_tensors(fd, &l, tensors, make, context);
	if (fd >= 0 && close(fd) && !bad)
		bad = fail("%s", strerror(errno));
	if (bad)
		fail_context("%s: cannot write %llu bytes", path, (unsigned long long)l.total);
	layout_release(&l);
	return bad;
}

int safetensors_write(const char *path, const struct safetensors_source *tensors, size_t count)
{
	return safetensors_write_made(path, tensors, count, NULL, NULL);
}

uint64_t safetensors_file_bytes(const struct safetensors_source *tensors, size_t count)
{
	struct layout l;
	layout_make(&l, tensors, count);
	uint64_t total = l.total;
	layout_release(&l);
	return total;
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
