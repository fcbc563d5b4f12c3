/* Mapped files, copied into memory of just their length: a read behind the end of a mapping hits the zeros of its last
 * page and is not seen. Fuzz programs are linked with --wrap, so that every reader gets these. */
#include <stdlib.h>
#include <string.h>

#include "common/file.h"
#include "common/memory.h"

/* What the linker makes of the names when file_map_open and file_map_close are wrapped. */
int __real_file_map_open(struct file_map *map, const char *path);
void __real_file_map_close(struct file_map *map);
int __wrap_file_map_open(struct file_map *map, const char *path);
void __wrap_file_map_close(struct file_map *map);

/* Arrays of objects are read in place: they need the alignment that a mapping has. */
enum { ALIGNMENT = 64 };

int __wrap_file_map_open(struct file_map *map, const char *path)
{
	struct file_map mapped;
	void *copy;
	if (__real_file_map_open(&mapped, path)) {
		*map = mapped;
		return -1;
	}
	*map = mapped;
	if (!mapped.length)
		return 0;
	if (posix_memalign(&copy, ALIGNMENT, mapped.length))
		abort();
	map->bytes = memcpy(copy, mapped.bytes, mapped.length);
	__real_file_map_close(&mapped);
	return 0;
}

void __wrap_file_map_close(struct file_map *map)
{
	free((void *)(uintptr_t)map->bytes);
	*map = (struct file_map){0};
}
