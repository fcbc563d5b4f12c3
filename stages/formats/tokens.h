/* Tokens: the calibration text of one size as token ids, unpadded, with sequence boundaries. See tokens.md.
 *
 * The identity of the object covers ids and boundaries only, so captions that differ in unused lines, or a larger wish
 * than the file can meet, change nothing downstream.
 */
#ifndef QG_FORMATS_TOKENS_H
#define QG_FORMATS_TOKENS_H

#include <stddef.h>
#include <stdint.h>

#include "formats/object.h"

enum { TOKENS_MAX = 1 << 30, SEQUENCES_MAX = 1 << 24 };

struct tokens {
	const int32_t *ids;      /* [count], all >= 0 and < id_limit */
	const int32_t *start;    /* [sequences + 1], start[0] = 0, rising: no sequence is empty */
	size_t sequences;
	size_t count;            /* start[sequences] */
	size_t asked;            /* sequences asked for; more than sequences when the captions file was shorter */
	size_t truncated;        /* sequences that were cut at the length limit */
	int32_t id_limit;        /* one more than the largest id present; 0 without tokens */
	struct object object;    /* owner of the arrays when read; zero when made by hand */
};

/* Makes the object to write out of t, whose arrays stay borrowed by w. The caller releases w. */
void tokens_describe(const struct tokens *t, struct object_writer *w);

/* Writes t. Digests and size as object_write. */
int tokens_write(const struct tokens *t, const char *path, struct digest *content, struct digest *identity,
	size_t *size);

/* Opens and checks everything said above. expected may be NULL. */
int tokens_open(struct tokens *t, const char *path, const struct digest *expected);
void tokens_close(struct tokens *t);

#endif
