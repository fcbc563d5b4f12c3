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

enum { MANIFEST, LAYERS, MARKDOWN, YAML, FILES };

static void add_json(struct strbuf *to, const cJSON *value)
{
	json_pretty(to, value);
	strbuf_addc(to, '\n');
}

static int make_files(struct report_file *files, const struct report_cell *cell, const struct group_table *table)
{
	cJSON *manifest = manifest_make(cell, table);
	if (!manifest)
		return -1;
	cJSON *layers = layers_json_make(cell, table, manifest);
	files[MANIFEST].name = mem_printf("%s_quant_manifest.json", table->scheme);
	files[LAYERS].name = mem_strdup("per-layer-sensitivity.json");
	files[MARKDOWN].name = mem_strdup("per-layer-sensitivity.md");
	files[YAML].name = mem_strdup("composed-config.yaml");
	for (int i = 0; i < FILES; i++)
		strbuf_init(&files[i].text);
	add_json(&files[MANIFEST].text, manifest);
	add_json(&files[LAYERS].text, layers);
	markdown_make(&files[MARKDOWN].text, cell, table);
	strbuf_adds(&files[YAML].text, cell->yaml);
	cJSON_Delete(layers);
	cJSON_Delete(manifest);
	return 0;
}

int report_write(const struct report_cell *cell, const char *folder, size_t *changed)
{
	struct group_table table;
	struct report_file files[FILES] = {{0}};
	if (group_table_make(&table, cell))
		return -1;
	int bad = make_files(files, cell, &table) || report_files_write(folder, files, FILES, changed);
	report_files_release(files, FILES);
	group_table_release(&table);
	return bad ? -1 : 0;
}
