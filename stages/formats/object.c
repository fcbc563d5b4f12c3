#include "formats/object.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/error.h"
#include "common/json.h"
#include "common/memory.h"
#include "common/pool.h"
#include "formats/object_layout.h"

static const char magic[8] = {'Q', 'G', 'O', 'B', 'J', 'E', 'C', 'T'};
static const char no_identity[DIGEST_HEX + 1] = "00000000000000000000000000000000";

/* Starting threads takes as long as hashing a chunk or two. */
enum { CHUNKS_FOR_THREADS = 4 };

static const struct {
	const char *name;
	size_t bytes;
} types[] = {
	[OBJECT_I32] = {"i32", 4},
	[OBJECT_U64] = {"u64", 8},
	[OBJECT_F32] = {"f32", 4},
	[OBJECT_F64] = {"f64", 8},
};

int object_magic(const void *bytes, size_t length)
{
	return length >= sizeof magic && !memcmp(bytes, magic, sizeof magic);
}

const char *object_type_name(enum object_type type)
{
	return types[type].name;
}

void object_writer_init(struct object_writer *w, const char *kind)
{
	*w = (struct object_writer){.description = cJSON_CreateObject()};
	assert(strlen(kind) < OBJECT_KIND_MAX);
	snprintf(w->kind, sizeof w->kind, "%s", kind);
}

void object_writer_release(struct object_writer *w)
{
	for (size_t i = 0; i < w->array_count; i++)
		free(w->arrays[i].name);
	free(w->arrays);
	cJSON_Delete(w->description);
	*w = (struct object_writer){0};
}

void object_writer_array(struct object_writer *w, const char *name, enum object_type type, const void *data,
	size_t count)
{
	MEM_GROW(w->arrays, w->array_count, w->array_capacity);
	w->arrays[w->array_count++] = (struct object_array_source){mem_strdup(name), type, data, count};
}

void object_writer_identity(struct object_writer *w, const struct digest *identity)
{
	w->identity = *identity;
}

static void add_envelope(const struct object_writer *w, struct strbuf *to)
{
	cJSON *envelope = cJSON_CreateObject();
	cJSON *arrays = cJSON_AddArrayToObject(envelope, "arrays");
	size_t offset = 0;
	for (size_t i = 0; i < w->array_count; i++) {
		const struct object_array_source *a = &w->arrays[i];
		cJSON *entry = cJSON_CreateObject();
		cJSON_AddStringToObject(entry, "name", a->name);
		cJSON_AddStringToObject(entry, "type", types[a->type].name);
		cJSON_AddNumberToObject(entry, "offset", (double)offset);
		cJSON_AddNumberToObject(entry, "count", (double)a->count);
		cJSON_AddItemToArray(arrays, entry);
		offset = object_aligned(offset + a->count * types[a->type].bytes);
	}
	cJSON_AddItemReferenceToObject(envelope, "kind", w->description);
	json_canonical(to, envelope);
	cJSON_Delete(envelope);
}

/* The file being written: bytes go out as they come, and each full chunk of the payload leaves its hash. */
struct stream {
	FILE *file;
	unsigned char *chunk;   /* [OBJECT_CHUNK_BYTES] */
	size_t in_chunk;
	uint64_t *table;
	size_t table_count, table_capacity;
};

static void end_chunk(struct stream *s)
{
	if (!s->in_chunk)
		return;
	MEM_GROW(s->table, s->table_count, s->table_capacity);
	s->table[s->table_count++] = hash_chunk(s->chunk, s->in_chunk);
	fwrite(s->chunk, 1, s->in_chunk, s->file);
	s->in_chunk = 0;
}

static void stream_add(struct stream *s, const void *bytes, size_t length)
{
	for (const char *from = bytes; length;) {
		size_t n = OBJECT_CHUNK_BYTES - s->in_chunk;
		n = n < length ? n : length;
		memcpy(s->chunk + s->in_chunk, from, n);
		s->in_chunk += n;
		from += n;
		length -= n;
		if (s->in_chunk == OBJECT_CHUNK_BYTES)
			end_chunk(s);
	}
}

