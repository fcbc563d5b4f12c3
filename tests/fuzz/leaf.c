/* The memo of digests: graph/leaf.h. A damaged one must not matter. */
#include "graph/leaf.h"
#include "fuzz/support/input.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct digest found, expected = hash_bytes("content", 7);
	const char *path = input_file(1, "content", 7);
	input_file(0, data, size);
	struct leaf_memo *memo = leaf_memo_open(input_link("leafdb", 0));
	PROMISE(!leaf_digest(memo, path, &found) && digest_equal(&found, &expected));
	leaf_memo_close(memo);
	return 0;
}
