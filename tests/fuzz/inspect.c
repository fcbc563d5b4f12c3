/* Any file as text: upkeep/inspect.h. The first byte of the input says what the file is called and whether all of it is
 * wanted, the rest is the file; all of a list of jobs is with its last line put right, and with one name more the hashes of
 * an object are. */
#include "upkeep/inspect.h"

#include <stdlib.h>

#include "common/memory.h"
#include "fuzz/support/assemble.h"
#include "fuzz/support/input.h"
#include "graph/job_list.h"
#include "support/scratch.h"

static const char *const names[] = {
	"config.args", "leaf/list", "leaf/stamp", "logs/cell.log", "ref/group/a.stamp", "ref/stage/a-0123456789abcdef.ref",
	"ac/01/0123456789abcdef0123456789abcdef.json", "ac/01/0123456789abcdef0123456789abcdef.fail", "leafdb", "locks",
	"pins/cell", "roots/0123456789abcdef0123456789abcdef", "grid.json", "progress/1", "jobs/stage.jsonl",
};
enum { NAMES = sizeof names / sizeof *names, LIST = NAMES - 1 };

static FILE *nowhere;

static void inspect(const char *path, int all)
{
	(void)inspect_file(nowhere, path, scratch_dir(), all);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (!size)
		return 0;
	if (!nowhere && !(nowhere = fopen("/dev/null", "we")))
		abort();
	const unsigned which = *data / 2u % (NAMES + 1);
	if (which == NAMES) {
		inspect(assemble_mended(data + 1, size - 1), *data % 2);
		return 0;
	}
	struct strbuf text;
	strbuf_init(&text);
	strbuf_add(&text, data + 1, size - 1);
	if (which == LIST && *data % 2)
		job_list_end(&text, text.length);
	input_file(0, text.s, text.length);
	strbuf_release(&text);
	char *path = mem_printf("%s/%s", input_link(names[which], 0), names[which]);
	char *job = mem_printf("%s:0000000000000000", path);
	if (which == LIST)
		inspect(job, *data % 2);
	inspect(path, *data % 2);
	free(job);
	free(path);
	return 0;
}
