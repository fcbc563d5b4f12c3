/* The reports of a cell against files in tests/golden/report/, their numbers against ones worked out by hand, and what
 * they refuse.
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
#include "model/search.h"
#include "report/cell.h"
#include "report/error_figures.h"
#include "report/float_json.h"
#include "report/group_table.h"
#include "report/pareto.h"
#include "report/words.h"
#include "../support/golden_text.h"
#include "../support/report_sample.h"
#include "../support/scratch.h"

enum { TEXT_MAX = 1 << 20 };

/* Groups of the sample in the table: after the two of vision. */
enum { QKV = SAMPLE_VISION, O_PROJ, GATE_UP, DOWN, LM_HEAD, GROUPS };

/* --- golden files --- */

/* Renders the sample, compares pairs of file and tests/golden/report/file up to a NULL, and releases the sample. */
static void compare_cell(struct report_sample *s, const char *const (*files)[2])
{
	char *folder = scratch_path(files[0][1]);
	CHECK(!report_write(&s->cell, folder, NULL), "%s", error_text());
	for (; (*files)[0]; files++) {
		char *kept = mem_printf("tests/golden/report/%s", (*files)[1]);
		CHECK(!golden_text_compare(folder, (*files)[0], kept), "%s differs", kept);
		free(kept);
	}
	free(folder);
	report_sample_release(s);
}

static const char markdown[] = "per-layer-sensitivity.md";

static void test_cell(void)
{
	static const char *const files[][2] = {
		{"wfp8_afp8_autoquant_lm_quant_manifest.json", "cell_quant_manifest.json"},
		{"per-layer-sensitivity.json", "cell.json"}, {markdown, "cell.md"}, {NULL, NULL},
	};
	struct report_sample s;
	report_sample_init(&s);
	s.cell.text.asked = 16;
	s.cell.text.truncated = 1;
	compare_cell(&s, files);
}

/* A budget that leaves room for groups at 16 bits. */
static void test_weight_only(void)
{
	static const char *const files[][2] = {
		{"wint4_afp16_autoquant_lm_quant_manifest.json", "weight_only_quant_manifest.json"},
		{"per-layer-sensitivity.json", "weight_only.json"}, {markdown, "weight_only.md"},
		{"pareto-curve.json", "weight_only_pareto.json"}, {"pareto-curve.csv", "weight_only_pareto.csv"}, {NULL, NULL},
	};
	struct report_sample s;
	report_sample_init(&s);
	report_sample_weight_only(&s);
	compare_cell(&s, files);
}

static void test_several(void)
{
	static const char *const files[][2] = {
		{"wfp8_afp8+wint4_afp16_autoquant_lm_quant_manifest.json", "several_quant_manifest.json"},
		{"per-layer-sensitivity.json", "several.json"}, {markdown, "several.md"},
		{"pareto-curve.csv", "several_pareto.csv"}, {NULL, NULL},
	};
	struct report_sample s;
	report_sample_init(&s);
	report_sample_several(&s);
	compare_cell(&s, files);
}

static void exclude(struct report_sample *s, const char *pattern)
{
	report_sample_set(s, "exclude", cJSON_CreateStringArray(&pattern, 1));
	report_sample_choose(s);
}

/* A group is left out, stored bits count, and the mix is not run. */
static void test_excluded(void)
{
	static const char *const files[][2] = {
		{"wint4_afp16_autoquant_lm_quant_manifest.json", "excluded_quant_manifest.json"}, {markdown, "excluded.md"},
		{"pareto-curve.json", "excluded_pareto.json"}, {NULL, NULL},
	};
	struct report_sample s;
	report_sample_init(&s);
	report_sample_weight_only(&s);
	report_sample_set(&s, "cost", cJSON_CreateString("cost_bits"));
	exclude(&s, "lm_head");
	s.cell.check = NULL;
	compare_cell(&s, files);
}

static void test_few_captions(void)
{
	static const char *const files[][2] = {{markdown, "few_captions.md"}, {NULL, NULL}};
	struct report_sample s;
	report_sample_init(&s);
	report_sample_captions(&s, BOOTSTRAP_UNITS_MIN - 1);
	s.cell.text.asked = 16;
	compare_cell(&s, files);
}

