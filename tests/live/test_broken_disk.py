"""A disk that fails once: nobody knows what is on it until the log is opened and read again."""

import pathlib
import subprocess
import tempfile

# The first sync of a log segment after the trigger is there fails, and takes the trigger away.
FAIL_ONCE = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int fdatasync(int descriptor)
{
	char link[64], path[4096];
	snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
	ssize_t size = readlink(link, path, sizeof path - 1);
	path[size > 0 ? size : 0] = '\0';
	if (size > 4 && strcmp(path + size - 4, ".log") == 0 && unlink(getenv("FAIL_ONCE")) == 0) {
		errno = EIO;
		return -1;
	}
	return ((int (*)(int))dlsym(RTLD_NEXT, "fdatasync"))(descriptor);
}
"""


def test_a_failed_sync_of_the_log_opens_it_again(database, walberg):
    database.sql("CREATE TABLE t (id int PRIMARY KEY)")
    place = pathlib.Path(tempfile.mkdtemp(prefix="walberg-disk-"))
    place.chmod(0o777)
    (place / "fail.c").write_text(FAIL_ONCE)
    subprocess.run(["cc", "-shared", "-fPIC", "-w", "-o", place / "fail.so", place / "fail.c",
                    "-ldl"], check=True)
    trigger = place / "trigger"
    lake = walberg()
    lake.prefix = ["env", f"LD_PRELOAD={place / 'fail.so'}", f"FAIL_ONCE={trigger}"]
    lake.start()
    lake.wait_live()
    database.catch_up(lake)
    trigger.touch()
    for number in range(50):
        database.sql(f"INSERT INTO t VALUES ({number})")
    lake.wait_until(lambda: not trigger.exists(), "no sync failed")
    database.catch_up(lake)
    assert lake.value("SELECT count(*) FROM t") == 50
    assert lake.stop() == 0
