/* The files below conf/, each read once: their defaults lists as items, and their content. Private to config/. */
#ifndef QG_CONFIG_CONF_DIR_H
#define QG_CONFIG_CONF_DIR_H

#include "common/hash_map.h"
#include "config/compose.h"
#include "config/yaml.h"

/* One item of a defaults list. */
struct default_item {
	int self;           /* _self_ */
	int is_group;       /* "group: option"; else "name" */
	int optional, override;
	int external;       /* from the command line, +group=option */
	int absolute;       /* was written with a leading '/' */
	char *group;        /* is_group: the group without leading '/' */
	char *name;         /* option or config; NULL: no choice */
	char **names;       /* group: [a, b]; then name is NULL */
	size_t name_count;
	char *package;      /* behind '@'; "" for _here_; NULL when there is none */
	struct origin at;   /* of the item; borrowed from its source */
};

struct config_file {
	char *name;                 /* "quant_pair/wfp8_afp8" */
	char *path;                 /* "conf/quant_pair/wfp8_afp8.yaml" */
	int exists;
	struct yaml_file yaml;      /* root without "defaults" and "hydra"; NULL: there is none, or it cannot be read */
	char *error;                /* all that is wrong with the file; the rest of it is here. NULL: nothing */
	char *package;              /* of the header, absolute: "" for _global_; NULL when there is none */
	struct default_item *items;
	size_t item_count;
	int has_defaults;
};

struct group_folder {
	char *name, *path;
	int exists;
	char **options;             /* sorted */
	size_t option_count;
};

struct composer {
	char *dir;
	struct config_file **files;
	size_t file_count, file_capacity;
	struct group_folder **folders;
	size_t folder_count, folder_capacity;
	char **notes;
	size_t note_count, note_capacity;
	int hydra_noted;
	struct merged **merged;     /* of each choice of options so far (merged.h) */
	size_t merged_count, merged_capacity;
	struct hash_map merged_index;
	char **lists[2];            /* what composer_files() and composer_folders() returned last */
};

/* The file of that name; exists tells whether there is one, error what is wrong with it. NULL after fail(): no file can
 * have that name. Borrowed. */
const struct config_file *conf_dir_file(struct composer *composer, const char *name);

/* The folder of that name. Never NULL. Borrowed. */
const struct group_folder *conf_dir_folder(struct composer *composer, const char *name);

/* Adds what a user should be told, once (composer_notes()). */
void conf_dir_note(struct composer *composer, const struct origin *at, const char *text);

/* "group/with/@package" cut at '@', as in a key of a defaults list: fills absolute, group or name, package. */
void default_item_release(struct default_item *item);

#endif
