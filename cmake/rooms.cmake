# The layer law: one line a room. CMake builds each room from it and links only what it names; tools/check-layers reads the
# same lines and holds every #include and every undefined symbol against them.
#
#   ca_room(NAME MAY rooms.. USES third-party..)
#     NAME  folder under src/ ('/' allowed); a room without sources yet is skipped
#     MAY   the rooms whose headers it may include and whose functions it may call; '*' is all of them. A single header may
#           stand here too, where a struct is shared and nothing else
#     USES  the third-party libraries it may see; whatever is not named is hidden from it

ca_room(base                MAY USES glib xxhash)
ca_room(position            MAY USES xxhash)
ca_room(rows                MAY base position USES glib nanoarrow)
ca_room(diag                MAY base rows USES glib)
ca_room(contract            MAY base rows diag USES glib fyaml jansson nanoarrow xxhash)
ca_room(kernel              MAY base position rows USES glib nanoarrow)
ca_room(repo                MAY base position rows diag USES glib git2 fyaml)
ca_room(extract/treesitter  MAY base position rows diag repo USES glib treesitter)
ca_room(extract/cpython     MAY base position rows diag repo USES glib nanoarrow)
ca_room(extract/scip        MAY base position rows diag repo USES glib)
ca_room(engine              MAY base rows USES glib cadf nanoarrow jansson)
ca_room(catalog             MAY base rows diag contract kernel engine USES glib jansson)
ca_room(compile             MAY base diag contract engine catalog USES glib jansson xxhash)
ca_room(stage               MAY base diag contract catalog compile engine USES glib)
ca_room(publish             MAY base diag contract catalog engine USES glib jansson)
ca_room(build               MAY base rows diag contract engine repo extract/treesitter extract/cpython extract/scip catalog compile stage publish USES glib jansson)
ca_room(session             MAY * USES glib jansson smartcols)

# Outside src/: the worker runs inside the target interpreter, so it has neither GLib nor anything else of ours; the program
# and the Python package see the public headers alone (and libraries of their own choice).
ca_outside(worker MAY position rows/gen rows/rows_value.h extract/cpython/protocol.h USES nanoarrow python)
ca_outside(cli    MAY USES glib edit jansson)
ca_outside(python/native MAY USES nanoarrow python)

# Which header belongs to which third-party library, by the start of what is between the angle brackets.
ca_third_party_header(glib       glib.h glib/ gio/ gmodule.h glib-object.h glib-unix.h)
ca_third_party_header(xxhash     xxhash.h)
ca_third_party_header(nanoarrow  nanoarrow/ flatcc/)
ca_third_party_header(fyaml      libfyaml.h)
ca_third_party_header(git2       git2.h git2/)
ca_third_party_header(treesitter tree_sitter/)
ca_third_party_header(cadf       cadf.h)
ca_third_party_header(jansson    jansson.h)
ca_third_party_header(smartcols  libsmartcols/ libsmartcols.h)
ca_third_party_header(edit       histedit.h editline/)
ca_third_party_header(python     Python.h)
