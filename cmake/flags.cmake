# Flags of our own code, as a target: foreign code and the worker take only what suits them.

add_library(ca_warnings INTERFACE)
target_compile_options(ca_warnings INTERFACE
    -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wold-style-definition -Wformat=2 -Wvla
    -Wpointer-arith -Wwrite-strings -Wundef -Wredundant-decls -Wdate-time
    # A struct literal that names some fields leaves the others zero: the house's way of passing options.
    -Wno-missing-field-initializers
    # clang sees a varying format where gcc knows that the attribute has checked it.
    $<$<C_COMPILER_ID:Clang>:-Wno-format-nonliteral>)
if(CA_WERROR)
    target_compile_options(ca_warnings INTERFACE -Werror)
endif()

# The grammar's version is in its lock file; runs record it (A4).
file(READ ${CMAKE_SOURCE_DIR}/tools/third_party/Cargo.lock ca_lock)
string(REGEX MATCH "name = \"tree-sitter-python\"\nversion = \"([^\"]+)\"" ca_match "${ca_lock}")
set(CA_GRAMMAR_VERSION "tree-sitter-python ${CMAKE_MATCH_1}")

# The engine's version is in the shim's: a contract may say which one it needs.
file(READ ${CMAKE_SOURCE_DIR}/shim/Cargo.lock ca_lock)
string(REGEX MATCH "name = \"datafusion\"\nversion = \"([^\"]+)\"" ca_match "${ca_lock}")
set(CA_ENGINE_VERSION "${CMAKE_MATCH_1}")

# What every file of ours is compiled with, sanitizers apart. The build's own folder does not get into the objects.
add_library(ca_plain INTERFACE)
target_compile_features(ca_plain INTERFACE c_std_17)
target_compile_options(ca_plain INTERFACE
    -std=gnu17 -fno-common -fno-semantic-interposition -fstack-protector-strong -ffunction-sections -fdata-sections
    -ffile-prefix-map=${CMAKE_SOURCE_DIR}/=)
target_compile_definitions(ca_plain INTERFACE
    _GNU_SOURCE= CA_VERSION="${PROJECT_VERSION}" CA_GRAMMAR_VERSION="${CA_GRAMMAR_VERSION}"
    CA_ENGINE_VERSION="${CA_ENGINE_VERSION}"
    $<$<CONFIG:RelWithDebInfo>:_FORTIFY_SOURCE=2>)
target_link_libraries(ca_plain INTERFACE ca_warnings)

add_library(ca_flags INTERFACE)
target_link_libraries(ca_flags INTERFACE ca_plain)
add_library(ca_link_flags INTERFACE)
if(CA_SANITIZE)
    target_compile_options(ca_flags INTERFACE -fsanitize=${CA_SANITIZE} -fno-sanitize-recover=all)
    target_link_options(ca_link_flags INTERFACE -fsanitize=${CA_SANITIZE})
endif()
if(CA_FUZZ)
    target_compile_options(ca_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()
if(CA_COVERAGE)
    # Threads count in the same places: without atomic counters some go below zero, which gcovr refuses.
    target_compile_options(ca_flags INTERFACE --coverage -fprofile-update=atomic)
    target_link_options(ca_link_flags INTERFACE --coverage)
endif()

# mold links the static engine in a second or two where GNU ld takes half a minute.
find_program(CA_MOLD mold)
if(CA_MOLD)
    target_link_options(ca_link_flags INTERFACE -fuse-ld=mold)
endif()
target_link_options(ca_link_flags INTERFACE LINKER:--gc-sections LINKER:--as-needed)