/* One-token captions: nothing to predict, nothing observed. */
static void test_unscored(void)
{
	static const char *const files[][2] = {{markdown, "unscored.md"}, {NULL, NULL}};
	struct report_sample s;
	struct group_table t;
	report_sample_init(&s);
	report_sample_unscored(&s);
	CHECK(!group_table_make(&t, &s.cell), "%s", error_text());
	CHECK(!t.scored && !t.groups[QKV].observed && group_table_sum(&t) == 0 && t.formats[0].normalised == 0,
		"observed %d", t.groups[QKV].observed);
	CHECK(group_table_share(&t, QKV) == 0, "share %g", group_table_share(&t, QKV));
	group_table_release(&t);
	compare_cell(&s, files);
}

/* kl_div: scores are the divergences of groups, by batch; without targets there are still tokens to judge by. */
static void test_divergence(void)
{
	static const char *const files[][2] = {{markdown, "divergence.md"}, {NULL, NULL}};
	struct report_sample s;
	struct group_table t;
	report_sample_init(&s);
	report_sample_divergence(&s);
	s.vision[0].name = "model.visual.merger.linear_fc1";
	s.cell.vision_count = 1;
	cJSON_ReplaceItemInObject(cJSON_GetObjectItem(s.config, "dataset"), "captions_path",
		cJSON_CreateString("database/own.txt"));
	report_sample_choose(&s);
	CHECK(!group_table_make(&t, &s.cell), "%s", error_text());
	CHECK(t.divergence && t.scored && t.groups[1].observed, "%d %d", t.divergence, t.scored);
	CHECK(group_table_batch(&t, &s.cell, 0, 0, 0) == 0 && group_table_batch(&t, &s.cell, 1, 0, 1) == 10.0 / 64 &&
		group_table_batch(&t, &s.cell, 5, 0, 0) == 40.0 / 64, "%g", group_table_batch(&t, &s.cell, 5, 0, 0));
	/* Group g: (g + 1) (8 + 2 * 5). */
	CHECK(group_table_sum(&t) == 15 * 18 / 64.0, "sum %g", group_table_sum(&t));
	CHECK_CLOSE(t.check.predicted, group_table_sum(&t) / 82, 1e-15);
	group_table_release(&t);
	compare_cell(&s, files);
}

/* --- numbers by hand --- */

static void test_table(void)
{
	struct report_sample s;
	struct group_table t;
	report_sample_init(&s);
	report_sample_weight_only(&s);
	CHECK(!group_table_make(&t, &s.cell), "%s", error_text());
	CHECK(t.count == GROUPS && t.vision_count == 2, "%zu groups, %zu of them vision", t.count, t.vision_count);
	CHECK(t.numel == 16 * 24 + 16 * 64 + 32 * 16 + 2 * 16 * 16 + 16 * 32 + 2 * 64 * 16 + 16 * 64 + 128 * 16,
		"%g weights", t.numel);
	CHECK(group_table_sum(&t) == 4151 * SAMPLE_UNIT && t.formats[0].sum == 4151 * SAMPLE_UNIT, "sum %.17g",
		t.formats[0].sum);
	CHECK(t.groups[QKV].score == 218 * SAMPLE_UNIT && t.groups[QKV].member_count == 3, "q/k/v: %g",
		t.groups[QKV].score);
	/* o_proj on captions 8 to 12, of factor 3. */
	double batch = 0;
	for (size_t c = 8; c < SAMPLE_CAPTIONS; c++)
		batch += 3.0 * (double)(1 + (15 + 3 * c * c) % 7) * SAMPLE_UNIT;
	CHECK(group_table_batch(&t, &s.cell, O_PROJ, 0, 1) == batch, "%g", group_table_batch(&t, &s.cell, O_PROJ, 0, 1));
	CHECK_CLOSE(t.groups[O_PROJ].formats[0].normalised, (44 * 44 * (153 * SAMPLE_UNIT - batch) + 25 * 25 * batch) / 69,
		1e-15);
	CHECK(t.descending[0] == LM_HEAD && t.descending[1] == DOWN && t.descending[4] == O_PROJ && t.descending[5] == 0,
		"order %zu %zu ... %zu %zu", t.descending[0], t.descending[1], t.descending[4], t.descending[5]);
	CHECK(t.groups[0].rank == 1 && t.groups[1].rank == 2 && t.groups[O_PROJ].rank == 3 && t.groups[LM_HEAD].rank == 7,
		"ranks %zu %zu %zu %zu", t.groups[0].rank, t.groups[1].rank, t.groups[O_PROJ].rank, t.groups[LM_HEAD].rank);
	CHECK(t.formats[0].cost_bits == 5 && t.formats[0].search_bits == 4, "%g bits stored, %g counted",
		t.formats[0].cost_bits, t.formats[0].search_bits);
	CHECK(t.target_bits == search_adjusted_bits(8064, 1408, 8), "target %.17g", t.target_bits);
	group_table_release(&t);
	report_sample_release(&s);
}

