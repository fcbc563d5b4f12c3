/* The reports of a cell and the overview of a grid against files in tests/golden/report/, and what they refuse.
 *
 * With QUANTGRID_REWRITE=1 in the environment the files there are written anew: review the difference.
 */
#include <cjson/cJSON.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "../check.h"
#include "common/error.h"
#include "common/file.h"
#include "common/json.h"
#include "common/memory.h"
#include "report/cell.h"
#include "report/error_figures.h"
#include "report/float_json.h"
#include "report/group_table.h"
#include "report/manifest.h"
#include "report/overview.h"
#include "report/overview_table.h"
#include "report/words.h"
#include "../support/scratch.h"

enum { LINEARS = 8, GROUPS = 5, BATCHES = 2, SEQUENCES = 7, POSITIONS = SCORES_POSITIONS, TEXT_MAX = 1 << 20 };

static const char golden_dir[] = "tests/golden/report";

/* --- a small cell --- */

struct sample {
	struct scores_linear linears[LINEARS];
	struct calib_linear calib_linears[LINEARS];
	struct output_sums sums[LINEARS * BATCHES], weight_only[LINEARS], activation_only[LINEARS];
	size_t sequence_tokens[SEQUENCES], position[GROUPS * POSITIONS];
	double sequence_score[GROUPS * SEQUENCES], position_score[GROUPS * POSITIONS], first_score[GROUPS];
	size_t sequences[BATCHES], tokens[BATCHES], targets[BATCHES];
	double loss[BATCHES];
	struct scores scores;
	struct calib calib;
	struct report_vision vision[2];
	struct report_cell cell;
	cJSON *config, *summary;
};

static const char config_text[] =
	"{\"model\": {\"name\": \"toy\", \"path\": \"models/toy/checkpoint\"},"
	" \"dataset\": {\"name\": \"captions\", \"root\": \"data\", \"size\": \"small\", \"captions_path\": \"data/a|b.txt\","
	"  \"max_calib_samples\": null, \"calib_seq_len\": 512},"
	" \"quant_pair\": {\"name\": \"wfp8_afp8\", \"weight\": \"fp8\", \"activation\": \"fp8\","
	"  \"format_name\": \"FP8_DEFAULT_CFG\", \"coverage_mode\": \"lm_only\", \"coverage_fraction\": 1},"
	" \"quant_granularity\": {\"name\": \"w_per_out_channel\", \"quant_cfg_overrides\":"
	"  {\"*weight_quantizer\": {\"axis\": 0}, \"*input_quantizer\": {\"axis\": null}}},"
	" \"autoquant\": {\"method\": \"gradient\", \"effective_bits\": 8, \"score_size\": 128, \"batch_size\": 4}}";

static const char yaml_text[] = "model:\n  name: toy\nautoquant:\n  effective_bits: 8.0\n";

static void sample_linear(struct sample *s, size_t i, const char *name, size_t group, size_t out, size_t in)
{
	s->linears[i] = (struct scores_linear){name, group, in, out};
	s->calib_linears[i] = (struct calib_linear){.name = name, .in = in, .out = out, .activation_amax = 1.5f,
		.weight = {.error2 = 0.25, .value2 = 1024, .cross = 1023.9, .quant2 = 1024.05, .error_max = 0.0625,
			.count = (double)(in * out)},
		.activation = {.error2 = 0.5, .value2 = 256, .cross = 256, .quant2 = 256.5, .error_max = 0.125, .count = 512}};
	for (size_t b = 0; b < BATCHES; b++)
		s->sums[i * BATCHES + b] = (struct output_sums){.score = (double)(1 + b) * (1 + (double)i) / 64,
			.error2 = 0.5 * (double)(1 + b), .output2 = 2048, .cross = 2048.25, .error_max = 0.25 * (double)(1 + b)};
}

/* Captions of 10 or 11 tokens, the scores of a batch spread evenly over them; tokens that score half as much each. */
static void sample_parts(struct sample *s)
{
	for (size_t i = 0; i < SEQUENCES; i++)
		s->sequence_tokens[i] = i < 4 ? 10 : i < 6 ? 11 : 10;
	for (size_t g = 0; g < GROUPS; g++) {
		double all = scores_group(&s->scores, g);
		for (size_t i = 0; i < SEQUENCES; i++)
			s->sequence_score[g * SEQUENCES + i] = scores_group_batch(&s->scores, g, i / 4) /
				(double)s->sequences[i / 4];
		for (size_t p = 0; p < POSITIONS; p++) {
			s->position[g * POSITIONS + p] = (p * 5 + g) % 72;
			s->position_score[g * POSITIONS + p] = all / (double)(2 << p);
		}
		s->first_score[g] = all / 4;
	}
	for (size_t i = 0; i < LINEARS; i++) {
		const struct output_sums *o = &s->sums[i * BATCHES];
		double all = o[0].score + o[1].score, error2 = o[0].error2 + o[1].error2;
		s->weight_only[i] = (struct output_sums){all / 4, error2 / 4, 2 * 2048, 2 * 2048.125, 0.25};
		s->activation_only[i] = (struct output_sums){all / 2, error2 / 2, 2 * 2048, 2 * 2048.125, 0.375};
	}
}

