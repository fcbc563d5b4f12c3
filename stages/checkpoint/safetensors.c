#include "checkpoint/safetensors.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/error.h"
#include "common/memory.h"
#include "common/strbuf.h"
#include "common/utf8.h"
#include "checkpoint/json_cursor.h"

/* Shape entries and offsets below this: every later sum then stays inside 64 bits. */
#define EXTENT_MAX ((uint64_t)1 << 48)

/* The format uses three levels; a few more cost nothing and give a better message than "too deep". */
enum { DEPTH_MAX = 8 };

struct reader {
	struct safetensors *file;
	struct json_cursor c;
	size_t capacity;     /* of file->tensors */
	size_t names_used;   /* bytes of file->names */
	uint64_t buffer;     /* where the buffer starts, bytes */
};

/* A name from the file as messages show it: cut, and without bytes that would move a terminal. */
struct shown {
	char text[160];
};

static struct shown show(const char *name)
{
	struct shown s;
	snprintf(s.text, sizeof s.text, "%s", name);
	for (char *p = s.text; *p; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			*p = '?';
	if (strlen(name) >= sizeof s.text)
		memcpy(s.text + sizeof s.text - 4, "...", 4);
	return s;
}

static uint64_t little_endian_64(const unsigned char *p)
{
	uint64_t value = 0;
	for (int i = 8; i--;)
		value = value << 8 | p[i];
	return value;
}

static int check_sizes(const struct safetensors *file, uint64_t *header)
{
	static const char pointer[] = "version https://git-lfs";
	const struct file_map *map = &file->map;
	if (map->length >= sizeof pointer - 1 && !memcmp(map->bytes, pointer, sizeof pointer - 1))
		return fail("%s: this is a Git LFS pointer, not the weights; fetch them with \"git lfs pull\"", file->path);
	if (map->length < 8)
		return fail("%s: %zu bytes, too short for a safetensors file: the header's length alone takes 8", file->path,
			map->length);
	*header = little_endian_64(map->bytes);
	if (*header > SAFETENSORS_HEADER_MAX)
		return fail("%s: byte 0: header length %llu is more than the %d allowed; not a safetensors file?", file->path,
			(unsigned long long)*header, SAFETENSORS_HEADER_MAX);
	if (*header > map->length - 8)
		return fail("%s: byte 0: header length %llu, but only %zu bytes follow it", file->path,
			(unsigned long long)*header, map->length - 8);
	return 0;
}

static int check_text(struct json_cursor c)
{
	c.at = utf8_valid_prefix(c.text, c.length);
	if (c.at != c.length)
		return json_cursor_fail(&c, "the header is not UTF-8");
	c.at = 0;
	if (json_cursor_peek(&c) != '{')
		return json_cursor_fail(&c, "the header is not a JSON object");
	if (json_cursor_skip(&c, DEPTH_MAX))
		return -1;
	return json_cursor_end(&c);
}

/* "__metadata__": strings to strings. They are not kept; their keys are, for as long as it takes to compare them. */
static int read_metadata(struct reader *r)
{
	const char **keys = NULL;
	size_t count = 0, capacity = 0, used = r->names_used, length;
	int more;
	if (json_cursor_peek(&r->c) != '{')
		return json_cursor_fail(&r->c, "__metadata__ must be an object of strings");
	if (json_cursor_begin(&r->c, '{'))
		return -1;
	while ((more = json_cursor_key(&r->c, r->file->names + used, &length)) > 0) {
		if (count == SAFETENSORS_TENSORS_MAX) {
			more = json_cursor_fail(&r->c, "more than %d entries in __metadata__", SAFETENSORS_TENSORS_MAX);
			break;
		}
		MEM_GROW(keys, count, capacity);
		keys[count++] = r->file->names + used;
		used += length + 1;
		if (json_cursor_peek(&r->c) != '"') {
			more = json_cursor_fail(&r->c, "__metadata__: \"%s\" must be a string", show(keys[count - 1]).text);
			break;
		}
		more = json_cursor_string(&r->c, NULL, NULL);
		if (more)
			break;
	}
	if (!more && count)
		qsort(keys, count, sizeof *keys, text_order);
	for (size_t i = 1; !more && i < count; i++)
		if (!strcmp(keys[i - 1], keys[i]))
			more = fail("%s: __metadata__: duplicate key \"%s\"", r->file->path, show(keys[i]).text);
	free(keys);
	return more;
}

static int read_shape(struct reader *r, struct safetensors_tensor *t)
{
	int more;
	if (json_cursor_begin(&r->c, '['))
		return -1;
	while ((more = json_cursor_element(&r->c)) > 0) {
		if (t->rank == SAFETENSORS_RANK_MAX)
			return json_cursor_fail(&r->c, "more than %d dimensions", SAFETENSORS_RANK_MAX);
		if (json_cursor_u64(&r->c, EXTENT_MAX - 1, "a shape entry", &t->shape[t->rank]))
			return -1;
		t->rank++;
	}
	return more;
}

static int read_offsets(struct reader *r, struct safetensors_tensor *t)
{
	uint64_t pair[2];
	int count = 0, more;
	if (json_cursor_begin(&r->c, '['))
		return -1;
	while ((more = json_cursor_element(&r->c)) > 0) {
		if (count == 2)
			return json_cursor_fail(&r->c, "data_offsets must be two numbers, found more");
		if (json_cursor_u64(&r->c, EXTENT_MAX - 1, "an offset", &pair[count]))
			return -1;
		count++;
	}
	if (!more && count != 2)
		return json_cursor_fail(&r->c, "data_offsets must be two numbers, found %d", count);
	if (!more) {
		t->begin = pair[0];
		t->end = pair[1];
	}
	return more;
}

static int read_dtype(struct reader *r, struct safetensors_tensor *t)
{
	size_t length;
	char *text = r->file->names + r->names_used;
	json_cursor_peek(&r->c);
	struct json_cursor at = r->c;
	if (json_cursor_string(&r->c, text, &length))
		return -1;
	if (!dtype_parse(text, length, &t->dtype))
		return 0;
	return fail_context("%s: byte %zu", at.source, at.base + at.at);
}

/* {"dtype": ..., "shape": ..., "data_offsets": ...} in any order. */
static int read_tensor(struct reader *r, struct safetensors_tensor *t)
{
	static const char *const keys[] = {"dtype", "shape", "data_offsets"};
	static int (*const readers[])(struct reader *, struct safetensors_tensor *) = {
		read_dtype, read_shape, read_offsets,
	};
	unsigned seen = 0;
	int more;
	if (json_cursor_begin(&r->c, '{'))
		return -1;
	char *key = r->file->names + r->names_used;
	while ((more = json_cursor_key(&r->c, key, NULL)) > 0) {
		unsigned i = 0;
		while (i < 3 && strcmp(key, keys[i]))
			i++;
		if (i == 3)
			return json_cursor_fail(&r->c, "unknown key \"%s\"; expected dtype, shape, data_offsets",
				show(key).text);
		if (seen & 1u << i)
			return json_cursor_fail(&r->c, "duplicate key \"%s\"", keys[i]);
		seen |= 1u << i;
		if (readers[i](r, t))
			return -1;
	}
	for (unsigned i = 0; !more && i < 3; i++)
		if (!(seen & 1u << i))
			return json_cursor_fail(&r->c, "key \"%s\" is missing", keys[i]);
	return more;
}

static int read_entries(struct reader *r)
{
	struct safetensors *file = r->file;
	size_t length;
	int more, metadata = 0;
	if (json_cursor_begin(&r->c, '{'))
		return -1;
	for (;;) {
		char *name = file->names + r->names_used;
		more = json_cursor_key(&r->c, name, &length);
		if (more <= 0)
			return more;
		r->names_used += length + 1;
		if (!strcmp(name, "__metadata__")) {
			if (metadata++)
				return json_cursor_fail(&r->c, "duplicate key \"__metadata__\"");
			if (read_metadata(r))
				return -1;
			continue;
		}
		if (file->count == SAFETENSORS_TENSORS_MAX)
			return json_cursor_fail(&r->c, "more than %d tensors", SAFETENSORS_TENSORS_MAX);
		MEM_GROW(file->tensors, file->count, r->capacity);
		struct safetensors_tensor *t = &file->tensors[file->count++];
		*t = (struct safetensors_tensor){.name = name};
		if (read_tensor(r, t))
			return fail("%s; in tensor \"%s\"", error_text(), show(name).text);
	}
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct safetensors_tensor *)a)->name, ((const struct safetensors_tensor *)b)->name);
}

