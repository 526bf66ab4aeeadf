# What tools/rowgen makes of the contracts: a row builder for each dataset whose rows come from C (a contract without SQL
# beside it), and one file that embeds all contracts and models in the library.

set(CA_GEN_DIR ${CMAKE_BINARY_DIR}/gen)
set(rows_gen_dir ${CA_GEN_DIR}/rows/gen)
file(MAKE_DIRECTORY ${rows_gen_dir})
file(GLOB_RECURSE contracts CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/datasets/*.yaml)
file(GLOB_RECURSE models CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/datasets/*.sql)

set(row_contracts "")
set(row_sources "")
set(row_headers "")
foreach(contract IN LISTS contracts)
    cmake_path(GET contract STEM LAST_ONLY name)
    cmake_path(REPLACE_EXTENSION contract LAST_ONLY .sql OUTPUT_VARIABLE model)
    if(NOT model IN_LIST models)
        list(APPEND row_contracts ${contract})
        list(APPEND row_sources ${rows_gen_dir}/${name}.c)
        list(APPEND row_headers ${rows_gen_dir}/${name}.h)
    endif()
endforeach()

# It reads contracts with the library's own loader. The sources are compiled once more, since the rooms' libraries wait
# for the headers that it writes.
file(GLOB loader_sources CONFIGURE_DEPENDS
    ${CMAKE_SOURCE_DIR}/src/base/*.c ${CMAKE_SOURCE_DIR}/src/rows/*.c ${CMAKE_SOURCE_DIR}/src/contract/*.c)
add_executable(rowgen tools/rowgen.c ${loader_sources})
target_include_directories(rowgen PRIVATE ${CMAKE_SOURCE_DIR}/src ${CMAKE_SOURCE_DIR}/include)
target_link_libraries(rowgen PRIVATE ca_flags ca_link_flags ca::glib ca::fyaml ca::jansson ca::nanoarrow ca::xxhash)
set_target_properties(rowgen PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tools)

# Leaks do not matter to a generator that exits; a sanitizer's report of them would stop the build.
set(run_rowgen ${CMAKE_COMMAND} -E env ASAN_OPTIONS=detect_leaks=0 $<TARGET_FILE:rowgen>)
add_custom_command(
    OUTPUT ${row_sources} ${row_headers}
    COMMAND ${run_rowgen} ${rows_gen_dir} ${row_contracts}
    DEPENDS rowgen ${row_contracts}
    COMMENT "row builders from contracts"
    VERBATIM)
add_custom_target(ca_generated_headers DEPENDS ${row_headers})

# Compiled apart from the rows room, without GLib: the worker compiles it too.
add_library(ca_rows_gen STATIC ${row_sources})
target_include_directories(ca_rows_gen PRIVATE ${CA_GEN_DIR} ${CMAKE_SOURCE_DIR}/src ${CMAKE_SOURCE_DIR}/include)
target_link_libraries(ca_rows_gen PRIVATE ca_flags ca::nanoarrow)

add_custom_command(
    OUTPUT ${CA_GEN_DIR}/datasets_bundle.c
    COMMAND ${run_rowgen} --bundle ${CA_GEN_DIR}/datasets_bundle.c ${CMAKE_SOURCE_DIR}/datasets
    DEPENDS rowgen ${contracts} ${models}
    COMMENT "contracts and models embedded"
    VERBATIM)
add_library(ca_datasets STATIC ${CA_GEN_DIR}/datasets_bundle.c)
target_include_directories(ca_datasets PRIVATE ${CMAKE_SOURCE_DIR}/src ${CMAKE_SOURCE_DIR}/include)
target_link_libraries(ca_datasets PRIVATE ca_flags)
set(CA_GENERATED_LIBS ca_rows_gen ca_datasets)