static void sample_init(struct sample *s)
{
	static const struct { const char *name; size_t group, out, in; } linears[LINEARS] = {
		{"model.language_model.layers.0.self_attn.q_proj", 0, 32, 16},
		{"model.language_model.layers.0.self_attn.k_proj", 0, 16, 16},
		{"model.language_model.layers.0.self_attn.v_proj", 0, 16, 16},
		{"model.language_model.layers.0.self_attn.o_proj", 1, 16, 32},
		{"model.language_model.layers.0.mlp.gate_proj", 2, 64, 16},
		{"model.language_model.layers.0.mlp.up_proj", 2, 64, 16},
		{"model.language_model.layers.0.mlp.down_proj", 3, 16, 64},
		{"lm_head", 4, 128, 16},
	};
	memset(s, 0, sizeof *s);
	for (size_t i = 0; i < LINEARS; i++)
		sample_linear(s, i, linears[i].name, linears[i].group, linears[i].out, linears[i].in);
	for (size_t b = 0; b < BATCHES; b++) {
		s->sequences[b] = 4 - b;
		s->tokens[b] = 40 - 8 * b;
		s->targets[b] = s->tokens[b] - s->sequences[b];
		s->loss[b] = 2.5 + 0.125 * (double)b;
	}
	struct quantizer weight = {ELEMENT_FP8, SCALE_ROW, 0}, activation = {ELEMENT_FP8, SCALE_TENSOR, 0};
	s->scores = (struct scores){.pair = {weight, activation}, .method = "gradient", .batch_size = 4,
		.linear_count = LINEARS, .batch_count = BATCHES, .sequence_count = SEQUENCES, .position_count = POSITIONS,
		.linears = s->linears, .sums = s->sums, .weight_only = s->weight_only, .activation_only = s->activation_only,
		.sequence_score = s->sequence_score, .sequence_tokens = s->sequence_tokens, .position = s->position,
		.position_score = s->position_score, .first_score = s->first_score,
		.batch_sequences = s->sequences, .batch_tokens = s->tokens, .batch_targets = s->targets,
		.batch_loss = s->loss};
	sample_parts(s);
	s->calib = (struct calib){.pair = {weight, activation}, .linear_count = LINEARS, .linears = s->calib_linears,
		.sequences = 7, .tokens = 72};
	s->vision[0] = (struct report_vision){"model.visual.patch_embed.proj", "Conv3d", 16, 24};
	s->vision[1] = (struct report_vision){"model.visual.merger.linear_fc2", "Linear", 16, 64};
	s->config = json_parse(config_text, sizeof config_text - 1, "config", NULL);
	s->summary = quantizer_summary("fp8", "fp8", "FP8_DEFAULT_CFG",
		cJSON_GetObjectItem(cJSON_GetObjectItem(s->config, "quant_granularity"), "quant_cfg_overrides"));
	s->cell = (struct report_cell){.name = "toy.wfp8_afp8.w_per_out_channel.small", .config = s->config,
		.yaml = yaml_text, .numerics = "cpu-ref", .quantizer_summary = s->summary, .scores = &s->scores,
		.calib = &s->calib, .text = {8, 7, 72, 1}, .vision = s->vision, .vision_count = 2, .tied = 1};
}

static void sample_release(struct sample *s)
{
	cJSON_Delete(s->config);
	cJSON_Delete(s->summary);
}

/* Makes the sample weight-only: INT4 in blocks of 16, so that the budget of 8 bits leaves room for 16-bit groups. */
static void sample_weight_only(struct sample *s)
{
	cJSON *pair = cJSON_GetObjectItem(s->config, "quant_pair");
	s->scores.pair = (struct quantizer_pair){{ELEMENT_INT4, SCALE_BLOCK, 16}, {0}};
	s->scores.weight_only = s->scores.activation_only = NULL;
	s->calib.pair = s->scores.pair;
	s->calib.sequences = s->calib.tokens = 0;
	for (size_t i = 0; i < LINEARS; i++) {
		s->calib_linears[i].activation = (struct quant_sums){0};
		s->calib_linears[i].activation_amax = 0;
	}
	cJSON_ReplaceItemInObject(pair, "name", cJSON_CreateString("wint4_afp16"));
	cJSON_ReplaceItemInObject(pair, "weight", cJSON_CreateString("int4"));
	cJSON_ReplaceItemInObject(pair, "activation", cJSON_CreateString("fp16"));
	cJSON_ReplaceItemInObject(pair, "format_name", cJSON_CreateString("INT4_BLOCKWISE_WEIGHT_ONLY_CFG"));
	cJSON_ReplaceItemInObject(cJSON_GetObjectItem(s->config, "quant_granularity"), "quant_cfg_overrides",
		cJSON_CreateObject());
	cJSON_Delete(s->summary);
	s->summary = quantizer_summary("int4", "fp16", "INT4_BLOCKWISE_WEIGHT_ONLY_CFG", NULL);
	s->cell.quantizer_summary = s->summary;
	s->cell.name = "toy.wint4_afp16.default.small";
	s->cell.text = (struct report_text){7, 7, 72, 0};
}

