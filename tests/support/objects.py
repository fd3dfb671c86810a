"""What is in a lake's warehouse, and what of it has a reason to be there."""

from pyiceberg.manifest import DataFileContent
from pyiceberg.table import StaticTable


def _opened(lake, location):
    return StaticTable.from_metadata(location, lake.place.properties)


def _files(table):
    """Of every version of a PyIceberg table."""
    yield table.metadata_location
    for entry in table.metadata.metadata_log:
        yield entry.metadata_file
    for snapshot in table.snapshots():
        yield snapshot.manifest_list
        for manifest in snapshot.manifests(table.io):
            yield manifest.manifest_path
            for entry in manifest.fetch_manifest_entry(table.io, discard_deleted=True):
                yield entry.data_file.file_path


def named(lake):
    """Paths in the warehouse that a version names."""
    return {lake.place.path_of(uri) for location in lake.metadata_locations().values()
            for uri in _files(_opened(lake, location))}


def newest(lake, name, what):
    """The path of one that the present version of schema.table cannot do without: its metadata,
    its manifest list, the manifest that came last, or the largest data file."""
    table = _opened(lake, lake.metadata_locations()[name])
    snapshot = table.current_snapshot()
    manifests = snapshot.manifests(table.io)
    files = [entry.data_file for manifest in manifests
             for entry in manifest.fetch_manifest_entry(table.io, discard_deleted=True)]
    return lake.place.path_of({
        "metadata": table.metadata_location,
        "list": snapshot.manifest_list,
        "manifest": max(manifests, key=lambda entry: entry.sequence_number).manifest_path,
        "data": max((file for file in files if file.content == DataFileContent.DATA),
                    key=lambda file: file.file_size_in_bytes).file_path}[what])


def awaiting_removal(lake):
    return {path for (path,) in lake.catalog_rows("SELECT path FROM walberg_removal")}


def orphans(lake):
    """Neither, nor what says whose the warehouse is.  The lake must stand still."""
    here = {path for path in lake.place.objects() if not path.startswith(".walberg/")}
    return here - named(lake) - awaiting_removal(lake)
