/* rules/: graph/rules.h over a folder of up to four files, cut from the input at NUL bytes. Each begins with a line of
 * the file's name, which mutations leave alone more often than they would a table's. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "graph/rules.h"
#include "fuzz/support/input.h"
#include "support/scratch.h"

enum { NAME_MAX_BYTES = 40 };

/* "NAME\n" at the start of a part, as "NAME.yaml" without anything that leads out of the folder; cuts it off. */
static void take_name(struct input_part *part, char *name)
{
	size_t n = 0;
	while (n < part->length && n < NAME_MAX_BYTES && (isalnum(part->bytes[n]) || part->bytes[n] == '-'))
		n++;
	snprintf(name, NAME_MAX_BYTES + 10, "rules/%.*s.yaml", (int)n, (const char *)part->bytes);
	n += n < part->length && part->bytes[n] == '\n';
	part->bytes += n;
	part->length -= n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input_part parts[INPUT_PARTS_MAX];
	char names[INPUT_SLOTS][NAME_MAX_BYTES + 10];
	struct rules rules;
	size_t count = input_cut(data, size, '\0', parts);
	count = count < INPUT_SLOTS ? count : INPUT_SLOTS;
	for (unsigned i = 0; i < count; i++) {
		take_name(&parts[i], names[i]);
		input_file(i, parts[i].bytes, parts[i].length);
		input_link(names[i], i);
	}
	char *dir = scratch_path("rules");
	if (!rules_read(&rules, dir))
		rules_release(&rules);
	free(dir);
	for (size_t i = 0; i < count; i++) {
		char *path = scratch_path(names[i]);
		unlink(path);
		free(path);
	}
	return 0;
}