/* --- golden files --- */

static int rewriting(void)
{
	const char *flag = getenv("QUANTGRID_REWRITE");
	return flag && *flag && strcmp(flag, "0");
}

/* Points at the first line that differs. */
static void compare_text(const char *name, const char *found, const char *expected)
{
	size_t line = 1, start = 0, at = 0;
	for (; found[at] && found[at] == expected[at]; at++)
		if (found[at] == '\n') {
			line++;
			start = at + 1;
		}
	CHECK(found[at] == expected[at], "%s:%zu\n   found: %.*s\nexpected: %.*s", name, line,
		(int)strcspn(found + start, "\n"), found + start, (int)strcspn(expected + start, "\n"), expected + start);
}

static void compare_golden(const char *folder, const char *name, const char *golden)
{
	char *path = path_join(folder, name), *expected_path = path_join(golden_dir, golden), *found, *expected;
	if (file_read(path, TEXT_MAX, &found, NULL)) {
		CHECK(0, "%s", error_text());
	} else {
		if (rewriting())
			CHECK(!file_write_if_changed(expected_path, found, strlen(found), NULL), "%s", error_text());
		if (file_read(expected_path, TEXT_MAX, &expected, NULL)) {
			CHECK(0, "%s", error_text());
		} else {
			compare_text(expected_path, found, expected);
			free(expected);
		}
		free(found);
	}
	free(path);
	free(expected_path);
}

static void test_cell(void)
{
	struct sample s;
	size_t changed;
	char *folder = scratch_path("cell/deep");
	sample_init(&s);
	CHECK(!report_write(&s.cell, folder, &changed) && changed == 4, "%zu changed: %s", changed, error_text());
	compare_golden(folder, "wfp8_afp8_autoquant_lm_quant_manifest.json", "cell_quant_manifest.json");
	compare_golden(folder, "per-layer-sensitivity.json", "cell.json");
	compare_golden(folder, "per-layer-sensitivity.md", "cell.md");
	char *yaml = path_join(folder, "composed-config.yaml"), *text;
	CHECK(!file_read(yaml, TEXT_MAX, &text, NULL), "%s", error_text());
	CHECK_STRING(text, yaml_text);
	free(text);
	free(yaml);
	CHECK(!report_write(&s.cell, folder, &changed) && changed == 0, "%zu changed the second time", changed);
	free(folder);
	sample_release(&s);
}

static void test_weight_only(void)
{
	struct sample s;
	char *folder = scratch_path("weight_only");
	sample_init(&s);
	sample_weight_only(&s);
	CHECK(!report_write(&s.cell, folder, NULL), "%s", error_text());
	compare_golden(folder, "wint4_afp16_autoquant_lm_quant_manifest.json", "weight_only_quant_manifest.json");
	compare_golden(folder, "per-layer-sensitivity.json", "weight_only.json");
	compare_golden(folder, "per-layer-sensitivity.md", "weight_only.md");
	free(folder);
	sample_release(&s);
}

/* --- the table --- */

static void test_table(void)
{
	struct sample s;
	struct group_table t;
	sample_init(&s);
	sample_weight_only(&s);
	CHECK(!group_table_make(&t, &s.cell), "%s", error_text());
	CHECK(t.count == 7 && t.vision_count == 2, "%zu groups, %zu of them vision", t.count, t.vision_count);
	CHECK(t.numel == 16 * 24 + 16 * 64 + 32 * 16 + 2 * 16 * 16 + 16 * 32 + 2 * 64 * 16 + 16 * 64 + 128 * 16, "%g weights",
		t.numel);
	/* Linear i scores 3 (1 + i) / 64: groups 18, 12, 33, 21, 24 of 64. */
	CHECK(t.sum == 108.0 / 64, "sum %.17g", t.sum);
	CHECK(t.groups[2].score == 18.0 / 64 && t.groups[2].member_count == 3, "q/k/v: %g", t.groups[2].score);
	CHECK(group_table_batch(&t, &s.cell, 4, 1) == 22.0 / 64, "%g", group_table_batch(&t, &s.cell, 4, 1));
	/* Normalised: (36^2 s_0 + 29^2 s_1) / 65, with s_1 = 2 s_0. */
	CHECK_CLOSE(t.groups[3].normalised, (36 * 36 * 4.0 / 64 + 29 * 29 * 8.0 / 64) / 65, 1e-15);
	CHECK(t.descending[0] == 4 && t.descending[1] == 6 && t.descending[4] == 3 && t.descending[5] == 0,
		"order %zu %zu ... %zu %zu", t.descending[0], t.descending[1], t.descending[4], t.descending[5]);
	CHECK(t.groups[0].rank == 1 && t.groups[1].rank == 2 && t.groups[3].rank == 3 && t.groups[4].rank == 7,
		"ranks %zu %zu %zu %zu", t.groups[0].rank, t.groups[1].rank, t.groups[3].rank, t.groups[4].rank);
	CHECK(t.cost_bits == 5 && t.search_bits == 4, "%g bits stored, %g counted", t.cost_bits, t.search_bits);
	CHECK(t.target_bits == search_adjusted_bits(8064, 1408, 8), "target %.17g", t.target_bits);
	/* Room for 2219 weights at 16 bits: q/k/v and down (18 + 21 on 2048) rather than gate/up (33 on 2048). */
	CHECK(!t.groups[2].quantized && t.groups[3].quantized && t.groups[4].quantized && !t.groups[5].quantized &&
		t.groups[6].quantized && t.quantized == 3, "q/k/v and down are not the ones kept");
	CHECK(t.satisfied && t.effective_bits <= t.target_bits, "%g of %g bits", t.effective_bits, t.target_bits);
	CHECK(t.search.score < t.sum && t.stored_bits > t.effective_bits, "score %g, stored %g", t.search.score,
		t.stored_bits);
	group_table_release(&t);
	sample_release(&s);
}

