/* The overview of a grid: what it finds out by comparing cells, and its files against those in tests/golden/report/
 * (QUANTGRID_REWRITE=1 writes them anew). */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../check.h"
#include "common/error.h"
#include "common/memory.h"
#include "report/overview.h"
#include "report/overview_findings.h"
#include "report/overview_page.h"
#include "../support/golden_text.h"
#include "../support/report_sample.h"
#include "../support/scratch.h"

enum { GROUPS = 6, CAPTIONS = 9, CELLS_MAX = 24 };

static const char *const group_names[GROUPS] = {
	"model.language_model.layers.0.self_attn.q_proj", "model.language_model.layers.0.self_attn.o_proj",
	"model.language_model.layers.0.mlp.gate_proj", "model.language_model.layers.0.mlp.down_proj",
	"model.language_model.layers.1.mlp.down_proj", "lm_head",
};
static const double group_numel[GROUPS] = {96, 32, 128, 64, 64, 256};
static const double group_weight[GROUPS] = {1, 2, 3, 8, 20, 30};

/* --- cells by hand --- */

struct format {
	const char *name, *weight, *activation;
	double bits, score;      /* stored bits a weight; score of the whole */
};

static const struct format formats[] = {
	{"wint8_afp16", "int8", "fp16", 8.25, 0.25},
	{"wint8_aint8", "int8", "int8", 8.25, 2},
	{"wint4_afp16", "int4", "fp16", 4.25, 8},
	{"wint4_aint8", "int4", "int8", 4.25, 9},
};

static struct quantizer_pair pair_of(const struct format *f)
{
	struct quantizer_pair pair = {{ELEMENT_INT8, SCALE_ROW, 0}, {ELEMENT_NONE, SCALE_TENSOR, 0}};
	if (!strcmp(f->weight, "int4"))
		pair.weight = (struct quantizer){ELEMENT_INT4, SCALE_BLOCK, 128};
	if (!strcmp(f->activation, "int8"))
		pair.activation = (struct quantizer){ELEMENT_INT8, SCALE_TENSOR, 0};
	return pair;
}

static void set_top(struct overview_cell *cell)
{
	static const size_t order[GROUPS] = {5, 4, 3, 2, 1, 0};
	for (size_t i = 0; i < OVERVIEW_TOP; i++)
		cell->top[i] = (struct overview_top){mem_strdup(group_names[order[i]]), cell->groups[order[i]].score};
	cell->top_count = OVERVIEW_TOP;
}

/* The two worst layers stay at 16 bits. */
static void set_groups(struct overview_cell *cell, const struct format *f, double scale)
{
	cell->group_count = GROUPS;
	cell->unit_count = CAPTIONS;
	cell->groups = mem_zeroed(GROUPS, sizeof *cell->groups);
	cell->captions = mem_array((size_t)GROUPS * CAPTIONS, sizeof *cell->captions);
	for (size_t g = 0; g < GROUPS; g++) {
		double score = scale * f->score * group_weight[g] / 64;
		size_t choice = g < GROUPS - 2 ? 0 : SEARCH_NONE;
		cell->groups[g] = (struct overview_group){mem_strdup(group_names[g]),
			mem_strdup(choice ? "NONE(16.0)" : f->name), choice, 1, group_numel[g], score, score / 32,
			f->bits * group_numel[g]};
		for (size_t c = 0; c < CAPTIONS; c++)
			cell->captions[g * CAPTIONS + c] = score * (double)(1 + (c + g) % CAPTIONS) / 45;
		cell->sum += score;
		cell->searched_total += choice ? 0 : score;
	}
	set_top(cell);
}

static void set_result(struct overview_cell *cell, const struct format *f, double scale)
{
	cell->status = OVERVIEW_OK;
	cell->method = "gradient";
	cell->score_sequences = CAPTIONS;
	cell->score_tokens = 100;
	cell->score_targets = 91;
	cell->loss = 1.5;
	cell->asked_bits = 8;
	cell->target_bits = 8.7453;
	cell->bits = 8.7443;
	cell->stored_bits = 8.75;
	cell->allow_none = 1;
	cell->pairs = mem_array(1, sizeof *cell->pairs);
	cell->pairs[0] = pair_of(f);
	cell->search_bits = quantizer_search_bits(cell->pairs[0]);
	cell->cost_bits = f->bits;
	set_groups(cell, f, scale);
	cell->normalised = 12 * cell->sum;
	cell->interval = (struct interval){cell->sum / 2, 2 * cell->sum};
}

