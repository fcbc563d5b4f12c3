/* What a stage is at: progress_note_parse() of graph/progress_note.h, and what status prints of it. */
#include "graph/progress_note.h"

#include <stdlib.h>
#include <string.h>

#include "fuzz/support/input.h"
#include "upkeep/status.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct progress_note n;
	char *text = input_text(data, size), *printed;
	size_t length;
	if (!progress_note_parse(text, &n)) {
		PROMISE(memchr(n.stage, '\0', sizeof n.stage) && memchr(n.cell, '\0', sizeof n.cell));
		PROMISE(memchr(n.phase, '\0', sizeof n.phase) && memchr(n.step, '\0', sizeof n.step));
		FILE *to = open_memstream(&printed, &length);
		PROMISE(to);
		status_print_note(to, &n, n.started < n.stepped ? -1 : n.stepped);
		fclose(to);
		PROMISE(length < 2 * NOTE_BYTES);
		free(printed);
	}
	free(text);
	return 0;
}
