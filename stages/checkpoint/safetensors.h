/* One safetensors file, mapped read-only, its header checked before a word of it is believed.
 *
 *     offset 0      u64 little-endian N     length of the header in bytes
 *     offset 8      N bytes                 JSON object: name -> {dtype, shape, data_offsets [begin, end)}
 *     offset 8+N    the buffer              tensors back to back, little-endian, row-major, in any order
 *
 * After safetensors_open() every tensor lies inside the file, its shape times its dtype is its length, and the tensors
 * fill the buffer without hole or overlap. Tensors may stand at any alignment: read them through dtype.h.
 *
 * Memory is bounded by the header's length and SAFETENSORS_TENSORS_MAX; nothing of the buffer is read.
 * A mapped file must not be shortened while it is open: touching what is gone raises SIGBUS.
 */
#ifndef QG_CHECKPOINT_SAFETENSORS_H
#define QG_CHECKPOINT_SAFETENSORS_H

#include <stddef.h>
#include <stdint.h>

#include "common/dtype.h"
#include "common/file.h"

enum {
	SAFETENSORS_HEADER_MAX = 100000000,
	SAFETENSORS_TENSORS_MAX = 1000000,
	SAFETENSORS_RANK_MAX = 8,
};

struct safetensors_tensor {
	const char *name;      /* unescaped, borrowed from the file's structure; no NUL inside */
	enum dtype dtype;
	unsigned rank;
	uint64_t shape[SAFETENSORS_RANK_MAX]; /* each below 2^48; [] is one element */
	uint64_t begin, end;   /* bytes from the start of the file */
};

struct safetensors {
	char *path;
	struct file_map map;
	char *names;                          /* what the names of the tensors point into */
	struct safetensors_tensor *tensors;   /* sorted by name, by byte */
	size_t count;
};

/* Maps path and checks it, in the order of the format's description: sizes, UTF-8, JSON, names, types, extents. The
 * message names the path, the byte or the tensor, what was found and what was expected. On failure nothing is held. */
int safetensors_open(struct safetensors *file, const char *path);

/* Unmaps; pointers into the file are dead. May be called on a zeroed structure. */
void safetensors_close(struct safetensors *file);

/* Borrowed; NULL (without fail()) when there is none. */
const struct safetensors_tensor *safetensors_find(const struct safetensors *file, const char *name);

#endif
