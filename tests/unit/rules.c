/* Rules: what each malformed file is told. The plan: which jobs cells need, which they share, what changes a key. */
#include "graph/rules.h"

#include <stdlib.h>
#include <sys/stat.h>

#include "../check.h"
#include "../support/scratch.h"
#include "common/error.h"
#include "common/file.h"
#include "common/json.h"
#include "common/memory.h"
#include "graph/job.h"
#include "graph/job_list.h"
#include "graph/plan.h"

/* --- a small rules folder: text -> tokens -> calib -> scores -> report --- */

struct rule_text {
	const char *name, *text;
};

static const struct rule_text tokens_rule = {"tokens.yaml",
	"stage: tokens\n"
	"version: 1\n"
	"about: Text as ids\n"
	"label: ${data.name}.${data.n}\n"
	"describe: TOKENS ${data.n}\n"
	"inputs:\n"
	"  text: {leaf: data.text}\n"
	"  words: {leaf: model.path, files: words}\n"
	"params: [data.n]\n"
	"output: tokens\n"};
static const struct rule_text calib_rule = {"calib.yaml",
	"stage: calib\n"
	"version: 1\n"
	"about: Maxima\n"
	"label: ${cell.name}\n"
	"describe: CALIB ${cell.name}\n"
	"numerics: true\n"
	"inputs:\n"
	"  tokens: {stage: tokens, when: quant.act}\n"
	"params: [quant.weight, quant.act]\n"
	"unhashed: [run.device]\n"
	"output: calib\n"
	"pool: compute\n"};
static const struct rule_text scores_rule = {"scores.yaml",
	"stage: scores\n"
	"version: 1\n"
	"about: Sensitivities\n"
	"label: ${cell.name}\n"
	"describe: SCORE ${cell.name}\n"
	"numerics: true\n"
	"inputs:\n"
	"  tokens: {stage: tokens, with: {data.n: run.scored}}\n"
	"  calib: {stage: calib}\n"
	"params: [quant.weight, quant.act, run.method]\n"
	"unhashed: [run.device]\n"
	"output: scores\n"
	"group: {by: [tokens, run.method]}\n"
	"pool: compute\n"};
static const struct rule_text report_rule = {"a-report.yaml",
	"stage: a-report\n"
	"version: 1\n"
	"about: What people read\n"
	"label: ${cell.name}\n"
	"describe: REPORT ${cell.name}\n"
	"inputs:\n"
	"  scores: {stage: scores}\n"
	"params: [cell.name]\n"
	"unhashed: [out]\n"
	"publish: true\n"};

static char *rules_dir;   /* below the scratch directory */

static void write_rule(const char *name, const char *text)
{
	char *path = mem_printf("rules/%s", name);
	free(scratch_write(path, text, strlen(text)));
	free(path);
}

/* The folder with the four rules above and nothing else. */
static void fresh_rules(void)
{
	static const struct rule_text *const all[] = {&tokens_rule, &calib_rule, &scores_rule, &report_rule};
	free(rules_dir);
	rules_dir = scratch_path("rules");
	scratch_remove(rules_dir);
	for (size_t i = 0; i < sizeof all / sizeof *all; i++)
		write_rule(all[i]->name, all[i]->text);
}

