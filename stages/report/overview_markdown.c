#include "report/overview_markdown.h"

#include <stdlib.h>
#include <string.h>

#include "common/memory.h"
#include "report/overview_page.h"
#include "report/words.h"

enum { LAYERS_SHOWN = 10 };

static int is_scored(const struct overview_page *p, size_t cell)
{
	return overview_cell_scored(&p->grid->cells[cell]);
}

static size_t count_status(const struct overview *o, enum overview_status status)
{
	size_t count = 0;
	for (size_t i = 0; i < o->count; i++)
		count += o->cells[i].status == status;
	return count;
}

static size_t count_scored(const struct overview *o)
{
	size_t count = 0;
	for (size_t i = 0; i < o->count; i++)
		count += (size_t)overview_cell_scored(&o->cells[i]);
	return count;
}

void overview_page_code(const struct overview_page *p, const char *text)
{
	strbuf_addc(p->to, '`');
	words_cell(p->to, text);
	strbuf_addc(p->to, '`');
}

void overview_page_format(const struct overview_page *p, const struct overview_cell *cell)
{
	const struct overview *o = p->grid;
	int several = 0;
	for (size_t i = 1; i < o->count; i++)
		several |= strcmp(o->cells[0].granularity, o->cells[i].granularity) != 0;
	strbuf_addf(p->to, "`%s%s%s`", cell->pair, several ? "." : "", several ? cell->granularity : "");
}

double overview_page_share(const struct overview_cell *cell, size_t top)
{
	return cell->sum > 0 ? cell->top[top].score / cell->sum : 0;
}

/* --- top --- */

static void add_counts(const struct overview_page *p)
{
	const struct overview *o = p->grid;
	size_t ok = count_status(o, OVERVIEW_OK), failed = count_status(o, OVERVIEW_FAILED);
	size_t missing = count_status(o, OVERVIEW_MISSING), unscored = ok - count_scored(o), twins = 0;
	for (size_t i = 0; i < o->count; i++)
		twins += is_scored(p, i) && o->cells[i].same_as;
	strbuf_addf(p->to, "# %s\n\n%zu of %zu cell%s %s a result", o->grid, ok, o->count, words_s(o->count),
		o->count == 1 ? "has" : "have");
	if (twins)
		strbuf_addf(p->to, " (%zu with the scores of an earlier cell)", twins);
	if (unscored)
		strbuf_addf(p->to, ", **%zu with nothing scored**", unscored);
	if (failed)
		strbuf_addf(p->to, ", **%zu failed**", failed);
	if (missing)
		strbuf_addf(p->to, ", %zu missing", missing);
	if (o->invalid_count)
		strbuf_addf(p->to, "; %zu more cannot exist", o->invalid_count);
	strbuf_adds(p->to, ".\n\n");
}

static void add_introduction(const struct overview_page *p)
{
	size_t divergences = 0;
	for (size_t i = 0; i < p->grid->count; i++)
		divergences += is_scored(p, i) && p->grid->cells[i].divergence;
	strbuf_adds(p->to, "A cell is one way to quantize the model, judged on one amount of calibration text. Its **sum** "
		"adds up the\nsensitivities of all layers: ");
	if (!divergences)
		strbuf_adds(p->to, "how much quantizing each of them disturbs the loss. ");
	else if (divergences == count_scored(p->grid))
		strbuf_adds(p->to, "how far quantizing each of them alone moves the predictions, in nats. ");
	else
		strbuf_adds(p->to, "how much quantizing each of them disturbs the loss (gradient)\nor how far it alone moves "
			"the predictions, in nats (kl_div); the two do not compare. ");
	strbuf_addf(p->to, "Smaller is better.\nSums compare cells with the same captions, batch size and scored samples: "
		"here those of one size%s. Ranks are among\nthese.\n\n", p->table->setting_count > 1 ? " in one setting" : "");
}

/* Trailing digits of "fp8", "int4", "fp16". */
static int bits_of(const char *type)
{
	size_t length = strlen(type);
	while (length && strchr("0123456789", type[length - 1]))
		length--;
	return atoi(type + length);
}

static int same_class(const struct overview_cell *a, const struct overview_cell *b)
{
	return bits_of(a->weight) == bits_of(b->weight) && bits_of(a->activation) == bits_of(b->activation);
}

