#include "report/overview_markdown.h"

#include <stdlib.h>
#include <string.h>

#include "common/memory.h"
#include "report/words.h"

enum { LAYERS_SHOWN = 10, TOP_SHOWN = 3 };

#define NONE_FOUND ((size_t)-1)

struct page {
	struct strbuf *to;
	const struct overview *grid;
	const struct overview_table *table;
	const char *folder;
};

static int is_ok(const struct page *p, size_t cell)
{
	return p->grid->cells[cell].status == OVERVIEW_OK;
}

static size_t count_status(const struct overview *o, enum overview_status status)
{
	size_t count = 0;
	for (size_t i = 0; i < o->count; i++)
		count += o->cells[i].status == status;
	return count;
}

static void add_code(const struct page *p, const char *text)
{
	strbuf_addc(p->to, '`');
	words_cell(p->to, text);
	strbuf_addc(p->to, '`');
}

/* --- top --- */

static void add_counts(const struct page *p)
{
	const struct overview *o = p->grid;
	size_t ok = count_status(o, OVERVIEW_OK), failed = count_status(o, OVERVIEW_FAILED);
	size_t missing = count_status(o, OVERVIEW_MISSING), same = 0;
	for (size_t i = 0; i < o->count; i++)
		same += is_ok(p, i) && o->cells[i].same_as;
	strbuf_addf(p->to, "# %s\n\n%zu of %zu cells have a result", o->grid, ok, o->count);
	if (same)
		strbuf_addf(p->to, " (%zu of them equal another cell)", same);
	if (failed)
		strbuf_addf(p->to, ", **%zu failed**", failed);
	if (missing)
		strbuf_addf(p->to, ", %zu missing", missing);
	if (o->invalid_count)
		strbuf_addf(p->to, "; %zu more cannot exist", o->invalid_count);
	strbuf_adds(p->to, ".\n\n");
}

static void add_introduction(const struct page *p)
{
	strbuf_adds(p->to, "A cell is one way to quantize the model, judged on one amount of calibration text. Its **sum** "
		"adds up the\nsensitivities of all layers: how much quantizing each of them disturbs the loss. Smaller is "
		"better; sums compare\nwithin one size of text (and model), the ranks count there.\n\n");
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
static size_t find_best(const struct page *p, size_t column, const struct overview_cell *like)
{
	const struct overview_cell *cells = p->grid->cells;
	size_t best = NONE_FOUND;
	for (size_t i = 0; i < p->grid->count; i++)
		if (is_ok(p, i) && p->table->column[i] == column && (!like || same_class(&cells[i], like)) &&
			(best == NONE_FOUND || cells[i].sum < cells[best].sum))
			best = i;
	return best;
}

/* "wint8_afp8", with the granularity where the grid has several. */
static void add_format(const struct page *p, const struct overview_cell *cell)
{
	const struct overview *o = p->grid;
	int several = 0;
	for (size_t i = 1; i < o->count; i++)
		several |= strcmp(o->cells[0].granularity, o->cells[i].granularity) != 0;
	strbuf_addf(p->to, "`%s%s%s`", cell->pair, several ? "." : "", several ? cell->granularity : "");
}

static void add_best(const struct page *p, size_t best)
{
	if (best == NONE_FOUND) {
		strbuf_adds(p->to, "-|");
		return;
	}
	add_format(p, &p->grid->cells[best]);
	strbuf_addf(p->to, " %.4g|", p->grid->cells[best].sum);
}

static void add_column_heads(const struct page *p, const char *first)
{
	strbuf_addf(p->to, "|%s|", first);
	for (size_t c = 0; c < p->table->column_count; c++)
		strbuf_addf(p->to, "%s|", p->table->columns[c].label);
	strbuf_adds(p->to, "\n|:---|");
	for (size_t c = 0; c < p->table->column_count; c++)
		strbuf_adds(p->to, ":---|");
	strbuf_addc(p->to, '\n');
}

/* One line a class of formats of equal bits, the classes by falling bits. */
static void add_classes(const struct page *p)
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
			for (size_t c = 0; c < p->table->column_count; c++)
				add_best(p, find_best(p, c, like));
			strbuf_addc(p->to, '\n');
		}
	}
}