static void test_unmet_budget(void)
{
	struct sample s;
	struct group_table t;
	sample_init(&s);
	cJSON_SetNumberValue(cJSON_GetObjectItem(cJSON_GetObjectItem(s.config, "autoquant"), "effective_bits"), 7);
	s.cell.text = (struct report_text){7, 7, 72, 0};
	CHECK(!group_table_make(&t, &s.cell), "%s", error_text());
	CHECK(!t.satisfied && t.quantized == 5 && t.search.score == t.sum, "%d %zu", t.satisfied, t.quantized);
	CHECK(t.warning_count == 1, "%zu warnings", t.warning_count);
	CHECK_STRING(t.warning_count ? t.warnings[0] : NULL,
		"autoquant.effective_bits=7 cannot be met: with every searched layer quantized there are 9.3968 bits a weight, the "
		"budget is 8.5724. The search result is every layer quantized.");
	group_table_release(&t);
	sample_release(&s);
}

/* 8-bit weights under 4-bit activations count as 4 bits: the search keeps groups, and what is stored is too much. */
static void test_over_budget(void)
{
	struct sample s;
	struct group_table t;
	double asked[] = {8, 7};
	const char *advice[] = {
		"in 8. For a mix that stores what was asked for, take autoquant.effective_bits=4.",
		"in 8. No mix of this format stores what was asked for.",
	};
	for (int i = 0; i < 2; i++) {
		sample_init(&s);
		s.cell.text = (struct report_text){7, 7, 72, 0};
		s.scores.pair = s.calib.pair =
			(struct quantizer_pair){{ELEMENT_INT8, SCALE_TENSOR, 0}, {ELEMENT_INT4, SCALE_TENSOR, 0}};
		cJSON_SetNumberValue(cJSON_GetObjectItem(cJSON_GetObjectItem(s.config, "autoquant"), "effective_bits"), asked[i]);
		CHECK(!group_table_make(&t, &s.cell), "%s", error_text());
		CHECK(t.satisfied && t.over_budget && t.search_bits == 4 && t.cost_bits == 8, "%d %d", t.satisfied, t.over_budget);
		CHECK(t.effective_bits <= t.target_bits && t.stored_bits > t.target_bits + 0.1, "%g counted, %g stored",
			t.effective_bits, t.stored_bits);
		CHECK(t.warning_count == 1 && strstr(t.warnings[0], advice[i]), "%s", t.warning_count ? t.warnings[0] : "none");
		group_table_release(&t);
		sample_release(&s);
	}
	/* The advice holds: all groups quantized store 8 bits, and the tower's 16. */
	sample_init(&s);
	s.scores.pair = s.calib.pair =
		(struct quantizer_pair){{ELEMENT_INT8, SCALE_TENSOR, 0}, {ELEMENT_INT4, SCALE_TENSOR, 0}};
	cJSON_SetNumberValue(cJSON_GetObjectItem(cJSON_GetObjectItem(s.config, "autoquant"), "effective_bits"), 4);
	CHECK(!group_table_make(&t, &s.cell), "%s", error_text());
	CHECK(t.satisfied && t.stored_bits <= search_adjusted_bits(t.numel, t.vision_numel, 8), "%g", t.stored_bits);
	group_table_release(&t);
	sample_release(&s);
}

static void sample_unscored(struct sample *s)
{
	sample_init(s);
	for (size_t b = 0; b < BATCHES; b++) {
		s->targets[b] = 0;
		s->loss[b] = 0;
	}
	for (size_t i = 0; i < LINEARS * BATCHES; i++)
		s->sums[i].score = 0;
	sample_parts(s);
}

