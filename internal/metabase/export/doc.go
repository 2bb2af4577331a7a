// Package export reads a Metabase's content from files instead of over HTTP:
// serialization exports of any age, remote-sync repositories, Metabase's
// "representations", the metadata tree that may lie beside them, and the
// archive (.tar.gz) that the export API hands out. The layout of folders is
// ignored: each file says itself what it holds.
//
// Nothing leaves the folder: symbolic links are not followed, sizes and depths
// are capped, YAML aliases are expanded within a budget. The same things are
// kept and dropped as over HTTP (API reference §5): no field values, default
// values, fingerprints, public links, connection details or e-mail addresses.
// People become pseudonyms. A file that cannot be read is a gap that names the
// file and the line; the rest is read.
//
// Ids are Metabase's entity ids, since exports have no numbers; databases have
// their names, tables and columns their natural ids.
package export
