/* Captions: one text a line of a UTF-8 file, as Python reads and strips lines.
 *
 * A line ends at \n, \r\n or a lone \r. White space at both ends is stripped: the White_Space property and U+001C to
 * U+001F. What is empty then is skipped. A byte order mark at the start of the file is not white and stays in the text;
 * NUL is a character like others.
 *
 * The whole file must be UTF-8, the part that is not used included: a file is good or bad no matter how many samples
 * were asked for.
 */
#ifndef QG_TOKENIZER_CAPTIONS_H
#define QG_TOKENIZER_CAPTIONS_H

#include <stddef.h>

/* In bytes, the line before it is stripped. A line becomes at most as many tokens as it has bytes; CAPTION_LINE_MAX is
 * far above any context length. */
#define CAPTIONS_FILE_MAX ((size_t)1 << 30)
#define CAPTION_LINE_MAX ((size_t)16 << 20)

struct caption {
	const char *text; /* [length], not ended by NUL; points into the file's content */
	size_t length;    /* bytes, at least 1 */
	size_t line;      /* in the file, from 1 */
};

struct captions {
	struct caption *item; /* [count] */
	size_t count;
	char *content;        /* the file, which the items point into */
};

/* Reads the first max_samples captions of the file, fewer when there are fewer; at least one, else it fails.
 * captions_release() frees after a success. */
int captions_read(struct captions *c, const char *path, size_t max_samples);
void captions_release(struct captions *c);

#endif
