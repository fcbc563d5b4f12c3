/* All that the reports of one cell are made of. render-report fills it and calls report_write(); all of it is borrowed.
 *
 *     struct report_cell cell = {.name = ..., ...};
 *     if (report_write(&cell, folder, NULL)) ...
 *
 * The files of a cell (design.md, Interface; numerics.md section 9):
 *
 *     <scheme>_quant_manifest.json     everything, for programs          manifest.h
 *     per-layer-sensitivity.json       one flat list of groups           layers_json.h
 *     per-layer-sensitivity.md         for people                        markdown.h
 *     composed-config.yaml             the config as composed, verbatim
 *     pareto-curve.json, .csv          total score against bits          pareto.h
 *
 * Equal inputs give equal bytes; no times, hosts or paths are added to what the config says.
 */
#ifndef QG_REPORT_CELL_H
#define QG_REPORT_CELL_H

#include <cjson/cJSON.h>
#include <stddef.h>

#include "formats/calib.h"
#include "formats/check.h"
#include "formats/recipe.h"
#include "formats/scores.h"

/* A layer of the vision tower: listed with the single choice NONE, counted in the budget. */
struct report_vision {
	const char *name;        /* module name: "model.visual.blocks.0.attn.qkv" */
	const char *kind;        /* "Linear", "Conv3d" */
	size_t out, in;          /* in of a convolution: channels times kernel */
};

/* The calibration text, from the tokens input: for every cell, also where calib did not need it. */
struct report_text {
	size_t asked;            /* captions the config wants */
	size_t sequences;        /* captions there were; <= asked */
	size_t tokens;
	size_t truncated;        /* captions cut at calib_seq_len */
};

/* One of the formats that compete for each layer; most cells have one. */
struct report_format {
	const char *name;                /* of the quant_pair: "wfp8_afp8" */
	const char *weight, *activation; /* as the pair says: "fp8", "fp16" */
	const char *format_name;         /* "FP8_DEFAULT_CFG" */
	const cJSON *quantizer_summary;  /* quantizer_summary() (quant/quantizer.h) */
	const struct scores *scores;
	const struct calib *calib;       /* of the same linears in the same order */
};

struct report_cell {
	const char *name;                /* "qwen3_vl_demo.wfp8_afp8.default.small" */
	const char *pair;                /* "wfp8_afp8", "wfp4_afp16+wfp8_afp8": names of the formats */
	const cJSON *config;             /* composed config: model, dataset, quant_pair, quant_granularity, autoquant ... */
	const char *yaml;                /* the same as text */
	const char *scheme;              /* NULL: quant_pair.scheme_name of a single format, else "<pair>_autoquant_lm" */
	const char *numerics;            /* class of the backend: "cpu-ref" */
	const struct report_format *formats; /* [format_count] scored on the same captions by the same method */
	size_t format_count;
	const struct recipe *recipe;     /* what the search chose */
	const struct check *check;       /* that mix run for real; NULL when it was not asked for */
	struct report_text text;
	const struct report_vision *vision;
	size_t vision_count;
	int tied;                        /* lm_head shares its weight with the embedding */
};

/* In the order they get their names: where there is a manifest, there are the others. */
enum {
	REPORT_LAYERS, REPORT_MARKDOWN, REPORT_YAML, REPORT_PARETO_JSON, REPORT_PARETO_CSV, REPORT_MANIFEST, REPORT_FILES
};

/* The names of the files, in the order above; the caller frees each. scheme may be NULL: that of the pair. */
void report_file_names(char *names[REPORT_FILES], const char *scheme, const char *pair);
char *report_manifest_name(const char *scheme, const char *pair);

/* Writes the files into folder, which is created. Files that would not change keep their times; *changed (may be
 * NULL) is how many did. When one cannot be written none is replaced. -1 after fail(). */
int report_write(const struct report_cell *cell, const char *folder, size_t *changed);

#endif
