/* Reference files: ref_read() of graph/job.h, in a cache that holds nothing; the key is that of the seeds. */
#include "graph/job.h"
#include "fuzz/support/input.h"
#include "support/scratch.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cache_result result;
	PROMISE(ref_read(input_file(0, data, size), scratch_dir(), "c164a91e05ce87dfd057dca28c6cdfb1", &result) <= 0);
	return 0;
}