static void sample(struct overview_cell *cell, const char *name, const struct format *f, const char *size, double scale)
{
	*cell = (struct overview_cell){.name = name, .model = "toy", .pair = f->name, .weight = f->weight,
		.activation = f->activation, .granularity = "default", .size = size, .formats = &f->name, .format_count = 1};
	set_result(cell, f, scale);
}

static void set_check(struct overview_cell *cell, double ratio)
{
	cell->check = (struct report_check){.present = 1, .loss_before = 1.5, .loss_after = 1.5 + ratio / 100,
		.divergence = ratio / 64, .interval = {ratio / 128, ratio / 32}, .predicted = 1.0 / 64, .ratio = ratio};
}

static void swap_scores(struct overview_cell *cell, size_t a, size_t b)
{
	double score = cell->groups[a].score;
	cell->groups[a].score = cell->groups[b].score;
	cell->groups[b].score = score;
}

static void release(struct overview_cell *cells, size_t count)
{
	for (size_t i = 0; i < count; i++)
		overview_cell_release(&cells[i]);
}

static void compare(const struct overview *o, const char *json, const char *md)
{
	char *name = mem_printf("%s.md", o->grid), *other = mem_printf("%s.json", o->grid);
	CHECK(!overview_write(o, scratch_dir(), NULL), "%s", error_text());
	CHECK(!golden_text_compare(scratch_dir(), name, md), "%s", md);
	CHECK(!json || !golden_text_compare(scratch_dir(), other, json), "%s", json ? json : "");
	free(name);
	free(other);
}

/* --- pages --- */

/* Two sizes; a failed cell, a missing one, a twin, a link, a warning, a cell of two formats. */
static void test_pages(void)
{
	static const char *const both[] = {"wint4_afp16", "wint8_afp16"};
	static const char *const names[] = {
		"toy.wint8_afp16.default.small", "toy.wint8_afp16.default.large", "toy.wint8_aint8.default.small",
		"toy.wint8_aint8.default.large", "toy.wint4_afp16.default.small", "toy.wint4_afp16.default.large",
		"toy.wint4_aint8.default.small", "toy.wint4_aint8.default.large", "toy.wint8_aint8_lm_only.default.small",
		"toy.wint4_afp16+wint8_afp16.default.small",
	};
	enum { CELLS = 10 };
	struct overview_cell cells[CELLS];
	struct overview_invalid invalid = {"toy.wfp4_afp16.w_per_tensor.small", "FP4 needs blocks, the overlay sets axis"};
	struct overview overview = {"pairs_x_sizes", cells, CELLS, &invalid, 1, NULL, NULL};
	size_t changed;
	char *folder = scratch_path("out"), *below = mem_printf("%s/weight-int8-act-fp16/default/run/m.json", folder);
	for (size_t i = 0; i < CELLS; i++)
		sample(&cells[i], names[i], &formats[i / 2 % 4], i % 2 ? "large" : "small", i % 2 ? 2 : 1);
	for (size_t i = 1; i < CELLS; i += 2)
		cells[i].score_sequences *= 2;
	release(&cells[5], 1);
	cells[5].status = OVERVIEW_FAILED;
	cells[5].reason = "score-layers: weights of lm_head: NaN|inf\nat row 3";
	release(&cells[7], 1);
	cells[7].status = OVERVIEW_MISSING;
	cells[7].reason = "not computed yet: run ninja";
	cells[0].manifest = below;
	cells[6].manifest = "elsewhere/m.json";
	cells[8].pair = "wint8_aint8_lm_only";
	release(&cells[8], 1);
	sample(&cells[8], names[8], &formats[1], "small", 1);
	cells[8].same_as = cells[2].name;
	cells[4].over_budget = 1;
	cells[4].stored_bits = 11.5;
	release(&cells[9], 1);
	sample(&cells[9], names[9], &formats[2], "small", 1);
	cells[9].pair = "wint4_afp16+wint8_afp16";
	cells[9].formats = both;
	cells[9].format_count = 2;
	cells[9].weight = cells[9].activation = NULL;
	cells[9].pairs = mem_resize(cells[9].pairs, 2, sizeof *cells[9].pairs);
	cells[9].pairs[1] = pair_of(&formats[0]);
	swap_scores(&cells[3], 0, 5);
	for (size_t i = 0; i < 5; i++)
		set_check(&cells[i], 1.5 + (double)i / 4);
	set_check(&cells[9], 1.25);
	CHECK(!overview_write(&overview, folder, &changed) && changed == 2, "%zu changed: %s", changed, error_text());
	CHECK(!golden_text_compare(folder, "pairs_x_sizes.json", "tests/golden/report/overview.json"), "overview.json");
	CHECK(!golden_text_compare(folder, "pairs_x_sizes.md", "tests/golden/report/overview.md"), "overview.md");
	CHECK(!overview_write(&overview, folder, &changed) && changed == 0, "%zu changed the second time", changed);
	release(cells, CELLS);
	free(below);
	free(folder);
}

