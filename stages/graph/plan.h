/* From cells to jobs: which runs of which stages the grid needs, each once, with its recipe key.
 *
 * A cell is given as its view: a JSON object of everything rules may name, by section: the composed config and beside
 * it what the generator derived (quantizer.weight, dataset.num_samples, cell.name ...). A job is a stage with the
 * params its rule declares and the jobs or leaves that are its inputs; two cells whose projections agree share the job,
 * which is how cells come to share calibrations, tokens and scores. An input with "each" is one job for every element
 * of a list of the view, made of the view with the element laid over it: so a cell of several formats shares its scores
 * with the cells of these formats alone.
 */
#ifndef QG_GRAPH_PLAN_H
#define QG_GRAPH_PLAN_H

#include <cjson/cJSON.h>
#include <stddef.h>

#include "common/json_texts.h"
#include "graph/job.h"
#include "graph/leaf.h"
#include "graph/rule_reads.h"

struct plan_file {
	char *name, *path;
	struct digest digest;
};

struct plan_input {
	char *name;            /* as in the rule; of an input made for each element "scores.0", "scores.1", ... */
	int is_leaf;
	size_t job;            /* index into plan.jobs, unless a leaf */
	struct plan_file *files;
	size_t file_count;
};

struct plan_job {
	const struct rule *rule;
	struct digest key;             /* K */
	char *label;
	char *describe;                /* NULL: what the rule's "describe" has before the label, and the label */
	char *job_path;                /* where job_open() finds it: BUILD/jobs/STAGE.jsonl:K16 */
	char *ref_path;                /* below build_dir; NULL for a published stage */
	cJSON *params, *unhashed;      /* refer to the view of the cell that first needed the job */
	struct plan_input *inputs;
	size_t input_count, input_capacity;
	size_t group;                  /* index into plan.groups, or PLAN_NO_GROUP */
	uint64_t turn;                 /* of a published job: generator/turns.h */
};

#define PLAN_NO_GROUP ((size_t)-1)
#define PLAN_NO_JOB ((size_t)-1)
#define PLAN_NO_CELL ((size_t)-1)

struct plan_group {
	const struct rule *rule;
	char *by;                      /* canonical JSON of what its jobs have in common */
	size_t *jobs;
	size_t count, capacity;
	struct digest key;             /* G: hash of the sorted K of its jobs */
	char *path, *stamp_path;
};

struct plan_cell {
	char *name;
	cJSON *view;
	size_t report;                 /* job of the published stage that reads scores */
	size_t *scores;                /* [score_count] its input jobs of that name, one a format */
	size_t score_count;
	char *output_dir;
};

/* Lists the files of a folder leaf; checkpoint_files() and the like. The caller frees names and array. */
typedef int plan_lister(const char *dir, char ***names, size_t *count);

/* What a view of the cell at hand lays over another one, and jobs found for such views. */
struct plan_layer {
	size_t outer;
	const struct rule_input *via;
	const cJSON *element;
};

struct plan_found {
	const struct rule *rule;
	size_t layer, job;
};

struct plan {
	const struct rules *rules;
	const char *build_dir, *cache_dir;    /* borrowed */
	const char *numerics, *unicode;       /* of job_makers; rules say whose jobs have which */
	plan_lister *(*lister)(const char *name);
	struct leaf_memo *memo;
	struct plan_job *jobs;
	size_t job_count, job_capacity;
	struct hash_map by_key;               /* jobs by their key */
	struct hash_map by_reads;             /* jobs by stage and all values that decide the key (rule_reads.h) */
	struct rule_reads *reads;             /* [rules->count] */
	struct plan_layer *layers;            /* of the cell at hand; a view of layer 0 is the cell, of i + 1 layers[i] */
	size_t layer_count, layer_capacity;
	struct plan_found *found;             /* likewise */
	size_t found_count, found_capacity;
	struct json_texts texts;              /* of what views share */
	struct strbuf scratch;
	char *plain_labels;                   /* [rules->count] all labels of the rule's jobs are as the view has them */
	struct plan_group *groups;
	size_t group_count, group_capacity;
	struct plan_cell *cells;
	size_t cell_count, cell_capacity;
	struct plan_file *leaves;             /* every leaf digest once */
	size_t leaf_count, leaf_capacity;
};

void plan_init(struct plan *plan, const struct rules *rules, const char *build_dir, const char *cache_dir,
	const char *numerics, const char *unicode, plan_lister *(*lister)(const char *name));
void plan_release(struct plan *plan);

/* Those that are in the keys of that rule's jobs. All borrowed. */
struct job_makers plan_makers(const struct plan *plan, const struct rule *rule);

/* Adds a cell and the jobs it needs; takes view over. What views hold by reference (cJSON_IsReference) must outlive the
 * plan; cells that share values so are planned the quicker. output_dir is where its report goes. Fails when a leaf is missing
 * or a value a rule names is not in the view. */
int plan_add_cell(struct plan *plan, const char *name, cJSON *view, const char *output_dir);

/* After the last cell: makes the groups' keys and paths. */
void plan_finish(struct plan *plan);

/* What Ninja says while the job runs, "SCORE qwen3_vl_demo.wfp8_afp8.default.small"; the caller frees. */
char *plan_describe(const struct plan_job *job);

/* For every cell the first one whose scores are the same jobs, PLAN_NO_CELL where that is itself. The caller frees. */
size_t *plan_twins(const struct plan *plan);

/* Writes the lists of jobs, one a stage (job_list.h), and the files of groups, where they differ from what is there. */
int plan_write_jobs(struct plan *plan);

#endif
