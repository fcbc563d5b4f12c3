/* The scores object: written, read back, damaged, and what is derived from it. */
#include "../check.h"

#include <stdlib.h>
#include <unistd.h>

#include "../support/scratch.h"
#include "common/error.h"
#include "common/json.h"
#include "common/memory.h"
#include "formats/scores.h"

enum { LINEARS = 3, BATCHES = 2 };

/* Everything a scores object has, where a test may change it. */
struct made {
	struct scores_linear linears[LINEARS];
	struct output_sums sums[LINEARS * BATCHES];
	size_t sequences[BATCHES], tokens[BATCHES], targets[BATCHES];
	double loss[BATCHES];
	struct scores scores;
};

/* Two groups, the first of two members. */
static void make(struct made *m)
{
	*m = (struct made){
		.linears = {{"a.q_proj", 0, 4, 8}, {"a.k_proj", 0, 4, 2}, {"lm_head", 1, 4, 100}},
		.sequences = {2, 1}, .tokens = {12, 5}, .targets = {10, 4}, .loss = {1.5, 1 / 3.0},
	};
	for (size_t i = 0; i < LINEARS * BATCHES; i++)
		m->sums[i] = (struct output_sums){.score = 0.1 * (double)(i + 1), .error2 = 1e-300, .output2 = 2, .cross = -1,
			.error_max = 0.5};
	m->scores = (struct scores){
		.method = "gradient", .batch_size = 2, .linear_count = LINEARS, .batch_count = BATCHES, .linears = m->linears,
		.sums = m->sums, .batch_sequences = m->sequences, .batch_tokens = m->tokens, .batch_targets = m->targets,
		.batch_loss = m->loss,
	};
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
	CHECK(memcmp(read.batch_sequences, m.sequences, sizeof m.sequences) == 0 &&
		memcmp(read.batch_tokens, m.tokens, sizeof m.tokens) == 0 &&
		memcmp(read.batch_targets, m.targets, sizeof m.targets) == 0 &&
		memcmp(read.batch_loss, m.loss, sizeof m.loss) == 0, "the batches differ");
	scores_close(&read);
	free(path);
}

/* With divergences beside the sums, these are the scores. */
static void test_kl(void)
{
	const double kl[2 * BATCHES] = {0.25, 0.5, 0, 3};
	struct made m;
	struct scores read;
	struct digest content, identity;
	size_t size;
	char *path = scratch_path("kl.scores");
	make(&m);
	m.scores.method = "kl_div";
	m.scores.kl = kl;
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
	const double negative[2 * BATCHES] = {0, 0, -1e-300, 0};
	m.scores.kl = negative;
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
	static const char *const names[] = {"sums", "sequences", "tokens", "targets", "loss"};
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
	TEST(test_groups);
	TEST(test_kl);
	TEST(test_damaged_description);
	TEST(test_damaged_arrays);
	TEST(test_missing_arrays);
	return check_done();
}