/* One-token captions: nothing to predict, nothing observed. */
static void test_no_targets(void)
{
	struct sample s;
	struct group_table t;
	char *folder = scratch_path("unscored");
	sample_unscored(&s);
	CHECK(!group_table_make(&t, &s.cell), "%s", error_text());
	CHECK(!t.scored && !t.groups[2].observed && t.sum == 0 && t.normalised == 0, "observed %d", t.groups[2].observed);
	CHECK(group_table_share(&t, 2) == 0, "share %g", group_table_share(&t, 2));
	CHECK(t.warning_count == 3, "%zu warnings", t.warning_count);
	group_table_release(&t);
	CHECK(!report_write(&s.cell, folder, NULL), "%s", error_text());
	compare_golden(folder, "per-layer-sensitivity.md", "unscored.md");
	free(folder);
	sample_release(&s);
}

/* kl_div: scores are the divergences of groups, by batch; without targets there are still tokens to judge by. */
static void test_divergence(void)
{
	struct sample s;
	struct group_table t;
	double kl[5 * BATCHES];
	char *folder = scratch_path("divergence");
	sample_unscored(&s);
	for (size_t i = 0; i < 5 * BATCHES; i++)
		kl[i] = (double)(i + 1) / 8;
	s.scores.method = "kl_div";
	s.scores.kl = kl;
	sample_parts(&s);
	s.vision[0].name = "model.visual.merger.linear_fc1";
	s.cell.vision_count = 1;
	CHECK(!group_table_make(&t, &s.cell), "%s", error_text());
	CHECK(t.divergence && t.scored && t.groups[1].observed, "%d %d", t.divergence, t.scored);
	CHECK(group_table_batch(&t, &s.cell, 0, 0) == 0 && group_table_batch(&t, &s.cell, 1, 1) == 0.25 &&
		group_table_batch(&t, &s.cell, 5, 0) == 9.0 / 8, "%g", group_table_batch(&t, &s.cell, 5, 0));
	CHECK(t.sum == 55.0 / 8, "sum %g", t.sum);
	group_table_release(&t);
	cJSON_ReplaceItemInObject(cJSON_GetObjectItem(s.config, "dataset"), "captions_path",
		cJSON_CreateString("database/own.txt"));
	CHECK(!report_write(&s.cell, folder, NULL), "%s", error_text());
	compare_golden(folder, "per-layer-sensitivity.md", "divergence.md");
	free(folder);
	sample_release(&s);
}

static void test_counts_of_one(void)
{
	struct sample s;
	struct group_table t;
	sample_init(&s);
	s.calib.sequences = s.calib.tokens = 0;
	s.cell.text = (struct report_text){8, 1, 9, 1};
	CHECK(!group_table_make(&t, &s.cell), "%s", error_text());
	CHECK(t.warning_count == 2, "%zu warnings", t.warning_count);
	CHECK_STRING(t.warnings[0], "The captions file has 1 caption, fewer than the 8 asked for: it is used whole.");
	CHECK_STRING(t.warnings[1], "1 of 1 caption was cut at dataset.calib_seq_len tokens.");
	group_table_release(&t);
	sample_release(&s);
}

static void refused(struct sample *s, const char *message)
{
	struct group_table t;
	CHECK(group_table_make(&t, &s->cell) == -1, "accepted, expected: %s", message);
	CHECK_STRING(error_text(), message);
	sample_release(s);
	sample_init(s);
}

static void test_refused(void)
{
	struct sample s;
	sample_init(&s);
	s.calib.linear_count--;
	refused(&s, "toy.wfp8_afp8.w_per_out_channel.small: scores of 8 linears, calib of 7");
	s.calib_linears[7].out = 129;
	refused(&s, "toy.wfp8_afp8.w_per_out_channel.small: linear 7 is lm_head [128, 16] in scores and lm_head [129, 16] in "
		"calib");
	s.calib.pair.weight.scale = SCALE_TENSOR;
	refused(&s, "toy.wfp8_afp8.w_per_out_channel.small: scores and calib were made for different quantizers");
	s.cell.text.tokens = 71;
	refused(&s, "toy.wfp8_afp8.w_per_out_channel.small: calib saw 72 tokens in 7 sequences, the calibration text has 71 "
		"in 7");
	s.sums[0].score = NAN;
	refused(&s, "toy.wfp8_afp8.w_per_out_channel.small: the score of model.language_model.layers.0.self_attn.q_proj is "
		"nan, expected a finite number >= 0");
	cJSON_DeleteItemFromObject(cJSON_GetObjectItem(s.config, "quant_pair"), "format_name");
	refused(&s, "config of toy.wfp8_afp8.w_per_out_channel.small: quant_pair.format_name is missing, expected a string");
	s.cell.scheme = "../x";
	refused(&s, "config of toy.wfp8_afp8.w_per_out_channel.small: quant_pair.scheme_name \"../x\" names a file and must "
		"not be empty or hold '/'");
	sample_release(&s);
}