static int by_extent(const void *a, const void *b)
{
	const struct safetensors_tensor *s = a, *t = b;
	if (s->begin != t->begin)
		return s->begin < t->begin ? -1 : 1;
	return (s->end > t->end) - (s->end < t->end);
}

static int check_names(const struct safetensors *file)
{
	for (size_t i = 1; i < file->count; i++)
		if (!strcmp(file->tensors[i - 1].name, file->tensors[i].name))
			return fail("%s: duplicate tensor \"%s\"", file->path, show(file->tensors[i].name).text);
	return 0;
}

static int check_length(const struct safetensors *file, const struct safetensors_tensor *t)
{
	const char *path = file->path;
	struct shown name = show(t->name);
	unsigned long long begin = t->begin, end = t->end;
	if (end < begin)
		return fail("%s: tensor \"%s\": data_offsets end at %llu before they begin at %llu", path, name.text, end,
			begin);
	uint64_t bits = dtype_bits(t->dtype);
	for (unsigned i = 0; i < t->rank; i++)
		if (__builtin_mul_overflow(bits, t->shape[i], &bits))
			return fail("%s: tensor \"%s\": the shape overflows: its size does not fit 64 bits", path,
				name.text);
	if (bits % 8)
		return fail("%s: tensor \"%s\": the shape times %u bits of %s is no whole number of bytes", path,
			name.text, dtype_bits(t->dtype), dtype_name(t->dtype));
	if (bits / 8 != end - begin)
		return fail("%s: tensor \"%s\": data_offsets [%llu, %llu] hold %llu bytes, but its shape in %s takes %llu",
			path, name.text, begin, end, end - begin, dtype_name(t->dtype), (unsigned long long)(bits / 8));
	return 0;
}

