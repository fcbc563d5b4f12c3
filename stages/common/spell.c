#include "common/spell.h"

#include <stdlib.h>
#include <string.h>

#include "common/memory.h"

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

size_t spell_distance(const char *a, const char *b)
{
	size_t rows = strlen(a) + 1, columns = strlen(b) + 1;
	size_t *d = mem_array(rows * columns, sizeof *d);
	for (size_t i = 0; i < rows; i++)
		d[i * columns] = i;
	for (size_t j = 0; j < columns; j++)
		d[j] = j;
	for (size_t i = 1; i < rows; i++) {
		for (size_t j = 1; j < columns; j++) {
			size_t *cell = &d[i * columns + j];
			*cell = least(cell[-1], cell[-(ptrdiff_t)columns]) + 1;
			*cell = least(*cell, d[(i - 1) * columns + j - 1] + (a[i - 1] != b[j - 1]));
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				*cell = least(*cell, d[(i - 2) * columns + j - 2] + 1);
		}
	}
	size_t distance = d[rows * columns - 1];
	free(d);
	return distance;
}

const char *spell_nearest(const char *word, const char *const *words, size_t count)
{
	enum { WORD_MAX = 200 }; /* the table is quadratic; nobody mistypes longer words by a letter */
	size_t length = strlen(word);
	const char *best = NULL;
	if (length > WORD_MAX)
		return NULL;
	size_t limit = length / 3 > 1 ? length / 3 : 1;
	for (size_t i = 0; i < count; i++) {
		if (strlen(words[i]) > WORD_MAX)
			continue;
		size_t distance = spell_distance(word, words[i]);
		if (distance <= limit && (!best || distance < spell_distance(word, best)))
			best = words[i];
	}
	return best;
}
