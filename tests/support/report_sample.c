#include "report_sample.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/error.h"
#include "common/json.h"
#include "model/search_space.h"

static const char config_text[] =
	"{\"model\": {\"name\": \"toy\", \"path\": \"models/toy/checkpoint\"},"
	" \"dataset\": {\"name\": \"captions\", \"root\": \"data\", \"size\": \"small\", "
	"  \"captions_path\": \"data/a|b.txt\","
	"  \"max_calib_samples\": null, \"calib_seq_len\": 512},"
	" \"quant_pair\": {\"name\": \"wfp8_afp8\", \"weight\": \"fp8\", \"activation\": \"fp8\","
	"  \"format_name\": \"FP8_DEFAULT_CFG\", \"coverage_mode\": \"lm_only\", \"coverage_fraction\": 1},"
	" \"quant_granularity\": {\"name\": \"w_per_out_channel\", \"quant_cfg_overrides\":"
	"  {\"*weight_quantizer\": {\"axis\": 0}, \"*input_quantizer\": {\"axis\": null}}},"
	" \"autoquant\": {\"method\": \"gradient\", \"effective_bits\": 8, \"score_size\": 128, \"batch_size\": 8,"
	"  \"formats\": null, \"cost\": \"search_bits\", \"allow_none\": true, \"include\": null, \"exclude\": null,"
	"  \"check_recipe\": true}}";

static const char yaml_text[] = "model:\n  name: toy\nautoquant:\n  effective_bits: 8.0\n";

static const struct {
	const char *name;
	size_t group, out, in;
	double factor;
	double weights, activations; /* shares of the score with one quantizer alone */
} linears[SAMPLE_LINEARS] = {
	{"model.language_model.layers.0.self_attn.q_proj", 0, 32, 16, 1, 0.875, 0.0625},
	{"model.language_model.layers.0.self_attn.k_proj", 0, 16, 16, 1, 0.875, 0.0625},
	{"model.language_model.layers.0.self_attn.v_proj", 0, 16, 16, 2, 0.875, 0.0625},
	{"model.language_model.layers.0.self_attn.o_proj", 1, 16, 32, 3, 0.75, 0.75},
	{"model.language_model.layers.0.mlp.gate_proj", 2, 64, 16, 7, 0.5, 0.375},
	{"model.language_model.layers.0.mlp.up_proj", 2, 64, 16, 7, 0.5, 0.375},
	{"model.language_model.layers.0.mlp.down_proj", 3, 16, 64, 40, 0.03125, 0.5},
	{"lm_head", 4, 128, 16, 24, 0.25, 0.75},
};

/* --- scores --- */

static double contribution(const struct report_sample_format *f, size_t i, size_t caption)
{
	return f->scale * linears[i].factor * (double)(1 + (5 * i + 3 * caption * caption) % 7) * SAMPLE_UNIT;
}

static struct output_sums part(double score, double factor)
{
	return (struct output_sums){.score = score, .error2 = 0.5 * factor, .output2 = 2048 * factor,
		.cross = 2048.25 * factor, .error_max = 0.25 * factor};
}

static void fill_linear(struct report_sample *s, struct report_sample_format *f, size_t i)
{
	double all = 0;
	for (size_t b = 0, c = 0; b < f->scores.batch_count; b++) {
		double score = 0;
		for (size_t end = c + s->sequences[b]; c < end; c++)
			score += s->targets[b] ? contribution(f, i, c) : 0;
		f->sums[i * f->scores.batch_count + b] = part(score, (double)(1 + b));
		all += score;
	}
	f->weight_only[i] = part(linears[i].weights * all, 1);
	f->activation_only[i] = part(linears[i].activations * all, 2);
}

static void fill_captions(struct report_sample *s, struct report_sample_format *f)
{
	size_t n = f->scores.sequence_count;
	memset(f->sequence_score, 0, sizeof f->sequence_score);
	for (size_t i = 0; i < SAMPLE_LINEARS; i++)
		for (size_t c = 0; c < n; c++)
			f->sequence_score[linears[i].group * n + c] += s->targets[0] ? contribution(f, i, c) : 0;
}

/* The largest token has half of the last group's score and an eighth of the others', each next one half of it. */
static void fill_positions(struct report_sample *s, struct report_sample_format *f)
{
	size_t tokens = s->tokens[0] + (f->scores.batch_count > 1 ? s->tokens[1] : 0), captions = f->scores.sequence_count;
	size_t count = tokens < SCORES_POSITIONS ? tokens : SCORES_POSITIONS;
	f->scores.position_count = count;
	for (size_t g = 0; g < SAMPLE_GROUPS; g++) {
		double score = 0, left;
		for (size_t c = 0; c < captions; c++)
			score += f->sequence_score[g * captions + c];
		f->first_score[g] = score * (double)(1 + g) / 8;
		left = g + 1 < SAMPLE_GROUPS ? score / 4 : score;
		for (size_t i = 0; i < count; i++) {
			f->position[g * count + i] = i;
			f->position_score[g * count + i] = left /= 2;
		}
	}
}

