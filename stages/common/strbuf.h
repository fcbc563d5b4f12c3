/* A string that grows. Invariant: s is never NULL after init and s[length] is '\0'; the text may hold NUL bytes.
 *
 *     struct strbuf b;  strbuf_init(&b);  strbuf_addf(&b, "%d", 3);  use(b.s);  strbuf_release(&b);
 *
 * strbuf_take() hands the memory to the caller, who frees it, and leaves an empty string.
 */
#ifndef QG_COMMON_STRBUF_H
#define QG_COMMON_STRBUF_H

#include <stddef.h>

struct strbuf {
	char *s;
	size_t length;
	size_t capacity;
};

void strbuf_init(struct strbuf *b);
void strbuf_release(struct strbuf *b);
void strbuf_clear(struct strbuf *b);
void strbuf_add(struct strbuf *b, const void *bytes, size_t length);
void strbuf_adds(struct strbuf *b, const char *text);
void strbuf_addc(struct strbuf *b, char c);
void strbuf_addf(struct strbuf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
char *strbuf_take(struct strbuf *b);

/* The order of strings by byte, for qsort() and bsearch() of an array of char *. */
int text_order(const void *a, const void *b);

#endif
