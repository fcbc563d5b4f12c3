/* Sweeps: the oracle's lines of kind sweep, and grids with sweep files on conf/ itself. */
#include <stdlib.h>

#include "check.h"
#include "common/error.h"
#include "common/memory.h"
#include "config/axes.h"
#include "config/sweep.h"
#include "support/config_deviations.h"
#include "support/scratch.h"

static struct composer *composer;

/* The axes of a line's arguments; -1 after fail(). */
static int expand(const struct node *arguments, struct axes *axes)
{
	for (size_t i = 0; i < arguments->count; i++) {
		struct override o;
		if (override_parse(&o, arguments->items[i]->text))
			return -1;
		int bad = o.sweep == SWEEP_NONE || axes_take(axes, composer, &o);
		override_release(&o);
		if (bad)
			return -1;
	}
	return 0;
}

static void check_job(const struct override *found, const struct node *expected)
{
	struct override o;
	char *text = override_text(found);
	if (override_parse(&o, expected->text)) {
		CHECK(0, "%s", error_text());
	} else {
		CHECK(o.type == found->type && override_same_key(&o, found) && o.sweep == SWEEP_NONE
			&& oracle_same(found->value, o.value), "found %s, expected %s", text, expected->text);
		override_release(&o);
	}
	free(text);
}

static void check_jobs(const struct axes *axes, const struct node *jobs, const char *what)
{
	struct override picks[8];
	CHECK(axes_product(axes, 1000) == jobs->count, "%s: %zu jobs, expected %zu", what, axes_product(axes, 1000),
		jobs->count);
	for (size_t i = 0; i < jobs->count && i < axes_product(axes, 1000); i++) {
		axes_pick(axes, i, picks);
		CHECK(axes->count == jobs->items[i]->count, "%s: %zu axes", what, axes->count);
		for (size_t k = 0; k < axes->count && k < jobs->items[i]->count; k++)
			check_job(&picks[k], jobs->items[i]->items[k]);
	}
}

static struct node *values_of(const struct axes *axes)
{
	struct node *list = node_new(NODE_LIST, NULL);
	for (size_t i = 0; i < axes->items[0].values.count; i++)
		node_append(list, node_copy(axes->items[0].values.items[i].value));
	return list;
}

static void replay(const struct node *line)
{
	const struct node *arguments = node_get(line, "args"), *jobs = node_get(line, "jobs");
	struct axes axes = {0};
	const char *what = arguments->items[0]->text;
	struct oracle_deviation *d = arguments->count == 1 ? deviation_find("sweep", what) : NULL;
	int bad = expand(arguments, &axes);
	if (d) {
		struct node *values = bad ? NULL : values_of(&axes);
		oracle_check_deviation(d, values);
		node_free(values);
	} else if (!jobs) {
		CHECK(bad, "'%s' is accepted, expected %s", what, node_string(line, "err"));
	} else if (bad) {
		CHECK(0, "'%s': %s", what, error_text());
	} else {
		check_jobs(&axes, jobs, what);
	}
	axes_release(&axes);
}

static void test_oracle(void)
{
	composer = composer_new("conf");
	CHECK(oracle_each("sweep", replay) == 24, "the oracle has 24 lines of kind sweep");
	deviations_check_seen("sweep");
	composer_free(composer);
}

/* --- grids --- */

struct loaded {
	struct grid grid;
	struct composer *composer;
	int bad;
};

/* A sweep file of that content (NULL: none) and overrides ending in NULL. */
static struct loaded load(const char *file, const char *const *overrides)
{
	struct loaded l = {.composer = composer_new("conf")};
	struct grid_request r = {.overrides = overrides};
	char *path = file ? scratch_write("grid.yaml", file, strlen(file)) : NULL;
	while (overrides && overrides[r.override_count])
		r.override_count++;
	r.file = path;
	l.bad = grid_load(&l.grid, l.composer, &r);
	free(path);
	return l;
}

static void unload(struct loaded *l)
{
	grid_release(&l->grid);
	composer_free(l->composer);
}