/* Cell of least sum in a column, of the class of like unless that is NULL; the first of equals. */
static size_t find_best(const struct overview_page *p, size_t column, const struct overview_cell *like)
{
	const struct overview_cell *cells = p->grid->cells;
	size_t best = OVERVIEW_NONE;
	for (size_t i = 0; i < p->grid->count; i++)
		if (is_scored(p, i) && p->table->column[i] == column && (!like || same_class(&cells[i], like)) &&
			(best == OVERVIEW_NONE || cells[i].sum < cells[best].sum))
			best = i;
	return best;
}

static void add_best(const struct overview_page *p, size_t best)
{
	if (best == OVERVIEW_NONE) {
		strbuf_adds(p->to, "-|");
		return;
	}
	overview_page_format(p, &p->grid->cells[best]);
	strbuf_addf(p->to, " %.3e|", p->grid->cells[best].sum);
}

static int in_setting(const struct overview_page *p, size_t column, size_t setting)
{
	return p->table->columns[column].setting == setting;
}

static void add_column_heads(const struct overview_page *p, size_t setting, const char *first)
{
	strbuf_addf(p->to, "|%s|", first);
	for (size_t c = 0; c < p->table->column_count; c++)
		if (in_setting(p, c, setting))
			strbuf_addf(p->to, "%s|", p->table->columns[c].size);
	strbuf_adds(p->to, "\n|:---|");
	for (size_t c = 0; c < p->table->column_count; c++)
		if (in_setting(p, c, setting))
			strbuf_adds(p->to, ":---|");
	strbuf_addc(p->to, '\n');
}

static void add_bests(const struct overview_page *p, size_t setting, const struct overview_cell *like)
{
	for (size_t c = 0; c < p->table->column_count; c++)
		if (in_setting(p, c, setting))
			add_best(p, find_best(p, c, like));
	strbuf_addc(p->to, '\n');
}

/* One line a class of formats of equal bits, the classes by falling bits. */
static void add_classes(const struct overview_page *p, size_t setting)
{
	for (int weight = 16; weight > 0; weight--) {
		for (int activation = 16; activation > 0; activation--) {
			const struct overview_cell *like = NULL;
			for (size_t i = 0; i < p->grid->count && !like; i++)
				if (bits_of(p->grid->cells[i].weight) == weight &&
					bits_of(p->grid->cells[i].activation) == activation)
					like = &p->grid->cells[i];
			if (!like)
				continue;
			strbuf_addf(p->to, "|W%dA%d|", weight, activation);
			add_bests(p, setting, like);
		}
	}
}

static size_t count_repeats(const struct overview_table *t, size_t setting)
{
	size_t count = 0;
	for (size_t s = 0; s < t->setting_count; s++)
		count += t->settings[s].repeats == setting;
	return count;
}

/* "`effective_bits=4.5`, `effective_bits=6` and `effective_bits=8` (the same sums):": the settings whose tables are
 * this one's. Nothing where there is nothing to tell. */
static void add_setting_head(const struct overview_page *p, size_t setting)
{
	const struct overview_table *t = p->table;
	size_t count = count_repeats(t, setting), index = 0;
	if (!*t->settings[setting].label)
		return;
	for (size_t s = 0; s < t->setting_count; s++)
		if (t->settings[s].repeats == setting)
			strbuf_addf(p->to, "%s%s", words_between(index++, count), t->settings[s].label);
	strbuf_addf(p->to, "%s:\n\n", count > 1 ? " (the same sums)" : "");
}

/* The same in short, in front of a size. */
static void add_setting_short(const struct overview_page *p, size_t setting)
{
	size_t count = count_repeats(p->table, setting);
	if (!*p->table->settings[setting].label)
		return;
	strbuf_adds(p->to, p->table->settings[setting].label);
	if (count > 1)
		strbuf_addf(p->to, " and %zu more of the same sums", count - 1);
	strbuf_adds(p->to, ", ");
}

static const struct overview_cell *column_sample(const struct overview_page *p, size_t column)
{
	for (size_t i = 0; i < p->grid->count; i++)
		if (p->table->column[i] == column && is_scored(p, i))
			return &p->grid->cells[i];
	return NULL;
}

static int column_shares_text(const struct overview_page *p, size_t column, size_t other)
{
	const struct overview_cell *a = column_sample(p, column), *b = column_sample(p, other);
	return a && b && in_setting(p, other, p->table->columns[column].setting) && overview_same_text(a, b);
}

