"""What is in a lake's warehouse, and what of it has a reason to be there."""


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
    from pyiceberg.table import StaticTable
    root = lake.place.warehouse + "/"
    uris = set()
    for location in lake.metadata_locations().values():
        uris |= set(_files(StaticTable.from_metadata(location, lake.place.properties)))
    assert all(uri.startswith(root) for uri in uris), uris
    return {uri.removeprefix(root) for uri in uris}


def awaiting_removal(lake):
    return {path for (path,) in lake.catalog_rows("SELECT path FROM walberg_removal")}


def orphans(lake):
    """Neither, nor what says whose the warehouse is.  The lake must stand still."""
    here = {path for path in lake.place.objects() if not path.startswith(".walberg/")}
    return here - named(lake) - awaiting_removal(lake)
