# Third-party libraries as targets ca::NAME, where NAME is the word of cmake/rooms.cmake.
# Debian's come by pkg-config; nanoarrow, flatcc's runtime and tree-sitter are C sources that tools/third-party put in place.

find_package(PkgConfig REQUIRED)

function(ca_pkg NAME)
    pkg_check_modules(${NAME} REQUIRED IMPORTED_TARGET GLOBAL ${ARGN})
    add_library(ca::${NAME} ALIAS PkgConfig::${NAME})
endfunction()

ca_pkg(glib glib-2.0>=2.74)
ca_pkg(fyaml libfyaml>=0.7.12)
ca_pkg(jansson jansson>=2.14)
ca_pkg(smartcols smartcols>=2.38)
ca_pkg(git2 libgit2>=1.5)
ca_pkg(edit libedit>=3.1)
ca_pkg(cmocka cmocka>=1.1.5)

# xxHash is compiled in from its header (XXH_INLINE_ALL); nothing is linked.
pkg_check_modules(xxhash_header REQUIRED libxxhash>=0.8.1)
add_library(ca_xxhash INTERFACE)
target_include_directories(ca_xxhash SYSTEM INTERFACE ${xxhash_header_INCLUDE_DIRS})
add_library(ca::xxhash ALIAS ca_xxhash)

if(NOT EXISTS ${CA_THIRD_PARTY}/nanoarrow OR NOT EXISTS ${CA_THIRD_PARTY}/tree-sitter)
    message(FATAL_ERROR "no third-party sources in ${CA_THIRD_PARTY}: run 'make setup' (or tools/third-party)")
endif()

# Foreign code is compiled without our warnings, optimized also in dev, and never exported from our libraries.
function(ca_foreign TARGET)
    target_compile_options(${TARGET} PRIVATE -w -O2 -ffunction-sections -fdata-sections)
    target_compile_definitions(${TARGET} PRIVATE NDEBUG)
    set_target_properties(${TARGET} PROPERTIES C_STANDARD 11 C_EXTENSIONS ON C_VISIBILITY_PRESET hidden)
endfunction()

set(nanoarrow_dir ${CA_THIRD_PARTY}/nanoarrow/src/nanoarrow)
set(NANOARROW_VERSION_MAJOR 0)
set(NANOARROW_VERSION_MINOR 9)
set(NANOARROW_VERSION_PATCH 0)
set(NANOARROW_VERSION 0.9.0)
# No namespace: nothing of nanoarrow is exported from our libraries, so it cannot meet another copy.
set(NANOARROW_NAMESPACE_DEFINE "")
configure_file(${nanoarrow_dir}/nanoarrow_config.h.in ${CMAKE_BINARY_DIR}/third_party/nanoarrow/nanoarrow_config.h @ONLY)

add_library(ca_nanoarrow STATIC
    ${nanoarrow_dir}/common/array.c
    ${nanoarrow_dir}/common/array_stream.c
    ${nanoarrow_dir}/common/schema.c
    ${nanoarrow_dir}/common/utils.c
    ${nanoarrow_dir}/ipc/codecs.c
    ${nanoarrow_dir}/ipc/decoder.c
    ${nanoarrow_dir}/ipc/encoder.c
    ${nanoarrow_dir}/ipc/reader.c
    ${nanoarrow_dir}/ipc/writer.c
    ${CA_THIRD_PARTY}/flatcc/src/runtime/builder.c
    ${CA_THIRD_PARTY}/flatcc/src/runtime/emitter.c
    ${CA_THIRD_PARTY}/flatcc/src/runtime/refmap.c
    ${CA_THIRD_PARTY}/flatcc/src/runtime/verifier.c)
target_include_directories(ca_nanoarrow SYSTEM PUBLIC
    ${CA_THIRD_PARTY}/nanoarrow/src
    ${CMAKE_BINARY_DIR}/third_party)
target_include_directories(ca_nanoarrow SYSTEM PRIVATE ${CA_THIRD_PARTY}/flatcc/include)
ca_foreign(ca_nanoarrow)
add_library(ca::nanoarrow ALIAS ca_nanoarrow)

add_library(ca_treesitter STATIC
    ${CA_THIRD_PARTY}/tree-sitter/src/lib.c
    ${CA_THIRD_PARTY}/tree-sitter-python/src/parser.c
    ${CA_THIRD_PARTY}/tree-sitter-python/src/scanner.c)
# The grammar's sources carry their own copy of tree_sitter/parser.h; the runtime's must not be found first there.
set_source_files_properties(
    ${CA_THIRD_PARTY}/tree-sitter-python/src/parser.c ${CA_THIRD_PARTY}/tree-sitter-python/src/scanner.c
    PROPERTIES INCLUDE_DIRECTORIES ${CA_THIRD_PARTY}/tree-sitter-python/src)
set_source_files_properties(
    ${CA_THIRD_PARTY}/tree-sitter/src/lib.c
    PROPERTIES INCLUDE_DIRECTORIES ${CA_THIRD_PARTY}/tree-sitter/src
               COMPILE_DEFINITIONS "_POSIX_C_SOURCE=200112L;_DEFAULT_SOURCE")
# Without this api.h makes its functions visible whatever the flags say.
target_compile_definitions(ca_treesitter PUBLIC TREE_SITTER_HIDE_SYMBOLS)
target_include_directories(ca_treesitter SYSTEM PUBLIC ${CA_THIRD_PARTY}/tree-sitter/include)
ca_foreign(ca_treesitter)
add_library(ca::treesitter ALIAS ca_treesitter)

# The engine: `shared` in development (links in a second), `static` in releases (one file, only our symbols outside),
# `none` for work on rooms that need no engine: rooms above it, the library and the program are left out.
set(CA_ENGINE shared CACHE STRING "how libcadf is linked: shared, static, none")
set_property(CACHE CA_ENGINE PROPERTY STRINGS shared static none)
add_library(ca_cadf INTERFACE)
target_include_directories(ca_cadf INTERFACE ${CMAKE_SOURCE_DIR}/shim/include)
if(CA_ENGINE STREQUAL "shared")
    set(cadf_file ${CA_ENGINE_DIR}/libcadf.so)
    add_library(cadf SHARED IMPORTED GLOBAL)
    set_target_properties(cadf PROPERTIES IMPORTED_LOCATION ${cadf_file} IMPORTED_NO_SONAME ON)
elseif(CA_ENGINE STREQUAL "static")
    set(cadf_file ${CA_ENGINE_DIR}/libcadf.a)
    add_library(cadf STATIC IMPORTED GLOBAL)
    set_target_properties(cadf PROPERTIES IMPORTED_LOCATION ${cadf_file} INTERFACE_LINK_LIBRARIES "m;dl;pthread;gcc_s")
elseif(NOT CA_ENGINE STREQUAL "none")
    message(FATAL_ERROR "CA_ENGINE is '${CA_ENGINE}': use shared, static or none")
endif()
if(NOT CA_ENGINE STREQUAL "none")
    if(NOT EXISTS ${cadf_file})
        message(FATAL_ERROR "no engine at ${cadf_file}: run tools/engine (make does), or configure with -DCA_ENGINE=none")
    endif()
    target_link_libraries(ca_cadf INTERFACE cadf)
endif()
add_library(ca::cadf ALIAS ca_cadf)