/* "quant_pair=wfp8_afp8 dataset.size=small; ..." of all cells. */
static void check_cells(const char *file, const char *const *overrides, const char *expected)
{
	struct loaded l = load(file, overrides);
	struct strbuf b;
	strbuf_init(&b);
	for (size_t i = 0; i < l.grid.cell_count; i++)
		for (size_t k = 0; k < l.grid.cells[i].swept_count; k++)
			strbuf_addf(&b, "%s%s=%s", !i && !k ? "" : k ? " " : "; ", l.grid.cells[i].swept[k].key,
				l.grid.cells[i].swept[k].text);
	CHECK(!l.bad, "%s", error_text());
	CHECK_STRING(b.s, expected);
	strbuf_release(&b);
	unload(&l);
}

static void check_refused(const char *file, const char *const *overrides, const char *expected)
{
	struct loaded l = load(file, overrides);
	CHECK(l.bad && strstr(error_text(), expected), "found %s\nexpected %s", l.bad ? error_text() : "no error", expected);
	unload(&l);
}

#define OVERRIDES(...) ((const char *const[]){__VA_ARGS__, NULL})

static void test_order(void)
{
	check_cells(NULL, OVERRIDES("quant_pair=wint8_aint8,wfp8_afp8", "dataset.size=small,large"),
		"quant_pair=wint8_aint8 dataset.size=small; quant_pair=wint8_aint8 dataset.size=large; "
		"quant_pair=wfp8_afp8 dataset.size=small; quant_pair=wfp8_afp8 dataset.size=large");
	check_cells("sweep:\n  dataset.size: [small, large]\n", OVERRIDES("quant_pair=glob(wint8_ai*8)"),
		"dataset.size=small quant_pair=wint8_aint8; dataset.size=large quant_pair=wint8_aint8");
}

static void test_command_line_replaces(void)
{
	static const char file[] = "sweep:\n  quant_pair: wint8_aint8,wfp8_afp8\n  dataset.size: small,large\n";
	check_cells(file, OVERRIDES("dataset.size=medium"), "quant_pair=wint8_aint8; quant_pair=wfp8_afp8");
	check_cells(file, OVERRIDES("quant_pair=wint4_aint4,wint4_afp8", "dataset.size=small"),
		"quant_pair=wint4_aint4; quant_pair=wint4_afp8");
	check_cells(file, OVERRIDES("autoquant.effective_bits=6,7.5", "dataset.size=small", "quant_pair=wfp8_afp8"),
		"autoquant.effective_bits=6; autoquant.effective_bits=7.5");
}

static void test_exclude_and_include(void)
{
	static const char file[] =
		"sweep:\n"
		"  quant_pair: glob([wfp8_*,wint8_aint8])\n"
		"  dataset.size: small,medium\n"
		"exclude:\n"
		"  - {quant_pair.experimental: true, dataset.size: medium}\n"
		"  - {quant_pair: glob(wfp8_a*16), dataset.size: small}\n"
		"include:\n"
		"  - {quant_pair: wint8_aint8, dataset.size: large}\n";
	check_cells(file, OVERRIDES("output_layout=publish"),
		"quant_pair=wfp8_afp8 dataset.size=small; quant_pair=wfp8_afp8 dataset.size=medium; "
		"quant_pair=wfp8_aint4 dataset.size=small; quant_pair=wfp8_aint8 dataset.size=small; "
		"quant_pair=wint8_aint8 dataset.size=small; quant_pair=wint8_aint8 dataset.size=medium; "
		"quant_pair=wint8_aint8 dataset.size=large");
	/* The include's size is not among those of the command line; the exclude by medium finds nothing, and may. */
	check_cells(file, OVERRIDES("dataset.size=small"),
		"quant_pair=wfp8_afp8; quant_pair=wfp8_aint4; quant_pair=wfp8_aint8; quant_pair=wint8_aint8");
}

