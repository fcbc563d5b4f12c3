/* extract-lm: checkpoint folder -> lm. See rules/extract-lm.yaml.
 *
 * Every weight of the language model is read once, hashed and checked to be finite; of the vision tower only the
 * headers. What is written is a table: the weights stay in the checkpoint.
 */
#include <stdlib.h>

#include "checkpoint/checkpoint.h"
#include "common/error.h"
#include "common/memory.h"
#include "graph/stage.h"
#include "model/lm_extract.h"

/* The digests of the shards stand in the job, which holds those of all leaves. A shard it does not list was added after
 * the graph was made. */
static int find_digests(const struct job *job, const struct checkpoint *checkpoint, struct digest *digests)
{
	const struct job_input *input = job_input_need(job, "checkpoint");
	if (!input)
		return -1;
	for (size_t i = 0; i < checkpoint->shard_count; i++) {
		const struct job_file *file = job_input_file(input, checkpoint->shards[i].name);
		if (!file)
			return fail("%s: not there when the graph was made; run ninja again", checkpoint->shards[i].file.path);
		digests[i] = file->digest;
	}
	return 0;
}

static int extract(struct stage_run *run, size_t index, const struct checkpoint *checkpoint)
{
	struct digest *digests = mem_zeroed(checkpoint->shard_count, sizeof *digests);
	struct object_writer w;
	struct lm lm;
	int bad = find_digests(run->jobs[index], checkpoint, digests) || lm_extract(&lm, checkpoint, digests);
	if (!bad) {
		lm_describe(&lm, &w);
		bad = stage_commit(run, index, &w);
		object_writer_release(&w);
		lm_close(&lm);
	}
	free(digests);
	return bad ? -1 : 0;
}

static int compute_each(struct stage_run *run, size_t index)
{
	struct checkpoint checkpoint;
	const char *dir = job_unhashed_string(run->jobs[index], "model.path");
	if (!dir || checkpoint_open(&checkpoint, dir))
		return -1;
	int bad = extract(run, index, &checkpoint);
	checkpoint_close(&checkpoint);
	return bad;
}

int main(int argc, char **argv)
{
	static const struct stage stage = {
		.name = "extract-lm",
		.about = "Reads a checkpoint folder (config.json and safetensors, one file or shards), writes a table of the\n"
			"language model's tensors with their hashes. The vision tower is left out.",
		.compute_each = compute_each,
	};
	return stage_main(argc, argv, &stage);
}
