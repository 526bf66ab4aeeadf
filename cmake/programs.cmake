# Each tests/oracle/*.c is a program in BUILD/oracle/ that prints facts for the Python oracles beside it to compare, and each
# bench/*.c one in BUILD/bench/ that prints times. Also in release builds: the comparisons cover whole repositories.
foreach(folder tests/oracle bench)
    cmake_path(GET folder FILENAME where)
    file(GLOB program_sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/${folder}/*.c)
    foreach(source IN LISTS program_sources)
        cmake_path(GET source STEM name)
        set(program ${where}_${name})
        add_executable(${program} ${source})
        target_include_directories(${program} PRIVATE
            ${CMAKE_SOURCE_DIR}/src ${CMAKE_SOURCE_DIR}/include ${CA_GEN_DIR})
        target_link_libraries(${program} PRIVATE
            ca_flags ca_link_flags ca_everything ca::glib ca::git2 ca::nanoarrow ca::treesitter ca::xxhash)
        add_dependencies(${program} ca_generated_headers)
        set_target_properties(${program} PROPERTIES
            OUTPUT_NAME ${name} RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/${where})
    endforeach()
endforeach()
