/* tokenize-calib: captions + tokenizer files -> tokens. See rules/tokenize-calib.yaml. */
#include <stdlib.h>
#include <string.h>

#include "common/error.h"
#include "common/memory.h"
#include "formats/tokens.h"
#include "graph/stage.h"
#include "tokenizer/calib_tokens.h"
#include "tokenizer/char_class.h"

static const char *input_path(const struct job *job, const char *input, const char *name)
{
	const struct job_input *in = job_input_find(job, input);
	const struct job_file *file = in ? job_input_file(in, name) : NULL;
	return file ? file->path : NULL;
}

/* The tokenizer of the job before, which is nearly always that of this one: reading one of 150 thousand words takes
 * longer than the captions of all sizes. */
struct kept {
	struct digest files;
	struct tokenizer *tokenizer;
};

static struct digest digest_of_files(const struct job_input *input)
{
	struct hasher *h = hasher_new();
	for (size_t i = 0; i < input->file_count; i++) {
		hasher_update(h, input->files[i].name, strlen(input->files[i].name) + 1);
		hasher_update(h, input->files[i].path, strlen(input->files[i].path) + 1);
		hasher_update(h, input->files[i].digest.hex, DIGEST_HEX);
	}
	struct digest d = hasher_digest(h);
	hasher_free(h);
	return d;
}

/* Borrowed from kept. */
static const struct tokenizer *find_tokenizer(struct kept *kept, const struct job *job)
{
	const struct job_input *input = job_input_need(job, "tokenizer");
	if (!input)
		return NULL;
	struct digest files = digest_of_files(input);
	if (kept->tokenizer && digest_equal(&files, &kept->files))
		return kept->tokenizer;
	tokenizer_close(kept->tokenizer);
	kept->files = files;
	kept->tokenizer = tokenizer_open_files(input_path(job, "tokenizer", "tokenizer.json"),
		input_path(job, "tokenizer", "vocab.json"), input_path(job, "tokenizer", "merges.txt"),
		input_path(job, "tokenizer", "tokenizer_config.json"));
	return kept->tokenizer;
}

/* That the graph was made with the tables that are here. */
static int check_unicode(const struct job *job)
{
	const char *made = job->makers.unicode;
	if (made && !strcmp(made, unicode_version()))
		return 0;
	return fail("%s: made for Unicode %s, utf8proc here knows %s: run ./configure again", job->path, made ? made : "(none)",
		unicode_version());
}

static int tokenize(struct kept *kept, const struct job *job, struct calib_tokens *tokens, size_t *asked)
{
	size_t length_max;
	struct captions captions;
	const char *path = input_path(job, "captions", "content");
	if (!path)
		return fail("%s: no captions file among the inputs", job->path);
	if (check_unicode(job) || job_param_size(job, "dataset.num_samples", asked) ||
		job_param_size(job, "dataset.calib_seq_len", &length_max))
		return -1;
	stage_phase("tokenizer");
	const struct tokenizer *tokenizer = find_tokenizer(kept, job);
	stage_phase("captions");
	if (!tokenizer || captions_read(&captions, path, *asked))
		return -1;
	int bad = calib_tokens_encode(tokens, tokenizer, &captions, path, length_max);
	captions_release(&captions);
	return bad;
}

static int make_tokens(struct stage_run *run, size_t index, struct kept *kept)
{
	struct calib_tokens made;
	struct object_writer w;
	size_t asked;
	if (tokenize(kept, run->jobs[index], &made, &asked))
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
		warn("%s: %zu captions asked for, the file has %zu: all are used", run->jobs[index]->cell, asked,
			tokens.sequences);
	tokens_describe(&tokens, &w);
	stage_phase("commit");
	int bad = stage_commit(run, index, &w);
	object_writer_release(&w);
	calib_tokens_release(&made);
	return bad;
}

static int compute(struct stage_run *run)
{
	struct kept kept = {.tokenizer = NULL};
	for (size_t i = 0; i < run->count; i++) {
		stage_at(run, i);
		if (make_tokens(run, i, &kept))
			stage_failed(run, i);
	}
	tokenizer_close(kept.tokenizer);
	return 0;
}

int main(int argc, char **argv)
{
	static const struct stage stage = {
		.name = "tokenize-calib",
		.about = "Reads captions (one a line) and the tokenizer of a checkpoint, writes token ids without padding.",
		.compute = compute,
	};
	return stage_main(argc, argv, &stage);
}