/* Both methods at two batch sizes, in one of them with another order of layers; a swept budget changes no sum. */
static void test_settings(void)
{
	static const char *const rests[] = {
		"autoquant=gradient_default.batch_size=4.effective_bits=4.5",
		"autoquant=kl_div_default.batch_size=4.effective_bits=4.5",
		"autoquant=gradient_default.batch_size=4.effective_bits=6",
		"autoquant=kl_div_default.batch_size=4.effective_bits=6",
		"autoquant=gradient_default.batch_size=8.effective_bits=6",
		"autoquant=kl_div_default.batch_size=8.effective_bits=6",
	};
	enum { RESTS = 6, CELLS = 2 * RESTS };
	struct overview_cell cells[CELLS];
	struct overview overview = {"budgets", cells, CELLS, NULL, 0, NULL, NULL};
	struct overview_table t;
	struct overview_findings f;
	char *names[CELLS];
	for (size_t i = 0; i < CELLS; i++) {
		names[i] = mem_printf("toy.%s.default.small.%s", formats[2 * (i % 2)].name, rests[i / 2]);
		sample(&cells[i], names[i], &formats[2 * (i % 2)], "small", i < 8 ? 1 : 3);
		cells[i].method = i / 2 % 2 ? "kl_div" : "gradient";
		cells[i].asked_bits = i < 4 ? 4.5 : 6;
		cells[i].bits = i < 4 ? 4.375 : 5.75;
		cells[i].same_as = i >= 4 && i < 8 ? names[i - 4] : NULL;
	}
	swap_scores(&cells[11], 0, 5);
	cells[11].groups[3].searched = 0;
	overview_table_make(&t, &overview);
	CHECK(t.setting_count == 6 && t.column_count == 6, "%zu settings, %zu columns", t.setting_count, t.column_count);
	CHECK(t.settings[2].repeats == 0 && t.settings[3].repeats == 1 && t.settings[4].repeats == 4, "%zu %zu %zu",
		t.settings[2].repeats, t.settings[3].repeats, t.settings[4].repeats);
	CHECK(t.settings[5].repeats == 5, "another search is another table");
	CHECK_STRING(t.settings[2].label, "`autoquant=gradient_default batch_size=4 effective_bits=6`");
	CHECK(!overview_findings_make(&f, &overview, &t), "%s", error_text());
	CHECK(f.methods.count == 2 && f.methods.list[0].count == 2 && f.methods.list[0].agree == 2, "%zu comparisons",
		f.methods.count);
	CHECK(f.methods.count == 2 && f.methods.list[1].against == 5 && f.methods.list[1].agree == 1, "batch size 8");
	CHECK(f.sizes.count == 0 && f.checks.count == 0, "nothing else to compare");
	overview_findings_release(&f);
	overview_table_release(&t);
	compare(&overview, NULL, "tests/golden/report/overview_budgets.md");
	release(cells, CELLS);
	for (size_t i = 0; i < CELLS; i++)
		free(names[i]);
}

/* Several granularities and another swept key; nothing has a result. */
static void test_empty(void)
{
	static const char *const pair = "wfp8_afp8";
	struct overview_cell cells[2] = {
		{.name = "toy.wfp8_afp8.default.small.effective_bits=7", .model = "toy", .pair = pair, .weight = "fp8",
			.activation = "fp8", .granularity = "default", .size = "small", .formats = &pair, .format_count = 1,
			.status = OVERVIEW_MISSING},
		{.name = "toy.wfp8_afp8.w_group64.small.effective_bits=6", .model = "toy", .pair = pair, .weight = "fp8",
			.activation = "fp8", .granularity = "w_group64", .size = "small", .formats = &pair, .format_count = 1,
			.status = OVERVIEW_MISSING},
	};
	struct overview overview = {"empty", cells, 2, NULL, 0, NULL, NULL};
	compare(&overview, NULL, "tests/golden/report/overview_empty.md");
	overview.count = 0;
	CHECK(!overview_write(&overview, scratch_dir(), NULL), "%s", error_text());
	cells[0].pair = NULL;
	overview.count = 1;
	CHECK(overview_write(&overview, scratch_dir(), NULL) == -1, "a cell without pair");
	CHECK_STRING(error_text(), "overview of empty: cell 0 (toy.wfp8_afp8.default.small.effective_bits=7) lacks a name");
	cells[0].pair = pair;
	cells[0].weight = NULL;
	CHECK(overview_write(&overview, scratch_dir(), NULL) == -1, "a cell of one format without its weights");
}