/* INT4 at 8 bits has room for 2219 weights at 16: q/k/v and down (218 + 1440 on 2048) rather than lm_head (1584 on
 * 2048) or down and o (1593 on 1536). */
static void test_mix(void)
{
	struct report_sample s;
	struct group_table t;
	report_sample_init(&s);
	report_sample_weight_only(&s);
	CHECK(!group_table_make(&t, &s.cell), "%s", error_text());
	CHECK(t.groups[QKV].choice == SEARCH_NONE && t.groups[O_PROJ].choice == 0 && t.groups[GATE_UP].choice == 0 &&
		t.groups[DOWN].choice == SEARCH_NONE && t.groups[LM_HEAD].choice == 0, "q/k/v and down are not the ones kept");
	CHECK(t.quantized == 3 && t.formats[0].chosen == 3 && t.searched_count == 5, "%zu quantized", t.quantized);
	CHECK(t.search.score == 2493 * SAMPLE_UNIT, "score %g", t.search.score);
	CHECK(t.effective_bits == (4608 * 4 + 3456 * 16) / 8064.0, "%.17g bits", t.effective_bits);
	CHECK(t.stored_bits == (4608 * 5 + 3456 * 16) / 8064.0, "%.17g bits stored", t.stored_bits);
	CHECK(!t.over_budget && t.effective_bits <= t.target_bits, "%g of %g bits", t.effective_bits, t.target_bits);
	/* KL: (2 + c mod 3) / 64 a token; the prediction is half the normalised scores of what is quantized. */
	double kl = 0, predicted = 0;
	for (size_t c = 0; c < SAMPLE_CAPTIONS; c++)
		kl += s.kl[c];
	for (size_t g = O_PROJ; g < GROUPS; g++)
		predicted += g == DOWN ? 0 : t.groups[g].formats[0].normalised / 2;
	CHECK_CLOSE(t.check.divergence, kl / 82, 1e-15);
	CHECK_CLOSE(t.check.predicted, predicted, 1e-15);
	CHECK_CLOSE(t.check.ratio, kl / 82 / predicted, 1e-15);
	CHECK_CLOSE(t.check.loss_after, 2.5 + 1.0 / 64, 1e-15);
	/* The curve goes from all at 4 bits to all at 16, and has the mix. */
	const struct search_point *first = t.frontier.points, *last = first + t.frontier.count - 1;
	const struct search_point *mix = pareto_best(&t, 8);
	CHECK(t.frontier.complete && first->cost == 6656 * 4 && first->score == t.formats[0].sum, "%g", first->cost);
	CHECK(last->cost == 6656 * 16 && last->score == 0 && pareto_best(&t, 16) == last, "%g", last->cost);
	CHECK(mix && mix->score == t.search.score && pareto_all_bits(&t, mix) == t.effective_bits, "another mix");
	CHECK(!pareto_best(&t, 3.99) && pareto_best(&t, 4) == first, "less than possible");
	group_table_release(&t);
	report_sample_release(&s);
}

