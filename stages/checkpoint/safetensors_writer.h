/* Writes one safetensors file (safetensors.h describes the format), byte for byte as the reference library does.
 *
 * Tensors stand back to back by falling alignment of their type, then by name; the header is compact JSON in that order
 * after {"__metadata__":{"format":"pt"}, which some readers insist on, padded with blanks to a multiple of 8 bytes. So
 * every tensor lies at a multiple of its element's size.
 */
#ifndef QG_CHECKPOINT_SAFETENSORS_WRITER_H
#define QG_CHECKPOINT_SAFETENSORS_WRITER_H

#include <stddef.h>
#include <stdint.h>

#include "checkpoint/safetensors.h"
#include "common/dtype.h"

/* All borrowed. */
struct safetensors_source {
	const char *name;        /* printable ASCII without '"' and '\'; no name twice */
	enum dtype dtype;
	unsigned rank;           /* at most SAFETENSORS_RANK_MAX */
	uint64_t shape[SAFETENSORS_RANK_MAX];
	const void *bytes;       /* little-endian, row-major, any alignment; not looked at when they are made */
	uint64_t length;
};

/* Writes the file at path itself, not aside: for folders that are renamed as a whole. On success all of it has reached
 * the disk; room is asked for first, so that a full disk is found before the work. On failure path may hold a part. */
int safetensors_write(const char *path, const struct safetensors_source *tensors, size_t count);

/* Makes bytes [at, at + length) of tensors[index]; to is aligned for any type, at and length are multiples of 64 but at
 * the tensor's end. Called by several threads at once, in any order. Returns 0, or -1 after fail(). */
typedef int safetensors_make(void *context, size_t index, uint64_t at, void *to, size_t length);

/* As safetensors_write(), of tensors that are in no memory: they are made piece by piece on all threads (pool.h), while
 * others are written. */
int safetensors_write_made(const char *path, const struct safetensors_source *tensors, size_t count,
	safetensors_make *make, void *context);

/* The length of the file that would be written, in bytes. */
uint64_t safetensors_file_bytes(const struct safetensors_source *tensors, size_t count);

/* 1 when the file at path is exactly what safetensors_write() would write, 0 when not or not readable. */
int safetensors_is(const char *path, const struct safetensors_source *tensors, size_t count);

#endif
