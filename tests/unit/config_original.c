/* A tree in the shape of the original project's conf/: groups in folders of folders, the architecture of a model chosen
 * by "model/NAME/arch@model: NAME.default", options with dots in their names, a hydra: block in the preset. */
#include <stdlib.h>

#include "check.h"
#include "common/error.h"
#include "common/memory.h"
#include "config/resolve.h"
#include "config/sweep.h"
#include "support/scratch.h"

static const struct scratch_file files[] = {
	{"preset/qwen3_lm_sensitivity.yaml", "# @package _global_\n"
		"defaults:\n"
		"  - /hardware: h100\n"
		"  - /model/qwen3_vl_4b_instruct/arch@model: qwen3_vl_4b_instruct.default\n"
		"  - /dataset: vlm_coco2017_captions\n"
		"  - /quant_pair: wfp8_afp8\n"
		"  - override hydra/job_logging: disabled\n"
		"  - _self_\n"
		"experiment: qwen3_lm_sensitivity\n"
		"hydra:\n"
		"  run:\n"
		"    dir: tmp/${experiment}/${now:%Y-%m-%d}\n"
		"  sweep:\n"
		"    subdir: ${quant_pair.name}_${hydra:job.num}\n"},
	{"hardware/h100.yaml", "gpus: 1\n"},
	{"model/qwen3_vl_4b_instruct/arch/qwen3_vl_4b_instruct.default.yaml",
		"defaults:\n  - /model/qwen3_vl_4b_instruct/infer@infer: qwen3_vl_4b_instruct.default\n"
		"name: qwen3_vl_4b_instruct\nlayers: 36\n"},
	{"model/qwen3_vl_4b_instruct/arch/qwen3_vl_4b_instruct.tiny.yaml", "name: tiny\nlayers: 2\n"},
	{"model/qwen3_vl_4b_instruct/infer/qwen3_vl_4b_instruct.default.yaml", "tokens: 8\n"},
	{"model/yolo/arch/yolo.default.yaml", "name: yolo\n"},
	{"dataset/vlm_coco2017_captions.yaml", "size: small\npath: data/${dataset.size}.txt\n"},
	{"quant_pair/wfp8_afp8.yaml", "name: wfp8_afp8\n"},
	{"quant_pair/wint8_aint8.yaml", "name: wint8_aint8\nhydra: {sweep: {subdir: x}}\n"},
};

static struct composer *composer;

static void write_tree(void)
{
	scratch_tree("original", files, sizeof files / sizeof *files);
	char *dir = scratch_path("original");
	composer = composer_new(dir);
	free(dir);
}

static char *outcome(const char *const *texts)
{
	struct override overrides[4] = {{0}};
	struct composition c = {0};
	struct strbuf b;
	size_t count = 0;
	int bad = 0;
	strbuf_init(&b);
	for (; texts[count] && !bad; count++)
		bad = override_parse(&overrides[count], texts[count]);
	bad = bad || compose(composer, "preset/qwen3_lm_sensitivity", overrides, count, &c);
	struct node *resolved = bad ? NULL : resolve(c.root, &c);
	if (resolved)
		node_to_flow(&b, resolved);
	else
		strbuf_addf(&b, "error: %s", error_text());
	node_free(resolved);
	composition_release(&c);
	for (size_t i = 0; i < count; i++)
		override_release(&overrides[i]);
	char *text = strbuf_take(&b);
	strbuf_release(&b);
	return text;
}

static void check_outcome(const char *const *texts, const char *expected)
{
	char *found = outcome(texts);
	CHECK(strstr(found, expected), "found %s\nexpected %s", found, expected);
	free(found);
}

#define OVERRIDES(...) ((const char *const[]){__VA_ARGS__, NULL})

static void test_loads(void)
{
	write_tree();
	check_outcome(OVERRIDES("experiment=x"), "{hardware:{gpus:1},model:{infer:{tokens:8},name:qwen3_vl_4b_instruct,"
		"layers:36},dataset:{size:small,path:data/small.txt},quant_pair:{name:wfp8_afp8},experiment:x}");
	check_outcome(OVERRIDES("quant_pair=wint8_aint8", "dataset.size=large", "model.layers=1"), "{hardware:{gpus:1},model:"
		"{infer:{tokens:8},name:qwen3_vl_4b_instruct,layers:1},dataset:{size:large,path:data/large.txt},"
		"quant_pair:{name:wint8_aint8},experiment:qwen3_lm_sensitivity}");
	composer_free(composer);
}

/* What the original cannot do from its preset: another model from the command line. */
static void test_other_model(void)
{
	write_tree();
	check_outcome(OVERRIDES("model/qwen3_vl_4b_instruct/arch@model=qwen3_vl_4b_instruct.tiny"),
		"model:{name:tiny,layers:2},");
	check_outcome(OVERRIDES("~model/qwen3_vl_4b_instruct/arch@model", "+model/yolo/arch@model=yolo.default"),
		"model:{name:yolo}");
	check_outcome(OVERRIDES("model/qwen3_vl_4b_instruct/arch=qwen3_vl_4b_instruct.tiny"),
		"Could not override 'model/qwen3_vl_4b_instruct/arch'. Did you mean to override "
		"model/qwen3_vl_4b_instruct/arch@model?");
	check_outcome(OVERRIDES("model/qwen3_vl_4b_instruct/arch@model=qwen3_vl_4b_instruct.defalt"),
		"did you mean 'qwen3_vl_4b_instruct.default'?");
	const char *const *options;
	CHECK(composer_options(composer, "model/qwen3_vl_4b_instruct/arch", &options) == 2, "two architectures");
	composer_free(composer);
}

/* Composed as often as a grid has cells, each place is mentioned once; hydra's own values are not even looked at. */
static void test_hydra_once(void)
{
	write_tree();
	for (int i = 0; i < 3; i++) {
		free(outcome(OVERRIDES("quant_pair=wfp8_afp8")));
		free(outcome(OVERRIDES("quant_pair=wint8_aint8")));
	}
	const char *const *notes;
	size_t count = composer_notes(composer, &notes);
	CHECK(count == 1, "%zu notes", count);
	CHECK(count && strstr(notes[0], "preset/qwen3_lm_sensitivity.yaml:10:1: the hydra: block configures Hydra, which is not"
		" used here: skipped (and so everywhere else)"), "%s", count ? notes[0] : "");
	composer_free(composer);
}

int main(void)
{
	TEST(test_loads);
	TEST(test_other_model);
	TEST(test_hydra_once);
	return check_done();
}