/* What an overview takes is that of the cell's own report, bit by bit. */
static void test_totals(void)
{
	struct report_sample s;
	struct group_table all, totals;
	report_sample_init(&s);
	report_sample_several(&s);
	CHECK(!group_table_make(&all, &s.cell) && !group_table_totals(&totals, &s.cell), "%s", error_text());
	CHECK(totals.search.score == all.search.score && totals.effective_bits == all.effective_bits &&
		totals.stored_bits == all.stored_bits && totals.quantized == all.quantized, "%g left", totals.search.score);
	CHECK(totals.check.ratio == all.check.ratio && totals.check.interval.high == all.check.interval.high, "ratio %g",
		totals.check.ratio);
	for (size_t f = 0; f < all.format_count; f++)
		CHECK(totals.formats[f].sum == all.formats[f].sum &&
			totals.formats[f].interval.low == all.formats[f].interval.low, "format %zu", f);
	for (size_t i = 0; i < all.count; i++)
		CHECK(totals.descending[i] == all.descending[i] && totals.groups[i].choice == all.groups[i].choice &&
			totals.groups[i].rank == all.groups[i].rank, "place %zu", i);
	CHECK(!totals.frontier.count && !totals.warning_count && all.frontier.count, "what takes time is there");
	group_table_release(&all);
	group_table_release(&totals);
	report_sample_release(&s);
}

/* Without lm_head 4608 weights are searched, and room is for 1536 at 16 bits: down and o. */
static void test_excluded_mix(void)
{
	struct report_sample s;
	struct group_table t;
	report_sample_init(&s);
	report_sample_weight_only(&s);
	exclude(&s, "lm_*");
	CHECK(!group_table_make(&t, &s.cell), "%s", error_text());
	CHECK(!t.groups[LM_HEAD].searched && t.groups[LM_HEAD].choice == SEARCH_NONE && t.searched_count == 4 &&
		t.excluded_numel == 2048, "%zu searched", t.searched_count);
	CHECK(t.target_bits == search_adjusted_bits(8064, 1408 + 2048, 8), "target %g", t.target_bits);
	CHECK(t.groups[QKV].choice == 0 && t.groups[GATE_UP].choice == 0 && t.quantized == 2 &&
		t.search.score == (218 + 756) * SAMPLE_UNIT, "score %g", t.search.score);
	CHECK(t.effective_bits == (3072 * 4 + 4992 * 16) / 8064.0, "%.17g bits", t.effective_bits);
	CHECK(t.frontier.points[0].cost == 4608 * 4, "%g", t.frontier.points[0].cost);
	CHECK(t.groups[LM_HEAD].certainty.rank == 1 && t.groups[LM_HEAD].score > 0, "lm_head is not ranked");
	group_table_release(&t);
	report_sample_release(&s);
}

/* --- what always holds --- */

static void check_format_numbers(const struct group_table *t, const struct report_group *g, size_t f)
{
	const struct report_score *score = &g->formats[f];
	CHECK(score->score <= g->score, "%s: format %zu is worse than the worst", g->name, f);
	CHECK(score->interval.low <= score->score * (1 + 1e-12) && score->interval.high >= score->score * (1 - 1e-12),
		"%s: %g is outside of %g .. %g", g->name, score->score, score->interval.low, score->interval.high);
	CHECK(score->positions.largest <= score->positions.top && score->positions.top <= 1, "%s: %g %g", g->name,
		score->positions.largest, score->positions.top);
	CHECK(score->cost <= (t->stored_rule ? score->cost_bits : t->formats[f].search_bits) * (1 + 1e-12), "%s: cost %g",
		g->name, score->cost);
}