/* --- budgets --- */

static uint64_t random_state;

static double random_unit(void)
{
	uint64_t z = random_state += UINT64_C(0x9E3779B97F4A7C15);
	z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
	return (double)((z ^ (z >> 31)) >> 11) * 0x1p-53;
}

static void randomize(struct overview_cell *cell)
{
	for (size_t g = 0; g < GROUPS; g++) {
		cell->groups[g].score = floor(1000 * random_unit() * random_unit());
		cell->groups[g].predicted = cell->groups[g].score / 4;
		for (size_t c = 0; c < CAPTIONS; c++)
			cell->captions[g * CAPTIONS + c] = cell->groups[g].score / CAPTIONS;
	}
}

/* The least score of all mixes of the cells, count^GROUPS of them and 16 bits; NaN when none fits. */
static double brute_force(const struct overview_cell *cells, const size_t *which, size_t count, double bits)
{
	size_t choices = count + (size_t)cells[which[0]].allow_none, mixes = 1;
	double best = NAN, budget = 0;
	for (size_t g = 0; g < GROUPS; g++) {
		mixes *= choices;
		budget += cells[0].groups[g].searched ? bits * group_numel[g] : 0;
	}
	for (size_t m = 0; m < mixes; m++) {
		double score = 0, cost = 0;
		for (size_t g = 0, rest = m; g < GROUPS; g++, rest /= choices) {
			size_t choice = rest % choices;
			const struct overview_group *group = choice < count ? &cells[which[choice]].groups[g] : NULL;
			if (!cells[0].groups[g].searched)
				continue;
			score += group ? group->score : 0;
			cost += group ? group->stored_cost : 16 * group_numel[g];
		}
		if (cost <= budget && !(score >= best))
			best = score;
	}
	return best;
}

static size_t find_row(const struct overview_budgets *b, double bits)
{
	for (size_t i = 0; i < b->count; i++)
		if (b->rows[i].bits == bits)
			return i;
	return OVERVIEW_NONE;
}

static void check_budgets(const struct overview_budgets *b, const struct overview_cell *cells, size_t count)
{
	static const size_t all[] = {0, 1, 2, 3};
	for (size_t i = 0; i < OVERVIEW_BUDGETS; i++) {
		size_t row = find_row(b, overview_budget_bits[i]);
		double best = NAN, second = NAN;
		for (size_t c = 0; c < count; c++) {
			double score = brute_force(cells, &all[c], 1, overview_budget_bits[i]);
			if (!(score >= best)) {
				second = isnan(score) ? second : best;
				best = isnan(score) ? best : score;
			} else if (!(score >= second)) {
				second = score;
			}
		}
		if (isnan(best)) {
			CHECK(row == OVERVIEW_NONE, "%g bits cannot be met", overview_budget_bits[i]);
			continue;
		}
		CHECK(row != OVERVIEW_NONE, "no row of %g bits", overview_budget_bits[i]);
		if (row == OVERVIEW_NONE)
			continue;
		CHECK(b->rows[row].best.score == best, "%g bits: %g, by brute force %g", b->rows[row].bits,
			b->rows[row].best.score, best);
		CHECK(b->rows[row].best.predicted == best / 4, "%g predicted of %g", b->rows[row].best.predicted, best);
		CHECK(isnan(second) ? b->rows[row].runner_up.cell == OVERVIEW_NONE : b->rows[row].runner_up.score == second,
			"%g bits: runner-up %g, by brute force %g", b->rows[row].bits, b->rows[row].runner_up.score, second);
		CHECK(b->rows[row].together == brute_force(cells, all, count, b->rows[row].bits), "%g bits: together %g",
			b->rows[row].bits, b->rows[row].together);
		CHECK(b->rows[row].best.bits <= b->rows[row].bits && b->rows[row].proven, "%g bits take %g", b->rows[row].bits,
			b->rows[row].best.bits);
	}
}

static void test_budgets_brute_force(void)
{
	static const char *const names[] = {"toy.a.default.small", "toy.b.default.small", "toy.c.default.small",
		"toy.d.default.small"};
	for (uint64_t seed = 1; seed <= 40; seed++) {
		struct overview_cell cells[4];
		struct overview overview = {"random", cells, 4, NULL, 0, NULL, NULL};
		struct overview_table t;
		struct overview_budgets b;
		random_state = seed;
		for (size_t i = 0; i < 4; i++) {
			sample(&cells[i], names[i], &formats[i], "small", 1);
			randomize(&cells[i]);
			cells[i].allow_none = seed % 4 != 0;
			cells[i].groups[seed % GROUPS].searched = seed % 3 == 0;
		}
		overview_table_make(&t, &overview);
		CHECK(!overview_budgets_make(&b, &overview, &t), "seed %zu: %s", (size_t)seed, error_text());
		check_budgets(&b, cells, 4);
		if (check_bad)
			fprintf(stderr, "seed %zu\n", (size_t)seed);
		overview_budgets_release(&b);
		overview_table_release(&t);
		release(cells, 4);
	}
}

