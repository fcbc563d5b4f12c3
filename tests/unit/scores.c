/* The scores object: written, read back, damaged, and what is derived from it. */
#include "../check.h"

#include <stdlib.h>
#include <unistd.h>

#include "../support/scratch.h"
#include "common/error.h"
#include "common/json.h"
#include "common/memory.h"
#include "formats/scores.h"

enum { LINEARS = 3, GROUPS = 2, BATCHES = 2, SEQUENCES = 3, POSITIONS = SCORES_POSITIONS };

/* Everything a scores object has, where a test may change it. */
struct made {
	struct scores_linear linears[LINEARS];
	struct output_sums sums[LINEARS * BATCHES];
	size_t sequences[BATCHES], tokens[BATCHES], targets[BATCHES];
	double loss[BATCHES];
	struct output_sums weight_only[LINEARS], activation_only[LINEARS];
	size_t sequence_tokens[SEQUENCES], position[GROUPS * POSITIONS];
	double sequence_score[GROUPS * SEQUENCES], position_score[GROUPS * POSITIONS], first_score[GROUPS];
	double kl[GROUPS * BATCHES];    /* not part of it unless a test says so */
	struct scores scores;
};

/* Scores of captions and tokens that fit those of groups: the first batch halved among its two captions; half of all on
 * the first tokens, and less and less on others, two of them alike. */
static void make_parts(struct made *m)
{
	struct scores *s = &m->scores;
	for (size_t g = 0; g < GROUPS; g++) {
		double all = scores_group(s, g), rest = all;
		for (size_t i = 0; i < SEQUENCES; i++)
			m->sequence_score[g * SEQUENCES + i] = scores_group_batch(s, g, i / 2) / (i < 2 ? 2 : 1);
		for (size_t p = 0; p < POSITIONS; p++) {
			m->position[g * POSITIONS + p] = (p * 3 + 5 * g) % 17;
			m->position_score[g * POSITIONS + p] = p == 15 ? rest : (rest /= 2);
		}
		m->first_score[g] = all / 2;
	}
}

/* Two groups, the first of two members. */
static void make(struct made *m)
{
	*m = (struct made){
		.linears = {{"a.q_proj", 0, 4, 8}, {"a.k_proj", 0, 4, 2}, {"lm_head", 1, 4, 100}},
		.sequences = {2, 1}, .tokens = {12, 5}, .targets = {10, 4}, .loss = {1.5, 1 / 3.0},
		.sequence_tokens = {11, 1, 5}, .kl = {0.25, 0.5, 0, 3},
	};
	for (size_t i = 0; i < LINEARS * BATCHES; i++)
		m->sums[i] = (struct output_sums){.score = 0.1 * (double)(i + 1), .error2 = 1e-300, .output2 = 2, .cross = -1,
			.error_max = 0.5};
	for (size_t i = 0; i < LINEARS; i++) {
		m->weight_only[i] = (struct output_sums){.score = (double)i, .output2 = 4, .cross = 3, .error_max = 0.25};
		m->activation_only[i] = (struct output_sums){.score = 1 / (double)(1 + i), .error2 = 7, .error_max = 0.125};
	}
	m->scores = (struct scores){
		.method = "gradient", .batch_size = 2, .linear_count = LINEARS, .batch_count = BATCHES, .linears = m->linears,
		.sequence_count = SEQUENCES, .position_count = POSITIONS, .sums = m->sums, .weight_only = m->weight_only,
		.activation_only = m->activation_only, .sequence_score = m->sequence_score,
		.sequence_tokens = m->sequence_tokens, .position = m->position, .position_score = m->position_score,
		.first_score = m->first_score, .batch_sequences = m->sequences, .batch_tokens = m->tokens,
		.batch_targets = m->targets, .batch_loss = m->loss,
	};
	make_parts(m);
	quantizer_weight_parse("N16", &m->scores.pair.weight);
	quantizer_activation_parse("i8k", &m->scores.pair.activation);
}

