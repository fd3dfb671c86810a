#include "base/world.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
	FILE_PERMISSIONS = 0640,
	DIRECTORY_PERMISSIONS = 0750
};

struct posix_file {
	struct file base;
	int descriptor;
	bool is_lost; /* a sync failed: the kernel has dropped dirty pages and forgets that it did
		       */
	char path[];
};

static enum error_kind kind_of_errno(int number)
{
	switch (number) {
	case ENOENT:
		return ERROR_MISSING;
	case EEXIST:
		return ERROR_CONFLICT;
	case ENOSPC:
	case EDQUOT:
	case EFBIG:
	case EMFILE:
	case ENFILE:
	case ENOMEM:
		return ERROR_LIMIT;
	case EACCES:
	case EPERM:
	case EROFS:
	case ENOTDIR:
	case EISDIR:
	case ENOTEMPTY:
	case ELOOP:
	case ENAMETOOLONG:
	case EXDEV:
	case EINVAL:
		return ERROR_SETUP;
	case EAGAIN:
	case EBUSY:
		return ERROR_BUSY;
	default:
		return ERROR_LOST;
	}
}

static const char *hint_of_errno(int number)
{
	switch (number) {
	case ENOSPC:
		return "Free space on this disk, or move the directory to a larger one.";
	case EDQUOT:
		return "Raise the disk quota of the user that runs walberg.";
	case EFBIG:
		return "Raise the limit of file sizes (ulimit -f, or LimitFSIZE= of the service).";
	case ENOTDIR:
	case EISDIR:
		return "Something else stands at this path: move it away, or choose another one.";
	case EMFILE:
	case ENFILE:
		return "Raise the limit of open files (ulimit -n, or LimitNOFILE= of the service).";
	case EACCES:
	case EPERM:
		return "Give the user that runs walberg permission to read and write there.";
	case EROFS:
		return "Mount the file system writable, or choose another directory.";
	case EIO:
		return "The disk reports a fault; look at the kernel's log (dmesg).";
	default:
		return "";
	}
}

/* `verb` completes "cannot be ...". */
static bool fail(const char *path, const char *verb, struct error *err)
{
	const int number = errno;
	error_set_errno(err, kind_of_errno(number), "\"%s\" cannot be %s", path, verb);
	return error_hint(err, "%s", hint_of_errno(number));
}

static micros_t clock_micros(clockid_t clock)
{
	struct timespec time;
	clock_gettime(clock, &time);
	return (int64_t)time.tv_sec * 1000000 + time.tv_nsec / 1000;
}

static micros_t posix_now(struct world *world)
{
	(void)world;
	return clock_micros(CLOCK_REALTIME);
}

static micros_t posix_monotonic(struct world *world)
{
	(void)world;
	return clock_micros(CLOCK_MONOTONIC);
}

static void posix_sleep(struct world *world, micros_t span)
{
	(void)world;
	struct timespec time = { span / MICROS_PER_SECOND, span % MICROS_PER_SECOND * 1000 };
	while (clock_nanosleep(CLOCK_MONOTONIC, 0, &time, &time) == EINTR)
		;
}

static void posix_random(struct world *world, void *out, size_t size)
{
	(void)world;
	for (size_t done = 0; done < size;) {
		const ssize_t got = getrandom((char *)out + done, size - done, 0);
		assert(got > 0 || errno == EINTR);
		done += got > 0 ? (size_t)got : 0;
	}
}

static bool posix_read_at(
	struct file *file, uint64_t offset, void *out, size_t size, size_t *got, struct error *err)
{
	struct posix_file *posix = (struct posix_file *)file;
	while (*got < size) {
		const ssize_t part = pread(
			posix->descriptor, (char *)out + *got, size - *got, (off_t)(offset + *got));
		if (part < 0 && errno == EINTR)
			continue;
		if (part < 0)
			return fail(posix->path, "read", err);
		if (part == 0)
			break;
		*got += (size_t)part;
	}
	return true;
}

static bool posix_write_at(struct file *file, uint64_t offset, struct bytes data, struct error *err)
{
	struct posix_file *posix = (struct posix_file *)file;
	for (size_t done = 0; done < data.size;) {
		const ssize_t part = pwrite(posix->descriptor, data.data + done, data.size - done,
			(off_t)(offset + done));
		if (part < 0 && errno == EINTR)
			continue;
		if (part < 0)
			return fail(posix->path, "written", err);
		done += (size_t)part;
	}
	return true;
}

static bool posix_truncate(struct file *file, uint64_t size, struct error *err)
{
	struct posix_file *posix = (struct posix_file *)file;
	if (ftruncate(posix->descriptor, (off_t)size) != 0)
		return fail(posix->path, "cut to its new size", err);
	return true;
}

static bool posix_sync(struct file *file, struct error *err)
{
	struct posix_file *posix = (struct posix_file *)file;
	if (posix->is_lost)
		errno = EIO;
	else if (fdatasync(posix->descriptor) == 0)
		return true;
	posix->is_lost = true;
	return fail(posix->path, "made durable", err);
}

static bool posix_size(struct file *file, uint64_t *out, struct error *err)
{
	struct posix_file *posix = (struct posix_file *)file;
	struct stat info;
	if (fstat(posix->descriptor, &info) != 0)
		return fail(posix->path, "examined", err);
	*out = (uint64_t)info.st_size;
	return true;
}