static void fill(struct report_sample *s)
{
	for (size_t k = 0; k < SAMPLE_FORMATS; k++) {
		struct report_sample_format *f = &s->formats[k];
		for (size_t i = 0; i < SAMPLE_LINEARS; i++)
			fill_linear(s, f, i);
		fill_captions(s, f);
		fill_positions(s, f);
	}
}

/* --- captions --- */

static void fill_check(struct report_sample *s, size_t captions)
{
	for (size_t c = 0; c < captions; c++) {
		double tokens = (double)s->sequence_tokens[c];
		s->loss_before[c] = 2.5 * (tokens - 1);
		s->loss_after[c] = s->loss_before[c] + (tokens - 1) / 64;
		s->kl[c] = tokens * (double)(2 + c % 3) / 64;
	}
	s->check = (struct check){.sequence_count = captions, .tokens = s->sequence_tokens, .loss_before = s->loss_before,
		.loss_after = s->loss_after, .kl = s->kl, .quantized = SAMPLE_LINEARS};
	s->cell.check = &s->check;
}

/* Captions of 4 to 9 tokens, or all of one. */
static void set_captions(struct report_sample *s, size_t captions, int single)
{
	size_t batches = (captions + SAMPLE_BATCH - 1) / SAMPLE_BATCH, tokens = 0;
	assert(captions && captions <= SAMPLE_CAPTIONS);
	memset(s->sequences, 0, sizeof s->sequences);
	memset(s->tokens, 0, sizeof s->tokens);
	for (size_t c = 0; c < captions; c++) {
		s->sequence_tokens[c] = single ? 1 : 4 + 5 * c % 6;
		s->sequences[c / SAMPLE_BATCH]++;
		s->tokens[c / SAMPLE_BATCH] += s->sequence_tokens[c];
		tokens += s->sequence_tokens[c];
	}
	for (size_t b = 0; b < batches; b++) {
		s->targets[b] = s->tokens[b] - s->sequences[b];
		s->loss[b] = s->targets[b] ? 2.5 : 0;
	}
	for (size_t k = 0; k < SAMPLE_FORMATS; k++) {
		struct report_sample_format *f = &s->formats[k];
		f->scores.batch_count = batches;
		f->scores.sequence_count = captions;
		f->calib.sequences = f->scores.pair.activation.element ? captions : 0;
		f->calib.tokens = f->scores.pair.activation.element ? tokens : 0;
	}
	s->cell.text = (struct report_text){captions, captions, tokens, 0};
	fill(s);
	fill_check(s, captions);
}

/* --- formats --- */

static struct calib_linear calib_linear(size_t i, int activations)
{
	struct calib_linear l = {.name = linears[i].name, .in = linears[i].in, .out = linears[i].out,
		.weight = {.error2 = 0.25, .value2 = 1024, .cross = 1023.9, .quant2 = 1024.05, .error_max = 0.0625,
			.count = (double)(linears[i].in * linears[i].out)}};
	if (activations) {
		l.activation_amax = 1.5f;
		l.activation = (struct quant_sums){.error2 = 0.5, .value2 = 256, .cross = 256, .quant2 = 256.5,
			.error_max = 0.125, .count = 512};
	}
	return l;
}

static void make_format(struct report_sample *s, size_t index, struct quantizer_pair pair, double scale)
{
	struct report_sample_format *f = &s->formats[index];
	int joint = quantizer_pair_joint(pair);
	for (size_t i = 0; i < SAMPLE_LINEARS; i++) {
		f->linears[i] = (struct scores_linear){linears[i].name, linears[i].group, linears[i].in, linears[i].out};
		f->calib_linears[i] = calib_linear(i, joint);
	}
	f->scale = scale;
	f->scores = (struct scores){.pair = pair, .method = "gradient", .batch_size = SAMPLE_BATCH,
		.linear_count = SAMPLE_LINEARS, .linears = f->linears, .sums = f->sums,
		.weight_only = joint ? f->weight_only : NULL, .activation_only = joint ? f->activation_only : NULL,
		.sequence_score = f->sequence_score, .sequence_tokens = s->sequence_tokens, .position = f->position,
		.position_score = f->position_score, .first_score = f->first_score, .batch_sequences = s->sequences,
		.batch_tokens = s->tokens, .batch_targets = s->targets, .batch_loss = s->loss};
	f->calib = (struct calib){.pair = pair, .linear_count = SAMPLE_LINEARS, .linears = f->calib_linears};
}