/* Captions that all say the same are sure; one that says the opposite of all others is not. */
static void test_certainty(void)
{
	struct overview_cell cells[3];
	struct overview overview = {"sure", cells, 3, NULL, 0, NULL, NULL};
	struct overview_table t;
	struct overview_budgets b;
	sample(&cells[0], "toy.a.default.small", &formats[2], "small", 1);
	sample(&cells[1], "toy.b.default.small", &formats[3], "small", 1);
	sample(&cells[2], "toy.c.default.small", &formats[3], "small", 1);
	cells[2].same_as = cells[1].name; /* counts once */
	overview_table_make(&t, &overview);
	CHECK(!overview_budgets_make(&b, &overview, &t) && b.count == OVERVIEW_BUDGETS, "%zu rows", b.count);
	CHECK(b.rows[0].best.cell == 0 && b.rows[0].runner_up.cell == 1 && b.rows[0].ahead == 1, "ahead %g",
		b.rows[0].ahead);
	CHECK(b.rows[0].activations.cell == 1, "only b quantizes activations");
	CHECK(b.rows[0].uses[0] && !b.rows[0].uses[1] && b.rows[0].together == b.rows[0].best.score, "b adds nothing");
	overview_budgets_release(&b);
	for (size_t g = 0; g < GROUPS; g++) {
		for (size_t c = 0; c < CAPTIONS; c++) {
			cells[0].captions[g * CAPTIONS + c] = c ? 1 : 10;
			cells[1].captions[g * CAPTIONS + c] = 2;
		}
	}
	CHECK(!overview_budgets_make(&b, &overview, &t), "%s", error_text());
	CHECK(b.rows[0].ahead > 0.3 && b.rows[0].ahead < 0.7, "a toss-up, %g", b.rows[0].ahead);
	overview_budgets_release(&b);
	for (size_t i = 0; i < 3; i++)
		cells[i].unit_count = BOOTSTRAP_UNITS_MIN - 1;
	CHECK(!overview_budgets_make(&b, &overview, &t) && b.rows[0].ahead == -1, "too few captions");
	overview_budgets_release(&b);
	overview_table_release(&t);
	release(cells, 3);
}

/* Captions that the cells do not keep, of cell 0 and 1. */
static int bring_kept(void *context, size_t index, double *captions)
{
	double *const *kept = context;
	if (!kept[index])
		return fail("cell %zu is gone", index);
	memcpy(captions, kept[index], sizeof *captions * GROUPS * CAPTIONS);
	return 0;
}

/* Kept or brought, captions lead to the same share; where they cannot be brought there is no overview. */
static void test_captions_brought(void)
{
	struct overview_cell cells[2];
	struct overview_table t;
	struct overview_budgets b;
	double *kept[2];
	struct overview overview = {"brought", cells, 2, NULL, 0, bring_kept, kept};
	sample(&cells[0], "toy.a.default.small", &formats[2], "small", 1);
	sample(&cells[1], "toy.b.default.small", &formats[3], "small", 1);
	for (size_t i = 0; i < (size_t)GROUPS * CAPTIONS; i++) {
		cells[0].captions[i] = i % CAPTIONS ? 1 : 10;
		cells[1].captions[i] = 2;
	}
	overview_table_make(&t, &overview);
	CHECK(!overview_budgets_make(&b, &overview, &t), "%s", error_text());
	double ahead = b.rows[0].ahead;
	overview_budgets_release(&b);
	for (size_t i = 0; i < 2; i++) {
		kept[i] = cells[i].captions;
		cells[i].captions = NULL;
	}
	CHECK(!overview_budgets_make(&b, &overview, &t), "%s", error_text());
	CHECK(b.rows[0].ahead == ahead && ahead > 0.3 && ahead < 0.7, "%g, kept %g", b.rows[0].ahead, ahead);
	overview_budgets_release(&b);
	free(kept[1]);
	kept[1] = NULL;
	CHECK(overview_budgets_make(&b, &overview, &t) == -1 && strstr(error_text(), "cell 1 is gone"), "%s", error_text());
	free(kept[0]);
	overview_table_release(&t);
	release(cells, 2);
}

