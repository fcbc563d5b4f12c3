/* What may follow on the command line of ./configure: for completion/. */
#ifndef QG_GENERATOR_COMPLETE_H
#define QG_GENERATOR_COMPLETE_H

#include <stddef.h>

/* Prints, one a line, the words that the last of words may become; it may be empty. Those that end in '=' or '.' go on.
 * Options, groups, keys, the options of a group, the words of a key, and behind a comma again; presets, sweep files and
 * cells of the graph behind the options that take them. Nothing where nothing is known, and never an error. */
void complete(const char *const *words, size_t count);

#endif