static void stream_pad(struct stream *s, size_t length)
{
	static const char zeros[OBJECT_ALIGN];
	stream_add(s, zeros, object_aligned(length) - length);
}

static struct digest content_of(const unsigned char *header, const unsigned char *table, size_t table_bytes)
{
	struct hasher *h = hasher_new();
	hasher_update(h, header, OBJECT_HEADER_BYTES);
	hasher_update(h, table, table_bytes);
	struct digest d = hasher_digest(h);
	hasher_free(h);
	return d;
}

static void fill_header(const struct object_writer *w, unsigned char *header, size_t payload, size_t description)
{
	memset(header, 0, OBJECT_HEADER_BYTES);
	memcpy(header, magic, sizeof magic);
	object_put(header + AT_VERSION, OBJECT_VERSION, 4);
	object_put(header + AT_CHUNK, OBJECT_CHUNK_BYTES, 4);
	memcpy(header + AT_KIND, w->kind, strlen(w->kind));
	object_put(header + AT_PAYLOAD, payload, 8);
	object_put(header + AT_DESCRIPTION, description, 8);
	memcpy(header + AT_IDENTITY, w->identity.hex[0] ? w->identity.hex : no_identity, DIGEST_HEX);
	object_put(header + AT_HASH, hash_chunk(header, AT_HASH), 8);
}

static int finish(FILE *file, const char *path)
{
	int bad = fflush(file) || ferror(file) || fchmod(fileno(file), 0444) || fsync(fileno(file));
	int saved = errno;
	if (fclose(file) && !bad)
		bad = 1;
	else
		errno = saved;
	if (!bad)
		return 0;
	fail("%s: cannot write: %s", path, strerror(errno));
	unlink(path);
	return -1;
}

int object_write(const struct object_writer *w, const char *path, struct digest *content, struct digest *identity,
	size_t *size)
{
	unsigned char header[OBJECT_HEADER_BYTES];
	struct strbuf description;
	struct stream s = {.file = fopen(path, "wbe")};
	if (!s.file)
		return fail("%s: cannot create: %s", path, strerror(errno));
	strbuf_init(&description);
	add_envelope(w, &description);
	size_t payload = object_aligned(description.length);
	for (size_t i = 0; i < w->array_count; i++)
		payload += object_aligned(w->arrays[i].count * types[w->arrays[i].type].bytes);
	fill_header(w, header, payload, description.length);

	s.chunk = mem_array(OBJECT_CHUNK_BYTES, 1);
	fwrite(header, 1, sizeof header, s.file);
	stream_add(&s, description.s, description.length);
	stream_pad(&s, description.length);
	for (size_t i = 0; i < w->array_count; i++) {
		size_t bytes = w->arrays[i].count * types[w->arrays[i].type].bytes;
		stream_add(&s, w->arrays[i].data, bytes);
		stream_pad(&s, bytes);
	}
	end_chunk(&s);
	unsigned char *table = mem_array(s.table_count, 8);
	for (size_t i = 0; i < s.table_count; i++)
		object_put(table + 8 * i, s.table[i], 8);
	fwrite(table, 8, s.table_count, s.file);
	*content = content_of(header, table, 8 * s.table_count);
	*identity = w->identity.hex[0] ? w->identity : *content;
	*size = sizeof header + payload + 8 * s.table_count;
	free(table);
	free(s.table);
	free(s.chunk);
	strbuf_release(&description);
	return finish(s.file, path);
}