/* Choices are the recipe's, totals are sums of what the groups say. */
static void check_invariants(const struct report_sample *s)
{
	struct group_table t;
	double shares = 0, score = 0, cost = 0, stored = 0;
	size_t ranks = 0, chosen = 0;
	CHECK(!group_table_make(&t, &s->cell), "%s", error_text());
	for (size_t g = 0; g < t.count; g++) {
		const struct report_group *group = &t.groups[g];
		const struct report_score *in = group->choice == SEARCH_NONE ? NULL : &group->formats[group->choice];
		shares += group_table_share(&t, g);
		score += in ? in->score : 0;
		cost += group->numel * (in ? in->cost : 16);
		stored += group->numel * (in ? in->cost_bits : 16);
		CHECK(group->searched || !in, "%s is quantized and not searched", group->name);
		for (size_t i = 0; i < group->member_count && !group->vision; i++) {
			const struct quantizer_pair *pair = &s->recipe_linears[group->members[i]].pair;
			CHECK(in ? quantizer_equal(pair->weight, s->shown[group->choice].scores->pair.weight)
				: pair->weight.element == ELEMENT_NONE, "%s: not what the recipe says", group->name);
		}
		for (size_t f = 0; f < t.format_count && !group->vision; f++)
			check_format_numbers(&t, group, f);
		ranks += group->certainty.rank;
	}
	for (size_t f = 0; f < t.format_count; f++)
		chosen += t.formats[f].chosen;
	CHECK(t.scored ? fabs(shares - 1) < 1e-12 : shares == 0, "shares add up to %.17g", shares);
	CHECK(ranks == SAMPLE_GROUPS * (SAMPLE_GROUPS + 1) / 2, "ranks are not 1 to %d", SAMPLE_GROUPS);
	CHECK(chosen == t.quantized && score == t.search.score, "%zu of %zu chosen", chosen, t.quantized);
	CHECK(fabs(cost / t.numel - t.effective_bits) < 1e-12 && fabs(stored / t.numel - t.stored_bits) < 1e-12,
		"%g %g bits", t.effective_bits, t.stored_bits);
	CHECK(t.effective_bits <= t.target_bits, "%g of %g bits", t.effective_bits, t.target_bits);
	for (size_t i = 1; i < t.frontier.count; i++)
		CHECK(t.frontier.points[i].cost > t.frontier.points[i - 1].cost &&
			t.frontier.points[i].score < t.frontier.points[i - 1].score, "point %zu of the curve is no better", i);
	group_table_release(&t);
}

static void test_invariants(void)
{
	void (*const shapes[])(struct report_sample *) = {NULL, report_sample_weight_only, report_sample_several,
		report_sample_unscored, report_sample_divergence};
	for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
		for (int stored = 0; stored < 2; stored++) {
			struct report_sample s;
			report_sample_init(&s);
			if (shapes[i])
				shapes[i](&s);
			report_sample_set(&s, "cost", cJSON_CreateString(stored ? "cost_bits" : "search_bits"));
			/* scales of a row of 16 are two bits a weight more */
			report_sample_set(&s, "effective_bits", cJSON_CreateNumber(11));
			report_sample_choose(&s);
			check_invariants(&s);
			exclude(&s, "*.q_proj");
			check_invariants(&s);
			report_sample_release(&s);
		}
	}
}

/* --- warnings --- */

/* 8-bit weights under 4-bit activations count as 4 bits: the search keeps groups, and what is stored is too much. */
static void test_over_budget(void)
{
	struct report_sample s;
	struct group_table t;
	report_sample_init(&s);
	s.formats[0].scores.pair = s.formats[0].calib.pair =
		(struct quantizer_pair){{ELEMENT_INT8, SCALE_TENSOR, 0}, {ELEMENT_INT4, SCALE_TENSOR, 0}};
	report_sample_choose(&s);
	CHECK(!group_table_make(&t, &s.cell), "%s", error_text());
	CHECK(t.over_budget && t.formats[0].search_bits == 4 && t.formats[0].cost_bits == 8, "%d", t.over_budget);
	CHECK(t.effective_bits <= t.target_bits && t.stored_bits > t.target_bits + 0.1, "%g counted, %g stored",
		t.effective_bits, t.stored_bits);
	CHECK(t.warning_count && strstr(t.warnings[0], "autoquant.cost=cost_bits counts what is stored"), "%s",
		t.warning_count ? t.warnings[0] : "none");
	group_table_release(&t);
	report_sample_set(&s, "cost", cJSON_CreateString("cost_bits"));
	report_sample_choose(&s);
	CHECK(!group_table_make(&t, &s.cell), "%s", error_text());
	CHECK(!t.over_budget && t.stored_bits == t.effective_bits && t.stored_bits <= t.target_bits, "%g", t.stored_bits);
	group_table_release(&t);
	report_sample_release(&s);
}

