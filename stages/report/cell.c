#include "report/cell.h"

#include <stdlib.h>

#include "common/error.h"
#include "common/json.h"
#include "common/memory.h"
#include "report/files.h"
#include "report/group_table.h"
#include "report/layers_json.h"
#include "report/manifest.h"
#include "report/markdown.h"
#include "report/pareto.h"

static void add_json(struct strbuf *to, const cJSON *value)
{
	json_pretty(to, value);
	strbuf_addc(to, '\n');
}

char *report_manifest_name(const char *scheme, const char *pair)
{
	return mem_join(scheme ? scheme : pair, scheme ? "" : "_autoquant_lm", "_quant_manifest.json", NULL);
}

void report_file_names(char *names[REPORT_FILES], const char *scheme, const char *pair)
{
	names[REPORT_MANIFEST] = report_manifest_name(scheme, pair);
	names[REPORT_LAYERS] = mem_strdup("per-layer-sensitivity.json");
	names[REPORT_MARKDOWN] = mem_strdup("per-layer-sensitivity.md");
	names[REPORT_YAML] = mem_strdup("composed-config.yaml");
	names[REPORT_PARETO_JSON] = mem_strdup("pareto-curve.json");
	names[REPORT_PARETO_CSV] = mem_strdup("pareto-curve.csv");
}

static int make_files(struct report_file *files, const struct report_cell *cell, const struct group_table *table)
{
	cJSON *manifest = manifest_make(cell, table);
	if (!manifest)
		return -1;
	cJSON *layers = layers_json_make(cell, table, manifest), *pareto = pareto_json(cell, table);
	char *names[REPORT_FILES];
	report_file_names(names, table->scheme, NULL);
	for (int i = 0; i < REPORT_FILES; i++) {
		files[i].name = names[i];
		strbuf_init(&files[i].text);
	}
	add_json(&files[REPORT_MANIFEST].text, manifest);
	add_json(&files[REPORT_LAYERS].text, layers);
	markdown_make(&files[REPORT_MARKDOWN].text, cell, table);
	strbuf_adds(&files[REPORT_YAML].text, cell->yaml);
	add_json(&files[REPORT_PARETO_JSON].text, pareto);
	pareto_csv(&files[REPORT_PARETO_CSV].text, table);
	cJSON_Delete(pareto);
	cJSON_Delete(layers);
	cJSON_Delete(manifest);
	return 0;
}

int report_write(const struct report_cell *cell, const char *folder, size_t *changed)
{
	struct group_table table;
	struct report_file files[REPORT_FILES] = {{0}};
	if (group_table_make(&table, cell))
		return -1;
	int bad = make_files(files, cell, &table) || report_files_write(folder, files, REPORT_FILES, changed);
	report_files_release(files, REPORT_FILES);
	group_table_release(&table);
	return bad ? -1 : 0;
}
