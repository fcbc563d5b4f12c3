/* The schema's messages, exactly, and conf/ itself: every option of every group composes and passes. */
#include <stdlib.h>

#include "check.h"
#include "common/error.h"
#include "common/memory.h"
#include "config/resolve.h"
#include "config/schema.h"
#include "support/scratch.h"
#include "config/yaml.h"

/* Composes, resolves and checks the preset of a conf folder. The caller frees. */
static struct node *check_config(struct composer *composer, const char *const *texts, size_t count)
{
	struct override overrides[8] = {{0}};
	struct composition c;
	struct node *config = NULL;
	size_t parsed = 0;
	while (parsed < count && !override_parse(&overrides[parsed], texts[parsed]))
		parsed++;
	if (parsed == count && !compose(composer, "preset/qwen3_lm_sensitivity", overrides, count, &c)) {
		config = resolve(c.root, &c);
		if (config && schema_check(config, &c)) {
			node_free(config);
			config = NULL;
		}
		composition_release(&c);
	}
	for (size_t i = 0; i < parsed; i++)
		override_release(&overrides[i]);
	return config;
}

static void check_message(const char *expected, const char *const *overrides)
{
	struct composer *composer = composer_new("conf");
	size_t count = 0;
	while (overrides[count])
		count++;
	struct node *config = check_config(composer, overrides, count);
	CHECK(!config, "%s is accepted", overrides[0]);
	/* Where conf/ declares the value stands behind it, on a line that conf/ may move (test_declared). */
	char *found = mem_strdup(config ? "" : error_text()), *declared = strstr(found, "\n    declared in conf/");
	if (declared && !strchr(declared + 1, '\n'))
		*declared = '\0';
	CHECK_STRING(found, expected);
	free(found);
	node_free(config);
	composer_free(composer);
}

#define OVERRIDES(...) ((const char *const[]){__VA_ARGS__, NULL})

static void test_messages(void)
{
	check_message("override 'autoquant.effective_bits=abc', column 26: autoquant.effective_bits: expected float above 0, "
		"at "
		"most 16, found the string 'abc'\n    autoquant.effective_bits=abc\n                             ^",
		OVERRIDES("autoquant.effective_bits=abc"));
	check_message("override 'autoquant.effective_bits=0', column 26: autoquant.effective_bits: expected float above 0, at "
		"most 16, found the float 0.0\n    autoquant.effective_bits=0\n                             ^",
		OVERRIDES("autoquant.effective_bits=0"));
	check_message("override 'quant_pair.weight=fp9', column 19: quant_pair.weight: expected one of fp4, fp8, int4, int8, "
		"found the string 'fp9'; did you mean 'fp4'?\n    quant_pair.weight=fp9\n                      ^",
		OVERRIDES("quant_pair.weight=fp9"));
	check_message("override 'dataset.size=smal', column 14: dataset.size: expected one of small, medium, large (the keys "
		"of "
		"size_to_max_samples), found 'smal'; did you mean 'small'?\n    dataset.size=smal\n                 ^",
		OVERRIDES("dataset.size=smal"));
	check_message("override '+siz=small', column 2: unknown key 'siz'; did you mean 'dataset.size'?\n    +siz=small\n    "
		" ^",
		OVERRIDES("+siz=small"));
	check_message("override '+quant_pair.activatoin=fp8', column 2: unknown key 'quant_pair.activatoin'; did you mean "
		"'quant_pair.activation'?\n    +quant_pair.activatoin=fp8\n     ^", OVERRIDES("+quant_pair.activatoin=fp8"));
	check_message("override 'dataset.siz=small', column 1: there is no key 'dataset.siz'; did you mean 'dataset.size'? to "
		"add a new key, write +dataset.siz\n    dataset.siz=small\n    ^", OVERRIDES("dataset.siz=small"));
	check_message("override 'model.path=?" "?" "?', column 12: model.path must be given: model.path=... (the checkpoint's "
		"folder)\n    model.path=?" "?" "?\n               ^", OVERRIDES("model.path=?" "??"));
	check_message("override 'dataset={calib_seq_len: 1}', column 25: dataset.calib_seq_len: expected int from 2 to "
		"1048576, "
		"found the int 1\n    dataset={calib_seq_len: 1}\n                            ^",
		OVERRIDES("dataset={calib_seq_len: 1}"));
	check_message("override 'runner=3', column 8: runner: expected a mapping, found the int 3\n    runner=3\n           ^",
		OVERRIDES("runner=3"));
	check_message("override 'autoquant.bits=4', column 1: there is no key 'autoquant.bits'; there are method, device, "
		"batch_size, effective_bits, score_size, formats, cost, allow_none, include, exclude, check_recipe, "
		"check_size; to add a new key, write +autoquant.bits\n    autoquant.bits=4\n    ^",
		OVERRIDES("autoquant.bits=4"));
	check_message("override '+runner.x=4', column 2: unknown key 'runner.x'; there are report_only, output_dir\n"
		"    +runner.x=4\n     ^", OVERRIDES("+runner.x=4"));
	check_message("override 'model.path=', column 12: model.path: expected text, found an empty text\n    model.path=\n"
		"               ^", OVERRIDES("model.path="));
	check_message("override '+quant_granularity.quant_cfg_overrides.\"*weight_quantizer\".axs=0', column 2: unknown "
		"key 'quant_granularity.quant_cfg_overrides.*weight_quantizer.axs'; did you mean "
		"'quant_granularity.quant_cfg_overrides.*weight_quantizer.axis'?\n    "
		"+quant_granularity.quant_cfg_overrides.\"*weight_quantizer\".ax\n     ^",
		OVERRIDES("+quant_granularity.quant_cfg_overrides.\"*weight_quantizer\".axs=0"));
	check_message("override '+quant_granularity.quant_cfg_overrides.weight_quantizer={}', column 2: unknown key "
		"'quant_granularity.quant_cfg_overrides.weight_quantizer'; did you mean "
		"'quant_granularity.quant_cfg_overrides.*weight_quantizer'?\n    "
		"+quant_granularity.quant_cfg_overrides.weight_quantizer={}\n     ^",
		OVERRIDES("+quant_granularity.quant_cfg_overrides.weight_quantizer={}"));
	check_message("section 'quant_pair' is missing; it needs name, weight, activation, format_name, experimental",
		OVERRIDES("~quant_pair"));
}