static void test_warnings(void)
{
	struct report_sample s;
	struct group_table t;
	report_sample_init(&s);
	report_sample_captions(&s, 1);
	s.cell.text.asked = 8;
	s.cell.text.truncated = 1;
	for (size_t c = 0; c < SAMPLE_CAPTIONS; c++)
		s.kl[c] *= 4096;
	CHECK(!group_table_make(&t, &s.cell), "%s", error_text());
	CHECK(t.warning_count == 4, "%zu warnings", t.warning_count);
	if (t.warning_count == 4) {
		CHECK_STRING(t.warnings[0], "The captions file has 1 caption, fewer than the 8 asked for: it is used whole.");
		CHECK_STRING(t.warnings[1], "1 of 1 caption was cut at dataset.calib_seq_len tokens.");
		CHECK_STRING(t.warnings[2], "1 scored caption is too few to say how sure a score is.");
		CHECK(strstr(t.warnings[3], "times as far as the scores of its layers add up to"), "%s", t.warnings[3]);
	}
	group_table_release(&t);
	report_sample_release(&s);
}

/* Run on the first captions alone, the mix is held against what their own scores predict. */
static void test_check_of_few(void)
{
	enum { FEW = 9 };
	struct report_sample s;
	struct group_table t;
	for (int divergence = 0; divergence < 2; divergence++) {
		double predicted = 0, kl = 0, count = 0, tokens = 0;
		report_sample_init(&s);
		if (divergence)
			report_sample_divergence(&s);
		s.check.sequence_count = FEW;
		CHECK(!group_table_make(&t, &s.cell), "%s", error_text());
		for (size_t c = 0; c < FEW; c++) {
			double sum = 0, targets = (double)s.targets[c < s.sequences[0] ? 0 : 1];
			for (size_t g = SAMPLE_VISION; g < GROUPS; g++)
				if (t.groups[g].choice == 0)
					sum += s.formats[0].scores.sequence_score[(g - SAMPLE_VISION) * SAMPLE_CAPTIONS + c];
			predicted += divergence ? sum : targets * targets * sum / 2;
			count += (double)s.sequence_tokens[c] - (divergence ? 0 : 1);
			tokens += (double)s.sequence_tokens[c];
			kl += s.kl[c];
		}
		CHECK(s.sequences[0] < FEW, "the captions are of one batch");
		CHECK_CLOSE(t.check.divergence, kl / tokens, 1e-14);
		CHECK_CLOSE(t.check.predicted, predicted / count, 1e-14);
		CHECK(t.check.interval.low <= t.check.divergence && t.check.divergence <= t.check.interval.high, "interval");
		group_table_release(&t);
		report_sample_release(&s);
	}
}

/* --- what is refused --- */

static void refused(struct report_sample *s, const char *message)
{
	struct group_table t;
	CHECK(group_table_make(&t, &s->cell) == -1, "accepted, expected: %s", message);
	CHECK_STRING(error_text(), message);
	report_sample_release(s);
	report_sample_init(s);
}

#define CELL "toy.wfp8_afp8.w_per_out_channel.small: "

static void test_refused(void)
{
	struct report_sample s;
	report_sample_init(&s);
	s.formats[0].calib.linear_count--;
	refused(&s, CELL "wfp8_afp8: scores of 8 linears, calib of 7, the first format has 8");
	s.formats[0].calib_linears[7].out = 129;
	refused(&s, CELL "wfp8_afp8: linear 7 is lm_head [128, 16] in scores and lm_head [129, 16] in calib");
	s.formats[0].calib.pair.weight.scale = SCALE_TENSOR;
	refused(&s, CELL "wfp8_afp8: scores and calib were made for different quantizers");
	s.cell.text.tokens = 71;
	refused(&s, CELL "wfp8_afp8: calib saw 82 tokens in 13 sequences, the calibration text has 71 in 13");
	s.formats[0].sums[0].score = NAN;
	refused(&s, CELL "the score of model.language_model.layers.0.self_attn.q_proj in wfp8_afp8 is nan, expected a "
		"finite number >= 0");
	s.cell.scheme = "../x";
	refused(&s, "config of toy.wfp8_afp8.w_per_out_channel.small: quant_pair.scheme_name \"../x\" names a file and "
		"must not be empty or hold '/'");
	report_sample_several(&s);
	s.formats[1].scores.method = "kl_div";
	refused(&s, "toy.wfp8_afp8+wint4_afp16.default.small: wint4_afp16: scored by another method or on other captions "
		"than wfp8_afp8");
	s.recipe.linear_count = 7;
	refused(&s, CELL "the recipe has 7 linears, the scores 8");
	s.recipe_linears[3].pair.weight.element = ELEMENT_INT8;
	refused(&s, CELL "model.language_model.layers.0.self_attn.o_proj: the recipe gives it a format that is none of the "
		"cell's");
	report_sample_set(&s, "effective_bits", cJSON_CreateNumber(7));
	report_sample_choose(&s);
	refused(&s, CELL "the recipe takes 9.3968 bits a weight over all weights, the budget is 8.5724");
	s.check.sequence_count = 14;
	refused(&s, CELL "the recipe was checked on 14 captions, only 13 were scored");
	size_t tokens[SAMPLE_CAPTIONS];
	memcpy(tokens, s.sequence_tokens, sizeof tokens);
	tokens[2] = 99;
	s.check.tokens = tokens;
	char *message = mem_printf(CELL "caption 3 has 99 tokens in the check and %zu in the scores", s.sequence_tokens[2]);
	refused(&s, message);
	free(message);
	report_sample_release(&s);
}