/* What all formats together leave is worth a sentence only where it is less than the best one leaves. */
static void test_together(void)
{
	static const struct {
		double scale, first;     /* of b's scores against those of a; of its first group */
		const char *says;
	} cases[] = {
		{2, 0.5, "compete for each layer would leave 1."},
		{2, 0.999, NULL},
		{2, 1, NULL},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct overview_cell cells[2];
		struct overview overview = {"together", cells, 2, NULL, 0, NULL, NULL};
		struct overview_table t;
		struct overview_findings f;
		struct strbuf text;
		sample(&cells[0], "toy.a.default.small", &formats[2], "small", 1);
		sample(&cells[1], "toy.b.default.small", &formats[2], "small", cases[i].scale);
		for (size_t g = 0; g < GROUPS; g++)
			cells[0].groups[g].score = cells[1].groups[g].score / cases[i].scale;
		cells[1].groups[0].score = cells[0].groups[0].score * cases[i].first;
		overview_table_make(&t, &overview);
		CHECK(!overview_findings_make(&f, &overview, &t), "%s", error_text());
		strbuf_init(&text);
		const struct overview_page page = {&text, &overview, &t, &f, "."};
		overview_page_short(&page);
		overview_page_budgets(&page);
		CHECK(!strstr(text.s, "equal less") && !strstr(text.s, "above 0 less"), "case %zu: %s", i, text.s);
		const char *found = strstr(text.s, "compete for each layer would");
		CHECK(cases[i].says ? strstr(text.s, cases[i].says) != NULL : !found, "case %zu: %s", i, text.s);
		strbuf_release(&text);
		overview_findings_release(&f);
		overview_table_release(&t);
		release(cells, 2);
	}
	for (int i = 0; i <= 100; i++)
		CHECK(overview_page_hundredths((double)i / 100) == i, "%d of 100", i);
	CHECK(overview_page_hundredths(0.9999) == 99, "nearly all is not all");
}

/* A recipe that is the mix, group by group, was run for real; one that differs in a group is another. */
static void test_measured(void)
{
	struct overview_cell cells[2];
	struct overview overview = {"measured", cells, 2, NULL, 0, NULL, NULL};
	struct overview_table t;
	struct overview_budgets b;
	sample(&cells[0], "toy.a.default.small", &formats[0], "small", 1);
	sample(&cells[1], "toy.b.default.small", &formats[1], "small", 1);
	for (size_t i = 0; i < 2; i++)
		for (size_t g = 0; g < GROUPS; g++)
			cells[i].groups[g].choice = g == 4 ? SEARCH_NONE : 0;
	set_check(&cells[0], 1);
	set_check(&cells[1], 1);
	overview_table_make(&t, &overview);
	CHECK(!overview_budgets_make(&b, &overview, &t), "%s", error_text());
	size_t row = find_row(&b, 10);
	CHECK(row != OVERVIEW_NONE && b.rows[row].best.cell == 0, "8-bit formats fit 10 bits");
	CHECK(row != OVERVIEW_NONE && b.rows[row].measured == OVERVIEW_NONE, "measured by %zu", b.rows[row].measured);
	overview_budgets_release(&b);
	for (size_t g = 0; g < GROUPS; g++)
		cells[0].groups[g].choice = g == 4 || g == 3 ? SEARCH_NONE : 0;
	CHECK(!overview_budgets_make(&b, &overview, &t), "%s", error_text());
	CHECK(b.rows[row].measured == 0, "measured by %zu, score %g", b.rows[row].measured,
		b.rows[row].best.score);
	overview_budgets_release(&b);
	overview_table_release(&t);
	release(cells, 2);
}

/* --- agreement and verdicts --- */

static void rename_choice(struct overview_group *group, size_t choice, const char *title)
{
	free(group->title);
	group->title = mem_strdup(title);
	group->choice = choice;
}

