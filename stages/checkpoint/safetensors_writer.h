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

#include "common/dtype.h"

/* All borrowed. */
struct safetensors_source {
	const char *name;        /* printable ASCII without '"' and '\'; no name twice */
	enum dtype dtype;
	unsigned rank;           /* 1 or 2 */
	uint64_t shape[2];
	const void *bytes;       /* little-endian, row-major, any alignment */
	uint64_t length;
};

/* Writes the file at path itself, not aside: for folders that are renamed as a whole. On success all of it has reached
 * the disk; room is asked for first, so that a full disk is found before the work. On failure path may hold a part. */
int safetensors_write(const char *path, const struct safetensors_source *tensors, size_t count);

/* 1 when the file at path is exactly what safetensors_write() would write, 0 when not or not readable. */
int safetensors_is(const char *path, const struct safetensors_source *tensors, size_t count);

#endif
