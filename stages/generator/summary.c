#include "generator/summary.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>

#include "checkpoint/lm_config.h"
#include "common/error.h"
#include "common/file.h"
#include "common/json.h"
#include "common/memory.h"
#include "common/pool.h"
#include "generator/captions_ahead.h"
#include "generator/published.h"
#include "generator/summary_twins.h"
#include "graph/plan_results.h"

enum { TOOLCHAIN_BYTES_MAX = 1 << 20 };

/* Cells with the same quantizers and inputs share scores: counts the distinct ones, and those that are cached. */
static void count_scores(struct plan *plan, size_t *distinct, size_t *cached)
{
	struct plan_results results;
	char *seen = mem_zeroed(plan->job_count, 1);
	*distinct = *cached = 0;
	plan_results_init(&results, plan);
	for (size_t c = 0; c < plan->cell_count; c++)
		for (size_t i = 0; i < plan->cells[c].score_count; i++) {
			size_t job = plan->cells[c].scores[i];
			if (seen[job]++)
				continue;
			++*distinct;
			*cached += (size_t)plan_results_has(&results, job);
		}
	plan_results_release(&results);
	free(seen);
}

static void print_invalid(const struct generator *g)
{
	enum { SHOWN = 20 };
	for (size_t i = 0; i < g->invalid_count && i < SHOWN; i++)
		printf("    %s: %s\n", g->invalid[i].name, g->invalid[i].reason);
	if (g->invalid_count > SHOWN)
		printf("    ... and %zu more (build/grid.json lists all)\n", g->invalid_count - SHOWN);
}

static void print_found(void)
{
	char *text;
	if (file_read("build/toolchain", TOOLCHAIN_BYTES_MAX, &text, NULL))
		return;
	for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"))
		if (!strncmp(line, "# ", 2))
			puts(line + 2);
	free(text);
}

/* A rough word of warning where the CPU will be at it for minutes: a baseline forward and backward, and one product a
 * format and linear, over captions of some 14 tokens. */
static void print_estimate(const struct generator *g, size_t formats)
{
	enum { TOKENS_A_CAPTION = 14 };
	const double flops_a_second_a_thread = 50e9, worth_saying = 60;
	const struct node *first = g->grid.cells[0].config;
	struct lm_config c;
	char *path = path_join(node_string(first, "model.path"), "config.json");
	double captions = 0;
	if (!lm_config_read(&c, path)) {
		double layer = (double)c.hidden_size * (double)c.head_dim * (double)(2 * c.heads + 2 * c.kv_heads) +
			3.0 * (double)c.hidden_size * (double)c.intermediate_size;
		double weights = (double)c.layers * layer + (double)c.vocab_size * (double)c.hidden_size;
		for (size_t i = 0; i < g->plan.cell_count; i++) {
			const cJSON *view = g->plan.cells[i].view;
			double n = json_nested(view, "autoquant", "num_score_samples")->valuedouble;
			captions = n > captions ? n : captions;
		}
		double seconds = 2 * weights * captions * TOKENS_A_CAPTION * (4 + 1.5 * (double)formats) /
			((double)pool_threads() * flops_a_second_a_thread);
		if (formats && seconds > 90 * worth_saying)
			printf("  %-10s about %.0f hours on this CPU\n", "time", seconds / 3600 + 0.5);
		else if (formats && seconds > worth_saying)
			printf("  %-10s about %.0f minutes on this CPU\n", "time", seconds / 60 + 0.5);
	}
	free(path);
}

