/* Where the numbers of an object's header are (object.md), and how numbers and sizes are written. Private to object.c and
 * the fuzz targets, which put the hashes of damaged objects right. */
#ifndef QG_FORMATS_OBJECT_LAYOUT_H
#define QG_FORMATS_OBJECT_LAYOUT_H

#include <stddef.h>
#include <stdint.h>

#include "formats/object.h"

enum {
	AT_VERSION = 8,
	AT_CHUNK = 12,
	AT_KIND = 16,
	AT_PAYLOAD = 32,
	AT_DESCRIPTION = 40,
	AT_IDENTITY = 48,
	AT_HASH = 120,
};

static inline void object_put(unsigned char *to, uint64_t value, int bytes)
{
	for (int i = 0; i < bytes; i++)
		to[i] = (unsigned char)(value >> 8 * i);
}

static inline uint64_t object_get(const unsigned char *from, int bytes)
{
	uint64_t value = 0;
	for (int i = 0; i < bytes; i++)
		value |= (uint64_t)from[i] << 8 * i;
	return value;
}

static inline size_t object_aligned(size_t n)
{
	return (n + OBJECT_ALIGN - 1) / OBJECT_ALIGN * OBJECT_ALIGN;
}

/* Chunks, and hashes of them, of so many bytes of payload. */
static inline uint64_t object_chunks(uint64_t payload)
{
	return payload / OBJECT_CHUNK_BYTES + !!(payload % OBJECT_CHUNK_BYTES);
}

#endif