/* When one of the files cannot be written, the others keep what they had. */
static void test_all_or_none(void)
{
	struct sample s;
	size_t count;
	char **names, *folder = scratch_path("blocked"), *text;
	char *manifest = scratch_write("blocked/wfp8_afp8_autoquant_lm_quant_manifest.json", "old", 3);
	char *blocked = scratch_path("blocked/composed-config.yaml");
	sample_init(&s);
	CHECK(!mkdir(blocked, 0755), "mkdir %s", blocked);
	CHECK(report_write(&s.cell, folder, NULL) == -1, "a folder was replaced");
	CHECK(strstr(error_text(), "composed-config.yaml: not a regular file") != NULL, "%s", error_text());
	CHECK(!file_read(manifest, TEXT_MAX, &text, NULL), "%s", error_text());
	CHECK_STRING(text, "old");
	free(text);
	CHECK(!dir_list(folder, &names, &count) && count == 2, "%zu files are left", count);
	for (size_t i = 0; i < count; i++)
		free(names[i]);
	free(names);
	free(folder);
	free(manifest);
	free(blocked);
	sample_release(&s);
}

/* --- small parts --- */

static void test_error_figures(void)
{
	struct error_figures f = error_figures_output(&(struct output_sums){.error2 = 1, .output2 = 100, .cross = 100,
		.error_max = 0.5});
	CHECK(!f.empty && f.relative == 0.01 && f.sqnr_db == 20 && f.error_max == 0.5, "%g %g", f.relative, f.sqnr_db);
	CHECK_CLOSE(f.cosine, 100 / sqrt(100 * 101.0), 1e-15);
	f = error_figures_tensor(&(struct quant_sums){.value2 = 4, .quant2 = 4, .cross = 4, .count = 1});
	CHECK(isinf(f.sqnr_db) && f.relative == 0 && f.cosine == 1, "%g %g %g", f.sqnr_db, f.relative, f.cosine);
	cJSON *json = error_figures_json(&f);
	struct strbuf text;
	strbuf_init(&text);
	json_canonical(&text, json);
	CHECK_STRING(text.s, "{\"cosine\":1.0,\"max_abs_error\":0.0,\"relative_error\":0.0,\"sqnr_db\":null}");
	strbuf_release(&text);
	cJSON_Delete(json);
	f = error_figures_tensor(&(struct quant_sums){0});
	CHECK(f.empty, "nothing has figures");
}

static void test_words(void)
{
	struct strbuf text;
	strbuf_init(&text);
	words_count(&text, 412614656);
	strbuf_addc(&text, ' ');
	words_count(&text, 999);
	strbuf_addc(&text, ' ');
	words_cell(&text, "a|b\nc");
	CHECK_STRING(text.s, "412,614,656 999 a\\|b c");
	strbuf_clear(&text);
	words_share(&text, 0);
	words_share(&text, 0.0009);
	words_share(&text, 0.0184);
	words_share(&text, 1);
	CHECK_STRING(text.s, "0.0 %<0.1 %1.8 %100.0 %");
	strbuf_clear(&text);
	for (size_t i = 0; i < 3; i++)
		strbuf_addf(&text, "%s%zu", words_between(i, 3), i);
	CHECK_STRING(text.s, "0, 1 and 2");
	strbuf_clear(&text);
	const double floats[] = {8, 0, -0.0, 0.1, 1e-5, 0x1p60, 98304};
	for (size_t i = 0; i < sizeof floats / sizeof *floats; i++) {
		float_print(&text, floats[i]);
		strbuf_addc(&text, ' ');
	}
	CHECK_STRING(text.s, "8.0 0.0 0.0 0.1 1e-05 1.152921504606847e+18 98304.0 ");
	strbuf_release(&text);
	CHECK_STRING(words_layer_kind("model.language_model.layers.12.mlp.down_proj"), "mlp.down_proj");
	CHECK_STRING(words_layer_kind("lm_head"), "lm_head");
	CHECK_STRING(words_short_layer("model.language_model.layers.12.mlp.down_proj"), "layers.12.mlp.down_proj");
	CHECK_STRING(words_short_layer("lm_head"), "lm_head");
}

/* --- the overview --- */

static struct quantizer_pair sample_pair(const char *weight, const char *activation)
{
	struct quantizer_pair pair = {{ELEMENT_INT8, SCALE_ROW, 0}, {ELEMENT_NONE, SCALE_TENSOR, 0}};
	if (!strcmp(weight, "int4"))
		pair.weight = (struct quantizer){ELEMENT_INT4, SCALE_BLOCK, 128};
	if (!strcmp(activation, "int8"))
		pair.activation = (struct quantizer){ELEMENT_INT8, SCALE_TENSOR, 0};
	return pair;
}