/* --- files --- */

static void test_unchanged(void)
{
	struct report_sample s;
	size_t changed;
	char *folder = scratch_path("cell/deep"), *yaml = path_join(folder, "composed-config.yaml"), *text;
	report_sample_init(&s);
	CHECK(!report_write(&s.cell, folder, &changed) && changed == REPORT_FILES, "%zu changed: %s", changed,
		error_text());
	CHECK(!file_read(yaml, TEXT_MAX, &text, NULL), "%s", error_text());
	CHECK_STRING(text, s.cell.yaml);
	CHECK(!report_write(&s.cell, folder, &changed) && changed == 0, "%zu changed the second time", changed);
	free(text);
	free(yaml);
	free(folder);
	report_sample_release(&s);
}

/* When one of the files cannot be written, the others keep what they had. */
static void test_all_or_none(void)
{
	struct report_sample s;
	size_t count;
	char **names, *folder = scratch_path("blocked"), *text;
	char *manifest = scratch_write("blocked/wfp8_afp8_autoquant_lm_quant_manifest.json", "old", 3);
	char *blocked = scratch_path("blocked/composed-config.yaml");
	report_sample_init(&s);
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
	report_sample_release(&s);
}

/* --- small parts --- */

static void test_error_figures(void)
{
	struct error_figures f = error_figures_output(&(struct output_sums){.error2 = 1, .output2 = 100, .cross = 100,
		.error_max = 0.5}, 8);
	CHECK(!f.empty && f.mse == 0.125 && f.relative == 0.01 && f.sqnr_db == 20 && f.error_max == 0.5, "%g %g",
		f.relative, f.sqnr_db);
	CHECK_CLOSE(f.cosine, 100 / sqrt(100 * 101.0), 1e-15);
	f = error_figures_tensor(&(struct quant_sums){.value2 = 4, .quant2 = 4, .cross = 4, .count = 1});
	CHECK(isinf(f.sqnr_db) && f.relative == 0 && f.cosine == 1, "%g %g %g", f.sqnr_db, f.relative, f.cosine);
	cJSON *json = error_figures_json(&f);
	struct strbuf text;
	strbuf_init(&text);
	json_canonical(&text, json);
	CHECK_STRING(text.s, "{\"cosine\":1.0,\"max_abs_error\":0.0,\"mse\":0.0,\"relative_error\":0.0,\"sqnr_db\":null}");
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

int main(void)
{
	TEST(test_cell);
	TEST(test_weight_only);
	TEST(test_several);
	TEST(test_excluded);
	TEST(test_few_captions);
	TEST(test_unscored);
	TEST(test_divergence);
	TEST(test_table);
	TEST(test_mix);
	TEST(test_totals);
	TEST(test_excluded_mix);
	TEST(test_invariants);
	TEST(test_over_budget);
	TEST(test_warnings);
	TEST(test_check_of_few);
	TEST(test_refused);
	TEST(test_unchanged);
	TEST(test_all_or_none);
	TEST(test_error_figures);
	TEST(test_words);
	return check_done();
}
