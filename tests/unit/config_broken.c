/* Broken files: all of them are named, what is wrong with the others is said as well, and nothing is said of what the
 * broken ones may have brought. */
#include <stdlib.h>

#include "check.h"
#include "common/error.h"
#include "common/memory.h"
#include "config/sweep.h"
#include "support/scratch.h"

enum { WORDS_MAX = 12, FILES = 5 };

static const char preset[] = "# @package _global_\ndefaults:\n  - /model: m\n  - /dataset: d\n  - /quant_pair: q\n"
	"  - _self_\nexperiment: x\n";

static const struct scratch_file good[FILES] = {
	{"preset/p.yaml", preset},
	{"model/m.yaml", "name: m\npath: x\nlen: 3\n"},
	{"dataset/d.yaml", "name: d\nroot: data\nsize: small\ncaptions_path: ${.root}/c.txt\n"},
	{"quant_pair/q.yaml", "name: q\nweight: fp8\n"},
	{"grid.yaml", "preset: p\nsweep: {dataset.size: 'small,large'}\n"},
};

struct broken {
	const char *what;
	struct scratch_file files[FILES];         /* in place of good ones */
	const char *overrides[4];
	int grid;                                 /* with grid.yaml */
	const char *said[WORDS_MAX];              /* each stands in the message, once */
	const char *unsaid[WORDS_MAX];
};

#define BROKEN_MODEL {"model/m.yaml", "name: [m\npath: x\n"}

