/* Words and numbers for people: what the Markdown reports share. */
#ifndef QG_REPORT_WORDS_H
#define QG_REPORT_WORDS_H

#include "common/strbuf.h"
#include "ops/fake_quant.h"

/* "FP8 (E4M3), one scale a tensor", "INT4, one scale for each block of 128"; "16 bits, as they are". */
void words_weight(struct strbuf *to, struct quantizer quantizer);
void words_activation(struct strbuf *to, struct quantizer quantizer);

/* Text for a cell of a table: '|' is escaped, line breaks become blanks. */
void words_cell(struct strbuf *to, const char *text);

/* A share of 1, one decimal so that a column lines up: "98.0 %", "1.8 %", "<0.1 %" */
void words_share(struct strbuf *to, double share);

/* "12,345,678" */
void words_count(struct strbuf *to, double count);

/* The ending of a noun that follows count: "" or "s". */
const char *words_s(size_t count);

/* What stands between item index and the one before it in a list of count: "", ", " or " and ". */
const char *words_between(size_t index, size_t count);

/* "model.language_model.layers.3.mlp.down_proj" -> "layers.3.mlp.down_proj"; points into name. */
const char *words_short_layer(const char *name);

/* What is left of a module name without layer number: "mlp.down_proj", "lm_head"; points into name. */
const char *words_layer_kind(const char *name);

#endif