static void test_not_supported(void)
{
	check_message("override 'quant_pair.coverage_mode=full', column 26: quant_pair.coverage_mode: 'full' is not supported "
		"yet; supported: lm_only\n    quant_pair.coverage_mode=full\n                             ^",
		OVERRIDES("quant_pair.coverage_mode=full"));
	check_message("override 'model.family=llama', column 14: model.family: expected qwen, found the string 'llama'\n"
		"    model.family=llama\n                 ^", OVERRIDES("model.family=llama"));
	check_message("override 'model.dtype=fp16', column 13: model.dtype: expected one of fp32, bf16, found the string "
		"'fp16'\n    model.dtype=fp16\n                ^", OVERRIDES("model.dtype=fp16"));
}

/* A conf folder with a broken option: several errors of one file at once, in order, with who asked for it. */
static void test_files(void)
{
	static const char preset[] = "# @package _global_\ndefaults:\n  - /quant_pair: bad\n  - /autoquant: bad\n  - _self_\n"
		"experiment: x\n";
	static const char pair[] = "name: on\nweight: fp8\nactivatoin: fp8\nformat_name: 12\nexperimental: 'true'\n";
	static const char autoquant[] = "method: gradient\ndevice: auto\nbatch_size: 012\neffective_bits: 8\nscore_size: "
		"1:30\n";
	free(scratch_write("bad/preset/qwen3_lm_sensitivity.yaml", preset, strlen(preset)));
	free(scratch_write("bad/quant_pair/bad.yaml", pair, strlen(pair)));
	free(scratch_write("bad/autoquant/bad.yaml", autoquant, strlen(autoquant)));
	char *dir = scratch_path("bad");
	struct composer *composer = composer_new(dir);
	struct node *config = check_config(composer, NULL, 0);
	CHECK(!config, "accepted");
	char *expected = mem_printf(
		"%1$s/quant_pair/bad.yaml:1:1: key 'quant_pair.activation' is missing (type of quantized inputs; fp16: left alone)\n"
		"    name: on\n    ^\n    composed from: %1$s/preset/qwen3_lm_sensitivity.yaml:3:5\n"
		"%1$s/quant_pair/bad.yaml:1:7: quant_pair.name: expected a name (letters, digits, _ . -), found the bool true (YAML "
		"reads yes, no, on and off so: quote it)\n"
		"    name: on\n          ^\n    composed from: %1$s/preset/qwen3_lm_sensitivity.yaml:3:5\n"
		"%1$s/quant_pair/bad.yaml:3:1: unknown key 'quant_pair.activatoin'; did you mean 'quant_pair.activation'?\n"
		"    activatoin: fp8\n    ^\n    composed from: %1$s/preset/qwen3_lm_sensitivity.yaml:3:5\n"
		"%1$s/quant_pair/bad.yaml:4:14: quant_pair.format_name: expected a name (letters, digits, _ . -), found the int 12\n",
		dir);
	CHECK(!strncmp(error_text(), expected, strlen(expected)), "found %s\nexpected %s", error_text(), expected);
	CHECK(strstr(error_text(), "section 'dataset' is missing; it needs name, root, size, captions_path, "),
		"missing sections are not told of: %s", error_text());
	const char *const *notes;
	size_t count = composer_notes(composer, &notes);
	CHECK(count == 2, "%zu notes", count);
	if (count == 2) {
		CHECK(strstr(notes[0], "bad.yaml:3:13: YAML reads digits behind a leading 0 as octal"), "%s", notes[0]);
		CHECK(strstr(notes[1], "bad.yaml:5:13: YAML reads digits around a colon as a number to base 60"), "%s", notes[1]);
	}
	free(expected);
	free(dir);
	node_free(config);
	composer_free(composer);
}