/* Sizes that score the same text would be read as "more text changes nothing". */
static void add_text_note(const struct overview_page *p, size_t column)
{
	size_t count = 0, index = 0, scored;
	for (size_t c = 0; c < p->table->column_count; c++) {
		if (!column_shares_text(p, column, c))
			continue;
		if (c < column)
			return; /* told there */
		count++;
	}
	if (count < 2)
		return;
	strbuf_adds(p->to, "> **Note:** ");
	for (size_t c = column; c < p->table->column_count; c++)
		if (column_shares_text(p, column, c))
			strbuf_addf(p->to, "%s%s", words_between(index++, count), p->table->columns[c].size);
	scored = column_sample(p, column)->score_sequences;
	strbuf_addf(p->to, " score the same %zu caption%s (at most `autoquant.score_size` are scored). They differ only\n"
		"> in the text that fixed activation scales are calibrated on, so equal sums do not say that more text is not worth "
		"it.\n\n", scored, words_s(scored));
}

static void add_cheapest(const struct overview_page *p)
{
	const struct overview_table *t = p->table;
	strbuf_adds(p->to, "## Least harmful formats\n\nFormat of the smallest sum, for each size of calibration text. "
		"W4A8: weights of 4 bits, activations of 8; A16 leaves\nactivations as they are.\n\n");
	for (size_t s = 0; s < t->setting_count; s++) {
		if (t->settings[s].repeats != s)
			continue;
		add_setting_head(p, s);
		add_column_heads(p, s, "Class");
		strbuf_adds(p->to, "|**any**|");
		add_bests(p, s, NULL);
		add_classes(p, s);
		strbuf_addc(p->to, '\n');
		for (size_t c = 0; c < t->column_count; c++)
			if (in_setting(p, c, s))
				add_text_note(p, c);
	}
}

/* --- weights x activations --- */

struct axis {
	const char **names;
	size_t count;
};

static void axis_add(struct axis *axis, const char *name)
{
	for (size_t i = 0; i < axis->count; i++)
		if (!strcmp(axis->names[i], name))
			return;
	axis->names[axis->count++] = name;
}

static int in_matrix(const struct overview_page *p, size_t cell, size_t column, const char *granularity)
{
	return p->table->column[cell] == column && !strcmp(p->grid->cells[cell].granularity, granularity);
}

static size_t find_cell(const struct overview_page *p, size_t column, const char *granularity, const char *weight,
	const char *activation)
{
	for (size_t i = 0; i < p->grid->count; i++)
		if (in_matrix(p, i, column, granularity) && !strcmp(p->grid->cells[i].weight, weight) &&
			!strcmp(p->grid->cells[i].activation, activation))
			return i;
	return OVERVIEW_NONE;
}

static void add_matrix_cell(const struct overview_page *p, size_t cell)
{
	static const char *const words[] = {"nothing scored", "failed", "missing"};
	if (cell == OVERVIEW_NONE)
		strbuf_adds(p->to, "-|");
	else if (!is_scored(p, cell))
		strbuf_addf(p->to, "%s|", words[p->grid->cells[cell].status]);
	else
		strbuf_addf(p->to, p->table->rank[cell] == 1 ? "**%.3e**|" : "%.3e|", p->grid->cells[cell].sum);
}

static void add_matrix(const struct overview_page *p, size_t column, const char *granularity,
	const struct axis *weights, const struct axis *activations)
{
	const struct overview_column *in = &p->table->columns[column];
	add_setting_short(p, in->setting);
	strbuf_addf(p->to, "%s, granularity `%s`:\n\n|weights \\ activations|", in->size, granularity);
	for (size_t a = 0; a < activations->count; a++)
		strbuf_addf(p->to, "%s|", activations->names[a]);
	strbuf_adds(p->to, "\n|:---|");
	for (size_t a = 0; a < activations->count; a++)
		strbuf_adds(p->to, "---:|");
	strbuf_addc(p->to, '\n');
	for (size_t w = 0; w < weights->count; w++) {
		strbuf_addf(p->to, "|%s|", weights->names[w]);
		for (size_t a = 0; a < activations->count; a++)
			add_matrix_cell(p, find_cell(p, column, granularity, weights->names[w], activations->names[a]));
		strbuf_addc(p->to, '\n');
	}
	strbuf_addc(p->to, '\n');
}

/* A matrix needs two weights and two activations. Returns whether it was shown. */
static int try_matrix(const struct overview_page *p, size_t column, const char *granularity, int first)
{
	const struct overview *o = p->grid;
	struct axis weights = {mem_array(o->count, sizeof *weights.names), 0};
	struct axis activations = {mem_array(o->count, sizeof *activations.names), 0};
	for (size_t i = 0; i < o->count; i++) {
		if (!in_matrix(p, i, column, granularity))
			continue;
		axis_add(&weights, o->cells[i].weight);
		axis_add(&activations, o->cells[i].activation);
	}
	int shown = weights.count > 1 && activations.count > 1;
	if (shown && first)
		strbuf_adds(p->to, "## Weights against activations\n\nSums; the smallest of each size is bold.\n\n");
	if (shown)
		add_matrix(p, column, granularity, &weights, &activations);
	free(weights.names);
	free(activations.names);
	return shown;
}

