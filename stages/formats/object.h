/* The container of every file in cache/cas: a header, a JSON description, named arrays, and hashes over all of it.
 * object.md draws the bytes. Each kind of file (tokens, lm, calib, ...) is a trio KIND.h KIND.c KIND.md over this.
 *
 * An object holds nothing but its content: no paths, times or keys, so that equal results are equal files. Two digests
 * belong to it:
 *
 *     content    names the file and covers every byte
 *     identity   what later stages depend on. Equal to content unless the writer sets another: the lm object, say,
 *                leaves out where in which shard a tensor lies
 *
 * Writing:   struct object_writer w;  object_writer_init(&w, "tokens");
 *            cJSON_AddNumberToObject(w.description, "sequences", n);
 *            object_writer_array(&w, "ids", OBJECT_I32, ids, count);     (borrowed until the write)
 *            object_write(&w, path, &content, &identity, &size);  object_writer_release(&w);
 * Reading:   struct object o;  object_open(&o, path, "tokens", &content);
 *            const int32_t *ids = object_array(&o, "ids", OBJECT_I32, &count);   (borrowed until object_close)
 *
 * object_open checks magic, version, kind, lengths, the header's hash, every chunk's hash, and the expected content.
 */
#ifndef QG_FORMATS_OBJECT_H
#define QG_FORMATS_OBJECT_H

#include <cjson/cJSON.h>
#include <stddef.h>
#include <stdint.h>

#include "common/file.h"
#include "common/hash.h"

enum object_type { OBJECT_I32, OBJECT_U64, OBJECT_F32, OBJECT_F64 };

enum {
	OBJECT_VERSION = 1,
	OBJECT_HEADER_BYTES = 128,
	OBJECT_KIND_MAX = 16,
	OBJECT_CHUNK_BYTES = 4 << 20,
	OBJECT_ALIGN = 64,
	OBJECT_DESCRIPTION_MAX = 256 << 20,
};

struct object_array_source {
	char *name;
	enum object_type type;
	const void *data;
	size_t count;
};

struct object_writer {
	char kind[OBJECT_KIND_MAX];
	cJSON *description;               /* an object the kind's writer fills; owned */
	struct object_array_source *arrays;
	size_t array_count, array_capacity;
	struct digest identity;           /* set by object_writer_identity, else empty */
};

void object_writer_init(struct object_writer *w, const char *kind);
void object_writer_release(struct object_writer *w);

/* Names are unique in an object. data is borrowed until object_write() and may be NULL when count is 0. */
void object_writer_array(struct object_writer *w, const char *name, enum object_type type, const void *data,
	size_t count);
void object_writer_identity(struct object_writer *w, const struct digest *identity);

/* Writes the object to path (created or truncated) and tells its digests and size. -1 after fail(). It has
 * reached the disk then. */
int object_write(const struct object_writer *w, const char *path, struct digest *content, struct digest *identity,
	size_t *size);

struct object_array_place {
	const char *name;                 /* in the envelope */
	enum object_type type;
	size_t offset, count;             /* bytes from data_offset; elements */
};

struct object {
	char *path;
	char kind[OBJECT_KIND_MAX + 1];
	struct file_map map;
	cJSON *description;
	struct digest content, identity;
	struct object_array_place *arrays; /* [array_count] */
	size_t array_count;
	cJSON *envelope;
	size_t data_offset;               /* arrays' offsets count from here */
	int described_only;               /* arrays were not checked, and may not be read */
};

/* kind may be NULL: any, then in o->kind. expected may be NULL: any content. -1 after fail() naming the path and what is
 * damaged. */
int object_open(struct object *o, const char *path, const char *kind, const struct digest *expected);

/* The same for who reads the description alone: the bytes of arrays are not read, and object_array() is not to be called
 * (asserted). The content is still that of the whole file: it covers the hashes of all chunks, of which those that hold
 * the description are compared. */
int object_open_description(struct object *o, const char *path, const char *kind, const struct digest *expected);
void object_close(struct object *o);

/* A named array, aligned to 64 bytes; NULL after fail() when it is missing or of another type. An empty array gives a
 * pointer that must not be read. */
const void *object_array(const struct object *o, const char *name, enum object_type type, size_t *count);

/* As object_array, and the count must be the expected one. */
const void *object_array_exact(const struct object *o, const char *name, enum object_type type, size_t count);

/* Whether the file's first bytes are those of an object. */
int object_magic(const void *bytes, size_t length);

/* "f64". */
const char *object_type_name(enum object_type type);

#endif
