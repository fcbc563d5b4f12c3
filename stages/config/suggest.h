/* "Did you mean" for words and for dotted paths. Private to config/. */
#ifndef QG_CONFIG_SUGGEST_H
#define QG_CONFIG_SUGGEST_H

#include <stddef.h>

#include "config/node.h"

/* Appends "; did you mean 'WORD'?" when one is near, or is the same with its parts (at . _ /) in another order; else
 * nothing. */
void suggest_word(struct strbuf *to, const char *word, const char *const *words, size_t count);

/* As suggest_word for a dotted path that is not among paths: one near as a whole, or one whose last part is the wrong
 * path's last part or near it ("dataset.siz" and "siz" both find "dataset.size"). */
void suggest_path(struct strbuf *to, const char *wrong, const char *const *paths, size_t count);

/* Dotted paths of everything in root, scalars and containers, in new memory; the caller frees each and the array. */
char **suggest_paths_of(const struct node *root, size_t *count);

/* Appends "a, b, c"; beyond 30 words the rest is counted. */
void suggest_list(struct strbuf *to, const char *const *words, size_t count);

/* The nearest of the words, then all: "; did you mean 'x'? There are: x, y", or "; there are: x, y". they: "there are". */
void suggest_among(struct strbuf *to, const char *word, const char *const *words, size_t count, const char *they);

#endif