static void test_agreement(void)
{
	struct overview_cell cells[2];
	struct overview overview = {"agreement", cells, 2, NULL, 0, NULL, NULL};
	struct overview_agreement a;
	sample(&cells[0], "toy.a.default.small", &formats[0], "small", 1);
	sample(&cells[1], "toy.a.default.large", &formats[0], "large", 3);
	overview_agreement_make(&a, &overview, 0, 1, 1);
	CHECK(a.top == 2 && a.overlap == 2 && a.spearman == 1 && !a.moved && !a.disputed_count && a.agree, "a copy");
	rename_choice(&cells[0].groups[4], 0, "wint8_afp16");
	rename_choice(&cells[0].groups[2], SEARCH_NONE, "NONE(16.0)");
	overview_agreement_make(&a, &overview, 0, 1, 1);
	CHECK(a.moved == 2 && !a.agree, "%zu moved", a.moved);
	CHECK_CLOSE(a.moved_share, 23.0 / 64, 1e-15);
	CHECK_CLOSE(a.extra, 17.0 / 14, 1e-15);
	overview_agreement_make(&a, &overview, 0, 1, 0);
	CHECK(a.agree, "recipes do not count");
	swap_scores(&cells[0], 5, 0);
	overview_agreement_make(&a, &overview, 0, 1, 0);
	CHECK(a.overlap == 1 && !a.agree && a.disputed_count == 2, "%zu the same, %zu disputed", a.overlap,
		a.disputed_count);
	CHECK(a.disputed[0].group == 0 && a.disputed[0].rank == 1 && a.disputed[0].against_rank == 6 &&
		a.disputed[1].group == 5 && a.disputed[1].rank == 6 && a.disputed[1].against_rank == 1, "disputed");
	for (size_t g = 0; g < GROUPS; g++) {
		cells[0].groups[g].score = 1;
		rename_choice(&cells[1].groups[g], SEARCH_NONE, "NONE(16.0)");
	}
	overview_agreement_make(&a, &overview, 0, 1, 0);
	CHECK(isnan(a.spearman) && !a.agree, "equal scores have no order");
	CHECK(isinf(a.extra), "more than nothing: %g", a.extra);
	release(cells, 2);
}

static void test_verdicts(void)
{
	CHECK(overview_verdict(4, 4) == OVERVIEW_YES && overview_verdict(3, 4) == OVERVIEW_MOSTLY_YES &&
		overview_verdict(2, 3) == OVERVIEW_NO && overview_verdict(0, 1) == OVERVIEW_NO, "verdicts");
	CHECK(overview_top_of(1) == 1 && overview_top_of(5) == 1 && overview_top_of(17) == 5 && overview_top_of(30) == 10 &&
		overview_top_of(145) == 10, "top");
	CHECK(overview_certainty(0.95) == OVERVIEW_IS_CLEAR && overview_certainty(0.949) == OVERVIEW_IS_LIKELY &&
		overview_certainty(0.75) == OVERVIEW_IS_LIKELY && overview_certainty(0.749) == OVERVIEW_TOSS_UP &&
		overview_certainty(0) == OVERVIEW_TOSS_UP && overview_certainty(-1) == OVERVIEW_UNSURE &&
		overview_certainty(NAN) == OVERVIEW_UNSURE, "certainty");
	CHECK(overview_trust(0.5, 2) == OVERVIEW_ABOUT_RIGHT && overview_trust(0.49, 1.9) == OVERVIEW_SAME_FACTOR &&
		overview_trust(3, 12) == OVERVIEW_SAME_FACTOR && overview_trust(3, 12.1) == OVERVIEW_ROUGH &&
		overview_trust(0, 0) == OVERVIEW_NO_RATIO, "trust");
}

static void test_checks(void)
{
	struct overview_cell cells[4];
	struct overview overview = {"checks", cells, 4, NULL, 0, NULL, NULL};
	struct overview_table t;
	struct overview_checks c;
	static const double ratios[] = {3, 0, 1, 8};
	for (size_t i = 0; i < 4; i++) {
		sample(&cells[i], "toy.a.default.small", &formats[0], "small", 1);
		set_check(&cells[i], ratios[i]);
	}
	overview_table_make(&t, &overview);
	overview_checks_make(&c, &overview, &t);
	const struct overview_check_summary *m = c.methods;
	CHECK(m->lowest == 2 && m->highest == 3 && isnan(m->order), "cells %zu %zu, order %g", m->lowest, m->highest,
		m->order);
	CHECK(c.count == 4 && c.method_count == 1 && m->ratios == 3 && m->median == 3 && m->low == 1 && m->high == 8 &&
		m->trust == OVERVIEW_ROUGH, "%zu of %zu, median %g of %g to %g", m->ratios, c.count, m->median, m->low,
		m->high);
	overview_checks_release(&c);
	cells[0].check.present = 0;
	cells[1].check.predicted = 2; /* most predicted, least measured */
	overview_checks_make(&c, &overview, &t);
	CHECK(c.count == 3 && m->median == 4.5, "%zu, median %g", c.count, m->median);
	CHECK_CLOSE(m->order, -sqrt(0.75), 1e-12);
	overview_checks_release(&c);
	cells[1].method = cells[2].method = "kl_div";
	overview_checks_make(&c, &overview, &t);
	CHECK(c.method_count == 2 && m->count == 1 && m->median == 8 && m[1].count == 2 && m[1].low == 1 &&
		m[1].high == 1 && m[1].trust == OVERVIEW_ABOUT_RIGHT && !strcmp(m[1].method, "kl_div"), "%zu methods",
		c.method_count);
	overview_checks_release(&c);
	overview_table_release(&t);
	release(cells, 4);
}

