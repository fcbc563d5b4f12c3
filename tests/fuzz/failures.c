/* Failures that stand: upkeep/failures.h. The input is a record, NUL, the grid. */
#include "upkeep/failures.h"

#include <string.h>

#include "fuzz/support/input.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static FILE *nowhere;
	struct input_part parts[INPUT_PARTS_MAX];
	size_t count = input_cut(data, size, '\0', parts), stand = 0;
	if (!nowhere)
		nowhere = fopen("/dev/null", "we");
	PROMISE(nowhere);
	input_file(0, parts[0].bytes, parts[0].length);
	input_file(1, count > 1 ? parts[1].bytes : data, count > 1 ? parts[1].length : 0);
	/* The job of the seeds is in this list. */
	static const char list[] = "{\"key\":\"00000000000000010000000000000000\",\"cell\":\"a.b.c.d\"}\n";
	input_file(2, list, sizeof list - 1);
	input_link("failed/some-stage-0000000000000001", 0);
	input_link("grid.json", 1);
	const char *build_dir = input_link("jobs/some-stage.jsonl", 2);
	if (!failures_print(nowhere, build_dir, 0, &stand))
		PROMISE(stand <= 1);
	return 0;
}