static void test_round_trip(void)
{
	struct made m;
	struct scores read;
	struct digest content, identity;
	size_t size;
	char *path = scratch_path("round.scores");
	make(&m);
	unlink(path);
	if (scores_write(&m.scores, path, &content, &identity, &size) || scores_open(&read, path, &content))
		exit(error_report(1));
	CHECK(digest_equal(&content, &identity), "identity %s, content %s", identity.hex, content.hex);
	CHECK(quantizer_equal(read.pair.weight, m.scores.pair.weight) &&
		quantizer_equal(read.pair.activation, m.scores.pair.activation), "the format differs");
	CHECK_STRING(read.method, "gradient");
	CHECK(read.batch_size == 2 && read.linear_count == LINEARS && read.batch_count == BATCHES, "%zu, %zu, %zu",
		read.batch_size, read.linear_count, read.batch_count);
	for (size_t i = 0; i < LINEARS; i++) {
		CHECK_STRING(read.linears[i].name, m.linears[i].name);
		CHECK(read.linears[i].group == m.linears[i].group && read.linears[i].in == m.linears[i].in &&
			read.linears[i].out == m.linears[i].out, "linear %zu differs", i);
	}
	CHECK(memcmp(read.sums, m.sums, sizeof m.sums) == 0, "the sums differ");
	CHECK(memcmp(read.weight_only, m.weight_only, sizeof m.weight_only) == 0 &&
		memcmp(read.activation_only, m.activation_only, sizeof m.activation_only) == 0, "the halves differ");
	CHECK(read.sequence_count == SEQUENCES && read.position_count == POSITIONS && !read.kl, "%zu, %zu",
		read.sequence_count, read.position_count);
	CHECK(memcmp(read.sequence_score, m.sequence_score, sizeof m.sequence_score) == 0 &&
		memcmp(read.sequence_tokens, m.sequence_tokens, sizeof m.sequence_tokens) == 0, "the sequences differ");
	CHECK(memcmp(read.position, m.position, sizeof m.position) == 0 &&
		memcmp(read.position_score, m.position_score, sizeof m.position_score) == 0 &&
		memcmp(read.first_score, m.first_score, sizeof m.first_score) == 0, "the positions differ");
	CHECK(memcmp(read.batch_sequences, m.sequences, sizeof m.sequences) == 0 &&
		memcmp(read.batch_tokens, m.tokens, sizeof m.tokens) == 0 &&
		memcmp(read.batch_targets, m.targets, sizeof m.targets) == 0 &&
		memcmp(read.batch_loss, m.loss, sizeof m.loss) == 0, "the batches differ");
	scores_close(&read);
	free(path);
}

/* With one quantizer there are no halves. With fewer tokens than positions there are as many as tokens. */
static void test_small(void)
{
	struct made m;
	struct scores read;
	struct digest content, identity;
	size_t size;
	char *path = scratch_path("small.scores");
	make(&m);
	m.scores.pair.activation = (struct quantizer){0};
	m.scores.weight_only = m.scores.activation_only = NULL;
	m.scores.batch_count = 1;
	m.scores.sequence_count = 2;
	m.tokens[0] = 3, m.targets[0] = 1, m.sequence_tokens[0] = 1, m.sequence_tokens[1] = 2, m.scores.position_count = 3;
	for (size_t g = 0; g < GROUPS; g++)
		for (size_t i = 0; i < 3; i++) {
			m.sequence_score[2 * g + i % 2] = scores_group(&m.scores, g) / 2;
			m.position[3 * g + i] = (i + g) % 3;
			m.position_score[3 * g + i] = scores_group(&m.scores, g) / (double)(2 << i);
			m.first_score[g] = 0;
		}
	unlink(path);
	if (scores_write(&m.scores, path, &content, &identity, &size) || scores_open(&read, path, &content))
		exit(error_report(1));
	CHECK(!read.weight_only && !read.activation_only, "halves of one");
	CHECK(read.position_count == 3 && read.sequence_count == 2 && read.position[3] == 1, "%zu, %zu",
		read.position_count, read.sequence_count);
	scores_close(&read);
	free(path);
}