/* The largest size is the one of most captions; of equals the last. Sizes of the same text say so. */
static void test_sizes(void)
{
	static const char *const sizes[] = {"small", "medium", "large"};
	static const char *const names[] = {"toy.wint8_afp16.default.small", "toy.wint8_afp16.default.medium",
		"toy.wint8_afp16.default.large"};
	struct overview_cell cells[3];
	struct overview overview = {"sizes", cells, 3, NULL, 0, NULL, NULL};
	struct overview_table t;
	struct overview_findings f;
	for (size_t i = 0; i < 3; i++) {
		sample(&cells[i], names[i], &formats[0], sizes[i], 1 + (double)i);
		cells[i].score_sequences = i ? 128 : 16;
	}
	overview_table_make(&t, &overview);
	CHECK(!overview_findings_make(&f, &overview, &t), "%s", error_text());
	CHECK(f.sizes.count == 2 && f.sizes.list[0].against == 2 && f.sizes.list[1].against == 2 &&
		f.sizes.list[1].column == 1, "%zu comparisons", f.sizes.count);
	CHECK(!f.budgets.count, "one format is no choice");
	overview_findings_release(&f);
	overview_table_release(&t);
	compare(&overview, NULL, "tests/golden/report/overview_sizes.md");
	release(cells, 3);
}

/* --- from a report --- */

static void test_fill(void)
{
	struct report_sample s;
	static const char *const pair = "wint4_afp16";
	struct overview_cell cell = {.name = "x", .formats = &pair, .format_count = 1, .status = OVERVIEW_MISSING,
		.reason = "y"};
	struct group_table t;
	report_sample_init(&s);
	report_sample_weight_only(&s);
	CHECK(!group_table_make(&t, &s.cell) && !overview_cell_fill(&cell, &s.cell), "%s", error_text());
	CHECK(cell.status == OVERVIEW_OK && !cell.reason && cell.sum == 4151 * SAMPLE_UNIT && cell.search_bits == 4 &&
		cell.cost_bits == 5, "sum %g", cell.sum);
	CHECK(cell.asked_bits == 8 && cell.target_bits == search_adjusted_bits(8064, 1408, 8) &&
		cell.stored_bits > cell.bits && !cell.over_budget, "%g of %g, %g stored", cell.bits, cell.target_bits,
		cell.stored_bits);
	CHECK(cell.score_sequences == 13 && cell.score_targets == 69 && cell.pairs[0].weight.block == 16, "%zu targets",
		cell.score_targets);
	CHECK(cell.searched_total == 2493 * SAMPLE_UNIT, "searched total %g", cell.searched_total);
	CHECK_STRING(cell.method, "gradient");
	CHECK(cell.top_count == 5 && cell.group_count == SAMPLE_GROUPS && cell.unit_count == SAMPLE_CAPTIONS, "%zu layers",
		cell.top_count);
	CHECK_STRING(cell.top[0].group, t.groups[t.descending[0]].name);
	CHECK(cell.check.present == t.check.present && cell.interval.low == t.formats[0].interval.low, "check");
	for (size_t g = 0; g < cell.group_count; g++) {
		double sum = 0;
		const struct report_group *group = &t.groups[t.vision_count + g];
		for (size_t c = 0; c < cell.unit_count; c++)
			sum += cell.captions[g * cell.unit_count + c];
		CHECK_CLOSE(sum, group->score, 1e-12);
		CHECK(cell.groups[g].stored_cost == floor(cell.groups[g].stored_cost), "%g bits", cell.groups[g].stored_cost);
		CHECK_CLOSE(cell.groups[g].stored_cost, group->numel * group->formats[0].cost_bits, 1e-12);
		CHECK_STRING(cell.groups[g].title, group_table_recipe(&t, t.vision_count + g));
		CHECK(cell.groups[g].choice == group->choice && cell.groups[g].searched == group->searched, "%s", group->name);
	}
	s.formats[1].calib.linear_count = 1;
	CHECK(overview_cell_fill(&cell, &s.cell) == -1 && cell.top_count == 5, "refused input changed the cell");
	overview_cell_release(&cell);
	group_table_release(&t);
	report_sample_release(&s);
}

int main(void)
{
	TEST(test_pages);
	TEST(test_settings);
	TEST(test_empty);
	TEST(test_budgets_brute_force);
	TEST(test_certainty);
	TEST(test_captions_brought);
	TEST(test_together);
	TEST(test_measured);
	TEST(test_agreement);
	TEST(test_verdicts);
	TEST(test_checks);
	TEST(test_sizes);
	TEST(test_fill);
	return check_done();
}