static const struct broken cases[] = {
	{"one file", {BROKEN_MODEL, {"quant_pair/q.yaml", "name: q\nweight: fp9\nactivatoin: fp8\n"}}, {0}, 0,
		{"/model/m.yaml:2:5: ", "preset/p.yaml:3:5", "/quant_pair/q.yaml:2:9: quant_pair.weight: expected one of",
			"q.yaml:3:1: unknown key 'quant_pair.activatoin'; did you mean 'quant_pair.activation'?"},
		{"is missing", "model.path", "there is no key", "dataset."}},
	{"several", {BROKEN_MODEL, {"dataset/d.yaml", "name: d\nname: e\n"}, {"quant_pair/q.yaml", "- q\n"}}, {0}, 0,
		{"/model/m.yaml:2:5: ", "/dataset/d.yaml:2:1: ", "/quant_pair/q.yaml:1:1: expected a mapping (key: value), "
			"found list", "composed from: %s/preset/p.yaml:5:5"},
		{"is missing"}},
	{"an absent option", {{"quant_pair/q.yaml", "name: q\nweight: fp9\n"}}, {"model=n"}, 0,
		{"there is no %s/model/n.yaml", "/quant_pair/q.yaml:2:9: quant_pair.weight: expected one of"}, {"is missing"}},
	{"interpolation into it", {BROKEN_MODEL, {"dataset/d.yaml", "name: ${model.name}.d\ncalib_seq_len: ${model.len}\n"
			"captions_path: ${.rot}\nmax_calib_samples: ${oc.env:QG_NOT_SET}\n"
			"root: ${hydra:runtime.choices.nogroup}\n"}},
		{0}, 0,
		{"/model/m.yaml:2:5: ", "environment variable 'QG_NOT_SET' is not set"},
		{"not found", "expected a name", "no group"}},
	{"overrides of it", {BROKEN_MODEL}, {"model.path=y", "model.pth=y", "~model.hub", "dataset.size=3"}, 0,
		{"/model/m.yaml:2:5: ", "override 'model.pth=y', column 1: unknown key 'model.pth'; did you mean 'model.path'?",
			"override 'dataset.size=3', column 14: dataset.size: expected a name"},
		{"there is no key", "model.hub", "model.path="}},
	{"a defaults list", {{"preset/p.yaml", "# @package _global_\ndefaults:\n  - optioal /model: m\n  - /dataset: d\n"
			"  - {a: b, c: d}\n  - /quant_pair: q\nexperimnt: x\n"}, {"quant_pair/q.yaml", "weight: fp9\n"}}, {0}, 0,
		{"p.yaml:3:5: unknown word 'optioal'", "p.yaml:5:5: expected one 'group: option' an item, found 2 keys",
			"p.yaml:7:1: unknown key 'experimnt'", "q.yaml:1:9: quant_pair.weight: expected one of"},
		{"is missing", "Could not override"}},
	{"a choice it may have made", {{"preset/p.yaml", "# @package _global_\ndefaults:\n  - /model: m\n"
			"  - /dataset: ?" "??\n"
			"  - /experiment: e\n"}, {"experiment/e.yaml", "a: *b\n"}}, {0}, 0,
		{"/experiment/e.yaml:1:4: "}, {"You must specify"}},
	{"a choice that nothing made", {{"preset/p.yaml", "# @package _global_\ndefaults:\n  - /model: m\n"
			"  - /dataset: ?" "??\n"
			"  - /quant_pair: ?" "??\n"}, {"model/m.yaml", "nme: m\n"}}, {0}, 0,
		{"You must specify 'dataset'", "You must specify 'quant_pair'", "m.yaml:1:1: unknown key 'model.nme'"},
		{"is missing"}},
	{"a conflict", {{"preset/p.yaml", "# @package _global_\ndefaults:\n  - /model: m\n  - /quant_pair: q\n  - _self_\n"
			"model: [1]\n"}, {"quant_pair/q.yaml", "weight: fp9\n"}}, {0}, 0,
		{"p.yaml:6:8: 'model' is a list here and a dict at ", "q.yaml:1:9: quant_pair.weight: expected one of"},
		{"is missing"}},
	{"the preset", {{"preset/p.yaml", "a: {\n"}}, {"quant_pair.wieght=fp8", "dataset=d"}, 0,
		{"/preset/p.yaml:2:1: ", "unknown key 'quant_pair.wieght'"}, {"is missing", "Could not override", "no match"}},
	{"an override", {{"quant_pair/q.yaml", "weight: fp9\n"}}, {"dataset.size=[", "model.pth=x"}, 0,
		{"override 'dataset.size=[', column", "q.yaml:1:9: ", "unknown key 'model.pth'"},
		{"is missing (", "there is no key"}},
	{"an interpolation and the schema", {{"dataset/d.yaml", "name: ${.nme}\nsiz: small\nroot: ${.nme}x${\n"},
			{"quant_pair/q.yaml", "weight: fp9\n"}}, {0}, 0,
		{"d.yaml:1:7: dataset.name: interpolation key '.nme' not found", "d.yaml:2:1: unknown key 'dataset.siz'",
			"d.yaml:3:7: dataset.root: ", "q.yaml:1:9: "},
		{"must be given"}},
	{"who asked for an interpolation's file", {{"dataset/d.yaml", "name: d\nroot: ${.nme}\nsize: a/${model.nme}\n"},
			{"preset/p.yaml", "# @package _global_\ndefaults:\n  - /model: m\n  - /dataset: d\nexperiment: ${nope}\n"}},
		{0}, 0,
		{"d.yaml:2:7: dataset.root: interpolation key '.nme' not found; did you mean 'model.name'?\n    root: ${.nme}\n"
			"          ^\n    composed from: %s/preset/p.yaml:4:5\n",
			"d.yaml:3:9: dataset.size: interpolation key 'model.nme' not found; did you mean 'model.name'?\n    size: "
			"a/${model.nme}\n            ^\n    composed from: %s/preset/p.yaml:4:5\n",
			"p.yaml:5:13: experiment: interpolation key 'nope' not found\n    experiment: ${nope}\n"},
		{"composed from: %s/preset/p.yaml:5"}},
	{"the grid and a file", {{"grid.yaml", "preset: p\nsweep:\n  dataset.size: small,a!b\n  model.len: []\n"
			"fxed: [a=1]\nexclude: [{nokey: 1}]\n"}, BROKEN_MODEL}, {0}, 1,
		{"grid.yaml:3:24: '!' is not allowed", "grid.yaml:4:14: sweep: no values", "grid.yaml:5:1: unknown key 'fxed' "
			"in", "/model/m.yaml:2:5: "},
		{"no cell is like this", "nokey"}},
	{"a grid that names no preset any more", {{"grid.yaml", "preset: [p]\nfixed: [dataset.size=3]\n"}, BROKEN_MODEL},
		{0}, 1, {"grid.yaml:1:9: preset: expected the name of a preset, found list"}, {"m.yaml", "dataset.size"}},
};