static void show_format(struct report_sample *s, size_t at, size_t index)
{
	struct report_sample_format *f = &s->formats[index];
	const cJSON *granularity = cJSON_GetObjectItem(s->config, "quant_granularity");
	struct report_format *to = &s->shown[at];
	static const struct report_format names[SAMPLE_FORMATS] = {
		{.name = "wfp8_afp8", .weight = "fp8", .activation = "fp8", .format_name = "FP8_DEFAULT_CFG"},
		{.name = "wint4_afp16", .weight = "int4", .activation = "fp16",
			.format_name = "INT4_BLOCKWISE_WEIGHT_ONLY_CFG"},
	};
	*to = names[index];
	cJSON_Delete(f->summary);
	f->summary = quantizer_summary(to->weight, to->activation, to->format_name,
		cJSON_GetObjectItem(granularity, "quant_cfg_overrides"));
	to->quantizer_summary = f->summary;
	to->scores = &f->scores;
	to->calib = &f->calib;
	s->cell.formats = s->shown;
	s->cell.format_count = at + 1;
}

/* --- the sample --- */

void report_sample_init(struct report_sample *s)
{
	memset(s, 0, sizeof *s);
	s->config = json_parse(config_text, sizeof config_text - 1, "config", NULL);
	s->vision[0] = (struct report_vision){"model.visual.patch_embed.proj", "Conv3d", 16, 24};
	s->vision[1] = (struct report_vision){"model.visual.merger.linear_fc2", "Linear", 16, 64};
	make_format(s, 0, (struct quantizer_pair){{ELEMENT_FP8, SCALE_ROW, 0}, {ELEMENT_FP8, SCALE_TENSOR, 0}}, 1);
	make_format(s, 1, (struct quantizer_pair){{ELEMENT_INT4, SCALE_BLOCK, 16}, {0}}, 1);
	s->cell = (struct report_cell){.name = "toy.wfp8_afp8.w_per_out_channel.small", .pair = "wfp8_afp8",
		.config = s->config, .yaml = yaml_text, .numerics = "cpu-ref", .recipe = &s->recipe, .vision = s->vision,
		.vision_count = SAMPLE_VISION,
		.tied = 1};
	show_format(s, 0, 0);
	set_captions(s, SAMPLE_CAPTIONS, 0);
	report_sample_choose(s);
}

void report_sample_release(struct report_sample *s)
{
	for (size_t k = 0; k < SAMPLE_FORMATS; k++)
		cJSON_Delete(s->formats[k].summary);
	cJSON_Delete(s->config);
}

void report_sample_set(struct report_sample *s, const char *key, cJSON *value)
{
	cJSON *section = cJSON_GetObjectItem(s->config, "autoquant");
	if (cJSON_GetObjectItem(section, key))
		cJSON_ReplaceItemInObject(section, key, value);
	else
		cJSON_AddItemToObject(section, key, value);
}

static void set_pair(struct report_sample *s, const char *name, const char *weight, const char *activation,
	const char *format_name)
{
	cJSON *pair = cJSON_GetObjectItem(s->config, "quant_pair");
	cJSON_ReplaceItemInObject(pair, "name", cJSON_CreateString(name));
	cJSON_ReplaceItemInObject(pair, "weight", cJSON_CreateString(weight));
	cJSON_ReplaceItemInObject(pair, "activation", cJSON_CreateString(activation));
	cJSON_ReplaceItemInObject(pair, "format_name", cJSON_CreateString(format_name));
	cJSON_ReplaceItemInObject(cJSON_GetObjectItem(s->config, "quant_granularity"), "quant_cfg_overrides",
		cJSON_CreateObject());
}

void report_sample_weight_only(struct report_sample *s)
{
	set_pair(s, "wint4_afp16", "int4", "fp16", "INT4_BLOCKWISE_WEIGHT_ONLY_CFG");
	show_format(s, 0, 1);
	s->cell.name = "toy.wint4_afp16.default.small";
	s->cell.pair = "wint4_afp16";
	report_sample_choose(s);
}

void report_sample_several(struct report_sample *s)
{
	const char *const names[] = {"wfp8_afp8", "wint4_afp16"};
	cJSON_ReplaceItemInObject(cJSON_GetObjectItem(s->config, "quant_granularity"), "quant_cfg_overrides",
		cJSON_CreateObject());
	show_format(s, 0, 0);
	show_format(s, 1, 1);
	s->formats[1].scale = 4;
	fill(s);
	s->cell.name = "toy.wfp8_afp8+wint4_afp16.default.small";
	s->cell.pair = "wfp8_afp8+wint4_afp16";
	report_sample_set(s, "formats", cJSON_CreateStringArray(names, 2));
	report_sample_set(s, "effective_bits", cJSON_CreateNumber(6));
	report_sample_choose(s);
}