/* text with the first from replaced by to. */
static char *replaced(const char *text, const char *from, const char *to)
{
	const char *at = strstr(text, from);
	CHECK(at, "the test is wrong: no %s in %s", from, text);
	if (!at)
		return mem_strdup(text);
	return mem_printf("%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
}

static void change_rule(const struct rule_text *rule, const char *from, const char *to)
{
	char *text = replaced(rule->text, from, to);
	write_rule(rule->name, text);
	free(text);
}

static void read_rules(struct rules *rules)
{
	if (rules_read(rules, rules_dir))
		exit(error_report(1));
}

/* --- rules.h --- */

static void test_read(void)
{
	static const char *const order[] = {"tokens", "calib", "scores", "a-report"};
	struct rules rules;
	fresh_rules();
	write_rule("README.md", "not a rule");
	write_rule("calib.yaml~", "not: [a rule");
	read_rules(&rules);
	CHECK(rules.count == 4, "%zu rules", rules.count);
	for (size_t i = 0; i < rules.count; i++)
		CHECK_STRING(rules.rules[i].stage, i < 4 ? order[i] : "nothing");
	const struct rule *scores = rules_find(&rules, "scores"), *calib = rules_find(&rules, "calib");
	CHECK(scores == &rules.rules[2] && !rules_find(&rules, "score"), "found otherwise");
	CHECK_STRING(scores->about, "Sensitivities");
	CHECK_STRING(scores->label, "${cell.name}");
	CHECK(scores->version == 1 && scores->numerics && !scores->publish && scores->grouped, "flags of scores");
	CHECK(!calib->grouped && !calib->group_by.count && !rules.rules[0].numerics && rules.rules[3].publish, "flags");
	CHECK_STRING(scores->output, "scores");
	CHECK_STRING(scores->pool, "compute");
	CHECK(!rules.rules[0].pool && !rules.rules[3].output && !rules.rules[3].when, "something from nothing");
	CHECK(scores->params.count == 3 && scores->unhashed.count == 1 && scores->group_by.count == 2, "lists of scores");
	CHECK_STRING(scores->params.item[2], "run.method");
	CHECK_STRING(scores->group_by.item[0], "tokens");
	CHECK(scores->input_count == 2 && scores->inputs[0].with_count == 1 && !scores->inputs[0].leaf, "inputs of scores");
	CHECK_STRING(scores->inputs[0].with[0].path, "data.n");
	CHECK_STRING(scores->inputs[0].with[0].from, "run.scored");
	CHECK_STRING(calib->inputs[0].when, "quant.act");
	CHECK_STRING(rules.rules[0].inputs[1].files, "words");
	rules_release(&rules);
	CHECK(!rules.count && !rules.rules, "something is left after release");
}

/* Reads the folder, which must fail; the first line of the message must be FOLDER/error. */
static void check_refused(const char *what, const char *error)
{
	struct rules rules;
	char *expected = mem_printf("%s%s", rules_dir, error);
	int bad = rules_read(&rules, rules_dir);
	char *found = mem_strdup(bad ? error_text() : "accepted");
	found[strcspn(found, "\n")] = '\0';
	CHECK(bad == -1 && strcmp(found, expected) == 0, "%s: \"%s\", expected \"%s\"", what, found, expected);
	CHECK(!bad || (!rules.rules && !rules.count), "%s: something is left after a refusal", what);
	rules_release(&rules);
	free(expected);
	free(found);
}

static void test_malformed(void)
{
	static const struct {
		const char *from, *to, *error;
	} damages[] = {
		{"stage: scores", "stages: scores", "1:1: unknown key 'stages' in a rule; did you mean 'stage'?"},
		{"about: S", "abuot: S", "3:1: unknown key 'abuot' in a rule; did you mean 'about'?"},
		{"about: S", "frobnicate: S", "3:1: unknown key 'frobnicate' in a rule"},
		{"stage: scores\n", "", "1:1: key 'stage' is missing"},
		{"stage: scores", "stage: 5", "1:8: 'stage' must be a string, found a int"},
		{"about: Sensitivities\n", "", "1:1: key 'about' is missing"},
		{"label: ${cell.name}\n", "", "1:1: key 'label' is missing"},
		{"describe: SCORE ${cell.name}\n", "", "1:1: key 'describe' is missing"},
		{"describe: SCORE ${cell.name}", "describe: [a]", "5:11: 'describe' must be a string, found a list"},
		{"version: 1\n", "", "1:1: 'version' must be an integer from 1 to 1000000"},
		{"version: 1", "version: 0", "2:10: 'version' must be an integer from 1 to 1000000"},
		{"version: 1", "version: 1000001", "2:10: 'version' must be an integer from 1 to 1000000"},
		{"version: 1", "version: '1'", "2:10: 'version' must be an integer from 1 to 1000000"},
		{"numerics: true", "numerics: 1", "6:11: 'numerics' must be true or false, found a int"},
		{"inputs:\n  tokens: {stage: tokens, with: {data.n: run.scored}}\n  calib: {stage: calib}\n", "inputs: [a]\n",
			"7:9: 'inputs' must be a dict of at most 64 inputs"},
		{"  calib: {stage: calib}", "  calib: calib", "9:10: an input must be a dict, found a string"},
		{"{stage: calib}", "{stag: calib}", "9:11: unknown key 'stag' in an input; did you mean 'stage'?"},
		{"{stage: calib}", "{stage: calib, leaf: x}", "9:10: input 'calib' needs either 'stage' or 'leaf'"},
		{"{stage: calib}", "{when: x}", "9:10: input 'calib' needs either 'stage' or 'leaf'"},
		{"{stage: calib}", "{leaf: [x]}", "9:17: 'leaf' must be a string, found a list"},
		{"with: {data.n: run.scored}", "with: [data.n]", "8:33: 'with' must be a dict of path: path"},
		{"with: {data.n: run.scored}", "with: {data.n: 5}", "8:42: 'with' must give paths, found a int"},
		{"params: [quant.weight", "params: [5", "10:10: 'params' must hold names, found a int"},
		{"unhashed: [run.device]", "unhashed: run.device", "11:11: 'unhashed' must be a list of at most 64 names"},
		{"unhashed: [run.device]", "unhashed: [run.device, run.method]",
			"11:11: 'run.method' is both hashed (params) and unhashed"},
		{"quant.act, run.method]", "quant.act, run.method, quant.act]", "10:47: 'quant.act' stands twice in 'params'"},
		{"output: scores\n", "", "1:1: a stage has either an 'output' or 'publish: true'"},
		{"output: scores\n", "output: scores\npublish: true\n", "1:1: a stage has either an 'output' or 'publish: true'"},
		{"output: scores\n", "output: scores\nwhen: run.extra\n",
			"13:7: 'when' is for stages with 'publish: true'; others are made when an input asks for them"},
		{"group: {by", "group: {of", "13:9: unknown key 'of' in group"},
		{"group: {by: [tokens, run.method]}", "group: tokens", "13:8: group must be a dict, found a string"},
		{"by: [tokens", "by: [token", "13:14: 'token' is neither a param of scores nor an input made by a stage"},
		{"pool: compute", "pool: all", "14:7: unknown pool 'all': compute or disk"},
		{"pool: compute", "pool: compute\npool: disk", "15:1: key 'pool' stands twice, first in line 14"},
	};
	fresh_rules();
	for (size_t i = 0; i < sizeof damages / sizeof *damages; i++) {
		char *error = mem_printf("/scores.yaml:%s", damages[i].error);
		change_rule(&scores_rule, damages[i].from, damages[i].to);
		check_refused(damages[i].to, error);
		free(error);
	}
	write_rule("scores.yaml", "");
	check_refused("an empty file", "/scores.yaml:1:1: key 'stage' is missing");
	write_rule("scores.yaml", "stage: scores\nversion: 1\nabout: a\nlabel: b\ndescribe: c\noutput: d\n");
	check_refused("no inputs", "/scores.yaml:1:1: 'inputs' must be a dict of at most 64 inputs");
	write_rule("scores.yaml", "stage: [scores\nversion: 1\n");
	CHECK(rules_read(&(struct rules){0}, rules_dir) == -1 && strstr(error_text(), "/scores.yaml:2:"), "%s", error_text());
}

static void test_malformed_together(void)
{
	static const struct {
		const char *from, *to, *error;
	} damages[] = {
		{"{stage: calib}", "{stage: calip}", "/scores.yaml: input 'calib': there is no stage 'calip'; did you mean 'calib'?"},
		{"{stage: calib}", "{stage: elsewhere}", "/scores.yaml: input 'calib': there is no stage 'elsewhere'"},
		{"{stage: calib}", "{stage: a-report}",
			"/scores.yaml: input 'calib': nothing can be made from the published files of 'a-report'"},
		{"{data.n: ", "{data.m: ", "/scores.yaml: input 'tokens': with: 'data.m' is no param of tokens"},
		{"stage: scores", "stage: score", "/scores.yaml: holds the rule of stage 'score'; file and stage share a name"},
		{"stage: scores", "stage: scores2", "/scores.yaml: holds the rule of stage 'scores2'; file and stage share a name"},
	};
	fresh_rules();
	for (size_t i = 0; i < sizeof damages / sizeof *damages; i++) {
		change_rule(&scores_rule, damages[i].from, damages[i].to);
		check_refused(damages[i].to, damages[i].error);
	}
	fresh_rules();
	change_rule(&calib_rule, "{stage: tokens, when: quant.act}", "{stage: scores}");
	check_refused("a circle of two", "/calib.yaml: stages depend on one another in a circle");
	change_rule(&calib_rule, "{stage: tokens, when: quant.act}", "{stage: calib}");
	check_refused("a circle of one", "/calib.yaml: stages depend on one another in a circle");
}

static void test_folder(void)
{
	struct rules rules;
	fresh_rules();
	scratch_remove(rules_dir);
	check_refused("no folder", ": cannot list the directory: No such file or directory");
	write_rule("README.md", "");
	check_refused("no rules", ": no rules there");
	fresh_rules();
	char *text = mem_strdup("");
	for (int i = 0; i < RULES_MAX - 4; i++) {
		char *name = mem_printf("z%02d.yaml", i), *stage = mem_printf("stage: z%02d\n", i);
		free(text);
		text = replaced(tokens_rule.text, "stage: tokens\n", stage);
		write_rule(name, text);
		free(name);
		free(stage);
	}
	read_rules(&rules);
	CHECK(rules.count == RULES_MAX, "%zu rules", rules.count);
	rules_release(&rules);
	write_rule("zz.yaml", "stage: zz\n");
	check_refused("one rule too many", ": more than 64 rules");
	free(text);
}

/* --- plan.h: a scratch folder with text and words, and a lister of the latter --- */

static int list_words(const char *dir, char ***names, size_t *count)
{
	char *path = path_join(dir, "two");
	int both = file_exists(path);
	free(path);
	if (strstr(dir, "forbidden"))
		return fail("%s: not a model", dir);
	*count = both ? 2 : 1;
	*names = mem_array(2, sizeof **names);
	(*names)[0] = mem_strdup("one");
	if (both)
		(*names)[1] = mem_strdup("two");
	return 0;
}

static plan_lister *lister(const char *name)
{
	return strcmp(name, "words") ? NULL : list_words;
}

struct cell {
	const char *name, *weight, *act, *method, *device, *text, *model, *out, *formats;
	int n, scored;
};

/* What every test starts from. */
static const struct cell basic = {.name = "basic", .weight = "I8r", .act = "f8t", .method = "grad", .device = "cpu",
	.text = "text", .model = "model", .out = "out", .formats = "[{}]", .n = 10, .scored = 4};

static cJSON *view_of(const struct cell *c)
{
	char *text = mem_printf("{\"cell\":{\"name\":\"%s\"},\"quant\":{\"weight\":\"%s\",\"act\":\"%s\"},\"out\":\"%s\","
		"\"run\":{\"method\":\"%s\",\"device\":\"%s\",\"scored\":%d,\"extra\":true},\"model\":{\"path\":\"%s/%s\"},"
		"\"data\":{\"name\":\"d\",\"n\":%d,\"text\":\"%s/%s\"},\"formats\":%s}", c->name, c->weight, c->act, c->out, c->method, c->device,
		c->scored, scratch_dir(), c->model, c->n, scratch_dir(), c->text, c->formats);
	cJSON *view = json_parse(text, strlen(text), "test", NULL);
	free(text);
	if (!view)
		exit(error_report(1));
	return view;
}

static void write_leaves(void)
{
	char *second = scratch_path("model/two");
	remove(second);
	free(second);
	free(scratch_write("text", "a b c", 5));
	free(scratch_write("model/one", "1", 1));
}

static void add_cell(struct plan *plan, const struct cell *c)
{
	if (plan_add_cell(plan, c->name, view_of(c), c->out))
		exit(error_report(1));
}

struct planned {
	struct rules rules;
	struct plan plan;
	char *build;
};

static void plan_cells(struct planned *p, const struct cell *cells, size_t count)
{
	read_rules(&p->rules);
	p->build = scratch_path("build");
	plan_init(&p->plan, &p->rules, p->build, scratch_dir(), "cpu-test", "15.0.0", lister);
	for (size_t i = 0; i < count; i++)
		add_cell(&p->plan, &cells[i]);
	plan_finish(&p->plan);
}

static void planned_release(struct planned *p)
{
	plan_release(&p->plan);
	rules_release(&p->rules);
	free(p->build);
}

static size_t count_jobs(const struct plan *plan, const char *stage)
{
	size_t count = 0;
	for (size_t i = 0; i < plan->job_count; i++)
		count += strcmp(plan->jobs[i].rule->stage, stage) == 0;
	return count;
}

static const struct plan_input *input_of(const struct plan_job *job, const char *name)
{
	for (size_t i = 0; i < job->input_count; i++)
		if (!strcmp(job->inputs[i].name, name))
			return &job->inputs[i];
	return NULL;
}

static void fresh(void)
{
	fresh_rules();
	write_leaves();
}

/* --- which jobs --- */

static void test_one_cell(void)
{
	struct planned p;
	fresh();
	plan_cells(&p, &basic, 1);
	const struct plan *plan = &p.plan;
	CHECK(plan->job_count == 5 && plan->cell_count == 1, "%zu jobs, %zu cells", plan->job_count, plan->cell_count);
	CHECK(count_jobs(plan, "tokens") == 2, "%zu tokens", count_jobs(plan, "tokens"));
	const struct plan_cell *cell = &plan->cells[0];
	const struct plan_job *report = &plan->jobs[cell->report], *scores = &plan->jobs[cell->scores[0]];
	CHECK_STRING(report->rule->stage, "a-report");
	CHECK_STRING(scores->rule->stage, "scores");
	CHECK_STRING(cell->output_dir, "out");
	CHECK(!report->ref_path && report->group == PLAN_NO_GROUP && scores->group == 0, "groups and references");
	CHECK_STRING(scores->label, "basic");
	char *words = plan_describe(scores);
	CHECK_STRING(words, "SCORE basic");
	free(words);
	char *job_path = mem_printf("%s/jobs/scores.jsonl:%.16s", p.build, scores->key.hex);
	char *ref_path = mem_printf("%s/ref/scores/basic-%.16s.ref", p.build, scores->key.hex);
	CHECK_STRING(scores->job_path, job_path);
	CHECK_STRING(scores->ref_path, ref_path);
	CHECK(plan->leaf_count == 2, "%zu leaves, expected each once", plan->leaf_count);
	free(job_path);
	free(ref_path);
	planned_release(&p);
}

/* An input with "with" sees the substitute, also in its label; the same stage without it does not. */
static void test_with_substitutes(void)
{
	struct planned p;
	fresh();
	plan_cells(&p, &basic, 1);
	const struct plan_job *jobs = p.plan.jobs, *scores = &jobs[p.plan.cells[0].scores[0]];
	const struct plan_job *scored = &jobs[input_of(scores, "tokens")->job];
	const struct plan_job *calib = &jobs[input_of(scores, "calib")->job], *all = &jobs[input_of(calib, "tokens")->job];
	CHECK(cJSON_GetObjectItem(scored->params, "data.n")->valueint == 4, "scored tokens are not substituted");
	CHECK(cJSON_GetObjectItem(all->params, "data.n")->valueint == 10, "other tokens are substituted");
	CHECK_STRING(scored->label, "d.4");
	CHECK_STRING(scored->describe, "TOKENS 4");
	CHECK_STRING(all->label, "d.10");
	planned_release(&p);
	/* When both ask for the same, it is one job. */
	struct cell equal = basic;
	equal.scored = equal.n;
	plan_cells(&p, &equal, 1);
	CHECK(count_jobs(&p.plan, "tokens") == 1, "%zu tokens", count_jobs(&p.plan, "tokens"));
	planned_release(&p);
}

/* What an input substitutes holds for all that stands above it, and a second substitution sees the first. */
static void test_with_reaches_further_up(void)
{
	struct planned p;
	fresh();
	change_rule(&report_rule, "{stage: scores}", "{stage: scores,\n"
		"    with: {run.method: cell.name, quant.weight: run.device}}");
	change_rule(&scores_rule, "{stage: calib}", "{stage: calib, with: {quant.act: quant.weight}}");
	plan_cells(&p, &basic, 1);
	const struct plan_job *scores = &p.plan.jobs[p.plan.cells[0].scores[0]];
	const struct plan_job *calib = &p.plan.jobs[input_of(scores, "calib")->job];
	CHECK_STRING(cJSON_GetStringValue(cJSON_GetObjectItem(scores->params, "run.method")), "basic");
	CHECK_STRING(cJSON_GetStringValue(cJSON_GetObjectItem(scores->params, "quant.act")), "f8t");
	CHECK_STRING(cJSON_GetStringValue(cJSON_GetObjectItem(calib->params, "quant.weight")), "cpu");
	CHECK_STRING(cJSON_GetStringValue(cJSON_GetObjectItem(calib->params, "quant.act")), "cpu");
	planned_release(&p);
}

/* An input with "each" is one job an element, which stands over the cell's own values all the way up. */
static void test_each(void)
{
	static const char formats[] = "[{\"quant\": {\"weight\": \"I8r\", \"act\": \"-\"}, \"cell\": {\"name\": \"first\"}},"
		" {\"quant\": {\"weight\": \"F8t\", \"act\": \"f8t\"}, \"cell\": {\"name\": \"second\"}}]";
	struct planned p;
	struct cell three[] = {basic, basic, basic};
	fresh();
	change_rule(&report_rule, "{stage: scores}", "{stage: scores, each: formats}");
	three[0].formats = formats;
	three[1].name = "alone";
	three[1].formats = "[{}]";
	three[2].name = "none";
	three[2].formats = "[]";
	plan_cells(&p, three, 2);
	const struct plan_cell *cell = &p.plan.cells[0];
	const struct plan_job *report = &p.plan.jobs[cell->report];
	CHECK(cell->score_count == 2 && input_of(report, "scores.0")->job == cell->scores[0] &&
		input_of(report, "scores.1")->job == cell->scores[1], "%zu scores", cell->score_count);
	const struct plan_job *first = &p.plan.jobs[cell->scores[0]], *second = &p.plan.jobs[cell->scores[1]];
	CHECK_STRING(first->label, "first");
	CHECK_STRING(second->label, "second");
	CHECK_STRING(cJSON_GetStringValue(cJSON_GetObjectItem(first->params, "quant.weight")), "I8r");
	const struct plan_job *calib = &p.plan.jobs[input_of(first, "calib")->job];
	CHECK_STRING(cJSON_GetStringValue(cJSON_GetObjectItem(calib->params, "quant.weight")), "I8r");
	CHECK(!input_of(calib, "tokens"), "\"when\" does not see the element");
	CHECK(p.plan.cells[1].score_count == 1, "%zu scores of the cell of one", p.plan.cells[1].score_count);
	CHECK(plan_add_cell(&p.plan, "none", view_of(&three[2]), "none") == -1, "an empty list is taken");
	CHECK(strstr(error_text(), "no list with elements"), "%s", error_text());
	planned_release(&p);
}

static void test_when_leaves_out(void)
{
	struct planned p;
	struct cell weights_only = basic;
	fresh();
	weights_only.act = "-";
	plan_cells(&p, &weights_only, 1);
	const struct plan_job *scores = &p.plan.jobs[p.plan.cells[0].scores[0]];
	const struct plan_job *calib = &p.plan.jobs[input_of(scores, "calib")->job];
	CHECK(!input_of(calib, "tokens") && calib->input_count == 0, "calib has %zu inputs", calib->input_count);
	CHECK(p.plan.job_count == 4, "%zu jobs", p.plan.job_count);
	planned_release(&p);
}

/* Cells share what their projections agree in. */
static void test_cells_share(void)
{
	struct planned p;
	struct cell two[] = {basic, basic};
	fresh();
	two[1].name = "larger";
	two[1].n = 20;
	plan_cells(&p, two, 2);
	/* tokens of 10, 20 and 4; calib, scores and report of each */
	CHECK(p.plan.job_count == 9 && count_jobs(&p.plan, "tokens") == 3, "%zu jobs", p.plan.job_count);
	planned_release(&p);

	two[0].act = two[1].act = "-";
	plan_cells(&p, two, 2);
	/* without tokens the calibs agree, so the scores do; only the reports tell the cells apart */
	CHECK(p.plan.job_count == 5 && count_jobs(&p.plan, "a-report") == 2, "%zu jobs", p.plan.job_count);
	CHECK(p.plan.cells[0].scores[0] == p.plan.cells[1].scores[0], "scores are not shared");
	CHECK(p.plan.cells[0].report != p.plan.cells[1].report, "reports are shared");
	CHECK_STRING(p.plan.jobs[p.plan.cells[1].scores[0]].label, "basic");
	planned_release(&p);

	two[1] = two[0];
	plan_cells(&p, two, 2);
	CHECK(p.plan.job_count == 4 && p.plan.cells[0].report == p.plan.cells[1].report, "%zu jobs", p.plan.job_count);
	planned_release(&p);
}

/* More jobs than the first table of keys holds; all are found again. */
static void test_many_cells(void)
{
	enum { CELLS = 300 };
	static char weights[CELLS][8];
	static struct cell cells[2 * CELLS];
	struct planned p;
	fresh();
	for (int i = 0; i < 2 * CELLS; i++) {
		snprintf(weights[i % CELLS], sizeof *weights, "W%d", i % CELLS);
		cells[i] = basic;
		cells[i].weight = cells[i].name = weights[i % CELLS];
	}
	plan_cells(&p, cells, 2 * CELLS);
	CHECK(p.plan.job_count == 2 + 3 * CELLS, "%zu jobs", p.plan.job_count);
	CHECK(p.plan.group_count == 1 && p.plan.groups[0].count == CELLS, "%zu groups", p.plan.group_count);
	for (int i = 0; i < CELLS; i++)
		CHECK(p.plan.cells[i].report == p.plan.cells[i + CELLS].report, "cell %d and its twin", i);
	planned_release(&p);
}

/* A second published stage is made for the cells that want it. */
static void test_published_when(void)
{
	static const char extra[] = "stage: extra\nversion: 1\nabout: a\nlabel: x\ndescribe: X\nwhen: run.extra\n"
		"inputs:\n  calib: {stage: calib}\nparams: []\nunhashed: []\npublish: true\n";
	struct planned p;
	fresh();
	write_rule("extra.yaml", extra);
	plan_cells(&p, &basic, 1);
	CHECK(count_jobs(&p.plan, "extra") == 1, "it is not made");
	CHECK_STRING(p.plan.jobs[p.plan.cells[0].report].rule->stage, "a-report");
	cJSON *view = view_of(&basic);
	cJSON_ReplaceItemInObject(cJSON_GetObjectItem(view, "run"), "extra", cJSON_CreateFalse());
	CHECK(!plan_add_cell(&p.plan, "second", view, "out"), "%s", error_text());
	CHECK(count_jobs(&p.plan, "extra") == 1 && count_jobs(&p.plan, "a-report") == 1, "it is made twice");
	planned_release(&p);
}

/* --- keys --- */

struct keys {
	struct digest tokens, calib, scores, report;   /* tokens: those that are scored */
};

static struct keys keys_with(const struct cell *c, const char *numerics, const char *unicode)
{
	struct planned p;
	struct keys k;
	read_rules(&p.rules);
	p.build = scratch_path("build");
	plan_init(&p.plan, &p.rules, p.build, scratch_dir(), numerics, unicode, lister);
	add_cell(&p.plan, c);
	plan_finish(&p.plan);
	const struct plan_job *scores = &p.plan.jobs[p.plan.cells[0].scores[0]];
	k.report = p.plan.jobs[p.plan.cells[0].report].key;
	k.scores = scores->key;
	k.tokens = p.plan.jobs[input_of(scores, "tokens")->job].key;
	k.calib = p.plan.jobs[input_of(scores, "calib")->job].key;
	planned_release(&p);
	return k;
}

static struct keys keys_of(const struct cell *c)
{
	return keys_with(c, "cpu-test", "15.0.0");
}

/* Which keys differ, as letters: t(okens) c(alib) s(cores) r(eport). */
static void check_differ(const char *what, const struct keys *a, const struct keys *b, const char *expected)
{
	char found[5] = "";
	strcat(found, digest_equal(&a->tokens, &b->tokens) ? "" : "t");
	strcat(found, digest_equal(&a->calib, &b->calib) ? "" : "c");
	strcat(found, digest_equal(&a->scores, &b->scores) ? "" : "s");
	strcat(found, digest_equal(&a->report, &b->report) ? "" : "r");
	CHECK(strcmp(found, expected) == 0, "%s changes the keys of \"%s\", expected \"%s\"", what, found, expected);
}

static void check_cell(const char *what, struct cell c, const char *expected)
{
	struct keys plain = keys_of(&basic), changed = keys_of(&c);
	check_differ(what, &plain, &changed, expected);
}

static void test_values_in_keys(void)
{
	struct cell c;
	fresh();
	check_cell("nothing", basic, "");
	c = basic;
	c.device = "cuda";
	check_cell("an unhashed value", c, "");
	c = basic;
	c.out = "elsewhere";
	check_cell("an unhashed value", c, "");
	c = basic;
	c.name = "other";
	check_cell("a param of the report alone", c, "r");
	c = basic;
	c.method = "kl";
	check_cell("a param of scores alone", c, "sr");
	c = basic;
	c.weight = "I4c";
	check_cell("a param of calib and scores", c, "csr");
	c = basic;
	c.n = 11;
	check_cell("the tokens of calib", c, "csr");
	c = basic;
	c.scored = 5;
	check_cell("the tokens that are scored", c, "tsr");
	c = basic;
	c.act = "-";
	check_cell("leaving an input out", c, "csr");
}

static void test_leaves_in_keys(void)
{
	struct cell c = basic;
	fresh();
	struct keys plain = keys_of(&basic), changed;
	free(scratch_write("same-text", "a b c", 5));
	c.text = "same-text";
	changed = keys_of(&c);
	check_differ("another name of the file", &plain, &changed, "");
	free(scratch_write("model-copy/one", "1", 1));
	c = basic;
	c.model = "model-copy";
	changed = keys_of(&c);
	check_differ("another name of the folder", &plain, &changed, "");
	free(scratch_write("text", "a b d", 5));
	changed = keys_of(&basic);
	check_differ("another content of the file", &plain, &changed, "tcsr");
	write_leaves();
	free(scratch_write("model/one", "2", 1));
	changed = keys_of(&basic);
	check_differ("another content in the folder", &plain, &changed, "tcsr");
	write_leaves();
	free(scratch_write("model/two", "", 0));
	changed = keys_of(&basic);
	check_differ("another file in the folder", &plain, &changed, "tcsr");
	write_leaves();
	changed = keys_of(&basic);
	check_differ("nothing", &plain, &changed, "");
}

static void check_rule(const struct rule_text *rule, const char *from, const char *to, const char *expected)
{
	fresh();
	struct keys plain = keys_of(&basic), changed;
	change_rule(rule, from, to);
	changed = keys_of(&basic);
	check_differ(to, &plain, &changed, expected);
}

static void test_rules_in_keys(void)
{
	check_rule(&tokens_rule, "version: 1", "version: 2", "tcsr");
	check_rule(&calib_rule, "version: 1", "version: 2", "csr");
	check_rule(&scores_rule, "version: 1", "version: 2", "sr");
	check_rule(&report_rule, "version: 1", "version: 2", "r");
	check_rule(&tokens_rule, "params: [data.n]", "params: [data.n, data.name]", "tcsr");
	check_rule(&tokens_rule, "  text: ", "  texts: ", "tcsr");
	check_rule(&calib_rule, "numerics: true", "numerics: false", "csr");
	check_rule(&tokens_rule, "params: ", "unicode: true\nparams: ", "tcsr");
	/* What only people and Ninja see. */
	check_rule(&scores_rule, "about: S", "about: All S", "");
	check_rule(&scores_rule, "label: $", "label: x$", "");
	check_rule(&scores_rule, "describe: S", "describe: RES", "");
	check_rule(&scores_rule, "pool: compute", "pool: disk", "");
	check_rule(&scores_rule, "group: {by: [tokens, run.method]}\n", "", "");
	check_rule(&scores_rule, "unhashed: [run.device]", "unhashed: [run.device, out]", "");
	check_rule(&scores_rule, "params: [quant.weight, quant.act,", "params: [quant.act, quant.weight,", "");
}

static void test_numerics_in_keys(void)
{
	fresh();
	struct keys one = keys_with(&basic, "cpu-one", "15.0.0"), two = keys_with(&basic, "cpu-two", "15.0.0");
	check_differ("another numerics class", &one, &two, "csr");
	struct keys other = keys_with(&basic, "cpu-one", "16.0.0");
	check_differ("another Unicode, which no rule asks for", &one, &other, "");
	change_rule(&tokens_rule, "params: ", "unicode: true\nparams: ");
	one = keys_with(&basic, "cpu-one", "15.0.0");
	other = keys_with(&basic, "cpu-one", "16.0.0");
	check_differ("another Unicode", &one, &other, "tcsr");
}

/* Pinned: other keys for the same jobs would make every cache worthless. */
static void test_pinned_key(void)
{
	fresh();
	struct keys k = keys_of(&basic);
	CHECK_STRING(k.tokens.hex, "1d321ff669bc31b29808dfc49657a82d");
	CHECK_STRING(k.scores.hex, "de316b44d3ed0dcf4b51df652926f973");
}

/* --- groups --- */

static void test_groups(void)
{
	struct planned p;
	struct cell cells[] = {basic, basic, basic, basic};
	fresh();
	cells[1].weight = "I4c";
	cells[2].method = "kl";
	cells[3].scored = 5;
	plan_cells(&p, cells, 4);
	CHECK(p.plan.group_count == 3, "%zu groups", p.plan.group_count);
	CHECK(p.plan.groups[0].count == 2 && p.plan.groups[1].count == 1 && p.plan.groups[2].count == 1, "sizes %zu, %zu, %zu",
		p.plan.groups[0].count, p.plan.groups[1].count, p.plan.groups[2].count);
	for (size_t g = 0; g < p.plan.group_count; g++)
		for (size_t i = 0; i < p.plan.groups[g].count; i++)
			CHECK(p.plan.jobs[p.plan.groups[g].jobs[i]].group == g, "job %zu of group %zu is elsewhere", i, g);
	char *path = mem_printf("%s/jobs/group/scores-%.16s.json", p.build, p.plan.groups[0].key.hex);
	CHECK_STRING(p.plan.groups[0].path, path);
	free(path);
	planned_release(&p);
	change_rule(&scores_rule, "[tokens, run.method]", "[]");
	plan_cells(&p, cells, 4);
	CHECK(p.plan.group_count == 1 && p.plan.groups[0].count == 4, "%zu groups of what has nothing in common",
		p.plan.group_count);
	planned_release(&p);
}

static struct digest group_key(const struct cell *cells, size_t count)
{
	struct planned p;
	plan_cells(&p, cells, count);
	CHECK(p.plan.group_count == 1, "%zu groups", p.plan.group_count);
	struct digest key = p.plan.groups[0].key;
	planned_release(&p);
	return key;
}

static void test_group_key_without_order(void)
{
	struct cell abc[] = {basic, basic, basic}, cab[3], ab[2];
	fresh();
	abc[1].weight = "I4c";
	abc[2].weight = "F8t";
	cab[0] = abc[2];
	cab[1] = ab[0] = abc[0];
	cab[2] = ab[1] = abc[1];
	struct digest one = group_key(abc, 3), two = group_key(cab, 3), fewer = group_key(ab, 2);
	CHECK_STRING(two.hex, one.hex);
	CHECK(!digest_equal(&fewer, &one), "a cell less, the same group key");
}

/* --- what fails --- */

static void check_fails(const struct cell *c, const char *error)
{
	struct planned p;
	plan_cells(&p, NULL, 0);
	CHECK(plan_add_cell(&p.plan, c->name, view_of(c), c->out) == -1, "accepted instead of: %s", error);
	CHECK(strstr(error_text(), error), "message is \"%s\", expected \"%s\"", error_text(), error);
	planned_release(&p);
}

static void test_missing_leaves(void)
{
	struct cell c = basic;
	fresh();
	c.text = "absent";
	check_fails(&c, "basic: data.text (another: data.text=FILE): ");
	check_fails(&c, "/absent: No such file or directory");
	c.text = "model";
	check_fails(&c, "/model: not a regular file");
	c = basic;
	c.model = "forbidden";
	check_fails(&c, "basic: model.path: ");
	check_fails(&c, "/forbidden: not a model");
	c.model = "absent";
	check_fails(&c, "/absent/one: No such file or directory");
}

static void test_values_not_there(void)
{
	static const struct {
		const struct rule_text *rule;
		const char *from, *to, *error;
	} damages[] = {
		{&calib_rule, "quant.act]", "quant.acts]", "/calib.yaml: \"quant.acts\" is not in the composed config"},
		{&scores_rule, "unhashed: [run.device]", "unhashed: [cpu]", "/scores.yaml: \"cpu\" is not in the composed config"},
		{&scores_rule, "run.scored", "run.count", "/tokens.yaml: \"data.n\" is not in the composed config"},
		{&scores_rule, "label: ${cell.name}", "label: ${cell.nam}", "/scores.yaml: \"cell.nam\" is not in the composed"},
		{&scores_rule, "label: ${cell.name}", "label: a$", "/scores.yaml: \"a$\": expected ${path}"},
		{&scores_rule, "SCORE ${cell.name}", "${cell.name", "/scores.yaml: \"${cell.name\": expected ${path}"},
		{&calib_rule, "when: quant.act", "when: quant.action", "/calib.yaml: \"quant.action\" is not in the composed config"},
		{&tokens_rule, "leaf: data.text", "leaf: data.file", "/tokens.yaml: \"data.file\" is not in the composed config"},
		{&tokens_rule, "leaf: data.text", "leaf: data.n", "data.n must be a path"},
		{&tokens_rule, "files: words", "files: word", "/tokens.yaml: unknown lister of files \"word\""},
		{&report_rule, "publish: true", "publish: true\nwhen: run.more",
			"/a-report.yaml: \"run.more\" is not in the composed config"},
		{&report_rule, "  scores: {", "  score: {", "no rule with publish: true reads scores, so there is nothing to make"},
		{&report_rule, "publish: true", "output: report", "no rule with publish: true reads scores"},
	};
	for (size_t i = 0; i < sizeof damages / sizeof *damages; i++) {
		fresh();
		change_rule(damages[i].rule, damages[i].from, damages[i].to);
		check_fails(&basic, damages[i].error);
	}
}

/* --- files --- */

static void test_write_jobs(void)
{
	struct planned p;
	struct stat before, after;
	struct job job;
	fresh();
	plan_cells(&p, &basic, 1);
	if (plan_write_jobs(&p.plan))
		exit(error_report(1));
	const struct plan_job *scores = &p.plan.jobs[p.plan.cells[0].scores[0]];
	const struct plan_job *tokens = &p.plan.jobs[input_of(scores, "tokens")->job];
	if (job_open(&job, scores->job_path))
		exit(error_report(1));
	CHECK_STRING(job.stage, "scores");
	CHECK_STRING(job.cell, "basic");
	CHECK_STRING(job.key, scores->key.hex);
	CHECK_STRING(job.makers.numerics, "cpu-test");
	CHECK_STRING(job.cache, scratch_dir());
	CHECK_STRING(job.ref, scores->ref_path);
	CHECK_STRING(job_param_string(&job, "run.method"), "grad");
	CHECK_STRING(job_unhashed_string(&job, "run.device"), "cpu");
	CHECK(!job_param_string(&job, "run.device"), "an unhashed value is among the params");
	CHECK_STRING(job_input_find(&job, "tokens")->job, tokens->job_path);
	job_close(&job);
	/* Where all inputs are leaves, the key of the recipe is that of the action. */
	if (job_open(&job, tokens->job_path))
		exit(error_report(1));
	CHECK(job_resolve(&job) == 1, "%s", error_text());
	CHECK_STRING(job.action.hex, tokens->key.hex);
	job_close(&job);
	char *list = job_list_path(p.build, "scores");
	stat(list, &before);
	CHECK(!plan_write_jobs(&p.plan), "%s", error_text());
	stat(list, &after);
	CHECK(before.st_ino == after.st_ino, "an equal list of jobs was written again");
	free(list);
	cJSON *group = json_read(p.plan.groups[0].path, 10000);
	const cJSON *jobs = cJSON_GetObjectItem(group, "jobs");
	CHECK(cJSON_GetArraySize(jobs) == 1, "%d jobs in the group's file", cJSON_GetArraySize(jobs));
	CHECK_STRING(cJSON_GetStringValue(cJSON_GetArrayItem(jobs, 0)), scores->job_path);
	cJSON_Delete(group);
	planned_release(&p);
}

/* Labels become file names: short, and without what a shell or Ninja would trip over. */
static void test_labels(void)
{
	char name[400];
	struct planned p;
	struct cell c = basic;
	fresh();
	c.name = "a b/c:d$e'f=+-._G9";
	plan_cells(&p, &c, 1);
	CHECK_STRING(p.plan.jobs[p.plan.cells[0].scores[0]].label, "a_b_c_d_e_f=+-._G9");
	CHECK_STRING(p.plan.jobs[p.plan.cells[0].scores[0]].describe, "SCORE a b/c:d$e'f=+-._G9");
	planned_release(&p);
	memset(name, 'n', sizeof name);
	name[sizeof name - 1] = '\0';
	c.name = name;
	plan_cells(&p, &c, 1);
	CHECK(strlen(p.plan.jobs[p.plan.cells[0].scores[0]].label) == 160, "%zu characters",
		strlen(p.plan.jobs[p.plan.cells[0].scores[0]].label));
	planned_release(&p);
}

int main(void)
{
	TEST(test_read);
	TEST(test_malformed);
	TEST(test_malformed_together);
	TEST(test_folder);
	TEST(test_one_cell);
	TEST(test_with_substitutes);
	TEST(test_with_reaches_further_up);
	TEST(test_each);
	TEST(test_when_leaves_out);
	TEST(test_cells_share);
	TEST(test_many_cells);
	TEST(test_published_when);
	TEST(test_values_in_keys);
	TEST(test_leaves_in_keys);
	TEST(test_rules_in_keys);
	TEST(test_numerics_in_keys);
	TEST(test_pinned_key);
	TEST(test_groups);
	TEST(test_group_key_without_order);
	TEST(test_missing_leaves);
	TEST(test_values_not_there);
	TEST(test_write_jobs);
	TEST(test_labels);
	free(rules_dir);
	return check_done();
}