static int check_header(struct object *o, const char *kind, size_t *payload, size_t *description)
{
	const unsigned char *header = o->map.bytes;
	if (o->map.length < OBJECT_HEADER_BYTES)
		return fail("%s: %zu bytes, shorter than the header of %d", o->path, o->map.length, OBJECT_HEADER_BYTES);
	if (!object_magic(header, o->map.length))
		return fail("%s: byte 0: not one of our objects (magic \"QGOBJECT\" expected)", o->path);
	if (object_get(header + AT_HASH, 8) != hash_chunk(header, AT_HASH))
		return fail("%s: byte %d: header is damaged (its hash does not match)", o->path, AT_HASH);
	if (object_get(header + AT_VERSION, 4) != OBJECT_VERSION)
		return fail("%s: byte %d: format version %u, expected %d", o->path, AT_VERSION,
			(unsigned)object_get(header + AT_VERSION, 4), OBJECT_VERSION);
	if (object_get(header + AT_CHUNK, 4) != OBJECT_CHUNK_BYTES)
		return fail("%s: byte %d: chunk size %u, expected %d", o->path, AT_CHUNK,
			(unsigned)object_get(header + AT_CHUNK, 4), OBJECT_CHUNK_BYTES);
	memcpy(o->kind, header + AT_KIND, OBJECT_KIND_MAX);
	for (const char *p = o->kind; *p && !kind; p++)
		if (*p < '!' || *p > '~')
			return fail("%s: byte %d: the kind is not printable ASCII", o->path, AT_KIND);
	if (kind && strncmp(o->kind, kind, OBJECT_KIND_MAX))
		return fail("%s: byte %d: holds %.*s, expected %s", o->path, AT_KIND, OBJECT_KIND_MAX,
			o->kind, kind);
	uint64_t length = object_get(header + AT_PAYLOAD, 8), chunks = object_chunks(length);
	size_t rest = o->map.length - OBJECT_HEADER_BYTES;
	if (length > rest || rest - length != 8 * chunks)
		return fail("%s: %zu bytes, but its header asks for %llu + %llu after %d", o->path, o->map.length,
			(unsigned long long)length, (unsigned long long)(8 * chunks), OBJECT_HEADER_BYTES);
	if (object_get(header + AT_DESCRIPTION, 8) > length || object_get(header + AT_DESCRIPTION, 8) > OBJECT_DESCRIPTION_MAX)
		return fail("%s: byte %d: description of %llu bytes is too long", o->path, AT_DESCRIPTION,
			(unsigned long long)object_get(header + AT_DESCRIPTION, 8));
	*payload = (size_t)length;
	*description = (size_t)object_get(header + AT_DESCRIPTION, 8);
	return 0;
}

struct chunks {
	const struct object *o;
	size_t payload;
};

static int check_chunk(void *context, size_t index, size_t worker)
{
	const struct chunks *c = context;
	const struct object *o = c->o;
	size_t at = index * OBJECT_CHUNK_BYTES, left = c->payload - at;
	size_t n = left < OBJECT_CHUNK_BYTES ? left : OBJECT_CHUNK_BYTES;
	uint64_t expected = object_get(o->map.bytes + OBJECT_HEADER_BYTES + c->payload + 8 * index, 8);
	(void)worker;
	if (hash_chunk(o->map.bytes + OBJECT_HEADER_BYTES + at, n) == expected)
		return 0;
	return fail("%s: byte %zu: %zu bytes are damaged (their hash does not match)", o->path, OBJECT_HEADER_BYTES + at,
		n);
}

/* The chunks that hold the first read bytes of the payload; many of them by all threads. */
static int check_chunks(const struct object *o, size_t payload, size_t read)
{
	struct chunks c = {o, payload};
	const size_t count = (size_t)object_chunks(read);
	int bad = 0;
	if (count >= CHUNKS_FOR_THREADS)
		return pool_run(count, check_chunk, &c);
	for (size_t i = 0; i < count && !bad; i++)
		bad = check_chunk(&c, i, 0);
	return bad;
}

static int check_identity(struct object *o, const struct digest *expected, size_t payload)
{
	const unsigned char *table = o->map.bytes + OBJECT_HEADER_BYTES + payload;
	char identity[DIGEST_HEX + 1];
	o->content = content_of(o->map.bytes, table, o->map.length - OBJECT_HEADER_BYTES - payload);
	if (expected && !digest_equal(expected, &o->content))
		return fail("%s: content %s, expected %s", o->path, o->content.hex, expected->hex);
	memcpy(identity, o->map.bytes + AT_IDENTITY, DIGEST_HEX);
	identity[DIGEST_HEX] = '\0';
	if (digest_parse(identity, &o->identity))
		return fail("%s: byte %d: identity is not 32 hex digits", o->path, AT_IDENTITY);
	if (!strcmp(identity, no_identity))
		o->identity = o->content;
	return 0;
}

