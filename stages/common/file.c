#include "common/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/aside.h"
#include "common/error.h"
#include "common/memory.h"
#include "common/strbuf.h"

static int open_regular(const char *path, struct stat *status)
{
	/* Without O_NONBLOCK a FIFO in the place of a file would hang us before we can see what it is. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return fail("%s: cannot open: %s", path, strerror(errno));
	if (fstat(fd, status)) {
		fail("%s: cannot stat: %s", path, strerror(errno));
	} else if (!S_ISREG(status->st_mode)) {
		fail("%s: not a regular file", path);
	} else {
		return fd;
	}
	close(fd);
	return -1;
}

static int read_all(int fd, const char *path, char *to, size_t length)
{
	for (size_t done = 0; done < length;) {
		ssize_t n = read(fd, to + done, length - done);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return fail("%s: cannot read: %s", path, strerror(errno));
		if (n == 0)
			return fail("%s: became shorter while it was read (%zu of %zu bytes)", path, done, length);
		done += (size_t)n;
	}
	return 0;
}

int file_read(const char *path, size_t limit, char **text, size_t *length)
{
	struct stat status;
	int fd = open_regular(path, &status);
	if (fd < 0)
		return -1;
	size_t size = (size_t)status.st_size;
	if (size > limit) {
		close(fd);
		return fail("%s: %zu bytes, more than the %zu allowed here", path, size, limit);
	}
	char *content = mem_array(size + 1, 1);
	int bad = read_all(fd, path, content, size);
	close(fd);
	content[size] = '\0';
	if (!bad && !length && strlen(content) != size)
		bad = fail("%s: byte %zu: unexpected NUL byte", path, strlen(content));
	if (bad) {
		free(content);
		return -1;
	}
	*text = content;
	if (length)
		*length = size;
	return 0;
}

int file_map_open(struct file_map *map, const char *path)
{
	struct stat status;
	int fd = open_regular(path, &status);
	*map = (struct file_map){0};
	if (fd < 0)
		return -1;
	map->length = (size_t)status.st_size;
	map->status = status;
	if (map->length) {
		void *p = mmap(NULL, map->length, PROT_READ, MAP_SHARED, fd, 0);
		if (p == MAP_FAILED) {
			close(fd);
			map->length = 0;
			return fail("%s: cannot map: %s", path, strerror(errno));
		}
		map->bytes = p;
	}
	close(fd);
	return 0;
}

void file_map_close(struct file_map *map)
{
	if (map->bytes)
		munmap((void *)(uintptr_t)map->bytes, map->length);
	*map = (struct file_map){0};
}

static int same_time(struct timespec a, struct timespec b)
{
	return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

int file_map_check(const struct file_map *map, const char *path)
{
	struct stat now;
	const struct stat *then = &map->status;
	if (!stat(path, &now) && now.st_dev == then->st_dev && now.st_ino == then->st_ino && now.st_size == then->st_size &&
		same_time(now.st_mtim, then->st_mtim) && same_time(now.st_ctim, then->st_ctim))
		return 0;
	return fail("%s: changed while it was read; run ninja again", path);
}

static int write_all(int fd, const char *from, size_t length)
{
	for (size_t done = 0; done < length;) {
		ssize_t n = write(fd, from + done, length - done);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		done += (size_t)n;
	}
	return 0;
}

static int write_aside(const char *path, const void *bytes, size_t length, int durable)
{
	char *aside = aside_name(path);
	int fd = open(aside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	int bad = fd < 0;
	if (!bad) {
		bad = write_all(fd, bytes, length) || (durable && fsync(fd));
		int saved = errno;
		if (close(fd) && !bad)
			bad = 1;
		else
			errno = saved;
	}
	if (!bad)
		bad = rename(aside, path) != 0;
	if (bad) {
		fail("%s: cannot write: %s", path, strerror(errno));
		unlink(aside);
	}
	free(aside);
	return bad ? -1 : 0;
}

int file_write(const char *path, const void *bytes, size_t length)
{
	return write_aside(path, bytes, length, 0);
}

int file_write_durable(const char *path, const void *bytes, size_t length)
{
	return write_aside(path, bytes, length, 1);
}

int file_write_if_changed(const char *path, const void *bytes, size_t length, int *changed)
{
	struct file_map old;
	struct stat status;
	if (changed)
		*changed = 0;
	if (!stat(path, &status) && S_ISREG(status.st_mode) && (size_t)status.st_size == length) {
		if (file_map_open(&old, path))
			return -1;
		int same = old.length == length && (!length || !memcmp(old.bytes, bytes, length));
		file_map_close(&old);
		if (same)
			return 0;
	}
	if (changed)
		*changed = 1;
	return file_write(path, bytes, length);
}

int dir_make(const char *path)
{
	char *copy = mem_strdup(path);
	int bad = 0;
	for (char *p = copy + 1; !bad && *copy; p++) {
		if (*p && *p != '/')
			continue;
		char kept = *p;
		*p = '\0';
		struct stat status;
		if (mkdir(copy, 0777) && errno != EEXIST)
			bad = fail("%s: cannot create the directory: %s", copy, strerror(errno));
		else if (!kept && (stat(copy, &status) || !S_ISDIR(status.st_mode)))
			bad = fail("%s: exists and is not a directory", copy);
		*p = kept;
		if (!kept)
			break;
	}
	free(copy);
	return bad;
}

int dir_make_parents(const char *path)
{
	const char *slash = strrchr(path, '/');
	if (!slash || slash == path)
		return 0;
	char *parent = mem_strndup(path, (size_t)(slash - path));
	int bad = dir_make(parent);
	free(parent);
	return bad;
}

static int remove_entry(const char *path, const struct stat *status, int kind, struct FTW *place)
{
	(void)status;
	(void)kind;
	(void)place;
	return remove(path) && errno != ENOENT ? fail("%s: cannot remove: %s", path, strerror(errno)) : 0;
}

int dir_remove(const char *path)
{
	enum { OPEN_FOLDERS_MAX = 16 };
	return file_exists(path) ? nftw(path, remove_entry, OPEN_FOLDERS_MAX, FTW_DEPTH | FTW_PHYS) : 0;
}

int file_exists(const char *path)
{
	return access(path, F_OK) == 0;
}

char *path_join(const char *dir, const char *name)
{
	if (name[0] == '/' || !*dir || !strcmp(dir, "."))
		return mem_strdup(name);
	size_t length = strlen(dir);
	return mem_join(dir, dir[length - 1] == '/' ? "" : "/", name, NULL);
}

int path_is_inside(const char *inner, const char *outer)
{
	const size_t length = strlen(outer);
	return !strncmp(inner, outer, length) && (!inner[length] || inner[length] == '/' || (length && outer[length - 1] == '/'));
}

int dir_list(const char *path, char ***names, size_t *count)
{
	DIR *dir = opendir(path);
	size_t capacity = 0;
	*names = NULL;
	*count = 0;
	if (!dir)
		return fail("%s: cannot list the directory: %s", path, strerror(errno));
	for (struct dirent *entry; (entry = readdir(dir));) {
		if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
			continue;
		MEM_GROW(*names, *count, capacity);
		(*names)[(*count)++] = mem_strdup(entry->d_name);
	}
	closedir(dir);
	if (*count)
		qsort(*names, *count, sizeof **names, text_order);
	return 0;
}

int dir_each(const char *path, dir_visitor *visit, void *context)
{
	char **names;
	size_t count;
	int bad = 0;
	if (!file_exists(path))
		return 0;
	if (dir_list(path, &names, &count))
		return -1;
	for (size_t i = 0; i < count; i++) {
		bad = bad || visit(context, path, names[i]);
		free(names[i]);
	}
	free(names);
	return bad ? -1 : 0;
}

int dir_exists(const char *path)
{
	struct stat s;
	return !stat(path, &s) && S_ISDIR(s.st_mode);
}
