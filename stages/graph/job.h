/* Jobs: all that one run of a stage is told, written by the generator, a line of a list each (job_list.h).
 *
 *     {"format": "quantgrid-job/1", "stage": "score-layers", "version": 1, "numerics": "cpu-ref-...",
 *      "unicode": "15.0.0",          of stages whose results depend on it
 *      "tool": "<digest>",           of the program's file; only with --strict-tools
 *      "cell": "qwen3_vl_demo.wfp8_afp8.default.small", "key": "<K>",
 *      "params": {...},              what may change the result: part of both keys
 *      "unhashed": {...},            paths, device, verbosity: handed over, in no key
 *      "inputs": {"lm": {"job": "build/jobs/extract-lm.jsonl:<K16>"},
 *                 "captions": {"files": {"captions_small.txt": {"path": "...", "digest": "..."}}}},
 *      "cache": "cache", "ref": "build/ref/score-layers/....ref",
 *      "stamp": "build/ref/group/score-layers-<G16>.stamp"}       of its group, if it has one
 *
 * Recipe key K (generation time): hash of stage, version, numerics, unicode, tool, params and the inputs' K or leaf
 * digests; it names job and reference file. Action key A (run time): the same with the identity digests of what the inputs turned
 * out to be; it names the result in the cache. Both are XXH3-128 of canonical JSON, the "ingredients".
 */
#ifndef QG_GRAPH_JOB_H
#define QG_GRAPH_JOB_H

#include <cjson/cJSON.h>
#include <stddef.h>

#include "common/hash.h"
#include "common/strbuf.h"
#include "graph/cache.h"

struct job_file {
	const char *name;        /* as in the key: without folder */
	const char *path;
	struct digest digest;    /* when the graph was generated */
};

struct job_input {
	const char *name;
	const char *job;              /* path of the job that makes it; NULL for leaves */
	struct job_file *files;       /* leaves */
	size_t file_count;
	struct cache_result result;   /* after job_resolve(), of inputs made by a job */
};

/* What makes a result what it is besides the stage's version, params and inputs; each NULL when that is not asked. */
struct job_makers {
	const char *numerics;    /* class of the backend */
	const char *unicode;     /* version of the library's tables (tokenizer/char_class.h) */
	const char *tool;        /* digest of the program that the job is for */
};

struct job {
	char *path;
	cJSON *root;                  /* owner of all borrowed strings */
	const char *stage, *cell, *key, *cache, *ref;
	struct job_makers makers;
	const char *stamp;            /* of the group that computes it; NULL when there is none */
	const cJSON *params, *unhashed;
	struct job_input *inputs;
	size_t input_count;
	char *ingredients;            /* canonical JSON, after job_resolve() */
	struct digest action;
};

/* Reads and checks the job of that name: LIST:K16, or a file that holds one job. */
int job_open(struct job *job, const char *path);
void job_close(struct job *job);

/* Finds what the inputs turned out to be (their reference files, or failing that the cache) and computes ingredients
 * and action. 1 when done, 0 after fail() when an input has no result yet, -1 after fail(). */
int job_resolve(struct job *job);

/* The input of that name; NULL when the job has none. Borrowed. */
const struct job_input *job_input_find(const struct job *job, const char *name);

/* The same; NULL after fail(). */
const struct job_input *job_input_need(const struct job *job, const char *name);

/* A leaf of an input by its name in the key; NULL when the input has none of that name. Borrowed. */
const struct job_file *job_input_file(const struct job_input *input, const char *name);

/* Path of an input's object; the caller frees. The input must exist and be resolved. */
char *job_input_path(const struct job *job, const struct job_input *input);

/* For an input whose object could not be opened: removes the object, the reference file that leads to it and the stamp of
 * its group, so that the next ninja makes it again, and says so in front of the current message. Returns -1. */
int job_input_discard(const struct job *job, const struct job_input *input);

/* Appends the canonical ingredients of a key; params and inputs are canonical JSON, inputs an object of name -> digest
 * text or {file: digest}. Used for K by the generator and for A by job_resolve(). */
void job_add_ingredients(struct strbuf *to, const char *stage, int version, const struct job_makers *makers,
	const char *params, const char *inputs);

/* Fails when the job is for another stage, or for another build of this program. */
int job_check_program(const struct job *job, const char *stage);

/* Params by name, checked; -1 / NULL after fail() naming the job file. */
const char *job_param_string(const struct job *job, const char *name);
int job_param_size(const struct job *job, const char *name, size_t *value);
const char *job_unhashed_string(const struct job *job, const char *name);

/* Reference files: where Ninja looks. Written only when the content differs. */
int ref_write(const struct job *job, const struct cache_result *result);

/* What a reference file says: whose it is (the caller frees both), and the result. -1 after fail()
 * when that cannot be, or its seal is not of what it says. */
int ref_parse(const char *path, char **stage, char **key, struct cache_result *result);

/* 1 and the result, 0 when there is none, -1 after fail(). key: of the job it must belong to. A file that is damaged, is
 * another job's, or whose object is gone or has another size is removed, with a warning that names it, and counts as
 * none: the next ninja makes it again. */
int ref_read(const char *path, const char *cache, const char *key, struct cache_result *result);

#endif