static void add_matrices(const struct overview_page *p)
{
	const struct overview *o = p->grid;
	struct axis granularities = {mem_array(o->count, sizeof *granularities.names), 0};
	int shown = 0;
	for (size_t i = 0; i < o->count; i++)
		axis_add(&granularities, o->cells[i].granularity);
	for (size_t g = 0; g < granularities.count; g++)
		for (size_t c = 0; c < p->table->column_count; c++)
			if (p->table->settings[p->table->columns[c].setting].repeats == p->table->columns[c].setting)
				shown |= try_matrix(p, c, granularities.names[g], !shown);
	free(granularities.names);
}

/* --- layers --- */

struct layer {
	const char *name;
	size_t cells;      /* that have it among their top */
	double share;      /* the largest */
	size_t worst;      /* cell of that share */
	size_t index;
};

static int by_weight(const void *a, const void *b)
{
	const struct layer *x = a, *y = b;
	if (x->cells != y->cells)
		return x->cells > y->cells ? -1 : 1;
	if (x->share != y->share)
		return x->share > y->share ? -1 : 1;
	return x->index < y->index ? -1 : 1;
}

static struct layer *find_layer(struct layer *layers, size_t *count, const char *name)
{
	for (size_t i = 0; i < *count; i++)
		if (!strcmp(layers[i].name, name))
			return &layers[i];
	layers[*count] = (struct layer){.name = name, .index = *count};
	return &layers[(*count)++];
}

/* Cells that equal an earlier one would count twice. */
static int counts(const struct overview_page *p, size_t cell)
{
	return is_scored(p, cell) && !p->grid->cells[cell].same_as;
}

static size_t collect_layers(const struct overview_page *p, struct layer *layers)
{
	size_t count = 0;
	for (size_t i = 0; i < p->grid->count; i++) {
		const struct overview_cell *cell = &p->grid->cells[i];
		for (size_t k = 0; k < cell->top_count && counts(p, i); k++) {
			struct layer *layer = find_layer(layers, &count, cell->top[k].group);
			if (!layer->cells++ || overview_page_share(cell, k) > layer->share) {
				layer->share = overview_page_share(cell, k);
				layer->worst = i;
			}
		}
	}
	qsort(layers, count, sizeof *layers, by_weight);
	return count;
}

static void add_layers(const struct overview_page *p)
{
	struct layer *layers = mem_array(p->grid->count * OVERVIEW_TOP, sizeof *layers);
	size_t cells = 0, count = collect_layers(p, layers);
	for (size_t i = 0; i < p->grid->count; i++)
		cells += (size_t)counts(p, i);
	if (count) {
		strbuf_addf(p->to, "## Layers that dominate\n\nLayers among the %d most sensitive of a cell, out of %zu cell%s%s.\n\n"
			"|Layer|Cells|Largest share of a sum|In cell|\n|:---|---:|---:|:---|\n", OVERVIEW_TOP, cells, words_s(cells),
			cells < count_scored(p->grid) ? " with scores of their own" : "");
		for (size_t i = 0; i < count && i < LAYERS_SHOWN; i++) {
			strbuf_adds(p->to, "|");
			overview_page_code(p, words_short_layer(layers[i].name));
			strbuf_addf(p->to, "|%zu|", layers[i].cells);
			words_share(p->to, layers[i].share);
			strbuf_addf(p->to, "|`%s`|\n", p->grid->cells[layers[i].worst].name);
		}
		strbuf_addc(p->to, '\n');
	}
	free(layers);
}

void overview_markdown_make(struct strbuf *to, const struct overview *overview, const struct overview_table *table,
	const char *folder)
{
	const struct overview_page page = {to, overview, table, folder};
	add_counts(&page);
	add_introduction(&page);
	if (count_scored(overview)) {
		add_cheapest(&page);
		add_matrices(&page);
		add_layers(&page);
	}
	overview_page_formats(&page);
	overview_page_cells(&page);
	overview_page_reasons(&page);
	overview_page_invalid(&page);
	/* Sections end with an empty line; a file does not. */
	to->s[--to->length] = '\0';
}