/* With divergences beside the sums, these are the scores. */
static void test_kl(void)
{
	struct made m;
	struct scores read;
	struct digest content, identity;
	size_t size;
	char *path = scratch_path("kl.scores");
	make(&m);
	m.scores.method = "kl_div";
	m.scores.kl = m.kl;
	make_parts(&m);
	unlink(path);
	if (scores_write(&m.scores, path, &content, &identity, &size) || scores_open(&read, path, &content))
		exit(error_report(1));
	CHECK_STRING(read.method, "kl_div");
	CHECK(scores_group(&read, 0) == 0.75 && scores_group(&read, 1) == 3, "%g, %g", scores_group(&read, 0),
		scores_group(&read, 1));
	CHECK(scores_group_batch(&read, 0, 1) == 0.5, "%g", scores_group_batch(&read, 0, 1));
	CHECK_CLOSE(scores_group_normalised(&read, 1), 3.0 / 17, 1e-15);
	scores_close(&read);
	m.scores.kl = NULL;
	unlink(path);
	CHECK(!scores_write(&m.scores, path, &content, &identity, &size), "%s", error_text());
	CHECK(scores_open(&read, path, &content) && strstr(error_text(), "array \"kl\" is missing"), "%s", error_text());
	m.scores.kl = m.kl;
	m.kl[2] = -1e-300;
	unlink(path);
	CHECK(!scores_write(&m.scores, path, &content, &identity, &size), "%s", error_text());
	CHECK(scores_open(&read, path, &content) && strstr(error_text(), "group 1 on batch 0 is negative"), "%s",
		error_text());
	free(path);
}

static void test_groups(void)
{
	struct made m;
	make(&m);
	CHECK(scores_group_count(&m.scores) == 2, "%zu groups", scores_group_count(&m.scores));
	CHECK_CLOSE(scores_group(&m.scores, 0), 0.1 + 0.2 + 0.3 + 0.4, 1e-15);
	CHECK_CLOSE(scores_group(&m.scores, 1), 0.5 + 0.6, 1e-15);
	CHECK_CLOSE(scores_group_normalised(&m.scores, 0), (100 * (0.1 + 0.3) + 16 * (0.2 + 0.4)) / 14, 1e-15);
	CHECK_CLOSE(scores_group_normalised(&m.scores, 1), (100 * 0.5 + 16 * 0.6) / 14, 1e-15);
	m.targets[0] = m.targets[1] = 0;
	CHECK(scores_group_normalised(&m.scores, 0) == 0, "%g", scores_group_normalised(&m.scores, 0));
}

/* A change to the description, made by replacing text (NULL: none). */
static const struct {
	const char *from, *to;
	const char *error;
} damages[] = {
	{"\"weight\":\"N16\"", "\"weight\":\"N0\"", "unknown weight quantizer \"N0\"; expected"},
	{"\"activation\":\"i8k\"", "\"act\":\"i8k\"", "key \"activation\" is missing"},
	{"\"method\":\"gradient\"", "\"method\":\"guess\"", "method \"guess\", expected \"gradient\" or \"kl_div\""},
	{"\"method\":\"gradient\"", "\"method\":null", "\"method\" must be a string"},
	{"\"batch_size\":2", "\"batch_size\":0", "\"batch_size\" is 0, expected 1 to"},
	{"\"batch_size\":2", "\"batch_size\":1", "batch 0 has 2 sequences"},
	{"\"batches\":2", "\"batches\":0", "\"batches\" is 0, expected 1 to 1048576"},
	{"\"batches\":2", "\"batches\":3", "array \"sums\" has 30 elements, expected 45"},
	{"\"batches\":2", "\"batches\":2000000", "\"batches\" is 2000000, expected 1 to 1048576"},
	{"\"linears\":", "\"linears\":{},\"other\":", "\"linears\" must be a list of 1 to 65536 entries"},
	{"\"linears\":[", "\"linears\":[{\"name\":\"x\",\"group\":0,\"in\":1,\"out\":1},", "array \"sums\" has 30 elements"},
	{"\"name\":\"lm_head\"", "\"name\":[]", "linear 2"},
	{"\"group\":0", "\"group\":1", "\"group\" is 1, expected 0 to 0"},
	{"\"group\":1", "\"group\":2", "\"group\" is 2, expected 0 to 1"},
	{"\"in\":4", "\"in\":0", "\"in\" is 0, expected 1 to 1073741824"},
	{"\"out\":100", "\"out\":1e10", "\"out\" is 10000000000, expected 1 to 1073741824"},
};