static void test_refusals(void)
{
	check_refused(NULL, OVERRIDES("quant_pair=wfp8_afp8,wfp8_afp8"),
		"cells 1 and 2 of the grid are the same config:\n    quant_pair=wfp8_afp8\n    quant_pair=wfp8_afp8");
	check_refused(NULL, OVERRIDES("autoquant.batch_size=glob(*)"),
		"glob() chooses among the options of a group, and 'autoquant.batch_size' is none");
	check_refused("sweep: {dataset.size: 'small,medium'}\nexclude: [{dataset.size: large}]\n", NULL,
		"grid.yaml:2:12: exclude: no cell is like this");
	check_refused("sweep: {dataset.size: 'small,medium'}\nexclude: [{dataset.siz: small}]\n", NULL,
		"grid.yaml:2:12: exclude: there is no key 'dataset.siz'; did you mean 'dataset.size'?");
	check_refused("sweep: {dataset.size: 'small,medium'}\ninclude: [{dataset.size: small}]\n", NULL,
		"cells 1 and 3 of the grid are the same config:");
	check_refused("sweep: {dataset.size: small}\nexclude: [{dataset.size: small}]\n", NULL,
		"the grid has no cells: exclude took all");
	check_refused("swep: {dataset.size: small}\n", NULL, "grid.yaml:1:1: unknown key 'swep' in a sweep file; did you mean "
		"'sweep'?");
	check_refused("fixed: [dataset.size=small,medium]\n", NULL, "grid.yaml:1:34: '=' is missing: expected medium=VALUE");
	check_refused("fixed: ['dataset.size=small,medium']\n", NULL, "fixed: this is a sweep; put it under sweep");
	check_refused("sweep:\n  dataset.size: small,a!b\n", NULL, "grid.yaml:2:24: '!' is not allowed here outside quotes");
	check_refused("sweep:\n  dataset.size: []\n", NULL, "grid.yaml:2:17: sweep: no values");
	check_refused(NULL, OVERRIDES("autoquant.score_size=range(1,100000)", "dataset.max_calib_samples=1,2"),
		"the axes make more than 100000 cells");
	check_refused("sweep:\n  autoquant.batch_size: 012\n", NULL, "grid.yaml:2:25: YAML reads this as 10; write that, or");
	check_refused("sweep:\n  autoquant.batch_size: [8, 1:30]\n", NULL, "grid.yaml:2:29: YAML reads this as 90; write");
	check_refused("fixed: {experiment: on}\n", NULL, "grid.yaml:1:21: YAML reads this as true; write that, or quote it");
	/* Everything that is wrong is said, once; what is wrong everywhere without a cell's name. */
	check_refused(NULL, OVERRIDES("k=[1", "dataset.size=small", "l={"), "override 'k=[1', column 5: ']' is missing\n"
		"    k=[1\n        ^\noverride 'l={', column 4: ");
	check_refused(NULL, OVERRIDES("dataset.size=small,mediun,lage", "dataset.calib_seq_len=x"),
		"column 23: dataset.calib_seq_len: expected int from 2 to 1048576, found the string 'x'\n"
		"    dataset.calib_seq_len=x\n                          ^\n    declared in conf/dataset/vlm_coco2017_captions.yaml:");
	check_refused(NULL, OVERRIDES("dataset.size=small,mediun,lage", "dataset.calib_seq_len=x"),
		"found 'lage'; did you mean 'large'?\n    dataset.size=small,mediun,lage\n                              ^\n"
		"    in cell dataset.size=lage");
	check_refused(NULL, OVERRIDES("quant_pai=x", "quant_pair=wfp8_afp9", "datset.size=small"),
		"did you mean 'wfp8_afp8'?");
	check_refused(NULL, OVERRIDES("dataset.siz=small", "modl=x", "autoquant.size=1"), "did you mean 'dataset.size'?");
	check_refused(NULL, OVERRIDES("dataset.siz=small", "modl=x", "autoquant.size=1"), "\noverride 'modl=x', column 1: ");
	check_refused(NULL, OVERRIDES("autoquant.batch_size=range(-30,0)"), "in cell autoquant.batch_size=-11\nthese are 20; there may be more");
	/* An error in one of several cells says which. */
	check_refused(NULL, OVERRIDES("dataset.size=small,mediun"), "did you mean 'medium'?\n    dataset.size=small,mediun\n"
		"                       ^\n    in cell dataset.size=mediun (a,b makes a grid axis; quote a comma that belongs to a "
		"value)");
	check_refused(NULL, OVERRIDES("dataset.siz=small", "autoquant.batch_size=abc"), "\noverride 'autoquant.batch_size=abc', "
		"column 22: autoquant.batch_size: expected int from 1 to 65536, found the string 'abc'");
	check_refused(NULL, OVERRIDES("size.dataset=small"), "there is no key 'size.dataset'; did you mean 'dataset.size'?");
	check_refused(NULL, OVERRIDES("pair_quant=wfp8_afp8"), "there is no key 'pair_quant'; did you mean 'quant_pair'?");
}