static int find_type(const char *name, enum object_type *type)
{
	for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
		if (strcmp(name, types[i].name))
			continue;
		*type = (enum object_type)i;
		return 0;
	}
	return -1;
}

static int read_array(struct object *o, const cJSON *entry, size_t room)
{
	struct object_array_place *a = &o->arrays[o->array_count++];
	uint64_t offset, count;
	const char *type = json_string(entry, "type", o->path);
	if (!type || !(a->name = json_string(entry, "name", o->path)) || json_u64(entry, "offset", o->path, &offset) ||
		json_u64(entry, "count", o->path, &count))
		return -1;
	if (find_type(type, &a->type))
		return fail("%s: array type \"%s\" is unknown", o->path, type);
	if (offset % OBJECT_ALIGN || offset > room || count > (room - offset) / types[a->type].bytes)
		return fail("%s: array \"%s\" lies outside the file", o->path, a->name);
	a->offset = (size_t)offset;
	a->count = (size_t)count;
	return 0;
}

static int read_arrays(struct object *o, size_t payload, size_t description)
{
	const cJSON *entry, *arrays = json_member(o->envelope, "arrays", o->path);
	o->description = cJSON_GetObjectItemCaseSensitive(o->envelope, "kind");
	if (!arrays || !cJSON_IsArray(arrays) || !cJSON_IsObject(o->description))
		return fail("%s: description lacks \"arrays\" or \"kind\"", o->path);
	o->data_offset = OBJECT_HEADER_BYTES + object_aligned(description);
	size_t room = payload - (object_aligned(description) < payload ? object_aligned(description) : payload);
	o->arrays = mem_zeroed((size_t)cJSON_GetArraySize(arrays), sizeof *o->arrays);
	cJSON_ArrayForEach(entry, arrays)
		if (read_array(o, entry, room))
			return -1;
	return 0;
}

static int open_object(struct object *o, const char *path, const char *kind, const struct digest *expected,
	int described_only)
{
	size_t payload = 0, description = 0;
	*o = (struct object){.described_only = described_only};
	if (file_map_open(&o->map, path))
		return -1;
	o->path = mem_strdup(path);
	if (check_header(o, kind, &payload, &description) || check_chunks(o, payload, described_only ? description : payload) ||
		check_identity(o, expected, payload))
		goto bad;
	o->envelope = json_parse((const char *)o->map.bytes + OBJECT_HEADER_BYTES, description, path, NULL);
	if (!o->envelope || read_arrays(o, payload, description))
		goto bad;
	return 0;
bad:
	object_close(o);
	return -1;
}

int object_open(struct object *o, const char *path, const char *kind, const struct digest *expected)
{
	return open_object(o, path, kind, expected, 0);
}

int object_open_description(struct object *o, const char *path, const char *kind, const struct digest *expected)
{
	return open_object(o, path, kind, expected, 1);
}

void object_close(struct object *o)
{
	free(o->arrays);
	cJSON_Delete(o->envelope);
	file_map_close(&o->map);
	free(o->path);
	*o = (struct object){0};
}

const void *object_array(const struct object *o, const char *name, enum object_type type, size_t *count)
{
	assert(!o->described_only);
	for (size_t i = 0; i < o->array_count; i++) {
		const struct object_array_place *a = &o->arrays[i];
		if (strcmp(a->name, name))
			continue;
		if (a->type != type)
			return fail_null("%s: array \"%s\" has type %s, expected %s", o->path, name, types[a->type].name,
				types[type].name);
		*count = a->count;
		return o->map.bytes + o->data_offset + a->offset;
	}
	return fail_null("%s: array \"%s\" is missing", o->path, name);
}

const void *object_array_exact(const struct object *o, const char *name, enum object_type type, size_t count)
{
	size_t found = 0;
	const void *data = object_array(o, name, type, &found);
	if (data && found != count)
		return fail_null("%s: array \"%s\" has %zu elements, expected %zu", o->path, name, found, count);
	return data;
}
