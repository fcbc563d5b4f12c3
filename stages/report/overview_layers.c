#include "report/overview_page.h"

#include <stdlib.h>
#include <string.h>

#include "common/memory.h"
#include "report/words.h"

enum { LAYERS_SHOWN = 10 };

static int by_weight(const void *a, const void *b)
{
	const struct overview_layer *x = a, *y = b;
	if (x->cells != y->cells)
		return x->cells > y->cells ? -1 : 1;
	if (x->share != y->share)
		return x->share > y->share ? -1 : 1;
	return x->index < y->index ? -1 : 1;
}

static struct overview_layer *find_layer(struct overview_layer *layers, size_t *count, const char *name)
{
	for (size_t i = 0; i < *count; i++)
		if (!strcmp(layers[i].name, name))
			return &layers[i];
	layers[*count] = (struct overview_layer){.name = name, .index = *count};
	return &layers[(*count)++];
}

struct overview_layer *overview_layers_collect(const struct overview_page *p, size_t *count, size_t *cells)
{
	struct overview_layer *layers = mem_array(p->grid->count * OVERVIEW_WORST, sizeof *layers);
	*count = *cells = 0;
	for (size_t i = 0; i < p->grid->count; i++) {
		const struct overview_cell *cell = &p->grid->cells[i];
		if (!overview_cell_counts(cell))
			continue;
		(*cells)++;
		for (size_t k = 0; k < cell->top_count && k < OVERVIEW_WORST; k++) {
			struct overview_layer *layer = find_layer(layers, count, cell->top[k].group);
			if (!layer->cells++ || overview_page_share(cell, k) > layer->share) {
				layer->share = overview_page_share(cell, k);
				layer->worst = i;
			}
		}
	}
	qsort(layers, *count, sizeof *layers, by_weight);
	return layers;
}

static void add_layer(const struct overview_page *p, const struct overview_layer *layer)
{
	strbuf_addc(p->to, '|');
	overview_page_code(p, words_short_layer(layer->name));
	strbuf_addf(p->to, "|%zu|", layer->cells);
	words_share(p->to, layer->share);
	strbuf_addf(p->to, "|`%s`|\n", p->grid->cells[layer->worst].name);
}

void overview_page_layers(const struct overview_page *p)
{
	size_t cells, count;
	struct overview_layer *layers = overview_layers_collect(p, &count, &cells);
	if (count) {
		strbuf_addf(p->to, "## Layers that dominate\n\nLayers among the %d most sensitive of a cell, out of %zu cell%s "
			"with scores of their own. Keep these at 16 bits\nfirst.\n\n"
			"|Layer|Cells|Largest share of a sum|In cell|\n|:---|---:|---:|:---|\n", OVERVIEW_WORST, cells,
			words_s(cells));
		for (size_t i = 0; i < count && i < LAYERS_SHOWN; i++)
			add_layer(p, &layers[i]);
		strbuf_addc(p->to, '\n');
	}
	free(layers);
}
