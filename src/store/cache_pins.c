#include "store/cache_internal.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define HEADER "walberg cache pins 1\n"

/*
 * Locks of the open file, not of the process: several caches of one process exclude each other, and
 * closing another descriptor of the file loses none.
 */
static bool lock(const struct pins *pins, short type, int64_t id, int command)
{
	struct flock lock = { .l_type = type, .l_whence = SEEK_SET, .l_start = id, .l_len = 1 };
	int result;
	do {
		result = fcntl(pins->descriptor, command, &lock);
	} while (result != 0 && errno == EINTR);
	return result == 0;
}

bool pins_open(struct pins *pins, const char *path, struct error *err)
{
	*pins = (struct pins){ .descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0640) };
	if (pins->descriptor < 0)
		return error_set_errno(err, ERROR_SETUP, "\"%s\" cannot be opened", path);
	if (!lock(pins, F_RDLCK, 0, F_OFD_SETLKW) ||
		pwrite(pins->descriptor, HEADER, sizeof HEADER - 1, 0) < 0) {
		error_set_errno(err, ERROR_SETUP, "\"%s\" cannot be locked", path);
		pins_close(pins);
		return false;
	}
	return true;
}

void pins_close(struct pins *pins)
{
	map_deinit(&pins->held);
	if (pins->descriptor >= 0)
		close(pins->descriptor);
	pins->descriptor = -1;
}

bool pins_has(const struct pins *pins, int64_t id)
{
	return map_get(&pins->held, (uint64_t)id) != NULL;
}

/* An exclusive lock is only held for the moment of a removal. */
bool pins_add(struct pins *pins, int64_t id, struct error *err)
{
	assert(id > 0);
	if (pins_has(pins, id))
		return true;
	if (!lock(pins, F_RDLCK, id, F_OFD_SETLKW))
		return error_set_errno(err, ERROR_SETUP, "an object of the cache cannot be locked");
	map_put(&pins->held, (uint64_t)id, pins);
	return true;
}

void pins_drop(struct pins *pins, int64_t id)
{
	if (map_remove(&pins->held, (uint64_t)id) != NULL)
		lock(pins, F_UNLCK, id, F_OFD_SETLK);
}

void pins_drop_all(struct pins *pins)
{
	if (pins->held.count == 0)
		return;
	struct flock lock = { .l_type = F_UNLCK, .l_whence = SEEK_SET, .l_start = 1, .l_len = 0 };
	fcntl(pins->descriptor, F_OFD_SETLK, &lock);
	map_deinit(&pins->held);
}

bool pins_try_lock(struct pins *pins, int64_t id)
{
	return !pins_has(pins, id) && lock(pins, F_WRLCK, id, F_OFD_SETLK);
}

void pins_unlock(struct pins *pins, int64_t id)
{
	assert(!pins_has(pins, id));
	lock(pins, F_UNLCK, id, F_OFD_SETLK);
}

bool pins_try_own(struct pins *pins, int64_t id)
{
	return pins_has(pins, id) && lock(pins, F_WRLCK, id, F_OFD_SETLK);
}

void pins_share(struct pins *pins, int64_t id)
{
	lock(pins, F_RDLCK, id, F_OFD_SETLK);
}

bool pins_try_lock_all(struct pins *pins)
{
	return lock(pins, F_WRLCK, 0, F_OFD_SETLK);
}

void pins_share_all(struct pins *pins)
{
	lock(pins, F_RDLCK, 0, F_OFD_SETLK);
}
