/* Composition: config/compose.h over a folder of a preset, a group of two options and one of one, cut from the input at
 * NUL bytes: preset, a/one, a/two, b/one, and an override. */
#include <stdlib.h>

#include "config/compose.h"
#include "config/resolve.h"
#include "fuzz/support/input.h"

static const char *const names[] = {"top.yaml", "a/one.yaml", "a/two.yaml", "b/one.yaml"};

enum { FILES = sizeof names / sizeof *names };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input_part parts[INPUT_PARTS_MAX];
	size_t count = input_cut(data, size, '\0', parts);
	struct override o;
	struct composition c;
	const char *dir = NULL;
	for (unsigned i = 0; i < FILES; i++) {
		input_file(i, i < count ? parts[i].bytes : NULL, i < count ? parts[i].length : 0);
		dir = input_link(names[i], i);
	}
	char *text = count > FILES ? input_text(parts[FILES].bytes, parts[FILES].length) : NULL;
	size_t overrides = text && !override_parse(&o, text) ? 1 : 0;
	struct composer *composer = composer_new(dir);
	if (!(overrides && o.sweep != SWEEP_NONE) && !compose(composer, "top", &o, overrides, &c)) {
		node_free(resolve(c.root, &c));
		composition_release(&c);
	}
	composer_free(composer);
	if (overrides)
		override_release(&o);
	free(text);
	return 0;
}