static void overview_sample(struct overview_cell *cell, const char *name, const char *pair, const char *weight,
	const char *activation, const char *size, double sum)
{
	*cell = (struct overview_cell){.name = name, .model = "toy", .pair = pair, .weight = weight,
		.activation = activation, .granularity = "default", .size = size, .status = OVERVIEW_OK, .sum = sum,
		.quantizers = sample_pair(weight, activation), .score_sequences = 16, .score_tokens = 100, .score_targets = 84,
		.loss = 1.5, .normalised = 12 * sum, .searched_total = sum / 4, .asked_bits = 8, .target_bits = 8.7453,
		.satisfied = 1, .bits = 8.7443, .stored_bits = 8.75, .cost_bits = 8.0625};
	cell->search_bits = quantizer_search_bits(cell->quantizers);
	cell->top[0] = (struct overview_top){mem_strdup("model.language_model.layers.1.mlp.down_proj"), sum / 2};
	cell->top[1] = (struct overview_top){mem_strdup("lm_head"), sum / 8};
	cell->top_count = 2;
}

enum { OVERVIEW_CELLS = 9 };

static void overview_samples(struct overview_cell *cells)
{
	overview_sample(&cells[0], "toy.wint8_afp16.default.small", "wint8_afp16", "int8", "fp16", "small", 0.25);
	overview_sample(&cells[1], "toy.wint8_afp16.default.large", "wint8_afp16", "int8", "fp16", "large", 1.75);
	overview_sample(&cells[2], "toy.wint8_aint8.default.small", "wint8_aint8", "int8", "int8", "small", 48.9);
	overview_sample(&cells[3], "toy.wint8_aint8.default.large", "wint8_aint8", "int8", "int8", "large", 461.8);
	overview_sample(&cells[4], "toy.wint4_afp16.default.small", "wint4_afp16", "int4", "fp16", "small", 6.5);
	overview_sample(&cells[5], "toy.wint4_afp16.default.large", "wint4_afp16", "int4", "fp16", "large", 0);
	overview_sample(&cells[6], "toy.wint4_aint8.default.small", "wint4_aint8", "int4", "int8", "small", 48.9);
	overview_sample(&cells[7], "toy.wint4_aint8.default.large", "wint4_aint8", "int4", "int8", "large", 0);
	overview_sample(&cells[8], "toy.wint8_aint8_lm_only.default.small", "wint8_aint8_lm_only", "int8", "int8", "small",
		48.9);
	cells[0].manifest = "out/weight-int8-act-fp16/default/run/m.json";
	cells[6].manifest = "elsewhere/m.json";
	cells[5].status = OVERVIEW_FAILED;
	cells[5].reason = "score-layers: weights of lm_head: NaN|inf\nat row 3";
	cells[7].status = OVERVIEW_MISSING;
	cells[7].reason = "not computed yet: run ninja";
	cells[8].same_as = cells[2].name;
	for (size_t i = 1; i < 4; i += 2)
		cells[i].score_sequences *= 2; /* large scores more text than small */
	cells[4].over_budget = 1;
	cells[4].stored_bits = 11.5;
	cells[6].satisfied = 0;
	cells[6].asked_bits = cells[6].target_bits = 7;
	overview_cell_release(&cells[5]);
	overview_cell_release(&cells[7]);
	cells[0].top[1].score = cells[0].sum; /* out of the usual order of layers */
}

static void test_overview(void)
{
	struct overview_cell cells[OVERVIEW_CELLS];
	struct overview_invalid invalid = {"toy.wfp4_afp16.w_per_tensor.small", "FP4 needs blocks, the overlay sets axis"};
	struct overview overview = {"pairs_x_sizes", cells, OVERVIEW_CELLS, &invalid, 1};
	size_t changed;
	char *folder = scratch_path("out");
	overview_samples(cells);
	struct strbuf below;
	strbuf_init(&below);
	strbuf_addf(&below, "%s/weight-int8-act-fp16/default/run/m.json", folder);
	cells[0].manifest = below.s;
	CHECK(!overview_write(&overview, folder, &changed) && changed == 2, "%zu changed: %s", changed, error_text());
	compare_golden(folder, "pairs_x_sizes.json", "overview.json");
	compare_golden(folder, "pairs_x_sizes.md", "overview.md");
	CHECK(!overview_write(&overview, folder, &changed) && changed == 0, "%zu changed the second time", changed);
	strbuf_release(&below);
	for (size_t i = 0; i < OVERVIEW_CELLS; i++)
		overview_cell_release(&cells[i]);
	free(folder);
}