static void add_cheapest(const struct page *p)
{
	strbuf_adds(p->to, "## Least harmful formats\n\nFormat of the smallest sum, for each size of calibration text. "
		"W4A8: weights of 4 bits, activations of 8; A16 leaves\nactivations as they are.\n\n");
	add_column_heads(p, "Class");
	strbuf_adds(p->to, "|**any**|");
	for (size_t c = 0; c < p->table->column_count; c++)
		add_best(p, find_best(p, c, NULL));
	strbuf_addc(p->to, '\n');
	add_classes(p);
	strbuf_addc(p->to, '\n');
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

static int in_matrix(const struct page *p, size_t cell, size_t column, const char *granularity)
{
	return p->table->column[cell] == column && !strcmp(p->grid->cells[cell].granularity, granularity);
}

static size_t find_cell(const struct page *p, size_t column, const char *granularity, const char *weight,
	const char *activation)
{
	for (size_t i = 0; i < p->grid->count; i++)
		if (in_matrix(p, i, column, granularity) && !strcmp(p->grid->cells[i].weight, weight) &&
			!strcmp(p->grid->cells[i].activation, activation))
			return i;
	return NONE_FOUND;
}

static void add_matrix_cell(const struct page *p, size_t cell)
{
	static const char *const words[] = {"", "failed", "missing"};
	if (cell == NONE_FOUND)
		strbuf_adds(p->to, "-|");
	else if (!is_ok(p, cell))
		strbuf_addf(p->to, "%s|", words[p->grid->cells[cell].status]);
	else
		strbuf_addf(p->to, p->table->rank[cell] == 1 ? "**%.4g**|" : "%.4g|", p->grid->cells[cell].sum);
}

static void add_matrix(const struct page *p, size_t column, const char *granularity, const struct axis *weights,
	const struct axis *activations)
{
	strbuf_addf(p->to, "%s, granularity `%s`:\n\n|weights \\ activations|", p->table->columns[column].label,
		granularity);
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
static int try_matrix(const struct page *p, size_t column, const char *granularity, int first)
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

static void add_matrices(const struct page *p)
{
	const struct overview *o = p->grid;
	struct axis granularities = {mem_array(o->count, sizeof *granularities.names), 0};
	int shown = 0;
	for (size_t i = 0; i < o->count; i++)
		axis_add(&granularities, o->cells[i].granularity);
	for (size_t g = 0; g < granularities.count; g++)
		for (size_t c = 0; c < p->table->column_count; c++)
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

static double share_of(const struct overview_cell *cell, size_t top)
{
	return cell->sum > 0 ? cell->top[top].score / cell->sum : 0;
}

/* Cells that equal an earlier one would count twice. */
static int counts(const struct page *p, size_t cell)
{
	return is_ok(p, cell) && !p->grid->cells[cell].same_as;
}

static size_t collect_layers(const struct page *p, struct layer *layers)
{
	size_t count = 0;
	for (size_t i = 0; i < p->grid->count; i++) {
		const struct overview_cell *cell = &p->grid->cells[i];
		for (size_t k = 0; k < cell->top_count && counts(p, i); k++) {
			struct layer *layer = find_layer(layers, &count, cell->top[k].group);
			if (!layer->cells++ || share_of(cell, k) > layer->share) {
				layer->share = share_of(cell, k);
				layer->worst = i;
			}
		}
	}
	qsort(layers, count, sizeof *layers, by_weight);
	return count;
}

static void add_layers(const struct page *p)
{
	struct layer *layers = mem_array(p->grid->count * OVERVIEW_TOP, sizeof *layers);
	size_t cells = 0, count = collect_layers(p, layers);
	for (size_t i = 0; i < p->grid->count; i++)
		cells += (size_t)counts(p, i);
	if (count) {
		strbuf_addf(p->to, "## Layers that dominate\n\nLayers among the %d most sensitive of a cell, out of %zu cells.\n\n"
			"|Layer|Cells|Largest share of a sum|In cell|\n|:---|---:|---:|:---|\n", OVERVIEW_TOP, cells);
		for (size_t i = 0; i < count && i < LAYERS_SHOWN; i++) {
			strbuf_adds(p->to, "|");
			add_code(p, words_short_layer(layers[i].name));
			strbuf_addf(p->to, "|%zu|", layers[i].cells);
			words_share(p->to, layers[i].share);
			strbuf_addf(p->to, "|`%s`|\n", p->grid->cells[layers[i].worst].name);
		}
		strbuf_addc(p->to, '\n');
	}
	free(layers);
}

/* --- cells --- */

/* The cell's name, linked to its Markdown report, which stands beside the manifest. */
static void add_link(const struct page *p, const struct overview_cell *cell)
{
	const char *path = cell->manifest ? overview_path(cell->manifest, p->folder) : NULL;
	const char *slash = path ? strrchr(path, '/') : NULL;
	if (!path) {
		add_code(p, cell->name);
		return;
	}
	strbuf_adds(p->to, "[");
	add_code(p, cell->name);
	strbuf_addf(p->to, "](<%.*sper-layer-sensitivity.md>)", slash ? (int)(slash + 1 - path) : 0, path);
}

static void add_cell(const struct page *p, size_t index)
{
	static const char *const words[] = {"", "**failed**", "missing"};
	const struct overview_cell *cell = &p->grid->cells[index];
	strbuf_adds(p->to, "|");
	add_link(p, cell);
	if (cell->status != OVERVIEW_OK) {
		strbuf_addf(p->to, "|%s||||||\n", words[cell->status]);
		return;
	}
	strbuf_addf(p->to, "|%.4g|%zu of %zu|%.4g|%.4g|%.4f|", cell->sum, p->table->rank[index],
		p->table->columns[p->table->column[index]].ok, cell->normalised, cell->searched_total, cell->bits);
	for (size_t k = 0; k < cell->top_count && k < TOP_SHOWN; k++) {
		strbuf_adds(p->to, k ? ", " : "");
		add_code(p, words_short_layer(cell->top[k].group));
		strbuf_addc(p->to, ' ');
		words_share(p->to, share_of(cell, k));
	}
	if (cell->same_as)
		strbuf_addf(p->to, " (same as `%s`)", cell->same_as);
	strbuf_adds(p->to, "|\n");
}

static void add_cells(const struct page *p)
{
	strbuf_adds(p->to, "## Cells\n\n"
		"|Cell|Sum|Rank|Normalised|Searched total|Bits|Most sensitive layers, share of the sum|\n"
		"|:---|---:|---:|---:|---:|---:|:---|\n");
	for (size_t i = 0; i < p->grid->count; i++)
		add_cell(p, i);
	strbuf_adds(p->to, "\n- Sum: all layers quantized. Rank: by sum, 1 is the least harmful.\n"
		"- Normalised: the sum per target token; also compares across sizes and batch sizes.\n"
		"- Searched total: what is left of the sum when the search keeps the worst layers at 16 bits, within the budget.\n"
		"  Formats of fewer bits leave it more room, so it does not compare across formats.\n"
		"- Bits: effective bits a weight of that mix, layers that are not searched included at 16.\n\n");
}

static void add_reasons(const struct page *p)
{
	static const char *const words[] = {"", "failed", "missing"};
	if (count_status(p->grid, OVERVIEW_OK) == p->grid->count)
		return;
	strbuf_adds(p->to, "## Failed or missing\n\n|Cell|What|Why|\n|:---|:---|:---|\n");
	for (size_t i = 0; i < p->grid->count; i++) {
		const struct overview_cell *cell = &p->grid->cells[i];
		if (cell->status == OVERVIEW_OK)
			continue;
		strbuf_addf(p->to, "|`%s`|%s|", cell->name, words[cell->status]);
		words_cell(p->to, cell->reason ? cell->reason : "");
		strbuf_adds(p->to, "|\n");
	}
	strbuf_addc(p->to, '\n');
}

static void add_invalid(const struct page *p)
{
	if (!p->grid->invalid_count)
		return;
	strbuf_adds(p->to, "## Cells that cannot exist\n\n|Cell|Why|\n|:---|:---|\n");
	for (size_t i = 0; i < p->grid->invalid_count; i++) {
		strbuf_addf(p->to, "|`%s`|", p->grid->invalid[i].cell);
		words_cell(p->to, p->grid->invalid[i].reason);
		strbuf_adds(p->to, "|\n");
	}
	strbuf_addc(p->to, '\n');
}

void overview_markdown_make(struct strbuf *to, const struct overview *overview, const struct overview_table *table,
	const char *folder)
{
	const struct page page = {to, overview, table, folder};
	add_counts(&page);
	add_introduction(&page);
	if (count_status(overview, OVERVIEW_OK)) {
		add_cheapest(&page);
		add_matrices(&page);
		add_layers(&page);
	}
	add_cells(&page);
	add_reasons(&page);
	add_invalid(&page);
	/* Sections end with an empty line; a file does not. */
	to->s[--to->length] = '\0';
}
