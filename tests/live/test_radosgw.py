"""The store's own tests with a real server, on Ceph's S3 gateway instead of MinIO.  Left out are
those of what Ceph 16 has not: a look at region and session token, a conditional end of an upload
(docs/decisions/0010)."""

import os
import pathlib
import subprocess

import pytest

import support.walberg
from conftest import IS_LONG
from support.radosgw import Radosgw

NAMES = ["store_in_s3_keeps_the_contract",
         "of_sixteen_creators_of_one_object_exactly_one_wins",
         "a_real_server_lists_and_removes_more_than_a_page"]

if IS_LONG:
    @pytest.fixture(scope="module")
    def gateway():
        with Radosgw("walberg-tests") as running:
            yield running

    @pytest.mark.parametrize("name", NAMES)
    def test_the_store_keeps_its_contract_on_radosgw(gateway, name):
        tests = pathlib.Path(support.walberg.PROGRAM).resolve().parent / "walberg_tests"
        ended = subprocess.run([tests, name], check=False, text=True, stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT,
                               env=dict(os.environ, **gateway.environment))
        assert ended.returncode == 0 and "1 passed, 0 failed, 0 skipped" in ended.stdout, \
            ended.stdout