static void test_named(void)
{
	struct loaded l = load("sweep:\n  quant_pair: wfp8_afp8,wint8_aint8\nfixed: [output_layout=publish]\n",
		OVERRIDES("model.path=x"));
	CHECK(!l.bad, "%s", error_text());
	CHECK(grid_names(&l.grid, "model") && grid_names(&l.grid, "model.path") && grid_names(&l.grid, "quant_pair")
		&& grid_names(&l.grid, "output_layout"), "a key that was set is not known");
	CHECK(!grid_names(&l.grid, "dataset") && !grid_names(&l.grid, "mode") && !grid_names(&l.grid, "model.name"),
		"a key that was not set is known");
	CHECK_STRING(l.grid.name, "grid");
	if (l.grid.cell_count == 2) {
		CHECK_STRING(grid_cell_choice(&l.grid.cells[1], "quant_pair"), "wint8_aint8");
		CHECK_STRING(grid_cell_choice(&l.grid.cells[1], "model"), "qwen3_vl_4b_instruct");
		CHECK_STRING(l.grid.cells[1].overrides, "output_layout=publish quant_pair=wint8_aint8 model.path=x");
	}
	unload(&l);
}

static void test_defaults_are_weak(void)
{
	static const char *const defaults[] = {"model=qwen3_vl_demo", "dataset=demo_captions"};
	static const char *const overrides[] = {"dataset=vlm_coco2017_captions", "dataset.calib_seq_len=64"};
	struct composer *c = composer_new("conf");
	struct grid g;
	struct grid_request r = {.overrides = overrides, .override_count = 2, .defaults = defaults, .default_count = 2};
	if (grid_load(&g, c, &r)) {
		CHECK(0, "%s", error_text());
	} else {
		CHECK_STRING(node_string(g.cells[0].config, "model.name"), "qwen3_vl_demo");
		CHECK_STRING(node_string(g.cells[0].config, "dataset.name"), "vlm_coco2017_captions");
		CHECK(node_int(g.cells[0].config, "dataset.calib_seq_len") == 64, "calib_seq_len");
		CHECK(!grid_names(&g, "model"), "a default counts as named");
		grid_release(&g);
	}
	composer_free(c);
}

static void test_pairs_x_sizes(void)
{
	struct composer *c = composer_new("conf");
	struct grid g;
	struct grid_request r = {.file = "conf/sweeps/pairs_x_sizes.yaml"};
	if (grid_load(&g, c, &r)) {
		CHECK(0, "%s", error_text());
	} else {
		CHECK(g.cell_count == 48 && g.key_count == 2, "%zu cells, %zu keys", g.cell_count, g.key_count);
		CHECK_STRING(g.name, "pairs_x_sizes");
		CHECK_STRING(g.preset, "qwen3_lm_sensitivity");
		CHECK_STRING(g.cells[1].overrides, "output_layout=publish quant_pair=wfp4_afp16 dataset.size=medium");
		CHECK_STRING(node_string(g.cells[47].config, "quant_pair.name"), "wint8_aint8");
		CHECK_STRING(node_string(g.cells[47].config, "dataset.captions_path"),
			"datasets/vlm-quantize-calib/coco2017_captions_large.txt");
		CHECK_STRING(node_string(g.cells[0].config, "output_layout.root_dir"),
			"models/qwen3_vl_4b_instruct/layer-analysis");
		grid_release(&g);
	}
	composer_free(c);
}

int main(void)
{
	TEST(test_oracle);
	TEST(test_order);
	TEST(test_command_line_replaces);
	TEST(test_exclude_and_include);
	TEST(test_refusals);
	TEST(test_named);
	TEST(test_defaults_are_weak);
	TEST(test_pairs_x_sizes);
	return check_done();
}
