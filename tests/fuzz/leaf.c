/* The memo of digests: graph/leaf.h. A damaged one must not matter. */
#include "graph/leaf.h"

#include <stdlib.h>
#include <string.h>

#include "common/memory.h"
#include "fuzz/support/input.h"

/* The input as a line with its check put right: what is read of it is read again from what is written of that. */
static void check_line(const uint8_t *data, size_t size)
{
	struct leaf_entry e, again;
	struct strbuf line;
	char *text = input_text(data, size);
	struct digest check = hash_bytes(text, strlen(text));
	char *checked = mem_printf("%s %.16s", text, check.hex);
	strbuf_init(&line);
	if (!leaf_entry_parse(checked, &e)) {
		leaf_entry_add(&line, &e);
		line.s[line.length - 1] = '\0';
		PROMISE(!leaf_entry_parse(line.s, &again) && again.device == e.device && again.inode == e.inode &&
			again.size == e.size && again.mtime_ns == e.mtime_ns && again.ctime_ns == e.ctime_ns &&
			digest_equal(&again.digest, &e.digest));
	}
	strbuf_release(&line);
	free(checked);
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct digest found, expected = hash_bytes("content", 7);
	const char *path = input_file(1, "content", 7);
	input_file(0, data, size);
	struct leaf_memo *memo = leaf_memo_open(input_link("leafdb", 0));
	PROMISE(!leaf_digest(memo, path, &found) && digest_equal(&found, &expected));
	leaf_memo_close(memo);
	check_line(data, size);
	return 0;
}