/* Why it is this model, where the user did not say. */
static void print_choice(enum model_choice choice)
{
	static const char *const why[] = {
		[MODEL_DEMO] = "the demo model: no model was named, and on a CPU the 4B checkpoint takes hours.",
		[MODEL_DEMO_ABSENT] = "the demo model: no model was named, and the 4B checkpoint is neither in models/ nor in the hub cache.",
		[MODEL_PRESET] = "no model was named: on a GPU the 4B checkpoint that is here.",
		[MODEL_PRESET_DEMO_CAPTIONS] = "no model was named: on a GPU the 4B checkpoint that is here.",
	};
	if (choice == MODEL_NAMED)
		return;
	printf("  %-10s %s\n", "", why[choice]);
	if (choice == MODEL_DEMO || choice == MODEL_DEMO_ABSENT)
		printf("  %-10s %s\n", "",
			"Your own: model=qwen3_vl_4b_instruct model.path=FOLDER dataset.captions_path=FILE");
}

/* "cache (12.3 GB free)". */
static void print_cache(const char *dir)
{
	struct statvfs s;
	printf("  %-10s %s", "cache", dir);
	if (!statvfs(dir, &s))
		printf(" (%.1f GB free)", (double)s.f_bavail * (double)s.f_frsize / 1e9);
	putchar('\n');
}

/* "pairs_x_sizes: 48 cells, 40 distinct computations; 8 already cached, 32 to compute", and what it is swept over. */
static void print_grid(const struct generator *g, size_t distinct, size_t cached)
{
	const size_t cells = g->plan.cell_count;
	printf("  %-10s %s: %zu cell%s", "grid", g->grid.name, cells, cells == 1 ? "" : "s");
	if (distinct != cells)
		printf(", %zu distinct computation%s", distinct, distinct == 1 ? "" : "s");
	const int report_only = node_bool(g->grid.cells[0].config, "runner.report_only");
	printf("; %zu already cached, %zu %s\n", cached, distinct - cached,
		report_only ? "without a result (runner.report_only)" : "to compute");
	if (g->grid.key_count)
		printf("  %-10s over ", "");
	for (size_t i = 0; i < g->grid.key_count; i++)
		printf("%s%s", g->grid.keys[i], i + 1 < g->grid.key_count ? ", " : "\n");
}

void summary_print(struct generator *g)
{
	struct plan *plan = &g->plan;
	const struct node *first = g->grid.cells[0].config;
	const char *const *notes;
	size_t distinct, cached, note_count = composer_notes(g->composer, &notes);
	count_scores(plan, &distinct, &cached);
	puts("found");
	print_found();
	puts("\nrun");
	printf("  %-10s %s (%s)\n", "model", node_string(first, "model.name"), node_string(first, "model.path"));
	print_choice(g->choice);
	size_t captions = captions_ahead_count(&g->grid);
	printf("  %-10s %s", "captions", node_string(first, "dataset.captions_path"));
	if (captions > 1)
		printf(" and %zu more", captions - 1);
	putchar('\n');
	if (g->choice == MODEL_PRESET_DEMO_CAPTIONS)
		printf("  %-10s %s\n", "", "of the demo model: the preset's are not here. Your own: dataset.captions_path=FILE");
	printf("  %-10s %s\n", "device", g->device.words);
	print_grid(g, distinct, cached);
	if (!strcmp(g->device.device, "cpu"))
		print_estimate(g, distinct - cached);
	summary_print_twins(plan);
	if (g->invalid_count) {
		printf("  %-10s %zu cell%s that cannot exist %s left out:\n", "", g->invalid_count,
			g->invalid_count == 1 ? "" : "s", g->invalid_count == 1 ? "is" : "are");
		print_invalid(g);
	}
	printf("  %-10s %s\n", "reports", plan->cell_count == 1 ? plan->cells[0].output_dir : g->overview[1]);
	for (size_t i = 0; i < plan->job_count; i++)
		if (published_model_dir(&plan->jobs[i]))
			printf("  %-10s %s (a plain Qwen3 model, for other tools)\n", "model to", published_model_dir(&plan->jobs[i]));
	print_cache(plan->cache_dir);
	if (g->request.strict_tools)
		printf("  %-10s %s\n", "keys", "hold the programs of the stages (--strict-tools): another build computes anew");
	for (size_t i = 0; i < note_count; i++)
		printf("  %-10s %s\n", "note", notes[i]);
	puts("\nNow type:  ninja");
}
