/* Composition: config/compose.h over a folder of a preset, a group of two options and one of one, cut from the input at
 * NUL bytes: preset, a/one, a/two, b/one, and an override. What is composed of broken files is looked at, too. */
#include <stdlib.h>

#include "config/compose.h"
#include "config/problems.h"
#include "config/resolve.h"
#include "config/schema.h"
#include "fuzz/support/input.h"

static const char *const names[] = {"top.yaml", "a/one.yaml", "a/two.yaml", "b/one.yaml"};

enum { FILES = sizeof names / sizeof *names };

/* As a grid looks at what is left of files that are wrong. */
static void look(struct composition *c, struct problems *problems)
{
	struct node *resolved = resolve_noting(c->root, c, problems), *copy = resolved ? node_copy(resolved) : NULL;
	c->incomplete |= problems->count > 0;
	if (copy && schema_check(copy, c))
		problems_add(problems, NULL);
	node_free(copy);
	node_free(resolved);
	(void)problems_report(problems, 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input_part parts[INPUT_PARTS_MAX];
	size_t count = input_cut(data, size, '\0', parts);
	struct override o;
	struct composition c;
	struct problems problems = {0};
	const char *dir = NULL;
	for (unsigned i = 0; i < FILES; i++) {
		input_file(i, i < count ? parts[i].bytes : NULL, i < count ? parts[i].length : 0);
		dir = input_link(names[i], i);
	}
	char *text = count > FILES ? input_text(parts[FILES].bytes, parts[FILES].length) : NULL;
	size_t overrides = text && !override_parse(&o, text) ? 1 : 0;
	struct composer *composer = composer_new(dir);
	if (!(overrides && o.sweep != SWEEP_NONE)) {
		compose_noting(composer, "top", &o, overrides, 0, &c, &problems);
		look(&c, &problems);
		composition_release(&c);
	}
	composer_free(composer);
	if (overrides)
		override_release(&o);
	free(text);
	return 0;
}
