/* Where a fuzz target puts the bytes it is given, for readers that take a path. Private to tests/fuzz.
 *
 *     slot 0 .. INPUT_SLOTS-1    files in memory, rewritten for every input; no disk is touched
 *     DIR                        a folder of this process (support/scratch.h), for readers that take a folder; its
 *                                entries are links to slots, or plain files
 *
 * A reader may unlink what it is given: a slot's path cannot be unlinked, and links are made anew by input_link().
 */
#ifndef QG_FUZZ_INPUT_H
#define QG_FUZZ_INPUT_H

#include <stddef.h>
#include <stdint.h>

enum { INPUT_SLOTS = 4, INPUT_PARTS_MAX = 8 };

/* What every target defines. The name is libFuzzer's; driver.c calls it, too. Returns 0. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Fills a slot; its path is static. */
const char *input_file(unsigned slot, const void *bytes, size_t length);

/* Makes DIR/NAME, with its parents, a link to a slot, which must have been filled once. Returns DIR, static. */
const char *input_link(const char *name, unsigned slot);

/* The bytes with a '\0' behind them, as C strings come; the caller frees. */
char *input_text(const uint8_t *data, size_t size);

/* The bytes alone in memory of their size, so that reading one further is found; the caller frees. */
char *input_exact(const uint8_t *data, size_t size);

struct input_part {
	const uint8_t *bytes;
	size_t length;
};

/* Cuts data at every byte that is separator into at most INPUT_PARTS_MAX parts, the last with all the rest. */
size_t input_cut(const uint8_t *data, size_t size, uint8_t separator, struct input_part *parts);

/* Ends the program, so that the input is kept, when what a reader promises does not hold. */
#define PROMISE(condition) ((condition) ? (void)0 : input_broken(__FILE__, __LINE__, #condition))
void input_broken(const char *file, int line, const char *condition) __attribute__((noreturn));

#endif
