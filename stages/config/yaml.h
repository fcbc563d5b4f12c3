/* YAML files as OmegaConf reads them: YAML 1.1 scalars, save that y and n are strings, 1e3 is a float and dates are
 * strings.
 *
 * Refused, with the place: duplicate keys (both lines named), null or structured keys, two documents, tags other than
 * the core ones, text that is not UTF-8, unknown aliases, integers beyond 64 bits; and more than 1 MiB of text, 64
 * levels, 10,000 keys in one mapping, or 100,000 nodes or 16 MiB of copied text after aliases are expanded, so that a
 * small file cannot become a large one.
 */
#ifndef QG_CONFIG_YAML_H
#define QG_CONFIG_YAML_H

#include "config/node.h"

struct yaml_file {
	struct source *source;
	struct node *root;      /* an empty file is an empty dict */
	char *package;          /* of the header comment "# @package x"; NULL when there is none */
	struct origin package_at;
};

/* Reads a file; path is printed in messages. */
int yaml_file_read(struct yaml_file *file, const char *path);
void yaml_file_release(struct yaml_file *file);

/* Parses text; name stands for the path. */
int yaml_file_parse(struct yaml_file *file, const char *name, const char *text, size_t length);

/* The value of one plain scalar: "012" is 10. Never NULL save after fail() (an integer beyond 64 bits). */
struct node *yaml_scalar(const char *text, const struct origin *at);

#endif
