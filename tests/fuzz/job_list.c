/* Lists of jobs: job_list_read() of graph/job_list.h. The input is the list, as it is and with the seal of each line
 * and the end put right; a job of the seeds' keys is looked for. */
#include "graph/job_list.h"

#include <stdlib.h>
#include <string.h>

#include "common/memory.h"
#include "fuzz/support/input.h"

static void look(const void *list, size_t size)
{
	static const char *const keys[] = {"0000000000000000", "4444444444444444", "8888888888888888", "ffffffffffffffff"};
	input_file(0, list, size);
	const char *dir = input_link("stage.jsonl", 0);
	for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
		char *name = mem_printf("%s/stage.jsonl:%s", dir, keys[i]);
		cJSON *job = job_list_read(name);
		/* What is found is the line with that key. */
		const char *key = job ? cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(job, "key")) : NULL;
		PROMISE(!job || (key && !strncmp(key, keys[i], JOB_KEY_SHORT)));
		cJSON_Delete(job);
		free(name);
	}
}

/* A line up to its last brace, sealed. */
static void add_sealed(struct strbuf *to, const uint8_t *from, size_t length)
{
	struct strbuf line;
	const uint8_t *brace = memrchr(from, '}', length);
	strbuf_init(&line);
	strbuf_add(&line, from, brace ? (size_t)(brace - from) : length);
	job_list_seal(&line);
	strbuf_add(to, line.s, line.length);
	strbuf_release(&line);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct strbuf sealed;
	look(data, size);
	strbuf_init(&sealed);
	for (const uint8_t *line = data, *end = data + size, *next; line < end; line = next) {
		const uint8_t *newline = memchr(line, '\n', (size_t)(end - line));
		next = newline ? newline + 1 : end;
		add_sealed(&sealed, line, (size_t)((newline ? newline : end) - line));
	}
	job_list_end(&sealed, sealed.length);
	look(sealed.s, sealed.length);
	strbuf_release(&sealed);
	return 0;
}
