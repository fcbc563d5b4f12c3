#include "generator/request.h"

#include <stdlib.h>
#include <string.h>

#include "common/error.h"
#include "common/file.h"
#include "common/memory.h"

enum { ARGS_BYTES_MAX = 1 << 20, ARGS_MAX = 10000 };

int request_read(struct request *r, const char *path)
{
	if (file_read(path, ARGS_BYTES_MAX, &r->text, NULL))
		return -1;
	r->overrides = mem_array(ARGS_MAX, sizeof *r->overrides);
	for (char *line = strtok(r->text, "\n"); line; line = strtok(NULL, "\n")) {
		if (!strcmp(line, "--preset"))
			r->preset = strtok(NULL, "\n");
		else if (!strcmp(line, "--grid"))
			r->grid = strtok(NULL, "\n");
		else if (!strcmp(line, "--cfg"))
			r->cfg = 1;
		else if (!strcmp(line, "--dry-run"))
			r->dry_run = 1;
		else if (!strcmp(line, "--list"))
			r->list = 1;
		else if (r->list && !r->list_group && !strchr(line, '='))
			r->list_group = line;
		else if (r->override_count == ARGS_MAX)
			return fail("more than %d arguments", ARGS_MAX);
		else
			r->overrides[r->override_count++] = line;
	}
	return 0;
}
