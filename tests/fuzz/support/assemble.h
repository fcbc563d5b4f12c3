/* Objects (formats/object.h) around fuzzed content: their hashes would refuse every change, and no fuzzer finds one
 * that fits. Private to tests/fuzz. */
#ifndef QG_FUZZ_ASSEMBLE_H
#define QG_FUZZ_ASSEMBLE_H

#include <stddef.h>
#include <stdint.h>

/* A whole object in slot 0 from its description, a '\0', and the bytes of its arrays: the seeds of the kinds are
 * written so, because there a description may grow without moving the arrays. Returns the path. */
const char *assemble_object(const char *kind, const uint8_t *data, size_t size);

/* An object as it is, with the hash of its header and, where its lengths fit, those of its chunks put right. */
const char *assemble_mended(const uint8_t *data, size_t size);

#endif
