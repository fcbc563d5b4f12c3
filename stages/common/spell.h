/* The nearest valid word, for "did you mean". */
#ifndef QG_COMMON_SPELL_H
#define QG_COMMON_SPELL_H

#include <stddef.h>

/* Edit distance with insertions, deletions, replacements and swaps of neighbours, each 1. */
size_t spell_distance(const char *a, const char *b);

/* The word of words[0..count) nearest to word, or NULL when none is within max(1, length / 3) edits. Borrowed. */
const char *spell_nearest(const char *word, const char *const *words, size_t count);

#endif