static char *replaced(const char *text, const char *from, const char *to)
{
	const char *at = strstr(text, from);
	CHECK(at, "the test is wrong: no %s in %s", from, text);
	if (!at)
		return mem_strdup(text);
	return mem_printf("%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
}

static void expect_refused(const struct object_writer *w, const char *path, const char *what, const char *error)
{
	struct digest content, identity;
	struct scores read;
	size_t size;
	unlink(path);
	if (object_write(w, path, &content, &identity, &size))
		exit(error_report(1));
	int bad = scores_open(&read, path, NULL);
	CHECK(bad, "%s was accepted", what);
	CHECK(strstr(error_text(), error) && strstr(error_text(), path), "message is \"%s\", expected \"%s\"", error_text(),
		error);
	scores_close(&read);
}

static void test_damaged_description(void)
{
	char *path = scratch_path("damaged.scores");
	for (size_t i = 0; i < sizeof damages / sizeof *damages; i++) {
		struct made m;
		struct object_writer w;
		struct strbuf text;
		make(&m);
		strbuf_init(&text);
		scores_describe(&m.scores, &w);
		json_canonical(&text, w.description);
		char *changed = replaced(text.s, damages[i].from, damages[i].to);
		cJSON_Delete(w.description);
		w.description = json_parse(changed, strlen(changed), "test", NULL);
		if (!w.description)
			exit(error_report(1));
		expect_refused(&w, path, damages[i].to, damages[i].error);
		object_writer_release(&w);
		strbuf_release(&text);
		free(changed);
	}
	free(path);
}

static void no_sequences(struct made *m) { m->sequences[1] = 0; }
static void few_tokens(struct made *m) { m->tokens[1] = 0; }
static void many_targets(struct made *m) { m->targets[0] = 11; }
static void loss_nan(struct made *m) { m->loss[1] = NAN; }
static void score_nan(struct made *m) { m->sums[3].score = NAN; }
static void score_negative(struct made *m) { m->sums[3].score = -1; }
static void cross_infinite(struct made *m) { m->sums[5].cross = INFINITY; }
static void largest_infinite(struct made *m) { m->sums[0].error_max = INFINITY; }
static void tokens_huge(struct made *m) { m->tokens[1] = SIZE_MAX; m->targets[1] = SIZE_MAX - 1; }
static void weights_nan(struct made *m) { m->weight_only[1].error2 = NAN; }
static void inputs_negative(struct made *m) { m->activation_only[2].output2 = -1; }
static void length_zero(struct made *m) { m->sequence_tokens[1] = 0; }
static void length_huge(struct made *m) { m->sequence_tokens[0] = SIZE_MAX; }
static void lengths_moved(struct made *m) { m->sequence_tokens[0] = 10; m->sequence_tokens[2] = 6; }
static void lengths_wrong(struct made *m) { m->sequence_tokens[0] = 10; }
static void caption_nan(struct made *m) { m->sequence_score[4] = NAN; }
static void caption_negative(struct made *m) { m->sequence_score[0] = -m->sequence_score[0]; }
static void captions_less(struct made *m) { m->sequence_score[2] *= 1 - 1e-6; }
static void captions_more(struct made *m) { m->sequence_score[5] *= 1 + 1e-6; }
static void first_nan(struct made *m) { m->first_score[1] = NAN; }
static void first_negative(struct made *m) { m->first_score[1] = -1e-9; }
static void first_too_large(struct made *m) { m->first_score[0] = 1.01; }
static void position_outside(struct made *m) { m->position[3] = 17; }
static void position_twice(struct made *m) { m->position[3] = m->position[1]; }
static void positions_swapped(struct made *m) { m->position_score[POSITIONS] /= 3; }
static void position_nan(struct made *m) { m->position_score[2] = NAN; }
static void position_negative(struct made *m) { m->position_score[POSITIONS - 1] = -1; }
static void positions_too_large(struct made *m) { m->position_score[0] = 1; }

/* Equal scores, the later token first. */
static void equal_swapped(struct made *m)
{
	m->position[14] = 9;
	m->position[15] = 8;
	for (size_t i = 0; i < 14; i++)
		m->position[i] = i < 8 ? i : i + 2;
}

static const struct {
	void (*change)(struct made *m);
	const char *error;
} wrong[] = {
	{no_sequences, "batch 1 has 0 sequences"},
	{few_tokens, "batch 1 has 1 sequences, 0 tokens"},
	{many_targets, "batch 0 has 2 sequences, 12 tokens and 11 targets"},
	{loss_nan, "the loss of batch 1 is not finite"},
	{score_nan, "the sums of a.k_proj on batch 1"},
	{score_negative, "the sums of a.k_proj on batch 1"},
	{cross_infinite, "the sums of lm_head on batch 1"},
	{largest_infinite, "the sums of a.q_proj on batch 0"},
	{tokens_huge, "batch 1 has 1 sequences, 18446744073709551615 tokens"},
	{weights_nan, "the sums of a.k_proj by weights alone"},
	{inputs_negative, "the sums of lm_head by activations alone"},
	{length_zero, "sequence 1 of batch 0 has 0 tokens, the batch 12"},
	{length_huge, "sequence 0 of batch 0 has 18446744073709551615 tokens"},
	{lengths_moved, "the sequences of batch 0 have 11 tokens, the batch 12"},
	{lengths_wrong, "the sequences of batch 0 have 11 tokens, the batch 12"},
	{caption_nan, "the score of group 1 on sequence 1"},
	{caption_negative, "the score of group 0 on sequence 0"},
	{captions_less, "the scores of group 0 on sequences add up to"},
	{captions_more, "the scores of group 1 on sequences add up to"},
	{first_nan, "group 1 scores nan on first tokens"},
	{first_negative, "group 1 scores -1"},
	{first_too_large, "group 0 scores 1.01 on first tokens, 1 on all"},
	{position_outside, "position 3 of group 0 is token 17 of 17"},
	{position_twice, "the positions of group 0 are not in order at 3"},
	{positions_swapped, "the positions of group 1 are not in order at 1"},
	{equal_swapped, "the positions of group 0 are not in order at 15"},
	{position_nan, "the score of group 0 at position 2"},
	{position_negative, "the score of group 0 at position 15"},
	{positions_too_large, "at its largest tokens, 1 on all"},
};

static void test_damaged_arrays(void)
{
	char *path = scratch_path("damaged.scores");
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		struct made m;
		struct object_writer w;
		make(&m);
		wrong[i].change(&m);
		scores_describe(&m.scores, &w);
		expect_refused(&w, path, wrong[i].error, wrong[i].error);
		object_writer_release(&w);
	}
	free(path);
}

static void test_missing_arrays(void)
{
	static const char *const names[] = {"sums", "weight_only", "activation_only", "sequence_score", "sequence_tokens",
		"position", "position_score", "first_score", "sequences", "tokens", "targets", "loss"};
	char *path = scratch_path("missing.scores");
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		struct made m;
		struct object_writer w;
		char error[64];
		make(&m);
		scores_describe(&m.scores, &w);
		w.arrays[i].name[0] = 'x';
		snprintf(error, sizeof error, "array \"%s\" is missing", names[i]);
		expect_refused(&w, path, names[i], error);
		object_writer_release(&w);
	}
	free(path);
}

int main(void)
{
	TEST(test_round_trip);
	TEST(test_small);
	TEST(test_groups);
	TEST(test_kl);
	TEST(test_damaged_description);
	TEST(test_damaged_arrays);
	TEST(test_missing_arrays);
	return check_done();
}
