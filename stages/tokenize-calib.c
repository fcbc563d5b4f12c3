/* tokenize-calib: captions + tokenizer files -> tokens. See rules/tokenize-calib.yaml. */
#include <stdlib.h>

#include "common/error.h"
#include "common/memory.h"
#include "formats/tokens.h"
#include "graph/stage.h"
#include "tokenizer/calib_tokens.h"

static const char *input_path(const struct job *job, const char *input, const char *name)
{
	const struct job_input *in = job_input_find(job, input);
	const struct job_file *file = in ? job_input_file(in, name) : NULL;
	return file ? file->path : NULL;
}

static struct tokenizer *open_tokenizer(const struct job *job)
{
	return tokenizer_open_files(input_path(job, "tokenizer", "tokenizer.json"), input_path(job, "tokenizer", "vocab.json"),
		input_path(job, "tokenizer", "merges.txt"), input_path(job, "tokenizer", "tokenizer_config.json"));
}

static int tokenize(const struct job *job, struct calib_tokens *tokens, size_t *asked)
{
	size_t length_max;
	struct captions captions;
	const char *path = input_path(job, "captions", "content");
	if (!path)
		return fail("%s: no captions file among the inputs", job->path);
	if (job_param_size(job, "dataset.num_samples", asked) || job_param_size(job, "dataset.calib_seq_len", &length_max))
		return -1;
	struct tokenizer *tokenizer = open_tokenizer(job);
	if (!tokenizer)
		return -1;
	int bad = captions_read(&captions, path, *asked);
	if (!bad) {
		bad = calib_tokens_encode(tokens, tokenizer, &captions, path, length_max);
		captions_release(&captions);
	}
	tokenizer_close(tokenizer);
	return bad;
}

static int compute_each(struct stage_run *run, size_t index)
{
	struct calib_tokens made;
	struct object_writer w;
	size_t asked;
	if (tokenize(run->jobs[index], &made, &asked))
		return -1;
	struct tokens tokens = {
		.ids = made.ids,
		.start = made.start,
		.sequences = made.sequences,
		.count = made.tokens,
		.asked = asked,
		.truncated = made.truncated,
	};
	if (tokens.sequences < asked)
		warn("%s: %zu captions asked for, the file has %zu: all are used", run->jobs[index]->cell, asked, tokens.sequences);
	tokens_describe(&tokens, &w);
	int bad = stage_commit(run, index, &w);
	object_writer_release(&w);
	calib_tokens_release(&made);
	return bad;
}

int main(int argc, char **argv)
{
	static const struct stage stage = {
		.name = "tokenize-calib",
		.about = "Reads captions (one a line) and the tokenizer of a checkpoint, writes token ids without padding.",
		.compute_each = compute_each,
	};
	return stage_main(argc, argv, &stage);
}