static size_t times(const char *text, const char *word)
{
	size_t count = 0;
	for (; (text = strstr(text, word)); text++)
		count++;
	return count;
}

/* The text with dir for each %s. */
static char *with_dir(const char *text, const char *dir)
{
	struct strbuf b;
	strbuf_init(&b);
	for (const char *cut; (cut = strstr(text, "%s")); text = cut + 2) {
		strbuf_add(&b, text, (size_t)(cut - text));
		strbuf_adds(&b, dir);
	}
	strbuf_adds(&b, text);
	char *whole = strbuf_take(&b);
	strbuf_release(&b);
	return whole;
}

static void check_words(const struct broken *b, const char *dir)
{
	for (size_t i = 0; i < WORDS_MAX && b->said[i]; i++) {
		char *word = with_dir(b->said[i], dir);
		size_t found = times(error_text(), word);
		CHECK(found == 1, "%s: '%s' stands there %zu times:\n%s", b->what, word, found, error_text());
		free(word);
	}
	for (size_t i = 0; i < WORDS_MAX && b->unsaid[i]; i++)
		CHECK(!strstr(error_text(), b->unsaid[i]), "%s: '%s' is said:\n%s", b->what, b->unsaid[i], error_text());
}

static void check_case(const struct broken *b, const char *folder)
{
	struct grid grid;
	struct grid_request r = {.preset = b->grid ? NULL : "p", .overrides = b->overrides};
	size_t count = 0;
	while (count < FILES && b->files[count].name)
		count++;
	while (r.override_count < 4 && b->overrides[r.override_count])
		r.override_count++;
	scratch_tree(folder, good, FILES);
	scratch_tree(folder, b->files, count);
	char *dir = scratch_path(folder), *file = mem_printf("%s/grid.yaml", dir);
	struct composer *composer = composer_new(dir);
	r.file = b->grid ? file : NULL;
	int bad = grid_load(&grid, composer, &r);
	CHECK(bad, "%s: taken", b->what);
	if (bad)
		check_words(b, dir);
	else
		grid_release(&grid);
	composer_free(composer);
	free(file);
	free(dir);
}

static void test_broken(void)
{
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		char *folder = mem_printf("broken%zu", i);
		check_case(&cases[i], folder);
		free(folder);
	}
}

/* Twenty problems in all, those of many files, and the number of the others. */
static void test_limit(void)
{
	struct strbuf list, wrong;
	struct grid grid;
	struct grid_request r = {.preset = "p"};
	strbuf_init(&list);
	strbuf_init(&wrong);
	strbuf_adds(&list, "# @package _global_\ndefaults:\n");
	for (int i = 0; i < 12; i++) {
		char *name = mem_printf("limit/g%d/a.yaml", i);
		strbuf_addf(&list, "  - /g%d: a\n", i);
		free(scratch_write(name, "[", 1));
		free(name);
	}
	for (int i = 0; i < 12; i++)
		strbuf_addf(&wrong, "wrong%d: 1\n", i);
	strbuf_adds(&list, wrong.s);
	free(scratch_write("limit/preset/p.yaml", list.s, list.length));
	char *dir = scratch_path("limit");
	struct composer *composer = composer_new(dir);
	CHECK(grid_load(&grid, composer, &r), "taken");
	CHECK(times(error_text(), "/a.yaml:2:1: ") == 12, "not all broken files:\n%s", error_text());
	CHECK(times(error_text(), "unknown key 'wrong") == 8 && times(error_text(), "\nand 4 more") == 1,
		"expected 8 of 12 keys and 'and 4 more':\n%s", error_text());
	composer_free(composer);
	free(dir);
	strbuf_release(&list);
	strbuf_release(&wrong);
}

int main(void)
{
	TEST(test_broken);
	TEST(test_limit);
	return check_done();
}