/* Three budgets, two sizes that score the same text, and a cell without a target. */
static void test_overview_budgets(void)
{
	static const char *const names[] = {
		"toy.wint4_afp16.default.medium.effective_bits=4.5", "toy.wint4_afp16.default.large.effective_bits=4.5",
		"toy.wint4_afp16.default.medium.effective_bits=6", "toy.wint4_afp16.default.large.effective_bits=6",
		"toy.wint4_afp16.default.medium.batch_size=4.effective_bits=6",
		"toy.wint4_afp16.default.large.batch_size=4.effective_bits=6",
	};
	struct overview_cell cells[6];
	struct overview overview = {"budgets", cells, 6, NULL, 0};
	struct overview_table t;
	for (size_t i = 0; i < 6; i++) {
		overview_sample(&cells[i], names[i], "wint4_afp16", "int4", "fp16", i % 2 ? "large" : "medium", 6.5);
		cells[i].asked_bits = cells[i].target_bits = i < 2 ? 4.5 : 6;
		cells[i].bits = i < 2 ? 4.375 : 5.75;
		cells[i].same_as = i && i < 4 ? names[0] : NULL;
	}
	cells[4].sum = 5;
	overview_cell_release(&cells[5]);
	cells[5].unscored = 1;
	overview_table_make(&t, &overview);
	CHECK(t.setting_count == 3 && t.column_count == 6, "%zu settings, %zu columns", t.setting_count, t.column_count);
	CHECK(t.settings[1].repeats == 0 && t.settings[2].repeats == 2, "%zu %zu", t.settings[1].repeats,
		t.settings[2].repeats);
	CHECK_STRING(t.settings[2].label, "`batch_size=4 effective_bits=6`");
	CHECK(t.same[0] == OVERVIEW_NONE && t.same[1] == 0 && t.same[2] == OVERVIEW_NONE && t.same[3] == 2,
		"same as %zu %zu %zu %zu", t.same[0], t.same[1], t.same[2], t.same[3]);
	overview_table_release(&t);
	CHECK(!overview_write(&overview, scratch_dir(), NULL), "%s", error_text());
	compare_golden(scratch_dir(), "budgets.md", "overview_budgets.md");
	for (size_t i = 0; i < 6; i++)
		overview_cell_release(&cells[i]);
}

/* Several granularities and another swept key; nothing has a result. */
static void test_overview_empty(void)
{
	struct overview_cell cells[2] = {
		{.name = "toy.wfp8_afp8.default.small.effective_bits=7", .model = "toy", .pair = "wfp8_afp8", .weight = "fp8",
			.activation = "fp8", .granularity = "default", .size = "small", .status = OVERVIEW_MISSING},
		{.name = "toy.wfp8_afp8.w_group64.small.effective_bits=6", .model = "toy", .pair = "wfp8_afp8", .weight = "fp8",
			.activation = "fp8", .granularity = "w_group64", .size = "small", .status = OVERVIEW_MISSING},
	};
	struct overview overview = {"empty", cells, 2, NULL, 0};
	CHECK(!overview_write(&overview, scratch_dir(), NULL), "%s", error_text());
	compare_golden(scratch_dir(), "empty.md", "overview_empty.md");
	overview.count = 0;
	CHECK(!overview_write(&overview, scratch_dir(), NULL), "%s", error_text());
	cells[0].pair = NULL;
	overview.count = 1;
	CHECK(overview_write(&overview, scratch_dir(), NULL) == -1, "a cell without pair");
	CHECK_STRING(error_text(), "overview of empty: cell 0 (toy.wfp8_afp8.default.small.effective_bits=7) lacks a name");
}

/* A cell's line in the overview is what its manifest says. */
static void test_overview_fill(void)
{
	struct sample s;
	struct overview_cell cell = {.name = "x", .status = OVERVIEW_MISSING, .reason = "y"};
	sample_init(&s);
	sample_weight_only(&s);
	CHECK(!overview_cell_fill(&cell, &s.cell), "%s", error_text());
	CHECK(cell.status == OVERVIEW_OK && !cell.reason && cell.sum == 108.0 / 64 && cell.search_bits == 4 &&
		cell.cost_bits == 5, "sum %g", cell.sum);
	CHECK(cell.top_count == 5, "%zu layers", cell.top_count);
	CHECK(cell.asked_bits == 8 && cell.target_bits == search_adjusted_bits(8064, 1408, 8) && cell.satisfied &&
		cell.stored_bits > cell.bits && !cell.over_budget, "%g of %g, %g stored", cell.bits, cell.target_bits,
		cell.stored_bits);
	CHECK(cell.score_sequences == 7 && cell.score_targets == 65 && cell.quantizers.weight.block == 16, "%zu targets",
		cell.score_targets);
	CHECK_STRING(cell.top[0].group, "model.language_model.layers.0.mlp.gate_proj");
	CHECK(cell.searched_total == 69.0 / 64, "searched total %g", cell.searched_total);
	s.calib.linear_count = 1;
	CHECK(overview_cell_fill(&cell, &s.cell) == -1 && cell.top_count == 5, "refused input changed the cell");
	overview_cell_release(&cell);
	sample_release(&s);
}

int main(void)
{
	TEST(test_cell);
	TEST(test_weight_only);
	TEST(test_table);
	TEST(test_unmet_budget);
	TEST(test_over_budget);
	TEST(test_no_targets);
	TEST(test_divergence);
	TEST(test_counts_of_one);
	TEST(test_refused);
	TEST(test_all_or_none);
	TEST(test_error_figures);
	TEST(test_words);
	TEST(test_overview);
	TEST(test_overview_budgets);
	TEST(test_overview_empty);
	TEST(test_overview_fill);
	return check_done();
}
