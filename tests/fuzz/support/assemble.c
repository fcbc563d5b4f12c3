#include "fuzz/support/assemble.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "common/hash.h"
#include "common/memory.h"
#include "formats/object_layout.h"
#include "fuzz/support/input.h"

static void put_hashes(unsigned char *file, size_t payload)
{
	unsigned char *from = file + OBJECT_HEADER_BYTES, *table = from + payload;
	for (size_t at = 0; at < payload; at += OBJECT_CHUNK_BYTES, table += 8) {
		size_t n = payload - at < OBJECT_CHUNK_BYTES ? payload - at : OBJECT_CHUNK_BYTES;
		object_put(table, hash_chunk(from + at, n), 8);
	}
}

const char *assemble_object(const char *kind, const uint8_t *data, size_t size)
{
	const uint8_t *end = size ? memchr(data, '\0', size) : NULL;
	size_t description = end ? (size_t)(end - data) : size, arrays = end ? size - description - 1 : 0;
	size_t payload = object_aligned(description) + object_aligned(arrays);
	size_t length = OBJECT_HEADER_BYTES + payload + 8 * object_chunks(payload);
	unsigned char *file = mem_zeroed(length, 1);
	memcpy(file, "QGOBJECT", 8);
	object_put(file + AT_VERSION, OBJECT_VERSION, 4);
	object_put(file + AT_CHUNK, OBJECT_CHUNK_BYTES, 4);
	memcpy(file + AT_KIND, kind, strlen(kind));
	object_put(file + AT_PAYLOAD, payload, 8);
	object_put(file + AT_DESCRIPTION, description, 8);
	memset(file + AT_IDENTITY, '0', DIGEST_HEX);
	object_put(file + AT_HASH, hash_chunk(file, AT_HASH), 8);
	if (description)
		memcpy(file + OBJECT_HEADER_BYTES, data, description);
	if (arrays)
		memcpy(file + OBJECT_HEADER_BYTES + object_aligned(description), end + 1, arrays);
	put_hashes(file, payload);
	const char *path = input_file(0, file, length);
	free(file);
	return path;
}

const char *assemble_mended(const uint8_t *data, size_t size)
{
	unsigned char *file = (unsigned char *)input_exact(data, size);
	if (size >= OBJECT_HEADER_BYTES) {
		uint64_t payload = object_get(file + AT_PAYLOAD, 8), rest = size - OBJECT_HEADER_BYTES;
		object_put(file + AT_HASH, hash_chunk(file, AT_HASH), 8);
		if (payload <= rest && rest - payload == 8 * object_chunks(payload))
			put_hashes(file, payload);
	}
	const char *path = input_file(0, file, size);
	free(file);
	return path;
}