/* A wrong override names the line that declares the key, which tells what is meant; a new key has none. */
static void test_declared(void)
{
	static const char preset[] = "# @package _global_\ndefaults:\n  - /autoquant: a\n  - _self_\n";
	static const char autoquant[] = "method: gradient\nbatch_size: 8\n";
	free(scratch_write("declared/preset/qwen3_lm_sensitivity.yaml", preset, strlen(preset)));
	free(scratch_write("declared/autoquant/a.yaml", autoquant, strlen(autoquant)));
	char *dir = scratch_path("declared"), *line = mem_printf("\n    declared in %s/autoquant/a.yaml:2:13\n", dir);
	struct composer *composer = composer_new(dir);
	node_free(check_config(composer, OVERRIDES("autoquant.batch_size=abc"), 1));
	CHECK(strstr(error_text(), line), "found %s\nexpected %s", error_text(), line);
	node_free(check_config(composer, OVERRIDES("+autoquant.score_size=abc"), 1));
	CHECK(strstr(error_text(), "score_size: expected int") && !strstr(error_text(), "declared in"), "%s", error_text());
	composer_free(composer);
	free(line);
	free(dir);
}

static void test_ints_become_floats(void)
{
	struct composer *composer = composer_new("conf");
	struct node *config = check_config(composer, OVERRIDES("autoquant.effective_bits=7"), 1);
	CHECK(config, "%s", error_text());
	const struct node *n = config ? node_at(config, "autoquant.effective_bits") : NULL;
	CHECK(n && n->kind == NODE_FLOAT && n->number == 7, "effective_bits=7 is no float 7.0");
	node_free(config);
	composer_free(composer);
}

static void check_option(struct composer *composer, const char *group, const char *option)
{
	char *override = mem_printf("%s=%s", group, option);
	struct node *config = check_config(composer, OVERRIDES(override), 1);
	CHECK(config, "%s: %s", override, error_text());
	if (config && strcmp(group, "autoquant")) {
		char *path = mem_printf("%s.name", group);
		CHECK_STRING(node_string(config, path), option);
		free(path);
	}
	node_free(config);
	free(override);
}

static void test_conf(void)
{
	static const struct { const char *group; size_t options; } groups[] = {
		{"model", 2}, {"dataset", 2}, {"quant_pair", 17}, {"quant_granularity", 9}, {"autoquant", 2}, {"output_layout", 2},
	};
	struct composer *composer = composer_new("conf");
	for (size_t i = 0; i < sizeof groups / sizeof *groups; i++) {
		const char *const *options;
		size_t count = composer_options(composer, groups[i].group, &options);
		CHECK(count == groups[i].options, "%s has %zu options", groups[i].group, count);
		for (size_t k = 0; k < count; k++)
			check_option(composer, groups[i].group, options[k]);
	}
	const char *const *notes;
	CHECK(composer_notes(composer, &notes) == 0, "conf/ gives notes");
	composer_free(composer);
}

/* The keys of block_sizes stay integers, and the printed config reads back the same. */
static void test_composed_config(void)
{
	struct composer *composer = composer_new("conf");
	struct node *config = check_config(composer, OVERRIDES("quant_granularity=w_group64", "model=qwen3_vl_demo",
		"dataset=demo_captions", "dataset.size=medium"), 4);
	struct yaml_file file;
	struct strbuf b;
	strbuf_init(&b);
	if (!config) {
		CHECK(0, "%s", error_text());
		return;
	}
	node_to_yaml(&b, config);
	CHECK(strstr(b.s, "quant_granularity:\n  name: w_group64\n  quant_cfg_overrides:\n    '*weight_quantizer':\n"
		"      block_sizes:\n        -1: 64\nautoquant:\n"), "%s", b.s);
	CHECK(strstr(b.s, "\n  captions_path: models/qwen3_vl_demo/captions/captions_medium.txt\n"), "%s", b.s);
	CHECK(strstr(b.s, "\n  effective_bits: 8.0\n"), "%s", b.s);
	if (yaml_file_parse(&file, "composed-config.yaml", b.s, b.length)) {
		CHECK(0, "%s", error_text());
	} else {
		CHECK(node_equal(config, file.root) && !schema_check(file.root, NULL), "the printed config differs");
		yaml_file_release(&file);
	}
	cJSON *json = node_to_json(config);
	const cJSON *g = cJSON_GetObjectItemCaseSensitive(json, "quant_granularity");
	char *text = cJSON_PrintUnformatted(cJSON_GetObjectItemCaseSensitive(g, "quant_cfg_overrides"));
	CHECK_STRING(text, "{\"*weight_quantizer\":{\"block_sizes\":{\"-1\":64}}}");
	cJSON_free(text);
	cJSON_Delete(json);
	strbuf_release(&b);
	node_free(config);
	composer_free(composer);
}

int main(void)
{
	TEST(test_messages);
	TEST(test_not_supported);
	TEST(test_files);
	TEST(test_declared);
	TEST(test_ints_become_floats);
	TEST(test_conf);
	TEST(test_composed_config);
	return check_done();
}
