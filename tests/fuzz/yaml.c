/* YAML files: config/yaml.h. What was read must be written as YAML that reads back equal, where aliases did not make it
 * longer than a file may be. */
#include <stdlib.h>

#include "config/yaml.h"
#include "fuzz/support/input.h"

enum { TEXT_MAX = 1 << 20 };

static void read_back(const struct node *root)
{
	struct yaml_file again;
	struct strbuf text;
	strbuf_init(&text);
	node_to_yaml(&text, root);
	if (text.length <= TEXT_MAX) {
		PROMISE(!yaml_file_parse(&again, "again", text.s, text.length));
		PROMISE(node_equal(root, again.root));
		yaml_file_release(&again);
	}
	strbuf_release(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct yaml_file file;
	char *text = input_exact(data, size);
	if (!yaml_file_parse(&file, "input", text, size)) {
		read_back(file.root);
		yaml_file_release(&file);
	}
	free(text);
	return 0;
}
