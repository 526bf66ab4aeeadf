# Each tests/oracle/*.c is a program in BUILD/oracle/ that prints facts for the Python oracles beside it to compare. Also in
# release builds: the comparisons cover whole repositories.
file(GLOB oracle_sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/oracle/*.c)
foreach(source IN LISTS oracle_sources)
    cmake_path(GET source STEM name)
    add_executable(${name} ${source})
    target_include_directories(${name} PRIVATE ${CMAKE_SOURCE_DIR}/src ${CMAKE_SOURCE_DIR}/include ${CA_GEN_DIR})
    target_link_libraries(${name} PRIVATE
        ca_flags ca_link_flags ca_everything ca::glib ca::git2 ca::nanoarrow ca::treesitter ca::xxhash)
    add_dependencies(${name} ca_generated_headers)
    set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/oracle)
endforeach()