static void posix_close(struct file *file)
{
	struct posix_file *posix = (struct posix_file *)file;
	close(posix->descriptor);
	free(posix);
}

static bool check_is_file(int descriptor)
{
	struct stat info;
	if (fstat(descriptor, &info) != 0)
		return false;
	errno = EISDIR;
	return !S_ISDIR(info.st_mode);
}

static bool posix_open(struct world *world, const char *path, enum file_mode mode,
	struct file **out, struct error *err)
{
	static const struct file_ops ops = {
		.read_at = posix_read_at,
		.write_at = posix_write_at,
		.truncate = posix_truncate,
		.sync = posix_sync,
		.size = posix_size,
		.close = posix_close,
	};
	static const int FLAGS[] = {
		[FILE_READ] = O_RDONLY,
		[FILE_WRITE] = O_RDWR,
		[FILE_CREATE] = O_RDWR | O_CREAT,
		[FILE_CREATE_NEW] = O_RDWR | O_CREAT | O_EXCL,
	};
	(void)world;
	assert(mode >= FILE_READ && mode <= FILE_CREATE_NEW);
	const int descriptor = open(path, FLAGS[mode] | O_CLOEXEC, FILE_PERMISSIONS);
	if (descriptor < 0)
		return fail(path, mode >= FILE_CREATE ? "created" : "opened", err);
	if (!check_is_file(descriptor)) {
		fail(path, "opened", err);
		close(descriptor);
		return false;
	}
	struct posix_file *file = memory_allocate(1, sizeof *file + strlen(path) + 1);
	file->base.ops = &ops;
	file->descriptor = descriptor;
	strcpy(file->path, path);
	*out = &file->base;
	return true;
}

static bool posix_rename(struct world *world, const char *from, const char *to, struct error *err)
{
	(void)world;
	if (rename(from, to) != 0)
		return fail(from, "renamed", err);
	return true;
}

static bool posix_remove(struct world *world, const char *path, struct error *err)
{
	(void)world;
	if (unlink(path) != 0)
		return fail(path, "removed", err);
	return true;
}

static bool posix_make_directory(struct world *world, const char *path, struct error *err)
{
	(void)world;
	if (mkdir(path, DIRECTORY_PERMISSIONS) == 0)
		return true;
	struct stat info;
	const int number = errno;
	const bool is_other = number == EEXIST && stat(path, &info) == 0 && !S_ISDIR(info.st_mode);
	errno = is_other ? ENOTDIR : number;
	return fail(path, "made a directory", err);
}

static bool posix_sync_directory(struct world *world, const char *path, struct error *err)
{
	(void)world;
	const int descriptor = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (descriptor < 0)
		return fail(path, "opened", err);
	const bool ok = fsync(descriptor) == 0;
	if (!ok)
		fail(path, "made durable", err);
	close(descriptor);
	return ok;
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(((const struct file_info *)a)->name, ((const struct file_info *)b)->name);
}

/* False when the entry is not listed: ".", "..", or gone since the directory was read. */
static bool describe_entry(
	DIR *directory, const char *name, struct arena *arena, struct file_info *out)
{
	struct stat info;
	if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0 ||
		fstatat(dirfd(directory), name, &info, 0) != 0)
		return false;
	*out = (struct file_info){
		.name = arena_copy_cstring(arena, name),
		.is_directory = S_ISDIR(info.st_mode),
		.size_bytes = S_ISDIR(info.st_mode) ? 0 : (uint64_t)info.st_size,
		.modified_at = (int64_t)info.st_mtim.tv_sec * 1000000 + info.st_mtim.tv_nsec / 1000,
	};
	return true;
}

static bool posix_list(struct world *world, const char *path, struct arena *arena,
	struct file_info **out, size_t *count, struct error *err)
{
	(void)world;
	DIR *directory = opendir(path);
	if (directory == NULL)
		return fail(path, "listed", err);
	struct buffer infos = { 0 };
	struct file_info info;
	const struct dirent *entry;
	while ((errno = 0, entry = readdir(directory)) != NULL)
		if (describe_entry(directory, entry->d_name, arena, &info))
			buffer_append(&infos, &info, sizeof info);
	const bool ok = errno == 0;
	if (!ok)
		fail(path, "listed", err);
	closedir(directory);
	*count = ok ? infos.size / sizeof info : 0;
	*out = arena_array(arena, struct file_info, *count);
	if (*count > 0) {
		memcpy(*out, infos.data, infos.size);
		qsort(*out, *count, sizeof info, compare_names);
	}
	buffer_deinit(&infos);
	return ok;
}

static void posix_world_close(struct world *world)
{
	(void)world;
}

struct world *world_posix(void)
{
	static const struct world_ops ops = {
		.now = posix_now,
		.monotonic = posix_monotonic,
		.sleep = posix_sleep,
		.random = posix_random,
		.open = posix_open,
		.rename = posix_rename,
		.remove = posix_remove,
		.make_directory = posix_make_directory,
		.sync_directory = posix_sync_directory,
		.list = posix_list,
		.close = posix_world_close,
	};
	static struct world world = { &ops };
	return &world;
}