/* Sorted by extent, the tensors must follow one another from the buffer's first byte to its last. */
static int check_extents(struct safetensors *file, uint64_t buffer)
{
	uint64_t size = file->map.length - buffer, at = 0;
	if (file->count)
		qsort(file->tensors, file->count, sizeof *file->tensors, by_extent);
	for (size_t i = 0; i < file->count; i++) {
		struct safetensors_tensor *t = &file->tensors[i];
		if (t->begin != at)
			return fail("%s: tensor \"%s\": begins at byte %llu of the buffer, expected %llu: %s", file->path,
				show(t->name).text, (unsigned long long)t->begin, (unsigned long long)at,
				t->begin < at ? "it overlaps the tensor before it" : "there is a hole before it");
		at = t->end;
		t->begin += buffer;
		t->end += buffer;
	}
	if (at < size)
		return fail("%s: byte %llu: the tensors end here, but %llu bytes follow", file->path,
			(unsigned long long)(buffer + at), (unsigned long long)(size - at));
	if (at > size)
		return fail("%s: %llu bytes, but its tensors need %llu: the file was cut short", file->path,
			(unsigned long long)file->map.length, (unsigned long long)(buffer + at));
	return 0;
}

static int read_file(struct safetensors *file)
{
	uint64_t header = 0;
	if (file_map_open(&file->map, file->path) || check_sizes(file, &header))
		return -1;
	struct reader r = {.file = file, .buffer = 8 + header};
	r.c = (struct json_cursor){.text = (const char *)file->map.bytes + 8, .length = header, .source = file->path,
		.base = 8};
	if (check_text(r.c))
		return -1;
	/* A name in quotes with its colon is longer than the name with its '\0', so all of them fit into the header's
	 * length; the one more is for the '\0' of a last string that is being read. */
	file->names = mem_array(header + 1, 1);
	if (read_entries(&r))
		return -1;
	if (file->count)
		qsort(file->tensors, file->count, sizeof *file->tensors, by_name);
	if (check_names(file))
		return -1;
	for (size_t i = 0; i < file->count; i++)
		if (check_length(file, &file->tensors[i]))
			return -1;
	if (check_extents(file, r.buffer))
		return -1;
	if (file->count)
		qsort(file->tensors, file->count, sizeof *file->tensors, by_name);
	return 0;
}

int safetensors_open(struct safetensors *file, const char *path)
{
	*file = (struct safetensors){.path = mem_strdup(path)};
	if (!read_file(file))
		return 0;
	safetensors_close(file);
	return -1;
}

void safetensors_close(struct safetensors *file)
{
	file_map_close(&file->map);
	free(file->tensors);
	free(file->names);
	free(file->path);
	*file = (struct safetensors){0};
}

const struct safetensors_tensor *safetensors_find(const struct safetensors *file, const char *name)
{
	struct safetensors_tensor key = {.name = name};
	if (!file->count)
		return NULL;
	return bsearch(&key, file->tensors, file->count, sizeof key, by_name);
}
