/* A small cell made by hand, for tests of the reports: 8 linears in 5 groups, 13 captions in 2 batches, a vision tower.
 *
 *     struct report_sample s;
 *     report_sample_init(&s);           FP8 weights and activations, all of it consistent, with recipe and check
 *     report_sample_weight_only(&s);    or another shape of it, each after init
 *     ... group_table_make(&t, &s.cell) ...
 *     report_sample_release(&s);
 *
 * Linear i contributes factor[i] * (1 + (5 i + 3 c^2) mod 7) units of score on caption c: exact in binary, so tests can
 * add up by hand. Over the 13 captions the groups score 218, 153, 756, 1440 and 1584 units. A struct holds pointers
 * into itself: do not copy it.
 */
#ifndef QG_TESTS_REPORT_SAMPLE_H
#define QG_TESTS_REPORT_SAMPLE_H

#include <cjson/cJSON.h>

#include "report/cell.h"

enum {
	SAMPLE_LINEARS = 8, SAMPLE_GROUPS = 5, SAMPLE_BATCH = 8, SAMPLE_BATCHES = 2, SAMPLE_CAPTIONS = 13,
	SAMPLE_FORMATS = 2, SAMPLE_VISION = 2,
};

#define SAMPLE_UNIT 0x1p-20

struct report_sample_format {
	struct scores_linear linears[SAMPLE_LINEARS];
	struct calib_linear calib_linears[SAMPLE_LINEARS];
	struct output_sums sums[SAMPLE_LINEARS * SAMPLE_BATCHES];
	struct output_sums weight_only[SAMPLE_LINEARS], activation_only[SAMPLE_LINEARS];
	double kl[SAMPLE_GROUPS * SAMPLE_BATCHES];
	double sequence_score[SAMPLE_GROUPS * SAMPLE_CAPTIONS], first_score[SAMPLE_GROUPS];
	size_t position[SAMPLE_GROUPS * SCORES_POSITIONS];
	double position_score[SAMPLE_GROUPS * SCORES_POSITIONS];
	double scale;                    /* of all scores */
	struct scores scores;
	struct calib calib;
	cJSON *summary;
};

struct report_sample {
	struct report_sample_format formats[SAMPLE_FORMATS];
	struct report_format shown[SAMPLE_FORMATS];
	size_t sequences[SAMPLE_BATCHES], tokens[SAMPLE_BATCHES], targets[SAMPLE_BATCHES];
	size_t sequence_tokens[SAMPLE_CAPTIONS];
	double loss[SAMPLE_BATCHES];
	struct recipe_linear recipe_linears[SAMPLE_LINEARS];
	struct recipe recipe;
	double loss_before[SAMPLE_CAPTIONS], loss_after[SAMPLE_CAPTIONS], kl[SAMPLE_CAPTIONS];
	struct check check;
	struct report_vision vision[SAMPLE_VISION];
	struct report_cell cell;
	cJSON *config;
};

void report_sample_init(struct report_sample *s);
void report_sample_release(struct report_sample *s);

/* INT4 weights in blocks of 16 alone: the budget of 8 bits leaves room for 16-bit groups. */
void report_sample_weight_only(struct report_sample *s);

/* FP8 (format 0) against those INT4 weights (format 1), which score four times as much; at 6 bits. */
void report_sample_several(struct report_sample *s);

/* The first so many captions alone, of which batches then are made. */
void report_sample_captions(struct report_sample *s, size_t captions);

/* Captions of one token: nothing to predict, all scores 0. */
void report_sample_unscored(struct report_sample *s);

/* Method kl_div: group g causes (g + 1) (b + 1) / 64 on each caption of batch b. */
void report_sample_divergence(struct report_sample *s);

/* Sets a key of the config's section autoquant, which then owns value. */
void report_sample_set(struct report_sample *s, const char *key, cJSON *value);

/* Searches anew: after scores or config have changed. Of a budget that nothing fits the recipe is the
 * cheapest, which reports refuse. */
void report_sample_choose(struct report_sample *s);

#endif