void report_sample_captions(struct report_sample *s, size_t captions)
{
	set_captions(s, captions, 0);
	report_sample_choose(s);
}

void report_sample_unscored(struct report_sample *s)
{
	set_captions(s, SAMPLE_CAPTIONS, 1);
	report_sample_choose(s);
}

void report_sample_divergence(struct report_sample *s)
{
	for (size_t k = 0; k < SAMPLE_FORMATS; k++) {
		struct report_sample_format *f = &s->formats[k];
		size_t n = f->scores.sequence_count;
		f->scores.method = "kl_div";
		f->scores.kl = f->kl;
		for (size_t g = 0; g < SAMPLE_GROUPS; g++) {
			for (size_t b = 0; b < f->scores.batch_count; b++)
				f->kl[g * f->scores.batch_count + b] = (double)((g + 1) * (b + 1) * s->sequences[b]) / 64;
			for (size_t c = 0; c < n; c++)
				f->sequence_score[g * n + c] = (double)((g + 1) * (1 + c / SAMPLE_BATCH)) / 64;
		}
		fill_positions(s, f);
	}
	report_sample_set(s, "method", cJSON_CreateString("kl_div"));
	report_sample_choose(s);
}

/* --- the search --- */

static size_t read_texts(const struct report_sample *s, const char *key, const char **texts)
{
	const cJSON *item, *list = cJSON_GetObjectItem(cJSON_GetObjectItem(s->config, "autoquant"), key);
	size_t count = 0;
	cJSON_ArrayForEach(item, list)
		texts[count++] = item->valuestring;
	return count;
}

static void make_space(struct search_space *space, const struct report_sample *s, const char **patterns)
{
	const cJSON *section = cJSON_GetObjectItem(s->config, "autoquant");
	struct linear_info infos[SAMPLE_LINEARS];
	struct quantizer_pair pairs[SAMPLE_FORMATS];
	double vision = 0;
	struct search_options options = {
		.effective_bits = cJSON_GetObjectItem(section, "effective_bits")->valuedouble,
		.stored = !strcmp(cJSON_GetObjectItem(section, "cost")->valuestring, "cost_bits"),
		.allow_none = cJSON_IsTrue(cJSON_GetObjectItem(section, "allow_none")),
		.include = patterns, .include_count = read_texts(s, "include", patterns),
		.exclude = patterns + 8, .exclude_count = read_texts(s, "exclude", patterns + 8),
	};
	memset(infos, 0, sizeof infos);
	for (size_t i = 0; i < SAMPLE_LINEARS; i++) {
		snprintf(infos[i].name, sizeof infos[i].name, "%s", linears[i].name);
		infos[i].group = linears[i].group;
		infos[i].in = linears[i].in;
		infos[i].out = linears[i].out;
	}
	for (size_t f = 0; f < s->cell.format_count; f++)
		pairs[f] = s->shown[f].scores->pair;
	for (size_t v = 0; v < s->cell.vision_count; v++)
		vision += (double)(s->vision[v].out * s->vision[v].in);
	if (search_space_make(space, infos, SAMPLE_LINEARS, vision, pairs, s->cell.format_count, &options)) {
		fprintf(stderr, "report_sample: %s\n", error_text());
		abort();
	}
}

void report_sample_choose(struct report_sample *s)
{
	const char *patterns[16];
	double score[SAMPLE_GROUPS * SAMPLE_FORMATS];
	size_t choice[SAMPLE_GROUPS], formats = s->cell.format_count;
	struct search_space space;
	struct search_result result;
	for (size_t g = 0; g < SAMPLE_GROUPS; g++)
		for (size_t f = 0; f < formats; f++)
			score[g * formats + f] = scores_group(s->shown[f].scores, g);
	make_space(&space, s, patterns);
	if (search_space_solve(&space, score, choice, &result) == SEARCH_ERROR) {
		fprintf(stderr, "report_sample: %s\n", error_text());
		abort();
	}
	for (size_t i = 0; i < SAMPLE_LINEARS; i++) {
		size_t chosen = choice[linears[i].group];
		s->recipe_linears[i] = (struct recipe_linear){linears[i].name, linears[i].group, {{0}, {0}}};
		if (chosen != SEARCH_NONE)
			s->recipe_linears[i].pair = s->shown[chosen].scores->pair;
	}
	s->recipe = (struct recipe){.linear_count = SAMPLE_LINEARS, .linears = s->recipe_linears, .score = result.score,
		.proven = result.proven};
	search_space_release(&space);
}
